//! What `report` says: the shape of its JSON.

use std::fmt;

use gatewright_gatekeeper::Action;
use schemars::JsonSchema;
use serde::Serialize;

use crate::cluster::Unseen;
use crate::foreign::Foreign;

/// What violates policies and standards, by who has to change it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// `Report`.
    pub kind: &'static str,
    /// The version of this document's shape.
    pub version: u32,
    /// What a row is about.
    pub by: By,
    /// The namespace that the report is limited to; none for all.
    pub namespace: Option<Foreign>,
    /// What Gatekeeper's audit said; none for a report about files.
    pub audit: Option<AuditRun>,
    /// The counts of all rows, those that are left out included.
    pub summary: Summary,
    /// The rows, the worst first.
    pub rows: Rows,
    /// What is left out because the report would become too large.
    pub omitted: Omitted,
    /// What this report does not know, as sentences.
    pub notes: Vec<Foreign>,
    /// What the user may not see.
    pub incomplete: Vec<Unseen>,
}

/// What a row is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The object that somebody has to change: the Deployment of a Pod
    #[default]
    Owner,
    /// A namespace
    Namespace,
    /// A policy or standard
    Policy,
}

/// What Gatekeeper's audit said of all constraints of ours.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditRun {
    /// When the oldest of the audits began, as RFC 3339.
    pub timestamp: Foreign,
    /// How many violations audit lists.
    pub listed: usize,
    /// How many violations audit found.
    pub total: usize,
    /// The policies of which audit found more than it lists.
    pub cut: Vec<Cut>,
    /// The policies and standards that audit has not looked at.
    pub not_audited: Vec<Subject>,
}

/// A policy of which audit found more than it lists.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Cut {
    /// The policy or standard.
    pub policy: Subject,
    /// How many violations are not listed.
    pub unlisted: usize,
}

/// A policy, a standard, or a constraint of others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct Subject {
    /// `SecurityPolicy`, `OperationPolicy`, `PodSecurityStandard`, or the kind of a constraint.
    pub kind: Foreign,
    /// The name, or the level of the standard.
    pub name: Foreign,
}

/// The counts of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// The owners that violate something.
    pub owners: usize,
    /// The violations that are refused.
    pub failed: usize,
    /// The violations that are let through: with a warning, or as a dry run.
    pub warned: usize,
    /// The namespaces with a violation.
    pub namespaces: usize,
    /// All namespaces that there are; none where they may not be seen.
    pub all_namespaces: Option<usize>,
}

/// The rows of a report; `by` says which.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Rows {
    /// By owner.
    Owner(Vec<OwnerRow>),
    /// By namespace.
    Namespace(Vec<NamespaceRow>),
    /// By policy.
    Policy(Vec<PolicyRow>),
}

/// What an object, and what it created, violates.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct OwnerRow {
    /// The namespace; empty for what stands in none.
    pub namespace: Foreign,
    /// The object.
    pub owner: Owner,
    /// How many violations are refused.
    pub fail: usize,
    /// How many violations are let through.
    pub warn: usize,
    /// When the first of them was found, as RFC 3339; none where nobody knows.
    pub since: Option<String>,
    /// What is violated, each reason once.
    pub violations: Vec<Reason>,
}

/// An object that others belong to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct Owner {
    /// The API group; empty for the core group.
    pub group: Foreign,
    /// The kind.
    pub kind: Foreign,
    /// The name.
    pub name: Foreign,
}

/// A reason for which an owner is in the report.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    /// The policy or standard.
    pub policy: Subject,
    /// `deny`, `warn` or `dryrun`.
    #[schemars(with = "String")]
    pub enforcement_action: Action,
    /// What is wrong. Of audit's results Gatekeeper cuts it to 256 bytes.
    pub message: Foreign,
    /// How many violations have this reason: that of the object itself, and those of its Pods.
    pub count: usize,
    /// When the first of them was found, as RFC 3339; none where nobody knows.
    pub since: Option<String>,
}

/// What is violated in a namespace.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct NamespaceRow {
    /// The namespace; empty for what stands in none.
    pub namespace: Foreign,
    /// How many owners violate something.
    pub owners: usize,
    /// How many violations are refused.
    pub fail: usize,
    /// How many violations are let through.
    pub warn: usize,
    /// The policies that are violated.
    pub policies: Vec<Subject>,
    /// When the first of them was found, as RFC 3339; none where nobody knows.
    pub since: Option<String>,
}

/// What violates a policy.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PolicyRow {
    /// The policy or standard.
    pub policy: Subject,
    /// In how many namespaces.
    pub namespaces: usize,
    /// How many owners violate it.
    pub owners: usize,
    /// How many violations are refused.
    pub fail: usize,
    /// How many violations are let through.
    pub warn: usize,
    /// When the first of them was found, as RFC 3339; none where nobody knows.
    pub since: Option<String>,
}

/// What is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Omitted {
    /// How many rows.
    pub rows: usize,
    /// How many violations of them are refused.
    pub fail: usize,
    /// How many violations of them are let through.
    pub warn: usize,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}
