//! Gatekeeper's suites: what `gator verify` fails does not pass here.

use crate::Result;
use crate::folder::Folder;

const TEMPLATE: &str = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: foo}\nspec:\n  \
    crd: {spec: {names: {kind: Foo}}}\n  targets:\n  - target: admission.k8s.gatekeeper.sh\n    rego: |\n      \
    package foo\n      violation[{\"msg\": concat(\"\", [a, \"end\"])}] { a := input.review.object.data.a }\n";
const CONSTRAINT: &str =
    "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Foo\nmetadata: {name: c}\nspec: {match: {}}\n";

/// A folder with a suite of one case.
fn suite(of_test: &str, case: &str, data: &str) -> Result<Folder> {
    let suite = format!(
        "apiVersion: test.gatekeeper.sh/v1alpha1\nkind: Suite\ntests:\n- name: t\n  template: t.yaml\n  \
         constraint: c.yaml\n{of_test}  cases:\n  - name: k\n{case}"
    );
    let object = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: x}}\ndata: {{a: \"{data}\"}}\n");
    Folder::of(&[
        ("s.yaml", suite.as_bytes()),
        ("t.yaml", TEMPLATE.as_bytes()),
        ("c.yaml", CONSTRAINT.as_bytes()),
        ("o.yaml", object.as_bytes()),
        ("empty.yaml", b"# nothing\n"),
        (
            "review.yaml",
            b"apiVersion: admission.k8s.io/v1\nkind: AdmissionReview\n\
              request: {operation: UPDTE, object: {apiVersion: v1, kind: ConfigMap, data: {a: b}}}\n",
        ),
    ])
}

/// In YAML 1.2, which `gator` reads, `yes` is a word, and `true` is none.
#[test]
fn violations_are_yes_no_or_a_number() -> Result {
    let wrong = |found: &str| format!("violations: is {found}; allowed: yes, no and a number from 0");
    for (violations, code, said) in [
        ("yes", 0, String::new()),
        ("'yes'", 0, String::new()),
        ("1", 0, String::new()),
        ("null", 0, String::new()),
        ("no", 1, "expected no violation, found 1".to_owned()),
        ("true", 2, wrong("true")),
        ("True", 2, wrong("true")),
        ("false", 2, wrong("false")),
        ("on", 2, wrong("true")),
        ("n", 2, wrong("false")),
        ("Yes", 2, wrong("true")),
        ("'true'", 2, wrong("\"true\"")),
        ("-1", 2, wrong("-1")),
    ] {
        let case = format!("    object: o.yaml\n    assertions: [{{violations: {violations}}}]\n");
        let (found, output) = suite("", &case, "b")?.run(&["test", "s.yaml"])?;
        assert!(found == code && output.contains(&said), "{violations}: {output}");
    }
    Ok(())
}

#[test]
fn files_without_objects_and_absolute_paths_do_not_pass() -> Result {
    let passes = "    assertions: [{violations: 1}]\n";
    let folder = suite("", &format!("    object: o.yaml\n{passes}"), "b")?;
    let absolute = folder.path().join("o.yaml").display().to_string();
    for (of_test, of_case, code, said) in [
        ("", "    object: o.yaml\n    inventory: [o.yaml]\n", 0, ""),
        ("", "    object: /o.yaml\n", 0, ""),
        ("", &format!("    object: {absolute}\n"), 2, "No such file or directory"),
        ("", "    object: o.yaml\n    inventory: [empty.yaml]\n", 2, "inventory: empty.yaml holds no object"),
        ("  expansion: empty.yaml\n", "    object: o.yaml\n", 2, "expansion: empty.yaml holds no object"),
        // What no API server sends is judged all the same, as gator does.
        ("", "    object: review.yaml\n", 0, ""),
    ] {
        let (found, output) = suite(of_test, &format!("{of_case}{passes}"), "b")?.run(&["test", "s.yaml"])?;
        assert!(found == code && output.contains(said), "{of_case}: {output}");
    }
    Ok(())
}

/// A suite compares whole messages; what it prints of them is cut.
#[test]
fn long_messages_are_compared_whole_and_printed_cut() -> Result {
    let long = "x".repeat(40_000);
    for (message, code) in [("xend$", 0), ("cut: it has", 1)] {
        let case = format!("    object: o.yaml\n    assertions: [{{message: '{message}'}}]\n");
        let (found, output) = suite("", &case, &long)?.run(&["test", "s.yaml"])?;
        assert!(found == code && output.len() < 20_000, "{message}: {found}, {} bytes", output.len());
        assert!(code == 0 || output.contains("… (cut: it has 40007 bytes)"), "{message}");
    }
    Ok(())
}
