//! The kinds that have something of ours, in the order in which it is deleted.

use gatewright_api::PolicyKind;
use gatewright_gatekeeper::{
    PROVIDER_GROUP, PROVIDER_VERSION, SYNC_SET_GROUP, SYNC_SET_VERSION, TEMPLATE_GROUP, TEMPLATE_VERSION,
    WEBHOOK_CONFIGURATION,
};
use gatewright_operator::{REPORT, VERIFIER_SECRET, report_resources};
use gatewright_rules::verify_image_signatures::PROVIDER;
use gatewright_rules::{Owner, Template};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::{ApiResource, GroupVersionKind};

use crate::cluster;

/// How objects of a kind are recognised as ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// By our label.
    Label,
    /// By the name.
    Names(Vec<String>),
    /// All objects of the kind are the users' policies, or the state of the system.
    Kind,
}

/// A kind.
#[derive(Clone, Debug)]
pub struct Kind {
    /// What its objects are, one and many.
    pub words: (&'static str, &'static str),
    /// Where they live.
    pub resource: ApiResource,
    /// Whether they stand in namespaces.
    pub namespaced: bool,
    /// Whether they are looked for in the operator's namespace alone.
    pub of_operator: bool,
    /// The one name that is looked at, if it is one.
    pub name: Option<&'static str>,
    /// How ours are recognised.
    pub mark: Mark,
    /// Whether they are kept unless policies are to be deleted, too.
    pub policies: bool,
}

impl Kind {
    fn new(words: (&'static str, &'static str), resource: ApiResource) -> Self {
        let (namespaced, of_operator, policies) = (false, false, false);
        Self { words, resource, namespaced, of_operator, name: None, mark: Mark::Label, policies }
    }

    fn of(words: (&'static str, &'static str), group: &str, version: &str, kind: &str) -> Self {
        Self::new(words, ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)))
    }
}

/// All kinds, in the order in which their objects are deleted: first what makes the API server ask Gatekeeper, last what
/// holds the policies.
pub fn kinds() -> Vec<Kind> {
    let webhooks = Kind {
        name: Some(WEBHOOK_CONFIGURATION),
        ..Kind::new(
            ("webhook configuration", "webhook configurations"),
            ApiResource::erase::<ValidatingWebhookConfiguration>(&()),
        )
    };
    let constraints = Template::ALL.iter().rev().map(|template| constraints(*template));
    let sync_sets = Kind::of(("SyncSet", "SyncSets"), SYNC_SET_GROUP, SYNC_SET_VERSION, "SyncSet");
    let providers = Kind {
        name: Some(PROVIDER),
        ..Kind::of(("Provider", "Providers"), PROVIDER_GROUP, PROVIDER_VERSION, "Provider")
    };
    let templates =
        Kind::of(("template", "templates"), TEMPLATE_GROUP, TEMPLATE_VERSION, "ConstraintTemplate");
    let reports = report_resources().into_iter().map(|(resource, namespaced)| Kind {
        namespaced,
        name: Some(REPORT),
        ..Kind::new(("report", "reports"), resource)
    });
    [webhooks]
        .into_iter()
        .chain(constraints)
        .chain([sync_sets, providers, templates, secrets()])
        .chain(reports)
        .chain([status()])
        .chain(policies())
        .chain([crds()])
        .collect()
}

/// The verifier's certificate. Nobody should have to show this command the Secrets of other namespaces.
fn secrets() -> Kind {
    let kind = Kind::new(("Secret", "Secrets"), ApiResource::erase::<Secret>(&()));
    Kind { namespaced: true, of_operator: true, name: Some(VERIFIER_SECRET), ..kind }
}

fn constraints(template: Template) -> Kind {
    let words = match template.owner() {
        Owner::Standards => ("constraint of the standards", "constraints of the standards"),
        Owner::ExecGuard => ("constraint of the exec guard", "constraints of the exec guard"),
        Owner::Signatures => ("constraint of image signatures", "constraints of image signatures"),
        Owner::Policy(_) => ("constraint of policies", "constraints of policies"),
    };
    Kind::new(words, cluster::constraints(template.kind()))
}

/// The CRDs of ours.
fn own_crds() -> Vec<CustomResourceDefinition> {
    gatewright_api::crds()
}

fn of_crd(crd: &CustomResourceDefinition, words: (&'static str, &'static str)) -> Kind {
    let version = crd.spec.versions.first().map_or("", |version| version.name.as_str());
    let kind = Kind::of(words, &crd.spec.group, version, &crd.spec.names.kind);
    let plural = crd.spec.names.plural.clone();
    Kind { resource: ApiResource { plural, ..kind.resource }, mark: Mark::Kind, ..kind }
}

fn status() -> Kind {
    let crds = own_crds();
    let crd = crds.iter().find(|crd| crd.spec.names.kind.parse::<PolicyKind>().is_err());
    of_crd(crd.unwrap_or(&crds[0]), ("state of the system", "states of the system"))
}

fn policies() -> Vec<Kind> {
    let of = |crd: &CustomResourceDefinition| {
        let words = match crd.spec.names.kind.parse().ok()? {
            PolicyKind::SecurityPolicy => ("SecurityPolicy", "SecurityPolicies"),
            PolicyKind::OperationPolicy => ("OperationPolicy", "OperationPolicies"),
        };
        Some(Kind { policies: true, ..of_crd(crd, words) })
    };
    own_crds().iter().filter_map(of).collect()
}

fn crds() -> Kind {
    let names = own_crds().into_iter().filter_map(|crd| crd.metadata.name).collect();
    let resource = ApiResource::erase::<CustomResourceDefinition>(&());
    Kind { mark: Mark::Names(names), policies: true, ..Kind::new(("CRD", "CRDs"), resource) }
}

#[cfg(test)]
mod tests {
    use super::kinds;

    #[test]
    fn the_order_opens_no_trap() {
        let order: Vec<_> = kinds().into_iter().map(|kind| kind.resource.plural).collect();
        let at = |plural: &str| order.iter().position(|it| it == plural).unwrap();
        assert_eq!(at("validatingwebhookconfigurations"), 0);
        for (first, then) in [
            ("d8denyexecheritage", "syncsets"),
            ("d8securitypolicy", "constrainttemplates"),
            ("d8podsecuritystandard", "constrainttemplates"),
            ("securitypolicies", "customresourcedefinitions"),
            ("constrainttemplates", "gatewrightstatuses"),
            // Without a Provider its constraints would refuse everything that they cover.
            ("d8verifyimagesignatures", "providers"),
            ("providers", "constrainttemplates"),
            ("constrainttemplates", "secrets"),
        ] {
            assert!(at(first) < at(then), "{first} {then}");
        }
        assert_eq!(order.len(), 18, "{order:?}");
        assert_eq!(at("customresourcedefinitions"), order.len() - 1);
    }
}
