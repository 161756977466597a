//! Signatures of images for commands that have no cluster: what constraints demand of them, and who answers for the
//! verifier.

mod access;
mod known;
mod questions;
mod verification;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gatewright_rules::verify_image_signatures::FIELD;
use gatewright_signatures::docker_config::DockerConfig;
use gatewright_signatures::entry::{EntryError, ReadEntry};
use gatewright_signatures::{Entry, Parameters};
use gatewright_verifier::demand::DockerCfg;
use serde_json::Value;

use crate::input::Location;

pub use access::registry_config;
pub use known::{Said, by_name};
pub use questions::{Question, Questions, Standing};
pub use verification::Verification;

/// The docker configs of a policy's entries, by reference: that of the first entry with it.
pub type DockerConfigs = BTreeMap<String, DockerCfg>;

/// What a constraint demands of signatures.
#[derive(Debug)]
pub struct Demand {
    /// What people call it: the policy, or the constraint.
    pub subject: String,
    /// Where it stands.
    pub location: Location,
    /// The entries, in order.
    pub entries: Vec<ReadEntry>,
    /// The credentials of the entries that have some of their own.
    pub docker_configs: DockerConfigs,
}

/// What all constraints demand, by their name and revision, in which the template asks.
#[derive(Debug, Default)]
pub struct Demands(HashMap<(String, String), Arc<Demand>>);

/// Why the verifier would not take a constraint.
#[derive(Debug, thiserror::Error)]
pub enum Unknown {
    /// Somebody wrote it by hand, or edited it.
    #[error("its parameters cannot be read")]
    Parameters,
    /// An entry is not in the form that the compiler gives it.
    #[error("spec.parameters.entries: {0}")]
    Entry(#[from] EntryError),
    /// Somebody edited the entries.
    #[error("spec.parameters.revision is not that of its entries")]
    Revision,
}

/// The entries of a constraint, and the name of their revision.
///
/// # Errors
/// The verifier would not take it.
pub fn entries(constraint: &Value) -> Result<(String, Vec<ReadEntry>), Unknown> {
    let parameters: Parameters =
        serde_json::from_value(constraint["spec"]["parameters"].clone()).map_err(|_| Unknown::Parameters)?;
    if !parameters.is_intact() {
        return Err(Unknown::Revision);
    }
    let entries: Result<Vec<_>, _> = parameters.entries.iter().map(Entry::read).collect();
    Ok((parameters.revision, entries?))
}

/// The docker configs of a policy. Its entries were read, so they stand in the same order.
pub fn docker_configs(policy: &Value, entries: &[ReadEntry]) -> DockerConfigs {
    let mut configs = DockerConfigs::new();
    for (index, entry) in entries.iter().enumerate() {
        let pointer = format!("/spec/policies/{FIELD}/{index}/dockerCfg");
        if let Some(text) = policy.pointer(&pointer).and_then(Value::as_str) {
            let config = || DockerConfig::from_base64(text).map_err(|error| error.to_string());
            configs.entry(entry.reference.to_string()).or_insert_with(config);
        }
    }
    configs
}

impl Demands {
    /// Takes a constraint, and the policy that it was compiled from, if that is known.
    ///
    /// # Errors
    /// The verifier would not take it, and all images that may be covered are refused.
    pub fn add(
        &mut self,
        constraint: &Value,
        policy: &Value,
        subject: String,
        location: Location,
    ) -> Result<(), Unknown> {
        let (revision, entries) = entries(constraint)?;
        let name = constraint["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let docker_configs = docker_configs(policy, &entries);
        let demand = Demand { subject, location, entries, docker_configs };
        self.0.insert((name, revision), Arc::new(demand));
        Ok(())
    }

    /// What a revision of a constraint demands.
    pub fn of(&self, constraint: &str, revision: &str) -> Option<&Arc<Demand>> {
        self.0.get(&(constraint.to_owned(), revision.to_owned()))
    }

    /// All of them, in the order in which they stand.
    pub fn all(&self) -> Vec<&Demand> {
        let mut all: Vec<_> = self.0.values().map(AsRef::as_ref).collect();
        all.sort_by(|one, other| {
            let place = |it: &Demand| (it.location.file.to_string(), it.location.line);
            place(one).cmp(&place(other))
        });
        all
    }
}
