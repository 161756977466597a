//! The cases of a rule: policies and objects in, messages out.
//!
//! `cases.yaml` stands beside the rule. Every case runs in real Gatekeeper's engine, as a request and as audit sees
//! it, for every kind of workload unless the case says otherwise.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::kinds::{CONTROLLERS, Kind, POD};

/// The namespace of all objects in cases.
pub const NAMESPACE: &str = "cases";

/// The cases of one rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// The cases, in the order in which they are told.
    pub cases: Vec<Case>,
}

/// One case.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// What the case shows, as a sentence.
    pub name: String,
    /// `spec.policies` of the policy.
    pub policies: Value,
    /// The pod spec.
    pub spec: Value,
    /// The pod spec before an UPDATE; without it the case is a CREATE.
    #[serde(default)]
    pub old_spec: Option<Value>,
    /// Whether the object before the UPDATE was already being deleted.
    #[serde(default)]
    pub deleting: bool,
    /// Whether the object is a Pod, a controller, or either.
    #[serde(default)]
    pub kinds: CaseKinds,
    /// The messages, each of one violation; none if the object passes.
    pub violations: Vec<String>,
}

/// The kinds for which a case holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CaseKinds {
    /// Every kind of workload.
    #[default]
    Any,
    /// Pods alone.
    Pod,
    /// Controllers alone.
    Controllers,
}

/// An input for Gatekeeper: an AdmissionReview, or an object as audit sees it.
#[derive(Clone, Debug)]
pub struct Input {
    /// The case's name, with the kind and the operation.
    pub name: String,
    /// The document.
    pub document: Value,
}

impl Case {
    /// The inputs that the case stands for.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        let pod = (self.kinds != CaseKinds::Controllers).then_some(POD);
        let controllers = CONTROLLERS.iter().copied().filter(|_| self.kinds != CaseKinds::Pod);
        pod.into_iter().chain(controllers).flat_map(|kind| self.inputs_of(kind)).collect()
    }

    fn inputs_of(&self, kind: Kind) -> Vec<Input> {
        let object = workload(kind, &self.spec);
        let input = |operation: &str, document| Input {
            name: format!("{} ({} {operation})", self.name, kind.kind),
            document,
        };
        let Some(old_spec) = &self.old_spec else {
            let review = admission_review(kind, "CREATE", &object, &Value::Null);
            return vec![input("CREATE", review), input("audit", object)];
        };
        let mut old = workload(kind, old_spec);
        if self.deleting {
            old["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        vec![input("UPDATE", admission_review(kind, "UPDATE", &object, &old))]
    }
}

/// An object of a workload kind with the pod spec in its place.
fn workload(kind: Kind, spec: &Value) -> Value {
    let template = json!({"metadata": {"labels": {"app": "case"}}, "spec": spec});
    let body = match kind.kind {
        "Pod" => spec.clone(),
        "CronJob" => json!({"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}),
        _ => json!({"template": template}),
    };
    json!({
        "apiVersion": if kind.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", kind.group) },
        "kind": kind.kind,
        "metadata": {"name": "case", "namespace": NAMESPACE},
        "spec": body,
    })
}

fn admission_review(kind: Kind, operation: &str, object: &Value, old_object: &Value) -> Value {
    let mut request = json!({
        "uid": "6f1f2f33-0000-4000-8000-000000000000",
        "kind": {"group": kind.group, "version": "v1", "kind": kind.kind},
        "resource": {"group": kind.group, "version": "v1", "resource": kind.resource},
        "name": "case",
        "namespace": NAMESPACE,
        "operation": operation,
        "userInfo": {"username": "developer"},
        "object": object,
    });
    if !old_object.is_null() {
        request["oldObject"] = old_object.clone();
    }
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
}
