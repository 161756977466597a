//! What is judged by comes from files, or from a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_compiler::Settings;
use gatewright_engine::ConstraintRef;

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
        let given =
            self.given.iter().flat_map(|given| &given.constraints).map(|constraint| (constraint, None));
        given.chain(self.owners.iter().map(|(constraint, owner)| (constraint, Some(owner)))).collect()
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
