//! The page of the Pod Security Standards.

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use super::example::{self, Candidate};
use super::metadata::Metadata;
use super::{Error, Page, Read, anchor, load, message, parse};
use crate::{Definition, Entry, Lib, Rule, Template};

const FILE: &str = "pod-security-standards.md";
const HEAD: &str = "# Pod Security Standards: the controls\n\nWhich namespaces are under which standard stands in \
                    [Pod Security Standards](../standards.md), what an update may change in \
                    [What is judged](../policies.md#what-is-judged). [All rules](README.md).\n\nThe controls are \
                    [those of Kubernetes](https://kubernetes.io/docs/concepts/security/pod-security-standards/). Pods are \
                    judged, and the Pod templates of controllers. The examples are pod specs, without images.\n";

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

/// A case, and the standard by which it is judged.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StandardCase {
    level: String,
    version: Option<String>,
    known_host_ports: Option<Value>,
    no_user_namespaces_relaxation: Option<bool>,
    case: Workload,
}

/// Of a case what people read; a standard has no policy.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Workload {
    spec: Value,
    old_spec: Option<Value>,
    annotations: Option<Value>,
    violations: Vec<String>,
}

impl StandardCase {
    /// What is created, under nothing but a level and a version.
    fn is_plain(&self) -> bool {
        let Self { known_host_ports, no_user_namespaces_relaxation, case, .. } = self;
        known_host_ports.is_none() && no_user_namespaces_relaxation.is_none() && case.old_spec.is_none()
    }

    fn candidate(&self) -> Result<Candidate<'_>, Error> {
        let object = example::workload(&self.case.spec, self.case.annotations.as_ref());
        Candidate::new(json!([self.level, self.version]), object, &self.case.violations)
    }
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

/// The page, and its section of the index.
pub(super) fn page(template: &Definition, read: Read<'_>) -> Result<(Page, String), Error> {
    let path = "pod-security-standard/cases.yaml";
    let StandardCases { cases } = parse(path, &load(read, path)?)?;
    let candidates: Vec<_> =
        cases.iter().filter(|case| case.is_plain()).map(StandardCase::candidate).collect::<Result<_, _>>()?;
    let all: Vec<_> = cases.iter().flat_map(|case| &case.case.violations).map(String::as_str).collect();
    let controls = controls(template)?;
    let mut text = format!("{HEAD}{}", table(&controls, ""));
    for rule in template.rules {
        let metadata = Metadata::of(rule.name, rule.module)?;
        let _ = write!(text, "\n## {}\n\n{}\n", metadata.title, metadata.description.trim());
        for control in controls.iter().filter(|control| control.is_first_of(rule, &controls)) {
            text.push_str(&section(rule, &control.name, &candidates, &all)?);
        }
        text.push_str(&metadata.related(twin(
            rule,
            Template::SecurityPolicy.definition(),
            "security-policy.md",
        )?));
    }
    let index = format!(
        "\n## [Pod Security Standards]({FILE})\n\nFor namespaces [whose label says so](../standards.md).\n{}",
        table(&controls, FILE)
    );
    Ok((Page { file: FILE.to_owned(), text }, index))
}

/// An example of one control, and what else it says.
fn section(rule: &Rule, control: &str, candidates: &[Candidate<'_>], all: &[&str]) -> Result<String, Error> {
    let missing = || Error::Missing { rule: "the standards", field: control.to_owned() };
    let (good, bad) = example::pair(control, candidates).ok_or_else(missing)?;
    let mut text = format!("\n### Control {control}\n\n{}", example::text(good, bad)?);
    let of_control = |message: &&str| message.split(':').next() == Some(control);
    let shown = bad.messages.iter().map(String::as_str);
    let messages = shown.chain(all.iter().copied().filter(of_control));
    let other =
        message::distinct(messages, &[rule.module, Lib::Control.module()]).split_off(bad.messages.len());
    if !other.is_empty() {
        let _ = write!(text, "\nOther messages:\n\n```\n{}\n```\n", other.join("\n"));
    }
    Ok(text)
}

/// The table of the controls; each is linked to in `file`.
fn table(controls: &[Control], file: &str) -> String {
    let mut text = "\n| control | level | versions | |\n|---|---|---|---|\n".to_owned();
    for Control { name, level, since, until, notes, .. } in controls {
        let versions = match (since.as_str(), until) {
            ("v1.0", None) => "all".to_owned(),
            (since, None) => format!("from {since}"),
            (since, Some(until)) => format!("{since} to {until}"),
        };
        let _ = writeln!(
            text,
            "| [`{name}`]({file}#control-{}) | {level} | {versions} | {} |",
            anchor(name),
            notes.join(" ")
        );
    }
    text
}

/// A link to the rule of the same name in another template, if there is one.
pub(super) fn twin(rule: &Rule, template: &Definition, file: &str) -> Result<Option<String>, Error> {
    let Some(twin) = template.rules.iter().find(|twin| twin.name == rule.name) else { return Ok(None) };
    let title = Metadata::of(twin.name, twin.module)?.title;
    let whose = if file == FILE { "the standards" } else { "SecurityPolicy" };
    Ok(Some(format!("[{title}]({file}#{}) of {whose}", anchor(&title))))
}

/// A link to what the standards say of what a rule is about.
pub(super) fn counterpart(rule: &Rule) -> Result<Option<String>, Error> {
    twin(rule, Template::PodSecurityStandard.definition(), FILE)
}

/// Reads the controls out of the entry: the one place that names them.
fn controls(template: &Definition) -> Result<Vec<Control>, Error> {
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
    /// Whether the control is of a room, and stands in the entry here for the first time: it may have several versions.
    fn is_first_of(&self, rule: &Rule, controls: &[Self]) -> bool {
        let first = controls.iter().find(|control| control.name == self.name);
        self.room == rule.identifier() && first.is_some_and(|first| std::ptr::eq(first, self))
    }

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
