//! Verifies signatures of images at their registries, and answers Gatekeeper's question whether an image is signed.

pub mod bounds;
mod caches;
pub mod check;
pub mod checks;
pub mod demand;
mod fingerprint;
pub mod flights;
pub mod metrics;
pub mod pace;
pub mod policies;
pub mod registry;
pub mod report;
pub mod run;
pub mod server;
#[cfg(test)]
mod testing;
pub mod verifier;

pub use caches::Age;
