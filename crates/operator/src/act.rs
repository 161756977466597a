//! What is done: the queue of what to look at, and the only code that writes objects.

pub(crate) mod apply;
pub(crate) mod carry_out;
pub(crate) mod certificate;
#[cfg(test)]
pub(crate) mod mock;
pub(crate) mod publish;
pub(crate) mod queue;
pub(crate) mod reports;
pub(crate) mod status;
pub(crate) mod system;
pub(crate) mod writer;
