//! Carries out plans. Nothing else writes objects.

use std::sync::Arc;
use std::time::Duration;

use gatewright_api::{Policy, PolicyKind, with_policy_type};
use kube::Api;
use tracing::{info, warn};

use crate::Error;
use crate::act::apply;
use crate::act::publish::publish;
use crate::act::writer::Writer;
use crate::error::request;
use crate::judge::plan::{Action, Next, Plan};
use crate::watch::desired::{Prepared, Write};
use crate::watch::kind::{Id, Kind};
use crate::watch::live::Live;

/// How long a cache may lag before a deletion is looked at again.
const CACHE_LAG: Duration = Duration::from_millis(200);

impl Writer {
    /// Does everything that a plan wants, and says what it says. One action that fails keeps no other from being done.
    ///
    /// # Errors
    /// The first that is to be tried again. What stands in the way goes by itself, and is watched.
    pub(crate) async fn carry_out(&self, plan: Plan) -> Result<Next, Error> {
        let Plan { actions, mut status, mut next } = plan;
        let mut failed = None;
        for action in actions {
            let id = action.id().clone();
            match self.act(action).await {
                Ok(then) => next = next.or(then),
                Err(error) => {
                    // What changed in between is looked at again, and no matter of any status.
                    if !error.is_stale() {
                        status.failed(&id, &error);
                    }
                    failed = failed.or(Some(error).filter(|error| !error.is_obstacle()));
                }
            }
        }
        publish(self, status).await?;
        failed.map_or(Ok(next), Err)
    }

    async fn act(&self, action: Action) -> Result<Next, Error> {
        match action {
            Action::Apply { prepared, write, repair } => self.apply(prepared, write, repair).await?,
            Action::Remember(prepared) => self.world.last_applied.found(prepared),
            Action::Delete { id, live } => self.delete(&id, &live).await?,
            Action::Sweep { policy, id, live } => return self.sweep(policy, &id, &live).await,
            Action::Forget(id) => self.forget(&id),
        }
        Ok(Next::Change)
    }

    /// Makes an object as it should be, and says what was done: to whom, too, if it undid what somebody else did.
    async fn apply(&self, prepared: Arc<Prepared>, write: Write, repair: bool) -> Result<(), Error> {
        let applied = apply::apply(&self.world.client, &prepared, &write).await?;
        let before = match &write {
            Write::Create => None,
            Write::Update { live, .. } => Some(&**live),
        };
        if repair {
            self.repaired(&prepared, &write, &applied.live().uid);
        } else {
            written(&prepared.id, &write);
        }
        self.world.last_applied.wrote(prepared, before);
        Ok(())
    }

    fn repaired(&self, prepared: &Prepared, write: &Write, uid: &str) {
        let (kind, name) = (prepared.id.kind.as_str(), &prepared.id.name);
        let what = undone(write);
        warn!(kind, name, "repaired: {what}");
        self.metrics.repaired(kind);
        self.events.repaired(&prepared.object(), uid, &what);
    }

    async fn delete(&self, id: &Id, live: &Live) -> Result<(), Error> {
        apply::delete(&self.world.client, id, live).await?;
        self.world.last_applied.deleted(id, live);
        Ok(())
    }

    /// The caches of policies and of constraints do not move together: only the API server knows that there is no
    /// policy.
    async fn sweep(&self, policy: PolicyKind, id: &Id, live: &Live) -> Result<Next, Error> {
        if with_policy_type!(policy, P => self.exists::<P>(&id.name).await?) {
            return Ok(Next::After(CACHE_LAG));
        }
        self.delete(id, live).await.map(|()| Next::Change)
    }

    async fn exists<P: Policy>(&self, name: &str) -> Result<bool, Error> {
        let policies: Api<P> = Api::all(self.world.client.clone());
        let doing = format!("looking for {} {name}", P::KIND);
        match request(doing, policies.get_metadata(name)).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_absence_of(name) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn forget(&self, id: &Id) {
        self.world.last_applied.forget(id);
        if let Kind::Constraint(template) = id.kind {
            self.world.namespaces.forget(template, &id.name);
        }
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

#[cfg(test)]
mod tests;
