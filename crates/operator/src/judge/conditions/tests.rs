use super::{Judgement, find, turned};
use crate::Error;
use gatewright_api::{ConditionType, PolicyStatus, Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

#[test]
fn time_moves_only_with_the_status() {
    let first = Judgement::no(Reason::NotEnforcedBy, "a").condition("Enforced", Some(1), None, &at(1));
    let second =
        Judgement::no(Reason::NoGatekeeperProcess, "b").condition("Enforced", Some(2), Some(&first), &at(2));
    assert_eq!((second.last_transition_time.clone(), second.observed_generation), (at(1), Some(2)));
    assert_eq!((second.status.as_str(), second.reason.as_str()), ("False", "NoGatekeeperProcess"));
    let third = Judgement::yes(Reason::Enforced, "c").condition("Enforced", Some(2), Some(&second), &at(3));
    assert_eq!((third.last_transition_time, third.status.as_str()), (at(3), "True"));
}

#[test]
fn what_could_not_be_written_has_a_reason() {
    let (kind, name) = (|| "K".to_owned(), || "a".to_owned());
    for (error, reason) in [
        (Error::Conflict { kind: kind(), name: name() }, Reason::Conflict),
        (Error::Rendered { kind: kind(), name: name() }, Reason::Conflict),
        (
            Error::BeingDeleted { kind: kind(), name: name(), finalizers: "f".to_owned() },
            Reason::BeingDeleted,
        ),
        (Error::NotKept { kind: kind(), name: name(), fields: "f".to_owned() }, Reason::ApplyFailed),
        (Error::Stopped, Reason::ApplyFailed),
    ] {
        assert_eq!(Judgement::failed(&error), Judgement::no(reason, error.to_string()));
    }
}

#[test]
fn a_turn_is_another_status_or_another_reason_of_ready() {
    let status = |judgement: Judgement| PolicyStatus {
        conditions: [("Valid", Judgement::yes(Reason::Compiled, "")), ("Ready", judgement)]
            .map(|(r#type, judgement)| judgement.condition(r#type, Some(1), None, &at(1)))
            .to_vec(),
        ..PolicyStatus::default()
    };
    let now = status(Judgement::no(Reason::NotRouted, "b"));
    let ready = find(Some(&now), ConditionType::Ready);
    for (before, expected) in [
        (None, ready),
        (Some(status(Judgement::no(Reason::NotEnforcedBy, "b"))), ready),
        (Some(status(Judgement::yes(Reason::NotRouted, "b"))), ready),
        (Some(status(Judgement::no(Reason::NotRouted, "a"))), None),
    ] {
        assert_eq!(turned(before.as_ref(), &now), expected, "{before:?}");
    }
    assert_eq!(turned(None, &PolicyStatus::default()), None);
}

#[test]
fn what_is_said_of_two_objects_holds_of_both() {
    let yes = |message: &str| Judgement::yes(Reason::Applied, message);
    let no = |message: &str| Judgement::no(Reason::NotApplied, message);
    for (one, other, holds, message) in [
        (yes("a"), yes("a"), true, "a"),
        (yes("a"), yes("b"), true, "a; b"),
        (yes("a"), no("b"), false, "b"),
        (no("a"), yes("b"), false, "a"),
        (no("a"), no("b"), false, "a; b"),
    ] {
        let both = one.and(other);
        assert_eq!((both.holds, both.message.as_str()), (holds, message));
    }
}
