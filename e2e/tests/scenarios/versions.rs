//! A Gatekeeper that is too old: the operator says so, writes nothing, and leaves what is there. `make test-versions` runs
//! this.

use anyhow::{Result, ensure};
use gatewright_api::names::{BUILTIN, OWNER_LABEL};
use gatewright_e2e::manifests::{namespace, no_privileged, security_policy};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Condition, Options, Scenario};
use gatewright_rules::Template;
use serde_json::{Value, json};

const SAYS: &str =
    "Gatekeeper is too old: the image of Pod gatekeeper-0 is v3.17.0. gatewright needs Gatekeeper 3.22";

/// A template of ours that an earlier operator has left behind, and that is not as it should be.
fn left_behind() -> Value {
    let mut template = json!(Template::OperationPolicy.definition().object());
    template["metadata"]["labels"] = json!({OWNER_LABEL: BUILTIN});
    // Its CRD does not have the field yet.
    if let Some(target) = template["spec"]["targets"][0].as_object_mut() {
        target.remove("operations");
    }
    template["metadata"]["annotations"] = json!({"description": "as an earlier operator left it"});
    template
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Gatekeeper 3.17, which only `make test-versions` builds"]
async fn gatekeeper_3_17_is_too_old() -> Result<()> {
    let options = Options { gatekeeper: Some("3.17".to_owned()), ..Options::new("test-gatekeeper-3-17") };
    let scenario = Scenario::on(options).objects([namespace("shop"), left_behind()]);
    Scenario::run(scenario, async |cluster| {
        let system = "gatewrightstatus/cluster";
        cluster.condition(system, Condition::no("GatekeeperFound", "TooOld", SAYS)).await?;
        cluster.put(&security_policy("strict", &no_privileged())).await?;
        cluster.condition("secpol/strict", Condition::no("Applied", "TooOld", SAYS)).await?;
        let (code, text) = cluster.ask_replica(OPERATOR, "/readyz").await?;
        ensure!(code == 503 && text.contains(SAYS), "{code} {text}");
        let templates = cluster.get(&["constrainttemplates"]).await?;
        let [template] = templates["items"].as_array().map_or(&[][..], Vec::as_slice) else {
            anyhow::bail!("not one template: {templates}")
        };
        let annotations = &template["metadata"]["annotations"];
        ensure!(annotations == &left_behind()["metadata"]["annotations"], "{template}");
        ensure!(template["metadata"]["generation"] == 1, "{template}");
        Ok(())
    })
    .await
}
