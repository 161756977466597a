//! Reconciles what a key stands for: observe, decide, carry out.

use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use gatewright_api::{SecurityPolicy, with_policy_type};
use gatewright_rules::{Owner, Template};

use crate::act;
use crate::act::certificate::Place;
use crate::act::writer::Writer;
use crate::judge::age::{held, too_old};
use crate::judge::builtin::Builtin;
use crate::judge::plan::{Next, Plan};
use crate::judge::reports::{Decisions, Outcome};
use crate::judge::verifier::{Decision, SecretAction};
use crate::metrics::Metrics;
use crate::watch::key::Key;
use crate::watch::observe::{
    Gatekeeper, NamespacesSnapshot, PolicySnapshot, ReportsSnapshot, RoutingSnapshot, StandardSnapshot,
    SystemSnapshot, TemplateSnapshot, VerifierSnapshot,
};
use crate::watch::policies::Watched;
use crate::watch::world::World;
use crate::{Error, judge};

/// What reconciliations work with.
pub(crate) struct Work {
    pub(crate) world: Arc<World>,
    pub(crate) builtin: Arc<Builtin>,
    pub(crate) writer: Writer,
    pub(crate) metrics: Metrics,
}

impl Work {
    /// Carries out a plan that writes Gatekeeper's objects: not before it is known that Gatekeeper is new enough for them.
    async fn carry_out(&self, plan: Plan) -> Result<Next, Error> {
        if !self.world.may_be_judged() {
            return Ok(Next::Change);
        }
        self.writer.carry_out(held(plan, &Gatekeeper::observe(&self.world))).await
    }
}

/// Reconciles a key, and counts it.
pub(crate) fn measured(work: Arc<Work>, key: Key) -> BoxFuture<'static, Result<Next, Error>> {
    Box::pin(async move {
        let (controller, begun) = (key.controller(), Instant::now());
        let result = reconcile(&work, key).await;
        let error = result.as_ref().err().map(Error::reason);
        work.metrics.reconciled(controller, begun.elapsed(), error);
        result
    })
}

async fn reconcile(work: &Work, key: Key) -> Result<Next, Error> {
    let world = &work.world;
    match key {
        Key::Template(which) => template(work, which).await,
        Key::Namespace(name) => namespaces(work, &NamespacesSnapshot::observe(world, &name)).await,
        Key::Namespaces => namespaces(work, &NamespacesSnapshot::observe_all(world)).await,
        Key::Constraint(template, name) => match template.owner() {
            Owner::Policy(kind) => with_policy_type!(kind, P => policy::<P>(work, &name).await),
            Owner::Standards => standard(work, &name).await,
            Owner::ExecGuard => routing(work).await,
            Owner::Signatures => policy::<SecurityPolicy>(work, &name).await,
        },
        Key::Routing => routing(work).await,
        Key::Verifier => verifier(work).await,
        Key::System => system(work).await,
        Key::Reports => reports(work).await,
    }
}

async fn template(work: &Work, template: Template) -> Result<Next, Error> {
    let snapshot = TemplateSnapshot::observe(&work.world, template);
    work.carry_out(judge::template::decide(&snapshot, &work.builtin)).await
}

async fn policy<P: Watched>(work: &Work, name: &str) -> Result<Next, Error> {
    let Some((snapshot, asked)) = PolicySnapshot::<P>::observe(&work.world, name).await else {
        return Ok(Next::Change);
    };
    let next = work.carry_out(judge::policy::decide(&snapshot, &work.builtin)).await?;
    asked.map(|()| next)
}

async fn routing(work: &Work) -> Result<Next, Error> {
    let Some((snapshot, asked)) = RoutingSnapshot::observe(&work.world).await else {
        return Ok(Next::Change);
    };
    let next = work.carry_out(judge::routing::decide(&snapshot, &work.builtin)).await?;
    asked.map(|()| next)
}

/// The certificate, and what Gatekeeper is told: that follows when the certificate is seen. One that fails does not keep
/// the other from being done.
async fn verifier(work: &Work) -> Result<Next, Error> {
    let Some(snapshot) = VerifierSnapshot::observe(&work.world) else { return Ok(Next::Change) };
    let Decision { plan, secret } = judge::verifier::decide(&snapshot, &work.builtin);
    let written = match secret.filter(|_| too_old(&Gatekeeper::observe(&work.world)).is_none()) {
        Some(action) => secret_of_verifier(work, &snapshot, &action).await,
        None => Ok(()),
    };
    let next = work.carry_out(plan).await?;
    written.map(|()| next)
}

async fn secret_of_verifier(
    work: &Work,
    snapshot: &VerifierSnapshot,
    action: &SecretAction,
) -> Result<(), Error> {
    let settings = &work.world.settings;
    let url = settings.verifier_url();
    let place = Place { namespace: &settings.operator_namespace, host: url.host() };
    act::certificate::carry_out(&work.world.client, place, snapshot.view.secret.as_deref(), action).await
}

async fn standard(work: &Work, name: &str) -> Result<Next, Error> {
    let snapshot = StandardSnapshot::observe(&work.world, name);
    work.carry_out(judge::standard::decide(&snapshot, &work.builtin)).await
}

async fn namespaces(work: &Work, snapshot: &NamespacesSnapshot) -> Result<Next, Error> {
    let plan = judge::namespaces::decide(snapshot, &work.builtin);
    work.writer.carry_out(plan).await
}

async fn system(work: &Work) -> Result<Next, Error> {
    let standards = work.builtin.standards.iter().map(|standard| standard.prepared.id.name.as_str());
    let Some(snapshot) = SystemSnapshot::observe(&work.world, standards) else { return Ok(Next::Change) };
    let plan = judge::system::decide(&snapshot, &work.builtin);
    work.writer.carry_out(plan).await
}

/// Looks at all reports, since one constraint may concern every namespace.
async fn reports(work: &Work) -> Result<Next, Error> {
    if !work.world.may_be_judged() || too_old(&Gatekeeper::observe(&work.world)).is_some() {
        return Ok(Next::Change);
    }
    let snapshot = ReportsSnapshot::observe(&work.world);
    let Some(decisions) = Decisions::of(&snapshot, &work.builtin) else { return Ok(Next::Change) };
    let Outcome { published, failed } = act::reports::carry_out(&work.world.client, &decisions).await;
    act::publish::reports(&work.writer, snapshot.published.as_ref(), published);
    failed.map_or(Ok(Next::Change), Err)
}
