//! Installs Gatekeeper into a running cluster.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ListParams, PostParams};
use kube::runtime::conditions::is_crd_established;
use kube::runtime::wait::Condition;
use serde_json::{Value, json};

use super::gatekeeper::{self, Chart, NAMESPACE};
use super::{Cluster, health};
use crate::tools;

/// How long the API server may take to serve CRDs.
const CRDS: Duration = Duration::from_secs(30);
/// How long the API server may take to use a webhook that was just configured.
const WEBHOOK: Duration = Duration::from_secs(30);

impl Cluster {
    /// Installs the CRDs of Gatekeeper and waits until they are served.
    ///
    /// # Errors
    ///
    /// The API server refuses one, or does not serve it in time.
    pub async fn install_gatekeeper_crds(&self) -> Result<()> {
        let crds = tools::gatekeeper_chart(self.options().gatekeeper.as_deref()).join("crds");
        let crds = crds.to_str().context("the path of the tools is not UTF-8")?;
        self.kubectl(&["apply", "--server-side", "-f", crds], None).await?.success()?;
        // `kubectl wait` looks at one CRD after the other, ten in a second.
        let crds: Api<CustomResourceDefinition> = Api::all(self.client().await?);
        health::until("all CRDs are established", CRDS, async || {
            let all = crds.list(&ListParams::default()).await?;
            Ok(all.iter().all(|crd| is_crd_established().matches_object(Some(crd))))
        })
        .await
    }

    /// Installs all of Gatekeeper with one process for each of `names`, and waits until it answers
    /// the API server's requests. With no names, does nothing.
    ///
    /// Each process runs all operations under its own name. Requests go to the first.
    ///
    /// # Errors
    ///
    /// Something of the chart is refused, or a process does not become healthy.
    pub async fn install_gatekeeper(&self, names: &[String]) -> Result<()> {
        let Some(first) = names.first() else { return Ok(()) };
        let (directory, version) = (self.directory.clone(), self.options().gatekeeper);
        let chart = tokio::task::spawn_blocking(move || Chart::render(&directory, version.as_deref()));
        self.install_gatekeeper_crds().await?;
        let chart = chart.await??;
        self.apply(&gatekeeper_objects(&chart, names, &self.options().gatekeeper_arguments)).await?;
        futures::future::try_join_all(names.iter().map(|name| self.start_gatekeeper(name))).await?;
        self.direct_requests_to(first, &chart).await
    }

    async fn start_gatekeeper(&self, name: &str) -> Result<()> {
        let process = {
            let mut state = self.state();
            state.reserve_ports(&self.directory, &gatekeeper::ports(name).each_ref().map(String::as_str))?;
            gatekeeper::process(&self.directory, &state, name)?
        };
        self.launch(process).await
    }

    /// Comes last, so that with failure policy Fail nothing is refused for want of an answer.
    async fn direct_requests_to(&self, name: &str, chart: &Chart) -> Result<()> {
        let port = self.port(&gatekeeper::webhook_port(name))?;
        let authority = tokio::fs::read_to_string(self.certificate_authority()).await?;
        self.apply(&chart.local_webhooks(port, &authority, self.options().failure_policy)).await?;
        self.wait_for_webhooks().await
    }

    /// Gatekeeper refuses its label on a namespace that is not exempt. Once it does, the API server
    /// has taken up the configuration, and with it all other webhooks in it.
    async fn wait_for_webhooks(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client().await?);
        let probe: Namespace = serde_json::from_value(json!({
            "metadata": {"name": "gatewright-probe", "labels": {"admission.gatekeeper.sh/ignore": "true"}},
        }))?;
        let dry_run = PostParams { dry_run: true, ..PostParams::default() };
        health::until("Gatekeeper is asked by the API server", WEBHOOK, async || {
            match namespaces.create(&dry_run, &probe).await {
                Err(kube::Error::Api(status)) if status.message.contains("denied the request") => Ok(true),
                Err(error) => Err(error.into()),
                Ok(_) => Ok(false),
            }
        })
        .await
    }

    async fn apply(&self, objects: &[Value]) -> Result<()> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.kubectl(&apply, Some(&list)).await?.success().context("cannot install Gatekeeper")?;
        Ok(())
    }
}

fn gatekeeper_objects(chart: &Chart, names: &[String], arguments: &[String]) -> Vec<Value> {
    // Helm makes the namespace by itself; the label is what upstream's manifest has.
    let labels = json!({"admission.gatekeeper.sh/ignore": "no-self-managing"});
    let metadata = json!({"name": NAMESPACE, "labels": labels});
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
    let pods = names.iter().map(|name| chart.pod(name, arguments));
    std::iter::once(namespace).chain(chart.objects.iter().cloned()).chain(pods).collect()
}
