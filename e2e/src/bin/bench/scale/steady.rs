//! Memory, requests and processor time while nothing happens but audit.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::stage::{LONG, Stage, name};
use crate::statistics::Digits;
use crate::table::Table;
use crate::{progress, say};
use gatewright_e2e::answers::{Answer, writes};
use gatewright_e2e::audit::{LISTED, audit};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::until;

/// How many audits are measured. An hour has sixty.
const AUDITS: u32 = 10;

/// How often somebody asks for the metrics in the quiet minute.
const SCRAPE: Duration = Duration::from_secs(15);
const SCRAPES: u32 = 4;

const IN_AN_HOUR: u32 = 60;

/// How long after the last change the operator is done with it.
const END: Duration = Duration::from_secs(3);

/// Measures and prints.
pub async fn run(stage: &Stage<'_>) -> Result<()> {
    let many = stage.many;
    stage.policies(many).await?;
    let mut memory = Table::new(["", "resident, MiB", "peak, MiB"]);
    let mut remember = |when: &str| -> Result<()> {
        let now = stage.uses(OPERATOR)?;
        memory.row([when.to_owned(), Digits(now.resident).to_string(), Digits(now.peak).to_string()]);
        Ok(())
    };
    remember("when all policies were made while it ran")?;
    let said = first_audit(stage).await?;
    remember("after the first audit")?;
    stage.cluster.stop(OPERATOR).await?;
    stage.start_operator().await?;
    stage.ready(many).await?;
    tokio::time::sleep(END).await;
    remember("after a restart")?;
    progress("a quiet minute");
    let quiet = Used::by(stage, async || quiet_minute(stage).await).await?;
    progress("audits");
    let audits = Used::by(stage, async || audits(stage).await).await?;
    remember(&format!("after {AUDITS} more audits"))?;
    memory.print("Memory of the operator");
    say(&format!(
        "The first audit found {LISTED} violations of each policy; what the operator wrote then: {said:?}."
    ));
    print(&quiet, &audits)
}

/// What it found is news for every policy. Returns what the operator wrote.
async fn first_audit(stage: &Stage<'_>) -> Result<BTreeMap<String, usize>> {
    let mark = stage.answers.mark()?;
    audit_all(stage).await?;
    until("every policy says what audit found", LONG, async || {
        let said = writes(&stage.answers.since(mark)?);
        Ok(said.get("securitypolicies/status").is_some_and(|count| *count >= stage.many))
    })
    .await?;
    stage.ready(stage.many).await?;
    tokio::time::sleep(END).await;
    Ok(writes(&stage.answers.since(mark)?))
}

/// What the operator used.
struct Used {
    cpu: f64,
    answers: Vec<Answer>,
}

impl Used {
    async fn by(stage: &Stage<'_>, what: impl AsyncFnOnce() -> Result<()>) -> Result<Self> {
        let (mark, before) = (stage.answers.mark()?, stage.uses(OPERATOR)?);
        what().await?;
        let cpu = stage.uses(OPERATOR)?.cpu - before.cpu;
        let answers = stage.answers.since(mark)?;
        Ok(Self { cpu, answers: answers.into_iter().filter(Answer::is_operators).collect() })
    }

    fn reads(&self) -> usize {
        self.answers.iter().filter(|answer| !answer.is_write()).count()
    }
}

async fn quiet_minute(stage: &Stage<'_>) -> Result<()> {
    for _ in 0..SCRAPES {
        tokio::time::sleep(SCRAPE).await;
        let (code, _) = stage.cluster.ask_replica(OPERATOR, "/metrics").await?;
        ensure!(code == 200, "{code}");
    }
    Ok(())
}

async fn audits(stage: &Stage<'_>) -> Result<()> {
    for _ in 0..AUDITS {
        audit_all(stage).await?;
    }
    tokio::time::sleep(END).await;
    Ok(())
}

/// The same violations, found again.
async fn audit_all(stage: &Stage<'_>) -> Result<()> {
    audit(&stage.client, (0..stage.many).map(name), 5).await
}

fn print(quiet: &Used, audits: &Used) -> Result<()> {
    let written: usize =
        [quiet, audits].iter().map(|used| writes(&used.answers).values().sum::<usize>()).sum();
    let (hour, each) = (f64::from(IN_AN_HOUR), f64::from(AUDITS));
    let cpu = quiet.cpu * hour + audits.cpu * hour / each;
    let mut table = Table::new(["in an hour of sixty audits", "measured"]);
    table.row(["processor time, % of a core", &Digits(cpu / 36.0).to_string()]);
    table.row(["of that, for audits", &Digits(audits.cpu * hour / each / 36.0).to_string()]);
    table.row(["requests that write", &(written * usize::try_from(IN_AN_HOUR)?).to_string()]);
    table.row(["requests that read", &(quiet.reads() * usize::try_from(IN_AN_HOUR)?).to_string()]);
    table.print("A steady hour");
    say(&format!(
        "From a quiet minute ({:.2} s of processor time, with {SCRAPES} scrapes of the metrics) and {AUDITS} audits ({:.2} s).",
        quiet.cpu, audits.cpu
    ));
    Ok(())
}
