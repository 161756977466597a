//! From nothing to a cluster in which Pods can be created.

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::api::{Api, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::certificates::{Authority, Files};
use super::control_plane::{self, ControlPlane};
use super::kubeconfig::{self, Identity};
use super::process::Process;
use super::processes::REAPER;
use super::state::State;
use super::{Cluster, Options, gatekeeper, health, processes, reaper};
use crate::tools::files;
use crate::{paths, tools};

/// How long objects may take to become as they should, once all processes are healthy.
const SETTLE: Duration = Duration::from_mins(1);

/// How long an earlier cluster of the same name may take to be cleaned up.
const PREVIOUS: Duration = Duration::from_secs(5);

impl Cluster {
    /// Makes the data directory with certificates and ports; starts nothing.
    pub(super) fn prepare(options: Options) -> Result<Self> {
        tools::verify()?;
        let directory = paths::cluster(&options.name)?;
        let running = processes::running(&directory);
        if let Some(process) = running.first() {
            bail!(
                "cluster {} exists already ({} runs); end it with `make cluster-down NAME={0}`",
                options.name,
                process.name
            );
        }
        reaper::remove_data(&directory)?;
        let mut state = State::new(options);
        state.reserve_ports(&directory, &control_plane::PORTS)?;
        write_identities(&directory, &state)?;
        Ok(Self { directory, state: Mutex::new(state), reaper: None })
    }

    pub(super) async fn bring_up(&self) -> Result<()> {
        let control_plane = ControlPlane::new(&self.directory, &self.state());
        self.launch(control_plane.etcd()?).await?;
        self.launch(control_plane.api_server()?).await?;
        let gatekeepers = self.options().gatekeepers;
        tokio::try_join!(
            self.launch(control_plane.controller_manager()?),
            self.launch(control_plane.scheduler()?),
            self.launch(control_plane.kwok()?),
            self.create_nodes(),
            self.install_gatekeeper(&gatekeepers),
        )?;
        self.wait_for_pods_to_be_possible().await?;
        let mut state = self.state();
        state.complete = true;
        state.save(&self.directory)
    }

    /// Starts a process, remembers how, and waits until it is healthy.
    pub(super) async fn launch(&self, process: Process) -> Result<()> {
        process.spawn(&self.directory)?;
        {
            let mut state = self.state();
            state.processes.insert(process.name.clone(), process.clone());
            state.save(&self.directory)?;
        }
        health::healthy(&self.directory, &process).await
    }

    /// Without a kubelet nobody registers nodes; kwok fills in the rest.
    async fn create_nodes(&self) -> Result<()> {
        let nodes: Api<Node> = Api::all(self.client().await?);
        for index in 0..self.options().nodes {
            let name = format!("node-{index}");
            let labels = json!({"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"});
            let node = serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}}))?;
            nodes.create(&PostParams::default(), &node).await.context("cannot create a node")?;
        }
        Ok(())
    }

    /// Pods need the `default` account of their namespace, and nodes that take them.
    async fn wait_for_pods_to_be_possible(&self) -> Result<()> {
        let client = self.client().await?;
        let accounts: Api<ServiceAccount> = Api::default_namespaced(client.clone());
        health::until("there is a default ServiceAccount", SETTLE, async || {
            Ok(accounts.get_opt("default").await?.is_some())
        })
        .await?;
        health::until("all nodes are ready", SETTLE, async || all_nodes_ready(client.clone()).await).await
    }
}

async fn all_nodes_ready(client: Client) -> Result<bool> {
    let nodes = Api::<Node>::all(client).list(&kube::api::ListParams::default()).await?;
    if let Some(node) = nodes.iter().find(|node| !is_ready(node)) {
        bail!("{} is not ready, or has a taint", node.name_any());
    }
    Ok(true)
}

fn is_ready(node: &Node) -> bool {
    let tainted = node.spec.as_ref().is_some_and(|spec| spec.taints.iter().flatten().next().is_some());
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready =
        conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && !tainted
}

/// Held while a cluster starts, so that a second start of the same one does not interfere.
pub(super) fn lock(name: &str) -> Result<File> {
    paths::cluster(name)?;
    let lock = files::lock_file(&paths::clusters().join(".locks").join(name))?;
    lock.try_lock().with_context(|| format!("cluster {name} is being started by another process"))?;
    Ok(lock)
}

/// If the owner of an earlier cluster of this name has just ended, its reaper is still at work.
pub(super) async fn wait_for_previous(name: &str) -> Result<()> {
    health::gone(&paths::cluster(name)?, REAPER, PREVIOUS)
        .await
        .with_context(|| format!("cluster {name} belongs to another process"))
}

/// Writes certificates and the kubeconfigs of all users.
fn write_identities(cluster: &Path, state: &State) -> Result<()> {
    let authority = Authority::new()?;
    authority.write(&Files::new(cluster))?;
    let server = format!("https://127.0.0.1:{}", state.port(control_plane::API_SERVER)?);
    let write = |path: &Path, user: &str, group: Option<&str>| {
        let pair = authority.client(user, group)?;
        let name = &state.options.name;
        let yaml =
            kubeconfig::render(name, &server, &authority.certificate(), &Identity::Certificate(&pair))?;
        files::write(path, yaml)
    };
    let masters = Some("system:masters");
    write(&cluster.join("kubeconfig"), "admin", masters)?;
    write(&control_plane::kubeconfig(cluster, gatekeeper::KUBECONFIG), gatekeeper::USER, masters)?;
    for (name, user) in control_plane::USERS {
        write(&control_plane::kubeconfig(cluster, name), user, None)?;
    }
    Ok(())
}

/// A failed test is one that panicked; its logs are wanted then. This holds as well for a cluster
/// that several tests share in a static, which is never dropped.
pub(super) fn keep_data_on_panic(cluster: &Path) {
    let cluster = cluster.to_path_buf();
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        reaper::keep_data(&cluster);
        previous(info);
    }));
}
