//! What is judged by comes from files, or from a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_api::PolicyKind;
use gatewright_compiler::{Settings, template};
use gatewright_engine::ConstraintRef;
use gatewright_rules::verify_image_signatures::FIELD;
use gatewright_rules::{Owner, Template};
use serde_json::{Value, json};

use super::World;
use crate::check::collect::Collected;
use crate::check::namespaces::CommandLine;
use crate::input::{Document, InputError};
use crate::policies::PolicyRef;
use crate::sandbox::Pool;

/// What the standards' constraints are called.
pub const STANDARD: &str = "PodSecurityStandard";

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

    /// Whether the template of a kind of constraints looks at other objects. Ours do so only where somebody connects to a
    /// Pod.
    pub fn reads_others(&self, kind: &str) -> bool {
        Template::of_kind(kind).is_none() && self.engine.kind_reads_inventory(kind)
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

/// The policy or standard that a constraint was rendered from.
pub fn rendered_owner(constraint: &Value) -> Option<PolicyRef> {
    let (kind, name) = match Template::of_kind(constraint["kind"].as_str()?)?.owner() {
        Owner::Policy(kind) => (kind.to_string(), constraint.pointer("/metadata/labels")?.get(kind.label())?),
        Owner::Standards => (STANDARD.to_owned(), constraint.pointer("/spec/parameters/level")?),
        Owner::Signatures => {
            let kind = PolicyKind::SecurityPolicy;
            (kind.to_string(), constraint.pointer("/metadata/labels")?.get(kind.label())?)
        }
        Owner::ExecGuard => return None,
    };
    Some(PolicyRef { kind, name: name.as_str()?.into() })
}

/// Whether a policy has entries of signatures.
pub(super) fn demands_signatures(policy: &Document) -> bool {
    let entries = policy.value().pointer(&format!("/spec/policies/{FIELD}")).cloned();
    entries.is_some_and(|entries| entries.as_array().is_some_and(|entries| !entries.is_empty()))
}

/// Whether it is the template that asks the verifier, as `render` wrote it. In a sandbox nobody would answer it.
pub(super) fn own_asking(document: &Document) -> Option<Template> {
    let mut asking = Template::ALL.iter().copied().filter(|own| own.needs_verifier());
    asking.find(|own| {
        document.header.name == own.name() && document.value()["spec"] == json!(template(*own))["spec"]
    })
}
