//! What is measured: a namespace under `restricted`, a SecurityPolicy and an OperationPolicy of ten rules together.

use anyhow::{Context, Result};
use gatewright_compiler::{Compile, POLICY_LABEL, Settings, compile, standards, templates};
use serde_json::{Value, json};

/// The namespace in which everything is judged.
pub const NAMESPACE: &str = "shop";

/// The namespace, under `restricted`.
pub fn namespace() -> Value {
    namespace_under("restricted")
}

/// The namespace, under a standard.
pub fn namespace_under(level: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": NAMESPACE,
            "labels": {POLICY_LABEL: level, "kubernetes.io/metadata.name": NAMESPACE, "team": "shop"},
        },
    })
}

/// A policy for the namespaces of a team.
fn policy(kind: &str, name: &str, team: &str, policies: &Value) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "match": {"namespaceSelector": {"labelSelector": {"matchLabels": {"team": team}}}},
            "policies": policies,
        },
    })
}

/// Three rules.
pub fn security_policy() -> Value {
    let policies = json!({
        "readOnlyRootFilesystem": true,
        "automountServiceAccountToken": false,
        "runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 1000, "max": 65535}]},
    });
    policy("SecurityPolicy", "shop-security", "shop", &policies)
}

/// Seven rules.
pub fn operation_policy() -> Value {
    let policies = json!({
        "allowedRepos": ["registry.example.com", "quay.io/example", "ghcr.io/example/"],
        "disallowedImageTags": ["latest", "dev"],
        "imagePullPolicy": "IfNotPresent",
        "priorityClassNames": ["standard", "batch"],
        "requiredLabels": {
            "labels": [{"key": "app.kubernetes.io/name"}, {"key": "team", "allowedRegex": "^[a-z]+$"}],
            "watchKinds": ["/Pod", "apps/Deployment", "apps/StatefulSet"],
        },
        "requiredProbes": ["livenessProbe", "readinessProbe"],
        "requiredResources": {"limits": ["memory"], "requests": ["cpu", "memory"]},
    });
    policy("OperationPolicy", "shop-operation", "shop", &policies)
}

/// One of many policies of three rules, which look at Pods and ConfigMaps.
pub fn other_policy(number: usize, team: &str) -> Value {
    let policies = json!({
        "allowedRepos": ["registry.example.com", format!("registry.example.com/team-{number}")],
        "disallowedImageTags": ["latest"],
        "requiredLabels": {
            "labels": [{"key": "team", "allowedRegex": "^[a-z]+$"}],
            "watchKinds": ["/Pod", "/ConfigMap"],
        },
    });
    policy("OperationPolicy", &format!("other-{number}"), team, &policies)
}

/// One of many policies of ten rules, for the namespaces of a team.
pub fn ten_rules(name: &str, team: &str) -> Value {
    let policies = json!({
        "allowHostIPC": false,
        "allowHostNetwork": false,
        "allowHostPID": false,
        "allowPrivilegeEscalation": false,
        "allowPrivileged": false,
        "allowedVolumes": ["configMap", "emptyDir", "projected", "secret"],
        "automountServiceAccountToken": false,
        "readOnlyRootFilesystem": true,
        "requiredDropCapabilities": ["ALL"],
        "runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 1000, "max": 65535}]},
    });
    policy("SecurityPolicy", name, team, &policies)
}

/// Eleven rules that look at Pods alone.
pub fn light_policy() -> Value {
    let mut policy = ten_rules("shop-light", "shop");
    policy["spec"]["policies"]["seccompProfiles"] =
        json!({"allowedProfiles": ["RuntimeDefault", "Localhost"], "allowedLocalhostFiles": ["*"]});
    policy
}

/// The policy's constraint.
pub fn constraint<P: Compile>(policy: Value) -> Result<Value> {
    let policy: P = serde_json::from_value(policy)?;
    Ok(json!(compile(&policy, &Settings::default())?.constraint.context("nothing is enforced")?))
}

/// The templates that the operator installs.
pub fn installed_templates() -> Vec<Value> {
    templates().iter().map(|template| json!(template)).collect()
}

/// The template of one kind of constraints.
pub fn installed_template(kind: &str) -> Vec<Value> {
    let mut templates = installed_templates();
    templates
        .retain(|template| template.pointer("/spec/crd/spec/names/kind").is_some_and(|named| named == kind));
    templates
}

/// The constraints of the standards that the operator installs.
pub fn installed_standards() -> Vec<Value> {
    standards(&Settings::default()).iter().map(|constraint| json!(constraint)).collect()
}
