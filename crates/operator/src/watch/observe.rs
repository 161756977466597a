//! Takes from the caches what one decision reads, as plain values.

mod gatekeeper;
mod policy;
mod standard;
mod template;

pub(crate) use gatekeeper::Gatekeeper;
pub(crate) use policy::PolicySnapshot;
pub(crate) use standard::StandardSnapshot;
pub(crate) use template::TemplateSnapshot;
