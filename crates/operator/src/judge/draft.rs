//! The status of a policy, from what became of it.

use std::sync::Arc;

use gatewright_api::{
    ConditionType, ConstraintCounts, DeckhouseStatus, PolicyKind, PolicyStatus, Reason, Violations,
};
use gatewright_gatekeeper::{Action, Audit};
use gatewright_rules::Template;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::Value;

use crate::Error;
use crate::judge::conditions::{Judgement, find};
use crate::judge::summary;
use crate::watch::desired::Applied;
use crate::watch::kind::{Id, Kind};

/// Constraints of image signatures.
const SIGNATURES: Kind = Kind::Constraint(Template::VerifyImageSignatures);

/// What is to be said of a generation of a policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    pub(crate) kind: PolicyKind,
    /// Name, uid, version and generation of the policy as it was seen.
    pub(crate) policy: ObjectMeta,
    /// The status that it had.
    pub(crate) previous: Option<PolicyStatus>,
    pub(crate) valid: Judgement,
    /// What became of the constraint of its rules.
    pub(crate) rules: Outcome,
    /// What became of the constraint of its image signatures.
    pub(crate) signatures: Outcome,
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
    /// What audit found for each constraint, and what the policy does about it.
    pub(crate) audits: Vec<(Arc<Audit>, Action)>,
    /// The spec, where it parses.
    pub(crate) spec: Option<Value>,
    /// Which kinds that the policy names are not served, as a sentence.
    pub(crate) unknown_kinds: Option<String>,
}

impl Facts {
    fn violations(&self, previous: Option<&PolicyStatus>) -> Option<Violations> {
        match &self.audits[..] {
            [] => None,
            [(audit, action)] => Some(summary::violations(audit, *action, previous)),
            [(_, action), ..] => {
                let all = Audit::merged(self.audits.iter().map(|(audit, _)| &**audit));
                Some(summary::violations(&all, *action, previous))
            }
        }
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

/// The part of a status that speaks of a constraint.
struct Said {
    applied: Judgement,
    enforced: Judgement,
    generation: i64,
    desired: i32,
}

/// The part of a status that speaks of all constraints.
struct Merged {
    said: Said,
    applied: i32,
    enforced: i32,
}

impl Said {
    fn merged(self, other: Option<Self>) -> Merged {
        let count = |said: &Self, judgement: &Judgement| if judgement.holds { said.desired } else { 0 };
        let counts = |said: &Self| (count(said, &said.applied), count(said, &said.enforced));
        let (applied, enforced) = counts(&self);
        let Some(other) = other else { return Merged { said: self, applied, enforced } };
        let (of_other_applied, of_other_enforced) = counts(&other);
        let said = Self {
            applied: self.applied.and(other.applied),
            enforced: self.enforced.and(other.enforced),
            generation: self.generation.min(other.generation),
            desired: self.desired + other.desired,
        };
        Merged { said, applied: applied + of_other_applied, enforced: enforced + of_other_enforced }
    }
}

impl Draft {
    /// A constraint could not be written, or not be deleted.
    pub(crate) fn failed(&mut self, id: &Id, error: &Error) {
        let (generation, of_signatures) = (self.generation(), id.kind == SIGNATURES);
        let outcome = if of_signatures { &mut self.signatures } else { &mut self.rules };
        if *outcome == Outcome::Unsaid {
            *outcome = Outcome::NotApplied { why: Judgement::failed(error), generation, desired: 1 };
        }
    }

    /// The status to write; none while there is nothing to say. A transition time changes only with its condition's
    /// status.
    pub(crate) fn status(&self, now: &Time) -> Option<PolicyStatus> {
        let Merged { said, applied, enforced } = self.said()?;
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
        Some(PolicyStatus {
            observed_generation: Some(self.generation()),
            conditions: conditions.collect(),
            constraints: Some(ConstraintCounts {
                desired: said.desired,
                applied,
                enforced,
                hash: self.rules.hash(last_hash(previous)),
                signatures_hash: self.signatures.hash(last_signatures_hash(previous)),
            }),
            namespaces: self.facts.namespaces,
            violations: self.facts.violations(previous),
            deckhouse: self.facts.deckhouse(self.valid.holds && said.applied.holds, previous, now),
        })
    }

    fn generation(&self) -> i64 {
        self.policy.generation.unwrap_or_default()
    }

    /// None while something of it is not known.
    fn said(&self) -> Option<Merged> {
        match [&self.rules, &self.signatures] {
            [Outcome::Unsaid, _] | [_, Outcome::Unsaid] => None,
            [only, Outcome::Nothing] | [Outcome::Nothing, only] => Some(self.said_of(only).merged(None)),
            [rules, signatures] => Some(self.said_of(rules).merged(Some(self.said_of(signatures)))),
        }
    }

    fn said_of(&self, outcome: &Outcome) -> Said {
        match outcome {
            Outcome::Applied { applied: _, hash: _, generation, enforced } => Said {
                applied: self.applied(),
                enforced: enforced.clone(),
                generation: *generation,
                desired: 1,
            },
            Outcome::NotApplied { why, generation, desired } => Said {
                applied: why.clone(),
                enforced: why.clone(),
                generation: *generation,
                desired: *desired,
            },
            Outcome::Nothing | Outcome::Unsaid => {
                let nothing = Judgement::yes(
                    Reason::NothingToEnforce,
                    "the policy demands nothing that could be violated",
                );
                let (applied, enforced) = (nothing.clone(), nothing);
                Said { applied, enforced, generation: self.generation(), desired: 0 }
            }
        }
    }

    fn wants_nothing(&self) -> bool {
        [&self.rules, &self.signatures].into_iter().all(|outcome| *outcome == Outcome::Nothing)
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
                _ if self.wants_nothing() => Judgement::yes(Reason::NothingToEnforce, message),
                Some(0) => Judgement::yes(
                    Reason::NoNamespaces,
                    format!("the policy reaches no namespace that exists now; {message}"),
                ),
                _ => Judgement::yes(Reason::Ready, message),
            }
        })
    }
}

impl Outcome {
    /// The digest of what was last applied, given the one before.
    fn hash(&self, before: Option<&str>) -> Option<String> {
        match self {
            Self::Applied { hash, .. } => Some(hash.clone()),
            Self::NotApplied { .. } => before.map(str::to_owned),
            Self::Nothing | Self::Unsaid => None,
        }
    }
}

/// The digest of the constraint of the rules that was last applied.
pub(crate) fn last_hash(status: Option<&PolicyStatus>) -> Option<&str> {
    status?.constraints.as_ref()?.hash.as_deref()
}

/// The digest of the constraint of image signatures that was last applied.
pub(crate) fn last_signatures_hash(status: Option<&PolicyStatus>) -> Option<&str> {
    status?.constraints.as_ref()?.signatures_hash.as_deref()
}

#[cfg(test)]
pub(crate) mod tests;
