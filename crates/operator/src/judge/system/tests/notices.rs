//! What an administrator should know of though nothing fails.

use super::{after, draft, good, said, status};
use crate::judge::builtin::Builtin;
use crate::judge::fixtures::{PROCESS, builtin};
use crate::judge::plan::SystemDraft;
use crate::watch::observe::SystemSnapshot;
use crate::watch::published::RoutingOutcome;
use gatewright_api::Notice;
use gatewright_compiler::Settings;
use gatewright_gatekeeper::{Finding, IGNORE_LABEL, Namespace};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::sync::Arc;

#[test]
fn a_notice_is_an_event_once_for_each_time_that_it_comes_about() {
    let builtin = builtin();
    // One text is the start of the other: they are told apart all the same.
    let finding =
        |constraint: &str| Finding::UnknownKind { kind: "Foo".into(), constraint: constraint.into() };
    let notice = |constraint: &str| {
        let finding = finding(constraint);
        Notice { reason: finding.reason().to_owned(), message: finding.to_string() }
    };
    let with = |findings: Vec<Finding>| SystemSnapshot {
        routing: Some(RoutingOutcome { findings, ..RoutingOutcome::default() }),
        ..good(builtin)
    };
    let both = with(vec![finding("k/c"), finding("k/cc")]);
    let first = draft(&both, builtin).unwrap();
    assert_eq!(first.events, [notice("k/c"), notice("k/cc")]);
    // The routing has logged what it found.
    assert_eq!(first.log, []);
    let known = first.status.unwrap();
    assert_eq!(known.notices, first.events);
    assert_eq!(draft(&after(&known, &both), builtin), None);
    let one = draft(&after(&known, &with(vec![finding("k/cc")])), builtin).unwrap();
    assert_eq!(one.events, []);
    let again = draft(&after(&one.status.unwrap(), &both), builtin).unwrap();
    assert_eq!(again.events, [notice("k/c")]);
}

#[test]
fn a_version_of_the_standards_that_is_too_new_is_said_in_the_condition_too() {
    let settings =
        Settings::from_yaml("podSecurityStandards: {version: v1.99}", "gatewright-system").unwrap();
    let builtin = &Builtin::new(settings);
    let draft = draft(&good(builtin), builtin).unwrap();
    let [notice] = &draft.events[..] else { panic!("{draft:?}") };
    assert_eq!(notice.reason, "NewerVersion");
    let (holds, _, message) = said(&draft.status.unwrap(), "StandardsEnforced");
    assert_eq!((holds.as_str(), message), ("True", format!("enforced by {PROCESS}; {}", notice.message)));
}

#[test]
fn the_holder_of_the_lease_is_named_and_a_missing_exemption_logged_at_each_start() {
    let builtin = builtin();
    let own = |labels: &[(&str, &str)]| {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Some(Arc::new(Namespace { name: "gatewright-system".into(), labels }))
    };
    let holds = "gatewright-0_1 holds the Lease gatewright-system/gatewright";
    // The namespace is not known.
    let unknown = SystemSnapshot { elects: true, ..good(builtin) };
    let (status_, reason, message) = said(&status(&unknown, builtin), "Operator");
    assert_eq!((status_.as_str(), reason.as_str(), message.as_str()), ("True", "Leading", holds));

    let missing = SystemSnapshot { own_namespace: own(&[]), ..unknown };
    let first = draft(&missing, builtin).unwrap();
    let [notice] = &first.log[..] else { panic!("{first:?}") };
    assert_eq!((notice.reason.as_str(), &first.events), ("LeaseNotExempt", &first.log));
    let known = first.status.unwrap();
    let (status_, _, message) = said(&known, "Operator");
    assert_eq!((status_.as_str(), message), ("True", format!("{holds}; {}", notice.message)));
    assert_eq!(said(&known, "Ready").0, "True");

    // Another process logs it at its start, and writes nothing.
    let log = vec![notice.clone()];
    let metadata = ObjectMeta { uid: Some("u".to_owned()), ..ObjectMeta::default() };
    let logs = SystemDraft { seen: Some(metadata), status: None, turned: None, events: vec![], log };
    assert_eq!(draft(&after(&known, &missing), builtin), Some(logs.clone()));
    let logged = SystemSnapshot { logged: logs.log, ..after(&known, &missing) };
    assert_eq!(draft(&logged, builtin), None);

    // With a single process there is no Lease to lose.
    let alone = SystemSnapshot { elects: false, ..missing };
    assert!(!said(&status(&alone, builtin), "Operator").2.contains("exempt"));
}

#[test]
fn exempt_namespaces_are_listed_and_named_but_for_system_namespaces() {
    let builtin = builtin();
    let enforced = format!("enforced by {PROCESS}");
    let of = |names: &[&str]| SystemSnapshot {
        ignored: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..good(builtin)
    };
    let many: Vec<String> = (10..22).map(|i| format!("n{i}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let named = many[..10].join(", ");
    for (names, message) in [
        (&["gatekeeper-system", "kube-system"][..], enforced.clone()),
        (
            &["gatekeeper-system", "tenant"],
            format!("{enforced}; not judged, because of the label {IGNORE_LABEL}: tenant"),
        ),
        (&many, format!("{enforced}; not judged, because of the label {IGNORE_LABEL}: {named} and 2 more")),
    ] {
        let status = status(&of(names), builtin);
        assert_eq!(said(&status, "StandardsEnforced"), ("True".into(), "Enforced".into(), message));
        assert_eq!(said(&status, "Ready").0, "True");
        let listed = status.exempt_namespaces.unwrap();
        assert_eq!(usize::try_from(listed.count).unwrap(), names.len());
        assert_eq!(listed.names, &names[..names.len().min(10)]);
    }
    let unknown = SystemSnapshot { ignored: None, ..good(builtin) };
    assert_eq!(status(&unknown, builtin).exempt_namespaces, None);
}
