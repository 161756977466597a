//! The functions that regorus does not have, or has in another way than OPA.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use regorus::{Engine, Value};

use super::external::external_data;
use super::gofmt::sprintf;
use super::text::number;
use super::{
    arithmetic, deep, digests, durations, encodings, globs, networks, numerals, paths, regex, strings, times,
    versions, yaml,
};

/// A function: undefined is what OPA makes of an error.
pub type Function = fn(&[Value]) -> Option<Value>;

const FUNCTIONS: &[(&str, u8, Function)] = &[
    ("sprintf", 2, |v| Some(sprintf(v[0].as_string().ok()?, &array(&v[1])?).into())),
    ("any", 1, |v| Some(items(&v[0])?.iter().any(is_true).into())),
    ("all", 1, |v| Some(items(&v[0])?.iter().all(is_true).into())),
    ("set_diff", 2, |v| arithmetic::difference(&v[0], &v[1])),
    ("cast_array", 1, |v| Some(items(&v[0])?.into())),
    ("cast_set", 1, |v| Some(items(&v[0])?.into_iter().collect::<BTreeSet<_>>().into())),
    ("cast_string", 1, |v| v[0].as_string().is_ok().then(|| v[0].clone())),
    ("cast_boolean", 1, |v| v[0].as_bool().is_ok().then(|| v[0].clone())),
    ("cast_null", 1, |v| (v[0] == Value::Null).then_some(Value::Null)),
    ("cast_object", 1, |v| v[0].as_object().is_ok().then(|| v[0].clone())),
    ("abs", 1, |v| abs(&v[0])),
    ("array.flatten", 1, |v| Some(flatten(&array(&v[0])?))),
    ("upper", 1, |v| Some(case(v[0].as_string().ok()?, |c| single(c, c.to_uppercase())).into())),
    ("lower", 1, |v| Some(case(v[0].as_string().ok()?, |c| single(c, c.to_lowercase())).into())),
    ("json.marshal", 1, |v| Some(marshal(&v[0])?.into())),
    ("json.unmarshal", 1, |v| deep::unmarshal(v[0].as_string().ok()?)),
    ("json.is_valid", 1, |v| Some(deep::unmarshal(v[0].as_string().ok()?).is_some().into())),
    ("external_data", 1, external_data),
    ("equal", 2, |v| Some((v[0] == v[1]).into())),
    ("neq", 2, |v| Some((v[0] != v[1]).into())),
    ("lt", 2, |v| Some((v[0] < v[1]).into())),
    ("lte", 2, |v| Some((v[0] <= v[1]).into())),
    ("gt", 2, |v| Some((v[0] > v[1]).into())),
    ("gte", 2, |v| Some((v[0] >= v[1]).into())),
    ("plus", 2, arithmetic::plus),
    ("minus", 2, arithmetic::minus),
    ("mul", 2, arithmetic::multiply),
    ("div", 2, arithmetic::divide),
    ("rem", 2, arithmetic::remainder),
    ("and", 2, arithmetic::intersection),
    ("or", 2, arithmetic::union),
    ("internal.plus", 2, arithmetic::plus),
    ("internal.minus", 2, arithmetic::minus),
    ("internal.mul", 2, arithmetic::multiply),
    ("internal.div", 2, arithmetic::divide),
    ("internal.rem", 2, arithmetic::remainder),
    ("internal.and", 2, arithmetic::intersection),
    ("internal.or", 2, arithmetic::union),
    ("internal.member_2", 2, |v| Some(is_member(&v[0], &v[1]).into())),
    ("internal.member_3", 3, |v| Some((v[2][&v[0]] == v[1] && v[2].as_set().is_err()).into())),
    ("re_match", 2, regex::is_match),
    ("regex.match", 2, regex::is_match),
    ("regex.is_valid", 1, |v| Some(regex::is_valid(&v[0]).into())),
    ("regex.split", 2, regex::split),
    ("regex.replace", 3, regex::replace),
    ("regex.find_n", 3, regex::find_n),
    ("regex.find_all_string_submatch_n", 3, regex::find_all_string_submatch_n),
    ("semver.compare", 2, versions::compare),
    ("semver.is_valid", 1, |v| Some(versions::is_valid(&v[0]).into())),
    ("units.parse", 1, |v| arithmetic::quantity(v[0].as_string().ok()?)),
    ("net.cidr_overlap", 2, networks::contains),
    ("net.cidr_contains", 2, networks::contains),
    ("net.cidr_contains_matches", 2, networks::contains_matches),
    ("net.cidr_expand", 1, networks::expand),
    ("net.cidr_intersects", 2, networks::intersects),
    ("net.cidr_is_valid", 1, |v| Some(networks::is_valid(&v[0]).into())),
    ("net.cidr_merge", 1, networks::merge),
    ("time.parse_duration_ns", 1, durations::parse),
    ("time.add_date", 4, times::add_date),
    ("time.format", 1, times::format),
    ("time.parse_ns", 2, times::parse),
    ("time.parse_rfc3339_ns", 1, times::parse_rfc3339),
    ("crypto.sha256", 1, digests::sha256),
    ("crypto.hmac.sha256", 2, digests::hmac_sha256),
    ("crypto.hmac.sha512", 2, digests::hmac_sha512),
    ("crypto.hmac.equal", 2, digests::equal),
    ("json.filter", 2, paths::filter),
    ("urlquery.encode", 1, encodings::to_query),
    ("urlquery.encode_object", 1, encodings::object_to_query),
    ("to_number", 1, numerals::to_number),
    ("ceil", 1, numerals::ceil),
    ("floor", 1, numerals::floor),
    ("bits.lsh", 2, numerals::shift_left),
    ("numbers.range_step", 3, numerals::range_step),
    ("units.parse_bytes", 1, numerals::parse_bytes),
    ("sum", 1, |v| items(&v[0])?.into_iter().try_fold(0.into(), |sum, item| arithmetic::plus(&[sum, item]))),
    ("product", 1, |v| {
        items(&v[0])?.into_iter().try_fold(1.into(), |all, item| arithmetic::multiply(&[all, item]))
    }),
    ("glob.match", 3, globs::is_match),
    ("glob.quote_meta", 1, globs::quote_meta),
    ("regex.template_match", 4, regex::template_match),
    ("json.remove", 2, paths::remove),
    ("graph.reachable_paths", 2, paths::reachable),
    ("yaml.unmarshal", 1, yaml::unmarshal),
    ("yaml.is_valid", 1, |v| Some(yaml::is_valid(&v[0]).into())),
    ("opa.runtime", 0, |_| Some(Value::new_object())),
    ("strings.count", 2, strings::count),
    ("strings.replace_n", 2, strings::replace_n),
    ("replace", 3, strings::replace),
    ("indexof", 2, strings::index_of),
    ("indexof_n", 2, strings::indexes_of),
    ("base64.decode", 1, encodings::base64),
    ("base64.is_valid", 1, |v| Some(encodings::is_base64(&v[0]).into())),
    ("base64url.decode", 1, encodings::base64_url),
    ("urlquery.decode", 1, encodings::query),
    ("urlquery.decode_object", 1, encodings::query_object),
];

/// A function, if it is here.
pub fn find(name: &str) -> Option<Function> {
    static BY_NAME: LazyLock<HashMap<&str, Function>> =
        LazyLock::new(|| FUNCTIONS.iter().map(|(name, _, function)| (*name, *function)).collect());
    BY_NAME.get(name).copied()
}

/// The functions' names, and how many arguments they take.
pub fn signatures() -> impl Iterator<Item = (&'static str, usize)> {
    FUNCTIONS.iter().map(|(name, arity, _)| (*name, usize::from(*arity)))
}

/// Makes them known to an engine, in place of its own.
pub fn register(engine: &mut Engine) {
    for (name, arity, function) in FUNCTIONS {
        let call = move |arguments: Vec<Value>| Ok(function(&arguments).unwrap_or(Value::Undefined));
        // Fails only if the name is there twice.
        let _ = engine.add_extension((*name).to_owned(), *arity, Box::new(call));
    }
}

fn array(value: &Value) -> Option<Vec<Value>> {
    Some(value.as_array().ok()?.iter().cloned().collect())
}

/// The elements of an array or a set.
fn items(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(_) => array(value),
        Value::Set(items) => Some(items.iter().cloned().collect()),
        _ => None,
    }
}

fn is_member(value: &Value, collection: &Value) -> bool {
    match collection {
        Value::Array(items) => items.contains(value),
        Value::Set(items) => items.contains(value),
        Value::Object(fields) => fields.values().any(|field| field == value),
        _ => false,
    }
}

fn is_true(value: &Value) -> bool {
    *value == Value::Bool(true)
}

fn flatten(items: &[Value]) -> Value {
    let flat = items.iter().flat_map(|item| match item {
        Value::Array(inner) => inner.iter().cloned().collect(),
        other => vec![other.clone()],
    });
    flat.collect::<Vec<_>>().into()
}

/// Go maps letters one to one.
fn single(c: char, mut mapped: impl ExactSizeIterator<Item = char>) -> char {
    if mapped.len() == 1 { mapped.next().unwrap_or(c) } else { c }
}

fn case(text: &str, map: impl Fn(char) -> char) -> String {
    text.chars().map(map).collect()
}

/// JSON, with numbers as OPA writes them.
fn json(value: &Value) -> Option<String> {
    let list = |items: Vec<Option<String>>| Some(items.into_iter().collect::<Option<Vec<_>>>()?.join(","));
    match value {
        Value::Number(_) => Some(number(value)),
        Value::Array(items) => Some(format!("[{}]", list(items.iter().map(json).collect())?)),
        Value::Set(items) => Some(format!("[{}]", list(items.iter().map(json).collect())?)),
        Value::Object(fields) if fields.keys().all(|key| key.as_string().is_ok()) => {
            let field = |(key, value): (&Value, &Value)| {
                Some(format!("{}:{}", serde_json::to_string(key).ok()?, json(value)?))
            };
            Some(format!("{{{}}}", list(fields.iter_sorted().map(field).collect())?))
        }
        other => serde_json::to_string(other).ok(),
    }
}

/// The magnitude. What is computed is written without an exponent, if it is whole.
fn abs(value: &Value) -> Option<Value> {
    let magnitude = value.as_number().ok()?.abs();
    Some(magnitude.as_i64().map_or_else(|| magnitude.into(), Value::from))
}

/// Go writes what HTML reads as a tag, and two line ends, as escapes.
fn marshal(value: &Value) -> Option<String> {
    let text = json(value)?;
    let escapes = BTreeMap::from([
        ('<', "\\u003c"),
        ('>', "\\u003e"),
        ('&', "\\u0026"),
        ('\u{2028}', "\\u2028"),
        ('\u{2029}', "\\u2029"),
    ]);
    let mut marshalled = String::with_capacity(text.len());
    for c in text.chars() {
        match escapes.get(&c) {
            Some(escape) => marshalled.push_str(escape),
            None => marshalled.push(c),
        }
    }
    Some(marshalled)
}
