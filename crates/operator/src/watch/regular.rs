//! What cannot be watched and is asked for regularly.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;
use tokio::sync::watch::Sender;
use tracing::warn;

use crate::watch::published::Published;
use crate::watch::release;
use crate::watch::schemas::{Addresses, Reader, Schemas};

/// How often it is asked for.
const INTERVAL: Duration = Duration::from_secs(5);
/// How often, until the first answer.
const AT_FIRST: Duration = Duration::from_secs(1);

/// Publishes which fields are served and where the schemas are, and calls `changed` when that has changed.
pub(crate) async fn schemas(
    client: Client,
    published: Arc<Published<Schemas>>,
    addresses: Sender<Option<Addresses>>,
    changed: impl Fn(),
) {
    let mut reader = Reader::new(client);
    loop {
        match reader.look().await {
            Ok(schemas) => {
                let found = Some(schemas.addresses.clone());
                if published.publish(schemas) {
                    addresses.send_replace(found);
                    changed();
                }
            }
            Err(error) => say(&error, published.get().is_some()),
        }
        tokio::time::sleep(pause(&published)).await;
    }
}

/// Publishes who owns what goes with the release. An answer that does not say so leaves what was known; where nothing
/// was, nobody owns it.
pub(crate) async fn release(
    client: Client,
    published: Arc<Published<Option<OwnerReference>>>,
    changed: impl Fn(),
) {
    loop {
        match release::look(&client).await {
            Ok(owner) => {
                if published.publish(owner) {
                    changed();
                }
            }
            Err(error) if error.is_refusal() && published.get().is_none() => {
                say(&error, false);
                published.publish(None);
                changed();
            }
            Err(error) => say(&error, published.get().is_some()),
        }
        tokio::time::sleep(pause(&published)).await;
    }
}

/// What was known still holds, so that this is said once.
fn say(error: &crate::Error, known: bool) {
    if !known {
        warn!("{error}");
    }
}

fn pause<T: Clone + PartialEq>(published: &Published<T>) -> Duration {
    if published.get().is_some() { INTERVAL } else { AT_FIRST }
}
