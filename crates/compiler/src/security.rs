//! `SecurityPolicy` → the parameters of its rules.

mod confinement;
mod host_paths;
mod pods;
mod volumes;

use gatewright_api::{Capability, Field, List, PortRange, SecurityRules};
use gatewright_rules::security_policy::{Parameters, capabilities, host_network, privileged};

use crate::problem::{Problem, unsupported};

const HIGHEST_PORT: i32 = 65535;

pub(crate) fn parameters(rules: &SecurityRules, problems: &mut Vec<Problem>) -> Parameters {
    let SecurityRules {
        allow_privileged,
        allow_privilege_escalation,
        allow_host_pid,
        allow_host_ipc,
        allow_host_network,
        allowed_host_ports,
        read_only_root_filesystem,
        automount_service_account_token,
        allow_rbac_wildcards,
        allowed_cluster_roles,
        allowed_flex_volumes,
        allowed_volumes,
        allowed_host_paths,
        allowed_capabilities,
        required_drop_capabilities,
        allowed_app_armor,
        allowed_proc_mount,
        run_as_user,
        run_as_group,
        fs_group,
        supplemental_groups,
        se_linux,
        allowed_unsafe_sysctls,
        forbidden_sysctls,
        seccomp_profiles,
        allowed_service_types,
        block_wildcard_domains,
        verify_image_signatures,
    } = rules;

    unsupported(problems, "allowRbacWildcards", allow_rbac_wildcards);
    unsupported(problems, "allowedClusterRoles", allowed_cluster_roles);
    unsupported(problems, "runAsUser", run_as_user);
    unsupported(problems, "runAsGroup", run_as_group);
    unsupported(problems, "fsGroup", fs_group);
    unsupported(problems, "supplementalGroups", supplemental_groups);
    unsupported(problems, "allowedServiceTypes", allowed_service_types);
    unsupported(problems, "blockWildcardDomains", block_wildcard_domains);
    unsupported(problems, "verifyImageSignatures", verify_image_signatures);

    Parameters {
        privileged: privileged::Parameters { allow_privileged: forbidden(*allow_privileged) },
        privilege_escalation: pods::privilege_escalation(*allow_privilege_escalation),
        host_processes: pods::host_processes(*allow_host_pid, *allow_host_ipc),
        host_network: host_network::Parameters {
            allow_host_network: forbidden(*allow_host_network),
            allowed_host_ports: allowed_host_ports.value().and_then(|ranges| port_ranges(ranges, problems)),
        },
        read_only_root_filesystem: pods::read_only_root_filesystem(*read_only_root_filesystem),
        service_account_token: pods::service_account_token(*automount_service_account_token),
        flex_volumes: volumes::flex_volumes(allowed_flex_volumes),
        volume_types: volumes::volume_types(allowed_volumes),
        capabilities: capabilities::Parameters {
            allowed_capabilities: allowed_capabilities.value().and_then(|list| allowed(list)),
            required_drop_capabilities: required(required_drop_capabilities),
        },
        proc_mount: pods::proc_mount(*allowed_proc_mount),
        host_paths: host_paths::parameters(allowed_host_paths, problems),
        apparmor: confinement::apparmor(allowed_app_armor),
        seccomp: confinement::seccomp(seccomp_profiles),
        selinux: confinement::selinux(se_linux),
        sysctls: confinement::sysctls(allowed_unsafe_sysctls, forbidden_sysctls),
    }
}

/// `false` forbids; `true` and absent do not check.
fn forbidden(allow: Field<bool>) -> Option<bool> {
    (allow.value() == Some(&false)).then_some(false)
}

/// A list that holds `ALL` refuses nothing.
fn allowed(list: &[Capability]) -> Option<Vec<Capability>> {
    (!list.contains(&Capability::All)).then(|| list.to_vec())
}

/// What is demanded: `[]` demands nothing, as if absent.
fn required<T: Clone>(list: &Field<List<T>>) -> Option<Vec<T>> {
    list.value().filter(|list| !list.is_empty()).map(|list| list.to_vec())
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
