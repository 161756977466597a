//! Ways to talk to a cluster's API server.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::ByteString;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::control_plane::{API_SERVER, kubeconfig as kubeconfig_path};
use super::kubeconfig::{self, Identity};
use super::{Cluster, process, processes};
use crate::tools;
use crate::tools::files;

/// How long one kubectl may take.
const KUBECTL: Duration = Duration::from_secs(150);
/// How long tokens of service accounts are valid, in seconds.
const TOKEN: i64 = 24 * 60 * 60;

/// What a program that has ended left behind.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    /// Its error output.
    pub stderr: String,
}

impl Output {
    /// The standard output of a program that succeeded.
    ///
    /// # Errors
    ///
    /// It did not succeed; the error shows its error output.
    pub fn success(self) -> Result<String> {
        if !self.status.success() {
            bail!("{}: {}", self.status, self.stderr.trim());
        }
        Ok(self.stdout)
    }
}

/// The API server's address and the authority of its certificate.
fn server_of(kubeconfig: Kubeconfig) -> Option<(String, String)> {
    let cluster = kubeconfig.clusters.into_iter().next()?.cluster?;
    let authority: ByteString = serde_json::from_value(cluster.certificate_authority_data?.into()).ok()?;
    Some((cluster.server?, String::from_utf8(authority.0).ok()?))
}

impl Cluster {
    /// A new client as administrator. Clients live in the runtime they were made in, so tests that
    /// share a cluster make their own.
    ///
    /// # Errors
    ///
    /// The cluster's kubeconfig cannot be read.
    pub async fn client(&self) -> Result<Client> {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig())?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        Ok(Client::try_from(config)?)
    }

    /// Runs the cluster's own kubectl as administrator, with `stdin` as its input.
    ///
    /// # Errors
    ///
    /// It cannot be started or takes minutes. Whether it failed is in the output.
    pub async fn kubectl(&self, arguments: &[&str], stdin: Option<&str>) -> Result<Output> {
        let name = || format!("kubectl {}", arguments.join(" "));
        let mut child = self.kubectl_command(arguments).spawn().with_context(name)?;
        let mut input = child.stdin.take().context("kubectl has no input")?;
        let run = async {
            // kubectl may end without having read all of it; its exit status says more.
            let _ = input.write_all(stdin.unwrap_or_default().as_bytes()).await;
            drop(input);
            child.wait_with_output().await
        };
        let output = tokio::time::timeout(KUBECTL, run).await.with_context(|| {
            format!("{} did not end in {KUBECTL:?}; see {}", name(), self.log(API_SERVER).display())
        })??;
        Ok(Output {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = std::process::Command::new(tools::path("kubectl"));
        process::mark(&mut command, &self.directory, processes::KUBECTL)
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig())
            // kubectl caches discovery by address, and another cluster may have had the same one.
            .env("HOME", &self.directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut command = Command::from(command);
        command.kill_on_drop(true);
        command
    }

    /// The URL of the API server.
    ///
    /// # Errors
    ///
    /// The kubeconfig does not tell.
    pub fn server(&self) -> Result<String> {
        Ok(self.entrance()?.0)
    }

    /// The URL of the API server, and the authority of its certificate.
    fn entrance(&self) -> Result<(String, String)> {
        let path = self.kubeconfig();
        let entrance = server_of(Kubeconfig::read_from(&path)?);
        entrance.with_context(|| format!("{} names no server and authority", path.display()))
    }

    /// Writes a kubeconfig for a `ServiceAccount` that exists, with a token valid for a day.
    ///
    /// # Errors
    ///
    /// There is no such account, or the file cannot be written.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let file = format!("{namespace}.{name}");
        self.service_account_kubeconfig_at(&self.server()?, namespace, name, &file).await
    }

    /// The same for another way to the API server, in a file of this name.
    ///
    /// # Errors
    ///
    /// There is no such account, or the file cannot be written.
    pub async fn service_account_kubeconfig_at(
        &self,
        server: &str,
        namespace: &str,
        name: &str,
        file: &str,
    ) -> Result<PathBuf> {
        let token = self.token(namespace, name).await?;
        let (_, authority) = self.entrance()?;
        let cluster = self.options().name;
        let yaml = kubeconfig::render(&cluster, server, &authority, &Identity::Token(&token))?;
        let path = kubeconfig_path(&self.directory, file);
        files::write(&path, yaml)?;
        Ok(path)
    }

    async fn token(&self, namespace: &str, name: &str) -> Result<String> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client().await?, namespace);
        let spec = TokenRequestSpec { expiration_seconds: Some(TOKEN), ..TokenRequestSpec::default() };
        let request = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .with_context(|| format!("no token for ServiceAccount {namespace}/{name}"))?;
        answer.status.and_then(|status| status.token).context("the TokenRequest was answered without a token")
    }
}
