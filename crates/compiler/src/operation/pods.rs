//! What Pods must have and may ask for.

use gatewright_api::text::Name;
use gatewright_api::{Field, List, Probe, RequiredResources, TolerationOperator, TolerationPattern};
use gatewright_rules::operation_policy::{
    container_duplicates, disallowed_tolerations, dns_policy, priority_class, required_probes,
    required_resources,
};

use crate::problem::Problem;
use crate::states::{demanded, listed, names};

pub(super) fn container_duplicates(check: &Field<bool>) -> container_duplicates::Parameters {
    container_duplicates::Parameters { check_container_duplicates: demanded(*check) }
}

pub(super) fn dns_policy(check: &Field<bool>) -> dns_policy::Parameters {
    dns_policy::Parameters { check_host_network_dns_policy: demanded(*check) }
}

pub(super) fn priority_class(allowed: &Field<List<Name>>) -> priority_class::Parameters {
    priority_class::Parameters { priority_class_names: names(allowed) }
}

pub(super) fn required_probes(probes: &Field<List<Probe>>) -> required_probes::Parameters {
    required_probes::Parameters { required_probes: listed(probes) }
}

/// The CRD refuses it, too; this is for policies that never saw an API server.
pub(super) fn required_resources(
    required: &Field<RequiredResources>,
    problems: &mut Vec<Problem>,
) -> required_resources::Parameters {
    let resources = required.value().map(|RequiredResources { limits, requests }| {
        let names = |list| listed(list).unwrap_or_default();
        required_resources::Resources { limits: names(limits), requests: names(requests) }
    });
    if resources == Some(required_resources::Resources::default()) {
        problems.push(Problem::new(
            "spec.policies.requiredResources",
            "demands nothing: name at least one resource in limits or requests",
        ));
    }
    required_resources::Parameters { required_resources: resources }
}

/// Sets of taints. A missing value is any value, and so is each with the operator `Exists`.
pub(super) fn disallowed_tolerations(
    patterns: &Field<List<TolerationPattern>>,
) -> disallowed_tolerations::Parameters {
    let taints = |pattern: &TolerationPattern| {
        let any_value = pattern.operator.value() == Some(&TolerationOperator::Exists);
        let value = pattern.value.value().filter(|_| !any_value).map(Name::as_str);
        let key = pattern.key.value().map(Name::as_str);
        disallowed_tolerations::Taints::new(key, value, pattern.effect.value().copied())
    };
    let patterns = patterns.value().filter(|patterns| !patterns.is_empty());
    let taints = patterns.map(|patterns| patterns.iter().map(taints).collect());
    disallowed_tolerations::Parameters { disallowed_tolerations: taints }
}
