//! What follows from the settings alone, made once for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_compiler::{Settings, standards, standards_routes, sync_set};
use gatewright_gatekeeper::{Constraint, ConstraintTemplate, Route};
use gatewright_rules::Template;

use crate::watch::desired::Prepared;
use crate::watch::kind::Kind;

/// The settings, and what they decide without looking at the cluster.
#[derive(Debug)]
pub(crate) struct Builtin {
    pub(crate) settings: Settings,
    templates: BTreeMap<Template, Arc<Prepared>>,
    pub(crate) standards: Vec<Standard>,
    /// The requests that Gatekeeper must be asked about for the standards.
    pub(crate) standards_routes: Vec<Route>,
    /// What makes Gatekeeper keep all Pods in its inventory.
    pub(crate) sync_set: Arc<Prepared>,
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
        let templates = Template::ALL.iter().copied().zip(gatewright_compiler::templates());
        let prepared = |(template, object): (Template, ConstraintTemplate)| {
            (template, Arc::new(Prepared::new(Kind::Template, &object.metadata, &object)))
        };
        let sync_set = sync_set();
        Self {
            sync_set: Arc::new(Prepared::new(Kind::SyncSet, &sync_set.metadata, &sync_set)),
            templates: templates.map(prepared).collect(),
            standards: standards(&settings).iter().map(Standard::new).collect(),
            standards_routes: standards_routes(&settings),
            settings,
        }
    }

    /// A template as it should be. All are there.
    pub(crate) fn template(&self, template: Template) -> &Arc<Prepared> {
        &self.templates[&template]
    }

    /// The standard whose constraint has this name.
    pub(crate) fn standard(&self, name: &str) -> Option<&Standard> {
        self.standards.iter().find(|standard| standard.prepared.id.name == name)
    }
}

impl Standard {
    fn new(constraint: &Constraint) -> Self {
        let kind = Kind::Constraint(Template::PodSecurityStandard);
        let spec = &constraint.spec;
        Self {
            prepared: Arc::new(Prepared::new(kind, &constraint.metadata, constraint)),
            level: spec.parameters["level"].as_str().unwrap_or_default().to_owned(),
            action: spec.enforcement_action.to_string(),
        }
    }
}
