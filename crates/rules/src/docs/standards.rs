//! The page of the Pod Security Standards.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use super::metadata::Metadata;
use super::{Error, Page, distinct, load, parse};
use crate::{Entry, Template};

/// The words for the conditions under which the entry asks a control.
const CONDITIONS: [(&str, Column, &str); 11] = [
    ("standard.restricted", Column::Level, "restricted"),
    ("not standard.restricted", Column::Level, "baseline"),
    ("standard.replaces_seccomp", Column::Both, "v1.19"),
    ("standard.replaces_capabilities", Column::Both, "v1.22"),
    ("standard.replaces_proc_mount", Column::Both, "v1.35"),
    ("not standard.replaces_seccomp", Column::Note, "Not where `seccompProfile_restricted` holds."),
    ("not standard.replaces_capabilities", Column::Note, "Not where `capabilities_restricted` holds."),
    ("not standard.replaces_proc_mount", Column::Note, "Not where `procMount_restricted` holds."),
    ("not standard.in_user_namespace", Column::Note, "Not with `hostUsers: false`, from v1.35."),
    ("not standard.windows", Column::Note, "Not for Windows Pods, from v1.25."),
    ("standard.minor < 19", Column::Until, "v1.18"),
];

/// What a condition decides.
#[derive(Clone, Copy)]
enum Column {
    Level,
    /// Restricted, from a version on.
    Both,
    Until,
    Note,
}

#[derive(Deserialize)]
struct StandardCases {
    cases: Vec<StandardCase>,
}

#[derive(Deserialize)]
struct StandardCase {
    case: Messages,
}

/// Of a case only what people read; a standard has no policy.
#[derive(Deserialize)]
struct Messages {
    violations: Vec<String>,
}

/// A control, as the entry asks it.
struct Control {
    name: String,
    room: String,
    level: &'static str,
    since: String,
    until: Option<&'static str>,
    notes: Vec<&'static str>,
}

pub(super) fn page(
    template: &Template,
    read: &dyn Fn(&str) -> std::io::Result<String>,
) -> Result<Page, Error> {
    let path = "pod-security-standard/cases.yaml";
    let cases: StandardCases = parse(path, &load(read, path)?)?;
    let controls = controls(template)?;
    let mut text = String::from(
        "# Pod Security Standards: the controls\n\nWhich namespaces are under which standard stands in \
         [Pod Security Standards](../standards.md). [All rules](README.md).\n\n\
         | control | level | versions | |\n|---|---|---|---|\n",
    );
    for control in &controls {
        let versions = control.until.map_or_else(
            || format!("from {}", control.since),
            |until| format!("{} to {until}", control.since),
        );
        let (name, level, notes) = (&control.name, control.level, control.notes.join(" "));
        let _ = writeln!(text, "| `{name}` | {level} | {versions} | {notes} |");
    }
    let messages = messages(&cases);
    for rule in template.rules {
        let metadata = Metadata::of(rule)?;
        let _ = write!(text, "\n## {}\n\n{}\n", metadata.title, metadata.description.trim());
        let said = controls.iter().filter(|control| control.room == rule.identifier());
        let said: Vec<_> = said.filter_map(|control| messages.get(control.name.as_str())).flatten().collect();
        if !said.is_empty() {
            text.push_str("\nMessages:\n\n```\n");
            said.iter().for_each(|message| text.push_str(&format!("{message}\n")));
            text.push_str("```\n");
        }
        text.push_str(&metadata.related());
    }
    Ok(Page { file: "pod-security-standards.md".to_owned(), text })
}

/// The messages of each control.
fn messages(cases: &StandardCases) -> BTreeMap<&str, Vec<&str>> {
    let mut by_control: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for message in distinct(cases.cases.iter().flat_map(|case| &case.case.violations)) {
        let control = message.split(':').next().unwrap_or_default();
        by_control.entry(control).or_default().push(message);
    }
    by_control
}

/// Reads the controls out of the entry: the one place that names them.
fn controls(template: &Template) -> Result<Vec<Control>, Error> {
    let Entry::Written(entry) = template.entry else { return Ok(vec![]) };
    entry.split("contains control.violation(\"").skip(1).map(control).collect()
}

fn control(block: &str) -> Result<Control, Error> {
    let mut lines = block.lines();
    let head = lines.next().unwrap_or_default();
    let (name, rest) = head.split_once("\", ").unwrap_or((head, ""));
    let room = rest.split('.').next().unwrap_or_default().to_owned();
    let (level, since) = ("baseline, restricted", "v1.0".to_owned());
    let mut control = Control { name: name.to_owned(), room, level, since, until: None, notes: vec![] };
    for line in
        lines.take_while(|line| *line != "}").map(str::trim).filter(|line| !line.starts_with("count("))
    {
        control.add(line)?;
    }
    Ok(control)
}

impl Control {
    fn add(&mut self, condition: &str) -> Result<(), Error> {
        if let Some(minor) = condition.strip_prefix("standard.minor >= ") {
            self.since = format!("v1.{minor}");
            return Ok(());
        }
        let known = CONDITIONS.iter().find(|(rego, ..)| *rego == condition);
        let Some((_, column, words)) = known else {
            return Err(Error::Condition { control: self.name.clone(), condition: condition.to_owned() });
        };
        match column {
            Column::Level => self.level = words,
            Column::Both => {
                self.level = "restricted";
                (*words).clone_into(&mut self.since);
            }
            Column::Until => self.until = Some(words),
            Column::Note => self.notes.push(words),
        }
        Ok(())
    }
}
