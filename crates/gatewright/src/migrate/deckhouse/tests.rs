//! Each difference once: what the policy says here, and what it says with the old meaning written out, which is what
//! Deckhouse says.

use gatewright_api::PolicyKind::{self, OperationPolicy, SecurityPolicy};
use gatewright_compiler::Settings;
use serde_json::{Value, json};

use super::differences::{About, DIFFERENCES};
use super::{Count, Examination, count};
use crate::check::result::Verdict::{self, Deny, Pass};
use crate::input::{Document, Location};
use crate::migrate::names::Names;
use crate::migrate::source::Found;
use crate::migrate::trial::{Said, try_on};
use crate::migrate::{Source, Sources};
use crate::sandbox::{Limits, Pool};

const KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfqqnQlYYvYQq+8rB3+s8m3XMqWzB\nuh2ryrIZkvXbUU93r1ChEXVuy+UGvSuf9qWzmDDkwGG2bhCurk+aR7kx2w==\n-----END PUBLIC KEY-----";

fn settings() -> Settings {
    Settings::from_yaml("", "gatewright-system").unwrap()
}

fn found(objects: &[Value]) -> Found {
    let mut found = Found::default();
    for object in objects {
        let location = Location { file: "a.yaml".into(), line: 1 };
        found.take(Document::made(object, location).unwrap());
    }
    found
}

fn examine(found: &Found) -> Examination {
    super::examine(found, &settings(), &mut Names::of(found))
}

fn policy(kind: PolicyKind, rules: &Value) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": kind.as_ref(), "metadata": {"name": "one"},
        "spec": {"match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": rules},
    })
}

/// What is found of these objects, and what the policies say of them.
fn examined(objects: &[Value]) -> (Examination, Said) {
    let mut found = found(objects);
    found.keep_what_counts(Sources(Some(Source::Deckhouse)), &settings());
    let mut examination = examine(&found);
    let (rest, pool) = (std::mem::take(&mut found.rest), Pool::new(Limits::default()));
    let said = try_on(&examination.tried, rest, &found.counting, &settings(), &pool).unwrap();
    count(&mut examination, &said);
    (examination, said)
}

fn ids(examination: &Examination) -> Vec<&str> {
    let all = examination.all.iter().flat_map(|one| &one.migrated.differences);
    all.map(|it| it.id.as_str()).collect()
}

fn pod(spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
}

fn container(context: &Value) -> Value {
    pod(&json!({"automountServiceAccountToken": false,
                "containers": [{"name": "app", "image": "registry.example.com/app:1", "securityContext": context}]}))
}

fn in_shop(api_version: &str, kind: &str, spec: &Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
}

/// A difference that the same meaning removes: the number, the rules, an object, the verdict here, and Deckhouse's.
type Row = (u8, PolicyKind, Value, Value, Verdict, Verdict);

fn removable() -> Vec<Row> {
    let explicit = json!({"allowPrivileged": true, "allowPrivilegeEscalation": true});
    let with = |more: Value| {
        let mut rules = explicit.clone();
        rules.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rules
    };
    let token = pod(&json!({"containers": [{"name": "app", "image": "a"}]}));
    let host_path =
        pod(&json!({"automountServiceAccountToken": false, "containers": [{"name": "app", "image": "a"}],
                                "volumes": [{"name": "logs", "hostPath": {"path": "/var/log"}}]}));
    let image = pod(&json!({"containers": [{"name": "app", "image": "registry.example.com.evil.io/x"}]}));
    let port = pod(&json!({"automountServiceAccountToken": false, "containers": [
        {"name": "app", "image": "a", "ports": [{"containerPort": 9000, "hostPort": 9000}]}]}));
    let open = |field: &str| with(json!({field: {"rule": "MustRunAs", "ranges": [{"min": 0}]}}));
    vec![
        (
            1,
            SecurityPolicy,
            json!({"allowPrivilegeEscalation": true}),
            container(&json!({"privileged": true})),
            Pass,
            Deny,
        ),
        (2, SecurityPolicy, json!({"allowPrivileged": true}), container(&json!({})), Pass, Deny),
        (4, SecurityPolicy, with(json!({"allowedVolumes": ["configMap"]})), token, Pass, Deny),
        (5, SecurityPolicy, with(json!({"allowedHostPaths": []})), host_path.clone(), Deny, Pass),
        (5, SecurityPolicy, with(json!({"allowedVolumes": []})), host_path, Deny, Pass),
        (33, OperationPolicy, json!({"allowedRepos": []}), image.clone(), Deny, Pass),
        (
            6,
            SecurityPolicy,
            with(json!({"allowedCapabilities": ["CHOWN"]})),
            container(&json!({})),
            Pass,
            Deny,
        ),
        (
            6,
            SecurityPolicy,
            with(json!({"allowedCapabilities": [], "requiredDropCapabilities": ["NET_RAW"]})),
            container(&json!({"capabilities": {"drop": ["NET_RAW"]}})),
            Pass,
            Deny,
        ),
        (
            7,
            SecurityPolicy,
            with(json!({"requiredDropCapabilities": ["ALL"]})),
            container(&json!({"capabilities": {"drop": ["ALL"], "add": ["CHOWN"]}})),
            Pass,
            Deny,
        ),
        (8, SecurityPolicy, open("runAsUser"), container(&json!({"runAsUser": 1000})), Pass, Deny),
        (8, SecurityPolicy, open("runAsGroup"), container(&json!({"runAsGroup": 0})), Pass, Pass),
        (8, SecurityPolicy, with(json!({"allowedHostPorts": [{"min": 8000}]})), port, Pass, Deny),
        (14, OperationPolicy, json!({"allowedRepos": ["registry.example.com"]}), image, Deny, Pass),
    ]
}

#[test]
fn with_the_same_meaning_written_out_the_verdict_is_deckhouses() {
    for (number, kind, rules, object, here, there) in removable() {
        let (examination, said) = examined(&[policy(kind, &rules), object]);
        let id = format!("Δ{number}");
        assert_eq!(ids(&examination), [id.as_str()], "{rules}");
        let one = &examination.all[0];
        let [(0, Count::Between(before, after))] = one.counts[..] else { panic!("{id}: {:?}", one.counts) };
        assert_eq!(said.verdicts(before), [here], "{id} {rules}");
        assert_eq!(said.verdicts(after), [there], "{id} {rules}");
        assert_eq!(one.migrated.differences[0].objects, Some(usize::from(here != there)), "{id}");
        // What is printed has no difference of this number any more.
        let (again, _) = examined(&[one.written.clone().unwrap()]);
        assert!(!ids(&again).contains(&id.as_str()), "{id}: {:?}", one.written);
    }
}

/// A difference that stays: the number, the rules, an object that is refused here alone, and one that both refuse.
type Stricter = (u8, PolicyKind, Value, Value, Option<Value>);

fn stricter() -> Vec<Stricter> {
    let annotated = |kind: &str, api_version: &str, key: &str, class: &str| {
        json!({"apiVersion": api_version, "kind": kind, "spec": {"rules": [{"host": "a.example.com"}]},
               "metadata": {"name": "web", "namespace": "shop", "annotations": {key: class}}})
    };
    let ingress = |spec: Value| in_shop("networking.k8s.io/v1", "Ingress", &spec);
    let set = |extra: Value| {
        let mut spec = json!({"selector": {"matchLabels": {"a": "b"}}, "serviceName": "web", "template": {
            "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "app", "image": "a"}]}}});
        spec.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        spec
    };
    let replicas = |kind: &str| in_shop("apps/v1", kind, &set(json!({"replicas": 9})));
    let history = |kind: &str| in_shop("apps/v1", kind, &set(json!({"revisionHistoryLimit": 9})));
    let tolerant = |toleration: Value| {
        pod(&json!({"containers": [{"name": "app", "image": "a"}], "tolerations": [toleration]}))
    };
    let windows = pod(&json!({
        "securityContext": {"windowsOptions": {"hostProcess": true}}, "hostNetwork": true,
        "containers": [{"name": "app", "image": "a"}],
    }));
    let claims = json!([{"metadata": {"name": "data"}, "spec": {"storageClassName": "slow"}}]);
    let claim = in_shop("v1", "PersistentVolumeClaim", &json!({"storageClassName": "slow"}));
    let class = "volume.beta.kubernetes.io/storage-class";
    let explicit = json!({"allowPrivileged": false, "allowPrivilegeEscalation": true});
    let wildcards =
        json!({"allowPrivileged": true, "allowPrivilegeEscalation": true, "blockWildcardDomains": true});
    let star = ingress(json!({"rules": [{"host": "*.example.com"}]}));
    let storage = json!({"storageClassNames": ["fast"]});
    let pattern = json!({"disallowedTolerations": [{"key": "dedicated", "operator": "Exists"}]});
    vec![
        (3, SecurityPolicy, explicit, windows, Some(container(&json!({"privileged": true})))),
        (10, SecurityPolicy, wildcards.clone(), ingress(json!({"rules": [{"http": {}}]})), Some(star)),
        (10, SecurityPolicy, wildcards.clone(), ingress(json!({"defaultBackend": {}})), None),
        (
            10,
            SecurityPolicy,
            wildcards,
            ingress(json!({"rules": [{"host": "a.example.com"}], "tls": [{"hosts": ["*.example.com"]}]})),
            None,
        ),
        (
            16,
            OperationPolicy,
            json!({"maxRevisionHistoryLimit": 3}),
            history("StatefulSet"),
            Some(history("Deployment")),
        ),
        (
            17,
            OperationPolicy,
            json!({"ingressClassNames": ["nginx"]}),
            annotated("Ingress", "networking.k8s.io/v1", "kubernetes.io/ingress.class", "other"),
            Some(ingress(json!({"ingressClassName": "other"}))),
        ),
        (
            18,
            OperationPolicy,
            storage.clone(),
            in_shop("apps/v1", "StatefulSet", &set(json!({"volumeClaimTemplates": claims}))),
            Some(claim),
        ),
        (18, OperationPolicy, storage, annotated("PersistentVolumeClaim", "v1", class, "slow"), None),
        (
            19,
            OperationPolicy,
            json!({"replicaLimits": {"maxReplicas": 3}}),
            replicas("StatefulSet"),
            Some(replicas("Deployment")),
        ),
        (
            20,
            OperationPolicy,
            pattern,
            tolerant(json!({"operator": "Exists"})),
            Some(tolerant(json!({"key": "dedicated", "operator": "Exists"}))),
        ),
    ]
}

#[test]
fn what_is_refused_here_alone_is_counted_and_what_both_refuse_is_not() {
    for (number, kind, rules, here_alone, both) in stricter() {
        let id = format!("Δ{number}");
        let one = |object: Value, counted: usize| {
            let (examination, said) = examined(&[policy(kind, &rules), object]);
            assert_eq!(ids(&examination), [id.as_str()], "{rules}");
            assert_eq!(said.verdicts(0), [Deny], "{id} {rules}");
            assert_eq!(examination.all[0].migrated.differences[0].objects, Some(counted), "{id} {rules}");
        };
        one(here_alone, 1);
        if let Some(both) = both {
            one(both, 0);
        }
    }
}

/// Differences that nobody can count here: the number, an object of Deckhouse's, and how often it is named.
fn others() -> Vec<(u8, Value, Vec<&'static str>)> {
    let signed = |references: &[&str]| {
        let entries: Vec<_> =
            references.iter().map(|it| json!({"reference": it, "publicKeys": [KEY]})).collect();
        policy(
            SecurityPolicy,
            &json!({"allowPrivileged": true, "allowPrivilegeEscalation": true, "verifyImageSignatures": entries}),
        )
    };
    let security = |more: Value| {
        let mut rules = json!({"allowPrivileged": true, "allowPrivilegeEscalation": true});
        rules.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        policy(SecurityPolicy, &rules)
    };
    let of_namespace = |kind: &str, rules: Value| {
        json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": kind, "metadata": {"name": "one", "namespace": "shop"},
               "spec": {"policies": rules}})
    };
    let namespace = |name: &str, label: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {label: "true"}}});
    let void = json!({"runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 1}]}});
    let mut skipped = container(&json!({}));
    skipped["metadata"]["labels"] = json!({"security.deckhouse.io/skip-pss-check": "true"});
    vec![
        (9, security(json!({"seccompProfiles": {"allowedProfiles": ["RuntimeDefault"]}})), vec!["Δ9"]),
        (11, signed(&["registry.example.com/*"]), vec!["Δ11"]),
        (12, signed(&["registry.example.com/*", "*"]), vec!["Δ11", "Δ12"]),
        (12, signed(&["a.example.com/*", "b.example.com/*"]), vec!["Δ11"]),
        (13, signed(&["registry.example.com/app"]), vec!["Δ11", "Δ13"]),
        (13, signed(&["registry.example.com:5000/app:1"]), vec!["Δ11"]),
        (15, policy(OperationPolicy, &json!({"requiredProbes": ["livenessProbe"]})), vec!["Δ15"]),
        (
            21,
            policy(
                OperationPolicy,
                &json!({"disallowedCustomResources": ["nvidia.com/*"], "imagePullPolicy": "Always"}),
            ),
            vec!["Δ21"],
        ),
        (27, skipped, vec!["Δ27"]),
        (28, namespace("shop", "security.deckhouse.io/trivy-provider"), vec!["Δ28"]),
        (29, of_namespace("NamespacedOperationPolicy", json!({"imagePullPolicy": "Always"})), vec!["Δ29"]),
        (
            29,
            of_namespace("NamespacedSecurityPolicy", json!({"allowPrivilegeEscalation": false})),
            vec!["Δ29", "Δ1"],
        ),
        (30, of_namespace("SecurityPolicyException", json!({})), vec!["Δ30"]),
        (
            31,
            policy(OperationPolicy, &json!({"allowedRepos": ["https://registry.example.com/"]})),
            vec!["Δ31"],
        ),
        (
            31,
            policy(SecurityPolicy, &json!({"allowPrivileged": null, "allowPrivilegeEscalation": true})),
            vec!["Δ31"],
        ),
        (34, security(void.clone()), vec!["Δ34"]),
        (
            34,
            security(json!({"runAsUser": void["runAsUser"], "allowedHostPorts": [{"min": 8000}]})),
            vec!["Δ8", "Δ34"],
        ),
        (32, namespace("d8-ingress", "security.deckhouse.io/enable-security-policy-check"), vec!["Δ32"]),
    ]
}

#[test]
fn what_cannot_be_counted_is_named() {
    for (number, object, expected) in others() {
        let found = found(std::slice::from_ref(&object));
        let examination = examine(&found);
        assert_eq!(ids(&examination), expected, "Δ{number} {object}");
        assert!(
            examination.all.iter().flat_map(|it| &it.migrated.differences).all(|it| it.objects.is_none())
        );
    }
}

/// Every difference has a test; those of every cluster are tested where the rule is.
#[test]
fn every_difference_has_a_row() {
    let rows = removable().into_iter().map(|row| row.0);
    let rows =
        rows.chain(stricter().into_iter().map(|row| row.0)).chain(others().into_iter().map(|row| row.0));
    let tested: std::collections::BTreeSet<_> = rows.collect();
    let missing: Vec<_> = DIFFERENCES
        .iter()
        .filter(|it| !matches!(it.about, About::General) && !tested.contains(&it.number))
        .map(|it| it.number)
        .collect();
    assert!(missing.is_empty(), "without a row: {missing:?}");
}

#[test]
fn the_status_that_deckhouse_wrote_is_no_reason_to_refuse() {
    let mut policy = policy(OperationPolicy, &json!({"imagePullPolicy": "Always"}));
    policy["status"] = json!({"deckhouse": {"synced": "False"}, "later": 1});
    assert!(!examine(&found(&[policy])).all[0].is_refused);
}

/// Those of every cluster that are about what is accepted.
#[test]
fn what_deckhouses_definition_refuses_is_accepted() {
    let labels = json!({"labels": [{"key": "owner"}], "watchKinds": ["networking.k8s.io/Ingress"]});
    let entry = json!({"reference": "registry.example.com/team_a/app:V1", "publicKeys": [KEY], "requireDigest": true});
    for (kind, rules) in [
        (OperationPolicy, json!({"requiredLabels": labels})),
        (SecurityPolicy, json!({"verifyImageSignatures": [entry]})),
    ] {
        let found = found(&[policy(kind, &rules)]);
        assert!(!ids(&examine(&found)).contains(&"Δ31"), "{rules}");
    }
}

#[test]
fn a_policy_of_a_namespace_becomes_one_of_the_cluster() {
    let object = json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "NamespacedOperationPolicy",
        "metadata": {"name": "one", "namespace": "shop"},
        "spec": {"enforcementAction": "Warn", "match": {"labelSelector": {"matchLabels": {"a": "b"}}},
                 "policies": {"imagePullPolicy": "Always"}},
    });
    let examination = examine(&found(&[object]));
    let one = &examination.all[0];
    assert_eq!(one.migrated.becomes.as_ref().unwrap().raw(), "OperationPolicy/shop-one");
    let expected = json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "OperationPolicy", "metadata": {"name": "shop-one"},
        "spec": {"enforcementAction": "Warn", "policies": {"imagePullPolicy": "Always"}, "match": {
            "namespaceSelector": {"matchNames": ["shop"]}, "labelSelector": {"matchLabels": {"a": "b"}}}},
    });
    assert_eq!(one.written, Some(expected));
}

/// A range in which no id lies with 0 for what is missing is left out; where none stays, that is a difference of its own.
#[test]
fn open_ranges_that_hold_nothing_go() {
    let edits = |ranges: Value| {
        super::meaning::open_ranges(&policy(
            SecurityPolicy,
            &json!({"runAsUser": {"rule": "MustRunAs", "ranges": ranges}}),
        ))
    };
    assert_eq!(edits(json!([{"min": 1, "max": 2}])), None);
    assert_eq!(edits(json!([{"min": 1}])), None);
    let said = edits(json!([{"min": 1}, {"min": 5, "max": 9}])).unwrap();
    assert_eq!(said[0].text(), "spec.policies.runAsUser.ranges: [{max: 9, min: 5}]");
}

/// What a refused policy lacks is named once, and the policy is not written.
#[test]
fn a_policy_that_is_refused_is_left_out() {
    let mut empty = policy(OperationPolicy, &json!({"imagePullPolicy": "Always"}));
    empty["spec"]["match"]["namespaceSelector"] = json!({"excludeNames": []});
    let no_range = json!({"allowPrivileged": true, "allowPrivilegeEscalation": true, "runAsUser": {"rule": "MustRunAs"}});
    for (object, field, after) in [
        (
            empty,
            "spec.match.namespaceSelector.excludeNames",
            "here it is refused: spec.match.namespaceSelector.excludeNames is empty, which",
        ),
        (
            policy(SecurityPolicy, &no_range),
            "spec.policies.runAsUser.ranges",
            "here it is refused: MustRunAs needs",
        ),
    ] {
        let examination = examine(&found(std::slice::from_ref(&object)));
        let one = &examination.all[0];
        let said: Vec<_> =
            one.migrated.differences.iter().map(|it| (it.field.raw(), it.after.raw())).collect();
        assert!(matches!(said[..], [(at, why)] if at == field && why.starts_with(after)), "{said:?}");
        assert!(one.written.is_none() && one.is_refused, "{object}");
    }
}

#[test]
fn policies_of_namespaces_get_names_of_their_own() {
    let of = |kind: &str, namespace: Option<&str>, name: &str, action: &str| {
        json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": namespace},
               "spec": {"match": {"namespaceSelector": {"matchNames": ["shop"]}},
                        "policies": {"imagePullPolicy": action}}})
    };
    let kind = "NamespacedOperationPolicy";
    let examination = examine(&found(&[
        of("OperationPolicy", None, "shop-one", "IfNotPresent"),
        of(kind, Some("shop"), "one", "Always"),
        of(kind, Some("a-b"), "c", "Always"),
        of(kind, Some("a"), "b-c", "IfNotPresent"),
    ]));
    let written = examination.all.iter().map(|it| it.written.as_ref().unwrap()["metadata"]["name"].as_str());
    let written: Vec<_> = written.map(Option::unwrap).collect();
    assert_eq!(written, ["shop-one", "shop-one-namespaced", "a-b-c", "a-b-c-namespaced"]);
    let notes: Vec<_> = examination.all.iter().map(|it| it.migrated.note.is_some()).collect();
    assert_eq!(notes, [false, true, false, true]);
}
