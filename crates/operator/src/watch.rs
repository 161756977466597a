//! What is seen of the cluster: watches fill caches, and [`observe`] takes from them what one decision reads.
//!
//! Nothing here decides and nothing here writes. What has changed goes out as a [`Key`].

pub(crate) mod cache;
pub(crate) mod certificate;
pub(crate) mod desired;
#[cfg(test)]
pub(crate) mod fixtures;
mod follow;
pub(crate) mod foreign;
pub(crate) mod key;
pub(crate) mod kind;
pub(crate) mod last_applied;
pub(crate) mod live;
pub(crate) mod namespaces;
pub(crate) mod observe;
pub(crate) mod policies;
pub(crate) mod published;
mod regular;
mod release;
pub(crate) mod report_kind;
pub(crate) mod reports;
pub(crate) mod schemas;
pub(crate) mod served;
pub(crate) mod system;
mod verifiers;
pub(crate) mod world;
