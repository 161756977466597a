//! The Pod Security Standards of Kubernetes, every version of them.

pub mod controls;
mod fixes;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::security_policy::host_network::Range;
use crate::{Definition, Entry, Lib, Owner, Rule, Volatile, WRITES};

/// What the template looks at of what changes on a running Pod.
pub const LOOKS_AT: &[Volatile] = &[Volatile::EphemeralContainers];

/// The newest version whose changes are known: the N of v1.N. A newer one means this one.
pub const NEWEST_MINOR: u32 = 37;

/// The parameters of a constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// Which standard holds.
    pub level: Level,
    /// The version of the standard: latest, or v1.N.
    #[schemars(regex(pattern = r"^(latest|v1\.[0-9]+)$"))]
    pub version: String,
    /// Host ports that are allowed at both levels.
    pub known_host_ports: Vec<Range>,
    /// Whether hostUsers: false relaxes controls as it does from v1.35.
    pub user_namespaces_relaxation: bool,
    /// Where people who are refused can ask: each message ends with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help_url: Option<String>,
}

/// A standard that forbids something.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::AsRefStr,
    strum::EnumIter,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Level {
    /// What is known to lead to the node is forbidden.
    Baseline,
    /// The best practice of hardening is demanded.
    Restricted,
}

/// The template.
pub const DEFINITION: Definition = Definition {
    kind: "D8PodSecurityStandard",
    folder: "pod-security-standard",
    owner: Owner::Standards,
    title: "Pod Security Standards",
    operations: WRITES,
    libs: &[Lib::Control, Lib::Finding, Lib::Pod, Lib::Standard, Lib::Update],
    rules: &[
        room("apparmor", include_str!("../../../templates/pod-security-standard/apparmor/rule.rego")),
        room("capabilities", include_str!("../../../templates/pod-security-standard/capabilities/rule.rego")),
        room(
            "host-namespaces",
            include_str!("../../../templates/pod-security-standard/host-namespaces/rule.rego"),
        ),
        room("host-ports", include_str!("../../../templates/pod-security-standard/host-ports/rule.rego")),
        room("host-probes", include_str!("../../../templates/pod-security-standard/host-probes/rule.rego")),
        room("non-root", include_str!("../../../templates/pod-security-standard/non-root/rule.rego")),
        room(
            "privilege-escalation",
            include_str!("../../../templates/pod-security-standard/privilege-escalation/rule.rego"),
        ),
        room("privileged", include_str!("../../../templates/pod-security-standard/privileged/rule.rego")),
        room("proc-mount", include_str!("../../../templates/pod-security-standard/proc-mount/rule.rego")),
        room("seccomp", include_str!("../../../templates/pod-security-standard/seccomp/rule.rego")),
        room("selinux", include_str!("../../../templates/pod-security-standard/selinux/rule.rego")),
        room("sysctls", include_str!("../../../templates/pod-security-standard/sysctls/rule.rego")),
        room("volumes", include_str!("../../../templates/pod-security-standard/volumes/rule.rego")),
    ],
    parameters: crate::template::schema_of::<Parameters>,
    entry: Entry::Controls(include_str!("../../../templates/pod-security-standard/entry.rego")),
};

/// Controls are no checks of a policy's fields: [`controls::CONTROLS`] says when their faults count.
const fn room(name: &'static str, module: &'static str) -> Rule {
    Rule { name, module, checks: &[] }
}
