//! What programs see of a request.

use std::{borrow::Cow, cell::OnceCell};

use gatewright_rego::{Numbers, object, to_rego};
use serde_json::{Map, Value};

use crate::{
    cel::{self, Input},
    sandbox::ReviewedRequest,
};

/// What programs see of a request: each form is converted once, and only if a program needs it.
pub struct Facts<'a> {
    review: &'a Map<String, Value>,
    /// Null where none is attached.
    namespace: &'a Value,
    /// The same for Rego, where it is converted already.
    converted: Option<&'a gatewright_rego::Value>,
    rego: OnceCell<gatewright_rego::Value>,
    cel: OnceCell<Input>,
}

impl<'a> Facts<'a> {
    pub fn new(
        review: &'a Map<String, Value>,
        namespace: &'a Value,
        converted: Option<&'a gatewright_rego::Value>,
    ) -> Self {
        Self { review, namespace, converted, rego: OnceCell::new(), cel: OnceCell::new() }
    }

    /// For a program that runs elsewhere.
    pub fn request(&self) -> ReviewedRequest<'a> {
        ReviewedRequest { review: Cow::Borrowed(self.review), namespace: Cow::Borrowed(self.namespace) }
    }

    /// `input.review`.
    pub fn rego(&self) -> &gatewright_rego::Value {
        self.rego.get_or_init(|| {
            let field =
                |(field, value): (&'a String, &Value)| (field.as_str(), to_rego(value, Numbers::Floats));
            object(self.review.iter().map(field).chain([("namespaceObject", self.namespace_object())]))
        })
    }

    /// Where no Namespace is attached, Rego sees an empty object.
    fn namespace_object(&self) -> gatewright_rego::Value {
        match self.converted {
            Some(converted) => converted.clone(),
            None if self.namespace.is_null() => object([]),
            None => to_rego(self.namespace, Numbers::Floats),
        }
    }

    /// What CEL expressions see. As in the API server, and unlike in Rego, a deleted object is the old one only.
    pub fn cel(&self) -> &Input {
        self.cel.get_or_init(|| {
            let field = |name: &str| self.review.get(name).unwrap_or(&Value::Null);
            let object = if field("operation") == "DELETE" { &Value::Null } else { field("object") };
            Input::new(object, field("oldObject"), &cel::request(self.review), self.namespace)
        })
    }
}
