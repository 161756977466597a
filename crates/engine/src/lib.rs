//! Evaluates templates and constraints without a cluster, as Gatekeeper would. Pure: no client, no files, no clock
//! but the time limit of an evaluation.

mod action;
mod cel;
mod client;
mod constraint;
mod convert;
mod error;
mod inventory;
pub mod program;
mod request;
mod review;
mod schema;
mod template;

pub use action::{Action, EnforcementPoint};
pub use client::{ConstraintRef, Engine, Options, Violation};
pub use error::{ConstraintError, RequestError, TemplateError};
pub use request::Request;
