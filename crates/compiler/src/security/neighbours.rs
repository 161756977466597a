//! What stands beside Pods: roles, Services and Ingresses.

use gatewright_api::text::ClusterRolePattern;
use gatewright_api::{Field, List, ServiceType};
use gatewright_rules::security_policy::{cluster_roles, rbac_wildcards, service_types, wildcard_domains};

use crate::states::{demanded, forbidden};

pub(super) fn rbac_wildcards(allow: &Field<bool>) -> rbac_wildcards::Parameters {
    rbac_wildcards::Parameters { allow_rbac_wildcards: forbidden(*allow) }
}

/// A list that holds `*` refuses nothing.
pub(super) fn cluster_roles(entries: &Field<List<ClusterRolePattern>>) -> cluster_roles::Parameters {
    let limited = entries.value().filter(|entries| entries.iter().all(|entry| entry.as_str() != "*"));
    let roles = limited.map(|entries| entries.iter().map(ClusterRolePattern::as_str).collect());
    cluster_roles::Parameters { allowed_cluster_roles: roles }
}

/// A list of all types refuses nothing.
pub(super) fn service_types(types: &Field<List<ServiceType>>) -> service_types::Parameters {
    use ServiceType::{ClusterIP, ExternalName, LoadBalancer, NodePort};
    const ALL: [ServiceType; 4] = [ClusterIP, NodePort, LoadBalancer, ExternalName];
    let limited = types.value().filter(|types| !ALL.iter().all(|kind| types.contains(kind)));
    service_types::Parameters { allowed_service_types: limited.map(|types| types.to_vec()) }
}

pub(super) fn wildcard_domains(block: &Field<bool>) -> wildcard_domains::Parameters {
    wildcard_domains::Parameters { block_wildcard_domains: demanded(*block) }
}
