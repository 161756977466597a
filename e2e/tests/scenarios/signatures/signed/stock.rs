//! The images of the scenario, and who signed them.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use gatewright_e2e::image::{Registry, Secure};
use gatewright_e2e::signatures::{Format, Workshop, serving_pair};
use serde_json::json;

use super::fixtures::Fixtures;
use super::registries::HASHED;

/// The registries with their images.
pub(super) struct Stock {
    /// Most of the images, in a registry that others stand in front of.
    pub(super) workshop: Workshop,
    /// Some images in other programs: one without the referrers API, and one with it.
    pub(super) others: [Workshop; 2],
    /// The first of these once more, with TLS and a login; and its certificate, in PEM.
    pub(super) secure: (Registry, String),
    /// Every way of signing, in a registry of its own.
    pub(super) fixtures: Fixtures,
}

/// Makes and signs all images.
pub(super) fn make() -> Result<Stock> {
    let workshop = Workshop::new("signatures-images", &["right", "other"])?;
    images(&workshop)?;
    let folder = workshop.folder().join("distribution");
    let without = workshop.beside("signatures-distribution", Registry::distribution(&folder, None)?)?;
    let with = workshop.beside("signatures-referrers", Registry::with_referrers()?)?;
    elsewhere(&without)?;
    elsewhere(&with)?;
    let pair = serving_pair()?;
    let file = |name: &str, text: &str| -> Result<PathBuf> {
        let path = folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path)
    };
    let secure = Secure {
        certificate: file("tls.crt", &pair.certificate)?,
        key: file("tls.key", &pair.key)?,
        htpasswd: file("htpasswd", &format!("robot:{HASHED}\n"))?,
    };
    let secure = (Registry::distribution(&folder, Some(&secure))?, pair.certificate);
    let registry = Registry::start(&workshop.folder().join("fixtures"))?;
    let fixtures = Fixtures::put(workshop.beside("signatures-fixtures", registry)?)?;
    Ok(Stock { workshop, others: [without, with], secure, fixtures })
}

/// The images of a registry that is another program.
fn elsewhere(workshop: &Workshop) -> Result<()> {
    use Format::{Bundle, Legacy};
    workshop.image("unsigned:1", "an image")?;
    for (name, signatures) in [
        ("legacy:1", &[("right", Legacy)][..]),
        ("bundle:1", &[("right", Bundle)]),
        ("both:1", &[("other", Bundle), ("right", Bundle)]),
        ("theirs:1", &[("other", Bundle)]),
    ] {
        workshop.copy("unsigned:1", name)?;
        for (key, format) in signatures {
            workshop.sign(name, key, *format, false)?;
        }
    }
    Ok(())
}

fn images(workshop: &Workshop) -> Result<()> {
    use Format::{Bundle, Legacy};
    workshop.image("unsigned:1", "an image")?;
    workshop.image("other:1", "another image")?;
    for (repository, signatures) in [
        ("legacy", &[("right", Legacy)][..]),
        ("bundle", &[("right", Bundle)]),
        ("theirs", &[("other", Bundle)]),
        ("theirs-legacy", &[("other", Legacy)]),
        // A good signature beside foreign ones.
        ("both", &[("other", Legacy), ("other", Bundle), ("right", Bundle)]),
        ("hundred", &[("other", Legacy), ("right", Legacy)]),
        ("moved", &[("right", Legacy)]),
        ("pinned/app", &[("right", Legacy)]),
        ("right/app", &[("right", Bundle)]),
        ("trusted/app", &[("right", Legacy)]),
        ("replaced", &[("right", Bundle)]),
        ("moving", &[("right", Bundle)]),
        ("late", &[]),
    ] {
        let name = format!("{repository}:1");
        workshop.copy("unsigned:1", &name)?;
        for (key, format) in signatures {
            workshop.sign(&name, key, *format, false)?;
        }
    }
    for repository in ["wrong/app", "unreadable/app", "unknown/app"] {
        workshop.copy("right/app:1", &format!("{repository}:1"))?;
    }
    workshop.copy("other:1", "moved:1")?;
    indexes(workshop)?;
    copied(workshop)?;
    hundred(workshop)
}

/// One index is signed alone, the other with all that it lists.
fn indexes(workshop: &Workshop) -> Result<()> {
    for (repository, recursive) in [("index", false), ("recursive", true)] {
        let platforms = [format!("{repository}:a"), format!("{repository}:b")];
        workshop.copy("unsigned:1", &platforms[0])?;
        workshop.copy("other:1", &platforms[1])?;
        let index = format!("{repository}:1");
        workshop.index(&index, &[&platforms[0], &platforms[1]])?;
        workshop.sign(&index, "right", Format::Bundle, recursive)?;
    }
    Ok(())
}

/// The tag where signatures in the older format are.
fn tag_of_signatures(workshop: &Workshop, name: &str) -> Result<String> {
    let (repository, _) = name.split_once(':').context("no tag")?;
    Ok(format!("{repository}:{}.sig", workshop.digest(name)?.replace(':', "-")))
}

/// Another image has the signature of this one.
fn copied(workshop: &Workshop) -> Result<()> {
    workshop.copy("other:1", "copied:1")?;
    workshop.copy(&tag_of_signatures(workshop, "legacy:1")?, &tag_of_signatures(workshop, "copied:1")?)
}

/// The good signature in the middle of 50 that are not: half by another key, half no signatures at all.
fn hundred(workshop: &Workshop) -> Result<()> {
    let tag = tag_of_signatures(workshop, "hundred:1")?;
    let mut manifest = workshop.manifest(&tag)?;
    let layers = manifest["layers"].as_array().context("no layers")?.clone();
    let [theirs, right] = layers.as_slice() else { anyhow::bail!("{} layers", layers.len()) };
    let mut garbage = theirs.clone();
    garbage["annotations"]["dev.cosignproject.cosign/signature"] = json!("Z2FyYmFnZQ==");
    let (theirs, garbage) = (vec![theirs.clone(); 25], vec![garbage; 25]);
    manifest["layers"] = json!([theirs, vec![right.clone()], garbage].concat());
    workshop.put_manifest(&tag, manifest.to_string().as_bytes())
}
