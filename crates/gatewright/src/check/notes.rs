//! What is not judged, though people may think so.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use gatewright_compiler::{
    ACTION_LABEL, POLICY_LABEL, SIGNATURES_ENABLED, Settings, Standards, meaningless_labels,
};
use gatewright_engine::Reach;
use serde_json::Value;

use super::namespaces::NamespaceLabels;
use super::result::{Exempt, ObjectResult};
use super::world::{Given, World};
use crate::diagnostics;
use crate::foreign::Foreign;
use crate::input::Document;
use crate::signatures::{Demand, Standing};

/// What is assumed of an object whose Pods nobody judges.
pub const UNREAD: &str = "not judged: a Pod template that no rule reads";

/// Whether there is a Pod spec somewhere inside an object, as in a Pod template.
pub fn has_pod_template(object: &Value) -> bool {
    let below = |value: &Value| is_pod(value) || has_pod_template(value);
    match object {
        Value::Object(fields) => fields.values().any(below),
        Value::Array(items) => items.iter().any(below),
        _ => false,
    }
}

fn is_pod(value: &Value) -> bool {
    let containers = value.pointer("/spec/containers").and_then(Value::as_array);
    containers.is_some_and(|containers| containers.iter().any(Value::is_object))
}

/// The objects with a Pod template that no rule reads, by kind.
#[derive(Debug, Default)]
pub struct Unread(BTreeMap<Foreign, (String, usize)>);

impl Unread {
    /// Counts an object, if it is one.
    pub fn add(&mut self, result: &ObjectResult) {
        if result.unread {
            let first = || (format!("{}: {}", result.source, result.object), 0);
            self.0.entry(result.object.kind.clone()).or_insert_with(first).1 += 1;
        }
    }

    /// A sentence for each kind: a cluster has thousands of ReplicaSets.
    pub fn notes(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(kind, (first, count))| match count - 1 {
            0 => format!("{first}: {UNREAD}"),
            others => format!("{first}, and {others} more {kind} (-v lists them): {UNREAD}"),
        })
    }
}

/// How many things of a kind are named in a note.
const NAMED: usize = 5;

/// The first of some things by name, and how many others there are; none where there is nothing.
pub fn named(mut all: impl Iterator<Item = String>) -> Option<String> {
    let named: Vec<_> = all.by_ref().take(NAMED).collect();
    let others = match all.count() {
        0 => String::new(),
        others => format!(" and {others} more"),
    };
    (!named.is_empty()).then(|| named.join(", ") + &others)
}

/// The images whose signatures nobody verified.
#[derive(Debug, Default)]
pub struct Unverified(BTreeSet<String>);

impl Unverified {
    /// Counts those of an object.
    pub fn add(&mut self, result: &ObjectResult) {
        self.0.extend(result.unverified.iter().map(|it| it.image.clone()));
    }

    /// A sentence about all of them.
    pub fn note(&self) -> Option<String> {
        let listed = if self.0.len() > NAMED { " (-v lists them)" } else { "" };
        let named = named(self.0.iter().cloned())?;
        Some(format!(
            "signatures of images are not verified here: {named}{listed}; check --verify-images asks their registries"
        ))
    }
}

/// The objects of namespaces about which Gatekeeper is not asked, by namespace.
#[derive(Clone, Debug, Default)]
pub struct Exempted(BTreeMap<String, (String, usize)>);

impl Exempted {
    /// Counts an object, if it stands in such a namespace.
    pub fn add(&mut self, result: &ObjectResult) {
        if let Some(Exempt { namespace, reason }) = &result.exempt {
            self.0.entry(namespace.clone()).or_insert_with(|| (reason.clone(), 0)).1 += 1;
        }
    }

    /// Each namespace with the reason, and how many objects.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, usize)> {
        self.0.iter().map(|(namespace, (reason, count))| (namespace.as_str(), reason.as_str(), *count))
    }

    /// A sentence for each of the first namespaces, and one for the others.
    pub fn notes(&self) -> Vec<String> {
        let objects = |count: usize| if count == 1 { "object" } else { "objects" };
        let said = |(namespace, reason, count): (&str, &str, usize)| {
            format!("{count} {} in namespace {namespace}: {reason}", objects(count))
        };
        let mut notes: Vec<_> = self.all().take(NAMED).map(said).collect();
        let others: Vec<_> = self.all().skip(NAMED).map(|(.., count)| count).collect();
        if !others.is_empty() {
            let (count, namespaces) = (others.iter().sum(), others.len());
            let namespaces =
                if namespaces == 1 { "1 more namespace" } else { &format!("{namespaces} more namespaces") };
            notes.push(format!("{count} {} in {namespaces}: not judged, for such reasons", objects(count)));
        }
        notes
    }
}

/// Which policies demand signatures that the cluster does not verify.
pub fn of_disabled_signatures(world: &World, settings: &Settings) -> impl Iterator<Item = String> {
    let disabled = matches!(Standing::of(settings), Standing::Disabled);
    let demands = world.demands.all().into_iter().filter(move |_| disabled);
    demands.map(|Demand { subject, location, .. }| {
        format!(
            "{location}: {subject}: the cluster verifies no signature: {SIGNATURES_ENABLED} is false in the settings"
        )
    })
}

/// Which labels of system namespaces ask for a standard, and ask in vain.
pub fn of_system_namespaces(world: &World) -> impl Iterator<Item = String> {
    let names = world.namespaces.names().filter(|name| world.is_system(name));
    names.filter_map(|name| {
        let label = [POLICY_LABEL, ACTION_LABEL]
            .into_iter()
            .find(|label| world.namespaces.label(name, label).is_some())?;
        Some(format!(
            "namespace {name} is a system namespace: the standards do not reach it, so its label {label} says nothing"
        ))
    })
}

/// Which labels of namespaces are meant to choose a standard or an action, and do not.
pub fn of_meaningless_labels(world: &World, standards: &Standards) -> impl Iterator<Item = String> {
    world.namespaces.names().flat_map(move |name| {
        let found = meaningless_labels(&world.namespaces.labels(name), standards);
        let place = world.namespaces.place(name);
        found.into_iter().map(move |label| format!("{place}: namespace {name}: {label}"))
    })
}

/// Which namespaces were given labels on the command line although nothing stands in them.
pub fn of_unused_namespaces<'a>(
    given: &'a [NamespaceLabels],
    used: &'a HashSet<&str>,
) -> impl Iterator<Item = String> + 'a {
    let unused: BTreeSet<_> =
        given.iter().map(NamespaceLabels::name).filter(|name| !used.contains(name)).collect();
    unused
        .into_iter()
        .map(|name| format!("--namespace-labels {name}: no object of the input is in namespace {name}"))
}

/// Which policies and constraints of the input were applied to no object, and why.
pub fn of_idle(world: &World) -> impl Iterator<Item = String> {
    let said = |given: &Given| Some(format!("{}: {}", given.location, idle(world, given)?));
    world.given.iter().filter_map(said)
}

/// That a policy or a constraint was applied to no object, and why, if it was not.
pub fn idle(world: &World, Given { constraints, subject, .. }: &Given) -> Option<String> {
    let reached = constraints.iter().filter_map(|constraint| world.engine.reach(constraint));
    let why = match reached.max()? {
        Reach::Nothing => "none that was judged is of its kinds",
        Reach::Kind => "none of its kinds has the namespace and the labels that it asks for",
        Reach::Applied => return None,
    };
    Some(format!("{subject} was applied to no object: {why}"))
}

/// Says where a constraint acts that is not the webhook.
pub fn elsewhere(constraint: &Document, spec: &Value) {
    if spec["enforcementAction"] != "scoped" {
        return;
    }
    let subject = format!("{}: {} {}", constraint.location, constraint.header.kind, constraint.header.name);
    let actions = spec["scopedEnforcementActions"].as_array().into_iter().flatten();
    let mut at_webhook = false;
    for action in actions {
        let points = action["enforcementPoints"].as_array().into_iter().flatten();
        for point in points.filter_map(|point| point["name"].as_str()) {
            at_webhook |= matches!(point, "validation.gatekeeper.sh" | "*");
            if point == "vap.k8s.io" {
                let word = action["action"].as_str().unwrap_or_default();
                diagnostics::note(format!(
                    "{subject}: what it does at vap.k8s.io ({word}) is the API server's own, and is not judged"
                ));
            }
        }
    }
    if !at_webhook {
        diagnostics::note(format!("{subject}: it is not enforced by the webhook, and is not judged"));
    }
}

#[cfg(test)]
mod tests {
    use super::{Unverified, has_pod_template};
    use serde_json::json;

    #[test]
    fn some_images_are_named_and_the_others_counted() {
        let note = |images: &[&str]| {
            let unverified = Unverified(images.iter().map(|image| (*image).to_owned()).collect());
            unverified.note().map(|note| note.replace("signatures of images are not verified here: ", ""))
        };
        assert_eq!(note(&[]), None);
        assert_eq!(note(&["b", "a", "b"]).unwrap(), "a, b; check --verify-images asks their registries");
        let many = note(&["1", "2", "3", "4", "5", "6", "7"]).unwrap();
        assert_eq!(
            many,
            "1, 2, 3, 4, 5 and 2 more (-v lists them); check --verify-images asks their registries"
        );
    }

    #[test]
    fn pod_templates_are_found_wherever_they_stand() {
        let template = || json!({"metadata": {}, "spec": {"containers": [{"name": "a"}]}});
        for (object, found) in [
            (json!({"kind": "ReplicaSet", "spec": {"template": template()}}), true),
            (json!({"kind": "PodTemplate", "template": template()}), true),
            (
                json!({"kind": "JobSet", "spec": {"jobs": [{"template": {"spec": {"template": template()}}}]}}),
                true,
            ),
            (json!({"kind": "Prometheus", "spec": {"containers": [{"name": "a"}]}}), false),
            (json!({"kind": "A", "spec": {"template": {"spec": {"containers": []}}}}), false),
            (json!({"kind": "ConfigMap", "data": {"spec": "containers: [{name: a}]"}}), false),
            (json!({"kind": "CustomResourceDefinition", "spec": {"containers": {"type": "array"}}}), false),
        ] {
            assert_eq!(has_pod_template(&object), found, "{object}");
        }
    }
}
