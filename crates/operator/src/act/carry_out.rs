//! Carries out plans. Nothing else writes objects.

use std::sync::Arc;

use tracing::{info, warn};

use crate::Error;
use crate::act::{apply, reports, system};
use crate::judge::namespaces::Warning;
use crate::judge::plan::{Action, Next, Plan, Status};
use crate::judge::system::SystemDraft;
use crate::watch::desired::{Applied, Found, Prepared, Write};
use crate::watch::kind::Id;
use crate::watch::live::Live;
use crate::watch::published::ReportsOutcome;
use crate::watch::world::World;

/// Writes objects, and says what was written.
#[derive(Clone, Copy)]
pub(crate) struct Writer<'a> {
    world: &'a World,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(world: &'a World) -> Self {
        Self { world }
    }

    /// Does everything that a plan wants, and says what it says. One action that fails keeps no other from being done.
    ///
    /// # Errors
    /// The first that is to be tried again. What stands in the way goes by itself, and is watched.
    pub(crate) async fn carry_out(self, plan: Plan) -> Result<Next, Error> {
        let Plan { actions, mut status, next } = plan;
        let mut failed = None;
        for action in actions {
            let id = action.id().clone();
            if let Err(error) = self.act(action).await {
                status.failed(&id, &error);
                failed = failed.or(Some(error).filter(|error| !error.is_obstacle()));
            }
        }
        match status {
            Status::Nothing => {}
            Status::System(draft) => self.publish_system(*draft).await?,
            Status::Warnings(warnings) => self.warn(warnings),
        }
        failed.map_or(Ok(next), Err)
    }

    async fn publish_system(self, draft: SystemDraft) -> Result<(), Error> {
        let mut logged = self.world.logged.get().unwrap_or_default();
        logged.extend(draft.log.iter().cloned());
        self.world.logged.publish(logged);
        system::publish(&self.world.client, &self.world.events, draft).await
    }

    /// Says what has become of the reports, and lets the status of the system follow.
    pub(crate) fn publish_reports(self, before: Option<&ReportsOutcome>, now: ReportsOutcome) {
        reports::say(&self.world.events, before, &now);
        if self.world.reports.outcome.publish(now) {
            self.world.wake_system();
        }
    }

    fn warn(self, warnings: Vec<Warning>) {
        for Warning { namespace, reason, note } in warnings {
            warn!(namespace, reason, because = note, "a namespace has a label that somebody should look at");
            self.world.events.warn(&namespace, reason, &note);
        }
    }

    async fn act(self, action: Action) -> Result<(), Error> {
        match action {
            Action::Apply { prepared, write, repair } => self.apply(prepared, write, repair).await.map(drop),
            Action::Remember(prepared) => {
                self.world.last_applied.found(prepared);
                Ok(())
            }
            Action::Delete { id, live } => self.delete(&id, &live).await,
        }
    }

    /// Makes an object as it should be, and says what was done: to whom, too, if it undid what somebody else did.
    async fn apply(self, prepared: Arc<Prepared>, write: Write, repair: bool) -> Result<Applied, Error> {
        let applied = apply::apply(&self.world.client, &prepared, &write).await?;
        let before = match &write {
            Write::Create => None,
            Write::Update { live, .. } => Some(&**live),
        };
        let uid = &applied.live().uid;
        if repair {
            self.repaired(&prepared, &write, uid);
        } else {
            written(&prepared.id, &write);
        }
        self.world.last_applied.wrote(prepared, before);
        Ok(applied)
    }

    fn repaired(self, prepared: &Prepared, write: &Write, uid: &str) {
        let (kind, name) = (prepared.id.kind.as_str(), &prepared.id.name);
        let what = undone(write);
        warn!(kind, name, "repaired: {what}");
        self.world.metrics.repaired(kind);
        self.world.events.repaired(&prepared.object(), uid, &what);
    }

    /// For controllers that do not give plans yet.
    pub(crate) async fn ensure(self, prepared: Prepared, live: Option<Arc<Live>>) -> Result<Applied, Error> {
        let prepared = Arc::new(prepared);
        let seen = self.world.last_applied.observed(&prepared.id, live);
        let repair = seen.last_applied.as_ref() == Some(&prepared);
        match prepared.compare(seen.live.as_ref()) {
            Found::Applied(applied) => {
                self.world.last_applied.found(prepared);
                Ok(applied)
            }
            Found::Differs(write) => self.apply(prepared, write, repair).await,
            Found::Blocked(obstacle) => Err(obstacle.error(&prepared.id)),
        }
    }

    pub(crate) async fn delete(self, id: &Id, live: &Live) -> Result<(), Error> {
        apply::delete(&self.world.client, id, live).await?;
        self.world.last_applied.deleted(id, live);
        Ok(())
    }
}

fn written(id: &Id, write: &Write) {
    let (kind, name) = (id.kind.as_str(), &id.name);
    match write {
        Write::Create => info!(kind, name, "created"),
        Write::Update { difference, .. } => {
            info!(kind, name, fields = difference.fields.join(", "), "updated");
        }
    }
}

/// What somebody did, and what became of it.
fn undone(write: &Write) -> String {
    match write {
        Write::Create => "somebody deleted it; it is there again".to_owned(),
        Write::Update { live, difference } => {
            let editor = live.editor.as_deref().unwrap_or("somebody");
            format!("{editor} changed {}; it is as before", difference.fields.join(", "))
        }
    }
}
