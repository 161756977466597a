//! Writes the status of an object that is not ours but for the status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, PostParams};
use kube::core::DynamicObject;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde_json::json;

use crate::Error;
use crate::error::request;
use crate::names::FIELD_MANAGER;

/// Replaces the status if the object is still the one that we saw. All of the status is ours: what somebody else wrote
/// into it goes, and so does what no longer parses.
///
/// # Errors
/// The request failed, or the object has changed.
pub(crate) async fn replace<K: Resource<DynamicType = ()>>(
    client: &Client,
    seen: &ObjectMeta,
    status: &impl Serialize,
) -> Result<(), Error> {
    let resource = ApiResource::erase::<K>(&());
    let name = seen.name.as_deref().unwrap_or_default();
    let mut object = DynamicObject::new(name, &resource).data(json!({ "status": status }));
    object.metadata.uid.clone_from(&seen.uid);
    object.metadata.resource_version.clone_from(&seen.resource_version);
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let doing = format!("writing the status of {} {name}", resource.kind);
    request(doing, api.replace_status(name, &parameters, &object)).await.map(drop)
}
