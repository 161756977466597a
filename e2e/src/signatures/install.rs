//! What the operator makes for signatures of images, made by the scenario.

use anyhow::{Context as _, Result, ensure};
use gatewright_api::SecurityPolicy;
use gatewright_compiler::{Settings, compile};
use gatewright_rules::Template;
use serde_json::{Value, json};

use crate::{Cluster, SOON, until};

const PLURAL: &str = "d8verifyimagesignatures";

/// The constraint that a policy demands of signatures.
///
/// # Errors
/// The policy is invalid, or demands nothing.
pub fn constraint(policy: &Value, settings: &Settings) -> Result<Value> {
    let policy: SecurityPolicy = serde_json::from_value(policy.clone())?;
    let compiled = compile(&policy, settings).map_err(|invalid| anyhow::anyhow!("{invalid}"))?;
    Ok(json!(compiled.signatures.context("no entry")?.constraint))
}

impl Cluster {
    /// Tells Gatekeeper where the verifier is, whose certificate this is, and puts the template that asks it.
    ///
    /// # Errors
    /// The API server or Gatekeeper does not take one of them in time.
    pub async fn install_signatures(&self, settings: &Settings, certificate: &str) -> Result<()> {
        let provider = json!(gatewright_compiler::provider(settings, certificate));
        let template = json!(gatewright_compiler::template(Template::VerifyImageSignatures));
        self.put_all(&[provider, template]).await?;
        self.is_in_force("constrainttemplate/d8verifyimagesignatures", "created").await?;
        until("Gatekeeper takes the Provider", SOON, async || {
            let provider = self.get(&["provider.externaldata.gatekeeper.sh/gatewright-verifier"]).await?;
            let by_pod = &provider["status"]["byPod"][0];
            let generation = &provider["metadata"]["generation"];
            ensure!(by_pod["active"] == true && by_pod["observedGeneration"] == *generation, "{by_pod}");
            Ok(true)
        })
        .await
    }

    /// Puts the constraint of a policy, and waits until Gatekeeper enforces it. Returns its revision.
    ///
    /// # Errors
    /// The policy is invalid, or Gatekeeper does not enforce it in time.
    pub async fn enforces_signatures(&self, policy: &Value, settings: &Settings) -> Result<String> {
        let constraint = constraint(policy, settings)?;
        let name = constraint["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        // Its kind is served once Gatekeeper has made the CRD.
        until(&format!("the constraint {name} is taken"), SOON, async || {
            self.put(&constraint).await.map(|()| true)
        })
        .await?;
        self.is_in_force(&format!("{PLURAL}/{name}"), "enforced").await?;
        Ok(constraint["spec"]["parameters"]["revision"].as_str().unwrap_or_default().to_owned())
    }

    /// Waits until a template or constraint is what Gatekeeper works with, as it is now.
    async fn is_in_force(&self, object: &str, flag: &str) -> Result<()> {
        until(&format!("Gatekeeper works with {object}"), SOON, async || {
            let found = self.get(&[object]).await?;
            let by_pod = found["status"]["byPod"][0].clone();
            let current = by_pod["observedGeneration"] == found["metadata"]["generation"];
            let flagged = flag == "created" && found["status"]["created"] == true || by_pod[flag] == true;
            ensure!(current && flagged && by_pod["errors"].is_null(), "{}", found["status"]);
            Ok(true)
        })
        .await
    }
}
