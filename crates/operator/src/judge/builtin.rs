//! What follows from the settings alone, made once for them.

use std::sync::Arc;

use gatewright_compiler::{Settings, standards, standards_routes};
use gatewright_gatekeeper::{Constraint, ConstraintTemplate, Route};
use gatewright_rules::pod_security_standard::TEMPLATE as STANDARDS;
use gatewright_rules::{Template, catalogue};

use crate::watch::desired::Prepared;
use crate::watch::kind::Kind;

/// The settings, and what they decide without looking at the cluster.
#[derive(Debug)]
pub(crate) struct Builtin {
    pub(crate) settings: Settings,
    /// The templates, by the kind of their constraints.
    templates: Vec<(&'static str, Arc<Prepared>)>,
    pub(crate) standards: Vec<Standard>,
    /// The requests that Gatekeeper must be asked about for the standards.
    pub(crate) standards_routes: Vec<Route>,
}

/// A constraint of the Pod Security Standards.
#[derive(Clone, Debug)]
pub(crate) struct Standard {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) level: String,
    pub(crate) action: String,
}

impl Builtin {
    pub(crate) fn new(settings: Settings) -> Self {
        let templates = catalogue().iter().zip(gatewright_compiler::templates());
        let prepared = |(template, object): (&Template, ConstraintTemplate)| {
            (template.kind, Arc::new(Prepared::new(Kind::Template, &object.metadata, &object)))
        };
        Self {
            templates: templates.map(prepared).collect(),
            standards: standards(&settings).iter().map(Standard::new).collect(),
            standards_routes: standards_routes(&settings),
            settings,
        }
    }

    /// The template of a constraint kind.
    pub(crate) fn template(&self, kind: &str) -> Option<&Arc<Prepared>> {
        self.templates.iter().find(|(of, _)| *of == kind).map(|(_, prepared)| prepared)
    }

    /// The standard whose constraint has this name.
    pub(crate) fn standard(&self, name: &str) -> Option<&Standard> {
        self.standards.iter().find(|standard| standard.prepared.id.name == name)
    }
}

impl Standard {
    fn new(constraint: &Constraint) -> Self {
        let kind = Kind::Constraint(STANDARDS.kind);
        let spec = &constraint.spec;
        Self {
            prepared: Arc::new(Prepared::new(kind, &constraint.metadata, constraint)),
            level: spec.parameters["level"].as_str().unwrap_or_default().to_owned(),
            action: spec.enforcement_action.clone(),
        }
    }
}
