//! Constraints: validated as Gatekeeper's webhook does, with the API server's defaults.

use std::sync::LazyLock;

use gatewright_gatekeeper::{Action, CONSTRAINT_GROUP, Matcher, group_and_kind};
use gatewright_re2::Pattern;
use serde_json::{Value, json};

use crate::{
    ConstraintError, ConstraintRef, EnforcementPoint, action::action, reach::Reached, sandbox::Parameters,
    schema, template::Schema,
};

/// A constraint, ready to be evaluated.
#[derive(Debug)]
pub struct Constraint {
    /// Its kind and name.
    pub reference: ConstraintRef,
    /// What it does at the engine's enforcement point; none if it is not enforced there.
    pub action: Option<Action>,
    /// What it applies to; none is everything.
    pub matcher: Option<Matcher>,
    /// What its template reads as parameters.
    pub parameters: Parameters,
    /// What was reviewed with it.
    pub reached: Reached,
}

/// A constraint's kind.
///
/// # Errors
/// The document is no constraint.
pub fn kind(constraint: &Value) -> Result<&str, ConstraintError> {
    let (group, kind) = group_and_kind(constraint);
    if group != CONSTRAINT_GROUP {
        let version = constraint["apiVersion"].as_str().unwrap_or_default();
        let message =
            format!("is `{version}`; allowed: {CONSTRAINT_GROUP}/v1beta1 and {CONSTRAINT_GROUP}/v1alpha1");
        return Err(ConstraintError::new("/apiVersion", message));
    }
    if kind.is_empty() {
        return Err(ConstraintError::new("/kind", "is required: the kind that a template defines"));
    }
    Ok(kind)
}

impl Constraint {
    /// Reads a constraint of a template.
    ///
    /// # Errors
    /// Everything for which the API server or Gatekeeper refuses it.
    pub fn new(
        constraint: &Value,
        parameters: Option<&Schema>,
        point: EnforcementPoint,
    ) -> Result<Self, ConstraintError> {
        let kind = kind(constraint)?.to_owned();
        check_version(constraint)?;
        let name = name(constraint)?;
        let schema = constraint_schema(parameters.map(|schema| &schema.structure));
        let constraint = validated(constraint, &schema, point)?;
        check_rules(&constraint, parameters, point)?;
        let spec = &constraint["spec"];
        let matcher =
            spec.get("match").map(Matcher::parse).transpose().map_err(|error| {
                ConstraintError::new(format!("/spec/match{}", error.pointer), error.message)
            })?;
        Ok(Self {
            reference: ConstraintRef { kind, name },
            action: action(spec, point)?,
            matcher,
            parameters: Parameters::of(&constraint),
            reached: Reached::default(),
        })
    }
}

fn check_version(constraint: &Value) -> Result<(), ConstraintError> {
    let version = constraint["apiVersion"].as_str().and_then(|version| version.rsplit('/').next());
    match version {
        Some("v1beta1" | "v1alpha1") => Ok(()),
        version => {
            let message =
                format!("has version `{}`; allowed: v1beta1 and v1alpha1", version.unwrap_or_default());
            Err(ConstraintError::new("/apiVersion", message))
        }
    }
}

// The pattern is a constant: it compiles.
#[allow(clippy::unwrap_used)]
static NAME: LazyLock<Pattern> = LazyLock::new(|| {
    Pattern::new(r"^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$").unwrap()
});

fn name(constraint: &Value) -> Result<String, ConstraintError> {
    const POINTER: &str = "/metadata/name";
    let name = constraint["metadata"]["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        return Err(ConstraintError::new(POINTER, "is required"));
    }
    if name.len() > 63 {
        return Err(ConstraintError::new(
            POINTER,
            format!("has {} characters; at most 63 are allowed", name.len()),
        ));
    }
    if !NAME.is_match(name) {
        let allowed =
            "allowed: lower-case letters, digits, `-` and `.`, with a letter or digit at either end";
        return Err(ConstraintError::new(POINTER, format!("is `{name}`; {allowed}")));
    }
    Ok(name.to_owned())
}

/// In a cluster defaults come first. `gator` validates what stands in the file.
fn validated(constraint: &Value, schema: &Value, point: EnforcementPoint) -> Result<Value, ConstraintError> {
    let mut constraint = constraint.clone();
    if point == EnforcementPoint::Gator {
        check(&constraint, schema)?;
        schema::add_defaults(schema, &mut constraint);
    } else {
        schema::add_defaults(schema, &mut constraint);
        check(&constraint, schema)?;
    }
    Ok(constraint)
}

/// The API server asks rules; `gator`, which has none, does not.
fn check_rules(
    constraint: &Value,
    parameters: Option<&Schema>,
    point: EnforcementPoint,
) -> Result<(), ConstraintError> {
    const POINTER: &str = "/spec/parameters";
    match (constraint.pointer(POINTER), parameters) {
        (Some(value), Some(schema)) if point != EnforcementPoint::Gator => {
            schema.rules.check(value, POINTER).map_err(refused)
        }
        _ => Ok(()),
    }
}

fn refused(fault: schema::Fault) -> ConstraintError {
    ConstraintError { schema: true, ..ConstraintError::new(fault.pointer, fault.message) }
}

fn check(constraint: &Value, schema: &Value) -> Result<(), ConstraintError> {
    schema::validate(schema, constraint, "").map_err(refused)?;
    match schema::unknown_field(schema, constraint, "") {
        Some(pointer) if pointer == "/spec/parameters" => {
            Err(ConstraintError::new(pointer, "the template has no schema, so it takes no parameters"))
        }
        Some(pointer) => Err(ConstraintError::new(pointer, "is not a field of this constraint")),
        None => Ok(()),
    }
}

/// The schema that Gatekeeper gives to the constraint's CRD.
fn constraint_schema(parameters: Option<&Value>) -> Value {
    let point = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    let scoped = json!({"type": "object", "properties": {
        "action": {"type": "string"},
        "enforcementPoints": {"type": "array", "items": point},
    }});
    let mut spec = json!({
        "match": *MATCH_SCHEMA,
        "enforcementAction": {"type": "string", "default": "deny"},
        "scopedEnforcementActions": {"type": "array", "items": scoped},
    });
    if let Some(parameters) = parameters {
        spec["parameters"] = parameters.clone();
    }
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({"type": "object", "properties": {
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": anything,
        "status": {"x-kubernetes-preserve-unknown-fields": true},
        "spec": {"type": "object", "properties": spec},
    }})
}

static MATCH_SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let text = json!({"type": "string"});
    let texts = json!({"type": "array", "items": text});
    let glob = json!({"type": "string", "pattern": r"^\*?[-:a-z0-9]*\*?$"});
    let globs = json!({"type": "array", "items": glob});
    let expression = json!({
        "type": "object", "required": ["key", "operator"],
        "properties": {"key": text, "operator": text, "values": texts},
    });
    let selector = json!({"type": "object", "properties": {
        "matchLabels": {"type": "object", "additionalProperties": text},
        "matchExpressions": {"type": "array", "items": expression},
    }});
    let kinds = json!({"type": "object", "properties": {"apiGroups": texts, "kinds": texts}});
    json!({"type": "object", "properties": {
        "excludedNamespaces": globs,
        "kinds": {"type": "array", "items": kinds},
        "labelSelector": selector,
        "name": glob,
        "namespaceSelector": selector,
        "namespaces": globs,
        "scope": text,
        "source": {"type": "string", "enum": ["All", "Generated", "Original"]},
    }})
});
