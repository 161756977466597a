//! The operator: keeps the Gatekeeper objects of all policies as the compiler wants them, and says on the policies'
//! status what became of them.
//!
//! Data goes one way: watches fill caches; a change puts a key into the queue; the key's reconciliation takes a
//! snapshot of the caches, compiles, applies and reports. Nothing is written while nothing changes.

mod apply;
mod cache;
mod conditions;
mod courtesy;
mod enforcement;
mod error;
mod events;
mod foreign;
mod gate;
mod guard;
mod leadership;
mod lease;
mod live;
mod metrics;
mod namespaces;
mod policy;
mod queue;
mod repairs;
mod report;
mod routing;
mod server;
mod settings;
mod standard;
mod status;
mod summary;
mod system;
mod template;
mod watch;
mod world;

pub use error::Error;
pub use metrics::metrics_reference;
pub use routing::RoutingReport;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use gatewright_api::with_policy_type;
use gatewright_compiler::{LogLevel, Settings};
use gatewright_rules::{Owner, Template};
use kube::client::ClientBuilder;
use kube::{Api, Client, Config};
use tracing::info;

use crate::courtesy::Courtesy;
use crate::events::Events;
use crate::gate::Gate;
use crate::leadership::Leadership;
use crate::lease::{Candidate, Term};
use crate::metrics::{Metrics, State};
use crate::queue::{Key, Next};
use crate::settings::Source;
use crate::world::World;

/// The field manager of everything that the operator writes. Renaming it would leave old fields behind forever.
pub const FIELD_MANAGER: &str = "gatewright";

/// How long one request to the API server may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may be silent: longer than a watch lasts.
const READ_TIMEOUT: Duration = Duration::from_secs(75);

/// What the operator is told at its start.
pub struct Options {
    /// The settings file; without one all defaults hold.
    pub config: Option<PathBuf>,
    /// The namespace that the operator runs in.
    pub namespace: String,
    /// The name of this replica: its Pod's.
    pub replica: String,
    /// How long a leader that is gone holds up the others; none where there is only one replica ever.
    pub lease: Option<Duration>,
    /// Where probes and metrics are served.
    pub listen: SocketAddr,
    /// Called with what the settings say of the log.
    pub set_log_level: Box<dyn Fn(Option<LogLevel>) + Send + Sync>,
}

/// A client for the API server, from a kubeconfig or from inside a Pod. Its requests time out and are not repeated:
/// the queue does that, with what is true by then.
///
/// # Errors
/// No usable configuration was found.
pub async fn client() -> Result<Client, Error> {
    Client::try_from(configuration().await?).map_err(|error| Error::Configuration(Box::new(error)))
}

async fn configuration() -> Result<Config, Error> {
    let mut config = Config::infer().await.map_err(|error| Error::Configuration(Box::new(error)))?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(READ_TIMEOUT);
    config.default_retry = false;
    Ok(config)
}

/// The client of a replica: the API server's audit log tells which one it was.
fn client_of(config: &Config, replica: &str, gate: Option<&Gate>) -> Result<Client, Error> {
    let mut config = config.clone();
    let agent = format!("gatewright/{} ({replica})", env!("CARGO_PKG_VERSION"));
    let agent = http::HeaderValue::from_str(&agent).map_err(|error| Error::Configuration(Box::new(error)))?;
    config.headers.push((http::header::USER_AGENT, agent));
    let builder = ClientBuilder::try_from(config).map_err(|error| Error::Configuration(Box::new(error)))?;
    Ok(match gate {
        Some(gate) => builder.with_layer(gate).build(),
        None => builder.build(),
    })
}

/// Runs until `stop` is done. Absent kinds are waited for; a failed write is tried again with backoff.
///
/// # Errors
/// The settings are broken at the start, the address is taken, or the lease was lost.
pub async fn run(options: Options, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let metrics = Metrics::new();
    let mut source = Source::new(options.config, options.namespace.clone(), metrics.clone());
    let settings = source.first().await?;
    let config = configuration().await?;
    let leadership = Leadership::new(leadership::clock());
    let courtesy = Courtesy::default();
    let state = State::new(leadership.clone(), courtesy.clone());
    let gate = Gate { leadership: leadership.clone(), metrics: metrics.clone() };
    let client = courtesy.wrap(client_of(&config, &options.replica, Some(&gate))?);
    let listener = server::listen(options.listen).await?;
    let identity = identity(&options.replica);
    let mut candidate = match options.lease {
        Some(term) => {
            let leases = Api::namespaced(client_of(&config, &options.replica, None)?, &options.namespace);
            Some(Candidate::new(leases, identity.clone(), Term(term), leadership.clone()))
        }
        None => None,
    };
    let (events, happenings) = events::channel(metrics.clone());
    let operator =
        Operator { client: client.clone(), metrics, events, state, set_log_level: options.set_log_level };
    info!(identity, "started");
    let ended = tokio::select! {
        // Nothing is done after the lease is lost, and nothing new while the process ends.
        biased;
        () = lead(candidate.as_mut(), &leadership) => Err(Error::LeadershipLost),
        () = stop => Ok(()),
        _ = server::serve(listener, &operator.metrics, operator.state.clone()) => Err(Error::Stopped),
        () = events::publish(client, identity, happenings) => Err(Error::Stopped),
        () = operator.work(source, settings) => Err(Error::Stopped),
    };
    info!("stopping");
    leadership.end();
    if let Some(mut candidate) = candidate.filter(|_| ended.is_ok()) {
        candidate.leave().await;
    }
    ended
}

/// Two replicas of one name, one after the other, are not the same.
fn identity(replica: &str) -> String {
    format!("{replica}_{:016x}", RandomState::new().build_hasher().finish())
}

/// Returns when the lease is lost; alone, a replica leads forever.
async fn lead(candidate: Option<&mut Candidate>, leadership: &Leadership) {
    if let Some(candidate) = candidate {
        candidate.lead().await;
    } else {
        leadership.extend(Duration::MAX);
        std::future::pending::<()>().await;
    }
}

/// What outlives a change of the settings.
struct Operator {
    client: Client,
    metrics: Metrics,
    events: Events,
    state: State,
    set_log_level: Box<dyn Fn(Option<LogLevel>) + Send + Sync>,
}

impl Operator {
    /// With each change of the settings everything is watched and reconciled anew: nothing can keep an old one.
    async fn work(&self, mut source: Source, mut settings: Settings) {
        loop {
            (self.set_log_level)(settings.log_level);
            tokio::select! {
                () = self.work_with(settings.clone()) => return,
                changed = source.changed(&settings) => settings = changed,
            }
        }
    }

    /// Every replica watches; the leader works.
    async fn work_with(&self, settings: Settings) {
        let (requests, mut keys) = queue::channel();
        let (metrics, events) = (self.metrics.clone(), self.events.clone());
        let world = Arc::new(World::watch(self.client.clone(), settings, &requests, metrics, events));
        self.state.set_world(Arc::clone(&world));
        for template in Template::ALL {
            requests.send(Key::Template(*template));
        }
        queue::hold(&requests, &mut keys, self.state.leadership.gained()).await;
        let work = move |key| measured(Arc::clone(&world), key);
        queue::run(requests, keys, work).await;
    }
}

fn measured(world: Arc<World>, key: Key) -> BoxFuture<'static, Result<Next, Error>> {
    Box::pin(async move {
        let (controller, begun) = (key.controller(), Instant::now());
        let result = reconcile(Arc::clone(&world), key).await;
        let error = result.as_ref().err().map(Error::reason);
        world.metrics.reconciled(controller, begun.elapsed(), error);
        result
    })
}

fn reconcile(world: Arc<World>, key: Key) -> BoxFuture<'static, Result<Next, Error>> {
    Box::pin(async move {
        match key {
            Key::Template(template) => template::reconcile(&world, template).await,
            Key::Namespace(name) => Ok(namespaces::reconcile(&world, &name)),
            Key::Namespaces => Ok(namespaces::reconcile_all(&world)),
            Key::Constraint(template, name) => match template.owner() {
                Owner::Policy(kind) => {
                    with_policy_type!(kind, P => policy::reconcile::<P>(&world, &name).await)
                }
                Owner::Standards => standard::reconcile(&world, &name).await,
                Owner::ExecGuard => routing::reconcile(&world).await,
            },
            Key::Routing => routing::reconcile(&world).await,
            Key::System => system::reconcile(&world).await,
            Key::Reports => report::reconcile(&world).await,
        }
    })
}
