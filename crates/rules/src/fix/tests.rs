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
        changed(Change::AllowedProfile, &pod(container), &[&field], details)["spec"].clone()
    };
    let unconfined = json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}}});
    let default = json!({"type": "RuntimeDefault"});
    let allowed = json!({"allowed": ["RuntimeDefault"]});
    assert_eq!(of(&unconfined, &allowed)["containers"][0]["securityContext"]["seccompProfile"], default);
    assert_eq!(of(&unconfined, &json!({"allowed": ["unset"]}))["containers"][0], json!({}));
    assert_eq!(of(&unconfined, &json!({"allowed": ["localhost/a", "localhost/b"]})), Value::Null);
    assert_eq!(of(&json!({}), &allowed)["securityContext"]["seccompProfile"], default, "for all containers");
    let key = "container.apparmor.security.beta.kubernetes.io/a";
    let object = json!({"metadata": {"annotations": {key: "unconfined"}}});
    let places = [["metadata", "annotations", key].map(str::to_owned).to_vec()];
    let details = json!({"control": "appArmorProfile"});
    let patched = Change::AllowedProfile.of(&Found { object: &object, places: &places, details: &details });
    let path = "/metadata/annotations/container.apparmor.security.beta.kubernetes.io~1a".to_owned();
    let expected = Edit { op: Op::Replace, path, value: Some(json!("runtime/default")) };
    assert_eq!(patched.unwrap().edits(), [expected]);
}

#[test]
fn ids_are_allowed_ones() {
    let not_root = json!([{"min": 1, "max": i32::MAX}]);
    let some = json!([{"min": 1000, "max": 2000}]);
    let with_root = json!([{"min": 0, "max": 0}, {"min": 1000, "max": 2000}]);
    let from_root = json!([{"min": 0, "max": 65535}]);
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
        (json!({"runAsUser": 5}), "runAsUser", &with_root, json!({"runAsUser": 1000})),
        (json!({"fsGroup": 70_000}), "fsGroup", &from_root, json!({"fsGroup": 1})),
        (json!({}), "supplementalGroups", &from_root, json!({"supplementalGroups": [1]})),
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

/// The patch of a change, as `OP PATH`, and with what may break; or why there is none.
fn said(change: Change, object: &Value, at: &[&str], details: &Value) -> (String, Vec<&'static str>) {
    let places = places(at);
    let found = Found { object, places: &places, details };
    let Some(patched) = change.of(&found) else {
        return (change.why_not(&found).unwrap_or_default().to_owned(), vec![]);
    };
    let edit = |edit: &Edit| match (edit.op, &edit.value) {
        (Op::Remove, _) => format!("remove {}", edit.path),
        (_, value) => format!("{} = {}", edit.path, value.clone().unwrap_or_default()),
    };
    let edits: Vec<_> = patched.edits().iter().map(edit).collect();
    (edits.join("; "), change.may_break(&found, "declared"))
}

#[test]
fn root_is_never_what_a_fix_sets() {
    let object = json!({"spec": {"securityContext": {"runAsUser": 5, "runAsNonRoot": true}}});
    let details = json!({"allowed": [{"min": 0, "max": 0}]});
    let (said, _) = said(Change::Ids, &object, &["spec/securityContext/runAsUser"], &details);
    assert!(said.starts_with("root's id is the only one"), "{said}");
}

#[test]
fn only_what_has_to_change_does() {
    let pod = "spec/securityContext";
    let groups = json!({"spec": {"securityContext": {"supplementalGroups": [1, 1500, 2, 1600]}}});
    let some = json!({"allowed": [{"min": 1000, "max": 2000}]});
    let field = "spec/securityContext/supplementalGroups";
    let of = |object: &Value| said(Change::Ids, object, &[field], &some).0;
    assert_eq!(of(&groups), format!("remove /{field}/2; remove /{field}/0"));
    let none = json!({"spec": {"securityContext": {"supplementalGroups": [1, 2]}}});
    assert_eq!(of(&none), format!("/{field}/0 = 1000; remove /{field}/1"));
    let profile = json!({"spec": {"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "a"}}}});
    let field = format!("{pod}/seccompProfile");
    let (said, _) =
        said(Change::AllowedProfile, &profile, &[&field], &json!({"allowed": ["RuntimeDefault"]}));
    assert_eq!(said, format!("/{field}/type = \"RuntimeDefault\"; remove /{field}/localhostProfile"));
}

#[test]
fn the_map_that_stays_is_not_removed() {
    let field = format!("{CONTEXT}/allowPrivilegeEscalation");
    let object = pod(&json!({"securityContext": {"privileged": true}}));
    let (said, breaks) = said(Change::ForbidEscalation, &object, &[&field], &Value::Null);
    assert_eq!(said, format!("/{field} = false; remove /{CONTEXT}/privileged"));
    assert_eq!(breaks, ["declared", "access to devices of the node: privileged goes, too"]);
}

#[test]
fn the_only_allowed_profile_is_set() {
    let field = "spec/securityContext/appArmorProfile";
    let of = |allowed: &[&str]| {
        let object = json!({"spec": {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}});
        said(Change::AllowedProfile, &object, &[field], &json!({"allowed": allowed}))
    };
    let (said, breaks) = of(&["localhost/a"]);
    assert_eq!(said, format!("/{field}/type = \"Localhost\"; /{field}/localhostProfile = \"a\""));
    assert_eq!(breaks, ["what the allowed profile forbids"]);
    for allowed in [&["localhost/a", "localhost/b"][..], &["localhost/*"], &["Localhost"], &[]] {
        assert_eq!(of(allowed).0, "only you know which profile it needs", "{allowed:?}");
    }
    let unset = pod(&json!({"name": "a"}));
    let set = changed(
        Change::AllowedProfile,
        &unset,
        &[&format!("{CONTEXT}/seccompProfile")],
        &json!({"allowed": ["Unconfined"]}),
    );
    assert_eq!(set["spec"]["securityContext"]["seccompProfile"], json!({"type": "Unconfined"}));
}

#[test]
fn what_may_break_is_what_this_change_does() {
    let replicas = json!({"spec": {"replicas": 1}});
    let of = |found: u32| {
        said(
            Change::Clamp("replicas"),
            &replicas,
            &["spec/replicas"],
            &json!({"found": found, "allowed": {"minReplicas": 2, "maxReplicas": 3}}),
        )
        .1
    };
    assert_eq!(of(1), ["programs that may run only once, and an autoscaler that sets the number"]);
    assert_eq!(of(9), ["declared"]);
    let tolerations =
        json!({"spec": {"tolerations": [{"operator": "Exists"}, {"key": "gpu", "operator": "Exists"}]}});
    let of = |at: &str| said(Change::RemoveItem("tolerations"), &tolerations, &[at], &Value::Null).1;
    assert_eq!(of("spec/tolerations/0"), ["running on nodes with a taint, whatever it is"]);
    assert_eq!(of("spec/tolerations/1"), ["declared"]);
    let windows = pod(&json!({"securityContext": {"windowsOptions": {"hostProcess": true}}}));
    let field = format!("{CONTEXT}/windowsOptions/hostProcess");
    let (_, breaks) = said(Change::Remove(&["privileged", "hostProcess"]), &windows, &[&field], &Value::Null);
    assert_eq!(breaks, ["access to the node"]);
    let network = json!({"spec": {"hostNetwork": true, "containers": [{"ports": [{"containerPort": 80}]}]}});
    let port = "spec/containers/0/ports/0/containerPort";
    let (because, _) = said(Change::Remove(&["hostPort"]), &network, &[port], &json!({"allowed": []}));
    assert_eq!(because, "on the network of the host only you know which of the allowed ports is free");
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
