//! `AppArmor`'s old annotations, which the server copies into the fields of a new Pod.

use serde_json::{Value, json};

use super::table::visit;

const ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
/// The longest path that a localhost profile may have.
const LONGEST: usize = 4095;

/// Gives every container without a profile that of its annotation, unless it is the Pod's own profile anyway.
pub(super) fn fields_from_annotations(pod: &mut Value) {
    let annotations = pod.pointer("/metadata/annotations").and_then(Value::as_object).cloned();
    let windows = pod.pointer("/spec/os/name").and_then(Value::as_str) == Some("windows");
    let Some(annotations) = annotations.filter(|_| !windows) else { return };
    let of_pod = pod.pointer("/spec/securityContext/appArmorProfile").cloned();
    let mut copy = |container: &mut Value| {
        let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
        let annotation = annotations.get(&format!("{ANNOTATION}{name}")).and_then(Value::as_str);
        let profile = annotation.and_then(profile).filter(|profile| of_pod.as_ref() != Some(profile));
        if let Some(profile) = profile {
            set(container, profile);
        }
    };
    for list in ["spec.containers[]", "spec.initContainers[]", "spec.ephemeralContainers[]"] {
        visit(pod, list, &mut copy);
    }
}

fn profile(annotation: &str) -> Option<Value> {
    match annotation {
        "unconfined" => Some(json!({"type": "Unconfined"})),
        "runtime/default" => Some(json!({"type": "RuntimeDefault"})),
        _ => {
            let name = annotation.strip_prefix("localhost/")?;
            let valid = !name.is_empty() && name.trim() == name && name.len() <= LONGEST;
            valid.then(|| json!({"type": "Localhost", "localhostProfile": name}))
        }
    }
}

fn set(container: &mut Value, profile: Value) {
    if container.get("securityContext").is_none_or(Value::is_null) {
        container["securityContext"] = json!({});
    }
    let Some(context) = container["securityContext"].as_object_mut() else { return };
    context.entry("appArmorProfile").or_insert(profile);
}
