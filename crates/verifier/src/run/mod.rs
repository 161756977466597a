//! The verifier in a cluster: what it watches and reads, and what follows from that.

mod files;
mod gatekeeper;
mod watch;
mod world;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client};
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::net::TcpListener;
use tracing::{info, warn};

use self::files::Files;
use self::watch::follow;
use self::world::World;
use crate::demand::RegistryConfig;
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::server::{Identity, Server};
use crate::verifier::Verifier;

/// How often files are looked at: a change is in force twice as soon as it must be.
const FILES: Duration = Duration::from_secs(5);

const CONSTRAINTS: &str = "constraints";
const POLICIES: &str = "policies";
const WEBHOOKS: &str = "webhooks";

/// How the verifier runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The operator's settings file; without one all defaults hold.
    pub config: Option<PathBuf>,
    /// The folder with `tls.crt` and `tls.key`.
    pub tls_dir: PathBuf,
    /// The docker config that entries without `dockerCfg` use.
    pub registry_config: Option<PathBuf>,
    /// Where calls and the status are answered.
    pub address: SocketAddr,
    /// Where probes and metrics are answered.
    pub listen: SocketAddr,
    /// The name of this process: its Pod's.
    pub replica: String,
}

/// Why the verifier cannot run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster is not reachable by any configuration.
    #[error("there is no configuration of a cluster")]
    Cluster(#[source] Box<kube::Error>),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        reason: std::io::Error,
    },
    /// The settings file.
    #[error("the settings file {}: {problem}", path.display())]
    Settings {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// Runs until `end`, and answers then what was asked before.
///
/// # Errors
/// The settings cannot be read at the start, an address cannot be listened on, or no cluster is configured.
pub async fn run(options: Options, end: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
    no_core_dumps();
    let settings = files::settings(options.config.as_deref())?;
    let client = Client::try_default().await.map_err(|error| Error::Cluster(Box::new(error)))?;
    let verifier = Verifier::new(Registry::new(settings.registries.clone()), Metrics::default());
    let identity = Identity::new(settings.client_auth);
    let lists = [CONSTRAINTS, POLICIES, WEBHOOKS];
    let server = Server::new(verifier.clone(), identity.clone(), &options.replica, &lists);
    let file = RegistryConfig::default();
    let mut files = Files::new(&options, settings, identity.clone(), file.clone());
    files.look();
    let (calls, probes) = (listen(options.address).await?, listen(options.listen).await?);
    let (ended, ends) = tokio::sync::watch::channel(false);
    let until = |mut ends: tokio::sync::watch::Receiver<bool>| async move {
        // Also where the sender is gone.
        let _ = ends.wait_for(|ended| *ended).await;
    };
    let world = World::new(verifier.policies.clone(), file);
    let (calls_end, probes_end) = (until(ends.clone()), until(ends));
    tokio::select! {
        () = watch_all(&client, &server, &world, &identity) => {}
        () = keep_reading(files, &server) => {}
        ((), ()) = async { tokio::join!(server.serve(calls, calls_end), server.serve_probes(probes, probes_end)) } => {}
        () = async { end.await; ended.send_replace(true); std::future::pending().await } => {}
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    let failed = |reason| Error::Listen { address, reason };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    info!(address = %listener.local_addr().map_err(failed)?, "listening");
    Ok(listener)
}

/// Passwords of registries are in memory, and must not come into a file.
fn no_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        warn!(%error, "cannot switch core dumps off");
    }
}

/// Looks at the files forever, and takes what changed.
async fn keep_reading(mut files: Files, server: &Server) {
    loop {
        tokio::time::sleep(FILES).await;
        if let Some(settings) = files.look() {
            info!("the settings changed");
            server.identity.set_required(settings.client_auth);
            server.set_registry(Registry::new(settings.registries));
        }
    }
}

async fn watch_all(client: &Client, server: &Server, world: &World, identity: &Identity) {
    let constraints = ApiResource {
        group: "constraints.gatekeeper.sh".into(),
        version: "v1beta1".into(),
        api_version: "constraints.gatekeeper.sh/v1beta1".into(),
        kind: "D8VerifyImageSignatures".into(),
        plural: "d8verifyimagesignatures".into(),
    };
    let policies = ApiResource::erase::<gatewright_api::SecurityPolicy>(&());
    let constraints = follow(
        Api::<DynamicObject>::all_with(client.clone(), &constraints),
        CONSTRAINTS,
        |all| world.constraints(all),
        || server.listed(CONSTRAINTS),
    );
    let policies = follow(
        Api::<DynamicObject>::all_with(client.clone(), &policies),
        POLICIES,
        |all| world.policies(all),
        || server.listed(POLICIES),
    );
    let webhooks = follow(
        Api::<ValidatingWebhookConfiguration>::all(client.clone()),
        WEBHOOKS,
        |all| {
            let (authority, names) = gatekeeper::clients(all.values());
            identity.set_clients(&authority, &names);
        },
        || server.listed(WEBHOOKS),
    );
    tokio::join!(constraints, policies, webhooks);
}
