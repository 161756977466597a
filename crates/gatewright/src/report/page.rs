//! The report as one page that needs no network, for people who have no command line.
//!
//! What stands in it was written by others. It comes as data in one block, never as markup; the script makes text nodes of
//! it; and the page's policy lets no other script run and nothing be loaded.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::document::{By, Report};
use crate::foreign::Foreign;

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");
const BODY: &str = include_str!("page/body.html");

/// The page of a report whose rows are by owner. `by` is what it shows first; `created` stands in its head.
///
/// # Errors
/// The report cannot be written as JSON.
pub fn page(report: &Report, by: By, created: Timestamp) -> serde_json::Result<String> {
    let mut data = serde_json::to_value(report)?;
    data["by"] = serde_json::to_value(by)?;
    data["created"] = created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into();
    data["program"] = env!("CARGO_PKG_VERSION").into();
    let (policy, data) = (policy(), embedded(&data)?);
    Ok(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<title>Policy report</title>\n<style>{STYLE}</style>\n</head>\n\
         {BODY}<script type=\"application/json\" id=\"data\">{data}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    ))
}

/// What the page may do: run its one script and use its one style.
fn policy() -> String {
    let (script, style) = (hash(SCRIPT), hash(STYLE));
    format!(
        "default-src 'none'; script-src '{script}'; style-src '{style}'; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'"
    )
}

fn hash(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// A value as the block of data holds it: JSON in which nothing ends the block, whose texts lead no reader astray.
///
/// # Errors
/// The value cannot be written as JSON.
pub fn embedded(value: &impl Serialize) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(value)?;
    show(&mut value);
    let mut text = String::new();
    for c in value.to_string().chars() {
        match c {
            '<' => text.push_str("\\u003c"),
            '>' => text.push_str("\\u003e"),
            '&' => text.push_str("\\u0026"),
            '\u{2028}' => text.push_str("\\u2028"),
            '\u{2029}' => text.push_str("\\u2029"),
            c => text.push(c),
        }
    }
    Ok(text)
}

/// Writes out in all texts what would lead a reader's eye, as on a terminal.
fn show(value: &mut Value) {
    match value {
        Value::String(text) => *text = Foreign::from(std::mem::take(text)).to_string(),
        Value::Array(items) => items.iter_mut().for_each(show),
        Value::Object(fields) => fields.values_mut().for_each(show),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{BODY, SCRIPT, STYLE, embedded, hash, policy};
    use serde_json::{Value, json};

    #[test]
    fn nothing_ends_the_block_of_data() {
        let evil = "</script><img onerror=x>&amp;\u{2028}\u{2029}\u{202e}\u{1b}]]>";
        let text = embedded(&json!({"name": evil, "rows": [evil]})).unwrap();
        assert!(!text.contains(['<', '>', '&', '\u{2028}', '\u{2029}', '\u{202e}', '\u{1b}']), "{text}");
        let back: Value = serde_json::from_str(&text).unwrap();
        let shown = "</script><img onerror=x>&amp;\\u{2028}\\u{2029}\\u{202e}\\u{1b}]]>";
        assert_eq!(back, json!({"name": shown, "rows": [shown]}));
    }

    /// The policy holds the hashes of what stands in the page, and of nothing else.
    #[test]
    fn the_policy_allows_this_script_and_this_style() {
        // The hash of an empty text is known.
        assert_eq!(hash(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
        let policy = policy();
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        for text in [SCRIPT, STYLE] {
            assert!(policy.contains(&hash(text)), "{policy}");
            assert!(!text.contains("</script") && !text.contains("</style"));
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        // Nothing makes markup of text, and nothing is loaded.
        for word in
            ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "fetch(", "import("]
        {
            assert!(!SCRIPT.contains(word), "{word}");
        }
        for text in [SCRIPT, STYLE, BODY] {
            assert!(!text.contains("http:") && !text.contains("https:") && !text.contains("url("));
        }
        assert!(!BODY.contains("style="), "{BODY}");
        assert!(!BODY.split_whitespace().any(|word| word.starts_with("on") && word.contains('=')), "{BODY}");
    }
}
