//! Cluster roles that `RoleBindings` refer to.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{Check, Fix, Guard, Rule, Subject, kinds};

/// The parameters of the rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// The `ClusterRoles` that a `RoleBinding` may refer to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_cluster_roles: Option<ClusterRoles>,
}

/// The entries of the policy, sorted by how they are compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ClusterRoles {
    /// The entries as written, for messages.
    pub entries: Vec<String>,
    /// Names, which must be equal.
    pub names: Vec<String>,
    /// Beginnings of names: what stands before a `*`.
    pub prefixes: Vec<String>,
}

impl<'a> FromIterator<&'a str> for ClusterRoles {
    fn from_iter<I: IntoIterator<Item = &'a str>>(entries: I) -> Self {
        let mut roles = Self::default();
        for entry in entries {
            roles.entries.push(entry.to_owned());
            match entry.strip_suffix('*') {
                Some(prefix) => roles.prefixes.push(prefix.to_owned()),
                None => roles.names.push(entry.to_owned()),
            }
        }
        roles
    }
}

/// The rule.
pub const RULE: Rule = Rule {
    name: "cluster-roles",
    module: include_str!("../../../../templates/security-policy/cluster-roles/rule.rego"),
    checks: &[Check {
        field: "allowedClusterRoles",
        guard: Guard::IsSet,
        findings: "bound",
        subject: Subject::Objects(&[kinds::ROLE_BINDING]),
        fix: Fix::none("only you know which rights are needed"),
    }],
};
