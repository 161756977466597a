//! How a scenario begins: with a cluster, what the operator needs, what is there before it, and the operator.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::manifests::privileged_pod;
use crate::operator::OPERATOR;
use crate::{Cluster, Options, until};

/// How long what is there before the operator may take to be there.
const PREPARED: Duration = Duration::from_mins(1);

/// The beginning of a scenario, which [`Scenario::run`] makes.
#[derive(Debug)]
pub struct Scenario {
    options: Options,
    objects: Vec<Value>,
    settings: String,
    operator: bool,
}

impl Scenario {
    /// On a cluster of this name with one Gatekeeper process.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::on(Options::new(name))
    }

    /// On a cluster like this.
    #[must_use]
    pub fn on(options: Options) -> Self {
        Self { options, objects: vec![], settings: String::new(), operator: true }
    }

    /// These objects are there before the operator. They are made together, again and again until all are taken: Pods
    /// may stand beside their namespace, which takes them once it has its service account.
    #[must_use]
    pub fn objects(mut self, objects: impl IntoIterator<Item = Value>) -> Self {
        self.objects.extend(objects);
        self
    }

    /// The operator has this settings file.
    #[must_use]
    pub fn settings(mut self, settings: &str) -> Self {
        settings.clone_into(&mut self.settings);
        self
    }

    /// The scenario starts the operator itself.
    #[must_use]
    pub fn without_operator(mut self) -> Self {
        self.operator = false;
        self
    }

    /// Starts the cluster, runs `scene` on it and ends it. If the scene fails, the cluster's data stay, and the error
    /// says where the logs are and shows the end of the operator's.
    ///
    /// # Errors
    ///
    /// Those of the start and of the scene.
    pub async fn run(self, scene: impl AsyncFnOnce(&Cluster) -> Result<()>) -> Result<()> {
        let Self { options, objects, settings, operator } = self;
        Cluster::run(options, async |cluster| {
            cluster.install_policies().await?;
            if !objects.is_empty() {
                until("all that is there before is there", PREPARED, async || {
                    cluster.put_all(&objects).await.map(|()| true)
                })
                .await?;
            }
            if operator {
                cluster.start_operator_with(&settings).await?;
            }
            scene(cluster).await.with_context(|| cluster.end_of_log(OPERATOR))
        })
        .await
    }
}

impl Cluster {
    /// Waits until a privileged Pod in the namespace `shop` is refused by this policy.
    ///
    /// # Errors
    /// It is not in time.
    pub async fn enforces(&self, policy: &str) -> Result<()> {
        let says = format!("[{policy}] allowPrivileged: container \"app\"");
        self.answers(&privileged_pod("shop", "refused"), &says).await
    }
}
