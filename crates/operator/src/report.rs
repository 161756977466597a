//! Reports: what audit found, told in the namespace that it was found in, to those who may not look at policies.

mod content;
mod findings;
mod kinds;
mod reconcile;
mod told;

pub(crate) use content::Summary;
pub(crate) use kinds::Reports;
pub(crate) use reconcile::reconcile;
pub(crate) use told::{Told, judge};

/// The name of every report of ours. Nothing of another name is ever looked at.
pub(crate) const NAME: &str = "gatewright";
