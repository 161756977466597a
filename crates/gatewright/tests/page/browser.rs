//! A headless Chromium that is asked over a pipe: the DevTools protocol without a port.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Result;

/// Much more than anything takes here, also on a machine under load.
const PATIENCE: Duration = Duration::from_mins(2);

/// What Debian and others call it.
const NAMES: [&str; 4] = ["chromium", "chromium-headless-shell", "chromium-browser", "google-chrome"];

/// Chromium, where it is installed.
pub fn program() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    let files = std::env::split_paths(&folders).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    files.into_iter().find(|file| file.is_file())
}

/// A key.
pub struct Key {
    /// Its name; empty for one that writes a character.
    name: &'static str,
    code: u32,
    writes: Option<char>,
    shift: bool,
}

impl Key {
    pub const TAB: Self = Self { name: "Tab", code: 9, writes: None, shift: false };
    pub const BACK_TAB: Self = Self { shift: true, ..Self::TAB };
    pub const ENTER: Self = Self { name: "Enter", code: 13, writes: Some('\r'), shift: false };
    pub const ESCAPE: Self = Self { name: "Escape", code: 27, writes: None, shift: false };
    pub const DOWN: Self = Self { name: "ArrowDown", code: 40, writes: None, shift: false };

    /// One that writes a character.
    pub const fn of(c: char) -> Self {
        Self { name: "", code: c.to_ascii_uppercase() as u32, writes: Some(c), shift: false }
    }
}

/// A browser with one page.
pub struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    waiting: VecDeque<Value>,
    session: String,
    next: u64,
    dialogs: Vec<String>,
    requests: Vec<String>,
}

impl Browser {
    /// Starts it; what it stores goes into the folder.
    pub fn start(program: &Path, folder: &Path) -> Result<Self> {
        // It reads from descriptor 3 and writes to 4.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"]).arg(program);
        command.args(["--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"]);
        // Root has no sandbox; shared memory is small where CI runs.
        command.args(["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]);
        command.arg(format!("--user-data-dir={}", folder.join("browser").display())).arg("about:blank");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().ok_or("no pipe")?;
        let output = BufReader::new(child.stdout.take().ok_or("no pipe")?);
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in output.split(0).map_while(std::result::Result::ok) {
                if let Ok(message) = serde_json::from_slice(&message)
                    && sender.send(message).is_err()
                {
                    break;
                }
            }
        });
        let (waiting, session) = (VecDeque::new(), String::new());
        let mut browser =
            Self { child, input, messages, waiting, session, next: 0, dialogs: vec![], requests: vec![] };
        browser.attach()?;
        Ok(browser)
    }

    fn attach(&mut self) -> Result {
        let targets = self.call("Target.getTargets", &json!({}))?;
        let targets = targets["targetInfos"].as_array().ok_or("no targets")?;
        let page = targets.iter().find(|target| target["type"] == "page").ok_or("no page")?;
        let attach = json!({"targetId": page["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", &attach)?;
        attached["sessionId"].as_str().ok_or("no session")?.clone_into(&mut self.session);
        for domain in ["Page", "Runtime", "Network"] {
            self.call(&format!("{domain}.enable"), &json!({}))?;
        }
        Ok(())
    }

    /// Calls a method of the protocol.
    pub fn call(&mut self, method: &str, parameters: &Value) -> Result<Value> {
        self.next += 1;
        let mut message = json!({"id": self.next, "method": method, "params": parameters});
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.input.write_all(format!("{message}\0").as_bytes())?;
        self.input.flush()?;
        loop {
            let message =
                self.messages.recv_timeout(PATIENCE).map_err(|error| format!("{method}: {error}"))?;
            if message["id"] != self.next {
                self.note(message)?;
            } else if message["error"].is_null() {
                return Ok(message["result"].clone());
            } else {
                return Err(format!("{method}: {}", message["error"]).into());
            }
        }
    }

    /// Takes in what the browser says of its own accord. A dialog would hold everything up.
    fn note(&mut self, message: Value) -> Result {
        let parameters = &message["params"];
        match message["method"].as_str() {
            Some("Page.javascriptDialogOpening") => {
                self.dialogs.push(parameters["message"].to_string());
                // Nobody waits for this answer.
                let close = json!({"id": 0, "method": "Page.handleJavaScriptDialog",
                    "params": {"accept": false}, "sessionId": self.session});
                self.input.write_all(format!("{close}\0").as_bytes())?;
            }
            Some("Network.requestWillBeSent") => {
                self.requests.push(parameters["request"]["url"].as_str().unwrap_or_default().to_owned());
            }
            _ => self.waiting.push_back(message),
        }
        Ok(())
    }

    /// Opens an address anew, and waits until it is there.
    pub fn open(&mut self, url: &str) -> Result {
        // Another fragment alone would not load it.
        self.load("about:blank")?;
        self.load(url)
    }

    fn load(&mut self, url: &str) -> Result {
        self.waiting.clear();
        let found = self.call("Page.navigate", &json!({"url": url}))?;
        if found["errorText"].is_string() {
            return Err(format!("{url}: {}", found["errorText"]).into());
        }
        let begun = Instant::now();
        while !self.waiting.iter().any(|it| it["method"] == "Page.loadEventFired") {
            if begun.elapsed() > PATIENCE {
                return Err(format!("{url} does not load").into());
            }
            if let Ok(message) = self.messages.recv_timeout(PATIENCE) {
                self.note(message)?;
            }
        }
        Ok(())
    }

    /// What an expression is in the page.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let found = self.call("Runtime.evaluate", &asked)?;
        match &found["exceptionDetails"] {
            Value::Null => Ok(found["result"]["value"].clone()),
            thrown => Err(format!("{expression}: {thrown}").into()),
        }
    }

    /// Waits until an expression is as it should be.
    pub fn until(&mut self, expression: &str, what: &str, is: impl Fn(&Value) -> bool) -> Result {
        let begun = Instant::now();
        loop {
            let found = self.evaluate(expression)?;
            if is(&found) {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE / 4 {
                return Err(format!("not {what}: {found}").into());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses a key and lets it go.
    pub fn press(&mut self, key: &Key) -> Result {
        let text = key.writes.map(String::from);
        let name = if key.name.is_empty() { text.as_deref().unwrap_or_default() } else { key.name };
        let mut event = json!({
            "type": if text.is_some() { "keyDown" } else { "rawKeyDown" }, "key": name, "code": key.name,
            "windowsVirtualKeyCode": key.code, "modifiers": if key.shift { 8 } else { 0 },
        });
        if let Some(text) = text {
            event["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", &event)?;
        event["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", &event)?;
        Ok(())
    }

    /// Shows the page as on a medium, and in a scheme of colours.
    pub fn media(&mut self, medium: &str, scheme: &str) -> Result {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.call("Emulation.setEmulatedMedia", &json!({"media": medium, "features": features})).map(drop)
    }

    /// What dialogs said.
    pub fn dialogs(&self) -> &[String] {
        &self.dialogs
    }

    /// What was asked for.
    pub fn requests(&self) -> Vec<String> {
        self.requests.iter().filter(|url| *url != "about:blank").cloned().collect()
    }

    /// Forgets what a test asked for itself: it is refused before it is sent.
    pub fn forget_requests_to(&mut self, prefix: &str) {
        self.requests.retain(|url| !url.starts_with(prefix));
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
