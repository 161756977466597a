//! Formats of names, and what is wrong with a text that does not have them.

use regex::Regex;

use crate::cel::formats::has_format;
use crate::cel::url::Url;
use crate::cel::value::{Outcome, Value};

const FORMATS: [&str; 13] = [
    "byte",
    "date",
    "datetime",
    "dns1035Label",
    "dns1035LabelPrefix",
    "dns1123Label",
    "dns1123LabelPrefix",
    "dns1123Subdomain",
    "dns1123SubdomainPrefix",
    "labelValue",
    "qualifiedName",
    "uri",
    "uuid",
];

/// The format that a function such as `format.uuid` gives; none if there is no such function.
pub fn format(function: &str) -> Option<Value> {
    let name = function.strip_prefix("format.")?;
    FORMATS.contains(&name).then(|| Value::Format(name.into()))
}

/// `format.named(name)`; none for any other function.
pub fn named(function: &str, name: &str) -> Option<Outcome> {
    let format = || FORMATS.contains(&name).then(|| Value::Format(name.into()));
    (function == "format.named").then(|| Ok(Value::optional(format())))
}

/// A function that is called on a format; none if there is none of that name here.
pub fn call(name: &str, format: &str, arguments: &[Value]) -> Option<Outcome> {
    let ("validate", [Value::String(text)]) = (name, arguments) else { return None };
    let faults = faults(format, text);
    Some(Ok(Value::optional((!faults.is_empty()).then(|| faults.into_iter().collect()))))
}

/// What the API server's own checks of names say.
struct Name {
    what: &'static str,
    pattern: &'static str,
    examples: &'static str,
    longest: usize,
}

const LABEL: Name = Name {
    what: "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
           with an alphanumeric character",
    pattern: "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
    examples: "'my-name',  or '123-abc'",
    longest: 63,
};
const SUBDOMAIN: Name = Name {
    what: "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
           start and end with an alphanumeric character",
    pattern: r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
    examples: "'example.com'",
    longest: 253,
};
const OLD_LABEL: Name = Name {
    what: "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
           character, and end with an alphanumeric character",
    pattern: "[a-z]([-a-z0-9]*[a-z0-9])?",
    examples: "'my-name',  or 'abc-123'",
    longest: 63,
};
const LABEL_VALUE: Name = Name {
    what: "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
           and end with an alphanumeric character",
    pattern: "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
    examples: "'MyValue',  or 'my_value',  or '12345'",
    longest: 63,
};
const QUALIFIED: Name = Name {
    what: "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
           character",
    pattern: "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]",
    examples: "'MyName',  or 'my.name',  or '123-abc'",
    longest: 63,
};

impl Name {
    fn matches(&self, text: &str) -> bool {
        Regex::new(&format!("^(?:{})$", self.pattern)).is_ok_and(|pattern| pattern.is_match(text))
    }

    fn fault(&self) -> String {
        let Self { what, pattern, examples, .. } = self;
        format!("{what} (e.g. {examples}, regex used for validation is '{pattern}')")
    }

    fn too_long(&self, text: &str) -> Option<String> {
        let longest = self.longest;
        (text.len() > longest).then(|| format!("must be no more than {longest} bytes"))
    }

    fn faults(&self, text: &str) -> Vec<String> {
        let fault = || match self.longest {
            63 if self.pattern == LABEL.pattern && SUBDOMAIN.matches(text) => {
                "must not contain dots".to_owned()
            }
            _ => self.fault(),
        };
        self.too_long(text).into_iter().chain((!self.matches(text)).then(fault)).collect()
    }
}

fn faults(format: &str, text: &str) -> Vec<String> {
    let known = |fault: &str| match has_format(format, text) {
        Some(true) => vec![],
        _ => vec![fault.to_owned()],
    };
    // What comes after the beginning of a name may end it.
    let begun = || text.strip_suffix('-').map_or_else(|| text.to_owned(), |begin| format!("{begin}a"));
    match format {
        "dns1123Label" => LABEL.faults(text),
        "dns1123LabelPrefix" => LABEL.faults(&begun()),
        "dns1123Subdomain" => SUBDOMAIN.faults(text),
        "dns1123SubdomainPrefix" => SUBDOMAIN.faults(&begun()),
        "dns1035Label" => OLD_LABEL.faults(text),
        "dns1035LabelPrefix" => OLD_LABEL.faults(&begun()),
        "labelValue" => LABEL_VALUE.faults(text),
        "qualifiedName" => qualified(text),
        "uri" => Url::of_request(text).err().into_iter().collect(),
        "uuid" => known("does not match the UUID format"),
        "byte" => known("invalid base64"),
        "date" => known("invalid date"),
        _ => known("invalid datetime"),
    }
}

fn qualified(text: &str) -> Vec<String> {
    let (prefix, name) = match *text.split('/').collect::<Vec<_>>() {
        [name] => (None, name),
        [prefix, name] => (Some(prefix), name),
        _ => {
            let optional = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a valid label key {} {optional}", QUALIFIED.fault())];
        }
    };
    let mut faults = vec![];
    match prefix {
        Some("") => faults.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => {
            faults.extend(SUBDOMAIN.faults(prefix).into_iter().map(|fault| format!("prefix part {fault}")));
        }
        None => {}
    }
    if name.is_empty() {
        faults.push("name part must be non-empty".to_owned());
    }
    faults.extend(QUALIFIED.faults(name).into_iter().map(|fault| format!("name part {fault}")));
    faults
}
