//! Gatekeeper's own objects, and what their status means.
//!
//! The facts are those of Gatekeeper 3.23: which fields a template and a constraint have, how namespaces are
//! matched, and when a process can be said to enforce a constraint.

mod age;
mod audit;
mod constraint;
mod exemption;
mod finding;
mod glob;
mod label_selector;
mod matching;
mod process;
mod provider;
mod readiness;
mod routing;
mod source;
mod sync;
mod template;
mod user_constraint;
mod webhook;
mod words;

pub use age::{Age, OLDEST_MINOR, OPERATIONS, age};
pub use audit::{Audit, AuditedViolation, audit};
pub use constraint::{CONSTRAINT_GROUP, CONSTRAINT_VERSION, Constraint, ConstraintSpec, Match, MatchKinds};
pub use exemption::{Exemption, IGNORE_LABEL, exempt_by_flags, exempt_from_audit, exemptions};
pub use finding::Finding;
pub use glob::NamespaceGlob;
pub use label_selector::{LabelSelector, Labels, SelectorError};
pub use matching::{
    Candidate, MatchError, MatchField, Matcher, Namespace, Source, WhyNot, group_and_kind, labels,
};
pub use process::{
    PodStatus, PodStatusError, Process, WEBHOOK_OPERATION, expected_processes, image_version, pod_statuses,
};
pub use provider::{PROVIDER_GROUP, PROVIDER_TIMEOUT, PROVIDER_VERSION, Provider, ProviderSpec};
pub use readiness::{Subject, TemplateError, Verdict, judge, judge_provider, judge_template};
pub use routing::{
    Route, Routing, SYSTEM_LABEL, VALIDATING_WEBHOOK, fails_closed, routes_all, routing, upstream,
};
pub use source::TemplateSource;
pub use sync::{GroupVersionKind, SYNC_SET_GROUP, SYNC_SET_VERSION, SyncSet};
pub use template::{ConstraintTemplate, RegoSource, TEMPLATE_GROUP, TEMPLATE_VERSION};
pub use user_constraint::UserConstraint;
pub use webhook::{Demand, Plan, Resource, RoutingMode, WEBHOOK, WEBHOOK_CONFIGURATION, configuration};
pub use words::{Action, Operation};
