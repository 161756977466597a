use gatewright_compiler::Settings;
use serde_json::{Value, json};

use super::table::TABLE;
use super::{examine, matched};
use crate::input::{Document, Location};
use crate::migrate::names::Names;
use crate::migrate::source::Found;

fn constraint(kind: &str, parameters: &Value, matched: &Value) -> Document {
    let value = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": "one"},
        "spec": {"match": matched, "parameters": parameters},
    });
    Document::made(&value, Location { file: "a".into(), line: 1 }).unwrap()
}

fn pods() -> Value {
    json!({"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}], "namespaces": ["shop"]})
}

/// The rules of the policy that a constraint becomes, or what is in the way.
fn becomes(kind: &str, parameters: &Value, matched: &Value) -> Result<Value, String> {
    let mut found = Found::default();
    found.take(constraint(kind, parameters, matched));
    let settings = Settings::from_yaml("", "gatewright-system").unwrap();
    let mut all = examine(&found, &settings, &mut Names::default());
    assert_eq!(all.len(), 1);
    let one = all.remove(0);
    one.written.map(|policy| policy["spec"]["policies"].clone()).ok_or_else(|| {
        let entry = &one.migrated.differences[0];
        format!("{} {}", entry.id, entry.field)
    })
}

/// Each template with parameters as its samples have them, and the rules that it becomes.
fn rows() -> Vec<(&'static str, Value, Value)> {
    let ids = json!({"rule": "MustRunAs", "ranges": [{"min": 100, "max": 200}]});
    vec![
        ("K8sPSPPrivilegedContainer", json!({}), json!({"allowPrivileged": false})),
        (
            "K8sPSPAllowPrivilegeEscalationContainer",
            json!({"exemptImages": []}),
            json!({"allowPrivilegeEscalation": false}),
        ),
        ("K8sPSPHostNamespace", json!({}), json!({"allowHostPID": false, "allowHostIPC": false})),
        (
            "K8sPSPHostNetworkingPorts",
            json!({"hostNetwork": true, "min": 80, "max": 9000}),
            json!({"allowedHostPorts": [{"min": 80, "max": 9000}]}),
        ),
        ("K8sPSPReadOnlyRootFilesystem", json!({}), json!({"readOnlyRootFilesystem": true})),
        ("K8sPSPAutomountServiceAccountTokenPod", json!({}), json!({"automountServiceAccountToken": false})),
        (
            "K8sPSPFlexVolumes",
            json!({"allowedFlexVolumes": [{"driver": "example/lvm"}]}),
            json!({"allowedFlexVolumes": [{"driver": "example/lvm"}]}),
        ),
        (
            "K8sPSPVolumeTypes",
            json!({"volumes": ["configMap", "secret"]}),
            json!({"allowedVolumes": ["configMap", "secret"], "automountServiceAccountToken": false}),
        ),
        ("K8sPSPHostFilesystem", json!({}), json!({"allowedHostPaths": []})),
        (
            "K8sPSPCapabilities",
            json!({"allowedCapabilities": ["*"], "requiredDropCapabilities": ["NET_RAW"]}),
            json!({"allowedCapabilities": ["ALL"], "requiredDropCapabilities": ["NET_RAW"]}),
        ),
        (
            "K8sPSPAppArmor",
            json!({"allowedProfiles": ["runtime/default"]}),
            json!({"allowedAppArmor": ["runtime/default"]}),
        ),
        ("K8sPSPProcMount", json!({"procMount": "Default"}), json!({"allowedProcMount": "Default"})),
        ("K8sPSPAllowedUsers", json!({"runAsUser": ids}), json!({"runAsUser": ids})),
        ("K8sPSPFSGroup", ids.clone(), json!({"fsGroup": ids})),
        (
            "K8sPSPSELinuxV2",
            json!({"allowedSELinuxOptions": [{"level": "s0"}]}),
            json!({"seLinux": [{"level": "s0"}]}),
        ),
        (
            "K8sPSPForbiddenSysctls",
            json!({"forbiddenSysctls": ["kernel.*"], "allowedSysctls": ["net.*"]}),
            json!({"forbiddenSysctls": ["kernel.*"], "allowedUnsafeSysctls": ["net.*"]}),
        ),
        (
            "K8sPSPSeccompV2",
            json!({"allowedProfiles": ["RuntimeDefault"]}),
            json!({"seccompProfiles": {"allowedProfiles": ["RuntimeDefault"]}}),
        ),
        (
            "K8sBlockNodePort",
            json!({}),
            json!({"allowedServiceTypes": ["ClusterIP", "LoadBalancer", "ExternalName"]}),
        ),
        (
            "K8sBlockLoadBalancer",
            json!({}),
            json!({"allowedServiceTypes": ["ClusterIP", "NodePort", "ExternalName"]}),
        ),
        ("K8sBlockWildcardIngress", json!({}), json!({"blockWildcardDomains": true})),
        (
            "K8sAllowedRepos",
            json!({"repos": ["registry.example.com/"]}),
            json!({"allowedRepos": ["registry.example.com/*"]}),
        ),
        ("K8sDisallowedTags", json!({"tags": ["latest"]}), json!({"disallowedImageTags": ["latest"]})),
        (
            "K8sRequiredProbes",
            json!({"probes": ["readinessProbe"], "probeTypes": ["tcpSocket", "httpGet", "exec"]}),
            json!({"requiredProbes": ["readinessProbe"]}),
        ),
        (
            "K8sReplicaLimits",
            json!({"ranges": [{"min_replicas": 3, "max_replicas": 50}]}),
            json!({"replicaLimits": {"minReplicas": 3, "maxReplicas": 50}}),
        ),
        (
            "K8sRequiredResources",
            json!({"limits": ["memory"]}),
            json!({"requiredResources": {"limits": ["memory"]}}),
        ),
        (
            "K8sRequiredLabels",
            json!({"labels": [{"key": "owner", "allowedRegex": "^[a-z]+$"}], "message": "m"}),
            json!({"requiredLabels": {"labels": [{"key": "owner", "allowedRegex": "^[a-z]+$"}], "watchKinds": ["/Pod"]}}),
        ),
        (
            "K8sRequiredAnnotations",
            json!({"annotations": [{"key": "owner"}]}),
            json!({"requiredAnnotations": {"annotations": [{"key": "owner"}], "watchKinds": ["/Pod"]}}),
        ),
        (
            "K8sStorageClass",
            json!({"allowedStorageClasses": ["fast"]}),
            json!({"storageClassNames": ["fast"]}),
        ),
    ]
}

#[test]
fn each_template_becomes_its_fields() {
    let rows = rows();
    for (kind, parameters, expected) in &rows {
        assert_eq!(becomes(kind, parameters, &pods()).as_ref(), Ok(expected), "{kind}");
    }
    let named: Vec<_> = rows.iter().map(|row| row.0).collect();
    let missing: Vec<_> = TABLE.iter().flat_map(|it| it.kinds).filter(|kind| !named.contains(kind)).collect();
    assert!(missing.is_empty(), "without a row: {missing:?}");
}

#[test]
fn what_no_policy_says_is_named() {
    let plain = &pods();
    let named = |field: &str, value: Value| {
        let mut matched = pods();
        matched[field] = value;
        matched
    };
    for (kind, parameters, matched, expected) in [
        ("K8sHttpsOnly", json!({}), plain, "L1 kind"),
        (
            "K8sPSPPrivilegedContainer",
            json!({"exemptImages": ["a/*"]}),
            plain,
            "L2 spec.parameters.exemptImages",
        ),
        (
            "K8sRequiredProbes",
            json!({"probes": ["livenessProbe"], "probeTypes": ["exec"]}),
            plain,
            "L2 spec.parameters.probeTypes",
        ),
        ("K8sRequiredProbes", json!({"probes": ["livenessProbe"]}), plain, "L2 spec.parameters.probeTypes"),
        ("K8sReplicaLimits", json!({"ranges": [{}, {}]}), plain, "L2 spec.parameters.ranges"),
        (
            "K8sReplicaLimits",
            json!({"ranges": [{"min_replicas": 1}]}),
            plain,
            "L2 spec.parameters.ranges[0].max_replicas",
        ),
        // What a template without a parameter refuses, no policy does.
        ("K8sPSPAppArmor", json!({}), plain, "L2 spec.parameters.allowedProfiles"),
        ("K8sPSPSeccompV2", json!({}), plain, "L2 spec.parameters.allowedProfiles"),
        (
            "K8sPSPSeccompV2",
            json!({"allowedProfiles": ["Localhost"]}),
            plain,
            "L2 spec.parameters.allowedLocalhostFiles",
        ),
        ("K8sDisallowedTags", json!({}), plain, "L2 spec.parameters.tags"),
        ("K8sDisallowedTags", json!({"tags": []}), plain, "L2 spec.parameters.tags"),
        ("K8sAllowedRepos", json!({}), plain, "L2 spec.parameters.repos"),
        ("K8sRequiredLabels", json!({}), plain, "L2 spec.parameters.labels"),
        ("K8sRequiredAnnotations", json!({}), plain, "L2 spec.parameters.annotations"),
        (
            "K8sStorageClass",
            json!({"allowedStorageClasses": ["*"]}),
            plain,
            "L2 spec.parameters.allowedStorageClasses",
        ),
        ("K8sStorageClass", json!({}), plain, "L2 spec.parameters.allowedStorageClasses"),
        ("K8sRequiredLabels", json!({"labels": [{"key": "a"}]}), &json!({}), "L2 spec.parameters.labels"),
        ("K8sPSPHostNamespace", json!({}), &named("name", json!("a*")), "L3 spec.match.name"),
        ("K8sPSPHostNamespace", json!({}), &named("namespaces", json!(["Shop"])), "L2 spec"),
    ] {
        assert_eq!(becomes(kind, &parameters, matched), Err(expected.to_owned()), "{kind}");
    }
}

#[test]
fn a_constraint_that_names_no_namespace_matches_all() {
    let all = json!({"namespaceSelector": {"matchNames": ["*"]}});
    assert_eq!(matched(&json!({"kinds": [], "namespaces": []})), all);
    assert_eq!(matched(&Value::Null), all);
    let given = json!({"excludedNamespaces": ["kube-*"], "labelSelector": {"matchLabels": {"a": "b"}}});
    let expected = json!({"namespaceSelector": {"excludeNames": ["kube-*"]}, "labelSelector": {"matchLabels": {"a": "b"}}});
    assert_eq!(matched(&given), expected);
}

#[test]
fn two_constraints_of_one_name_become_two_policies() {
    let mut found = Found::default();
    for kind in ["K8sBlockNodePort", "K8sBlockLoadBalancer", "K8sAllowedRepos"] {
        found.take(constraint(kind, &json!({"repos": ["r.example.com/"]}), &pods()));
    }
    let settings = Settings::from_yaml("", "gatewright-system").unwrap();
    let all = examine(&found, &settings, &mut Names::of(&found));
    let becomes: Vec<_> = all.iter().map(|it| it.migrated.becomes.as_ref().unwrap().raw()).collect();
    assert_eq!(
        becomes,
        ["SecurityPolicy/one", "SecurityPolicy/one-k8sblockloadbalancer", "OperationPolicy/one"]
    );
    let written = &all[1].written.as_ref().unwrap()["metadata"]["name"];
    assert_eq!(*written, "one-k8sblockloadbalancer");
    let note = all[1].migrated.note.as_ref().unwrap();
    assert_eq!(note.raw(), "another policy is named SecurityPolicy/one");
}

#[test]
fn what_a_field_judges_otherwise_than_its_template_is_named() {
    let types = ["tcpSocket", "httpGet", "exec"];
    for (kind, parameters, expected) in [
        ("K8sRequiredProbes", json!({"probes": ["livenessProbe"], "probeTypes": types}), Some("L7")),
        ("K8sReplicaLimits", json!({"ranges": [{"min_replicas": 1, "max_replicas": 2}]}), Some("L8")),
        ("K8sPSPVolumeTypes", json!({"volumes": ["configMap"]}), Some("L11")),
        ("K8sPSPVolumeTypes", json!({"volumes": []}), Some("L11")),
        ("K8sPSPVolumeTypes", json!({"volumes": ["configMap", "projected"]}), None),
        ("K8sPSPVolumeTypes", json!({"volumes": ["*"]}), None),
        ("K8sDisallowedTags", json!({"tags": ["dev"]}), Some("L12")),
        ("K8sPSPSELinuxV2", json!({"allowedSELinuxOptions": [{"level": "s0"}, {"type": "a"}]}), Some("L13")),
        ("K8sPSPSELinuxV2", json!({"allowedSELinuxOptions": [{"type": "a", "level": ""}]}), Some("L13")),
        ("K8sPSPSELinuxV2", json!({"allowedSELinuxOptions": [{"level": "s0"}]}), None),
        ("K8sStorageClass", json!({"allowedStorageClasses": ["fast"]}), Some("L14")),
        ("K8sRequiredResources", json!({"limits": ["cpu"]}), Some("L15")),
        ("K8sBlockWildcardIngress", json!({}), Some("L16")),
        ("K8sPSPPrivilegedContainer", json!({}), Some("L17")),
        ("K8sAllowedRepos", json!({"repos": ["r.example.com/"]}), Some("L18")),
        ("K8sPSPAutomountServiceAccountTokenPod", json!({}), Some("L19")),
        ("K8sPSPHostNetworkingPorts", json!({"hostNetwork": true, "min": 80}), Some("L20")),
        ("K8sPSPHostNetworkingPorts", json!({"hostNetwork": false}), None),
        ("K8sPSPHostNamespace", json!({}), None),
    ] {
        let mut found = Found::default();
        found.take(constraint(kind, &parameters, &pods()));
        let settings = Settings::from_yaml("", "gatewright-system").unwrap();
        let all = examine(&found, &settings, &mut Names::of(&found));
        assert!(all[0].written.is_some(), "{kind}");
        let ids: Vec<_> = all[0].migrated.differences.iter().map(|it| it.id.as_str()).collect();
        assert_eq!(ids, expected.into_iter().collect::<Vec<_>>(), "{kind}");
    }
}
