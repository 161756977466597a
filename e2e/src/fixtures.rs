//! The Pods by which Kubernetes tests its own Pod Security Standards.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{paths, tools};

/// The names of the standards, as fixtures spell them.
pub const LEVELS: [&str; 2] = ["baseline", "restricted"];

/// The newest version of which the fixtures are in the module that `e2e/tools/kubernetes` requires: the N of v1.N.
pub const NEWEST_IN_MODULE: u32 = 35;

/// A Pod, and what a standard says to it.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// The standard.
    pub level: String,
    /// The file, below the folder of the level: `pass/base.yaml`.
    pub file: String,
    /// The Pod.
    pub pod: Value,
    /// The controls that refuse it, in lower case. Of a fixture of the module only whether there are some is known.
    pub refused_by: BTreeSet<String>,
}

/// The fixtures of the newest version, with the controls that refuse each, as listed by an evaluator that agrees with
/// all of Kubernetes' fixtures. None, with a word about it, where the folder that `GATEWRIGHT_ORACLE` names is absent.
///
/// # Errors
/// The list or a fixture cannot be read.
pub fn newest() -> Result<Option<Vec<Fixture>>> {
    let Some(folder) = paths::oracle().map(|oracle| oracle.join("pss")) else {
        eprintln!("SKIPPED: no fixtures; GATEWRIGHT_ORACLE says where they are");
        return Ok(None);
    };
    let table = fs::read_to_string(folder.join("expected.tsv"))?;
    let fixtures = table.lines().skip(1).map(|line| listed(&folder, line).with_context(|| line.to_owned()));
    let fixtures = fixtures.collect::<Result<Vec<_>>>()?;
    ensure!(fixtures.len() == 148, "{} fixtures", fixtures.len());
    Ok(Some(fixtures))
}

fn listed(folder: &Path, line: &str) -> Result<Fixture> {
    let [level, verdict, file, controls] = line.split('\t').collect::<Vec<_>>()[..] else {
        anyhow::bail!("not four columns");
    };
    let file = format!("{verdict}/{file}");
    let pod = manifest(&folder.join(level).join(&file))?;
    let refused_by = controls.split(',').filter(|id| *id != "-").map(str::to_owned).collect();
    Ok(Fixture { level: level.to_owned(), file, pod, refused_by })
}

/// The fixtures of a level and a version v1.N that come with Kubernetes' own implementation.
///
/// # Errors
/// The Go module is not there, or a fixture cannot be read.
pub fn of_version(level: &str, minor: u32) -> Result<Vec<Fixture>> {
    let folder = module()?.join("test/testdata").join(level).join(format!("v1.{minor}"));
    let mut fixtures = vec![];
    for verdict in ["pass", "fail"] {
        for entry in fs::read_dir(folder.join(verdict))? {
            let path = entry?.path();
            let refused = (verdict == "fail").then(|| "refused".to_owned());
            fixtures.push(Fixture {
                level: level.to_owned(),
                file: format!("{verdict}/{}", path.file_name().unwrap_or_default().display()),
                pod: manifest(&path)?,
                refused_by: refused.into_iter().collect(),
            });
        }
    }
    Ok(fixtures)
}

fn manifest(path: &Path) -> Result<Value> {
    serde_saphyr::from_str(&fs::read_to_string(path)?).with_context(|| path.display().to_string())
}

/// The folder of Kubernetes' own implementation among Go's modules.
fn module() -> Result<PathBuf> {
    tools::module_cache("kubernetes", "k8s.io/pod-security-admission")
}
