//! `gatewright preview` names what a change refuses: exactly the owners whose Pods do not come back once the change is made.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use gatewright_e2e::generate::{Audience, Random, workloads};
use gatewright_e2e::manifests::{labelled_namespace, namespace, pod_with, policy};
use gatewright_e2e::{Cluster, Output, SOON, Scenario, until};
use serde_json::{Value, json};

use crate::see::gatewright;

const STANDARD: &str = "security.deckhouse.io/pod-policy";

/// How many requests are under way at a time.
const CONCURRENCY: usize = 6;

/// How many random workloads are tried.
const RANDOM: usize = 120;

/// What most containers here leave open, and those that are fine say.
fn fine() -> Value {
    json!({"allowPrivilegeEscalation": false, "runAsNonRoot": true})
}

fn limits() -> Value {
    json!({"limits": {"memory": "64Mi"}})
}

/// A controller around the Pod of a container.
fn controller(kind: &str, namespace: &str, name: &str, replicas: Option<u64>, container: Value) -> Value {
    let labels = json!({"app": name});
    let pod = pod_with(namespace, name, container);
    let template = json!({"metadata": {"labels": labels}, "spec": pod["spec"]});
    let mut spec = json!({"selector": {"matchLabels": labels}, "template": template});
    if let Some(replicas) = replicas {
        spec["replicas"] = json!(replicas);
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec})
}

fn cron_job(namespace: &str, name: &str, container: Value) -> Value {
    let mut pod = pod_with(namespace, name, container);
    pod["spec"]["restartPolicy"] = json!("Never");
    let job = json!({"template": {"spec": pod["spec"]}});
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": name, "namespace": namespace},
        "spec": {"schedule": "0 4 1 1 *", "jobTemplate": {"spec": job}},
    })
}

fn service(name: &str, r#type: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"type": r#type, "selector": {"app": "checkout"}, "ports": [{"port": 80}]},
    })
}

/// What is there before the operator, so that nothing of it is refused.
fn there() -> Vec<Value> {
    let limit_range = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "sizes", "namespace": "db"},
        "spec": {"limits": [{"type": "Container", "default": {"memory": "64Mi"}}]},
    });
    let good = || json!({"securityContext": fine(), "resources": limits()});
    let mut agent = controller("DaemonSet", "logging", "agent", None, json!({}));
    agent["spec"]["template"]["spec"]["hostPID"] = json!(true);
    vec![
        namespace("shop"),
        labelled_namespace("logging", &json!({STANDARD: "baseline"})),
        namespace("db"),
        namespace("mixed"),
        limit_range,
        controller("Deployment", "shop", "checkout", Some(3), json!({"resources": limits()})),
        controller("Deployment", "shop", "good", Some(2), good()),
        // Its Deployment is accepted, since a LimitRange may give the limits; here none does.
        controller("Deployment", "shop", "unlimited", Some(1), json!({"securityContext": fine()})),
        controller("ReplicaSet", "shop", "alone", Some(2), json!({})),
        cron_job(
            "shop",
            "report",
            json!({"resources": limits(), "securityContext": {"allowPrivilegeEscalation": false}}),
        ),
        pod_with("shop", "one-off", json!({})),
        service("outside", "NodePort"),
        service("inside", "ClusterIP"),
        agent,
        controller("StatefulSet", "db", "pg", Some(2), json!({"securityContext": fine()})),
    ]
}

/// One change: two policies.
fn change() -> [Value; 2] {
    let everywhere = json!({"namespaceSelector": {"matchNames": ["shop", "logging", "db", "mixed"]}});
    let strict = json!({
        "allowPrivilegeEscalation": false, "runAsUser": {"rule": "MustRunAsNonRoot"}, "allowedServiceTypes": ["ClusterIP"],
    });
    let mut mixed = everywhere.clone();
    mixed["namespaceSelector"]["excludeNames"] = json!(["mixed"]);
    let sized = json!({"requiredResources": {"limits": ["memory"]}});
    [
        policy("SecurityPolicy", "strict", &everywhere, &strict),
        policy("OperationPolicy", "sized", &mixed, &sized),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn preview_names_the_owners_whose_pods_are_refused() -> Result<()> {
    Scenario::run(Scenario::new("test-preview").objects(there()), async |cluster| {
        cluster.kubectl_ok(&["create", "job", "report-1", "--from=cronjob/report", "-n", "shop"]).await?;
        random_workloads(cluster).await?;
        pods_settle(cluster).await?;
        cluster.ready("gatewrightstatus/cluster").await?;
        let path = file(cluster, "change.json", &change())?;
        the_table_is_that_of_the_contract(cluster, &path).await?;
        rights(cluster, &path).await?;
        let before = document(cluster, &["-f", &path], 1).await?;
        as_a_dump(cluster, &path, &before).await?;
        what_is_named_is_refused(cluster, &before).await?;
        other_changes(cluster, &path).await
    })
    .await
}

async fn preview(cluster: &Cluster, arguments: &[&str], code: i32) -> Result<Output> {
    let output = gatewright(cluster, &[&["preview"], arguments].concat()).await?;
    ensure!(output.status.code() == Some(code), "{arguments:?}: {output:?}");
    Ok(output)
}

async fn document(cluster: &Cluster, arguments: &[&str], code: i32) -> Result<Value> {
    let output = preview(cluster, &[&["-o", "json"], arguments].concat(), code).await?;
    serde_json::from_str(&output.stdout).with_context(|| format!("{arguments:?}: {output:?}"))
}

fn file(cluster: &Cluster, name: &str, objects: &[Value]) -> Result<String> {
    let path = cluster.directory().join(name);
    std::fs::write(&path, json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())?;
    Ok(path.to_str().context("not UTF-8")?.to_owned())
}

/// Random controllers, those of them that the API server takes.
async fn random_workloads(cluster: &Cluster) -> Result<()> {
    let mut random = Random::from_env()?;
    let mut all = random.values(&workloads(Audience::ApiServer), RANDOM)?;
    for (number, object) in all.iter_mut().enumerate() {
        object["metadata"]["name"] = json!(format!("random-{number}"));
        object["metadata"]["namespace"] = json!("mixed");
    }
    let create = async |object: Value| {
        let created = cluster.kubectl(&["create", "-f", "-"], Some(&object.to_string())).await?;
        anyhow::Ok(usize::from(created.status.success()))
    };
    let created: Vec<usize> = stream::iter(all).map(create).buffered(CONCURRENCY).try_collect().await?;
    let taken: usize = created.into_iter().sum();
    println!("seed {}: {taken} random workloads", random.seed);
    ensure!(taken >= RANDOM / 6, "seed {}: {taken}", random.seed);
    Ok(())
}

/// The Pods that run, as `NAMESPACE/NAME`.
async fn pods(cluster: &Cluster) -> Result<Vec<Value>> {
    let pods = cluster.get(&["pods", "-A"]).await?;
    let is_there = |pod: &&Value| {
        let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
        let over = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        ["shop", "logging", "db", "mixed"].contains(&namespace)
            && pod["metadata"]["deletionTimestamp"].is_null()
            && !over
    };
    Ok(pods["items"].as_array().into_iter().flatten().filter(is_there).cloned().collect())
}

/// Until there are as many Pods as before for some time, and those of the known controllers run.
async fn pods_settle(cluster: &Cluster) -> Result<()> {
    let mut last = (0, 0);
    until("no more Pods come", SOON, async || Ok(pods(cluster).await?.len() >= 12)).await?;
    while last.1 < 5 {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let count = pods(cluster).await?.len();
        last = if count == last.0 { (count, last.1 + 1) } else { (count, 0) };
    }
    Ok(())
}

async fn the_table_is_that_of_the_contract(cluster: &Cluster, path: &str) -> Result<()> {
    let said = preview(cluster, &["-f", path, "-n", "shop"], 1).await?.stdout;
    let expected = "\
NAMESPACE   OWNER                  PODS   TODAY    THEN      FIRST REASON
shop        Deployment/checkout    3      passes   refused   allowPrivilegeEscalation: container \"app\" does not set securityContext.allowPrivilegeEscalation; it must be false
shop        ReplicaSet/alone       2      passes   refused   requiredResources: container \"app\" has no resources.limits.memory; it or the Pod must set one
shop        Pod/one-off            1      passes   refused   requiredResources: container \"app\" has no resources.limits.memory; it or the Pod must set one
shop        Deployment/unlimited   1      passes   refused   requiredResources: container \"app\" has no resources.limits.memory; it or the Pod must set one
shop        CronJob/report         0      passes   refused   runAsUser: container \"app\" has neither securityContext.runAsUser nor runAsNonRoot: true, of its own or from the Pod; one is required
shop        Service/outside               passes   refused   allowedServiceTypes: the Service has spec.type NodePort; allowed: ClusterIP
6 owners (7 running Pods would not come back) are refused that pass today; 2 of 8 objects pass
";
    ensure!(said == expected, "{said}");
    Ok(())
}

/// Who may see little reads what is missing; the role of the chart suffices with the right to list what is judged.
async fn rights(cluster: &Cluster, path: &str) -> Result<()> {
    let nobody = preview(cluster, &["-f", path, "--as", "nobody"], 2).await?;
    for right in [
        "not shown: constrainttemplates (needs list on constrainttemplates.templates.gatekeeper.sh)",
        "not shown: namespaces (needs list on namespaces)",
    ] {
        ensure!(nobody.stderr.contains(right), "no {right:?}: {nobody:?}");
    }
    ensure!(nobody.stdout == "no object was judged\n", "{nobody:?}");
    let bind = ["create", "clusterrolebinding", "viewer", "--clusterrole=gatewright-viewer", "--user=viewer"];
    let lister = "--resource=services,replicationcontrollers,deployments.apps,statefulsets.apps,replicasets.apps,jobs.batch,cronjobs.batch";
    let role = ["create", "clusterrole", "lister", "--verb=list", lister];
    let lists = ["create", "clusterrolebinding", "lister", "--clusterrole=lister", "--user=viewer"];
    for command in [&bind[..], &role, &lists] {
        cluster.kubectl_ok(command).await?;
    }
    until("the viewer sees all but DaemonSets", SOON, async || {
        let seen = gatewright(cluster, &["preview", "-f", path, "--as", "viewer"]).await?;
        let missing: Vec<_> = seen.stderr.lines().filter(|line| line.contains("not shown")).collect();
        let only = "note: not shown: daemonsets (needs list on daemonsets.apps)";
        Ok(missing == [only] && seen.status.code() == Some(2))
    })
    .await
}

/// What `kubectl get -A -o yaml` wrote says the same without a cluster.
async fn as_a_dump(cluster: &Cluster, path: &str, live: &Value) -> Result<()> {
    let kinds = "namespaces,limitranges,serviceaccounts,deployments,statefulsets,daemonsets,replicasets,replicationcontrollers,\
                 jobs,cronjobs,pods,services,constrainttemplates,d8podsecuritystandard,configs.config.gatekeeper.sh,\
                 securitypolicies,operationpolicies";
    let text = cluster.kubectl_ok(&["get", "-A", "-o", "yaml", kinds]).await?;
    let dump = cluster.directory().join("dump.yaml");
    std::fs::write(&dump, &text)?;
    std::fs::write("/tmp/pv/scn.yaml", text)?;
    let dump = dump.to_str().context("not UTF-8")?;
    let mut command = tokio::process::Command::new(gatewright_e2e::operator::binary()?);
    command.args(["preview", "-f", path, "-o", "json", "--dump", dump]);
    let output = command.output().await?;
    let found: Value = serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))?;
    ensure!(named(&found) == named(live), "{:#?} {:#?}", named(&found), named(live));
    ensure!(found["summary"] == live["summary"], "{} {}", found["summary"], live["summary"]);
    Ok(())
}

/// The owners with what is said of them: today, then, and how many Pods do not come back.
fn named(document: &Value) -> BTreeMap<String, String> {
    let owners = document["owners"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    owners
        .map(|it| {
            let name = format!("{}/{}", text(&it["namespace"]), text(&it["owner"]));
            (name, format!("{} {} {}", text(&it["today"]), text(&it["then"]), it["notComingBack"]))
        })
        .collect()
}

/// Whom a Pod counts for, with the ReplicaSets and Jobs of controllers resolved.
async fn owners(cluster: &Cluster) -> Result<BTreeMap<String, usize>> {
    let made = cluster.get(&["replicasets,jobs", "-A"]).await?;
    let controlling = |object: &Value| {
        let owners = object["metadata"]["ownerReferences"].as_array()?;
        let owner = owners.iter().find(|owner| owner["controller"] == true)?;
        Some(format!("{}/{}", owner["kind"].as_str()?, owner["name"].as_str()?))
    };
    let name = |object: &Value| {
        format!(
            "{}/{}",
            object["kind"].as_str().unwrap_or_default(),
            object["metadata"]["name"].as_str().unwrap_or_default()
        )
    };
    let above: BTreeMap<_, _> = made["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|object| Some((name(object), controlling(object)?)))
        .collect();
    let mut counts = BTreeMap::new();
    for pod in pods(cluster).await? {
        let owner = controlling(&pod).unwrap_or_else(|| name(&pod));
        let owner = above.get(&owner).cloned().unwrap_or(owner);
        let key = format!("{}/{owner}", pod["metadata"]["namespace"].as_str().unwrap_or_default());
        *counts.entry(key).or_default() += 1;
    }
    Ok(counts)
}

/// The change is made, the Pods are deleted: those of the owners that were named do not come back, all others do.
async fn what_is_named_is_refused(cluster: &Cluster, before: &Value) -> Result<()> {
    let running = owners(cluster).await?;
    let lost: BTreeSet<_> = before["owners"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|it| it["then"] == "refused" && it["pods"].as_u64() > Some(0))
        .map(|it| {
            format!(
                "{}/{}",
                it["namespace"].as_str().unwrap_or_default(),
                it["owner"].as_str().unwrap_or_default()
            )
        })
        .collect();
    for it in before["owners"].as_array().into_iter().flatten() {
        let key = format!(
            "{}/{}",
            it["namespace"].as_str().unwrap_or_default(),
            it["owner"].as_str().unwrap_or_default()
        );
        let pods = running.get(&key).copied().unwrap_or_default();
        let said = it["pods"].as_u64().unwrap_or_default();
        ensure!(said == pods as u64, "{key}: {said} Pods, and {pods} run");
        ensure!(
            it["pods"].is_null() || it["then"] != "refused" || it["notComingBack"] == it["pods"],
            "{it:#}"
        );
    }
    // A Pod alone comes back only if somebody makes it again; a Job's Pods, once a Job has failed, do not.
    let alone = |key: &str| key.contains("/Pod/") || key.contains("/Job/") || key.contains("/CronJob/");
    let expected: BTreeMap<_, _> = running
        .iter()
        .filter(|(key, _)| !alone(key) && !lost.contains(*key))
        .map(|(key, count)| (key.clone(), *count))
        .collect();
    let gone = running.keys().filter(|key| !alone(key) && lost.contains(*key)).count();
    println!("{running:#?}");
    println!("{gone} owners lose their Pods, {} keep them", expected.len());
    ensure!(gone >= 4 && expected.len() >= 3, "{running:#?} {lost:#?}");
    let singles: Vec<_> =
        pods(cluster).await?.into_iter().filter(|pod| pod["metadata"]["ownerReferences"].is_null()).collect();
    cluster.put_all(&change()).await?;
    cluster.all_ready("secpol,oppol").await?;
    for namespace in ["shop", "logging", "db", "mixed"] {
        let delete = ["delete", "pods", "--all", "-n", namespace, "--grace-period=0", "--force"];
        cluster.kubectl_ok(&delete).await?;
    }
    until("the Pods of the others are back, and only these", SOON, async || {
        let now = owners(cluster).await?;
        let now: BTreeMap<_, _> = now.into_iter().filter(|(key, _)| !alone(key)).collect();
        ensure!(now == expected, "{now:#?} {expected:#?}");
        Ok(true)
    })
    .await?;
    single_pods(cluster, &singles, &lost).await?;
    others_are_refused(cluster).await
}

/// Pods that nobody controls are refused where they were named.
async fn single_pods(cluster: &Cluster, singles: &[Value], lost: &BTreeSet<String>) -> Result<()> {
    ensure!(!singles.is_empty());
    for pod in singles {
        let (namespace, name) = (&pod["metadata"]["namespace"], &pod["metadata"]["name"]);
        let key =
            format!("{}/Pod/{}", namespace.as_str().unwrap_or_default(), name.as_str().unwrap_or_default());
        let mut fresh = pod.clone();
        fresh["metadata"] = json!({"name": name, "namespace": namespace, "labels": pod["metadata"]["labels"],
            "annotations": pod["metadata"]["annotations"]});
        fresh["status"] = Value::Null;
        let said = cluster.try_create(&fresh).await?;
        let refused = said.contains("denied the request");
        ensure!(refused == lost.contains(&key), "{key}: {said}");
    }
    Ok(())
}

/// The Pod of a CronJob's Job, and what makes no Pods.
async fn others_are_refused(cluster: &Cluster) -> Result<()> {
    let job = ["create", "job", "report-2", "--from=cronjob/report", "-n", "shop"];
    let said = cluster.kubectl(&job, None).await?;
    ensure!(said.stderr.contains("[strict] runAsUser:"), "{said:?}");
    for (name, refused) in [("outside", true), ("inside", false)] {
        let r#type = if refused { "NodePort" } else { "ClusterIP" };
        let said = cluster.try_create(&service(&format!("{name}-2"), r#type)).await?;
        ensure!(said.contains("[strict] allowedServiceTypes:") == refused, "{said}");
    }
    Ok(())
}

/// Labels, settings, deletions and rules, now that the policies are there.
async fn other_changes(cluster: &Cluster, path: &str) -> Result<()> {
    let again = document(cluster, &["-f", path], 0).await?;
    ensure!(again["summary"]["newlyRefused"] == 0 && again["summary"]["stillRefused"] != 0, "{again:#}");
    let rules = document(cluster, &["--rules", "builtin"], 0).await?;
    ensure!(rules["summary"] == again["summary"], "{:#} {:#}", rules["summary"], again["summary"]);
    let deleted = document(cluster, &["--delete", "secpol/strict", "--delete", "oppol/sized"], 0).await?;
    let freed = named(&deleted);
    ensure!(freed.get("shop/Deployment/checkout").is_some_and(|it| it == "refused passes 0"), "{freed:#?}");
    ensure!(
        freed.get("logging/DaemonSet/agent").is_some_and(|it| it.starts_with("refused refused")),
        "{freed:#?}"
    );
    let label = format!("ns=db,{STANDARD}=restricted");
    let labelled = named(&document(cluster, &["--label", &label, "-n", "db"], 1).await?);
    ensure!(
        labelled == [("db/StatefulSet/pg".to_owned(), "passes refused 2".to_owned())].into(),
        "{labelled:#?}"
    );
    let settings = cluster.directory().join("then.yaml");
    std::fs::write(&settings, "podSecurityStandards: {enforcementAction: Warn}\n")?;
    let settings = settings.to_str().context("not UTF-8")?;
    // The policies refuse it still; without them the standard only warns.
    let warned =
        ["--settings", settings, "--delete", "secpol/strict", "--delete", "oppol/sized", "-n", "logging"];
    let warned = named(&document(cluster, &warned, 0).await?);
    ensure!(warned.get("logging/DaemonSet/agent").is_some_and(|it| it == "refused warned 0"), "{warned:#?}");
    let none = preview(cluster, &["--delete", "secpol/nothing"], 2).await?;
    ensure!(none.stderr.contains("the cluster has no SecurityPolicy/nothing"), "{none:?}");
    Ok(())
}
