//! The role that the command needs.

use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule};
use kube::core::ObjectMeta;

use super::kinds::kinds;

/// The role, as YAML; `policies`: the policies and the CRDs are deleted, too.
pub fn needed(policies: bool) -> anyhow::Result<String> {
    let rule = |group: &str, resource: &str, verbs: &[&str]| PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        verbs: verbs.iter().map(|&verb| verb.to_owned()).collect(),
        ..PolicyRule::default()
    };
    let of_kinds = kinds().into_iter().map(|kind| {
        let verbs: &[&str] = if kind.policies && !policies { &["list"] } else { &["get", "list", "delete"] };
        let names = kind.name.filter(|_| kind.of_operator).map(|name| vec![name.to_owned()]);
        PolicyRule { resource_names: names, ..rule(&kind.resource.group, &kind.resource.plural, verbs) }
    });
    let rules = of_kinds.chain([rule("coordination.k8s.io", "leases", &["list"])]).collect();
    let metadata = ObjectMeta { name: Some("gatewright-uninstall".to_owned()), ..ObjectMeta::default() };
    Ok(serde_saphyr::to_string(&ClusterRole { metadata, rules: Some(rules), ..ClusterRole::default() })?)
}

#[cfg(test)]
mod tests {
    use super::needed;
    use crate::uninstall::kinds::kinds;

    #[test]
    fn every_kind_is_in_the_role() {
        for policies in [false, true] {
            let role = needed(policies).unwrap();
            for kind in kinds() {
                assert!(role.contains(&format!("- {}\n", kind.resource.plural)), "{role}");
            }
            assert!(
                role.contains("resourceNames:\n  - gatewright-verifier-tls\n"),
                "no other Secret: {role}"
            );
            let deleting = role.matches("- delete\n").count();
            assert_eq!(deleting, kinds().iter().filter(|kind| policies || !kind.policies).count());
        }
    }
}
