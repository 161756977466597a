//! Signatures of images: the verifier is asked about them, and what it does not pass is refused.

use gatewright_signatures::Parameters;

use crate::rule::{Subject, Volatile};
use crate::{Definition, Entry, Lib, Owner, WRITES};

/// The name of the `Provider` that the template asks.
pub const PROVIDER: &str = "gatewright-verifier";

/// The field of the policy that the template enforces.
pub const FIELD: &str = "verifyImageSignatures";

/// How messages begin. Those of all other rules begin with the field and a colon; these are documented so.
pub const MESSAGE: &str = "[verify-image-signatures] ";

/// What is judged: the images of any workload kind, also of debug containers that are added to a running Pod.
pub const SUBJECT: Subject = Subject::Pod(&[Volatile::EphemeralContainers]);

/// The most images of an object that are asked about.
pub const MOST_IMAGES: usize = 64;

/// The template.
pub const DEFINITION: Definition = Definition {
    kind: "D8VerifyImageSignatures",
    folder: "verify-image-signatures",
    owner: Owner::Signatures,
    title: "Signatures of images",
    operations: WRITES,
    libs: &[Lib::Finding, Lib::Image, Lib::Pod, Lib::Update],
    rules: &[],
    parameters: crate::template::schema_of::<Parameters>,
    entry: Entry::Written(include_str!("../../../templates/verify-image-signatures/entry.rego")),
};
