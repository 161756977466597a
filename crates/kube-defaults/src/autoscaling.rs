//! The defaults of a HorizontalPodAutoscaler.

use serde_json::{Value, json};

use super::quantity;
use super::table::Literal::{Number, Text};
use super::table::{is_unset, pointer, set, visit};

/// Other metrics than CPU, which version 1 keeps in an annotation.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";

/// Where a metric comes from.
const SOURCES: [&str; 5] = ["resource", "containerResource", "pods", "object", "external"];

pub(super) fn v1(object: &mut Value) {
    let others = object.pointer("/metadata/annotations").is_some_and(|all| all.get(METRICS).is_some());
    visit(object, "spec", &mut |spec| {
        set(spec, &[pointer("minReplicas", Number(1))]);
        if !others {
            set(spec, &[pointer("targetCPUUtilizationPercentage", Number(80))]);
        }
    });
}

pub(super) fn v2(object: &mut Value) {
    visit(object, "spec", &mut |spec| {
        set(spec, &[pointer("minReplicas", Number(1))]);
        if is_unset(spec, "metrics") {
            let target = json!({"type": "Utilization", "averageUtilization": 80});
            spec["metrics"] = json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
        }
    });
    for source in SOURCES {
        visit(object, &format!("spec.metrics[].{source}.target"), &mut |target| {
            quantity::canonical_field(target, "averageValue");
            quantity::canonical_field(target, "value");
        });
    }
    visit(object, "spec.behavior.scaleUp+", &mut |rules| {
        set(rules, &[pointer("stabilizationWindowSeconds", Number(0))]);
        scaling(rules, &json!([policy("Pods", 4), policy("Percent", 100)]));
    });
    visit(object, "spec.behavior.scaleDown+", &mut |rules| scaling(rules, &json!([policy("Percent", 100)])));
}

fn scaling(rules: &mut Value, policies: &Value) {
    set(rules, &[pointer("selectPolicy", Text("Max"))]);
    if rules.get("policies").is_none() {
        rules["policies"] = policies.clone();
    }
}

fn policy(kind: &str, value: u32) -> Value {
    json!({"type": kind, "value": value, "periodSeconds": 15})
}
