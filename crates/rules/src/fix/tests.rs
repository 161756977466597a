//! What each change does to an object.

use serde_json::{Value, json};

use super::{Capabilities, Change, Edit, Fix, Found, Literal, Op, Patching};
use crate::Template;
use crate::pod_security_standard::controls::CONTROLS;

fn places(paths: &[&str]) -> Vec<Vec<String>> {
    paths.iter().map(|path| path.split('/').map(str::to_owned).collect()).collect()
}

/// The object after a change, or null.
fn changed(change: Change, object: &Value, at: &[&str], details: &Value) -> Value {
    let places = places(at);
    let patched = change.of(&Found { object, places: &places, details });
    patched.map_or(Value::Null, |patched| patched.object().clone())
}

fn pod(container: &Value) -> Value {
    json!({"spec": {"containers": [container]}})
}

const CONTEXT: &str = "spec/containers/0/securityContext";

#[test]
fn every_check_and_control_says_what_undoes_it() {
    let checks = Template::ALL.iter().flat_map(|template| template.checks()).map(|(_, check)| check.fix);
    let all: Vec<_> = checks.chain(CONTROLS.iter().map(|control| control.fix)).collect();
    for fix in &all {
        let (Fix::Change { may_break: text, .. } | Fix::None { because: text }) = fix;
        assert!(
            !text.is_empty() && !text.ends_with('.') && text.chars().next().unwrap().is_lowercase(),
            "{text}"
        );
    }
    let changes = all.iter().filter(|fix| matches!(fix, Fix::Change { .. })).count();
    assert!(changes > 40 && changes < all.len(), "{changes} of {}", all.len());
    assert_eq!(Fix::declared(Template::SecurityPolicy, "allowedHostPaths").len(), 2);
    assert_eq!(Fix::declared(Template::PodSecurityStandard, "seccompProfile_baseline").len(), 2);
    assert_eq!(Fix::declared(Template::OperationPolicy, "allowPrivileged"), []);
}

#[test]
fn fields_are_removed_with_what_is_empty_then() {
    let object =
        pod(&json!({"name": "a", "securityContext": {"privileged": true}, "ports": [{"hostPort": 1}]}));
    let remove = Change::Remove(&["privileged", "hostPort"]);
    let at = |field: &str| changed(remove, &object, &[field], &Value::Null);
    let privileged = format!("{CONTEXT}/privileged");
    assert_eq!(at(&privileged), pod(&json!({"name": "a", "ports": [{"hostPort": 1}]})));
    let without = pod(&json!({"name": "a", "securityContext": {"privileged": true}, "ports": [{}]}));
    assert_eq!(at("spec/containers/0/ports/0/hostPort"), without);
    assert_eq!(at("spec/containers/0/name"), Value::Null, "another field");
    assert_eq!(at("spec/containers/0/ports/1/hostPort"), Value::Null, "it is not there");
}

#[test]
fn items_are_removed_from_the_end() {
    let object =
        json!({"spec": {"securityContext": {"sysctls": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}}});
    let at = |names: &[&str]| changed(Change::RemoveItem("sysctls"), &object, names, &Value::Null);
    let sysctls = "spec/securityContext/sysctls";
    let two = [format!("{sysctls}/0/name"), format!("{sysctls}/2/name")];
    let two: Vec<_> = two.iter().map(String::as_str).collect();
    assert_eq!(at(&two), json!({"spec": {"securityContext": {"sysctls": [{"name": "b"}]}}}));
}

#[test]
fn values_are_set_in_maps_that_are_made() {
    let set = Change::Set("readOnlyRootFilesystem", Literal::Bool(true));
    let field = format!("{CONTEXT}/readOnlyRootFilesystem");
    for context in [json!(null), json!({}), json!({"readOnlyRootFilesystem": false})] {
        let object = pod(&json!({"name": "a", "securityContext": context}));
        let expected = pod(&json!({"name": "a", "securityContext": {"readOnlyRootFilesystem": true}}));
        assert_eq!(changed(set, &object, &[&field], &Value::Null), expected);
    }
    let details = json!({"allowed": ["Always"]});
    let pull = Change::SetAllowed(&["imagePullPolicy"]);
    let expected = pod(&json!({"name": "a", "imagePullPolicy": "Always"}));
    let object = pod(&json!({"name": "a"}));
    assert_eq!(changed(pull, &object, &["spec/containers/0/imagePullPolicy"], &details), expected);
}

#[test]
fn numbers_become_the_nearest_that_is_allowed() {
    for (found, allowed, expected) in [
        (json!(10), json!({"max": 3}), 3),
        (json!(1), json!({"minReplicas": 2}), 2),
        (json!(9), json!({"minReplicas": 2, "maxReplicas": 5}), 5),
        (json!(9.0), json!({"maxReplicas": 5.0}), 5),
    ] {
        let details = json!({"found": found, "allowed": allowed});
        let set = changed(Change::Clamp("replicas"), &json!({"spec": {}}), &["spec/replicas"], &details);
        assert_eq!(set["spec"]["replicas"], expected);
    }
}

#[test]
fn escalation_is_forbidden_with_what_contradicts_it() {
    let context = json!({"privileged": true, "capabilities": {"add": ["CAP_SYS_ADMIN"]}});
    let field = format!("{CONTEXT}/allowPrivilegeEscalation");
    let object = pod(&json!({"securityContext": context}));
    let set = changed(Change::ForbidEscalation, &object, &[&field], &Value::Null);
    assert_eq!(set, pod(&json!({"securityContext": {"allowPrivilegeEscalation": false}})));
}

#[test]
fn the_token_is_kept_out_of_the_pod_spec() {
    for (object, field) in [
        (json!({"spec": {}}), "spec/automountServiceAccountToken"),
        (json!({"spec": {"containers": [{}]}}), "spec/containers/0/volumeMounts/0/mountPath"),
    ] {
        let set = changed(Change::WithoutToken, &object, &[field], &Value::Null);
        assert_eq!(set["spec"]["automountServiceAccountToken"], false);
    }
}

#[test]
fn capabilities_are_those_that_are_allowed() {
    let of = |which, list: &str, capabilities: &Value, details: &Value| {
        let object = pod(&json!({"name": "a", "securityContext": {"capabilities": capabilities}}));
        let field = format!("{CONTEXT}/capabilities/{list}");
        changed(Change::Capabilities(which), &object, &[&field], details)["spec"]["containers"][0]
            ["securityContext"]["capabilities"]
            .clone()
    };
    let added = json!({"add": ["CAP_SYS_TIME", "net_raw", "CHOWN"]});
    let found = json!({"found": ["NET_RAW", "SYS_TIME"], "allowed": []});
    assert_eq!(of(Capabilities::OfViolation, "add", &added, &found), json!({"add": ["CHOWN"]}));
    assert_eq!(of(Capabilities::Only(&["CHOWN"]), "add", &added, &json!({})), json!({"add": ["CHOWN"]}));
    let required = json!({"allowed": ["NET_RAW", "CHOWN"]});
    let dropped = of(Capabilities::OfViolation, "drop", &json!({"drop": ["net_raw"]}), &required);
    assert_eq!(dropped, json!({"drop": ["net_raw", "CHOWN"]}));
    let all = json!({"allowed": ["NET_RAW", "ALL"]});
    assert_eq!(of(Capabilities::OfViolation, "drop", &json!(null), &all), json!({"drop": ["ALL"]}));
    assert_eq!(of(Capabilities::Only(&[]), "drop", &json!({}), &json!({})), json!({"drop": ["ALL"]}));
}

#[test]
fn profiles_become_that_of_the_runtime_or_none() {
    let field = format!("{CONTEXT}/seccompProfile");
    let of = |container: &Value, details: &Value| {
        changed(Change::DefaultProfile, &pod(container), &[&field], details)["spec"].clone()
    };
    let unconfined = json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}}});
    let default = json!({"type": "RuntimeDefault"});
    let allowed = json!({"allowed": ["RuntimeDefault"]});
    assert_eq!(of(&unconfined, &allowed)["containers"][0]["securityContext"]["seccompProfile"], default);
    assert_eq!(of(&unconfined, &json!({"allowed": ["unset"]}))["containers"][0], json!({}));
    assert_eq!(of(&unconfined, &json!({"allowed": ["localhost/a"]})), Value::Null);
    assert_eq!(of(&json!({}), &allowed)["securityContext"]["seccompProfile"], default, "for all containers");
    let key = "container.apparmor.security.beta.kubernetes.io/a";
    let object = json!({"metadata": {"annotations": {key: "unconfined"}}});
    let places = [["metadata", "annotations", key].map(str::to_owned).to_vec()];
    let details = json!({"control": "appArmorProfile"});
    let patched = Change::DefaultProfile.of(&Found { object: &object, places: &places, details: &details });
    let path = "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1a".to_owned();
    let expected = Edit { op: Op::Replace, path, value: Some(json!("runtime/default")) };
    assert_eq!(patched.unwrap().edits(), [expected]);
}

#[test]
fn ids_are_allowed_ones() {
    let not_root = json!([{"min": 1, "max": i32::MAX}]);
    let some = json!([{"min": 1000, "max": 2000}]);
    for (object, field, allowed, expected) in [
        (json!({"runAsUser": 0}), "runAsUser", &not_root, json!({"runAsNonRoot": true})),
        (json!({"runAsUser": 0}), "runAsUser", &some, json!({"runAsUser": 1000})),
        (json!({"runAsNonRoot": false}), "runAsNonRoot", &not_root, json!({"runAsNonRoot": true})),
        (json!({"fsGroup": 1}), "fsGroup", &some, json!({"fsGroup": 1000})),
        (
            json!({"supplementalGroups": [1, 1500]}),
            "supplementalGroups",
            &some,
            json!({"supplementalGroups": [1500]}),
        ),
        (
            json!({"supplementalGroups": [1]}),
            "supplementalGroups",
            &some,
            json!({"supplementalGroups": [1000]}),
        ),
    ] {
        let object = json!({"spec": {"securityContext": object}});
        let field = format!("spec/securityContext/{field}");
        let set = changed(Change::Ids, &object, &[&field], &json!({"allowed": allowed}));
        assert_eq!(set["spec"]["securityContext"], expected);
    }
    let field = format!("{CONTEXT}/runAsUser");
    let set = changed(Change::Ids, &pod(&json!({})), &[&field], &json!({"allowed": some}));
    assert_eq!(set["spec"]["securityContext"]["runAsUser"], 1000, "for all containers");
}

#[test]
fn a_patch_says_what_was_done() {
    let mut patching = Patching::new(json!({"a": {"b": [1]}, "n": null}));
    let place = |path: &str| path.split('/').map(str::to_owned).collect::<Vec<_>>();
    patching.set(&place("a/c/d"), json!(1)).unwrap();
    patching.set(&place("n/x"), json!(2)).unwrap();
    patching.append(&place("a/b"), json!(2)).unwrap();
    patching.append(&place("a/new"), json!(3)).unwrap();
    patching.remove(&place("a/b/0")).unwrap();
    assert_eq!(patching.remove(&place("a/b/7")), None);
    let edits = serde_json::to_value(patching.edits()).unwrap();
    let expected = json!([
        {"op": "add", "path": "/a/c", "value": {"d": 1}},
        {"op": "replace", "path": "/n", "value": {"x": 2}},
        {"op": "add", "path": "/a/b/-", "value": 2},
        {"op": "add", "path": "/a/new", "value": [3]},
        {"op": "remove", "path": "/a/b/0"},
    ]);
    assert_eq!(edits, expected);
    assert_eq!(*patching.object(), json!({"a": {"b": [2], "c": {"d": 1}, "new": [3]}, "n": {"x": 2}}));
}
