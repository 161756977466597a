//! Which requests we make the API server send Gatekeeper, beyond those of upstream's webhook configuration.
//!
//! Upstream's webhook gets neither CONNECT nor DELETE, for good reason: a template that does not say which operations
//! it judges would take the options of an exec for its object, and would keep the very objects it complains of from
//! being deleted. So we add single resources only, only while a constraint is written for them, and none that would
//! wake a constraint by mistake.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::admissionregistration::v1::{
    RuleWithOperations, ValidatingWebhook, ValidatingWebhookConfiguration,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use crate::Operation;
use crate::finding::Finding;
use crate::routing::{Route, Scope, has};
use crate::source::TemplateSource;
use crate::user_constraint::UserConstraint;

/// The name of our own webhook configuration.
pub const WEBHOOK_CONFIGURATION: &str = "gatewright-validating-webhook-configuration";

/// The name of its one entry, which people see in front of a refusal.
pub const WEBHOOK: &str = "validation.gatewright.io";

/// When requests of an operation are routed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::AsRefStr, strum::EnumIter, strum::EnumString)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum RoutingMode {
    /// While a constraint means the operation, and no other would be woken by mistake.
    #[default]
    Auto,
    /// While a constraint means the operation, whatever else it wakes.
    Force,
    /// Never.
    Off,
}

/// A resource that the API server serves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kind of its objects.
    pub kind: String,
    /// The resource, in the plural.
    pub resource: String,
    /// Whether its objects stand in namespaces.
    pub namespaced: bool,
}

/// What decides what is routed.
#[derive(Debug, Default)]
pub struct Demand<'a> {
    /// Whether the exec guard stands.
    pub guard: bool,
    /// The requests that our own constraints need. Of these only subresources are added: what upstream's
    /// configuration leaves out of whole resources, somebody left out on purpose.
    pub needed: &'a [Route],
    /// The templates of other people.
    pub templates: &'a [&'a TemplateSource],
    /// Their constraints.
    pub constraints: &'a [UserConstraint<'a>],
    /// The served resources of the kinds that these constraints name.
    pub resources: &'a [Resource],
    /// Upstream's entry, if there is one.
    pub upstream: Option<&'a ValidatingWebhook>,
    /// When CONNECT is routed.
    pub connect: RoutingMode,
    /// When DELETE is routed.
    pub delete: RoutingMode,
}

/// What should be routed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// The entry's requests. With none, there is no configuration.
    pub routes: Vec<Route>,
    /// What an administrator should know, each once.
    pub findings: Vec<Finding>,
}

/// A request that somebody wants routed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Request {
    route: Route,
    kind: String,
    namespaced: bool,
}

impl Demand<'_> {
    /// What should be routed, and what stands in the way.
    #[must_use]
    pub fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        plan.findings.extend(self.never_true());
        plan.findings.extend(self.unknown_kinds());
        let (connects, deletes) = (self.connects(), self.deletes());
        if !connects.is_empty() && self.upstream.is_some_and(selects_objects) {
            plan.findings.push(Finding::ObjectSelector);
        }
        self.add(&connects, Operation::Connect, self.connect, &mut plan);
        self.add(&deletes, Operation::Delete, self.delete, &mut plan);
        let subresources = self.needed.iter().filter(|route| route.resource.contains('/'));
        let missing = subresources.filter(|route| !self.is_routed(route, true)).cloned();
        plan.routes.extend(missing.collect::<BTreeSet<_>>());
        if self.upstream.is_none() && !plan.routes.is_empty() {
            plan.findings.push(Finding::NoUpstream);
            plan.routes.clear();
        }
        plan
    }

    /// Exec and attach, where somebody judges them.
    fn connects(&self) -> Vec<Request> {
        let requests = [("pods/attach", "PodAttachOptions"), ("pods/exec", "PodExecOptions")];
        let request = |(resource, kind): (&str, &str)| Request {
            route: Route {
                group: String::new(),
                resource: resource.to_owned(),
                operation: Operation::Connect,
            },
            kind: kind.to_owned(),
            namespaced: true,
        };
        let wanted = |request: &Request| {
            let mut meant = self.constraints.iter().filter(|one| one.template.means(Operation::Connect));
            self.guard || meant.any(|one| one.is_about("", &request.kind, true))
        };
        requests.into_iter().map(request).filter(wanted).collect()
    }

    /// Deletions of the kinds that a constraint names. A bare star would send every deletion in the cluster.
    fn deletes(&self) -> Vec<Request> {
        let named = |resource: &&Resource| {
            let mut meant = self.constraints.iter().filter(|one| one.template.means(Operation::Delete));
            meant.any(|one| {
                one.matches.names_kind(&resource.group, &resource.kind)
                    && one.is_about(&resource.group, &resource.kind, resource.namespaced)
            })
        };
        let request = |resource: &Resource| Request {
            route: Route {
                group: resource.group.clone(),
                resource: resource.resource.clone(),
                operation: Operation::Delete,
            },
            kind: resource.kind.clone(),
            namespaced: resource.namespaced,
        };
        let requests: BTreeSet<_> = self.resources.iter().filter(named).map(request).collect();
        requests.into_iter().collect()
    }

    /// Adds what upstream does not route and what wakes nobody by mistake.
    fn add(&self, requests: &[Request], operation: Operation, mode: RoutingMode, plan: &mut Plan) {
        let missing = requests.iter().filter(|request| !self.is_routed(&request.route, request.namespaced));
        let missing: Vec<_> = missing.collect();
        if mode == RoutingMode::Off {
            if !missing.is_empty() {
                plan.findings.push(Finding::Off { operation, resources: resources(&missing) });
            }
            return;
        }
        let (waking, quiet): (Vec<&Request>, Vec<&Request>) =
            missing.iter().partition(|request| self.woken_by(request).next().is_some());
        let routed = mode == RoutingMode::Force;
        let woken: BTreeSet<_> =
            waking.iter().flat_map(|request| self.woken_by(request)).map(UserConstraint::to_string).collect();
        if !woken.is_empty() {
            let constraints = woken.into_iter().collect();
            let resources = resources(&waking);
            plan.findings.push(Finding::WokenByMistake { operation, resources, constraints, routed });
        }
        let forced = waking.into_iter().filter(|_| routed);
        plan.routes.extend(quiet.into_iter().chain(forced).map(|request| request.route.clone()));
    }

    /// The constraints that would take the request for one of theirs.
    fn woken_by(&self, request: &Request) -> impl Iterator<Item = &UserConstraint<'_>> {
        let asleep = self.constraints.iter().filter(|one| one.template.is_woken_by_any());
        asleep.filter(|one| one.is_about(&request.route.group, &request.kind, request.namespaced))
    }

    fn is_routed(&self, route: &Route, namespaced: bool) -> bool {
        let scope = if namespaced { Scope::Namespaced } else { Scope::Cluster };
        self.upstream.is_some_and(|entry| has(entry, route, scope))
    }

    fn never_true(&self) -> impl Iterator<Item = Finding> {
        let wrong = self.templates.iter().filter(|template| template.compares_subresource());
        wrong.map(|template| Finding::NeverTrue { template: template.kind.to_lowercase() })
    }

    /// Kinds that a constraint wants to see deleted and that nobody serves, or no longer.
    fn unknown_kinds(&self) -> impl Iterator<Item = Finding> {
        let meant = self.constraints.iter().filter(|one| one.template.means(Operation::Delete));
        meant.flat_map(|one| {
            let known = |kind: &&str| self.resources.iter().any(|resource| resource.kind == **kind);
            one.matches
                .kinds_by_name()
                .filter(move |kind| !known(kind))
                .map(|kind| Finding::UnknownKind { kind: kind.to_owned(), constraint: one.to_string() })
        })
    }
}

fn resources(requests: &[&Request]) -> Vec<String> {
    requests.iter().map(|request| request.route.to_string()).collect()
}

/// Whether the entry is limited to objects with certain labels. The options of an exec can carry none.
fn selects_objects(entry: &ValidatingWebhook) -> bool {
    entry.object_selector.as_ref().is_some_and(|selector| *selector != LabelSelector::default())
}

/// The configuration that routes these requests: upstream's entry but for name and rules.
#[must_use]
pub fn configuration(
    upstream: &ValidatingWebhook,
    routes: &[Route],
    metadata: ObjectMeta,
) -> ValidatingWebhookConfiguration {
    let mut groups: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for route in routes {
        groups.entry((route.operation.name(), &route.group)).or_default().push(route.resource.clone());
    }
    let any = || Some(vec!["*".to_owned()]);
    let rules = groups.into_iter().map(|((operation, group), resources)| RuleWithOperations {
        api_groups: Some(vec![group.to_owned()]),
        api_versions: any(),
        operations: Some(vec![operation.to_owned()]),
        resources: Some(resources),
        scope: Some("*".to_owned()),
    });
    let entry =
        ValidatingWebhook { name: WEBHOOK.to_owned(), rules: Some(rules.collect()), ..upstream.clone() };
    let metadata = ObjectMeta { name: Some(WEBHOOK_CONFIGURATION.to_owned()), ..metadata };
    ValidatingWebhookConfiguration { metadata, webhooks: Some(vec![entry]) }
}
