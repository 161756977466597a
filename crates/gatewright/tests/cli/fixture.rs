//! What others may write, at its worst: every command and every format gets it, and so does the page in a browser.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

/// A password in `dockerCfg`, which must come through nowhere.
const CANARY: &str = "hunter2-canary";

/// How the lines begin that others put into their texts.
pub const FORGED: [&str; 5] = [
    "::error file=a.yaml::forged",
    "  ::stop-commands::forged",
    "##[error]forged",
    "error: forged",
    "note: forged",
];

const KEY: &str = include_str!("../../../signatures/tests/fixtures/keys/p256.pub");

/// Escape codes, marks that turn a line round or hide in it, separators, markup, the end of CDATA, a formula, a link, commands
/// to the runner of a CI job and messages that look like ours, each in a line of its own.
pub fn evil() -> String {
    let marks = "\u{202e}evil\u{200b}\u{2066}\u{2028}";
    let markup = "<img src=x onerror=alert(1)></script><script>alert(2)</script>&amp;]]>";
    let lines = FORGED.join("\n");
    let link = "[x](https://evil.example)";
    format!(
        "=1+1\u{1b}[2J\u{1b}]0;title\u{7}{marks}{markup}%0A::error::forged\r\n\u{9b}31m{link}\n{lines}\n{link}"
    )
}

/// The credentials of a registry, as `dockerCfg` has them, and in every other form in which they could come through.
pub fn canaries() -> [String; 3] {
    let auth = BASE64_STANDARD.encode(format!("user:{CANARY}"));
    let config = json!({"auths": {"registry.example.com": {"auth": auth}}}).to_string();
    [BASE64_STANDARD.encode(config), auth, CANARY.to_owned()]
}

/// A policy with the canary.
pub fn policy() -> Value {
    let entry = json!({
        "reference": "registry.example.com/*", "publicKeys": [KEY], "dockerCfg": canaries()[0],
    });
    json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": "strict"},
        "spec": {
            "match": {"namespaceSelector": {"matchNames": ["*"]}},
            "policies": {"allowPrivileged": false, "verifyImageSignatures": [entry]},
        },
    })
}

fn pod(namespace: &str, name: &str, container: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [{
            "name": container, "image": format!("registry.example.com/{container}"),
            "securityContext": {"privileged": true},
        }]},
    })
}

/// Objects that violate the policy: one of evil names, one whose name is a mebibyte long, and plain ones.
pub fn objects() -> Vec<Value> {
    let evil = evil();
    vec![
        pod(&evil, &evil, &evil),
        pod("long", &"x".repeat(1 << 20), "app"),
        pod("shop", "legacy", "app"),
        pod("web", "one-off", "app"),
    ]
}

/// Some objects as one file.
pub fn list(items: &[Value]) -> String {
    file(&json!({"apiVersion": "v1", "kind": "List", "items": items}))
}

/// A document as a file, in which every reader of YAML takes it: escaped where it is not ASCII.
pub fn file(document: &Value) -> String {
    document.to_string().chars().fold(String::new(), |mut file, c| {
        if c.is_ascii() && c != '\u{7f}' {
            file.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(file, "\\u{unit:04x}"));
        }
        file
    })
}
