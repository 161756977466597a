//! What undoes a violation: which fields of the object change, and what may break by it.
//!
//! Every check and every control declares its fix, or why there is none. A fix is computed from the object and from what the
//! violation says. Whether it helps is not decided here: whoever shows it judges the changed object again.

mod change;
mod ids;
mod patch;
mod pod;
mod profiles;
mod said;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::pod_security_standard::controls::CONTROLS;
use crate::{Owner, Template};
pub use patch::{Edit, Op, Patching};

/// Where a field stands: the parts of its JSON pointer, unescaped.
pub type Place = Vec<String>;

/// What undoes the violations of a check or of a control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fix {
    /// A change of the object.
    Change {
        /// What changes.
        change: Change,
        /// What may work no more afterwards, as the object of "may break".
        may_break: &'static str,
    },
    /// Nothing that could be computed.
    None {
        /// Why, as a half sentence.
        because: &'static str,
    },
}

/// A change of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Removes the fields that the violation names, if they have one of these names.
    Remove(&'static [&'static str]),
    /// Removes the items of this list in which the fields stand.
    RemoveItem(&'static str),
    /// Sets the fields, which have this name.
    Set(&'static str, Literal),
    /// Sets the fields, which have one of these names, to the first value that is allowed.
    SetAllowed(&'static [&'static str]),
    /// Sets the field, which has this name, to the nearest number that is allowed.
    Clamp(&'static str),
    /// Forbids privilege escalation, and removes what the API server does not take beside that.
    ForbidEscalation,
    /// Keeps the token of the service account out of the Pod.
    WithoutToken,
    /// Adds no capability that is not allowed, and drops those that must be dropped.
    Capabilities(Capabilities),
    /// Sets the profile of the container runtime, or else the only one that is allowed; or none where only that is.
    AllowedProfile,
    /// Demands that the image does not run as root.
    NonRoot,
    /// Sets ids that are allowed.
    Ids,
}

/// A value of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A truth value.
    Bool(bool),
    /// A text.
    Text(&'static str),
}

/// Which capabilities may be added, and which must be dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capabilities {
    /// As the violation says.
    OfViolation,
    /// These may be added, by exactly these names, and `ALL` must be dropped.
    Only(&'static [&'static str]),
}

/// A violation, as far as a fix needs to know it.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The object as it is written: for the Pod of a controller, the controller.
    pub object: &'a Value,
    /// The fields that are at fault, in that object.
    pub places: &'a [Place],
    /// The details of the violation.
    pub details: &'a Value,
}

impl Fix {
    /// A change.
    #[must_use]
    pub const fn change(change: Change, may_break: &'static str) -> Self {
        Self::Change { change, may_break }
    }

    /// Removes the fields that the violation names, if they have one of these names.
    #[must_use]
    pub const fn remove(fields: &'static [&'static str], may_break: &'static str) -> Self {
        Self::change(Change::Remove(fields), may_break)
    }

    /// No change.
    #[must_use]
    pub const fn none(because: &'static str) -> Self {
        Self::None { because }
    }

    /// What is declared for a rule of a template: one entry for each check of the policy's field, or for each version of the
    /// control. Empty for rules that the template does not have.
    #[must_use]
    pub fn declared(template: Template, rule: &str) -> Vec<Self> {
        match template.owner() {
            Owner::Policy(_) => {
                let checks = template.checks().filter(|(_, check)| check.field == rule);
                checks.map(|(_, check)| check.fix).collect()
            }
            Owner::Standards => {
                CONTROLS.iter().filter(|control| control.name == rule).map(|control| control.fix).collect()
            }
            Owner::Signatures => vec![Self::none("the image must be signed")],
            Owner::ExecGuard => vec![Self::none("it is about who connects to a Pod")],
        }
    }
}

impl Change {
    /// The object with the change; none where the change does not fit what was found.
    #[must_use]
    pub fn of(self, found: &Found<'_>) -> Option<Patching> {
        let mut patching = Patching::new(found.object.clone());
        change::make(self, found, &mut patching)?;
        (!patching.edits().is_empty()).then_some(patching)
    }

    /// What may work no more after the change, as objects of "may break"; `declared` is what is true of most.
    #[must_use]
    pub fn may_break(self, found: &Found<'_>, declared: &'static str) -> Vec<&'static str> {
        said::may_break(self, found, declared)
    }

    /// Why there is no change, or why it does not help, where more is known than that.
    #[must_use]
    pub fn why_not(self, found: &Found<'_>) -> Option<&'static str> {
        said::why_not(self, found)
    }
}
