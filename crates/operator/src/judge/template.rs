//! The templates.

use gatewright_compiler::Settings;
use gatewright_rules::Template;

use crate::judge::builtin::Builtin;
use crate::judge::object::{bring, remove};
use crate::judge::plan::Plan;
use crate::watch::observe::TemplateSnapshot;

/// Whether a template is to be there: one that needs the verifier only while signatures are verified.
pub(crate) fn is_wanted(template: Template, settings: &Settings) -> bool {
    settings.signatures.is_enabled() || !template.needs_verifier()
}

/// Brings a template into the API, or takes it away. One of the same name that is not ours stays; the policies say so.
pub(crate) fn decide(snapshot: &TemplateSnapshot, builtin: &Builtin) -> Plan {
    let mut plan = Plan::default();
    if !snapshot.served {
        return plan;
    }
    if is_wanted(snapshot.which, &builtin.settings) {
        bring(builtin.template(snapshot.which), &snapshot.template, &mut plan);
    } else if !snapshot.in_use {
        remove(&snapshot.id, &snapshot.template, &mut plan);
    }
    plan
}

#[cfg(test)]
pub(crate) mod tests;
