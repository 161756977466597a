//! What all commands that look at a cluster share: how they reach it, how they list, and what they say of what they may
//! not see.

mod connect;
mod discovery;
mod list;
mod names;

pub use connect::{ClusterArgs, Connection, duration};
pub use discovery::{Discovery, Served};
pub use list::{Listed, Unseen, list, list_whole, right};
pub use names::object_name;

/// Where the operator runs, if nobody says otherwise.
pub const OPERATOR_NAMESPACE: &str = "gatewright-system";

/// The formats of what a command found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Text for people
    #[default]
    Table,
    /// One JSON document, for scripts
    Json,
}
