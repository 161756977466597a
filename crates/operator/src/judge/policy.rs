//! One policy and its constraint: validate, compile, compare; or sweep what a policy left behind.

use std::sync::Arc;

use gatewright_api::{ConditionType, Guarded, PolicyKind, PolicyStatus, Reason, Unreadable, names};
use gatewright_compiler::{Compile, Compiled, NamedKind, Settings, compile, policy_owner};
use gatewright_gatekeeper::{Constraint, Route};

use crate::judge::builtin::Builtin;
use crate::judge::conditions::{Judgement, find};
use crate::judge::draft::{Draft, Facts, Outcome, last_hash};
use crate::judge::enforcement::{OURS, enforced, rejected};
use crate::judge::object::{Stage, bring, remove};
use crate::judge::ownership::{owned, owners};
use crate::judge::plan::{Action, LOOK_AGAIN, Plan, Status};
use crate::judge::skew::outdated;
use crate::watch::desired::Prepared;
use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::observe::PolicySnapshot;

/// Decides about the policy with its constraint, whether they exist or not.
pub(crate) fn decide<P: Compile>(snapshot: &PolicySnapshot<P>, builtin: &Builtin) -> Plan {
    let mut plan = Plan::default();
    let Some(policy) = &snapshot.policy else {
        sweep(snapshot, &mut plan);
        return plan;
    };
    let (valid, outcome) = match validate(policy, &snapshot.lacking, &builtin.settings) {
        Ok(Compiled {
            constraint: Some(constraint),
            signatures: _,
            routes,
            mut notes,
            waits_for_pods: _,
            named_kinds: _,
        }) => {
            let prepared = prepare(snapshot, policy, &constraint, builtin);
            if let Some(unknown) = unknown_kinds(&snapshot.unserved) {
                notes.push(unknown);
                plan.look_again(LOOK_AGAIN);
            }
            (compiles(&notes), apply(snapshot, &builtin.settings, &prepared, &routes, &mut plan))
        }
        Ok(Compiled { constraint: None, .. }) => (compiles(&[]), clear(snapshot, &mut plan)),
        Err(invalid) => (invalid, keep(snapshot, &builtin.settings, policy, &mut plan)),
    };
    plan.status = Status::Policy(Box::new(Draft {
        kind: P::KIND,
        policy: policy.metadata.clone(),
        previous: policy.status.clone(),
        id: snapshot.id.clone(),
        facts: facts(snapshot, policy, &outcome),
        valid,
        outcome,
    }));
    plan
}

/// Parses and compiles. What is wrong becomes the `Valid` condition. Where the served CRD lacks fields, a policy may be
/// weaker than its author wrote it.
fn validate<P: Compile>(
    policy: &Guarded<P>,
    lacking: &[String],
    settings: &Settings,
) -> Result<Compiled, Judgement> {
    if !lacking.is_empty() {
        return Err(Judgement::no(Reason::CrdOutdated, outdated(P::KIND.name(), lacking)));
    }
    let parsed = policy.parsed.as_ref().map_err(unreadable)?;
    compile(&**parsed, settings).map_err(|invalid| Judgement::no(Reason::Invalid, invalid.to_string()))
}

fn unreadable(error: &Unreadable) -> Judgement {
    let reason = match error {
        Unreadable::UnknownField(_) => Reason::Unsupported,
        Unreadable::Wrong(_) => Reason::Invalid,
    };
    Judgement::no(reason, error.to_string())
}

/// The kinds that the API server does not serve, as a sentence.
fn unknown_kinds(unserved: &[NamedKind]) -> Option<String> {
    let named: Vec<_> = unserved.iter().map(|named| format!("{named} ({})", named.field)).collect();
    let sentence = || {
        format!(
            "the API server does not serve {}: check the spelling, or install the CRD; no object of such a kind can be \
             judged",
            named.join(", ")
        )
    };
    (!named.is_empty()).then(sentence)
}

/// With what the policy cannot do, if there is such a thing.
fn compiles(notes: &[String]) -> Judgement {
    let all: Vec<_> =
        std::iter::once("the policy compiles").chain(notes.iter().map(String::as_str)).collect();
    Judgement::yes(Reason::Compiled, all.join("; "))
}

fn prepare<P: Compile>(
    snapshot: &PolicySnapshot<P>,
    policy: &Guarded<P>,
    constraint: &Constraint,
    builtin: &Builtin,
) -> Arc<Prepared> {
    let prepared = Prepared::new(snapshot.id.kind, &constraint.metadata, constraint);
    let owners = owners(
        P::TEMPLATE.owner(),
        builtin.settings.on_uninstall,
        snapshot.release.as_ref(),
        &prepared.owners,
    );
    owned(&Arc::new(prepared.made_from(policy.metadata.generation)), owners)
}

/// Makes the constraint as it should be.
fn apply<P: Compile>(
    snapshot: &PolicySnapshot<P>,
    settings: &Settings,
    prepared: &Arc<Prepared>,
    routes: &[Route],
    plan: &mut Plan,
) -> Outcome {
    let generation = prepared.generation.unwrap_or_default();
    let not_applied = |why| Outcome::NotApplied { why, generation, desired: 1 };
    let template = match ready_template(snapshot) {
        Ok(template) => template,
        Err(why) => return not_applied(why),
    };
    match bring(prepared, &snapshot.constraint, plan) {
        Stage::Applied(applied) => {
            let enforced = enforced(&snapshot.gatekeeper, settings, template, &applied, routes);
            settled(snapshot, Outcome::Applied { applied, hash: prepared.hash(), generation, enforced }, plan)
        }
        Stage::Writing => Outcome::Unsaid,
        Stage::Blocked(obstacle) => not_applied(Judgement::failed(&obstacle.error(&snapshot.id))),
    }
}

/// Processes get a moment to take in what was written before they are named for it.
fn settled<P>(snapshot: &PolicySnapshot<P>, outcome: Outcome, plan: &mut Plan) -> Outcome {
    match (&outcome, snapshot.constraint.settling) {
        (Outcome::Applied { enforced, .. }, Some(rest)) if enforced.reason == Reason::NotEnforcedBy => {
            plan.look_again(rest);
            Outcome::Unsaid
        }
        _ => outcome,
    }
}

/// Our template, if constraints of it can be written.
///
/// # Errors
/// Why they cannot.
fn ready_template<P: Compile>(snapshot: &PolicySnapshot<P>) -> Result<&Live, Judgement> {
    // The kind may be served by a template that is not ours, whose constraints would mean something else.
    let template = snapshot.template.as_ref().filter(|template| template.ours && snapshot.constraints_served);
    let Some(template) = template else { return Err(waiting(snapshot)) };
    // What is remembered of policies that are no longer served may be gone: what is there stays, but nothing is made
    // that the garbage collector would remove again.
    if !snapshot.policies_served && snapshot.constraint.live.is_none() {
        let message = format!("the API server does not serve {}, or not to the operator", P::KIND);
        return Err(Judgement::no(Reason::NotServed, message));
    }
    Ok(template)
}

/// Why the constraint cannot be applied yet.
fn waiting<P: Compile>(snapshot: &PolicySnapshot<P>) -> Judgement {
    let (kind, name) = (P::TEMPLATE.kind(), P::TEMPLATE.name());
    let wait = |message: String| Judgement::no(Reason::WaitingForGatekeeper, message);
    if !snapshot.templates_served {
        return wait("the API server serves no ConstraintTemplates: install Gatekeeper".to_owned());
    }
    let Some(template) = &snapshot.template else {
        return wait(format!(
            "the ConstraintTemplate {name} is not there yet; if this lasts, the operator's log says why"
        ));
    };
    if let Some(obstacle) = template.obstacle() {
        return Judgement::failed(&obstacle.error(&Id::new(Kind::Template, name)));
    }
    let everyone = template.reports.iter().map(|report| report.id.clone()).collect();
    match template.subject().rejection(&everyone) {
        Some(error) => rejected(&error, OURS),
        None => wait(format!(
            "Gatekeeper has not made the kind {kind} from our template; a process with the operation generate does that"
        )),
    }
}

/// A policy that demands nothing has no constraint.
fn clear<P>(snapshot: &PolicySnapshot<P>, plan: &mut Plan) -> Outcome {
    if snapshot.constraints_served {
        remove(&snapshot.id, &snapshot.constraint, plan);
    }
    if *plan == Plan::default() { Outcome::Nothing } else { Outcome::Unsaid }
}

/// An invalid policy generates nothing new: what its last valid generation made is kept as it was.
fn keep<P: Compile>(
    snapshot: &PolicySnapshot<P>,
    settings: &Settings,
    policy: &Guarded<P>,
    plan: &mut Plan,
) -> Outcome {
    match last_good::<P>(&snapshot.constraint, &snapshot.id, policy) {
        // Which requests that generation was about is not known any more.
        LastGood::Known(prepared) => {
            let own: Vec<_> = policy_owner(policy).into_iter().collect();
            let owners = owners(P::TEMPLATE.owner(), settings.on_uninstall, snapshot.release.as_ref(), &own);
            apply(snapshot, settings, &owned(&prepared, owners), &[], plan)
        }
        LastGood::Drifted => drifted(snapshot, policy),
        LastGood::None => Outcome::NotApplied {
            why: Judgement::no(
                Reason::NotApplied,
                "nothing is applied: the policy is not valid; fix what the condition Valid names",
            ),
            generation: policy.metadata.generation.unwrap_or_default(),
            desired: 0,
        },
    }
}

/// The constraint of an invalid policy's last valid generation.
enum LastGood {
    /// It is remembered, or there and proven by its digest.
    Known(Arc<Prepared>),
    /// It is not what was last applied, and nobody knows any more what that was.
    Drifted,
    /// There is none.
    None,
}

fn last_good<P: Compile>(constraint: &Observed, id: &Id, policy: &Guarded<P>) -> LastGood {
    let uid = policy.metadata.uid.as_ref();
    let of_policy = |prepared: &&Arc<Prepared>| prepared.labels.get(names::OWNER_LABEL) == uid;
    if let Some(remembered) = constraint.last_applied.as_ref().filter(of_policy) {
        return LastGood::Known(Arc::clone(remembered));
    }
    let status = policy.status.as_ref();
    let ours = constraint.live.as_ref().filter(|live| live.ours);
    let Some(hash) = last_hash(status) else {
        return if ours.is_some_and(|live| is_of(live, P::KIND, uid)) {
            LastGood::Drifted
        } else {
            LastGood::None
        };
    };
    let labels = [names::OWNER_LABEL, P::KIND.label()];
    let restored = ours.and_then(|live| Prepared::restored(id.clone(), live, &labels, hash));
    restored.map_or(LastGood::Drifted, |restored| {
        LastGood::Known(Arc::new(restored.made_from(applied_generation(status))))
    })
}

/// Whether a constraint was made from the policy with this uid: its owner says so, or the label where the release owns it.
fn is_of(live: &Live, kind: PolicyKind, uid: Option<&String>) -> bool {
    match live.owners.iter().find(|owner| owner.kind == kind.name()) {
        Some(owner) => Some(&owner.uid) == uid,
        None => live.labels.get(names::OWNER_LABEL) == uid,
    }
}

/// The generation that the condition `Applied` speaks of.
fn applied_generation(status: Option<&PolicyStatus>) -> Option<i64> {
    find(status, ConditionType::Applied).and_then(|condition| condition.observed_generation)
}

fn drifted<P: Compile>(snapshot: &PolicySnapshot<P>, policy: &Guarded<P>) -> Outcome {
    let generation = applied_generation(policy.status.as_ref()).or(policy.metadata.generation);
    let not_applied =
        |why| Outcome::NotApplied { why, generation: generation.unwrap_or_default(), desired: 1 };
    if !snapshot.constraints_served {
        return not_applied(waiting(snapshot));
    }
    let what = match &snapshot.constraint.live {
        Some(_) => {
            "is not what the last valid generation of the policy left: it was changed while no operator ran"
        }
        None => "of the last valid generation of the policy was deleted while no operator ran",
    };
    let message = format!(
        "the constraint {what}; fix what the condition Valid names, and it is made anew from the policy"
    );
    not_applied(Judgement::no(Reason::Drifted, message))
}

/// Deletes the constraint of a policy that is gone, also if it went while nobody looked.
fn sweep<P: Compile>(snapshot: &PolicySnapshot<P>, plan: &mut Plan) {
    let PolicySnapshot { id, constraint, .. } = snapshot;
    let Some(live) = &constraint.live else {
        plan.actions.push(Action::Forget(id.clone()));
        return;
    };
    if let Some(lag) = constraint.lag {
        plan.look_again(lag);
    } else if live.obstacle().is_none() && snapshot.policies_served && snapshot.constraints_served {
        plan.actions.push(Action::Sweep { policy: P::KIND, id: id.clone(), live: Arc::clone(live) });
    }
}

/// What is said of the policy beside its conditions, from the constraint that is in the API and stays there.
fn facts<P: Compile>(snapshot: &PolicySnapshot<P>, policy: &Guarded<P>, outcome: &Outcome) -> Facts {
    let spec = policy.parsed.as_ref().ok().map(|policy| policy.spec_json());
    let live = match outcome {
        Outcome::Applied { applied, .. } => Some(applied.live()),
        Outcome::NotApplied { .. } => snapshot.constraint.live.as_ref().filter(|live| live.ours),
        Outcome::Unsaid | Outcome::Nothing => None,
    };
    let Some(live) = live else { return Facts { spec, ..Facts::default() } };
    let unknown_kinds = unknown_kinds(&snapshot.unserved);
    Facts { namespaces: snapshot.namespaces, audit: live.audit.clone().zip(live.action), spec, unknown_kinds }
}

#[cfg(test)]
pub(crate) mod tests;
