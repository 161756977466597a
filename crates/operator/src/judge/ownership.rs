//! Who owns what we write: with its owner it goes, whether an operator runs or not.

use std::sync::Arc;

use gatewright_compiler::OnUninstall;
use gatewright_rules::Owner;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::watch::desired::Prepared;

/// The owners of a constraint. `release` is the ClusterRole `gatewright`, if it is there; `own` is what the constraint was
/// compiled with: the policy, or nobody.
///
/// What would refuse requests for ever without us goes with the release. The rest stays and goes on being enforced, unless
/// the settings say `onUninstall: Remove`.
pub(crate) fn owners(
    of: Owner,
    on_uninstall: OnUninstall,
    release: Option<&OwnerReference>,
    own: &[OwnerReference],
) -> Vec<OwnerReference> {
    match (of, on_uninstall) {
        (Owner::ExecGuard | Owner::Signatures, _)
        | (Owner::Policy(_) | Owner::Standards, OnUninstall::Remove) => of_release(release),
        (Owner::Policy(_) | Owner::Standards, OnUninstall::Keep) => own.to_vec(),
    }
}

/// The owners of what goes with the release: the webhook configuration and the SyncSet.
pub(crate) fn of_release(release: Option<&OwnerReference>) -> Vec<OwnerReference> {
    release.cloned().into_iter().collect()
}

/// The object with these owners.
pub(crate) fn owned(prepared: &Arc<Prepared>, owners: Vec<OwnerReference>) -> Arc<Prepared> {
    if prepared.owners == owners {
        return Arc::clone(prepared);
    }
    Arc::new(Prepared { owners, ..Prepared::clone(prepared) })
}

#[cfg(test)]
mod tests {
    use super::{of_release, owned, owners};
    use crate::judge::fixtures::{builtin, release};
    use gatewright_api::PolicyKind;
    use gatewright_compiler::OnUninstall::{Keep, Remove};
    use gatewright_rules::Owner;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
    use std::sync::Arc;

    #[test]
    fn who_owns_what() {
        let policy = OwnerReference { kind: "SecurityPolicy".to_owned(), ..OwnerReference::default() };
        let (role, policies) = (release(), Owner::Policy(PolicyKind::SecurityPolicy));
        let (of_role, of_policy) = (vec![role.clone()], vec![policy.clone()]);
        let there = Some(&role);
        for (of, on_uninstall, release, own, expected) in [
            (Owner::Standards, Keep, there, vec![], vec![]),
            (Owner::Standards, Keep, None, vec![], vec![]),
            (Owner::Standards, Remove, there, vec![], of_role.clone()),
            (Owner::Standards, Remove, None, vec![], vec![]),
            (policies, Keep, there, of_policy.clone(), of_policy.clone()),
            (policies, Keep, None, of_policy.clone(), of_policy.clone()),
            // One owner alone: with a second, the constraint would stay until both are gone.
            (policies, Remove, there, of_policy.clone(), of_role.clone()),
            (policies, Remove, None, of_policy.clone(), vec![]),
            (Owner::ExecGuard, Keep, there, vec![], of_role.clone()),
            (Owner::ExecGuard, Keep, None, vec![], vec![]),
            (Owner::Signatures, Keep, there, vec![], of_role.clone()),
            (Owner::ExecGuard, Remove, there, vec![], of_role.clone()),
        ] {
            assert_eq!(
                owners(of, on_uninstall, release, &own),
                expected,
                "{of:?} {on_uninstall:?} {release:?}"
            );
        }
        assert_eq!((of_release(there), of_release(None)), (of_role, vec![]));
    }

    #[test]
    fn nothing_is_copied_that_has_its_owners() {
        let sync_set = &builtin().sync_set;
        assert!(Arc::ptr_eq(sync_set, &owned(sync_set, vec![])));
        let changed = owned(sync_set, vec![release()]);
        assert_eq!((&changed.owners, &changed.content), (&vec![release()], &sync_set.content));
    }
}
