//! Signatures that real cosign made, those that it does not make, and the mistakes of others.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that fails may panic")]

mod advisories;
mod documentation;
mod fixtures;
mod hostile;
mod made;
