//! The page of `report --html`, clicked through in Debian's Chromium: `make test-report`.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::browser::{Browser, Key};
use crate::fixture::{file, list, objects, policy};

#[path = "page/browser.rs"]
mod browser;
#[path = "cli/fixture.rs"]
mod fixture;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What a view says of itself: its caption, its rows, how many there are, and the address.
const STATE: &str = "({caption: document.querySelector('caption').textContent, hash: location.hash, \
    rows: document.querySelectorAll('tbody tr').length, count: document.getElementById('count').textContent, \
    focus: document.activeElement.id, q: document.getElementById('q').value})";

/// A page in a folder of its own.
struct Page(std::path::PathBuf);

impl Drop for Page {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Page {
    /// The page of the fixture, and the report as JSON.
    fn of_fixture() -> Result<(Self, Value)> {
        let folder = std::env::temp_dir().join(format!("gatewright-page-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let page = Self(folder);
        std::fs::write(page.0.join("objects.json"), list(&objects()))?;
        std::fs::write(page.0.join("policy.json"), file(&policy()))?;
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("gatewright"));
        command.current_dir(&page.0).args([
            "report",
            "-f",
            "objects.json",
            "-f",
            "policy.json",
            "-o",
            "json",
        ]);
        let output = command.args(["--html", "page.html"]).output()?;
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        Ok((page, serde_json::from_slice(&output.stdout)?))
    }

    /// A page beside it, with other rows: as many as a report has at most.
    fn with_rows(&self, count: usize) -> Result<String> {
        let text = std::fs::read_to_string(self.0.join("page.html"))?;
        let (before, rest) = text.split_once("id=\"data\">").ok_or("no data")?;
        let (data, after) = rest.split_once("</script>").ok_or("no end of the data")?;
        let mut data: Value = serde_json::from_str(data)?;
        data["rows"] = (0..count).map(row).collect();
        std::fs::write(self.0.join("many.html"), format!("{before}id=\"data\">{data}</script>{after}"))?;
        self.address("many.html")
    }

    fn address(&self, name: &str) -> Result<String> {
        Ok(format!("file://{}", self.0.join(name).to_str().ok_or("not UTF-8")?))
    }
}

fn row(at: usize) -> Value {
    let (kind, name) =
        (if at.is_multiple_of(2) { "SecurityPolicy" } else { "OperationPolicy" }, format!("p{}", at % 40));
    json!({
        "namespace": format!("team-{:03}", at % 300), "owner": {"group": "apps", "kind": "Deployment", "name": format!("app-{at}")},
        "fail": 1, "warn": 0, "since": "2026-01-01T00:00:00Z",
        "violations": [{
            "policy": {"kind": kind, "name": name}, "enforcementAction": "deny", "count": 1, "since": "2026-01-01T00:00:00Z",
            "message": format!("allowPrivileged: container \"app-{at}\" sets securityContext.privileged to true"),
        }],
    })
}

#[test]
#[ignore = "needs Chromium: make test-report"]
fn the_page_of_a_hostile_fixture() -> Result {
    let Some(program) = browser::program() else {
        assert!(std::env::var_os("GATEWRIGHT_BROWSER").is_none(), "there is no Chromium");
        println!("skipped: there is no Chromium; on Debian: apt-get install chromium");
        return Ok(());
    };
    let (page, report) = Page::of_fixture()?;
    let mut browser = Browser::start(&program, &page.0)?;
    let address = page.address("page.html")?;
    browser.open(&address)?;
    what_others_wrote_is_text(&mut browser, &report)?;
    nothing_else_runs_or_loads(&mut browser)?;
    by_keyboard(&mut browser)?;
    by_address(&mut browser, &address)?;
    in_light_and_dark_and_on_paper(&mut browser)?;
    many_rows(&mut browser, &page)?;
    let (dialogs, requests) = (browser.dialogs(), browser.requests());
    assert!(dialogs.is_empty(), "{dialogs:?}");
    assert!(!requests.is_empty(), "nobody looked");
    let others: Vec<_> = requests.iter().filter(|url| !is_page(url, &page.0)).collect();
    assert!(others.is_empty(), "{others:?}");
    Ok(())
}

fn is_page(url: &str, folder: &Path) -> bool {
    let file = url.split('#').next().unwrap_or_default();
    ["page.html", "many.html"].iter().any(|name| file == format!("file://{}", folder.join(name).display()))
}

fn what_others_wrote_is_text(browser: &mut Browser, report: &Value) -> Result {
    let rows = report["rows"].as_array().ok_or("no rows")?.len();
    let failed = &report["summary"]["failed"];
    let count = format!("{rows} of {rows} owners: {failed} failed, 0 warned");
    shows(browser, &json!({"rows": rows, "caption": "By owner", "count": count}))?;
    let shown = browser.evaluate("document.body.innerText")?;
    let shown = shown.as_str().ok_or("no text")?;
    for text in
        ["<img src=x onerror=alert(1)></script><script>alert(2)</script>&amp;]]>", "\\u{202e}evil\\u{200b}"]
    {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert!(!shown.contains(['\u{202e}', '\u{200b}', '\u{1b}', '\u{7}']), "{shown}");
    // A name of a mebibyte is cut, and says so.
    assert!(shown.len() < 20_000 && shown.contains("… (1,048,580 characters)"), "{} {shown}", shown.len());
    let made =
        browser.evaluate("[document.images.length, document.scripts.length, document.styleSheets.length]")?;
    assert_eq!(made, json!([0, 2, 1]));
    Ok(())
}

/// Whoever could put markup into the page would gain nothing: its policy lets nothing run and nothing be loaded.
fn nothing_else_runs_or_loads(browser: &mut Browser) -> Result {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let url = format!("http://{}/", listener.local_addr()?);
    let tried = browser.evaluate(&format!(
        "(async () => {{ const seen = []; document.addEventListener('securitypolicyviolation', (it) => \
         seen.push(it.effectiveDirective)); const image = document.createElement('img'); image.src = '{url}a.png'; \
         document.body.append(image); const style = document.createElement('style'); style.textContent = 'h1 {{color: red}}'; \
         document.body.append(style); const link = document.createElement('link'); link.rel = 'stylesheet'; \
         link.href = '{url}b.css'; document.head.append(link); await fetch('{url}c').catch(() => seen.push('refused')); \
         try {{ document.createElement('script').textContent = 'window.ran = 1'; }} catch (error) {{ seen.push(error.name); }} \
         try {{ document.createElement('p').innerHTML = '<b>x</b>'; }} catch (error) {{ seen.push(error.name); }} \
         await new Promise((done) => setTimeout(done, 300)); image.remove(); style.remove(); link.remove(); \
         return [window.ran === undefined, seen.sort()]; }})()"
    ))?;
    let seen = tried[1].to_string();
    assert_eq!(tried[0], true);
    for directive in ["img-src", "style-src", "connect-src", "TypeError"] {
        assert!(seen.contains(directive), "{directive}: {seen}");
    }
    assert!(listener.accept().is_err(), "it was asked for something");
    browser.forget_requests_to(&url);
    Ok(())
}

/// Waits until the page shows all of what is expected. The page takes a key in first and draws later.
fn shows(browser: &mut Browser, expected: &Value) -> Result {
    let parts = expected.as_object().ok_or("not an object")?;
    browser.until(STATE, &expected.to_string(), |state| parts.iter().all(|(key, value)| state[key] == *value))
}

fn write(browser: &mut Browser, text: &str) -> Result {
    text.chars().try_for_each(|c| browser.press(&Key::of(c)))
}

/// Without a mouse: search, choose, group, sort, open.
fn by_keyboard(browser: &mut Browser) -> Result {
    browser.press(&Key::of('/'))?;
    shows(browser, &json!({"focus": "q", "q": ""}))?;
    write(browser, "one-off")?;
    shows(browser, &json!({"rows": 1, "hash": "#q=one-off", "count": "1 of 4 owners: 2 failed, 0 warned"}))?;
    // Whoever has no mouse sees where they are.
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    browser.until(outline, "an outline", |style| style == "solid")?;
    browser.press(&Key::ESCAPE)?;
    shows(browser, &json!({"rows": 4, "hash": ""}))?;
    // What was typed a moment before a choice is not lost.
    browser.evaluate(
        "document.getElementById('q').value = 'shop'; document.getElementById('q').dispatchEvent(new Event('input')); \
         document.getElementById('result').value = 'fail'; \
         document.getElementById('result').dispatchEvent(new Event('change'))",
    )?;
    shows(browser, &json!({"hash": "#q=shop&result=fail", "q": "shop"}))?;
    browser.evaluate("document.getElementById('clear').click()")?;
    shows(browser, &json!({"rows": 4, "hash": "", "focus": "q"}))?;
    // From the search on to the choices.
    browser.press(&Key::TAB)?;
    shows(browser, &json!({"focus": "result"}))?;
    browser.press(&Key::DOWN)?;
    shows(browser, &json!({"hash": "#result=fail"}))?;
    browser.press(&Key::DOWN)?;
    shows(browser, &json!({"rows": 0, "hash": "#result=warn"}))?;
    for id in ["ns", "policy", "clear"] {
        browser.press(&Key::TAB)?;
        shows(browser, &json!({"focus": id}))?;
    }
    browser.press(&Key::ENTER)?;
    shows(browser, &json!({"rows": 4, "hash": "", "focus": "q"}))?;
    // Back to the ways to group.
    browser.press(&Key::BACK_TAB)?;
    let focused = "document.activeElement.textContent";
    browser.until(focused, "the last way to group", |text| text == "By policy")?;
    browser.press(&Key::ENTER)?;
    shows(browser, &json!({"caption": "By policy", "hash": "#by=policy"}))?;
    let current = "document.querySelector('[aria-current]').textContent";
    browser.until(current, "the way that is current", |text| text == "By policy")?;
    // A policy leads to its owners.
    browser.evaluate("document.querySelector('tbody a').focus()")?;
    browser.press(&Key::ENTER)?;
    shows(browser, &json!({"caption": "By owner", "rows": 4}))?;
    browser.evaluate("document.querySelector('[data-sort=owner]').focus()")?;
    browser.press(&Key::ENTER)?;
    let sorted = "document.querySelector('th[aria-sort]')?.textContent + document.activeElement.dataset.sort";
    browser.until(sorted, "sorted", |state| state == "Ownerowner")?;
    browser.evaluate("document.querySelector('summary').focus()")?;
    browser.press(&Key::ENTER)?;
    let reasons = "document.querySelectorAll('details[open] li').length";
    browser.until(reasons, "reasons", |count| *count == 1 || *count == 2)?;
    Ok(())
}

/// An address that somebody sends shows what they saw.
fn by_address(browser: &mut Browser, address: &str) -> Result {
    browser.open(&format!("{address}#by=namespace&ns=shop"))?;
    shows(browser, &json!({"caption": "By namespace", "rows": 1}))?;
    assert_eq!(browser.evaluate("document.getElementById('ns').value")?, "shop");
    // Nonsense shows everything that can be shown, and runs nothing.
    browser.open(&format!(
        "{address}#by=%3Cimg%20src=x%20onerror=alert(3)%3E&sort=constructor&q=%3Cscript%3E"
    ))?;
    shows(browser, &json!({"caption": "By owner", "rows": 1, "q": "<script>"}))?;
    browser.open(address)?;
    Ok(())
}

/// The least contrast of text that is meant to be read: WCAG's level AA.
const CONTRAST: f64 = 4.5;

/// The contrast of colours that the page uses, each on its ground.
const CONTRASTS: &str = "(() => { const parts = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((it) => it / 255)\
    .map((it) => it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4); \
    const light = (text) => { const [r, g, b] = parts(text); return 0.2126 * r + 0.7152 * g + 0.0722 * b; }; \
    const ground = light(getComputedStyle(document.body).backgroundColor); \
    return ['body', '#about', '.fail', '#views a', 'thead th'].map((it) => { \
    const own = light(getComputedStyle(document.querySelector(it)).color); \
    return (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05); }); })()";

fn in_light_and_dark_and_on_paper(browser: &mut Browser) -> Result {
    let mut grounds = vec![];
    for scheme in ["light", "dark"] {
        browser.media("screen", scheme)?;
        grounds.push(browser.evaluate("getComputedStyle(document.body).backgroundColor")?);
        let contrasts = browser.evaluate(CONTRASTS)?;
        let contrasts: Vec<_> =
            contrasts.as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
        assert!(
            contrasts.len() == 5 && contrasts.iter().all(|it| *it >= CONTRAST),
            "{scheme}: {contrasts:?}"
        );
    }
    assert_ne!(grounds[0], grounds[1]);
    browser.media("print", "dark")?;
    let hidden =
        "['filters', 'views', 'more'].map((id) => getComputedStyle(document.getElementById(id)).display)";
    assert_eq!(browser.evaluate(hidden)?, json!(["none", "none", "none"]));
    assert_eq!(browser.evaluate("getComputedStyle(document.body).backgroundColor")?, "rgb(255, 255, 255)");
    browser.media("", "light")?;
    let paper = browser.call("Page.printToPDF", &json!({}))?;
    // %PDF in base64.
    assert!(paper["data"].as_str().is_some_and(|data| data.starts_with("JVBERi")));
    Ok(())
}

/// As many rows as a report has can be searched, shown and printed.
fn many_rows(browser: &mut Browser, page: &Page) -> Result {
    const ROWS: usize = 20_000;
    let begun = Instant::now();
    browser.open(&page.with_rows(ROWS)?)?;
    shows(browser, &json!({"rows": 500, "count": "20,000 of 20,000 owners: 20,000 failed, 0 warned"}))?;
    let opened = begun.elapsed();
    let begun = Instant::now();
    browser.press(&Key::of('/'))?;
    write(browser, "app-1999")?;
    // app-1999 and app-19990 to app-19999.
    shows(browser, &json!({"rows": 11, "hash": "#q=app-1999"}))?;
    let searched = begun.elapsed();
    browser.press(&Key::ESCAPE)?;
    shows(browser, &json!({"rows": 500, "hash": ""}))?;
    let begun = Instant::now();
    browser.evaluate("document.getElementById('all').focus()")?;
    browser.press(&Key::ENTER)?;
    shows(browser, &json!({"rows": ROWS}))?;
    let shown = begun.elapsed();
    println!("{ROWS} rows: opened in {opened:?}, searched in {searched:?}, all shown in {shown:?}");
    // Under a second each on a machine that does nothing else.
    on_paper(browser)?;
    assert!([opened, searched, shown].into_iter().all(|took| took < Duration::from_secs(30)));
    Ok(())
}

/// No browser prints that many: the page says how many it prints.
fn on_paper(browser: &mut Browser) -> Result {
    browser.evaluate("dispatchEvent(new Event('beforeprint'))")?;
    browser.media("print", "light")?;
    let shown = "[getComputedStyle(document.querySelector('tr:nth-child(2000)')).display, \
        getComputedStyle(document.querySelector('tr:nth-child(2001)')).display, \
        document.querySelector('tr:nth-child(2000) details').open, document.getElementById('paper').innerText]";
    let says = "Printed are the first 2,000 of 20,000 rows. Filter the page to print others.";
    assert_eq!(browser.evaluate(shown)?, json!(["table-row", "none", true, says]));
    browser.media("", "light")
}
