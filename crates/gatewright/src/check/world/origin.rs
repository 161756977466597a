//! What is judged by comes from files, or from a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_compiler::Settings;
use gatewright_engine::ConstraintRef;
use gatewright_gatekeeper::Constraint;
use gatewright_rules::Template;
use serde_json::json;

use super::World;
use crate::check::collect::Collected;
use crate::check::namespaces::CommandLine;
use crate::input::InputError;
use crate::policies::PolicyRef;
use crate::sandbox::Pool;

/// Where templates, constraints and namespaces come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Files. Our own templates and the standards are added.
    Input,
    /// A cluster, which has all that it judges by.
    Cluster,
}

impl World {
    /// Builds it from what a cluster has: nothing is added, no policy is compiled.
    pub fn of_cluster(
        collected: &mut Collected,
        settings: &Settings,
        sandbox: &Arc<Pool>,
    ) -> (Self, Vec<InputError>) {
        let line = CommandLine { labels: &[], default: None };
        let (mut world, problems) = Self::built(collected, settings, line, sandbox, Origin::Cluster);
        // Which settings its operator has is not known here.
        world.system.clear();
        (world, problems)
    }

    /// All constraints, with the policy or standard behind each, in order.
    pub fn constraints(&self) -> BTreeMap<&ConstraintRef, Option<&PolicyRef>> {
        let given = self.given.iter().map(|given| (&given.constraint, None));
        given.chain(self.owners.iter().map(|(constraint, owner)| (constraint, Some(owner)))).collect()
    }

    /// Adds a constraint of a policy whose template cannot be evaluated here, so that it is known what it matches.
    ///
    /// # Errors
    /// The engine does not take them.
    pub fn add_beyond(
        &mut self,
        template: Template,
        constraint: &Constraint,
        owner: PolicyRef,
    ) -> Result<(), String> {
        let errors = self.engine.admit_template(&json!(gatewright_compiler::template(template))).err();
        if let Some(error) = errors.into_iter().flatten().next() {
            return Err(error.to_string());
        }
        self.engine.add_constraint(&json!(constraint)).map_err(|error| error.to_string())?;
        let name = constraint.metadata.name.clone().unwrap_or_default();
        self.owners.insert(ConstraintRef { kind: constraint.kind.clone(), name }, owner);
        Ok(())
    }

    /// Tells the engine of all namespaces.
    pub fn add_namespaces(&mut self) {
        self.namespaces.objects().for_each(|namespace| self.engine.add_object(namespace));
    }

    /// Where the namespaces come from.
    pub const fn place(&self) -> &'static str {
        match self.origin {
            Origin::Input => "input",
            Origin::Cluster => "cluster",
        }
    }
}
