//! What is looked at as a whole, and whom a change concerns.

use std::fmt;
use std::sync::Arc;

use gatewright_api::PolicyKind;
use gatewright_rules::{Owner, Template};

/// What is reconciled as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// This template.
    Template(Template),
    /// The constraint of this template and name, and the policy that it is made from, whether they exist or not.
    Constraint(Template, String),
    /// The exec guard and our webhook configuration.
    Routing,
    /// The verifier's certificate, and what Gatekeeper is told about the verifier.
    Verifier,
    /// The namespace of this name.
    Namespace(String),
    /// All namespaces.
    Namespaces,
    /// The state of the system.
    System,
    /// All reports.
    Reports,
}

impl Key {
    /// What reconciles the constraint of this template and name. A policy and all that is made from it are looked at
    /// together.
    pub(crate) fn of_constraint(template: Template, name: String) -> Self {
        match template.owner() {
            Owner::ExecGuard => Self::Routing,
            Owner::Signatures => Self::Constraint(Template::SecurityPolicy, name),
            Owner::Policy(_) | Owner::Standards => Self::Constraint(template, name),
        }
    }

    /// What reconciles the key, as a word for the metrics.
    pub(crate) fn controller(&self) -> &'static str {
        match self {
            Self::Template(_) => "template",
            Self::Constraint(template, _) => match template.owner() {
                Owner::Policy(kind) => kind.singular(),
                Owner::Standards => "standard",
                Owner::ExecGuard => "routing",
                Owner::Signatures => PolicyKind::SecurityPolicy.singular(),
            },
            Self::Routing => "routing",
            Self::Verifier => "verifier",
            Self::Namespace(_) | Self::Namespaces => "namespace",
            Self::System => "system",
            Self::Reports => "report",
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

#[cfg(test)]
mod tests {
    use super::{Changes, Key};
    use gatewright_rules::Template;
    use std::sync::{Arc, Mutex};

    #[test]
    fn each_key_counts_under_what_reconciles_it() {
        let constraint = |template| Key::Constraint(template, "a".to_owned());
        for (key, expected) in [
            (Key::Template(Template::SecurityPolicy), "template"),
            (constraint(Template::SecurityPolicy), "securitypolicy"),
            (constraint(Template::OperationPolicy), "operationpolicy"),
            (constraint(Template::PodSecurityStandard), "standard"),
            (constraint(Template::DenyExecHeritage), "routing"),
            (constraint(Template::VerifyImageSignatures), "securitypolicy"),
            (Key::Routing, "routing"),
            (Key::Verifier, "verifier"),
            (Key::Namespace("a".to_owned()), "namespace"),
            (Key::Namespaces, "namespace"),
            (Key::System, "system"),
            (Key::Reports, "report"),
        ] {
            assert_eq!(key.controller(), expected, "{key:?}");
        }
    }

    #[test]
    fn keys_go_where_somebody_is_connected() {
        let keys = Arc::<Mutex<Vec<Key>>>::default();
        let received = Arc::clone(&keys);
        let changes = Changes::new(move |key| received.lock().unwrap().push(key));
        changes.clone().send(Key::System);
        changes.send(Key::Routing);
        assert_eq!(*keys.lock().unwrap(), [Key::System, Key::Routing]);
    }
}
