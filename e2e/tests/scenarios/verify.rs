//! `gatewright verify` at a real registry, of what real cosign signs.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::operator::binary;
use gatewright_e2e::signatures::{Format, Workshop};
use serde_json::{Value, json};

/// Runs the command on an image; returns its exit code and its document.
fn verify(workshop: &Workshop, image: &str, more: &[&str]) -> Result<(Option<i32>, Value)> {
    let mut command = Command::new(binary()?);
    let folder = workshop.folder();
    command.current_dir(folder).env("HOME", folder).env_remove("DOCKER_CONFIG");
    command.args(["verify", image, "-o", "json", "--config", "registries.yaml"]).args(more);
    let output = command.output()?;
    let document = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    Ok((output.status.code(), document))
}

/// A repository with the image, signed with this key.
fn signed(workshop: &Workshop, repository: &str, key: &str, format: Format) -> Result<()> {
    let name = format!("{repository}:1");
    workshop.copy("app:1", &name)?;
    workshop.sign(&name, key, format, false)
}

fn write(path: &Path, value: &Value) -> Result<()> {
    Ok(std::fs::write(path, value.to_string())?)
}

#[test]
fn an_image_signed_by_cosign_is_verified_and_any_other_says_why_not() -> Result<()> {
    let workshop = Workshop::new("verify", &["right", "other"])?;
    let digest = workshop.image("app:1", "an image")?;
    let host = workshop.registry.named("").trim_end_matches('/').to_owned();
    let registries = json!({"signatures": {"registries": [{"host": host, "insecure": true}]}});
    write(&workshop.folder().join("registries.yaml"), &registries)?;
    let entry = json!({"reference": format!("{host}/*"), "publicKeys": [workshop.key("right")?]});
    let policy = json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": "signed"},
        "spec": {
            "match": {"namespaceSelector": {"matchNames": ["shop"]}},
            "policies": {"verifyImageSignatures": [entry]},
        },
    });
    write(&workshop.folder().join("policy.yaml"), &policy)?;
    signed(&workshop, "legacy", "right", Format::Legacy)?;
    signed(&workshop, "bundle", "right", Format::Bundle)?;
    signed(&workshop, "theirs", "other", Format::Bundle)?;
    // A good signature beside a foreign one.
    signed(&workshop, "both", "other", Format::Bundle)?;
    signed(&workshop, "both", "right", Format::Legacy)?;
    let (by_policy, by_other) = (["-f", "policy.yaml"], ["--key", "other.pub"]);
    for (image, by, code, class) in [
        ("legacy:1", by_policy, 0, "verified"),
        ("bundle:1", by_policy, 0, "verified"),
        ("both:1", by_policy, 0, "verified"),
        ("theirs:1", by_policy, 1, "unknown-key"),
        ("theirs:1", by_other, 0, "verified"),
        ("legacy:1", by_other, 1, "unknown-key"),
        ("app:1", by_policy, 1, "unsigned"),
        ("app:2", by_policy, 1, "not-found"),
        ("Nothing:1", by_policy, 1, "invalid-name"),
    ] {
        let (found, document) = verify(&workshop, &workshop.registry.named(image), &by)?;
        ensure!(found == Some(code) && document["class"] == class, "{image} {by:?}: {found:?} {document:#}");
        if class == "verified" {
            ensure!(document["digest"] == digest, "{document:#}");
        }
    }
    let (code, document) = verify(&workshop, "registry.invalid/app", &by_policy)?;
    ensure!(code == Some(2) && document["class"] == "not-covered", "{document:#}");
    Ok(())
}
