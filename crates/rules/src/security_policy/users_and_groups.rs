//! Users and groups.

use gatewright_api::{IdRule, UserRule};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Change, Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The user ids that containers may run as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<Ids<UserRule>>,
    /// The group ids that containers may run as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<Ids<IdRule>>,
    /// The group ids that may own a Pod's volumes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fs_group: Option<Ids<IdRule>>,
    /// The supplemental group ids that Pods may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplemental_groups: Option<Ids<IdRule>>,
}

/// How ids are judged. An id that is set must lie in a range, whatever the rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ids<R> {
    /// The rule, which says what an unset id means.
    pub rule: R,
    /// The ranges.
    pub ranges: Vec<Range>,
}

/// A range of ids, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Range {
    /// The lowest id.
    pub min: i64,
    /// The highest id.
    pub max: i64,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "users-and-groups",
    module: include_str!("../../../../templates/security-policy/users-and-groups/rule.rego"),
    checks: &[
        Check {
            field: "runAsUser",
            guard: Guard::IsSet,
            findings: "user",
            subject: Subject::Pod(&[Volatile::EphemeralContainers]),
            fix: Fix::change(Change::Ids, "images that run as root, and files that belong to other users"),
        },
        Check {
            field: "runAsGroup",
            guard: Guard::IsSet,
            findings: "group",
            subject: Subject::Pod(&[Volatile::EphemeralContainers]),
            fix: Fix::change(Change::Ids, "access to files that belong to other groups"),
        },
        Check {
            field: "fsGroup",
            guard: Guard::IsSet,
            findings: "fs_group",
            subject: Subject::Pod(&[]),
            fix: Fix::change(Change::Ids, "access to files in volumes that belong to other groups"),
        },
        Check {
            field: "supplementalGroups",
            guard: Guard::IsSet,
            findings: "supplemental_groups",
            subject: Subject::Pod(&[]),
            fix: Fix::change(Change::Ids, "access to files that belong to other groups"),
        },
    ],
};
