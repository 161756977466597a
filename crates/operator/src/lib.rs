//! The operator: keeps the Gatekeeper objects of all policies as the compiler wants them, and says on the policies'
//! status what became of them.
//!
//! Data goes one way: watches fill caches; a change puts a key into the queue; the key's reconciliation takes a
//! snapshot of the caches, compiles, applies and reports. Nothing is written while nothing changes.

mod apply;
mod cache;
mod conditions;
mod enforcement;
mod error;
mod live;
mod namespaces;
mod policy;
mod queue;
mod standard;
mod summary;
mod template;
mod watch;
mod world;

pub use error::Error;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use gatewright_api::{OperationPolicy, SecurityPolicy};
use gatewright_compiler::Settings;
use kube::{Client, Config};
use tracing::info;

use crate::queue::{Key, Next};
use crate::world::{Owner, World};

/// The field manager of everything that the operator writes. Renaming it would leave old fields behind forever.
pub const FIELD_MANAGER: &str = "gatewright";

/// How long one request to the API server may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A client for the API server, from a kubeconfig or from inside a Pod. Its requests time out and are not repeated:
/// the queue does that, with what is true by then.
///
/// # Errors
/// No usable configuration was found.
pub async fn client() -> Result<Client, Error> {
    let mut config = Config::infer().await.map_err(|error| Error::Configuration(Box::new(error)))?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.default_retry = false;
    Client::try_from(config).map_err(|error| Error::Configuration(Box::new(error)))
}

/// Runs until `stop` is done. Absent kinds are waited for; a failed write is tried again with backoff.
///
/// # Errors
/// Only what no waiting can mend.
pub async fn run(client: Client, settings: Settings, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let (requests, keys) = queue::channel();
    let world = Arc::new(World::watch(client, settings, &requests));
    for template in gatewright_rules::catalogue() {
        requests.send(Key::Template(template.kind));
    }
    info!("started");
    let work = move |key| reconcile(Arc::clone(&world), key);
    tokio::select! {
        () = queue::run(requests, keys, work) => {}
        () = stop => info!("stopping"),
    }
    Ok(())
}

fn reconcile(world: Arc<World>, key: Key) -> BoxFuture<'static, Result<Next, Error>> {
    Box::pin(async move {
        match key {
            Key::Template(kind) => template::reconcile(&world, kind).await,
            Key::Namespace(name) => Ok(namespaces::reconcile(&world, &name)),
            Key::Namespaces => Ok(namespaces::reconcile_all(&world)),
            Key::Constraint(kind, name) => match Owner::of(kind) {
                Owner::SecurityPolicy => policy::reconcile::<SecurityPolicy>(&world, &name).await,
                Owner::OperationPolicy => policy::reconcile::<OperationPolicy>(&world, &name).await,
                Owner::Standards => standard::reconcile(&world, &name).await,
            },
        }
    })
}
