//! What a rule tells the template, beside its Rego.

use crate::kinds::{self, Kind};

/// A rule: one Rego module, and the fields of the policy that it checks.
#[derive(Debug)]
pub struct Rule {
    /// The room's name: the folder under `templates/<template>/`, and with underscores the last part of the package.
    pub name: &'static str,
    /// The Rego of `rule.rego`.
    pub module: &'static str,
    /// The checks, one per field of the policy.
    pub checks: &'static [Check],
}

/// One field of the policy and what in the rule's module answers for it.
#[derive(Debug)]
pub struct Check {
    /// The field of the policy, which is also the constraint's parameter and the beginning of the message.
    pub field: &'static str,
    /// When the check is on.
    pub guard: Guard,
    /// The partial set of the module that holds the findings.
    pub findings: &'static str,
    /// What the check looks at.
    pub subject: Subject,
}

/// When a check is on. The test comes first in the generated entry and is indexed: a check that is off costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The parameter is `false`.
    IsFalse,
    /// The parameter is there.
    IsSet,
}

/// What a check looks at, and thereby which UPDATE it lets through.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// The pod spec of any workload kind, with these of its volatile fields.
    Pod(&'static [Volatile]),
}

/// Fields of a running Pod that change without touching what most rules judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::AsRefStr)]
#[strum(serialize_all = "camelCase")]
pub enum Volatile {
    /// Debug containers, added to a running Pod.
    EphemeralContainers,
    /// Resources, resized in place.
    Resources,
    /// Tolerations, to which some may be added.
    Tolerations,
}

impl Rule {
    /// The Rego package of the module: Gatekeeper wants libraries below `lib`.
    #[must_use]
    pub fn package(&self) -> String {
        format!("lib.rule.{}", self.identifier())
    }

    /// The last part of the package, by which the entry calls the module.
    #[must_use]
    pub fn identifier(&self) -> String {
        self.name.replace('-', "_")
    }
}

impl Guard {
    /// The test of the parameter, as a Rego expression.
    #[must_use]
    pub fn expression(self, field: &str) -> String {
        match self {
            Self::IsFalse => format!("input.parameters.{field} == false"),
            Self::IsSet => format!("input.parameters.{field}"),
        }
    }
}

impl Subject {
    /// The kinds that the check looks at. Without `controllers` it looks at Pods alone.
    #[must_use]
    pub fn kinds(self, controllers: bool) -> Vec<Kind> {
        match self {
            Self::Pod(_) if controllers => [&kinds::CONTROLLERS[..], &[kinds::POD]].concat(),
            Self::Pod(_) => vec![kinds::POD],
        }
    }
}
