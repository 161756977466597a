//! The Helm chart and the components of kustomize: every value rendered and taken by a real API server, Gatekeeper that comes
//! later, a second release, and a release that takes over what another left.

mod signatures;
mod values;
mod verifier;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::chart::{self, COMPONENTS, NAMESPACE, NO_IMAGE, RELEASE, objects};
use gatewright_e2e::manifests::{labelled_namespace, no_privileged, security_policy};
use gatewright_e2e::{Cluster, Options, SOON, paths, until};
use serde_json::{Value, json};

use crate::see::a_release_is_seen;

/// The kinds of the Prometheus operator, as far as the API server cares.
fn monitoring_crds() -> Vec<Value> {
    let crd = |kind: &str, plural: &str| {
        let schema =
            json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
        json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.monitoring.coreos.com")},
            "spec": {
                "group": "monitoring.coreos.com", "scope": "Namespaced",
                "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}],
            },
        })
    };
    vec![crd("ServiceMonitor", "servicemonitors"), crd("PrometheusRule", "prometheusrules")]
}

fn without_gatekeeper(name: &str) -> Options {
    Options { gatekeepers: vec![], ..Options::new(name) }
}

/// Has the API server judge objects; nothing is made.
async fn dry_run(cluster: &Cluster, objects: impl IntoIterator<Item = Value>) -> Result<()> {
    let items: Vec<_> = objects.into_iter().collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let apply = ["apply", "--server-side", "--dry-run=server", "--force-conflicts", "-f", "-"];
    cluster.kubectl(&apply, Some(&list)).await?.success().map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_is_taken_by_the_api_server() -> Result<()> {
    Cluster::run(without_gatekeeper("test-chart-values"), async |cluster| {
        cluster.kubectl_ok(&["create", "namespace", NAMESPACE]).await?;
        cluster.kubectl_ok(&["create", "namespace", "monitoring"]).await?;
        cluster.put_all(&monitoring_crds()).await?;
        until("the kinds are served", SOON, async || {
            cluster.kubectl_ok(&["get", "servicemonitors,prometheusrules", "-A"]).await.map(|_| true)
        })
        .await?;
        // The Pod of `helm test` needs its account first: see.rs runs it.
        let rendered = values::rendered_once_each()?.into_iter().filter(|object| object["kind"] != "Pod");
        dry_run(cluster, rendered).await?;
        components(cluster).await
    })
    .await
}

/// Each component beside the manifest, as `kubectl apply -k` takes it.
async fn components(cluster: &Cluster) -> Result<()> {
    let plain = kustomized(cluster, &[]).await?;
    ensure!(plain.contains_key("Deployment/gatewright") && plain.contains_key("Namespace/gatewright-system"));
    let mut all = plain.clone();
    for (component, _) in COMPONENTS {
        let with = kustomized(cluster, &[component]).await?;
        ensure!(with.len() > plain.len(), "{component} adds nothing");
        all.extend(with);
    }
    // A namespace is taken by another request than what stands in it.
    dry_run(cluster, all.into_values()).await
}

async fn kustomized(
    cluster: &Cluster,
    components: &[&str],
) -> Result<std::collections::BTreeMap<String, Value>> {
    let folder = cluster.directory().join("kustomize");
    std::fs::create_dir_all(&folder)?;
    // A kustomization reaches others by relative paths only.
    let up: PathBuf =
        std::iter::repeat_n("..", folder.strip_prefix(paths::repository())?.components().count()).collect();
    let deploy = up.join("deploy");
    let paths: Vec<_> = components.iter().map(|name| deploy.join("components").join(name)).collect();
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [deploy], "components": paths,
        "images": [{"name": "registry.invalid/gatewright", "newName": "registry.example.com/mine", "newTag": "1"}],
    });
    std::fs::write(folder.join("kustomization.yaml"), kustomization.to_string())?;
    let text = cluster.kubectl_ok(&["kustomize", folder.to_str().context("not UTF-8")?]).await?;
    ensure!(text.contains("image: registry.example.com/mine:1"), "{components:?}: the image is not replaced");
    objects(&text)
}

/// The operator is installed first, its Pods run, and wait for Gatekeeper. Everything is where `-n` says; another release
/// is refused, until the first one is gone and it takes over what that left.
#[tokio::test(flavor = "multi_thread")]
async fn a_release_and_its_successor() -> Result<()> {
    Cluster::run(without_gatekeeper("test-chart-release"), async |cluster| {
        cluster.with_pods_run(async || first_release(cluster).await).await?;
        cluster.with_pods_run(async || successor(cluster).await).await
    })
    .await
}

async fn install(cluster: &Cluster, release: &str, namespace: &str, more: &[&str]) -> Result<String> {
    let chart = chart::folder();
    let chart = chart.to_str().context("not UTF-8")?;
    let arguments = ["install", release, chart, "-n", namespace, "--create-namespace", "--set", NO_IMAGE];
    let output = cluster.helm(&[&arguments[..], more].concat()).await?;
    ensure!(output.status.success(), "helm: {}", output.stderr);
    Ok(output.stdout)
}

async fn first_release(cluster: &Cluster) -> Result<()> {
    // By Kubernetes' own standard the Pods are restricted, or there would be none.
    cluster
        .put(&labelled_namespace(NAMESPACE, &json!({"pod-security.kubernetes.io/enforce": "restricted"})))
        .await?;
    let notes = install(cluster, RELEASE, NAMESPACE, &[]).await?;
    for says in [
        "The Pod Security Standard baseline, action Deny, in every namespace but 5 system namespaces",
        "--set settings.podSecurityStandards.enforcementAction=Dryrun",
        "gatewright check -f -",
        "gatewright status --wait=2m",
        "--exempt-namespace=gatewright-system",
    ] {
        ensure!(notes.contains(says), "NOTES lacks {says:?}: {notes}");
    }
    everything_is_in(cluster, RELEASE, NAMESPACE).await?;
    let second = install(cluster, "other", "elsewhere", &[]).await;
    let said = format!("{:#}", second.err().context("a second release was installed")?);
    ensure!(said.contains("invalid ownership metadata") && said.contains("gatewright-system"), "{said}");
    until("a replica waits for Gatekeeper", SOON, async || {
        let pods = operator_pods(cluster, NAMESPACE).await?;
        let (code, text) = cluster.ask_replica(pods.first().context("no Pod")?, "/readyz").await?;
        ensure!(code == 503 && text.contains("ConstraintTemplate"), "{code} {text}");
        Ok(true)
    })
    .await?;
    cluster.put(&security_policy("baseline", &no_privileged())).await?;
    // Gatekeeper last.
    cluster.install_gatekeeper(&Options::gatekeeper_names(1)).await?;
    cluster.ready("gatewrightstatus/cluster").await?;
    cluster.ready("secpol/baseline").await?;
    cluster.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await?;
    cluster.enforces("baseline").await?;
    Box::pin(a_release_is_seen(cluster)).await
}

async fn operator_pods(cluster: &Cluster, namespace: &str) -> Result<Vec<String>> {
    let found = cluster.get(&["pods", "-n", namespace, "-l", "app.kubernetes.io/component=operator"]).await?;
    let names = found["items"].as_array().into_iter().flatten().map(|pod| &pod["metadata"]["name"]);
    Ok(names.filter_map(Value::as_str).map(str::to_owned).collect())
}

/// But for the Role of events in `default`, where the API server keeps those of objects without a namespace.
async fn everything_is_in(cluster: &Cluster, release: &str, namespace: &str) -> Result<()> {
    let manifest = cluster.helm(&["get", "manifest", release, "-n", namespace]).await?.success()?;
    let mut elsewhere = BTreeSet::new();
    for (name, object) in objects(&manifest)? {
        match object["metadata"]["namespace"].as_str() {
            None => ensure!(object["kind"] != "Deployment", "{name}"),
            Some(found) if found == namespace => {}
            Some(found) => {
                elsewhere.insert(format!("{found}/{name}"));
            }
        }
    }
    let expected = ["default/Role/gatewright-events", "default/RoleBinding/gatewright-events"];
    ensure!(elsewhere == expected.map(str::to_owned).into(), "{elsewhere:?}");
    Ok(())
}

/// What of a policy is its user's.
async fn policy(cluster: &Cluster) -> Result<Value> {
    let mut policy = cluster.get(&["secpol/baseline"]).await?;
    Ok(json!({"spec": policy["spec"].take(), "uid": policy["metadata"]["uid"].take()}))
}

async fn successor(cluster: &Cluster) -> Result<()> {
    let before = policy(cluster).await?;
    let gone = cluster.helm(&["uninstall", RELEASE, "-n", NAMESPACE, "--wait"]).await?.success()?;
    ensure!(gone.contains("securitypolicies.deckhouse.io"), "helm does not say what it keeps: {gone}");
    ensure!(policy(cluster).await? == before, "the policy is not what it was");
    let refused =
        format!("{:#}", install(cluster, "other", "elsewhere", &[]).await.err().context("no refusal")?);
    ensure!(refused.contains("invalid ownership metadata"), "{refused}");
    install(cluster, "other", "elsewhere", &["--take-ownership"]).await?;
    everything_is_in(cluster, "other", "elsewhere").await?;
    until("a Pod of the new release leads", SOON, async || {
        let lease = cluster.get(&["lease/gatewright", "-n", "elsewhere"]).await?;
        let holder = lease["spec"]["holderIdentity"].as_str().context("nobody")?;
        Ok(operator_pods(cluster, "elsewhere").await?.iter().any(|pod| holder.starts_with(pod.as_str())))
    })
    .await?;
    ensure!(policy(cluster).await? == before, "the policy is not what it was");
    // A change is taken in by the new operator.
    cluster.put(&security_policy("later", &json!({"allowHostPID": false}))).await?;
    cluster.ready("secpol/later").await?;
    cluster.ready("gatewrightstatus/cluster").await
}
