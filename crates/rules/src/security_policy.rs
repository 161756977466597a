//! The rules of `SecurityPolicy`.

use gatewright_api::PolicyKind;

use crate::{Definition, Entry, Lib, Owner, WRITES};

rules! {
    privileged: "Privileged containers",
    privilege_escalation: "Privilege escalation",
    host_processes: "The host's process and IPC namespaces",
    host_network: "Host network and host ports",
    read_only_root_filesystem: "Read-only root file systems",
    service_account_token: "Service account tokens",
    flex_volumes: "Drivers of flex volumes",
    volume_types: "Types of volumes",
    capabilities: "Linux capabilities",
    proc_mount: "Masking of /proc",
    host_paths: "Host paths",
    apparmor: "AppArmor profiles",
    seccomp: "Seccomp profiles",
    selinux: "SELinux options",
    sysctls: "Sysctls",
    rbac_wildcards: "Wildcards in RBAC",
    cluster_roles: "Cluster roles that RoleBindings refer to",
    users_and_groups: "Users and groups",
    service_types: "Types of Services",
    wildcard_domains: "Wildcard domains of Ingresses",
}

/// The template.
pub const DEFINITION: Definition = Definition {
    kind: "D8SecurityPolicy",
    folder: "security-policy",
    owner: Owner::Policy(PolicyKind::SecurityPolicy),
    title: "The rules of SecurityPolicy",
    operations: WRITES,
    libs: &[Lib::Finding, Lib::Pod, Lib::Update],
    rules: RULES,
    parameters: crate::template::schema_of::<Parameters>,
    entry: Entry::Generated,
};
