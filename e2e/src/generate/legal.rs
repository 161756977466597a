//! What the API server never accepts together.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::pod::{containers, unique};

/// Takes away what the API server never accepts together, so that most Pods get past its validation.
pub fn legalise(spec: &mut Value) {
    let flag = |field: &str| spec[field] == json!(true);
    let on_host = flag("hostNetwork") || flag("hostPID") || flag("hostIPC");
    let (host_network, windows) = (flag("hostNetwork"), spec["os"]["name"] == "windows");
    if windows {
        remove(&mut spec["securityContext"], NOT_ON_WINDOWS);
        remove(spec, &["hostPID", "hostIPC", "hostUsers", "resources"]);
    } else {
        remove(&mut spec["securityContext"], &["windowsOptions"]);
    }
    if on_host {
        remove(spec, &["hostUsers"]);
    }
    if let Some(sysctls) = spec["securityContext"].get_mut("sysctls").and_then(Value::as_array_mut) {
        unique(sysctls, |sysctl| json!(sysctl["name"].as_str().map(|name| name.replace('/', "."))));
        sysctls.retain(|sysctl| {
            !host_network || !sysctl["name"].as_str().is_some_and(|name| name.starts_with("net"))
        });
    }
    let in_user_namespace = spec["hostUsers"] == json!(false);
    let host_process = spec["securityContext"]["windowsOptions"]["hostProcess"] == json!(true);
    for (list, container) in containers(spec) {
        if list == "initContainers" && container["restartPolicy"].is_null() {
            remove(container, &["livenessProbe", "readinessProbe", "startupProbe", "lifecycle"]);
        }
        if windows {
            remove(&mut container["securityContext"], NOT_ON_WINDOWS);
        } else {
            remove(&mut container["securityContext"], &["windowsOptions"]);
        }
        if host_process {
            remove(&mut container["securityContext"], &["windowsOptions"]);
        }
        legalise_container(container, host_network, in_user_namespace);
    }
    unique_host_ports(spec);
    if spec["securityContext"].is_null() {
        remove(spec, &["securityContext"]);
    }
}

fn legalise_container(container: &mut Value, host_network: bool, in_user_namespace: bool) {
    let context = &mut container["securityContext"];
    if !in_user_namespace && context["procMount"] == "Unmasked" {
        remove(context, &["procMount"]);
    }
    if context["privileged"] == json!(true) && context["allowPrivilegeEscalation"] == json!(false) {
        remove(context, &["allowPrivilegeEscalation"]);
    }
    if context.is_null() {
        remove(container, &["securityContext"]);
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        one_handler(&mut container[probe]);
        if container[probe].is_null() {
            remove(container, &[probe]);
        }
    }
    for port in container.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if host_network {
            remove(port, &["hostPort"]);
        }
    }
    if let Some(names) = container.get_mut("ports").and_then(Value::as_array_mut) {
        unique(names, |port| port["containerPort"].clone());
    }
}

/// Of several handlers only the last that was asked for stays.
fn one_handler(probe: &mut Value) {
    for handler in ["exec", "grpc", "tcpSocket"] {
        if probe.get(handler).is_some() {
            let others: Vec<_> = ["exec", "grpc", "tcpSocket", "httpGet"]
                .into_iter()
                .filter(|name| *name != handler)
                .collect();
            remove(probe, &others);
        }
    }
}

/// One host port for one container; the host's network takes container ports as host ports.
fn unique_host_ports(spec: &mut Value) {
    let mut seen = BTreeSet::new();
    let host_network = spec["hostNetwork"] == json!(true);
    for (_, container) in containers(spec) {
        let Some(ports) = container.get_mut("ports").and_then(Value::as_array_mut) else { continue };
        ports.retain(|port| {
            let taken = if host_network { &port["containerPort"] } else { &port["hostPort"] };
            taken.is_null() || *taken == json!(0) || seen.insert(taken.to_string())
        });
    }
}

/// Fields of a security context that the API server refuses on Windows.
const NOT_ON_WINDOWS: &[&str] = &[
    "allowPrivilegeEscalation",
    "appArmorProfile",
    "capabilities",
    "fsGroup",
    "privileged",
    "procMount",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsUser",
    "seLinuxOptions",
    "seccompProfile",
    "supplementalGroups",
    "sysctls",
];

fn remove(target: &mut Value, names: &[&str]) {
    if let Some(fields) = target.as_object_mut() {
        fields.retain(|name, _| !names.contains(&name.as_str()));
    }
}
