//! The command lines of etcd, the Kubernetes control plane and kwok.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::certificates::{Files, SERVICE_RANGE};
use super::kwok;
use super::process::Process;
use super::state::State;
use crate::tools;
use crate::tools::files;

pub const ETCD: &str = "etcd";
pub const API_SERVER: &str = "kube-apiserver";
pub const CONTROLLER_MANAGER: &str = "kube-controller-manager";
pub const SCHEDULER: &str = "kube-scheduler";
pub const KWOK: &str = "kwok";

/// What ports are reserved for; a process' main port has the name of the process.
pub const PORTS: [&str; 6] = [ETCD, "etcd-peer", API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK];

/// Users that the control plane's processes are, with the name of their kubeconfig.
pub const USERS: [(&str, &str); 2] =
    [(CONTROLLER_MANAGER, "system:kube-controller-manager"), (SCHEDULER, "system:kube-scheduler")];

/// Every finished request, without bodies: tests count the requests of a user.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
";

/// The path of the kubeconfig of the process or user `name`.
pub fn kubeconfig(cluster: &Path, name: &str) -> PathBuf {
    cluster.join("kubeconfigs").join(name)
}

/// Builds the processes of one cluster.
pub struct ControlPlane {
    cluster: PathBuf,
    ports: BTreeMap<String, u16>,
    version: Option<String>,
    admission_plugins: Vec<String>,
}

impl ControlPlane {
    pub fn new(cluster: &Path, state: &State) -> Self {
        Self {
            cluster: cluster.to_path_buf(),
            ports: state.ports.clone(),
            version: state.options.kubernetes.clone(),
            admission_plugins: state.options.admission_plugins.clone(),
        }
    }

    pub fn etcd(&self) -> Result<Process> {
        let client = format!("http://127.0.0.1:{}", self.port(ETCD)?);
        let peer = format!("http://127.0.0.1:{}", self.port("etcd-peer")?);
        let arguments = [
            format!("--data-dir={}", self.cluster.join("etcd").display()),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            // The data of a test need not outlive the machine.
            "--unsafe-no-fsync".to_owned(),
            "--log-level=warn".to_owned(),
        ];
        self.process(ETCD, &arguments, &format!("{client}/readyz"))
    }

    pub fn api_server(&self) -> Result<Process> {
        let policy = self.cluster.join("audit-policy.yaml");
        files::write(&policy, AUDIT_POLICY)?;
        let certificates = Files::new(&self.cluster);
        let (key, public) = (certificates.service_account_key(), certificates.service_account_public_key());
        let mut arguments = self.serving(API_SERVER)?;
        arguments.extend([
            format!("--etcd-servers=http://127.0.0.1:{}", self.port(ETCD)?),
            "--advertise-address=127.0.0.1".to_owned(),
            "--endpoint-reconciler-type=none".to_owned(),
            format!("--client-ca-file={}", certificates.authority().display()),
            "--authorization-mode=RBAC".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", public.display()),
            format!("--service-account-signing-key-file={}", key.display()),
            format!("--service-cluster-ip-range={SERVICE_RANGE}"),
            // Otherwise open watches hold up its end for a minute.
            "--shutdown-watch-termination-grace-period=1s".to_owned(),
            format!("--audit-policy-file={}", policy.display()),
            format!("--audit-log-path={}", audit_log(&self.cluster).display()),
            // In megabytes; the default of 100 would split the log of a long run into several files.
            "--audit-log-maxsize=10240".to_owned(),
        ]);
        if !self.admission_plugins.is_empty() {
            arguments.push(format!("--enable-admission-plugins={}", self.admission_plugins.join(",")));
        }
        self.process(API_SERVER, &arguments, &self.https(API_SERVER, "readyz")?)
    }

    pub fn controller_manager(&self) -> Result<Process> {
        let certificates = Files::new(&self.cluster);
        let mut arguments = self.client(CONTROLLER_MANAGER)?;
        arguments.extend([
            // kwok assigns Pod networks by itself.
            "--controllers=*,-nodeipam".to_owned(),
            "--use-service-account-credentials".to_owned(),
            format!("--service-account-private-key-file={}", certificates.service_account_key().display()),
            format!("--root-ca-file={}", certificates.authority().display()),
        ]);
        self.process(CONTROLLER_MANAGER, &arguments, &self.https(CONTROLLER_MANAGER, "healthz")?)
    }

    pub fn scheduler(&self) -> Result<Process> {
        let arguments = self.client(SCHEDULER)?;
        self.process(SCHEDULER, &arguments, &self.https(SCHEDULER, "readyz")?)
    }

    pub fn kwok(&self) -> Result<Process> {
        let port = self.port(KWOK)?;
        let certificates = Files::new(&self.cluster);
        let config = self.cluster.join("kwok.yaml");
        kwok::configure(&self.cluster, &config, port)?;
        let arguments = [
            format!("--kubeconfig={}", self.cluster.join("kubeconfig").display()),
            format!("--config={}", config.display()),
            "--manage-all-nodes".to_owned(),
            // Without leases the nodes are taken for dead after a while.
            "--node-lease-duration-seconds=40".to_owned(),
            "--node-ip=127.0.0.1".to_owned(),
            format!("--node-port={port}"),
            format!("--server-address=127.0.0.1:{port}"),
            format!("--tls-cert-file={}", certificates.server().display()),
            format!("--tls-private-key-file={}", certificates.server_key().display()),
        ];
        self.process(KWOK, &arguments, &format!("https://127.0.0.1:{port}/healthz"))
    }

    /// Flags of a server that speaks TLS.
    fn serving(&self, name: &str) -> Result<Vec<String>> {
        let certificates = Files::new(&self.cluster);
        Ok(vec![
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.port(name)?),
            format!("--tls-cert-file={}", certificates.server().display()),
            format!("--tls-private-key-file={}", certificates.server_key().display()),
        ])
    }

    /// Flags of a server that is itself a client of the API server, and the only one of its kind.
    fn client(&self, name: &str) -> Result<Vec<String>> {
        let kubeconfig = kubeconfig(&self.cluster, name);
        let mut arguments = self.serving(name)?;
        arguments.push(format!("--kubeconfig={}", kubeconfig.display()));
        arguments.push("--leader-elect=false".to_owned());
        // The defaults hold back the controller manager's own start for some seconds.
        arguments.push("--kube-api-qps=1000".to_owned());
        arguments.push("--kube-api-burst=1000".to_owned());
        Ok(arguments)
    }

    fn port(&self, purpose: &str) -> Result<u16> {
        self.ports.get(purpose).copied().with_context(|| format!("no port is reserved for {purpose}"))
    }

    fn https(&self, name: &str, path: &str) -> Result<String> {
        Ok(format!("https://127.0.0.1:{}/{path}", self.port(name)?))
    }

    fn process(&self, name: &str, arguments: &[String], health: &str) -> Result<Process> {
        // etcd and kwok are always the pinned ones.
        let version = self.version.as_deref().filter(|_| name.starts_with("kube-"));
        let mut command = Command::new(tools::path_in(name, version));
        // Files in the home directory of who runs this must not change what a cluster does.
        command.args(arguments).env("HOME", &self.cluster);
        Process::from_command(name, &command, Some(health))
    }
}

/// The audit log of the API server: one JSON object a line.
pub fn audit_log(cluster: &Path) -> PathBuf {
    cluster.join("logs/audit.log")
}
