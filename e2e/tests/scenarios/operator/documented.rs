//! Policies of the documentation, of the examples, and random ones.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use gatewright_api::PolicyKind;
use gatewright_e2e::generate::{Random, cases, policies};
use gatewright_e2e::manifests::{labelled_namespace, pod_with};
use gatewright_e2e::{Cluster, Condition, Scenario, paths};
use serde_json::{Value, json};

/// Policies that people copied from documentation become ready as written, where this data is present; so do those
/// of the examples and random ones.
#[tokio::test(flavor = "multi_thread")]
async fn documented_and_random_policies_become_ready() -> Result<()> {
    let scenario = Scenario::new("test-documented");
    Scenario::run(scenario, async |cluster| {
        random_policies_become_ready(cluster).await?;
        let examples = become_ready(cluster, &paths::repository().join("examples/policies")).await?;
        ensure!(examples > 0, "there are no examples");
        let Some(oracle) = paths::oracle() else {
            println!("skipped: no oracle");
            return Ok(());
        };
        ensure!(become_ready(cluster, &oracle.join("documented")).await? > 0, "the oracle has no policies");
        a_pod_for_foo_and_bar_passes(cluster).await
    })
    .await
}

/// How many policies there are in a folder; all of them become ready.
async fn become_ready(cluster: &Cluster, folder: &Path) -> Result<usize> {
    let mut count = 0;
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        let text = std::fs::read_to_string(&path)?;
        if !text.contains("apiVersion: deckhouse.io/v1alpha1")
            || path.extension().is_none_or(|end| end != "yaml")
        {
            continue;
        }
        let policy: Value = serde_saphyr::from_str(&text)?;
        cluster.put(&policy).await.with_context(|| path.display().to_string())?;
        let kind = policy["kind"].as_str().unwrap_or_default().to_lowercase();
        let name = format!("{kind}/{}", policy["metadata"]["name"].as_str().unwrap_or_default());
        if text.contains("verifyImageSignatures") {
            let cannot = "verifyImageSignatures[1].dockerCfg cannot be read: it is not base64";
            cluster.condition(&name, Condition::yes("Valid", "Compiled", cannot)).await?;
            let says = "the setting signatures.enabled is false";
            cluster.condition(&name, Condition::no("Applied", "VerifierDisabled", says)).await?;
        } else {
            cluster.ready(&name).await.with_context(|| path.display().to_string())?;
        }
        count += 1;
    }
    Ok(count)
}

/// Whatever the CRD accepts and the compiler makes of it, Gatekeeper takes and enforces.
async fn random_policies_become_ready(cluster: &Cluster) -> Result<()> {
    let mut random = Random::from_env()?;
    let seed = random.seed;
    let mut manifests = vec![];
    for kind in [PolicyKind::SecurityPolicy, PolicyKind::OperationPolicy] {
        let policies = random.values(&policies(kind), cases(40)?)?;
        let named = policies.iter().enumerate();
        manifests.extend(named.map(|(i, policy)| policy.named(&format!("random-{i}"))));
    }
    cluster.put_all(&manifests).await.with_context(|| format!("seed {seed}"))?;
    let kinds = "secpol,oppol";
    cluster.all_ready(kinds).await.with_context(|| format!("seed {seed}"))?;
    cluster.kubectl_ok(&["delete", kinds, "--all", "--timeout=100s"]).await.map(drop)
}

/// The documented pair demands a read-only root file system and two capabilities dropped: exactly that passes both.
async fn a_pod_for_foo_and_bar_passes(cluster: &Cluster) -> Result<()> {
    let labels = json!({"name": "test", "security.deckhouse.io/pod-policy": "privileged"});
    cluster.put(&labelled_namespace("test", &labels)).await?;
    let context = |drop: &[&str]| json!({"securityContext": {"readOnlyRootFilesystem": true, "capabilities": {"drop": drop}}});
    let said = cluster.create(&pod_with("test", "both", context(&["MKNOD", "NET_BIND_SERVICE"]))).await?;
    ensure!(said.contains("created"), "{said}");
    let said = cluster.create(&pod_with("test", "one", context(&["MKNOD"]))).await?;
    ensure!(said.contains("[bar] requiredDropCapabilities:") && !said.contains("[foo]"), "{said}");
    Ok(())
}
