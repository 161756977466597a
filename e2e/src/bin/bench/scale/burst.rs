//! From many policies at once to their constraints, against a bare loop of server-side applies of the same objects.

use anyhow::{Context as _, Result};
use gatewright_api::SecurityPolicy;
use serde_json::Value;

use super::stage::{API_SERVER, ETCD, GATEKEEPER, Stage};
use crate::statistics::Rounds;
use crate::table::Table;
use crate::{policies, process, progress, say};
use gatewright_e2e::answers::{Answer, now};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::requests::{CONSTRAINTS, Form, POLICIES, all, delete_all, get, send};

const ROUNDS: usize = 2;

/// Whose processor time is shown.
const PROCESSES: [&str; 3] = [API_SERVER, ETCD, GATEKEEPER];

/// What was measured, in seconds; each has one value a round.
#[derive(Default)]
struct Measured {
    /// The processor time of the client and of [`PROCESSES`], of the operator and of the bare loop, until all are applied.
    cpu: [Vec<[f64; 4]>; 2],
    come: Vec<f64>,
    once: Vec<f64>,
    once_ready: Vec<f64>,
    swept: Vec<f64>,
    bare: Vec<f64>,
    writes: Vec<f64>,
}

/// Measures and prints.
pub async fn run(stage: &Stage<'_>) -> Result<()> {
    delete_all(&stage.client, POLICIES).await?;
    let mut measured = Measured::default();
    for round in 1..=ROUNDS {
        gone(stage).await?;
        as_they_come(stage, &mut measured).await?;
        delete(stage, &mut measured).await?;
        at_once(stage, &mut measured).await?;
        bare(stage, &mut measured).await?;
        let last = |values: &[f64]| values.last().copied().unwrap_or_default();
        progress(&format!(
            "round {round}: as they come {:.2}, at once {:.2} (ready {:.2}), bare {:.2}, swept {:.2} s",
            last(&measured.come),
            last(&measured.once),
            last(&measured.once_ready),
            last(&measured.bare),
            last(&measured.swept)
        ));
    }
    print(stage.many, &measured);
    Ok(())
}

async fn gone(stage: &Stage<'_>) -> Result<()> {
    stage.constraints(0).await?;
    stage.forgotten().await?;
    stage.ready(0).await
}

/// The operator works while policies are still being made. Counted is from the last one on.
async fn as_they_come(stage: &Stage<'_>, measured: &mut Measured) -> Result<()> {
    let mark = stage.answers.mark()?;
    stage.create_policies(0..stage.many).await?;
    let made = now();
    stage.constraints(stage.many).await?;
    stage.ready(stage.many).await?;
    measured.come.push((applied(&stage.answers.since(mark)?)? - made).max(0.0));
    Ok(())
}

async fn delete(stage: &Stage<'_>, measured: &mut Measured) -> Result<()> {
    delete_all(&stage.client, POLICIES).await?;
    let deleted = now();
    stage.constraints(0).await?;
    measured.swept.push(now() - deleted);
    gone(stage).await
}

/// The operator sees all policies only when the last one is made.
async fn at_once(stage: &Stage<'_>, measured: &mut Measured) -> Result<()> {
    stage.cluster.freeze(OPERATOR)?;
    stage.create_policies(0..stage.many).await?;
    let mark = stage.answers.mark()?;
    let (made, before) = (now(), cpu(stage, Client::Operator)?);
    stage.cluster.thaw(OPERATOR)?;
    stage.constraints(stage.many).await?;
    measured.cpu[0].push(difference(cpu(stage, Client::Operator)?, before));
    stage.ready(stage.many).await?;
    measured.once_ready.push(now() - made);
    let answers = stage.answers.since(mark)?;
    measured.once.push(applied(&answers)? - made);
    let writes = answers.iter().filter(|answer| answer.is_operators() && answer.is_write()).count();
    measured.writes.push(f64::from(u32::try_from(writes)?));
    Ok(())
}

/// The same constraints, as many at once, without the operator. Leaves it running, with nothing to do.
async fn bare(stage: &Stage<'_>, measured: &mut Measured) -> Result<()> {
    stage.cluster.stop(OPERATOR).await?;
    let constraints = constraints(stage).await?;
    delete_all(&stage.client, CONSTRAINTS).await?;
    stage.constraints(0).await?;
    stage.forgotten().await?;
    let (begun, before) = (now(), cpu(stage, Client::Loop)?);
    let apply = constraints.into_iter().map(|constraint| {
        let client = stage.client.clone();
        let name = constraint["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let path = format!("{CONSTRAINTS}/{name}?fieldManager=gatewright&force=true");
        async move { send(&client, Form::Apply, &path, &constraint).await.context(name) }
    });
    all(apply).await?;
    measured.bare.push(now() - begun);
    measured.cpu[1].push(difference(cpu(stage, Client::Loop)?, before));
    delete_all(&stage.client, POLICIES).await?;
    stage.start_operator().await
}

/// Who writes the constraints.
#[derive(Clone, Copy)]
enum Client {
    Operator,
    /// This process.
    Loop,
}

/// The processor time of the client and of the others, so far.
fn cpu(stage: &Stage<'_>, client: Client) -> Result<[f64; 4]> {
    let client = match client {
        Client::Operator => stage.uses(OPERATOR)?,
        Client::Loop => process::now(std::process::id())?,
    };
    let mut cpu = [client.cpu; 4];
    for (cpu, name) in cpu[1..].iter_mut().zip(PROCESSES) {
        *cpu = stage.uses(name)?.cpu;
    }
    Ok(cpu)
}

fn difference(now: [f64; 4], before: [f64; 4]) -> [f64; 4] {
    std::array::from_fn(|i| now[i] - before[i])
}

/// What the policies that are there compile to.
async fn constraints(stage: &Stage<'_>) -> Result<Vec<Value>> {
    let list = get(&stage.client, POLICIES).await?;
    let items = list["items"].as_array().context("no list")?;
    let with_kind = |item: &Value| {
        let mut item = item.clone();
        item["apiVersion"] = "deckhouse.io/v1alpha1".into();
        item["kind"] = "SecurityPolicy".into();
        item
    };
    items.iter().map(|item| policies::constraint::<SecurityPolicy>(with_kind(item))).collect()
}

/// When the operator's last constraint was applied.
fn applied(answers: &[Answer]) -> Result<f64> {
    let constraints =
        answers.iter().filter(|answer| answer.is_operators() && answer.is_write() && answer.is_done());
    let constraints = constraints.filter(|answer| answer.resource() == "d8securitypolicy");
    let times: Vec<_> = constraints.map(Answer::answered).collect::<Result<_>>()?;
    times.into_iter().reduce(f64::max).context("the operator applied nothing")
}

fn print(many: usize, measured: &Measured) {
    let mut table = Table::new(["", "seconds", "against the bare loop"]);
    let mut row = |title: &str, values: &[f64]| {
        let ratio = Rounds::ratio(values, &measured.bare).to_string();
        table.row([title.to_owned(), Rounds::of(values.iter().copied()).to_string(), ratio]);
    };
    row("bare loop of server-side applies", &measured.bare);
    row("all policies at once, until all are applied (aim: 1.15)", &measured.once);
    row("the same, until all are enforced and say so", &measured.once_ready);
    row("policies as fast as they can be made, from the last one until all are applied", &measured.come);
    row("all policies deleted, until no constraint is left", &measured.swept);
    table.print(&format!("{many} policies, {many} constraints"));
    let mut table = Table::new(["processor seconds", "client", PROCESSES[0], PROCESSES[1], PROCESSES[2]]);
    for (title, rounds) in ["the operator, all at once", "bare loop"].into_iter().zip(&measured.cpu) {
        let of = |i: usize| Rounds::of(rounds.iter().map(|round| round[i])).to_string();
        table.row([title.to_owned(), of(0), of(1), of(2), of(3)]);
    }
    table.print("Until all are applied");
    let writes = Rounds::of(
        measured.writes.iter().map(|writes| writes / f64::from(u32::try_from(many).unwrap_or(u32::MAX))),
    );
    say(&format!(
        "Medians of {ROUNDS} rounds in turns, with the range. Writes of the operator for each policy: {writes}."
    ));
}
