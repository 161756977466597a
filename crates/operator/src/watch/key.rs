//! What is looked at as a whole, and whom a change concerns.

use std::fmt;
use std::sync::Arc;

use gatewright_api::{OperationPolicy, SecurityPolicy};
use gatewright_compiler::Compile as _;
use gatewright_rules::deny_exec_heritage;

/// What is reconciled as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The template of this constraint kind.
    Template(&'static str),
    /// The constraint of this kind and name, and the policy that it is made from, whether they exist or not.
    Constraint(&'static str, String),
    /// The exec guard and our webhook configuration.
    Routing,
    /// The namespace of this name.
    Namespace(String),
    /// All namespaces.
    Namespaces,
    /// The state of everything that is no policy.
    System,
    /// All reports.
    Reports,
}

impl Key {
    /// What reconciles the key, as a word for the metrics.
    pub(crate) fn controller(&self) -> &'static str {
        match self {
            Self::Template(_) => "template",
            Self::Constraint(kind, _) => match Owner::of(kind) {
                Owner::SecurityPolicy => "securitypolicy",
                Owner::OperationPolicy => "operationpolicy",
                Owner::Standards => "standard",
                Owner::ExecGuard => "routing",
            },
            Self::Routing => "routing",
            Self::Namespace(_) | Self::Namespaces => "namespace",
            Self::System => "system",
            Self::Reports => "report",
        }
    }
}

/// What the constraints of a kind are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    SecurityPolicy,
    OperationPolicy,
    Standards,
    ExecGuard,
}

impl Owner {
    pub(crate) fn of(kind: &str) -> Self {
        if kind == SecurityPolicy::TEMPLATE.kind {
            Self::SecurityPolicy
        } else if kind == OperationPolicy::TEMPLATE.kind {
            Self::OperationPolicy
        } else if kind == deny_exec_heritage::TEMPLATE.kind {
            Self::ExecGuard
        } else {
            Self::Standards
        }
    }
}

/// Where a watch puts the key of what has changed. Whoever works on keys is connected behind it.
#[derive(Clone)]
pub(crate) struct Changes(Arc<dyn Fn(Key) + Send + Sync>);

impl Changes {
    pub(crate) fn new(receive: impl Fn(Key) + Send + Sync + 'static) -> Self {
        Self(Arc::new(receive))
    }

    pub(crate) fn send(&self, key: Key) {
        (self.0)(key);
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Changes")
    }
}
