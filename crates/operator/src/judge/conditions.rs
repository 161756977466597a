//! Judgements, and the conditions that say them.

use gatewright_api::{ConditionType, PolicyStatus, Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::Error;

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

    /// Both, each of another object: what holds must hold of both.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self.holds, other.holds) {
            (false, true) => self,
            (true, false) => other,
            _ if self.message == other.message => self,
            _ => Self { message: format!("{}; {}", self.message, other.message), ..self },
        }
    }

    /// Something could not be written.
    pub(crate) fn failed(error: &Error) -> Self {
        let reason = match error {
            Error::Conflict { .. } | Error::Rendered { .. } => Reason::Conflict,
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

/// A condition of a status.
pub(crate) fn find(status: Option<&PolicyStatus>, r#type: ConditionType) -> Option<&Condition> {
    status?.conditions.iter().find(|condition| condition.type_ == r#type.as_str())
}

/// The condition `Ready`, if the policy has become ready, or is no longer, or for another reason.
pub(crate) fn turned<'a>(before: Option<&PolicyStatus>, now: &'a PolicyStatus) -> Option<&'a Condition> {
    let old = find(before, ConditionType::Ready).map(|condition| (&condition.status, &condition.reason));
    find(Some(now), ConditionType::Ready).filter(|ready| old != Some((&ready.status, &ready.reason)))
}

#[cfg(test)]
mod tests;
