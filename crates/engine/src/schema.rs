//! The schemas of constraints: Kubernetes' dialect of OpenAPI v3. Values are validated, given their defaults, and
//! searched for fields that the schema does not know, as the API server and Gatekeeper's webhook do.

mod defaults;
mod demands;
mod rules;
mod structural;
mod typed;
mod unknown;
mod validate;
mod words;

pub use defaults::add_defaults;
pub use rules::Rules;
pub use structural::{check, preserve_unknown_fields};
pub use unknown::{unknown_field, unknown_fields};
pub use validate::{faults, validate};
pub use words::check_types;

/// Something in a value that its schema forbids, or in a schema that Kubernetes refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field, as a JSON pointer.
    pub pointer: String,
    /// What is wrong. It holds nothing of the value, which may be a secret.
    pub message: String,
    /// Whether it is a limit of this engine: Kubernetes may take the schema.
    pub limit: bool,
    /// The values that are allowed, where the schema lists them.
    pub allowed: Vec<String>,
}

impl Fault {
    fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into(), limit: false, allowed: vec![] }
    }

    /// What this engine cannot check.
    fn limit(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { limit: true, ..Self::new(pointer, message) }
    }
}

/// A pointer to a member.
fn member(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn flag(schema: &serde_json::Value, name: &str) -> bool {
    schema[name].as_bool().unwrap_or_default()
}

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";
const INT_OR_STRING: &str = "x-kubernetes-int-or-string";
const EMBEDDED: &str = "x-kubernetes-embedded-resource";
