//! Many Pods that differ, as people write them.

use serde_json::{Value, json};

use super::objects;

/// The Pod of a number: always the same one. Every tenth violates something.
pub fn pod(number: u32) -> Value {
    let mut pod = written(number);
    // `gator` judges what it reads; `check` judges what the API server would make of it.
    gatewright_kube_defaults::apply(&mut pod);
    pod
}

/// A Deployment of such Pods, as people write it.
pub fn deployment(number: u32) -> Value {
    let pod = written(number);
    let labels = &pod["metadata"]["labels"];
    let template = json!({"metadata": {"labels": labels, "annotations": pod["metadata"]["annotations"]}, "spec": pod["spec"]});
    let metadata =
        json!({"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"], "labels": labels});
    let selector = json!({"matchLabels": {"app.kubernetes.io/name": pod["metadata"]["name"]}});
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
        "spec": {"replicas": 2, "selector": selector, "template": template},
    })
}

fn written(number: u32) -> Value {
    let number = number as usize;
    let name = format!("service-{number}");
    let containers = 1 + number % 4;
    let mut pod = objects::pod(&name, containers);
    written_by_hand(&mut pod);
    pod["metadata"]["labels"]["app.kubernetes.io/name"] = json!(name);
    pod["metadata"]["labels"]["app.kubernetes.io/version"] =
        json!(format!("1.{}.{}", number % 17, number % 7));
    pod["metadata"]["annotations"]["checksum/config"] =
        json!(format!("{:064x}", number.wrapping_mul(2_654_435_761)));
    for (index, container) in pod["spec"]["containers"].as_array_mut().into_iter().flatten().enumerate() {
        vary(container, number + index);
    }
    if number.is_multiple_of(3) {
        add_init_container(&mut pod);
    }
    if number.is_multiple_of(10) {
        break_something(&mut pod, number / 10);
    }
    pod
}

/// Without what only the API server writes.
fn written_by_hand(pod: &mut Value) {
    for field in ["creationTimestamp", "generateName", "managedFields", "ownerReferences", "uid"] {
        pod["metadata"].as_object_mut().map(|metadata| metadata.remove(field));
    }
    pod.as_object_mut().map(|pod| pod.remove("status"));
}

fn vary(container: &mut Value, number: usize) {
    let team = ["shop", "search", "billing", "mail"][number % 4];
    container["image"] =
        json!(format!("registry.example.com/{team}/service-{}:1.{}.0", number % 50, number % 20));
    container["resources"]["requests"]["memory"] = json!(format!("{}Mi", 64 << (number % 4)));
    for variable in 0..number % 6 {
        let more = json!({"name": format!("FEATURE_{variable}"), "value": format!("{}", number + variable)});
        container["env"].as_array_mut().into_iter().for_each(|env| env.push(more.clone()));
    }
}

fn add_init_container(pod: &mut Value) {
    let mut init = pod["spec"]["containers"][0].clone();
    init["name"] = json!("migrate");
    init["args"] = json!(["migrate", "--wait"]);
    for field in ["livenessProbe", "ports", "readinessProbe"] {
        init.as_object_mut().map(|init| init.remove(field));
    }
    pod["spec"]["initContainers"] = json!([init]);
}

/// One of the faults that people make.
fn break_something(pod: &mut Value, which: usize) {
    let container = &mut pod["spec"]["containers"][0];
    match which % 6 {
        0 => container["image"] = json!("docker.io/library/nginx:latest"),
        1 => container["securityContext"] = json!({"privileged": true}),
        2 => container["resources"] = json!({}),
        3 => container["securityContext"]["readOnlyRootFilesystem"] = json!(false),
        4 => pod["spec"]["hostNetwork"] = json!(true),
        _ => pod["metadata"]["labels"]["team"] = json!("Shop 1"),
    }
}
