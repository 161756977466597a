//! What has to be assumed about the rest of the cluster: sentences for people.

use serde_json::Value;

use super::cluster::{Cluster, account_name};
use super::pod::SYSTEM_CLASSES;
use super::table::is_unset;

/// What had to be assumed of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// What it is about.
    pub about: About,
    /// A sentence for people.
    pub text: String,
}

/// What an assumption is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The resources that containers leave out: no LimitRange of the namespace is known.
    Resources,
    /// Anything else.
    Other,
}

pub(super) fn nothing(_: &Value, _: &Cluster) -> Vec<Assumption> {
    vec![]
}

const fn other(text: String) -> Assumption {
    Assumption { about: About::Other, text }
}

/// What plugins would take from other objects for this Pod.
pub(super) fn of_pod(pod: &Value, cluster: &Cluster) -> Vec<Assumption> {
    let Some(spec) = pod.get("spec").filter(|spec| spec.is_object()) else { return vec![] };
    let limited = cluster.limits(pod);
    let resources = if limited { None } else { limit_range(spec) };
    let resources = resources.map(|text| Assumption { about: About::Resources, text });
    let account = if cluster.account_of(pod).is_some() { None } else { service_account(spec, cluster) };
    let bounds = cluster.bounds(pod).map(|name| {
        format!("the Pod is within the minimum and maximum of LimitRange {name:?}: they are not checked")
    });
    let others = [account, priority_class(spec), runtime_class(spec)].into_iter().flatten().chain(bounds);
    resources.into_iter().chain(others.map(other)).collect()
}

fn limit_range(spec: &Value) -> Option<String> {
    let containers =
        ["containers", "initContainers"].into_iter().filter_map(|list| spec.get(list)?.as_array());
    let without: Vec<_> = containers
        .flatten()
        .filter(|container| !is_complete(container))
        .filter_map(|container| container.get("name")?.as_str())
        .map(|name| format!("{name:?}"))
        .collect();
    let names = without.join(", ");
    (!without.is_empty())
        .then(|| format!("no LimitRange gives containers {names} the resources they leave out"))
}

/// Whether a container has limits for CPU and memory; its requests default to them.
fn is_complete(container: &Value) -> bool {
    let limits = container.get("resources").and_then(|resources| resources.get("limits"));
    ["cpu", "memory"].iter().all(|name| limits.is_some_and(|limits| limits.get(name).is_some()))
}

fn service_account(spec: &Value, cluster: &Cluster) -> Option<String> {
    let name = account_name(spec);
    let token = spec.get("automountServiceAccountToken").is_none().then(|| cluster.word_of_tokens());
    let secrets = is_unset(spec, "imagePullSecrets").then_some("has no image pull secrets");
    let what: Vec<_> = [token, secrets].into_iter().flatten().collect();
    (!what.is_empty()).then(|| format!("service account {name:?} {}", what.join(" and ")))
}

fn priority_class(spec: &Value) -> Option<String> {
    match spec.get("priorityClassName").and_then(Value::as_str).unwrap_or_default() {
        "" => Some("no PriorityClass is the cluster's default".to_owned()),
        name if SYSTEM_CLASSES.iter().any(|(system, _)| *system == name) => None,
        name => Some(format!("the priority that PriorityClass {name:?} gives is left unset")),
    }
}

fn runtime_class(spec: &Value) -> Option<String> {
    let name = spec.get("runtimeClassName")?.as_str().filter(|name| !name.is_empty())?;
    Some(format!("RuntimeClass {name:?} adds no overhead, node selector or tolerations"))
}

pub(super) fn of_ingress(ingress: &Value, _: &Cluster) -> Vec<Assumption> {
    let named = ingress.pointer("/spec/ingressClassName").is_some()
        || annotation(ingress, "kubernetes.io/ingress.class").is_some();
    if named { vec![] } else { vec![other("no IngressClass is the cluster's default".to_owned())] }
}

pub(super) fn of_claim(claim: &Value, _: &Cluster) -> Vec<Assumption> {
    let named = claim.pointer("/spec/storageClassName").is_some()
        || annotation(claim, "volume.beta.kubernetes.io/storage-class").is_some();
    if named { vec![] } else { vec![other("no StorageClass is the cluster's default".to_owned())] }
}

fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.pointer("/metadata/annotations")?.get(name)
}
