//! What the API server alone says, on a cluster without Gatekeeper and without nodes.

use anyhow::Result;
use gatewright_e2e::{Options, Scenario};

use crate::{cel, defaults, manifests};

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_alone() -> Result<()> {
    let options = Options { gatekeepers: vec![], nodes: 0, ..Options::new("test-api-server") };
    // Defaults and the functions of CEL are those of one version.
    let pinned = options.kubernetes.is_none();
    Scenario::run(Scenario::on(options).without_operator(), async |cluster| {
        manifests::are_taken_or_refused(cluster).await?;
        if pinned {
            defaults::are_the_servers(cluster).await?;
            cel::means_the_same(cluster).await?;
        }
        Ok(())
    })
    .await
}
