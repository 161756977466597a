//! Image pull policy.

use gatewright_api::ImagePullPolicy;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Change, Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The pull policy that every image must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "ImagePullPolicy")]
    pub image_pull_policy: Option<ImagePullPolicy>,
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "image-pull-policy",
    module: include_str!("../../../../templates/operation-policy/image-pull-policy/rule.rego"),
    checks: &[Check {
        field: "imagePullPolicy",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Pod(&[Volatile::EphemeralContainers]),
        fix: Fix::change(
            Change::SetAllowed(&["imagePullPolicy", "pullPolicy"]),
            "starting where the registry, or the image on the node, is absent",
        ),
    }],
};
