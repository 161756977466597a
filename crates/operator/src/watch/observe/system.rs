//! What the state of the system is decided from.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_api::{Notice, PolicyKind, SYSTEM_STATUS_NAME};
use gatewright_compiler::EXEC_GUARD;
use gatewright_gatekeeper::{IGNORE_LABEL, Namespace};
use gatewright_rules::Template;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use k8s_openapi::jiff::Timestamp;

use crate::watch::cache::Knowledge;
use crate::watch::live::Live;
use crate::watch::observe::gatekeeper::Gatekeeper;
use crate::watch::observe::guard::GuardSnapshot;
use crate::watch::observe::reports::ReportKinds;
use crate::watch::observe::standard::StandardSnapshot;
use crate::watch::observe::template::TemplateSnapshot;
use crate::watch::observe::verifier::VerifierView;
use crate::watch::published::{ReportsOutcome, RoutingOutcome};
use crate::watch::system::SystemObject;
use crate::watch::world::World;

/// The system.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SystemSnapshot {
    /// The status as it is in the API; none if it is not there.
    pub(crate) object: Option<Arc<SystemObject>>,
    /// Whether each kind of policy is served.
    pub(crate) policies: Vec<(PolicyKind, bool)>,
    /// Whether all templates are known.
    /// For each kind of ours, the fields that its served CRD lacks; kinds that lack none are left out.
    pub(crate) lacking: BTreeMap<String, Vec<String>>,
    /// Who owns what goes with the release.
    pub(crate) release: Option<OwnerReference>,
    pub(crate) templates_served: bool,
    pub(crate) templates: Vec<TemplateSnapshot>,
    pub(crate) standards: Vec<StandardReach>,
    pub(crate) gatekeeper: Gatekeeper,
    pub(crate) guard_template: Option<Arc<Live>>,
    pub(crate) guard_constraint: Option<Arc<Live>>,
    /// None until something is known.
    pub(crate) routing: Option<RoutingOutcome>,
    pub(crate) report_kinds: ReportKinds,
    /// None until all is known that reports are made from.
    pub(crate) reports: Option<ReportsOutcome>,
    pub(crate) verifier: VerifierView,
    /// Constraints on signatures that were made by others than the operator, in order.
    pub(crate) foreign_signatures: Vec<String>,
    /// The names of the namespaces that carry Gatekeeper's ignore label, in order; none while not all are known.
    pub(crate) ignored: Option<Vec<String>>,
    /// The operator's own namespace, where it is known.
    pub(crate) own_namespace: Option<Arc<Namespace>>,
    /// How the Lease names this process.
    pub(crate) identity: String,
    /// Whether there is a Lease.
    pub(crate) elects: bool,
    /// Why the settings file on disk is not in force.
    pub(crate) settings_problem: Option<String>,
    /// What this process has logged already.
    pub(crate) logged: Vec<Notice>,
    pub(crate) now: Time,
}

/// A constraint of the standards, and how many namespaces it reaches.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StandardReach {
    pub(crate) snapshot: StandardSnapshot,
    /// None while that is not known.
    pub(crate) namespaces: Option<i32>,
}

impl StandardReach {
    pub(crate) fn observe(world: &World, name: &str) -> Self {
        let snapshot = StandardSnapshot::observe(world, name);
        let live = snapshot.constraint.live.as_ref().filter(|live| live.ours);
        let reached =
            |live: &Arc<Live>| world.namespaces.reached_by(Template::PodSecurityStandard, name, live);
        Self { namespaces: live.and_then(reached), snapshot }
    }
}

impl SystemSnapshot {
    /// None while something is not known yet, as just after the start, or while there is nowhere to write. `standards`
    /// are the names of the standards' constraints.
    pub(crate) fn observe<'a>(world: &World, standards: impl Iterator<Item = &'a str>) -> Option<Self> {
        if !world.system.is_complete() || !is_known(world) || routing_is_coming(world) {
            return None;
        }
        Some(Self {
            object: world.system.get(SYSTEM_STATUS_NAME),
            policies: PolicyKind::ALL.iter().map(|kind| (*kind, world.policies.is_complete(*kind))).collect(),
            lacking: lacking(world),
            release: world.release(),
            templates_served: world.templates.is_complete(),
            templates: Template::ALL
                .iter()
                .map(|template| TemplateSnapshot::observe(world, *template))
                .collect(),
            standards: standards.map(|name| StandardReach::observe(world, name)).collect(),
            gatekeeper: Gatekeeper::observe(world),
            guard_template: world.templates.get(&Template::DenyExecHeritage.name()),
            guard_constraint: world.constraints(Template::DenyExecHeritage).get(EXEC_GUARD),
            routing: world.routing.get(),
            report_kinds: ReportKinds::observe(world),
            reports: world.reports.outcome.get(),
            verifier: VerifierView::observe(world),
            foreign_signatures: foreign_signatures(world),
            ignored: ignored(world),
            own_namespace: world.namespaces.cache.get(&world.settings.operator_namespace),
            identity: world.replica.identity.clone(),
            elects: world.replica.elects,
            settings_problem: world.replica.settings_problem.borrow().clone(),
            logged: world.logged.get().unwrap_or_default(),
            now: Time(Timestamp::now()),
        })
    }
}

/// The kinds of ours whose served CRD is older than this operator, with the fields that it lacks.
pub(crate) fn lacking(world: &World) -> BTreeMap<String, Vec<String>> {
    let mut lacking = world.schemas.get().unwrap_or_default().lacking;
    lacking.retain(|_, fields| !fields.is_empty());
    lacking
}

/// Whether the outcome of the routing is about to be published, as just after the start. To say meanwhile that it is
/// not known would turn conditions for a moment at each start, and forget what it had found.
fn routing_is_coming(world: &World) -> bool {
    let can_be_decided = world.webhooks.is_complete() && world.own_webhook.is_complete();
    world.routing.get().is_none() && can_be_decided && GuardSnapshot::observe(world).is_some()
}

/// Nothing may be concluded before, as just after the start.
fn is_known(world: &World) -> bool {
    let judged = world.namespaces.knowledge() != Knowledge::Unknown;
    judged
        && world.may_be_judged()
        && VerifierView::is_known(world, world.settings.signatures.is_enabled())
        && world.caches().iter().all(|(_, knowledge, _)| *knowledge != Knowledge::Unknown)
}

/// Without a template there is no kind, whatever was seen of it before.
pub(super) fn foreign_signatures(world: &World) -> Vec<String> {
    let constraints = world.constraints(Template::VerifyImageSignatures);
    let mut names = if constraints.is_complete() { constraints.names_of(|live| !live.ours) } else { vec![] };
    names.sort();
    names
}

/// The namespaces that Gatekeeper's webhook is not asked about because of their label.
pub(super) fn ignored(world: &World) -> Option<Vec<String>> {
    let cache = &world.namespaces.cache;
    let labelled = |namespace: &Namespace| namespace.labels.contains_key(IGNORE_LABEL);
    let mut names = cache.is_complete().then(|| cache.names_of(labelled))?;
    names.sort();
    Some(names)
}
