//! `gatewright verify` at a real registry, of what real cosign signs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::image::{Registry, crane};
use gatewright_e2e::operator::binary;
use gatewright_e2e::paths;
use serde_json::{Value, json};

/// A folder of its own, with two pairs of keys, a registry and an image in it.
struct Stage {
    folder: PathBuf,
    registry: Registry,
    /// The digest of the image.
    digest: String,
}

impl Stage {
    fn new() -> Result<Self> {
        let folder = paths::clusters().join("verify");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(folder.join("blobs"))?;
        let registry = Registry::start(&folder.join("blobs"))?;
        std::fs::write(folder.join("file"), "an image")?;
        let packed = Command::new("tar").current_dir(&folder).args(["-cf", "layer.tar", "file"]).status()?;
        ensure!(packed.success(), "tar");
        let layer = folder.join("layer.tar");
        let image = registry.named("app:1");
        crane(&["append", "--new_layer", layer.to_str().context("not UTF-8")?, "--new_tag", &image])?;
        let digest = crane(&["digest", &image])?.trim().to_owned();
        let stage = Self { folder, registry, digest };
        for key in ["right", "other"] {
            stage.cosign(&["generate-key-pair", "--output-key-prefix", key])?;
        }
        Ok(stage)
    }

    fn cosign(&self, arguments: &[&str]) -> Result<()> {
        let mut command = Command::new(gatewright_tools::path("cosign"));
        command
            .current_dir(&self.folder)
            .env("COSIGN_PASSWORD", "")
            .env("HOME", &self.folder)
            .args(arguments);
        let output = command.output()?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// A repository with the image, signed with this key in one of the formats.
    fn signed(&self, repository: &str, key: &str, bundle: bool) -> Result<()> {
        crane(&["copy", &self.registry.named("app:1"), &self.registry.named(&format!("{repository}:1"))])?;
        let image = self.registry.named(&format!("{repository}@{}", self.digest));
        let format = format!("--new-bundle-format={bundle}");
        let key = format!("{key}.key");
        let quietly = ["--yes", "--tlog-upload=false", "--use-signing-config=false"];
        self.cosign(&[&["sign", "--key", &key, &format], &quietly[..], &[&image]].concat())
    }

    fn key(&self, name: &str) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder.join(format!("{name}.pub")))?)
    }

    /// Runs the command on an image of the registry; returns its exit code and its document.
    fn verify(&self, image: &str, more: &[&str]) -> Result<(Option<i32>, Value)> {
        let mut command = Command::new(binary()?);
        let config = self.folder.join("registries.yaml");
        command.current_dir(&self.folder).env("HOME", &self.folder).env_remove("DOCKER_CONFIG");
        command.args(["verify", image, "-o", "json", "--config"]).arg(config).args(more);
        let output = command.output()?;
        let document = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        Ok((output.status.code(), document))
    }
}

fn write(path: &Path, value: &Value) -> Result<()> {
    Ok(std::fs::write(path, value.to_string())?)
}

#[test]
fn an_image_signed_by_cosign_is_verified_and_any_other_says_why_not() -> Result<()> {
    let stage = Stage::new()?;
    let host = stage.registry.named("").trim_end_matches('/').to_owned();
    let registries = json!({"signatures": {"registries": [{"host": host, "insecure": true}]}});
    write(&stage.folder.join("registries.yaml"), &registries)?;
    let entry = json!({"reference": format!("{host}/*"), "publicKeys": [stage.key("right")?]});
    let policy = json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": "signed"},
        "spec": {
            "match": {"namespaceSelector": {"matchNames": ["shop"]}},
            "policies": {"verifyImageSignatures": [entry]},
        },
    });
    write(&stage.folder.join("policy.yaml"), &policy)?;
    stage.signed("legacy", "right", false)?;
    stage.signed("bundle", "right", true)?;
    stage.signed("theirs", "other", true)?;
    // A good signature beside a foreign one.
    stage.signed("both", "other", true)?;
    stage.signed("both", "right", false)?;
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
        ("Nothing:1", by_policy, 2, "invalid-name"),
    ] {
        let (found, document) = stage.verify(&stage.registry.named(image), &by)?;
        ensure!(found == Some(code) && document["class"] == class, "{image} {by:?}: {found:?} {document:#}");
        if class == "verified" {
            ensure!(document["digest"] == stage.digest, "{document:#}");
        }
    }
    let (code, document) = stage.verify("registry.invalid/app", &by_policy)?;
    ensure!(code == Some(2) && document["class"] == "not-covered", "{document:#}");
    Ok(())
}
