//! What changes while the verifier runs: keys, signatures, tags. And who may ask it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::Cluster;
use gatewright_e2e::manifests::{namespace, policy};
use gatewright_e2e::signatures::{Format, Pair, Verifier, post};
use gatewright_signatures::Class;
use serde_json::{Value, json};

use super::signed::{Scene, becomes};

const UNSIGNED: &str = "it has no cosign signature";

/// The changes happen in a namespace, and at a registry, that nothing else of the scenario is about.
pub(super) async fn run(scene: &Scene<'_>) -> Result<()> {
    scene.cluster.put(&namespace("changes")).await?;
    scene.enforce(&demands(scene, "changes", &["moving", "late"], "right")?).await?;
    let (moving, others) = tokio::join!(moved_tag(scene), async {
        replaced_key(scene).await.context("a replaced key")?;
        late_signature(scene).await.context("a late signature")
    });
    others?;
    moving.context("a moved tag")
}

fn demands(scene: &Scene<'_>, name: &str, repositories: &[&str], key: &str) -> Result<Value> {
    let key = scene.workshop.key(key)?;
    let entries: Vec<_> = repositories
        .iter()
        .map(|repository| json!({"reference": format!("{}/{repository}", scene.plain), "publicKeys": [key]}))
        .collect();
    let matches = json!({"namespaceSelector": {"matchNames": ["changes"]}});
    Ok(policy("SecurityPolicy", name, &matches, &json!({"verifyImageSignatures": entries})))
}

/// Another key in the policy is in force within 5 seconds.
async fn replaced_key(scene: &Scene<'_>) -> Result<()> {
    let image = format!("{}/replaced:1", scene.plain);
    scene.enforce(&demands(scene, "replaced", &["replaced"], "other")?).await?;
    becomes(scene, &image, Class::UnknownKey.row().words, Duration::from_secs(20)).await?;
    for (key, says) in [("right", ""), ("other", Class::UnknownKey.row().words)] {
        let policy = demands(scene, "replaced", &["replaced"], key)?;
        let constraint = gatewright_e2e::signatures::constraint(&policy, scene.settings)?;
        scene.cluster.put(&constraint).await?;
        let took = becomes(scene, &image, says, Duration::from_secs(20)).await?;
        println!("the key {key} is in force after {took:?} (promised: 5 s)");
    }
    Ok(())
}

/// An image that was refused is admitted within 10 seconds after it is signed.
async fn late_signature(scene: &Scene<'_>) -> Result<()> {
    let image = format!("{}/late:1", scene.plain);
    becomes(scene, &image, UNSIGNED, Duration::from_secs(40)).await?;
    tokio::task::block_in_place(|| scene.workshop.sign("late:1", "right", Format::Bundle, false))?;
    let took = becomes(scene, &image, "", Duration::from_secs(40)).await?;
    println!("signed after a refusal: admitted after {took:?} (promised: 10 s)");
    Ok(())
}

/// A tag that moves to an unsigned image passes for a minute at most.
async fn moved_tag(scene: &Scene<'_>) -> Result<()> {
    let image = format!("{}/moving:1", scene.plain);
    becomes(scene, &image, "", Duration::from_secs(40)).await?;
    tokio::task::block_in_place(|| scene.workshop.copy("other:1", "moving:1"))?;
    let took = becomes(scene, &image, UNSIGNED, Duration::from_secs(90)).await?;
    println!("a moved tag is refused after {took:?} (promised: 60 s)");
    Ok(())
}

/// Without Gatekeeper's certificate nothing is answered, not even with another one of the same authority.
pub(super) async fn only_gatekeeper_may_ask(cluster: &Cluster, verifier: &Verifier) -> Result<()> {
    let address = ([127, 0, 0, 1], verifier.port).into();
    let body = json!({
        "apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "ProviderRequest", "request": {"keys": []},
    });
    let asks = async |client: Option<&Pair>| {
        post(address, "/v1/verify", &verifier.pair.certificate, client, &body.to_string()).await
    };
    let (status, said) = asks(None).await?;
    ensure!(status == 403 && !said.contains("response"), "without a certificate: {status} {said}");
    let (status, said) = asks(Some(&administrator(cluster)?)).await?;
    ensure!(status == 403 && !said.contains("response"), "as the administrator: {status} {said}");
    let foreign = asks(Some(&gatewright_e2e::signatures::serving_pair()?)).await;
    ensure!(foreign.is_err(), "by a foreign certificate: {foreign:?}");
    let (certificate, key) = cluster.serving_certificate();
    let gatekeeper =
        Pair { certificate: std::fs::read_to_string(certificate)?, key: std::fs::read_to_string(key)? };
    let (status, said) = asks(Some(&gatekeeper)).await?;
    ensure!(status == 200 && said.contains("ProviderResponse"), "as Gatekeeper: {status} {said}");
    Ok(())
}

/// The administrator's client certificate, which has another name.
fn administrator(cluster: &Cluster) -> Result<Pair> {
    let kubeconfig: Value = serde_saphyr::from_str(&std::fs::read_to_string(cluster.kubeconfig())?)?;
    let read = |field: &str| -> Result<String> {
        let data =
            serde_json::from_value::<k8s_openapi::ByteString>(kubeconfig["users"][0]["user"][field].clone());
        Ok(String::from_utf8(data.with_context(|| field.to_owned())?.0)?)
    };
    Ok(Pair { certificate: read("client-certificate-data")?, key: read("client-key-data")? })
}
