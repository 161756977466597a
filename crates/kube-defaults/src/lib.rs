//! The defaults that the API server gives to objects before validating admission webhooks see them.
//!
//! Kubernetes 1.37: the defaulters of its built-in kinds, what its registries fill in on create, and the admission
//! plugins that are on by default and need no other object (service account token, tolerations, priority, storage
//! protection). Custom kinds have no defaults here.

mod apparmor;
mod assumed;
mod autoscaling;
mod cluster;
mod generated;
mod image;
mod kinds;
mod normal;
mod others;
mod pod;
mod pod_spec;
mod quantity;
mod selectors;
mod service;
mod table;
#[cfg(test)]
mod tests;
mod token;
mod workloads;

use serde_json::Value;

pub use assumed::{About, Assumption};
pub use cluster::Cluster;
pub use generated::{Generated, generated};

/// Gives `object` the defaults that the API server would give it on create. Kinds that are not built in, and fields of
/// a wrong type, are left alone; applied twice, it changes nothing more.
///
/// An object that has a `metadata.uid` has been admitted before: it gets no additions of admission plugins.
///
/// This is for manifests. The `object` and `oldObject` of an `AdmissionReview` come from the API server, with their
/// defaults: judge them as they are. They need not have a uid, so this would add again what a mutating webhook took away.
///
/// Returns, as sentences, what was assumed about the cluster because it is not in the object: empty where nothing was.
pub fn apply(object: &mut Value) -> Vec<String> {
    apply_in(object, &Cluster::default()).into_iter().map(|assumption| assumption.text).collect()
}

/// The same in a cluster of which something is known: a Pod gets what LimitRanges and its ServiceAccount say.
pub fn apply_in(object: &mut Value, cluster: &Cluster) -> Vec<Assumption> {
    let Some(kind) = kinds::of(object) else { return vec![] };
    normal::drop_nulls(object);
    let fresh = !is_admitted(object);
    let assumed = if fresh { (kind.assumed)(object, cluster) } else { vec![] };
    (kind.before)(object);
    if let Some(template) = kind.template {
        table::visit(object, template, &mut pod_spec::template);
    }
    table::fill(object, kind.table);
    for path in kind.quantities {
        table::visit(object, path, &mut quantity::canonical);
    }
    if fresh {
        (kind.admission)(object, cluster);
    }
    assumed
}

fn is_admitted(object: &Value) -> bool {
    object.pointer("/metadata/uid").and_then(Value::as_str).is_some_and(|uid| !uid.is_empty())
}
