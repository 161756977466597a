//! What only Pods get, and no template: requests from limits, host ports, and what admission plugins add.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cluster::Cluster;
use super::quantity::{self, Quantity};
use super::table::Literal::{Boolean, Number, Text};
use super::table::{is_unset, is_zero, plain, pointer, set, visit};
use super::{pod_spec, selectors, token};

/// The lists of containers that the scheduler counts.
const COUNTED: [&str; 2] = ["containers", "initContainers"];
/// The name of the annotation that marks the API's mirror of a static Pod.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// The priority classes that every cluster has, and their values.
pub(super) const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

/// The API's defaults of a Pod, in Kubernetes' own order.
pub(super) fn defaults(pod: &mut Value) {
    visit(pod, "spec", &mut |spec| {
        for list in COUNTED {
            visit(spec, &format!("{list}[].resources"), &mut requests_from_limits);
        }
        hugepage_limits(spec);
        pod_requests(spec);
        set(spec, &[pointer("enableServiceLinks", Boolean(true))]);
        if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
            visit(spec, "containers[].ports[]", &mut host_port);
            visit(spec, "initContainers[].ports[]", &mut host_port);
        }
        pod_spec::apply(spec);
    });
}

/// What the default admission plugins and the registry add to a new Pod.
pub(super) fn admission(pod: &mut Value, cluster: &Cluster) {
    if pod.get("spec").is_none_or(|spec| !spec.is_object()) {
        return;
    }
    cluster.limit(pod);
    if pod.pointer("/metadata/annotations").and_then(|all| all.get(MIRROR)).is_none() {
        service_account(pod, cluster);
    }
    visit(pod, "spec", &mut tolerations);
    visit(pod, "spec", &mut priority);
    selectors::from_label_keys(pod);
    super::apparmor::fields_from_annotations(pod);
}

fn requests_from_limits(resources: &mut Value) {
    let Some(limits) = resources.get("limits").and_then(Value::as_object).cloned() else { return };
    if is_unset(resources, "requests") && !limits.is_empty() {
        resources["requests"] = json!({});
    }
    let Some(requests) = resources.get_mut("requests").and_then(Value::as_object_mut) else { return };
    for (name, limit) in limits {
        requests.entry(name).or_insert(limit);
    }
}

fn host_port(port: &mut Value) {
    let container_port = port.get("containerPort").filter(|value| value.is_number()).cloned();
    if let Some(value) = container_port.filter(|_| is_unset(port, "hostPort")) {
        port["hostPort"] = value;
    }
}

/// Huge pages that containers are limited to become limits of a Pod that has resources of its own.
fn hugepage_limits(spec: &mut Value) {
    let Some(resources) = spec.get("resources").filter(|resources| resources.is_object()) else { return };
    if ["limits", "requests"].iter().all(|list| entry_count(resources, list) == 0) {
        return;
    }
    let requested = resources.get("requests").cloned().unwrap_or_default();
    let missing = aggregate(spec, "limits")
        .into_iter()
        .filter(|(name, _)| name.starts_with("hugepages-") && requested.get(name).is_none());
    add(&mut spec["resources"], "limits", missing.collect());
}

/// The requests of a Pod that has limits of its own: what its containers request, else its limits.
fn pod_requests(spec: &mut Value) {
    let Some(resources) = spec.get("resources") else { return };
    if entry_count(resources, "limits") == 0 {
        return;
    }
    let mut requests = aggregate(spec, "requests");
    requests.retain(|name, _| matches!(name.as_str(), "cpu" | "memory"));
    for (name, limit) in quantity::entries(&spec["resources"]["limits"]) {
        if matches!(name.as_str(), "cpu" | "memory") || name.starts_with("hugepages-") {
            requests.entry(name.clone()).or_insert(limit);
        }
    }
    add(&mut spec["resources"], "requests", requests);
}

fn entry_count(resources: &Value, list: &str) -> usize {
    resources.get(list).and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

/// Adds what a resource list does not have.
fn add(resources: &mut Value, list: &str, quantities: BTreeMap<String, Quantity>) {
    if quantities.is_empty() {
        return;
    }
    if resources.get(list).is_none() {
        resources[list] = json!({});
    }
    let Some(list) = resources.get_mut(list).and_then(Value::as_object_mut) else { return };
    for (name, quantity) in quantities {
        list.entry(name).or_insert_with(|| json!(quantity.to_string()));
    }
}

/// What all containers need at once, as the scheduler counts: containers and sidecars together, or one init container
/// with the sidecars started before it, whichever is more.
fn aggregate(spec: &Value, list: &str) -> BTreeMap<String, Quantity> {
    let (mut running, mut sidecars, mut starting) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for container in containers(spec, "containers") {
        sum(&mut running, &quantities(container, list));
    }
    for container in containers(spec, "initContainers") {
        let own = quantities(container, list);
        if container.get("restartPolicy").and_then(Value::as_str) == Some("Always") {
            sum(&mut running, &own);
            sum(&mut sidecars, &own);
            maximum(&mut starting, &sidecars);
        } else {
            let mut together = own;
            sum(&mut together, &sidecars);
            maximum(&mut starting, &together);
        }
    }
    maximum(&mut running, &starting);
    running
}

fn containers<'a>(spec: &'a Value, list: &str) -> impl Iterator<Item = &'a Value> {
    spec.get(list).and_then(Value::as_array).into_iter().flatten()
}

fn quantities(container: &Value, list: &str) -> BTreeMap<String, Quantity> {
    let list = container.get("resources").and_then(|resources| resources.get(list));
    list.into_iter().flat_map(quantity::entries).map(|(name, value)| (name.clone(), value)).collect()
}

fn sum(total: &mut BTreeMap<String, Quantity>, more: &BTreeMap<String, Quantity>) {
    for (name, quantity) in more {
        let sum = total.get(name).map_or(Some(*quantity), |found| found.plus(*quantity));
        total.insert(name.clone(), sum.unwrap_or(*quantity));
    }
}

fn maximum(total: &mut BTreeMap<String, Quantity>, other: &BTreeMap<String, Quantity>) {
    for (name, quantity) in other {
        let larger = total.get(name).map_or(*quantity, |found| found.max(*quantity));
        total.insert(name.clone(), larger);
    }
}

/// The ServiceAccount plugin. What the Pod itself says of tokens and pull secrets goes before what its account says.
fn service_account(pod: &mut Value, cluster: &Cluster) {
    visit(pod, "spec", &mut |spec| {
        set(spec, &[plain("serviceAccountName", Text("default")), plain("serviceAccount", Text("default"))]);
    });
    let account = cluster.account_of(pod);
    let mounts = cluster.mounts_token(pod);
    visit(pod, "spec", &mut |spec| {
        if mounts {
            token::mount(spec);
        }
        let secrets = account.and_then(|account| account.pull_secrets.as_ref());
        if let Some(secrets) = secrets.filter(|_| is_unset(spec, "imagePullSecrets")) {
            spec["imagePullSecrets"] = secrets.clone();
        }
    });
}

/// The DefaultTolerationSeconds plugin: five minutes on a node that is not ready or not reached.
fn tolerations(spec: &mut Value) {
    if is_unset(spec, "tolerations") {
        spec["tolerations"] = json!([]);
    }
    let Some(tolerations) = spec["tolerations"].as_array_mut() else { return };
    let found = tolerations.clone();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        if !found.iter().any(|toleration| tolerates(toleration, key)) {
            tolerations.push(json!({
                "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300,
            }));
        }
    }
}

fn tolerates(toleration: &Value, key: &str) -> bool {
    let empty_or = |field: &str, value: &str| {
        toleration.get(field).is_none_or(|found| is_zero(found) || found.as_str() == Some(value))
    };
    empty_or("key", key) && empty_or("effect", "NoExecute")
}

/// The Priority plugin, as in a cluster without a default class; what a class of the cluster's own gives is not known.
fn priority(spec: &mut Value) {
    let class = spec.get("priorityClassName").and_then(Value::as_str).unwrap_or_default();
    let known = SYSTEM_CLASSES.iter().find(|(name, _)| *name == class);
    let value = match known {
        Some((_, value)) => *value,
        None if is_unset(spec, "priorityClassName") => 0,
        None => return,
    };
    set(
        spec,
        &[pointer("preemptionPolicy", Text("PreemptLowerPriority")), pointer("priority", Number(value))],
    );
}
