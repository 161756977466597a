use super::{Coming, Facts, Pair, Rewrite, bundle, decide};
use crate::watch::certificate::{Certificate, Held, Slot};
use k8s_openapi::jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

const HOST: &str = "gatewright-verifier.gatewright-system.svc";
const DAY: i64 = 24 * 60 * 60;

/// So many days after the first certificate was made.
fn day(day: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + day * DAY).unwrap()
}

/// A certificate that was made on this day.
pub(crate) fn made(name: &str, on: i64) -> Certificate {
    Certificate {
        fingerprint: name.to_owned(),
        pem: format!("{name};"),
        hosts: vec![HOST.to_owned()],
        begins: day(on) - super::SKEW,
        ends: day(on) + super::LIFETIME,
    }
}

fn elsewhere(name: &str, on: i64) -> Certificate {
    Certificate { hosts: vec!["elsewhere".to_owned()], ..made(name, on) }
}

fn held(pair: Slot, next: Slot, previous: &[Certificate]) -> Held {
    Held { ours: true, pair, next, previous: previous.to_vec(), ..Held::default() }
}

fn pair(certificate: Certificate) -> Held {
    held(Slot::Held(certificate), Slot::Nothing, &[])
}

fn both(pair: Certificate, next: Certificate) -> Held {
    held(Slot::Held(pair), Slot::Held(next), &[])
}

fn rewrite(pair: Pair, next: Coming, previous: &[&str]) -> Rewrite {
    let previous = previous.iter().map(|name| format!("{name};")).collect();
    Rewrite { pair, next, previous }
}

/// What is decided on a day, where every process trusts these.
fn decided(
    held: Option<&Held>,
    in_force: &[&str],
    last_trusted: &[Certificate],
    now: Timestamp,
) -> Option<Rewrite> {
    let in_force: BTreeSet<_> = in_force.iter().map(|name| (*name).to_owned()).collect();
    decide(&Facts { held, host: HOST, last_trusted, in_force: &in_force, now })
}

#[test]
fn a_certificate_is_renewed_before_it_ends_and_served_once_it_is_trusted() {
    let kept = |next, previous: &[&str]| Some(rewrite(Pair::Kept, next, previous));
    let after = |certificate: Certificate, previous: &[Certificate]| {
        held(Slot::Held(certificate), Slot::Nothing, previous)
    };
    for (what, held, in_force, on, expected) in [
        ("fresh", pair(made("a", 0)), vec!["a"], 0, None),
        ("a day before it is due", pair(made("a", 0)), vec!["a"], 59, None),
        ("due", pair(made("a", 0)), vec!["a"], 60, kept(Coming::New, &[])),
        ("made", both(made("a", 0), made("b", 60)), vec!["a"], 60, None),
        (
            "trusted",
            both(made("a", 0), made("b", 60)),
            vec!["a", "b"],
            60,
            Some(rewrite(Pair::Next, Coming::Nothing, &["a"])),
        ),
        ("served", after(made("b", 60), &[made("a", 0)]), vec!["a", "b"], 61, None),
        (
            "the old one has ended",
            after(made("b", 60), &[made("a", 0)]),
            vec!["a", "b"],
            90,
            kept(Coming::Nothing, &[]),
        ),
        // Where a process does not take the next one in, it is served only when nothing else can be.
        ("not trusted for long", both(made("a", 0), made("b", 60)), vec!["a"], 89, None),
        (
            "ended",
            both(made("a", 0), made("b", 60)),
            vec!["a"],
            90,
            Some(rewrite(Pair::Next, Coming::Nothing, &[])),
        ),
        (
            "both ended",
            both(made("a", 0), made("b", 60)),
            vec!["a"],
            150,
            Some(rewrite(Pair::New, Coming::Nothing, &[])),
        ),
        ("next due as well", both(made("a", 60), made("b", 0)), vec!["a"], 90, kept(Coming::Nothing, &[])),
    ] {
        assert_eq!(decided(Some(&held), &in_force, &[], day(on)), expected, "{what}");
    }
}

#[test]
fn what_is_lost_or_of_no_use_is_made_anew_at_once() {
    let new = |previous: &[&str]| Some(rewrite(Pair::New, Coming::Nothing, previous));
    let unreadable = held(Slot::Unusable, Slot::Nothing, &[made("z", -50)]);
    let with_next = |slot| held(slot, Slot::Held(made("b", 1)), &[]);
    for (what, held, expected) in [
        ("lost", None, new(&["t"])),
        ("empty", Some(Held { ours: true, ..Held::default() }), new(&["t"])),
        ("half-written", Some(unreadable), new(&["z", "t"])),
        ("for another host", Some(pair(elsewhere("a", 0))), new(&["a", "t"])),
        (
            "the next one is good",
            Some(with_next(Slot::Unusable)),
            Some(rewrite(Pair::Next, Coming::Nothing, &["t"])),
        ),
        (
            "only the next one",
            Some(with_next(Slot::Nothing)),
            Some(rewrite(Pair::Next, Coming::Nothing, &["t"])),
        ),
        ("the url has changed", Some(both(elsewhere("a", 0), elsewhere("b", 1))), new(&["a", "t"])),
        ("ended", Some(pair(made("a", -90))), new(&["t"])),
    ] {
        // What Gatekeeper was told to trust last, but for what has ended, stays trusted: verifiers may serve it still.
        let last_trusted = [made("t", -10), made("ended", -91)];
        assert_eq!(decided(held.as_ref(), &[], &last_trusted, day(1)), expected, "{what}");
    }
}

#[test]
fn a_next_pair_of_no_use_goes_or_is_made_anew() {
    let slots = [
        Slot::Unusable,
        Slot::Held(elsewhere("b", 60)),
        Slot::Held(made("b", 300)),
        Slot::Held(made("b", -90)),
    ];
    for slot in slots {
        for (on, expected) in [(1, Coming::Nothing), (60, Coming::New)] {
            let held = held(Slot::Held(made("a", 0)), slot.clone(), &[]);
            let found = decided(Some(&held), &["a", "b"], &[], day(on));
            assert_eq!(found, Some(rewrite(Pair::Kept, expected, &[])), "{slot:?} {on}");
        }
    }
}

#[test]
fn a_clock_that_jumps_leaves_nothing_behind() {
    // A leader whose clock is a year ahead finds everything ended.
    let before = pair(made("a", 0));
    assert_eq!(decided(Some(&before), &["a"], &[], day(365)), Some(rewrite(Pair::New, Coming::Nothing, &[])));
    // Back again, what it made is not valid yet.
    let ahead = pair(made("b", 365));
    assert_eq!(decided(Some(&ahead), &["b"], &[], day(1)), Some(rewrite(Pair::New, Coming::Nothing, &["b"])));
    // A month ahead it makes the next one, which is dropped when the clock is right again.
    let early = both(made("a", 0), made("b", 60));
    assert_eq!(
        decided(Some(&early), &["a", "b"], &[], day(2)),
        Some(rewrite(Pair::Kept, Coming::Nothing, &[]))
    );
    // Two leaders, one a few minutes behind the other: what one made is valid for the other.
    let other = pair(made("a", 0));
    assert_eq!(decided(Some(&other), &["a"], &[], day(0) - Duration::from_mins(10)), None);
}

#[test]
fn earlier_certificates_are_few_and_each_once() {
    let previous: Vec<_> = (0..6).map(|it| made(&format!("p{it}"), it)).collect();
    let twice = held(Slot::Held(made("a", 9)), Slot::Nothing, &[previous[0].clone(), previous[0].clone()]);
    assert_eq!(decided(Some(&twice), &[], &[], day(10)), Some(rewrite(Pair::Kept, Coming::Nothing, &["p0"])));
    let many = held(Slot::Held(made("a", 9)), Slot::Held(made("b", 9)), &previous);
    let expected = Some(rewrite(Pair::Next, Coming::Nothing, &["a", "p0", "p1", "p2"]));
    assert_eq!(decided(Some(&many), &["b"], &[], day(10)), expected);
}

#[test]
fn gatekeeper_trusts_all_that_may_be_served_in_an_order_of_its_own() {
    let before = held(Slot::Held(made("b", 0)), Slot::Held(made("a", 60)), &[made("c", -60)]);
    let after = held(Slot::Held(made("a", 60)), Slot::Nothing, &[made("b", 0), made("c", -60)]);
    assert_eq!(bundle(&before).as_deref(), Some("a;b;c;"));
    // That the pairs change places changes nothing for Gatekeeper.
    assert_eq!(bundle(&before), bundle(&after));
    assert_eq!(bundle(&held(Slot::Unusable, Slot::Held(made("a", 60)), &[])), None);
}
