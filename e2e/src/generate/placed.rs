//! Random workloads that a real API server takes, each under a name of its own.

use proptest::strategy::{Strategy, Union};
use serde_json::{Value, json};

use super::object::controlled;
use super::pod::{Audience, pods};

/// Random controllers, and a few Pods.
pub fn deployables() -> impl Strategy<Value = Value> {
    let (pods, controlled) = (pods(Audience::ApiServer), controlled(Audience::ApiServer));
    Union::new_weighted(vec![(1, pods.boxed()), (6, controlled.boxed())])
}

/// Gives an object its name and namespace, and a controller what its kind demands: a selector of its Pods, a restart policy
/// that it may have, at least one Pod.
pub fn place(object: &mut Value, name: &str, namespace: &str) {
    object["metadata"]["name"] = json!(name);
    if object["metadata"].get("namespace").is_some() || object["kind"] == "Pod" {
        object["metadata"]["namespace"] = json!(namespace);
    }
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let spec = &mut object["spec"];
    if spec["replicas"] == 0 {
        spec["replicas"] = json!(1);
    }
    let template = match kind.as_str() {
        "CronJob" => &mut spec["jobTemplate"]["spec"]["template"],
        "Job" => &mut spec["template"],
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicationController" => {
            let labels = json!({"run": name});
            spec["selector"] =
                if kind == "ReplicationController" { labels } else { json!({"matchLabels": labels}) };
            if kind == "StatefulSet" {
                spec["serviceName"] = json!("any");
            }
            &mut spec["template"]
        }
        _ => return,
    };
    template["metadata"]["labels"]["run"] = json!(name);
    let policy = &mut template["spec"]["restartPolicy"];
    *policy = match kind.as_str() {
        "Job" | "CronJob" if *policy == "OnFailure" => json!("OnFailure"),
        "Job" | "CronJob" => json!("Never"),
        _ => json!("Always"),
    };
}
