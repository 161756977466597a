//! Labels and names that other programs may rely on.

/// Marks an object as ours. Its value is the uid of the policy that owns it, or [`BUILTIN`].
/// The sweep deletes nothing that does not carry this label.
pub const OWNER_LABEL: &str = "gatewright.io/owner";

/// The value of [`OWNER_LABEL`] on what belongs to no policy: the templates.
pub const BUILTIN: &str = "builtin";

/// The value of [`OWNER_LABEL`] on what `render` prints. The operator treats it as foreign: GitOps owns it.
pub const RENDERED: &str = "render";
