//! Every case of every rule, in Gatekeeper's own engine: `gator` runs the generated templates and constraints.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use gatewright_api::{OperationPolicy, SecurityPolicy};
use gatewright_compiler::{Compile, Settings, compile};
use gatewright_e2e::{paths, tools};
use gatewright_rules::cases::{Case, Cases, NAMESPACE};
use gatewright_rules::{Rule, Template};
use serde_json::{Value, json};

#[test]
fn cases_of_security_policy() {
    verify::<SecurityPolicy>("security-policy");
}

#[test]
fn cases_of_operation_policy() {
    verify::<OperationPolicy>("operation-policy");
}

/// Writes a Gatekeeper suite for all rules of a policy kind and lets `gator verify` run it.
fn verify<P: Compile>(folder: &str) {
    let directory = Directory::new(folder);
    directory.write("template.yaml", &template(P::TEMPLATE));
    directory.write(
        "namespace.yaml",
        &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
    );
    let mut tests = vec![];
    for rule in P::TEMPLATE.rules {
        let cases = cases(folder, rule.name);
        assert_every_check_refuses(rule, &cases);
        tests.extend(
            cases
                .iter()
                .enumerate()
                .filter_map(|(i, case)| suite_test::<P>(&directory, rule, i, case)),
        );
    }
    assert!(!tests.is_empty());
    let suite = json!({"apiVersion": "test.gatekeeper.sh/v1alpha1", "kind": "Suite", "tests": tests});
    directory.write("suite.yaml", &suite);
    let output = Command::new(tools::path("gator"))
        .args(["verify", "--enable-k8s-native-validation=false"])
        .arg(directory.0.join("suite.yaml"))
        .output()
        .expect("gator runs; `make tools` builds it");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("PASS"), "gator ran nothing: {said}");
}

fn template(template: &Template) -> Value {
    let name = template.name();
    let templates = gatewright_compiler::templates();
    let found = templates
        .iter()
        .find(|found| found.metadata.name.as_deref() == Some(&name));
    json!(found.expect("the catalogue's template"))
}

fn cases(folder: &str, rule: &str) -> Vec<Case> {
    let path = paths::repository()
        .join("templates")
        .join(folder)
        .join(rule)
        .join("cases.yaml");
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let cases: Cases =
        serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    cases.cases
}

/// A rule that never fires is the worst bug there is: every check has a case that it refuses, on CREATE and UPDATE,
/// and one that it passes.
fn assert_every_check_refuses(rule: &Rule, cases: &[Case]) {
    let refusing = |update: bool| -> BTreeSet<_> {
        let cases = cases.iter().filter(|case| case.old_spec.is_some() == update);
        cases
            .flat_map(|case| &case.violations)
            .filter_map(|message| message.split(':').next())
            .collect()
    };
    for check in rule.checks {
        assert!(
            refusing(false).contains(check.field),
            "{}: no CREATE is refused by {}",
            rule.name,
            check.field
        );
        assert!(
            refusing(true).contains(check.field),
            "{}: no UPDATE is refused by {}",
            rule.name,
            check.field
        );
    }
    assert!(
        cases.iter().any(|case| case.violations.is_empty()),
        "{}: nothing passes",
        rule.name
    );
}

/// One test of the suite: the case's policy, compiled, and all inputs of the case. None if nothing is enforced.
fn suite_test<P: Compile>(directory: &Directory, rule: &Rule, number: usize, case: &Case) -> Option<Value> {
    let policy: P = serde_json::from_value(json!({
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": P::KIND.as_ref(),
        "metadata": {"name": "case"},
        "spec": {"match": {"namespaceSelector": {"matchNames": [NAMESPACE]}}, "policies": case.policies},
    }))
    .unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let compiled =
        compile(&policy, &Settings::default()).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    let Some(constraint) = compiled.constraint else {
        assert!(case.violations.is_empty(), "{}: nothing is enforced", case.name);
        return None;
    };
    let file = |what: &str| format!("{}-{number}-{what}.yaml", rule.name);
    directory.write(&file("constraint"), &json!(constraint));
    let inputs = case.inputs();
    let gator_cases: Vec<_> = inputs
        .iter()
        .enumerate()
        .map(|(i, input)| {
            let object = file(&format!("object-{i}"));
            directory.write(&object, &input.document);
            json!({
                "name": input.name, "object": object, "inventory": ["namespace.yaml"],
                "assertions": assertions(&case.violations),
            })
        })
        .collect();
    Some(json!({
        "name": format!("{}: {}", rule.name, case.name),
        "template": "template.yaml",
        "constraint": file("constraint"),
        "cases": gator_cases,
    }))
}

/// As many violations as messages, and each message once: exactly these.
fn assertions(messages: &[String]) -> Vec<Value> {
    let total = json!({"violations": messages.len()});
    let each = messages
        .iter()
        .map(|message| json!({"violations": 1, "message": format!("^{}$", regex::escape(message))}));
    std::iter::once(total).chain(each).collect()
}

/// A folder for one suite, gone when the test passes.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("gatewright-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }

    fn write(&self, name: &str, document: &Value) {
        let path: &Path = &self.0.join(name);
        fs::write(path, document.to_string()).expect("a file in the temporary directory");
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
