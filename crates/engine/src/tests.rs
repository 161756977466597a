//! What only the webhook and audit do; the rest is compared with `gator` in `e2e/tests/gatekeeper/engine.rs`.

use std::time::Duration;

use gatewright_gatekeeper::Action;
use rstest::rstest;
use serde_json::{Value, json};

use crate::{EnforcementPoint, Engine, Options, Request, Violation};

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
    assert_eq!(!engine.review(&request(operation)).unwrap().is_empty(), judged);
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
    assert_eq!(engine.review(&request("CREATE")).unwrap().first().map(|violation| violation.action), action);
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
    let violations = engine.review(&Request::create(pod())).unwrap();
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
    let violations = engine.review(&Request::create(pod())).unwrap();
    assert_eq!(violations[0].details["namespace"]["metadata"]["labels"]["team"], "a");
}

#[test]
fn a_namespace_of_a_cluster_has_its_name_as_a_label() {
    let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": "prod"}});
    for (point, found) in [(EnforcementPoint::Webhook, 1), (EnforcementPoint::Gator, 0)] {
        let spec = json!({"match": {"namespaceSelector": selector}});
        let mut engine = engine(point, &json!({}), &spec);
        engine.add_object(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "prod"}}));
        assert_eq!(engine.review(&Request::create(pod())).unwrap().len(), found, "{point}");
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
#[case(json!({"object": "text"}), "/request/object")]
#[case(json!({"object": {"kind": "Pod"}, "oldObject": [1]}), "/request/oldObject")]
#[case(json!([]), "/request")]
#[case(json!("text"), "/request")]
fn what_is_no_request(#[case] request: Value, #[case] pointer: &str) {
    let document =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let error = Request::from_admission_review(document).unwrap_err();
    assert_eq!(error.pointer, pointer, "{error}");
}

/// A mistyped operation is none that a rule looks for: the request would pass whatever it is.
#[rstest]
#[case(json!({"operation": "UPDTE"}), "/request/operation", "allowed words: CREATE, UPDATE, DELETE, CONNECT; did you mean UPDATE?")]
#[case(json!({"operation": "create"}), "/request/operation", "did you mean CREATE?")]
#[case(json!({"operation": "GET"}), "/request/operation", "allowed words: CREATE, UPDATE, DELETE, CONNECT")]
#[case(json!({"operation": ""}), "/request/operation", "is required: CREATE, UPDATE, DELETE, CONNECT")]
#[case(json!({}), "/request/operation", "is required: CREATE, UPDATE, DELETE, CONNECT")]
#[case(json!({"operation": "CREATE"}), "/request/kind/kind", "is required")]
#[case(json!({"operation": "CREATE", "kind": {"version": "v1"}}), "/request/kind/kind", "is required")]
fn what_no_api_server_sends(#[case] mut request: Value, #[case] pointer: &str, #[case] said: &str) {
    request["object"] = pod();
    let document =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    let error = Request::from_api_server(document.clone()).unwrap_err();
    assert_eq!(error.pointer, pointer, "{error}");
    assert!(error.message.contains(said), "{error}");
    assert!(Request::from_admission_review(document).is_ok());
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

fn cel(source: &Value) -> Engine {
    let code = json!([{"engine": "K8sNativeValidation", "source": source}]);
    let mut template = template(&json!({"code": code}));
    template["spec"]["targets"][0].as_object_mut().unwrap().remove("rego");
    let options = Options { time_limit: Duration::from_millis(100), ..Options::default() };
    let mut engine = Engine::new(options);
    engine.add_template(&template).unwrap();
    engine.add_constraint(&constraint(&json!({"parameters": {"given": "x"}}))).unwrap();
    engine
}

/// The same for both languages.
const TOOK_TOO_LONG: &str =
    "template A: the evaluation took longer than its limit; Gatekeeper may judge the object in another way";

/// Also where the error of the part that was stopped would be lost, or does not count.
#[rstest]
#[case("Fail", "size(variables.far) > 0")]
#[case("Ignore", "size(variables.far) > 0")]
#[case("Fail", "variables.many.all(a, variables.many.all(b, variables.many.all(c, a + b + c >= 0))) || true")]
#[case(
    "Fail",
    "variables.many.exists(a, variables.many.exists(b, variables.many.exists(c, a + b + c < 0))) || true"
)]
fn a_cel_expression_that_takes_too_long_is_no_violation(#[case] policy: &str, #[case] expression: &str) {
    let ten = "[0,1,2,3,4,5,6,7,8,9]";
    let far = "variables.many.map(a, variables.many.map(b, variables.many.filter(c, a + b + c < 0)))";
    let engine = cel(&json!({
        "failurePolicy": policy,
        "variables": [
            {"name": "many", "expression": format!("lists.range(1000) + {ten}")},
            {"name": "far", "expression": far},
        ],
        "validations": [{"expression": expression}, {"expression": "true"}],
    }));
    let error = engine.review(&request("CREATE")).unwrap_err();
    assert_eq!(error.to_string(), TOOK_TOO_LONG);
}

#[test]
fn a_cel_expression_that_does_not_compile_is_refused() {
    let code = json!([{"engine": "K8sNativeValidation", "source": {
        "validations": [{"expression": "object.kind == 'Pod'"}, {"expression": "'a' == 1", "messageExpression": "1"}],
    }}]);
    let mut template = template(&json!({"code": code}));
    template["spec"]["targets"][0].as_object_mut().unwrap().remove("rego");
    let errors = Engine::default().add_template(&template).unwrap_err();
    let found: Vec<_> = errors.iter().map(|error| (error.pointer.as_str(), error.message.as_str())).collect();
    assert_eq!(
        found,
        [
            (
                "/spec/targets/0/code/0/source/validations/1/messageExpression",
                "Kubernetes does not compile it: must evaluate to string but got int"
            ),
            (
                "/spec/targets/0/code/0/source/validations/1/expression",
                "Kubernetes does not compile it: found no matching overload for '_==_' applied to '(string, int)'"
            ),
        ]
    );
}

/// Gatekeeper's webhook answers with an internal error, which refuses the request whatever the actions.
#[test]
fn a_message_that_is_no_string_fails_the_review() {
    let rego = r#"package a
        violation[{"msg": "found"}] { true }
        violation[{"msg": 3}] { input.review.operation == "UPDATE" }"#;
    let target = json!({"rego": rego});
    let spec = json!({"enforcementAction": "dryrun", "parameters": {"given": "x"}});
    let engine = engine(EnforcementPoint::Webhook, &target, &spec);
    assert_eq!(engine.review(&request("CREATE")).unwrap().len(), 1);
    let error = engine.review(&request("UPDATE")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "template A: msg is not a string but a number: Gatekeeper answers with an internal error, so the request is refused \
         whatever the actions of the constraints"
    );
}

/// What a CRD demands beyond structure is the API server's business; `gator` asks for formats alone.
#[test]
fn a_constraint_meets_the_rules_of_its_schema() {
    let mut template = template(&json!({}));
    let schema = json!({
        "type": "object", "properties": {"given": {"type": "string"}, "address": {"type": "string", "format": "ipv4"}},
        "x-kubernetes-validations": [{"rule": "self.given != 'x'", "message": "not x"}],
    });
    template["spec"]["crd"]["spec"]["validation"]["openAPIV3Schema"] = schema;
    let refused = |point, parameters: Value| {
        let mut engine = Engine::new(Options { point, ..Options::default() });
        engine.add_template(&template).unwrap();
        let added = engine.add_constraint(&constraint(&json!({"parameters": parameters})));
        added.err().map(|error| (error.pointer, error.message))
    };
    let said = |pointer: &str, message: &str| Some((pointer.to_owned(), message.to_owned()));
    let not_x = said("/spec/parameters", "not x");
    assert_eq!(refused(EnforcementPoint::Webhook, json!({"given": "x"})), not_x);
    assert_eq!(refused(EnforcementPoint::Gator, json!({"given": "x"})), None);
    let no_address = said("/spec/parameters/address", "is not in the format ipv4");
    assert_eq!(refused(EnforcementPoint::Gator, json!({"given": "y", "address": "a"})), no_address);
    assert_eq!(refused(EnforcementPoint::Webhook, json!({"given": "y", "address": "1.2.3.4"})), None);
}

/// The older versions of templates have a legacy schema where they have none.
#[rstest]
#[case("v1beta1", true)]
#[case("v1alpha1", true)]
#[case("v1", false)]
fn parameters_without_a_schema(#[case] version: &str, #[case] taken: bool) {
    let mut template = template(&json!({"rego": REGO}));
    template["apiVersion"] = json!(format!("templates.gatekeeper.sh/{version}"));
    if let Some(crd) = template.pointer_mut("/spec/crd/spec").and_then(Value::as_object_mut) {
        crd.remove("validation");
    }
    let mut engine = Engine::new(Options::default());
    engine.add_template(&template).unwrap();
    let constraint = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "A", "metadata": {"name": "a"},
        "spec": {"parameters": {"ratio": 2}},
    });
    assert_eq!(engine.add_constraint(&constraint).is_ok(), taken);
}

/// It names the template and holds nothing of the object.
#[test]
fn a_limit_of_the_engine_is_no_violation() {
    let rego = "package a\nviolation[{\"msg\": \"x\"}] { n := numbers.range(1, 3000); n[_] + n[_] == input.review.object.x }";
    let mut engine = Engine::new(Options { time_limit: Duration::from_millis(20), ..Options::default() });
    engine.add_template(&template(&json!({"rego": rego}))).unwrap();
    let constraint =
        json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "A", "metadata": {"name": "a"}});
    engine.add_constraint(&constraint).unwrap();
    let error = engine.review(&request("CREATE")).unwrap_err();
    assert!(matches!(error, crate::ReviewError::Engine { .. }), "{error}");
    assert_eq!(error.to_string(), TOOK_TOO_LONG);
}
