//! The verifier as a process of the cluster, under an account that may read what it watches and nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use gatewright_compiler::Settings;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::tls::{Pair, serving_pair};
use crate::operator::binary;
use crate::tools::files;
use crate::{Cluster, SOON, chart, until};

/// The name of the verifier's process and log.
pub const VERIFIER: &str = "gatewright-verifier";

/// What the port of its probes and metrics is reserved for.
pub const PROBES: &str = "verifier/probes";

const NAMESPACE: &str = "gatewright-system";
const ACCOUNT: &str = "scenario-verifier";
/// The account that the chart gives it.
const OF_CHART: &str = "gatewright-verifier";

/// The Secret in which the operator keeps the serving pair.
const OF_SECRET: &str = "gatewright-verifier-tls";

/// The verifier's place in a cluster: its ports, files and certificate.
#[derive(Clone, Debug)]
pub struct Verifier {
    folder: PathBuf,
    /// The port where Gatekeeper asks.
    pub port: u16,
    probes: u16,
    /// Its serving pair; empty where the operator makes it.
    pub pair: Pair,
    account: &'static str,
}

/// Copies the Secret into the verifier's folder, as a kubelet does, while it lives.
#[derive(Debug)]
pub struct Mount {
    _task: JoinSet<()>,
}

impl Verifier {
    /// A place for a verifier whose pair the operator makes, with the account that the chart gives it.
    ///
    /// # Errors
    /// There is no free port, or the folder cannot be made.
    pub fn awaiting(cluster: &Cluster) -> Result<Self> {
        let pair = Pair { certificate: String::new(), key: String::new() };
        Ok(Self { pair, account: OF_CHART, ..Self::prepare(cluster)? })
    }

    /// Brings the Secret into the folder as soon as the operator has made it, and whenever it changes.
    ///
    /// # Errors
    /// It is not there in time.
    pub async fn mount(&self, cluster: &Cluster) -> Result<Mount> {
        let secrets: Api<Secret> = Api::namespaced(cluster.client().await?, NAMESPACE);
        let folder = self.folder.join("tls");
        until("the operator has made a certificate", SOON, async || copy(&secrets, &folder).await).await?;
        let mut task = JoinSet::new();
        task.spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(500)).await;
                // A Secret that is gone stays mounted as it was.
                let _ = copy(&secrets, &folder).await;
            }
        });
        Ok(Mount { _task: task })
    }

    /// What it says on its port with probes and metrics.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn asks(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.probes)).await?;
        stream
            .write_all(
                format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes(),
            )
            .await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

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
        Ok(Self { folder, port, probes, pair, account: ACCOUNT })
    }

    /// Writes the settings file, with these registries; signatures are on, and loopback is allowed.
    ///
    /// # Errors
    /// A registry is none, or the file cannot be written.
    pub fn settings(&self, registries: &Value) -> Result<Settings> {
        let text = self.settings_text(registries)?;
        Settings::from_yaml(&text, NAMESPACE).map_err(|invalid| anyhow::anyhow!("{invalid}"))
    }

    /// The same as text, for an operator.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn settings_text(&self, registries: &Value) -> Result<String> {
        let signatures = json!({
            "enabled": true, "url": format!("https://127.0.0.1:{}", self.port),
            "allowedNetworks": ["127.0.0.0/8"], "registries": registries,
        });
        let text = json!({"signatures": signatures}).to_string();
        files::write(&self.folder.join("settings.yaml"), &text)?;
        Ok(text)
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
        if self.account == ACCOUNT {
            cluster.put_all(&account()).await?;
        }
        let kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, self.account).await?;
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

/// Whether there is a pair, and the files have it now.
async fn copy(secrets: &Api<Secret>, folder: &Path) -> Result<bool> {
    let Some(secret) = secrets.get_opt(OF_SECRET).await? else { return Ok(false) };
    let data = secret.data.unwrap_or_default();
    for name in ["tls.crt", "tls.key"] {
        let Some(content) = data.get(name) else { return Ok(false) };
        let (path, content) = (folder.join(name), String::from_utf8(content.0.clone())?);
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&content) {
            files::write(&path, &content)?;
        }
    }
    Ok(true)
}

impl Cluster {
    /// Installs what the operator and the verifier need, as the chart has it with `verifier.enabled`, but for what runs them.
    ///
    /// # Errors
    /// The chart does not render so, or the API server refuses some of it.
    pub async fn install_verifier(&self) -> Result<()> {
        self.install_policies().await?;
        let rendered = chart::objects(&chart::template(&["verifier.enabled=true", chart::NO_IMAGE])?)?;
        let kinds =
            ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"].map(Value::from);
        let objects: Vec<_> = rendered.into_values().filter(|it| kinds.contains(&it["kind"])).collect();
        self.put_all(&objects).await
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
