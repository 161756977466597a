//! What is known of the operator's replicas from outside: who leads, what each says of itself, what each has written.

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::Api;
use serde_json::Value;

use crate::{Cluster, SOON, until};

/// A write that the API server has answered.
#[derive(Clone, Debug)]
pub struct Write {
    /// What was written, with its subresource and name.
    pub what: String,
    /// The API server's verb.
    pub verb: String,
    /// The status code of the answer.
    pub code: u64,
    /// When it was answered, in a form that sorts by time.
    pub at: String,
}

impl Write {
    /// Whether it changed something.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.code < 300
    }

    /// Whether it is about the Lease. At the start all replicas may try to create it.
    #[must_use]
    pub fn is_lease(&self) -> bool {
        self.what.starts_with("leases/")
    }
}

impl Cluster {
    /// Waits until one of these replicas holds the Lease.
    ///
    /// # Errors
    ///
    /// None does in time.
    pub async fn leader<'a>(&self, candidates: &[&'a str]) -> Result<&'a str> {
        let holds = |holder: &str, replica: &str| holder.starts_with(&format!("{replica}_"));
        let mut leader = None;
        until(&format!("one of {candidates:?} leads"), SOON, || async {
            let holder = self.lease().await?.holder_identity.context("nobody holds the Lease")?;
            ensure!(candidates.iter().any(|replica| holds(&holder, replica)), "{holder} leads");
            Ok(true)
        })
        .await?;
        let holder = self.lease().await?.holder_identity.unwrap_or_default();
        for replica in candidates {
            if holds(&holder, replica) {
                leader = Some(*replica);
            }
        }
        leader.with_context(|| format!("{holder} has taken over"))
    }

    /// The record of the replicas' Lease.
    ///
    /// # Errors
    ///
    /// There is none.
    pub async fn lease(&self) -> Result<LeaseSpec> {
        let leases: Api<Lease> = Api::namespaced(self.client().await?, "gatewright-system");
        leases.get("gatewright").await?.spec.context("the Lease is empty")
    }

    /// Waits until a replica's readiness has this status code and says this.
    ///
    /// # Errors
    ///
    /// It does not in time.
    pub async fn readiness(&self, replica: &str, code: u16, says: &str) -> Result<()> {
        until(&format!("{replica} answers {code}, {says:?}"), SOON, async || {
            let (found, text) = self.ask_replica(replica, "/readyz").await?;
            ensure!(found == code && text.contains(says), "{found} {text}");
            Ok(true)
        })
        .await
    }

    /// A replica runs, says so, and has not panicked.
    ///
    /// # Errors
    ///
    /// It is not so.
    pub async fn is_alive(&self, replica: &str) -> Result<()> {
        let (code, text) = self.ask_replica(replica, "/livez").await?;
        ensure!(code == 200 && text == "ok\n", "{code} {text}");
        let log = std::fs::read_to_string(self.log(replica))?;
        ensure!(!log.contains("panicked"), "{replica} panicked: {log}");
        Ok(())
    }

    /// All writes of a replica, as the API server's audit log says them: those with its user agent.
    ///
    /// # Errors
    ///
    /// There is no audit log.
    pub fn writes(&self, replica: &str) -> Result<Vec<Write>> {
        let (agent, reads) = (format!("({replica})"), ["get", "list", "watch"]);
        let events = self.audited(|event| {
            let is_of = event["userAgent"].as_str().is_some_and(|found| found.ends_with(&agent));
            is_of && !reads.iter().any(|verb| event["verb"] == *verb)
        })?;
        Ok(events.iter().filter_map(write).collect())
    }
}

fn write(event: &Value) -> Option<Write> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &event["objectRef"];
    let what = ["resource", "name", "subresource"].map(|field| text(&object[field])).join("/");
    let code = event["responseStatus"]["code"].as_u64()?;
    Some(Write { what, verb: text(&event["verb"]), code, at: text(&event["stageTimestamp"]) })
}
