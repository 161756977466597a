//! Versions that are too old: the operator says so and writes nothing. `make test-versions` runs this.

use anyhow::{Result, ensure};
use gatewright_e2e::manifests::{namespace, no_privileged, security_policy};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Condition, Options, Scenario};

/// Gatekeeper 3.17 has no `namespaceObject`, and reads Rego v1 as v0.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Gatekeeper 3.17, which only `make test-versions` builds"]
async fn gatekeeper_3_17_is_too_old() -> Result<()> {
    let options = Options { gatekeeper: Some("3.17".to_owned()), ..Options::new("test-gatekeeper-3-17") };
    Scenario::run(Scenario::on(options).objects([namespace("shop")]), async |cluster| {
        let says = "3.17.0 is too old";
        cluster
            .condition("gatewrightstatus/cluster", Condition::no("GatekeeperFound", "TooOld", says))
            .await?;
        cluster.put(&security_policy("strict", &no_privileged())).await?;
        cluster.condition("secpol/strict", Condition::no("Applied", "GatekeeperNotFound", "")).await?;
        let (code, text) = cluster.ask_replica(OPERATOR, "/readyz").await?;
        ensure!(code == 503 && text.contains("3.22"), "{code} {text}");
        let templates = cluster.get(&["constrainttemplates"]).await?;
        ensure!(templates["items"].as_array().is_some_and(Vec::is_empty), "{templates}");
        Ok(())
    })
    .await
}
