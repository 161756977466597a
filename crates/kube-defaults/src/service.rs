//! The defaults of a Service.

use serde_json::{Value, json};

use super::table::Literal::{Boolean, Number, Text};
use super::table::{Defaults, at, fill, is_unset, is_zero, plain, pointer, set, visit};

const SERVICE: &[Defaults] = &[
    at("", &[plain("sessionAffinity", Text("None")), plain("type", Text("ClusterIP"))]),
    at("ports[]", &[plain("protocol", Text("TCP"))]),
];
/// Three hours.
const CLIENT_IP: &[Defaults] =
    &[at("sessionAffinityConfig+.clientIP+", &[pointer("timeoutSeconds", Number(10_800))])];

/// Fills `spec` but for what the server allocates: addresses, node ports, address families.
pub(super) fn defaults(service: &mut Value) {
    visit(service, "spec", &mut |spec| {
        fill(spec, SERVICE);
        session_affinity(spec);
        visit(spec, "ports[]", &mut target_port);
        traffic_policies(spec);
    });
}

fn session_affinity(spec: &mut Value) {
    match spec["sessionAffinity"].as_str() {
        Some("None") => {
            spec.as_object_mut().map(|spec| spec.remove("sessionAffinityConfig"));
        }
        Some("ClientIP") => fill(spec, CLIENT_IP),
        _ => {}
    }
}

fn target_port(port: &mut Value) {
    let number = port.get("port").filter(|number| number.is_number()).cloned();
    if let Some(number) = number.filter(|_| port.get("targetPort").is_none_or(is_zero)) {
        port["targetPort"] = json!(number);
    }
}

fn traffic_policies(spec: &mut Value) {
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    let has_addresses = !is_unset(spec, "externalIPs");
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") || kind == "ClusterIP" && has_addresses {
        set(spec, &[plain("externalTrafficPolicy", Text("Cluster"))]);
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP") {
        set(spec, &[pointer("internalTrafficPolicy", Text("Cluster"))]);
    }
    if kind == "LoadBalancer" {
        set(spec, &[pointer("allocateLoadBalancerNodePorts", Boolean(true))]);
    }
}
