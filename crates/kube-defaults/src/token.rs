//! The token of the service account, as the ServiceAccount plugin mounts it.

use serde_json::{Value, json};

use super::table::is_unset;

const PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const PREFIX: &str = "kube-api-access-";
/// The server ends the name with random characters; ours stay the same from run to run.
const NAME: &str = "kube-api-access-00000";

/// Mounts the token in every container that mounts nothing in its place. Ephemeral containers get none.
pub(super) fn mount(spec: &mut Value) {
    if !is_unset(spec, "volumes") && !spec["volumes"].is_array() {
        return;
    }
    let found = volume_name(spec).map(str::to_owned);
    let name = found.as_deref().unwrap_or(NAME);
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            mounted |= mount_in(container, name);
        }
    }
    if mounted && found.is_none() {
        add_volume(spec);
    }
}

fn volume_name(spec: &Value) -> Option<&str> {
    let volumes = spec.get("volumes")?.as_array()?;
    volumes.iter().filter_map(|volume| volume.get("name")?.as_str()).find(|name| name.starts_with(PREFIX))
}

/// Whether a mount was added.
fn mount_in(container: &mut Value, name: &str) -> bool {
    if !container.is_object() {
        return false;
    }
    if is_unset(container, "volumeMounts") {
        container["volumeMounts"] = json!([]);
    }
    let Some(mounts) = container["volumeMounts"].as_array_mut() else { return false };
    let taken = mounts.iter().any(|mount| mount.get("mountPath").and_then(Value::as_str) == Some(PATH));
    if !taken {
        mounts.push(json!({"name": name, "readOnly": true, "mountPath": PATH}));
    }
    !taken
}

fn add_volume(spec: &mut Value) {
    if is_unset(spec, "volumes") {
        spec["volumes"] = json!([]);
    }
    let Some(volumes) = spec["volumes"].as_array_mut() else { return };
    let namespace = json!({"apiVersion": "v1", "fieldPath": "metadata.namespace"});
    volumes.push(json!({"name": NAME, "projected": {"defaultMode": 0o644, "sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
    ]}}));
}
