//! The page of the Pod Security Standards.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use super::example::{self, Candidate};
use super::metadata::Metadata;
use super::{Error, Page, Read, anchor, load, message, parse};
use crate::pod_security_standard::controls::{CONTROLS, Control, Relaxation};
use crate::{Definition, Lib, Rule, Template};

const FILE: &str = "pod-security-standards.md";
const HEAD: &str = "# Pod Security Standards: the controls\n\n[Pod Security \
                    Standards](../standards.md) says which namespaces are under which standard, [What is \
                    judged](../policies.md#what-is-judged) what an update may change. [All rules](README.md).\n\nThe controls are \
                    [those of Kubernetes](https://kubernetes.io/docs/concepts/security/pod-security-standards/). Pods are \
                    judged, and the Pod templates of controllers. The examples are pod specs, without images.\n";

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
    help_url: Option<String>,
    violations: Vec<String>,
}

impl StandardCase {
    /// What is created, under nothing but a level and a version.
    fn is_plain(&self) -> bool {
        let Self { known_host_ports, no_user_namespaces_relaxation, case, .. } = self;
        let is_created = case.old_spec.is_none() && case.help_url.is_none();
        known_host_ports.is_none() && no_user_namespaces_relaxation.is_none() && is_created
    }

    fn candidate(&self) -> Result<Candidate<'_>, Error> {
        let object = example::workload(&self.case.spec, self.case.annotations.as_ref());
        Candidate::new(json!([self.level, self.version]), object, &self.case.violations)
    }
}

/// The page, and its section of the index.
pub(super) fn page(template: &Definition, read: Read<'_>) -> Result<(Page, String), Error> {
    let path = "pod-security-standard/cases.yaml";
    let StandardCases { cases } = parse(path, &load(read, path)?)?;
    let candidates: Vec<_> =
        cases.iter().filter(|case| case.is_plain()).map(StandardCase::candidate).collect::<Result<_, _>>()?;
    let all: Vec<_> = cases.iter().flat_map(|case| &case.case.violations).map(String::as_str).collect();
    let mut text = format!("{HEAD}{}", table(""));
    for rule in template.rules {
        let metadata = Metadata::of(rule.name, rule.module)?;
        let _ = write!(text, "\n## {}\n\n{}\n", metadata.title, metadata.description.trim());
        for control in of_room(rule.name) {
            text.push_str(&section(rule, control, &candidates, &all)?);
        }
        text.push_str(&metadata.related(twin(
            rule,
            Template::SecurityPolicy.definition(),
            "security-policy.md",
        )?));
    }
    let index = format!(
        "\n## [Pod Security Standards]({FILE})\n\nThey hold in every namespace that is not a system namespace: `baseline`, unless [a label of the namespace](../standards.md) or the settings say otherwise.\n{}",
        table(FILE)
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

/// The names of the controls of a room, each once: a control may have several versions.
fn of_room(room: &str) -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    let controls = CONTROLS.iter().filter(|control| seen.insert(control.name));
    controls.filter(|control| control.room == room).map(|control| control.name).collect()
}

/// The table of the controls; each is linked to in `file`.
fn table(file: &str) -> String {
    let mut text = "\n| control | level | versions | |\n|---|---|---|---|\n".to_owned();
    for control in CONTROLS {
        let (name, anchor) = (control.name, anchor(control.name));
        let (level, versions, notes) = (level(control), versions(control), notes(control));
        let _ = writeln!(text, "| [`{name}`]({file}#control-{anchor}) | {level} | {versions} | {notes} |");
    }
    text
}

fn level(control: &Control) -> &'static str {
    match control {
        Control { restricted: true, .. } => "restricted",
        control if control.is_baseline_alone() => "baseline",
        _ => "baseline, restricted",
    }
}

fn versions(control: &Control) -> String {
    match (control.since, control.until) {
        (0, None) => "all".to_owned(),
        (since, None) => format!("from v1.{since}"),
        (since, Some(until)) => format!("v1.{since} to v1.{until}"),
    }
}

/// Where the control does not hold, though the level and the version have it.
fn notes(control: &Control) -> String {
    let replacement = control.replaced_by.filter(|_| !control.is_baseline_alone());
    let replaced = replacement.map(|name| format!("Not where `{name}` holds."));
    let relaxed = control.relaxations.iter().map(|relaxation| {
        let whose = match relaxation {
            Relaxation::UserNamespace => "with `hostUsers: false`",
            Relaxation::Windows => "for Windows Pods",
        };
        format!("Not {whose}, from v1.{}.", relaxation.since())
    });
    replaced.into_iter().chain(relaxed).collect::<Vec<_>>().join(" ")
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
