//! An object of the input, and where it stands.

use std::sync::Arc;

use gatewright_engine::Request;
use gatewright_kube_defaults::{About, Assumption, Cluster, apply_in};
use serde_json::Value;

use super::collect::Candidate;
use super::kinds::{Scope, Scopes};
use super::result::{ObjectRef, ObjectResult, Source, Verdict};
use crate::foreign::Foreign;
use crate::input::{self, Document, Fields, Header, InputError, Written};

/// What is to be judged, and where it stands.
#[derive(Debug)]
pub struct Placed {
    candidate: Candidate,
    scope: Scope,
    namespace: Option<String>,
    namespace_assumed: bool,
    /// What it is now, where it is judged as a change of that.
    old: Option<Value>,
}

/// An object, and the request in which it comes.
pub struct Asked {
    /// The object, as people name it.
    pub object: ObjectRef,
    /// The request.
    pub request: Request,
    /// What had to be assumed.
    pub assumed: Vec<Assumption>,
}

impl Placed {
    /// Finds out where an object stands.
    ///
    /// # Errors
    /// The kind does not exist.
    pub fn new(candidate: Candidate, scopes: &Scopes, default: Option<&str>) -> Result<Self, InputError> {
        if candidate.is_review() {
            let review = candidate.0.value();
            let namespace = review.pointer("/request/namespace").and_then(Value::as_str);
            let namespace = namespace.filter(|name| !name.is_empty()).map(str::to_owned);
            let (scope, namespace_assumed) = (Scope::Namespaced, false);
            return Ok(Self { candidate, scope, namespace, namespace_assumed, old: None });
        }
        let scope = match scopes.of(candidate.header()) {
            Ok(scope) => scope,
            Err(message) => return Err(InputError { location: candidate.0.location, message }),
        };
        let own = candidate.header().namespace.clone();
        let namespace_assumed = own.is_none() && default.is_none() && scope != Scope::Cluster;
        let inside = || own.unwrap_or_else(|| default.unwrap_or("default").to_owned());
        let namespace = (scope != Scope::Cluster).then(inside);
        Ok(Self { candidate, scope, namespace, namespace_assumed, old: None })
    }

    /// The same as a change of what is stored: with its uid and what else the API server keeps of it.
    pub fn replacing(self, old: Value) -> Self {
        Self { old: Some(old), ..self }
    }

    /// The same with another content, which stands in no text.
    ///
    /// # Errors
    /// It is no object any more.
    pub fn changed(&self, object: &Value) -> Result<Self, InputError> {
        let candidate = Candidate(Document::made(object, self.candidate.0.location.clone())?);
        let (namespace, old) = (self.namespace.clone(), self.old.clone());
        Ok(Self { candidate, scope: self.scope, namespace, namespace_assumed: self.namespace_assumed, old })
    }

    /// The object as it is written.
    pub fn document(&self) -> Value {
        self.candidate.0.value()
    }

    /// The text that it is written in.
    pub fn written(&self) -> Option<Written<'_>> {
        self.candidate.0.written()
    }

    /// The file that it stands in.
    pub const fn file(&self) -> &Arc<str> {
        &self.candidate.0.location.file
    }

    /// Where it stands, and what it is.
    pub fn said(&self) -> String {
        format!("{}: {}", self.source(), self.object())
    }

    /// Whether it is a recorded request.
    pub fn is_review(&self) -> bool {
        self.candidate.is_review()
    }

    /// Whether it is a Namespace.
    pub fn is_namespace(&self) -> bool {
        self.candidate.is_namespace()
    }

    /// The namespace it stands in.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The namespace whose exemption counts: a Namespace is exempt with what stands in it.
    pub fn exempt_by(&self) -> Option<&str> {
        if self.candidate.is_namespace() { Some(&self.header().name) } else { self.namespace() }
    }

    /// The namespace of which the labels count: a Namespace's are its own.
    pub fn labelled_by(&self) -> Option<&str> {
        self.exempt_by()
    }

    /// The object, if it decides what Pods of its namespace get.
    pub fn gives_to_pods(&self) -> Option<Value> {
        self.candidate.gives_to_pods().then(|| self.candidate.0.value())
    }

    /// The object as the cluster would store it, for templates that look at others; a recorded request stores nothing.
    pub fn stored(&self, cluster: &Cluster) -> Option<Value> {
        let stored = !self.candidate.is_review() && !self.candidate.is_namespace();
        stored.then(|| created(self, self.candidate.0.value(), cluster).0)
    }

    /// Where its fields stand.
    pub fn fields(&self) -> Fields {
        self.candidate.0.fields()
    }

    /// What the object says of itself.
    pub const fn header(&self) -> &Header {
        self.candidate.header()
    }

    /// Where it is written.
    pub fn source(&self) -> Source {
        let location = &self.candidate.0.location;
        Source { file: location.file.to_string().into(), line: location.line }
    }

    /// What people call it.
    pub fn object(&self) -> ObjectRef {
        let header = self.header();
        let made_up = || format!("{}*", header.generate_name);
        let name = if header.name.is_empty() { made_up() } else { header.name.clone() };
        ObjectRef {
            api_version: header.api_version.clone().into(),
            kind: header.kind.clone().into(),
            namespace: self.namespace.clone().map(Foreign::from),
            name: name.into(),
        }
    }

    /// The request that is judged.
    ///
    /// # Errors
    /// The object has no verdict, because it is a request that cannot be read.
    pub fn asked(&self, cluster: &Cluster) -> Result<Asked, Box<ObjectResult>> {
        let value = self.candidate.0.value();
        if !self.candidate.is_review() {
            let Some(old) = self.old.clone() else {
                let (object, assumed) = created(self, value, cluster);
                return Ok(Asked { object: self.object(), request: Request::create(object), assumed });
            };
            let (object, assumed) = created(self, kept(value, &old), cluster);
            let (old, _) = created(self, old, cluster);
            return Ok(Asked { object: self.object(), request: Request::update(object, old), assumed });
        }
        let object = reviewed(&value);
        match Request::from_admission_review(value) {
            Ok(request) => Ok(Asked { object, request, assumed: vec![] }),
            Err(error) => {
                let message = input::without_values(&error.message);
                Err(Box::new(failed(self, object, format!("{}: {message}", error.pointer))))
            }
        }
    }
}

/// A change with what the API server keeps of the stored object, whatever is sent.
fn kept(mut new: Value, old: &Value) -> Value {
    for field in ["uid", "creationTimestamp", "deletionTimestamp", "generation"] {
        if let Some(value) = old["metadata"].get(field) {
            new["metadata"][field] = value.clone();
        }
    }
    if let Some(status) = old.get("status") {
        new["status"] = status.clone();
    }
    new
}

/// An object as the API server would create it, and what had to be assumed.
fn created(placed: &Placed, mut object: Value, cluster: &Cluster) -> (Value, Vec<Assumption>) {
    let mut assumed = vec![];
    let mut assume = |text| assumed.push(Assumption { about: About::Other, text });
    match &placed.namespace {
        Some(namespace) => {
            object["metadata"]["namespace"] = namespace.clone().into();
            if placed.namespace_assumed {
                assume(format!("its namespace is {namespace}: it names none"));
            }
            if placed.scope == Scope::Assumed {
                let kind = &placed.header().kind;
                assume(format!("{kind} is namespaced: its CustomResourceDefinition is not in the input"));
            }
        }
        None => {
            object["metadata"].as_object_mut().map(|metadata| metadata.remove("namespace"));
        }
    }
    assumed.extend(apply_in(&mut object, cluster));
    (object, assumed)
}

/// What a recorded request is about.
fn reviewed(review: &Value) -> ObjectRef {
    let text = |pointer: &str| review.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (group, version) = (text("/request/kind/group"), text("/request/kind/version"));
    ObjectRef {
        api_version: if group.is_empty() { version } else { format!("{group}/{version}") }.into(),
        kind: text("/request/kind/kind").into(),
        namespace: Some(text("/request/namespace"))
            .filter(|namespace| !namespace.is_empty())
            .map(Foreign::from),
        name: text("/request/name").into(),
    }
}

/// What is said of an object without a verdict.
pub fn failed(placed: &Placed, object: ObjectRef, reason: String) -> ObjectResult {
    ObjectResult {
        object,
        source: placed.source(),
        operation: String::new(),
        verdict: Verdict::Error,
        violations: vec![],
        patch: None,
        assumed: vec![reason.into()],
        unread: false,
        unverified: vec![],
        exempt: None,
        pods_refused: false,
    }
}
