//! The kinds of reports.

use kube::core::{ApiResource, GroupVersionKind};

/// A kind of report.
#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ReportKind {
    pub(crate) name: &'static str,
    plural: &'static str,
    group: &'static str,
    version: &'static str,
    /// Whether it is one of openreports.io.
    pub(crate) open: bool,
}

const fn open(name: &'static str, plural: &'static str) -> ReportKind {
    ReportKind { name, plural, group: "openreports.io", version: "v1alpha1", open: true }
}

const fn policy(name: &'static str, plural: &'static str) -> ReportKind {
    ReportKind { name, plural, group: "wgpolicyk8s.io", version: "v1alpha2", open: false }
}

/// Those for namespaces, in the order in which they are preferred: the group wgpolicyk8s.io is no longer worked on and
/// names openreports.io as what follows it.
pub(crate) static NAMESPACED: [ReportKind; 2] =
    [open("Report", "reports"), policy("PolicyReport", "policyreports")];

/// Those for what stands in no namespace, in the same order.
pub(crate) static CLUSTER: [ReportKind; 2] =
    [open("ClusterReport", "clusterreports"), policy("ClusterPolicyReport", "clusterpolicyreports")];

impl ReportKind {
    pub(crate) fn resource(&self) -> ApiResource {
        let kind = GroupVersionKind::gvk(self.group, self.version, self.name);
        ApiResource { plural: self.plural.to_owned(), ..ApiResource::from_gvk(&kind) }
    }

    /// The kind with its group, for people.
    pub(crate) fn with_group(&self) -> String {
        format!("{} of {}", self.name, self.group)
    }
}

/// The resources of all kinds of reports, each with whether its objects stand in namespaces.
#[must_use]
pub fn report_resources() -> Vec<(ApiResource, bool)> {
    let of = |kinds: &[ReportKind], namespaced| {
        kinds.iter().map(move |kind| (kind.resource(), namespaced)).collect()
    };
    let all: [Vec<_>; 2] = [of(&NAMESPACED, true), of(&CLUSTER, false)];
    all.concat()
}
