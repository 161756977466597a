//! Ways around policies that were open once, on the real control plane.

use anyhow::{Result, ensure};
use gatewright_e2e::manifests::{namespace, security_policy};
use gatewright_e2e::{Cluster, Scenario};
use serde_json::{Value, json};

const NAMESPACE: &str = "shop";

/// Whoever holds an object back with a finalizer while it is being deleted still has its effect.
#[tokio::test(flavor = "multi_thread")]
async fn a_finalizer_keeps_nothing_out_of_judgement() -> Result<()> {
    let scenario = Scenario::new("test-bypass").objects([namespace(NAMESPACE)]);
    Scenario::run(scenario, async |cluster| {
        cluster.put(&security_policy("strict", &policies())).await?;
        cluster.ready("secpol/strict").await?;
        cluster.put_all(&objects()).await?;
        for (object, patch, refused) in ATTEMPTS {
            let delete = ["delete", "-n", NAMESPACE, object, "--wait=false"];
            cluster.kubectl_ok(&delete).await?;
            let said = change(cluster, object, patch).await?;
            ensure!(said.contains(refused), "{object}: {said}");
        }
        // What is being deleted counts as ever: the reason why it must be judged.
        let asked = ["auth", "can-i", "get", "configmaps", "-n", NAMESPACE, "--as", "intruder"];
        let answer = cluster.kubectl_ok(&asked).await?;
        ensure!(answer.trim() == "yes", "{answer}");
        for (object, ..) in ATTEMPTS {
            change(cluster, object, r#"{"metadata": {"finalizers": null}}"#).await?;
            let gone = cluster.kubectl(&["get", "-n", NAMESPACE, object], None).await?;
            ensure!(gone.stderr.contains("NotFound"), "{object}: {gone:?}");
        }
        Ok(())
    })
    .await
}

/// An object, a change that would make it bad, and the answer.
const ATTEMPTS: [(&str, &str, &str); 3] = [
    (
        "role/held",
        r#"{"rules": [{"apiGroups": [""], "resources": ["*"], "verbs": ["*"]}]}"#,
        "[strict] allowRbacWildcards: rules[0].resources[0]",
    ),
    (
        "service/held",
        r#"{"spec": {"type": "NodePort"}}"#,
        "[strict] allowedServiceTypes: the Service has spec.type NodePort",
    ),
    (
        "ingress/held",
        r#"{"spec": {"rules": [{"host": "*.example.com"}]}}"#,
        "[strict] blockWildcardDomains: spec.rules[0].host",
    ),
];

/// What the API server answers to a change, be it yes or no.
async fn change(cluster: &Cluster, object: &str, patch: &str) -> Result<String> {
    cluster.answer(&["patch", "-n", NAMESPACE, object, "--type=merge", "-p", patch]).await
}

fn policies() -> Value {
    json!({"allowRbacWildcards": false, "allowedServiceTypes": ["ClusterIP"], "blockWildcardDomains": true})
}

fn objects() -> [Value; 4] {
    let held = json!({"name": "held", "namespace": NAMESPACE, "finalizers": ["example.com/hold"]});
    let rbac = "rbac.authorization.k8s.io";
    let reference = json!({"apiGroup": rbac, "kind": "Role", "name": "held"});
    let intruder = json!({"apiGroup": rbac, "kind": "User", "name": "intruder"});
    let backend = json!({"service": {"name": "held", "port": {"number": 80}}});
    [
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": held,
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"]}],
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "held", "namespace": NAMESPACE}, "roleRef": reference, "subjects": [intruder],
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": held,
            "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]},
        }),
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": held,
            "spec": {"rules": [{"host": "shop.example.com", "http": {"paths": [{
                "path": "/", "pathType": "Prefix", "backend": backend,
            }]}}]},
        }),
    ]
}
