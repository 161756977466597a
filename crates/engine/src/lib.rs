//! Evaluates templates and constraints without a cluster, as Gatekeeper would. Pure: no client, no files, no clock
//! but the time limit of an evaluation.

mod client;
pub mod defaults;
pub mod program;

pub use client::{
    Action, ConstraintError, ConstraintRef, EnforcementPoint, Engine, Options, Request, RequestError,
    TemplateError, Violation,
};
