//! Masking of `/proc`.

use gatewright_api::ProcMount;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The only value that a container may set.
    // An optional enum has no structural schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ProcMount")]
    pub allowed_proc_mount: Option<ProcMount>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "proc-mount",
    module: include_str!("../../../../templates/security-policy/proc-mount/rule.rego"),
    checks: &[Check {
        field: "allowedProcMount",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Pod(&[Volatile::EphemeralContainers]),
        fix: Fix::remove(
            &["procMount"],
            "access to the hidden parts of /proc, as for containers in containers",
        ),
    }],
};
