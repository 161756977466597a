//! Controllers and the Pods that they create.

use serde_json::{Value, json};

use crate::Result;
use crate::folder::Folder;

const POLICIES: &str = "apiVersion: deckhouse.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {name: base}\nspec:\n  \
match: {namespaceSelector: {matchNames: [shop]}}\n  policies:\n    automountServiceAccountToken: false\n    \
runAsUser: {rule: MustRunAs, ranges: [{min: 1000, max: 2000}]}\n---\n\
apiVersion: deckhouse.io/v1alpha1\nkind: OperationPolicy\nmetadata: {name: common}\nspec:\n  \
match: {namespaceSelector: {matchNames: [shop]}}\n  policies:\n    \
requiredResources: {limits: [memory]}\n    \
requiredLabels: {labels: [{key: team}], watchKinds: [/Pod]}\n";

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: front\n  namespace: shop\nspec:\n  \
selector: {matchLabels: {app: front}}\n  template:\n    metadata:\n      labels: {app: front}\n    spec:\n      \
containers:\n      - name: app\n        image: registry.example.com/front:1\n";

fn check(objects: &str, more: &[&str]) -> Result<(i32, String)> {
    let folder = Folder::of(&[("p.yaml", POLICIES.as_bytes()), ("a.yaml", objects.as_bytes())])?;
    folder.run(&[&["check", "-f", "p.yaml", "-f", "a.yaml"], more].concat())
}

fn results(objects: &str, more: &[&str]) -> Result<Vec<Value>> {
    let (_, said) = check(objects, &[&["-o", "json"], more].concat())?;
    let document: Value =
        serde_json::from_str(said.get(said.find('{').ok_or("no JSON")?..).unwrap_or_default())?;
    Ok(document["results"].as_array().ok_or("no results")?.clone())
}

/// A Deployment that the cluster accepts and whose Pods it refuses was "pass" once.
#[test]
fn a_first_time_user_is_told_what_his_pods_lack_and_follows_to_a_pass() -> Result {
    let (code, said) = check(DEPLOYMENT, &[])?;
    let expected = "a.yaml:1: deny Deployment shop/front: the Deployment is accepted; its Pods are refused\n  \
        deny OperationPolicy/common on its Pods\n    \
        line 10: requiredLabels: the Pod has no label \"team\"; it must be set\n    \
        line 13: requiredResources: container \"app\" has no resources.limits.memory; it or the Pod must set one\n  \
        deny SecurityPolicy/base on its Pods\n    \
        line 13: automountServiceAccountToken: container \"app\" sets volumeMounts[0].mountPath to \
        /var/run/secrets/kubernetes.io/serviceaccount; nothing may be mounted there: automountServiceAccountToken must be \
        false\n    \
        line 13: runAsUser: container \"app\" has no securityContext.runAsUser, of its own or from the Pod; allowed: \
        1000-2000\n";
    assert!(code == 1 && said.contains(expected), "{said}");
    let fixed = DEPLOYMENT.replace("labels: {app: front}", "labels: {app: front, team: blue}").replace(
        "    spec:\n      containers:\n",
        "    spec:\n      automountServiceAccountToken: false\n      containers:\n",
    ) + "        securityContext: {runAsUser: 1000}\n        resources: {limits: {memory: 1Gi}}\n";
    let (code, said) = check(&fixed, &[])?;
    assert!(code == 0 && said.contains("1 object: 0 denied, 0 warned, 0 dryrun, 1 passed"), "{said}");
    Ok(())
}

#[test]
fn each_violation_says_what_it_is_about_and_where() -> Result {
    let found = results(&format!("# a comment\n{DEPLOYMENT}"), &[])?;
    let violations = found[0]["violations"].as_array().ok_or("no violations")?;
    let found: Vec<_> = violations.iter().map(|it| (&it["judged"], &it["line"])).collect();
    let (pod, lines) = (json!("pod"), [json!(11), json!(14), json!(14), json!(14)]);
    assert_eq!(found, lines.iter().map(|line| (&pod, line)).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn every_controller_is_judged_with_its_pods() -> Result {
    let template = "{metadata: {labels: {a: b}}, spec: {containers: [{name: app, image: b}]}}";
    for (api, kind, body, what) in [
        (
            "apps/v1",
            "DaemonSet",
            format!("template: {template}"),
            "the DaemonSet is accepted; its Pods are refused",
        ),
        ("apps/v1", "StatefulSet", format!("template: {template}"), "the StatefulSet is accepted"),
        ("apps/v1", "ReplicaSet", format!("template: {template}"), "the ReplicaSet is accepted"),
        (
            "v1",
            "ReplicationController",
            format!("template: {template}"),
            "the ReplicationController is accepted",
        ),
        ("batch/v1", "Job", format!("template: {template}"), "the Job is accepted"),
        (
            "batch/v1",
            "CronJob",
            format!("jobTemplate: {{spec: {{template: {template}}}}}"),
            "the CronJob is accepted",
        ),
    ] {
        let object = format!(
            "apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a, namespace: shop}}\nspec: {{{body}}}\n"
        );
        let (code, said) = check(&object, &[])?;
        assert!(code == 1 && said.contains(what), "{kind}: {said}");
        assert!(said.contains("the Pod has no label \"team\""), "{kind}: {said}");
        assert!(!said.contains("not judged"), "{kind}: {said}");
    }
    Ok(())
}

/// What is wrong with the controller and with its Pod is one violation, of the controller.
#[test]
fn what_is_wrong_twice_is_said_once() -> Result {
    let object =
        DEPLOYMENT.replace("    spec:\n      containers", "    spec:\n      hostPID: true\n      containers");
    let found = results(&object, &["--namespace", "shop"])?;
    let violations = found[0]["violations"].as_array().ok_or("no violations")?;
    let of_host: Vec<_> =
        violations.iter().filter(|it| it["details"]["control"] == "hostNamespaces").collect();
    assert_eq!(of_host.len(), 1, "{violations:#?}");
    assert_eq!((&of_host[0]["judged"], &of_host[0]["line"]), (&json!("object"), &json!(12)));
    Ok(())
}

#[test]
fn limit_ranges_and_service_accounts_of_the_namespace_count() -> Result {
    let object = DEPLOYMENT
        .replace("{app: front}\n    spec", "{app: front, team: a}\n    spec")
        .replace("      containers", "      securityContext: {runAsUser: 1000}\n      containers");
    let beside = |namespace: &str| {
        format!(
            "{object}---\napiVersion: v1\nkind: LimitRange\nmetadata: {{name: l, namespace: {namespace}}}\n\
             spec: {{limits: [{{type: Container, default: {{memory: 1Gi}}}}]}}\n---\n\
             apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: default, namespace: {namespace}}}\n\
             automountServiceAccountToken: false\n"
        )
    };
    let (code, said) = check(&beside("shop"), &["--verbose"])?;
    assert!(code == 0 && said.contains("3 passed") && !said.contains("no LimitRange gives"), "{said}");
    let (code, said) = check(&beside("elsewhere"), &["--verbose"])?;
    assert!(code == 1 && said.contains("no resources.limits.memory"), "{said}");
    assert!(said.contains("assumed: no LimitRange gives containers \"app\" the resources"), "{said}");
    assert!(said.contains("automountServiceAccountToken must be false"), "{said}");
    Ok(())
}

/// An assumption that decides nothing is not worth a word.
#[test]
fn limit_ranges_are_assumed_absent_only_where_resources_are_asked_for() -> Result {
    let folder = Folder::of(&[("a.yaml", DEPLOYMENT.as_bytes())])?;
    let (code, said) = folder.run(&["check", "-f", "a.yaml", "--verbose"])?;
    assert!(code == 0 && said.contains("assumed: service account") && !said.contains("LimitRange"), "{said}");
    Ok(())
}

#[test]
fn assume_defaults_accepts_what_something_else_may_set_and_names_it() -> Result {
    let labelled = DEPLOYMENT.replace("{app: front}\n    spec", "{app: front, team: a}\n    spec");
    let (code, said) = check(&labelled, &["--assume-defaults", "--verbose"])?;
    assert!(code == 0, "{said}");
    for accepted in [
        "something outside of the input sets spec.containers[0].resources.limits.memory",
        "something outside of the input sets spec.containers[0].securityContext.runAsUser",
        "service account \"default\" does not mount its token",
    ] {
        assert!(said.contains(&format!("assumed: {accepted}")), "{accepted}: {said}");
    }
    let wrong = labelled + "        securityContext: {runAsUser: 5}\n";
    let (code, said) = check(&wrong, &["--assume-defaults"])?;
    assert!(
        code == 1 && said.contains("sets securityContext.runAsUser to 5"),
        "what is set must fit: {said}"
    );
    let (code, said) = check(DEPLOYMENT, &["--assume-defaults"])?;
    assert!(code == 1 && said.contains("has no label \"team\""), "nobody else sets labels: {said}");
    Ok(())
}

const OWN: &str = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: who}\nspec:\n  \
crd: {spec: {names: {kind: Who}}}\n  targets:\n  - target: admission.k8s.gatekeeper.sh\n    rego: |\n      \
package who\n      violation[{\"msg\": msg}] {\n        msg := sprintf(\"%v %v of %v by %v named %v\", [\n          \
input.review.kind.kind, input.review.object.metadata.labels[\"app\"],\n          \
input.review.object.metadata.ownerReferences[0].kind, input.review.userInfo.username,\n          \
object.get(input.review, \"name\", \"nothing\")])\n      }\n---\n";

fn own(kind: &str) -> String {
    format!(
        "{OWN}apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Who\nmetadata: {{name: who}}\n\
         spec: {{match: {{kinds: [{{apiGroups: ['*'], kinds: [{kind}]}}]}}}}\n---\n{DEPLOYMENT}"
    )
}

/// Users' own constraints on Pods see the request that the controller sends.
#[test]
fn templates_of_others_are_asked_about_the_pods() -> Result {
    let folder = Folder::of(&[("a.yaml", own("Pod").as_bytes())])?;
    let (code, said) = folder.run(&["check", "-f", "a.yaml"])?;
    let expected = "deny Who/who on its Pods\n    line 29: Pod front of ReplicaSet by \
                    system:serviceaccount:kube-system:replicaset-controller named nothing\n";
    assert!(code == 1 && said.contains(expected), "{said}");
    let folder = Folder::of(&[("a.yaml", own("ReplicaSet").as_bytes())])?;
    let (code, said) = folder.run(&["check", "-f", "a.yaml"])?;
    let expected =
        "the Deployment is accepted; its ReplicaSets are refused\n  deny Who/who on its ReplicaSets\n";
    assert!(code == 1 && said.contains(expected) && said.contains("deployment-controller"), "{said}");
    Ok(())
}

/// Where Gatekeeper is not asked about a namespace, it is not asked about its Pods either.
#[test]
fn exempt_namespaces_are_exempt_for_pods() -> Result {
    let exempt = format!(
        "{DEPLOYMENT}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, labels: {{admission.gatekeeper.sh/ignore: a}}}}\n"
    );
    let (code, said) = check(&exempt, &[])?;
    assert!(code == 0, "{said}");
    Ok(())
}

#[test]
fn a_recorded_request_is_judged_with_the_pods_that_it_changes() -> Result {
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "front", "namespace": "shop"},
        "spec": {"template": {"metadata": {"labels": {"app": "a"}},
            "spec": {"containers": [{"name": "app", "image": "b"}]}}}});
    let mut relabelled = deployment.clone();
    relabelled["metadata"]["labels"] = json!({"a": "b"});
    let mut changed = deployment.clone();
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = json!("c");
    let review = |operation: &str, object: &Value, old: &Value| {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "operation": operation, "namespace": "shop", "name": "front", "object": object, "oldObject": old,
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"}}})
        .to_string()
    };
    for (request, code) in [
        (review("CREATE", &deployment, &Value::Null), 1),
        (review("UPDATE", &relabelled, &deployment), 0),
        (review("UPDATE", &changed, &deployment), 1),
        (review("DELETE", &Value::Null, &deployment), 0),
    ] {
        let (found, said) = check(&request, &[])?;
        assert_eq!(found, code, "{request}: {said}");
    }
    Ok(())
}

#[test]
fn lines_stand_in_every_format() -> Result {
    for (format, expected) in [
        ("sarif", "\"startLine\": 10"),
        ("junit", "deny OperationPolicy/common on its Pods line 10: requiredLabels"),
        (
            "github",
            "::error file=a.yaml,line=10,title=deny OperationPolicy/common on its Pods::Deployment shop/front: requiredLabels",
        ),
        ("json", "\"line\": 10"),
    ] {
        let (code, said) = check(DEPLOYMENT, &["-o", format])?;
        assert!(code == 1 && said.contains(expected), "{format}: {said}");
    }
    Ok(())
}

/// Under the setting `podTemplates: Strict` the controller itself is refused; nothing can set it in time.
#[test]
fn strict_pod_templates_are_demanded_of_the_controller() -> Result {
    let folder = Folder::of(&[
        ("p.yaml", POLICIES.as_bytes()),
        ("a.yaml", DEPLOYMENT.as_bytes()),
        ("settings.yaml", b"podTemplates: Strict\n"),
    ])?;
    let strict = ["check", "-f", "p.yaml", "-f", "a.yaml", "--config", "settings.yaml"];
    for more in [&[][..], &["--assume-defaults"]] {
        let (code, said) = folder.run(&[&strict, more].concat())?;
        let expected = "a.yaml:1: deny Deployment shop/front\n  deny OperationPolicy/common\n    line 13: requiredResources";
        assert!(code == 1 && said.contains(expected), "{said}");
        assert!(
            said.contains("the Pod does not set automountServiceAccountToken; it must be false"),
            "{said}"
        );
    }
    Ok(())
}

/// `render` says which fields wait for Pods; `check`, which judges the Pods, does not.
#[test]
fn render_says_what_waits_for_pods() -> Result {
    let folder = Folder::of(&[("p.yaml", POLICIES.as_bytes()), ("a.yaml", DEPLOYMENT.as_bytes())])?;
    let (_, said) = folder.run(&["render", "-f", "p.yaml"])?;
    let note = "automountServiceAccountToken, runAsUser wait for the Pods of controllers";
    assert!(said.contains(note) && said.contains("requiredResources waits for the Pods"), "{said}");
    let (_, said) = folder.run(&["check", "-f", "p.yaml", "-f", "a.yaml"])?;
    assert!(!said.contains(" for the Pods of controllers"), "{said}");
    Ok(())
}
