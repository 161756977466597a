//! The manifests and settings in the documentation of image signatures are accepted as they stand.

use crate::{Settings, compile};
use gatewright_api::{OperationPolicy, SecurityPolicy};
use serde_json::{Value, json};

const PAGES: [&str; 4] =
    ["README.md", "docs/image-signatures.md", "docs/verifier.md", "docs/signatures-elsewhere.md"];

/// The blocks of YAML in a page, without the indentation of lists that they stand in.
fn blocks(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("{}/../../{page}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (mut blocks, mut open) = (vec![], None::<(usize, String)>);
    for line in text.lines() {
        let depth = line.len() - line.trim_start().len();
        match (&mut open, line.trim_start()) {
            (None, "```yaml") => open = Some((depth, String::new())),
            (None, _) => {}
            (Some(_), "```") => blocks.extend(open.take().map(|(_, block)| block)),
            (Some((depth, block)), _) => {
                block.push_str(line.get(*depth..).unwrap_or_default());
                block.push('\n');
            }
        }
    }
    blocks
}

/// A policy, or the part of one that a page shows.
fn policy_of(block: &str) -> SecurityPolicy {
    let value: Value = serde_saphyr::from_str(block).unwrap();
    let policies = ["/spec/policies", "/policies"].iter().find_map(|path| value.pointer(path)).unwrap();
    let part = json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": "part"},
        "spec": {"match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": policies},
    });
    serde_json::from_value(if value["kind"].is_null() { part } else { value }).unwrap()
}

#[test]
fn policies_and_settings_of_the_documentation_are_accepted() {
    let (mut policies, mut settings) = (0, 0);
    for page in PAGES {
        for block in blocks(page) {
            if block.contains("verifyImageSignatures") {
                let compiled = compile(&policy_of(&block), &Settings::default());
                let compiled = compiled.unwrap_or_else(|problem| panic!("{page}: {problem}\n{block}"));
                assert!(compiled.signatures.is_some(), "{page}: {block}");
                policies += 1;
            } else if block.contains("kind: OperationPolicy") {
                let policy: OperationPolicy = serde_saphyr::from_str(&block).unwrap();
                assert!(
                    compile(&policy, &Settings::default()).unwrap().constraint.is_some(),
                    "{page}: {block}"
                );
            } else if block.starts_with("signatures:") {
                let read = Settings::from_yaml(&block, "gatewright-system");
                let read = read.unwrap_or_else(|problem| panic!("{page}: {problem}\n{block}"));
                assert_ne!(read.signatures, Settings::default().signatures, "{page}: {block}");
                settings += 1;
            }
        }
    }
    assert!(policies >= 3 && settings >= 6, "{policies} policies, {settings} settings");
}
