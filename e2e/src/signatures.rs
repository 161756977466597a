//! What scenarios about signatures of images have in common: providers of external data, registries with faults, signed
//! images, and the verifier as a process.

mod ask;
mod front;
mod install;
mod provider;
mod tls;
mod verifier;
mod workshop;

pub use ask::{Answer, Asker};
pub use front::{Front, Manners, docker_config};
pub use install::constraint;
pub use provider::{Asked, Reply, ScriptedProvider, answers};
pub use tls::{Connection, Pair, post, serving_pair};
pub use verifier::{PROBES, VERIFIER, Verifier};
pub use workshop::{Format, Workshop};

use std::sync::{Mutex, MutexGuard, PoisonError};

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the message of a refused image says, after the name of the policy.
#[must_use]
pub fn refusal(policy: &str, image: &str, words: &str, holder: &str) -> String {
    format!(
        "[{policy}] [verify-image-signatures] Image signature verification failed: {image}: {words} ({holder})"
    )
}
