//! The documented policies `baseline` and `restricted` beside the standards after which they are named.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, ensure};
use gatewright_api::SecurityPolicy;
use gatewright_compiler::{Compile as _, Settings, compile};
use gatewright_e2e::fixtures::{self, Fixture, LEVELS};
use gatewright_e2e::paths;
use gatewright_e2e::trial::{Judge, Trial, namespace, template};
use gatewright_rules::cases::NAMESPACE;
use serde_json::{Value, json};

/// Fixtures to which the policies say something else than the standard, and why. `docs/standards.md` says users.
const EXCEPTIONS: &[(&str, &[&str], &str)] = &[
    ("baseline", PROBES, NO_FIELD_FOR_PROBES),
    (
        "baseline",
        &["fail/capabilities_baseline2", "fail/capabilities_baseline3"],
        "a policy takes chown and CAP_CHOWN for CHOWN, the standard does not",
    ),
    ("baseline", &["pass/procmount1"], "a policy knows no relaxation for user namespaces"),
    ("baseline", &["pass/sysctls1"], OLD_SYSCTLS),
    ("restricted", PROBES, NO_FIELD_FOR_PROBES),
    ("restricted", &["pass/sysctls1"], OLD_SYSCTLS),
];

const NO_FIELD_FOR_PROBES: &str = "a policy has no field for the hosts of probes and lifecycle handlers";

const OLD_SYSCTLS: &str = "the documented list of sysctls ends with v1.29";

const PROBES: &[&str] = &[
    "fail/hostprobesandhostlifecycle0",
    "fail/hostprobesandhostlifecycle1",
    "fail/hostprobesandhostlifecycle2",
    "fail/hostprobesandhostlifecycle3",
    "fail/hostprobesandhostlifecycle4",
];

#[test]
fn documented_policies_say_what_the_standards_say_by_gator() -> Result<()> {
    documented_policies_say_what_the_standards_say(Judge::Gator)
}

#[test]
fn documented_policies_say_what_the_standards_say_by_the_engine() -> Result<()> {
    documented_policies_say_what_the_standards_say(Judge::Engine)
}

fn documented_policies_say_what_the_standards_say(judge: Judge) -> Result<()> {
    let Some(fixtures) = fixtures::newest()? else { return Ok(()) };
    for level in LEVELS {
        let fixtures: Vec<_> = fixtures.iter().filter(|fixture| fixture.level == level).collect();
        let found = exceptions(level, &fixtures, judge)?;
        let expected = EXCEPTIONS.iter().filter(|(of, ..)| *of == level).flat_map(|(_, files, _)| *files);
        let expected: BTreeSet<_> = expected.map(|file| format!("{file}.yaml")).collect();
        let files: BTreeSet<_> = found.keys().cloned().collect();
        ensure!(files == expected, "{level}: {found:#?}, expected {expected:?}");
    }
    Ok(())
}

/// The fixtures to which the policy of both documented pages says something else, and what it says.
fn exceptions(level: &str, fixtures: &[&Fixture], judge: Judge) -> Result<BTreeMap<String, Vec<String>>> {
    let pages = ["faq", "overview"].map(|page| of_a_page(page, level, fixtures, judge));
    let [faq, overview] = pages;
    let (faq, overview) = (faq?, overview?);
    ensure!(faq == overview, "the pages differ: {faq:?}, {overview:?}");
    Ok(faq)
}

fn of_a_page(
    page: &str,
    level: &str,
    fixtures: &[&Fixture],
    judge: Judge,
) -> Result<BTreeMap<String, Vec<String>>> {
    let oracle = paths::oracle().context("the fixtures are there")?;
    let path = oracle.join(format!("documented/{page}-securitypolicy-{level}.yaml"));
    let policy: SecurityPolicy = serde_saphyr::from_str(&fs::read_to_string(path)?)?;
    let constraint =
        json!(compile(&policy, &Settings::default())?.constraint.context("it demands something")?);
    let labels = constraint["spec"]["match"]["namespaceSelector"]["matchLabels"].clone();
    let objects = fixtures.iter().map(|fixture| named(fixture.pod.clone(), &fixture.file));
    let trial = Trial {
        templates: vec![template(SecurityPolicy::TEMPLATE)],
        constraints: vec![constraint],
        namespaces: vec![namespace(&labels)],
        objects: objects.collect(),
    };
    let mut messages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for violation in trial.by(judge)? {
        messages.entry(violation.object).or_default().push(violation.message);
    }
    let differing = fixtures.iter().filter(|it| messages.contains_key(&it.file) == it.refused_by.is_empty());
    Ok(differing.map(|it| (it.file.clone(), messages.get(&it.file).cloned().unwrap_or_default())).collect())
}

fn named(mut object: Value, name: &str) -> Value {
    object["metadata"]["name"] = json!(name);
    object["metadata"]["namespace"] = json!(NAMESPACE);
    object
}

/// Every documented policy is rendered as it is written; of image signatures the command line says that it cannot.
#[test]
fn documented_policies_are_rendered() -> Result<()> {
    let Some(oracle) = paths::oracle() else { return Ok(()) };
    let mut names = vec![];
    for entry in fs::read_dir(oracle.join("documented"))? {
        let path = entry?.path();
        let name = path.file_stem().context("a file")?.to_string_lossy().into_owned();
        if !name.contains("policy-") {
            continue;
        }
        let output =
            gatewright(&["render", "--constraints", "-o", "json", "-f", &path.display().to_string()])?;
        if name.ends_with("verify-image-signatures") {
            let said = String::from_utf8_lossy(&output.stderr);
            ensure!(
                output.status.code() == Some(2) && said.contains("verifyImageSignatures"),
                "{name}: {said}"
            );
            continue;
        }
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success() && said.contains(r#""parameters""#), "{name}: {output:?}");
        names.push(name);
    }
    ensure!(names.len() >= 8, "{names:?}");
    Ok(())
}

/// The template of the users themselves that extends a standard by the same label, beside the standard itself.
#[test]
fn a_documented_template_extends_a_standard_through_check() -> Result<()> {
    let Some(oracle) = paths::oracle() else { return Ok(()) };
    let objects = std::env::temp_dir().join(format!("gatewright-documented-{}.yaml", std::process::id()));
    fs::write(&objects, OBJECTS)?;
    for page in ["faq", "overview"] {
        let file = |name: &str| oracle.join(format!("documented/{page}-{name}.yaml")).display().to_string();
        let template = file("constrainttemplate-k8sallowedrepos");
        let constraint = file("k8sallowedrepos-prod-repo");
        let objects = objects.display().to_string();
        let output =
            gatewright(&["check", "-o", "json", "-f", &template, "-f", &constraint, "-f", &objects])?;
        ensure!(output.status.code() == Some(1), "{page}: {output:?}");
        let report: Value = serde_json::from_slice(&output.stdout)?;
        let results = report["results"].as_array().context("no results")?;
        let said = |result: &Value| {
            let violations = result["violations"].as_array().into_iter().flatten();
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let messages =
                violations.map(|it| format!("{}: {}", text(&it["constraint"]["name"]), text(&it["message"])));
            format!("{}: {}", text(&result["object"]["name"]), messages.collect::<Vec<_>>().join("; "))
        };
        let found: Vec<_> = results.iter().map(said).collect();
        ensure!(found == FOUND, "{page}: {found:#?}");
    }
    Ok(fs::remove_file(objects)?)
}

fn gatewright(arguments: &[&str]) -> Result<std::process::Output> {
    Ok(std::process::Command::new(gatewright_e2e::operator::binary()?).args(arguments).output()?)
}

const OBJECTS: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: prod, labels: {security.deckhouse.io/pod-policy: restricted}}
---
apiVersion: v1
kind: Namespace
metadata: {name: dev, labels: {security.deckhouse.io/pod-policy: baseline}}
---
apiVersion: v1
kind: Pod
metadata: {name: good, namespace: prod}
spec:
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  containers:
  - name: app
    image: mycompany.registry.com/app:1
    securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
---
apiVersion: v1
kind: Pod
metadata: {name: foreign, namespace: prod}
spec:
  securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}
  initContainers:
  - {name: init, image: example.com/init:1, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
  containers:
  - {name: app, image: example.com/app:1, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: weak, namespace: prod}
spec:
  securityContext: {runAsNonRoot: true}
  containers:
  - {name: app, image: mycompany.registry.com/app:1, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
---
apiVersion: v1
kind: Pod
metadata: {name: elsewhere, namespace: dev}
spec: {containers: [{name: app, image: example.com/app:1}]}
";

const FOUND: [&str; 4] = [
    "good: ",
    "foreign: prod-repo: container <app> has an invalid image repo <example.com/app:1>, allowed repos are \
     [\"mycompany.registry.com\"]; prod-repo: container <init> has an invalid image repo <example.com/init:1>, allowed \
     repos are [\"mycompany.registry.com\"]",
    "weak: d8-pod-security-restricted-deny: seccompProfile_restricted: container \"app\" must set \
     securityContext.seccompProfile.type to RuntimeDefault or Localhost, or the Pod must for all containers",
    "elsewhere: ",
];
