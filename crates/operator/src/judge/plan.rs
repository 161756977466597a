//! What a decision gives: what to do, and what to say.

use std::sync::Arc;
use std::time::Duration;

use gatewright_api::{Notice, PolicyKind, SystemStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};

use crate::Error;
use crate::judge::draft::Draft;
use crate::watch::desired::{Prepared, Write};
use crate::watch::kind::{Id, Kind};
use crate::watch::live::Live;
use crate::watch::published::RoutingOutcome;

/// How soon to look again for a kind that is not served yet.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What is to be done and said.
///
/// The actions do not depend on each other: what needs another thing first is planned when that is seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    pub(crate) actions: Vec<Action>,
    pub(crate) status: Status,
    pub(crate) next: Next,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, strum::EnumDiscriminants)]
#[strum_discriminants(name(ActionKind), derive(strum::VariantArray, PartialOrd, Ord, Hash))]
pub(crate) enum Action {
    /// Make an object as it should be.
    Apply {
        prepared: Arc<Prepared>,
        write: Write,
        /// Whether that undoes what somebody else did.
        repair: bool,
    },
    /// Remember an object that was found as it should be.
    Remember(Arc<Prepared>),
    /// Delete an object of ours.
    Delete { id: Id, live: Arc<Live> },
    /// Delete the constraint of a policy that is gone, if the API server says so, too: caches do not move together.
    Sweep { policy: PolicyKind, id: Id, live: Arc<Live> },
    /// Forget an object that is gone with what it was made from.
    Forget(Id),
}

/// What is to be said. It is a draft: that something is applied can be said only of what is
/// [`Applied`](crate::watch::desired::Applied), and an action that fails changes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Status {
    /// Nothing.
    #[default]
    Nothing,
    /// The status of a policy.
    Policy(Box<Draft>),
    /// What became of the exec guard and of the routing.
    Routing(Box<RoutingOutcome>),
    /// The state of the system.
    System(Box<SystemDraft>),
    /// Warnings that stand in namespaces.
    Warnings(Vec<Warning>),
}

/// What is to be said of the system.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SystemDraft {
    /// Name, uid and version of the object; none if it is to be made first.
    pub(crate) seen: Option<ObjectMeta>,
    /// The status to write; none if it is there already.
    pub(crate) status: Option<Box<SystemStatus>>,
    /// The condition `Ready`, if it has turned.
    pub(crate) turned: Option<Condition>,
    /// What has come about since the status was last written.
    pub(crate) events: Vec<Notice>,
    /// What this process has not logged yet.
    pub(crate) log: Vec<Notice>,
}

/// A warning that stands in a namespace, for those who may look nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Warning {
    pub(crate) namespace: String,
    pub(crate) reason: &'static str,
    pub(crate) note: String,
}

/// What a reconciliation leaves to be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing, until something changes.
    #[default]
    Change,
    /// The same again after a while.
    After(Duration),
}

impl Plan {
    /// Looks again after a while, or earlier if somebody else wants that.
    pub(crate) fn look_again(&mut self, pause: Duration) {
        self.next = self.next.or(Next::After(pause));
    }
}

impl Next {
    /// Whichever comes first.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Change, next) | (next, Self::Change) => next,
            (Self::After(one), Self::After(other)) => Self::After(one.min(other)),
        }
    }
}

impl Action {
    /// What it is about.
    pub(crate) fn id(&self) -> &Id {
        match self {
            Self::Apply { prepared, .. } | Self::Remember(prepared) => &prepared.id,
            Self::Delete { id, .. } | Self::Sweep { id, .. } | Self::Forget(id) => id,
        }
    }
}

impl Status {
    /// An action failed.
    pub(crate) fn failed(&mut self, id: &Id, error: &Error) {
        match self {
            Self::Nothing | Self::System(_) | Self::Warnings(_) => {}
            Self::Policy(draft) => draft.failed(id, error),
            Self::Routing(outcome) => {
                let problem = match id.kind {
                    Kind::Webhooks => &mut outcome.routing_problem,
                    _ => &mut outcome.guard_problem,
                };
                problem.get_or_insert_with(|| error.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Next, Plan};
    use std::time::Duration;

    const SOON: Next = Next::After(Duration::from_secs(1));
    const LATE: Next = Next::After(Duration::from_secs(2));

    #[test]
    fn what_comes_first_is_what_is_done_next() {
        for (one, other, expected) in [
            (Next::Change, Next::Change, Next::Change),
            (SOON, Next::Change, SOON),
            (Next::Change, SOON, SOON),
            (SOON, LATE, SOON),
            (LATE, SOON, SOON),
        ] {
            assert_eq!(one.or(other), expected, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_plan_looks_again_when_the_first_reason_says_so() {
        let mut plan = Plan::default();
        plan.look_again(Duration::from_secs(2));
        assert_eq!(plan.next, LATE);
        plan.look_again(Duration::from_secs(1));
        plan.look_again(Duration::from_secs(2));
        assert_eq!(plan.next, SOON);
    }
}
