//! What follows from the settings alone, made once for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_compiler::{Settings, standards, standards_routes, sync_set, template};
use gatewright_gatekeeper::{Constraint, Route};
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
        let prepared = |which: &Template| {
            let object = template(*which);
            (*which, Arc::new(Prepared::new(Kind::Template, &object.metadata, &object)))
        };
        let sync_set = sync_set();
        Self {
            sync_set: Arc::new(Prepared::new(Kind::SyncSet, &sync_set.metadata, &sync_set)),
            templates: Template::ALL.iter().map(prepared).collect(),
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

#[cfg(test)]
mod tests {
    use super::Builtin;
    use crate::judge::fixtures::builtin;
    use crate::watch::kind::{Id, Kind};
    use gatewright_compiler::Settings;
    use gatewright_rules::Template;
    use std::collections::BTreeSet;

    #[test]
    fn every_template_is_there_and_ours() {
        for template in Template::ALL {
            let prepared = builtin().template(*template);
            assert_eq!(prepared.id, Id::new(Kind::Template, template.name()));
            assert_eq!(prepared.labels["gatewright.io/owner"], "builtin");
            assert!(prepared.content.value()["targets"][0]["code"].is_array(), "{template:?}");
        }
    }

    #[test]
    fn every_standard_is_found_by_its_name_and_says_what_it_is() {
        let builtin = builtin();
        let found: BTreeSet<_> =
            builtin.standards.iter().map(|it| (it.level.as_str(), it.action.as_str())).collect();
        assert_eq!((found.len(), builtin.standards.len()), (6, 6));
        for standard in &builtin.standards {
            let name = format!("d8-pod-security-{}-{}", standard.level, standard.action);
            assert_eq!(standard.prepared.id.name, name);
            let spec = standard.prepared.content.value();
            assert_eq!(spec["enforcementAction"], standard.action.as_str());
            assert_eq!(builtin.standard(&name).unwrap().prepared, standard.prepared);
        }
        assert!(builtin.standard("other").is_none());
    }

    #[test]
    fn settings_change_what_follows_from_them() {
        let off = Builtin::new(Settings { controller_validation: false, ..Settings::default() });
        assert_ne!(off.standards[0].prepared, builtin().standards[0].prepared);
        assert!(off.standards_routes.len() < builtin().standards_routes.len());
        assert_eq!(off.sync_set, builtin().sync_set);
    }
}
