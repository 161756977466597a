//! Values that the tables about reports are made from.

use std::sync::Arc;

use gatewright_gatekeeper::Action;
use gatewright_gatekeeper::{Audit, AuditedViolation, Namespace};

use crate::names::REPORT as NAME;
use crate::watch::kind::{Id, Kind};
use crate::watch::observe::{Audited, Preferred, ReportKinds, ReportsSnapshot};
use crate::watch::report_kind::{CLUSTER, NAMESPACED, ReportKind};

/// The report of a namespace, or with an empty name that of the cluster.
pub(crate) fn id(kind: &'static ReportKind, namespace: &str) -> Id {
    Id { kind: Kind::Report(kind), namespace: namespace.to_owned(), name: NAME.to_owned() }
}

/// A policy that one object in each of these namespaces violates.
pub(crate) fn audited(namespaces: &[&str]) -> Audited {
    let violation = |namespace: &&str| AuditedViolation {
        group: "".into(),
        version: "v1".into(),
        kind: "Pod".into(),
        namespace: (*namespace).into(),
        name: "app".into(),
        message: "allowPrivileged: no".into(),
    };
    let listed: Vec<_> = namespaces.iter().map(violation).collect();
    let total = i64::try_from(listed.len()).unwrap();
    Audited {
        category: "SecurityPolicy",
        policy: "strict".to_owned(),
        action: Action::Deny,
        audit: Arc::new(Audit { total, listed, timestamp: "2026-01-01T00:00:05Z".into() }),
        hidden: None,
    }
}

/// Both groups of reports are served; something was found in each of these namespaces, of which the empty name is none.
pub(crate) fn snapshot(found: &[&str], namespaces: &[&str]) -> ReportsSnapshot {
    let namespace = |name: &&str| Arc::new(Namespace { name: (*name).to_owned(), ..Namespace::default() });
    ReportsSnapshot {
        kinds: ReportKinds {
            namespaced: Preferred::Kind(&NAMESPACED[0]),
            cluster: Preferred::Kind(&CLUSTER[0]),
            sources_known: true,
        },
        audited: vec![audited(found)],
        namespaces: namespaces.iter().map(namespace).collect(),
        known: NAMESPACED.iter().chain(&CLUSTER).collect(),
        ..ReportsSnapshot::default()
    }
}
