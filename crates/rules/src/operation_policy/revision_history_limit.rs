//! Revision history limit.

use schemars::JsonSchema;
use serde::Serialize;

use crate::kinds::{DAEMON_SET, DEPLOYMENT, STATEFUL_SET};
use crate::{Change, Check, Fix, Guard, Rule, Subject};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The greatest number of old revisions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_revision_history_limit: Option<i32>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "revision-history-limit",
    module: include_str!("../../../../templates/operation-policy/revision-history-limit/rule.rego"),
    checks: &[Check {
        field: "maxRevisionHistoryLimit",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Objects(&[DAEMON_SET, DEPLOYMENT, STATEFUL_SET]),
        fix: Fix::change(Change::Clamp("revisionHistoryLimit"), "going back to older revisions"),
    }],
};
