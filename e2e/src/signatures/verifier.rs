//! The verifier as a process of the cluster, under an account that may read what it watches and nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use gatewright_compiler::Settings;
use serde_json::{Value, json};

use super::tls::{Pair, serving_pair};
use crate::Cluster;
use crate::operator::binary;
use crate::tools::files;

/// The name of the verifier's process and log.
pub const VERIFIER: &str = "gatewright-verifier";

/// What the port of its probes and metrics is reserved for.
pub const PROBES: &str = "verifier/probes";

const NAMESPACE: &str = "gatewright-system";
const ACCOUNT: &str = "scenario-verifier";

/// The verifier's place in a cluster: its ports, files and certificate.
#[derive(Clone, Debug)]
pub struct Verifier {
    folder: PathBuf,
    /// The port where Gatekeeper asks.
    pub port: u16,
    probes: u16,
    /// Its serving pair.
    pub pair: Pair,
}

impl Verifier {
    /// A place with a certificate; nothing runs yet.
    ///
    /// # Errors
    /// There is no free port, or the files cannot be written.
    pub fn prepare(cluster: &Cluster) -> Result<Self> {
        let folder = cluster.directory().join(VERIFIER);
        let pair = serving_pair()?;
        files::write(&folder.join("tls/tls.crt"), &pair.certificate)?;
        files::write(&folder.join("tls/tls.key"), &pair.key)?;
        let (port, probes) = (cluster.port("verifier")?, cluster.port(PROBES)?);
        Ok(Self { folder, port, probes, pair })
    }

    /// Writes the settings file, with these registries; signatures are on, and loopback is allowed.
    ///
    /// # Errors
    /// A registry is none, or the file cannot be written.
    pub fn settings(&self, registries: &Value) -> Result<Settings> {
        let signatures = json!({
            "enabled": true, "url": format!("https://127.0.0.1:{}", self.port),
            "allowedNetworks": ["127.0.0.0/8"], "registries": registries,
        });
        let text = json!({"signatures": signatures}).to_string();
        files::write(&self.folder.join("settings.yaml"), &text)?;
        Settings::from_yaml(&text, NAMESPACE).map_err(|invalid| anyhow::anyhow!("{invalid}"))
    }

    /// Starts the process, and waits until it is ready: the template must be there, whose constraints it watches.
    ///
    /// # Errors
    /// The binary is not built, or is not ready in time.
    pub async fn start(&self, cluster: &Cluster) -> Result<()> {
        self.start_from(&binary()?, cluster).await
    }

    /// Starts this binary.
    ///
    /// # Errors
    /// It is not ready in time.
    pub async fn start_from(&self, binary: &Path, cluster: &Cluster) -> Result<()> {
        cluster.put_all(&account()).await?;
        let kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, ACCOUNT).await?;
        let mut command = Command::new(binary);
        command.arg("verifier").arg("--config").arg(self.folder.join("settings.yaml"));
        command.arg("--tls-dir").arg(self.folder.join("tls"));
        command.arg(format!("--address=127.0.0.1:{}", self.port));
        command.arg(format!("--listen=127.0.0.1:{}", self.probes));
        command.args(["--replica=verifier-0", "--log=debug"]).env("KUBECONFIG", kubeconfig);
        let health = format!("http://127.0.0.1:{}/readyz", self.probes);
        cluster.spawn(VERIFIER, &command, Some(&health)).await
    }
}

fn account() -> [Value; 3] {
    let rule = |group: &str, resource: &str| json!({"apiGroups": [group], "resources": [resource], "verbs": ["get", "list", "watch"]});
    let rbac = "rbac.authorization.k8s.io";
    [
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": NAMESPACE},
        }),
        json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": {"name": ACCOUNT},
            "rules": [
                rule("constraints.gatekeeper.sh", "d8verifyimagesignatures"),
                rule("deckhouse.io", "securitypolicies"),
                rule("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
            ],
        }),
        json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": ACCOUNT},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
        }),
    ]
}
