//! The label of one namespace among many: the next request obeys it, and no constraint is written.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use gatewright_compiler::POLICY_LABEL;
use serde_json::{Value, json};

use super::admission::{dry_run, pod};
use super::stage::{Stage, name};
use crate::policies::NAMESPACE;
use crate::say;
use crate::statistics::{Digits, Percentiles};
use crate::table::Table;
use gatewright_e2e::answers::{Mark, writes};
use gatewright_e2e::requests::{Form, send};

const ROUNDS: usize = 25;

/// How long after the last change the operator is done with it.
const END: Duration = Duration::from_secs(3);

/// What the labels are changed to in each round, and what is said of a privileged Pod then; nothing if it is let in.
fn changes() -> [(Value, Option<String>); 4] {
    [
        (json!({POLICY_LABEL: "privileged", "team": "shop"}), None),
        (
            json!({POLICY_LABEL: "restricted", "team": "shop"}),
            Some("[d8-pod-security-restricted-deny]".to_owned()),
        ),
        (json!({POLICY_LABEL: "privileged", "team": "team-7"}), Some(format!("[{}]", name(7)))),
        (
            json!({POLICY_LABEL: "baseline", "team": "shop"}),
            Some("[d8-pod-security-baseline-deny]".to_owned()),
        ),
    ]
}

/// Measures and prints.
pub async fn run(stage: &Stage<'_>) -> Result<()> {
    stage.policies(stage.many).await?;
    let mark = stage.answers.mark()?;
    let mut privileged = pod(NAMESPACE);
    privileged["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    let (mut obeyed, mut times) = (0, vec![]);
    for _ in 0..ROUNDS {
        for (labels, refused_by) in changes() {
            let patch = json!({"metadata": {"labels": labels}});
            send(&stage.client, Form::Merge, &format!("/api/v1/namespaces/{NAMESPACE}"), &patch).await?;
            let begun = Instant::now();
            let answer = send(&stage.client, Form::Create, &dry_run(NAMESPACE), &privileged).await;
            times.push(begun.elapsed().as_secs_f64());
            obeyed += usize::from(is_as_expected(&answer, refused_by.as_deref())?);
        }
    }
    let patch = json!({"metadata": {"labels": {POLICY_LABEL: "restricted", "team": "shop"}}});
    send(&stage.client, Form::Merge, &format!("/api/v1/namespaces/{NAMESPACE}"), &patch).await?;
    tokio::time::sleep(END).await;
    print(stage, mark, obeyed, times)
}

fn is_as_expected(answer: &kube::Result<()>, refused_by: Option<&str>) -> Result<bool> {
    match (answer, refused_by) {
        (Ok(()), _) => Ok(refused_by.is_none()),
        (Err(kube::Error::Api(status)), _) if status.message.contains("denied the request") => {
            Ok(refused_by.is_some_and(|by| status.message.contains(by)))
        }
        (Err(error), _) => anyhow::bail!("{error}"),
    }
}

fn print(stage: &Stage<'_>, mark: Mark, obeyed: usize, times: Vec<f64>) -> Result<()> {
    let writes = writes(&stage.answers.since(mark)?);
    let constraints: usize =
        writes.iter().filter(|(resource, _)| resource.starts_with("d8")).map(|(_, count)| count).sum();
    ensure!(constraints == 0, "a label of a namespace made the operator write constraints: {writes:?}");
    let changes = times.len();
    let times = Percentiles::of(times);
    let mut table = Table::new(["", "measured"]);
    table.row(["changes of a label", &changes.to_string()]);
    table.row(["the very next request obeyed", &obeyed.to_string()]);
    table.row(["that request, p50 ms", &Digits(times.at(50) * 1e3).to_string()]);
    table.row(["that request, p99 ms", &Digits(times.at(99) * 1e3).to_string()]);
    table.row(["constraints written", &constraints.to_string()]);
    table.print("A changed label of a namespace");
    say(&format!("All that the operator wrote: {writes:?}."));
    Ok(())
}
