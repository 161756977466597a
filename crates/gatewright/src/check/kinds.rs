//! Which kinds there are, and which stand in namespaces: for objects that no API server looked at.

use std::collections::HashMap;

use gatewright_rules::kinds::{builtin, is_builtin_group, respelled, similar};
use serde_json::Value;

use crate::input::Header;

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

    /// Learns all that others have learned.
    pub fn extend(&mut self, others: Self) {
        self.custom.extend(others.custom);
    }

    /// Why a kind that somebody names may not exist, if nothing here defines it.
    #[must_use]
    pub fn unknown(&self, group: &str, kind: &str) -> Option<String> {
        let defined = self.custom.contains_key(&(group.to_owned(), kind.to_owned()));
        if defined || builtin(group, kind).is_some() || is_gatekeepers(group) {
            return None;
        }
        Some(match similar(group, kind) {
            Some(meant) => format!("Kubernetes has no {group}/{kind}; did you mean {meant}?"),
            None if is_builtin_group(group) => format!("Kubernetes has no {group}/{kind}"),
            None => format!(
                "{group}/{kind} is not one of Kubernetes' own kinds, and no CustomResourceDefinition of the input \
                 defines it: nothing is checked if the cluster does not have it"
            ),
        })
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
        match builtin(group, kind) {
            Some(builtin) if builtin.namespaced => Ok(Scope::Namespaced),
            Some(_) => Ok(Scope::Cluster),
            None if is_gatekeepers(group) => Ok(Scope::Cluster),
            None if !is_builtin_group(group) => Ok(Scope::Assumed),
            None => Err(format!("no such kind: {}", unknown(header))),
        }
    }
}

fn unknown(header: &Header) -> String {
    let Header { api_version, kind, .. } = header;
    let meant = respelled(header.group(), kind).or_else(|| similar(header.group(), kind));
    let meant = meant.map(|meant| format!("; did you mean {}?", meant.kind)).unwrap_or_default();
    format!("Kubernetes has no {kind} of apiVersion {api_version}{meant}")
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
    fn kinds_that_may_not_exist() {
        let mut scopes = Scopes::default();
        scopes.learn(&json!({"spec": {"group": "example.com", "names": {"kind": "Widget"}}}));
        for (group, kind, expected) in [
            ("", "Pod", None),
            ("example.com", "Widget", None),
            ("constraints.gatekeeper.sh", "K8sRequiredLabels", None),
            ("apps", "Deploymnet", Some("Kubernetes has no apps/Deploymnet; did you mean apps/Deployment?")),
            ("v1", "Pod", Some("Kubernetes has no v1/Pod; did you mean /Pod?")),
            ("apps", "Application", Some("Kubernetes has no apps/Application")),
        ] {
            assert_eq!(scopes.unknown(group, kind).as_deref(), expected, "{group}/{kind}");
        }
        let said = scopes.unknown("example.com", "Gadget").unwrap();
        assert!(said.starts_with("example.com/Gadget is not one of Kubernetes' own kinds"), "{said}");
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
