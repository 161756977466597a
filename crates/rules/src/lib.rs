//! The catalogue of rules.
//!
//! A rule is a room: typed parameters here, and `rule.rego` and `cases.yaml` under `templates/`. The rules of one
//! policy kind make one `ConstraintTemplate`, because Gatekeeper pays for every template and constraint that
//! matches an object before the first line of Rego runs.
//!
//! To add a rule: write its room under `templates/<template>/<rule>/`, add its module here with parameters and
//! [`Rule`], and a line to the table of its template. The compiler stops building until the policy's field is wired.

#[macro_use]
mod table;

pub mod cases;
pub mod deny_exec_heritage;
pub mod docs;
pub mod fix;
pub mod kinds;
pub mod operation_policy;
pub mod pod_security_standard;
mod rule;
pub mod security_policy;
mod template;
#[cfg(test)]
mod tests;
pub mod verify_image_signatures;

pub use fix::{Capabilities, Change, Fix, Literal};
pub use rule::{Check, Guard, PodTemplates, Reach, Rule, Subject, Volatile, subresources};
pub use template::{Definition, Entry, Lib, Owner, Template, WRITES};
