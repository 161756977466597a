//! The documented examples of users' own templates for exec and deletions, and templates that do not mean them.

use anyhow::{Context, Result, ensure};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, Condition, Options, paths, until};
use serde_json::{Value, json};

use super::{OURS, SOON, SYSTEM, UPSTREAM, World, pod, prepared};

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
    Cluster::run(Options::new("test-routing"), async |cluster| {
        let world = World(cluster);
        let none = json!({});
        let pods = [("shop", "web-0", none.clone()), ("production", "db-0", none)];
        prepared(&world, &pods).await?;
        cluster.start_operator().await?;
        for template in &templates {
            world.put(template).await?;
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
            world.put_constraint(&constraint).await?;
        }
        let all = ["CONNECT pods/attach", "CONNECT pods/exec", "DELETE nodes"];
        world.routes_become(&all).await?;
        // As documented, the template compares with what no request has.
        world.operator_says(&["NeverTrue", "d8customdenyexec"]).await?;
        world.told("NeverTrue", "the ConstraintTemplate d8customdenyexec compares resource.resource", 1).await?;
        world.exec_says("developer", "production/db-0", "inside").await?;
        let rego = json!([{"op": "replace", "path": "/spec/targets/0/rego", "value": DENY_EXEC}]);
        world.patch("constrainttemplate/d8customdenyexec", "json", &rego).await?;

        examples_hold(&world).await?;
        bad_pods_can_be_deleted(&world).await?;

        let operations = |list: &[&str]| json!([{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": list}]);
        world.patch(UPSTREAM, "json", &operations(&["CREATE", "UPDATE", "CONNECT", "DELETE"])).await?;
        world.routes_become(&[]).await?;
        examples_hold(&world).await?;
        world.patch(UPSTREAM, "json", &operations(&["CREATE", "UPDATE"])).await?;
        world.routes_become(&all).await?;
        a_sleeper_is_not_woken(&world).await
    })
    .await
}

async fn examples_hold(world: &World<'_>) -> Result<()> {
    world.exec_says("developer", "production/db-0", FORBIDDEN).await?;
    world.exec_says("developer", "shop/web-0", "inside").await?;
    let node = |label: Value| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "spare", "labels": label}});
    world.put(&node(json!({}))).await?;
    until("the Node is guarded", SOON, async || {
        let said = world.answer(&["delete", "node/spare", "--dry-run=server"]).await?;
        ensure!(said.contains(NODE_BLOCKED), "{said}");
        Ok(true)
    })
    .await?;
    world.put(&node(json!({"admission.deckhouse.io/allow-delete": "true"}))).await?;
    world.kubectl(&["delete", "node/spare"]).await.map(drop)
}

/// The Pods were there before the constraint that they violate, whose template lists no operations.
async fn bad_pods_can_be_deleted(world: &World<'_>) -> Result<()> {
    until("the constraint refuses", SOON, async || {
        let output = world
            .0
            .kubectl(
                &["create", "--dry-run=server", "-f", "-"],
                Some(&pod("shop", "bad", &json!({})).to_string()),
            )
            .await?;
        ensure!(output.stderr.contains("invalid image repo"), "{}", output.stderr);
        Ok(true)
    })
    .await?;
    world.kubectl(&["delete", "pod/db-0", "-n", "production", "--timeout=30s"]).await?;
    // Not while the constraint refuses it, but the next check needs it.
    let mut again = pod("production", "db-0", &json!({}));
    again["spec"]["containers"][0]["image"] = json!("mycompany.registry.com/app:1");
    world.put(&again).await?;
    world
        .kubectl(&["wait", "--for=condition=Ready", "pod/db-0", "-n", "production", "--timeout=50s"])
        .await
        .map(drop)
}

/// Somebody wants to see deletions of Pods, and K8sAllowedRepos would take them for its own.
async fn a_sleeper_is_not_woken(world: &World<'_>) -> Result<()> {
    let kinds = |kinds: &[&str]| json!({"spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": kinds}]}}});
    let guard = "d8customnodedeleteguard/require-node-delete-label";
    world.patch(guard, "merge", &kinds(&["Node", "Pod"])).await?;
    world.operator_says(&["WokenByMistake", "K8sAllowedRepos/prod-repo"]).await?;
    let says =
        "DELETE of pods is not sent to Gatekeeper: it would wake K8sAllowedRepos/prod-repo, whose templates";
    world.told("WokenByMistake", says, 1).await?;
    world.0.condition(SYSTEM, Condition::no("Routing", "NotRouted", says)).await?;
    world.0.condition(SYSTEM, Condition::no("Ready", "NotRouted", says)).await?;
    let all = ["CONNECT pods/attach", "CONNECT pods/exec", "DELETE nodes"];
    world.routes_become(&all).await?;
    world.kubectl(&["delete", "pod/web-0", "-n", "shop", "--timeout=30s"]).await?;
    // Another operator tells nothing anew.
    world.0.kill(OPERATOR).await?;
    world.0.restart(OPERATOR).await?;
    world.kubectl(&["delete", "k8sallowedrepos/prod-repo"]).await?;
    world.0.condition(SYSTEM, Condition::yes("Routing", "Routed", "")).await?;
    world.told("WokenByMistake", says, 1).await?;
    world.routes_become(&["CONNECT pods/attach", "CONNECT pods/exec", "DELETE nodes", "DELETE pods"]).await?;
    for constraint in [guard, "d8customdenyexec/deny-exec-in-namespaces"] {
        world.kubectl(&["delete", constraint]).await?;
    }
    world.gone(OURS).await
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
    Cluster::run(Options::new("test-examples"), async |cluster| {
        let world = World(cluster);
        let unlabelled = json!({});
        prepared(&world, &[("shop", "web-0", unlabelled.clone()), ("production", "db-0", unlabelled)])
            .await?;
        cluster.start_operator().await?;
        for name in ["deny-exec", "node-delete"] {
            world.put(&example(&format!("{name}-template"))?).await?;
            world.put_constraint(&example(name)?).await?;
        }
        world.routes_become(&["CONNECT pods/attach", "CONNECT pods/exec", "DELETE nodes"]).await?;
        let refused = "[production] no exec in namespace production";
        world.exec_says("developer", "production/db-0", refused).await?;
        let said = world.attach("developer", "production/db-0").await?;
        ensure!(said.contains("[production] no attach in namespace production"), "{said}");
        world.exec_says("developer", "shop/web-0", "inside").await?;
        let mut node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "spare"}});
        world.put(&node).await?;
        until("the Node is kept", SOON, async || {
            let said = world.answer(&["delete", "node/spare", "--dry-run=server"]).await?;
            ensure!(
                said.contains("[nodes] Node spare is kept: label it example.com/allow-delete=true"),
                "{said}"
            );
            Ok(true)
        })
        .await?;
        node["metadata"]["labels"] = json!({"example.com/allow-delete": "true"});
        world.put(&node).await?;
        world.kubectl(&["delete", "node/spare"]).await?;
        // Nobody else's deletions are asked about, and nothing is found wrong.
        world.kubectl(&["delete", "pod/web-0", "-n", "shop", "--timeout=30s"]).await?;
        world.0.condition(SYSTEM, Condition::yes("Routing", "Routed", "Gatekeeper is asked about all")).await
    })
    .await
}
