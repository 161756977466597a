//! What the operator reports on a policy.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// What became of the policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// The generation of the policy that the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Valid, Applied, Enforced, and Ready, which is all three.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// How many constraints the policy has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constraints: Option<ConstraintCounts>,
    /// How many namespaces the policy reaches now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<i32>,
    /// What audit found; absent before its first run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violations: Option<Violations>,
    /// The same in the words of Deckhouse, for tools that read its columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deckhouse: Option<DeckhouseStatus>,
}

/// What Gatekeeper's audit found in violation of a policy. Gatekeeper lists only the first violations of a
/// constraint (20 unless its flag says otherwise); the rest is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Violations {
    /// All violations.
    pub total: i64,
    /// How many of them Gatekeeper does not list. What is said of namespaces and objects is said of the others.
    pub truncated: i64,
    /// All violations by what happens to them.
    pub by_enforcement: ByEnforcement,
    /// The namespaces with most of the listed violations, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top_namespaces: Vec<NamespaceCount>,
    /// Some of the listed violations, at most 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sample: Vec<ViolationSample>,
    /// When the audit run began that first found this.
    pub audit_timestamp: String,
}

/// Violations by what happens to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ByEnforcement {
    /// Would be refused if it came now.
    pub deny: i64,
    /// Would pass with a warning.
    pub warn: i64,
    /// Would pass.
    pub dryrun: i64,
}

/// A namespace and its violations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NamespaceCount {
    /// The namespace.
    pub namespace: String,
    /// How many listed violations it has.
    pub count: i64,
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ViolationSample {
    /// The kind of the object.
    pub kind: String,
    /// The namespace of the object; absent if it stands in none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The name of the object.
    pub name: String,
    /// The field of the policy that the object violates.
    pub rule: String,
    /// What is wrong, cut by Gatekeeper to 256 bytes.
    pub message: String,
}

/// What Deckhouse's own controller reports on its policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DeckhouseStatus {
    /// "True" if what was seen last is what is enforced, else "False".
    pub synced: String,
    /// What was seen last.
    pub observed: Checkpoint,
    /// What is applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processed: Option<Checkpoint>,
}

/// A state of a policy's spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Checkpoint {
    /// When the state was first seen, RFC 3339.
    pub last_timestamp: String,
    /// The SHA-256 of the spec as JSON with sorted keys.
    pub check_sum: String,
}

/// How many constraints of a policy are on which part of their way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConstraintCounts {
    /// What the policy compiles to.
    pub desired: i32,
    /// What is in the API exactly as desired.
    pub applied: i32,
    /// What every Gatekeeper process enforces.
    pub enforced: i32,
    /// A digest of what was last applied. After a restart it says whether the constraint of an invalid policy is still
    /// that of its last valid generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// The same for the constraint of the policy's image signatures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signatures_hash: Option<String>,
}

/// The type of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
pub enum ConditionType {
    /// The policy compiles.
    Valid,
    /// Every constraint is in the API exactly as desired.
    Applied,
    /// Every Gatekeeper process enforces every constraint, and the API server asks Gatekeeper.
    Enforced,
    /// All of the others.
    Ready,
}

/// Why a condition is as it is. `docs/status.md` says of each what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
pub enum Reason {
    /// No operator has looked at the policy yet: what the CRDs say of a new one.
    Pending,
    /// The policy compiles.
    Compiled,
    /// The policy does not compile; the message names the field.
    Invalid,
    /// The policy sets a field whose rule does not exist yet.
    Unsupported,
    /// The constraint is in the API as desired.
    Applied,
    /// The policy demands nothing that could be violated.
    NothingToEnforce,
    /// An object of the same kind and name that is not ours stands in the way.
    Conflict,
    /// Our object is being deleted, and finalizers of others hold it.
    BeingDeleted,
    /// The API server does not serve a kind of ours, or not to the operator.
    NotServed,
    /// Gatekeeper's kinds are not served yet, or it has not made the constraint's kind from our template.
    WaitingForGatekeeper,
    /// The API server refused a write; the message says why.
    ApplyFailed,
    /// The constraint of an invalid policy is not there.
    NotApplied,
    /// The constraint of an invalid policy's last valid generation was changed or deleted while no operator ran.
    Drifted,
    /// Every process enforces the constraint.
    Enforced,
    /// Some process does not enforce the constraint yet; the message names it.
    NotEnforcedBy,
    /// Gatekeeper could not compile our template.
    TemplateRejected,
    /// No webhook of Gatekeeper gets the requests that the policy is about.
    NotRouted,
    /// There is no Gatekeeper process that could enforce anything.
    NoGatekeeperProcess,
    /// Gatekeeper is older than what our templates need.
    TooOld,
    /// The installed CRD is older than the operator: the API server would drop fields of the policy.
    CrdOutdated,
    /// Of the system: Gatekeeper is there and answers.
    Found,
    /// Of the system: the API server serves the kinds of policies.
    Served,
    /// Of the system: Gatekeeper has taken in all of our templates.
    Installed,
    /// Of the system: the exec guard does not stand, because nothing needs it.
    NotNeeded,
    /// Of the system: Gatekeeper is asked about all that constraints are about.
    Routed,
    /// Of the system: audit's results are reported.
    Written,
    /// Of the system: a replica holds the Lease.
    Leading,
    /// The policy has entries of image signatures, and the settings switch these off.
    VerifierDisabled,
    /// No verifier answers the operator.
    VerifierUnreachable,
    /// Some verifier does not know the policy's keys yet.
    VerifierBehind,
    /// Of the system: what a verifier serves is not what Gatekeeper trusts, or its certificate ends soon.
    CertificateStale,
    /// Of the system: every verifier answers.
    Answering,
    /// Of the system: the settings file on disk is in force.
    InForce,
    /// Of the system: the settings file on disk is refused, and the settings before it stay in force.
    Broken,
    /// Valid, applied and enforced; of the system: all its conditions are True.
    Ready,
    /// The same, but no namespace that exists now is reached.
    NoNamespaces,
    /// The same, but the API server does not serve a kind that the policy names.
    UnknownKind,
}

impl Reason {
    /// The word in the condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl ConditionType {
    /// The word in the condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;
    use std::collections::BTreeSet;
    use strum::VariantArray as _;

    /// The words in the first cells of the tables of reasons.
    fn documented() -> BTreeSet<String> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/status.md");
        let text = std::fs::read_to_string(path).unwrap();
        let tables = text.split("\n\n").filter(|paragraph| paragraph.starts_with("| reason |"));
        let rows = tables.flat_map(|table| table.lines().skip(2));
        let cells = rows.filter_map(|row| row.split('|').nth(1));
        let words = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        words.map(str::to_owned).collect()
    }

    #[test]
    fn the_documentation_lists_exactly_the_reasons() {
        let reasons: BTreeSet<_> = Reason::VARIANTS.iter().map(|reason| reason.as_str().to_owned()).collect();
        assert_eq!(documented(), reasons);
    }
}
