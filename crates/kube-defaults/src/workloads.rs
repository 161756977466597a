//! Defaults of controllers that depend on other fields of theirs.

use serde_json::{Value, json};

use super::table::Literal::{Number, Object, Text};
use super::table::{Field, is_unset, plain, pointer, set, visit};

const DEPLOYMENT: &[Field] = &[pointer("maxUnavailable", Text("25%")), pointer("maxSurge", Text("25%"))];
const DAEMON_SET: &[Field] = &[pointer("maxUnavailable", Number(1)), pointer("maxSurge", Number(0))];

pub(super) fn deployment(object: &mut Value) {
    visit(object, "spec.strategy+", &mut |strategy| rolling_update(strategy, DEPLOYMENT));
}

pub(super) fn daemon_set(object: &mut Value) {
    visit(object, "spec.updateStrategy+", &mut |strategy| rolling_update(strategy, DAEMON_SET));
}

fn rolling_update(strategy: &mut Value, fields: &[Field]) {
    set(strategy, &[plain("type", Text("RollingUpdate"))]);
    if strategy["type"] == "RollingUpdate" {
        visit(strategy, "rollingUpdate+", &mut |rolling| set(rolling, fields));
    }
}

/// Unlike the others, a StatefulSet that names the type gets no `rollingUpdate`.
pub(super) fn stateful_set(object: &mut Value) {
    visit(object, "spec.updateStrategy+", &mut |strategy| {
        if is_unset(strategy, "type") {
            set(strategy, &[plain("type", Text("RollingUpdate")), pointer("rollingUpdate", Object)]);
        }
        if strategy["type"] == "RollingUpdate" {
            let fields = [pointer("partition", Number(0)), pointer("maxUnavailable", Number(1))];
            visit(strategy, "rollingUpdate", &mut |rolling| set(rolling, &fields));
        }
    });
    visit(object, "spec.volumeClaimTemplates[]", &mut |claim| {
        claim["apiVersion"] = json!("v1");
        claim["kind"] = json!("PersistentVolumeClaim");
    });
}

/// A ReplicationController takes its selector and its labels from its template.
pub(super) fn replication_controller(object: &mut Value) {
    labels_from_template(object);
    let labels = template_labels(object);
    visit(object, "spec", &mut |spec| {
        let unset = spec.get("selector").is_none_or(|selector| selector == &json!({}));
        if let Some(labels) = labels.clone().filter(|_| unset) {
            spec["selector"] = labels;
        }
    });
}

pub(super) fn job(object: &mut Value) {
    labels_from_template(object);
    visit(object, "spec", &mut |spec| {
        let absent = |field: &str| spec.get(field).is_none();
        let once = absent("completions") && absent("parallelism");
        let retries = if absent("backoffLimitPerIndex") { 6 } else { i64::from(i32::MAX) };
        let replacement = if absent("podFailurePolicy") { "TerminatingOrFailed" } else { "Failed" };
        if once {
            spec["completions"] = json!(1);
        }
        for (field, value) in [("backoffLimit", json!(retries)), ("podReplacementPolicy", json!(replacement))]
        {
            if spec.get(field).is_none() {
                spec[field] = value;
            }
        }
    });
}

fn template_labels(object: &Value) -> Option<Value> {
    let labels = object.pointer("/spec/template/metadata/labels")?;
    labels.as_object().is_some_and(|labels| !labels.is_empty()).then(|| labels.clone())
}

fn labels_from_template(object: &mut Value) {
    let Some(labels) = template_labels(object) else { return };
    visit(object, "metadata+", &mut |metadata| {
        if metadata.get("labels").is_none_or(|labels| labels == &json!({})) {
            metadata["labels"] = labels.clone();
        }
    });
}
