//! Disallowed tolerations.

use gatewright_api::TaintEffect;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{Change, Check, Fix, Guard, Rule, Subject, Volatile};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The taints that no Pod may tolerate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disallowed_tolerations: Option<Vec<Taints>>,
}

/// A set of taints: those with this key, value and effect. A missing part stands for any.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Taints {
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The value, which may be empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "TaintEffect")]
    pub effect: Option<TaintEffect>,
    /// The set as `kubectl taint` writes a taint, with `*` for any key; for messages.
    pub text: String,
}

impl Taints {
    /// The taints with these parts. No taint has an empty key: it stands for any, as in a toleration.
    #[must_use]
    pub fn new(key: Option<&str>, value: Option<&str>, effect: Option<TaintEffect>) -> Self {
        let key = key.filter(|key| !key.is_empty());
        let mut text = key.unwrap_or("*").to_owned();
        if let Some(value) = value {
            text.push('=');
            text.push_str(value);
        }
        if let Some(effect) = effect {
            text.push(':');
            text.push_str(effect.as_ref());
        }
        Self { key: key.map(str::to_owned), value: value.map(str::to_owned), effect, text }
    }
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "disallowed-tolerations",
    module: include_str!("../../../../templates/operation-policy/disallowed-tolerations/rule.rego"),
    checks: &[Check {
        field: "disallowedTolerations",
        guard: Guard::IsSet,
        findings: "found",
        subject: Subject::Pod(&[Volatile::Tolerations]),
        fix: Fix::change(Change::RemoveItem("tolerations"), "running on nodes with the taint"),
    }],
};

#[cfg(test)]
mod tests {
    use gatewright_api::TaintEffect::NoSchedule;

    use super::Taints;

    #[test]
    fn a_pattern_reads_as_a_taint() {
        for (key, value, effect, text) in [
            (None, None, None, "*"),
            (Some(""), None, Some(NoSchedule), "*:NoSchedule"),
            (Some("a"), None, None, "a"),
            (Some("a"), Some(""), None, "a="),
            (Some("a"), Some("b"), Some(NoSchedule), "a=b:NoSchedule"),
        ] {
            assert_eq!(Taints::new(key, value, effect).text, text);
        }
    }
}
