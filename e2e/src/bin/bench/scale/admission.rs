//! What the admission of one Pod costs with more and more policies, through the API server.

use std::time::Instant;

use anyhow::{Result, ensure};
use serde_json::Value;

use super::stage::{GATEKEEPER, Stage, UNASKED};
use crate::policies::NAMESPACE;
use crate::statistics::{Digits, Percentiles};
use crate::table::Table;
use crate::{objects, progress};
use gatewright_e2e::requests::{Form, POLICIES, count, send};

/// How many Pods are sent with each number of policies.
const PODS: usize = 100;

/// Measures and prints.
pub async fn run(stage: &Stage<'_>) -> Result<()> {
    let there = count(&stage.client, POLICIES).await?;
    let mut table = Table::new([
        "policies of other namespaces",
        "nobody asked, p50 ms",
        "Gatekeeper asked, p50 ms",
        "p99 ms",
        "processor time of Gatekeeper, ms",
    ]);
    let numbers = [0, 10, 100, stage.many];
    for policies in numbers.into_iter().filter(|number| (there..=stage.many).contains(number)) {
        stage.policies(policies).await?;
        let row = with(stage, policies).await?;
        progress(&row.join("  "));
        table.row(row);
    }
    table.print("Admission of a Pod of 3 containers, as the API server's client sees it");
    Ok(())
}

async fn with(stage: &Stage<'_>, policies: usize) -> Result<[String; 5]> {
    for _ in 0..5 {
        admit(stage, NAMESPACE).await?;
    }
    let (mut unasked, mut asked) = (vec![], vec![]);
    let before = stage.uses(GATEKEEPER)?;
    for _ in 0..PODS {
        unasked.push(admit(stage, UNASKED).await?);
        asked.push(admit(stage, NAMESPACE).await?);
    }
    let cpu = stage.uses(GATEKEEPER)?.cpu - before.cpu;
    let (unasked, asked) = (Percentiles::of(unasked), Percentiles::of(asked));
    let each = cpu * 1e3 / f64::from(u32::try_from(PODS)?);
    Ok([
        policies.to_string(),
        Digits(unasked.at(50) * 1e3).to_string(),
        Digits(asked.at(50) * 1e3).to_string(),
        Digits(asked.at(99) * 1e3).to_string(),
        Digits(each).to_string(),
    ])
}

/// Sends a Pod that violates nothing, and is not stored. Returns how long it took, in seconds.
async fn admit(stage: &Stage<'_>, namespace: &str) -> Result<f64> {
    let pod = pod(namespace);
    let begun = Instant::now();
    let answer = send(&stage.client, Form::Create, &dry_run(namespace), &pod).await;
    let took = begun.elapsed().as_secs_f64();
    ensure!(answer.is_ok(), "{answer:?}");
    Ok(took)
}

/// Where Pods are created that are not stored.
pub fn dry_run(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods?dryRun=All")
}

/// A Pod that violates nothing.
pub fn pod(namespace: &str) -> Value {
    let mut pod = objects::pod("checkout", 3);
    pod["metadata"]["namespace"] = namespace.into();
    pod
}
