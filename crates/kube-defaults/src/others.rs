//! Defaults of kinds beside workloads that depend on other fields.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::cluster::Cluster;
use super::pod_spec;
use super::table::{fill, is_unset, visit};

/// A Namespace carries its own name as a label, and the finalizer that empties it.
pub(super) fn namespace(object: &mut Value) {
    let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !name.is_empty() {
        visit(object, "metadata.labels+", &mut |labels| labels["kubernetes.io/metadata.name"] = json!(name));
    }
    visit(object, "spec+", &mut |spec| add_to(spec, "finalizers", "kubernetes"));
}

/// What is written as `stringData` is kept in `data`.
pub(super) fn secret(object: &mut Value) {
    let Some(texts) = object.get("stringData").and_then(Value::as_object).cloned() else { return };
    if !texts.values().all(Value::is_string) || object.get("data").is_some_and(|data| !data.is_object()) {
        return;
    }
    object.as_object_mut().map(|object| object.remove("stringData"));
    if texts.is_empty() {
        return;
    }
    visit(object, "data+", &mut |data| {
        for (name, text) in &texts {
            data[name] = json!(STANDARD.encode(text.as_str().unwrap_or_default()));
        }
    });
}

pub(super) fn volume(object: &mut Value) {
    visit(object, "spec", &mut |spec| fill(spec, pod_spec::SOURCES));
}

pub(super) fn limit_range(object: &mut Value) {
    visit(object, "spec.limits[]", &mut |limits| {
        if limits.get("type").and_then(Value::as_str) == Some("Container") {
            for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
                complete(limits, from, to);
            }
        }
    });
}

/// Copies from one resource list what another lacks.
fn complete(limits: &mut Value, from: &str, to: &str) {
    let Some(source) = limits.get(from).and_then(Value::as_object).cloned() else { return };
    if source.is_empty() {
        return;
    }
    visit(limits, &format!("{to}+"), &mut |list| {
        let Value::Object(list) = list else { return };
        merge(list, &source);
    });
}

fn merge(list: &mut Map<String, Value>, source: &Map<String, Value>) {
    for (name, quantity) in source {
        list.entry(name.clone()).or_insert_with(|| quantity.clone());
    }
}

/// Without policy types a policy is about ingress, and about egress if it has rules for it.
pub(super) fn network_policy(object: &mut Value) {
    visit(object, "spec", &mut |spec| {
        if is_unset(spec, "policyTypes") {
            let egress = spec.get("egress").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
            spec["policyTypes"] = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
        }
    });
}

/// Users and groups are names of the RBAC group; service accounts are the core's.
pub(super) fn subjects(object: &mut Value) {
    visit(object, "subjects[]", &mut |subject| {
        let named = matches!(subject.get("kind").and_then(Value::as_str), Some("User" | "Group"));
        if named && is_unset(subject, "apiGroup") {
            subject["apiGroup"] = json!("rbac.authorization.k8s.io");
        }
    });
}

pub(super) fn protect_claim(object: &mut Value, _: &Cluster) {
    protect(object, "kubernetes.io/pvc-protection");
}

pub(super) fn protect_volume(object: &mut Value, _: &Cluster) {
    protect(object, "kubernetes.io/pv-protection");
}

pub(super) fn protect_attributes(object: &mut Value, _: &Cluster) {
    protect(object, "kubernetes.io/vac-protection");
}

/// The StorageObjectInUseProtection plugin's finalizer.
fn protect(object: &mut Value, finalizer: &str) {
    visit(object, "metadata+", &mut |metadata| add_to(metadata, "finalizers", finalizer));
}

/// The TaintNodesByCondition plugin: a new Node is not ready.
pub(super) fn taint(node: &mut Value, _: &Cluster) {
    let not_ready = json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"});
    visit(node, "spec+", &mut |spec| {
        if is_unset(spec, "taints") {
            spec["taints"] = json!([]);
        }
        let Some(taints) = spec["taints"].as_array_mut() else { return };
        if !taints
            .iter()
            .any(|taint| ["key", "effect"].iter().all(|field| taint[*field] == not_ready[*field]))
        {
            taints.push(not_ready.clone());
        }
    });
}

fn add_to(object: &mut Value, list: &str, item: &str) {
    if is_unset(object, list) {
        object[list] = json!([]);
    }
    let Some(items) = object[list].as_array_mut() else { return };
    if !items.contains(&json!(item)) {
        items.push(json!(item));
    }
}
