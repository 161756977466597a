//! Constraints of the gatekeeper-library's templates, and the policies that say the same.

mod rows;
mod table;
#[cfg(test)]
mod tests;

use gatewright_api::{POLICY_API_VERSION, PolicyKind};
use gatewright_compiler::Settings;
use gatewright_rules::Template;
use serde_json::{Map, Value, json};

pub use self::rows::ROWS;
use self::rows::{NO_FIELD, NO_MATCH, NO_PARAMETER, written_out};
use self::table::{Conversion, TABLE};
use super::document::{Found as Entry, Migrated, ObjectName};
use super::names::Names;
use super::rows::Row;
use super::source::Found;
use crate::foreign::Foreign;
use crate::input::Document;
use crate::policies;

/// Where these objects come from.
pub const FROM: &str = "gatekeeper-library";

/// A constraint, and the policy that says the same.
#[derive(Debug)]
pub struct Examined {
    /// What is said of it.
    pub migrated: Migrated,
    /// The policy; none where none says the same.
    pub written: Option<Value>,
}

/// Looks at all constraints that are not ours.
pub fn examine(found: &Found, settings: &Settings, names: &mut Names) -> Vec<Examined> {
    let theirs = found.constraints.iter().filter(|it| Template::of_kind(&it.header.kind).is_none());
    theirs
        .filter(|it| !it.header.kind.starts_with("D8"))
        .map(|it| of_constraint(it, settings, names))
        .collect()
}

fn of_constraint(document: &Document, settings: &Settings, names: &mut Names) -> Examined {
    let constraint = document.value();
    let object = ObjectName::new(&document.header.kind, None, &document.header.name);
    let migrated = Migrated { object, from: FROM, ..Migrated::default() };
    match policy(document, &constraint, settings) {
        Ok((kind, mut policy)) => {
            let note = names.give(&mut policy, &document.header.kind.to_ascii_lowercase());
            let name = policy["metadata"]["name"].as_str().unwrap_or_default();
            let becomes = Some(Foreign::from(format!("{kind}/{name}")));
            let differences = rows::differs(&document.header.kind, &constraint["spec"]["parameters"]);
            Examined { migrated: Migrated { becomes, note, differences, ..migrated }, written: Some(policy) }
        }
        Err(entry) => {
            Examined { migrated: Migrated { differences: vec![*entry], ..migrated }, written: None }
        }
    }
}

/// The policy that says what a constraint says.
fn policy(
    document: &Document,
    constraint: &Value,
    settings: &Settings,
) -> Result<(PolicyKind, Value), Box<Entry>> {
    let conversion = TABLE.iter().find(|it| it.kinds.contains(&document.header.kind.as_str()));
    let Conversion { policy, fields, .. } = conversion.ok_or_else(|| Box::new(NO_FIELD.found("kind")))?;
    let none = json!({});
    let parameters = constraint.pointer("/spec/parameters").filter(|it| it.is_object()).unwrap_or(&none);
    let reason = |row: &Row, (field, why): (String, String)| {
        Box::new(Entry { after: format!("{}; {why}", row.after).into(), ..row.found(&field) })
    };
    let mut rules = fields(parameters, constraint)
        .map_err(|(parameter, why)| reason(&NO_PARAMETER, (format!("spec.parameters.{parameter}"), why)))?;
    rules.extend(written_out(&document.header.kind, parameters));
    let spec = spec(constraint, &rules).map_err(|it| reason(&NO_MATCH, it))?;
    let made = json!({
        "apiVersion": POLICY_API_VERSION, "kind": policy.as_ref(),
        "metadata": {"name": document.header.name}, "spec": spec,
    });
    let compiled = Document::made(&made, document.location.clone())
        .map_err(|error| vec![error])
        .and_then(|made| policies::compiled(&made, *policy, settings));
    match compiled {
        Ok(_) => Ok((*policy, made)),
        Err(errors) => {
            let why = errors.first().map(|error| error.message.clone()).unwrap_or_default();
            Err(reason(&NO_PARAMETER, ("spec".to_owned(), why)))
        }
    }
}

/// The spec of the policy, or the field of the constraint that a policy has not, and why that matters.
fn spec(constraint: &Value, rules: &Map<String, Value>) -> Result<Value, (String, String)> {
    let spec = &constraint["spec"];
    let action = match spec["enforcementAction"].as_str().unwrap_or("deny") {
        "deny" => "Deny",
        "warn" => "Warn",
        "dryrun" => "Dryrun",
        other => {
            return Err(("spec.enforcementAction".to_owned(), format!("a policy has no action {other}")));
        }
    };
    let known = ["kinds", "namespaces", "excludedNamespaces", "namespaceSelector", "labelSelector", "scope"];
    let unknown =
        spec["match"].as_object().into_iter().flatten().find(|(key, _)| !known.contains(&key.as_str()));
    if let Some((key, _)) = unknown {
        return Err((format!("spec.match.{key}"), "a policy has no such field".to_owned()));
    }
    Ok(json!({"enforcementAction": action, "match": matched(&spec["match"]), "policies": rules}))
}

/// The same choice of namespaces and objects. A constraint that names none matches everything.
fn matched(of_constraint: &Value) -> Value {
    let given = |field: &str| {
        let value = &of_constraint[field];
        let empty = value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_object().is_some_and(Map::is_empty);
        (!empty).then(|| value.clone())
    };
    let mut namespaces = Map::new();
    for (theirs, ours) in [
        ("namespaces", "matchNames"),
        ("excludedNamespaces", "excludeNames"),
        ("namespaceSelector", "labelSelector"),
    ] {
        namespaces.extend(given(theirs).map(|value| (ours.to_owned(), value)));
    }
    let labels = given("labelSelector");
    if namespaces.is_empty() && labels.is_none() {
        namespaces.insert("matchNames".to_owned(), json!(["*"]));
    }
    let mut all = Map::new();
    if !namespaces.is_empty() {
        all.insert("namespaceSelector".to_owned(), namespaces.into());
    }
    all.extend(labels.map(|value| ("labelSelector".to_owned(), value)));
    all.into()
}
