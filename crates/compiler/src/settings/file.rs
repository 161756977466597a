//! The settings as a file: one table of keys, from which the reader, its messages and the documentation are made.

use std::fmt::{self, Write as _};

use gatewright_typed::nearest;

use super::keys::{KEYS, Key, Wrong};
use super::yaml::{self, At, Node};
use super::{Preset, Settings};

/// One problem with a settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsProblem {
    /// The line, counted from one, if it is known.
    pub line: Option<u64>,
    /// What was found, and what is allowed.
    pub message: String,
}

impl fmt::Display for SettingsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.message)
    }
}

/// A settings file that cannot be used, with every problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct InvalidSettings {
    /// The problems, in the order of the file; at least one.
    pub problems: Vec<SettingsProblem>,
}

impl Settings {
    /// Reads a settings file; what it does not say has its default. `operator_namespace` is where the operator runs.
    ///
    /// # Errors
    /// Every problem of the file at once: unknown keys, keys without a value, wrong values.
    pub fn from_yaml(text: &str, operator_namespace: &str) -> Result<Self, InvalidSettings> {
        let mut file = File::default();
        match yaml::parse(text) {
            Ok(document) => file.collect("", &document),
            Err(error) => file.problem(error.location().map(|location| location.line()), words(&error)),
        }
        let settings = file.settings(operator_namespace);
        if file.problems.is_empty() {
            return Ok(settings);
        }
        file.problems.sort_by_key(|problem| problem.line);
        Err(InvalidSettings { problems: file.problems })
    }
}

/// What YAML's parser said, without its picture of the place.
fn words(error: &serde_saphyr::Error) -> String {
    let text = error.without_snippet().to_string();
    text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// The values of the known keys, and what is wrong.
#[derive(Default)]
struct File {
    values: Vec<(&'static Key, At)>,
    problems: Vec<SettingsProblem>,
}

impl File {
    fn problem(&mut self, line: Option<u64>, message: impl Into<String>) {
        self.problems.push(SettingsProblem { line, message: message.into() });
    }

    /// Walks down to the known keys.
    fn collect(&mut self, path: &str, at: &At) {
        match &at.value {
            Node::Map(fields) => {
                for (name, value) in fields {
                    let path =
                        if path.is_empty() { name.value.clone() } else { format!("{path}.{}", name.value) };
                    self.field(&path, name.referenced.line(), value);
                }
            }
            // A file of comments, or a section whose keys are all commented out.
            Node::Null => {}
            other => {
                let what = if path.is_empty() { "the file".to_owned() } else { path.to_owned() };
                self.problem(
                    Some(at.referenced.line()),
                    format!("{what} is {other}; it should be a mapping of keys"),
                );
            }
        }
    }

    fn field(&mut self, path: &str, line: u64, value: &At) {
        let known = KEYS.iter().find(|key| key.path == path);
        if let Some(key) = known
            && value.value == Node::Null
        {
            self.problem(
                Some(line),
                format!("{path} has no value; allowed is {}, or remove the key", key.allowed),
            );
        } else if let Some(key) = known {
            self.values.push((key, value.clone()));
        } else if KEYS.iter().any(|key| is_below(key.path, path)) {
            self.collect(path, value);
        } else {
            self.problem(Some(line), format!("{path} is unknown; {}", advice(path)));
        }
    }

    /// The preset decides defaults, so it comes first whatever its place in the file.
    fn settings(&mut self, operator_namespace: &str) -> Settings {
        let preset = self.values.iter().find(|(key, _)| key.path == "preset");
        let preset = match preset.map(|(_, at)| &at.value) {
            Some(Node::Text(text)) => text.parse().unwrap_or_default(),
            _ => Preset::None,
        };
        let mut settings = Settings { operator_namespace: operator_namespace.to_owned(), ..preset.into() };
        for (key, at) in std::mem::take(&mut self.values) {
            let Err(Wrong(problems)) = (key.set)(&mut settings, &at.value) else { continue };
            for (line, message) in problems {
                self.problem(line.or(Some(at.referenced.line())), format!("{}: {message}", key.path));
            }
        }
        settings
    }
}

/// Whether a key stands in a section.
pub(super) fn is_below(path: &str, section: &str) -> bool {
    path.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

/// The key that may be meant by an unknown one, or all that stand beside it.
fn advice(path: &str) -> String {
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    let mut names: Vec<&str> = KEYS
        .iter()
        .filter_map(|key| {
            if section.is_empty() {
                Some(key.path)
            } else {
                key.path.strip_prefix(section)?.strip_prefix('.')
            }
        })
        .filter_map(|rest| rest.split('.').next())
        .collect();
    names.dedup();
    if let Some(meant) = nearest(name, names.iter().copied()) {
        return format!("did you mean {meant}?");
    }
    let place = if section.is_empty() { "the keys are" } else { "the keys there are" };
    format!("{place} {}", names.join(", "))
}

/// The reference of all keys, as a table in Markdown.
#[must_use]
pub fn settings_reference() -> String {
    let mut table = String::from("| key | default | allowed | meaning |\n|---|---|---|---|\n");
    for Key { path, default, allowed, meaning, .. } in KEYS {
        let allowed = allowed.to_string().replace('|', "\\|");
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| `{path}` | {default} | {allowed} | {meaning} |");
    }
    table
}
