//! The status of a policy, from what became of it. Pure.

use std::sync::Arc;

use gatewright_api::{ConditionType, ConstraintCounts, DeckhouseStatus, PolicyStatus, Reason, Violations};
use gatewright_gatekeeper::{Action, Audit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::Value;

use crate::{Error, summary};

/// The status, reason and message of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) holds: bool,
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Judgement {
    pub(crate) fn yes(reason: Reason, message: impl Into<String>) -> Self {
        Self { holds: true, reason, message: message.into() }
    }

    pub(crate) fn no(reason: Reason, message: impl Into<String>) -> Self {
        Self { holds: false, reason, message: message.into() }
    }

    /// Something could not be written.
    pub(crate) fn failed(error: &Error) -> Self {
        let reason = match error {
            Error::Conflict { .. } => Reason::Conflict,
            Error::BeingDeleted { .. } => Reason::BeingDeleted,
            _ => Reason::ApplyFailed,
        };
        Self::no(reason, error.to_string())
    }

    /// The condition of this type. Its transition time changes only with its status.
    pub(crate) fn condition(
        &self,
        r#type: &str,
        generation: Option<i64>,
        previous: Option<&Condition>,
        now: &Time,
    ) -> Condition {
        let status = if self.holds { "True" } else { "False" };
        let same = previous.filter(|condition| condition.status == status);
        Condition {
            type_: r#type.to_owned(),
            status: status.to_owned(),
            reason: self.reason.as_str().to_owned(),
            message: self.message.clone(),
            observed_generation: generation,
            last_transition_time: same.map_or_else(|| now.clone(), |it| it.last_transition_time.clone()),
        }
    }
}

/// What became of a generation of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    /// The generation of the policy.
    pub(crate) generation: i64,
    /// The generation that `applied` and `enforced` speak of: an older one while the policy is invalid.
    pub(crate) applied_generation: i64,
    pub(crate) valid: Judgement,
    pub(crate) applied: Judgement,
    pub(crate) enforced: Judgement,
    /// How many constraints the policy wants.
    pub(crate) desired: i32,
}

/// What is told of a policy beside its conditions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// How many namespaces its constraint reaches; none without a constraint, or while namespaces are not known.
    pub(crate) namespaces: Option<i32>,
    /// What audit found, and what the policy does about it.
    pub(crate) audit: Option<(Arc<Audit>, Action)>,
    /// The spec, where it parses.
    pub(crate) spec: Option<Value>,
}

impl Facts {
    fn violations(&self, previous: Option<&PolicyStatus>) -> Option<Violations> {
        let (audit, action) = self.audit.as_ref()?;
        Some(summary::violations(audit, *action, previous))
    }

    /// What does not parse is not synced with what was seen last.
    fn deckhouse(
        &self,
        synced: bool,
        previous: Option<&PolicyStatus>,
        now: &Time,
    ) -> Option<DeckhouseStatus> {
        let Some(spec) = &self.spec else {
            let before = previous.and_then(|status| status.deckhouse.clone());
            return before.map(|before| DeckhouseStatus { synced: "False".to_owned(), ..before });
        };
        Some(summary::deckhouse(spec, synced, previous, &now.0.to_string()))
    }
}

impl Report {
    /// The status to write, given the one that is there. A transition time changes only with its condition's status.
    pub(crate) fn status(&self, facts: &Facts, previous: Option<&PolicyStatus>, now: &Time) -> PolicyStatus {
        let ready = self.ready(facts);
        let conditions = [
            (ConditionType::Valid, &self.valid, self.generation),
            (ConditionType::Applied, &self.applied, self.applied_generation),
            (ConditionType::Enforced, &self.enforced, self.applied_generation),
            (ConditionType::Ready, &ready, self.generation),
        ];
        let holds = |judgement: &Judgement| if judgement.holds { self.desired } else { 0 };
        PolicyStatus {
            observed_generation: Some(self.generation),
            conditions: conditions
                .into_iter()
                .map(|(r#type, judgement, generation)| {
                    judgement.condition(r#type.as_str(), Some(generation), find(previous, r#type), now)
                })
                .collect(),
            constraints: Some(ConstraintCounts {
                desired: self.desired,
                applied: holds(&self.applied),
                enforced: holds(&self.enforced),
            }),
            namespaces: facts.namespaces,
            violations: facts.violations(previous),
            deckhouse: facts.deckhouse(self.valid.holds && self.applied.holds, previous, now),
        }
    }

    /// All three, or the first that does not hold. A policy that reaches nobody is ready, and says so.
    fn ready(&self, facts: &Facts) -> Judgement {
        let first =
            [&self.valid, &self.applied, &self.enforced].into_iter().find(|judgement| !judgement.holds);
        first.cloned().unwrap_or_else(|| {
            let nothing = self.applied.reason == Reason::NothingToEnforce;
            let message = &self.enforced.message;
            match facts.namespaces {
                _ if nothing => Judgement::yes(Reason::NothingToEnforce, message),
                Some(0) => Judgement::yes(
                    Reason::NoNamespaces,
                    format!("the policy reaches no namespace that exists now; {message}"),
                ),
                _ => Judgement::yes(Reason::Ready, message),
            }
        })
    }
}

/// A condition of a status.
pub(crate) fn find(status: Option<&PolicyStatus>, r#type: ConditionType) -> Option<&Condition> {
    status?.conditions.iter().find(|condition| condition.type_ == r#type.as_str())
}

#[cfg(test)]
mod tests {
    use super::{Facts, Judgement, Report, find};
    use gatewright_api::{ConditionType, Reason};
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    fn at(second: i64) -> Time {
        Time(Timestamp::from_second(second).unwrap())
    }

    fn report(enforced: Judgement) -> Report {
        Report {
            generation: 3,
            applied_generation: 3,
            valid: Judgement::yes(Reason::Compiled, "v"),
            applied: Judgement::yes(Reason::Applied, "a"),
            enforced,
            desired: 1,
        }
    }

    #[test]
    fn ready_is_all_three_and_says_what_is_missing() {
        let ready = report(Judgement::yes(Reason::Enforced, "by a")).status(&Facts::default(), None, &at(1));
        let condition = find(Some(&ready), ConditionType::Ready).unwrap();
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "Ready"));
        let waiting =
            report(Judgement::no(Reason::NotEnforcedBy, "b has not")).status(&Facts::default(), None, &at(1));
        let condition = find(Some(&waiting), ConditionType::Ready).unwrap();
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("False", "NotEnforcedBy"));
        assert_eq!(condition.message, "b has not");
        assert_eq!(waiting.constraints.unwrap().enforced, 0);
    }

    #[test]
    fn a_policy_without_namespaces_is_ready_and_says_so() {
        let facts = Facts { namespaces: Some(0), ..Facts::default() };
        let status = report(Judgement::yes(Reason::Enforced, "by a")).status(&facts, None, &at(1));
        let condition = find(Some(&status), ConditionType::Ready).unwrap();
        assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "NoNamespaces"));
        assert_eq!(status.namespaces, Some(0));
    }

    #[test]
    fn time_moves_only_with_the_status() {
        let first = report(Judgement::no(Reason::NotEnforcedBy, "a")).status(&Facts::default(), None, &at(1));
        let second =
            report(Judgement::no(Reason::NotEnforcedBy, "b")).status(&Facts::default(), Some(&first), &at(2));
        assert_eq!(find(Some(&second), ConditionType::Enforced).unwrap().last_transition_time, at(1));
        let third =
            report(Judgement::yes(Reason::Enforced, "c")).status(&Facts::default(), Some(&second), &at(3));
        assert_eq!(find(Some(&third), ConditionType::Enforced).unwrap().last_transition_time, at(3));
        assert_eq!(find(Some(&third), ConditionType::Valid).unwrap().last_transition_time, at(1));
    }
}
