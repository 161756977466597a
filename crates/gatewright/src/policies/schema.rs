//! What the API server refuses by the CRD, before any controller sees a policy: bounds, patterns, validation rules.

use std::sync::LazyLock;
use std::thread;

use gatewright_api::{PolicyKind, with_policy_type};
use gatewright_engine::schema::{Fault, Rules, faults, unknown_fields};
use gatewright_typed::{nearest, no_such_field, not_one_of};
use kube::Resource as _;
use serde_json::Value;

use super::places;

struct Schema {
    kind: PolicyKind,
    structure: Value,
    rules: Rules,
}

/// The names and texts of the CRDs, as generated: to make them from the types takes longer than to judge a Pod.
const CRDS: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/crds.rs"));

/// Where the name of an object stands, as a JSON pointer.
pub const NAME: &str = "/metadata/name";

/// They are compiled side by side.
static SCHEMAS: LazyLock<Vec<Schema>> = LazyLock::new(|| {
    thread::scope(|scope| {
        let compiled: Vec<_> =
            PolicyKind::ALL.iter().map(|kind| scope.spawn(|| Schema::new(*kind))).collect();
        compiled.into_iter().filter_map(|schema| schema.join().ok().flatten()).collect()
    })
});

/// Something that the CRD does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The field, as a JSON pointer.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// A field that the CRD does not know.
pub struct Unknown {
    /// What is said of it.
    pub refused: Refused,
    /// The field of the same object that is probably meant, as a JSON pointer.
    pub meant: Option<String>,
}

/// What of a policy has another structure than the CRD says.
#[derive(Default)]
pub struct Structure {
    /// Values that are not allowed, and fields that are missing.
    pub faults: Vec<Refused>,
    /// Fields that there are not.
    pub unknown: Vec<Unknown>,
}

/// The schema of a kind, but for the status.
pub fn structure_of(kind: PolicyKind) -> Option<&'static Value> {
    Schema::of(kind).map(|schema| &schema.structure)
}

/// What has another structure in a policy without a status.
pub fn structure(kind: PolicyKind, policy: &Value) -> Structure {
    Schema::of(kind).map(|schema| schema.compared(&without_nulls(policy))).unwrap_or_default()
}

/// The rules of the CRD that a policy does not meet, which has the right structure otherwise.
pub fn unmet(kind: PolicyKind, policy: &Value) -> Vec<Refused> {
    let policy = without_nulls(policy);
    let unmet = Schema::of(kind).map(|schema| schema.rules.unmet(&policy)).unwrap_or_default();
    unmet
        .into_iter()
        .map(|fault| Refused { pointer: of_whole(fault.pointer), message: fault.message })
        .collect()
}

/// Of the metadata rules see the name alone, so a rule of the whole object is about it.
fn of_whole(pointer: String) -> String {
    if pointer.is_empty() { NAME.to_owned() } else { pointer }
}

/// What is wrong with the name of a policy, but for its length.
pub fn name(policy: &Value) -> Option<Refused> {
    let message = match policy.pointer(NAME) {
        None | Some(Value::Null) => "a policy has a name",
        Some(Value::String(name)) if name.is_empty() => "a policy has a name",
        Some(Value::String(name)) if !is_name(name) => {
            "a name has lower-case letters, digits, dashes and dots, and begins and ends with a letter or digit"
        }
        _ => return None,
    };
    Some(Refused { pointer: NAME.to_owned(), message: message.to_owned() })
}

impl Schema {
    fn of(kind: PolicyKind) -> Option<&'static Self> {
        SCHEMAS.iter().find(|schema| schema.kind == kind)
    }

    fn new(kind: PolicyKind) -> Option<Self> {
        let plural = with_policy_type!(kind, P => P::plural(&()));
        let (_, text) = CRDS.iter().find(|(name, _)| *name == plural)?;
        let crd = crate::input::value(text).ok()?;
        let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema")?;
        let mut structure = schema.clone();
        // What every object has, the API server knows; nobody writes a status.
        structure["x-kubernetes-embedded-resource"] = true.into();
        structure["properties"].as_object_mut().map(|fields| fields.remove("status"));
        Some(Self { kind, structure, rules: Rules::of_object(schema) })
    }

    fn compared(&self, policy: &Value) -> Structure {
        let (mut found, mut unknown) = (vec![], vec![]);
        faults(&self.structure, policy, "", &mut found);
        unknown_fields(&self.structure, policy, "", &mut unknown);
        Structure {
            faults: found.into_iter().map(|fault| described(fault, policy)).collect(),
            unknown: unknown.iter().map(|fault| self.unknown(fault)).collect(),
        }
    }

    /// The words for a field that the CRD does not know.
    fn unknown(&self, fault: &Fault) -> Unknown {
        let (above, name) = fault.pointer.rsplit_once('/').unwrap_or_default();
        let known = texts(&fault.allowed);
        let (own, others): (Vec<_>, Vec<_>) = SCHEMAS.iter().partition(|schema| schema.kind == self.kind);
        let [own, others] =
            [own, others].map(|schemas| schemas.into_iter().map(Self::named).collect::<Vec<_>>());
        let said = own.first().map(|own| places::said(name, &super::field(above), &known, own, &others));
        let meant = nearest(name, known.iter().copied()).map(|meant| format!("{above}/{meant}"));
        let message = said.unwrap_or_else(|| no_such_field(name, &known));
        Unknown { refused: Refused { pointer: fault.pointer.clone(), message }, meant }
    }

    fn named(&self) -> places::Kind<'_> {
        places::Kind { name: self.kind.name(), schema: &self.structure }
    }
}

/// The words for a value that the CRD does not allow. A number is never secret.
fn described(fault: Fault, policy: &Value) -> Refused {
    let found = policy.pointer(&fault.pointer);
    let message = match found {
        Some(Value::String(word)) if !fault.allowed.is_empty() => not_one_of(word, &texts(&fault.allowed)),
        Some(Value::Number(number)) if fault.message.starts_with("must be ") => {
            format!("is {number}; it {}", fault.message)
        }
        _ => fault.message,
    };
    Refused { pointer: fault.pointer, message }
}

fn texts(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// The API server drops a `null` where a default stands; any other is refused with better words elsewhere.
fn without_nulls(policy: &Value) -> Value {
    let mut policy = policy.clone();
    drop_nulls(&mut policy);
    policy
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn is_name(name: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    edge(name.chars().next()) && edge(name.chars().last()) && name.chars().all(inner) && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use gatewright_api::PolicyKind;
    use serde_json::{Value, json};

    fn refused(policies: &Value, selector: &Value) -> Vec<(String, String)> {
        let policy = json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": "a"},
            "spec": {"match": {"namespaceSelector": selector}, "policies": policies},
        });
        let super::Structure { faults, unknown } = super::structure(PolicyKind::SecurityPolicy, &policy);
        let unknown = unknown.into_iter().map(|unknown| unknown.refused);
        let mut found: Vec<_> = faults.into_iter().chain(unknown).collect();
        if found.is_empty() {
            found = super::unmet(PolicyKind::SecurityPolicy, &policy);
        }
        found.into_iter().map(|refused| (refused.pointer, refused.message)).collect()
    }

    #[test]
    fn what_the_api_server_refuses_is_refused() {
        let shop = || json!({"matchNames": ["shop"]});
        assert_eq!(refused(&json!({"allowPrivileged": false}), &shop()), []);
        let found = refused(&json!({"allowedHostPorts": [{"min": -5}]}), &shop());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "/spec/policies/allowedHostPorts/0/min");
        let found = refused(
            &json!({}),
            &json!({"labelSelector": {"matchExpressions": [
                {"key": "a", "operator": "Exists", "values": ["b"]},
            ]}}),
        );
        let pointer = "/spec/match/namespaceSelector/labelSelector/matchExpressions/0";
        let message = "In and NotIn need values, Exists and DoesNotExist take none";
        assert_eq!(found, [(pointer.to_owned(), message.to_owned())]);
    }

    /// The rules in CEL of the CRDs themselves, each with a value that it takes and one that it refuses.
    #[test]
    fn rules_of_the_crds_refuse_what_they_should() {
        let shop = || json!({"matchNames": ["shop"]});
        let labels = |key: &str| json!({"labelSelector": {"matchLabels": {key: "v"}}});
        let selected = |selector: Value| refused(&json!({"allowPrivileged": false}), &selector);
        assert_eq!(selected(labels("example.com/a-b_c.d")), []);
        assert_eq!(selected(labels("-a")).len(), 1);
        assert_eq!(selected(json!({"matchNames": ["a*", "*b*"]})), []);
        assert_eq!(
            selected(json!({"matchNames": ["a*b"]}))[0].0,
            "/spec/match/namespaceSelector/matchNames/0"
        );
        assert_eq!(selected(json!({"labelSelector": {}})).len(), 1);
        assert_eq!(selected(json!({})).len(), 1);
        let ports =
            |min: i32, max: i32| refused(&json!({"allowedHostPorts": [{"min": min, "max": max}]}), &shop());
        assert_eq!(ports(1, 1), []);
        assert_eq!(ports(2, 1)[0].0, "/spec/policies/allowedHostPorts/0");
        let users = |user: Value| refused(&json!({"runAsUser": user}), &shop());
        assert_eq!(users(json!({"rule": "RunAsAny"})), []);
        assert_eq!(users(json!({"rule": "MustRunAs", "ranges": [{"min": 1, "max": 2}]})), []);
        assert_eq!(users(json!({"rule": "MustRunAs"}))[0].0, "/spec/policies/runAsUser");
        assert_eq!(users(json!({"rule": "MustRunAs", "ranges": [{"min": 2, "max": 1}]})).len(), 1);
    }

    /// Whatever does not fit is said at once, and in words for people.
    #[test]
    fn everything_that_does_not_fit_is_said() {
        let policies = json!({
            "allowPrivilegd": false, "allowedRepos": ["r.io"], "zzz": 1, "allowHostPID": "no",
            "allowedCapabilities": ["NET_ADMIN", "NET_RAWW", 5], "seLinux": [{"rolle": "a"}],
            "allowedHostPorts": [{"min": 80, "max": "90"}], "allowedVolumes": "secret",
        });
        let found = refused(&policies, &json!({"matchNames": ["shop"]}));
        let said = |field: &str| {
            let pointer = format!("/spec/policies/{field}");
            found.iter().filter(|(at, _)| *at == pointer).map(|(_, said)| said.as_str()).collect::<Vec<_>>()
        };
        for (field, expected) in [
            ("allowPrivilegd", "there is no such field; did you mean allowPrivileged?"),
            ("allowedRepos", "is a field of OperationPolicy"),
            ("allowHostPID", "is a string; it must be a boolean"),
            ("allowedCapabilities/2", "is a number; it must be a string"),
            ("seLinux/0/rolle", "there is no such field; did you mean role?"),
            ("allowedHostPorts/0/max", "is a string; it must be an integer"),
            ("allowedVolumes", "is a string; it must be a list"),
        ] {
            assert_eq!(said(field), [expected], "{field}");
        }
        assert!(said("zzz")[0].starts_with("there is no such field; the fields here are allowHostIPC, "));
        let word = said("allowedCapabilities/1")[0];
        assert!(word.starts_with("\"NET_RAWW\" is not one of the allowed words: ALL, "), "{word}");
        assert!(word.ends_with("; did you mean NET_RAW?"), "{word}");
        assert_eq!(found.len(), 9);
    }

    #[test]
    fn names() {
        for (name, valid) in [
            ("a", true),
            ("a-1.b", true),
            ("A", false),
            ("-a", false),
            ("a.", false),
            ("a..b", false),
            ("", false),
        ] {
            assert_eq!(super::is_name(name), valid, "{name}");
        }
    }

    /// A rule that cannot be compiled would refuse every policy.
    #[test]
    fn all_rules_of_the_crds_compile() {
        let kinds: Vec<_> = super::SCHEMAS.iter().map(|schema| schema.kind).collect();
        assert_eq!(kinds, PolicyKind::ALL, "a kind without its CRD: `make generated` writes it");
        for schema in super::SCHEMAS.iter() {
            assert_eq!(schema.rules.compile(), Ok(()), "{}", schema.kind);
        }
    }
}
