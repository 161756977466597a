//! Templates that ask for more than there is: each is ended, and everything else is judged.

use crate::Result;
use crate::folder::Folder;

fn rego(kind: &str, body: &str) -> String {
    let name = kind.to_lowercase();
    format!(
        "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {{name: {name}}}\nspec:\n  \
         crd: {{spec: {{names: {{kind: {kind}}}}}}}\n  targets:\n  - target: admission.k8s.gatekeeper.sh\n    code:\n    \
         - engine: Rego\n      source:\n        version: v1\n        rego: |\n          package x\n{}\n---\n\
         apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: {kind}\nmetadata: {{name: c}}\n\
         spec: {{match: {{kinds: [{{apiGroups: [''], kinds: [ConfigMap]}}]}}}}\n",
        body.lines().map(|line| format!("          {line}")).collect::<Vec<_>>().join("\n")
    )
}

/// What the template is asked about, and a Pod that it is not asked about.
const OBJECTS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: asked, namespace: shop}\n---\n\
                       apiVersion: v1\nkind: Pod\nmetadata: {name: evil, namespace: shop}\n\
                       spec: {hostPID: true, containers: [{name: a, image: b}]}\n";

/// Checks the template and the objects: it says why the template was ended, and judges the Pod all the same.
fn is_ended(template: &str, because: &str) -> Result {
    is_left_out(template, &["template.yaml:1: ConstraintTemplate of Bad", because])
}

/// Checks the template and the objects: it says what is expected of the template, and judges the Pod all the same.
fn is_left_out(template: &str, expected: &[&str]) -> Result {
    let folder = Folder::of(&[("template.yaml", template.as_bytes()), ("objects.yaml", OBJECTS.as_bytes())])?;
    let (code, said) = folder.run(&[
        "check",
        "-f",
        "template.yaml",
        "-f",
        "objects.yaml",
        "--template-timeout=2",
        "--template-memory=256",
    ])?;
    assert_eq!(code, 2, "{said}");
    for expected in expected {
        assert!(said.contains(expected), "{said}");
    }
    assert!(said.contains("error: objects.yaml:1: ConfigMap shop/asked: template Bad: "), "{said}");
    assert!(said.contains("deny Pod shop/evil"), "{said}");
    assert!(said.contains("2 objects: 1 denied, 0 warned, 0 dryrun, 0 passed, 1 not judged"), "{said}");
    Ok(())
}

fn cel(expression: &str) -> String {
    let whole = rego("Bad", "");
    let (head, rest) = whole.split_once("    - engine: Rego").unwrap_or_default();
    let constraint = rest.split_once("---\n").unwrap_or_default().1;
    format!(
        "{head}    - engine: K8sNativeValidation\n      source:\n        validations:\n        - expression: {}\n---\n\
         {constraint}",
        serde_json::Value::from(expression)
    )
}

/// Limits of this engine that are met when a template is read: Gatekeeper may take it.
#[test]
fn a_template_beyond_a_limit_of_the_engine_leaves_the_others_judged() -> Result {
    let at = "template.yaml:12: ConstraintTemplate bad: spec.targets[0].code[0].source.";
    let deep = format!("// it's\ntrue || {}1{} == []", "[".repeat(2_000), "]".repeat(2_000));
    let nested = "is nested deeper than this engine goes: 32 brackets, 300 operators and fields";
    let left_out = "; objects that its constraints match are not judged";
    is_left_out(&cel(&deep), &[at, nested, left_out])?;
    is_left_out(&cel(&format!("1{} == 1", " + 1".repeat(500))), &[at, nested])?;
    is_left_out(&cel("{1.5: true} == {}"), &[at, "builds a map with a key of type 'double'"])?;
    let brackets = format!("violation contains {{\"msg\": \"m\"}} if {}1{}", "[".repeat(20), "]".repeat(20));
    is_left_out(&rego("Bad", &brackets), &["template.yaml:14: ConstraintTemplate bad: ", "16 brackets"])?;
    let long = format!("violation contains {{\"msg\": \"m\"}} if true{}", "\n# a comment".repeat(20_001));
    is_left_out(&rego("Bad", &long), &["ConstraintTemplate bad: ", "line count 20000"])?;
    let schema = rego("Bad", "violation contains {\"msg\": \"m\"} if true").replace(
        "names: {kind: Bad}",
        "names: {kind: Bad}, validation: {openAPIV3Schema: {type: object, x-kubernetes-validations: [{rule: '{1.5: \
         true} == {}'}]}}",
    );
    is_left_out(&schema, &["ConstraintTemplate bad: ", "builds a map with a key of type 'double'"])
}

/// What Gatekeeper refuses, too, is wrong with the input.
#[test]
fn a_template_that_gatekeeper_refuses_stops_everything() -> Result {
    let deep = format!("{}1{}", "[".repeat(20), "]".repeat(20));
    let body = format!("violation contains {{\"msg\": \"m\"}} if {deep}\na if b");
    let folder =
        Folder::of(&[("template.yaml", cel("1 + 'a'").as_bytes()), ("objects.yaml", OBJECTS.as_bytes())])?;
    let (code, said) = folder.run(&["check", "-f", "template.yaml", "-f", "objects.yaml"])?;
    assert!(
        code == 2 && said.contains("Kubernetes does not compile it") && !said.contains("denied"),
        "{said}"
    );
    let both =
        format!("{}---\n{}", rego("Other", "violation contains {\"msg\": \"m\"} if b"), rego("Bad", &body));
    let folder = Folder::of(&[("template.yaml", both.as_bytes()), ("objects.yaml", OBJECTS.as_bytes())])?;
    let (code, said) = folder.run(&["check", "-f", "template.yaml", "-f", "objects.yaml"])?;
    assert!(code == 2 && said.contains("var b is unsafe") && !said.contains("denied"), "{said}");
    Ok(())
}

/// One rule for Rego and CEL: whoever does not end in time has no verdict.
#[test]
fn a_template_in_cel_that_takes_too_long_is_ended() -> Result {
    let ten = "[0,1,2,3,4,5,6,7,8,9]";
    let many = format!("lists.range(1000) + {ten}");
    let slow = format!("({many}).all(a, ({many}).all(b, ({many}).all(c, a + b + c >= 0)))");
    is_ended(&cel(&slow), "it took longer than 2 s (--template-timeout), so it was stopped")
}

#[test]
fn a_template_that_asks_for_all_memory_is_ended() -> Result {
    let body = "violation contains {\"msg\": \"m\"} if count(numbers.range(1, 1000000000)) > 1";
    is_ended(&rego("Bad", body), "it needs more memory than 256 MiB (--template-memory), so it was stopped")
}

#[test]
fn a_template_that_takes_too_long_inside_one_function_is_ended() -> Result {
    let body = "violation contains {\"msg\": \"m\"} if product(numbers.range(1, 300000)) > 1";
    let folder =
        Folder::of(&[("template.yaml", rego("Bad", body).as_bytes()), ("objects.yaml", OBJECTS.as_bytes())])?;
    let (code, said) =
        folder.run(&["check", "-f", "template.yaml", "-f", "objects.yaml", "--template-timeout=1"])?;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("it took longer than 1 s (--template-timeout), so it was stopped"), "{said}");
    assert!(said.contains("deny Pod shop/evil"), "{said}");
    Ok(())
}

#[test]
fn a_long_chain_of_functions_is_judged_or_ended_but_ends_nobody() -> Result {
    let chain: Vec<_> = (0..5_000).map(|index| format!("f{index}(x) := f{}(x)\n", index + 1)).collect();
    let chain = chain.concat();
    let body = format!("{chain}f5000(x) := x\nviolation contains {{\"msg\": \"m\"}} if f0(1) == 1");
    let folder = Folder::of(&[
        ("template.yaml", rego("Bad", &body).as_bytes()),
        ("objects.yaml", OBJECTS.as_bytes()),
    ])?;
    let (code, said) = folder.run(&["check", "-f", "template.yaml", "-f", "objects.yaml"])?;
    assert!(code == 1 || code == 2, "{code} {said}");
    assert!(said.contains("deny Pod shop/evil"), "{said}");
    Ok(())
}

#[test]
fn a_sandboxed_template_says_what_it_would_say_here() -> Result {
    let body = "violation contains {\"msg\": msg, \"details\": {\"n\": 0.1}} if {\n\tmsg := sprintf(\"%v %v %v\", \
                [input.review.object.metadata.name, input.review.namespaceObject, input.parameters])\n}";
    let folder = Folder::of(&[
        ("template.yaml", rego("Good", body).as_bytes()),
        ("objects.yaml", OBJECTS.as_bytes()),
    ])?;
    let (code, said) = folder.run(&["check", "-f", "template.yaml", "-f", "objects.yaml"])?;
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("deny Good/c\n    line 1: asked {\"apiVersion\": \"v1\", \"kind\": \"Namespace\""),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_suite_with_a_template_that_is_ended_is_broken_and_others_run() -> Result {
    let suite = |name: &str, template: &str| {
        format!(
            "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\ntests:\n- name: {name}\n  template: {template}\n  \
             constraint: constraint-{template}\n  cases:\n  - name: c\n    object: object.yaml\n    \
             assertions: [{{violations: yes}}]\n"
        )
    };
    let split = |text: String| {
        let (template, constraint) = text.split_once("---\n").map(|(a, b)| (a.to_owned(), b.to_owned()))?;
        Some((template, constraint))
    };
    let bad = "violation contains {\"msg\": \"m\"} if count(numbers.range(1, 1000000000)) > 1";
    let (bad, bad_constraint) = split(rego("Bad", bad)).ok_or("no constraint")?;
    let good = split(rego("Good", "violation contains {\"msg\": \"m\"}")).ok_or("no constraint")?;
    let object = OBJECTS.split_once("---\n").ok_or("one object")?.0;
    let folder = Folder::of(&[
        ("a.suite.yaml", suite("bad", "bad.yaml").as_bytes()),
        ("b.suite.yaml", suite("good", "good.yaml").as_bytes()),
        ("bad.yaml", bad.as_bytes()),
        ("constraint-bad.yaml", bad_constraint.as_bytes()),
        ("good.yaml", good.0.as_bytes()),
        ("constraint-good.yaml", good.1.as_bytes()),
        ("object.yaml", object.as_bytes()),
    ])?;
    let (code, said) = folder.run(&["test", "./...", "--template-memory=256", "--verbose"])?;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("it needs more memory than 256 MiB"), "{said}");
    assert!(said.contains("1 passed"), "{said}");
    Ok(())
}
