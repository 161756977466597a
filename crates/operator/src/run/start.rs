//! The start: what is connected with what, and what outlives a change of the settings.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gatewright_compiler::{LogLevel, Settings};
use gatewright_rules::Template;
use kube::client::ClientBuilder;
use kube::{Api, Client, Config};
use tracing::info;

use crate::Error;
use crate::act::queue;
use crate::act::writer::Writer;
use crate::events::{self, Events};
use crate::judge::builtin::Builtin;
use crate::metrics::Metrics;
use crate::run::gate::Gate;
use crate::run::leadership::{self, Leadership};
use crate::run::lease::{Candidate, Term};
use crate::run::reconcile::{Work, measured};
use crate::run::scrape::State;
use crate::run::server;
use crate::run::settings::Source;
use crate::run::throttle::Throttle;
use crate::run::unsettled;
use crate::watch::key::{Changes, Key};
use crate::watch::last_applied::LastApplied;
use crate::watch::system::Replica;
use crate::watch::world::World;

/// How long a connection may be silent: longer than a watch lasts.
const READ_TIMEOUT: Duration = Duration::from_secs(75);

/// How the operator starts.
pub struct Options {
    /// The settings file; without one all defaults hold.
    pub config: Option<PathBuf>,
    /// The namespace that the operator runs in.
    pub namespace: String,
    /// The image that the operator runs from, where it was given.
    pub image: Option<String>,
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
    Client::try_from(configuration().await?).map_err(|error| Error::configuration(&error))
}

async fn configuration() -> Result<Config, Error> {
    let mut config = Config::infer().await.map_err(|error| Error::configuration(&error))?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(READ_TIMEOUT);
    config.default_retry = false;
    Ok(config)
}

/// The client of a replica: the API server's audit log says which one it was.
fn client_of(config: &Config, replica: &str, gate: Option<&Gate>) -> Result<Client, Error> {
    let mut config = config.clone();
    let agent = format!("gatewright/{} ({replica})", env!("CARGO_PKG_VERSION"));
    let agent = http::HeaderValue::from_str(&agent).map_err(|error| Error::configuration(&error))?;
    config.headers.push((http::header::USER_AGENT, agent));
    let builder = ClientBuilder::try_from(config).map_err(|error| Error::configuration(&error))?;
    Ok(match gate {
        Some(gate) => builder.with_layer(gate).build(),
        None => builder.build(),
    })
}

/// Runs until `stop` is done. Absent kinds are waited for; a failed write is tried again with backoff.
///
/// # Errors
/// The address is taken, or the lease was lost.
pub async fn run(options: Options, stop: impl Future<Output = ()>) -> Result<(), Error> {
    let metrics = Metrics::new();
    let source = Source::new(options.config, options.namespace.clone(), options.image, metrics.clone());
    let config = configuration().await?;
    let leadership = Leadership::new(leadership::clock());
    let throttle = Throttle::default();
    let state = State::new(leadership.clone(), throttle.clone(), source.problem());
    let gate = Gate { leadership: leadership.clone(), metrics: metrics.clone() };
    let client = throttle.wrap(client_of(&config, &options.replica, Some(&gate))?);
    let listener = server::listen(options.listen).await?;
    let identity = identity(&options.replica);
    let mut candidate = match options.lease {
        Some(term) => {
            let leases = Api::namespaced(client_of(&config, &options.replica, None)?, &options.namespace);
            Some(Candidate::new(leases, identity.clone(), Term(term), leadership.clone()))
        }
        None => None,
    };
    let (events, queued) = events::channel(metrics.clone());
    let replica = Replica {
        identity: identity.clone(),
        elects: candidate.is_some(),
        settings_problem: source.problem(),
    };
    let operator = Operator {
        replica,
        client: client.clone(),
        metrics,
        events,
        state,
        last_applied: Arc::default(),
        set_log_level: options.set_log_level,
    };
    info!(identity, "started");
    let ended = tokio::select! {
        // Nothing is done after the lease is lost, and nothing new while the process ends.
        biased;
        () = lead(candidate.as_mut(), &leadership) => Err(Error::LeadershipLost),
        () = stop => Ok(()),
        () = server::serve(listener, &operator.metrics, operator.state.clone()) => Err(Error::Stopped),
        () = events::publish(client, identity, queued) => Err(Error::Stopped),
        () = operator.work(source) => Err(Error::Stopped),
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
    replica: Replica,
    /// What was left in the API stays there when the settings change.
    last_applied: Arc<LastApplied>,
    set_log_level: Box<dyn Fn(Option<LogLevel>) + Send + Sync>,
}

impl Operator {
    /// With each change of the settings everything is watched and reconciled anew: nothing can keep an old one.
    async fn work(&self, mut source: Source) {
        let mut settings =
            unsettled::first(&mut source, &self.client, &self.events, &self.state.leadership).await;
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
        let changes = {
            let requests = requests.clone();
            Changes::new(move |key| requests.send(key))
        };
        let last_applied = Arc::clone(&self.last_applied);
        let mut world =
            World::new(self.client.clone(), settings.clone(), last_applied, changes, self.replica.clone());
        world.watch();
        let (world, builtin) = (Arc::new(world), Arc::new(Builtin::new(settings)));
        self.state.set(Arc::clone(&world), Arc::clone(&builtin), requests.clone());
        for template in Template::ALL {
            requests.send(Key::Template(*template));
        }
        queue::hold(&requests, &mut keys, self.state.leadership.gained()).await;
        let _following = world.follow_verifier();
        let metrics = self.metrics.clone();
        let writer = Writer::new(Arc::clone(&world), metrics.clone(), self.events.clone());
        let work = Arc::new(Work { world, builtin, writer, metrics });
        queue::run(requests, keys, move |key| measured(Arc::clone(&work), key)).await;
    }
}
