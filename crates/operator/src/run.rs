//! What stands around the work: who leads, how requests are sent, the settings file, and the HTTP server.

pub(crate) mod gate;
pub(crate) mod gauges;
pub(crate) mod leadership;
pub(crate) mod lease;
pub(crate) mod reconcile;
pub(crate) mod reference;
pub(crate) mod scrape;
pub(crate) mod server;
pub(crate) mod settings;
pub(crate) mod start;
pub(crate) mod throttle;
mod unsettled;
