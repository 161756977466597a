//! One policy and its constraints: validate, compile, compare; or sweep what a policy left behind.

use std::sync::Arc;

use gatewright_api::{ConditionType, Guarded, PolicyKind, PolicyStatus, Reason, Unreadable, names};
use gatewright_compiler::{
    Compile, Compiled, NamedKind, SIGNATURES_ENABLED, Settings, compile, policy_owner,
};
use gatewright_gatekeeper::{Constraint, Route};

use crate::judge::builtin::Builtin;
use crate::judge::conditions::{Judgement, find};
use crate::judge::draft::{Draft, Facts, Outcome, last_hash, last_signatures_hash};
use crate::judge::enforcement::{OURS, enforced, expected, rejected};
use crate::judge::object::{Stage, bring, remove};
use crate::judge::ownership::{owned, owners};
use crate::judge::plan::{Action, LOOK_AGAIN, Plan, Status};
use crate::judge::skew::outdated;
use crate::judge::verifier::obstacle;
use crate::watch::desired::Prepared;
use crate::watch::kind::{Id, Kind};
use crate::watch::live::Live;
use crate::watch::observe::{ConstraintSnapshot, PolicySnapshot};

/// Reasons that pass by themselves when everybody has taken in what was written.
const LAGS: [Reason; 2] = [Reason::NotEnforcedBy, Reason::VerifierBehind];

/// Decides about the policy with its constraints, whether they exist or not.
pub(crate) fn decide<P: Compile>(snapshot: &PolicySnapshot<P>, builtin: &Builtin) -> Plan {
    let mut plan = Plan::default();
    let Some(policy) = &snapshot.policy else {
        sweep(snapshot, &mut plan);
        return plan;
    };
    let (valid, rules, signatures) = match validate(policy, &snapshot.lacking, &builtin.settings) {
        Ok(compiled) => carried(snapshot, policy, compiled, builtin, &mut plan),
        Err(invalid) => {
            let (rules, signatures) = kept(snapshot, &builtin.settings, policy, &mut plan);
            (invalid, rules, signatures)
        }
    };
    plan.status = Status::Policy(Box::new(Draft {
        kind: P::KIND,
        policy: policy.metadata.clone(),
        previous: policy.status.clone(),
        facts: facts(snapshot, policy, &rules, &signatures),
        valid,
        rules,
        signatures,
    }));
    plan
}

/// Plans the constraints of a policy that compiles.
fn carried<P: Compile>(
    snapshot: &PolicySnapshot<P>,
    policy: &Guarded<P>,
    compiled: Compiled,
    builtin: &Builtin,
    plan: &mut Plan,
) -> (Judgement, Outcome, Outcome) {
    let Compiled { constraint, signatures, routes, mut notes, waits_for_pods: _, named_kinds: _ } = compiled;
    if let Some(unknown) = unknown_kinds(&snapshot.unserved).filter(|_| constraint.is_some()) {
        notes.push(unknown);
        plan.look_again(LOOK_AGAIN);
    }
    let mut made = |part: &ConstraintSnapshot, constraint: &Constraint, routes: &[Route]| {
        let prepared = prepare(snapshot, part, policy, constraint, builtin);
        apply(snapshot, part, &builtin.settings, &prepared, routes, plan)
    };
    let rules = constraint.map(|constraint| made(&snapshot.rules, &constraint, &routes));
    let enabled = builtin.settings.signatures.is_enabled();
    let of_signatures = signatures.as_ref().filter(|_| enabled).zip(snapshot.signatures.as_ref());
    let demanded = signatures.is_some();
    let signatures =
        of_signatures.map(|(made_from, part)| made(part, &made_from.constraint, &made_from.routes));
    let rules = rules.unwrap_or_else(|| clear(&snapshot.rules, plan));
    let signatures = signatures.unwrap_or_else(|| {
        let cleared = snapshot.signatures.as_ref().map_or(Outcome::Nothing, |part| clear(part, plan));
        if demanded { disabled(policy) } else { cleared }
    });
    (compiles(&notes), rules, signatures)
}

/// The settings switch off what the policy demands.
fn disabled<P>(policy: &Guarded<P>) -> Outcome {
    let message = format!(
        "image signatures are not verified: the setting {SIGNATURES_ENABLED} is false; the policy's other rules are \
         enforced"
    );
    Outcome::NotApplied {
        why: Judgement::no(Reason::VerifierDisabled, message),
        generation: policy.metadata.generation.unwrap_or_default(),
        desired: 1,
    }
}

/// Keeps the constraints of the last valid generation. Where the settings switch signatures off, theirs goes.
fn kept<P: Compile>(
    snapshot: &PolicySnapshot<P>,
    settings: &Settings,
    policy: &Guarded<P>,
    plan: &mut Plan,
) -> (Outcome, Outcome) {
    let status = policy.status.as_ref();
    let rules = keep(snapshot, &snapshot.rules, last_hash(status), settings, policy, plan);
    let signatures = match &snapshot.signatures {
        Some(part) if settings.signatures.is_enabled() => {
            keep(snapshot, part, last_signatures_hash(status), settings, policy, plan)
        }
        Some(part) => {
            clear(part, plan);
            None
        }
        None => None,
    };
    match (rules, signatures) {
        (None, None) => (never(policy), Outcome::Nothing),
        (rules, signatures) => (rules.unwrap_or(Outcome::Nothing), signatures.unwrap_or(Outcome::Nothing)),
    }
}

/// Nothing of the policy was ever applied.
fn never<P>(policy: &Guarded<P>) -> Outcome {
    Outcome::NotApplied {
        why: Judgement::no(
            Reason::NotApplied,
            "nothing is applied: the policy is not valid; fix what the condition Valid names",
        ),
        generation: policy.metadata.generation.unwrap_or_default(),
        desired: 0,
    }
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
    part: &ConstraintSnapshot,
    policy: &Guarded<P>,
    constraint: &Constraint,
    builtin: &Builtin,
) -> Arc<Prepared> {
    let prepared = Prepared::new(part.id.kind, &constraint.metadata, constraint);
    let owners =
        owners(part.of.owner(), builtin.settings.on_uninstall, snapshot.release.as_ref(), &prepared.owners);
    owned(&Arc::new(prepared.made_from(policy.metadata.generation)), owners)
}

/// Makes the constraint as it should be.
fn apply<P: Compile>(
    snapshot: &PolicySnapshot<P>,
    part: &ConstraintSnapshot,
    settings: &Settings,
    prepared: &Arc<Prepared>,
    routes: &[Route],
    plan: &mut Plan,
) -> Outcome {
    let generation = prepared.generation.unwrap_or_default();
    let not_applied = |why| Outcome::NotApplied { why, generation, desired: 1 };
    let template = match ready_template(snapshot, part) {
        Ok(template) => template,
        Err(why) => return not_applied(why),
    };
    match bring(prepared, &part.constraint, plan) {
        Stage::Applied(applied) => {
            let enforced = enforced(&snapshot.gatekeeper, settings, template, &applied, routes);
            let enforced = verified(snapshot, part, settings, template, applied.live(), enforced);
            settled(part, Outcome::Applied { applied, hash: prepared.hash(), generation, enforced }, plan)
        }
        Stage::Writing => Outcome::Unsaid,
        Stage::Blocked(obstacle) => not_applied(Judgement::failed(&obstacle.error(&part.id))),
    }
}

/// A constraint of signatures also needs the Provider, and verifiers that know its keys.
fn verified<P>(
    snapshot: &PolicySnapshot<P>,
    part: &ConstraintSnapshot,
    settings: &Settings,
    template: &Live,
    constraint: &Live,
    enforced: Judgement,
) -> Judgement {
    if !part.of.needs_verifier() || !enforced.holds {
        return enforced;
    }
    let expected = expected(&snapshot.gatekeeper, template, constraint).unwrap_or_default();
    let spec = constraint.spec.value();
    let revision = spec["parameters"]["revision"].as_str().unwrap_or_default();
    obstacle(&snapshot.verifier, settings, &expected, &part.id.name, revision).unwrap_or(enforced)
}

/// Processes get a moment to take in what was written before they are named for it.
fn settled(part: &ConstraintSnapshot, outcome: Outcome, plan: &mut Plan) -> Outcome {
    match (&outcome, part.constraint.settling) {
        (Outcome::Applied { enforced, .. }, Some(rest)) if LAGS.contains(&enforced.reason) => {
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
fn ready_template<'a, P: Compile>(
    snapshot: &PolicySnapshot<P>,
    part: &'a ConstraintSnapshot,
) -> Result<&'a Live, Judgement> {
    // The kind may be served by a template that is not ours, whose constraints would mean something else.
    let template = part.template.as_ref().filter(|template| template.ours && part.served);
    let Some(template) = template else { return Err(waiting(part, snapshot.templates_served)) };
    // What is remembered of policies that are no longer served may be gone: what is there stays, but nothing is made
    // that the garbage collector would remove again.
    if !snapshot.policies_served && part.constraint.live.is_none() {
        let message = format!("the API server does not serve {}, or not to the operator", P::KIND);
        return Err(Judgement::no(Reason::NotServed, message));
    }
    Ok(template)
}

/// Why the constraint cannot be applied yet.
fn waiting(part: &ConstraintSnapshot, templates_served: bool) -> Judgement {
    let (kind, name) = (part.of.kind(), part.of.name());
    let wait = |message: String| Judgement::no(Reason::WaitingForGatekeeper, message);
    if !templates_served {
        return wait("the API server serves no ConstraintTemplates: install Gatekeeper".to_owned());
    }
    let Some(template) = &part.template else {
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
fn clear(part: &ConstraintSnapshot, plan: &mut Plan) -> Outcome {
    let before = (plan.actions.len(), plan.next);
    if part.served {
        remove(&part.id, &part.constraint, plan);
    }
    if before == (plan.actions.len(), plan.next) { Outcome::Nothing } else { Outcome::Unsaid }
}

/// An invalid policy generates nothing new: what its last valid generation made is kept as it was. None if that made
/// nothing.
fn keep<P: Compile>(
    snapshot: &PolicySnapshot<P>,
    part: &ConstraintSnapshot,
    last_hash: Option<&str>,
    settings: &Settings,
    policy: &Guarded<P>,
    plan: &mut Plan,
) -> Option<Outcome> {
    match last_good::<P>(part, policy, last_hash) {
        // Which requests that generation was about is not known any more.
        LastGood::Known(prepared) => {
            let own: Vec<_> = policy_owner(policy).into_iter().collect();
            let owners = owners(part.of.owner(), settings.on_uninstall, snapshot.release.as_ref(), &own);
            Some(apply(snapshot, part, settings, &owned(&prepared, owners), &[], plan))
        }
        LastGood::Drifted => Some(drifted(part, snapshot.templates_served, policy)),
        LastGood::None => None,
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

fn last_good<P: Compile>(part: &ConstraintSnapshot, policy: &Guarded<P>, hash: Option<&str>) -> LastGood {
    let uid = policy.metadata.uid.as_ref();
    let of_policy = |prepared: &&Arc<Prepared>| prepared.labels.get(names::OWNER_LABEL) == uid;
    if let Some(remembered) = part.constraint.last_applied.as_ref().filter(of_policy) {
        return LastGood::Known(Arc::clone(remembered));
    }
    let status = policy.status.as_ref();
    let ours = part.constraint.live.as_ref().filter(|live| live.ours);
    let Some(hash) = hash else {
        return if ours.is_some_and(|live| is_of(live, P::KIND, uid)) {
            LastGood::Drifted
        } else {
            LastGood::None
        };
    };
    let labels = [names::OWNER_LABEL, P::KIND.label()];
    let restored = ours.and_then(|live| Prepared::restored(part.id.clone(), live, &labels, hash));
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

fn drifted<P>(part: &ConstraintSnapshot, templates_served: bool, policy: &Guarded<P>) -> Outcome {
    let generation = applied_generation(policy.status.as_ref()).or(policy.metadata.generation);
    let not_applied =
        |why| Outcome::NotApplied { why, generation: generation.unwrap_or_default(), desired: 1 };
    if !part.served {
        return not_applied(waiting(part, templates_served));
    }
    let what = match &part.constraint.live {
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

/// Deletes the constraints of a policy that is gone, also if it went while nobody looked.
fn sweep<P: Compile>(snapshot: &PolicySnapshot<P>, plan: &mut Plan) {
    for part in [&snapshot.rules].into_iter().chain(&snapshot.signatures) {
        let ConstraintSnapshot { id, constraint, served, .. } = part;
        let Some(live) = &constraint.live else {
            plan.actions.push(Action::Forget(id.clone()));
            continue;
        };
        if let Some(lag) = constraint.lag {
            plan.look_again(lag);
        } else if live.obstacle().is_none() && snapshot.policies_served && *served {
            plan.actions.push(Action::Sweep { policy: P::KIND, id: id.clone(), live: Arc::clone(live) });
        }
    }
}

/// What is said of the policy beside its conditions, from the constraints that are in the API and stay there.
fn facts<P: Compile>(
    snapshot: &PolicySnapshot<P>,
    policy: &Guarded<P>,
    rules: &Outcome,
    signatures: &Outcome,
) -> Facts {
    let spec = policy.parsed.as_ref().ok().map(|policy| policy.spec_json());
    let parts = [(Some(&snapshot.rules), rules), (snapshot.signatures.as_ref(), signatures)];
    let staying: Vec<_> = parts.into_iter().filter_map(|(part, outcome)| staying(part?, outcome)).collect();
    if staying.is_empty() {
        return Facts { spec, ..Facts::default() };
    }
    let audits = staying.iter().filter_map(|live| live.audit.clone().zip(live.action)).collect();
    let unknown_kinds = unknown_kinds(&snapshot.unserved);
    Facts { namespaces: snapshot.namespaces, audits, spec, unknown_kinds }
}

/// The constraint, if it is in the API and stays there.
fn staying<'a>(part: &'a ConstraintSnapshot, outcome: &'a Outcome) -> Option<&'a Arc<Live>> {
    match outcome {
        Outcome::Applied { applied, .. } => Some(applied.live()),
        Outcome::NotApplied { .. } => part.constraint.live.as_ref().filter(|live| live.ours),
        Outcome::Unsaid | Outcome::Nothing => None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
