//! The status of a policy, from what became of it.

use std::sync::Arc;

use gatewright_api::{
    ConditionType, ConstraintCounts, DeckhouseStatus, PolicyKind, PolicyStatus, Reason, Violations,
};
use gatewright_gatekeeper::{Action, Audit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::Value;

use crate::Error;
use crate::judge::conditions::{Judgement, find};
use crate::judge::summary;
use crate::watch::desired::Applied;
use crate::watch::kind::Id;

/// What is to be said of a generation of a policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    pub(crate) kind: PolicyKind,
    /// Name, uid, version and generation of the policy as it was seen.
    pub(crate) policy: ObjectMeta,
    /// The status that it had.
    pub(crate) previous: Option<PolicyStatus>,
    /// Its constraint.
    pub(crate) id: Id,
    pub(crate) valid: Judgement,
    pub(crate) outcome: Outcome,
    pub(crate) facts: Facts,
}

/// What became of the constraint.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// That is not known yet: it is being written, or Gatekeeper has had no time to take it in.
    Unsaid,
    /// It is in the API as it should be.
    Applied {
        applied: Applied,
        /// A digest of it.
        hash: String,
        /// The generation of the policy that it was made from: an older one while the policy is invalid.
        generation: i64,
        /// Whether it is enforced.
        enforced: Judgement,
    },
    /// It is not.
    NotApplied {
        /// Why.
        why: Judgement,
        /// The generation that this is said of.
        generation: i64,
        /// How many constraints the policy wants.
        desired: i32,
    },
    /// The policy wants none.
    Nothing,
}

/// What is said of a policy beside its conditions.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Facts {
    /// How many namespaces its constraint reaches; none without a constraint, or while namespaces are not known.
    pub(crate) namespaces: Option<i32>,
    /// What audit found, and what the policy does about it.
    pub(crate) audit: Option<(Arc<Audit>, Action)>,
    /// The spec, where it parses.
    pub(crate) spec: Option<Value>,
    /// Which kinds that the policy names are not served, as a sentence.
    pub(crate) unknown_kinds: Option<String>,
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

/// The part of a status that speaks of the constraint.
struct Said {
    applied: Judgement,
    enforced: Judgement,
    generation: i64,
    desired: i32,
    hash: Option<String>,
}

impl Draft {
    /// The constraint could not be written, or not be deleted.
    pub(crate) fn failed(&mut self, error: &Error) {
        if self.outcome == Outcome::Unsaid {
            self.outcome = Outcome::NotApplied {
                why: Judgement::failed(error),
                generation: self.generation(),
                desired: 1,
            };
        }
    }

    /// The status to write; none while there is nothing to say. A transition time changes only with its condition's
    /// status.
    pub(crate) fn status(&self, now: &Time) -> Option<PolicyStatus> {
        let said = self.said()?;
        let previous = self.previous.as_ref();
        let ready = self.ready(&said);
        let conditions = [
            (ConditionType::Valid, &self.valid, self.generation()),
            (ConditionType::Applied, &said.applied, said.generation),
            (ConditionType::Enforced, &said.enforced, said.generation),
            (ConditionType::Ready, &ready, self.generation()),
        ];
        let conditions = conditions.into_iter().map(|(r#type, judgement, generation)| {
            judgement.condition(r#type.as_str(), Some(generation), find(previous, r#type), now)
        });
        let holds = |judgement: &Judgement| if judgement.holds { said.desired } else { 0 };
        Some(PolicyStatus {
            observed_generation: Some(self.generation()),
            conditions: conditions.collect(),
            constraints: Some(ConstraintCounts {
                desired: said.desired,
                applied: holds(&said.applied),
                enforced: holds(&said.enforced),
                hash: said.hash,
                signatures_hash: None,
            }),
            namespaces: self.facts.namespaces,
            violations: self.facts.violations(previous),
            deckhouse: self.facts.deckhouse(self.valid.holds && said.applied.holds, previous, now),
        })
    }

    fn generation(&self) -> i64 {
        self.policy.generation.unwrap_or_default()
    }

    fn said(&self) -> Option<Said> {
        match &self.outcome {
            Outcome::Unsaid => None,
            Outcome::Applied { applied: _, hash, generation, enforced } => Some(Said {
                applied: self.applied(),
                enforced: enforced.clone(),
                generation: *generation,
                desired: 1,
                hash: Some(hash.clone()),
            }),
            Outcome::NotApplied { why, generation, desired } => Some(Said {
                applied: why.clone(),
                enforced: why.clone(),
                generation: *generation,
                desired: *desired,
                hash: last_hash(self.previous.as_ref()).map(str::to_owned),
            }),
            Outcome::Nothing => {
                let nothing = Judgement::yes(
                    Reason::NothingToEnforce,
                    "the policy demands nothing that could be violated",
                );
                let (applied, enforced) = (nothing.clone(), nothing);
                Some(Said { applied, enforced, generation: self.generation(), desired: 0, hash: None })
            }
        }
    }

    fn applied(&self) -> Judgement {
        let message = if self.valid.holds {
            "the constraint is in the API as desired"
        } else {
            "the constraint of the last valid generation stays in place"
        };
        Judgement::yes(Reason::Applied, message)
    }

    /// All three, or the first that does not hold. A policy that reaches nobody, or names a kind that is not served, is
    /// ready, and says so.
    fn ready(&self, said: &Said) -> Judgement {
        let first =
            [&self.valid, &said.applied, &said.enforced].into_iter().find(|judgement| !judgement.holds);
        first.cloned().unwrap_or_else(|| {
            let message = &said.enforced.message;
            if let Some(unknown) = &self.facts.unknown_kinds {
                return Judgement::yes(Reason::UnknownKind, format!("{unknown}; {message}"));
            }
            match self.facts.namespaces {
                _ if self.outcome == Outcome::Nothing => Judgement::yes(Reason::NothingToEnforce, message),
                Some(0) => Judgement::yes(
                    Reason::NoNamespaces,
                    format!("the policy reaches no namespace that exists now; {message}"),
                ),
                _ => Judgement::yes(Reason::Ready, message),
            }
        })
    }
}

/// The digest of what was last applied.
pub(crate) fn last_hash(status: Option<&PolicyStatus>) -> Option<&str> {
    status?.constraints.as_ref()?.hash.as_deref()
}

#[cfg(test)]
pub(crate) mod tests;
