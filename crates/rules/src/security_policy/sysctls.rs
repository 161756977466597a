//! Sysctls.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Guard, Rule, Subject};

/// What the rule is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The only sysctls that Pods may set, safe ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_unsafe_sysctls: Option<Sysctls>,
    /// Sysctls that Pods must not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forbidden_sysctls: Option<Sysctls>,
}

/// The entries of the policy, sorted by how they are compared, with dots for slashes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Sysctls {
    /// The entries as written, for messages.
    pub entries: Vec<String>,
    /// Names that must be equal.
    pub names: Vec<String>,
    /// Beginnings of names.
    pub prefixes: Vec<String>,
}

impl<'a> FromIterator<&'a str> for Sysctls {
    fn from_iter<I: IntoIterator<Item = &'a str>>(entries: I) -> Self {
        let mut this = Self::default();
        for entry in entries {
            this.entries.push(entry.to_owned());
            let name = entry.replace('/', ".");
            match name.strip_suffix('*') {
                Some(prefix) => this.prefixes.push(prefix.to_owned()),
                None => this.names.push(name),
            }
        }
        this
    }
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "sysctls",
    module: include_str!("../../../../templates/security-policy/sysctls/rule.rego"),
    checks: &[
        Check {
            field: "allowedUnsafeSysctls",
            guard: Guard::IsSet,
            findings: "not_allowed",
            subject: Subject::Pod(&[]),
        },
        Check {
            field: "forbiddenSysctls",
            guard: Guard::IsSet,
            findings: "forbidden",
            subject: Subject::Pod(&[]),
        },
    ],
};
