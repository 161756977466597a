//! What an administrator should know about the routing of requests to Gatekeeper.

use std::fmt;

use crate::Operation;
use crate::routing::SYSTEM_LABEL;

/// Something that keeps requests from Gatekeeper, or sends it some that a template does not expect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Constraints would judge requests that their template was never written for.
    WokenByMistake {
        /// CONNECT or DELETE.
        operation: Operation,
        /// What is requested.
        resources: Vec<String>,
        /// Kind and name of the constraints.
        constraints: Vec<String>,
        /// Whether the requests are sent all the same.
        routed: bool,
    },
    /// Somebody wants requests that the settings do not let us route.
    Off {
        /// CONNECT or DELETE.
        operation: Operation,
        /// What is requested.
        resources: Vec<String>,
    },
    /// A template compares a resource with one that has its subresource in it.
    NeverTrue {
        /// The template's name.
        template: String,
    },
    /// A constraint wants to see deletions of a kind that the API server does not serve.
    UnknownKind {
        /// The kind.
        kind: String,
        /// Kind and name of the constraint.
        constraint: String,
    },
    /// Upstream's entry selects objects by labels, which the options of an exec cannot carry.
    ObjectSelector,
    /// There is no entry of upstream's to copy.
    NoUpstream,
}

impl Finding {
    /// A word for the finding, as conditions and events have one.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::WokenByMistake { .. } => "WokenByMistake",
            Self::Off { .. } => "RoutingOff",
            Self::NeverTrue { .. } => "NeverTrue",
            Self::UnknownKind { .. } => "UnknownKind",
            Self::ObjectSelector => "ObjectSelector",
            Self::NoUpstream => "NoUpstream",
        }
    }
}

/// The setting that says whether requests of an operation are routed. Only CONNECT and DELETE have one.
const fn setting(operation: Operation) -> &'static str {
    match operation {
        Operation::Delete => "routing.delete",
        Operation::Connect | Operation::Create | Operation::Update => "routing.connect",
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WokenByMistake { operation, resources, constraints, routed } => {
                let (resources, constraints) = (resources.join(", "), constraints.join(", "));
                let fix = format!(
                    "set operations in the templates of {constraints}, or limit match.kinds of these constraints"
                );
                if *routed {
                    write!(
                        f,
                        "{operation} of {resources} is sent to Gatekeeper, and {constraints} judge it though their \
                         templates never look at the operation; {fix}"
                    )
                } else {
                    write!(
                        f,
                        "{operation} of {resources} is not sent to Gatekeeper: it would wake {constraints}, whose \
                         templates never look at the operation; {fix}, or set {} to force",
                        setting(*operation)
                    )
                }
            }
            Self::Off { operation, resources } => write!(
                f,
                "{operation} of {} is not sent to Gatekeeper, because {} is off, though a constraint is written for it",
                resources.join(", "),
                setting(*operation)
            ),
            Self::NeverTrue { template } => write!(
                f,
                "the ConstraintTemplate {template} compares resource.resource with pods/exec or pods/attach, which is \
                 never true: test resource.resource == \"pods\" and requestSubResource == \"exec\""
            ),
            Self::UnknownKind { kind, constraint } => write!(
                f,
                "{constraint} is written for deletions of {kind}, a kind that the API server does not serve"
            ),
            Self::ObjectSelector => f.write_str(
                "Gatekeeper's webhook has an objectSelector, so the API server never asks it about exec and attach: \
                 their options carry no labels; remove the selector",
            ),
            Self::NoUpstream => {
                let (key, value) = SYSTEM_LABEL;
                write!(
                    f,
                    "there is no webhook configuration of Gatekeeper (label {key}={value}) to copy, so nothing is \
                     sent to Gatekeeper"
                )
            }
        }
    }
}
