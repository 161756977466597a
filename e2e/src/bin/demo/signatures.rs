//! Image signatures: who signed this, and what happens to an image that nobody did.

use anyhow::Result;
use serde_json::json;

use super::stage::Stage;
use gatewright_e2e::manifests::{namespace, security_policy};
use gatewright_e2e::signatures::{Format, Verifier, Workshop};

/// Sign an image, admit it, refuse another, with the reasons.
pub(super) async fn play(stage: &mut Stage<'_>) -> Result<()> {
    let cluster = stage.cluster;
    let workshop = Workshop::new("demo-images", &["cosign", "other"])?;
    for image in ["signed:1", "unsigned:1", "theirs:1"] {
        workshop.image(image, image)?;
    }
    stage.title("Two images are signed, by different keys, and one is not")?;
    workshop.sign("signed:1", "cosign", Format::Bundle, false)?;
    stage.note("cosign sign --key cosign.key REGISTRY/signed@DIGEST");
    workshop.sign("theirs:1", "other", Format::Bundle, false)?;
    stage.note("cosign sign --key other.key REGISTRY/theirs@DIGEST");

    let host = workshop.registry.named("").trim_end_matches('/').to_owned();
    let verifier = Verifier::awaiting(cluster)?;
    let settings = verifier.settings_text(&json!([{"host": host, "insecure": true}]))?;
    cluster.install_verifier().await?;
    cluster.start_operator_with(&settings).await?;
    let mount = verifier.mount(cluster).await?;
    verifier.start(cluster).await?;
    cluster.put(&namespace("shop")).await?;

    stage.title("A policy says whose signature an image needs")?;
    let entry = json!({"reference": format!("{host}/*"), "publicKeys": [workshop.key("cosign")?]});
    cluster.put(&security_policy("signed", &json!({"verifyImageSignatures": [entry]}))).await?;
    let wait = ["wait", "--for=condition=Ready", "secpol/signed", "--timeout=100s"];
    let ready = stage.kubectl(&wait).await?;
    stage.check("the policy is enforced by Gatekeeper and the verifier", ready.status.success());
    stage.kubectl(&["get", "secpol,gatewrightstatus,provider.externaldata.gatekeeper.sh"]).await?;

    stage.title("What happens to Pods")?;
    for (image, says) in [
        ("signed:1", "created"),
        ("unsigned:1", "unsigned:1: it has no cosign signature (container \"app\")"),
        ("theirs:1", "theirs:1: it is signed, but by no key of the policy (container \"app\")"),
        ("missing:1", "missing:1: the registry has no such image (container \"app\")"),
    ] {
        let name = image.trim_end_matches(":1");
        let overrides =
            json!({"spec": {"containers": [{"name": "app", "image": format!("{host}/{image}")}]}});
        let (image, overrides) = (format!("--image={host}/{image}"), format!("--overrides={overrides}"));
        let run = ["run", name, "-n", "shop", "--dry-run=server", &image, &overrides];
        let settled = stage.settles(&run, says).await;
        let output = stage.kubectl(&run).await?;
        let said = output.stdout + &output.stderr;
        stage.check(&format!("{name}: {says}"), settled && said.contains(says));
    }
    drop(mount);
    Ok(())
}
