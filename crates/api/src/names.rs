//! Labels and names that other programs may rely on.

/// Marks an object as ours. Its value is the uid of the policy that owns it, or [`BUILTIN`].
/// The sweep deletes nothing that does not carry this label.
pub const OWNER_LABEL: &str = "gatewright.io/owner";

/// The value of [`OWNER_LABEL`] on what belongs to no policy: the templates.
pub const BUILTIN: &str = "builtin";

/// The value of [`OWNER_LABEL`] on what `render` prints. The operator treats it as foreign: GitOps owns it.
pub const RENDERED: &str = "render";

/// Whether a value of [`OWNER_LABEL`] is one of ours: [`BUILTIN`], or what has the form that the API server gives uids.
#[must_use]
pub fn is_owner(value: &str) -> bool {
    let lengths = value.split('-').map(str::len);
    let is_uid =
        lengths.eq([8, 4, 4, 4, 12]) && value.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    value == BUILTIN || is_uid
}
