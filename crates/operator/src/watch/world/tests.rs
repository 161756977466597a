use super::watches::process;
use super::{PlatformPod, World};
use crate::watch::cache::{Change, Entry as _};
use crate::watch::fixtures::{fill, live, world};
use crate::watch::key::Key;
use crate::watch::live::Live;
use crate::watch::policies::Watched as _;
use gatewright_api::{Guarded, SecurityPolicy};
use gatewright_gatekeeper::Process;
use gatewright_rules::Template;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Mutex;

fn policy(value: &Value) -> Guarded<SecurityPolicy> {
    let mut object = json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": "a", "uid": "u"},
        "spec": {"match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": {}},
    });
    for (path, value) in value.as_object().unwrap() {
        let (parent, field) = path.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[field] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn constraint() -> Live {
    live(json!({"apiVersion": "v1", "kind": "K", "metadata": {"name": "a"}}))
}

fn woken(keys: &Mutex<Vec<Key>>) -> BTreeSet<Key> {
    std::mem::take(&mut *keys.lock().unwrap()).into_iter().collect()
}

fn of(template: Template, names: &[&str]) -> Vec<Key> {
    names.iter().map(|name| Key::Constraint(template, (*name).to_owned())).collect()
}

const STANDARDS: [&str; 6] = [
    "d8-pod-security-baseline-deny",
    "d8-pod-security-baseline-dryrun",
    "d8-pod-security-baseline-warn",
    "d8-pod-security-restricted-deny",
    "d8-pod-security-restricted-dryrun",
    "d8-pod-security-restricted-warn",
];

/// A policy that has no constraint yet, and a constraint whose policy is gone.
fn populated(world: &World) {
    fill(SecurityPolicy::cache(&world.policies), [("wanted", policy(&json!({})))]);
    fill(world.constraints(Template::SecurityPolicy), [("orphan", constraint())]);
    fill(world.constraints(Template::PodSecurityStandard), [("older", constraint())]);
}

#[tokio::test]
async fn a_constraint_that_changes_wakes_what_has_its_name() {
    use Template::{DenyExecHeritage, OperationPolicy, PodSecurityStandard, SecurityPolicy};
    let (world, keys) = world();
    populated(&world);
    let a = || Change::Object("a".to_owned());
    let all_standards = [&["older"][..], &STANDARDS].concat();
    for (template, change, expected) in [
        (SecurityPolicy, Change::Nothing, vec![]),
        (SecurityPolicy, a(), of(SecurityPolicy, &["a"])),
        (SecurityPolicy, Change::Everything, of(SecurityPolicy, &["wanted", "orphan"])),
        (OperationPolicy, Change::Everything, vec![]),
        (PodSecurityStandard, Change::Nothing, vec![]),
        (PodSecurityStandard, a(), [of(PodSecurityStandard, &["a"]), vec![Key::System]].concat()),
        (
            PodSecurityStandard,
            Change::Everything,
            [of(PodSecurityStandard, &all_standards), vec![Key::System]].concat(),
        ),
        (DenyExecHeritage, Change::Nothing, vec![]),
        (DenyExecHeritage, a(), vec![Key::Routing, Key::System]),
        (DenyExecHeritage, Change::Everything, vec![Key::Routing, Key::System]),
    ] {
        let what = format!("{template:?} {change:?}");
        world.changed(template)(change);
        assert_eq!(woken(&keys), expected.into_iter().collect(), "{what}");
    }
}

#[tokio::test]
async fn what_the_verifier_needs_wakes_whom_it_concerns() {
    use Template::{SecurityPolicy, VerifyImageSignatures};
    let (world, keys) = world();
    populated(&world);
    fill(world.constraints(VerifyImageSignatures), [("unswept", constraint())]);
    let policies = [of(SecurityPolicy, &["unswept", "wanted"]), vec![Key::System]].concat();
    let removal = vec![Key::Verifier, Key::Template(VerifyImageSignatures)];
    let provider = |name: &str| world.provider_changed()(Change::Object(name.to_owned()));
    provider("gatewright-verifier");
    let all: BTreeSet<_> = [policies, removal.clone()].concat().into_iter().collect();
    assert_eq!(woken(&keys), all);
    world.provider_changed()(Change::Everything);
    assert_eq!(woken(&keys), all);
    provider("somebody-else's");
    assert_eq!(woken(&keys), [Key::System].into());
    // While no signatures are verified, what is left goes with the last constraint.
    world.constraint_changed(VerifyImageSignatures)(Change::Object("unswept".to_owned()));
    let expected = [of(SecurityPolicy, &["unswept"]), removal, vec![Key::Reports, Key::System]].concat();
    assert_eq!(woken(&keys), expected.into_iter().collect());
    world.constraint_changed(VerifyImageSignatures)(Change::Nothing);
    assert_eq!(woken(&keys), BTreeSet::new());
}

#[tokio::test]
async fn what_concerns_everybody_wakes_everybody() {
    let (world, keys) = world();
    populated(&world);
    world.wake_everybody();
    let expected = [
        of(Template::SecurityPolicy, &["wanted", "orphan"]),
        of(Template::PodSecurityStandard, &["older"]),
        of(Template::PodSecurityStandard, &STANDARDS),
        Template::ALL.iter().map(|template| Key::Template(*template)).collect(),
        vec![Key::Routing, Key::Verifier, Key::System],
    ];
    assert_eq!(woken(&keys), expected.concat().into_iter().collect());
}

#[test]
fn of_a_policy_news_is_what_it_demands_and_what_is_said_of_it() {
    let before = policy(&json!({"/metadata/generation": 1}));
    for (change, same) in [
        (json!({"/metadata/resourceVersion": "9"}), true),
        (json!({"/metadata/generation": 2}), false),
        (json!({"/metadata/uid": "another"}), false),
        (json!({"/status": {"observedGeneration": 1}}), false),
        // What was read before the API server knew of a field may parse, and not after.
        (json!({"/spec/policies": {"allowTimeTravel": true}}), false),
    ] {
        let mut fields = json!({"/metadata/generation": 1});
        fields.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(before.same(&policy(&fields)), same, "{change}");
    }
}

#[test]
fn of_other_objects_news_is_what_decisions_read() {
    let webhooks = |name: &str, version: &str, failure: &str| -> ValidatingWebhookConfiguration {
        serde_json::from_value(json!({
            "metadata": {"name": name, "resourceVersion": version, "labels": {"a": "b"}},
            "webhooks": [{
                "name": "w", "failurePolicy": failure, "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "clientConfig": {},
            }],
        }))
        .unwrap()
    };
    assert!(webhooks("a", "1", "Fail").same(&webhooks("a", "2", "Fail")));
    assert!(!webhooks("a", "1", "Fail").same(&webhooks("a", "2", "Ignore")));
    assert!(PlatformPod.same(&PlatformPod));
    let process = |version: &str| Process { version: version.to_owned(), ..Process::default() };
    assert!(process("1").same(&process("1")) && !process("1").same(&process("2")));
}

#[test]
fn of_a_pod_is_kept_which_process_it_is() {
    let pod = |change: &Value| -> Pod {
        let mut pod = json!({
            "metadata": {"name": "gatekeeper-1", "labels": {"control-plane": "controller-manager"}},
            "spec": {"containers": [{"name": "manager", "image": "openpolicyagent/gatekeeper:v3.23.0"}]},
        });
        for (path, value) in change.as_object().unwrap() {
            let (parent, field) = path.rsplit_once('/').unwrap();
            pod.pointer_mut(parent).unwrap()[field] = value.clone();
        }
        serde_json::from_value(pod).unwrap()
    };
    let good = Process {
        name: "gatekeeper-1".to_owned(),
        labels: [("control-plane".to_owned(), "controller-manager".to_owned())].into(),
        version: "v3.23.0".to_owned(),
        ..Process::default()
    };
    let version = |version: &str| Process { version: version.to_owned(), ..good.clone() };
    let ended = || Process { terminating: true, ..good.clone() };
    let image = "/spec/containers/0/image";
    for (change, expected) in [
        (json!({}), good.clone()),
        (json!({image: "localhost:5000/gatekeeper@sha256:ab"}), version("sha256:ab")),
        (json!({image: "localhost:5000/gatekeeper"}), version("")),
        (json!({"/spec/containers": []}), version("")),
        (json!({"/metadata/deletionTimestamp": "2026-01-01T00:00:00Z"}), ended()),
        (json!({"/status": {"phase": "Failed"}}), ended()),
        (json!({"/status": {"phase": "Succeeded"}}), ended()),
        (json!({"/status": {"phase": "Running"}}), good.clone()),
        (
            json!({"/spec/containers/0/args": ["--exempt-namespace=a"]}),
            Process { exempt: vec!["a".to_owned()], ..good.clone() },
        ),
    ] {
        assert_eq!(process(pod(&change)), expected, "{change}");
    }
}
