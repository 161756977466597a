//! The documented examples of users' own templates for exec and deletions, and templates that do not mean them.

use anyhow::{Context, Result, ensure};
use gatewright_e2e::manifests::pod;
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, Condition, SOON, Scenario, paths, until};
use serde_json::{Value, json};

use super::{
    OURS, SYSTEM, UPSTREAM, attach, exec_says, operator_says, pods_run, put_constraint, routes_become, said,
    with_pods,
};

/// What users' own templates are given: a document of the documentation, where this data is present.
fn documented(name: &str) -> Result<Option<Value>> {
    let Some(oracle) = paths::oracle() else { return Ok(None) };
    let path = oracle.join("documented").join(format!("faq-{name}.yaml"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(Some(serde_saphyr::from_str(&text)?))
}

/// The form of a deny-exec template that can be true.
const DENY_EXEC: &str = r#"package d8.custom

violation[{"msg": msg}] {
  input.review.operation == "CONNECT"
  input.review.resource.resource == "pods"
  input.review.requestSubResource == {"exec", "attach"}[_]
  input.review.namespace == input.parameters.forbiddenNamespaces[_]
  msg := sprintf("Exec/attach is forbidden in namespace %q", [input.review.namespace])
}
"#;

const FORBIDDEN: &str = "[deny-exec-in-namespaces] Exec/attach is forbidden";
const NODE_BLOCKED: &str = "[require-node-delete-label] Node deletion is blocked";

#[tokio::test(flavor = "multi_thread")]
async fn documented_examples_are_routed() -> Result<()> {
    let names = [
        "constrainttemplate-d8customdenyexec",
        "constrainttemplate-d8customnodedeleteguard",
        "constrainttemplate-k8sallowedrepos",
    ];
    let Some(templates) = names.into_iter().map(documented).collect::<Result<Option<Vec<_>>>>()? else {
        println!("skipped: no oracle");
        return Ok(());
    };
    let scenario = with_pods("test-routing", &[("shop", "web-0"), ("production", "db-0")]);
    Scenario::run(scenario, async |cluster| {
        pods_run(cluster).await?;
        for template in &templates {
            cluster.put(template).await?;
        }
        let constraints = ["d8customdenyexec-deny-exec-in-namespaces",
            "d8customnodedeleteguard-require-node-delete-label", "k8sallowedrepos-prod-repo"];
        for name in constraints {
            let mut constraint = documented(name)?.context("no oracle")?;
            constraint["spec"]["enforcementAction"] = json!("deny");
            if constraint["kind"] == "K8sAllowedRepos" {
                // Its label would also put the Pods under a standard.
                let matches = constraint["spec"]["match"].as_object_mut();
                matches.context("no match")?.remove("namespaceSelector");
            }
            put_constraint(cluster, &constraint).await?;
        }
        let all = ["CONNECT pods/attach", "CONNECT pods/exec", "DELETE nodes"];
        routes_become(cluster, &all).await?;
        // As documented, the template compares with what no request has.
        operator_says(cluster, &["NeverTrue", "d8customdenyexec"]).await?;
        said(cluster, "NeverTrue", "the ConstraintTemplate d8customdenyexec compares resource.resource", 1).await?;
        exec_says(cluster, "developer", "production/db-0", "inside").await?;
        let rego = json!([{"op": "replace", "path": "/spec/targets/0/rego", "value": DENY_EXEC}]);
        cluster.patch("constrainttemplate/d8customdenyexec", "json", &rego).await?;

        examples_hold(cluster).await?;
        bad_pods_can_be_deleted(cluster).await?;

        let operations = |list: &[&str]| json!([{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": list}]);
        cluster.patch(UPSTREAM, "json", &operations(&["CREATE", "UPDATE", "CONNECT", "DELETE"])).await?;
        routes_become(cluster, &[]).await?;
        examples_hold(cluster).await?;
        cluster.patch(UPSTREAM, "json", &operations(&["CREATE", "UPDATE"])).await?;
        routes_become(cluster, &all).await?;
        a_sleeper_is_not_woken(cluster).await
    })
    .await
}

async fn examples_hold(cluster: &Cluster) -> Result<()> {
    exec_says(cluster, "developer", "production/db-0", FORBIDDEN).await?;
    exec_says(cluster, "developer", "shop/web-0", "inside").await?;
    let node = |label: Value| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "spare", "labels": label}});
    cluster.put(&node(json!({}))).await?;
    until("the Node is guarded", SOON, async || {
        let said = cluster.answer(&["delete", "node/spare", "--dry-run=server"]).await?;
        ensure!(said.contains(NODE_BLOCKED), "{said}");
        Ok(true)
    })
    .await?;
    cluster.put(&node(json!({"admission.deckhouse.io/allow-delete": "true"}))).await?;
    cluster.kubectl_ok(&["delete", "node/spare"]).await.map(drop)
}

/// The Pods were there before the constraint that they violate, whose template lists no operations.
async fn bad_pods_can_be_deleted(cluster: &Cluster) -> Result<()> {
    cluster.answers(&pod("shop", "bad"), "invalid image repo").await?;
    cluster.kubectl_ok(&["delete", "pod/db-0", "-n", "production", "--timeout=100s"]).await?;
    // Not while the constraint refuses it, but the next check needs it.
    let mut again = pod("production", "db-0");
    again["spec"]["containers"][0]["image"] = json!("mycompany.registry.com/app:1");
    cluster.put(&again).await?;
    cluster
        .kubectl_ok(&["wait", "--for=condition=Ready", "pod/db-0", "-n", "production", "--timeout=100s"])
        .await
        .map(drop)
}

/// Somebody wants to see deletions of Pods, and K8sAllowedRepos would take them for its own.
async fn a_sleeper_is_not_woken(cluster: &Cluster) -> Result<()> {
    let kinds = |kinds: &[&str]| json!({"spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": kinds}]}}});
    let guard = "d8customnodedeleteguard/require-node-delete-label";
    cluster.patch(guard, "merge", &kinds(&["Node", "Pod"])).await?;
    operator_says(cluster, &["WokenByMistake", "K8sAllowedRepos/prod-repo"]).await?;
    let says =
        "DELETE of pods is not sent to Gatekeeper: it would wake K8sAllowedRepos/prod-repo, whose templates";
    said(cluster, "WokenByMistake", says, 1).await?;
    cluster.condition(SYSTEM, Condition::no("Routing", "NotRouted", says)).await?;
    cluster.condition(SYSTEM, Condition::no("Ready", "NotRouted", says)).await?;
    let all = ["CONNECT pods/attach", "CONNECT pods/exec", "DELETE nodes"];
    routes_become(cluster, &all).await?;
    cluster.kubectl_ok(&["delete", "pod/web-0", "-n", "shop", "--timeout=100s"]).await?;
    // Another operator says nothing anew.
    cluster.kill(OPERATOR).await?;
    cluster.restart(OPERATOR).await?;
    cluster.kubectl_ok(&["delete", "k8sallowedrepos/prod-repo"]).await?;
    cluster.condition(SYSTEM, Condition::yes("Routing", "Routed", "")).await?;
    said(cluster, "WokenByMistake", says, 1).await?;
    routes_become(cluster, &["CONNECT pods/attach", "CONNECT pods/exec", "DELETE nodes", "DELETE pods"])
        .await?;
    for constraint in [guard, "d8customdenyexec/deny-exec-in-namespaces"] {
        cluster.kubectl_ok(&["delete", constraint]).await?;
    }
    cluster.gone(OURS).await
}

/// An example of ours, which the documentation shows as it is.
fn example(name: &str) -> Result<Value> {
    let path = paths::repository().join(format!("examples/guards/{name}.yaml"));
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let documentation = std::fs::read_to_string(paths::repository().join("docs/exec.md"))?;
    ensure!(documentation.contains(text.trim_end()), "docs/exec.md has another {name}");
    Ok(serde_saphyr::from_str(&text)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn our_examples_hold() -> Result<()> {
    let scenario = with_pods("test-examples", &[("shop", "web-0"), ("production", "db-0")]);
    Scenario::run(scenario, async |cluster| {
        pods_run(cluster).await?;
        for name in ["deny-exec", "node-delete"] {
            cluster.put(&example(&format!("{name}-template"))?).await?;
            put_constraint(cluster, &example(name)?).await?;
        }
        routes_become(cluster, &["CONNECT pods/attach", "CONNECT pods/exec", "DELETE nodes"]).await?;
        let refused = "[production] no exec in namespace production";
        exec_says(cluster, "developer", "production/db-0", refused).await?;
        let said = attach(cluster, "developer", "production/db-0").await?;
        ensure!(said.contains("[production] no attach in namespace production"), "{said}");
        exec_says(cluster, "developer", "shop/web-0", "inside").await?;
        let mut node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "spare"}});
        cluster.put(&node).await?;
        until("the Node is kept", SOON, async || {
            let said = cluster.answer(&["delete", "node/spare", "--dry-run=server"]).await?;
            ensure!(
                said.contains("[nodes] Node spare is kept: label it example.com/allow-delete=true"),
                "{said}"
            );
            Ok(true)
        })
        .await?;
        node["metadata"]["labels"] = json!({"example.com/allow-delete": "true"});
        cluster.put(&node).await?;
        cluster.kubectl_ok(&["delete", "node/spare"]).await?;
        // Nobody else's deletions are asked about, and nothing is found wrong.
        cluster.kubectl_ok(&["delete", "pod/web-0", "-n", "shop", "--timeout=100s"]).await?;
        cluster.condition(SYSTEM, Condition::yes("Routing", "Routed", "Gatekeeper is asked about all")).await
    })
    .await
}
