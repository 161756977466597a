//! A policy without what is wrong in it: at the place of a fault stands what the schema allows there, so that everything
//! else can be judged.

use gatewright_engine::schema::{Rules, validate};
use serde_json::{Map, Value, json};

/// Every type of text allows one of these.
const TEXTS: [&str; 3] = ["a", "/Pod", "https://a.example"];

/// How many different values are tried at the place of a fault: more than there are words on which a rule depends.
pub const VARIANTS: usize = 5;

/// Puts something that the schema allows in place of a fault. In the first variant (0) as little as can be: nothing, if
/// that is allowed.
pub fn replace(schema: &Value, policy: &mut Value, pointer: &str, variant: usize) {
    let Some((above, name)) = pointer.rsplit_once('/') else { return };
    let sample = || sample(schema_at(schema, pointer)?, variant);
    match policy.pointer_mut(above) {
        Some(Value::Array(items)) => {
            let item = name.parse().ok().and_then(|index: usize| items.get_mut(index));
            if let (Some(item), Some(sample)) = (item, sample()) {
                *item = sample;
            }
        }
        Some(Value::Object(fields)) => {
            let (object, mut name) = (schema_at(schema, above), unescaped(name));
            let of_object = |keyword: &str| object.map_or(&Value::Null, |object| &object[keyword]);
            let required =
                of_object("required").as_array().is_some_and(|all| all.iter().any(|it| *it == name));
            fields.remove(&name);
            if let Some(sample) = sample().filter(|_| required || variant > 0) {
                // Of a map the key itself may be what is wrong.
                if of_object("properties").get(&name).is_none() {
                    TEXTS[0].clone_into(&mut name);
                }
                fields.insert(name, sample);
            }
        }
        _ => {}
    }
}

/// The schema of what a pointer leads to.
pub fn schema_at<'a>(schema: &'a Value, pointer: &str) -> Option<&'a Value> {
    pointer.split('/').skip(1).try_fold(schema, |schema, part| {
        if schema["type"] == "array" {
            return schema.get("items");
        }
        let additional = schema.get("additionalProperties").filter(|schema| schema.is_object());
        schema["properties"].get(unescaped(part)).or(additional)
    })
}

fn unescaped(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

fn sample(schema: &Value, variant: usize) -> Option<Value> {
    let mut samples = samples(schema);
    let index = variant.saturating_sub(1).checked_rem(samples.len())?;
    Some(samples.swap_remove(index))
}

/// Values that a schema allows.
pub fn samples(schema: &Value) -> Vec<Value> {
    let rules = Rules::new(schema, "").unwrap_or_default();
    let fits = |value: &Value| validate(schema, value, "").is_ok() && rules.check(value, "").is_ok();
    candidates(schema).into_iter().filter(fits).collect()
}

fn candidates(schema: &Value) -> Vec<Value> {
    if let Some(words) = schema["enum"].as_array() {
        return words.clone();
    }
    match schema["type"].as_str() {
        Some("boolean") => vec![false.into(), true.into()],
        Some("integer") => {
            let bounds = ["minimum", "maximum"].into_iter().filter_map(|bound| schema.get(bound));
            bounds.cloned().chain([0.into(), 1.into()]).collect()
        }
        Some("string") => TEXTS.map(Value::from).to_vec(),
        Some("array") => {
            let filled = samples(&schema["items"]).into_iter().take(1).map(|item| json!([item]));
            filled.chain([json!([])]).collect()
        }
        Some("object") => objects(schema),
        _ => vec![],
    }
}

/// An object with all fields, and some with one field beside those that are required.
fn objects(schema: &Value) -> Vec<Value> {
    let first = |schema: &Value| samples(schema).into_iter().next();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut all: Map<_, _> =
        properties.filter_map(|(name, schema)| Some((name.clone(), first(schema)?))).collect();
    let additional = schema.get("additionalProperties").and_then(first);
    all.extend(additional.map(|sample| (TEXTS[0].to_owned(), sample)));
    let is_required =
        |name: &str| schema["required"].as_array().is_some_and(|all| all.iter().any(|it| it == name));
    let (least, more): (Vec<_>, Vec<_>) = all.clone().into_iter().partition(|(name, _)| is_required(name));
    let with_one =
        more.into_iter().take(VARIANTS).map(|field| least.iter().cloned().chain([field]).collect());
    [Value::Object(all)].into_iter().chain(with_one.map(Value::Object)).collect()
}

#[cfg(test)]
mod tests {
    use gatewright_api::{PolicyKind, with_policy_type};
    use serde_json::{Value, json};

    use super::{VARIANTS, replace, samples, schema_at};
    use crate::policies::schema;

    /// Every field of both kinds has a sample, and the types read it as well.
    #[test]
    fn whatever_is_wrong_can_be_replaced() {
        for kind in PolicyKind::ALL {
            let structure = schema::structure_of(*kind).unwrap();
            let spec = schema_at(structure, "/spec").unwrap();
            let full = samples(spec).remove(0);
            let policies = full["policies"].as_object().unwrap().len();
            assert_eq!(policies, spec["properties"]["policies"]["properties"].as_object().unwrap().len());
            let policy = json!({"metadata": {"name": "a"}, "spec": full});
            let read = with_policy_type!(*kind, P => gatewright_typed::read::<P>(&policy).map(drop));
            assert_eq!(read, Ok(()), "{policy}");
        }
    }

    #[test]
    fn the_rest_stays_where_it_is() {
        let structure = schema::structure_of(PolicyKind::SecurityPolicy).unwrap();
        let policies = json!({
            "allowedCapabilities": ["NET_ADMIN", "FLY", "CHOWN"], "allowHostPID": "no", "runAsUser": {"rule": "x"},
            "allowedHostPaths": [{"readOnly": true}], "zzz": 1,
        });
        let at = |field: &str, variant| -> Value {
            let mut policy = json!({"spec": {"policies": policies}});
            replace(structure, &mut policy, &format!("/spec/policies/{field}"), variant);
            let top = field.split('/').next().unwrap_or_default();
            policy["spec"]["policies"].get(top).cloned().unwrap_or_default()
        };
        assert_eq!(at("allowedCapabilities/1", 0), json!(["NET_ADMIN", "ALL", "CHOWN"]));
        assert_eq!((at("allowHostPID", 0), at("allowHostPID", 2)), (Value::Null, json!(true)));
        let rules: Vec<_> =
            (0..VARIANTS).map(|variant| at("runAsUser/rule", variant)["rule"].clone()).collect();
        assert_eq!(rules, ["MustRunAs", "MustRunAs", "MustRunAsNonRoot", "RunAsAny", "MustRunAs"]);
        assert_eq!(at("allowedHostPaths/0/pathPrefix", 0), json!([{"readOnly": true, "pathPrefix": "/Pod"}]));
        assert_eq!((at("zzz", 0), at("zzz", 1)), (Value::Null, Value::Null));
    }

    #[test]
    fn a_wrong_key_of_a_map_goes() {
        let structure = schema::structure_of(PolicyKind::SecurityPolicy).unwrap();
        let mut policy = json!({"spec": {"match": {"labelSelector": {"matchLabels": {"-": "x"}}}}});
        replace(structure, &mut policy, "/spec/match/labelSelector/matchLabels/-", 1);
        assert_eq!(policy["spec"]["match"]["labelSelector"]["matchLabels"], json!({"a": "a"}));
    }
}
