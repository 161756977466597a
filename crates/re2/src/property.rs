//! Classes of characters by their properties.

use regex::Regex;

/// `\p{name}` for Rust's `regex`, negated by `letter` `P`; none if Go has no such class: it knows general categories
/// and scripts, by every name that Unicode gives them.
pub fn class(letter: char, name: &str) -> Option<String> {
    if name.contains(['=', ':', '!']) {
        return None;
    }
    ["gc", "sc"]
        .into_iter()
        .map(|property| format!("\\{letter}{{{property}={name}}}"))
        .find(|class| Regex::new(class).is_ok())
}
