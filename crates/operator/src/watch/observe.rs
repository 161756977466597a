//! Takes from the caches what one decision reads, as plain values.

mod gatekeeper;
pub(crate) mod guard;
mod policy;
pub(crate) mod routing;
mod standard;
mod template;

pub(crate) use gatekeeper::Gatekeeper;
pub(crate) use guard::GuardSnapshot;
pub(crate) use policy::PolicySnapshot;
pub(crate) use routing::RoutingSnapshot;
pub(crate) use standard::StandardSnapshot;
pub(crate) use template::TemplateSnapshot;
