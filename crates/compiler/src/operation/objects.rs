//! Numbers and classes of workloads, Ingresses and volume claims.

use gatewright_api::text::Name;
use gatewright_api::{Field, List, ReplicaLimits};
use gatewright_rules::operation_policy::{
    ingress_class, replica_limits, revision_history_limit, storage_class,
};

use crate::problem::Problem;
use crate::states::names;

pub(super) fn ingress_class(allowed: &Field<List<Name>>) -> ingress_class::Parameters {
    ingress_class::Parameters { ingress_class_names: names(allowed) }
}

pub(super) fn storage_class(allowed: &Field<List<Name>>) -> storage_class::Parameters {
    storage_class::Parameters { storage_class_names: names(allowed) }
}

pub(super) fn revision_history_limit(
    max: &Field<i32>,
    problems: &mut Vec<Problem>,
) -> revision_history_limit::Parameters {
    let max_revision_history_limit = count("maxRevisionHistoryLimit", *max, problems);
    revision_history_limit::Parameters { max_revision_history_limit }
}

/// A minimum of 0 and a missing maximum refuse nothing.
pub(super) fn replica_limits(
    limits: &Field<ReplicaLimits>,
    problems: &mut Vec<Problem>,
) -> replica_limits::Parameters {
    let ReplicaLimits { min_replicas, max_replicas } = limits.value().copied().unwrap_or_default();
    let min = count("replicaLimits.minReplicas", min_replicas, problems);
    let max = count("replicaLimits.maxReplicas", max_replicas, problems);
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        let message = format!("minReplicas {min} is greater than maxReplicas {max}");
        problems.push(Problem::new("spec.policies.replicaLimits", message));
    }
    let min = min.filter(|min| *min > 0);
    let limits = replica_limits::Limits { min_replicas: min, max_replicas: max };
    replica_limits::Parameters { replica_limits: (min.is_some() || max.is_some()).then_some(limits) }
}

/// A number of things, which is never negative.
fn count(field: &str, number: Field<i32>, problems: &mut Vec<Problem>) -> Option<i32> {
    let number = number.value().copied()?;
    if number < 0 {
        let message = format!("{number} is negative; a number of 0 or more is allowed");
        problems.push(Problem::new(format!("spec.policies.{field}"), message));
    }
    Some(number)
}
