//! Reports on the real control plane, with the real CRDs of both groups.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::operator::{OPERATOR, OPERATOR_USER};
use gatewright_e2e::{Cluster, Options, paths, tools, until};
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

const SHOP: [&str; 1] = ["strict allowPrivileged warn web"];

#[tokio::test(flavor = "multi_thread")]
async fn a_team_sees_its_own_violations() -> Result<()> {
    scenario("test-reports", async |world| {
        for name in ["shop", "till", "quiet"] {
            world.put(&namespace(name, &own())).await?;
        }
        world
            .put(&namespace("standard", &json!({"security.deckhouse.io/pod-policy-action": "warn"})))
            .await?;
        for (pod, namespace) in [("web", "shop"), ("scan", "till"), ("old", "standard")] {
            world.put(&privileged_pod(pod, namespace)).await?;
        }
        world.0.start_operator().await?;
        let rules = json!({"allowPrivileged": false});
        world.put(&policy("SecurityPolicy", "strict", "Warn", &["shop", "till", "quiet"], &rules)).await?;
        let owners = policy("OperationPolicy", "owners", "Dryrun", &["shop"], &labels_required("/Namespace"));
        world.put(&owners).await?;
        nothing_without_a_kind(world).await?;
        what_is_in_the_namespace(world).await?;
        only_the_namespace_is_seen(world).await?;
        edits_are_undone(world).await?;
        kinds_come_and_go(world).await?;
        what_is_gone_is_gone(world).await
    })
    .await
}

async fn nothing_without_a_kind(world: &World<'_>) -> Result<()> {
    until("audit has found the Pods", SOON, async || {
        let found = world.get(&["secpol/strict"]).await?;
        ensure!(found["status"]["violations"]["total"] == 2, "{}", found["status"]["violations"]);
        Ok(true)
    })
    .await?;
    world.condition("NotNeeded", "serves no reports").await?;
    let (code, text) = world.0.ask_replica(OPERATOR, "/readyz").await?;
    ensure!(code == 200, "{text}");
    world.crds("apply", &tools::policy_reports()).await
}

async fn what_is_in_the_namespace(world: &World<'_>) -> Result<()> {
    let report = world.reports(POLICY_REPORT, "shop", &SHOP).await?;
    let result = &report["results"][0];
    ensure!(
        result["message"]
            == "allowPrivileged: container \"app\" sets securityContext.privileged to true; it must be false or unset"
            && result["severity"] == "medium"
            && result["category"] == "SecurityPolicy"
            && result["properties"]["enforcementAction"] == "warn"
            && result["resources"][0]["kind"] == "Pod"
            && result["timestamp"]["seconds"].as_i64() > Some(1_700_000_000),
        "{result}"
    );
    ensure!(report["scope"]["name"] == "shop" && report["summary"]["warn"] == 1, "{report}");
    world.reports(POLICY_REPORT, "till", &["strict allowPrivileged warn scan"]).await?;
    world.reports(POLICY_REPORT, "standard", &["d8-pod-security-baseline-warn privileged warn old"]).await?;
    let cluster = world
        .reports("clusterpolicyreports.wgpolicyk8s.io", "", &["owners requiredLabels warn shop"])
        .await?;
    ensure!(cluster["results"][0]["severity"] == "low" && cluster["scope"].is_null(), "{cluster}");
    ensure!(world.report(POLICY_REPORT, "quiet").await?.is_null(), "a report of nothing");
    world
        .condition("Written", "PolicyReport of wgpolicyk8s.io and ClusterPolicyReport of wgpolicyk8s.io")
        .await?;
    world.metric(r#"gatewright_report_results{result="warn"}"#, "4").await?;
    let table = world.kubectl(&["get", "policyreports", "-n", "shop"]).await?;
    ensure!(table.contains("gatewright") && table.contains("WARN"), "{table}");
    Ok(())
}

/// With the optional role, whoever may view a namespace reads its report, and no other.
async fn only_the_namespace_is_seen(world: &World<'_>) -> Result<()> {
    let role = paths::repository().join("deploy/report-viewers.yaml");
    world.kubectl(&["apply", "-f", role.to_str().context("not UTF-8")?]).await?;
    world
        .kubectl(&["create", "rolebinding", "team", "-n", "shop", "--clusterrole=view", "--user=team"])
        .await?;
    let may = async |namespace: &str| -> Result<bool> {
        let arguments = ["get", POLICY_REPORT, "gatewright", "-n", namespace, "--as=team"];
        Ok(world.0.kubectl(&arguments, None).await?.status.success())
    };
    until("the team reads its report", SOON, async || may("shop").await).await?;
    ensure!(!may("till").await?, "the team reads the report of another");
    let policies = world.0.kubectl(&["get", "secpol", "--as=team"], None).await?;
    ensure!(!policies.status.success(), "the team reads policies");
    Ok(())
}

async fn edits_are_undone(world: &World<'_>) -> Result<()> {
    let before = world.report(POLICY_REPORT, "shop").await?;
    for patch in [
        r#"{"results": []}"#,
        r#"{"summary": {"warn": 7}, "scopeSelector": {"matchLabels": {"a": "b"}}}"#,
        r#"{"metadata": {"labels": {"gatewright.io/owner": null, "app.kubernetes.io/managed-by": null}}}"#,
    ] {
        world
            .kubectl(&["patch", POLICY_REPORT, "gatewright", "-n", "shop", "--type=merge", "-p", patch])
            .await?;
        until(&format!("{patch} is undone"), SOON, async || {
            let now = world.report(POLICY_REPORT, "shop").await?;
            let same = |field: &str| now[field] == before[field];
            let labels = now["metadata"]["labels"] == before["metadata"]["labels"];
            ensure!(labels && ["summary", "scope", "scopeSelector"].into_iter().all(same), "{now}");
            ensure!(rows(&now) == SHOP, "{now}");
            Ok(true)
        })
        .await?;
    }
    world.kubectl(&["delete", POLICY_REPORT, "gatewright", "-n", "shop"]).await?;
    world.reports(POLICY_REPORT, "shop", &SHOP).await.map(drop)
}

async fn kinds_come_and_go(world: &World<'_>) -> Result<()> {
    // openreports.io is preferred: what was written before goes.
    world.crds("apply", &tools::open_reports()).await?;
    let report = world.reports(OPEN_REPORT, "shop", &SHOP).await?;
    ensure!(
        report["source"] == "gatewright" && report["configuration"]["limits"]["maxResults"] == 500,
        "{report}"
    );
    world.reports("clusterreports.openreports.io", "", &["owners requiredLabels warn shop"]).await?;
    for namespace in ["shop", "till", "standard"] {
        world.reports(POLICY_REPORT, namespace, &[]).await?;
    }
    world.reports("clusterpolicyreports.wgpolicyk8s.io", "", &[]).await?;
    world.condition("Written", "Report of openreports.io and ClusterReport of openreports.io").await?;
    world.crds("delete", &tools::open_reports()).await?;
    world.reports(POLICY_REPORT, "shop", &SHOP).await?;
    world.crds("delete", &tools::policy_reports()).await?;
    world.condition("NotNeeded", "serves no reports").await?;
    world.crds("apply", &tools::policy_reports()).await?;
    world.reports(POLICY_REPORT, "shop", &SHOP).await.map(drop)
}

async fn what_is_gone_is_gone(world: &World<'_>) -> Result<()> {
    world.kubectl(&["delete", "pod", "web", "-n", "shop", "--force"]).await?;
    until("the report of a fixed namespace is gone", SOON, async || {
        Ok(world.report(POLICY_REPORT, "shop").await?.is_null())
    })
    .await?;
    world.kubectl(&["delete", "namespace", "till", "--timeout=120s"]).await?;
    ensure!(world.report(POLICY_REPORT, "till").await?.is_null(), "a report in a namespace that is gone");
    world.put(&privileged_pod("web", "shop")).await?;
    world.reports(POLICY_REPORT, "shop", &SHOP).await?;
    world.kubectl(&["delete", "secpol/strict", "oppol/owners"]).await?;
    for (kind, namespace) in [(POLICY_REPORT, "shop"), ("clusterpolicyreports.wgpolicyk8s.io", "")] {
        until("what a deleted policy found is gone", SOON, async || {
            Ok(world.report(kind, namespace).await?.is_null())
        })
        .await?;
    }
    world.condition("Written", "PolicyReport").await
}

const INCOMPLETE: &str = "owners - skip -";

#[tokio::test(flavor = "multi_thread")]
async fn a_report_never_says_more_than_is_known() -> Result<()> {
    scenario("test-reports-bounds", async |world| {
        world.crds("apply", &tools::policy_reports()).await?;
        let list: Vec<_> =
            ["full", "shop", "quiet", "elsewhere", "taken"].map(|it| namespace(it, &own())).into();
        world.put(&json!({"apiVersion": "v1", "kind": "List", "items": list})).await?;
        let mut secrets: Vec<_> = (10..35).map(|i| secret(&format!("secret-{i}"), "full")).collect();
        secrets.extend(["shop", "taken"].map(|it| secret("late", it)));
        world.put(&json!({"apiVersion": "v1", "kind": "List", "items": secrets})).await?;
        let foreign = json!({
            "apiVersion": "wgpolicyk8s.io/v1alpha2", "kind": "PolicyReport",
            "metadata": {"name": "gatewright", "namespace": "taken"}, "summary": {"pass": 1},
        });
        world.put(&foreign).await?;
        world.0.start_operator().await?;
        let namespaces = ["full", "shop", "quiet", "taken"];
        world
            .put(&policy("OperationPolicy", "owners", "Deny", &namespaces, &labels_required("/Secret")))
            .await?;
        truncated(world).await?;
        foreign_reports_stay(world).await?;
        nothing_is_written_while_nothing_changes(world).await?;
        capped(world).await?;
        complete_again(world).await?;
        switched_off(world).await?;
        left_over(world).await
    })
    .await
}

/// Audit lists the first 20 of 27 violations, all of them in one namespace.
async fn truncated(world: &World<'_>) -> Result<()> {
    for namespace in ["shop", "quiet"] {
        let report = world.reports(POLICY_REPORT, namespace, &[INCOMPLETE]).await?;
        let message = report["results"][0]["message"].as_str().unwrap_or_default();
        ensure!(message.contains("more violations of the OperationPolicy owners than it lists"), "{message}");
    }
    let full = world.report(POLICY_REPORT, "full").await?;
    ensure!(full["summary"]["fail"] == 20 && full["summary"]["skip"] == 1, "{full}");
    ensure!(rows(&full)[..2] == [INCOMPLETE.to_owned(), "owners requiredLabels fail secret-10".to_owned()]);
    ensure!(world.report(POLICY_REPORT, "elsewhere").await?.is_null(), "out of reach");
    let clusterwide = world.report("clusterpolicyreports.wgpolicyk8s.io", "").await?;
    ensure!(clusterwide.is_null(), "the policy looks at nothing outside of namespaces: {clusterwide}");
    world.metric("gatewright_constraints_truncated", "1").await
}

async fn foreign_reports_stay(world: &World<'_>) -> Result<()> {
    world.condition("Conflict", "PolicyReport taken/gatewright exists and is not ours").await?;
    world.metric("gatewright_reports_unwritten", "1").await?;
    let report = world.report(POLICY_REPORT, "taken").await?;
    ensure!(report["summary"] == json!({"pass": 1}) && report["metadata"]["generation"] == 1, "{report}");
    until("an event says so", SOON, async || {
        let events = world.kubectl(&["get", "events", "-n", "taken"]).await?;
        ensure!(events.contains("ReportNotWritten"), "{events}");
        Ok(true)
    })
    .await
}

async fn nothing_is_written_while_nothing_changes(world: &World<'_>) -> Result<()> {
    world.audits("d8operationpolicy/owners", 3).await?;
    let before = world.writes()?;
    world.audits("d8operationpolicy/owners", 4).await?;
    ensure!(world.writes()? == before, "{} writes in a steady state", world.writes()? - before);
    ensure!(before > 10, "the audit log is not what it was: {before}");
    Ok(())
}

fn settings(world: &World<'_>, text: &str) -> Result<()> {
    Ok(std::fs::write(world.0.directory().join("settings.yaml"), text)?)
}

async fn capped(world: &World<'_>) -> Result<()> {
    settings(world, "reports: {maxResults: 3}")?;
    let rows = [INCOMPLETE, "owners requiredLabels fail secret-10", "gatewright reports.maxResults skip -"];
    let report = world.reports(POLICY_REPORT, "full", &rows).await?;
    ensure!(report["summary"]["fail"] == 20 && report["summary"]["skip"] == 2, "{report}");
    let message = report["results"][2]["message"].as_str().unwrap_or_default();
    ensure!(message.starts_with("19 more results are counted"), "{message}");
    settings(world, "")
}

/// With 17 violations all are listed: nothing is left open, and what was not told before is.
async fn complete_again(world: &World<'_>) -> Result<()> {
    let names: Vec<_> = (10..20).map(|i| format!("secret-{i}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    world.kubectl(&[&["delete", "secrets", "-n", "full"], names.as_slice()].concat()).await?;
    world.reports(POLICY_REPORT, "shop", &["owners requiredLabels fail late"]).await?;
    world.reports(POLICY_REPORT, "quiet", &[]).await?;
    ensure!(world.report(POLICY_REPORT, "quiet").await?.is_null(), "a report of nothing");
    let full = world.report(POLICY_REPORT, "full").await?;
    ensure!(full["summary"]["fail"] == 15 && full["summary"]["skip"] == 0, "{full}");
    // Once the other report is out of the way, ours comes.
    world.kubectl(&["delete", POLICY_REPORT, "gatewright", "-n", "taken"]).await?;
    world.reports(POLICY_REPORT, "taken", &["owners requiredLabels fail late"]).await?;
    world.condition("Written", "PolicyReport").await
}

async fn switched_off(world: &World<'_>) -> Result<()> {
    world
        .put(&json!({
            "apiVersion": "wgpolicyk8s.io/v1alpha2", "kind": "PolicyReport",
            "metadata": {"name": "scanner", "namespace": "shop"}, "summary": {"pass": 1},
        }))
        .await?;
    settings(world, "reports: {enabled: false}")?;
    until("our reports are gone", SOON, async || {
        let all = world.kubectl(&["get", POLICY_REPORT, "-A", "--no-headers"]).await?;
        ensure!(all.lines().count() == 1 && all.contains("scanner"), "{all}");
        Ok(true)
    })
    .await?;
    world.condition("NotNeeded", "reports.enabled is false").await?;
    settings(world, "")?;
    world.reports(POLICY_REPORT, "shop", &["owners requiredLabels fail late"]).await.map(drop)
}

/// A policy is deleted while nobody looks.
async fn left_over(world: &World<'_>) -> Result<()> {
    world.0.kill(OPERATOR).await?;
    world.kubectl(&["delete", "oppol/owners"]).await?;
    until("the constraint is gone", SOON, async || {
        Ok(world.get(&["d8operationpolicy/owners"]).await?.is_null())
    })
    .await?;
    ensure!(!world.report(POLICY_REPORT, "shop").await?.is_null(), "nobody looked");
    world.0.restart(OPERATOR).await?;
    until("what was left is gone", SOON, async || Ok(world.report(POLICY_REPORT, "shop").await?.is_null()))
        .await
}

/// How many violations are listed is Gatekeeper's to say: with the limit raised as documented, all are.
#[tokio::test(flavor = "multi_thread")]
async fn with_a_higher_limit_more_is_told() -> Result<()> {
    scenario_with("test-reports-limit", &["--constraint-violations-limit=30"], async |world| {
        world.crds("apply", &tools::policy_reports()).await?;
        world.put(&namespace("full", &own())).await?;
        world.0.start_operator().await?;
        world
            .put(&policy("OperationPolicy", "owners", "Dryrun", &["full"], &labels_required("/Secret")))
            .await?;
        for (count, listed, skipped) in [(30, 30, 0), (31, 30, 1)] {
            let items: Vec<_> = (0..count).map(|i| secret(&format!("secret-{i}"), "full")).collect();
            world.put(&json!({"apiVersion": "v1", "kind": "List", "items": items})).await?;
            until(&format!("{listed} of {count} are listed"), SOON, async || {
                let summary = &world.report(POLICY_REPORT, "full").await?["summary"];
                ensure!(summary["warn"] == listed && summary["skip"] == skipped, "{summary}");
                Ok(true)
            })
            .await?;
        }
        Ok(())
    })
    .await
}
