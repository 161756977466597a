//! The object with the state of the system, as it is in the API, and what of the process stands in it.

use gatewright_api::SystemStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use tokio::sync::watch;

use crate::watch::cache::Entry;

/// The object `gatewrightstatus/cluster`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SystemObject {
    /// Name, uid and version.
    pub(crate) metadata: ObjectMeta,
    /// None where there is none that parses.
    pub(crate) status: Option<SystemStatus>,
}

impl From<DynamicObject> for SystemObject {
    fn from(object: DynamicObject) -> Self {
        let ObjectMeta { name, uid, resource_version, .. } = object.metadata;
        Self {
            metadata: ObjectMeta { name, uid, resource_version, ..ObjectMeta::default() },
            status: serde_json::from_value(object.data["status"].clone()).ok(),
        }
    }
}

impl Entry for SystemObject {
    fn same(&self, other: &Self) -> bool {
        (&self.metadata.uid, &self.status) == (&other.metadata.uid, &other.status)
    }
}

/// This process among its replicas.
#[derive(Clone, Debug)]
pub(crate) struct Replica {
    /// How the Lease names it.
    pub(crate) identity: String,
    /// Whether replicas elect a leader.
    pub(crate) elects: bool,
    /// Why the settings file, as it is now, is not in force; none while it is.
    pub(crate) settings_problem: watch::Receiver<Option<String>>,
}
