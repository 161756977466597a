//! What Gatekeeper's own engine, and other real programs, say of files. No cluster is needed.

mod alerts;
mod cel;
mod documented;
mod engine;
mod rego;
mod rules;
mod standards;
mod suites;
mod templates;
mod verify;
mod yaml;
