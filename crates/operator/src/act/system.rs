//! Publishes the state of the system.

use gatewright_api::{GatewrightStatus, SYSTEM_STATUS_NAME};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, PostParams};
use kube::core::DynamicObject;
use kube::{Api, Client};
use serde_json::json;
use tracing::{info, warn};

use crate::Error;
use crate::act::status;
use crate::error::request;
use crate::events::Events;
use crate::judge::plan::SystemDraft;
use crate::names::FIELD_MANAGER;
use crate::watch::system::SystemObject;

/// Writes the status, making the object first where it is not there, and says what has come about.
///
/// # Errors
/// A request failed, or the object has changed. Then nothing is said.
pub(crate) async fn publish(client: &Client, events: &Events, draft: SystemDraft) -> Result<(), Error> {
    let SystemDraft { seen, status, turned, events: news, log } = draft;
    for notice in log {
        warn!(reason = notice.reason, "{}", notice.message);
    }
    let Some(status) = status else { return Ok(()) };
    let seen = match seen {
        Some(seen) => seen,
        None => create(client).await?,
    };
    status::replace::<GatewrightStatus>(client, &seen, &status).await?;
    let uid = seen.uid.unwrap_or_default();
    if let Some(now) = turned {
        info!(ready = now.status, reason = now.reason, because = now.message, "system");
        events.system_turned(&uid, &now);
    }
    for notice in news {
        events.notice(&uid, &notice);
    }
    Ok(())
}

async fn create(client: &Client) -> Result<ObjectMeta, Error> {
    let resource = ApiResource::erase::<GatewrightStatus>(&());
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let object = DynamicObject::new(SYSTEM_STATUS_NAME, &resource).data(json!({"spec": {}}));
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let doing = format!("creating GatewrightStatus {SYSTEM_STATUS_NAME}");
    let created = request(doing, api.create(&parameters, &object)).await?;
    Ok(SystemObject::from(created).metadata)
}

#[cfg(test)]
mod tests;
