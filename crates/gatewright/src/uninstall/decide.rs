//! What is to be deleted.

use gatewright_api::names::{OWNER_LABEL, is_owner};
use kube::core::{DynamicObject, PartialObjectMeta};

use super::kinds::{Kind, Mark};
use crate::cluster::object_name;

/// An object that was found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Object {
    /// Its kind.
    pub kind: String,
    /// Its namespace; empty where it stands in none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where its kind stands in the order of deletion.
    #[serde(skip)]
    pub at: usize,
    /// Which object it was.
    #[serde(skip)]
    pub uid: String,
    /// The value of our label.
    #[serde(skip)]
    pub owner: Option<String>,
}

impl Object {
    /// What the metadata says; the kind is the one at this place in the order.
    pub fn new(kinds: &[Kind], at: usize, metadata: &PartialObjectMeta<DynamicObject>) -> Self {
        let metadata = &metadata.metadata;
        Self {
            kind: kinds[at].resource.kind.clone(),
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            at,
            uid: metadata.uid.clone().unwrap_or_default(),
            owner: metadata.labels.as_ref().and_then(|labels| labels.get(OWNER_LABEL)).cloned(),
        }
    }

    /// As people name it.
    pub fn full_name(&self) -> String {
        object_name(&self.kind, &self.namespace, &self.name)
    }

    /// Whether it is ours.
    pub fn is_ours(&self, kind: &Kind) -> bool {
        match &kind.mark {
            Mark::Label => self.owner.as_deref().is_some_and(is_owner),
            Mark::Names(names) => names.contains(&self.name),
            Mark::Kind => true,
        }
    }
}

/// Why an object is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Because {
    /// It is a policy, or holds policies.
    Policies,
    /// It is somebody else's.
    NotOurs,
    /// It is a template, and somebody else's constraint would go with it.
    HasOthersConstraints,
}

/// An object that is kept.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Kept {
    #[serde(flatten)]
    pub object: Object,
    /// Why.
    pub because: Because,
}

/// What is to become of everything that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In the order in which it is deleted.
    pub delete: Vec<Object>,
    pub keep: Vec<Kept>,
}

/// Decides about each object. CRDs that are not ours by their name are of no interest.
pub fn decide(kinds: &[Kind], found: &[Object], policies: bool) -> Plan {
    let mut plan = Plan::default();
    for object in found {
        let kind = &kinds[object.at];
        let because = match object.is_ours(kind) {
            false if matches!(kind.mark, Mark::Names(_)) => continue,
            false => Some(Because::NotOurs),
            true if kind.policies && !policies => Some(Because::Policies),
            true if has_others_constraints(kinds, object, found) => Some(Because::HasOthersConstraints),
            true => None,
        };
        match because {
            Some(because) => plan.keep.push(Kept { object: object.clone(), because }),
            None => plan.delete.push(object.clone()),
        }
    }
    plan.delete.sort_by(|a, b| (a.at, &a.namespace, &a.name).cmp(&(b.at, &b.namespace, &b.name)));
    plan
}

/// With a template go all constraints of its kind, whosever they are.
fn has_others_constraints(kinds: &[Kind], template: &Object, found: &[Object]) -> bool {
    let is_other = |object: &Object| {
        kinds[object.at].resource.plural == template.name && !object.is_ours(&kinds[object.at])
    };
    template.kind == "ConstraintTemplate" && found.iter().any(is_other)
}

#[cfg(test)]
mod tests {
    use super::{Because, Object, decide};
    use crate::uninstall::kinds::kinds;

    const UID: &str = "0e5ddb58-8a5d-4d3c-9cd3-6e2b3b3ad4ff";

    /// An object by its resource, name and label.
    fn object((plural, name, owner): (&str, &str, Option<&str>)) -> Object {
        let kinds = kinds();
        let at = kinds.iter().position(|kind| kind.resource.plural == plural).unwrap();
        Object {
            kind: kinds[at].resource.kind.clone(),
            namespace: String::new(),
            name: name.to_owned(),
            at,
            uid: "u".to_owned(),
            owner: owner.map(str::to_owned),
        }
    }

    type Found<'a> = (&'a str, &'a str, Option<&'a str>);

    fn decided(found: &[Found<'_>], policies: bool) -> (Vec<String>, Vec<(String, Because)>) {
        let found: Vec<_> = found.iter().map(|it| object(*it)).collect();
        let plan = decide(&kinds(), &found, policies);
        let delete = plan.delete.iter().map(Object::full_name).collect();
        (delete, plan.keep.iter().map(|kept| (kept.object.full_name(), kept.because)).collect())
    }

    const BUILTIN: Option<&str> = Some("builtin");

    #[test]
    fn ours_goes_in_order_and_the_rest_stays() {
        let found = [
            ("customresourcedefinitions", "securitypolicies.deckhouse.io", None),
            ("customresourcedefinitions", "crontabs.example.com", None),
            ("securitypolicies", "strict", None),
            ("constrainttemplates", "d8securitypolicy", BUILTIN),
            ("constrainttemplates", "users", None),
            ("secrets", "gatewright-verifier-tls", BUILTIN),
            ("constrainttemplates", "d8verifyimagesignatures", BUILTIN),
            ("providers", "gatewright-verifier", BUILTIN),
            ("providers", "others", None),
            ("d8verifyimagesignatures", "strict", Some(UID)),
            ("d8securitypolicy", "strict", Some(UID)),
            ("d8podsecuritystandard", "d8-pod-security-baseline-deny", BUILTIN),
            ("syncsets", "gatewright-pods", BUILTIN),
            ("syncsets", "others", Some("somebody")),
            ("validatingwebhookconfigurations", "gatewright-validating-webhook-configuration", BUILTIN),
        ];
        let rest = [
            "ValidatingWebhookConfiguration/gatewright-validating-webhook-configuration",
            "D8VerifyImageSignatures/strict",
            "D8PodSecurityStandard/d8-pod-security-baseline-deny",
            "D8SecurityPolicy/strict",
            "SyncSet/gatewright-pods",
            "Provider/gatewright-verifier",
            "ConstraintTemplate/d8securitypolicy",
            "ConstraintTemplate/d8verifyimagesignatures",
            "Secret/gatewright-verifier-tls",
        ];
        let kept = |name: &str, because| (name.to_owned(), because);
        let others = ["ConstraintTemplate/users", "Provider/others", "SyncSet/others"]
            .map(|name| kept(name, Because::NotOurs));
        let (delete, keep) = decided(&found, false);
        assert_eq!(delete, rest);
        let crd = "CustomResourceDefinition/securitypolicies.deckhouse.io";
        let policies = [kept(crd, Because::Policies), kept("SecurityPolicy/strict", Because::Policies)];
        assert_eq!(keep, [&policies[..], &others[..]].concat());

        let (delete, keep) = decided(&found, true);
        assert_eq!(delete[..rest.len()], rest);
        assert_eq!(delete[rest.len()..], ["SecurityPolicy/strict", crd]);
        assert_eq!(keep, others);
    }

    #[test]
    fn what_render_wrote_stays_with_its_template() {
        let rendered = ("d8securitypolicy", "gitops", Some("render"));
        let template = ("constrainttemplates", "d8securitypolicy", BUILTIN);
        let (delete, keep) = decided(&[template, rendered], true);
        assert_eq!(delete, Vec::<String>::new());
        let template = ("ConstraintTemplate/d8securitypolicy".to_owned(), Because::HasOthersConstraints);
        assert_eq!(keep, [template, ("D8SecurityPolicy/gitops".to_owned(), Because::NotOurs)]);
        // Nonsense in our label is not ours either.
        let odd = ("d8securitypolicy", "odd", Some("BUILTIN"));
        assert_eq!(decided(&[odd], true).0, Vec::<String>::new());
    }
}
