//! Who owns what goes with the release: the ClusterRole `gatewright`, which whoever uninstalls deletes.

use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Resource as _};

use crate::Error;
use crate::error::request;
use crate::names::CLUSTER_ROLE;

/// The ClusterRole as an owner; none where there is none.
///
/// # Errors
/// The API server does not answer, or does not say whether there is one.
pub(crate) async fn look(client: &Client) -> Result<Option<OwnerReference>, Error> {
    let roles: Api<ClusterRole> = Api::all(client.clone());
    let doing = format!("reading ClusterRole {CLUSTER_ROLE}");
    match request(doing, roles.get_metadata(CLUSTER_ROLE)).await {
        Ok(role) => Ok(owner(&role)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// It blocks nobody: OpenShift lets nobody name an owner that waits for what it owns without a further right.
fn owner(role: &PartialObjectMeta<ClusterRole>) -> Option<OwnerReference> {
    Some(OwnerReference {
        api_version: ClusterRole::api_version(&()).into_owned(),
        kind: ClusterRole::kind(&()).into_owned(),
        name: CLUSTER_ROLE.to_owned(),
        uid: role.metadata.uid.clone()?,
        block_owner_deletion: Some(false),
        controller: None,
    })
}
