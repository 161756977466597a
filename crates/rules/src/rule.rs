//! What a rule says the template, beside its Rego.

use gatewright_gatekeeper::{Operation, Route};
use serde_json::Value;
use strum::IntoEnumIterator as _;

use crate::fix::Fix;
use crate::kinds::{self, Kind};

/// A rule: one Rego module, and the fields of the policy that it checks.
#[derive(Debug)]
pub struct Rule {
    /// The room's name: the folder under `templates/<template>/`, and with underscores the last part of the package.
    pub name: &'static str,
    /// The Rego of `rule.rego`.
    pub module: &'static str,
    /// The checks, one per field of the policy.
    pub checks: &'static [Check],
}

/// One field of the policy and what in the rule's module answers for it.
#[derive(Debug)]
pub struct Check {
    /// The field of the policy, which is also the constraint's parameter and the beginning of the message.
    pub field: &'static str,
    /// When the check is on.
    pub guard: Guard,
    /// The partial set of the module that holds the findings.
    pub findings: &'static str,
    /// What the check looks at.
    pub subject: Subject,
    /// What undoes its violations, or why nothing does that could be computed.
    pub fix: Fix,
}

/// When a check is on. The test comes first in the generated entry and is indexed: a check that is off costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The parameter is `false`.
    IsFalse,
    /// The parameter is there, and not `false`.
    IsSet,
}

/// What a check looks at, and thereby which UPDATE it lets through.
#[derive(Clone, Copy, Debug)]
pub enum Subject {
    /// The pod spec of any workload kind, with these of its volatile fields.
    Pod(&'static [Volatile]),
    /// The pod spec of Pods, and of controllers only under [`PodTemplates::Strict`]: a defaulter may still fill in what
    /// is asked for.
    PodAlone(&'static [Volatile]),
    /// The pod spec of any workload kind, and more of the object. The module's rule `unchanged` holds for an UPDATE
    /// that leaves alone what is judged.
    PodAndMore(&'static [Volatile]),
    /// Objects of these kinds. The module's rule `unchanged` holds for an UPDATE that leaves alone what is judged.
    Objects(&'static [Kind]),
    /// Objects of the kinds that the parameter lists in `watchKinds` as `{group, kind}`, with `unchanged` as above.
    Watched,
}

/// Whether a controller must set what something may still fill in on its Pods.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
    strum::AsRefStr,
    strum::EnumString,
)]
#[strum(ascii_case_insensitive)]
pub enum PodTemplates {
    /// No: the Pods are judged when they are created.
    #[default]
    Lenient,
    /// Yes.
    Strict,
}

/// Which of its objects a check can reach under a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// Whether pod rules look at controllers, too.
    pub controllers: bool,
    /// What controllers must set.
    pub pod_templates: PodTemplates,
    /// Whether objects without labels are reached: not where a selector on labels picks the objects.
    pub unlabelled: bool,
}

/// Fields of a running Pod that change without touching what most rules judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::AsRefStr, strum::EnumIter)]
#[strum(serialize_all = "camelCase")]
pub enum Volatile {
    /// Debug containers, added to a running Pod.
    EphemeralContainers,
    /// Resources, resized in place.
    Resources,
    /// Tolerations, to which some may be added.
    Tolerations,
}

/// Every request for a subresource that some check looks at when an object changes.
#[must_use]
pub fn subresources() -> Vec<Route> {
    let volatile = Volatile::iter().filter_map(Volatile::route);
    let scales = [kinds::DEPLOYMENT_SCALE, kinds::STATEFUL_SET_SCALE];
    volatile.chain(scales.iter().flat_map(Kind::routes)).collect()
}

/// Checks that demand what a container or Pod may get from elsewhere: of an id with this rule, of the token always.
const FILLED: [&str; 4] = ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"];
const TOKEN: &str = "automountServiceAccountToken";

impl Check {
    /// Whether the check, with this parameter, demands something that a controller need not set under
    /// [`PodTemplates::Lenient`], because something may still fill it in on the Pod.
    #[must_use]
    pub fn waits_for_pods(&self, parameter: &Value) -> bool {
        let of_ids = || FILLED.contains(&self.field) && parameter["rule"] == "MustRunAs";
        matches!(self.subject, Subject::PodAlone(_)) || self.field == TOKEN || of_ids()
    }
}

impl Rule {
    /// The Rego package of the module: Gatekeeper wants libraries below `lib`.
    #[must_use]
    pub fn package(&self) -> String {
        format!("lib.rule.{}", self.identifier())
    }

    /// The last part of the package, by which the entry calls the module.
    #[must_use]
    pub fn identifier(&self) -> String {
        self.name.replace('-', "_")
    }
}

impl Guard {
    /// The test of the parameter, as a Rego expression.
    #[must_use]
    pub fn expression(self, field: &str) -> String {
        match self {
            Self::IsFalse => format!("input.parameters.{field} == false"),
            Self::IsSet => format!("input.parameters.{field}"),
        }
    }
}

impl Subject {
    /// The kinds that the check looks at, given its parameter.
    #[must_use]
    pub fn kinds(self, reach: Reach, parameter: &Value) -> Vec<Kind> {
        let strict = reach.pod_templates == PodTemplates::Strict;
        let mut kinds = match self {
            Self::Pod(_) | Self::PodAndMore(_) if reach.controllers => with_controllers(),
            Self::PodAlone(_) if reach.controllers && strict => with_controllers(),
            Self::Pod(_) | Self::PodAndMore(_) | Self::PodAlone(_) => vec![kinds::POD],
            Self::Objects(kinds) => kinds.to_vec(),
            Self::Watched => watched_kinds(parameter),
        };
        kinds.retain(|kind| reach.unlabelled || kind.has_labels());
        kinds
    }

    /// The requests that the API server must ask Gatekeeper about for the check to see everything.
    #[must_use]
    pub fn routes(self, reach: Reach, parameter: &Value) -> Vec<Route> {
        let subresources = match self {
            Self::Pod(looks_at) | Self::PodAndMore(looks_at) | Self::PodAlone(looks_at) => looks_at,
            Self::Objects(_) | Self::Watched => &[],
        };
        let kinds = self.kinds(reach, parameter);
        let objects = kinds.iter().flat_map(Kind::routes);
        objects.chain(subresources.iter().filter_map(|volatile| volatile.route())).collect()
    }
}

fn with_controllers() -> Vec<Kind> {
    [&kinds::CONTROLLERS[..], &[kinds::POD]].concat()
}

fn watched_kinds(parameter: &Value) -> Vec<Kind> {
    let kinds = parameter["watchKinds"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    kinds.iter().map(|watched| Kind::named(&text(&watched["group"]), &text(&watched["kind"]))).collect()
}

impl Volatile {
    /// The request by which the field of a running Pod changes, if it is another than an update of the Pod.
    fn route(self) -> Option<Route> {
        let resource = match self {
            Self::EphemeralContainers => "pods/ephemeralcontainers",
            Self::Resources => "pods/resize",
            Self::Tolerations => return None,
        };
        Some(Route { group: String::new(), resource: resource.to_owned(), operation: Operation::Update })
    }
}
