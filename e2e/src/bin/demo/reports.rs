//! What a team reads of its own namespace.

use anyhow::{Context, Result};

use super::stage::Stage;
use gatewright_e2e::{SOON, tools, until};

const RESULTS: [&str; 6] = [
    "get",
    "policyreport",
    "gatewright",
    "--namespace=trial-app",
    "-o",
    "jsonpath={range .results[*]}{.result} {.policy} {.rule} {.resources[0].name}{\"\\n\"}{end}",
];

/// What the Pod violates that was let in with a warning.
const FOUND: &str = "warn drop-all requiredDropCapabilities trial";

const REPORTS: [&str; 3] = ["get", "policyreports", "--all-namespaces"];

/// The CRDs come while the operator runs; then each namespace with something to tell has a report.
pub(super) async fn a_team_reads_its_report(stage: &mut Stage<'_>) -> Result<()> {
    stage.title("A team reads what audit found in its own namespace")?;
    stage.note("the CRDs of PolicyReport are installed");
    let folder = tools::policy_reports();
    let folder = folder.to_str().context("the path of the tools is not UTF-8")?;
    stage.quietly(&["apply", "--server-side", "-f", folder]).await?.success()?;
    let found = stage.settles(&RESULTS, FOUND).await;
    stage.kubectl(&REPORTS).await?;
    stage.kubectl(&RESULTS).await?;
    stage.check("the report says what the Pod violates", found);
    stage.kubectl(&["delete", "pod", "trial", "--namespace=trial-app"]).await?;
    let gone = until("there is nothing to report", SOON, async || {
        Ok(stage.quietly(&RESULTS).await?.stderr.contains("NotFound"))
    })
    .await;
    stage.kubectl(&REPORTS).await?;
    stage.check("with the last violation the report goes", gone.is_ok());
    Ok(())
}
