//! Labels that mean something to Deckhouse's module, and nothing here.

use gatewright_compiler::{Settings, is_system_namespace};
use serde_json::Value;

use super::differences::{About, DIFFERENCES, Difference, SKIP_LABEL, SYSTEM_LABEL};
use super::{Examined, FROM, said};
use crate::migrate::document::{Found as Entry, Migrated, ObjectName};

/// Where the labels of an object stand.
const OWN: &str = "/metadata/labels";

/// Where the labels of the Pods of an object stand: a Pod's own, or those of a template.
fn of_pods(kind: &str) -> &'static str {
    match kind {
        "Pod" => OWN,
        "CronJob" => "/spec/jobTemplate/spec/template/metadata/labels",
        _ => "/spec/template/metadata/labels",
    }
}

/// An object with a label that means nothing here.
pub fn examine(object: &Value, settings: &Settings) -> Option<Examined> {
    let differences: Vec<_> = DIFFERENCES.iter().filter_map(|it| entry(it, object, settings)).collect();
    (!differences.is_empty()).then(|| Examined {
        migrated: Migrated { object: ObjectName::of(object), from: FROM, differences, ..Migrated::default() },
        ..Examined::default()
    })
}

fn entry(difference: &Difference, object: &Value, settings: &Settings) -> Option<Entry> {
    let About::Label(label) = difference.about else { return None };
    let value = |pointer: &str| object.pointer(pointer).and_then(|labels| labels.get(label));
    if label == SKIP_LABEL {
        let pointer = of_pods(object["kind"].as_str().unwrap_or_default());
        let field = format!("{}.{label}", pointer.trim_start_matches('/').replace('/', "."));
        let skips = value(pointer).is_some_and(|it| it == "true");
        return skips.then(|| Entry { field: field.into(), ..said(difference, object) });
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let concerns = label != SYSTEM_LABEL || is_system(name, settings);
    (object["kind"] == "Namespace" && concerns && value(OWN).is_some()).then(|| said(difference, object))
}

/// Whether a namespace is a system namespace to Deckhouse, or here.
fn is_system(name: &str, settings: &Settings) -> bool {
    is_deckhouses(name) || is_system_namespace(name, settings)
}

/// Whether a namespace is a system namespace to Deckhouse.
pub fn is_deckhouses(name: &str) -> bool {
    name.starts_with("d8-") || name.starts_with("kube-")
}

#[cfg(test)]
mod tests {
    use gatewright_compiler::Settings;
    use serde_json::{Value, json};

    use super::examine;
    use crate::migrate::deckhouse::differences::{SKIP_LABEL, SYSTEM_LABEL, TRIVY_LABEL};

    /// An object of this kind and name with a label at this field.
    fn labelled(kind: &str, name: &str, field: &[&str], label: &str) -> Value {
        let mut object = json!({"kind": kind, "metadata": {"name": name}});
        let at = field.iter().fold(&mut object, |at, key| &mut at[*key]);
        at[label] = json!("true");
        object
    }

    #[test]
    fn labels_count_where_they_meant_something() {
        let own = &["metadata", "labels"][..];
        let template = &["spec", "template", "metadata", "labels"][..];
        let job = &["spec", "jobTemplate", "spec", "template", "metadata", "labels"][..];
        for (kind, name, field, label, expected) in [
            ("Pod", "web", own, SKIP_LABEL, Some("Δ27 metadata.labels.")),
            ("Deployment", "web", template, SKIP_LABEL, Some("Δ27 spec.template.metadata.labels.")),
            ("CronJob", "web", job, SKIP_LABEL, Some("Δ27 spec.jobTemplate.spec.template.metadata.labels.")),
            // Only what a Pod gets counts.
            ("Deployment", "web", own, SKIP_LABEL, None),
            ("Namespace", "shop", own, SKIP_LABEL, None),
            ("Namespace", "shop", own, TRIVY_LABEL, Some("Δ28 label")),
            ("Pod", "web", own, TRIVY_LABEL, None),
            ("Namespace", "d8-ingress", own, SYSTEM_LABEL, Some("Δ32 label")),
            ("Namespace", "gatewright-system", own, SYSTEM_LABEL, Some("Δ32 label")),
            ("Namespace", "shop", own, SYSTEM_LABEL, None),
        ] {
            let object = labelled(kind, name, field, label);
            let settings = Settings::from_yaml("", "gatewright-system").unwrap();
            let found = examine(&object, &settings);
            let entry = found.as_ref().map(|it| &it.migrated.differences[0]);
            let said = entry.map(|it| format!("{} {}", it.id, it.field));
            let same = match (&said, expected) {
                (Some(said), Some(expected)) => said.starts_with(expected),
                (said, expected) => said.is_none() && expected.is_none(),
            };
            assert!(same, "{object}: {said:?}");
        }
    }
}
