//! Whether an operator runs: by its Lease.

use anyhow::Context as _;
use gatewright_operator::LEASE;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::ListParams;

use crate::cluster::{ClusterArgs, Connection, OPERATOR_NAMESPACE, Unseen, holder, object_name};

/// A Lease that an operator holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The namespace of the operator.
    pub namespace: String,
}

impl Held {
    /// As people name it.
    pub fn full_name(&self) -> String {
        object_name("Lease", &self.namespace, LEASE)
    }

    /// What ends the operator.
    pub fn uninstall(&self) -> String {
        format!("helm uninstall gatewright -n {}", self.namespace)
    }
}

/// The Leases of operators that run, and what may not be seen. Whoever has no Lease is not seen: such an operator was
/// started with `--leader-elect=false`.
///
/// # Errors
/// The API server does not answer.
pub async fn fresh(
    connection: &Connection,
    args: &ClusterArgs,
) -> anyhow::Result<(Vec<Held>, Option<Unseen>)> {
    let leases: Api<Lease> = match args.namespace_or(OPERATOR_NAMESPACE) {
        Some(namespace) => Api::namespaced(connection.client.clone(), &namespace),
        None => Api::all(connection.client.clone()),
    };
    let parameters = ListParams::default().fields(&format!("metadata.name={LEASE}"));
    match leases.list(&parameters).await {
        Ok(all) => Ok((all.items.iter().filter_map(|lease| held(lease, Timestamp::now())).collect(), None)),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let needs = "list on leases.coordination.k8s.io".to_owned();
            Ok((vec![], Some(Unseen { what: "whether an operator runs".to_owned(), needs })))
        }
        Err(error) => Err(error).context("cannot list Leases"),
    }
}

fn held(lease: &Lease, now: Timestamp) -> Option<Held> {
    holder(lease, now)?;
    Some(Held { namespace: lease.metadata.namespace.clone().unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::Held;

    #[test]
    fn who_holds_a_lease_is_named_with_what_ends_it() {
        let held = Held { namespace: "n".to_owned() };
        assert_eq!(held.full_name(), "Lease/gatewright -n n");
        assert_eq!(held.uninstall(), "helm uninstall gatewright -n n");
    }
}
