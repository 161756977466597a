//! The operator: keeps the Gatekeeper objects of all policies as the compiler wants them, and says on the policies'
//! status what became of them.
//!
//! Data goes one way: watches fill caches; a change puts a key into the queue; the key's reconciliation takes a
//! snapshot of the caches, compiles, applies and reports. Nothing is written while nothing changes.

mod act;
mod error;
mod events;
mod judge;
#[cfg(test)]
mod layers;
mod metrics;
mod names;
pub mod rbac;
mod run;
mod watch;

pub use error::Error;
pub use names::{CLUSTER_ROLE, FIELD_MANAGER, LEASE, REPORT, VERIFIER_SECRET};
pub use run::reference::metrics_reference;
pub use run::start::{Options, client, run};
pub use watch::report_kind::report_resources;
