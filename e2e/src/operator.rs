//! The operator as users run it: the built binary, as a process of the cluster, under its own `ServiceAccount`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::container::{self, Place};
use crate::proxy::Proxy;
use crate::tools::files;
use crate::{Cluster, chart, paths, until};

/// The name of the operator's process and log.
pub const OPERATOR: &str = "gatewright";

/// The user that the operator's requests come from.
pub const OPERATOR_USER: &str = "system:serviceaccount:gatewright-system:gatewright";

const NAMESPACE: &str = "gatewright-system";
const SERVICE_ACCOUNT: &str = "gatewright";

/// The settings file of replicas that are started as processes, in the cluster's folder.
const SETTINGS: &str = "settings/settings.yaml";

/// How long the API server may take to serve a CRD.
const SERVED: Duration = Duration::from_secs(20);

impl Cluster {
    /// Installs what the operator needs, as the committed manifest has it, but for its Deployment: the CRDs of the policies,
    /// its account and what that may do.
    ///
    /// # Errors
    ///
    /// The API server refuses some of it.
    pub async fn install_policies(&self) -> Result<()> {
        let kinds = ["Deployment", "PodDisruptionBudget"];
        let objects: Vec<_> = chart::manifest()?
            .into_values()
            .filter(|object| kinds.iter().all(|kind| object["kind"] != *kind))
            .collect();
        let (namespaces, others): (Vec<_>, Vec<_>) =
            objects.into_iter().partition(|object| object["kind"] == "Namespace");
        self.put_all(&namespaces).await?;
        self.put_all(&others).await?;
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
        self.write_settings(settings)?;
        self.start_replica(OPERATOR, &["--leader-elect", "false"]).await
    }

    /// Writes the settings file of operators that are started as processes. It takes effect without a restart.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn write_settings(&self, settings: &str) -> Result<()> {
        files::write(&self.directory().join(SETTINGS), settings)
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
        let pod = pod(name)?;
        let settings = self.directory().join(SETTINGS);
        if !settings.exists() {
            self.write_settings("")?;
        }
        let ports = container::ports(&pod)?.into_iter().map(|port| Ok((port, self.port(name)?)));
        let place = Place {
            program: binary.to_owned(),
            // The volume with the settings is the cluster's own folder.
            volumes: self.directory().to_owned(),
            ports: ports.collect::<Result<_>>()?,
            kubeconfig: kubeconfig.to_owned(),
        };
        let format: &[&str] =
            if arguments.contains(&"--log-format") { &[] } else { &["--log-format", "text"] };
        let more = [arguments, format].concat();
        let rendered = container::command(&pod, &place)?;
        Ok(with_arguments(&rendered, &more))
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

/// The Pod of the manifest's Deployment, under this name.
fn pod(name: &str) -> Result<Pod> {
    let mut manifest = chart::manifest()?;
    let mut deployment =
        manifest.remove("Deployment/gatewright").context("the manifest has no Deployment")?;
    let mut pod: Pod = serde_json::from_value(deployment["spec"]["template"].take())?;
    (pod.metadata.name, pod.metadata.namespace) = (Some(name.to_owned()), Some(NAMESPACE.to_owned()));
    Ok(pod)
}

/// The command with further arguments, which replace those of the same name.
fn with_arguments(command: &Command, more: &[&str]) -> Command {
    let replaced = |argument: &OsStr| {
        let name = argument.to_str().and_then(|text| text.split('=').next()).unwrap_or_default();
        name.starts_with("--") && more.contains(&name)
    };
    let mut new = Command::new(command.get_program());
    new.args(command.get_args().filter(|argument| !replaced(argument))).args(more);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => new.env(name, value),
            None => new.env_remove(name),
        };
    }
    new
}

/// The gatewright binary that `GATEWRIGHT_BINARY` names, else the one that stands beside this program: tests and programs
/// are built into one folder.
///
/// # Errors
///
/// It is not built.
pub fn binary() -> Result<PathBuf> {
    if let Some(given) = std::env::var_os("GATEWRIGHT_BINARY").filter(|given| !given.is_empty()) {
        let binary = std::path::absolute(paths::repository().join(given))?;
        ensure!(binary.is_file(), "GATEWRIGHT_BINARY: {} is missing", binary.display());
        return Ok(binary);
    }
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
