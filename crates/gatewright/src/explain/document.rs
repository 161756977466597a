//! What `explain` says: the shape of its JSON.

use gatewright_rules::fix::Edit;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::check::result::{ConstraintName, Judged, ObjectRef, Source, Verdict};
use crate::cluster::Unseen;
use crate::fix::Fix;
use crate::foreign::Foreign;
use crate::policies::PolicyRef;

/// Why an object gets its verdict.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explain {
    /// `Explain`.
    pub kind: &'static str,
    /// The version of this document's shape.
    pub version: u32,
    /// The object.
    pub object: ObjectRef,
    /// Where it stands; none for an object of the cluster.
    pub source: Option<Source>,
    /// What is done with it: `CREATE` or `UPDATE`.
    pub operation: String,
    /// What becomes of it: the worst that an applied policy says, of the object or of the Pods that it creates. `error`
    /// where nobody can say. Signatures that only a registry could tell of are not verified here and do not count.
    pub verdict: Verdict,
    /// Why the object cannot be judged at all: Gatekeeper fails to review it, or it is no request.
    pub not_judged: Option<Foreign>,
    /// Whether the object itself is let through and what it creates is refused.
    pub refused_later: bool,
    /// Policies, standards and constraints of others, first those that apply.
    pub policies: Vec<Row>,
    /// How many running Pods would be refused if they were made anew: the object itself, or Pods of the controller.
    pub not_coming_back: u64,
    /// What becomes of the object once all fixes are made; none where there are none.
    pub with_fixes: Option<WithFixes>,
    /// All fixes together, as a JSON patch (RFC 6902) of the object; none where there are none.
    pub patch: Option<Vec<Edit>>,
    /// What had to be assumed.
    pub assumed: Vec<Foreign>,
    /// What the user may not see.
    pub incomplete: Vec<Unseen>,
    /// The object with all fixes.
    #[serde(skip)]
    pub patched: Value,
}

/// What becomes of an object once all fixes are made: it was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WithFixes {
    /// The worst that is left.
    pub verdict: Verdict,
    /// How many violations are left that refuse it, or its Pods.
    pub denied: usize,
    /// How many are left that warn.
    pub warned: usize,
    /// How many are left that say nothing.
    pub dryrun: usize,
}

/// Why the objects of files get their verdicts.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ExplainList {
    /// `ExplainList`.
    pub kind: &'static str,
    /// The version of this document's shape.
    pub version: u32,
    /// One entry for each object, in the order of the files.
    pub items: Vec<Explain>,
}

/// A policy, a standard or a constraint of others, and what it has to do with the object.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The policy or standard; none for constraints of others. The name of a standard is `*` where none applies for a
    /// reason that all have.
    pub policy: Option<PolicyRef>,
    /// The constraint; none where the policy has none.
    pub constraint: Option<ConstraintName>,
    /// Whether it judges the object, or what the object creates.
    pub applies: bool,
    /// Why it does not apply, or what chose it; none where nothing is to be said.
    pub because: Option<Because>,
    /// What it says of the object; none where it does not apply. `error` where it cannot be judged here: `notJudged` says
    /// why.
    pub verdict: Option<Verdict>,
    /// Why it cannot be judged here.
    pub not_judged: Option<Foreign>,
    /// What is wrong.
    pub violations: Vec<Violation>,
    /// Whether Gatekeeper enforces it as it stands in the cluster; none without a cluster.
    pub enforced: Option<bool>,
    /// Why it is not enforced.
    pub not_enforced: Option<Foreign>,
}

/// A field of a policy or a constraint, and how it fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Because {
    /// The field below `spec.match`, or a word for what stands in no field: `systemNamespaces`, `operation`,
    /// `enforcementPoint`, `exemption`, `namespace label`, `constraint`.
    pub field: String,
    /// What it wants.
    pub wants: Foreign,
    /// What there is.
    pub has: Foreign,
    /// The same as a sentence.
    pub text: Foreign,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// `deny`, `warn` or `dryrun`.
    pub enforcement_action: Verdict,
    /// What is wrong.
    pub message: Foreign,
    /// The same as data.
    pub details: Value,
    /// Whether the object itself is at fault, or what it creates.
    pub judged: Judged,
    /// The line of the field in the file; none for an object of the cluster.
    pub line: Option<usize>,
    /// What undoes it, tried; none where there is nothing.
    pub fix: Option<Fix>,
    /// Why there is no fix; none where there is one.
    pub no_fix: Option<Foreign>,
    /// The same as people read it, with others that say the same of other containers; empty in those others.
    #[serde(skip)]
    pub text: String,
}
