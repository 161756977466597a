//! What undoes the violations of the controls.

use crate::{Capabilities, Change, Fix};

/// What a container runtime gives by default, without `NET_RAW`: the names of the room `capabilities`.
pub const DEFAULTS: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

pub const PROFILE: Fix = Fix::change(
    Change::AllowedProfile,
    "what the profile of the container runtime forbids, such as mounting",
);

pub const SECCOMP: Fix = Fix::change(
    Change::AllowedProfile,
    "rare system calls that the profile of the container runtime forbids",
);

pub const HOST_NAMESPACES: Fix = Fix::remove(
    &["hostNetwork", "hostPID", "hostIPC"],
    "access to the network, the processes or the shared memory of the node",
);

pub const PRIVILEGED: Fix = Fix::remove(&["privileged"], "access to devices of the node");

pub const HOST_PROCESS: Fix = Fix::remove(&["hostProcess"], "access to the node");

pub const ADDED: Fix =
    Fix::change(Change::Capabilities(Capabilities::Only(DEFAULTS)), "what the added capabilities are for");

pub const CAPABILITIES: Fix = Fix::change(
    Change::Capabilities(Capabilities::Only(&["NET_BIND_SERVICE"])),
    "what root does with the capabilities, such as changing owners of files",
);

pub const VOLUMES: Fix = Fix::none("only you know where else the data can be");

pub const HOST_PORTS: Fix =
    Fix::remove(&["hostPort"], "clients that reach the port at the address of the node");

pub const HOST_PROBES: Fix = Fix::remove(&["host"], "probes and hooks that ask another host");

pub const SELINUX: Fix = Fix::remove(&["type", "user", "role"], "access to files that only the label allows");

pub const PROC_MOUNT: Fix =
    Fix::remove(&["procMount"], "access to the hidden parts of /proc, as for containers in containers");

pub const SYSCTLS: Fix = Fix::change(Change::RemoveItem("sysctls"), "what the sysctl was set for");

pub const NON_ROOT: Fix = Fix::change(Change::NonRoot, "images that run as root: they do not start");

pub const USER: Fix = Fix::remove(&["runAsUser"], "images that run as root: they do not start");

pub const ESCALATION: Fix =
    Fix::change(Change::ForbidEscalation, "programs that gain rights, such as sudo and setuid files");

#[cfg(test)]
mod tests {
    use super::DEFAULTS;

    #[test]
    fn the_names_are_those_of_the_room() {
        let module = include_str!("../../../../templates/pod-security-standard/capabilities/rule.rego");
        let (_, list) = module.split_once("defaults := {").unwrap();
        let (list, _) = list.split_once('}').unwrap();
        let names: Vec<_> = list.split(',').map(|name| name.trim().trim_matches('"')).collect();
        assert_eq!(names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>(), DEFAULTS);
    }
}
