//! Reports on the real control plane, with the real CRDs of both groups.

mod bounds;
mod team;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::operator::{OPERATOR, OPERATOR_USER};
use gatewright_e2e::{Cluster, Options, until};
use serde_json::{Value, json};

/// Much more than anything here takes, also on a machine under load: an audit, a pass, a watch.
const SOON: Duration = Duration::from_mins(2);

const POLICY_REPORT: &str = "policyreports.wgpolicyk8s.io";
const OPEN_REPORT: &str = "reports.openreports.io";

struct World<'a>(&'a Cluster);

impl World<'_> {
    async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.0.kubectl(arguments, None).await?.success()
    }

    async fn put(&self, manifest: &Value) -> Result<()> {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.0.kubectl(&arguments, Some(&manifest.to_string())).await?.success().map(drop)
    }

    /// An object, or null if it or its kind is not there.
    async fn get(&self, what: &[&str]) -> Result<Value> {
        let output = self.0.kubectl(&[&["get", "-o", "json"], what].concat(), None).await?;
        if output.status.success() {
            return Ok(serde_json::from_str(&output.stdout)?);
        }
        let absent = ["NotFound", "doesn't have a resource type"].iter().any(|it| output.stderr.contains(it));
        ensure!(absent, "{}", output.stderr);
        Ok(Value::Null)
    }

    async fn crds(&self, verb: &str, folder: &std::path::Path) -> Result<()> {
        let folder = folder.to_str().context("the path of the tools is not UTF-8")?;
        let arguments: &[&str] = if verb == "delete" {
            &["delete", "-f", folder]
        } else {
            &["apply", "--server-side", "-f", folder]
        };
        self.kubectl(arguments).await.map(drop)
    }

    /// Waits until the report of a namespace has exactly these results: policy, rule, result and object of each.
    async fn reports(&self, kind: &str, namespace: &str, expected: &[&str]) -> Result<Value> {
        until(&format!("{kind} of {namespace} has {expected:?}"), SOON, async || {
            let rows = rows(&self.report(kind, namespace).await?);
            ensure!(rows == expected, "{rows:?}");
            Ok(true)
        })
        .await?;
        self.report(kind, namespace).await
    }

    async fn report(&self, kind: &str, namespace: &str) -> Result<Value> {
        let found = if namespace.is_empty() {
            self.get(&[kind, "gatewright"]).await?
        } else {
            self.get(&[kind, "gatewright", "-n", namespace]).await?
        };
        if !found.is_null() {
            sound(&found)?;
        }
        Ok(found)
    }

    /// Waits until the condition of the reports has this reason, and its message says this.
    async fn condition(&self, reason: &str, says: &str) -> Result<()> {
        until(&format!("the condition Reports has {reason}, {says:?}"), SOON, async || {
            let found = self.get(&["gatewrightstatus/cluster"]).await?;
            let conditions = found["status"]["conditions"].as_array().context("no conditions yet")?;
            let condition = conditions.iter().find(|it| it["type"] == "Reports").context("absent")?;
            let message = condition["message"].as_str().unwrap_or_default();
            ensure!(condition["reason"] == reason && message.contains(says), "{condition}");
            Ok(true)
        })
        .await
    }

    async fn metric(&self, series: &str, expected: &str) -> Result<()> {
        until(&format!("{series} is {expected}"), SOON, async || {
            let (_, text) = self.0.ask_replica(OPERATOR, "/metrics").await?;
            let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
            ensure!(found.is_some_and(|value| value.trim_end_matches(".0") == expected), "{found:?}");
            Ok(true)
        })
        .await
    }

    /// How many requests of the operator that write the API server has answered.
    fn writes(&self) -> Result<usize> {
        let log = std::fs::read_to_string(self.0.audit_log())?;
        let wrote = |event: &Value| {
            let reads = ["get", "list", "watch"].iter().any(|verb| event["verb"] == *verb);
            !reads && event["user"]["username"] == OPERATOR_USER
        };
        Ok(log.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(wrote).count())
    }

    /// Waits until audit has looked at a constraint this often.
    async fn audits(&self, constraint: &str, count: usize) -> Result<()> {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..count {
            until("audit has looked", SOON, async || {
                let found = self.get(&[constraint]).await?;
                let time = found["status"]["auditTimestamp"].as_str().context("not audited yet")?.to_owned();
                Ok(!seen.contains(&time))
            })
            .await?;
            let found = self.get(&[constraint]).await?;
            seen.insert(found["status"]["auditTimestamp"].as_str().unwrap_or_default().to_owned());
        }
        Ok(())
    }
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

/// A namespace in which policies alone decide, unless its labels say otherwise.
fn namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn own() -> Value {
    json!({"security.deckhouse.io/pod-policy": "privileged"})
}

fn privileged_pod(name: &str, namespace: &str) -> Value {
    let container = json!({"name": "app", "image": "registry.example.com/app:1", "securityContext": {"privileged": true}});
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [container]},
    })
}

fn secret(name: &str, namespace: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": namespace}})
}

fn policy(kind: &str, name: &str, action: &str, namespaces: &[&str], policies: &Value) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": kind, "metadata": {"name": name},
        "spec": {
            "enforcementAction": action,
            "match": {"namespaceSelector": {"matchNames": namespaces}},
            "policies": policies,
        },
    })
}

fn labels_required(kind: &str) -> Value {
    json!({"requiredLabels": {"labels": [{"key": "owner"}], "watchKinds": [kind]}})
}

async fn scenario(name: &str, run: impl AsyncFnOnce(&World<'_>) -> Result<()>) -> Result<()> {
    scenario_with(name, &[], run).await
}

async fn scenario_with(
    name: &str,
    gatekeeper_arguments: &[&str],
    run: impl AsyncFnOnce(&World<'_>) -> Result<()>,
) -> Result<()> {
    let gatekeeper_arguments = gatekeeper_arguments.iter().map(|it| (*it).to_owned()).collect();
    let options = Options { audit_interval: 2, gatekeeper_arguments, ..Options::new(name) };
    Cluster::run(options, async |cluster| {
        cluster.install_policies().await?;
        run(&World(cluster)).await
    })
    .await
}
