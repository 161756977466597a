//! Kinds and repositories that policies name.

use gatewright_api::OperationPolicy;
use rstest::rstest;
use serde_json::{Value, json};

use super::{operation, policy};
use crate::{Settings, compile};

/// The constraint reaches objects outside namespaces only where the policy asks for them by their own labels.
#[rstest]
#[case("/Pod", json!({"namespaceSelector": {"matchNames": ["a"]}}), Some("Namespaced"))]
#[case("/Namespace", json!({"namespaceSelector": {"matchNames": ["a"]}}), Some("*"))]
#[case("/Node", json!({"labelSelector": {"matchLabels": {"a": "b"}}}), Some("*"))]
#[case("storage.k8s.io/StorageClass", json!({"labelSelector": {"matchLabels": {"a": "b"}}}), Some("*"))]
#[case("/Node", json!({"namespaceSelector": {"matchNames": ["a"]}}), None)]
#[case(
    "/Node",
    json!({"namespaceSelector": {"matchNames": ["a"]}, "labelSelector": {"matchLabels": {"a": "b"}}}),
    None
)]
#[case("example.com/Node", json!({"namespaceSelector": {"matchNames": ["a"]}}), Some("Namespaced"))]
fn cluster_scoped_kinds_need_labels_of_their_own(
    #[case] kind: &str,
    #[case] matcher: Value,
    #[case] scope: Option<&str>,
) {
    for (field, keys) in [("requiredLabels", "labels"), ("requiredAnnotations", "annotations")] {
        let policies = json!({field: {keys: [{"key": "team"}], "watchKinds": ["/Service", kind]}});
        let spec = json!({"match": matcher, "policies": policies});
        match (compile(&policy::<OperationPolicy>(&spec), &Settings::default()), scope) {
            (Ok(compiled), Some(scope)) => {
                assert_eq!(compiled.constraint.unwrap().spec.r#match.scope, scope);
            }
            (Err(invalid), None) => {
                let expected = format!("spec.policies.{field}.watchKinds[1]: {kind} is cluster-scoped");
                assert!(invalid.to_string().starts_with(&expected), "{invalid}");
            }
            (compiled, scope) => panic!("{compiled:?} is not {scope:?}"),
        }
    }
}

#[rstest]
#[case("/pods", "/pods is not a kind: write /Pod")]
#[case("apps/deployment", "apps/deployment is not a kind: write apps/Deployment")]
#[case("apps/Deployments", "apps/Deployments is not a kind: write apps/Deployment")]
#[case("/deployments", "/deployments is not a kind: write apps/Deployment")]
#[case(
    "example.com/widgets",
    "example.com/widgets is not a kind: write it as in a manifest, with a capital letter, like apps/Deployment"
)]
fn a_kind_that_cannot_exist_is_refused(#[case] kind: &str, #[case] message: &str) {
    for (field, keys) in [("requiredLabels", "labels"), ("requiredAnnotations", "annotations")] {
        let invalid = operation(&json!({field: {keys: [{"key": "team"}], "watchKinds": ["/Service", kind]}}));
        let expected = format!("spec.policies.{field}.watchKinds[1]: {message}");
        assert_eq!(invalid.unwrap_err().to_string(), expected);
    }
}

#[test]
fn kinds_that_may_not_exist_are_left_to_whoever_knows() {
    let labels = json!({"labels": [{"key": "team"}], "watchKinds": ["/Pod", "apps/Deploymnet"]});
    let named = operation(&json!({"requiredLabels": labels})).unwrap().named_kinds;
    let named: Vec<_> = named.iter().map(|named| format!("{} {named}", named.field)).collect();
    let field = "spec.policies.requiredLabels.watchKinds";
    assert_eq!(named, [format!("{field}[0] /Pod"), format!("{field}[1] apps/Deploymnet")]);
}

#[test]
fn repositories_that_can_match_nothing_are_named_one_by_one() {
    let repositories = json!({"allowedRepos": ["https://r.io/shop", "r.io/shop", "ghcr.io/Acme/x"]});
    let invalid = operation(&repositories).unwrap_err();
    let fields: Vec<_> = invalid.problems.iter().map(|problem| problem.field.as_str()).collect();
    assert_eq!(fields, ["spec.policies.allowedRepos[0]", "spec.policies.allowedRepos[2]"]);
}

#[test]
fn what_is_said_of_custom_kinds() {
    let labels = json!({"labels": [{"key": "team"}], "watchKinds": ["/Pod", "example.com/Widget"]});
    let compiled = operation(&json!({"requiredLabels": labels})).unwrap();
    assert_eq!(compiled.notes, ["Widget is judged only where it is namespaced"]);
}
