//! Which kinds the API server serves, and how people call them.

use std::collections::HashSet;

use anyhow::Context as _;
use kube::client::APIGroupDiscovery;
use kube::core::{ApiResource, GroupVersionKind};

use super::Connection;

/// All that the API server serves: the core group first, then the others in its order of preference, as kubectl looks.
pub struct Discovery(Vec<APIGroupDiscovery>);

/// A kind that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// Where its objects are.
    pub resource: ApiResource,
    /// Whether these stand in namespaces.
    pub namespaced: bool,
}

/// A resource of a version of a group, with all its names.
struct Entry<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
    plural: &'a str,
    singular: &'a str,
    short: &'a [String],
    verbs: &'a [String],
    namespaced: bool,
}

impl Entry<'_> {
    /// Whether somebody means it: by kind, plural, singular or short name, alone, with the group, or with version and group.
    fn is_called(&self, text: &str) -> bool {
        let (name, rest) = text.split_once('.').map_or((text, None), |(name, rest)| (name, Some(rest)));
        let of_place = match rest {
            None => true,
            Some(rest) => {
                rest == self.group
                    || rest.split_once('.').is_some_and(|(version, group)| {
                        version == self.version && group.trim_end_matches('.') == self.group
                    })
            }
        };
        let names = [self.kind, self.plural, self.singular];
        let mut names = names.into_iter().chain(self.short.iter().map(String::as_str));
        of_place && names.any(|it| !it.is_empty() && it.eq_ignore_ascii_case(name))
    }

    fn served(&self) -> Served {
        let named = GroupVersionKind::gvk(self.group, self.version, self.kind);
        let resource = ApiResource { plural: self.plural.to_owned(), ..ApiResource::from_gvk(&named) };
        Served { resource, namespaced: self.namespaced }
    }
}

impl Discovery {
    /// Asks for all kinds: two requests, which everybody who is known to the API server may make.
    ///
    /// # Errors
    /// The API server does not answer.
    pub async fn of(connection: &Connection) -> anyhow::Result<Self> {
        let client = &connection.client;
        let both = futures::try_join!(
            client.list_core_api_versions_aggregated(),
            client.list_api_groups_aggregated()
        );
        let (core, others) = both.context("cannot read which kinds the API server serves")?;
        Ok(Self(core.items.into_iter().chain(others.items).collect()))
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.0.iter().flat_map(|group| {
            let name = group.metadata.as_ref().and_then(|it| it.name.as_deref()).unwrap_or_default();
            group.versions.iter().flat_map(move |version| {
                version.resources.iter().map(move |resource| Entry {
                    group: name,
                    version: version.version.as_deref().unwrap_or_default(),
                    kind: resource
                        .response_kind
                        .as_ref()
                        .and_then(|kind| kind.kind.as_deref())
                        .unwrap_or_default(),
                    plural: resource.resource.as_deref().unwrap_or_default(),
                    singular: resource.singular_resource.as_deref().unwrap_or_default(),
                    short: &resource.short_names,
                    verbs: &resource.verbs,
                    namespaced: resource.scope.as_deref() == Some("Namespaced"),
                })
            })
        })
    }

    /// The kind that somebody means, in any form that kubectl takes: `deploy`, `deployments`, `Deployment`,
    /// `deployments.apps`, `deployments.v1.apps`.
    pub fn called(&self, text: &str) -> Option<Served> {
        self.entries().find(|entry| entry.is_called(text)).map(|entry| entry.served())
    }

    /// A kind of a group, in the version that the API server prefers.
    pub fn kind(&self, group: &str, kind: &str) -> Option<Served> {
        self.entries().find(|entry| entry.group == group && entry.kind == kind).map(|entry| entry.served())
    }

    /// All kinds whose objects can be listed, each in the version that the API server prefers.
    pub fn listable(&self) -> Vec<Served> {
        let mut known = HashSet::new();
        let can = self.entries().filter(|entry| entry.verbs.iter().any(|verb| verb == "list"));
        can.filter(|entry| known.insert((entry.group, entry.kind))).map(|entry| entry.served()).collect()
    }

    /// All kinds with their groups, and whether their objects stand in namespaces.
    pub fn scopes(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        self.entries().map(|entry| (entry.group, entry.kind, entry.namespaced))
    }
}

#[cfg(test)]
mod tests {
    use super::Discovery;
    use serde_json::json;

    fn discovery() -> Discovery {
        let resource = |plural: &str, singular: &str, kind: &str, short: &[&str], scope: &str| {
            json!({
                "resource": plural, "singularResource": singular, "responseKind": {"kind": kind}, "shortNames": short,
                "scope": scope, "verbs": if kind == "Review" { json!(["create"]) } else { json!(["get", "list"]) },
            })
        };
        let group = |name: &str, version: &str, resources: serde_json::Value| json!({"metadata": {"name": name}, "versions": [{"version": version, "resources": resources}]});
        let pods = resource("pods", "pod", "Pod", &["po"], "Namespaced");
        let namespaces = resource("namespaces", "namespace", "Namespace", &["ns"], "Cluster");
        let events = || resource("events", "event", "Event", &["ev"], "Namespaced");
        let groups = json!([
            group("", "v1", json!([pods, namespaces, events()])),
            group(
                "apps",
                "v1",
                json!([resource("deployments", "deployment", "Deployment", &["deploy"], "Namespaced")])
            ),
            group("events.k8s.io", "v1", json!([events()])),
            group("events.k8s.io", "v1beta1", json!([events()])),
            group("reviews.example.com", "v1", json!([resource("reviews", "", "Review", &[], "Cluster")])),
            group("example.com", "v1beta1", json!([resource("widgets", "", "Widget", &[], "Namespaced")])),
        ]);
        Discovery(serde_json::from_value(groups).unwrap())
    }

    #[test]
    fn kinds_are_called_as_for_kubectl() {
        let discovery = discovery();
        for (text, expected) in [
            ("po", Some("v1 Pod true")),
            ("pods", Some("v1 Pod true")),
            ("Pod", Some("v1 Pod true")),
            ("NS", Some("v1 Namespace false")),
            ("deploy", Some("apps/v1 Deployment true")),
            ("deployments.apps", Some("apps/v1 Deployment true")),
            ("Deployment.v1.apps", Some("apps/v1 Deployment true")),
            ("deployments.v1beta1.apps", None),
            ("deployments.batch", None),
            ("pods.v1.", Some("v1 Pod true")),
            ("ev", Some("v1 Event true")),
            ("events.events.k8s.io", Some("events.k8s.io/v1 Event true")),
            ("widget", Some("example.com/v1beta1 Widget true")),
            ("", None),
            ("nothing", None),
        ] {
            let said = discovery.called(text).map(|served| {
                format!("{} {} {}", served.resource.api_version, served.resource.kind, served.namespaced)
            });
            assert_eq!(said.as_deref(), expected, "{text}");
        }
        let plural = |group: &str, kind: &str| discovery.kind(group, kind).map(|it| it.resource.plural);
        assert_eq!(plural("example.com", "Widget").as_deref(), Some("widgets"));
        assert_eq!(plural("apps", "Widget"), None);
        let listable: Vec<_> = discovery.listable().into_iter().map(|it| it.resource.kind).collect();
        assert_eq!(listable, ["Pod", "Namespace", "Event", "Deployment", "Event", "Widget"]);
    }
}
