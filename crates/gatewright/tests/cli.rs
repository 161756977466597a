//! The command line, as people run it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use quick_xml::events::Event;
use serde_json::Value;

#[path = "cli/agree.rs"]
mod agree;
#[path = "cli/api.rs"]
mod api;
#[path = "cli/explain.rs"]
mod explain;
#[path = "cli/fix.rs"]
mod fix;
#[path = "cli/fix_files.rs"]
mod fix_files;
#[path = "cli/fixture.rs"]
mod fixture;
#[path = "cli/folder.rs"]
mod folder;
#[path = "cli/foreign.rs"]
mod foreign;
#[path = "cli/hostile.rs"]
mod hostile;
#[path = "cli/inputs.rs"]
mod inputs;
#[path = "cli/migrate.rs"]
mod migrate;
#[path = "cli/others.rs"]
mod others;
#[path = "cli/passwords.rs"]
mod passwords;
#[path = "cli/pods.rs"]
mod pods;
#[path = "cli/preview.rs"]
mod preview;
#[path = "cli/registry.rs"]
mod registry;
#[path = "cli/report.rs"]
mod report;
#[path = "cli/rows.rs"]
mod rows;
#[path = "cli/signatures.rs"]
mod signatures;
#[path = "cli/suites.rs"]
mod suites;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn gatewright(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::cargo_bin("gatewright")?;
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cmd/check.in")).args(arguments);
    Ok(command)
}

fn output(arguments: &[&str], code: i32) -> Result<String> {
    let assert = gatewright(arguments)?.assert().code(code);
    Ok(String::from_utf8(assert.get_output().stdout.clone())?)
}

/// `TRYCMD=overwrite cargo test -p gatewright --test cli` accepts new output.
#[test]
fn transcripts() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}

#[test]
fn standard_input_is_a_file_like_others() -> Result {
    let manifest = std::fs::read_to_string("tests/cmd/check.in/manifests.yaml")?;
    let assert =
        gatewright(&["check", "-f", "policies.yaml", "-f", "-"])?.write_stdin(manifest).assert().code(1);
    let said = String::from_utf8(assert.get_output().stdout.clone())?;
    assert!(said.starts_with("stdin:10: deny Deployment shop/front\n"), "{said}");
    Ok(())
}

#[test]
fn colors_are_for_terminals_and_for_those_who_ask() -> Result {
    let check = ["check", "-f", "elsewhere.yaml"];
    let colored = |more: &[&str], variable: Option<&str>| -> Result<bool> {
        let mut command = gatewright(&[&check, more].concat())?;
        command.env_remove("NO_COLOR");
        if let Some(name) = variable {
            command.env(name, "1");
        }
        Ok(command.assert().code(1).get_output().stdout.contains(&0x1b))
    };
    assert!(!colored(&[], None)?);
    assert!(colored(&["--color", "always"], None)?);
    assert!(colored(&["--color", "always"], Some("NO_COLOR"))?);
    assert!(colored(&[], Some("CLICOLOR_FORCE"))?);
    assert!(!colored(&["--color", "never"], Some("CLICOLOR_FORCE"))?);
    Ok(())
}

#[test]
fn json_is_as_its_schema_says() -> Result {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/json"));
    let of_input =
        ["check", "-f", "policies.yaml", "-f", "manifests.yaml", "-f", "elsewhere.yaml", "-o", "json"];
    for (name, folder_of, arguments, code) in [
        ("check", "check.in", &of_input[..], 1),
        ("test", "test.in", &["test", "cases/...", "-o", "json"], 2),
    ] {
        let schema = std::fs::read_to_string(folder.join(format!("{name}.schema.json")))?;
        let validator = jsonschema::validator_for(&serde_json::from_str(&schema)?)?;
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cmd").join(folder_of);
        let assert = gatewright(arguments)?.current_dir(place).assert().code(code);
        let document: Value = serde_json::from_slice(&assert.get_output().stdout)?;
        assert_eq!(
            (document["kind"].as_str().map(str::to_lowercase), &document["version"]),
            (Some(name.to_owned()), &1.into())
        );
        let wrong: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{name}: {wrong:#?}");
        // What is not in the schema must not be there: nobody would know of it.
        let mut other = document.clone();
        other["results"][0]["verdict"] = "maybe".into();
        other["results"][0]["outcome"] = "maybe".into();
        assert!(!validator.is_valid(&other), "{name}");
    }
    Ok(())
}

/// The schema of the OASIS standard comes with a crate of its types.
fn sarif_schema() -> Result<PathBuf> {
    let mut cargo = std::process::Command::new(env!("CARGO"));
    // Packages of other platforms need not be there.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let arguments = ["metadata", "--format-version=1", "--offline", "--filter-platform", &platform];
    let metadata = cargo.args(arguments).output()?.stdout;
    let metadata: Value = serde_json::from_slice(&metadata)?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let package = packages.iter().find(|package| package["name"] == "serde-sarif").ok_or("no serde-sarif")?;
    let manifest = Path::new(package["manifest_path"].as_str().ok_or("no path")?);
    Ok(manifest.with_file_name("src").join("schema.json"))
}

#[test]
fn sarif_is_valid() -> Result {
    let mut schema: Value = serde_json::from_str(&std::fs::read_to_string(sarif_schema()?)?)?;
    // Its pattern has a bracket too many for a strict reader of patterns; we write no language.
    for definition in ["run", "toolComponent"] {
        schema["definitions"][definition]["properties"]["language"] = Value::Bool(false);
    }
    let validator = jsonschema::validator_for(&schema)?;
    for (arguments, code) in [
        (
            vec![
                "check",
                "-f",
                "policies.yaml",
                "-f",
                "manifests.yaml",
                "-f",
                "elsewhere.yaml",
                "-o",
                "sarif",
            ],
            1,
        ),
        (vec!["check", "-k", "-f", "../bad-input.in", "-o", "sarif"], 2),
    ] {
        let document: Value = serde_json::from_str(&output(&arguments, code)?)?;
        let errors: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}");
        let run = &document["runs"][0];
        assert_eq!(run["invocations"][0]["executionSuccessful"], code == 1);
        for result in run["results"].as_array().ok_or("no results")? {
            let index = result["ruleIndex"]
                .as_u64()
                .and_then(|index| usize::try_from(index).ok())
                .ok_or("no index")?;
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
        }
        let first = &run["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"];
        assert_eq!(first.as_u64(), (code == 1).then_some(20));
    }
    Ok(())
}

/// What Jenkins' and Surefire's schemas of JUnit have in common: elements, their attributes, and how they nest.
const JUNIT: [(&str, &[&str], &[&str]); 7] = [
    ("testsuites", &["name", "tests", "failures", "errors", "skipped"], &["testsuite"]),
    ("testsuite", &["name", "tests", "failures", "errors", "skipped"], &["testcase"]),
    ("testcase", &["name", "classname"], &["failure", "error", "skipped", "system-out"]),
    ("failure", &["message", "type"], &[]),
    ("error", &["message", "type"], &[]),
    ("skipped", &["message", "type"], &[]),
    ("system-out", &[], &[]),
];

/// Reads JUnit, checks its structure, and counts elements by name; and what the root says of itself.
fn junit(text: &str) -> Result<(BTreeMap<String, usize>, BTreeMap<String, usize>)> {
    let mut reader = quick_xml::Reader::from_str(text);
    let (mut open, mut counts, mut said) = (Vec::<String>::new(), BTreeMap::new(), BTreeMap::new());
    loop {
        let event = reader.read_event()?;
        match &event {
            Event::Start(element) | Event::Empty(element) => {
                let name = String::from_utf8(element.name().as_ref().to_vec())?;
                let of = |name: &str| JUNIT.iter().find(|(known, ..)| *known == name);
                let (_, attributes, _) = of(&name).ok_or(name.clone())?;
                let allowed = open.last().and_then(|parent| of(parent)).map(|(_, _, children)| *children);
                assert!(allowed.unwrap_or(&["testsuites"]).contains(&name.as_str()), "{name} in {open:?}");
                for attribute in element.attributes() {
                    let attribute = attribute?;
                    let key = String::from_utf8(attribute.key.as_ref().to_vec())?;
                    assert!(attributes.contains(&key.as_str()), "{name} {key}");
                    if let (true, Ok(count)) =
                        (open.is_empty(), String::from_utf8_lossy(&attribute.value).parse())
                    {
                        said.insert(key, count);
                    }
                }
                *counts.entry(name.clone()).or_default() += 1;
                if matches!(event, Event::Start(_)) {
                    open.push(name);
                }
            }
            Event::End(_) => drop(open.pop()),
            Event::Eof => return Ok((counts, said)),
            _ => {}
        }
    }
}

#[test]
fn junit_is_valid() -> Result {
    for (arguments, code) in [
        (vec!["check", "-f", "policies.yaml", "-f", "manifests.yaml", "-o", "junit"], 1),
        (vec!["check", "-k", "-f", "../bad-input.in", "-o", "junit"], 2),
        (
            vec![
                "test",
                "../test.in/gator/failing-suite.yaml",
                "../test.in/gator/skipping-suite.yaml",
                "-o",
                "junit",
            ],
            1,
        ),
        (vec!["test", "../test.in/gator", "-o", "junit"], 2),
    ] {
        let text = output(&arguments, code)?;
        let (counts, said) = junit(&text)?;
        for (told_as, counted_as) in [("tests", "testcase"), ("failures", "failure"), ("errors", "error")] {
            assert_eq!(said.get(told_as), Some(counts.get(counted_as).unwrap_or(&0)), "{told_as}: {text}");
        }
        assert!(counts["testcase"] > 3 && counts.contains_key(if code == 1 { "failure" } else { "error" }));
    }
    Ok(())
}

#[test]
fn render_names_kinds_that_may_not_exist() -> Result {
    let assert = gatewright(&["render", "-f", "../never.in/kinds.yaml"])?.assert().code(0);
    let said = String::from_utf8(assert.get_output().stderr.clone())?;
    let field = "spec.policies.requiredLabels.watchKinds";
    for expected in [
        format!(
            "kinds.yaml:13: OperationPolicy/kinds: {field}[0]: Kubernetes has no apps/Deploymnet; did you mean apps/Deployment?"
        ),
        format!(
            "kinds.yaml:14: OperationPolicy/kinds: {field}[1]: example.com/Widget is not one of Kubernetes' own kinds"
        ),
    ] {
        assert!(said.contains(&expected), "{said}");
    }
    assert!(!said.contains("/Pod"), "{said}");
    Ok(())
}

#[test]
fn what_render_writes_is_judged_like_the_policies() -> Result {
    let folder = std::env::temp_dir().join(format!("gatewright-render-{}", std::process::id()));
    let path = folder.to_str().ok_or("no path")?;
    output(&["render", "-f", "policies.yaml", "--standards", "--output-dir", path], 0)?;
    let mut names: Vec<_> = std::fs::read_dir(&folder)?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<std::io::Result<_>>()?;
    names.sort();
    assert_eq!(names.len(), 4 + 6 + 3, "{names:?}");
    let of_policies = output(&["check", "-f", "policies.yaml", "-f", "manifests.yaml", "-o", "json"], 1)?;
    let of_rendered = output(&["check", "-f", path, "-f", "manifests.yaml", "-o", "json"], 1)?;
    assert_eq!(of_rendered, of_policies);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

#[test]
fn render_says_what_it_wrote_and_prunes_what_it_wrote_earlier() -> Result {
    let folder = std::env::temp_dir().join(format!("gatewright-render-prune-{}", std::process::id()));
    let path = folder.to_str().ok_or("no path")?;
    let render = |more: &[&str]| -> Result<String> {
        let arguments = [&["render", "-f", "policies.yaml", "--output-dir", path], more].concat();
        Ok(String::from_utf8(gatewright(&arguments)?.assert().code(0).get_output().stderr.clone())?)
    };
    let said = render(&["--standards"])?;
    assert!(said.contains(&format!("note: {path}: wrote 13 files")), "{said}");
    std::fs::write(folder.join("kustomization.yaml"), "resources: []\n")?;
    let said = render(&["--prune"])?;
    assert!(said.contains(&format!("note: {path}: 7 files are as before")), "{said}");
    let removed = said.lines().filter(|line| line.ends_with(": removed")).collect::<Vec<_>>();
    assert_eq!(removed.len(), 6, "{said}");
    assert!(removed.iter().all(|line| line.contains("d8podsecuritystandard-d8-pod-security-")), "{said}");
    assert_eq!(std::fs::read_dir(&folder)?.count(), 7 + 1);
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

#[test]
fn completions_and_manual_pages() -> Result {
    for (shell, expected) in [
        ("bash", "complete -F _gatewright"),
        ("zsh", "#compdef gatewright"),
        ("fish", "complete -c gatewright"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion:arg-completer"),
    ] {
        assert!(output(&["completions", shell], 0)?.contains(expected), "{shell}");
    }
    let folder = std::env::temp_dir().join(format!("gatewright-man-{}", std::process::id()));
    output(&["man", "--output-dir", folder.to_str().ok_or("no path")?], 0)?;
    for page in ["gatewright.1", "gatewright-check.1", "gatewright-render.1", "gatewright-operator.1"] {
        let text = std::fs::read_to_string(folder.join(page))?;
        assert!(text.contains(".SH OPTIONS") && text.starts_with(".ie"), "{page}");
        assert!(text.contains(&format!(".TH {} 1", page.trim_end_matches(".1"))), "{page}: {text}");
    }
    let check = std::fs::read_to_string(folder.join("gatewright-check.1"))?;
    let synopsis = check.lines().skip_while(|line| *line != ".SH SYNOPSIS").nth(1).ok_or("no synopsis")?;
    for expected in
        ["\\fBgatewright check\\fR [", " \\fB\\-f\\fR \\fIPATH\\fR...", "[\\fB\\-o\\fR \\fIOUTPUT\\fR]"]
    {
        assert!(synopsis.contains(expected), "{expected}: {synopsis}");
    }
    std::fs::remove_dir_all(folder)?;
    Ok(())
}

#[test]
fn a_page_of_the_documentation_is_printed_and_an_unknown_one_is_an_error() -> Result {
    assert!(output(&["docs"], 0)?.lines().any(|line| line.starts_with("  refused ")));
    assert!(output(&["docs", "refused"], 0)?.starts_with("# My Deployment was refused\n"));
    assert!(output(&["docs", "allowPrivileged"], 0)?.contains("Refused:"));
    for (topic, says) in [("refusd", "did you mean refused?"), ("\u{1b}[31m", "no page, no rule")] {
        let assert = gatewright(&["docs", topic])?.assert().code(2);
        let said = String::from_utf8(assert.get_output().stderr.clone())?;
        assert!(said.contains(says) && !said.contains('\u{1b}'), "{said}");
    }
    Ok(())
}

#[test]
fn the_examples_show_something() -> Result {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let (policies, workloads) = (format!("{examples}/policies"), format!("{examples}/workloads"));
    let said = output(&["check", "-f", &policies, "-f", &workloads], 1)?;
    for expected in [
        "agent-pod.yaml:2: dryrun Pod agents/agent",
        "breakout-pod-standard.yaml:2: deny Pod standard/breakout",
        "foreign-registry-pod.yaml:2: deny Pod shop/foreign-registry",
        "privileged-deployment.yaml:2: deny Deployment shop/privileged",
        "trial-pod.yaml:2: warn Pod trial-app/trial",
        "\n11 objects: 7 denied, 1 warned, 1 dryrun, 2 passed\n",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    Ok(())
}
