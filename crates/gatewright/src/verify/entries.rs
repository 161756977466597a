//! The entries `verifyImageSignatures` of policies.

use std::path::PathBuf;

use anyhow::{anyhow, bail};
use gatewright_api::PolicyKind;
use gatewright_compiler::Settings;
use gatewright_rules::verify_image_signatures::FIELD;
use gatewright_signatures::PublicKey;
use gatewright_signatures::entry::ReadEntry;
use gatewright_signatures::key::read_keys;
use serde_json::json;

use crate::input::{self, Document, InputError, Reading};
use crate::signatures::{self, DockerConfigs, docker_configs};
use crate::{diagnostics, policies};

/// The entries of a policy.
#[derive(Debug)]
pub struct Policy {
    /// Its name; none where the command line has the key.
    pub name: Option<String>,
    pub entries: Vec<ReadEntry>,
    pub docker_configs: DockerConfigs,
}

/// The keys of `--key`.
///
/// # Errors
/// A key cannot be used.
pub fn keys(text: &str) -> anyhow::Result<Vec<PublicKey>> {
    read_keys(&[text]).map_err(|error| anyhow!("--key: {error}"))
}

impl Policy {
    /// Every image, by these keys.
    pub fn of_keys(text: &str) -> anyhow::Result<Self> {
        let entry =
            ReadEntry::new("*", &[text], None, false, false).map_err(|error| anyhow!("--key: {error}"))?;
        Ok(Self { name: None, entries: vec![entry], docker_configs: DockerConfigs::new() })
    }

    /// The entries of a policy, read as for a cluster; none if it has none.
    fn of(document: &Document, settings: &Settings) -> Result<Option<Self>, Vec<InputError>> {
        let compiled = policies::compiled(document, PolicyKind::SecurityPolicy, settings)?;
        let Some(signatures) = compiled.signatures else { return Ok(None) };
        let (_, entries) = signatures::entries(&json!(signatures.constraint)).map_err(|unknown| {
            let location = document.locate(&format!("/spec/policies/{FIELD}"));
            vec![InputError { location, message: unknown.to_string() }]
        })?;
        let docker_configs = docker_configs(&document.value(), &entries);
        Ok(Some(Self { name: Some(document.header.name.clone()), entries, docker_configs }))
    }

    /// The same with other keys.
    fn with_keys(mut self, keys: &[PublicKey]) -> Self {
        for entry in &mut self.entries {
            entry.keys = keys.to_vec();
        }
        self
    }
}

/// The policies of some files that have entries. The keys, if there are any, stand in the place of all others.
///
/// # Errors
/// Something cannot be read; each problem was shown with its line.
pub fn read(
    filenames: &[PathBuf],
    reading: &Reading,
    settings: &Settings,
    keys: Option<&[PublicKey]>,
) -> anyhow::Result<Vec<Policy>> {
    let (mut found, mut problems) = (vec![], 0);
    let mut fail = |error| {
        diagnostics::error(error);
        problems += 1;
    };
    let mut documents = input::read(filenames, reading);
    for document in documents.by_ref() {
        match document {
            Ok(document) if policies::kind_of(&document) == Some(PolicyKind::SecurityPolicy) => {
                match Policy::of(&document, settings) {
                    Ok(policy) => found.extend(policy),
                    Err(errors) => errors.into_iter().for_each(&mut fail),
                }
            }
            Ok(document) => {
                if let Some(error) = policies::unknown_kind(&document) {
                    fail(error);
                }
            }
            Err(error) => fail(error),
        }
    }
    diagnostics::left_out(&documents.left_out);
    documents.empty().for_each(|file| fail(InputError::new(file, 0, "holds no object")));
    if problems > 0 {
        bail!("the policies cannot be read");
    }
    Ok(match keys {
        Some(keys) => found.into_iter().map(|policy| policy.with_keys(keys)).collect(),
        None => found,
    })
}
