//! Reconciles what a key stands for: observe, decide, carry out.

use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use gatewright_api::with_policy_type;
use gatewright_rules::{Owner, Template};

use crate::act::carry_out::Writer;
use crate::judge::builtin::Builtin;
use crate::judge::plan::Next;
use crate::metrics::Metrics;
use crate::watch::Key;
use crate::watch::observe::{PolicySnapshot, RoutingSnapshot, StandardSnapshot, TemplateSnapshot};
use crate::watch::world::{Watched, World};
use crate::{Error, judge, namespaces, report, system};

/// What reconciliations work with.
pub(crate) struct Work {
    pub(crate) world: Arc<World>,
    pub(crate) builtin: Arc<Builtin>,
    pub(crate) metrics: Metrics,
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
        Key::Namespace(name) => Ok(namespaces::reconcile(world, &name)),
        Key::Namespaces => Ok(namespaces::reconcile_all(world)),
        Key::Constraint(template, name) => match template.owner() {
            Owner::Policy(kind) => with_policy_type!(kind, P => policy::<P>(work, &name).await),
            Owner::Standards => standard(work, &name).await,
            Owner::ExecGuard => routing(work).await,
        },
        Key::Routing => routing(work).await,
        Key::System => system::reconcile(world, &work.builtin).await,
        Key::Reports => report::reconcile(world).await,
    }
}

async fn template(work: &Work, template: Template) -> Result<Next, Error> {
    let snapshot = TemplateSnapshot::observe(&work.world, template);
    let plan = judge::template::decide(&snapshot, &work.builtin);
    Writer::new(&work.world).carry_out(plan).await
}

async fn policy<P: Watched>(work: &Work, name: &str) -> Result<Next, Error> {
    let Some(snapshot) = PolicySnapshot::<P>::observe(&work.world, name) else { return Ok(Next::Change) };
    let plan = judge::policy::decide(&snapshot, &work.builtin);
    Writer::new(&work.world).carry_out(plan).await
}

async fn routing(work: &Work) -> Result<Next, Error> {
    let Some((snapshot, asked)) = RoutingSnapshot::observe(&work.world).await else {
        return Ok(Next::Change);
    };
    let plan = judge::routing::decide(&snapshot, &work.builtin);
    let next = Writer::new(&work.world).carry_out(plan).await?;
    asked.map(|()| next)
}

async fn standard(work: &Work, name: &str) -> Result<Next, Error> {
    let snapshot = StandardSnapshot::observe(&work.world, name);
    let plan = judge::standard::decide(&snapshot, &work.builtin);
    Writer::new(&work.world).carry_out(plan).await
}
