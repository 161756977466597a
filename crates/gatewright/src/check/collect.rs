//! Sorts the documents of the input: what judges, what is judged, and what both need to know.

use std::path::PathBuf;

use gatewright_api::PolicyKind;
use gatewright_engine::Request;
use gatewright_gatekeeper::{CONSTRAINT_GROUP, TEMPLATE_GROUP};
use serde_json::Value;

use super::kinds::{Scopes, is_gatekeepers};
use crate::input::{self, Document, Header, InputError, Location, Reading};
use crate::{diagnostics, policies};

/// Groups of files that lie beside manifests and are never sent to a cluster.
const FILES_OF_TOOLS: [&str; 2] = ["kustomize.config.k8s.io", "test.gatekeeper.sh"];

/// Something to judge: an object, or an AdmissionReview.
#[derive(Debug)]
pub struct Candidate(pub Document);

impl Candidate {
    /// What it says of itself.
    pub const fn header(&self) -> &Header {
        &self.0.header
    }

    /// Whether it is a recorded request.
    pub fn is_review(&self) -> bool {
        self.header().group() == "admission.k8s.io" && self.header().kind == "AdmissionReview"
    }

    /// Whether it is a Namespace.
    pub fn is_namespace(&self) -> bool {
        self.is_core("Namespace")
    }

    /// Whether it decides what Pods of its namespace get: a LimitRange or a ServiceAccount.
    pub fn gives_to_pods(&self) -> bool {
        self.is_core("LimitRange") || self.is_core("ServiceAccount")
    }

    fn is_core(&self, kind: &str) -> bool {
        self.header().group().is_empty() && self.header().kind == kind
    }
}

/// The input, sorted.
#[derive(Debug, Default)]
pub struct Collected {
    /// Our policies.
    pub policies: Vec<(Document, PolicyKind)>,
    /// ConstraintTemplates.
    pub templates: Vec<Document>,
    /// Constraints.
    pub constraints: Vec<Document>,
    /// Gatekeeper's `Config`.
    pub configs: Vec<Document>,
    /// `ExpansionTemplate` objects.
    pub expansions: Vec<Document>,
    /// What changes objects before they are judged, which is not done here.
    pub mutators: Vec<String>,
    /// Namespaces.
    pub namespaces: Vec<(Location, Value)>,
    /// The scopes of kinds.
    pub scopes: Scopes,
    /// What is judged, in order.
    pub candidates: Vec<Candidate>,
    /// What is wrong.
    pub problems: Vec<InputError>,
}

/// Reads all files.
pub fn collect(filenames: &[PathBuf], reading: &Reading) -> Collected {
    let mut collected = Collected::default();
    let mut documents = input::read(filenames, reading);
    for document in documents.by_ref() {
        match document {
            Ok(document) => collected.sort(document),
            Err(error) => collected.problems.push(error),
        }
    }
    diagnostics::left_out(&documents.left_out);
    documents.empty().for_each(|file| diagnostics::note(format!("{file}: holds no object")));
    collected
}

impl Collected {
    /// Puts a document where it belongs.
    pub fn sort(&mut self, document: Document) {
        if let Some(kind) = policies::kind_of(&document) {
            return self.policies.push((document, kind));
        }
        if let Some(error) = policies::unknown_kind(&document) {
            return self.problems.push(error);
        }
        let Header { api_version, kind, name, .. } = &document.header;
        match (document.header.group(), kind.as_str()) {
            (TEMPLATE_GROUP, _) => self.templates.push(document),
            (CONSTRAINT_GROUP, _) => self.constraints.push(document),
            ("config.gatekeeper.sh", "Config") => self.configs.push(document),
            ("expansion.gatekeeper.sh", "ExpansionTemplate") => self.expansions.push(document),
            ("mutations.gatekeeper.sh", _) => {
                self.mutators.push(format!("{kind} {name}"));
            }
            (group, _) if FILES_OF_TOOLS.contains(&group) => {
                diagnostics::note(format!(
                    "{}: {api_version} {kind} is not an object of a cluster; left out",
                    document.location
                ));
            }
            (group, _) if is_gatekeepers(group) => {}
            _ => self.candidate(document),
        }
    }

    fn candidate(&mut self, document: Document) {
        let group = document.header.group();
        match document.header.kind.as_str() {
            "Namespace" if group.is_empty() => {
                self.namespaces.push((document.location.clone(), document.value()));
            }
            "CustomResourceDefinition" if group == "apiextensions.k8s.io" => {
                self.scopes.learn(&document.value());
            }
            _ => {}
        }
        if document.header.kind == "AdmissionReview"
            && let Err(error) = Request::from_api_server(document.value())
        {
            let said = input::without_values(&error.message);
            let message = format!("AdmissionReview: {}: {said}", policies::field(&error.pointer));
            return self.problems.push(InputError { location: document.locate(&error.pointer), message });
        }
        let candidate = Candidate(document);
        let Header { kind, name, generate_name, .. } = candidate.header();
        if !candidate.is_review() && name.is_empty() && generate_name.is_empty() {
            let message = format!("{kind}: metadata.name: an object has a name");
            return self.problems.push(InputError { location: candidate.0.locate("/metadata"), message });
        }
        self.candidates.push(candidate);
    }
}
