//! Requests, templates and messages that somebody else wrote: as Gatekeeper judges them.

use serde_json::{Value, json};

use crate::Result;
use crate::folder::Folder;

/// A template and a constraint for all ConfigMaps.
fn judged_by(target: &str) -> String {
    format!(
        "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {{name: foo}}\nspec:\n  \
         crd: {{spec: {{names: {{kind: Foo}}}}}}\n  targets:\n  - target: admission.k8s.gatekeeper.sh\n{target}---\n\
         apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Foo\nmetadata: {{name: c}}\n\
         spec: {{match: {{kinds: [{{apiGroups: [\"\"], kinds: [ConfigMap]}}]}}}}\n---\n"
    )
}

fn in_cel(validation: &Value) -> String {
    let source = json!({"validations": [validation]});
    judged_by(&format!("    code: [{{engine: K8sNativeValidation, source: {source}}}]\n"))
}

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\n\
    metadata: {name: x, namespace: shop, labels: {app.kubernetes.io/name: evil}}\n";

fn check(text: &str) -> Result<(i32, String)> {
    Folder::of(&[("a.yaml", text.as_bytes())])?.run(&["check", "-f", "a.yaml"])
}

#[test]
fn labels_in_backticks_are_found() -> Result {
    let label = "object.metadata.labels.`app.kubernetes.io/name`";
    let rule =
        in_cel(&json!({"expression": format!("!has({label}) || {label} != 'evil'"), "message": "evil"}));
    let (code, said) = check(&format!("{rule}{CONFIG_MAP}"))?;
    assert!(code == 1 && said.contains("  deny Foo/c\n") && said.contains("evil"), "{said}");
    let (code, said) = check(&format!("{rule}{}", CONFIG_MAP.replace("evil", "good")))?;
    assert!(code == 0, "{said}");
    Ok(())
}

/// A request with a mistyped operation was "1 passed" once: no rule looks for it.
#[test]
fn requests_that_no_api_server_sends_are_refused() -> Result {
    let rule = judged_by(
        "    rego: |\n      package foo\n      violation[{\"msg\": \"bad\"}] { input.review.operation == \"UPDATE\" }\n",
    );
    let review = |request: &str| {
        format!("{rule}apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\nrequest:\n{request}")
    };
    let kind = "  kind: {group: '', version: v1, kind: ConfigMap}\n";
    let object = "  object: {apiVersion: v1, kind: ConfigMap, metadata: {name: x}}\n";
    let words = "CREATE, UPDATE, DELETE, CONNECT";
    let begin = rule.lines().count();
    for (request, line, said) in [
        (
            format!("  operation: UPDTE\n{kind}{object}"),
            4,
            format!(
                "request.operation: \"UPDTE\" is not one of the allowed words: {words}; did you mean UPDATE?"
            ),
        ),
        (
            format!("{kind}{object}  operation: create\n"),
            6,
            format!(
                "request.operation: \"create\" is not one of the allowed words: {words}; did you mean CREATE?"
            ),
        ),
        (format!("{kind}{object}"), 3, format!("request.operation: is required: {words}")),
        (
            format!("  operation: CREATE\n{object}"),
            3,
            "request.kind.kind: is required: the kind of the object that the request is about".to_owned(),
        ),
        (
            format!("  operation: CREATE\n{kind}  object: 'text'\n"),
            6,
            "request.object: is not an object: it must be a map with apiVersion and kind".to_owned(),
        ),
        ("  []\n".to_owned(), 3, "request: is a list; it must be an object".to_owned()),
    ] {
        let (code, found) = check(&review(&request))?;
        let expected = format!("error: a.yaml:{}: AdmissionReview: {said}\n", begin + line);
        assert!(code == 2 && found.contains(&expected), "{expected}: {found}");
    }
    for operation in ["CREATE", "UPDATE", "CONNECT"] {
        let (code, found) = check(&review(&format!("  operation: {operation}\n{kind}{object}")))?;
        assert_eq!(code, i32::from(operation == "UPDATE"), "{operation}: {found}");
    }
    Ok(())
}

/// 20 rules of which each doubles a text once printed a line of 8 MB.
#[test]
fn messages_are_cut_wherever_they_come_from() -> Result {
    let doubled = (1..20).fold("      m0 := \"0123456789abcdef\"\n".to_owned(), |rules, index| {
        let before = index - 1;
        rules + &format!("      m{index} := concat(\"\", [m{before}, m{before}])\n")
    });
    let rego =
        format!("    rego: |\n      package foo\n{doubled}      violation[{{\"msg\": m19}}] {{ true }}\n");
    let nines = "9".repeat(40_000);
    for (rule, whole) in [
        (judged_by(&rego), 16 << 19),
        (in_cel(&json!({"expression": format!("object.kind == '{nines}'")})), 40_036),
        (in_cel(&json!({"expression": format!("object.none == '{nines}'")})), 40_067),
        (in_cel(&json!({"expression": "false", "message": nines})), 40_000),
    ] {
        let folder = Folder::of(&[("a.yaml", format!("{rule}{CONFIG_MAP}").as_bytes())])?;
        for format in ["table", "json", "github", "junit", "sarif"] {
            let (code, said) = folder.run(&["check", "-f", "a.yaml", "-o", format])?;
            let expected = format!("… (cut: it has {whole} bytes)");
            assert!(code == 1 && said.len() < 60_000 && said.contains(&expected), "{format}: {}", said.len());
        }
    }
    Ok(())
}
