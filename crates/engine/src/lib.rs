//! Evaluates templates and constraints without a cluster, as Gatekeeper would. Pure: no client, no files, no clock
//! but the time limit of an evaluation.

mod action;
mod applies;
mod cel;
mod client;
mod constraint;
mod error;
pub mod expand;
mod facts;
mod inventory;
mod message;
mod reach;
mod request;
mod review;
pub mod sandbox;
pub mod schema;
mod template;
#[cfg(test)]
mod tests;

pub use action::EnforcementPoint;
pub use applies::NotApplied;
pub use client::{ConstraintRef, Engine, Options, Violation};
pub use error::{ConstraintError, ExpansionError, RequestError, ReviewError, TemplateError};
pub use message::bounded;
pub use reach::Reach;
pub use request::Request;

pub use gatewright_rego::{Answer, Providers};

/// Compiles the program of a template that tests have proven, for [`Engine::add_compiled_template`] of the same version.
///
/// # Errors
/// It does not compile, or is not one program in Rego v1.
pub fn compile_proven(template: &serde_json::Value) -> Result<Vec<u8>, Vec<TemplateError>> {
    template::to_bytes(&template["spec"]["targets"][0], template::TARGET_POINTER)
}
