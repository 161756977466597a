//! How a command reaches a cluster: as kubectl does, and as the user.

use std::error::Error as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

/// How a cluster is reached, and where to look in it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// The kubeconfig; without one KUBECONFIG, ~/.kube/config, or the Pod that this runs in
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig; without one its current context
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// The user to act as
    #[arg(long = "as", value_name = "USER")]
    user: Option<String>,
    /// The namespace to look in
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// Looks in all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// How long the API server may take for one answer: a number with ms, s, m or h
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    request_timeout: Duration,
}

/// A cluster that can be asked.
pub struct Connection {
    /// The client, which acts as the user and waits for each answer as long as the user wants.
    pub client: Client,
}

impl ClusterArgs {
    /// The namespace to look in, or this one; none for all.
    pub fn namespace_or(&self, otherwise: &str) -> Option<String> {
        let namespace = self.namespace.clone().unwrap_or_else(|| otherwise.to_owned());
        (!self.all_namespaces).then_some(namespace)
    }

    /// The namespace that was named, if one was.
    pub fn named_namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Makes a client. Nothing is asked yet.
    ///
    /// # Errors
    /// There is no configuration that can be used.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        let mut config = self.config().await?;
        config.auth_info.impersonate.clone_from(&self.user);
        config.connect_timeout = Some(self.request_timeout);
        config.read_timeout = Some(self.request_timeout);
        config.default_retry = false;
        let client = Client::try_from(config).context("cannot make a client for the cluster")?;
        Ok(Connection { client })
    }

    async fn config(&self) -> anyhow::Result<Config> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        if let Some(path) = &self.kubeconfig {
            let kubeconfig = Kubeconfig::read_from(path).map_err(|error| match error {
                KubeconfigError::ReadConfig(cause, path) => {
                    anyhow!("cannot read the kubeconfig {}: {cause}", path.display())
                }
                error => anyhow!("cannot read the kubeconfig {}: {error}", path.display()),
            })?;
            return Ok(Config::from_custom_kubeconfig(kubeconfig, &options).await?);
        }
        if self.context.is_some() {
            return Ok(Config::from_kubeconfig(&options).await?);
        }
        Config::infer().await.map_err(|error| not_configured(&error))
    }
}

/// Outside of a Pod the kubeconfig is what is missing; nobody needs to hear of the variables that a Pod would have.
fn not_configured(error: &InferConfigError) -> anyhow::Error {
    let kubeconfig = error.source().and_then(|cause| cause.downcast_ref::<KubeconfigError>());
    let because = match kubeconfig {
        Some(KubeconfigError::ReadConfig(cause, path)) => format!("cannot read {}: {cause}", path.display()),
        Some(other) => other.to_string(),
        None => error.to_string(),
    };
    anyhow!("no cluster is configured: {because}. Give --kubeconfig, set KUBECONFIG, or run in a Pod")
}

/// A time as kubectl reads it, as far as people write it: one number with its unit.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time; write it as 30s, 500ms, 2m or 1h");
    let end = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" => Some(number),
        "s" => number.checked_mul(1000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => None,
    };
    milliseconds.filter(|time| *time > 0).map(Duration::from_millis).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::duration;
    use std::time::Duration;

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, milliseconds) in [("30s", 30_000), ("500ms", 500), ("2m", 120_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)));
        }
        for text in ["", "30", "s", "0s", "-1s", "1.5s", "1d", "18446744073709551615h"] {
            assert_eq!(
                duration(text),
                Err(format!("{text:?} is not a time; write it as 30s, 500ms, 2m or 1h"))
            );
        }
    }
}
