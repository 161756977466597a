//! What only the webhook and audit do; the rest is compared with `gator` in `e2e/tests/engine.rs`.

use rstest::rstest;
use serde_json::{Value, json};

use crate::{Action, EnforcementPoint, Engine, Options, Request, Violation};

const REGO: &str = r#"package a
violation[{"msg": "found", "details": {"namespace": input.review.namespaceObject}}] { true }"#;

fn template(target: &Value) -> Value {
    let mut template = json!({
        "apiVersion": "templates.gatekeeper.sh/v1",
        "kind": "ConstraintTemplate",
        "metadata": {"name": "a"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "A"}, "validation": {"openAPIV3Schema": {
                "type": "object", "required": ["given"], "properties": {"given": {"type": "string", "default": "x"}},
            }}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": REGO}],
        },
    });
    let fields = target.as_object().unwrap().clone();
    template["spec"]["targets"][0].as_object_mut().unwrap().extend(fields);
    template
}

fn constraint(spec: &Value) -> Value {
    json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "A", "metadata": {"name": "c"}, "spec": spec})
}

fn engine(point: EnforcementPoint, target: &Value, spec: &Value) -> Engine {
    let mut engine = Engine::new(Options { point, ..Options::default() });
    engine.add_template(&template(target)).unwrap();
    engine.add_constraint(&constraint(spec)).unwrap();
    engine
}

fn pod() -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "prod"}})
}

fn request(operation: &str) -> Request {
    let document = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
        "operation": operation, "namespace": "prod", "object": pod(), "oldObject": pod(),
    }});
    Request::from_admission_review(document).unwrap()
}

fn messages(violations: &[Violation]) -> Vec<&str> {
    violations.iter().map(|violation| violation.message.as_str()).collect()
}

/// An engine must be shared between threads.
#[test]
fn an_engine_is_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Engine>();
    shared::<Request>();
}

#[rstest]
#[case(EnforcementPoint::Webhook, &["CREATE"], "CREATE", true)]
#[case(EnforcementPoint::Webhook, &["CREATE"], "UPDATE", false)]
#[case(EnforcementPoint::Webhook, &["*"], "CONNECT", true)]
#[case(EnforcementPoint::Webhook, &[], "DELETE", true)]
#[case(EnforcementPoint::Audit, &["CONNECT"], "", true)]
#[case(EnforcementPoint::Gator, &["CONNECT"], "CREATE", true)]
fn operations_count_at_the_webhook_only(
    #[case] point: EnforcementPoint,
    #[case] operations: &[&str],
    #[case] operation: &str,
    #[case] judged: bool,
) {
    let engine = engine(point, &json!({"operations": operations}), &json!({"parameters": {"given": "x"}}));
    assert_eq!(!engine.review(&request(operation)).is_empty(), judged);
}

#[rstest]
#[case(json!({}), Some(Action::Deny))]
#[case(json!({"enforcementAction": "warn"}), Some(Action::Warn))]
#[case(json!({"enforcementAction": "dryrun"}), Some(Action::Dryrun))]
#[case(scoped(&json!([["warn", ["validation.gatekeeper.sh"]]])), Some(Action::Warn))]
#[case(scoped(&json!([["warn", ["*"]], ["deny", ["validation.gatekeeper.sh"]]])), Some(Action::Deny))]
#[case(scoped(&json!([["deny", ["audit.gatekeeper.sh", "vap.k8s.io"]]])), None)]
#[case(scoped(&json!([])), None)]
fn actions(#[case] spec: Value, #[case] action: Option<Action>) {
    let engine = engine(EnforcementPoint::Webhook, &json!({}), &spec);
    assert_eq!(engine.review(&request("CREATE")).first().map(|violation| violation.action), action);
}

fn scoped(actions: &Value) -> Value {
    let entry = |entry: &Value| {
        let points: Vec<_> = entry[1].as_array().unwrap().iter().map(|name| json!({"name": name})).collect();
        json!({"action": entry[0], "enforcementPoints": points})
    };
    let actions: Vec<_> = actions.as_array().unwrap().iter().map(entry).collect();
    json!({"enforcementAction": "scoped", "scopedEnforcementActions": actions})
}

#[rstest]
#[case(json!({"enforcementAction": "Deny"}), "/spec/enforcementAction")]
#[case(json!({"enforcementAction": ""}), "/spec/enforcementAction")]
#[case(json!({"enforcementAction": "scoped"}), "/spec/scopedEnforcementActions")]
#[case(scoped(&json!([["refuse", ["*"]]])), "/spec/scopedEnforcementActions/0/action")]
#[case(scoped(&json!([["deny", []]])), "/spec/scopedEnforcementActions/0/enforcementPoints")]
#[case(scoped(&json!([["deny", ["webhook"]]])), "/spec/scopedEnforcementActions/0/enforcementPoints/0/name")]
#[case(json!({"parameters": {"given": 1}}), "/spec/parameters/given")]
#[case(json!({"parameters": {"other": 1}}), "/spec/parameters/other")]
#[case(json!({"match": {"namespaceSelector": {"matchLabels": {"a b": ""}}}}), "/spec/match/namespaceSelector/matchLabels/a b")]
fn what_a_constraint_cannot_say(#[case] spec: Value, #[case] pointer: &str) {
    let mut engine = Engine::new(Options::default());
    engine.add_template(&template(&json!({}))).unwrap();
    let error = engine.add_constraint(&constraint(&spec)).unwrap_err();
    assert_eq!(error.pointer, pointer, "{error}");
}

/// The API server gives defaults before anything is validated; `gator` validates first.
#[test]
fn a_default_satisfies_a_requirement_in_a_cluster() {
    let spec = json!({"parameters": {}});
    for (point, accepted) in [(EnforcementPoint::Webhook, true), (EnforcementPoint::Gator, false)] {
        let mut engine = Engine::new(Options { point, ..Options::default() });
        engine.add_template(&template(&json!({}))).unwrap();
        assert_eq!(engine.add_constraint(&constraint(&spec)).is_ok(), accepted, "{point}");
    }
}

#[test]
fn a_namespace_that_is_not_known_refuses_where_its_labels_are_asked_for() {
    let spec =
        json!({"enforcementAction": "warn", "match": {"namespaceSelector": {"matchLabels": {"team": "a"}}}});
    let mut engine = engine(EnforcementPoint::Webhook, &json!({}), &spec);
    let violations = engine.review(&Request::create(pod()));
    assert_eq!(
        messages(&violations),
        [
            "unable to match constraints: error matching the requested object: web :failed to run Match criteria: \
          namespace selector for namespace-scoped object but missing Namespace"
        ]
    );
    assert_eq!(violations[0].action, Action::Warn);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod", "labels": {"team": "a"}}});
    engine.add_object(&namespace);
    assert!(engine.knows_namespace("prod"));
    let violations = engine.review(&Request::create(pod()));
    assert_eq!(violations[0].details["namespace"]["metadata"]["labels"]["team"], "a");
}

#[test]
fn a_namespace_of_a_cluster_has_its_name_as_a_label() {
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": "prod"}});
    for (point, found) in [(EnforcementPoint::Webhook, 1), (EnforcementPoint::Gator, 0)] {
        let spec = json!({"match": {"namespaceSelector": selector}});
        let mut engine = engine(point, &json!({}), &spec);
        engine.add_object(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}}));
        assert_eq!(engine.review(&Request::create(pod())).len(), found, "{point}");
    }
}

#[rstest]
#[case(json!({"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod", "Service"]}]}}), true)]
#[case(json!({"match": {"kinds": [{"apiGroups": ["*"], "kinds": ["*"]}]}}), false)]
#[case(json!({"match": {"kinds": [{"apiGroups": ["apps"], "kinds": ["Pod"]}]}}), false)]
#[case(json!({}), false)]
fn kinds_that_are_named(#[case] spec: Value, #[case] named: bool) {
    assert_eq!(engine(EnforcementPoint::Webhook, &json!({}), &spec).names_kind("", "Pod"), named);
}

#[rstest]
#[case(json!({"unknown": 1}), "/request/unknown")]
#[case(json!({"object": {"kind": "Pod"}, "userInfo": {"name": "jane"}}), "/request/userInfo/name")]
#[case(json!({"object": {"kind": "Pod"}, "dryRun": "no"}), "/request/dryRun")]
#[case(json!({}), "/request")]
#[case(json!({"object": {"kind": "Pod"}, "operation": "DELETE"}), "/request/oldObject")]
#[case(json!({"object": {"metadata": {}}}), "/request/object/kind")]
fn what_is_no_request(#[case] request: Value, #[case] pointer: &str) {
    let document =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let error = Request::from_admission_review(document).unwrap_err();
    assert_eq!(error.pointer, pointer, "{error}");
}

#[rstest]
#[case("functions().x", "functions")]
#[case("object.spec.unheardOf()", "unheardOf")]
#[case("authorizer.group('')", "authorizer")]
#[case("variables.later", "variables.later")]
#[case("object.", "")]
fn cel_that_cannot_be_evaluated_is_named(#[case] expression: &str, #[case] named: &str) {
    let source = json!({"validations": [{"expression": expression}]});
    let target = json!({"code": [{"engine": "K8sNativeValidation", "source": source}]});
    let errors = Engine::new(Options::default()).add_template(&template(&target)).unwrap_err();
    assert_eq!(errors[0].pointer, "/spec/targets/0/code/0/source/validations/0/expression");
    assert!(errors[0].message.contains(named), "{}", errors[0]);
}

#[test]
fn a_line_of_rego_is_named() {
    let target = json!({"rego": "package a\nviolation[{\"msg\": msg}] { msg := }"});
    let errors = Engine::new(Options::default()).add_template(&template(&target)).unwrap_err();
    assert_eq!((errors[0].pointer.as_str(), errors[0].line), ("/spec/targets/0/rego", 2), "{}", errors[0]);
}
