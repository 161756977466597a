//! The settings file is broken from the start: nothing is written but that.

use std::time::Duration;

use gatewright_api::{GatewrightStatus, SYSTEM_STATUS_NAME};
use gatewright_compiler::Settings;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client};
use tracing::warn;

use crate::Error;
use crate::act::system::publish;
use crate::error::request;
use crate::events::Events;
use crate::judge::system::unsettled;
use crate::run::leadership::Leadership;
use crate::run::settings::Source;
use crate::watch::system::SystemObject;

/// How often it is looked whether the state of the system says so.
const INTERVAL: Duration = Duration::from_secs(5);

/// The first settings that are right. Meanwhile the leader says in the state of the system what is wrong with the file.
pub(crate) async fn first(
    source: &mut Source,
    client: &Client,
    events: &Events,
    leadership: &Leadership,
) -> Settings {
    let mut problem = source.problem();
    let say = async {
        loop {
            leadership.gained().await;
            let current = problem.borrow_and_update().clone();
            if let Some(current) = current
                && let Err(error) = say(client, events, &current).await
            {
                warn!("{error}");
            }
            let _ = tokio::time::timeout(INTERVAL, problem.changed()).await;
        }
    };
    tokio::select! {
        settings = source.first() => settings,
        () = say => unreachable!("it never ends"),
    }
}

async fn say(client: &Client, events: &Events, problem: &str) -> Result<(), Error> {
    let resource = ApiResource::erase::<GatewrightStatus>(&());
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let doing = format!("reading GatewrightStatus {SYSTEM_STATUS_NAME}");
    let object = request(doing, api.get_opt(SYSTEM_STATUS_NAME)).await?.map(SystemObject::from);
    match unsettled(object.as_ref(), problem, &Time(Timestamp::now())) {
        Some(draft) => publish(client, events, draft).await,
        None => Ok(()),
    }
}
