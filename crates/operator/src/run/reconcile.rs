//! Reconciles what a key stands for: observe, decide, carry out.

use std::sync::Arc;
use std::time::Instant;

use futures::future::BoxFuture;
use gatewright_api::{OperationPolicy, SecurityPolicy};

use crate::act::carry_out::Writer;
use crate::judge::builtin::Builtin;
use crate::judge::plan::Next;
use crate::metrics::Metrics;
use crate::watch::observe::{StandardSnapshot, TemplateSnapshot};
use crate::watch::world::World;
use crate::watch::{Key, Owner};
use crate::{Error, judge, namespaces, policy, report, routing, system};

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
        Key::Template(kind) => template(work, kind).await,
        Key::Namespace(name) => Ok(namespaces::reconcile(world, &name)),
        Key::Namespaces => Ok(namespaces::reconcile_all(world)),
        Key::Constraint(kind, name) => match Owner::of(kind) {
            Owner::SecurityPolicy => policy::reconcile::<SecurityPolicy>(world, &name).await,
            Owner::OperationPolicy => policy::reconcile::<OperationPolicy>(world, &name).await,
            Owner::Standards => standard(work, &name).await,
            Owner::ExecGuard => routing::reconcile(world).await,
        },
        Key::Routing => routing::reconcile(world).await,
        Key::System => system::reconcile(world, &work.builtin).await,
        Key::Reports => report::reconcile(world).await,
    }
}

async fn template(work: &Work, kind: &str) -> Result<Next, Error> {
    let Some(template) = gatewright_rules::catalogue().iter().find(|template| template.kind == kind) else {
        return Ok(Next::Change);
    };
    let snapshot = TemplateSnapshot::observe(&work.world, template);
    let plan = judge::template::decide(&snapshot, &work.builtin);
    Writer::new(&work.world).carry_out(plan).await
}

async fn standard(work: &Work, name: &str) -> Result<Next, Error> {
    let snapshot = StandardSnapshot::observe(&work.world, name);
    let plan = judge::standard::decide(&snapshot, &work.builtin);
    Writer::new(&work.world).carry_out(plan).await
}
