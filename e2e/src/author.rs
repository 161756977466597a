//! Somebody who goes on writing policies while things go wrong around the operator.

use anyhow::{Result, ensure};
use gatewright_api::SecurityPolicy;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use serde_json::{Value, json};

use crate::desired::Before;
use crate::{Cluster, SOON, until};

/// The policies that are there from the beginning.
const FIRST: usize = 4;

/// Writes policies, straight to the API server.
#[derive(Clone, Debug)]
pub struct Author(Api<DynamicObject>);

impl Author {
    /// An author of policies in this cluster.
    ///
    /// # Errors
    ///
    /// The cluster's kubeconfig cannot be read.
    pub async fn new(cluster: &Cluster) -> Result<Self> {
        let resource = ApiResource::erase::<SecurityPolicy>(&());
        Ok(Self(Api::all_with(cluster.client().await?, &resource)))
    }

    /// Writes a policy in one of several versions.
    ///
    /// # Errors
    ///
    /// The API server does not take it.
    pub async fn put(&self, name: &str, version: usize) -> Result<()> {
        let policy = policy(name, version);
        let parameters = PatchParams::apply("author").force();
        self.0.patch(name, &parameters, &Patch::Apply(&policy)).await?;
        Ok(())
    }

    /// Deletes a policy, if there is one.
    ///
    /// # Errors
    ///
    /// The API server does not delete it.
    pub async fn delete(&self, name: &str) -> Result<()> {
        match self.0.delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            deleted => Ok(deleted.map(drop)?),
        }
    }

    /// What happens on a busy day: a policy is new, one changes, one goes, and one is made again under its name.
    ///
    /// # Errors
    ///
    /// The API server does not take part.
    pub async fn work(&self, day: usize) -> Result<()> {
        self.put(&format!("new-{day}"), day).await?;
        self.put(&format!("first-{}", day % FIRST), day).await?;
        if let Some(yesterday) = day.checked_sub(1) {
            self.delete(&format!("new-{yesterday}")).await?;
        }
        self.delete("again").await?;
        self.put("again", day).await
    }
}

fn policy(name: &str, version: usize) -> Value {
    let policies = [
        json!({"allowPrivileged": false}),
        json!({"allowHostNetwork": false, "allowHostIPC": false}),
        json!({"allowedCapabilities": ["NET_BIND_SERVICE"], "allowPrivileged": false}),
    ];
    json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": name},
        "spec": {
            "match": {"namespaceSelector": {"matchNames": ["shop"]}},
            "policies": policies[version % policies.len()],
        },
    })
}

impl Cluster {
    /// Fills a cluster in which the operator runs: policies, other people's objects, a Pod of the platform, so that the
    /// exec guard stands. Returns how everything is when all that is done.
    ///
    /// # Errors
    ///
    /// It does not come to rest.
    pub async fn populate(&self) -> Result<Before> {
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}},
            {
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "platform", "namespace": "shop", "labels": {"heritage": "deckhouse"}},
                "spec": {"containers": [{"name": "app", "image": "registry.example.com/app:1"}]},
            },
        ]});
        // Until its ServiceAccount is there, the Pod is refused.
        until("the namespace takes a Pod", SOON, async || {
            self.kubectl(&["apply", "-f", "-"], Some(&objects.to_string())).await?.success()?;
            Ok(true)
        })
        .await?;
        let author = Author::new(self).await?;
        for i in 0..FIRST {
            author.put(&format!("first-{i}"), i).await?;
        }
        self.install_foreign_objects().await?;
        until("the exec guard is routed", SOON, async || {
            let before = self.before_the_fault().await?;
            ensure!(before.routes_requests(), "{before:?}");
            Ok(true)
        })
        .await?;
        let before = self.before_the_fault().await?;
        self.becomes_as_desired(&before, &[]).await?;
        Ok(before)
    }
}
