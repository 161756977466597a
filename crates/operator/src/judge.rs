//! What is to be done, and what is to be said: pure functions of what was observed and of the settings.
//!
//! Nothing here knows a client or a cache. Each decision takes a snapshot and gives a [`plan::Plan`].

pub(crate) mod age;
pub(crate) mod builtin;
pub(crate) mod certificate;
pub(crate) mod conditions;
pub(crate) mod draft;
pub(crate) mod enforcement;
pub(crate) mod exemption;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod guard;
#[cfg(test)]
mod health;
pub(crate) mod namespaces;
pub(crate) mod object;
pub(crate) mod ownership;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod reports;
pub(crate) mod routing;
pub(crate) mod skew;
pub(crate) mod standard;
pub(crate) mod summary;
pub(crate) mod system;
pub(crate) mod template;
#[cfg(test)]
mod tests;
pub(crate) mod verifier;
