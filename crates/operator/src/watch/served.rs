//! Which kinds the API server serves. It is asked only where somebody names a kind that it was not known to serve.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use gatewright_gatekeeper::Resource;
use kube::Client;
use kube::core::ApiResource;
use kube::discovery::{ApiCapabilities, ApiGroup, Discovery, Scope};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::Error;
use crate::error::request;

/// An answer is as good as a new one for so long: many may ask at once for what is not served.
const FRESH: Duration = Duration::from_secs(1);

/// What the API server said last, and when.
#[derive(Debug, Default)]
pub(crate) struct ServedKinds(Mutex<Option<(Instant, Arc<[Resource]>)>>);

impl ServedKinds {
    /// The resources that the API server serves. It is asked again where what it said last does not suffice.
    ///
    /// # Errors
    /// It does not answer.
    pub(crate) async fn look(
        &self,
        client: &Client,
        suffices: impl Fn(&[Resource]) -> bool,
    ) -> Result<Arc<[Resource]>, Error> {
        let mut answer = self.0.lock().await;
        if let Some((at, known)) = &*answer
            && (suffices(known) || at.elapsed() < FRESH)
        {
            return Ok(Arc::clone(known));
        }
        let found: Arc<[Resource]> = discover(client).await?.into();
        *answer = Some((Instant::now(), Arc::clone(&found)));
        Ok(found)
    }
}

async fn discover(client: &Client) -> Result<Vec<Resource>, Error> {
    let discovery = Discovery::new(client.clone()).run_aggregated();
    let discovery = request("looking for the kinds that are served".to_owned(), discovery).await?;
    let served = discovery.groups().flat_map(ApiGroup::resources_by_stability);
    let resource = |(resource, capabilities): (ApiResource, ApiCapabilities)| Resource {
        group: resource.group,
        kind: resource.kind,
        resource: resource.plural,
        namespaced: capabilities.scope == Scope::Namespaced,
    };
    Ok(served.map(resource).collect::<BTreeSet<_>>().into_iter().collect())
}

#[cfg(test)]
mod tests;
