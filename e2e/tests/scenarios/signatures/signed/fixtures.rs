//! Every way of signing that there is a fixture of: each kind of key with each hash in both formats, by cosign 3, cosign 2
//! and openssl.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::manifests::{namespace, policy};
use gatewright_e2e::paths;
use gatewright_e2e::signatures::Workshop;
use gatewright_signatures::{Class, Digest};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Scene, is_right};

/// Of the policy and its namespace.
const NAME: &str = "keys";

/// What `make fixtures` made, in a registry.
pub(super) struct Fixtures {
    workshop: Workshop,
    table: Vec<Signature>,
}

#[derive(Deserialize)]
struct Table {
    digest: Digest,
    signatures: Vec<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    name: String,
    key: String,
    format: String,
    expected: Class,
}

impl Signature {
    /// Where the signed image is: below what the entry of its key covers.
    fn repository(&self) -> String {
        format!("{}/{}", self.key, self.name)
    }
}

impl Fixtures {
    pub(super) fn put(workshop: Workshop) -> Result<Self> {
        let Table { digest, signatures } = serde_json::from_slice(&file("table.json")?)?;
        for signature in &signatures {
            put(&workshop, &digest, signature).with_context(|| signature.name.clone())?;
        }
        Ok(Self { workshop, table: signatures })
    }

    pub(super) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.workshop.registry.port())
    }

    /// An entry for each key.
    fn entries(&self) -> Result<Vec<Value>> {
        let mut keys: Vec<_> = self.table.iter().map(|signature| &signature.key).collect();
        keys.sort_unstable();
        keys.dedup();
        let entry = |key: &String| {
            let public = String::from_utf8(file(&format!("keys/{key}.pub"))?)?;
            Ok(json!({"reference": format!("{}/{key}/*", self.host()), "publicKeys": [public]}))
        };
        keys.into_iter().map(entry).collect()
    }

    /// Each is admitted or refused as the table says.
    pub(super) async fn judge(&self, scene: &Scene<'_>) -> Result<()> {
        scene.cluster.put(&namespace(NAME)).await?;
        let matches = json!({"namespaceSelector": {"matchNames": [NAME]}});
        let rules = json!({"verifyImageSignatures": self.entries()?});
        scene.enforce(&policy("SecurityPolicy", NAME, &matches, &rules)).await?;
        let mut wrong = vec![];
        for signature in &self.table {
            let image = format!("{}/{}:1", self.host(), signature.repository());
            let answer = scene.judge(NAME, &image).await?;
            let class = Some(signature.expected).filter(|class| *class != Class::Verified);
            if let Err(error) = is_right("Deny", NAME, &image, class, &answer) {
                wrong.push(format!("{image}, {class:?}: {error:#}"));
            }
        }
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        ensure!(self.table.len() > 30, "{} ways of signing", self.table.len());
        Ok(())
    }
}

/// The image with this signature, and nothing else.
fn put(workshop: &Workshop, image: &Digest, signature: &Signature) -> Result<()> {
    let repository = signature.repository();
    for blob in ["image/config.json", "image/layer.tar.gz"] {
        workshop.put_blob(&repository, &file(blob)?)?;
    }
    workshop.put_manifest(&format!("{repository}:1"), &file("image/manifest.json")?)?;
    let kept = |what: &str| file(&format!("signatures/{}.{what}.json", signature.name));
    workshop.put_blob(&repository, &kept("blob")?)?;
    let manifest = kept("manifest")?;
    if signature.format == "legacy" {
        return workshop.put_manifest(&format!("{repository}:{}", image.signature_tag()), &manifest);
    }
    let digest = Digest::of(&manifest);
    workshop.put_manifest(&format!("{repository}@{digest}"), &manifest)?;
    // Without the referrers API, whoever attaches something writes the index as well.
    let said: Value = serde_json::from_slice(&manifest)?;
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": said["mediaType"], "artifactType": said["artifactType"],
            "size": manifest.len(), "digest": digest,
        }],
    });
    workshop.put_manifest(&format!("{repository}:{}", image.referrers_tag()), index.to_string().as_bytes())
}

fn file(name: &str) -> Result<Vec<u8>> {
    let path: PathBuf = paths::repository().join("crates/signatures/tests/fixtures").join(name);
    std::fs::read(&path).with_context(|| path.display().to_string())
}
