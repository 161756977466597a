//! What the policy kinds have in common.

use std::borrow::Cow;

use gatewright_gatekeeper::Action;
use gatewright_typed::Misfit;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::PartialObjectMeta;
use kube::{CustomResourceExt, Resource};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use strum::{AsRefStr, Display, EnumString, VariantArray};

use crate::text::HelpUrl;
use crate::{Match, OperationPolicy, PolicyStatus, SecurityPolicy};

/// The group of the policy kinds.
pub const POLICY_GROUP: &str = "deckhouse.io";
/// The group and version of the policy kinds, as `apiVersion` has them.
pub const POLICY_API_VERSION: &str = "deckhouse.io/v1alpha1";

/// A policy kind: the root type of its objects.
pub trait Policy:
    CustomResourceExt
    + Resource<DynamicType = ()>
    + DeserializeOwned
    + Clone
    + std::fmt::Debug
    + Send
    + Sync
    + 'static
{
    /// Which kind it is.
    const KIND: PolicyKind;

    /// What happens to an object that violates the policy.
    fn action(&self) -> Action;

    /// What the policy applies to.
    fn matcher(&self) -> &Match;

    /// Where people whose objects are refused can ask.
    fn help_url(&self) -> Option<&HelpUrl>;

    /// The `spec` as JSON, in which `null` can be found wherever it stands.
    fn spec_json(&self) -> Value;

    /// What became of the policy, as last reported.
    fn status(&self) -> Option<&PolicyStatus>;
}

/// The table of the policy kinds: each is the name of its root type, with its name in the singular as `kubectl` knows
/// it, and the label by which a constraint names its policy.
macro_rules! policy_kinds {
    ($d:tt $($(#[$doc:meta])* $kind:ident: $singular:literal, $label:literal;)+) => {
        /// The kinds of policies.
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, AsRefStr, Display, EnumString, VariantArray,
        )]
        pub enum PolicyKind {
            $($(#[$doc])* $kind,)+
        }

        impl PolicyKind {
            /// The kind, as `kind` has it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($kind),)+
                }
            }

            /// The kind in lower case, as `kubectl get` takes it.
            #[must_use]
            pub const fn singular(self) -> &'static str {
                match self {
                    $(Self::$kind => $singular,)+
                }
            }

            /// The label that names the policy on its constraint.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$kind => $label,)+
                }
            }
        }

        $(impl Policy for $kind {
            const KIND: PolicyKind = PolicyKind::$kind;

            fn action(&self) -> Action {
                self.spec.enforcement_action
            }

            fn matcher(&self) -> &Match {
                &self.spec.r#match
            }

            fn help_url(&self) -> Option<&HelpUrl> {
                self.spec.help_url.value()
            }

            fn spec_json(&self) -> Value {
                serde_json::json!(self.spec)
            }

            fn status(&self) -> Option<&PolicyStatus> {
                self.status.as_ref()
            }
        })+

        /// Evaluates an expression that needs the root type of a policy kind.
        ///
        /// ```
        /// use gatewright_api::{Policy, PolicyKind, with_policy_type};
        /// use kube::Resource;
        ///
        /// let plural = with_policy_type!(PolicyKind::SecurityPolicy, P => P::plural(&()).into_owned());
        /// assert_eq!(plural, "securitypolicies");
        /// ```
        #[macro_export]
        macro_rules! with_policy_type {
            ($d kind:expr, $d type:ident => $d body:expr) => {
                match $d kind {
                    $($crate::PolicyKind::$kind => {
                        type $d type = $crate::$kind;
                        $d body
                    })+
                }
            };
        }
    };
}

policy_kinds! {
    $
    /// A [`SecurityPolicy`].
    SecurityPolicy: "securitypolicy", "security.deckhouse.io/security-policy";
    /// An [`OperationPolicy`].
    OperationPolicy: "operationpolicy", "security.deckhouse.io/operation-policy";
}

impl PolicyKind {
    /// Every kind, in the order in which they are documented.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The kind of an object, if it is a policy.
    #[must_use]
    pub fn of(api_version: &str, kind: &str) -> Option<Self> {
        (api_version == POLICY_API_VERSION).then(|| kind.parse().ok())?
    }
}

/// An object as it came from the API, parsed if it can be.
///
/// One policy that does not parse (a newer version's field, say) must not end the watch of all others.
/// Of the metadata only the identity is kept: name, uid, version and generation; the object has no status of its own.
/// Unlike [`kube::core::DeserializeGuard`] the error names the path of the field.
#[derive(Clone, Debug)]
pub struct Guarded<K> {
    /// The object's metadata, which always parses.
    pub metadata: ObjectMeta,
    /// The status as last reported, where it parses.
    pub status: Option<PolicyStatus>,
    /// The object but for its status, or why it does not parse.
    pub parsed: Result<Box<K>, Unreadable>,
}

/// Why a policy does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It has a field that this version does not know: its CRD is newer. Holds the path of the field.
    #[error(
        "{0} is a field that this version of gatewright ({version}) does not know, because the installed CRD is newer: \
         update the operator, or remove the field",
        version = env!("CARGO_PKG_VERSION")
    )]
    UnknownField(String),
    /// A value is wrong: the path of the field, and what is wrong with it.
    #[error("{0}")]
    Wrong(String),
}

impl From<Misfit> for Unreadable {
    fn from(misfit: Misfit) -> Self {
        if misfit.unknown { Self::UnknownField(misfit.field) } else { Self::Wrong(misfit.to_string()) }
    }
}

impl<'de, K: DeserializeOwned + Resource> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let PartialObjectMeta { metadata, .. } =
            PartialObjectMeta::<K>::deserialize(&value).map_err(D::Error::custom)?;
        let metadata = identity(metadata);
        let status = value.get("status").and_then(|status| PolicyStatus::deserialize(status).ok());
        // Both stand beside it, and nonsense in the status is no fault of the policy.
        if let Some(fields) = value.as_object_mut() {
            fields.remove("status");
            fields.insert("metadata".to_owned(), serde_json::json!(metadata));
        }
        let parsed = gatewright_typed::read(&value).map(Box::new).map_err(Unreadable::from);
        Ok(Self { metadata, status, parsed })
    }
}

/// Which object it is, and in which version: of many policies nothing is kept that nobody asks for.
fn identity(metadata: ObjectMeta) -> ObjectMeta {
    let ObjectMeta { name, uid, resource_version, generation, .. } = metadata;
    ObjectMeta { name, uid, resource_version, generation, ..ObjectMeta::default() }
}

impl<K: Resource> Resource for Guarded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use super::{Guarded, Unreadable};
    use crate::SecurityPolicy;
    use serde_json::json;

    #[test]
    fn an_object_that_does_not_parse_keeps_its_name_and_says_which_field() {
        let guarded: Guarded<SecurityPolicy> = serde_json::from_value(json!({
            "apiVersion": "deckhouse.io/v1alpha1",
            "kind": "SecurityPolicy",
            "metadata": {"name": "broken", "generation": 3},
            "spec": {"match": {}, "policies": {"allowedCapabilities": ["NET_ADMIN", "FLY"]}},
        }))
        .unwrap();
        assert_eq!(guarded.metadata.name.as_deref(), Some("broken"));
        let error = guarded.parsed.unwrap_err();
        let error = error.to_string();
        let said = "spec.policies.allowedCapabilities[1]: \"FLY\" is not one of the allowed words: ALL, ";
        assert!(error.starts_with(said), "{error}");
    }

    #[test]
    fn nonsense_in_the_status_is_no_fault_of_the_policy() {
        let guarded: Guarded<SecurityPolicy> = serde_json::from_value(json!({
            "apiVersion": "deckhouse.io/v1alpha1",
            "kind": "SecurityPolicy",
            "metadata": {"name": "good"},
            "spec": {"match": {}, "policies": {}},
            "status": {"conditions": "nonsense"},
        }))
        .unwrap();
        assert!(guarded.parsed.is_ok() && guarded.status.is_none());
    }

    #[test]
    fn nothing_is_kept_twice() {
        let guarded: Guarded<SecurityPolicy> = serde_json::from_value(json!({
            "apiVersion": "deckhouse.io/v1alpha1",
            "kind": "SecurityPolicy",
            "metadata": {
                "name": "a", "uid": "u", "generation": 3, "resourceVersion": "7",
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
                "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
            },
            "spec": {"match": {"namespaceSelector": {"matchNames": ["a"]}}, "policies": {}},
            "status": {"observedGeneration": 3},
        }))
        .unwrap();
        let policy = guarded.parsed.unwrap();
        assert_eq!(guarded.status.unwrap().observed_generation, Some(3));
        assert_eq!(policy.status, None);
        for metadata in [&guarded.metadata, &policy.metadata] {
            let kept = json!({"name": "a", "uid": "u", "generation": 3, "resourceVersion": "7"});
            assert_eq!(json!(metadata), kept);
        }
    }

    #[test]
    fn an_unknown_field_is_an_error_not_a_silent_gap() {
        let guarded: Guarded<SecurityPolicy> = serde_json::from_value(json!({
            "apiVersion": "deckhouse.io/v1alpha1",
            "kind": "SecurityPolicy",
            "metadata": {"name": "newer"},
            "spec": {"match": {}, "policies": {"allowTimeTravel": false}},
        }))
        .unwrap();
        assert_eq!(
            guarded.parsed.unwrap_err(),
            Unreadable::UnknownField("spec.policies.allowTimeTravel".to_owned())
        );
    }
}
