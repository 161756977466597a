//! The cases of the exec guard: who asks for what of which Pod, and the answer.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Input;
use crate::deny_exec_heritage::UnknownPods;

/// The cases, and the Pods that Gatekeeper's inventory has in them.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectCases {
    /// The Pods of the inventory, as `namespace/name` with their labels.
    pub inventory: Vec<KnownPod>,
    /// The cases.
    pub cases: Vec<ConnectCase>,
}

/// A Pod that the inventory has.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownPod {
    /// `namespace/name`.
    pub pod: String,
    /// Its labels, if it has any.
    #[serde(default)]
    pub labels: Option<Value>,
}

/// One request, and the answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectCase {
    /// What the case shows, as a sentence.
    pub name: String,
    /// Whether the cluster is Deckhouse's.
    #[serde(default)]
    pub deckhouse: bool,
    /// The setting.
    #[serde(default)]
    pub unknown_pods: Option<UnknownPods>,
    /// Namespaces whose Pods are never in the inventory.
    #[serde(default)]
    pub never_synced: Vec<String>,
    /// Who asks.
    pub user: String,
    /// The subresource: `exec`, `attach` or another one.
    pub asks: Subresource,
    /// Of which Pod, as `namespace/name`.
    pub pod: String,
    /// Whether audit sees the options as if they were an object.
    #[serde(default)]
    pub audit: bool,
    /// The messages, or parts of them, each of one violation; none if the request passes.
    pub violations: Vec<String>,
}

/// What is asked of a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, strum::AsRefStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Subresource {
    /// `kubectl exec`.
    Exec,
    /// `kubectl attach`.
    Attach,
    /// `kubectl port-forward`.
    PortForward,
}

impl Subresource {
    const fn kind(self) -> &'static str {
        match self {
            Self::Exec => "PodExecOptions",
            Self::Attach => "PodAttachOptions",
            Self::PortForward => "PodPortForwardOptions",
        }
    }
}

impl KnownPod {
    /// The Pod.
    #[must_use]
    pub fn object(&self) -> Value {
        let (namespace, name) = parts(&self.pod);
        let metadata = json!({"name": name, "namespace": namespace, "labels": self.labels});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata})
    }
}

impl ConnectCase {
    /// The input that the case stands for.
    #[must_use]
    pub fn input(&self) -> Input {
        let object = json!({"apiVersion": "v1", "kind": self.asks.kind()});
        let operation = if self.audit { "audited" } else { "CONNECT" };
        let short = format!("{} {operation}", self.asks.kind());
        let document = if self.audit { object } else { self.review(&object) };
        Input { name: self.name.clone(), short, document }
    }

    /// As the API server sends it: the resource is the Pod's, the object only the options.
    fn review(&self, options: &Value) -> Value {
        let (namespace, name) = parts(&self.pod);
        let kind = json!({"group": "", "version": "v1", "kind": self.asks.kind()});
        let resource = json!({"group": "", "version": "v1", "resource": "pods"});
        let request = json!({
            "uid": "6f1f2f33-0000-4000-8000-000000000000",
            "kind": kind, "requestKind": kind, "resource": resource, "requestResource": resource,
            "subResource": self.asks.as_ref(), "requestSubResource": self.asks.as_ref(),
            "namespace": namespace, "name": name, "operation": "CONNECT",
            "userInfo": {"username": self.user}, "object": options,
        });
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})
    }
}

fn parts(pod: &str) -> (&str, &str) {
    pod.split_once('/').unwrap_or(("", pod))
}
