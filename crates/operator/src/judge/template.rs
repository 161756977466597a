//! The templates.

use crate::judge::builtin::Builtin;
use crate::judge::object::bring;
use crate::judge::plan::Plan;
use crate::watch::observe::TemplateSnapshot;

/// Brings a template into the API. One of the same name that is not ours stays; the policies say so.
pub(crate) fn decide(snapshot: &TemplateSnapshot, builtin: &Builtin) -> Plan {
    let mut plan = Plan::default();
    if snapshot.served {
        bring(builtin.template(snapshot.which), &snapshot.template, &mut plan);
    }
    plan
}

#[cfg(test)]
pub(crate) mod tests;
