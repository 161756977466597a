//! The entries `verifyImageSignatures` of policies.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{anyhow, bail};
use gatewright_api::PolicyKind;
use gatewright_signatures::docker_config::DockerConfig;
use gatewright_signatures::entry::ReadEntry;
use gatewright_verifier::demand::DockerCfg;
use serde::Deserialize;

use crate::input::{self, Document, InputError, Reading};
use crate::{diagnostics, policies};

/// The entries of a policy.
#[derive(Debug)]
pub struct Policy {
    /// Its name; none where the command line has the key.
    pub name: Option<String>,
    pub entries: Vec<ReadEntry>,
    /// The docker configs, by reference: that of the first entry with it.
    pub docker_cfg: BTreeMap<String, DockerCfg>,
}

/// An entry as a policy has it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    reference: String,
    public_keys: Vec<String>,
    docker_cfg: Option<String>,
    ca: Option<String>,
    #[serde(default)]
    require_digest: bool,
}

const FIELD: &str = "/spec/policies/verifyImageSignatures";

impl Policy {
    /// Every image, by this key.
    pub fn of_key(key: &str) -> anyhow::Result<Self> {
        let entry =
            ReadEntry::new("*", &[key], None, false, false).map_err(|error| anyhow!("--key: {error}"))?;
        Ok(Self { name: None, entries: vec![entry], docker_cfg: BTreeMap::new() })
    }

    fn of(document: &Document, key: Option<&str>) -> Result<Self, Vec<InputError>> {
        let value = document.value();
        let written = value.pointer(FIELD).cloned().unwrap_or_default();
        let written: Option<Vec<Written>> = serde_json::from_value(written).map_err(|error| {
            let message = format!("verifyImageSignatures: {}", input::without_values(&error.to_string()));
            vec![InputError { location: document.locate(FIELD), message }]
        })?;
        let mut policy =
            Self { name: Some(document.header.name.clone()), entries: vec![], docker_cfg: BTreeMap::new() };
        let mut errors = vec![];
        for (index, written) in written.unwrap_or_default().into_iter().enumerate() {
            if let Err(message) = policy.add(written, key) {
                let location = document.locate(&format!("{FIELD}/{index}"));
                let message = format!("SecurityPolicy {}: entry {index}: {message}", document.header.name);
                errors.push(InputError { location, message });
            }
        }
        if errors.is_empty() { Ok(policy) } else { Err(errors) }
    }

    fn add(&mut self, written: Written, key: Option<&str>) -> Result<(), String> {
        let Written { reference, public_keys, docker_cfg, ca, require_digest } = written;
        let keys = key.map_or(public_keys, |key| vec![key.to_owned()]);
        let entry = ReadEntry::new(&reference, &keys, ca.as_deref(), require_digest, docker_cfg.is_some());
        let entry = entry.map_err(|error| error.to_string())?;
        if let Some(text) = docker_cfg {
            let config = DockerConfig::from_base64(&text).map_err(|error| error.to_string());
            self.docker_cfg.entry(entry.reference.to_string()).or_insert(config);
        }
        self.entries.push(entry);
        Ok(())
    }
}

/// The policies of some files. The key, if there is one, stands in the place of all others.
///
/// # Errors
/// Something cannot be read; each problem was shown with its line.
pub fn read(filenames: &[PathBuf], reading: &Reading, key: Option<&str>) -> anyhow::Result<Vec<Policy>> {
    let (mut found, mut problems) = (vec![], 0);
    let mut fail = |error| {
        diagnostics::error(error);
        problems += 1;
    };
    let mut documents = input::read(filenames, reading);
    for document in documents.by_ref() {
        match document {
            Ok(document) if policies::kind_of(&document) == Some(PolicyKind::SecurityPolicy) => {
                match Policy::of(&document, key) {
                    Ok(policy) => found.push(policy),
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
    Ok(found)
}
