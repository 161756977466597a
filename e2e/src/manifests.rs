//! Objects that scenarios make.

use gatewright_compiler::POLICY_LABEL;
use serde_json::{Value, json};

/// A namespace in which policies alone decide: it is under no standard.
#[must_use]
pub fn namespace(name: &str) -> Value {
    labelled_namespace(name, &json!({POLICY_LABEL: "privileged"}))
}

/// A namespace with these labels.
#[must_use]
pub fn labelled_namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

/// A Pod that no policy of the scenarios refuses.
#[must_use]
pub fn pod(namespace: &str, name: &str) -> Value {
    pod_with(namespace, name, json!({}))
}

/// A Pod whose container has these fields.
#[must_use]
pub fn pod_with(namespace: &str, name: &str, mut container: Value) -> Value {
    container["name"] = json!("app");
    container["image"] = json!("registry.example.com/app:1");
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [container]},
    })
}

/// A Pod with a privileged container.
#[must_use]
pub fn privileged_pod(namespace: &str, name: &str) -> Value {
    pod_with(namespace, name, json!({"securityContext": {"privileged": true}}))
}

/// A Pod with labels.
#[must_use]
pub fn labelled_pod(namespace: &str, name: &str, labels: &Value) -> Value {
    let mut pod = pod(namespace, name);
    pod["metadata"]["labels"] = labels.clone();
    pod
}

/// A policy of a kind for the namespaces of this `match`.
#[must_use]
pub fn policy(kind: &str, name: &str, r#match: &Value, policies: &Value) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": kind, "metadata": {"name": name},
        "spec": {"match": r#match, "policies": policies},
    })
}

/// A SecurityPolicy for the namespace `shop`.
#[must_use]
pub fn security_policy(name: &str, policies: &Value) -> Value {
    policy("SecurityPolicy", name, &json!({"namespaceSelector": {"matchNames": ["shop"]}}), policies)
}

/// An OperationPolicy for the namespace `shop`.
#[must_use]
pub fn operation_policy(name: &str, policies: &Value) -> Value {
    policy("OperationPolicy", name, &json!({"namespaceSelector": {"matchNames": ["shop"]}}), policies)
}

/// What forbids privileged containers.
#[must_use]
pub fn no_privileged() -> Value {
    json!({"allowPrivileged": false})
}

/// Everybody may do everything, as far as RBAC is asked.
#[must_use]
pub fn everybody_may() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "everybody"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}],
    })
}
