//! What a Pod and its containers may do.

use gatewright_api::{Field, List, PortRange, ProcMount};
use gatewright_rules::security_policy::{
    host_network, host_processes, privilege_escalation, privileged, proc_mount, read_only_root_filesystem,
    service_account_token,
};

use crate::problem::Problem;
use crate::states::{demanded, forbidden};

const HIGHEST_PORT: i32 = 65535;

pub(super) fn privileged(allow: &Field<bool>) -> privileged::Parameters {
    privileged::Parameters { allow_privileged: forbidden(*allow) }
}

pub(super) fn privilege_escalation(allow: &Field<bool>) -> privilege_escalation::Parameters {
    privilege_escalation::Parameters { allow_privilege_escalation: forbidden(*allow) }
}

pub(super) fn host_processes(pid: &Field<bool>, ipc: &Field<bool>) -> host_processes::Parameters {
    host_processes::Parameters { allow_host_pid: forbidden(*pid), allow_host_ipc: forbidden(*ipc) }
}

pub(super) fn host_network(
    allow: &Field<bool>,
    ports: &Field<List<PortRange>>,
    problems: &mut Vec<Problem>,
) -> host_network::Parameters {
    host_network::Parameters {
        allow_host_network: forbidden(*allow),
        allowed_host_ports: ports.value().and_then(|ranges| port_ranges(ranges, problems)),
    }
}

/// Ranges with both bounds. A range without a port (`{min: 0, max: 0}`, the idiom for none) is dropped; with one that
/// holds every port nothing is refused.
fn port_ranges(ranges: &[PortRange], problems: &mut Vec<Problem>) -> Option<Vec<host_network::Range>> {
    let bounds = ranges.iter().map(|range| {
        let min = range.min.value().copied().unwrap_or(0);
        let max = range.max.value().copied().unwrap_or(HIGHEST_PORT);
        host_network::Range { min, max }
    });
    for (i, range) in bounds.clone().enumerate().filter(|(_, range)| range.min > range.max) {
        let field = format!("spec.policies.allowedHostPorts[{i}]");
        problems.push(Problem::new(field, format!("min {} is greater than max {}", range.min, range.max)));
    }
    let everything = bounds.clone().any(|range| range.min <= 1 && range.max >= HIGHEST_PORT);
    (!everything).then(|| bounds.filter(|range| range.max > 0).collect())
}

pub(super) fn read_only_root_filesystem(demand: &Field<bool>) -> read_only_root_filesystem::Parameters {
    read_only_root_filesystem::Parameters { read_only_root_filesystem: demanded(*demand) }
}

pub(super) fn service_account_token(automount: &Field<bool>) -> service_account_token::Parameters {
    service_account_token::Parameters { automount_service_account_token: forbidden(*automount) }
}

/// `Unmasked` allows either value.
pub(super) fn proc_mount(allowed: &Field<ProcMount>) -> proc_mount::Parameters {
    let masked = allowed.value().copied().filter(|allowed| *allowed == ProcMount::Default);
    proc_mount::Parameters { allowed_proc_mount: masked }
}
