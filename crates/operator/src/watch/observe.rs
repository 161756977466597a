//! Takes from the caches what one decision reads, as plain values.

mod gatekeeper;
pub(crate) mod guard;
mod namespaces;
mod policy;
mod reports;
pub(crate) mod routing;
mod scrape;
mod standard;
mod system;
mod template;
pub(crate) mod verifier;

pub(crate) use gatekeeper::Gatekeeper;
pub(crate) use guard::GuardSnapshot;
pub(crate) use namespaces::NamespacesSnapshot;
pub(crate) use policy::{ConstraintSnapshot, PolicySnapshot};
pub(crate) use reports::{Audited, Preferred, ReportKinds, ReportsSnapshot};
pub(crate) use routing::RoutingSnapshot;
pub(crate) use scrape::{CacheSeen, PolicySeen, ScrapeSnapshot};
pub(crate) use standard::StandardSnapshot;
pub(crate) use system::{StandardReach, SystemSnapshot, lacking};
pub(crate) use template::TemplateSnapshot;
pub(crate) use verifier::{VerifierSnapshot, VerifierView};

#[cfg(test)]
mod tests;
