//! Reports on the real control plane, with the real CRDs of both groups.

mod bounds;
mod team;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::operator::OPERATOR_USER;
use gatewright_e2e::{Cluster, Options, SOON, Scenario, manifests, until};
use serde_json::{Value, json};

const POLICY_REPORT: &str = "policyreports.wgpolicyk8s.io";
const OPEN_REPORT: &str = "reports.openreports.io";

async fn crds(cluster: &Cluster, verb: &str, folder: &std::path::Path) -> Result<()> {
    let folder = folder.to_str().context("the path of the tools is not UTF-8")?;
    let arguments: &[&str] =
        if verb == "delete" { &["delete", "-f", folder] } else { &["apply", "--server-side", "-f", folder] };
    cluster.kubectl_ok(arguments).await.map(drop)
}

/// Waits until the report of a namespace has exactly these results: policy, rule, result and object of each.
async fn reports(cluster: &Cluster, kind: &str, namespace: &str, expected: &[&str]) -> Result<Value> {
    until(&format!("{kind} of {namespace} has {expected:?}"), SOON, async || {
        let rows = rows(&report(cluster, kind, namespace).await?);
        ensure!(rows == expected, "{rows:?}");
        Ok(true)
    })
    .await?;
    report(cluster, kind, namespace).await
}

async fn report(cluster: &Cluster, kind: &str, namespace: &str) -> Result<Value> {
    let found = if namespace.is_empty() {
        cluster.find(&[kind, "gatewright"]).await?
    } else {
        cluster.find(&[kind, "gatewright", "-n", namespace]).await?
    };
    if !found.is_null() {
        sound(&found)?;
    }
    Ok(found)
}

/// Waits until the condition of the reports has this reason, and its message says this.
async fn condition(cluster: &Cluster, reason: &str, says: &str) -> Result<()> {
    until(&format!("the condition Reports has {reason}, {says:?}"), SOON, async || {
        let found = cluster.find(&["gatewrightstatus/cluster"]).await?;
        let conditions = found["status"]["conditions"].as_array().context("no conditions yet")?;
        let condition = conditions.iter().find(|it| it["type"] == "Reports").context("absent")?;
        let message = condition["message"].as_str().unwrap_or_default();
        ensure!(condition["reason"] == reason && message.contains(says), "{condition}");
        Ok(true)
    })
    .await
}

/// How many requests of the operator that write the API server has answered.
fn writes(cluster: &Cluster) -> Result<usize> {
    let answers = cluster.audited(|event| {
        let reads = ["get", "list", "watch"].iter().any(|verb| event["verb"] == *verb);
        !reads && event["user"]["username"] == OPERATOR_USER
    })?;
    Ok(answers.len())
}

/// Waits until audit has looked at a constraint this often.
async fn audits(cluster: &Cluster, constraint: &str, count: usize) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..count {
        until("audit has looked", SOON, async || {
            let found = cluster.find(&[constraint]).await?;
            let time = found["status"]["auditTimestamp"].as_str().context("not audited yet")?.to_owned();
            Ok(!seen.contains(&time))
        })
        .await?;
        let found = cluster.find(&[constraint]).await?;
        seen.insert(found["status"]["auditTimestamp"].as_str().unwrap_or_default().to_owned());
    }
    Ok(())
}

fn rows(report: &Value) -> Vec<String> {
    let row = |result: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        [
            text(&result["policy"]),
            text(&result["rule"]),
            text(&result["result"]),
            text(&result["resources"][0]["name"]),
        ]
        .join(" ")
    };
    report["results"].as_array().into_iter().flatten().map(row).collect()
}

/// What holds for every report: whose it is, and a summary that counts.
fn sound(report: &Value) -> Result<()> {
    let labels = &report["metadata"]["labels"];
    if labels["app.kubernetes.io/managed-by"] != "gatewright" {
        return Ok(());
    }
    ensure!(labels["gatewright.io/owner"] == "builtin", "{labels}");
    let results = report["results"].as_array().context("no results")?;
    let cut = results.iter().any(|result| result["rule"] == "reports.maxResults");
    for outcome in ["pass", "fail", "warn", "error", "skip"] {
        let listed = results.iter().filter(|result| result["result"] == outcome).count();
        let counted = report["summary"][outcome].as_u64().and_then(|count| usize::try_from(count).ok());
        let exact = if cut { counted >= Some(listed) } else { counted == Some(listed) };
        ensure!(exact, "{outcome}: {listed} of {counted:?} in {report}");
    }
    let namespace = &report["metadata"]["namespace"];
    for result in results {
        ensure!(result["source"] == "gatewright", "{result}");
        for resource in result["resources"].as_array().into_iter().flatten() {
            ensure!(resource["namespace"] == *namespace, "{result} in {namespace}");
        }
    }
    Ok(())
}

fn secret(name: &str, namespace: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}})
}

/// A policy with an action for these namespaces.
fn policy(kind: &str, name: &str, action: &str, namespaces: &[&str], policies: &Value) -> Value {
    let r#match = json!({"namespaceSelector": {"matchNames": namespaces}});
    let mut policy = manifests::policy(kind, name, &r#match, policies);
    policy["spec"]["enforcementAction"] = json!(action);
    policy
}

fn labels_required(kind: &str) -> Value {
    json!({"requiredLabels": {"labels": [{"key": "owner"}], "watchKinds": [kind]}})
}

/// A scenario in which audit looks often; it starts the operator itself.
fn scenario(name: &str, gatekeeper_arguments: &[&str]) -> Scenario {
    let gatekeeper_arguments = gatekeeper_arguments.iter().map(|it| (*it).to_owned()).collect();
    Scenario::on(Options { audit_interval: 2, gatekeeper_arguments, ..Options::new(name) }).without_operator()
}
