use k8s_openapi::api::admissionregistration::v1::ValidatingWebhook;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::{Demand, Resource, RoutingMode, configuration};
use crate::{Matcher, Operation, Route, TemplateSource, UserConstraint};

const NODE_GUARD: &str = "input.review.operation == \"DELETE\"";
const DENY_EXEC: &str =
    "input.review.operation == \"CONNECT\"; input.review.resource.resource == \"pods/exec\"";
const ALLOWED_REPOS: &str = "input.review.object.spec.containers[_]";

fn entry(operations: &[&str], resources: &[&str]) -> ValidatingWebhook {
    serde_json::from_value(json!({
        "name": "validation.gatekeeper.sh", "failurePolicy": "Ignore", "sideEffects": "None", "timeoutSeconds": 3,
        "admissionReviewVersions": ["v1"], "clientConfig": {"caBundle": "Y2E=", "url": "https://x/v1/admit"},
        "matchConditions": [{"name": "a", "expression": "true"}],
        "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": operations, "resources": resources}],
    }))
    .unwrap()
}

/// What upstream's chart makes.
fn stock() -> ValidatingWebhook {
    let subresources = ["pods/ephemeralcontainers", "pods/exec", "pods/attach", "deployments/scale"];
    entry(&["CREATE", "UPDATE"], &[&["*"], &subresources[..]].concat())
}

fn resources() -> Vec<Resource> {
    [("", "Node", "nodes", false), ("", "Pod", "pods", true), ("apps", "Deployment", "deployments", true)]
        .map(|(group, kind, resource, namespaced)| Resource {
            group: group.to_owned(),
            kind: kind.to_owned(),
            resource: resource.to_owned(),
            namespaced,
        })
        .to_vec()
}

/// A template's code and operations, and the match of its constraint.
type Constraint<'a> = (&'a str, &'a [&'a str], Value);

fn matching(groups: &[&str], kinds: &[&str], scope: &str) -> Value {
    json!({"match": {"kinds": [{"apiGroups": groups, "kinds": kinds}], "scope": scope}})
}

struct Given<'a> {
    guard: bool,
    upstream: Option<ValidatingWebhook>,
    connect: RoutingMode,
    delete: RoutingMode,
    constraints: Vec<Constraint<'a>>,
    needed: Vec<Route>,
}

impl Default for Given<'_> {
    fn default() -> Self {
        Self {
            guard: false,
            upstream: Some(stock()),
            connect: RoutingMode::Auto,
            delete: RoutingMode::Auto,
            constraints: vec![],
            needed: vec![],
        }
    }
}

impl Given<'_> {
    /// The routes, and the reasons of the findings with what they name.
    fn plan(&self) -> (Vec<String>, Vec<String>) {
        let read = |(i, (rego, operations, spec)): (usize, &Constraint<'_>)| {
            let source = TemplateSource::new(&json!({
                "crd": {"spec": {"names": {"kind": format!("K{i}")}}},
                "targets": [{"operations": operations, "rego": rego}],
            }));
            (source, Matcher::of_spec(spec))
        };
        let read: Vec<_> = self.constraints.iter().enumerate().map(read).collect();
        let templates: Vec<_> = read.iter().map(|(template, _)| template).collect();
        let constraints: Vec<_> =
            read.iter().map(|(template, matches)| UserConstraint { name: "c", template, matches }).collect();
        let resources = resources();
        let plan = Demand {
            guard: self.guard,
            needed: &self.needed,
            templates: &templates,
            constraints: &constraints,
            resources: &resources,
            upstream: self.upstream.as_ref(),
            connect: self.connect,
            delete: self.delete,
        }
        .plan();
        let routes = plan.routes.iter().map(|route| format!("{} {route}", route.operation)).collect();
        (routes, plan.findings.iter().map(|finding| format!("{}: {finding}", finding.reason())).collect())
    }

    #[track_caller]
    fn gives(&self, routes: &[&str], findings: &[&str]) {
        let (found_routes, found) = self.plan();
        assert_eq!(found_routes, routes);
        assert_eq!(found.len(), findings.len(), "{found:?}");
        for finding in findings {
            let words: Vec<_> = finding.split(' ').collect();
            let says = |text: &&String| words.iter().all(|word| text.contains(word));
            assert!(found.iter().any(|text| says(&text)), "{finding} in {found:?}");
        }
    }
}

const EXEC: [&str; 2] = ["CONNECT pods/attach", "CONNECT pods/exec"];

#[test]
fn nothing_is_routed_while_nothing_needs_it() {
    let pods = || matching(&[""], &["Pod"], "*");
    Given::default().gives(&[], &[]);
    Given { constraints: vec![(ALLOWED_REPOS, &[], pods())], ..Given::default() }.gives(&[], &[]);
    Given { upstream: None, constraints: vec![(ALLOWED_REPOS, &[], pods())], ..Given::default() }
        .gives(&[], &[]);
}

#[test]
fn connect_is_routed_for_the_guard_and_for_whom_means_it() {
    let any = |scope| matching(&["*"], &["*"], scope);
    Given { guard: true, ..Given::default() }.gives(&EXEC, &[]);
    let good = "input.review.operation == \"CONNECT\"; input.review.resource.resource == \"pods\"; \
                input.review.requestSubResource == \"exec\"";
    for (rego, operations, spec, routes, findings) in [
        (good, &[][..], any("Namespaced"), &EXEC[..], &[][..]),
        (DENY_EXEC, &[], any("Namespaced"), &EXEC, &["NeverTrue k0"]),
        ("", &["CONNECT"], matching(&[""], &["PodExecOptions"], ""), &EXEC[1..], &[]),
        ("", &["CONNECT"], json!({}), &EXEC, &[]),
        ("", &["CONNECT"], any("Cluster"), &[], &[]),
        ("", &["CONNECT"], matching(&["apps"], &["*"], ""), &[], &[]),
        ("", &["CONNECT"], matching(&[""], &["Pod"], ""), &[], &[]),
        // It names nothing and judges everything: no reason to send it more.
        (ALLOWED_REPOS, &["*"], any("Namespaced"), &[], &[]),
    ] {
        Given { constraints: vec![(rego, operations, spec)], ..Given::default() }.gives(routes, findings);
    }
}

#[test]
fn delete_is_routed_for_named_kinds_alone() {
    for (rego, operations, spec, routes, findings) in [
        (NODE_GUARD, &[][..], matching(&[""], &["Node"], ""), &["DELETE nodes"][..], &[][..]),
        (NODE_GUARD, &[], matching(&["*"], &["Deployment", "*"], ""), &["DELETE deployments.apps"], &[]),
        (
            "",
            &["DELETE"],
            matching(&["*"], &["Node", "Deployment"], ""),
            &["DELETE nodes", "DELETE deployments.apps"],
            &[],
        ),
        (NODE_GUARD, &[], matching(&["*"], &["*"], ""), &[], &[]),
        (NODE_GUARD, &[], json!({}), &[], &[]),
        (NODE_GUARD, &[], matching(&["apps"], &["Node"], ""), &[], &[]),
        (NODE_GUARD, &[], matching(&[""], &["Node"], "Namespaced"), &[], &[]),
        (NODE_GUARD, &["CREATE"], matching(&[""], &["Node"], ""), &[], &[]),
        (NODE_GUARD, &[], matching(&["shop.example.com"], &["Shop"], ""), &[], &["UnknownKind Shop K0/c"]),
    ] {
        Given { constraints: vec![(rego, operations, spec)], ..Given::default() }.gives(routes, findings);
    }
}

#[test]
fn who_would_be_woken_by_mistake_is_named_and_waited_for() {
    let any = |scope| matching(&["*"], &["*"], scope);
    let guarded =
        |spec| Given { guard: true, constraints: vec![(ALLOWED_REPOS, &[], spec)], ..Given::default() };
    guarded(any("Namespaced")).gives(&[], &["WokenByMistake K0/c pods/attach, pods/exec not"]);
    guarded(json!({})).gives(&[], &["WokenByMistake K0/c"]);
    guarded(matching(&[""], &["PodAttachOptions"], "")).gives(&EXEC[1..], &["WokenByMistake pods/attach"]);
    guarded(any("Cluster")).gives(&EXEC, &[]);
    guarded(matching(&[""], &["Pod"], "")).gives(&EXEC, &[]);
    let forced = Given { connect: RoutingMode::Force, ..guarded(json!({})) };
    forced.gives(&["CONNECT pods/attach", "CONNECT pods/exec"], &["WokenByMistake K0/c judge"]);
    let off = Given { connect: RoutingMode::Off, ..guarded(json!({})) };
    off.gives(&[], &["RoutingOff routing.connect pods/exec"]);

    // The one kind waits, the other need not.
    let deletions = |delete| Given {
        delete,
        constraints: vec![
            (NODE_GUARD, &[], matching(&[""], &["Node", "Pod"], "")),
            (ALLOWED_REPOS, &[], matching(&[""], &["Pod"], "")),
            (NODE_GUARD, &[], any("*")),
        ],
        ..Given::default()
    };
    deletions(RoutingMode::Auto).gives(&["DELETE nodes"], &["WokenByMistake K1/c pods not"]);
    deletions(RoutingMode::Force).gives(&["DELETE nodes", "DELETE pods"], &["WokenByMistake K1/c"]);
    deletions(RoutingMode::Off).gives(&[], &["RoutingOff nodes, pods"]);
}

#[test]
fn what_upstream_routes_is_left_out() {
    let node_guard = || (NODE_GUARD, &[][..], matching(&[""], &["Node"], ""));
    for (upstream, routes) in [
        (entry(&["*"], &["*", "pods/exec", "pods/attach"]), &[][..]),
        (entry(&["CREATE", "CONNECT", "DELETE"], &["*/*"]), &[]),
        (entry(&["CONNECT"], &["pods/exec"]), &["CONNECT pods/attach", "DELETE nodes"]),
        (entry(&["DELETE"], &["nodes"]), &EXEC),
    ] {
        let constraints = vec![node_guard()];
        Given { guard: true, upstream: Some(upstream), constraints, ..Given::default() }.gives(routes, &[]);
    }
    let mut namespaced = entry(&["*"], &["*/*"]);
    namespaced.rules.as_mut().unwrap()[0].scope = Some("Namespaced".to_owned());
    let given = || Given { guard: true, constraints: vec![node_guard()], ..Given::default() };
    Given { upstream: Some(namespaced), ..given() }.gives(&["DELETE nodes"], &[]);
    Given { upstream: None, ..given() }.gives(&[], &["NoUpstream"]);
}

#[test]
fn subresources_that_a_trimmed_upstream_leaves_out_are_added() {
    let route = |group: &str, resource: &str, operation| Route {
        group: group.to_owned(),
        resource: resource.to_owned(),
        operation,
    };
    let needed = || {
        vec![
            route("", "pods", Operation::Create),
            route("", "pods/ephemeralcontainers", Operation::Update),
            route("", "pods/resize", Operation::Update),
            route("apps", "deployments/scale", Operation::Update),
            route("apps", "statefulsets/scale", Operation::Update),
            route("", "pods/resize", Operation::Update),
        ]
    };
    let missing = ["UPDATE pods/resize", "UPDATE statefulsets/scale.apps"];
    Given { needed: needed(), ..Given::default() }.gives(&missing, &[]);
    let trimmed = Some(entry(&["CREATE"], &["deployments"]));
    Given { needed: needed(), upstream: trimmed, ..Given::default() }.gives(
        &[
            "UPDATE pods/ephemeralcontainers",
            "UPDATE pods/resize",
            "UPDATE deployments/scale.apps",
            "UPDATE statefulsets/scale.apps",
        ],
        &[],
    );
}

#[test]
fn an_object_selector_is_told_because_an_exec_has_no_labels() {
    let mut upstream = stock();
    upstream.object_selector = Some(serde_json::from_value(json!({"matchLabels": {"a": "b"}})).unwrap());
    Given { guard: true, upstream: Some(upstream), ..Given::default() }.gives(&EXEC, &["ObjectSelector"]);
    let mut upstream = stock();
    upstream.object_selector = Some(serde_json::from_value(json!({})).unwrap());
    Given { guard: true, upstream: Some(upstream), ..Given::default() }.gives(&EXEC, &[]);
}

#[test]
fn the_entry_is_upstreams_but_for_name_and_rules() {
    let route =
        |resource: &str, operation| Route { group: String::new(), resource: resource.to_owned(), operation };
    let routes = [
        route("pods/attach", Operation::Connect),
        route("pods/exec", Operation::Connect),
        route("nodes", Operation::Delete),
    ];
    insta::assert_yaml_snapshot!(configuration(&stock(), &routes, ObjectMeta::default()));
}
