//! Objects as the API server sends them to Gatekeeper: with all defaults, and with who manages which field.

use serde_json::{Map, Value, json};

use super::policies::NAMESPACE;

/// A Pod of a ReplicaSet that violates nothing.
pub fn pod(name: &str, containers: usize) -> Value {
    let containers: Vec<_> = (0..containers).map(container).collect();
    finished(json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "annotations": {
                "checksum/config": "3f2a9b64e01c77d5a8f6b0c1d2e3f4a5968778695a4b3c2d1e0f9a8b7c6d5e4f",
                "prometheus.io/scrape": "true",
            },
            "creationTimestamp": "2026-03-01T10:00:00Z",
            "generateName": "checkout-7d9c5b6f4d-",
            "labels": {
                "app.kubernetes.io/name": "checkout",
                "app.kubernetes.io/part-of": "shop",
                "pod-template-hash": "7d9c5b6f4d",
                "team": "shop",
            },
            "name": name,
            "namespace": NAMESPACE,
            "ownerReferences": [{
                "apiVersion": "apps/v1", "blockOwnerDeletion": true, "controller": true, "kind": "ReplicaSet",
                "name": "checkout-7d9c5b6f4d", "uid": "5f0e3c6a-8e0f-4e0b-9f6d-2a1c7b9d4e11",
            }],
            "uid": "0b7f5a52-6d1e-4c8f-8a39-64f1f0b2c7aa",
        },
        "spec": {
            "automountServiceAccountToken": false,
            "containers": containers,
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": true,
            "preemptionPolicy": "PreemptLowerPriority",
            "priority": 1000,
            "priorityClassName": "standard",
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {
                "fsGroup": 2000, "runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"},
            },
            "serviceAccount": "checkout",
            "serviceAccountName": "checkout",
            "terminationGracePeriodSeconds": 30,
            "tolerations": [
                toleration("node.kubernetes.io/not-ready"),
                toleration("node.kubernetes.io/unreachable"),
            ],
            "volumes": [
                {"configMap": {"defaultMode": 420, "name": "checkout"}, "name": "config"},
                {"emptyDir": {}, "name": "tmp"},
            ],
        },
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    }))
}

/// A Pod of three containers that violates nearly everything.
pub fn bad_pod(name: &str) -> Value {
    let mut pod = pod(name, 3);
    let spec = &mut pod["spec"];
    for (field, value) in [
        ("automountServiceAccountToken", json!(true)),
        ("hostNetwork", json!(true)),
        ("hostPID", json!(true)),
        ("priorityClassName", json!("system-node-critical")),
        ("securityContext", json!({"runAsUser": 0, "sysctls": [{"name": "kernel.msgmax", "value": "1"}]})),
        ("volumes", json!([{"hostPath": {"path": "/", "type": ""}, "name": "config"}, {"name": "tmp"}])),
    ] {
        spec[field] = value;
    }
    for container in spec["containers"].as_array_mut().into_iter().flatten() {
        worsen(container);
    }
    if let Some(labels) = pod["metadata"]["labels"].as_object_mut() {
        labels.remove("team");
    }
    finished(pod)
}

fn worsen(container: &mut Value) {
    container["image"] = json!("docker.io/someone/tool:latest");
    container["imagePullPolicy"] = json!("Always");
    container["securityContext"] = json!({"privileged": true, "capabilities": {"add": ["SYS_ADMIN"]}});
    for field in ["livenessProbe", "readinessProbe", "resources"] {
        container[field] = json!({});
    }
}

/// A small object of a kind that few policies look at.
pub fn config_map(name: &str) -> Value {
    finished(json!({
        "apiVersion": "v1",
        "data": {"level": "info"},
        "kind": "ConfigMap",
        "metadata": {"labels": {"team": "shop"}, "name": name, "namespace": NAMESPACE},
    }))
}

fn container(number: usize) -> Value {
    let probe = |path: &str| {
        json!({
            "failureThreshold": 3, "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
            "periodSeconds": 10, "successThreshold": 1, "timeoutSeconds": 1,
        })
    };
    json!({
        "args": ["--listen=:8080", "--config=/etc/checkout/config.yaml", "--log-format=json"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"key": "password", "name": "checkout-db"}}},
        ],
        "image": format!("registry.example.com/shop/service-{number}:1.{number}.3"),
        "imagePullPolicy": "IfNotPresent",
        "livenessProbe": probe("/livez"),
        "name": format!("service-{number}"),
        "ports": [{"containerPort": 8080 + number, "name": "http", "protocol": "TCP"}],
        "readinessProbe": probe("/readyz"),
        "resources": {
            "limits": {"memory": "256Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "runAsUser": 1000,
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            {"mountPath": "/etc/checkout", "name": "config", "readOnly": true},
            {"mountPath": "/tmp", "name": "tmp"},
        ],
    })
}

fn toleration(key: &str) -> Value {
    json!({"effect": "NoExecute", "key": key, "operator": "Exists", "tolerationSeconds": 300})
}

/// With `managedFields`, a good part of what every review carries.
fn finished(mut object: Value) -> Value {
    let mut of = Map::new();
    for (key, value) in object.as_object().into_iter().flatten() {
        if ["data", "metadata", "spec"].contains(&key.as_str()) {
            of.insert(format!("f:{key}"), managed(value));
        }
    }
    object["metadata"]["managedFields"] = json!([{
        "apiVersion": object["apiVersion"], "fieldsType": "FieldsV1", "fieldsV1": of,
        "manager": "kube-controller-manager", "operation": "Update", "time": "2026-03-01T10:00:00Z",
    }]);
    object
}

fn managed(value: &Value) -> Value {
    let keyed = |item: &Value| {
        let name = item.get("name")?;
        Some((format!("k:{}", json!({"name": name})), managed(item)))
    };
    let fields = match value {
        Value::Object(fields) => {
            fields.iter().map(|(key, value)| (format!("f:{key}"), managed(value))).collect()
        }
        Value::Array(items) => items.iter().filter_map(keyed).collect(),
        _ => Map::new(),
    };
    Value::Object(fields)
}
