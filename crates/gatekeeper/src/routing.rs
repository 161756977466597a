//! Whether the API server asks Gatekeeper about the requests that a constraint is about.

use std::fmt;

use k8s_openapi::api::admissionregistration::v1::{
    RuleWithOperations, ValidatingWebhook, ValidatingWebhookConfiguration,
};
use serde_json::json;

use crate::Operation;
use crate::label_selector::LabelSelector;
use crate::matching::Namespace;
use crate::webhook::{WEBHOOK, WEBHOOK_CONFIGURATION};

/// The webhook entry of Gatekeeper that answers admission requests.
pub const VALIDATING_WEBHOOK: &str = "validation.gatekeeper.sh";

/// Upstream's label on its webhook configurations, with its value.
pub const SYSTEM_LABEL: (&str, &str) = ("gatekeeper.sh/system", "yes");

/// A kind of request: an operation on a resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource, with its subresource after a slash.
    pub resource: String,
    /// What is done with it.
    pub operation: Operation,
}

impl fmt::Display for Route {
    /// The resource with its group: `deployments.apps`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(f, "{}{dot}{}", self.resource, self.group)
    }
}

/// Where the objects of a request stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    Namespaced,
    Cluster,
}

/// How the API server asks Gatekeeper.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// The configurations that were found.
    pub configurations: Vec<String>,
    /// The wanted routes that no entry has.
    pub missing: Vec<Route>,
    /// Whether some entry lets requests through when Gatekeeper does not answer, which is upstream's default.
    pub fails_open: bool,
}

/// Looks for the wanted routes in the entries of upstream's configuration, of that name or found by its label, and in
/// those of our own.
pub fn routing<'a>(
    configurations: impl IntoIterator<Item = &'a ValidatingWebhookConfiguration>,
    name: Option<&str>,
    wanted: &[Route],
) -> Routing {
    let is_ours = |found: &ValidatingWebhookConfiguration| {
        found.metadata.name.as_deref() == Some(WEBHOOK_CONFIGURATION)
    };
    let configurations: Vec<_> =
        configurations.into_iter().filter(|found| is_gatekeepers(found, name) || is_ours(found)).collect();
    let entries: Vec<_> = configurations
        .iter()
        .flat_map(|configuration| configuration.webhooks.iter().flatten())
        .filter(|webhook| [VALIDATING_WEBHOOK, WEBHOOK].contains(&webhook.name.as_str()))
        .collect();
    Routing {
        configurations: configurations.iter().filter_map(|found| found.metadata.name.clone()).collect(),
        missing: wanted
            .iter()
            .filter(|route| !entries.iter().any(|entry| has(entry, route, Scope::Namespaced)))
            .cloned()
            .collect(),
        fails_open: entries.iter().any(|entry| entry.failure_policy.as_deref() == Some("Ignore")),
    }
}

/// Upstream's entry in its configuration, of that name or found by its label. Of several the first by name counts.
pub fn upstream<'a>(
    configurations: impl IntoIterator<Item = &'a ValidatingWebhookConfiguration>,
    name: Option<&str>,
) -> Option<&'a ValidatingWebhook> {
    let entry = |found: &'a ValidatingWebhookConfiguration| {
        found.webhooks.iter().flatten().find(|webhook| webhook.name == VALIDATING_WEBHOOK)
    };
    let gatekeepers = configurations.into_iter().filter(|found| is_gatekeepers(found, name));
    let mut entries: Vec<_> =
        gatekeepers.filter_map(|found| Some((&found.metadata.name, entry(found)?))).collect();
    entries.sort_by_key(|(name, _)| *name);
    entries.first().map(|(_, entry)| *entry)
}

/// Whether an entry has all of these requests, about objects in namespaces.
#[must_use]
pub fn routes_all(entry: &ValidatingWebhook, routes: &[Route]) -> bool {
    routes.iter().all(|route| has(entry, route, Scope::Namespaced))
}

/// Whether a request about an object in this namespace is refused while Gatekeeper does not answer: an entry of
/// upstream's configuration with the failure policy `Fail` has the request, and its selector the namespace. The entry's
/// match conditions are not looked at.
pub fn fails_closed<'a>(
    configurations: impl IntoIterator<Item = &'a ValidatingWebhookConfiguration>,
    name: Option<&str>,
    route: &Route,
    namespace: &Namespace,
) -> bool {
    let gatekeepers = configurations.into_iter().filter(|found| is_gatekeepers(found, name));
    let mut entries = gatekeepers.flat_map(|found| found.webhooks.iter().flatten());
    entries.any(|entry| {
        entry.failure_policy.as_deref() != Some("Ignore")
            && has(entry, route, Scope::Namespaced)
            && selects(entry, namespace)
    })
}

/// Whether the entry's selector has the namespace. One that cannot be read has all.
fn selects(entry: &ValidatingWebhook, namespace: &Namespace) -> bool {
    let selector = entry.namespace_selector.as_ref().map(|selector| LabelSelector::parse(&json!(selector)));
    !matches!(selector, Some(Ok(selector)) if !selector.matches(&namespace.labels))
}

fn is_gatekeepers(configuration: &ValidatingWebhookConfiguration, name: Option<&str>) -> bool {
    if name.is_some() {
        return configuration.metadata.name.as_deref() == name;
    }
    let (key, value) = SYSTEM_LABEL;
    let labels = configuration.metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.get(key).is_some_and(|found| found == value))
}

pub(crate) fn has(webhook: &ValidatingWebhook, route: &Route, scope: Scope) -> bool {
    webhook.rules.iter().flatten().any(|rule| rule_has(rule, route, scope))
}

fn rule_has(rule: &RuleWithOperations, route: &Route, scope: Scope) -> bool {
    let other_scope = match scope {
        Scope::Namespaced => "Cluster",
        Scope::Cluster => "Namespaced",
    };
    let any = |list: &Option<Vec<String>>, matches: &dyn Fn(&str) -> bool| {
        list.iter().flatten().any(|entry| matches(entry))
    };
    any(&rule.operations, &|operation| operation == "*" || operation == route.operation.name())
        && any(&rule.api_groups, &|group| group == "*" || group == route.group)
        && any(&rule.resources, &|resource| resource_matches(resource, &route.resource))
        && rule.scope.as_deref() != Some(other_scope)
}

/// `*` covers every resource but no subresource; `*/*` covers all; `pods/*` and `*/scale` what they say.
fn resource_matches(pattern: &str, resource: &str) -> bool {
    let (pattern_name, pattern_sub) = pattern.split_once('/').unwrap_or((pattern, ""));
    let (name, sub) = resource.split_once('/').unwrap_or((resource, ""));
    let subresource = pattern_sub == sub || pattern_sub == "*";
    (pattern_name == "*" || pattern_name == name) && subresource
}

#[cfg(test)]
mod tests {
    use super::{Operation, Route, fails_closed, resource_matches, routing, upstream};
    use crate::{IGNORE_LABEL, Namespace};
    use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
    use serde_json::json;

    fn configuration(resources: &[&str], operations: &[&str]) -> ValidatingWebhookConfiguration {
        serde_json::from_value(json!({
            "metadata": {"name": "gatekeeper", "labels": {"gatekeeper.sh/system": "yes"}},
            "webhooks": [{
                "name": "validation.gatekeeper.sh", "failurePolicy": "Ignore", "sideEffects": "None",
                "admissionReviewVersions": ["v1"], "clientConfig": {},
                "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": operations, "resources": resources}],
            }],
        }))
        .unwrap()
    }

    fn route(resource: &str, operation: Operation) -> Route {
        Route { group: String::new(), resource: resource.into(), operation }
    }

    #[test]
    fn stars_cover_what_the_api_server_lets_them_cover() {
        for (pattern, resource, covered) in [
            ("*", "pods", true),
            ("*", "pods/exec", false),
            ("*/*", "pods", true),
            ("*/*", "pods/exec", true),
            ("pods/*", "pods/exec", true),
            ("*/scale", "deployments/scale", true),
            ("*/scale", "pods/exec", false),
            ("pods", "deployments", false),
        ] {
            assert_eq!(resource_matches(pattern, resource), covered, "{pattern} {resource}");
        }
    }

    #[test]
    fn missing_routes_are_named_and_failing_open_is_reported() {
        let wanted = [route("pods", Operation::Create), route("pods/ephemeralcontainers", Operation::Update)];
        let found = routing(&[configuration(&["*"], &["CREATE", "UPDATE"])], None, &wanted);
        assert_eq!(found.missing, [route("pods/ephemeralcontainers", Operation::Update)]);
        assert!(found.fails_open);
        let found = routing(&[configuration(&["*", "pods/ephemeralcontainers"], &["UPDATE"])], None, &wanted);
        assert_eq!(found.missing, [route("pods", Operation::Create)]);
        assert_eq!(routing(&[], None, &wanted).missing, wanted);
    }

    #[test]
    fn only_failure_policy_fail_can_refuse_and_only_where_the_selector_reaches() {
        let operation = Operation::Update;
        let lease = Route { group: "coordination.k8s.io".into(), resource: "leases".into(), operation };
        let refused = |policy: Option<&str>, resources: &[&str], labels: &[(&str, &str)]| {
            let mut found = configuration(resources, &["CREATE", "UPDATE"]);
            let entry = &mut found.webhooks.as_mut().unwrap()[0];
            entry.failure_policy = policy.map(str::to_owned);
            let selector = json!({"matchExpressions": [{"key": IGNORE_LABEL, "operator": "DoesNotExist"}]});
            entry.namespace_selector = Some(serde_json::from_value(selector).unwrap());
            let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            fails_closed([&found], None, &lease, &Namespace { name: "gatewright-system".into(), labels })
        };
        for (policy, resources, labels, expected) in [
            (Some("Fail"), &["*"][..], &[][..], true),
            (None, &["*"], &[("team", "platform")], true),
            (Some("Fail"), &["*"], &[(IGNORE_LABEL, "lease")], false),
            (Some("Ignore"), &["*"], &[], false),
            (Some("Fail"), &["pods"], &[], false),
        ] {
            assert_eq!(refused(policy, resources, labels), expected, "{policy:?} {resources:?} {labels:?}");
        }
    }

    #[test]
    fn a_configuration_of_somebody_else_does_not_count() {
        let mut foreign = configuration(&["*"], &["*"]);
        foreign.metadata.labels = None;
        let wanted = [route("pods", Operation::Create)];
        assert_eq!(routing([&foreign], None, &wanted).missing.len(), 1);
        assert!(upstream([&foreign], None).is_none());
        // But for one that the settings name.
        assert_eq!(routing([&foreign], Some("gatekeeper"), &wanted).missing.len(), 0);
        assert!(upstream([&foreign], Some("gatekeeper")).is_some());
    }
}
