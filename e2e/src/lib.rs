//! Whole local clusters of real programs, without containers, for scenarios and for development.
//!
//! etcd, the Kubernetes control plane, Gatekeeper and kwok run as plain processes on loopback. Nodes
//! are fake: a Pod on one becomes Running, nothing runs in it, and `kubectl exec` runs its command on
//! this machine. Everything else is real; the README of this package says more. Linux only, since
//! processes are found through `/proc`.
//!
//! ```no_run
//! use gatewright_e2e::{Cluster, Options};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let cluster = Cluster::start(Options::new("example")).await?;
//! cluster.kubectl(&["get", "nodes"], None).await?.success()?;
//! # Ok(())
//! # }
//! ```

pub mod answers;
pub mod audit;
pub mod author;
pub mod chart;
mod cluster;
pub mod container;
pub mod desired;
pub mod documents;
pub mod fixtures;
pub mod gator;
pub mod generate;
pub mod image;
pub mod manifests;
pub mod operator;
pub mod paths;
pub mod proxy;
pub mod reading;
pub mod replicas;
pub mod requests;
pub mod rights;
mod runner;
mod scenario;
pub mod signatures;
pub mod templates;
pub mod transcript;
pub mod trial;

use std::time::Duration;

pub use cluster::{Cluster, Condition, FailurePolicy, Options, Output, Running, down, reap, running, until};
pub use gatewright_tools as tools;
pub use runner::VERIFIER_PORT;
pub use scenario::Scenario;

/// Much more than anything here takes, also on a machine under load.
pub const SOON: Duration = Duration::from_mins(2);

/// How long something may take that is promised within a second: four times as long on a machine under load, and a
/// second for whoever looks.
pub const AT_ONCE: Duration = Duration::from_secs(5);
