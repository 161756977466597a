use gatewright_api::{OperationPolicy, SecurityPolicy};
use gatewright_compiler::{Compile, Settings};
use serde_json::{Value, json};

use super::compiled;
use crate::policies::leaves::{samples, schema_at};
use crate::policies::{field, schema};

fn of<P: Compile>(policy: &Value) -> Vec<String> {
    let wrong = compiled::<P>(policy, &Settings::default()).err().unwrap_or_default();
    let mut said: Vec<_> = wrong.iter().map(|it| format!("{}: {}", field(&it.pointer), it.message)).collect();
    said.sort();
    said
}

fn whole<P: Compile>(spec: &Value) -> Vec<String> {
    let kind = P::KIND.name();
    let head =
        json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": kind, "metadata": {"name": "a"}, "spec": spec});
    of::<P>(&head)
}

fn policies<P: Compile>(policies: &Value) -> Vec<String> {
    whole::<P>(&json!({"match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": policies}))
}

fn matching(selector: &Value) -> Vec<String> {
    whole::<SecurityPolicy>(&json!({"match": selector, "policies": {"allowHostPID": false}}))
}

/// Each line begins with what is expected, and there are no others.
fn assert_said(said: &[String], expected: &[&str]) {
    assert_eq!(said.len(), expected.len(), "{said:#?}");
    for (said, expected) in said.iter().zip(expected) {
        assert!(said.starts_with(expected), "{said}\nis not\n{expected}");
    }
}

#[test]
fn everything_is_said_at_once() {
    let spec = json!({
        "enforcementAction": "Denny",
        "match": {"namespaceSelector": {"matchNames": ["Shop_", "ok", "B!"]}},
        "policies": {
            "allowPriviledged": false, "requiredLabels": {}, "allowHostPID": "no", "frobnicate": 1,
            "allowedCapabilities": ["NET_BIND_SERVICES"], "runAsUser": {"rule": "MustRunAS"},
            "allowedHostPorts": [{"min": -5}, {"max": "x"}, {"min": 2, "max": 1}],
        },
    });
    assert_said(
        &whole::<SecurityPolicy>(&spec),
        &[
            "spec.enforcementAction: \"Denny\" is not one of the allowed words: Deny, Warn, Dryrun; did you mean Deny?",
            "spec.match.namespaceSelector.matchNames[0]: \"Shop_\" has the character 'S': a namespace name or pattern has lower-case letters",
            "spec.match.namespaceSelector.matchNames[2]: \"B!\" has the character 'B': a namespace name or pattern",
            "spec.policies.allowHostPID: is a string; it must be a boolean",
            "spec.policies.allowPriviledged: there is no such field; did you mean allowPrivileged?",
            "spec.policies.allowedCapabilities[0]: \"NET_BIND_SERVICES\" is not one of the allowed words: ALL, ",
            "spec.policies.allowedHostPorts[0].min: is -5; it must be at least 0",
            "spec.policies.allowedHostPorts[1].max: is a string; it must be an integer",
            "spec.policies.allowedHostPorts[2]: min 2 is greater than max 1",
            "spec.policies.frobnicate: there is no such field; the fields here are ",
            "spec.policies.requiredLabels: is a field of OperationPolicy",
            "spec.policies.runAsUser.rule: \"MustRunAS\" is not one of the allowed words: MustRunAs, MustRunAsNonRoot, RunAsAny; did you mean MustRunAs?",
        ],
    );
}

const PRIVATE: &str = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIKcanary\n-----END EC PRIVATE KEY-----\n";

/// What is wrong beside a fault is said with it, whoever says it.
#[test]
fn a_fault_hides_no_other_of_a_security_policy() {
    let entry = |field: &str, value: Value| {
        let mut entry = json!({"reference": "reg.example/app", "publicKeys": [PRIVATE]});
        entry[field] = value;
        policies::<SecurityPolicy>(&json!({"verifyImageSignatures": [entry]}))
    };
    for (field, value, said) in [
        ("requireDigest", json!("yes"), "is a string; it must be a boolean"),
        ("dockerCfg", json!({}), "is an object; it must be a string"),
        ("dockerCfg", json!("!!"), "a text of 2 bytes: base64 text"),
        ("ca", json!(5), "is a number; it must be a string"),
    ] {
        let expected = format!("spec.policies.verifyImageSignatures[0].{field}: {said}");
        let said = entry(field, value);
        let key = said.iter().find(|said| said.contains(".publicKeys[0]: "));
        assert!(said.len() == 2 && key.is_some_and(|key| key.contains("private key")), "{said:?}");
        assert!(said.iter().any(|said| said.starts_with(&expected)), "{said:?}");
        assert!(!said.concat().contains("canary"));
    }
    let selector = json!({"labelSelector": {"matchExpressions": [
        {"key": "a", "operator": "In"}, {"key": "b", "operator": "Exist"}, {"key": "c", "operator": "In", "values": "x"},
    ]}});
    let at = "spec.match.labelSelector.matchExpressions";
    assert_said(
        &matching(&selector),
        &[
            &format!("{at}[0]: In and NotIn need values"),
            &format!("{at}[1].operator: \"Exist\" is not one of the allowed words"),
            &format!("{at}[2].values: is a string; it must be a list"),
        ],
    );
    let none =
        json!({"verifyImageSignatures": [{"reference": "nginx", "publicKeys": []}], "allowHostPID": 1});
    assert_said(
        &policies::<SecurityPolicy>(&none),
        &[
            "spec.policies.allowHostPID: is a number",
            "spec.policies.verifyImageSignatures[0].publicKeys: is empty: no image",
        ],
    );
}

#[test]
fn a_fault_hides_no_other_of_an_operation_policy() {
    let repositories = json!({"allowedRepos": ["https://reg.example/shop", "", 5, "r.io:"]});
    let at = "spec.policies.allowedRepos";
    assert_said(
        &policies::<OperationPolicy>(&repositories),
        &[
            &format!("{at}[0]: an image reference has no scheme: write reg.example/shop"),
            &format!("{at}[1]: \"\": a repository has letters"),
            &format!("{at}[2]: is a number; it must be a string"),
            &format!("{at}[3]: a port or tag must follow the colon: write r.io"),
        ],
    );
    let labels = json!({"labels": [{"key": "team", "allowedRegex": "a(b"}, {"key": 1}], "watchKinds": ["/pods", "apps/deployment", "Pod"]});
    let at = "spec.policies.requiredLabels";
    let said = policies::<OperationPolicy>(&json!({"requiredLabels": labels}));
    assert_said(
        &said,
        &[
            &format!("{at}.labels[0].allowedRegex: \"a(b\": a regular expression"),
            &format!("{at}.labels[1].key: is a number; it must be a string"),
            &format!("{at}.watchKinds[0]: /pods is not a kind: write /Pod"),
            &format!("{at}.watchKinds[1]: apps/deployment is not a kind: write apps/Deployment"),
            &format!("{at}.watchKinds[2]: \"Pod\": a watched kind is group/Kind"),
        ],
    );
    assert!(said[0].contains("missing closing )"), "{}", said[0]);
    let many: Vec<_> = (0..1025).map(|_| "https://r.io/a").collect();
    let said = policies::<OperationPolicy>(&json!({"allowedRepos": many}));
    assert_eq!(said.len(), 1026, "too many, and each is wrong");
}

/// What is missed only because something wrong was taken out is not said.
#[test]
fn what_depends_on_a_fault_is_not_said() {
    let kinds = |selector: Value| {
        let labels = json!({"labels": [{"key": "a"}], "watchKinds": ["/Node"]});
        whole::<OperationPolicy>(&json!({"match": selector, "policies": {"requiredLabels": labels}}))
    };
    let rows = [
        (policies::<SecurityPolicy>(&json!({"runAsUser": {"rule": "MustRunAS"}})), "runAsUser.rule: "),
        (
            policies::<SecurityPolicy>(&json!({"runAsUser": {"rule": "MustRunAs", "range": []}})),
            "runAsUser.range: ",
        ),
        (
            policies::<SecurityPolicy>(&json!({"runAsUser": {"rule": "MustRunAs", "ranges": [5]}})),
            "runAsUser.ranges[0]: ",
        ),
        (
            policies::<SecurityPolicy>(&json!({"runAsUser": {"rule": "MustRunAs", "ranges": null}})),
            "runAsUser.ranges: null",
        ),
        (
            policies::<SecurityPolicy>(&json!({"allowedHostPorts": [{"min": "1", "max": 0}]})),
            "allowedHostPorts[0].min: ",
        ),
        (
            policies::<SecurityPolicy>(&json!({"allowedHostPaths": [{"pathPrefixx": "/a"}]})),
            "pathPrefixx: there is no such field",
        ),
        (policies::<OperationPolicy>(&json!({"requiredResources": {"limits": ["mem"]}})), "limits[0]: "),
        (
            policies::<OperationPolicy>(&json!({"requiredResources": {"limit": ["cpu"]}})),
            "requiredResources.limit: ",
        ),
        (
            policies::<OperationPolicy>(
                &json!({"requiredLabels": {"labels": [{"key": "a"}], "watchKinds": [""]}}),
            ),
            "watchKinds[0]: ",
        ),
        (matching(&json!({"namespaceSelector": {"matchNames": ["A"]}})), "matchNames[0]: "),
        (matching(&json!({"namespaceSelector": {"matchName": ["a"]}})), "matchName: "),
        (matching(&json!({"namespaceSelector": null})), "spec.match.namespaceSelector: null"),
        (matching(&json!({"labelSelector": {"matchLabels": {"-a": "x"}}})), "a label key is a name"),
        (matching(&json!({"labelSelector": {"matchLabels": {"a": 1}}})), "matchLabels.a: is a number"),
        (matching(&json!({"labelSelectr": {}})), "did you mean labelSelector?"),
        (matching(&json!("text")), "spec.match: is a string"),
        (kinds(json!("text")), "spec.match: is a string"),
        (whole::<SecurityPolicy>(&json!("text")), "spec: is a string; it must be an object"),
        (whole::<SecurityPolicy>(&json!({"policies": {}})), "spec.match: is required"),
        (whole::<SecurityPolicy>(&json!({"match": null, "policies": {}})), "spec.match: is required"),
    ];
    for (said, expected) in rows {
        assert!(said.len() == 1 && said[0].contains(expected), "{said:#?} is not {expected}");
    }
    let names = json!({"matchNames": ["shop"]});
    assert!(kinds(json!({"namespaceSelector": names}))[0].contains("is cluster-scoped"));
}

/// Two look at the same fault, in different words.
#[test]
fn one_fault_is_said_once() {
    let rows = [
        (
            policies::<SecurityPolicy>(&json!({"runAsUser": {"rule": "MustRunAs", "ranges": []}})),
            "runAsUser.ranges: MustRunAs needs at least one range",
        ),
        (
            policies::<SecurityPolicy>(&json!({"fsGroup": {"rule": "MayRunAs"}})),
            "fsGroup.ranges: MayRunAs needs",
        ),
        (
            policies::<SecurityPolicy>(&json!({"allowedHostPorts": [{"min": 2, "max": 1}]})),
            "min 2 is greater than max 1",
        ),
        (
            policies::<SecurityPolicy>(&json!({"allowedHostPaths": null})),
            "allowedHostPaths: null says neither",
        ),
        (
            policies::<OperationPolicy>(&json!({"requiredLabels": {"labels": [{"key": "a"}]}})),
            "watchKinds: looks at nothing",
        ),
        (
            policies::<OperationPolicy>(&json!({"requiredResources": {}})),
            "requiredResources: demands nothing",
        ),
        (
            policies::<OperationPolicy>(&json!({"replicaLimits": {"minReplicas": 3, "maxReplicas": 2}})),
            "minReplicas 3 is greater",
        ),
        (policies::<OperationPolicy>(&json!({"maxRevisionHistoryLimit": -1})), "-1 is negative"),
        (
            policies::<OperationPolicy>(&json!({"maxRevisionHistoryLimit": 99_999_999_999_u64})),
            "is 99999999999; it must be an integer from 0 to 2147483647",
        ),
        (matching(&json!({})), "spec.match: selects nothing"),
        (matching(&json!({"namespaceSelector": {}})), "namespaceSelector: is empty"),
        (matching(&json!({"namespaceSelector": {"excludeNames": []}})), "excludeNames: is empty"),
        (matching(&json!({"labelSelector": {}})), "labelSelector: is empty"),
        (
            policies::<SecurityPolicy>(&json!({"seLinux": {"level": "s0"}})),
            "seLinux: is an object; it must be a list",
        ),
    ];
    for (said, expected) in &rows {
        assert!(said.len() == 1 && said[0].contains(expected), "{said:#?} is not {expected}");
    }
    let both =
        json!({"maxRevisionHistoryLimit": -1, "requiredProbes": ["liveness"], "requiredResources": {}});
    assert_said(
        &policies::<OperationPolicy>(&both),
        &[
            "spec.policies.maxRevisionHistoryLimit: -1 is negative",
            "spec.policies.requiredProbes[0]: \"liveness\" is not one of the allowed words: livenessProbe, readinessProbe, startupProbe; did you mean livenessProbe?",
            "spec.policies.requiredResources: demands nothing",
        ],
    );
}

#[test]
fn names() {
    let named = |metadata: Value| {
        let spec = json!({"match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": {"allowHostPID": 1}});
        of::<SecurityPolicy>(&json!({"metadata": metadata, "spec": spec}))
    };
    let of_value = "spec.policies.allowHostPID: is a number";
    assert_said(&named(json!({"name": "a"})), &[of_value]);
    assert_said(
        &named(json!({"name": "a".repeat(64)})),
        &["metadata.name: 64 characters; a policy's name has at most 63", of_value],
    );
    assert_said(
        &named(json!({"name": "A".repeat(64)})),
        &["metadata.name: 64 characters", "metadata.name: a name has lower-case letters", of_value],
    );
    for metadata in [json!({}), json!({"name": ""}), json!({"generateName": "a-"})] {
        assert_said(&named(metadata), &["metadata.name: a policy has a name", of_value]);
    }
    assert_said(&named(json!({"name": 5})), &["metadata.name: is an integer; it must be a string", of_value]);
}

#[test]
fn a_field_in_the_wrong_place_has_a_hint() {
    let spec = json!({
        "match": {"matchNames": ["shop"], "namespaceSelector": {"matchLabels": {"a": "b"}}, "matchLabels": {}},
        "policies": {
            "enforcementAction": "Warn", "allowedLocalhostFiles": ["*"], "spec": 1, "requiredProbes": [], "watchKinds": [],
            "verifyImageSignatures": [{"reference": "a", "publicKeys": ["x"], "helpUrl": 1}], "allowPrivilegd": true,
        },
        "allowPrivileged": false, "matchNames": ["shop"], "allowedRepos": [],
    });
    let mut said = of::<SecurityPolicy>(&json!({
        "metadata": {"name": "a"}, "spec": spec, "match": {}, "enforcementAction": "Warn", "spac": 1,
    }));
    said.retain(|said| !said.contains("publicKeys[0]"));
    let here = "there is no such field here; it belongs";
    let labels = "spec.match.labelSelector or spec.match.namespaceSelector.labelSelector";
    assert_said(
        &said,
        &[
            &format!("enforcementAction: {here} under spec"),
            &format!("match: {here} under spec"),
            "spac: there is no such field; did you mean spec?",
            &format!("spec.allowPrivileged: {here} under spec.policies"),
            "spec.allowedRepos: is a field of OperationPolicy; there it belongs under spec.policies",
            &format!("spec.match.matchLabels: {here} under {labels}"),
            &format!("spec.match.matchNames: {here} under spec.match.namespaceSelector"),
            &format!(
                "spec.match.namespaceSelector.matchLabels: {here} under spec.match.namespaceSelector.labelSelector"
            ),
            &format!("spec.matchNames: {here} under spec.match.namespaceSelector"),
            "spec.policies.allowPrivilegd: there is no such field; did you mean allowPrivileged?",
            &format!("spec.policies.allowedLocalhostFiles: {here} under spec.policies.seccompProfiles"),
            &format!("spec.policies.enforcementAction: {here} under spec"),
            "spec.policies.requiredProbes: is a field of OperationPolicy",
            &format!("spec.policies.spec: {here} at the top level"),
            &format!("spec.policies.verifyImageSignatures[0].helpUrl: {here} under spec"),
            "spec.policies.watchKinds: is a field of OperationPolicy; there it belongs under spec.policies.requiredAnnotations or spec.policies.requiredLabels",
        ],
    );
}

#[test]
fn words_have_a_meaning() {
    for (rules, meant) in [
        (json!({"allowedCapabilities": ["CAP_NET_ADMIN"]}), "NET_ADMIN"),
        (json!({"requiredDropCapabilities": ["cap_sys_admin"]}), "SYS_ADMIN"),
        (json!({"allowedCapabilities": ["net_raw"]}), "NET_RAW"),
        (json!({"allowedVolumes": ["secrets"]}), "secret"),
    ] {
        let said = policies::<SecurityPolicy>(&rules);
        assert!(said.len() == 1 && said[0].ends_with(&format!("; did you mean {meant}?")), "{said:?}");
    }
    for (rules, meant) in [
        (json!({"requiredProbes": ["readiness"]}), "readinessProbe"),
        (json!({"requiredResources": {"limits": ["mem"]}}), "memory"),
        (json!({"requiredResources": {"requests": ["storage"]}}), "ephemeral-storage"),
    ] {
        let said = policies::<OperationPolicy>(&rules);
        assert!(said.len() == 1 && said[0].ends_with(&format!("; did you mean {meant}?")), "{said:?}");
    }
}

/// Wherever something has a wrong type, that is said, once, and what is wrong elsewhere is said as well.
fn assert_hides_nothing<P: Compile>(wrong: (&str, Value)) {
    let spec = schema_at(schema::structure_of(P::KIND).unwrap(), "/spec").unwrap();
    let mut full = samples(spec).remove(0);
    full["policies"][wrong.0] = wrong.1;
    let before = whole::<P>(&full);
    assert!(!before.is_empty());
    let mut places: Vec<_> = everything(&full["policies"], "/policies").into_iter().skip(1).collect();
    places.retain(|place| !place.contains(wrong.0) && !place.contains("publicKeys"));
    assert!(places.len() > 30, "{places:?}");
    for place in places {
        let mut broken = full.clone();
        *broken.pointer_mut(&place).unwrap() = json!(1.5);
        let here = field(&format!("/spec{place}"));
        let (new, old): (Vec<_>, Vec<_>) =
            whole::<P>(&broken).into_iter().partition(|said| !before.contains(said));
        assert!(new.len() == 1 && new[0].starts_with(&format!("{here}: is ")), "{here}: {new:?}");
        let elsewhere: Vec<_> = before.iter().filter(|said| !said.starts_with(&here)).collect();
        assert_eq!(old.iter().collect::<Vec<_>>(), elsewhere, "{here}");
    }
}

/// The pointers to a value and to all that is in it.
fn everything(value: &Value, pointer: &str) -> Vec<String> {
    let below = |name: &str, value: &Value| everything(value, &format!("{pointer}/{name}"));
    let inside: Vec<_> = match value {
        Value::Object(fields) => fields.iter().flat_map(|(name, value)| below(name, value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(index, item)| below(&index.to_string(), item)).collect()
        }
        _ => vec![],
    };
    std::iter::once(pointer.to_owned()).chain(inside).collect()
}

#[test]
fn no_fault_of_a_security_policy_hides_another() {
    assert_hides_nothing::<SecurityPolicy>(("allowedHostPaths", json!([{"pathPrefix": "/a/../b"}])));
}

#[test]
fn no_fault_of_an_operation_policy_hides_another() {
    assert_hides_nothing::<OperationPolicy>(("allowedRepos", json!(["https://reg.example/shop"])));
}
