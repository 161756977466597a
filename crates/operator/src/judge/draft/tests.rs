use super::{Draft, Facts, Outcome, last_hash};
use crate::Error;
use crate::judge::conditions::Judgement;
use crate::judge::fixtures::{Row, applied, builtin, check, taken_in};
use crate::watch::kind::{Id, Kind};
use gatewright_api::{PolicyKind, PolicyStatus, Reason};
use gatewright_rules::Template;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const FIRST: &str = "1970-01-01T00:00:01Z";

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn draft(outcome: Outcome) -> Draft {
    Draft {
        kind: PolicyKind::SecurityPolicy,
        policy: ObjectMeta { generation: Some(3), ..ObjectMeta::default() },
        previous: None,
        valid: Judgement::yes(Reason::Compiled, "v"),
        rules: outcome,
        signatures: Outcome::Nothing,
        facts: Facts::default(),
    }
}

fn rules() -> Id {
    Id::new(Kind::Constraint(Template::SecurityPolicy), "a")
}

/// A constraint that was made from this generation.
fn of_generation(generation: i64, enforced: Judgement) -> Outcome {
    let builtin = builtin();
    let prepared = &builtin.standards[0].prepared;
    let applied = applied(prepared, &Arc::new(taken_in(prepared)));
    Outcome::Applied { applied, hash: "h".to_owned(), generation, enforced }
}

fn not_applied(why: Judgement, desired: i32) -> Outcome {
    Outcome::NotApplied { why, generation: 3, desired }
}

/// A status with these conditions, each as type, generation, status, reason and message.
#[allow(
    clippy::unnecessary_wraps,
    clippy::large_types_passed_by_value,
    reason = "as rows take and expect it"
)]
fn status(conditions: [(&str, i64, &str, &str, &str); 4], rest: &Value) -> Option<PolicyStatus> {
    let conditions = conditions.map(|(r#type, generation, status, reason, message)| {
        json!({
            "type": r#type, "observedGeneration": generation, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": FIRST,
        })
    });
    let mut status = json!({"observedGeneration": 3, "conditions": conditions});
    status.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    Some(serde_json::from_value(status).unwrap())
}

pub(crate) fn rows() -> Vec<Row> {
    let row = |what: &str, draft: &Draft, expected| Row::new(what, draft.status(&at(1)), expected);
    vec![
        row("nothing is known", &draft(Outcome::Unsaid), None),
        row(
            "all is well",
            &draft(of_generation(3, Judgement::yes(Reason::Enforced, "e"))),
            status(
                [
                    ("Valid", 3, "True", "Compiled", "v"),
                    ("Applied", 3, "True", "Applied", "the constraint is in the API as desired"),
                    ("Enforced", 3, "True", "Enforced", "e"),
                    ("Ready", 3, "True", "Ready", "e"),
                ],
                &json!({"constraints": {"desired": 1, "applied": 1, "enforced": 1, "hash": "h"}}),
            ),
        ),
        row(
            "it is applied and not enforced",
            &draft(of_generation(3, Judgement::no(Reason::NotEnforcedBy, "p"))),
            status(
                [
                    ("Valid", 3, "True", "Compiled", "v"),
                    ("Applied", 3, "True", "Applied", "the constraint is in the API as desired"),
                    ("Enforced", 3, "False", "NotEnforcedBy", "p"),
                    ("Ready", 3, "False", "NotEnforcedBy", "p"),
                ],
                &json!({"constraints": {"desired": 1, "applied": 1, "enforced": 0, "hash": "h"}}),
            ),
        ),
        row(
            "it is not applied",
            &draft(not_applied(Judgement::no(Reason::Conflict, "c"), 1)),
            conflict(None),
        ),
        row("it demands nothing", &draft(Outcome::Nothing), nothing()),
        row("it reaches nobody", &nobody(), reaches_nobody()),
        row("it names a kind that is not served", &unserved(), kind_is_unknown()),
        row("it is invalid", &invalid(), last_valid()),
        row("it could not be written", &failed(), apply_failed()),
        row(
            "what was applied is still known",
            &Draft {
                previous: status_with_hash(),
                ..draft(not_applied(Judgement::no(Reason::Conflict, "c"), 1))
            },
            conflict(Some("before")),
        ),
    ]
}

#[allow(
    clippy::unnecessary_wraps,
    clippy::large_types_passed_by_value,
    reason = "as rows take and expect it"
)]
fn status_with_hash() -> Option<PolicyStatus> {
    let status = json!({"constraints": {"desired": 1, "applied": 1, "enforced": 1, "hash": "before"}});
    Some(serde_json::from_value(status).unwrap())
}

fn conflict(hash: Option<&str>) -> Option<PolicyStatus> {
    status(
        [
            ("Valid", 3, "True", "Compiled", "v"),
            ("Applied", 3, "False", "Conflict", "c"),
            ("Enforced", 3, "False", "Conflict", "c"),
            ("Ready", 3, "False", "Conflict", "c"),
        ],
        &json!({"constraints": {"desired": 1, "applied": 0, "enforced": 0, "hash": hash}}),
    )
}

fn nothing() -> Option<PolicyStatus> {
    let message = "the policy demands nothing that could be violated";
    status(
        [
            ("Valid", 3, "True", "Compiled", "v"),
            ("Applied", 3, "True", "NothingToEnforce", message),
            ("Enforced", 3, "True", "NothingToEnforce", message),
            ("Ready", 3, "True", "NothingToEnforce", message),
        ],
        &json!({"constraints": {"desired": 0, "applied": 0, "enforced": 0}}),
    )
}

fn timeout() -> Error {
    Error::Timeout { doing: "creating K a".to_owned(), limit: Duration::from_secs(1) }
}

fn failed() -> Draft {
    let mut writing = draft(Outcome::Unsaid);
    writing.failed(&rules(), &timeout());
    writing
}

fn apply_failed() -> Option<PolicyStatus> {
    let message = "creating K a: no answer within 1 s";
    status(
        [
            ("Valid", 3, "True", "Compiled", "v"),
            ("Applied", 3, "False", "ApplyFailed", message),
            ("Enforced", 3, "False", "ApplyFailed", message),
            ("Ready", 3, "False", "ApplyFailed", message),
        ],
        &json!({"constraints": {"desired": 1, "applied": 0, "enforced": 0}}),
    )
}

fn nobody() -> Draft {
    let facts = Facts { namespaces: Some(0), ..Facts::default() };
    Draft { facts, ..draft(of_generation(3, Judgement::yes(Reason::Enforced, "e"))) }
}

fn reaches_nobody() -> Option<PolicyStatus> {
    status(
        [
            ("Valid", 3, "True", "Compiled", "v"),
            ("Applied", 3, "True", "Applied", "the constraint is in the API as desired"),
            ("Enforced", 3, "True", "Enforced", "e"),
            ("Ready", 3, "True", "NoNamespaces", "the policy reaches no namespace that exists now; e"),
        ],
        &json!({"namespaces": 0, "constraints": {"desired": 1, "applied": 1, "enforced": 1, "hash": "h"}}),
    )
}

fn unserved() -> Draft {
    let facts =
        Facts { namespaces: Some(0), unknown_kinds: Some("k is not served".to_owned()), ..Facts::default() };
    Draft { facts, ..draft(of_generation(3, Judgement::yes(Reason::Enforced, "e"))) }
}

fn kind_is_unknown() -> Option<PolicyStatus> {
    status(
        [
            ("Valid", 3, "True", "Compiled", "v"),
            ("Applied", 3, "True", "Applied", "the constraint is in the API as desired"),
            ("Enforced", 3, "True", "Enforced", "e"),
            ("Ready", 3, "True", "UnknownKind", "k is not served; e"),
        ],
        &json!({"namespaces": 0, "constraints": {"desired": 1, "applied": 1, "enforced": 1, "hash": "h"}}),
    )
}

fn invalid() -> Draft {
    let valid = Judgement::no(Reason::Invalid, "i");
    Draft { valid, ..draft(of_generation(2, Judgement::yes(Reason::Enforced, "e"))) }
}

fn last_valid() -> Option<PolicyStatus> {
    status(
        [
            ("Valid", 3, "False", "Invalid", "i"),
            ("Applied", 2, "True", "Applied", "the constraint of the last valid generation stays in place"),
            ("Enforced", 2, "True", "Enforced", "e"),
            ("Ready", 3, "False", "Invalid", "i"),
        ],
        &json!({"constraints": {"desired": 1, "applied": 1, "enforced": 1, "hash": "h"}}),
    )
}

#[test]
fn what_is_said_of_a_policy() {
    check(rows());
}

#[test]
fn only_what_is_not_said_yet_can_fail() {
    let mut applied = draft(of_generation(3, Judgement::yes(Reason::Enforced, "e")));
    let before = applied.clone();
    applied.failed(&rules(), &timeout());
    assert_eq!(applied, before);
}

#[test]
fn time_moves_only_with_the_status() {
    let times = |status: &PolicyStatus| -> Vec<i64> {
        status.conditions.iter().map(|condition| condition.last_transition_time.0.as_second()).collect()
    };
    let mut draft = draft(of_generation(3, Judgement::no(Reason::NotEnforcedBy, "a")));
    let mut says = |enforced, second| {
        draft.rules = of_generation(3, enforced);
        let status = draft.status(&at(second)).unwrap();
        draft.previous = Some(status.clone());
        times(&status)
    };
    assert_eq!(says(Judgement::no(Reason::NotEnforcedBy, "a"), 1), [1, 1, 1, 1]);
    assert_eq!(says(Judgement::no(Reason::NotRouted, "b"), 2), [1, 1, 1, 1]);
    assert_eq!(says(Judgement::yes(Reason::Enforced, "c"), 3), [1, 1, 3, 3]);
}

#[test]
fn what_stands_beside_the_conditions() {
    let audit = json!({"auditTimestamp": "2026-01-01T00:00:00Z", "totalViolations": 2});
    let audit =
        gatewright_gatekeeper::audit(&audit).map(Arc::new).zip(Some(gatewright_gatekeeper::Action::Warn));
    let audits = audit.into_iter().collect();
    let facts = Facts { namespaces: Some(4), audits, spec: Some(json!({"a": 1})), unknown_kinds: None };
    let mut draft = Draft { facts, ..draft(of_generation(3, Judgement::yes(Reason::Enforced, "e"))) };
    let status = draft.status(&at(1)).unwrap();
    let found = status.violations.clone().unwrap();
    assert_eq!((status.namespaces, found.total, found.by_enforcement.warn), (Some(4), 2, 2));
    assert_eq!(status.deckhouse.as_ref().unwrap().synced, "True");
    assert_eq!(last_hash(Some(&status)), Some("h"));
    // Applied is what the last valid generation left; this one is not synced.
    let invalid = Draft { facts: Facts { spec: Some(json!({"a": 1})), ..Facts::default() }, ..invalid() };
    assert_eq!(invalid.status(&at(1)).unwrap().deckhouse.unwrap().synced, "False");
    // What does not parse any more is not what was seen last.
    draft.previous = Some(status.clone());
    draft.facts = Facts::default();
    let unparsed = draft.status(&at(2)).unwrap();
    assert_eq!((unparsed.namespaces, &unparsed.violations), (None, &None));
    let (before, now) = (status.deckhouse.unwrap(), unparsed.deckhouse.unwrap());
    assert_eq!((now.synced.as_str(), &now.observed), ("False", &before.observed));
}
