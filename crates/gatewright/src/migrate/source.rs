//! What there is to migrate: from files, or from a cluster.

use std::sync::Arc;

use anyhow::bail;
use gatewright_api::{POLICY_GROUP, PolicyKind};
use gatewright_compiler::Settings;
use gatewright_gatekeeper::{CONSTRAINT_GROUP, TEMPLATE_GROUP};
use serde_json::Value;

use super::Sources;
use super::counting::Counting;
use super::deckhouse::is_definition_of_module;
use crate::check::collect::{Candidate, Collected};
use crate::cluster::Unseen;
use crate::input::{self, Document, Reading};
use crate::{diagnostics, policies};

/// How many objects are looked at.
pub const MOST_OBJECTS: usize = 10_000;

/// How much is read of a cluster, in bytes. What is read of files, a flag says.
pub const MOST_BYTES: u64 = 200 << 20;

/// Everything that was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Objects of the group deckhouse.io: policies, and kinds that do not exist here.
    pub policies: Vec<Document>,
    /// ConstraintTemplates.
    pub templates: Vec<Document>,
    /// Constraints.
    pub constraints: Vec<Document>,
    /// CustomResourceDefinitions, by kind: whether the objects of a kind of the group deckhouse.io stand in namespaces.
    pub definitions: Vec<(String, bool)>,
    /// Whether a definition of a kind is that of Deckhouse's module.
    pub is_module_installed: bool,
    /// Whether gatewright's standards are there: the API server knows the kind of their constraints.
    pub is_gatewright_installed: bool,
    /// Whether it was found in a cluster.
    pub is_of_cluster: bool,
    /// Configurations of admission webhooks.
    pub webhooks: Vec<Document>,
    /// Namespaces, and the objects that policies are tried on.
    pub rest: Collected,
    /// Which of these objects count, and for whom.
    pub counting: Counting,
    /// What the user may not see.
    pub incomplete: Vec<Unseen>,
}

/// Reads files.
///
/// # Errors
/// The input is wrong, or there is too much: the problems are printed.
pub fn of_files(filenames: &[std::path::PathBuf], reading: &Reading) -> anyhow::Result<Found> {
    let mut found = Found::default();
    let mut documents = input::read(filenames, reading);
    for document in documents.by_ref() {
        match document {
            Ok(document) => found.take(document),
            Err(error) => found.rest.problems.push(error),
        }
        found.within_bounds()?;
    }
    diagnostics::left_out(&documents.left_out);
    documents.empty().for_each(|file| diagnostics::note(format!("{file}: holds no object")));
    diagnostics::stop_at(&found.rest.problems)?;
    Ok(found)
}

impl Found {
    /// Puts an object where it belongs.
    pub fn take(&mut self, document: Document) {
        let kind = document.header.kind.as_str();
        match (document.header.group(), kind) {
            (POLICY_GROUP, _) => self.policies.push(document),
            (TEMPLATE_GROUP, _) => self.templates.push(document),
            (CONSTRAINT_GROUP, _) => self.constraints.push(document),
            ("admissionregistration.k8s.io", _) => self.webhooks.push(document),
            ("apiextensions.k8s.io", "CustomResourceDefinition") => self.define(&document),
            ("gatewright.io", _) => {}
            _ => self.rest.sort(document),
        }
    }

    fn define(&mut self, document: &Document) {
        let value = document.value();
        self.rest.scopes.learn(&value);
        self.is_module_installed |= is_definition_of_module(&value);
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if text("/spec/group") == POLICY_GROUP {
            self.definitions.push((text("/spec/names/kind").to_owned(), text("/spec/scope") != "Cluster"));
        }
    }

    /// Refuses more objects than are looked at.
    ///
    /// # Errors
    /// There are more.
    pub fn within_bounds(&self) -> anyhow::Result<()> {
        let counts = [&self.policies, &self.templates, &self.constraints, &self.webhooks].map(Vec::len);
        let all = counts.iter().sum::<usize>() + self.rest.candidates.len();
        if all > MOST_OBJECTS {
            bail!(
                "there are more than {MOST_OBJECTS} objects; give fewer with -f, namespace by namespace for one"
            );
        }
        Ok(())
    }

    /// Keeps the objects that count, and what decides what Pods get. A cluster is read so that only these are there.
    pub fn keep_what_counts(&mut self, sources: Sources, settings: &Settings) {
        let mut counting = Counting::of(self, sources, settings);
        self.rest.candidates.iter().for_each(|candidate| counting.learn(&candidate.0.value()));
        let counts = |it: &Candidate| {
            it.is_namespace() || it.gives_to_pods() || counting.owner(&it.0.value()).is_some()
        };
        self.rest.candidates.retain(counts);
        self.counting = counting;
    }

    /// The policies of kinds that exist here, as documents.
    pub fn known_policies(&self) -> impl Iterator<Item = (&Document, PolicyKind)> {
        self.policies.iter().filter_map(|document| Some((document, policies::kind_of(document)?)))
    }

    /// The file that objects of a cluster stand in, as it were.
    pub fn nowhere() -> Arc<str> {
        Arc::from("cluster")
    }
}
