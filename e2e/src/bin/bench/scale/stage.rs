//! The cluster, with as many policies and namespaces as are wanted.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use kube::Client;
use serde_json::{Value, json};

use crate::policies::{NAMESPACE, namespace, ten_rules};
use crate::process::{self, Now};
use crate::progress;
use gatewright_e2e::answers::Answers;
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::requests::{CONSTRAINTS, Form, POLICIES, all, count, send};
use gatewright_e2e::{Cluster, running, until};

/// How long anything may take: much more than it does, on a machine under load too.
pub const LONG: Duration = Duration::from_mins(5);

/// The namespace whose requests the API server does not ask Gatekeeper about.
pub const UNASKED: &str = "gatekeeper-system";

/// The process of Gatekeeper.
pub const GATEKEEPER: &str = "gatekeeper-0";

/// The API server and its store.
pub const API_SERVER: &str = "kube-apiserver";
pub const ETCD: &str = "etcd";

/// Only the objects that are made for the measurement are in the cluster.
const CONTROLLER_MANAGER: &str = "kube-controller-manager";

/// A cluster to measure on.
pub struct Stage<'a> {
    pub cluster: &'a Cluster,
    pub client: Client,
    pub answers: Answers,
    /// How many policies are many.
    pub many: usize,
    binary: PathBuf,
}

impl<'a> Stage<'a> {
    /// Fills the cluster with namespaces and starts the operator.
    pub async fn new(cluster: &'a Cluster, binary: PathBuf, many: usize, namespaces: usize) -> Result<Self> {
        let client = cluster.client().await?;
        let answers = Answers::new(&cluster.audit_log());
        let stage = Self { cluster, client, answers, many, binary };
        // It would put a service account and a ConfigMap into every namespace, which takes minutes.
        cluster.stop(CONTROLLER_MANAGER).await?;
        cluster.install_policies().await?;
        stage.make_shop().await?;
        let begun = Instant::now();
        let teams = (0..namespaces)
            .map(|i| (format!("team-{}-{}", i % many, i / many), format!("team-{}", i % many)));
        let made = teams.map(|(name, team)| {
            let object = json!({"metadata": {"name": name, "labels": {"team": team}}});
            stage.create("/api/v1/namespaces".to_owned(), object)
        });
        all(made).await?;
        progress(&format!("{namespaces} namespaces after {:.1} s", begun.elapsed().as_secs_f64()));
        stage.start_operator().await?;
        Ok(stage)
    }

    /// What Pods need to be admitted.
    async fn make_shop(&self) -> Result<()> {
        let class = json!({"metadata": {"name": "standard"}, "value": 1000});
        self.create("/apis/scheduling.k8s.io/v1/priorityclasses".to_owned(), class).await?;
        self.create("/api/v1/namespaces".to_owned(), namespace()).await?;
        for namespace in [NAMESPACE, UNASKED] {
            let account = json!({"metadata": {"name": "checkout"}});
            self.create(format!("/api/v1/namespaces/{namespace}/serviceaccounts"), account).await?;
        }
        Ok(())
    }

    /// Creates an object.
    pub fn create(&self, path: String, object: Value) -> impl Future<Output = Result<()>> + Send + 'static {
        let client = self.client.clone();
        async move {
            send(&client, Form::Create, &path, &object).await.with_context(|| object["metadata"].to_string())
        }
    }

    /// Starts the operator and waits until it has looked at everything.
    pub async fn start_operator(&self) -> Result<()> {
        self.cluster.start_operator_from(&self.binary).await?;
        until("the operator is ready", LONG, async || {
            let (code, text) = self.cluster.ask_replica(OPERATOR, "/readyz").await?;
            ensure!(code == 200, "{text}");
            Ok(true)
        })
        .await
    }

    /// Creates policies under these numbers.
    pub async fn create_policies(&self, numbers: std::ops::Range<usize>) -> Result<()> {
        all(numbers.map(|number| self.create(POLICIES.to_owned(), policy(number)))).await.map(drop)
    }

    /// Waits until there are exactly as many constraints.
    pub async fn constraints(&self, wanted: usize) -> Result<()> {
        until(&format!("there are {wanted} constraints"), LONG, async || {
            let found = count(&self.client, CONSTRAINTS).await?;
            ensure!(found == wanted, "{found}");
            Ok(true)
        })
        .await
    }

    /// Makes the first `wanted` policies where there are fewer, and waits until all are enforced.
    pub async fn policies(&self, wanted: usize) -> Result<()> {
        let found = count(&self.client, POLICIES).await?;
        ensure!(found <= wanted, "there are {found} policies already");
        self.create_policies(found..wanted).await?;
        self.constraints(wanted).await?;
        self.ready(wanted).await
    }

    /// Waits until as many policies are ready, and nothing waits to be done.
    pub async fn ready(&self, wanted: usize) -> Result<()> {
        until(&format!("{wanted} policies are ready"), LONG, async || {
            // Asking costs the operator something, too.
            tokio::time::sleep(Duration::from_millis(200)).await;
            let (_, text) = self.cluster.ask_replica(OPERATOR, "/metrics").await?;
            let ready = sum(&text, "gatewright_policies{", r#"condition="Ready",status="True""#);
            let queue = sum(&text, "gatewright_queue_length", "");
            ensure!((ready, queue) == (wanted, 0), "{ready} ready, {queue} wait");
            Ok(true)
        })
        .await
    }

    /// Waits until Gatekeeper has let go of what was deleted.
    pub async fn forgotten(&self) -> Result<()> {
        let path = "/apis/status.gatekeeper.sh/v1beta1/namespaces/gatekeeper-system/constraintpodstatuses";
        until("Gatekeeper has let go of the constraints", LONG, async || {
            let found = count(&self.client, path).await?;
            // Those of the standards stay.
            ensure!(found < 10, "{found}");
            Ok(true)
        })
        .await
    }

    /// What a process of the cluster uses now.
    pub fn uses(&self, name: &str) -> Result<Now> {
        let all = running(self.cluster.directory());
        let found = all
            .iter()
            .find(|process| process.name == name)
            .with_context(|| format!("{name} does not run"))?;
        process::now(u32::try_from(found.pid())?)
    }
}

/// The sum of the samples of a metric whose labels have this text.
fn sum(text: &str, metric: &str, labels: &str) -> usize {
    let lines = text.lines().filter(|line| line.starts_with(metric) && line.contains(labels));
    lines.filter_map(|line| line.rsplit(' ').next()?.trim_end_matches(".0").parse::<usize>().ok()).sum()
}

/// The name of a policy.
pub fn name(number: usize) -> String {
    format!("policy-{number:04}")
}

fn policy(number: usize) -> Value {
    ten_rules(&name(number), &format!("team-{number}"))
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn samples_add_up() {
        let text = "a{x=\"1\",y=\"2\"} 3.0\na{x=\"1\",y=\"3\"} 4.0\na{x=\"2\",y=\"2\"} 5.0\nab 6.0\n";
        assert_eq!(sum(text, "a{", "x=\"1\""), 7);
    }
}
