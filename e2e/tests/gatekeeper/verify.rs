//! `gator-verify`, which compiles a template once for all cases, says what `gator verify` says, word for word.

use std::process::Command;

use anyhow::{Result, ensure};
use gatewright_e2e::gator::{Folder, run, said};
use gatewright_e2e::tools;
use serde_json::{Value, json};

/// What differs from case to case shows in its message: the template, the parameters and the inventory.
fn template(version: &str) -> Value {
    let rego = format!(
        "package shown\nviolation[{{\"msg\": msg}}] {{\n  known := count(data.inventory.cluster)\n  \
         msg := sprintf(\"{version} %v %v\", [input.parameters.say, known])\n}}"
    );
    let schema = json!({"type": "object", "properties": {"say": {"type": "string"}}});
    json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "shown"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "Shown"}, "validation": {"openAPIV3Schema": schema}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}],
        },
    })
}

fn constraint(name: &str, say: &Value) -> Value {
    json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "Shown", "metadata": {"name": name},
        "spec": {"parameters": {"say": say}},
    })
}

fn test(name: &str, template: &str, constraint: &str, cases: &[(&[&str], &str)]) -> Value {
    let case = |(number, (inventory, message)): (usize, &(&[&str], &str))| {
        json!({
            "name": format!("case {number}"), "object": "pod.yaml", "inventory": inventory,
            "assertions": [{"violations": 1}, {"violations": 1, "message": message}],
        })
    };
    let cases: Vec<_> = cases.iter().enumerate().map(case).collect();
    json!({"name": name, "template": template, "constraint": constraint, "cases": cases})
}

#[test]
fn the_same_is_said() -> Result<()> {
    let folder = Folder::new()?;
    for (file, document) in [
        ("one.yaml", template("one")),
        ("two.yaml", template("two")),
        ("broken.yaml", json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate"})),
        ("a.yaml", constraint("a", &json!("a"))),
        ("b.yaml", constraint("b", &json!("b"))),
        ("wrong.yaml", constraint("wrong", &json!(5))),
        (
            "pod.yaml",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod", "namespace": "shop"}}),
        ),
        ("namespace.yaml", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})),
    ] {
        folder.write(file, &document)?;
    }
    let known: &[&str] = &["namespace.yaml"];
    let mut invalid = test("an invalid constraint", "one.yaml", "wrong.yaml", &[]);
    invalid["invalid"] = json!(true);
    let tests = [
        test(
            "inventory",
            "one.yaml",
            "a.yaml",
            &[(known, "^one a 1$"), (&[], "^one a 1$"), (known, "^one a 1$")],
        ),
        test("another constraint", "one.yaml", "b.yaml", &[(known, "^one b 1$"), (known, "^one a 1$")]),
        test("another template", "two.yaml", "b.yaml", &[(known, "^two b 1$"), (known, "^one b 1$")]),
        test("a template that is none", "broken.yaml", "b.yaml", &[(known, "^one b 1$")]),
        test(
            "the first template again",
            "one.yaml",
            "a.yaml",
            &[(known, "^one a 1$"), (&["nothing.yaml"], "^.*$")],
        ),
        test("a constraint that is refused", "one.yaml", "wrong.yaml", &[(known, "^one")]),
        invalid,
        test("after all that", "one.yaml", "a.yaml", &[(known, "^one a 1$"), (known, "^two b 1$")]),
    ];
    let suite = folder.suite(&tests)?;
    let gator = ["verify", "--enable-k8s-native-validation=false"];
    let gator = run(Command::new(tools::path("gator")).args(gator).arg(&suite))?;
    let ours = run(Command::new(tools::path("gator-verify")).arg(&suite))?;
    let (theirs, found) = (without_times(&said(&gator)), without_times(&said(&ours)));
    ensure!(theirs == found, "gator: {theirs}\nours: {found}");
    ensure!(gator.status.code() == ours.status.code() && !ours.status.success(), "{}", ours.status);
    ensure!(found.matches("--- FAIL: case").count() >= 5, "{found}");
    folder.remove()
}

/// How long each test took stands in parentheses and after tabs.
fn without_times(text: &str) -> String {
    let mut kept = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let number = word.trim().trim_matches(|c| c == '(' || c == ')').strip_suffix('s');
        if number.is_none_or(|number| number.parse::<f64>().is_err()) {
            kept.push_str(word);
        }
    }
    kept
}
