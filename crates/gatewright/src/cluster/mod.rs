//! What all commands that look at a cluster share: how they reach it, how they list, and what they say of what they may
//! not see.

mod connect;
mod discovery;
pub mod judging;
mod lease;
mod list;
mod names;

pub use connect::{ClusterArgs, Connection, duration};
pub use discovery::{Discovery, Served};
pub use lease::holder;
pub use list::{
    Listed, Page, Unseen, list, list_kept, list_some, list_whole, list_whole_kept, metadata_by_page,
    objects_by_page, right,
};
pub use names::{configs, constraints, object_name};

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
