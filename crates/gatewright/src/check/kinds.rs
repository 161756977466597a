//! Which kinds there are, and which stand in namespaces: for objects that no API server looked at.

use std::collections::HashMap;

use gatewright_rules::kinds::Kind;
use serde_json::Value;

use crate::input::Header;

/// Kubernetes' own kinds that stand in namespaces, by group, as of v1.37. Those that do not are known to the rules.
const NAMESPACED: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "Binding",
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "PersistentVolumeClaim",
            "Pod",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
            "Secret",
            "Service",
            "ServiceAccount",
        ],
    ),
    ("admissionregistration.k8s.io", &[]),
    ("apiextensions.k8s.io", &[]),
    ("apiregistration.k8s.io", &[]),
    ("apps", &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"]),
    ("authentication.k8s.io", &["TokenRequest"]),
    ("authorization.k8s.io", &["LocalSubjectAccessReview"]),
    ("autoscaling", &["HorizontalPodAutoscaler", "Scale"]),
    ("batch", &["CronJob", "Job"]),
    ("certificates.k8s.io", &["PodCertificateRequest"]),
    ("coordination.k8s.io", &["Lease", "LeaseCandidate"]),
    ("discovery.k8s.io", &["EndpointSlice"]),
    ("events.k8s.io", &["Event"]),
    ("flowcontrol.apiserver.k8s.io", &[]),
    ("lifecycle.k8s.io", &["Eviction", "EvictionRequest"]),
    ("networking.k8s.io", &["Ingress", "NetworkPolicy"]),
    ("node.k8s.io", &[]),
    ("policy", &["Eviction", "PodDisruptionBudget"]),
    ("rbac.authorization.k8s.io", &["Role", "RoleBinding"]),
    ("resource.k8s.io", &["ResourceClaim", "ResourceClaimTemplate"]),
    ("scheduling.k8s.io", &["CompositePodGroup", "PodGroup", "Workload"]),
    ("storage.k8s.io", &["CSIStorageCapacity"]),
    ("storagemigration.k8s.io", &[]),
];

/// Where an object of a kind stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// Outside namespaces.
    Cluster,
    /// In a namespace, as most do; only an API server knows.
    Assumed,
}

/// The scopes of kinds.
#[derive(Debug, Default)]
pub struct Scopes {
    custom: HashMap<(String, String), Scope>,
}

impl Scopes {
    /// Learns the kind that a CustomResourceDefinition defines.
    pub fn learn(&mut self, definition: &Value) {
        let text = |pointer: &str| {
            definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let scope = if text("/spec/scope") == "Cluster" { Scope::Cluster } else { Scope::Namespaced };
        self.custom.insert((text("/spec/group"), text("/spec/names/kind")), scope);
    }

    /// The scope of an object.
    ///
    /// # Errors
    /// One of Kubernetes' own groups has no such kind, so that the API server would refuse the object.
    pub fn of(&self, header: &Header) -> Result<Scope, String> {
        let (group, kind) = (header.group(), header.kind.as_str());
        if let Some(scope) = self.custom.get(&(group.to_owned(), kind.to_owned())) {
            return Ok(*scope);
        }
        if Kind::named(group, kind).is_cluster_scoped() || is_gatekeepers(group) {
            return Ok(Scope::Cluster);
        }
        match NAMESPACED.iter().find(|(known, _)| *known == group) {
            Some((_, kinds)) if kinds.contains(&kind) => Ok(Scope::Namespaced),
            None if group.contains('.') => Ok(Scope::Assumed),
            _ => Err(format!("no such kind: Kubernetes has no {kind} of apiVersion {}", header.api_version)),
        }
    }
}

/// Gatekeeper's own kinds, which all stand outside namespaces but for the status of its processes.
pub fn is_gatekeepers(group: &str) -> bool {
    group.ends_with(".gatekeeper.sh")
}

#[cfg(test)]
mod tests {
    use super::{Scope, Scopes};
    use crate::input::Header;
    use serde_json::json;

    fn scope(scopes: &Scopes, api_version: &str, kind: &str) -> Result<Scope, String> {
        scopes.of(&Header { api_version: api_version.into(), kind: kind.into(), ..Header::default() })
    }

    #[test]
    fn scopes_of_known_and_unknown_kinds() {
        let mut scopes = Scopes::default();
        assert_eq!(scope(&scopes, "v1", "Pod"), Ok(Scope::Namespaced));
        assert_eq!(scope(&scopes, "v1", "Namespace"), Ok(Scope::Cluster));
        assert_eq!(scope(&scopes, "rbac.authorization.k8s.io/v1", "ClusterRole"), Ok(Scope::Cluster));
        assert_eq!(scope(&scopes, "gateway.networking.k8s.io/v1", "Gateway"), Ok(Scope::Assumed));
        assert_eq!(scope(&scopes, "example.com/v1", "Widget"), Ok(Scope::Assumed));
        scopes.learn(
            &json!({"spec": {"group": "example.com", "scope": "Cluster", "names": {"kind": "Widget"}}}),
        );
        assert_eq!(scope(&scopes, "example.com/v1", "Widget"), Ok(Scope::Cluster));
        for (api_version, kind) in
            [("apps/v1", "Deploymnt"), ("v1", "pod"), ("v2", "Deployment"), ("extensions/v1beta1", "Ingress")]
        {
            assert!(scope(&scopes, api_version, kind).is_err(), "{api_version} {kind}");
        }
    }
}
