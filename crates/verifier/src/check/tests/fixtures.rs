//! Signatures that cosign and others made, at a registry: every row of the table of `crates/signatures`.

use std::fs;
use std::path::Path;

use gatewright_signatures::entry::ReadEntry;
use gatewright_signatures::{Class, Digest, Image};
use serde::Deserialize;

use super::{Budget, Check, REPOSITORY, Registry, TestRegistry, Trace, demand, sign};

#[derive(Deserialize)]
struct Table {
    digest: Digest,
    signatures: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    key: String,
    format: String,
    expected: Class,
}

fn file(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../signatures/tests/fixtures");
    fs::read(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What the entry with this key says of a registry with one signature.
async fn class(image_digest: &Digest, row: &Row, key: &str) -> Class {
    let server = TestRegistry::start().await;
    let manifest = file(&format!("signatures/{}.manifest.json", row.name));
    server.blob(REPOSITORY, file(&format!("signatures/{}.blob.json", row.name)));
    if row.format == "legacy" {
        server.manifest(REPOSITORY, Some(&image_digest.signature_tag()), sign::MANIFEST, manifest);
    } else {
        server.list(image_digest, &[sign::descriptor(sign::MANIFEST, &manifest)]);
        server.manifest(REPOSITORY, None, sign::MANIFEST, manifest);
    }
    let registry = Registry::new(server.settings());
    let image = Image::parse(&format!("{}/{REPOSITORY}@{image_digest}", server.host())).unwrap();
    let pem = String::from_utf8(file(&format!("keys/{key}.pub"))).unwrap();
    let demand = demand(ReadEntry::new("*", &[pem], None, false, false).unwrap(), None);
    let (budget, trace) = (Budget::default(), Trace::dropped());
    let check = Check { registry: &registry, demand: &demand, budget: &budget, trace: &trace };
    check.verify(&image, image_digest).await.map_or_else(|failure| failure.class, |()| Class::Verified)
}

#[tokio::test]
async fn every_signature_of_the_table_is_judged_at_a_registry() {
    let Table { digest, signatures } = serde_json::from_slice(&file("table.json")).unwrap();
    assert!(signatures.len() >= 30, "{}", signatures.len());
    for row in &signatures {
        assert_eq!(class(&digest, row, &row.key).await, row.expected, "{}", row.name);
        let other = if row.key == "p256" { "p384" } else { "p256" };
        assert_ne!(class(&digest, row, other).await, Class::Verified, "{} by another key", row.name);
    }
}
