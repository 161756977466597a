//! The operator as users run it: the built binary, as a process of the cluster, under its own `ServiceAccount`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::proxy::Proxy;
use crate::{Cluster, paths, until};

/// The name of the operator's process and log.
pub const OPERATOR: &str = "gatewright";

/// The user that the operator's requests come from.
pub const OPERATOR_USER: &str = "system:serviceaccount:gatewright-system:gatewright";

const NAMESPACE: &str = "gatewright-system";
const SERVICE_ACCOUNT: &str = "gatewright";

/// How long the API server may take to serve a CRD.
const SERVED: Duration = Duration::from_secs(20);

impl Cluster {
    /// Installs what the operator needs: the CRDs of the policies, its account and what that may do.
    ///
    /// # Errors
    ///
    /// The API server refuses some of it.
    pub async fn install_policies(&self) -> Result<()> {
        let repository = paths::repository();
        for path in ["crds", "deploy/rbac.yaml"] {
            let path = repository.join(path);
            let path = path.to_str().context("the path of the repository is not UTF-8")?;
            self.kubectl(&["apply", "--server-side", "-f", path], None).await?.success()?;
        }
        let get = ["get", "securitypolicies,operationpolicies"];
        until("the policies' CRDs are served", SERVED, async || {
            Ok(self.kubectl(&get, None).await?.status.success())
        })
        .await
    }

    /// Starts the operator under its own `ServiceAccount`, as the only replica: one that is killed and started again
    /// works at once.
    ///
    /// # Errors
    ///
    /// The binary is not built, or a process of that name runs.
    pub async fn start_operator(&self) -> Result<()> {
        self.start_operator_with("").await
    }

    /// Starts the operator with this settings file.
    ///
    /// # Errors
    ///
    /// As for [`Self::start_operator`].
    pub async fn start_operator_with(&self, settings: &str) -> Result<()> {
        let path = self.directory().join("settings.yaml");
        std::fs::write(&path, settings)?;
        let path = path.to_str().context("the path of the cluster is not UTF-8")?;
        self.start_replica(OPERATOR, &["--leader-elect", "false", "--config", path]).await
    }

    /// Starts a replica of the operator, as a process of this name.
    ///
    /// # Errors
    ///
    /// The binary is not built, or a process of that name runs.
    pub async fn start_replica(&self, name: &str, arguments: &[&str]) -> Result<()> {
        let kubeconfig = self.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT).await?;
        let command = self.replica(name, &kubeconfig, arguments)?;
        self.spawn(name, &command, None).await
    }

    /// Starts this binary as the only replica of the operator.
    ///
    /// # Errors
    ///
    /// A process of that name runs.
    pub async fn start_operator_from(&self, binary: &Path) -> Result<()> {
        let kubeconfig = self.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT).await?;
        let command = self.replica_of(binary, OPERATOR, &kubeconfig, &["--leader-elect", "false"])?;
        self.spawn(OPERATOR, &command, None).await
    }

    /// Starts a replica that reaches the API server only through `proxy`.
    ///
    /// # Errors
    ///
    /// As for [`Self::start_replica`].
    pub async fn start_replica_behind(&self, proxy: &Proxy, name: &str, arguments: &[&str]) -> Result<()> {
        let command = self.replica_behind(proxy, name, arguments).await?;
        self.spawn(name, &command, None).await
    }

    /// How a replica behind a proxy is started, to be changed before it is.
    ///
    /// # Errors
    ///
    /// As for [`Self::start_replica`].
    pub async fn replica_behind(&self, proxy: &Proxy, name: &str, arguments: &[&str]) -> Result<Command> {
        let (url, file) = (proxy.url(), format!("proxy-{name}"));
        let kubeconfig = self.service_account_kubeconfig_at(&url, NAMESPACE, SERVICE_ACCOUNT, &file).await?;
        self.replica(name, &kubeconfig, arguments)
    }

    fn replica(&self, name: &str, kubeconfig: &Path, arguments: &[&str]) -> Result<Command> {
        self.replica_of(&binary()?, name, kubeconfig, arguments)
    }

    fn replica_of(
        &self,
        binary: &Path,
        name: &str,
        kubeconfig: &Path,
        arguments: &[&str],
    ) -> Result<Command> {
        let mut command = Command::new(binary);
        let listen = format!("127.0.0.1:{}", self.port(name)?);
        command.args(["operator", "--listen", &listen]).args(arguments);
        if !arguments.contains(&"--log-format") {
            command.args(["--log-format", "text"]);
        }
        command.env("KUBECONFIG", kubeconfig).env("POD_NAME", name).env("POD_NAMESPACE", NAMESPACE);
        Ok(command)
    }

    /// What a replica answers to a GET: the status code and the text.
    ///
    /// # Errors
    ///
    /// It does not answer.
    pub async fn ask_replica(&self, name: &str, path: &str) -> Result<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port(name)?)).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no end of the headers")?;
        let code = head.split(' ').nth(1).context("no status")?;
        Ok((code.parse()?, body.to_owned()))
    }
}

/// The gatewright binary that stands beside this program: tests and programs are built into one folder.
///
/// # Errors
///
/// It is not built.
pub fn binary() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let mut folders = program.ancestors().skip(1).take(2).map(|folder| folder.join("gatewright"));
    let binary = folders.find(|path| path.is_file());
    let missing = || format!("no gatewright beside {}: run `cargo build -p gatewright`", program.display());
    let binary = binary.with_context(missing)?;
    ensure!(binary.is_absolute(), "{} is not absolute", binary.display());
    Ok(binary)
}

/// The gatewright binary that benchmarks measure.
///
/// # Errors
///
/// It is not built.
pub fn measured_binary() -> Result<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| paths::repository().join("target"), PathBuf::from);
    let path = target.join("measured/gatewright");
    ensure!(path.is_file(), "{} is missing; `make measured` builds it", path.display());
    Ok(path)
}
