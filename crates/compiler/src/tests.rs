//! What policies compile to, and why some do not.

use crate::{Compile, Compiled, Invalid, Preset, Settings, compile};
use gatewright_api::{OperationPolicy, SecurityPolicy};
use rstest::rstest;
use serde_json::{Value, json};

mod documentation;
mod kinds;
mod pod_templates;
mod signatures;

fn policy<P: Compile>(spec: &Value) -> P {
    serde_json::from_value(json!({
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": P::KIND.as_ref(),
        "metadata": {"name": "example", "uid": "5f5e0d63-0000-4000-8000-000000000001", "generation": 1},
        "spec": spec,
    }))
    .unwrap()
}

fn security(policies: &Value) -> Result<Compiled, Invalid> {
    let spec = json!({"match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": policies});
    compile(&policy::<SecurityPolicy>(&spec), &Settings::default())
}

fn operation(policies: &Value) -> Result<Compiled, Invalid> {
    let spec = json!({"match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": policies});
    compile(&policy::<OperationPolicy>(&spec), &Settings::default())
}

fn parameters(compiled: Result<Compiled, Invalid>) -> Value {
    compiled.unwrap().constraint.map_or(Value::Null, |constraint| constraint.spec.parameters)
}

#[test]
fn a_security_policy_becomes_one_constraint() {
    let spec = json!({
        "enforcementAction": "Warn",
        "match": {
            "namespaceSelector": {
                "matchNames": ["team-*", "kube-system"],
                "excludeNames": ["team-legacy"],
                "labelSelector": {"matchLabels": {"stage": "prod"}},
            },
            "labelSelector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]},
        },
        "policies": {
            "allowPrivileged": false,
            "allowHostNetwork": false,
            "allowedHostPorts": [{"min": 0, "max": 0}, {"min": 30000}],
            "allowedCapabilities": ["CHOWN"],
            "requiredDropCapabilities": ["ALL"],
        },
    });
    insta::assert_yaml_snapshot!(
        compile(&policy::<SecurityPolicy>(&spec), &Settings::default()).unwrap().constraint
    );
}

#[test]
fn an_operation_policy_becomes_one_constraint() {
    let spec = json!({
        "match": {"labelSelector": {"matchLabels": {"app": "shop"}}},
        "policies": {"allowedRepos": ["registry.example.com", "nginx", "quay.io/team/*", "r.io/a:1"]},
    });
    let settings = Settings::new(Preset::Deckhouse, "d8-admission-policy-engine", "d8-gatewright");
    insta::assert_yaml_snapshot!(compile(&policy::<OperationPolicy>(&spec), &settings).unwrap().constraint);
}

/// Absent, empty and filled; and what could never refuse anything is left out.
#[rstest]
#[case(json!({}), json!(null))]
#[case(json!({"allowPrivileged": true, "allowHostNetwork": true}), json!(null))]
#[case(json!({"allowPrivileged": false}), json!({"allowPrivileged": false}))]
#[case(json!({"allowedHostPorts": []}), json!({"allowedHostPorts": []}))]
#[case(json!({"allowedHostPorts": [{"min": 0, "max": 0}]}), json!({"allowedHostPorts": []}))]
#[case(json!({"allowedHostPorts": [{"max": 9}]}), json!({"allowedHostPorts": [{"min": 0, "max": 9}]}))]
#[case(json!({"allowedHostPorts": [{"min": 9}]}), json!({"allowedHostPorts": [{"min": 9, "max": 65535}]}))]
#[case(json!({"allowedHostPorts": [{"min": 7}, {}]}), json!(null))]
#[case(json!({"allowedCapabilities": []}), json!({"allowedCapabilities": []}))]
#[case(json!({"allowedCapabilities": ["CHOWN", "ALL"]}), json!(null))]
#[case(json!({"requiredDropCapabilities": []}), json!(null))]
#[case(json!({"requiredDropCapabilities": ["ALL"]}), json!({"requiredDropCapabilities": ["ALL"]}))]
#[case(json!({"allowPrivilegeEscalation": true, "allowHostPID": true, "allowHostIPC": true}), json!(null))]
#[case(json!({"allowPrivilegeEscalation": false}), json!({"allowPrivilegeEscalation": false}))]
#[case(json!({"allowHostPID": false}), json!({"allowHostPID": false}))]
#[case(json!({"allowHostIPC": false}), json!({"allowHostIPC": false}))]
#[case(json!({"readOnlyRootFilesystem": false}), json!(null))]
#[case(json!({"readOnlyRootFilesystem": true}), json!({"readOnlyRootFilesystem": true}))]
#[case(json!({"automountServiceAccountToken": true}), json!(null))]
#[case(json!({"automountServiceAccountToken": false}), json!({"automountServiceAccountToken": false}))]
#[case(json!({"allowedFlexVolumes": []}), json!({"allowedFlexVolumes": []}))]
#[case(json!({"allowedFlexVolumes": [{"driver": "a/b"}]}), json!({"allowedFlexVolumes": ["a/b"]}))]
#[case(json!({"allowedVolumes": []}), json!({"allowedVolumes": []}))]
#[case(json!({"allowedVolumes": ["none"]}), json!({"allowedVolumes": []}))]
#[case(json!({"allowedVolumes": ["secret", "*"]}), json!(null))]
#[case(json!({"allowedVolumes": ["cephFS", "none", "csi"]}), json!({"allowedVolumes": ["cephfs", "csi"]}))]
#[case(json!({"allowedProcMount": "Unmasked"}), json!(null))]
#[case(json!({"allowedProcMount": "Default"}), json!({"allowedProcMount": "Default"}))]
#[case(json!({"allowedHostPaths": []}), json!({"allowedHostPaths": []}))]
#[case(
    json!({"allowedHostPaths": [{"pathPrefix": "/"}, {"pathPrefix": "/a//b/", "readOnly": true}]}),
    json!({"allowedHostPaths": [
        {"pathPrefix": "/", "readOnly": false}, {"pathPrefix": "/a/b", "readOnly": true},
    ]})
)]
#[case(
    json!({"allowedAppArmor": []}),
    json!({"allowedAppArmor": {"entries": [], "profiles": [], "patterns": []}})
)]
#[case(json!({"allowedAppArmor": ["unconfined", "*"]}), json!(null))]
#[case(json!({"seccompProfiles": {}}), json!(null))]
#[case(json!({"seccompProfiles": {"allowedProfiles": ["*"], "allowedLocalhostFiles": ["*"]}}), json!(null))]
#[case(
    json!({"seccompProfiles": {"allowedProfiles": []}}),
    json!({"seccompProfiles": {"entries": [], "types": [], "localhostFiles": [], "unset": false}})
)]
#[case(
    json!({"seccompProfiles": {"allowedLocalhostFiles": []}}),
    json!({"seccompProfiles": {"entries": ["any type but Localhost"], "localhostFiles": [], "unset": true}})
)]
#[case(json!({"seLinux": []}), json!({"seLinux": []}))]
#[case(json!({"seLinux": [{"type": "a", "role": "", "level": ""}, {}]}), json!({"seLinux": [{"type": "a"}, {}]}))]
#[case(
    json!({"allowedUnsafeSysctls": []}),
    json!({"allowedUnsafeSysctls": {"entries": [], "names": [], "prefixes": []}})
)]
#[case(json!({"allowedUnsafeSysctls": ["kernel.sem", "*"]}), json!(null))]
#[case(json!({"forbiddenSysctls": []}), json!(null))]
#[case(
    json!({"forbiddenSysctls": ["kernel/sem", "net.*", "*"]}),
    json!({"forbiddenSysctls": {
        "entries": ["kernel/sem", "net.*", "*"], "names": ["kernel.sem"], "prefixes": ["net.", ""],
    }})
)]
#[case(json!({"allowRbacWildcards": true, "blockWildcardDomains": false}), json!(null))]
#[case(json!({"allowRbacWildcards": false}), json!({"allowRbacWildcards": false}))]
#[case(json!({"blockWildcardDomains": true}), json!({"blockWildcardDomains": true}))]
#[case(json!({"allowedClusterRoles": ["view", "*"]}), json!(null))]
#[case(
    json!({"allowedClusterRoles": []}),
    json!({"allowedClusterRoles": {"entries": [], "names": [], "prefixes": []}})
)]
#[case(
    json!({"allowedClusterRoles": ["view", "team-*"]}),
    json!({"allowedClusterRoles": {"entries": ["view", "team-*"], "names": ["view"], "prefixes": ["team-"]}})
)]
#[case(json!({"allowedServiceTypes": []}), json!({"allowedServiceTypes": []}))]
#[case(json!({"allowedServiceTypes": ["ClusterIP"]}), json!({"allowedServiceTypes": ["ClusterIP"]}))]
#[case(json!({"allowedServiceTypes": ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]}), json!(null))]
#[case(json!({"runAsUser": {"rule": "RunAsAny"}, "fsGroup": {"rule": "RunAsAny"}}), json!(null))]
#[case(
    json!({"runAsUser": {"rule": "MustRunAsNonRoot"}}),
    json!({"runAsUser": {"rule": "MustRunAsNonRoot", "ranges": [{"min": 1, "max": 2_147_483_647}]}})
)]
#[case(
    json!({"runAsUser": {"rule": "MustRunAs", "ranges": [{"max": 5}, {"min": 7}, {"min": 3_000_000_000_u32}]}}),
    json!({"runAsUser": {"rule": "MustRunAs", "ranges": [
        {"min": 0, "max": 5}, {"min": 7, "max": 2_147_483_647}, {"min": 3_000_000_000_u32, "max": 3_000_000_000_u32},
    ]}})
)]
#[case(
    json!({"runAsGroup": {"rule": "MustRunAs", "ranges": [{}]}}),
    json!({"runAsGroup": {"rule": "MustRunAs", "ranges": [{"min": 0, "max": 2_147_483_647}]}})
)]
#[case(json!({"supplementalGroups": {"rule": "MayRunAs", "ranges": [{"min": 5}, {}]}}), json!(null))]
#[case(
    json!({"supplementalGroups": {"rule": "MayRunAs", "ranges": [{"min": 1, "max": 9}]}}),
    json!({"supplementalGroups": {"rule": "MayRunAs", "ranges": [{"min": 1, "max": 9}]}})
)]
fn three_states_of_a_security_policy(#[case] policies: Value, #[case] expected: Value) {
    assert_eq!(parameters(security(&policies)), expected);
}

#[rstest]
#[case(json!({}), json!(null))]
#[case(json!({"allowedRepos": ["*", "nginx"]}), json!(null))]
#[case(
    json!({"allowedRepos": []}),
    json!({"allowedRepos": {"entries": [], "repositories": [], "images": [], "prefixes": []}})
)]
#[case(json!({"disallowedImageTags": []}), json!(null))]
#[case(json!({"disallowedImageTags": ["dev"]}), json!({"disallowedImageTags": ["dev"]}))]
#[case(json!({"requiredProbes": []}), json!(null))]
#[case(json!({"requiredProbes": ["readinessProbe"]}), json!({"requiredProbes": ["readinessProbe"]}))]
#[case(
    json!({"requiredResources": {"limits": [], "requests": ["ephemeral-storage"]}}),
    json!({"requiredResources": {"limits": [], "requests": ["ephemeral-storage"]}})
)]
#[case(
    json!({"requiredResources": {"limits": ["cpu"]}}),
    json!({"requiredResources": {"limits": ["cpu"], "requests": []}})
)]
#[case(json!({"imagePullPolicy": "IfNotPresent"}), json!({"imagePullPolicy": "IfNotPresent"}))]
#[case(json!({"priorityClassNames": []}), json!({"priorityClassNames": []}))]
#[case(json!({"priorityClassNames": ["low"]}), json!({"priorityClassNames": ["low"]}))]
#[case(json!({"priorityClassNames": ["low", "*"]}), json!(null))]
#[case(json!({"checkHostNetworkDNSPolicy": false, "checkContainerDuplicates": false}), json!(null))]
#[case(json!({"checkHostNetworkDNSPolicy": true}), json!({"checkHostNetworkDNSPolicy": true}))]
#[case(json!({"checkContainerDuplicates": true}), json!({"checkContainerDuplicates": true}))]
#[case(json!({"disallowedTolerations": []}), json!(null))]
#[case(
    json!({"disallowedTolerations": [{}, {"key": "", "operator": "Exists", "value": "a", "effect": "NoExecute"}]}),
    json!({"disallowedTolerations": [{"text": "*"}, {"effect": "NoExecute", "text": "*:NoExecute"}]})
)]
#[case(
    json!({"disallowedTolerations": [{"key": "a", "operator": "Equal"}, {"key": "a", "value": ""}]}),
    json!({"disallowedTolerations": [{"key": "a", "text": "a"}, {"key": "a", "value": "", "text": "a="}]})
)]
#[case(json!({"requiredLabels": {}}), json!(null))]
#[case(json!({"requiredLabels": {"labels": [], "watchKinds": ["/Pod"]}}), json!(null))]
#[case(
    json!({"requiredLabels": {"labels": [{"key": "a", "allowedRegex": "^b"}], "watchKinds": ["/Pod", "apps/Deployment"]}}),
    json!({"requiredLabels": {
        "labels": [{"key": "a", "allowedRegex": "^b"}],
        "watchKinds": [{"group": "", "kind": "Pod"}, {"group": "apps", "kind": "Deployment"}],
    }})
)]
#[case(json!({"requiredAnnotations": {"watchKinds": ["/Pod"]}}), json!(null))]
#[case(
    json!({"requiredAnnotations": {"annotations": [{"key": "x.io/a"}], "watchKinds": ["x.example.com/Y"]}}),
    json!({"requiredAnnotations": {
        "annotations": [{"key": "x.io/a"}], "watchKinds": [{"group": "x.example.com", "kind": "Y"}],
    }})
)]
#[case(json!({"maxRevisionHistoryLimit": 0}), json!({"maxRevisionHistoryLimit": 0}))]
#[case(json!({"ingressClassNames": []}), json!({"ingressClassNames": []}))]
#[case(json!({"ingressClassNames": ["a", "*"]}), json!(null))]
#[case(json!({"ingressClassNames": ["a", ""]}), json!({"ingressClassNames": ["a", ""]}))]
#[case(json!({"storageClassNames": []}), json!({"storageClassNames": []}))]
#[case(json!({"storageClassNames": ["*"]}), json!(null))]
#[case(json!({"storageClassNames": ["a"]}), json!({"storageClassNames": ["a"]}))]
#[case(json!({"replicaLimits": {}}), json!(null))]
#[case(json!({"replicaLimits": {"minReplicas": 0}}), json!(null))]
#[case(json!({"replicaLimits": {"maxReplicas": 0}}), json!({"replicaLimits": {"maxReplicas": 0}}))]
#[case(
    json!({"replicaLimits": {"minReplicas": 1, "maxReplicas": 1}}),
    json!({"replicaLimits": {"minReplicas": 1, "maxReplicas": 1}})
)]
fn three_states_of_an_operation_policy(#[case] policies: Value, #[case] expected: Value) {
    assert_eq!(parameters(operation(&policies)), expected);
}

/// Nothing is ever silently not enforced.
#[test]
fn every_field_is_enforced() {
    let security_crd = serde_json::to_value(&gatewright_api::crds()[0]).unwrap();
    let operation_crd = serde_json::to_value(&gatewright_api::crds()[1]).unwrap();
    let fields = |crd: &Value| -> Vec<String> {
        let rules = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
            ["policies"];
        rules["properties"].as_object().unwrap().keys().cloned().collect()
    };
    for field in fields(&security_crd) {
        let value = sample(&field);
        assert_enforced(&field, security(&json!({ field.clone(): value })));
    }
    for field in fields(&operation_crd) {
        let value = sample(&field);
        assert_enforced(&field, operation(&json!({ field.clone(): value })));
    }
}

fn assert_enforced(field: &str, compiled: Result<Compiled, Invalid>) {
    let Compiled { constraint, signatures, .. } =
        compiled.unwrap_or_else(|invalid| panic!("{field}: {invalid}"));
    if let Some(signatures) = signatures {
        assert_eq!((field, constraint), ("verifyImageSignatures", None));
        assert!(signatures.constraint.spec.parameters["entries"][0].is_object());
        return;
    }
    let parameters = constraint.unwrap_or_else(|| panic!("{field} is dropped")).spec.parameters;
    assert!(parameters.get(field).is_some(), "{field} became {parameters}");
}

/// A value that demands something, of each field.
fn sample(field: &str) -> Value {
    match field {
        "allowedHostPorts"
        | "allowedCapabilities"
        | "allowedRepos"
        | "priorityClassNames"
        | "ingressClassNames"
        | "storageClassNames"
        | "allowedAppArmor"
        | "allowedClusterRoles"
        | "allowedFlexVolumes"
        | "allowedHostPaths"
        | "allowedServiceTypes"
        | "allowedUnsafeSysctls"
        | "allowedVolumes"
        | "seLinux" => json!([]),
        "verifyImageSignatures" => json!([{"reference": "*", "publicKeys": [signatures::P256]}]),
        "disallowedImageTags" => json!(["latest"]),
        "disallowedTolerations" => json!([{}]),
        "requiredProbes" => json!(["livenessProbe"]),
        "requiredResources" => json!({"limits": ["cpu"]}),
        "requiredDropCapabilities" => json!(["ALL"]),
        "forbiddenSysctls" => json!(["*"]),
        "seccompProfiles" => json!({"allowedProfiles": []}),
        "requiredLabels" => json!({"labels": [{"key": "team"}], "watchKinds": ["/Pod"]}),
        "requiredAnnotations" => json!({"annotations": [{"key": "team"}], "watchKinds": ["/Pod"]}),
        "replicaLimits" => json!({"maxReplicas": 5}),
        "fsGroup" | "runAsGroup" | "runAsUser" | "supplementalGroups" => {
            json!({"rule": "MustRunAs", "ranges": [{"min": 1}]})
        }
        "allowedProcMount" => json!("Default"),
        "imagePullPolicy" => json!("Always"),
        "maxRevisionHistoryLimit" => json!(3),
        "readOnlyRootFilesystem"
        | "blockWildcardDomains"
        | "checkHostNetworkDNSPolicy"
        | "checkContainerDuplicates" => {
            json!(true)
        }
        _ => json!(false),
    }
}

#[rstest]
#[case(json!({"allowedCapabilities": null}), "spec.policies.allowedCapabilities: null says neither")]
#[case(json!({"allowPrivileged": null}), "spec.policies.allowPrivileged: null says neither")]
#[case(json!({"allowedHostPorts": [{"min": null}]}), "spec.policies.allowedHostPorts[0].min: null says neither")]
#[case(json!({"allowedHostPorts": [{"min": 5, "max": 3}]}), "spec.policies.allowedHostPorts[0]: min 5 is greater than max 3")]
#[case(json!({"allowedHostPaths": [{"pathPrefix": "/a/../b"}]}), "spec.policies.allowedHostPaths[0].pathPrefix: \"/a/../b\" has a segment ..")]
#[case(json!({"seccompProfiles": {"allowedProfiles": null}}), "spec.policies.seccompProfiles.allowedProfiles: null says neither")]
#[case(json!({"allowedServiceTypes": null}), "spec.policies.allowedServiceTypes: null says neither")]
#[case(json!({"runAsUser": {"rule": "MustRunAs"}}), "spec.policies.runAsUser.ranges: MustRunAs needs")]
#[case(json!({"fsGroup": {"rule": "MayRunAs", "ranges": []}}), "spec.policies.fsGroup.ranges: MayRunAs needs")]
#[case(
    json!({"runAsGroup": {"rule": "MustRunAs", "ranges": [{"min": 1}, {"min": 5, "max": 3}]}}),
    "spec.policies.runAsGroup.ranges[1]: min 5 is greater than max 3"
)]
fn what_is_wrong_is_named(#[case] policies: Value, #[case] expected: &str) {
    let invalid = security(&policies).unwrap_err();
    assert!(invalid.to_string().starts_with(expected), "{invalid}");
}

#[rstest]
#[case(json!({"requiredResources": {}}), "spec.policies.requiredResources: demands nothing")]
#[case(json!({"requiredResources": {"limits": [], "requests": []}}), "spec.policies.requiredResources: demands nothing")]
#[case(json!({"disallowedTolerations": [{"key": null}]}), "spec.policies.disallowedTolerations[0].key: null says neither")]
#[case(json!({"maxRevisionHistoryLimit": -1}), "spec.policies.maxRevisionHistoryLimit: -1 is negative")]
#[case(json!({"replicaLimits": {"minReplicas": -1}}), "spec.policies.replicaLimits.minReplicas: -1 is negative")]
#[case(
    json!({"replicaLimits": {"minReplicas": 2, "maxReplicas": 1}}),
    "spec.policies.replicaLimits: minReplicas 2 is greater than maxReplicas 1"
)]
#[case(
    json!({"requiredLabels": {"labels": [{"key": "a"}]}}),
    "spec.policies.requiredLabels.watchKinds: looks at nothing"
)]
#[case(
    json!({"requiredAnnotations": {"annotations": [{"key": "a"}], "watchKinds": []}}),
    "spec.policies.requiredAnnotations.watchKinds: looks at nothing"
)]
fn what_is_wrong_with_an_operation_policy_is_named(#[case] policies: Value, #[case] expected: &str) {
    let invalid = operation(&policies).unwrap_err();
    assert!(invalid.to_string().starts_with(expected), "{invalid}");
}

/// Under a selector on labels that an object without labels fits, Gatekeeper would judge the scales of all objects.
#[test]
fn a_selector_on_labels_leaves_scales_alone_and_says_so() {
    let compiled = |matcher: Value| {
        let spec = json!({"match": matcher, "policies": {"replicaLimits": {"maxReplicas": 3}}});
        compile(&policy::<OperationPolicy>(&spec), &Settings::default()).unwrap()
    };
    let said = |compiled: &Compiled| {
        let kinds = serde_json::to_string(&compiled.constraint.as_ref().unwrap().spec.r#match.kinds).unwrap();
        let route = compiled.routes.iter().any(|route| route.resource == "deployments/scale");
        (kinds.contains("Scale"), route, compiled.notes.len())
    };
    let all = compiled(json!({"namespaceSelector": {"matchNames": ["shop"]}}));
    assert_eq!(said(&all), (true, true, 0));
    let selected = compiled(json!({"labelSelector": {"matchLabels": {"app": "shop"}}}));
    assert_eq!(said(&selected), (false, false, 1));
    assert!(selected.notes[0].starts_with("replicaLimits does not judge scaling"), "{:?}", selected.notes);
}

#[rstest]
#[case(json!({}), "spec.match: selects nothing")]
#[case(json!({"labelSelector": {}}), "spec.match.labelSelector: is empty")]
#[case(json!({"namespaceSelector": {}}), "spec.match.namespaceSelector: is empty")]
#[case(json!({"namespaceSelector": {"matchNames": []}}), "spec.match.namespaceSelector.matchNames: is empty")]
#[case(json!({"namespaceSelector": {"labelSelector": {"matchLabels": {}}}}), "spec.match.namespaceSelector.labelSelector: is empty")]
#[case(json!({"namespaceSelector": {"matchNames": null, "excludeNames": ["a"]}}), "spec.match.namespaceSelector.matchNames: null says")]
#[case(json!({"namespaceSelector": {"matchNames": ["gatekeeper-system"]}}), "spec.match.namespaceSelector.matchNames[0]: no policy reaches gatekeeper-system")]
fn a_match_that_would_mean_everything_is_refused(#[case] matcher: Value, #[case] expected: &str) {
    let spec = json!({"match": matcher, "policies": {"allowPrivileged": false}});
    let invalid = compile(&policy::<SecurityPolicy>(&spec), &Settings::default()).unwrap_err();
    assert!(invalid.to_string().starts_with(expected), "{invalid}");
}

#[test]
fn every_problem_is_reported_at_once() {
    let entries = json!([{"reference": "nginx*", "publicKeys": ["x"], "ca": "x"}, {"reference": "r.io/a", "publicKeys": []}]);
    let policies = json!({"allowedCapabilities": null, "verifyImageSignatures": entries});
    let fields: Vec<_> =
        security(&policies).unwrap_err().problems.into_iter().map(|problem| problem.field).collect();
    let entry = "spec.policies.verifyImageSignatures";
    assert_eq!(
        fields,
        [
            "spec.policies.allowedCapabilities".to_owned(),
            format!("{entry}[0].reference"),
            format!("{entry}[0].publicKeys[0]"),
            format!("{entry}[0].ca"),
            format!("{entry}[1].publicKeys"),
        ]
    );
    let own = json!({"namespaceSelector": {"matchNames": ["gatekeeper-system", "a", "gatewright-system"]}});
    let spec = json!({"match": own, "policies": {"allowPrivileged": false}});
    let invalid = compile(&policy::<SecurityPolicy>(&spec), &Settings::default()).unwrap_err();
    let fields: Vec<_> = invalid.problems.iter().map(|problem| problem.field.as_str()).collect();
    let names = "spec.match.namespaceSelector.matchNames";
    assert_eq!(fields, [format!("{names}[0]"), format!("{names}[2]")]);
}

#[test]
fn a_policy_that_was_never_stored_is_the_business_of_gitops() {
    let mut policy: SecurityPolicy = policy(&json!({
        "match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": {"allowPrivileged": false},
    }));
    policy.metadata.uid = None;
    let metadata = compile(&policy, &Settings::default()).unwrap().constraint.unwrap().metadata;
    assert_eq!(metadata.labels.unwrap()["gatewright.io/owner"], "render");
    assert_eq!(metadata.owner_references, None);
}

#[test]
fn without_controller_validation_only_pods_are_judged() {
    let spec = json!({"match": {"namespaceSelector": {"matchNames": ["a"]}}, "policies": {"allowPrivileged": false}});
    let settings = Settings { controller_validation: false, ..Settings::default() };
    let compiled = compile(&policy::<SecurityPolicy>(&spec), &settings).unwrap();
    let kinds = &compiled.constraint.unwrap().spec.r#match.kinds;
    assert_eq!(serde_json::to_value(kinds).unwrap(), json!([{"apiGroups": [""], "kinds": ["Pod"]}]));
    let routes: Vec<_> = compiled.routes.iter().map(|r| format!("{} {}", r.operation, r.resource)).collect();
    assert_eq!(routes, ["CREATE pods", "UPDATE pods", "UPDATE pods/ephemeralcontainers"]);
}
