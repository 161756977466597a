//! Labels of Pod Security admission, and what says the same here.

use gatewright_compiler::{ACTION_LABEL, POLICY_LABEL, PodPolicy, Settings, is_system_namespace};
use gatewright_gatekeeper::Action;
use serde_json::{Map, Value, json};

use super::document::{Found as Entry, Migrated, ObjectName, SameMeaning};
use super::edit::Edit;
use super::rows::Row;
use super::source::Found;
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

const MODES: Row = Row {
    id: "P1",
    when: "modes have different levels",
    before: "Pod Security admission warns, or writes to the audit log, by a stricter level than it enforces",
    after: "here a namespace has one standard with one action: keep the label, and Pod Security admission goes on beside",
    general: false,
};
const VERSION: Row = Row {
    id: "P2",
    when: "a version is pinned",
    before: "Pod Security admission judges by that version of the standards",
    after: "here the setting podSecurityStandards.version holds for all namespaces",
    general: false,
};
const UNLABELLED: Row = Row {
    id: "P3",
    when: "the namespace has no label of a mode",
    before: "Pod Security admission admits everything, unless the API server's configuration says otherwise",
    after: "here the default standard holds: the settings podSecurityStandards.defaultPolicy and .enforcementAction",
    general: false,
};
const MEANINGLESS: Row = Row {
    id: "P4",
    when: "a level does not exist",
    before: "Pod Security admission takes it for restricted",
    after: "here a label that means nothing is the default standard",
    general: false,
};
const SYSTEM: Row = Row {
    id: "P5",
    when: "it is a system namespace",
    before: "Pod Security admission judges it by its labels",
    after: "here the standards never reach it: keep the label, and Pod Security admission goes on",
    general: false,
};
const CONTROLLERS: Row = Row {
    id: "P6",
    when: "a Deployment or another controller is applied",
    before: "Pod Security admission warns, and refuses the Pods alone",
    after: "here the controller is refused, unless the setting podSecurityStandards.controllerValidation is false",
    general: true,
};
const EXEMPTIONS: Row = Row {
    id: "P7",
    when: "the API server's configuration has exemptions",
    before: "Pod Security admission leaves out users, runtime classes and namespaces",
    after: "here namespaces alone can be left out, by the label security.deckhouse.io/pod-policy=privileged; migrate cannot read that configuration",
    general: true,
};

const STRICTER: Row = Row {
    id: "P8",
    when: "the namespace has a stricter label of gatewright",
    before: "Pod Security admission judges by its own labels",
    after: "here the stricter level or action stays: keep the labels of Pod Security admission where these refuse more",
    general: false,
};

/// All differences.
pub const ROWS: &[&Row] =
    &[&MODES, &VERSION, &UNLABELLED, &MEANINGLESS, &SYSTEM, &CONTROLLERS, &EXEMPTIONS, &STRICTER];

/// The levels, from the laxest.
const LEVELS: [&str; 3] = ["privileged", "baseline", "restricted"];

/// Looks at all namespaces.
pub fn examine(found: &Found, settings: &Settings) -> Vec<Examined> {
    found.rest.namespaces.iter().filter_map(|(_, namespace)| of_namespace(namespace, settings)).collect()
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

    /// What happens to violations by our label for it, or by default.
    fn our_action(&self, settings: &Settings) -> Action {
        let named = self.labels.get(ACTION_LABEL);
        let action = Action::ALL.into_iter().find(|it| named.is_some_and(|named| named == it.name()));
        action.unwrap_or(settings.standards.enforcement_action)
    }

    /// All labels as people write them.
    fn text(&self) -> String {
        let labels = self.labels.iter().filter(|(key, _)| key.starts_with(PREFIX));
        let labels = labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
        labels.collect::<Vec<_>>().join(", ")
    }
}

fn of_namespace(namespace: &Value, settings: &Settings) -> Option<Examined> {
    let name = namespace["metadata"]["name"].as_str()?;
    let none = Map::new();
    let labels = namespace["metadata"]["labels"].as_object().unwrap_or(&none);
    let modes = Modes { labels };
    let object = ObjectName::new("Namespace", None, name);
    let migrated = Migrated { object, from: FROM, ..Migrated::default() };
    if is_system_namespace(name, settings) {
        // Nothing is refused there by either.
        let chosen = modes.chosen().filter(|(mode, _)| modes.level(mode) > Some(0));
        let entry = chosen.map(|(mode, _)| SYSTEM.found(&label(mode)))?;
        let was = Some(modes.text().into());
        let migrated = Migrated { was, differences: vec![entry], ..migrated };
        return Some(Examined { migrated, written: None, counted: None });
    }
    match modes.chosen() {
        Some((mode, action)) => labelled(migrated, &modes, mode, action, settings),
        None => unlabelled(migrated, labels, name, settings),
    }
}

fn label(mode: &str) -> String {
    format!("metadata.labels.{PREFIX}{mode}")
}

/// A namespace with a mode. None if our labels say the same already, and nothing differs.
fn labelled(
    migrated: Migrated,
    modes: &Modes<'_>,
    mode: &str,
    action: Action,
    settings: &Settings,
) -> Option<Examined> {
    let theirs = modes.level(mode).unwrap_or_default();
    let labels = |level: usize, action: Action| {
        let action = (level > 0).then(|| (ACTION_LABEL, action.name()));
        [(POLICY_LABEL, LEVELS[level])].into_iter().chain(action).collect::<Vec<_>>()
    };
    let mut found = differences(modes, mode);
    let (becomes, is_new) = match (modes.our_level(), modes.our_action(settings)) {
        (Some(level), ours) if level == theirs && (level == 0 || ours == action) => {
            (labels(level, ours), false)
        }
        (Some(level), ours) if level > theirs || (level > 0 && ours > action) => {
            found.push(STRICTER.found("metadata.labels"));
            (labels(level, ours), false)
        }
        _ => (labels(theirs, action), true),
    };
    if found.is_empty() && !is_new {
        return None;
    }
    let name = migrated.object.name.raw();
    let written = is_new.then(|| written(name, &becomes));
    let (was, becomes) = (Some(modes.text().into()), Some(text(&becomes)));
    let migrated = Migrated { was, becomes, differences: found, ..migrated };
    Some(Examined { migrated, written, counted: None })
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

/// A namespace in which Pod Security admission admits everything, and the default standard would not.
fn unlabelled(
    migrated: Migrated,
    labels: &Map<String, Value>,
    name: &str,
    settings: &Settings,
) -> Option<Examined> {
    if settings.standards.default_policy == PodPolicy::Privileged || (Modes { labels }).our_level().is_some()
    {
        return None;
    }
    let ours = [(POLICY_LABEL, LEVELS[0])];
    let path = format!("/metadata/labels/{}", POLICY_LABEL.replace('/', "~1"));
    let edit = Edit::Add { path, value: json!(LEVELS[0]) };
    let same = SameMeaning { text: format!("the label {}", text(&ours)).into(), patch: vec![edit] };
    let entry = UNLABELLED.found_with("metadata.labels", same);
    let migrated = Migrated { differences: vec![entry], ..migrated };
    Some(Examined { migrated, written: Some(written(name, &ours)), counted: Some(name.to_owned()) })
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

#[cfg(test)]
mod tests {
    use gatewright_compiler::{PodPolicy, Settings};
    use serde_json::json;
    use strum::IntoEnumIterator as _;

    use super::{LEVELS, of_namespace};

    /// Pod Security admission and our label have the same levels, in the same order.
    #[test]
    fn the_levels_are_those_of_our_label() {
        assert_eq!(PodPolicy::iter().map(|it| it.as_ref().to_owned()).collect::<Vec<_>>(), LEVELS);
    }

    const OUR_LEVEL: &str = "!security.deckhouse.io/pod-policy";
    const OUR_ACTION: &str = "!security.deckhouse.io/pod-policy-action";

    fn said(name: &str, labels: &[(&str, &str)], settings: &str) -> Option<String> {
        let settings = Settings::from_yaml(settings, "gatewright-system").unwrap();
        let labels: serde_json::Map<_, _> = labels
            .iter()
            .map(|(key, value)| match key.strip_prefix('!') {
                Some(key) => (key.to_owned(), json!(value)),
                None => (format!("pod-security.kubernetes.io/{key}"), json!(value)),
            })
            .collect();
        let namespace = json!({"metadata": {"name": name, "labels": labels}});
        let found = of_namespace(&namespace, &settings)?;
        let ids: Vec<_> = found.migrated.differences.iter().map(|it| it.id.as_str()).collect();
        let becomes =
            found.migrated.becomes.map(|it| it.to_string().replace("security.deckhouse.io/pod-policy", "P"));
        Some(format!("{} {}", becomes.unwrap_or_default(), ids.join(" ")).trim().to_owned())
    }

    #[test]
    fn labels_become_labels_and_what_differs_is_named() {
        for (labels, expected) in [
            (&[("enforce", "restricted")][..], Some("P=restricted, P-action=deny")),
            (&[("enforce", "baseline"), ("enforce-version", "latest")], Some("P=baseline, P-action=deny")),
            (&[("enforce", "privileged")], Some("P=privileged")),
            (&[("enforce", "baseline"), ("warn", "restricted")], Some("P=baseline, P-action=deny P1")),
            (&[("enforce", "restricted"), ("warn", "baseline")], Some("P=restricted, P-action=deny")),
            (&[("enforce", "privileged"), ("warn", "baseline")], Some("P=baseline, P-action=warn")),
            (&[("warn", "baseline"), ("audit", "restricted")], Some("P=baseline, P-action=warn P1")),
            (&[("audit", "restricted")], Some("P=restricted, P-action=dryrun")),
            (&[("enforce", "baseline"), ("enforce-version", "v1.29")], Some("P=baseline, P-action=deny P2")),
            (&[("enforce", "resticted")], Some("P=restricted, P-action=deny P4")),
            (&[], Some("P3")),
            (&[(OUR_LEVEL, "restricted")], None),
            // A label that means nothing leaves the default.
            (&[(OUR_LEVEL, "nonsense")], Some("P3")),
            (&[("enforce", "baseline"), (OUR_LEVEL, "nonsense")], Some("P=baseline, P-action=deny")),
            // What is stricter stays.
            (&[("enforce", "baseline"), (OUR_LEVEL, "restricted")], Some("P=restricted, P-action=deny P8")),
            (
                &[("enforce", "baseline"), (OUR_LEVEL, "restricted"), (OUR_ACTION, "warn")],
                Some("P=restricted, P-action=warn P8"),
            ),
            (&[("warn", "baseline"), (OUR_LEVEL, "baseline")], Some("P=baseline, P-action=deny P8")),
            (
                &[("warn", "restricted"), (OUR_LEVEL, "baseline"), (OUR_ACTION, "deny")],
                Some("P=baseline, P-action=deny P8"),
            ),
            (
                &[("enforce", "restricted"), (OUR_LEVEL, "restricted"), (OUR_ACTION, "warn")],
                Some("P=restricted, P-action=deny"),
            ),
            (&[("enforce", "restricted"), (OUR_LEVEL, "privileged")], Some("P=restricted, P-action=deny")),
            // What says the same already is done.
            (&[("enforce", "restricted"), (OUR_LEVEL, "restricted"), (OUR_ACTION, "deny")], None),
            (&[("enforce", "baseline"), (OUR_LEVEL, "baseline")], None),
            (&[("enforce", "privileged"), (OUR_LEVEL, "privileged"), (OUR_ACTION, "warn")], None),
            (
                &[("enforce", "baseline"), ("enforce-version", "v1.29"), (OUR_LEVEL, "baseline")],
                Some("P=baseline, P-action=deny P2"),
            ),
        ] {
            assert_eq!(said("shop", labels, "").as_deref(), expected, "{labels:?}");
        }
    }

    #[test]
    fn system_namespaces_are_left_alone_and_a_default_that_admits_everything_differs_from_nothing() {
        assert_eq!(said("kube-system", &[("enforce", "baseline")], "").as_deref(), Some("P5"));
        assert_eq!(said("kube-system", &[("enforce", "privileged")], ""), None);
        assert_eq!(said("kube-system", &[], ""), None);
        assert_eq!(said("shop", &[], "podSecurityStandards: {defaultPolicy: Privileged}"), None);
    }
}
