//! `SecurityPolicy` → the parameters of its rules.

mod confinement;
mod host_paths;
mod pods;
mod volumes;

mod users_and_groups;

use gatewright_api::text::ClusterRolePattern;
use gatewright_api::{Capability, Field, List, PortRange, SecurityRules, ServiceType};
use gatewright_rules::security_policy::{
    Parameters, capabilities, cluster_roles, host_network, privileged, rbac_wildcards, service_types,
    wildcard_domains,
};

use crate::problem::{Problem, unsupported};
use crate::states::{demanded, forbidden, listed};

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
        rbac_wildcards: rbac_wildcards::Parameters { allow_rbac_wildcards: forbidden(*allow_rbac_wildcards) },
        cluster_roles: cluster_roles::Parameters { allowed_cluster_roles: roles(allowed_cluster_roles) },
        capabilities: capabilities::Parameters {
            allowed_capabilities: allowed_capabilities.value().and_then(|list| allowed(list)),
            required_drop_capabilities: listed(required_drop_capabilities),
        },
        proc_mount: pods::proc_mount(*allowed_proc_mount),
        host_paths: host_paths::parameters(allowed_host_paths, problems),
        apparmor: confinement::apparmor(allowed_app_armor),
        seccomp: confinement::seccomp(seccomp_profiles),
        selinux: confinement::selinux(se_linux),
        sysctls: confinement::sysctls(allowed_unsafe_sysctls, forbidden_sysctls),
        users_and_groups: users_and_groups::parameters(
            run_as_user,
            [run_as_group, fs_group, supplemental_groups],
            problems,
        ),
        service_types: service_types::Parameters { allowed_service_types: services(allowed_service_types) },
        wildcard_domains: wildcard_domains::Parameters {
            block_wildcard_domains: demanded(*block_wildcard_domains),
        },
    }
}

/// A list that holds `*` refuses nothing.
fn roles(entries: &Field<List<ClusterRolePattern>>) -> Option<cluster_roles::ClusterRoles> {
    let entries = entries.value()?;
    let everything = entries.iter().any(|entry| entry.as_str() == "*");
    (!everything).then(|| entries.iter().map(ClusterRolePattern::as_str).collect())
}

/// A list of all types refuses nothing.
fn services(types: &Field<List<ServiceType>>) -> Option<Vec<ServiceType>> {
    use ServiceType::{ClusterIP, ExternalName, LoadBalancer, NodePort};
    let types = types.value()?;
    let everything =
        [ClusterIP, NodePort, LoadBalancer, ExternalName].iter().all(|kind| types.contains(kind));
    (!everything).then(|| types.to_vec())
}

/// A list that holds `ALL` refuses nothing.
fn allowed(list: &[Capability]) -> Option<Vec<Capability>> {
    (!list.contains(&Capability::All)).then(|| list.to_vec())
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
