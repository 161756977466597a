//! The kinds of objects that the operator writes, and their names.

use std::fmt;

use gatewright_gatekeeper::{
    CONSTRAINT_GROUP, CONSTRAINT_VERSION, PROVIDER_GROUP, PROVIDER_VERSION, SYNC_SET_GROUP, SYNC_SET_VERSION,
    TEMPLATE_GROUP, TEMPLATE_VERSION,
};
use gatewright_rules::Template;
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};

use crate::watch::report_kind::ReportKind;

/// A kind of objects that the operator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    Template,
    Constraint(Template),
    SyncSet,
    Provider,
    Webhooks,
    Report(&'static ReportKind),
}

impl Kind {
    /// The kind as objects have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Template => "ConstraintTemplate",
            Self::Constraint(template) => template.kind(),
            Self::SyncSet => "SyncSet",
            Self::Provider => "Provider",
            Self::Webhooks => "ValidatingWebhookConfiguration",
            Self::Report(kind) => kind.name,
        }
    }

    /// Where its objects live in the API.
    pub(crate) fn resource(self) -> ApiResource {
        let of = |group: &str, version: &str| {
            ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, self.as_str()))
        };
        match self {
            Self::Template => of(TEMPLATE_GROUP, TEMPLATE_VERSION),
            Self::Constraint(template) => constraint_resource(template.kind()),
            Self::SyncSet => of(SYNC_SET_GROUP, SYNC_SET_VERSION),
            Self::Provider => of(PROVIDER_GROUP, PROVIDER_VERSION),
            Self::Webhooks => ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
            Self::Report(kind) => kind.resource(),
        }
    }

    /// The field with the content of its objects. Of a report everything but the metadata is content.
    pub(crate) fn content(self) -> Option<&'static str> {
        match self {
            Self::Template | Self::Constraint(_) | Self::SyncSet | Self::Provider => Some("spec"),
            Self::Webhooks => Some("webhooks"),
            Self::Report(_) => None,
        }
    }
}

/// The plural of a constraint kind is the kind in lower case: Gatekeeper adds no s.
pub(crate) fn constraint_resource(kind: &str) -> ApiResource {
    let resource = GroupVersionKind::gvk(CONSTRAINT_GROUP, CONSTRAINT_VERSION, kind);
    ApiResource { plural: kind.to_lowercase(), ..ApiResource::from_gvk(&resource) }
}

/// Which object: its kind, its namespace (empty if it stands in none) and its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Id {
    /// An object that stands in no namespace.
    pub(crate) fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, namespace: String::new(), name: name.into() }
    }

    /// The name, behind the namespace if there is one.
    pub(crate) fn full_name(&self) -> String {
        let Self { namespace, name, .. } = self;
        if namespace.is_empty() { name.clone() } else { format!("{namespace}/{name}") }
    }

    /// Where the object lives.
    pub(crate) fn api(&self, client: &Client) -> Api<DynamicObject> {
        let resource = self.kind.resource();
        if self.namespace.is_empty() {
            return Api::all_with(client.clone(), &resource);
        }
        Api::namespaced_with(client.clone(), &self.namespace, &resource)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.full_name())
    }
}

#[cfg(test)]
mod tests {
    use super::{Id, Kind};
    use crate::watch::report_kind::{CLUSTER, NAMESPACED};
    use gatewright_rules::Template;
    use kube::Client;
    use std::convert::Infallible;

    #[tokio::test]
    async fn every_object_has_a_name_for_people_and_a_place_in_the_api() {
        let silent = tower::service_fn(|_: http::Request<kube::client::Body>| {
            std::future::pending::<Result<http::Response<kube::client::Body>, Infallible>>()
        });
        let client = Client::new(silent, "default");
        let within = |namespace: &str, id: Id| Id { namespace: namespace.to_owned(), ..id };
        for (id, name, path) in [
            (
                Id::new(Kind::Template, "a"),
                "ConstraintTemplate a",
                "/apis/templates.gatekeeper.sh/v1/constrainttemplates",
            ),
            (
                Id::new(Kind::Constraint(Template::SecurityPolicy), "a"),
                "D8SecurityPolicy a",
                "/apis/constraints.gatekeeper.sh/v1beta1/d8securitypolicy",
            ),
            (Id::new(Kind::SyncSet, "a"), "SyncSet a", "/apis/syncset.gatekeeper.sh/v1alpha1/syncsets"),
            (
                Id::new(Kind::Provider, "a"),
                "Provider a",
                "/apis/externaldata.gatekeeper.sh/v1beta1/providers",
            ),
            (
                Id::new(Kind::Webhooks, "a"),
                "ValidatingWebhookConfiguration a",
                "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
            ),
            (
                within("n", Id::new(Kind::Report(&NAMESPACED[1]), "a")),
                "PolicyReport n/a",
                "/apis/wgpolicyk8s.io/v1alpha2/namespaces/n/policyreports",
            ),
            (
                Id::new(Kind::Report(&CLUSTER[0]), "a"),
                "ClusterReport a",
                "/apis/openreports.io/v1alpha1/clusterreports",
            ),
        ] {
            assert_eq!((id.to_string().as_str(), id.api(&client).resource_url()), (name, path));
        }
    }
}
