//! What reconciliations published for others to read.

use gatewright_gatekeeper::{Finding, Route};

/// What became of the exec guard and of the routing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoutingOutcome {
    /// Whether the exec guard is to stand.
    pub(crate) guard: bool,
    /// What keeps it from standing, as a sentence.
    pub(crate) guard_problem: Option<String>,
    /// The requests that our own webhook configuration sends Gatekeeper.
    pub(crate) routes: Vec<Route>,
    /// What keeps requests from Gatekeeper, or sends it some that a template does not expect.
    pub(crate) findings: Vec<Finding>,
    /// What keeps our webhook configuration from being as it should be, as a sentence.
    pub(crate) routing_problem: Option<String>,
}
