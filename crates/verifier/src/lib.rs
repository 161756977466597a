//! Verifies signatures of images at their registries, and answers Gatekeeper's question whether an image is signed.

pub mod bounds;
mod digest;
mod fingerprint;
pub mod flights;
pub mod pace;
pub mod registry;
#[cfg(test)]
mod testing;
