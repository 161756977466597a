//! What the gauges show.

use gatewright_api::{Guarded, PolicyKind, PolicyStatus, with_policy_type};

use super::system::ignored;
use super::{Gatekeeper, StandardReach};
use crate::watch::cache::Knowledge;
use crate::watch::policies::{Policies, Watched};
use crate::watch::published::ReportsOutcome;
use crate::watch::world::World;

/// What the operator sees at the moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ScrapeSnapshot {
    pub(crate) policies: Vec<PolicySeen>,
    pub(crate) standards: Vec<StandardReach>,
    pub(crate) gatekeeper: Gatekeeper,
    /// How many processes must enforce.
    pub(crate) processes: usize,
    pub(crate) caches: Vec<CacheSeen>,
    /// When audit last looked at a constraint of ours.
    pub(crate) audit: Option<String>,
    /// The namespaces that carry Gatekeeper's ignore label; none while not all are known.
    pub(crate) ignored: Option<Vec<String>>,
    pub(crate) reports: Option<ReportsOutcome>,
    /// When the verifier's certificate ends, in seconds since 1970; none where this replica knows of none.
    pub(crate) certificate: Option<i64>,
}

/// A policy, and what is said of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PolicySeen {
    pub(crate) kind: PolicyKind,
    pub(crate) name: String,
    pub(crate) status: PolicyStatus,
}

/// What is known of a kind of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CacheSeen {
    /// What they are, for people.
    pub(crate) name: String,
    pub(crate) knowledge: Knowledge,
    pub(crate) objects: usize,
}

impl ScrapeSnapshot {
    /// `standards` are the names of the standards' constraints.
    pub(crate) fn observe<'a>(world: &World, standards: impl Iterator<Item = &'a str>) -> Self {
        let policies = |kind: &PolicyKind| with_policy_type!(*kind, P => policies::<P>(&world.policies));
        let cache = |(name, knowledge, objects): (&str, Knowledge, usize)| CacheSeen {
            name: name.to_owned(),
            knowledge,
            objects,
        };
        Self {
            policies: PolicyKind::ALL.iter().flat_map(policies).collect(),
            standards: standards.map(|name| StandardReach::observe(world, name)).collect(),
            gatekeeper: Gatekeeper::observe(world),
            processes: world.expected_processes().len(),
            caches: world.caches().into_iter().map(cache).collect(),
            audit: world.last_audit(),
            ignored: ignored(world),
            reports: world.reports.outcome.get(),
            certificate: certificate(world),
        }
    }
}

fn certificate(world: &World) -> Option<i64> {
    let held = world.certificate.get(&world.secret_key())?;
    held.pair.certificate().map(|certificate| certificate.ends.as_second())
}

fn policies<P: Watched>(policies: &Policies) -> Vec<PolicySeen> {
    let seen = |policy: &Guarded<P>| PolicySeen {
        kind: P::KIND,
        name: policy.metadata.name.clone().unwrap_or_default(),
        status: policy.status.clone().unwrap_or_default(),
    };
    P::cache(policies).values().iter().map(|policy| seen(policy)).collect()
}
