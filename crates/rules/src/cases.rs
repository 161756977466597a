//! The cases of a rule: policies and objects in, messages out.
//!
//! `cases.yaml` stands beside the rule. Every case runs in real Gatekeeper's engine, as a request and as audit sees
//! it, for every kind of workload unless the case says otherwise.

pub mod answers;
pub mod connect;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use self::answers::Answers;
use crate::PodTemplates;
use crate::kinds::{CONTROLLERS, Kind, POD, plural};
use crate::pod_security_standard::{Level, Parameters};
use crate::security_policy::host_network::Range;

/// The namespace of all objects in cases.
pub const NAMESPACE: &str = "cases";

/// The cases of one rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    /// The file of the policy that is tested, seen from the file of the cases. It gives the `policies` of cases
    /// without their own.
    #[serde(default)]
    pub policy: Option<String>,
    /// The cases, in the order in which they are listed.
    pub cases: Vec<Case>,
}

/// One case: a pod spec, which stands for every kind of workload, or a whole object.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Case {
    /// What the case shows, as a sentence.
    pub name: String,
    /// `spec.policies` of the policy; null if the file names a policy.
    #[serde(default)]
    pub policies: Value,
    /// `spec.match` of the policy; all of [`NAMESPACE`] unless the case says otherwise.
    #[serde(default = "everything")]
    pub r#match: Value,
    /// `spec.helpUrl` of the policy.
    #[serde(default)]
    pub help_url: Option<String>,
    /// The pod spec.
    #[serde(default)]
    pub spec: Option<Value>,
    /// The pod spec before an UPDATE; without it the case is a CREATE.
    #[serde(default)]
    pub old_spec: Option<Value>,
    /// The annotations of the Pod, or of the Pod template.
    #[serde(default)]
    pub annotations: Option<Value>,
    /// The annotations before an UPDATE.
    #[serde(default)]
    pub old_annotations: Option<Value>,
    /// Whether the object before the UPDATE was already being deleted.
    #[serde(default)]
    pub deleting: bool,
    /// The setting `podTemplates`.
    #[serde(default)]
    pub pod_templates: PodTemplates,
    /// Whether the object is a Pod, a controller, or either.
    #[serde(default)]
    pub kinds: CaseKinds,
    /// A whole object, in place of a pod spec.
    #[serde(default)]
    pub object: Option<Value>,
    /// The whole object before an UPDATE.
    #[serde(default)]
    pub old_object: Option<Value>,
    /// Fields of the request that do not follow from the object. Such a request is not what audit sees.
    #[serde(default)]
    pub request: Option<Value>,
    /// Whether audit alone sees the object, and nobody creates it.
    #[serde(default)]
    pub audit: bool,
    /// What the verifier says of images.
    #[serde(default)]
    pub answers: Option<Answers>,
    /// The messages, each of one violation; none if the object passes.
    #[serde(default)]
    pub violations: Vec<String>,
    /// In place of `violations`: parts of messages. Each must be in some message, and there may be others.
    #[serde(default)]
    pub contains: Vec<String>,
}

fn everything() -> Value {
    json!({"namespaceSelector": {"matchNames": [NAMESPACE]}})
}

/// The cases of the Pod Security Standards.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandardCases {
    /// The cases, in the order in which they are listed.
    pub cases: Vec<StandardCase>,
}

/// A case without a policy, and the standard that judges it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StandardCase {
    /// Which standard holds.
    pub level: Level,
    #[serde(default = "latest")]
    version: String,
    #[serde(default)]
    known_host_ports: Vec<(i32, i32)>,
    #[serde(default)]
    no_user_namespaces_relaxation: bool,
    /// What is judged.
    #[serde(deserialize_with = "without_policies")]
    pub case: Case,
}

fn latest() -> String {
    "latest".to_owned()
}

fn without_policies<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Case, D::Error> {
    let mut case = Value::deserialize(deserializer)?;
    case["policies"] = json!({});
    Case::deserialize(case).map_err(serde::de::Error::custom)
}

impl StandardCase {
    /// The parameters of the constraint that judges the case.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        let known = self.known_host_ports.iter();
        Parameters {
            level: self.level,
            version: self.version.clone(),
            known_host_ports: known.map(|&(min, max)| Range { min, max }).collect(),
            user_namespaces_relaxation: !self.no_user_namespaces_relaxation,
            help_url: self.case.help_url.clone(),
        }
    }
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
    /// The kind and the operation.
    pub short: String,
    /// The document.
    pub document: Value,
}

impl Case {
    /// The `spec` of the case's policy, with these `policies`.
    #[must_use]
    pub fn policy_spec(&self, policies: &Value) -> Value {
        let mut spec = json!({"match": self.r#match, "policies": policies});
        if let Some(url) = &self.help_url {
            spec["helpUrl"] = json!(url);
        }
        spec
    }

    /// Whether the case is an UPDATE.
    #[must_use]
    pub const fn is_update(&self) -> bool {
        self.old_spec.is_some() || self.old_object.is_some()
    }

    /// The inputs that the case stands for.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        if let Some(object) = &self.object {
            return self.inputs_of(object, self.old_object.as_ref());
        }
        let pod = (self.kinds != CaseKinds::Controllers).then_some(POD);
        let controllers = CONTROLLERS.into_iter().filter(|_| self.kinds != CaseKinds::Pod);
        pod.into_iter().chain(controllers).flat_map(|kind| self.workload_inputs(&kind)).collect()
    }

    fn workload_inputs(&self, kind: &Kind) -> Vec<Input> {
        let of = |spec: &Value, annotations| workload(kind, spec, annotations);
        let object = of(self.spec.as_ref().unwrap_or(&Value::Null), self.annotations.as_ref());
        let old = self.old_spec.as_ref().map(|spec| of(spec, self.old_annotations.as_ref()));
        self.inputs_of(&object, old.as_ref())
    }

    fn inputs_of(&self, object: &Value, old: Option<&Value>) -> Vec<Input> {
        let kind = object["kind"].as_str().unwrap_or_default();
        let input = |operation: &str, document| {
            let short = format!("{kind} {operation}");
            Input { name: format!("{} ({short})", self.name), short, document }
        };
        if let Some(old) = old {
            let mut old = old.clone();
            if self.deleting {
                old["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }
            return vec![input("UPDATE", self.review("UPDATE", object, Some(&old)))];
        }
        let create = (!self.audit).then(|| input("CREATE", self.review("CREATE", object, None)));
        let audit = self.request.is_none().then(|| input("audit", object.clone()));
        create.into_iter().chain(audit).collect()
    }

    fn review(&self, operation: &str, object: &Value, old_object: Option<&Value>) -> Value {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let resource = plural(&kind.to_lowercase());
        let mut request = json!({
            "uid": "6f1f2f33-0000-4000-8000-000000000000",
            "kind": {"group": group, "version": version, "kind": kind},
            "resource": {"group": group, "version": version, "resource": resource},
            "name": object["metadata"]["name"],
            "operation": operation,
            "userInfo": {"username": "developer"},
            "object": object,
        });
        if let Some(namespace) = object["metadata"].get("namespace") {
            request["namespace"] = namespace.clone();
        }
        if let Some(old) = old_object {
            request["oldObject"] = old.clone();
        }
        for (name, value) in self.request.iter().filter_map(Value::as_object).flatten() {
            request[name] = value.clone();
        }
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    }
}

/// An object of a workload kind with the pod spec in its place.
fn workload(kind: &Kind, spec: &Value, annotations: Option<&Value>) -> Value {
    let annotations = annotations.cloned().unwrap_or_else(|| json!({}));
    let template = json!({"metadata": {"labels": {"app": "case"}, "annotations": annotations}, "spec": spec});
    let body = match &*kind.kind {
        "Pod" => spec.clone(),
        "CronJob" => json!({"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}),
        _ => json!({"template": template}),
    };
    let mut metadata = json!({"name": "case", "namespace": NAMESPACE});
    if *kind == POD {
        metadata["annotations"] = annotations;
    }
    let api_version = if kind.group.is_empty() { "v1".to_owned() } else { format!("{}/v1", kind.group) };
    json!({"apiVersion": api_version, "kind": kind.kind, "metadata": metadata, "spec": body})
}
