//! The operator as the chart renders it: its Pods' command, arguments, environment, volumes, port and `ServiceAccount`. By
//! the API server's audit log its rights are exactly enough.

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::chart::{self, NAMESPACE, NO_IMAGE, RELEASE};
use gatewright_e2e::manifests::{labelled_namespace, privileged_pod};
use gatewright_e2e::operator::OPERATOR_USER;
use gatewright_e2e::{Cluster, Condition, Options, SOON, rights, tools, until};
use gatewright_operator::rbac;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_of_the_chart() -> Result<()> {
    Cluster::run(Options::new("test-rendered"), async |cluster| {
        crds(cluster, "apply", &tools::open_reports()).await?;
        // Later the API server would refuse the label.
        cluster
            .put(&labelled_namespace("odd", &json!({"security.deckhouse.io/pod-policy": "nonsense"})))
            .await?;
        let chart = chart::folder();
        let chart = chart.to_str().context("not UTF-8")?;
        let install = ["install", RELEASE, chart, "-n", NAMESPACE, "--create-namespace", "--set", NO_IMAGE];
        cluster.helm(&install).await?.success()?;
        cluster.with_pods_run(async || operator(cluster).await).await?;
        let log = std::fs::read_to_string(cluster.audit_log())?;
        // Without the verifier nothing is asked for that would need its rights. Constraints of signatures may always be
        // deleted, for whoever uninstalls it.
        let mut rules = rbac::rules();
        rules.retain(|rule| !rbac::signatures().contains(rule));
        for rule in &mut rules {
            rule.resources.retain(|resource| resource != "d8verifyimagesignatures");
        }
        let problems = rights::problems(&rules, NAMESPACE, &rights::asked_by(OPERATOR_USER, &log)?);
        ensure!(problems.is_empty(), "{}", problems.join("\n"));
        Ok(())
    })
    .await
}

async fn operator(cluster: &Cluster) -> Result<()> {
    cluster.ready("gatewrightstatus/cluster").await?;
    settings_follow_the_values(cluster).await?;
    let warned = labelled_namespace("warned", &json!({"security.deckhouse.io/pod-policy-action": "warn"}));
    cluster.put_all(&[warned, owners()]).await?;
    let before = cluster.populate().await?;
    for object in [
        "constrainttemplate/d8securitypolicy",
        "d8securitypolicy/first-0",
        "d8operationpolicy/owners",
        "d8podsecuritystandard/d8-pod-security-baseline-deny",
        "d8denyexecheritage/deny-exec-heritage-pods",
        "syncset/gatewright-pods",
        "validatingwebhookconfiguration/gatewright-validating-webhook-configuration",
    ] {
        is_repaired(cluster, object).await?;
    }
    stale_is_swept(cluster).await?;
    cluster.becomes_as_desired(&before, &[]).await?;
    reports_of_both_groups(cluster).await?;
    everything_ends(cluster).await?;
    a_replica_less(cluster).await?;
    broken_settings(cluster).await
}

/// A change of the values reaches the process through its volume, without a restart.
async fn settings_follow_the_values(cluster: &Cluster) -> Result<()> {
    let action = "d8podsecuritystandard/d8-pod-security-baseline-deny";
    let excluded =
        async || cluster.get(&[action]).await.map(|mut it| it["spec"]["match"]["excludedNamespaces"].take());
    ensure!(!excluded().await?.to_string().contains("platform-*"));
    let chart = chart::folder();
    let chart = chart.to_str().context("not UTF-8")?;
    for (names, expected) in [
        (r#"["kube-system","platform-*"]"#, true),
        (r#"["kube-system","kube-public","kube-node-lease"]"#, false),
    ] {
        let set = format!("settings.systemNamespaces={names}");
        let upgrade = ["upgrade", RELEASE, chart, "-n", NAMESPACE, "--reuse-values", "--set-json", &set];
        cluster.helm(&upgrade).await?.success()?;
        until("the constraint follows the settings", SOON, async || {
            Ok(excluded().await?.to_string().contains("platform-*") == expected)
        })
        .await?;
    }
    Ok(())
}

/// Somebody takes our label off, which server-side apply repairs, and adds an owner, which only a full update does.
async fn is_repaired(cluster: &Cluster, object: &str) -> Result<()> {
    let before = wanted(cluster, object).await?;
    let uid = cluster.get(&["namespace/default"]).await?["metadata"]["uid"].take();
    let owner = json!({"apiVersion": "v1", "kind": "Namespace", "name": "default", "uid": uid});
    for metadata in [json!({"labels": {"gatewright.io/owner": null}}), json!({"ownerReferences": [owner]})] {
        cluster.patch(object, "merge", &json!({"metadata": metadata})).await?;
        until(&format!("{object} is as before"), SOON, async || {
            let found = wanted(cluster, object).await?;
            ensure!(found == before, "{found}");
            Ok(true)
        })
        .await?;
    }
    Ok(())
}

async fn wanted(cluster: &Cluster, object: &str) -> Result<Value> {
    let found = cluster.get(&[object]).await?;
    let metadata = &found["metadata"];
    Ok(json!([metadata["labels"], metadata["ownerReferences"], found["spec"], found["webhooks"]]))
}

/// A constraint that an earlier operator left and this one does not want.
async fn stale_is_swept(cluster: &Cluster) -> Result<()> {
    let mut stale = cluster.get(&["d8podsecuritystandard/d8-pod-security-baseline-warn"]).await?;
    let labels = stale["metadata"]["labels"].take();
    stale["metadata"] = json!({"name": "d8-pod-security-stale", "labels": labels});
    stale["status"] = Value::Null;
    cluster.put(&stale).await?;
    cluster.gone("d8podsecuritystandard/d8-pod-security-stale").await
}

async fn crds(cluster: &Cluster, verb: &str, folder: &std::path::Path) -> Result<()> {
    let folder = folder.to_str().context("the path of the tools is not UTF-8")?;
    let form: &[&str] = if verb == "delete" { &[] } else { &["--server-side"] };
    cluster.kubectl_ok(&[&[verb, "-f", folder], form].concat()).await.map(drop)
}

/// What audit finds in a namespace and of a namespace becomes a report in each group, which is repaired.
async fn reports_of_both_groups(cluster: &Cluster) -> Result<()> {
    until("the namespace takes a Pod", SOON, async || {
        cluster.put(&privileged_pod("warned", "old")).await.map(|()| true)
    })
    .await?;
    for (namespaced, clusterwide, folder) in [
        ("reports.openreports.io", "clusterreports.openreports.io", tools::open_reports()),
        ("policyreports.wgpolicyk8s.io", "clusterpolicyreports.wgpolicyk8s.io", tools::policy_reports()),
    ] {
        crds(cluster, "apply", &folder).await?;
        for (kind, place) in [(namespaced, &["-n", "warned"][..]), (clusterwide, &[])] {
            report_is_repaired(cluster, kind, place).await?;
        }
        // Without anything to say the report goes.
        cluster.kubectl_ok(&["delete", "pod/old", "-n", "warned"]).await?;
        cluster.kubectl_ok(&["delete", "operationpolicy/owners"]).await?;
        for (kind, place) in [(namespaced, &["-n", "warned"][..]), (clusterwide, &[])] {
            until(&format!("{kind} is gone"), SOON, async || {
                Ok(cluster.find(&[&[kind, "gatewright"], place].concat()).await?.is_null())
            })
            .await?;
        }
        crds(cluster, "delete", &folder).await?;
        cluster.put(&privileged_pod("warned", "old")).await?;
        cluster.put(&owners()).await?;
    }
    Ok(())
}

/// Namespaces must say whose they are.
fn owners() -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "OperationPolicy", "metadata": {"name": "owners"},
        "spec": {
            "enforcementAction": "Dryrun", "match": {"namespaceSelector": {"matchNames": ["warned"]}},
            "policies": {"requiredLabels": {"labels": [{"key": "owner"}], "watchKinds": ["/Namespace"]}},
        },
    })
}

async fn report_is_repaired(cluster: &Cluster, kind: &str, place: &[&str]) -> Result<()> {
    let get = [&[kind, "gatewright"], place].concat();
    let results =
        async || Ok::<_, anyhow::Error>(cluster.find(&get).await?["results"].as_array().map_or(0, Vec::len));
    until(&format!("{kind} lists something"), SOON, async || Ok(results().await? > 0)).await?;
    for patch in [r#"{"results": []}"#, r#"{"scopeSelector": {"matchLabels": {"a": "b"}}}"#] {
        cluster.kubectl_ok(&[&["patch"], &get[..], &["--type=merge", "-p", patch]].concat()).await?;
        until(&format!("{kind} is as before"), SOON, async || {
            let found = cluster.find(&get).await?;
            Ok(found["results"].as_array().is_some_and(|it| !it.is_empty())
                && found["scopeSelector"].is_null())
        })
        .await?;
    }
    Ok(())
}

/// What the operator made for policies, for the exec guard and for the routing goes with what it was made for.
async fn everything_ends(cluster: &Cluster) -> Result<()> {
    cluster.kubectl_ok(&["delete", "pod/platform", "-n", "shop"]).await?;
    cluster.gone("syncset/gatewright-pods").await?;
    cluster.kubectl_ok(&["delete", "k8sforeign", "--all"]).await?;
    cluster.gone("validatingwebhookconfiguration/gatewright-validating-webhook-configuration").await?;
    cluster.kubectl_ok(&["delete", "securitypolicies,operationpolicies", "--all"]).await?;
    cluster.gone("d8securitypolicy/first-0").await?;
    until("the namespace has an event", SOON, async || {
        Ok(!cluster.events("odd", "odd", "MeaninglessLabel").await?.is_empty())
    })
    .await
}

/// The Deployment is scaled: one Pod is enough, and takes over.
async fn a_replica_less(cluster: &Cluster) -> Result<()> {
    let pods = async || -> Result<Vec<String>> {
        let found =
            cluster.get(&["pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=operator"]).await?;
        let names = found["items"].as_array().into_iter().flatten().map(|pod| &pod["metadata"]["name"]);
        Ok(names.filter_map(Value::as_str).map(str::to_owned).collect())
    };
    let leader = cluster.lease().await?.holder_identity.context("nobody leads")?;
    let leading =
        pods().await?.into_iter().find(|pod| leader.starts_with(pod.as_str())).context("no Pod leads")?;
    cluster.kubectl_ok(&["delete", "pod", &leading, "-n", NAMESPACE]).await?;
    until("another Pod leads", SOON, async || {
        let holder = cluster.lease().await?.holder_identity.context("nobody leads")?;
        Ok(pods().await?.iter().any(|pod| *pod != leading && holder.starts_with(pod.as_str())))
    })
    .await?;
    until("the process of the deleted Pod has ended", SOON, async || Ok(!cluster.is_running(&leading)))
        .await?;
    cluster.ready("gatewrightstatus/cluster").await
}

/// Operators that start with broken settings wait, and say so in the state of the system.
async fn broken_settings(cluster: &Cluster) -> Result<()> {
    let write = async |text: &str| {
        let patch = json!({"data": {"settings.yaml": text}}).to_string();
        let settings =
            ["patch", "configmap/gatewright-settings", "-n", NAMESPACE, "--type=merge", "-p", &patch];
        cluster.kubectl_ok(&settings).await
    };
    write("nonsense: true").await?;
    cluster
        .kubectl_ok(&["delete", "pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/component=operator"])
        .await?;
    until("an operator that has just started has looked at what is said", SOON, async || {
        let asked = rights::asked_by(OPERATOR_USER, &std::fs::read_to_string(cluster.audit_log())?)?;
        Ok(asked.iter().any(|it| it.verb == "get" && it.resource == "gatewrightstatuses"))
    })
    .await?;
    let broken = Condition::no("Settings", "Broken", "nonsense is unknown");
    cluster.condition("gatewrightstatus/cluster", broken).await?;
    write("").await?;
    cluster.ready("gatewrightstatus/cluster").await
}
