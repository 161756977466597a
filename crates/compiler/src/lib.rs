//! Policies and settings in, Gatekeeper objects out. Pure: no client, no clock, no environment.
//!
//! A policy compiles to at most one constraint for its rules and one for signatures of images, or it is refused as a whole
//! with every problem named. Nothing is ever left out in silence.

#[macro_use]
mod table;

mod exec_guard;
mod namespaces;
mod operation;
mod pod_templates;
mod problem;
mod security;
mod settings;
mod signatures;
mod standards;
mod states;
#[cfg(test)]
mod tests;

pub use exec_guard::{EXEC_GUARD, SYNC_SET, builtin, exec_guard, sync_set};
pub use gatewright_gatekeeper::RoutingMode;
pub use gatewright_rules::PodTemplates;
pub use gatewright_rules::deny_exec_heritage::UnknownPods;
pub use namespaces::is_system_namespace;
pub use problem::{Invalid, Problem};
pub use settings::{
    ExecGuard, GuardMode, InvalidSettings, LogLevel, NotAVerifier, NotAVersion, OnUninstall, PodPolicy,
    Preset, RegistryEntry, Reports, Routing, Settings, SettingsProblem, Signatures as SignatureSettings,
    StandardVersion, Standards, VerifierUrl, settings_reference, settings_schema,
};
pub use signatures::{ENABLED as SIGNATURES_ENABLED, Signatures, provider};
pub use standards::{
    ACTION_LABEL, MeaninglessLabel, POLICY_LABEL, meaningless_labels, standards, standards_routes,
};

use std::collections::BTreeSet;
use std::fmt;

use gatewright_api::{Policy, SignatureRequirement, names};
use gatewright_gatekeeper::{Constraint, ConstraintSpec, ConstraintTemplate, Match, Route};
use gatewright_rules::kinds::{self, Kind};
use gatewright_rules::{Check, Reach, Template};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;
use pod_templates::Waiting;
use serde_json::Value;

/// What a policy compiles to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Compiled {
    /// The constraint; none if the policy demands nothing that could be violated.
    pub constraint: Option<Constraint>,
    /// What the policy demands of signatures of images; none if nothing.
    pub signatures: Option<Signatures>,
    /// The requests that the API server must ask Gatekeeper about for the constraint.
    pub routes: Vec<Route>,
    /// What people may expect of the policy and Gatekeeper cannot do, as sentences.
    pub notes: Vec<String>,
    /// The one of the notes that says which fields wait for the Pods of controllers.
    pub waits_for_pods: Option<String>,
    /// The kinds that the policy itself names. Whether they exist only an API server knows.
    pub named_kinds: Vec<NamedKind>,
}

/// A kind that a policy names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedKind {
    /// The path of the field that names it.
    pub field: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind.
    pub kind: String,
}

impl fmt::Display for NamedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.kind)
    }
}

/// A policy kind that compiles.
pub trait Compile: Policy {
    /// The template of its constraints.
    const TEMPLATE: Template;

    /// The parameters of the rules that can refuse something. Every field is named, so that a new one does not
    /// build until it is wired.
    fn parameters(&self, problems: &mut Vec<Problem>) -> Value;

    /// What people may expect of the fields and does not hold, as sentences.
    fn notes(&self) -> Vec<String> {
        vec![]
    }

    /// The template of the constraints of signatures, for a kind that has such.
    const SIGNATURES: Option<Template> = None;

    /// The images whose signatures must be verified.
    fn signatures(&self) -> &[SignatureRequirement] {
        &[]
    }

    /// Puts something as readable, or as unreadable, in the place of each credential: whoever keeps policies in memory needs
    /// no more.
    fn forget_credentials(&mut self) {}

    /// The kinds that the policy itself names.
    fn named_kinds(&self) -> Vec<NamedKind> {
        vec![]
    }
}

/// Compiles a policy.
///
/// # Errors
/// Every problem that keeps the policy from being enforced exactly as written.
pub fn compile<P: Compile>(policy: &P, settings: &Settings) -> Result<Compiled, Invalid> {
    let mut problems = problem::nulls(&policy.spec_json());
    problems.extend(problem::name(policy.meta()));
    let parameters = policy.parameters(&mut problems);
    let name = policy.meta().name.as_deref().unwrap_or_default();
    let entries = signatures::entries(name, policy.signatures(), settings, &mut problems);
    let matcher = namespaces::matcher(policy.matcher(), settings, &mut problems);
    Invalid::unless_empty(problems)?;

    let reach = Reach {
        controllers: settings.controller_validation,
        pod_templates: settings.pod_templates,
        unlabelled: matcher.label_selector.is_none(),
    };
    let mut compiled = rules(policy, &parameters, matcher.clone(), reach);
    compiled.notes.extend(policy.notes());
    if let Some(entries) = entries {
        compiled.notes.extend(entries.notes.iter().cloned());
        compiled.notes.extend(namespaces::reaches_kube_system(&matcher));
        compiled.signatures = Some(entries.signatures(policy, metadata(policy), matcher, reach));
    }
    Ok(compiled)
}

/// The constraint of the rules that can refuse something.
fn rules<P: Compile>(policy: &P, parameters: &Value, mut matcher: Match, reach: Reach) -> Compiled {
    let checks: Vec<_> = P::TEMPLATE
        .checks()
        .map(|(_, check)| check)
        .filter(|check| parameters.get(check.field).is_some())
        .collect();
    if checks.is_empty() {
        return Compiled::default();
    }
    let subjects = || checks.iter().map(|check| (check.subject, &parameters[check.field]));
    let looked_at: Vec<_> = subjects().flat_map(|(subject, it)| subject.kinds(reach, it)).collect();
    let routes: BTreeSet<_> = subjects().flat_map(|(subject, it)| subject.routes(reach, it)).collect();
    let mut notes: Vec<_> =
        checks.iter().filter_map(|check| out_of_reach(check, reach, parameters)).collect();
    let waiting = Waiting::of(&checks, parameters, reach);
    notes.extend(waiting.note());
    matcher.kinds = kinds::match_kinds(&looked_at);
    if looked_at.iter().any(Kind::is_cluster_scoped) {
        matcher.scope = "*";
    } else {
        notes.extend(only_in_namespaces(&looked_at));
    }
    let parameters = with_help(policy, waiting.demand(parameters.clone()));
    let spec = ConstraintSpec { enforcement_action: policy.action(), r#match: matcher, parameters };
    let constraint = Constraint::new(P::TEMPLATE.kind(), metadata(policy), spec);
    Compiled {
        constraint: Some(constraint),
        signatures: None,
        routes: routes.into_iter().collect(),
        notes,
        waits_for_pods: waiting.note(),
        named_kinds: policy.named_kinds(),
    }
}

/// The parameters of a constraint of the policy, with where the person refused can ask.
fn with_help(policy: &impl Policy, mut parameters: Value) -> Value {
    if let Some(url) = policy.help_url() {
        parameters["helpUrl"] = url.as_str().into();
    }
    parameters
}

/// A scale carries no labels: under a selector on labels either none is reached, or those of all objects.
fn out_of_reach(check: &Check, reach: Reach, parameters: &Value) -> Option<String> {
    let everything = Reach { unlabelled: true, ..reach };
    let kinds = |reach| check.subject.kinds(reach, &parameters[check.field]).len();
    (kinds(reach) < kinds(everything)).then(|| {
        format!(
            "{} does not judge scaling (kubectl scale, autoscalers): a Scale carries no labels, and \
             spec.match.labelSelector selects by labels",
            check.field
        )
    })
}

/// Of a custom kind only an API server knows whether it stands in namespaces.
fn only_in_namespaces(kinds: &[Kind]) -> Option<String> {
    let custom: BTreeSet<_> = kinds.iter().filter(|kind| kind.is_custom()).map(|kind| &*kind.kind).collect();
    let custom: Vec<_> = custom.into_iter().collect();
    (!custom.is_empty()).then(|| format!("{} is judged only where it is namespaced", custom.join(", ")))
}

/// The templates that every Gatekeeper compiles, as they should be in the cluster. The one that asks the verifier needs
/// external data.
#[must_use]
pub fn templates() -> Vec<ConstraintTemplate> {
    Template::ALL.iter().copied().filter(|it| !it.needs_verifier()).map(template).collect()
}

/// A template, as it should be in the cluster.
#[must_use]
pub fn template(template: Template) -> ConstraintTemplate {
    let mut object = template.definition().object();
    object.metadata.labels = builtin().labels;
    object
}

/// Named after the policy, owned by it, and marked as ours. A policy that was never stored has no uid: its
/// constraint is GitOps' business.
fn metadata<P: Policy>(policy: &P) -> ObjectMeta {
    let meta = policy.meta();
    let name = meta.name.clone().unwrap_or_default();
    let owner = meta.uid.clone().unwrap_or_else(|| names::RENDERED.to_owned());
    let labels = [(names::OWNER_LABEL.to_owned(), owner), (P::KIND.label().to_owned(), name.clone())];
    ObjectMeta {
        name: Some(name),
        labels: Some(labels.into()),
        owner_references: policy_owner(policy).map(|reference| vec![reference]),
        ..ObjectMeta::default()
    }
}

/// The policy as the owner of its constraint. It waits for nobody: `OpenShift` lets nobody set `blockOwnerDeletion` who
/// may not set finalizers of the owner.
#[must_use]
pub fn policy_owner<P: Resource<DynamicType = ()>>(policy: &P) -> Option<OwnerReference> {
    let reference = policy.controller_owner_ref(&())?;
    Some(OwnerReference { block_owner_deletion: Some(false), ..reference })
}
