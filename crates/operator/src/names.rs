//! Names that outlive a release.

/// The field manager of everything that the operator writes. Renaming it would leave old fields behind forever.
pub const FIELD_MANAGER: &str = "gatewright";

/// The name of the Lease that replicas elect their leader by, in the operator's namespace.
pub const LEASE: &str = "gatewright";

/// The name of every report, which is all that the operator looks at of reports.
pub const REPORT: &str = "gatewright";

/// The name of the ClusterRole of the operator, which owns what must go when gatewright is uninstalled; and of its
/// ServiceAccount, Roles and bindings.
pub const CLUSTER_ROLE: &str = "gatewright";

/// The name of the Secret with the verifier's serving certificate, in the operator's namespace.
pub const VERIFIER_SECRET: &str = "gatewright-verifier-tls";
