//! Values against their schema.

use gatewright_re2::cached;
use serde_json::Value;

use crate::cel::{has_format, is_known_format};

use super::words::sort;
use super::{Fault, INT_OR_STRING, flag, member};

/// The first thing in a value that the schema forbids.
///
/// # Errors
/// That thing.
pub fn validate(schema: &Value, value: &Value, pointer: &str) -> Result<(), Fault> {
    let mut found = vec![];
    faults(schema, value, pointer, &mut found);
    found.into_iter().next().map_or(Ok(()), Err)
}

/// Everything in a value that the schema forbids. Of what has a wrong type nothing else is said.
pub fn faults(schema: &Value, value: &Value, pointer: &str, found: &mut Vec<Fault>) {
    if value.is_null() {
        if !flag(schema, "nullable") && schema["type"].is_string() {
            found.push(Fault::new(pointer, format!("is null; it must be {}", wanted(schema))));
        }
        return;
    }
    let checked = check_type(schema, value, pointer).and_then(|()| check_enum(schema, value, pointer));
    if let Err(fault) = checked.and_then(|()| check_itself(schema, value, pointer)) {
        found.push(fault);
        return;
    }
    match value {
        Value::Array(elements) => check_elements(schema, elements, pointer, found),
        Value::Object(members) => check_members(schema, members, pointer, found),
        _ => {}
    }
    found.extend(check_alternatives(schema, value, pointer).err());
}

/// What is asked of a value beside what is in it.
fn check_itself(schema: &Value, value: &Value, pointer: &str) -> Result<(), Fault> {
    match value {
        Value::String(text) => check_text(schema, text, pointer),
        Value::Number(_) => check_number(schema, value, pointer),
        Value::Array(elements) => {
            check_count(schema, ("minItems", "maxItems"), elements.len(), "elements", pointer)?;
            check_list_type(schema, elements, pointer)
        }
        Value::Object(members) => {
            check_count(schema, ("minProperties", "maxProperties"), members.len(), "fields", pointer)
        }
        _ => Ok(()),
    }
}

fn wanted(schema: &Value) -> String {
    if flag(schema, INT_OR_STRING) {
        return "an integer or a string".to_owned();
    }
    match schema["type"].as_str().unwrap_or_default() {
        "array" => "a list".to_owned(),
        word @ ("integer" | "object") => format!("an {word}"),
        word => format!("a {word}"),
    }
}

fn check_type(schema: &Value, value: &Value, pointer: &str) -> Result<(), Fault> {
    let fits = if flag(schema, INT_OR_STRING) {
        value.is_string() || is_integer(value)
    } else {
        match schema["type"].as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("number") => value.is_number(),
            Some("integer") => is_integer(value),
            _ => true,
        }
    };
    if fits {
        Ok(())
    } else {
        Err(Fault::new(pointer, format!("is {}; it must be {}", sort(value), wanted(schema))))
    }
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn check_enum(schema: &Value, value: &Value, pointer: &str) -> Result<(), Fault> {
    let Some(allowed) = schema["enum"].as_array() else { return Ok(()) };
    if allowed.contains(value) {
        return Ok(());
    }
    let allowed: Vec<_> = allowed.iter().map(plain).collect();
    let message = format!("is not one of the allowed values: {}", allowed.join(", "));
    Err(Fault { allowed, ..Fault::new(pointer, message) })
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn check_text(schema: &Value, text: &str, pointer: &str) -> Result<(), Fault> {
    check_count(schema, ("minLength", "maxLength"), text.chars().count(), "characters", pointer)?;
    let fits = |pattern: &&str| cached(pattern).is_ok_and(|pattern| pattern.is_match(text));
    if let Some(pattern) = schema["pattern"].as_str().filter(|pattern| !fits(pattern)) {
        return Err(Fault::new(pointer, format!("must match the pattern `{pattern}`")));
    }
    match format_of_text(schema).filter(|format| has_format(format, text) == Some(false)) {
        Some(format) => Err(not_in_format(format, pointer)),
        None => Ok(()),
    }
}

/// The format of texts that the API server checks. It ignores formats of other types.
fn format_of_text(schema: &Value) -> Option<&str> {
    let of_text = schema["type"].is_null() || schema["type"] == "string";
    schema["format"].as_str().filter(|format| of_text && is_known_format(format))
}

fn not_in_format(format: &str, pointer: &str) -> Fault {
    Fault::new(pointer, format!("is not in the format {format}"))
}

/// An integer has 64 bits, or as many as its format says.
fn check_width(schema: &Value, value: &Value, pointer: &str) -> Result<(), Fault> {
    let format = schema["format"].as_str().unwrap_or_default();
    match (schema["type"].as_str(), format) {
        (Some("integer"), "int32") if whole(value).is_none_or(|number| i32::try_from(number).is_err()) => {
            Err(not_in_format(format, pointer))
        }
        (Some("integer"), _) if whole(value).is_none() => Err(Fault::new(pointer, "needs more than 64 bits")),
        (Some("number"), "float")
            if value.as_f64().is_some_and(|number| number.abs() > f64::from(f32::MAX)) =>
        {
            Err(not_in_format(format, pointer))
        }
        _ => Ok(()),
    }
}

/// A whole number of 64 bits.
fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| format!("{:.0}", value.as_f64()?).parse().ok())
}

fn check_number(schema: &Value, value: &Value, pointer: &str) -> Result<(), Fault> {
    check_width(schema, value, pointer)?;
    let number = value.as_f64().unwrap_or_default();
    if let Some(least) = schema["minimum"].as_f64() {
        let exclusive = flag(schema, "exclusiveMinimum");
        if number < least || (exclusive && number <= least) {
            let bound = if exclusive { "greater than" } else { "at least" };
            return Err(Fault::new(pointer, format!("must be {bound} {least}")));
        }
    }
    if let Some(most) = schema["maximum"].as_f64() {
        let exclusive = flag(schema, "exclusiveMaximum");
        if number > most || (exclusive && number >= most) {
            let bound = if exclusive { "less than" } else { "at most" };
            return Err(Fault::new(pointer, format!("must be {bound} {most}")));
        }
    }
    check_multiple(schema, number, pointer)
}

fn check_multiple(schema: &Value, number: f64, pointer: &str) -> Result<(), Fault> {
    let Some(factor) = schema["multipleOf"].as_f64() else { return Ok(()) };
    if factor <= 0.0 {
        return Err(Fault::new(
            pointer,
            format!("has a schema with `multipleOf: {factor}`: it must be positive"),
        ));
    }
    if schema["type"] == "integer" && factor.fract() != 0.0 {
        let said = format!("has a schema with `multipleOf: {factor}`: for an integer it must be one, too");
        return Err(Fault::new(pointer, said));
    }
    // As go-openapi computes it: a division by 0.1 is not exact.
    let times = if factor < 1.0 { 1.0 / factor * number } else { number / factor };
    if is_whole(times) { Ok(()) } else { Err(Fault::new(pointer, format!("must be a multiple of {factor}"))) }
}

/// As go-openapi decides it: the relative distance to the integer below is less than 1e-9.
fn is_whole(number: f64) -> bool {
    const MOST: f64 = 9_007_199_254_740_991.0;
    if !(-MOST..=MOST).contains(&number) {
        return false;
    }
    let below = number.trunc();
    number.fract() == 0.0 || below != 0.0 && (number - below).abs() / (number.abs() + below.abs()) < 1e-9
}

fn check_elements(schema: &Value, elements: &[Value], pointer: &str, found: &mut Vec<Fault>) {
    if schema["items"].is_null() {
        return;
    }
    for (index, element) in elements.iter().enumerate() {
        faults(&schema["items"], element, &format!("{pointer}/{index}"), found);
    }
}

/// Elements of a set are different; those of a map differ in their keys.
fn check_list_type(schema: &Value, elements: &[Value], pointer: &str) -> Result<(), Fault> {
    let keys: Vec<&str> = match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => vec![],
        Some("map") => schema["x-kubernetes-list-map-keys"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect(),
        _ => return Ok(()),
    };
    let same = |a: &Value, b: &Value| {
        if keys.is_empty() { a == b } else { keys.iter().all(|key| a[*key] == b[*key]) }
    };
    for (index, element) in elements.iter().enumerate() {
        if elements[..index].iter().any(|earlier| same(earlier, element)) {
            return Err(Fault::new(format!("{pointer}/{index}"), "stands twice in the list"));
        }
    }
    Ok(())
}

fn check_members(
    schema: &Value,
    members: &serde_json::Map<String, Value>,
    pointer: &str,
    found: &mut Vec<Fault>,
) {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for missing in required.filter(|key| !members.contains_key(*key)) {
        found.push(Fault::new(member(pointer, missing), "is required"));
    }
    for (key, value) in members {
        let additional = &schema["additionalProperties"];
        match schema["properties"].get(key) {
            Some(schema) => faults(schema, value, &member(pointer, key), found),
            None if additional.is_object() => faults(additional, value, &member(pointer, key), found),
            None => {}
        }
    }
}

fn check_count(
    schema: &Value,
    (least, most): (&str, &str),
    count: usize,
    what: &str,
    pointer: &str,
) -> Result<(), Fault> {
    let bound = |name: &str| schema[name].as_u64().and_then(|bound| usize::try_from(bound).ok());
    if let Some(least) = bound(least).filter(|least| count < *least) {
        return Err(Fault::new(pointer, format!("has {count} {what}; at least {least} are needed")));
    }
    if let Some(most) = bound(most).filter(|most| count > *most) {
        return Err(Fault::new(pointer, format!("has {count} {what}; at most {most} are allowed")));
    }
    Ok(())
}

fn check_alternatives(schema: &Value, value: &Value, pointer: &str) -> Result<(), Fault> {
    let schemas = |name: &str| schema[name].as_array().map(Vec::as_slice).unwrap_or_default();
    let fitting =
        |name: &str| schemas(name).iter().filter(|schema| validate(schema, value, pointer).is_ok()).count();
    schemas("allOf").iter().try_for_each(|schema| validate(schema, value, pointer))?;
    if !schemas("anyOf").is_empty() && fitting("anyOf") == 0 {
        return Err(Fault::new(pointer, "fits none of the alternatives that the schema allows"));
    }
    if !schemas("oneOf").is_empty() && fitting("oneOf") != 1 {
        let count = fitting("oneOf");
        return Err(Fault::new(
            pointer,
            format!("must fit exactly one alternative of the schema and fits {count}"),
        ));
    }
    if schema["not"].is_object() && validate(&schema["not"], value, pointer).is_ok() {
        return Err(Fault::new(pointer, "is what the schema forbids"));
    }
    Ok(())
}
