//! Judges one object.

use gatewright_engine::{Request, ReviewError, Violation as Found};
use gatewright_gatekeeper::group_and_kind;
use gatewright_kube_defaults as defaults;
use serde_json::Value;

use super::collect::Candidate;
use super::kinds::{Scope, Scopes};
use super::notes;
use super::result::{ConstraintName, ObjectRef, ObjectResult, Source, Verdict, Violation};
use super::world::World;
use crate::input::{self, InputError};
use crate::policies;

/// What is to be judged, and where it stands.
#[derive(Debug)]
pub struct Placed {
    candidate: Candidate,
    scope: Scope,
    namespace: Option<String>,
    namespace_assumed: bool,
}

/// What every verdict rests on beside the object itself.
#[derive(Debug)]
pub struct Judge<'a> {
    /// What objects are judged by.
    pub world: &'a World,
    /// What is not done with any object, as sentences.
    pub assumed: Vec<String>,
}

impl Placed {
    /// Finds out where an object stands.
    ///
    /// # Errors
    /// The kind does not exist.
    pub fn new(candidate: Candidate, scopes: &Scopes, default: Option<&str>) -> Result<Self, InputError> {
        if candidate.is_review() {
            let review: Value = serde_json::from_str(&candidate.json).unwrap_or_default();
            let namespace = review.pointer("/request/namespace").and_then(Value::as_str);
            let namespace = namespace.filter(|name| !name.is_empty()).map(str::to_owned);
            return Ok(Self { candidate, scope: Scope::Namespaced, namespace, namespace_assumed: false });
        }
        let scope = match scopes.of(&candidate.header) {
            Ok(scope) => scope,
            Err(message) => return Err(InputError { location: candidate.location, message }),
        };
        let own = candidate.header.namespace.clone();
        let namespace_assumed = own.is_none() && default.is_none() && scope != Scope::Cluster;
        let inside = || own.unwrap_or_else(|| default.unwrap_or("default").to_owned());
        let namespace = (scope != Scope::Cluster).then(inside);
        Ok(Self { candidate, scope, namespace, namespace_assumed })
    }

    /// The namespace it stands in.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The namespace whose exemption counts: a Namespace is exempt with what stands in it.
    fn exempt_by(&self) -> Option<&str> {
        if self.candidate.is_namespace() { Some(&self.candidate.header.name) } else { self.namespace() }
    }

    /// The object as the cluster would store it, for templates that look at others; a recorded request stores nothing.
    pub fn stored(&self) -> Option<Value> {
        let value = serde_json::from_str(&self.candidate.json).ok()?;
        (!self.candidate.is_review() && !self.candidate.is_namespace()).then(|| created(self, value).0)
    }

    fn source(&self) -> Source {
        let location = &self.candidate.location;
        Source { file: location.file.to_string(), line: location.line }
    }

    fn object(&self) -> ObjectRef {
        let header = &self.candidate.header;
        let made_up = || format!("{}*", header.generate_name);
        let name = if header.name.is_empty() { made_up() } else { header.name.clone() };
        ObjectRef {
            api_version: header.api_version.clone(),
            kind: header.kind.clone(),
            namespace: self.namespace.clone(),
            name,
        }
    }
}

impl Judge<'_> {
    /// Judges an object.
    pub fn judge(&self, placed: &Placed) -> ObjectResult {
        let value = serde_json::from_str(&placed.candidate.json).unwrap_or_default();
        let (object, request, mut assumed) = if placed.candidate.is_review() {
            let object = reviewed(&value);
            match Request::from_admission_review(value) {
                Ok(request) => (object, request, vec![]),
                Err(error) => {
                    let message = input::without_values(&error.message);
                    return failed(placed, object, format!("{}: {message}", error.pointer));
                }
            }
        } else {
            let (object, assumed) = created(placed, value);
            (placed.object(), Request::create(object), assumed)
        };
        self.assume(placed, &mut assumed);
        let unread = self.unread(&request);
        assumed.extend(unread.then(|| notes::UNREAD.to_owned()));
        let violations = match placed.exempt_by().and_then(|namespace| self.world.exemption(namespace)) {
            Some(reason) => {
                assumed.push(reason);
                vec![]
            }
            None => match self.world.engine.review_expanded(&request, &self.world.expander) {
                Ok(found) => found.into_iter().map(|found| self.violation(found)).collect(),
                Err(error) => {
                    let failed = failed(placed, object, reason(&error));
                    return ObjectResult { operation: operation(&request), ..failed };
                }
            },
        };
        ObjectResult {
            object,
            source: placed.source(),
            operation: operation(&request),
            verdict: violations
                .iter()
                .map(|violation: &Violation| violation.enforcement_action)
                .max()
                .unwrap_or_default(),
            violations,
            assumed,
            unread,
        }
    }

    /// Whether there is a Pod template in the object that nobody looks at.
    fn unread(&self, request: &Request) -> bool {
        let object = request.object();
        let (group, kind) = group_and_kind(object);
        (!group.is_empty() || kind != "Pod")
            && !self.world.reads_template(group, kind)
            && notes::has_pod_template(object)
            && self.world.expander.expand(object).is_ok_and(|implied| implied.is_empty())
    }

    fn assume(&self, placed: &Placed, assumed: &mut Vec<String>) {
        if let Some(namespace) =
            placed.namespace.as_deref().filter(|name| self.world.namespaces.is_assumed(name))
        {
            assumed.push(format!("namespace {namespace} has no labels: it is not in the input"));
        }
        if let Some(namespace) = placed.namespace.as_deref().filter(|name| self.world.is_system(name)) {
            let reach = "the standards do not reach it, policies only if they name it";
            assumed.push(format!("namespace {namespace} is a system namespace: {reach}"));
        }
        assumed.extend(self.assumed.iter().cloned());
    }

    fn violation(&self, found: Found) -> Violation {
        let policy = self.world.owner(&found.constraint).cloned();
        Violation {
            policy,
            constraint: ConstraintName { kind: found.constraint.kind, name: found.constraint.name },
            enforcement_action: found.action.into(),
            message: found.message,
            details: found.details,
        }
    }
}

/// An object as the API server would create it, and what had to be assumed.
fn created(placed: &Placed, mut object: Value) -> (Value, Vec<String>) {
    let mut assumed = vec![];
    match &placed.namespace {
        Some(namespace) => {
            object["metadata"]["namespace"] = namespace.clone().into();
            if placed.namespace_assumed {
                assumed.push(format!("its namespace is {namespace}: it names none"));
            }
            if placed.scope == Scope::Assumed {
                let kind = &placed.candidate.header.kind;
                assumed
                    .push(format!("{kind} is namespaced: its CustomResourceDefinition is not in the input"));
            }
        }
        None => {
            object["metadata"].as_object_mut().map(|metadata| metadata.remove("namespace"));
        }
    }
    assumed.extend(defaults::apply(&mut object));
    (object, assumed)
}

/// Why Gatekeeper fails to review an object.
fn reason(error: &ReviewError) -> String {
    match error {
        ReviewError::Expansion(inner) => format!("{}: {error}", policies::field(&inner.pointer)),
        ReviewError::Message { .. } | ReviewError::Engine { .. } => error.to_string(),
    }
}

/// What a recorded request is about.
fn reviewed(review: &Value) -> ObjectRef {
    let text = |pointer: &str| review.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (group, version) = (text("/request/kind/group"), text("/request/kind/version"));
    ObjectRef {
        api_version: if group.is_empty() { version } else { format!("{group}/{version}") },
        kind: text("/request/kind/kind"),
        namespace: Some(text("/request/namespace")).filter(|namespace| !namespace.is_empty()),
        name: text("/request/name"),
    }
}

fn failed(placed: &Placed, object: ObjectRef, reason: String) -> ObjectResult {
    ObjectResult {
        object,
        source: placed.source(),
        operation: String::new(),
        verdict: Verdict::Error,
        violations: vec![],
        assumed: vec![reason],
        unread: false,
    }
}

/// What a request does, as a word; empty for an object that audit sees.
fn operation(request: &Request) -> String {
    request.operation().map(|operation| operation.to_string()).unwrap_or_default()
}
