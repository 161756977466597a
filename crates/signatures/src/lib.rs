//! Signatures of container images, without I/O: which images an entry of `verifyImageSignatures` covers, its keys, the
//! formats of cosign's signatures, the credentials of registries, and what each outcome is called.
//!
//! The compiler reads references and keys with it, the verifier judges with it what registries answer.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::unreachable
    )
)]

pub mod bounds;
pub mod candidates;
pub mod challenge;
pub mod class;
pub mod digest;
pub mod docker_config;
pub mod entry;
pub mod format;
pub mod key;
pub mod merge;
pub mod named;
pub mod protocol;
pub mod reference;
pub mod text;

pub use class::{Class, Failure};
pub use digest::Digest;
pub use entry::{Covers, Entry, Parameters};
pub use key::PublicKey;
pub use reference::{Image, Reference};
