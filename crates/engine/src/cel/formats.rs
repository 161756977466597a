//! The formats of texts that Kubernetes knows (kube-openapi's `strfmt`): what `format` in a schema and `format.named`
//! in an expression ask.

mod email;
mod numbers;

use gatewright_re2::cached;

use super::time;
use super::url::Url;

/// Whether a text has a format.
type Check = fn(&str) -> bool;

/// The formats that the API server checks in custom resources: apiextensions' `supportedVersionedFormats` at version 1.34
/// and later. It ignores all others.
const FORMATS: [(&str, Check); 26] = [
    ("bsonobjectid", |text| has(text, "^[0-9a-fA-F]{24}$")),
    ("byte", |text| has(text, BASE64)),
    ("cidr", numbers::is_network),
    ("creditcard", numbers::is_credit_card),
    ("date", is_date),
    ("datetime", is_time),
    ("duration", is_duration),
    ("email", email::is_email),
    ("hexcolor", |text| has(text, "^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$")),
    ("hostname", is_hostname),
    ("ipv4", |text| text.contains('.') && numbers::sloppy_address(text).is_some()),
    ("ipv6", |text| text.contains(':') && text.parse::<std::net::Ipv6Addr>().is_ok()),
    ("isbn", |text| numbers::is_isbn10(text) || numbers::is_isbn13(text)),
    ("isbn10", numbers::is_isbn10),
    ("isbn13", numbers::is_isbn13),
    ("k8slongname", |text| text.len() <= 253 && has(text, &format!(r"^{NAME}(\.{NAME})*$"))),
    ("k8sshortname", |text| text.len() <= 63 && has(text, &format!("^{NAME}$"))),
    ("mac", is_mac),
    ("password", |_| true),
    ("rgbcolor", |text| has(text, &format!(r"^rgb\(\s*{BYTE}\s*,\s*{BYTE}\s*,\s*{BYTE}\s*\)$"))),
    ("ssn", |text| text.len() == 11 && has(text, r"^\d{3}[- ]?\d{2}[- ]?\d{4}$")),
    ("uri", |text| Url::of_request(text).is_ok()),
    ("uuid", |text| is_uuid(text, "[0-9a-f]", "[0-9a-f]")),
    ("uuid3", |text| is_uuid(text, "3", "[0-9a-f]")),
    ("uuid4", |text| is_uuid(text, "4", "[89ab]")),
    ("uuid5", |text| is_uuid(text, "5", "[89ab]")),
];

const BASE64: &str = "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$";
const NAME: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const BYTE: &str = r"(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])";

/// Whether a text has a format, whose dashes do not count; none for a format that the API server does not check.
pub fn has_format(format: &str, text: &str) -> Option<bool> {
    Some(find(format)?(text))
}

/// Whether the API server checks a format of texts.
pub fn is_known(format: &str) -> bool {
    find(format).is_some()
}

fn find(format: &str) -> Option<Check> {
    let plain = format.replace('-', "");
    FORMATS.iter().find(|(name, _)| *name == plain).map(|(_, check)| *check)
}

/// What `encoding/base64` of Go reads.
fn is_base64(text: &str) -> bool {
    text.is_empty() || has(text, BASE64)
}

fn has(text: &str, pattern: &str) -> bool {
    cached(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

fn is_uuid(text: &str, version: &str, variant: &str) -> bool {
    const HEX: &str = "[0-9a-f]";
    let (first, second) = (format!("{HEX}{{8}}-?{HEX}{{4}}"), format!("{version}{HEX}{{3}}"));
    has(text, &format!("(?i)^{first}-?{second}-?{variant}{HEX}{{3}}-?{HEX}{{12}}$"))
}

/// A day of the calendar, `2006-01-02`.
fn is_date(text: &str) -> bool {
    has(text, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$") && text.parse::<jiff::civil::Date>().is_ok()
}

/// A day and a time. What follows a second `t` is ignored there, too.
fn is_time(text: &str) -> bool {
    const TIME: &str = "^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$";
    let lower = text.to_lowercase();
    let mut parts = lower.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else { return false };
    let within = |part: &str, most: &str| part <= most;
    is_date(date)
        && has(time, TIME)
        && within(&time[..2], "23")
        && within(&time[3..5], "59")
        && within(&time[6..8], "59")
}

/// Units in words, as Scala writes them: the last of a line may go on.
const UNITS: [&[&str]; 8] = [
    &["ns", "nano"],
    &["us", "µs", "micro"],
    &["ms", "milli"],
    &["s", "sec"],
    &["m", "min"],
    &["h", "hr", "hour"],
    &["d", "day"],
    &["w", "wk", "week"],
];

/// A duration of Go, or a text in which a number with a unit stands.
fn is_duration(text: &str) -> bool {
    if time::duration(text).is_ok() {
        return true;
    }
    let Ok(pattern) = cached(r"(\d+)\s*([A-Za-zµ]+)") else { return false };
    let mut found = false;
    for groups in pattern.captures_iter(text) {
        let group = |index: usize| groups.get(index).copied().flatten().map(String::from_utf8_lossy);
        let (Some(number), Some(unit)) = (group(1), group(2)) else { return false };
        if number.parse::<i64>().is_err() {
            return false;
        }
        found |= is_unit(&unit.to_lowercase());
    }
    found
}

fn is_unit(unit: &str) -> bool {
    UNITS.iter().any(|names| names.contains(&unit) || names.last().is_some_and(|last| unit.starts_with(last)))
}

/// The pattern of kube-openapi, and bounds on lengths.
fn is_hostname(text: &str) -> bool {
    const HOSTNAME: &str = concat!(
        r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|",
        r"([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$"
    );
    text.len() <= 255 && has(text, HOSTNAME) && text.split('.').all(|label| label.len() <= 63)
}

/// A hardware address of 6, 8 or 20 bytes in one of Go's ways of writing.
fn is_mac(text: &str) -> bool {
    let of = |group: &str, separator: &str, counts: [usize; 3]| {
        let all = counts.map(|count| format!("{group}(?:{separator}{group}){{{}}}", count - 1));
        has(text, &format!("^(?:{})$", all.join("|")))
    };
    let (pair, four) = ("[0-9a-fA-F]{2}", "[0-9a-fA-F]{4}");
    of(pair, ":", [6, 8, 20])
        || of(pair, "-", [6, 8, 20])
        || of(pair, "", [6, 8, 20])
        || of(four, r"\.", [3, 4, 10])
}

#[cfg(test)]
mod tests;
