//! Names that outlive a release.

/// The field manager of everything that the operator writes. Renaming it would leave old fields behind forever.
pub const FIELD_MANAGER: &str = "gatewright";

/// The name of the Lease that replicas elect their leader by, in the operator's namespace.
pub(crate) const LEASE: &str = "gatewright";
