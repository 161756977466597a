//! What each rule means, read from its description and not from its Rego: a plain predicate per field of a policy, over
//! the policy and the object as people write them. It shares no code with the compiler and the templates, so a
//! misreading on either side shows as a difference.

mod image;
mod object;
mod operation;
mod security;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use serde_json::Value;

use object::Object;

/// An offence against one field of a policy: the field, and the container if it is about one.
pub type Refusal = (String, Option<String>);

/// The offences of an object against the field of a policy: for each the container, if it is about one.
type Reading = fn(&Value, &Object<'_>) -> Vec<Option<String>>;

/// The fields of all policy kinds.
const FIELDS: [&[(&str, Reading)]; 2] = [security::FIELDS, operation::FIELDS];

/// What `spec.policies` of a policy refuses of an object that is created, sorted.
#[must_use]
pub fn refusals(rules: &Value, object: &Value) -> Vec<Refusal> {
    let readings: BTreeMap<_, _> = FIELDS.concat().into_iter().collect();
    let object = Object(object);
    let of_field = |(field, value): (&String, &Value)| -> Vec<Refusal> {
        let reading: Option<&Reading> = readings.get(field.as_str());
        let offences = reading.map(|reading| reading(value, &object)).unwrap_or_default();
        offences.into_iter().map(|container| (field.clone(), container)).collect()
    };
    let mut refusals: Vec<_> = rules.as_object().into_iter().flatten().flat_map(of_field).collect();
    for _ in 0..security::sysctls_refused_twice(rules, &object) {
        let first = refusals.iter().position(|(field, _)| field == "allowedUnsafeSysctls");
        first.map(|at| refusals.swap_remove(at));
    }
    refusals.sort();
    refusals
}

/// The fields that have a reading.
pub fn fields() -> impl Iterator<Item = &'static str> {
    FIELDS.into_iter().flatten().map(|(field, _)| *field)
}
