//! Whom Gatekeeper asks about external data.

use k8s_openapi::ByteString;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

/// The group of Providers.
pub const PROVIDER_GROUP: &str = "externaldata.gatekeeper.sh";
/// The storage version of Providers.
pub const PROVIDER_VERSION: &str = "v1beta1";

/// How long Gatekeeper waits for an answer, in seconds: the least that it takes. A waiting call holds a thread and a lock
/// of its engine, for every policy.
pub const PROVIDER_TIMEOUT: u32 = 1;

/// A server that templates ask by the function `external_data`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Provider {
    api_version: String,
    kind: &'static str,
    /// Name, labels and owner.
    pub metadata: ObjectMeta,
    /// Where it is.
    pub spec: ProviderSpec,
}

/// Where a Provider is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProviderSpec {
    /// An https URL.
    pub url: String,
    /// How long an answer may take, in seconds.
    pub timeout: u32,
    /// The certificates that its own must come from, in PEM; in JSON base64 of that.
    pub ca_bundle: ByteString,
}

impl Provider {
    /// A Provider at a URL, trusted by the certificates `ca_bundle` in PEM.
    #[must_use]
    pub fn new(metadata: ObjectMeta, url: String, ca_bundle: &str) -> Self {
        let spec = ProviderSpec {
            url,
            timeout: PROVIDER_TIMEOUT,
            ca_bundle: ByteString(ca_bundle.as_bytes().to_vec()),
        };
        Self { api_version: format!("{PROVIDER_GROUP}/{PROVIDER_VERSION}"), kind: "Provider", metadata, spec }
    }
}
