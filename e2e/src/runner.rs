//! What runs the Pods of the operator and the verifier: no node of a local cluster runs containers, so that real processes
//! are started here for those Pods, as their Deployments say. So `helm install` ends in a real operator.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt as _};

use crate::container::{self, Place, Source};
use crate::{Cluster, operator};

/// Which Pods.
const SELECTOR: &str =
    "app.kubernetes.io/name=gatewright,app.kubernetes.io/component in (operator, verifier)";

/// The port of metrics and probes, in the container.
const PROBES: u16 = 8080;

/// What the port is reserved for where the verifier answers Gatekeeper. No local process can resolve the name of a Service,
/// so `signatures.url` must be this port of the machine, and there can be one replica.
pub const VERIFIER_PORT: &str = "verifier of the chart";

/// How often Pods, volumes and readiness are looked at.
const INTERVAL: Duration = Duration::from_millis(300);

impl Cluster {
    /// Runs the Pods of operator and verifier while something else is done.
    ///
    /// # Errors
    /// Those of `scene`, or a Pod says what cannot be run.
    pub async fn with_pods_run<T>(&self, scene: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
        self.with_pods_run_from(&operator::binary()?, scene).await
    }

    /// The same, with this binary in the image.
    ///
    /// # Errors
    /// As of [`Self::with_pods_run`].
    pub async fn with_pods_run_from<T>(
        &self,
        binary: &Path,
        scene: impl AsyncFnOnce() -> Result<T>,
    ) -> Result<T> {
        tokio::select! {
            outcome = scene() => outcome,
            outcome = self.run_pods(binary) => outcome.and_then(|()| anyhow::bail!("the runner of Pods has ended")),
        }
    }

    /// Runs the Pods of operator and verifier forever.
    ///
    /// # Errors
    /// A Pod says what cannot be run.
    pub async fn run_pods(&self, binary: &Path) -> Result<()> {
        let (client, run) = (self.client().await?, BTreeSet::new());
        let mut runner = Runner { cluster: self, binary, client, run };
        loop {
            // While the API server does not answer, processes go on as in a real cluster.
            if let Ok(pods) = runner.pods().list(&ListParams::default().labels(SELECTOR)).await {
                runner.look_at(pods.items).await?;
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }
}

struct Runner<'a> {
    cluster: &'a Cluster,
    binary: &'a Path,
    client: Client,
    /// The Pods whose processes were started.
    run: BTreeSet<String>,
}

/// Whether its node would run it.
fn is_to_run(pod: &Pod) -> bool {
    let scheduled = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    scheduled && pod.metadata.deletion_timestamp.is_none()
}

impl Runner<'_> {
    fn pods(&self) -> Api<Pod> {
        Api::all(self.client.clone())
    }

    async fn look_at(&mut self, pods: Vec<Pod>) -> Result<()> {
        let pods: BTreeMap<_, _> =
            pods.into_iter().filter(is_to_run).map(|pod| (pod.name_any(), pod)).collect();
        for gone in self.run.iter().filter(|name| !pods.contains_key(*name)) {
            if self.cluster.is_running(gone) {
                self.cluster.stop(gone).await?;
            }
        }
        self.run.retain(|name| pods.contains_key(name));
        for (name, pod) in pods {
            // Until its ConfigMap is there, a real Pod is not started either.
            if !self.write_volumes(&pod).await? {
                continue;
            }
            if !self.cluster.is_running(&name) {
                self.start(&name, &pod).await?;
                self.run.insert(name.clone());
            }
            self.tell_readiness(&name, &pod).await;
        }
        Ok(())
    }

    fn volumes(&self, pod: &Pod) -> PathBuf {
        self.cluster.directory().join("pods").join(pod.name_any())
    }

    /// Brings the volumes up to date; false where there is none to mount.
    async fn write_volumes(&self, pod: &Pod) -> Result<bool> {
        for mount in container::mounts(pod)? {
            let Some(data) = self.data(pod, &mount.source).await? else { return Ok(false) };
            let folder = self.volumes(pod).join(&mount.volume);
            std::fs::create_dir_all(&folder)?;
            container::write_volume(&folder, &data)?;
        }
        Ok(true)
    }

    /// The files of a volume; none where its object must be there and is not.
    async fn data(&self, pod: &Pod, source: &Source) -> Result<Option<BTreeMap<String, String>>> {
        let namespace = pod.namespace().unwrap_or_default();
        match source {
            Source::ConfigMap(name) => {
                let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), &namespace);
                let Ok(Some(map)) = maps.get_opt(name).await else { return Ok(None) };
                Ok(Some(map.data.unwrap_or_default()))
            }
            Source::Secret { name, optional, keys } => {
                let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &namespace);
                // While the API server does not answer, a volume stays as it is.
                let Ok(found) = secrets.get_opt(name).await else { return Ok(None) };
                let Some(secret) = found else { return Ok(optional.then(BTreeMap::new)) };
                let data = secret.data.unwrap_or_default().into_iter();
                let data = data.filter(|(key, _)| keys.is_empty() || keys.contains(key));
                data.map(|(key, bytes)| Ok((key, String::from_utf8(bytes.0)?)))
                    .collect::<Result<_>>()
                    .map(Some)
            }
        }
    }

    async fn start(&self, name: &str, pod: &Pod) -> Result<()> {
        let (namespace, account) = account(pod)?;
        let file = format!("{namespace}.{name}");
        let server = self.cluster.server()?;
        let kubeconfig =
            self.cluster.service_account_kubeconfig_at(&server, &namespace, &account, &file).await?;
        let reserved = |port| self.cluster.port(if port == PROBES { name } else { VERIFIER_PORT });
        let ports = container::ports(pod)?.into_iter().map(|port| Ok((port, reserved(port)?)));
        let (program, volumes) = (self.binary.to_owned(), self.volumes(pod));
        let place = Place { program, volumes, ports: ports.collect::<Result<_>>()?, kubeconfig };
        self.cluster.spawn(name, &container::command(pod, &place)?, None).await
    }

    /// The node says whether the process is ready; kwok says so of all Pods. Tried again with the next look.
    async fn tell_readiness(&self, name: &str, pod: &Pod) {
        let ready = self.cluster.ask_replica(name, "/readyz").await.is_ok_and(|(code, _)| code == 200);
        let Some(changed) = with_readiness(pod, ready) else { return };
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let _ = pods.replace_status(name, &PostParams::default(), &changed).await;
    }
}

fn account(pod: &Pod) -> Result<(String, String)> {
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.clone());
    Ok((
        pod.namespace().context("the Pod has no namespace")?,
        account.context("the Pod has no ServiceAccount")?,
    ))
}

/// The Pod with another readiness; none if it has that one.
fn with_readiness(pod: &Pod, ready: bool) -> Option<Pod> {
    let mut pod = pod.clone();
    let status = pod.status.as_mut()?;
    let word = if ready { "True" } else { "False" };
    let mut changed = false;
    for condition in status.conditions.iter_mut().flatten() {
        if ["Ready", "ContainersReady"].contains(&condition.type_.as_str()) && condition.status != word {
            word.clone_into(&mut condition.status);
            changed = true;
        }
    }
    for container in status.container_statuses.iter_mut().flatten() {
        container.ready = ready;
    }
    changed.then_some(pod)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_readiness_that_is_there_is_not_written() {
        let pod = |ready: bool| -> Pod {
            let status = if ready { "True" } else { "False" };
            let condition = |name: &str, status: &str| json!({"type": name, "status": status});
            serde_json::from_value(json!({"status": {
                "conditions": [condition("Ready", status), condition("ContainersReady", status), condition("PodScheduled", "True")],
                "containerStatuses": [
                    {"name": "operator", "image": "x", "imageID": "", "restartCount": 0, "ready": ready},
                ],
            }}))
            .unwrap()
        };
        assert_eq!(with_readiness(&pod(true), true), None);
        assert_eq!(with_readiness(&pod(true), false), Some(pod(false)));
        assert_eq!(with_readiness(&pod(false), true), Some(pod(true)));
        assert_eq!(with_readiness(&Pod::default(), true), None);
    }
}
