//! Files of upstream projects that a cluster needs beside the programs, copied out of Go's module
//! cache: they come in exactly the version of the program, and a start needs neither Go nor the cache.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Use, files, is_current, module_cache, module_files, paths, write_stamp};

/// Files of one Go module, placed in a directory named `name`.
pub struct Upstream {
    pub name: &'static str,
    /// What they are for.
    pub r#use: Use,
    module: &'static str,
    source: &'static str,
    /// Files, or directories that are copied with all they hold, by their path in the module.
    paths: &'static [&'static str],
}

const CHART: Upstream = Upstream {
    name: "gatekeeper-chart",
    r#use: Use::Clusters,
    module: "gatekeeper",
    source: "github.com/open-policy-agent/gatekeeper/v3",
    paths: &["charts/gatekeeper"],
};

const CHART_3_17: Upstream =
    Upstream { name: "gatekeeper-chart-3.17", r#use: Use::Versions, module: "gatekeeper-3.17", ..CHART };

const STAGES: Upstream = Upstream {
    name: "kwok-stages",
    r#use: Use::Clusters,
    module: "kwok",
    source: "sigs.k8s.io/kwok",
    paths: &[
        "kustomize/stage/node/fast/node-initialize.yaml",
        "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
        "kustomize/stage/pod/fast/pod-ready.yaml",
        "kustomize/stage/pod/fast/pod-complete.yaml",
        "kustomize/stage/pod/fast/pod-delete.yaml",
    ],
};

const OPEN_REPORTS: Upstream = Upstream {
    name: "open-report-crds",
    r#use: Use::Clusters,
    module: "reports",
    source: "github.com/openreports/reports-api",
    paths: &["config/crd/openreports.io_reports.yaml", "config/crd/openreports.io_clusterreports.yaml"],
};

/// Kyverno is where the CRDs of the working group are still shipped as a Go module.
const POLICY_REPORTS: Upstream = Upstream {
    name: "policy-report-crds",
    r#use: Use::Clusters,
    module: "reports",
    source: "github.com/kyverno/kyverno",
    paths: &[
        "config/crds/policyreport/wgpolicyk8s.io_policyreports.yaml",
        "config/crds/policyreport/wgpolicyk8s.io_clusterpolicyreports.yaml",
    ],
};

pub const ALL: [&Upstream; 5] = [&CHART, &STAGES, &OPEN_REPORTS, &POLICY_REPORTS, &CHART_3_17];

/// The directory of upstream's Helm chart of Gatekeeper: of the pinned version, or of an older one, such as `3.17`.
#[must_use]
pub fn gatekeeper_chart(version: Option<&str>) -> PathBuf {
    let name = super::name_in(CHART.name, version);
    paths::tools().join("upstream").join(name).join("gatekeeper")
}

/// The directory of kwok's stages: how fake nodes and Pods come to life.
#[must_use]
pub fn kwok_stages() -> PathBuf {
    STAGES.directory()
}

/// The directory of the CRDs of `Report` and `ClusterReport`, group openreports.io.
#[must_use]
pub fn open_reports() -> PathBuf {
    OPEN_REPORTS.directory()
}

/// The directory of the CRDs of `PolicyReport` and `ClusterPolicyReport`, group wgpolicyk8s.io.
#[must_use]
pub fn policy_reports() -> PathBuf {
    POLICY_REPORTS.directory()
}

impl Upstream {
    fn directory(&self) -> PathBuf {
        paths::tools().join("upstream").join(self.name)
    }

    fn stamp(&self) -> Result<String> {
        Ok(format!("{}\n{}", self.paths.join(" "), module_files(self.module)?))
    }

    pub fn is_current(&self) -> Result<bool> {
        Ok(is_current(self.name, &self.directory(), &self.stamp()?))
    }

    pub fn install(&self) -> Result<()> {
        if self.is_current()? {
            return Ok(());
        }
        self.copy()?;
        write_stamp(self.name, &self.stamp()?)
    }

    fn copy(&self) -> Result<()> {
        let module = module_cache(self.module, self.source)?;
        let target = self.directory();
        let fresh = target.with_added_extension("new");
        remove_directory(&fresh)?;
        for path in self.paths {
            let source = module.join(path);
            let name = source.file_name().unwrap_or_default();
            copy_tree(&source, &fresh.join(name))
                .with_context(|| format!("cannot copy {}", source.display()))?;
        }
        remove_directory(&target)?;
        fs::rename(&fresh, &target)
            .with_context(|| format!("cannot move {} to {}", fresh.display(), target.display()))
    }
}

fn remove_directory(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

/// Copies contents without permissions, because files of the module cache are read-only.
fn copy_tree(source: &Path, target: &Path) -> Result<()> {
    if !source.is_dir() {
        return files::write(target, fs::read(source)?);
    }
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        copy_tree(&entry.path(), &target.join(entry.file_name()))?;
    }
    Ok(())
}
