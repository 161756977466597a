//! What controllers must set although something may still fill it in on their Pods: the setting `podTemplates`.

use gatewright_rules::{Check, PodTemplates, Reach};
use serde_json::Value;

/// The fields of a policy that demand such things.
pub(crate) struct Waiting {
    fields: Vec<&'static str>,
    reach: Reach,
}

impl Waiting {
    pub(crate) fn of(checks: &[&'static Check], parameters: &Value, reach: Reach) -> Self {
        let waits = checks.iter().filter(|check| check.waits_for_pods(&parameters[check.field]));
        Self { fields: waits.map(|check| check.field).collect(), reach }
    }

    fn is(&self, setting: PodTemplates) -> bool {
        self.reach.controllers && self.reach.pod_templates == setting && !self.fields.is_empty()
    }

    /// Which fields are demanded of the Pods alone, as a sentence.
    pub(crate) fn note(&self) -> Option<String> {
        let verb = if self.fields.len() == 1 { "waits" } else { "wait" };
        self.is(PodTemplates::Lenient).then(|| {
            format!(
                "{} {verb} for the Pods of controllers: what a Pod template leaves out may still be filled in (setting \
                 podTemplates: Lenient)",
                self.fields.join(", ")
            )
        })
    }

    /// Tells the rules to demand them of controllers, too.
    pub(crate) fn demand(&self, mut parameters: Value) -> Value {
        if self.is(PodTemplates::Strict) {
            parameters["podTemplates"] = PodTemplates::Strict.as_ref().into();
        }
        parameters
    }
}
