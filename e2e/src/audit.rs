//! What Gatekeeper's audit writes, where its own would take too long: it judges every object by every constraint.

use anyhow::{Context as _, Result};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};

use crate::requests::{CONSTRAINTS, Form, all, send};

/// How many violations Gatekeeper lists of a constraint.
pub const LISTED: usize = 20;

/// Writes a run of audit into the status of these constraints: as many violations as it lists, and `unlisted` ones.
///
/// # Errors
/// There is no such constraint.
pub async fn audit(
    client: &Client,
    constraints: impl Iterator<Item = String>,
    unlisted: usize,
) -> Result<()> {
    let time = Timestamp::now().to_string();
    let write = |name: String| {
        let (client, status) = (client.clone(), status(&name, unlisted, &time));
        let path = format!("{CONSTRAINTS}/{name}/status");
        async move { send(&client, Form::Merge, &path, &status).await.context(path) }
    };
    all(constraints.map(write)).await.map(drop)
}

fn status(constraint: &str, unlisted: usize, time: &str) -> Value {
    let violation = |i: usize| {
        let message = format!(
            "[{constraint}] allowPrivileged: container \"service-{i}\" sets securityContext.privileged to true; it must \
             be false or unset"
        );
        json!({
            "enforcementAction": "deny", "group": "", "version": "v1", "kind": "Pod",
            "namespace": format!("{constraint}-{}", i % 10), "name": format!("checkout-7d9c5b6f4d-{i:05}"),
            "message": message,
        })
    };
    let violations: Vec<_> = (0..LISTED).map(violation).collect();
    json!({"status": {
        "auditTimestamp": time, "totalViolations": LISTED + unlisted, "violations": violations,
    }})
}
