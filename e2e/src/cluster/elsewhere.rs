//! A cluster that somebody else runs and that has Gatekeeper, given by `GATEWRIGHT_E2E_KUBECONFIG`. Scenarios run there
//! that end no process of it but the operator, which is a process here as everywhere.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{Cluster, health};
use crate::paths;
use crate::tools::files;

/// The variable with the path of an administrator's kubeconfig.
const VARIABLE: &str = "GATEWRIGHT_E2E_KUBECONFIG";

/// The kinds whose objects a scenario makes outside of namespaces, in the order in which they are removed.
const KINDS: [&str; 10] = [
    "validatingadmissionpolicybindings",
    "validatingadmissionpolicies",
    "securitypolicies.deckhouse.io",
    "operationpolicies.deckhouse.io",
    "constrainttemplates.templates.gatekeeper.sh",
    "validatingwebhookconfigurations",
    "namespaces",
    "nodes",
    "clusterrolebindings",
    "customresourcedefinitions",
];

/// How long the API server may take to remove it all.
const REMOVED: Duration = Duration::from_mins(3);

/// The kubeconfig of somebody else's cluster, if scenarios are to run there.
pub fn given() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).map(PathBuf::from)
}

impl Cluster {
    /// Takes a cluster as it is, and remembers what is there.
    pub(super) async fn take(&self, kubeconfig: &Path) -> Result<()> {
        let path = kubeconfig.to_str().context("the path of the kubeconfig is not UTF-8")?;
        let flat = ["config", "view", "--raw", "--flatten", "--minify", "--kubeconfig", path];
        files::write(&self.kubeconfig(), self.kubectl(&flat, None).await?.success()?)?;
        let gatekeeper = ["get", "crd/constrainttemplates.templates.gatekeeper.sh"];
        let found = self.kubectl(&gatekeeper, None).await?.success();
        found.with_context(|| format!("{VARIABLE}: no Gatekeeper in the cluster of {path}"))?;
        let present = self.present().await?;
        let ours = present.contains("namespace/gatewright-system");
        ensure!(!ours, "{VARIABLE}: the operator is installed in the cluster of {path}; remove it first");
        let mut state = self.state();
        state.before = Some(present);
        state.complete = true;
        state.save(&self.directory)
    }

    /// Removes what a scenario has made in somebody else's cluster; of one's own cluster nothing stays anyway.
    ///
    /// # Errors
    ///
    /// The API server does not remove something in time.
    pub async fn clean(&self) -> Result<()> {
        let Some(before) = self.state().before.clone() else { return Ok(()) };
        let processes: Vec<_> = self.state().processes.keys().cloned().collect();
        for process in processes.iter().filter(|process| self.is_running(process)) {
            self.kill(process).await?;
        }
        let manifest = paths::repository().join("deploy/gatewright.yaml");
        let manifest = manifest.to_str().context("the path of the repository is not UTF-8")?;
        // Everything is removed below; this is for what it has in the namespaces of others.
        self.kubectl(&["delete", "--ignore-not-found", "--wait=false", "-f", manifest], None)
            .await?
            .success()?;
        health::until("the cluster is as it was", REMOVED, async || {
            let now = self.present().await?;
            let new: Vec<_> = now.difference(&before).map(String::as_str).collect();
            if new.is_empty() {
                return Ok(true);
            }
            let delete = [&["delete", "--ignore-not-found", "--wait=false"], &new[..]].concat();
            self.kubectl(&delete, None).await?;
            anyhow::bail!("still there: {}", new.join(", "))
        })
        .await
    }

    /// What there is of those kinds, as `kind/name`.
    async fn present(&self) -> Result<BTreeSet<String>> {
        let mut present = BTreeSet::new();
        for kind in KINDS {
            let output = self.kubectl(&["get", kind, "-o", "name"], None).await?;
            // Our own kinds are not served before the operator is installed.
            let unknown = output.stderr.contains("the server doesn't have a resource type");
            ensure!(output.status.success() || unknown, "{kind}: {}", output.stderr);
            present.extend(output.stdout.lines().map(str::to_owned));
        }
        Ok(present)
    }
}
