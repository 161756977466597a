//! The setting `podTemplates`.

use gatewright_api::{OperationPolicy, SecurityPolicy};
use rstest::rstest;
use serde_json::{Value, json};

use super::policy;
use crate::{Compile, Compiled, PodTemplates, Settings, compile};

fn compiled<P: Compile>(policies: &Value, pod_templates: PodTemplates, controllers: bool) -> Compiled {
    let spec = json!({"match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": policies});
    let settings = Settings { pod_templates, controller_validation: controllers, ..Settings::default() };
    compile(&policy::<P>(&spec), &settings).unwrap()
}

fn matches_deployments(compiled: &Compiled) -> bool {
    json!(compiled.constraint)["spec"]["match"]["kinds"].to_string().contains("Deployment")
}

const MUST: &str = "MustRunAs";

#[rstest]
#[case(json!({"automountServiceAccountToken": false}), Some("automountServiceAccountToken waits for"))]
#[case(
    json!({"runAsUser": {"rule": MUST, "ranges": [{"min": 1, "max": 2}]}, "fsGroup": {"rule": MUST, "ranges": [{"min": 1, "max": 2}]}}),
    Some("runAsUser, fsGroup wait for")
)]
#[case(json!({"runAsUser": {"rule": "MustRunAsNonRoot"}, "allowPrivileged": false}), None)]
#[case(json!({"runAsGroup": {"rule": "MayRunAs", "ranges": [{"min": 1, "max": 2}]}}), None)]
fn the_note_names_what_waits_for_pods(#[case] policies: Value, #[case] expected: Option<&str>) {
    let lenient = compiled::<SecurityPolicy>(&policies, PodTemplates::Lenient, true);
    assert_eq!(lenient.waits_for_pods.is_some(), expected.is_some(), "{:?}", lenient.notes);
    if let Some(expected) = expected {
        assert!(lenient.notes[0].starts_with(expected), "{:?}", lenient.notes);
        assert_eq!(lenient.waits_for_pods.as_ref(), lenient.notes.first());
    }
    let strict = compiled::<SecurityPolicy>(&policies, PodTemplates::Strict, true);
    assert_eq!((strict.waits_for_pods, strict.notes), (None, vec![]));
    let told = &json!(strict.constraint)["spec"]["parameters"]["podTemplates"];
    assert_eq!(told.as_str(), expected.and(Some("Strict")));
}

#[test]
fn resources_are_asked_of_controllers_only_if_strict() {
    let policies = json!({"requiredResources": {"limits": ["memory"]}});
    for (pod_templates, controllers, asked) in [
        (PodTemplates::Lenient, true, false),
        (PodTemplates::Strict, true, true),
        (PodTemplates::Strict, false, false),
    ] {
        let compiled = compiled::<OperationPolicy>(&policies, pod_templates, controllers);
        assert_eq!(matches_deployments(&compiled), asked, "{pod_templates:?} {controllers}");
        let routed = compiled.routes.iter().any(|route| route.resource == "deployments");
        assert_eq!(routed, asked, "{pod_templates:?} {controllers}");
        let told = json!(compiled.constraint)["spec"]["parameters"].get("podTemplates").is_some();
        assert_eq!(told, asked, "{pod_templates:?} {controllers}");
        assert_eq!(compiled.waits_for_pods.is_some(), pod_templates == PodTemplates::Lenient && controllers);
    }
}
