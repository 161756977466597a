//! `gatewright explain` says what the API server and Gatekeeper say, and why.

mod reasons;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use gatewright_e2e::generate::{Audience, Random, objects, workloads};
use gatewright_e2e::manifests::{labelled_namespace, operation_policy, policy, security_policy};
use gatewright_e2e::{Cluster, Output, SOON, Scenario, until};
use serde_json::{Value, json};

use crate::see::gatewright;

/// How many requests are under way at a time.
const CONCURRENCY: usize = 6;

const STANDARD: &str = "security.deckhouse.io/pod-policy";

/// A Deployment that the standard `restricted` takes.
fn deployment(namespace: &str, name: &str) -> Value {
    let context = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {
                "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{"name": "app", "image": "registry.example.com/app:1", "securityContext": context}],
            }},
        },
    })
}

/// The namespaces of the scenario: one that people look at, one of another tier, and one for random objects.
fn namespaces() -> [Value; 3] {
    [
        labelled_namespace("shop", &json!({STANDARD: "restricted", "tier": "web"})),
        labelled_namespace("pci", &json!({STANDARD: "privileged", "tier": "pci"})),
        labelled_namespace("mixed", &json!({STANDARD: "baseline"})),
    ]
}

fn policies() -> [Value; 5] {
    let of_tier = json!({"namespaceSelector": {"labelSelector": {"matchLabels": {"tier": "pci"}}}});
    let mixed = json!({"namespaceSelector": {"matchNames": ["mixed"]}});
    let mut common = operation_policy("common", &json!({"requiredProbes": ["livenessProbe"]}));
    common["spec"]["enforcementAction"] = json!("Warn");
    let mut mixed_warn =
        policy("OperationPolicy", "mixed-warn", &mixed, &json!({"requiredProbes": ["readinessProbe"]}));
    mixed_warn["spec"]["enforcementAction"] = json!("Warn");
    let mixed_deny = json!({"allowedServiceTypes": ["ClusterIP"], "runAsUser": {"rule": "MustRunAsNonRoot"}});
    [
        security_policy("baseline", &json!({"readOnlyRootFilesystem": true})),
        policy("SecurityPolicy", "payments", &of_tier, &json!({"allowHostPID": false})),
        policy("SecurityPolicy", "mixed-deny", &mixed, &mixed_deny),
        common,
        mixed_warn,
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn explain_says_what_the_cluster_says() -> Result<()> {
    let scenario = Scenario::new("test-explain");
    let scenario = scenario.objects(namespaces().into_iter().chain([deployment("shop", "checkout")]));
    Scenario::run(scenario, async |cluster| {
        two_pods_run(cluster).await?;
        cluster.put_all(&policies()).await?;
        cluster.all_ready("secpol,oppol").await?;
        a_deployment_is_explained(cluster).await?;
        its_pods_too(cluster).await?;
        as_an_update(cluster).await?;
        verdicts_are_those_of_the_api_server(cluster).await?;
        a_viewer_sees_everything(cluster).await?;
        reasons::each_not_turns_into_applies(cluster).await?;
        reasons::policies_without_a_constraint(cluster).await?;
        reasons::what_is_not_enforced_yet_is_marked(cluster).await?;
        rights(cluster).await
    })
    .await
}

async fn two_pods_run(cluster: &Cluster) -> Result<()> {
    until("the Pods run", SOON, async || {
        let pods = cluster.get(&["pods", "-n", "shop", "-l", "app=checkout"]).await?;
        let running = pods["items"].as_array().into_iter().flatten();
        Ok(running.filter(|pod| pod["status"]["phase"] == "Running").count() == 2)
    })
    .await
}

/// Runs the command, whose exit code must be this one.
async fn explain(cluster: &Cluster, arguments: &[&str], code: i32) -> Result<Output> {
    let output = gatewright(cluster, &[&["explain"], arguments].concat()).await?;
    ensure!(output.status.code() == Some(code), "{arguments:?}: {output:?}");
    Ok(output)
}

pub async fn document(cluster: &Cluster, arguments: &[&str]) -> Result<Value> {
    let output = gatewright(cluster, &[&["explain", "-o", "json"], arguments].concat()).await?;
    serde_json::from_str(&output.stdout).with_context(|| format!("{arguments:?}: {output:?}"))
}

/// Writes objects into a file for `-f`.
pub fn file(cluster: &Cluster, objects: &[Value]) -> Result<String> {
    let path = cluster.directory().join("asked.json");
    std::fs::write(&path, json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string())?;
    Ok(path.to_str().context("not UTF-8")?.to_owned())
}

async fn a_deployment_is_explained(cluster: &Cluster) -> Result<()> {
    let expected = "\
Deployment shop/checkout: refused (1 denies, 1 warns)
 applies  SecurityPolicy/baseline          deny    readOnlyRootFilesystem: container \"app\" does not set securityContext.readOnlyRootFilesystem; it must be true
                                                   fix: set spec.template.spec.containers[0].securityContext.readOnlyRootFilesystem to true   may break: writing to files of the image, such as /tmp: mount an emptyDir there
 applies  OperationPolicy/common           warn    requiredProbes: container \"app\" has no livenessProbe; it must have one
                                                   no fix: only you know what shows that the container works
 applies  PodSecurityStandard/restricted   passes  namespace label security.deckhouse.io/pod-policy=restricted
 not      OperationPolicy/mixed-warn               namespaceSelector.matchNames wants mixed, the namespace is shop
 not      SecurityPolicy/mixed-deny                namespaceSelector.matchNames wants mixed, the namespace is shop
 not      SecurityPolicy/payments                  namespaceSelector.labelSelector wants tier=pci, namespace shop has tier=web
3 of 6 apply. With the fix: 1 warning left (evaluated).
2 of its Pods are running, and will not come back after a restart.
";
    for kind in ["deploy", "deployment", "deployments.apps", "Deployment", "deployments.v1.apps"] {
        let object = format!("{kind}/checkout");
        let said = explain(cluster, &[&object, "-n", "shop"], 1).await?.stdout;
        ensure!(said == expected, "{kind}:\n{said}");
    }
    let document = document(cluster, &["deploy/checkout", "-n", "shop"]).await?;
    ensure!(document["kind"] == "Explain" && document["verdict"] == "deny", "{document:#}");
    ensure!(document["notComingBack"] == 2 && document["incomplete"] == json!([]), "{document:#}");
    let enforced = document["policies"].as_array().context("no policies")?.iter();
    ensure!(enforced.clone().all(|row| row["enforced"] == true), "{document:#}");
    its_fix_is_taken(cluster).await?;
    let none = explain(cluster, &["deploy/nothing", "-n", "shop"], 2).await?;
    ensure!(none.stderr.contains("there is no Deployment/nothing in namespace shop"), "{none:?}");
    let none = explain(cluster, &["deploymnt/checkout", "-n", "shop"], 2).await?;
    ensure!(none.stderr.contains("serves no kind that is called \"deploymnt\""), "{none:?}");
    Ok(())
}

/// The object with its fix, as it is printed, passes at the API server; as it is, it does not.
async fn its_fix_is_taken(cluster: &Cluster) -> Result<()> {
    let fixed = explain(cluster, &["deploy/checkout", "-n", "shop", "-o", "yaml"], 1).await?.stdout;
    ensure!(!fixed.contains("resourceVersion") && !fixed.contains("\nstatus:"), "{fixed}");
    let renamed = fixed.replace("name: checkout", "name: fixed");
    for (manifest, taken) in
        [(&renamed, true), (&renamed.replace("readOnlyRootFilesystem: true", "runAsNonRoot: true"), false)]
    {
        let created = cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], Some(manifest)).await?;
        ensure!(
            created.stderr.contains("[baseline] readOnlyRootFilesystem:") != taken,
            "{created:?}\n{manifest}"
        );
        ensure!(created.status.success() == taken, "{created:?}");
    }
    Ok(())
}

/// A Pod that was there before the policy runs until something restarts it.
async fn its_pods_too(cluster: &Cluster) -> Result<()> {
    let pods = cluster.get(&["pods", "-n", "shop", "-l", "app=checkout"]).await?;
    let name = pods["items"][0]["metadata"]["name"].as_str().context("no Pod")?;
    let said = explain(cluster, &[&format!("pod/{name}"), "-n", "shop"], 1).await?.stdout;
    ensure!(said.starts_with(&format!("Pod shop/{name}: refused (1 denies, 1 warns)\n")), "{said}");
    ensure!(said.ends_with("It is running, and will not come back after a restart.\n"), "{said}");
    Ok(())
}

/// What leaves alone what is judged passes, as at the API server.
async fn as_an_update(cluster: &Cluster) -> Result<()> {
    let same = explain(cluster, &["deploy/checkout", "-n", "shop", "--operation", "update"], 0).await?.stdout;
    ensure!(same.starts_with("Deployment shop/checkout: passes\n"), "{same}");
    let mut changed = deployment("shop", "checkout");
    changed["metadata"]["labels"] = json!({"edited": "yes"});
    for (image, refused) in [("registry.example.com/app:1", false), ("registry.example.com/app:2", true)] {
        changed["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        let path = file(cluster, std::slice::from_ref(&changed))?;
        let explained = document(cluster, &["-f", &path, "--operation", "update"]).await?;
        let verdict = &explained["items"][0]["verdict"];
        let replaced =
            cluster.kubectl(&["replace", "--dry-run=server", "-f", "-"], Some(&changed.to_string())).await?;
        ensure!(replaced.stderr.contains("[baseline] readOnlyRootFilesystem:") == refused, "{replaced:?}");
        ensure!((verdict == "deny") == refused, "{image}: {explained:#}");
        ensure!(explained["items"][0]["operation"] == "UPDATE", "{explained:#}");
    }
    let path = file(cluster, &[deployment("shop", "absent")])?;
    let explained = document(cluster, &["-f", &path, "--operation", "update"]).await?["items"][0].take();
    ensure!(explained["operation"] == "CREATE" && explained["verdict"] == "deny", "{explained:#}");
    let assumed = explained["assumed"].as_array().context("nothing is assumed")?;
    ensure!(assumed.contains(&json!("it is created: it is not in the cluster")), "{explained:#}");
    Ok(())
}

/// What the API server says to a new object: the word of the worst verdict; none if the object is invalid.
async fn asked(cluster: &Cluster, object: &Value) -> Result<Option<&'static str>> {
    let said = cluster.try_create(object).await?;
    Ok(if said.contains("admission webhook \"validation.gatekeeper.sh\" denied the request") {
        Some("deny")
    } else if said.contains("created (server dry run)") {
        Some(if said.contains("Warning: [") { "warn" } else { "pass" })
    } else {
        None
    })
}

/// The worst verdict on the object itself: of the Pods that it creates the API server is not asked.
pub fn of_object(explained: &Value) -> &'static str {
    let rows = explained["policies"].as_array().into_iter().flatten();
    worst(rows.flat_map(|row| row["violations"].as_array().into_iter().flatten()), "object")
}

/// The worst of violations about the object, or about the Pods that it creates.
pub fn worst<'a>(violations: impl Iterator<Item = &'a Value>, judged: &str) -> &'static str {
    let about: Vec<_> = violations.filter(|it| it["judged"] == judged).collect();
    let is = |action: &str| about.iter().any(|it| it["enforcementAction"] == action);
    if is("deny") {
        "deny"
    } else if is("warn") {
        "warn"
    } else {
        "pass"
    }
}

/// Random objects, before they are applied: the same verdict as a dry run on the server.
async fn verdicts_are_those_of_the_api_server(cluster: &Cluster) -> Result<()> {
    let mut random = Random::from_env()?;
    let mut counts = BTreeMap::new();
    for _ in 0..2 {
        compare(cluster, &some_objects(&mut random)?, &mut counts).await?;
    }
    println!("seed {}: {counts:?}", random.seed);
    ensure!(counts.values().sum::<usize>() >= 60, "seed {}: {counts:?}", random.seed);
    ensure!(counts.len() == 3, "seed {}: {counts:?}", random.seed);
    Ok(())
}

/// At most as many as are explained at once.
fn some_objects(random: &mut Random) -> Result<Vec<Value>> {
    let mut all = random.values(&workloads(Audience::ApiServer), 76)?;
    all.extend(random.values(&objects(), 24)?);
    // Beside other objects a Namespace says where these stand.
    all.retain(|object| object["kind"] != "Namespace");
    for (number, object) in all.iter_mut().enumerate() {
        object["metadata"]["name"] = json!(format!("asked-{number}"));
        if object["metadata"].get("namespace").is_some() || object["kind"] == "Pod" {
            object["metadata"]["namespace"] = json!("mixed");
        }
    }
    Ok(all)
}

/// Compares, and counts by verdict those that the API server takes for valid.
async fn compare(cluster: &Cluster, all: &[Value], counts: &mut BTreeMap<&'static str, usize>) -> Result<()> {
    let path = file(cluster, all)?;
    let explained = document(cluster, &["-f", &path, "-n", "mixed"]).await?;
    let items = explained["items"].as_array().context("no items")?;
    ensure!(items.len() == all.len(), "{} of {}", items.len(), all.len());
    let answers: Vec<_> =
        stream::iter(all).map(|object| asked(cluster, object)).buffered(CONCURRENCY).try_collect().await?;
    for ((object, item), answer) in all.iter().zip(items).zip(answers) {
        let Some(answer) = answer else { continue };
        ensure!(of_object(item) == answer, "the server says {answer} to {object}: {item:#}");
        *counts.entry(answer).or_default() += 1;
    }
    Ok(())
}

/// The role of the chart suffices, with the right to get the object.
async fn a_viewer_sees_everything(cluster: &Cluster) -> Result<()> {
    let bind = |role: &str| format!("--clusterrole={role}");
    let viewer = ["create", "clusterrolebinding", "viewer", &bind("gatewright-viewer"), "--user=viewer"];
    let role = ["create", "clusterrole", "getter", "--verb=get", "--resource=deployments.apps"];
    let getter = ["create", "clusterrolebinding", "getter", &bind("getter"), "--user=viewer"];
    for command in [&viewer[..], &role, &getter] {
        cluster.kubectl_ok(command).await?;
    }
    let own = document(cluster, &["deploy/checkout", "-n", "shop"]).await?;
    until("the viewer sees the same", SOON, async || {
        let seen =
            explain(cluster, &["deploy/checkout", "-n", "shop", "-o", "json", "--as", "viewer"], 1).await?;
        let seen: Value = serde_json::from_str(&seen.stdout)?;
        ensure!(seen == own && seen["incomplete"] == json!([]), "{seen:#}");
        Ok(true)
    })
    .await
}

/// Who may see little reads what is missing and which right that needs, and is told no verdict.
async fn rights(cluster: &Cluster) -> Result<()> {
    let nobody = explain(cluster, &["deploy/checkout", "-n", "shop", "--as", "nobody"], 2).await?;
    ensure!(
        nobody.stderr.contains("not shown: Deployment/checkout (needs get on deployments.apps)"),
        "{nobody:?}"
    );
    let role = ["create", "clusterrole", "little", "--verb=get", "--resource=deployments.apps,namespaces"];
    cluster.kubectl_ok(&role).await?;
    let bind = ["create", "clusterrolebinding", "little", "--clusterrole=little", "--user=little"];
    cluster.kubectl_ok(&bind).await?;
    until("the role is in force", SOON, async || {
        let little =
            gatewright(cluster, &["explain", "deploy/checkout", "-n", "shop", "--as", "little"]).await?;
        ensure!(little.status.code() == Some(2), "{little:?}");
        for right in [
            "not shown: constrainttemplates (needs list on constrainttemplates.templates.gatekeeper.sh)",
            "not shown: configs (needs list on configs.config.gatekeeper.sh)",
            "not shown: securitypolicies (needs list on securitypolicies.deckhouse.io)",
            "not shown: limitranges (needs list on limitranges)",
        ] {
            ensure!(little.stderr.contains(right), "no {right:?}: {little:?}");
        }
        ensure!(
            little.stdout.starts_with("Deployment shop/checkout: nobody can say here what becomes of it\n"),
            "{little:?}"
        );
        Ok(true)
    })
    .await
}
