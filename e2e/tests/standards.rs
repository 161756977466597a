//! The Pod Security Standards in Gatekeeper's own engine: the fixtures by which Kubernetes tests its own, and cases
//! of what these leave out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use gatewright_compiler::{PodPolicy, Settings, StandardVersion, Standards, standards};
use gatewright_e2e::{paths, tools};
use gatewright_rules::cases::{Case, NAMESPACE};
use gatewright_rules::pod_security_standard::{NEWEST_MINOR, TEMPLATE};
use gatewright_rules::security_policy::host_network::Range;
use serde::Deserialize;
use serde_json::{Value, json};

/// The names of the standards, as fixtures spell them.
const LEVELS: [(&str, PodPolicy); 2] =
    [("baseline", PodPolicy::Baseline), ("restricted", PodPolicy::Restricted)];

/// The newest version of which the fixtures are in the module that `e2e/tools/kubernetes` requires.
const NEWEST_IN_MODULE: u32 = 35;

/// The controls that refuse each object.
type Refused = BTreeMap<String, BTreeSet<String>>;

/// Which controls refuse, not only whether: as listed by an evaluator that agrees with all of Kubernetes' fixtures.
#[test]
fn fixtures_of_the_newest_version_in_every_kind_of_workload() -> Result<()> {
    let Some(oracle) = paths::oracle().map(|oracle| oracle.join("pss")) else {
        eprintln!("SKIPPED: no fixtures; GATEWRIGHT_ORACLE says where they are");
        return Ok(());
    };
    let table = fs::read_to_string(oracle.join("expected.tsv"))?;
    let mut judged = 0;
    for (level, policy) in LEVELS {
        let directory = Directory::new("newest")?;
        directory.constraint(level, policy, NEWEST_MINOR)?;
        let mut expected = Refused::new();
        for line in table.lines().filter(|line| line.split('\t').next() == Some(level)) {
            let [_, verdict, file, controls] = line.split('\t').collect::<Vec<_>>()[..] else {
                anyhow::bail!("{line:?}");
            };
            let pod = manifest(&oracle.join(level).join(verdict).join(file))?;
            let controls: BTreeSet<_> =
                controls.split(',').filter(|id| *id != "-").map(str::to_owned).collect();
            for workload in workloads(&pod)? {
                let name = format!("{verdict}-{file}-{}", workload["kind"].as_str().unwrap_or_default());
                directory.object(&name, workload)?;
                expected.insert(name, controls.clone());
            }
        }
        judged += expected.len();
        agree(&directory.judge()?, &expected, |found, expected| found == expected)
            .with_context(|| level.to_owned())?;
    }
    ensure!(judged == 148 * 7, "{judged} objects");
    Ok(())
}

/// Every version has its own fixtures: about four thousand Pods.
#[test]
fn fixtures_of_all_versions() -> Result<()> {
    let fixtures = module()?.join("test/testdata");
    let mut judged = 0;
    for (level, policy) in LEVELS {
        for minor in 0..=NEWEST_IN_MODULE + 1 {
            let of_version = fixtures.join(level).join(format!("v1.{}", minor.min(NEWEST_IN_MODULE)));
            judged += fixtures_of_a_version(&of_version, level, policy, minor)
                .with_context(|| format!("{level} v1.{minor}"))?;
        }
    }
    ensure!(judged > 4241, "{judged} objects");
    Ok(())
}

/// How many Pods were judged, all as expected.
fn fixtures_of_a_version(fixtures: &Path, level: &str, policy: PodPolicy, minor: u32) -> Result<usize> {
    let directory = Directory::new("all")?;
    directory.constraint(level, policy, minor)?;
    let mut expected = Refused::new();
    for verdict in ["pass", "fail"] {
        for file in fs::read_dir(fixtures.join(verdict))? {
            let path = file?.path();
            let name = format!("{verdict}-{}", path.file_name().unwrap_or_default().display());
            directory.object(&name, manifest(&path)?)?;
            let refused = (verdict == "fail").then(|| "refused".to_owned());
            expected.insert(name, refused.into_iter().collect());
        }
    }
    agree(&directory.judge()?, &expected, |found, expected| found.is_empty() == expected.is_empty())?;
    Ok(expected.len())
}

/// What no fixture shows, and what people read.
#[test]
fn own_cases() -> Result<()> {
    let directory = Directory::new("own")?;
    directory.write("namespace.yaml", &cases_namespace())?;
    let path = paths::repository().join("templates/pod-security-standard/cases.yaml");
    let cases: Cases = serde_saphyr::from_str(&fs::read_to_string(&path)?)?;
    ensure!(!cases.cases.is_empty(), "no cases");
    every_control_refuses(&cases.cases)?;
    let tests: Result<Vec<_>> =
        cases.cases.iter().enumerate().map(|(number, case)| suite_test(&directory, number, case)).collect();
    let suite = json!({"apiVersion": "test.gatekeeper.sh/v1alpha1", "kind": "Suite", "tests": tests?});
    directory.write("suite.yaml", &suite)?;
    let output = gator(&["verify", &directory.path("suite.yaml")])?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success() && said.contains("PASS"), "{said}");
    directory.remove()
}

/// The cases of all controls.
#[derive(Deserialize)]
struct Cases {
    cases: Vec<StandardCase>,
}

/// A case, and the standard that judges it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct StandardCase {
    level: String,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    known_host_ports: Vec<(i32, i32)>,
    #[serde(default)]
    no_user_namespaces_relaxation: bool,
    case: Value,
}

impl StandardCase {
    fn settings(&self) -> Result<Settings> {
        let (_, default_policy) =
            LEVELS.into_iter().find(|(name, _)| *name == self.level).context(self.level.clone())?;
        let version = self.version.as_deref().unwrap_or("latest").parse()?;
        let known = self.known_host_ports.iter();
        let standards = Standards {
            default_policy,
            version,
            known_host_ports: known.map(|&(min, max)| Range { min, max }).collect(),
            user_namespaces_relaxation: !self.no_user_namespaces_relaxation,
            ..Standards::default()
        };
        Ok(Settings { standards, ..Settings::default() })
    }

    fn case(&self) -> Result<Case> {
        let mut case = self.case.clone();
        case["policies"] = json!({});
        serde_json::from_value(case).with_context(|| self.case["name"].to_string())
    }
}

/// A control that never fires is the worst bug there is.
fn every_control_refuses(cases: &[StandardCase]) -> Result<()> {
    let entry = TEMPLATE.entry();
    let controls = entry.split("control.violation(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let refused: Result<Vec<_>> = cases.iter().map(|case| Ok(case.case()?.violations)).collect();
    let refused = refused?.concat();
    let names: BTreeSet<_> = refused.iter().filter_map(|message| message.split(':').next()).collect();
    let missing: Vec<_> = controls.filter(|control| !names.contains(control)).collect();
    ensure!(missing.is_empty(), "no case is refused by {missing:?}");
    Ok(())
}

fn suite_test(directory: &Directory, number: usize, standard: &StandardCase) -> Result<Value> {
    let case = standard.case()?;
    let constraint = format!("{number}-constraint.yaml");
    directory.write(&constraint, &denying(&standard.settings()?, &standard.level)?)?;
    let mut inputs = vec![];
    for (i, input) in case.inputs().iter().enumerate() {
        let object = format!("{number}-object-{i}.yaml");
        directory.write(&object, &input.document)?;
        inputs.push(json!({
            "name": input.name, "object": object, "inventory": ["namespace.yaml"],
            "assertions": assertions(&case.violations),
        }));
    }
    Ok(json!({"name": case.name, "template": "template.yaml", "constraint": constraint, "cases": inputs}))
}

/// As many violations as messages, and each message once: exactly these.
fn assertions(messages: &[String]) -> Vec<Value> {
    let total = json!({"violations": messages.len()});
    let each = messages
        .iter()
        .map(|message| json!({"violations": 1, "message": format!("^{}$", regex::escape(message))}));
    std::iter::once(total).chain(each).collect()
}

fn cases_namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
}

/// The constraint of a level that refuses.
fn denying(settings: &Settings, level: &str) -> Result<Value> {
    let name = format!("d8-pod-security-{level}-deny");
    let found = standards(settings).into_iter().find(|found| found.metadata.name.as_ref() == Some(&name));
    Ok(json!(found.context(name)?))
}

fn manifest(path: &Path) -> Result<Value> {
    serde_saphyr::from_str(&fs::read_to_string(path)?).with_context(|| path.display().to_string())
}

/// The Pod itself, and every controller with it as its template.
fn workloads(pod: &Value) -> Result<Vec<Value>> {
    let case = json!({
        "name": "fixture", "policies": {}, "violations": [],
        "spec": pod["spec"], "annotations": pod["metadata"]["annotations"],
    });
    let case: Case = serde_json::from_value(case)?;
    let audited = case.inputs().into_iter().filter(|input| input.name.ends_with("audit)"));
    Ok(audited.map(|input| input.document).collect())
}

/// The folder of Kubernetes' own implementation among Go's modules.
fn module() -> Result<PathBuf> {
    let output = Command::new("go")
        .args(["list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission"])
        .current_dir(paths::repository().join("e2e/tools/kubernetes"))
        .output()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    ensure!(folder.is_dir(), "{}: `make tools` fetches the module", String::from_utf8_lossy(&output.stderr));
    Ok(folder)
}

fn agree(
    found: &Refused,
    expected: &Refused,
    same: impl Fn(&BTreeSet<String>, &BTreeSet<String>) -> bool,
) -> Result<()> {
    let nothing = BTreeSet::new();
    let differences: Vec<_> = expected
        .iter()
        .map(|(object, expected)| (object, found.get(object).unwrap_or(&nothing), expected))
        .filter(|(_, found, expected)| !same(found, expected))
        .map(|(object, found, expected)| format!("{object:?}: {found:?}, expected {expected:?}"))
        .collect();
    let unknown = found.keys().find(|object| !expected.contains_key(*object));
    ensure!(unknown.is_none(), "{unknown:?} was not asked about");
    ensure!(
        differences.is_empty(),
        "{} of {} differ:\n{}",
        differences.len(),
        expected.len(),
        differences.join("\n")
    );
    Ok(())
}

fn gator(arguments: &[&str]) -> Result<Output> {
    Command::new(tools::path("gator"))
        .args(arguments)
        .arg("--enable-k8s-native-validation=false")
        .output()
        .context("gator does not run; `make tools` builds it")
}

/// A folder of templates, constraints and objects.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Result<Self> {
        let path = env::temp_dir().join(format!("gatewright-standards-{name}-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        let directory = Self(path);
        let template = gatewright_compiler::templates()
            .into_iter()
            .find(|template| template.metadata.name.as_deref() == Some(&TEMPLATE.name()));
        directory.write("template.yaml", &json!(template.context("not in the catalogue")?))?;
        Ok(directory)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn write(&self, name: &str, document: &Value) -> Result<()> {
        Ok(fs::write(self.0.join(name), document.to_string())?)
    }

    /// The constraint of a level and version.
    fn constraint(&self, level: &str, default_policy: PodPolicy, minor: u32) -> Result<()> {
        let version = StandardVersion::V1(minor);
        let standards = Standards { default_policy, version, ..Standards::default() };
        let constraint = denying(&Settings { standards, ..Settings::default() }, level)?;
        self.write("constraint.yaml", &constraint)?;
        self.write("namespace.yaml", &cases_namespace())
    }

    fn object(&self, name: &str, mut object: Value) -> Result<()> {
        object["metadata"]["name"] = json!(name);
        object["metadata"]["namespace"] = json!(NAMESPACE);
        self.write(&format!("object-{name}.yaml"), &object)
    }

    /// What refuses each object. The folder is gone afterwards.
    fn judge(&self) -> Result<Refused> {
        let output = gator(&["test", "--output=json", "--filename", &self.path("")])?;
        let results: Vec<Value> = serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        let mut refused = Refused::new();
        for result in &results {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let control = text(&result["msg"]).split(':').next().unwrap_or_default().to_lowercase();
            refused.entry(text(&result["violatingObject"]["metadata"]["name"])).or_default().insert(control);
        }
        self.remove()?;
        Ok(refused)
    }

    fn remove(&self) -> Result<()> {
        Ok(fs::remove_dir_all(&self.0)?)
    }
}
