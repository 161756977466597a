//! `gatewright report` says what Gatekeeper's audit found, by who has to change it.

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::manifests::{namespace, no_privileged, pod, policy, privileged_pod};
use gatewright_e2e::{Cluster, Options, Output, SOON, Scenario, tools, until};
use serde_json::{Value, json};

use crate::see::gatewright;

/// How many violations of a constraint audit lists here.
const LISTED: usize = 6;

/// What the table says of the worst owner: the Deployment and its two Pods are refused.
const LEGACY: &str = "shop        Deployment/legacy      3      0   SecurityPolicy/baseline";

#[tokio::test(flavor = "multi_thread")]
async fn a_report_says_what_audit_found() -> Result<()> {
    let limit = format!("--constraint-violations-limit={LISTED}");
    let options =
        Options { audit_interval: 2, gatekeeper_arguments: vec![limit], ..Options::new("test-report") };
    let namespaces = ["shop", "web", "many"].map(namespace);
    let many = (0..LISTED + 2).map(|at| pod("many", &format!("bare-{at}")));
    let one_off = privileged_pod("web", "one-off");
    let objects = namespaces.into_iter().chain([deployment(), cron_job(), one_off]).chain(many);
    Scenario::run(Scenario::on(options).objects(objects), async |cluster| {
        two_pods_and_a_job(cluster).await?;
        cluster.put_all(&policies()).await?;
        by_owner(cluster).await?;
        in_other_forms(cluster).await?;
        what_is_cut_is_said(cluster).await?;
        since_when(cluster).await?;
        rights(cluster).await
    })
    .await
}

fn template(mut spec: Value) -> Value {
    spec["containers"] = json!([{"name": "app", "image": "registry.example.com/app:1",
        "securityContext": {"privileged": true}}]);
    json!({"metadata": {"labels": {"app": "a"}}, "spec": spec})
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "legacy", "namespace": "shop"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "a"}}, "template": template(json!({}))},
    })
}

/// One that never runs by itself.
fn cron_job() -> Value {
    let job = json!({"spec": {"template": template(json!({"restartPolicy": "Never"}))}});
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly", "namespace": "web"},
        "spec": {"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": job},
    })
}

fn policies() -> [Value; 3] {
    let within = |name: &str| json!({"namespaceSelector": {"matchNames": [name]}});
    let mut warned = policy("SecurityPolicy", "trial", &within("web"), &no_privileged());
    warned["spec"]["enforcementAction"] = json!("Warn");
    let probes = json!({"requiredProbes": ["livenessProbe"]});
    let mut recorded = policy("OperationPolicy", "common", &within("many"), &probes);
    recorded["spec"]["enforcementAction"] = json!("Dryrun");
    [policy("SecurityPolicy", "baseline", &within("shop"), &no_privileged()), warned, recorded]
}

async fn two_pods_and_a_job(cluster: &Cluster) -> Result<()> {
    cluster.kubectl_ok(&["create", "job", "nightly-1", "--from=cronjob/nightly", "-n", "web"]).await?;
    for (namespace, count) in [("shop", 2), ("web", 2)] {
        until("the Pods are there", SOON, async || {
            let pods = cluster.get(&["pods", "-n", namespace]).await?;
            Ok(pods["items"].as_array().is_some_and(|pods| pods.len() == count))
        })
        .await?;
    }
    Ok(())
}

/// Runs the command, whose exit code must be this one.
async fn report(cluster: &Cluster, arguments: &[&str], code: i32) -> Result<Output> {
    let output = gatewright(cluster, &[&["report"], arguments].concat()).await?;
    ensure!(output.status.code() == Some(code), "{arguments:?}: {output:?}");
    Ok(output)
}

async fn document(cluster: &Cluster, arguments: &[&str], code: i32) -> Result<Value> {
    let output = report(cluster, &[&["-o", "json"], arguments].concat(), code).await?;
    serde_json::from_str(&output.stdout).with_context(|| format!("{arguments:?}: {output:?}"))
}

/// Each row as `NAMESPACE KIND/NAME FAIL WARN`.
fn rows(document: &Value) -> Vec<String> {
    let row = |row: &Value| {
        let owner = &row["owner"];
        format!("{}/{} {} {} {}", row["namespace"], owner["name"], owner["kind"], row["fail"], row["warn"])
            .replace('"', "")
    };
    document["rows"].as_array().into_iter().flatten().map(row).collect()
}

/// Pods count for who has to change them; the Job's for its CronJob.
async fn by_owner(cluster: &Cluster) -> Result<()> {
    until("audit has found everything", SOON, async || {
        let found = document(cluster, &[], 1).await?;
        let rows = rows(&found);
        let bare = rows.iter().filter(|row| row.starts_with("many/bare-")).count();
        let nightly = rows.iter().filter(|row| row.starts_with("web/nightly")).collect::<Vec<_>>();
        ensure!(rows.first().is_some_and(|row| row == "shop/legacy Deployment 3 0"), "{rows:?}");
        ensure!(nightly.len() == 1 && nightly[0].contains(" CronJob 0 "), "{rows:?}");
        ensure!(rows.iter().any(|row| row == "web/one-off Pod 0 1") && bare == LISTED, "{rows:?}");
        ensure!(found["incomplete"] == json!([]) && found["audit"]["notAudited"] == json!([]), "{found:#}");
        Ok(true)
    })
    .await
}

async fn in_other_forms(cluster: &Cluster) -> Result<()> {
    let table = report(cluster, &["-n", "shop"], 1).await?.stdout;
    ensure!(table.contains(LEGACY) && !table.contains("SINCE") && !table.contains("web"), "{table}");
    ensure!(table.contains("\n1 owner, 3 failed, 0 warned, in namespace shop\n"), "{table}");
    let whole = report(cluster, &[], 1).await?.stdout;
    ensure!(whole.contains(", in 3 of ") && whole.contains(" namespaces\naudit of 20"), "{whole}");
    // What is let through fails nobody.
    report(cluster, &["-n", "web"], 0).await?;
    let policies = document(cluster, &["--by", "policy"], 1).await?;
    let first = &policies["rows"][0];
    ensure!(
        first["policy"] == json!({"kind": "SecurityPolicy", "name": "baseline"}) && first["fail"] == 3,
        "{policies:#}"
    );
    let csv = report(cluster, &["--by", "namespace", "-o", "csv", "-n", "shop"], 1).await?.stdout;
    ensure!(
        csv == "namespace,owners,fail,warn,policies,since\nshop,1,3,0,SecurityPolicy/baseline,\n",
        "{csv}"
    );
    let page = cluster.directory().join("report.html");
    report(cluster, &["--html", page.to_str().context("not UTF-8")?], 1).await?;
    let page = std::fs::read_to_string(page)?;
    ensure!(page.contains("\"Deployment\"") && page.contains("default-src 'none'"), "{page}");
    Ok(())
}

/// Audit lists six of eight.
async fn what_is_cut_is_said(cluster: &Cluster) -> Result<()> {
    let found = document(cluster, &[], 1).await?;
    let audit = &found["audit"];
    let cut = json!([{"policy": {"kind": "OperationPolicy", "name": "common"}, "unlisted": 2}]);
    ensure!(audit["cut"] == cut, "{audit:#}");
    let total = |key: &str| audit[key].as_u64().unwrap_or_default();
    ensure!(total("total") == total("listed") + 2, "{audit:#}");
    let said = report(cluster, &[], 1).await?;
    ensure!(
        said.stderr
            .contains("audit found 2 more than it lists, and does not say where: OperationPolicy/common (2)"),
        "{said:?}"
    );
    ensure!(
        said.stdout.contains(&format!("found {} and lists {}\n", total("total"), total("listed"))),
        "{said:?}"
    );
    Ok(())
}

/// Where reports are written, they keep the time at which a violation was found first.
async fn since_when(cluster: &Cluster) -> Result<()> {
    let folder = tools::policy_reports();
    let folder = folder.to_str().context("not UTF-8")?;
    cluster.kubectl_ok(&["apply", "--server-side", "-f", folder]).await?;
    until("the reports say since when", SOON, async || {
        let table = report(cluster, &["-n", "shop"], 1).await?.stdout;
        let dated = table
            .lines()
            .any(|line| line.starts_with(LEGACY) && (line.ends_with("seconds") || line.contains("minute")));
        ensure!(dated, "{table}");
        Ok(true)
    })
    .await?;
    let found = document(cluster, &["-n", "shop"], 1).await?;
    ensure!(found["rows"][0]["since"].as_str().is_some_and(|since| since.starts_with("20")), "{found:#}");
    Ok(())
}

/// The role of the chart suffices; who may see nothing reads what is missing and which right that needs.
async fn rights(cluster: &Cluster) -> Result<()> {
    let own = rows(&document(cluster, &[], 1).await?);
    let bind = ["create", "clusterrolebinding", "viewer", "--clusterrole=gatewright-viewer", "--user=viewer"];
    cluster.kubectl_ok(&bind).await?;
    until("the viewer sees the same", SOON, async || {
        let seen = document(cluster, &["--as", "viewer"], 1).await?;
        ensure!(seen["incomplete"] == json!([]) && rows(&seen) == own, "{seen:#}");
        Ok(true)
    })
    .await?;
    let nobody = report(cluster, &["--as", "nobody"], 2).await?;
    for right in [
        "not shown: d8securitypolicy (needs list on d8securitypolicy.constraints.gatekeeper.sh)",
        "not shown: securitypolicies (needs list on securitypolicies.deckhouse.io)",
        "not shown: namespaces (needs list on namespaces)",
    ] {
        ensure!(nobody.stderr.contains(right), "no {right:?}: {}", nobody.stderr);
    }
    ensure!(nobody.stdout.ends_with("\nnot everything is shown\n"), "{nobody:?}");
    // Somebody who sees constraints and no Pods: violations stand for what audit names.
    let resources = "d8securitypolicy.constraints.gatekeeper.sh";
    cluster
        .kubectl_ok(&["create", "clusterrole", "few", "--verb=list", &format!("--resource={resources}")])
        .await?;
    cluster.kubectl_ok(&["create", "clusterrolebinding", "few", "--clusterrole=few", "--user=few"]).await?;
    until("the role is in force", SOON, async || {
        let few = gatewright(cluster, &["report", "--as", "few", "-o", "json"]).await?;
        ensure!(few.status.code() == Some(2), "{few:?}");
        let document: Value = serde_json::from_str(&few.stdout)?;
        let rows = rows(&document);
        let pods = rows.iter().filter(|row| row.starts_with("shop/legacy-") && row.contains(" Pod 1 0"));
        ensure!(pods.count() == 2, "{rows:?}");
        ensure!(few.stderr.contains("not shown: pods (needs list on pods)"), "{few:?}");
        Ok(true)
    })
    .await
}
