//! What people bring along: files as kubectl reads them, and nothing that is skipped in silence.

use std::fmt::Write as _;

use crate::Result;
use crate::folder::Folder;

const EVIL: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: evil, namespace: shop}\n\
                    spec: {hostPID: true, containers: [{name: a, image: b}]}\n";

fn config(name: &str, namespace: &str, processes: &str) -> String {
    format!(
        "apiVersion: config.gatekeeper.sh/v1alpha1\nkind: Config\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         spec: {{match: [{{excludedNamespaces: [shop], processes: [{processes}]}}]}}\n---\n{EVIL}"
    )
}

#[test]
fn quoted_text_and_flow_lists_are_read_as_kubectl_reads_them() -> Result {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    note: \"one\n    two\"\n\
               spec:\n  hostIPC: true\n  containers:\n  - name: a\n    args: [\n\t\"-a\",\n\t-b\n    ]\n";
    let (code, said) = Folder::of(&[("pod.yaml", pod.as_bytes())])?.run(&["check", "-f", "pod.yaml"])?;
    assert!(code == 1 && said.contains("pod.yaml:1: deny Pod default/a"), "{said}");
    Ok(())
}

#[test]
fn utf_16_is_read_by_its_byte_order_mark() -> Result {
    let little: Vec<u8> =
        [0xff, 0xfe].into_iter().chain(EVIL.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let big: Vec<u8> =
        [0xfe, 0xff].into_iter().chain(EVIL.encode_utf16().flat_map(u16::to_be_bytes)).collect();
    let (code, said) = Folder::of(&[("le.yaml", &little), ("be.yaml", &big)])?.run(&["check", "-f", "."])?;
    assert!(code == 1 && said.contains("2 objects: 2 denied"), "{said}");
    Ok(())
}

#[test]
fn kustomization_files_are_left_out_with_a_note_and_pods_in_them_are_not() -> Result {
    let folder = Folder::of(&[
        ("kustomization.yaml", b"resources: [pod.yaml]\n"),
        ("b/kustomization.yml", b"resources: []\n"),
        ("pod.yaml", EVIL.as_bytes()),
        ("c/kustomization.yaml", EVIL.as_bytes()),
    ])?;
    let (code, said) = folder.run(&["check", "-f", "."])?;
    assert!(code == 1 && said.contains("2 objects: 2 denied"), "{said}");
    for file in ["kustomization.yaml:1", "b/kustomization.yml:1"] {
        assert!(
            said.contains(&format!("note: {file}: kustomize.config.k8s.io/v1beta1 Kustomization")),
            "{said}"
        );
    }
    Ok(())
}

/// A manifest that lost its kind must not become a note.
#[test]
fn other_files_without_a_kind_are_errors_unless_they_are_excluded() -> Result {
    let lost: &[u8] = b"apiVersion: v1\nmetadata: {name: evil}\nspec: {hostPID: true}\n";
    let files: [(&str, &[u8]); 3] =
        [("pod.yaml", EVIL.as_bytes()), ("chart/values.yaml", b"replicas: 1\n"), ("lost.yaml", lost)];
    let folder = Folder::of(&files)?;
    let (code, said) = folder.run(&["check", "-f", "."])?;
    assert!(
        code == 2 && said.contains("chart/values.yaml:1: no kind") && said.contains("lost.yaml:1: no kind")
    );
    let (code, said) =
        folder.run(&["check", "-f", ".", "--exclude", "values.yaml", "--exclude", "/lost.yaml"])?;
    assert!(code == 1 && said.contains("note: chart/values.yaml: left out by --exclude"), "{said}");
    std::fs::write(folder.path().join(".gatewrightignore"), "# ours\nchart/\nlost.*\n!lost.yaml\n")?;
    let (code, said) = folder.run(&["check", "-f", "."])?;
    assert!(code == 2 && said.contains("note: chart: left out by .gatewrightignore"), "{said}");
    assert!(said.contains("error: lost.yaml:1: no kind") && !said.contains("values.yaml"), "{said}");
    std::fs::write(folder.path().join("chart/.gatewrightignore"), "values.yaml\n")?;
    std::fs::remove_file(folder.path().join(".gatewrightignore"))?;
    let (code, said) = folder.run(&["check", "-f", "chart", "--allow-empty"])?;
    assert!(code == 0 && said.contains("values.yaml: left out by chart/.gatewrightignore"), "{said}");
    let (code, _) = folder.run(&["check", "-f", "chart/values.yaml"])?;
    assert_eq!(code, 2, "what is named is read");
    Ok(())
}

#[test]
fn empty_input_is_told_in_the_same_words_wherever_it_comes_from() -> Result {
    let folder = Folder::of(&[
        ("empty.yaml", b""),
        ("comments.yaml", b"---\n# nothing\n---\n"),
        ("null.yaml", b"~\n---\nnull\n...\n"),
        ("folder/a.yaml", b"# nothing\n"),
        ("bare/README.md", b"nothing\n"),
    ])?;
    let nothing = "error: nothing was judged: the input holds no objects but policies and namespaces; \
                   --allow-empty lets that pass\n";
    for (argument, name) in [
        ("empty.yaml", "empty.yaml"),
        ("comments.yaml", "comments.yaml"),
        ("null.yaml", "null.yaml"),
        ("folder", "folder"),
        ("bare", "bare"),
        ("-", "stdin"),
    ] {
        let note = format!("note: {name}: holds no object\n");
        let said = folder.run_with(&["check", "-f", argument], "# nothing\n")?;
        assert_eq!(said, (2, format!("{note}{nothing}")));
        let (code, said) = folder.run_with(&["check", "-f", argument, "--allow-empty"], "# nothing\n")?;
        assert!(code == 0 && said.starts_with(&note), "{said}");
        let (code, _) = folder.run_with(&["render", "-f", argument], "# nothing\n")?;
        assert_eq!(code, 2, "nothing is rendered of nothing");
    }
    Ok(())
}

#[test]
fn only_gatekeepers_one_config_exempts_and_only_from_the_webhook() -> Result {
    for (name, namespace, processes, exempt) in [
        ("config", "gatekeeper-system", "webhook", true),
        ("config", "gatekeeper-system", "'*'", true),
        ("config", "gatekeeper-system", "sync, audit", false),
        ("other", "gatekeeper-system", "'*'", false),
        ("config", "tenant", "'*'", false),
    ] {
        let folder = Folder::of(&[("a.yaml", config(name, namespace, processes).as_bytes())])?;
        let (code, said) = folder.run(&["check", "-f", "a.yaml", "--verbose"])?;
        assert_eq!(code == 0, exempt, "{name} {namespace} {processes}: {said}");
        assert_eq!(said.contains("Config exempts namespaces shop"), exempt, "{said}");
        let ignored = format!("Config {namespace}/{name}: Gatekeeper reads only gatekeeper-system/config");
        assert_eq!(said.contains(&ignored), name == "other" || namespace == "tenant", "{said}");
    }
    Ok(())
}

#[test]
fn pod_templates_that_no_rule_reads_are_named() -> Result {
    let template = "template: {spec: {hostPID: true, containers: [{name: a, image: b}]}}";
    let mut text = String::new();
    for (api, kind, name) in [
        ("example.com/v1", "WebSet", "a"),
        ("example.com/v1", "WebSet", "b"),
        ("argoproj.io/v1alpha1", "Rollout", "c"),
        ("v1", "PodTemplate", "d"),
    ] {
        let body = if kind == "PodTemplate" { template.to_owned() } else { format!("spec: {{{template}}}") };
        writeln!(text, "---\napiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}}}\n{body}")?;
    }
    let (code, said) = Folder::of(&[("a.yaml", text.as_bytes())])?.run(&["check", "-f", "a.yaml"])?;
    assert!(code == 0 && said.contains("4 passed"), "{said}");
    for named in
        ["WebSet default/a, and 1 more WebSet (-v lists them)", "Rollout default/c", "PodTemplate default/d"]
    {
        assert!(said.contains(&format!("{named}: not judged: a Pod template that no rule reads")), "{said}");
    }
    let deployment = text.replace("example.com/v1\nkind: WebSet", "apps/v1\nkind: Deployment");
    let (_, said) = Folder::of(&[("a.yaml", deployment.as_bytes())])?.run(&["check", "-f", "a.yaml"])?;
    assert!(!said.contains("Deployment default/a: not judged"), "{said}");
    Ok(())
}

#[test]
fn system_namespaces_of_which_something_was_asked_are_named() -> Result {
    let namespace = "apiVersion: v1\nkind: Namespace\n\
                     metadata: {name: kube-system, labels: {security.deckhouse.io/pod-policy: restricted}}\n---\n";
    let text = format!("{namespace}{}", EVIL.replace("namespace: shop", "namespace: kube-system"));
    let folder = Folder::of(&[("a.yaml", text.as_bytes()), ("b.yaml", EVIL.as_bytes())])?;
    let (code, said) = folder.run(&["check", "-f", "a.yaml", "--verbose"])?;
    assert!(code == 0 && said.contains("note: namespace kube-system is a system namespace"), "{said}");
    assert!(said.contains("assumed: namespace kube-system is a system namespace"), "{said}");
    let (_, said) = folder.run(&["check", "-f", "b.yaml", "--verbose"])?;
    assert!(!said.contains("system namespace"), "{said}");
    Ok(())
}

#[test]
fn endless_files_end_in_an_error_that_names_file_and_limit() -> Result {
    let pod = EVIL.repeat(100);
    let folder = Folder::of(&[
        ("a.yaml", pod.as_bytes()),
        ("pod.yaml", EVIL.as_bytes()),
        ("a.cases.yaml", pod.as_bytes()),
    ])?;
    let limit = "the input is larger than 1Ki; --max-input-size allows more";
    for (arguments, said_of) in [
        (&["check", "-f", "a.yaml", "--max-input-size", "1Ki"][..], "a.yaml"),
        (&["check", "-f", "/dev/zero"], "/dev/zero: is a binary file"),
        (&["render", "-f", "a.yaml", "--max-input-size", "1Ki"], "a.yaml"),
        (&["test", "a.cases.yaml", "--max-input-size", "1Ki"], "a.cases.yaml"),
        (&["test", "/dev/zero"], "/dev/zero: is not a file *.yaml or *.yml"),
        (&["check", "-f", "pod.yaml", "--config", "/dev/zero", "--max-input-size", "1Ki"], "/dev/zero"),
    ] {
        let (code, said) = folder.run(arguments)?;
        assert!(code == 2 && said.contains(said_of), "{arguments:?}: {said}");
        if !said_of.contains(": ") {
            assert!(said.contains(limit), "{arguments:?}: {said}");
        }
    }
    let many = EVIL.repeat(1_000);
    let (code, said) = folder.run_with(&["check", "-f", "-", "--max-input-size", "64Ki"], &many)?;
    assert!(code == 2 && said.contains("stdin"), "{said}");
    Ok(())
}

#[test]
fn no_value_stands_in_an_error() -> Result {
    let policy = |policies: &str| {
        format!(
            "apiVersion: deckhouse.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {{name: p}}\n\
             spec: {{match: {{namespaceSelector: {{matchNames: [a]}}}}, policies: {policies}}}\n"
        )
    };
    let review = |request: &str| {
        format!(
            "{{\"apiVersion\": \"admission.k8s.io/v1\", \"kind\": \"AdmissionReview\", \"request\": {request}}}"
        )
    };
    for text in [
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {password: !!int hunter2}\n".to_owned(),
        policy("{verifyImageSignatures: [{reference: x, publicKeys: [k], dockerCfg: [hunter2]}]}"),
        policy("{verifyImageSignatures: [{reference: x, publicKeys: hunter2}]}"),
        policy("{verifyImageSignatures: hunter2}"),
        policy("{allowPrivileged: hunter2}"),
        policy("{allowedHostPorts: [{min: hunter2}]}"),
        review("{\"userInfo\": \"hunter2\", \"object\": {\"kind\": \"Secret\"}}"),
        review("{\"object\": {\"kind\": \"Secret\"}, \"dryRun\": \"hunter2\"}"),
    ] {
        let (code, said) = Folder::of(&[("a.yaml", text.as_bytes())])?.run(&["check", "-f", "a.yaml"])?;
        assert!(code == 2 && !said.contains("hunter2"), "{text}: {said}");
    }
    Ok(())
}

/// A Secret with a wrong tag, and a policy with credentials of which one is wrong: the errors name lines and fields.
#[test]
fn an_error_in_a_secret_names_the_line_and_not_the_value() -> Result {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {password: hunter2hunter2, bad: 5}\n---\n\
                  apiVersion: v1\nkind: Secret\nmetadata: {name: t}\ndata: {password: !!int hunter2secret}\n---\n\
                  apiVersion: deckhouse.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {name: p}\nspec:\n  \
                  match: {namespaceSelector: {matchNames: [a]}}\n  policies:\n    verifyImageSignatures:\n    \
                  - {reference: x, publicKeys: [hunter2key], dockerCfg: hunter2cfg, ca: hunter2ca}\n";
    let folder = Folder::of(&[("a.yaml", secret.as_bytes())])?;
    for command in ["check", "render"] {
        let (code, said) = folder.run(&[command, "-f", "a.yaml"])?;
        assert!(code == 2 && !said.contains("hunter2"), "{said}");
        let expected =
            "a.yaml:18: SecurityPolicy/p: spec.policies.verifyImageSignatures[0].ca: there is no certificate";
        assert!(said.contains("error: a.yaml:9: ") && said.contains(expected), "{said}");
    }
    let (code, said) = folder.run(&["test", "a.yaml"])?;
    assert!(code == 2 && !said.contains("hunter2"), "{said}");
    Ok(())
}

const TEMPLATE: &str = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: kinds}\n\
spec:\n  crd: {spec: {names: {kind: Kinds}}}\n  targets:\n  - target: admission.k8s.gatekeeper.sh\n    rego: |\n      \
package kinds\n      violation[{\"msg\": msg}] { msg := sprintf(\"a %v\", [input.review.kind.kind]) }\n";

#[test]
fn suites_are_known_by_api_version_and_kind_and_their_objects_by_kind() -> Result {
    let suite = "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\ntests:\n- name: kinds\n  template: t.yaml\n  \
                 constraint: c.yaml\n  cases:\n  - name: a\n    object: ingress.yaml\n    assertions:\n    - {message: a Ingress}\n";
    let constraint = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Kinds\nmetadata: {name: kinds}\n";
    let mention =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {how: test.gatekeeper.sh/v1alpha1}\n";
    let folder = Folder::of(&[
        ("suite.yaml", suite.as_bytes()),
        ("t.yaml", TEMPLATE.as_bytes()),
        ("c.yaml", constraint.as_bytes()),
        ("ingress.yaml", b"kind: Ingress\nmetadata: {annotations: {a: b}}\n"),
        ("mention.yaml", mention.as_bytes()),
    ])?;
    let (code, said) = folder.run(&["test", "./..."])?;
    assert!(code == 0 && said.contains("suite.yaml: 1 passed") && !said.contains("mention"), "{said}");
    for object in ["dev/zero", "dev/stdin"].map(|device| "../".repeat(30) + device) {
        std::fs::write(folder.path().join("suite.yaml"), suite.replace("ingress.yaml", &object))?;
        let (code, said) = folder.run(&["test", "suite.yaml"])?;
        assert!(code == 2 && said.contains("is not a file"), "{object}: {said}");
    }
    Ok(())
}

#[test]
fn what_a_constraint_does_elsewhere_is_named() -> Result {
    let scoped = |points: &str| {
        format!(
            "{TEMPLATE}---\napiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Kinds\nmetadata: {{name: kinds}}\n\
             spec: {{enforcementAction: scoped, scopedEnforcementActions: [{{action: deny, enforcementPoints: [{points}]}}]}}\n\
             ---\n{}",
            EVIL.replace("hostPID: true, ", "")
        )
    };
    for (points, code, vap, webhook) in [
        ("{name: vap.k8s.io}", 0, true, false),
        ("{name: vap.k8s.io}, {name: validation.gatekeeper.sh}", 1, true, true),
        ("{name: audit.gatekeeper.sh}", 0, false, false),
        ("{name: '*'}", 1, false, true),
    ] {
        let folder = Folder::of(&[("a.yaml", scoped(points).as_bytes())])?;
        let (found, said) = folder.run(&["check", "-f", "a.yaml"])?;
        assert_eq!(found, code, "{points}: {said}");
        assert_eq!(said.contains("what it does at vap.k8s.io (deny)"), vap, "{points}: {said}");
        assert_eq!(!said.contains("it is not enforced by the webhook"), webhook, "{points}: {said}");
    }
    Ok(())
}

/// The rules' own cases, the exec guard's too.
#[test]
fn the_cases_of_our_templates_run() -> Result {
    let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/../../templates");
    let folder = Folder::of(&[("a.yaml", b"")])?;
    for of_template in ["deny-exec-heritage", "operation-policy/ingress-class"] {
        let (code, said) = folder.run(&["test", &format!("{templates}/{of_template}/...")])?;
        assert!(code == 0 && said.contains(" passed"), "{said}");
    }
    Ok(())
}

/// A typing error in a selector, or in a kind, would otherwise enforce nothing in silence.
#[test]
fn policies_and_constraints_that_apply_to_nothing_are_named() -> Result {
    let policy = |name: &str, team: &str| {
        format!(
            "apiVersion: deckhouse.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {{name: {name}}}\nspec:\n  match: \
             {{namespaceSelector: {{labelSelector: {{matchLabels: {{team: {team}}}}}}}}}\n  policies: {{allowHostPID: \
             false}}\n---\n"
        )
    };
    let constraint = |name: &str, kind: &str| {
        format!(
            "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Own\nmetadata: {{name: {name}}}\nspec: {{match: \
             {{kinds: [{{apiGroups: [''], kinds: [{kind}]}}]}}}}\n---\n"
        )
    };
    let template = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: own}\nspec:\n  crd: \
                    {spec: {names: {kind: Own}}}\n  targets:\n  - target: admission.k8s.gatekeeper.sh\n    rego: |\n      \
                    package own\n      violation[{\"msg\": \"never\"}] { false }\n---\n";
    let texts = [&policy("reached", "blue"), &policy("missed", "bleu"), template, &constraint("pods", "Pod")];
    let input = texts.concat() + &constraint("pots", "Pot") + EVIL;
    let folder = Folder::of(&[("a.yaml", input.as_bytes())])?;
    let (code, said) = folder.run(&["check", "-f", "a.yaml", "--namespace-labels", "shop:team=blue"])?;
    assert_eq!(code, 1, "{said}");
    for (line, subject, why) in [
        (8, "SecurityPolicy/missed", "none of its kinds has the namespace and the labels that it asks for"),
        (31, "Own/pots", "none that was judged is of its kinds"),
    ] {
        let note = format!("note: a.yaml:{line}: {subject} was applied to no object: {why}");
        assert!(said.contains(&note), "{note}\n{said}");
    }
    assert_eq!(said.matches("was applied to no object").count(), 2, "{said}");
    Ok(())
}

/// A typing error in a label would otherwise mean the default, in silence.
#[test]
fn labels_that_mean_nothing_and_labels_that_nobody_uses_are_named() -> Result {
    let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: \
                     {security.deckhouse.io/pod-policy: resticted}}\n---\n";
    let folder = Folder::of(&[("a.yaml", format!("# shop\n{namespace}{EVIL}").as_bytes())])?;
    let given = ["--namespace-labels", "till:security.deckhouse.io/pod-policy-action=Deny,a=b"];
    let (code, said) = folder.run(&[&["check", "-f", "a.yaml"], &given[..]].concat())?;
    assert_eq!(code, 1, "{said}");
    for expected in [
        "note: a.yaml:2: namespace shop: the label security.deckhouse.io/pod-policy has the value \"resticted\", which means \
         nothing; allowed: privileged, baseline, restricted; baseline holds, the default\n",
        "note: --namespace-labels: namespace till: the label security.deckhouse.io/pod-policy-action has the value \"Deny\"",
        "note: --namespace-labels till: no object of the input is in namespace till\n",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    let given = ["--namespace-labels", "shop:security.deckhouse.io/pod-policy=restricted"];
    let (_, said) = folder.run(&[&["check", "-f", "a.yaml"], &given[..]].concat())?;
    assert!(!said.contains("means nothing") && !said.contains("no object of the input"), "{said}");
    Ok(())
}

/// What `kubectl get -o yaml` prints has a status, which the API server takes from nobody who applies it.
#[test]
fn the_status_of_a_dumped_policy_is_not_judged() -> Result {
    let policy = "apiVersion: deckhouse.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {name: p}\nspec:\n  \
                  match: {namespaceSelector: {matchNames: [shop]}}\n  policies: {allowPrivileged: false}\nstatus:\n  \
                  deckhouse: {synced: \"False\"}\n  conditions: nonsense\n  zzz: 1\n";
    let (code, said) = Folder::of(&[("p.yaml", policy.as_bytes())])?.run(&["render", "-f", "p.yaml"])?;
    assert!(code == 0 && !said.contains("error"), "{said}");
    Ok(())
}

/// Who fixes one error must not be told of the next one.
#[test]
fn all_errors_of_a_policy_are_said_at_once() -> Result {
    let policy = "apiVersion: deckhouse.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {name: p}\nspec:\n  \
                  enforcementAction: Denny\n  match: {namespaceSelector: {matchNames: [shop]}}\n  policies:\n    \
                  allowPriviledged: false\n    requiredLabels: {}\n    allowedHostPaths:\n";
    let (code, said) = Folder::of(&[("p.yaml", policy.as_bytes())])?.run(&["render", "-f", "p.yaml"])?;
    let expected = [
        "error: p.yaml:5: SecurityPolicy/p: spec.enforcementAction: \"Denny\" is not one of the allowed words: Deny, Warn, \
         Dryrun; did you mean Deny?",
        "error: p.yaml:8: SecurityPolicy/p: spec.policies.allowPriviledged: there is no such field; did you mean \
         allowPrivileged?",
        "error: p.yaml:9: SecurityPolicy/p: spec.policies.requiredLabels: is a field of OperationPolicy",
        "error: p.yaml:10: SecurityPolicy/p: spec.policies.allowedHostPaths: null says neither",
    ];
    assert!(code == 2 && said.lines().count() == expected.len(), "{said}");
    for (line, expected) in said.lines().zip(expected) {
        assert!(line.starts_with(expected), "{line}");
    }
    Ok(())
}
