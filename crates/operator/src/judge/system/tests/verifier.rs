//! What is said of the verifier.

use super::{good, said, status};
use crate::judge::fixtures::{builtin, foreign, signing};
use crate::judge::verifier::tests as verifier;
use crate::watch::observe::{SystemSnapshot, VerifierView};
use crate::watch::published::{NoAnswer, Verifiers};
use gatewright_api::Reason;
use k8s_openapi::jiff::Timestamp;
use std::time::Duration;

fn with(verifier: VerifierView) -> SystemSnapshot {
    SystemSnapshot { verifier, ..good(signing()) }
}

/// Status, reason and message.
fn found(view: VerifierView) -> (String, String, String) {
    said(&status(&with(view), signing()), "Verifier")
}

/// What can be wrong: the reason, and what the message contains.
fn faults() -> Vec<(VerifierView, Reason, &'static str)> {
    let good = verifier::good(signing());
    let replica = |change: fn(&mut Verifiers)| verifier::saying(&good, change);
    let provider = verifier::desired(&good, signing());
    vec![
        (
            replica(|said| *said = Verifiers::default()),
            Reason::VerifierUnreachable,
            "no verifier answers at https://gatewright-verifier.gatewright-system.svc:8443; images that policies cover are refused",
        ),
        (
            replica(|said| said.replicas.get_mut("verifier-1").unwrap().ready = false),
            Reason::VerifierUnreachable,
            "no verifier is ready: /readyz of verifier-1 says what is missing",
        ),
        (
            replica(|said| {
                said.failure = Some(NoAnswer::Certificate("10.0.0.1:8443: UnknownIssuer".to_owned()));
            }),
            Reason::CertificateStale,
            "a verifier serves a certificate that Gatekeeper does not trust (10.0.0.1:8443: UnknownIssuer)",
        ),
        (
            replica(|said| said.replicas.get_mut("verifier-1").unwrap().ends = Some(in_days(14))),
            Reason::CertificateStale,
            "verifier-1 serves a certificate that ends at 1970-01-15T00:00:01Z",
        ),
        (
            verifier::with_provider(&good, foreign(&provider)),
            Reason::Conflict,
            "Provider gatewright-verifier exists and is not ours",
        ),
    ]
}

/// So many days after the snapshot.
fn in_days(days: u64) -> Timestamp {
    Timestamp::from_second(1).unwrap() + Duration::from_hours(24 * days)
}

/// The reasons that the table here expects.
pub(super) fn reasons() -> impl Iterator<Item = Reason> {
    let faults = faults().into_iter().map(|(_, reason, _)| reason);
    faults.chain([Reason::Answering, Reason::NotNeeded])
}

#[test]
fn each_fault_of_the_verifier_is_said_and_the_system_is_not_ready() {
    for (view, reason, message) in faults() {
        let status = status(&with(view), signing());
        let (holds, found, text) = said(&status, "Verifier");
        assert_eq!((holds.as_str(), found.as_str()), ("False", reason.as_str()), "{text}");
        assert!(text.starts_with(message), "{text}");
        let ready = (holds, found, format!("Verifier: {text}"));
        assert_eq!(said(&status, "Ready"), ready);
    }
}

#[test]
fn verifiers_that_answer_are_named() {
    let good = verifier::good(signing());
    let answering =
        |message: &str| ("True".to_owned(), Reason::Answering.as_str().to_owned(), message.to_owned());
    assert_eq!(found(good.clone()), answering("images are verified by verifier-1"));
    let two = verifier::saying(&good, |said| {
        let mut second = said.replicas["verifier-1"].clone();
        second.ready = false;
        said.replicas.insert("verifier-2".to_owned(), second);
        said.replicas.get_mut("verifier-1").unwrap().ends = Some(in_days(15));
        // One connection of several failed.
        said.failure = Some(NoAnswer::Other("no answer within 2 s".to_owned()));
    });
    assert_eq!(found(two), answering("images are verified by verifier-1, verifier-2 (not ready)"));
}

#[test]
fn providers_that_can_hold_gatekeeper_are_named() {
    let others = vec![("fast".to_owned(), 1), ("slow".to_owned(), 2), ("slower".to_owned(), 30)];
    let good = VerifierView { others, ..verifier::good(signing()) };
    let (holds, _, message) = found(good.clone());
    let slow = "these Providers may take 2 s or longer for an answer, and hold Gatekeeper for every policy meanwhile: \
                slow (2 s), slower (30 s)";
    assert_eq!((holds.as_str(), message), ("True", format!("images are verified by verifier-1; {slow}")));
    // Whose they are is nobody's matter while no signatures are verified.
    let off = SystemSnapshot { verifier: good, ..super::good(builtin()) };
    assert_eq!(said(&status(&off, builtin()), "Verifier").1, Reason::NotNeeded.as_str());
}

/// Whoever switched signatures off reads what still refuses images.
#[test]
fn constraints_of_others_that_stay_are_named() {
    let named = |names: &[&str]| {
        let foreign_signatures = names.iter().map(|name| (*name).to_owned()).collect();
        said(&status(&SystemSnapshot { foreign_signatures, ..good(builtin()) }, builtin()), "Verifier")
    };
    let (holds, reason, message) = named(&["by-hand", "rendered"]);
    assert_eq!((holds.as_str(), reason.as_str()), ("True", Reason::NotNeeded.as_str()));
    assert_eq!(
        message,
        "no signatures are verified: signatures.enabled is false in the settings; the ConstraintTemplate \
         d8verifyimagesignatures stays because of constraints that the operator did not make, and no image that they cover can \
         pass: delete these D8VerifyImageSignatures: by-hand, rendered"
    );
    assert!(named(&["a"; 12]).2.ends_with("a, a, a and 2 more"));
    // While signatures are verified, they are like others.
    let verified =
        SystemSnapshot { foreign_signatures: vec!["by-hand".to_owned()], ..with(verifier::good(signing())) };
    assert_eq!(said(&status(&verified, signing()), "Verifier").1, Reason::Answering.as_str());
}
