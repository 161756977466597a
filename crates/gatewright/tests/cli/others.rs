//! What others may write into what is read as something else than an object to judge.

use serde_json::{Value, json};

use crate::fixture::{evil, policy};

/// Objects whose names, labels and messages others chose, of each kind that is read as something else than an object to judge.
pub fn others() -> Vec<Value> {
    let evil = evil();
    let meta = json!({"name": evil, "namespace": evil, "labels": {"a": evil}});
    let of = |api_version: &str, kind: &str, spec: Value| json!({"apiVersion": api_version, "kind": kind, "metadata": meta, "spec": spec});
    let labels =
        json!({"security.deckhouse.io/pod-policy": evil, "pod-security.kubernetes.io/enforce": evil});
    let rego = format!("package x\nviolation[{{\"msg\": {}}}] {{ true }}", json!(evil));
    let mut template = of(
        "templates.gatekeeper.sh/v1",
        "ConstraintTemplate",
        json!({
            "crd": {"spec": {"names": {"kind": "Evil"}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}],
        }),
    );
    template["metadata"]["name"] = json!("evil");
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": evil, "labels": labels}}),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system", "labels": labels}}),
        of("config.gatekeeper.sh/v1alpha1", "Config", json!({"match": [{"excludedNamespaces": [evil]}]})),
        of("mutations.gatekeeper.sh/v1", "Assign", json!({"location": evil})),
        of("kustomize.config.k8s.io/v1beta1", "Kustomization", json!({})),
        of("expansion.gatekeeper.sh/v1beta1", "ExpansionTemplate", json!({"templateSource": evil})),
        of("deckhouse.io/v1alpha1", &evil, json!({})),
        of("deckhouse.io/v1alpha1", "SecurityPolicyException", json!({})),
        template,
        of("constraints.gatekeeper.sh/v1beta1", "Evil", json!({"enforcementAction": "deny"})),
    ]
}

/// A policy, each of whose fields is wrong.
pub fn wrong_policy() -> Value {
    let evil = evil();
    let mut wrong = policy();
    wrong["metadata"]["name"] = json!(evil);
    wrong["spec"]["helpUrl"] = json!(evil);
    wrong["spec"]["match"]["labelSelector"] = json!({"matchLabels": {&evil: evil}});
    wrong["spec"]["policies"] = json!({
        "allowedHostPaths": [{"pathPrefix": format!("/{evil}/../x")}, {"pathPrefix": evil}],
        "allowedVolumes": [evil], "allowedUnsafeSysctls": [evil], "allowedClusterRoles": [format!("*{evil}")],
        "verifyImageSignatures": [{"reference": evil, "publicKeys": [evil], "ca": evil, "dockerCfg": evil}],
        &evil: evil,
    });
    wrong
}
