//! An API server within the test process, by plain HTTP on loopback: it has one object of each kind, and whatever a text
//! can be, it is hostile.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::{Value, json};

use crate::Result;
use crate::fixture::{canaries, evil};

/// Group, version, kind, plural, and whether its objects stand in namespaces.
const KINDS: [(&str, &str, &str, &str, bool); 26] = [
    ("", "v1", "Pod", "pods", true),
    ("", "v1", "Namespace", "namespaces", false),
    ("", "v1", "LimitRange", "limitranges", true),
    ("", "v1", "ServiceAccount", "serviceaccounts", true),
    ("", "v1", "Secret", "secrets", true),
    ("apps", "v1", "Deployment", "deployments", true),
    ("apps", "v1", "ReplicaSet", "replicasets", true),
    ("batch", "v1", "Job", "jobs", true),
    ("coordination.k8s.io", "v1", "Lease", "leases", true),
    (
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        false,
    ),
    ("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", false),
    ("deckhouse.io", "v1alpha1", "SecurityPolicy", "securitypolicies", false),
    ("deckhouse.io", "v1alpha1", "OperationPolicy", "operationpolicies", false),
    ("gatewright.io", "v1alpha1", "GatewrightStatus", "gatewrightstatuses", false),
    ("templates.gatekeeper.sh", "v1", "ConstraintTemplate", "constrainttemplates", false),
    ("constraints.gatekeeper.sh", "v1beta1", "D8SecurityPolicy", "d8securitypolicy", false),
    ("constraints.gatekeeper.sh", "v1beta1", "D8OperationPolicy", "d8operationpolicy", false),
    ("constraints.gatekeeper.sh", "v1beta1", "D8PodSecurityStandard", "d8podsecuritystandard", false),
    ("constraints.gatekeeper.sh", "v1beta1", "D8VerifyImageSignatures", "d8verifyimagesignatures", false),
    ("constraints.gatekeeper.sh", "v1beta1", "D8DenyExecHeritage", "d8denyexecheritage", false),
    ("config.gatekeeper.sh", "v1alpha1", "Config", "configs", true),
    ("expansion.gatekeeper.sh", "v1beta1", "ExpansionTemplate", "expansiontemplates", false),
    ("externaldata.gatekeeper.sh", "v1beta1", "Provider", "providers", false),
    ("syncset.gatekeeper.sh", "v1alpha1", "SyncSet", "syncsets", false),
    ("wgpolicyk8s.io", "v1alpha2", "PolicyReport", "policyreports", true),
    ("wgpolicyk8s.io", "v1alpha2", "ClusterPolicyReport", "clusterpolicyreports", false),
];

/// Where it listens.
pub struct Api(SocketAddr);

impl Api {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || drop(serve(&stream)));
            }
        });
        Ok(Self(address))
    }

    /// A kubeconfig for it.
    pub fn kubeconfig(&self) -> String {
        let cluster = json!({"name": "c", "cluster": {"server": format!("http://{}", self.0)}});
        let context = json!({"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "shop"}});
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [cluster], "contexts": [context],
            "users": [{"name": "u", "user": {}}],
        })
        .to_string()
    }
}

/// Answers one request.
fn serve(stream: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut line)?;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? <= 2 {
            break;
        }
        if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or_default();
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    let mut words = line.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, body) = answer(method, path.split('?').next().unwrap_or_default());
    let (body, mut stream) = (body.to_string(), stream);
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

fn answer(method: &str, path: &str) -> (u16, Value) {
    if method != "GET" {
        let message = format!("admission webhook \"{0}\" denied the request: {0}", evil());
        return (
            403,
            json!({"kind": "Status", "status": "Failure", "message": message, "reason": "F", "code": 403}),
        );
    }
    match path {
        "/api" => return (200, discovery(str::is_empty)),
        "/apis" => return (200, discovery(|group| !group.is_empty())),
        _ => {}
    }
    let segments: Vec<_> = path.split('/').collect();
    let plurals = segments.iter().rposition(|it| KINDS.iter().any(|(_, _, _, plural, _)| plural == it));
    let kind = plurals
        .and_then(|at| KINDS.iter().find(|(_, _, _, plural, _)| *plural == segments[at]).map(|it| (at, it)));
    match kind {
        Some((at, kind)) if at + 1 == segments.len() => (
            200,
            json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": [object(kind)]}),
        ),
        Some((_, kind)) => (200, object(kind)),
        None => (
            404,
            json!({"kind": "Status", "status": "Failure", "message": "none", "reason": "NotFound", "code": 404}),
        ),
    }
}

fn discovery(of: impl Fn(&str) -> bool) -> Value {
    let groups = KINDS.iter().filter(|(group, ..)| of(group)).map(|(group, version, kind, plural, namespaced)| {
        let scope = if *namespaced { "Namespaced" } else { "Cluster" };
        let resource = json!({
            "resource": plural, "responseKind": {"group": group, "version": version, "kind": kind}, "scope": scope,
            "singularResource": kind.to_lowercase(), "verbs": ["get", "list"],
        });
        json!({"metadata": {"name": group}, "versions": [{"version": version, "resources": [resource]}]})
    });
    let items: Vec<_> = groups.collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

/// The one object of a kind.
fn object((group, version, kind, _, namespaced): &(&str, &str, &str, &str, bool)) -> Value {
    let evil = evil();
    let slash = if group.is_empty() { "" } else { "/" };
    let labels = json!({
        "gatewright.io/owner": evil, "security.deckhouse.io/security-policy": evil,
        "security.deckhouse.io/operation-policy": evil, "security.deckhouse.io/pod-policy": evil,
    });
    let owner = json!({"apiVersion": "apps/v1", "kind": evil, "name": evil, "uid": "u", "controller": true});
    let mut object = json!({
        "apiVersion": format!("{group}{slash}{version}"), "kind": kind,
        "metadata": {"name": evil, "uid": "u", "generation": 1, "labels": labels, "ownerReferences": [owner]},
        "spec": spec(kind), "status": status(kind),
        "webhooks": [{
            "name": evil, "failurePolicy": evil, "sideEffects": "None", "admissionReviewVersions": ["v1"],
            "clientConfig": {},
        }],
        "results": [{"category": evil, "policy": evil, "message": evil, "timestamp": {"seconds": 1}, "resources": [{}]}],
    });
    if *namespaced {
        object["metadata"]["namespace"] = json!(evil);
    }
    object
}

fn spec(kind: &str) -> Value {
    let evil = evil();
    let containers = json!([{"name": evil, "image": evil, "securityContext": {"privileged": true}}]);
    match kind {
        "Pod" => json!({"containers": containers}),
        "Deployment" | "ReplicaSet" => {
            json!({"selector": {}, "template": {"metadata": {}, "spec": {"containers": containers}}})
        }
        "Lease" => json!({
            "holderIdentity": evil, "leaseDurationSeconds": 15, "renewTime": "2099-01-01T00:00:00.000000Z",
        }),
        "LimitRange" => json!({"limits": []}),
        "Provider" => json!({"timeout": 9, "url": evil}),
        "SecurityPolicy" | "OperationPolicy" => json!({
            "enforcementAction": evil, "match": {"namespaceSelector": {"matchNames": [evil], "excludeNames": [evil]}},
            "policies": {"verifyImageSignatures": [{"reference": evil, "publicKeys": [], "dockerCfg": canaries()[0]}]},
        }),
        "ConstraintTemplate" => json!({
            "crd": {"spec": {"names": {"kind": "D8SecurityPolicy"}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": format!("package {evil}")}],
        }),
        _ => json!({
            "enforcementAction": "deny", "match": {"kinds": [{"apiGroups": [evil], "kinds": [evil]}]},
            "parameters": {"level": evil},
        }),
    }
}

fn status(kind: &str) -> Value {
    let evil = evil();
    let violation = json!({
        "group": "", "version": "v1", "kind": "Pod", "namespace": evil, "name": evil, "message": evil,
        "enforcementAction": "deny",
    });
    let condition = json!({
        "type": "Ready", "status": "False", "reason": evil, "message": evil,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let of_process = json!({
        "id": evil, "enforced": false, "observedGeneration": 1, "operations": [evil, "webhook"],
        "errors": [{"code": evil, "message": evil}],
    });
    let sample = json!({"kind": evil, "namespace": evil, "name": evil, "rule": evil, "message": evil});
    match kind {
        "SecurityPolicy" | "OperationPolicy" => json!({
            "observedGeneration": 1, "conditions": [condition], "namespaces": 1,
            "violations": {"total": 1, "truncated": 0, "sample": [sample]},
        }),
        "GatewrightStatus" => json!({
            "conditions": [condition], "notices": [{"reason": evil, "message": evil}],
            "processes": [{"name": evil, "version": evil, "operations": ["webhook", "audit"]}],
            "standards": [{"level": evil, "action": evil, "namespaces": 1, "violations": 1}],
            "exemptNamespaces": {"count": 1, "names": [evil]},
        }),
        "Pod" => json!({"phase": "Running", "conditions": [condition]}),
        _ => json!({
            "auditTimestamp": evil, "totalViolations": 9, "violations": [violation], "byPod": [of_process],
        }),
    }
}
