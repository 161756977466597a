//! The bounds of signatures and registries, and what they do not say.

pub use gatewright_signatures::bounds::*;

/// Tokens that are kept.
pub const TOKENS: u64 = 1_000;
/// Answers of registries of more than 64 KiB that are in memory at the same time.
pub const LARGE_ANSWERS: usize = 12;
/// An answer that is larger waits for its turn to be in memory.
pub const SMALL_ANSWER: usize = 64 << 10;
/// HTTP clients that are kept: one for each set of roots, class of addresses and proxy.
pub const CLIENTS: u64 = 64;
