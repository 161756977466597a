//! What the API server refuses by the CRD, before any controller sees a policy: bounds, patterns, validation rules.

use std::sync::LazyLock;
use std::thread;

use gatewright_api::PolicyKind;
use gatewright_engine::schema::{Fault, Rules, faults};
use serde_json::Value;

struct Schema {
    kind: String,
    structure: Value,
    rules: Rules,
}

/// As generated: to make them from the types takes longer than to judge a Pod.
const CRDS: [&str; 2] = [
    include_str!("../../../../crds/securitypolicies.yaml"),
    include_str!("../../../../crds/operationpolicies.yaml"),
];

/// Both are compiled side by side.
static SCHEMAS: LazyLock<Vec<Schema>> = LazyLock::new(|| {
    thread::scope(|scope| {
        let compiled = CRDS.map(|crd| scope.spawn(|| Schema::new(crd)));
        compiled.into_iter().filter_map(|schema| schema.join().ok().flatten()).collect()
    })
});

/// Something that the CRD does not allow.
pub struct Refused {
    /// The field, as a JSON pointer.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// Everything that the CRD of a kind does not allow in a policy.
pub fn refused(kind: PolicyKind, policy: &Value) -> Vec<Refused> {
    let mut policy = policy.clone();
    drop_nulls(&mut policy);
    let named = policy.pointer("/metadata/name").and_then(Value::as_str).is_some_and(is_name);
    let name = (!named).then(|| Refused {
        pointer: "/metadata/name".to_owned(),
        message: "a name has lower-case letters, digits, dashes and dots, and begins and ends with a letter or digit"
            .to_owned(),
    });
    let schema = of(kind);
    name.into_iter().chain(schema.into_iter().flat_map(|schema| schema.refused(&policy))).collect()
}

/// What the structure of a policy, and the values in it, may not be by the CRD; not what its rules ask for.
pub fn faults_of(kind: PolicyKind, policy: &Value) -> Vec<Refused> {
    let mut policy = policy.clone();
    drop_nulls(&mut policy);
    let mut found = vec![];
    if let Some(schema) = of(kind) {
        faults(&schema.structure["properties"]["spec"], &policy["spec"], "/spec", &mut found);
    }
    found.into_iter().map(|fault| Refused { pointer: fault.pointer, message: fault.message }).collect()
}

/// The fields of a policy's spec that the CRD does not know.
pub fn unknown(kind: PolicyKind, policy: &Value) -> Vec<Refused> {
    let mut found = vec![];
    if let Some(schema) = of(kind) {
        walk(&schema.structure["properties"]["spec"], &policy["spec"], "/spec", &mut found);
    }
    found
}

fn walk(schema: &Value, value: &Value, pointer: &str, found: &mut Vec<Refused>) {
    match value {
        Value::Object(fields) => {
            let Some(known) = schema["properties"].as_object() else { return };
            for (name, value) in fields {
                let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
                match known.get(name) {
                    Some(schema) => walk(schema, value, &pointer, found),
                    None => found.push(Refused { pointer, message: String::new() }),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(&schema["items"], item, &format!("{pointer}/{index}"), found);
            }
        }
        _ => {}
    }
}

/// The fields that the CRD knows at a place.
pub fn fields_at(kind: PolicyKind, pointer: &str) -> Vec<String> {
    let Some(schema) = of(kind) else { return vec![] };
    let parts = pointer.split('/').skip(1);
    let at = parts.fold(&schema.structure, |schema, part| match part.parse::<usize>() {
        Ok(_) => &schema["items"],
        Err(_) => &schema["properties"][part],
    });
    at["properties"].as_object().into_iter().flat_map(|fields| fields.keys().cloned()).collect()
}

fn of(kind: PolicyKind) -> Option<&'static Schema> {
    SCHEMAS.iter().find(|schema| schema.kind == kind.as_ref())
}

impl Schema {
    fn new(crd: &str) -> Option<Self> {
        let crd = crate::input::value(crd).ok()?;
        let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema")?;
        let kind = crd.pointer("/spec/names/kind")?.as_str()?.to_owned();
        Some(Self { kind, structure: schema.clone(), rules: Rules::of_object(schema) })
    }

    /// Rules are asked only about what has the right structure, as the API server does it.
    fn refused(&self, policy: &Value) -> Vec<Refused> {
        let mut found = vec![];
        faults(&self.structure, policy, "", &mut found);
        if found.is_empty() {
            found = self.rules.unmet(policy);
        }
        let refused = |fault: Fault| Refused { pointer: fault.pointer, message: fault.message };
        found.into_iter().map(refused).collect()
    }
}

/// The API server drops a `null` where a default stands; any other is refused with better words elsewhere.
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
        let found = super::refused(PolicyKind::SecurityPolicy, &policy);
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
        let kinds: Vec<_> = super::SCHEMAS.iter().map(|schema| schema.kind.as_str()).collect();
        assert_eq!(kinds, ["SecurityPolicy", "OperationPolicy"]);
        for schema in super::SCHEMAS.iter() {
            assert_eq!(schema.rules.compile(), Ok(()), "{}", schema.kind);
        }
    }
}
