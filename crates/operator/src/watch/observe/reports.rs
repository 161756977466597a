//! What the reports are decided from.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_api::PolicyKind;
use gatewright_gatekeeper::Action;
use gatewright_gatekeeper::{Audit, Matcher, Namespace};
use gatewright_rules::{Owner, Template};

use crate::watch::cache::Knowledge;
use crate::watch::kind::Id;
use crate::watch::published::ReportsOutcome;
use crate::watch::report_kind::ReportKind;
use crate::watch::reports::{Seen, Watched};
use crate::watch::world::World;

/// Which kinds of reports can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportKinds {
    /// That of namespaces.
    pub(crate) namespaced: Preferred,
    /// That of what stands in no namespace.
    pub(crate) cluster: Preferred,
    /// Whether everything is known that reports are made from.
    pub(crate) sources_known: bool,
}

/// The kind of report to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Preferred {
    /// The API server has not said yet what it serves.
    #[default]
    Unknown,
    /// It serves none, or not to us.
    None,
    /// The first that is served.
    Kind(&'static ReportKind),
}

/// What audit found for one of our constraints.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Audited {
    /// What the constraint is made from: `SecurityPolicy`, `OperationPolicy` or `PodSecurityStandard`.
    pub(crate) category: &'static str,
    /// The constraint's name, which is also what a refusal names: that of the policy.
    pub(crate) policy: String,
    /// What happens to a violation at admission.
    pub(crate) action: Action,
    pub(crate) audit: Arc<Audit>,
    /// Where there may be more violations than audit lists; none if it lists them all.
    pub(crate) hidden: Option<Arc<Matcher>>,
}

/// All reports, and what they are made from.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReportsSnapshot {
    pub(crate) kinds: ReportKinds,
    pub(crate) audited: Vec<Audited>,
    pub(crate) namespaces: Vec<Arc<Namespace>>,
    /// The kinds of which all reports are known.
    pub(crate) known: Vec<&'static ReportKind>,
    /// The reports of these kinds, whosever they are.
    pub(crate) seen: BTreeMap<Id, Seen>,
    pub(crate) published: Option<ReportsOutcome>,
}

/// The constraints whose violations are reported, and what they are made from.
fn sources() -> impl Iterator<Item = (Template, &'static str)> {
    let category = |template: &Template| match template.owner() {
        Owner::Policy(kind) => Some((*template, kind.name())),
        Owner::Standards => Some((*template, "PodSecurityStandard")),
        Owner::Signatures => Some((*template, PolicyKind::SecurityPolicy.name())),
        Owner::ExecGuard => None,
    };
    Template::ALL.iter().filter_map(category)
}

/// Whether all constraints of a template are known. Where signatures are not verified its kind is not served, and there are
/// none.
fn is_known(world: &World, template: Template) -> bool {
    let knowledge = world.constraints(template).knowledge();
    let is_off = template.needs_verifier() && !world.settings.signatures.is_enabled();
    knowledge == Knowledge::Complete || is_off && knowledge == Knowledge::Absent
}

impl ReportKinds {
    pub(crate) fn observe(world: &World) -> Self {
        let constraints = sources().all(|(template, _)| is_known(world, template));
        Self {
            namespaced: preferred(&world.reports.namespaced),
            cluster: preferred(&world.reports.cluster),
            sources_known: constraints && world.namespaces.cache.is_complete(),
        }
    }
}

fn preferred(watched: &[Watched]) -> Preferred {
    for one in watched {
        match one.cache.knowledge() {
            Knowledge::Unknown => return Preferred::Unknown,
            Knowledge::Complete => return Preferred::Kind(one.kind),
            Knowledge::Absent => {}
        }
    }
    Preferred::None
}

impl ReportsSnapshot {
    pub(crate) fn observe(world: &World) -> Self {
        let known: Vec<_> = world.reports.all().filter(|watched| watched.cache.is_complete()).collect();
        Self {
            kinds: ReportKinds::observe(world),
            audited: sources().flat_map(|source| audited(world, source)).collect(),
            namespaces: world.namespaces.cache.values(),
            seen: known.iter().flat_map(|watched| watched.seen()).collect(),
            known: known.into_iter().map(|watched| watched.kind).collect(),
            published: world.reports.outcome.get(),
        }
    }
}

fn audited(world: &World, (template, category): (Template, &'static str)) -> Vec<Audited> {
    let constraints = world.constraints(template);
    let of = |policy: String| {
        let live = constraints.get(&policy).filter(|live| live.ours)?;
        let audit = live.audit.clone()?;
        let hidden = (audit.truncated() > 0).then(|| live.matcher.clone().unwrap_or_default());
        Some(Audited { category, policy, action: live.action?, audit, hidden })
    };
    constraints.names().into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::ReportKinds;
    use crate::watch::fixtures::empty_world;
    use gatewright_rules::Template;

    /// Without the verifier the kind of signatures is not served, and reports on all else go on.
    // The client of the world needs a runtime.
    #[tokio::test]
    async fn reports_wait_for_signatures_only_while_these_are_verified() {
        let mut world = empty_world();
        assert!(ReportKinds::observe(&world).sources_known);
        world.constraints(Template::VerifyImageSignatures).absent();
        assert!(ReportKinds::observe(&world).sources_known);
        world.settings.signatures.enabled = Some(true);
        assert!(!ReportKinds::observe(&world).sources_known);
        world.settings.signatures.enabled = Some(false);
        world.constraints(Template::SecurityPolicy).absent();
        assert!(!ReportKinds::observe(&world).sources_known);
    }
}
