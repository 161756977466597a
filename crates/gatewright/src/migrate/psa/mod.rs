//! Labels of Pod Security admission, and what says the same here.

mod rows;
mod standing;
#[cfg(test)]
mod tests;

use gatewright_compiler::{ACTION_LABEL, POLICY_LABEL, Settings, is_system_namespace};
use gatewright_gatekeeper::Action;
use serde_json::{Map, Value, json};

pub use self::rows::ROWS;
use self::rows::{MEANINGLESS, MODES, NOT_ASKED, OTHER_DEFAULT, STRICTER, SYSTEM, UNLABELLED, VERSION};
pub use self::standing::Plan;
use self::standing::{Standard, Today};
use super::deckhouse::is_deckhouses;
use super::document::{Found as Entry, Migrated, ObjectName, SameMeaning};
use super::edit::Edit;
use super::source::Found;
use crate::check::world::exempt::{Exempt, is_read};
use crate::foreign::Foreign;

/// Where these objects come from.
pub const FROM: &str = "psa";

const PREFIX: &str = "pod-security.kubernetes.io/";

/// A namespace whose labels are looked at.
#[derive(Debug)]
pub struct Examined {
    /// What is said of it.
    pub migrated: Migrated,
    /// The labels to apply; none where none are needed.
    pub written: Option<Value>,
    /// The namespace, where the objects that the default standard refuses count.
    pub counted: Option<String>,
}

/// The levels, from the laxest.
pub const LEVELS: [&str; 3] = ["privileged", "baseline", "restricted"];

/// Looks at all namespaces.
pub fn examine(found: &Found, settings: &Settings, plan: Plan) -> Vec<Examined> {
    let around = Around::of(found, settings, plan);
    found.rest.namespaces.iter().filter_map(|(_, namespace)| of_namespace(namespace, &around)).collect()
}

/// What matters beside the labels of a namespace.
struct Around {
    /// What holds without labels today.
    today: Today,
    /// The settings that gatewright has or will have.
    settings: Settings,
    exempt: Exempt,
}

impl Around {
    fn of(found: &Found, settings: &Settings, plan: Plan) -> Self {
        let today = standing::today(found, settings);
        let settings = standing::planned(today, settings, plan);
        let configs = found.rest.configs.iter().filter(|it| is_read(it, None, &settings));
        Self { today, exempt: Exempt::new(configs, &settings), settings }
    }

    /// What holds in a namespace with these labels once gatewright is there.
    fn then(&self, modes: &Modes<'_>) -> Standard {
        let default = match self.today {
            Today::Gatewright(default) => default,
            _ => Standard::default_of(&self.settings),
        };
        modes.or_default(default)
    }

    /// What holds in a namespace with these labels today, if something does or is going to. Deckhouse's module has no
    /// default for its own namespaces.
    fn now(&self, name: &str, modes: &Modes<'_>) -> Now {
        match self.today {
            Today::Module(_) | Today::Unknown(_) if is_deckhouses(name) => Now::Nothing,
            _ if modes.our_level().is_some() => Now::Known(match self.today {
                Today::Nothing => self.then(modes),
                Today::Gatewright(default) | Today::Module(default) | Today::Unknown(default) => {
                    modes.or_default(default)
                }
            }),
            Today::Nothing => Now::Nothing,
            Today::Gatewright(default) | Today::Module(default) => Now::Known(modes.or_default(default)),
            Today::Unknown(most) => Now::AtMost(modes.or_default(most)),
        }
    }
}

/// What holds in a namespace today beside Pod Security admission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Now {
    Nothing,
    Known(Standard),
    AtMost(Standard),
}

/// The modes of a namespace, each with its level as far as that exists.
struct Modes<'a> {
    labels: &'a Map<String, Value>,
}

impl Modes<'_> {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.get(&format!("{PREFIX}{name}")).and_then(Value::as_str)
    }

    /// How strict a mode is, if it is there; what does not exist counts as restricted.
    fn level(&self, mode: &str) -> Option<usize> {
        self.label(mode).map(|level| LEVELS.iter().position(|it| *it == level).unwrap_or(LEVELS.len() - 1))
    }

    fn is_meaningless(&self, mode: &str) -> bool {
        self.label(mode).is_some_and(|level| !LEVELS.contains(&level))
    }

    /// The mode that counts here, with the action that it is.
    fn chosen(&self) -> Option<(&'static str, Action)> {
        let modes = [("enforce", Action::Deny), ("warn", Action::Warn), ("audit", Action::Dryrun)];
        let there = modes.into_iter().filter(|(mode, _)| self.level(mode).is_some());
        let strict = there.clone().find(|(mode, _)| self.level(mode) > Some(0));
        strict.or_else(|| there.into_iter().next())
    }

    /// How strict our label for the standard is, if it means something.
    fn our_level(&self) -> Option<usize> {
        let level = self.labels.get(POLICY_LABEL)?;
        LEVELS.iter().position(|it| level == it)
    }

    /// What our labels choose; the default where they choose nothing.
    fn or_default(&self, default: Standard) -> Standard {
        let named = self.labels.get(ACTION_LABEL);
        let action = Action::ALL.into_iter().find(|it| named.is_some_and(|named| named == it.name()));
        Standard {
            level: self.our_level().unwrap_or(default.level),
            action: action.unwrap_or(default.action),
        }
    }

    /// All labels as people write them.
    fn text(&self) -> String {
        let labels = self.labels.iter().filter(|(key, _)| key.starts_with(PREFIX));
        let labels = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
        labels.collect::<Vec<_>>().join(", ")
    }
}

fn of_namespace(namespace: &Value, around: &Around) -> Option<Examined> {
    let name = namespace["metadata"]["name"].as_str()?;
    let none = Map::new();
    let labels = namespace["metadata"]["labels"].as_object().unwrap_or(&none);
    let modes = Modes { labels };
    let object = ObjectName::new("Namespace", None, name);
    let migrated = Migrated { object, from: FROM, ..Migrated::default() };
    let not_asked = around.exempt.reason(name, |label| labels.contains_key(label));
    let out_of_reach = if is_system_namespace(name, &around.settings) {
        Some(SYSTEM.found(""))
    } else {
        not_asked.map(|reason| {
            let after = format!("{}; {reason}", NOT_ASKED.after).into();
            Entry { after, ..NOT_ASKED.found("") }
        })
    };
    if let Some(entry) = out_of_reach {
        // Nothing is refused there by either.
        let (mode, _) = modes.chosen().filter(|(mode, _)| modes.level(mode) > Some(0))?;
        let differences = vec![Entry { field: label(mode).into(), ..entry }];
        let migrated = Migrated { was: Some(modes.text().into()), differences, ..migrated };
        return Some(Examined { migrated, written: None, counted: None });
    }
    match modes.chosen() {
        Some((mode, action)) => labelled(migrated, &modes, mode, action, around),
        None => unlabelled(migrated, &modes, name, around),
    }
}

fn label(mode: &str) -> String {
    format!("metadata.labels.{PREFIX}{mode}")
}

/// A namespace with a mode. None if the same holds already, and nothing differs.
fn labelled(
    migrated: Migrated,
    modes: &Modes<'_>,
    mode: &str,
    action: Action,
    around: &Around,
) -> Option<Examined> {
    let theirs = Standard { level: modes.level(mode).unwrap_or_default(), action };
    let mut found = differences(modes, mode);
    let (becomes, is_new) = match kept(theirs, migrated.object.name.raw(), modes, around) {
        Kept::Theirs => (Some(labels(theirs)), true),
        Kept::Standing { standard, is_stricter, is_same_then } => {
            found.extend(is_stricter.then(|| STRICTER.found("metadata.labels")));
            found.extend((!is_same_then).then(|| pinned(standard)));
            let is_labelled = modes.our_level().is_some();
            ((is_labelled || !is_same_then).then(|| labels(standard)), !is_same_then)
        }
        Kept::Unknown => {
            found.push(OTHER_DEFAULT.found("metadata.labels"));
            (None, false)
        }
    };
    if found.is_empty() && !is_new {
        return None;
    }
    let name = migrated.object.name.raw();
    let written = becomes.as_ref().filter(|_| is_new).map(|becomes| written(name, becomes));
    let (was, becomes) = (Some(modes.text().into()), becomes.map(|becomes| text(&becomes)));
    let migrated = Migrated { was, becomes, differences: found, ..migrated };
    Some(Examined { migrated, written, counted: None })
}

/// Which standard a namespace with a mode keeps.
enum Kept {
    /// That of Pod Security admission: nothing that holds is stricter.
    Theirs,
    /// One that holds already, and whether it holds still once gatewright has its settings.
    Standing { standard: Standard, is_stricter: bool, is_same_then: bool },
    /// Nobody knows which is stricter.
    Unknown,
}

fn kept(theirs: Standard, name: &str, modes: &Modes<'_>, around: &Around) -> Kept {
    match around.now(name, modes) {
        Now::Nothing => Kept::Theirs,
        Now::AtMost(most) if theirs.covers(most) => Kept::Theirs,
        Now::AtMost(_) => Kept::Unknown,
        Now::Known(standard) if theirs.covers(standard) && !standard.covers(theirs) => Kept::Theirs,
        Now::Known(standard) => Kept::Standing {
            standard,
            is_stricter: !theirs.covers(standard),
            is_same_then: is_same(standard, around.then(modes)),
        },
    }
}

/// Whether two standards say the same: where everything is admitted, the action does not matter.
fn is_same(one: Standard, other: Standard) -> bool {
    one.covers(other) && other.covers(one)
}

/// The labels that choose a standard.
fn labels(standard: Standard) -> Vec<(&'static str, &'static str)> {
    let action = (standard.level > 0).then(|| (ACTION_LABEL, standard.action.name()));
    [(POLICY_LABEL, LEVELS[standard.level])].into_iter().chain(action).collect()
}

/// Another default, with the labels that keep what held.
fn pinned(standard: Standard) -> Entry {
    OTHER_DEFAULT.found_with("metadata.labels", same_meaning(&labels(standard)))
}

fn same_meaning(labels: &[(&str, &str)]) -> SameMeaning {
    let edit = |(key, value): &(&str, &str)| Edit::Add {
        path: format!("/metadata/labels/{}", key.replace('/', "~1")),
        value: json!(value),
    };
    let label = if labels.len() == 1 { "label" } else { "labels" };
    SameMeaning {
        text: format!("the {label} {}", text(labels)).into(),
        patch: labels.iter().map(edit).collect(),
    }
}

fn differences(modes: &Modes<'_>, chosen: &str) -> Vec<Entry> {
    let mut found = vec![];
    for mode in ["enforce", "warn", "audit"].into_iter().filter(|mode| *mode != chosen) {
        if modes.level(mode) > modes.level(chosen) {
            found.push(MODES.found(&label(mode)));
        }
    }
    let version = format!("{chosen}-version");
    if modes.label(&version).is_some_and(|version| version != "latest") {
        found.push(VERSION.found(&label(&version)));
    }
    if modes.is_meaningless(chosen) {
        found.push(MEANINGLESS.found(&label(chosen)));
    }
    found
}

/// A namespace in which Pod Security admission admits everything, and another standard will hold than does today.
fn unlabelled(migrated: Migrated, modes: &Modes<'_>, name: &str, around: &Around) -> Option<Examined> {
    let then = around.then(modes);
    let (entry, ours, is_counted) = match around.now(name, modes) {
        Now::Nothing if then.level > 0 => {
            let ours = vec![(POLICY_LABEL, LEVELS[0])];
            (UNLABELLED.found_with("metadata.labels", same_meaning(&ours)), Some(ours), true)
        }
        Now::Known(standard) if !is_same(standard, then) => (pinned(standard), Some(labels(standard)), false),
        Now::AtMost(_) => (OTHER_DEFAULT.found("metadata.labels"), None, false),
        Now::Nothing | Now::Known(_) => return None,
    };
    Some(Examined {
        migrated: Migrated { differences: vec![entry], ..migrated },
        written: ours.map(|ours| written(name, &ours)),
        counted: is_counted.then(|| name.to_owned()),
    })
}

fn text(labels: &[(&str, &str)]) -> Foreign {
    let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
    labels.collect::<Vec<_>>().join(", ").into()
}

fn written(name: &str, labels: &[(&str, &str)]) -> Value {
    let labels: Map<String, Value> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}
