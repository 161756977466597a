mod cluster;
mod invalid;
mod signatures;
mod unserved;
mod valid;

use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::draft::{Draft, Facts, Outcome};
use crate::judge::fixtures::{PROCESS, applied, builtin, gatekeeper, release, template, unremembered};
use crate::judge::plan::{Action, Plan, Status};
use crate::watch::desired::Prepared;
use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::observe::{ConstraintSnapshot, PolicySnapshot, VerifierView};
use gatewright_api::{Guarded, Policy as _, PolicyKind, PolicyStatus, Reason, SecurityPolicy};
use gatewright_rules::Template;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use cluster::rows as cluster_rows;
pub(crate) use invalid::rows as invalid_rows;
pub(crate) use signatures::rows as signatures_rows;
pub(crate) use unserved::rows as unserved_rows;
pub(crate) use valid::rows as valid_rows;

const NAME: &str = "strict";
const UID: &str = "0e5ddb58-8a5d-4d3c-9cd3-6e2b3b3ad4ff";
const KIND: Kind = Kind::Constraint(Template::SecurityPolicy);
const SOON: Duration = Duration::from_millis(300);

/// A policy with these rules.
fn policy(generation: i64, rules: &Value, status: Option<&PolicyStatus>) -> Guarded<SecurityPolicy> {
    serde_json::from_value(json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy",
        "metadata": {"name": NAME, "uid": UID, "generation": generation, "resourceVersion": "5"},
        "spec": {"match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": rules},
        "status": status,
    }))
    .unwrap()
}

fn good() -> Guarded<SecurityPolicy> {
    policy(1, &json!({"allowPrivileged": false}), None)
}

/// What a good policy compiles to.
fn prepared(policy: &Guarded<SecurityPolicy>, builtin: &Builtin) -> Arc<Prepared> {
    let parsed = policy.parsed.as_ref().unwrap();
    let constraint = gatewright_compiler::compile(&**parsed, &builtin.settings).unwrap().constraint.unwrap();
    let prepared = Prepared::new(KIND, &constraint.metadata, &constraint);
    Arc::new(prepared.made_from(policy.metadata.generation))
}

/// All that a policy needs is there.
fn snapshot(
    policy: Option<Guarded<SecurityPolicy>>,
    constraint: Observed,
    builtin: &Builtin,
) -> PolicySnapshot<SecurityPolicy> {
    PolicySnapshot {
        policies_served: true,
        policy: policy.map(Arc::new),
        rules: ConstraintSnapshot {
            of: Template::SecurityPolicy,
            id: Id::new(KIND, NAME),
            served: true,
            constraint,
            template: Some(template(builtin, Template::SecurityPolicy)),
        },
        signatures: Some(no_signatures()),
        verifier: VerifierView::default(),
        templates_served: true,
        gatekeeper: gatekeeper(),
        namespaces: Some(3),
        unserved: vec![],
        lacking: vec![],
        release: Some(release()),
    }
}

/// The same, where the constraint of the rules or its template is otherwise.
fn with_rules(
    mut snapshot: PolicySnapshot<SecurityPolicy>,
    change: impl FnOnce(&mut ConstraintSnapshot),
) -> PolicySnapshot<SecurityPolicy> {
    change(&mut snapshot.rules);
    snapshot
}

/// Signatures are not verified: Gatekeeper does not have the template.
fn no_signatures() -> ConstraintSnapshot {
    ConstraintSnapshot {
        of: Template::VerifyImageSignatures,
        id: Id::new(Kind::Constraint(Template::VerifyImageSignatures), NAME),
        served: false,
        constraint: Observed::default(),
        template: None,
    }
}

/// What is said of a policy, and done.
fn plan(policy: &Guarded<SecurityPolicy>, actions: Vec<Action>, valid: Judgement, outcome: Outcome) -> Plan {
    let live = match &outcome {
        Outcome::Applied { applied, .. } => Some(Arc::clone(applied.live())),
        _ => None,
    };
    let draft = Draft {
        kind: PolicyKind::SecurityPolicy,
        policy: policy.metadata.clone(),
        previous: policy.status.clone(),
        facts: Facts {
            namespaces: live.as_ref().and(Some(3)),
            audits: live.and_then(|live| live.audit.clone().zip(live.action)).into_iter().collect(),
            spec: policy.parsed.as_ref().ok().map(|policy| policy.spec_json()),
            unknown_kinds: None,
        },
        valid,
        rules: outcome,
        signatures: Outcome::Nothing,
    };
    Plan { actions, status: Status::Policy(Box::new(draft)), ..Plan::default() }
}

/// What is to be said of a good policy.
pub(crate) fn drafted(valid: Judgement, outcome: Outcome) -> Draft {
    match plan(&good(), vec![], valid, outcome).status {
        Status::Policy(draft) => *draft,
        other => panic!("{other:?}"),
    }
}

/// The same, where a constraint of ours is there and stays though it is not as it should be.
fn with_facts_of(live: &Arc<Live>, mut plan: Plan) -> Plan {
    if let Status::Policy(draft) = &mut plan.status {
        draft.facts.namespaces = Some(3);
        draft.facts.audits = live.audit.clone().zip(live.action).into_iter().collect();
    }
    plan
}

fn compiles() -> Judgement {
    Judgement::yes(Reason::Compiled, "the policy compiles")
}

fn enforced() -> Judgement {
    Judgement::yes(Reason::Enforced, format!("enforced by {PROCESS}"))
}

fn not_reported() -> Judgement {
    let message =
        format!("{PROCESS} has not reported on the constraint; if this lasts, look at the log of that Pod");
    Judgement::no(Reason::NotEnforcedBy, message)
}

fn as_applied(prepared: &Prepared, live: &Arc<Live>, enforced: Judgement) -> Outcome {
    Outcome::Applied {
        applied: applied(prepared, live),
        hash: prepared.hash(),
        generation: prepared.generation.unwrap(),
        enforced,
    }
}

fn not_applied(generation: i64, why: Judgement) -> Outcome {
    Outcome::NotApplied { why, generation, desired: 1 }
}

#[test]
fn facts_are_those_of_a_constraint_that_stays() {
    use crate::judge::fixtures::taken_in;
    let builtin = builtin();
    let policy = good();
    let desired = prepared(&policy, builtin);
    let audit = json!({"auditTimestamp": "2026-01-01T00:00:00Z", "totalViolations": 2});
    let audit = gatewright_gatekeeper::audit(&audit).map(Arc::new);
    let live = Arc::new(Live { audit: audit.clone(), ..taken_in(&desired) });
    let facts = |policy: &Guarded<SecurityPolicy>, live: &Arc<Live>| {
        let snapshot = snapshot(Some(policy.clone()), unremembered(Some(live)), builtin);
        let Status::Policy(draft) = super::decide(&snapshot, builtin).status else {
            panic!("nothing is said")
        };
        (draft.facts.namespaces, draft.facts.audits.into_iter().map(|(audit, _)| audit).next())
    };
    assert_eq!(facts(&policy, &live), (Some(3), audit));
    // What is about to be deleted, and what is somebody else's, says nothing of the policy.
    let nothing = self::policy(2, &json!({"allowPrivileged": true}), None);
    assert_eq!(facts(&nothing, &live), (None, None));
    let foreign = Arc::new(Live { ours: false, ..Live::clone(&live) });
    assert_eq!(facts(&policy, &foreign), (None, None));
}
