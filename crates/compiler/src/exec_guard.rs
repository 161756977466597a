//! The exec guard: who may enter the platform's own Pods.

use gatewright_api::names;
use gatewright_gatekeeper::{Action, Constraint, ConstraintSpec, GroupVersionKind, Match, SyncSet};
use gatewright_rules::deny_exec_heritage::{JUDGED, Parameters};
use gatewright_rules::{Template, kinds};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::{Settings, namespaces};

/// The name of the guard's constraint.
pub const EXEC_GUARD: &str = "deny-exec-heritage-pods";

/// The name of what makes Gatekeeper keep all Pods in its inventory.
pub const SYNC_SET: &str = "gatewright-pods";

/// The constraint of the guard, given the namespaces that Gatekeeper's `Config` keeps out of the inventory.
#[must_use]
pub fn exec_guard(settings: &Settings, never_synced: &[String]) -> Constraint {
    let r#match = Match {
        kinds: kinds::match_kinds(&JUDGED),
        // The request's options have no namespace of their own: where Gatekeeper does not attach the Pod's, only this
        // scope matches.
        scope: "*",
        ..Match::default()
    };
    let parameters = Parameters {
        unknown_pods: settings.exec_guard.unknown_pods,
        unknown_pods_allowed_in: never_synced.to_vec(),
        exempt_users: settings.exec_guard.exempt_users.clone(),
        exempt_service_account_namespaces: namespaces::system(settings),
    };
    let spec = ConstraintSpec {
        enforcement_action: Action::Deny,
        r#match,
        parameters: serde_json::json!(parameters),
    };
    Constraint::new(Template::DenyExecHeritage.kind(), metadata(EXEC_GUARD), spec)
}

/// What makes Gatekeeper keep all Pods in its inventory. The guard asks it for their labels.
#[must_use]
pub fn sync_set() -> SyncSet {
    let pods = GroupVersionKind { group: String::new(), version: "v1".to_owned(), kind: "Pod".to_owned() };
    SyncSet::new(metadata(SYNC_SET), vec![pods])
}

fn metadata(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.to_owned()), ..builtin() }
}

/// Metadata of what is ours and belongs to no policy.
#[must_use]
pub fn builtin() -> ObjectMeta {
    let owner = [(names::OWNER_LABEL.to_owned(), names::BUILTIN.to_owned())];
    ObjectMeta { labels: Some(owner.into()), ..ObjectMeta::default() }
}

#[cfg(test)]
mod tests {
    use super::exec_guard;
    use crate::{Preset, Settings};

    #[test]
    fn exempt_are_the_accounts_of_the_system_namespaces() {
        for (preset, expected) in [
            (Preset::None, "kube-system kube-public kube-node-lease gk own"),
            (Preset::Deckhouse, "kube-system kube-public kube-node-lease d8-* kube-* gk own"),
        ] {
            let constraint = exec_guard(&Settings::new(preset, "gk", "own"), &[]);
            let exempt = &constraint.spec.parameters["exemptServiceAccountNamespaces"];
            let exempt: Vec<_> =
                exempt.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            assert_eq!(exempt.join(" "), expected);
        }
    }

    #[test]
    fn one_constraint() {
        insta::assert_yaml_snapshot!(exec_guard(&Settings::default(), &["legacy-*".to_owned()]));
    }
}
