//! The integrations of docs/ci.md: the action's steps under bash as GitHub runs them, the hook as pre-commit runs it, and
//! the scripts of GitLab and Jenkins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::documents::{Printed, Shell};
use gatewright_e2e::{operator, paths};
use serde_json::Value;

const PAGE: &str = "docs/ci.md";

/// A folder with policies and manifests of the examples; `bad` has one that is refused.
struct Project {
    folder: PathBuf,
    shell: Shell,
}

impl Project {
    fn new(name: &str, bad: bool) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("gatewright-ci-{name}-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("manifests"))?;
        let shell = Shell::new(&folder, Path::new("/nowhere"), &[])?;
        let examples = paths::repository().join("examples");
        gatewright_e2e::documents::copy(&examples.join("policies"), &folder.join("policies"))?;
        let more = if bad { &["breakout-pod.yaml"][..] } else { &[] };
        for file in ["00-namespaces.yaml", "good-pod.yaml"].iter().chain(more) {
            std::fs::copy(examples.join("workloads").join(file), folder.join("manifests").join(file))?;
        }
        Ok(Self { folder, shell })
    }

    fn read(&self, file: &str) -> Result<String> {
        std::fs::read_to_string(self.folder.join(file)).with_context(|| file.to_owned())
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// The blocks of the page in this language.
fn blocks(language: &str) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(paths::repository().join(PAGE))?;
    let fence = format!("```{language}\n");
    let parts = text.split(&fence).skip(1);
    let blocks: Vec<_> = parts.filter_map(|part| Some(part.split_once("```")?.0.to_owned())).collect();
    ensure!(!blocks.is_empty(), "{PAGE} has no {language}");
    Ok(blocks)
}

/// The YAML block of the page that has this field.
fn yaml(field: &str) -> Result<Value> {
    for block in blocks("yaml")? {
        let value: Value = serde_saphyr::from_str(&block)?;
        if value.get(field).is_some() {
            return Ok(value);
        }
    }
    anyhow::bail!("{PAGE} has no YAML with {field}")
}

fn file(name: &str) -> Result<Value> {
    Ok(serde_saphyr::from_str(&std::fs::read_to_string(paths::repository().join(name))?)?)
}

/// Runs the action's steps one after the other, as long as they end well.
async fn action(project: &Project, given: &[(&str, &str)]) -> Result<Printed> {
    let action = file("action.yml")?;
    let inputs = inputs(&action, given)?;
    let mut environment = vec![
        ("GITHUB_ENV".to_owned(), project.folder.join("env").display().to_string()),
        ("RUNNER_TEMP".to_owned(), project.folder.display().to_string()),
    ];
    std::fs::write(project.folder.join("env"), "")?;
    let mut all = Printed { text: String::new(), code: 0 };
    for step in action["runs"]["steps"].as_array().context("no steps")? {
        ensure!(step["shell"] == "bash", "{step}");
        let script = step["run"].as_str().context("no script")?;
        ensure!(!script.contains("${{"), "what stands in an input would run: {script}");
        let mut own = environment.clone();
        for (name, value) in step["env"].as_object().into_iter().flatten() {
            own.push((name.clone(), expression(value, &inputs)?));
        }
        std::fs::write(project.folder.join("step.sh"), script)?;
        let variables: Vec<_> =
            own.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect();
        // As GitHub runs `shell: bash`.
        let run = format!("{}bash --noprofile --norc -eo pipefail step.sh", variables.concat());
        let printed = project.shell.run(&run).await?;
        all.text.push_str(&printed.text);
        all.code = printed.code;
        if all.code != 0 {
            break;
        }
        for line in project.read("env")?.lines() {
            let (name, value) = line.split_once('=').context("no variable")?;
            environment.push((name.to_owned(), value.to_owned()));
        }
    }
    Ok(all)
}

/// The action's inputs with their defaults.
fn inputs(action: &Value, given: &[(&str, &str)]) -> Result<BTreeMap<String, String>> {
    let declared = action["inputs"].as_object().context("no inputs")?;
    let unknown = given.iter().find(|(name, _)| !declared.contains_key(*name));
    ensure!(unknown.is_none(), "no input {unknown:?}");
    declared
        .iter()
        .map(|(name, input)| {
            let own = given.iter().find(|(given, _)| given == name).map(|(_, value)| *value);
            let value = own.or(input["default"].as_str()).with_context(|| format!("{name} is required"))?;
            Ok((name.clone(), value.to_owned()))
        })
        .collect()
}

fn expression(value: &Value, inputs: &BTreeMap<String, String>) -> Result<String> {
    let text = value.as_str().context("no text")?;
    let name = text.strip_prefix("${{ inputs.").and_then(|rest| rest.strip_suffix(" }}"));
    Ok(inputs.get(name.context(text.to_owned())?).context(text.to_owned())?.clone())
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[tokio::test]
async fn the_action_judges_and_fails_the_job() -> Result<()> {
    let binary = operator::binary()?.display().to_string();
    let (good, bad) = (Project::new("good", false)?, Project::new("bad", true)?);
    let common = [("path", binary.as_str()), ("policies", "policies"), ("files", "manifests")];
    let passed = action(&good, &common).await?;
    ensure!(passed.code == 0, "{passed:?}");
    let failed = action(&bad, &common).await?;
    ensure!(
        failed.code == 1 && failed.text.contains("::error file=manifests/breakout-pod.yaml"),
        "{failed:?}"
    );
    let report = [&common[..], &[("format", "sarif"), ("output", "gatewright.sarif")]].concat();
    let failed = action(&bad, &report).await?;
    let sarif: Value = serde_json::from_str(&bad.read("gatewright.sarif")?)?;
    ensure!(failed.code == 1 && sarif["version"] == "2.1.0", "{failed:?}");
    let wrong = action(&good, &[&common[..], &[("format", "xml")]].concat()).await?;
    ensure!(wrong.code == 2 && wrong.text.contains("invalid value 'xml'"), "{wrong:?}");
    let lost = action(&good, &[&common[..], &[("output", "none/gatewright.sarif")]].concat()).await?;
    ensure!(lost.code == 2 && lost.text.contains("::error::the folder of output does not exist"), "{lost:?}");
    Ok(())
}

/// A Deployment that violates a policy only by the labels of its namespace, the settings or what is not known.
#[tokio::test]
async fn the_action_knows_namespaces_and_settings() -> Result<()> {
    let project = Project::new("settings", false)?;
    let quickstart = paths::repository().join("examples/quickstart");
    for file in ["policy.yaml", "refused.yaml"] {
        std::fs::copy(quickstart.join(file), project.folder.join(file))?;
    }
    let pod =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: \"a:1\"}]}\n";
    std::fs::write(project.folder.join("pod.yaml"), pod)?;
    let policies = "apiVersion: deckhouse.io/v1alpha1\nkind: OperationPolicy\nmetadata: {name: limits}\nspec:\n  \
                    match: {namespaceSelector: {matchNames: [shop]}}\n  policies: {requiredResources: {limits: [memory]}}\n";
    std::fs::write(project.folder.join("limits.yaml"), policies)?;
    std::fs::write(
        project.folder.join("settings.yaml"),
        "podSecurityStandards: {defaultPolicy: Restricted}\n",
    )?;
    let binary = operator::binary()?.display().to_string();
    let labels = "other:a=b\nshop:policy.example.com/careful=on";
    for (given, code) in [
        (&[("policies", "policy.yaml"), ("files", "refused.yaml")][..], 0),
        (&[("policies", "policy.yaml"), ("files", "refused.yaml"), ("namespace-labels", labels)], 1),
        (&[("files", "pod.yaml")], 0),
        (&[("files", "pod.yaml"), ("config", "settings.yaml")], 1),
        (&[("policies", "limits.yaml"), ("files", "pod.yaml")], 0),
        (&[("policies", "limits.yaml"), ("files", "pod.yaml"), ("namespace", "shop")], 1),
        (
            &[
                ("policies", "limits.yaml"),
                ("files", "pod.yaml"),
                ("namespace", "shop"),
                ("assume-defaults", "true"),
            ],
            0,
        ),
        (&[("files", "pod.yaml"), ("assume-defaults", "perhaps")], 2),
        (&[("files", "."), ("config", "settings.yaml")], 2),
        (
            &[
                ("files", "."),
                ("config", "settings.yaml"),
                ("exclude", "settings.yaml\nmanifests\nrefused.yaml"),
            ],
            1,
        ),
    ] {
        let printed = action(&project, &[&[("path", binary.as_str())], given].concat()).await?;
        ensure!(printed.code == code, "{given:?}: {printed:?}");
    }
    Ok(())
}

/// Nothing is run that is not what the job named, and what stands in an input is never a command.
#[tokio::test]
async fn the_action_runs_only_what_has_the_checksum() -> Result<()> {
    let project = Project::new("download", false)?;
    let binary = operator::binary()?;
    let sum = project.shell.run(&format!("sha256sum < {}", quoted(&binary.display().to_string()))).await?;
    let sum = sum.text.split(' ').next().unwrap_or_default().to_owned();
    std::fs::create_dir_all(project.folder.join("v1"))?;
    std::os::unix::fs::symlink(&binary, project.folder.join("v1/gatewright"))?;
    let url = format!("file://{}/vVERSION/gatewright", project.folder.display());
    let other = "0".repeat(64);
    let files = "manifests\npolicies";
    for (given, code, says) in [
        (&[("version", "1"), ("url", &url), ("checksum", &sum), ("files", files)][..], 0, ""),
        (
            &[("version", "1"), ("url", &url), ("checksum", &other), ("files", files)],
            2,
            "the download has the checksum",
        ),
        (&[("version", "2"), ("url", &url), ("checksum", &sum), ("files", files)], 2, "the download failed"),
        (&[("version", "1"), ("url", &url), ("files", files)], 2, "give path, or version, url and checksum"),
        (&[("path", "manifests"), ("version", "1"), ("files", files)], 2, "not both"),
        (&[("path", "manifests/good-pod.yaml"), ("files", files)], 2, "not an executable file"),
    ] {
        let printed = action(&project, given).await?;
        ensure!(printed.code == code && printed.text.contains(says), "{given:?}: {printed:?}");
    }
    let path = binary.display().to_string();
    let hostile = [("path", path.as_str()), ("files", "$(touch hacked)`touch hacked`\"; touch hacked; \"")];
    let printed = action(&project, &hostile).await?;
    ensure!(printed.code == 2 && !project.folder.join("hacked").exists(), "{printed:?}");
    Ok(())
}

/// What the page shows is what the action takes.
#[test]
fn the_workflow_names_inputs_of_the_action() -> Result<()> {
    let workflow = yaml("jobs")?;
    let steps = workflow["jobs"]["policies"]["steps"].as_array().context("no steps")?;
    let used = steps.iter().find(|step| step["uses"] == "./gatewright").context("the action is not used")?;
    let with = used["with"].as_object().context("no inputs")?;
    let checkouts: Vec<_> = steps.iter().filter(|step| step["uses"] == "actions/checkout@v5").collect();
    ensure!(checkouts.iter().any(|step| step["with"]["path"] == "gatewright"), "nothing brings the action");
    let given: Vec<_> =
        with.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default())).collect();
    let action = file("action.yml")?;
    inputs(&action, &given)?;
    let page = std::fs::read_to_string(paths::repository().join(PAGE))?;
    for name in action["inputs"].as_object().into_iter().flatten().map(|(name, _)| name) {
        ensure!(page.contains(&format!("`{name}`")), "{PAGE} does not say what {name} is");
    }
    Ok(())
}

/// Every script ends with 0 for good manifests and with 1 for bad ones, and leaves the report where the server looks.
#[tokio::test]
async fn scripts_of_other_servers_fail_the_job() -> Result<()> {
    let gitlab = yaml("policies")?["policies"].clone();
    let report = gitlab["artifacts"]["reports"]["junit"].as_str().context("no report")?.to_owned();
    let script = gitlab["script"].as_array().context("no script")?;
    let gitlab: Vec<_> = script.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let pipeline = blocks("groovy")?.concat();
    let between = |before: &str| Some(pipeline.split_once(before)?.1.split_once('\'')?.0.to_owned());
    let jenkins = (between("sh '").context("no script")?, between("junit '").context("no report")?);
    for (script, report) in [(gitlab.join("\n"), report), (jenkins.0, jenkins.1)] {
        for (name, bad) in [("clean", false), ("broken", true)] {
            let project = Project::new(name, bad)?;
            let printed = project.shell.run(&format!("set -e\n{script}")).await?;
            ensure!(printed.code == i32::from(bad), "{script}: {printed:?}");
            let junit = project.read(&report)?;
            ensure!(junit.contains("<testsuites") && junit.contains("<failure") == bad, "{junit}");
        }
    }
    Ok(())
}

/// As pre-commit runs a hook with `language: system`: the entry, then the arguments, without files.
#[tokio::test]
async fn the_hook_judges_before_a_commit() -> Result<()> {
    let hooks = file(".pre-commit-hooks.yaml")?;
    let config = yaml("repos")?;
    let used = &config["repos"][0]["hooks"][0];
    let hooks = hooks.as_array().context("no hooks")?;
    let hook = hooks.iter().find(|hook| hook["id"] == used["id"]).context("no hook of that name")?;
    ensure!(hook["language"] == "system" && hook["pass_filenames"] == false, "{hook}");
    let arguments: Vec<_> =
        used["args"].as_array().context("no args")?.iter().filter_map(Value::as_str).collect();
    let command = format!("{} {}", hook["entry"].as_str().context("no entry")?, arguments.join(" "));
    for (name, bad) in [("kept", false), ("stopped", true)] {
        let printed = Project::new(name, bad)?.shell.run(&command).await?;
        ensure!(printed.code == i32::from(bad), "{command}: {printed:?}");
    }
    Ok(())
}
