//! What becomes of the API server and of the way to it, and of the operator in the middle of its work. Each scenario
//! ends with everything as desired, whatever happened before.

use std::time::Duration;

use anyhow::{Result, ensure};
use gatewright_e2e::author::Author;
use gatewright_e2e::desired::Before;
use gatewright_e2e::generate::{Random, cases};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::proxy::{Fault, Proxy, Requests, Trouble};
use gatewright_e2e::{Cluster, SOON, Scenario, until};

/// How long a fault lasts that has no end of its own.
const WHILE: Duration = Duration::from_secs(3);

/// More lines than an administrator would read about one fault: each watch may say twice what it has to say.
const FLOOD: usize = 120;

const API_SERVER: &str = "kube-apiserver";

/// A cluster with the operator behind a proxy.
struct Scene<'a> {
    cluster: &'a Cluster,
    proxy: Proxy,
    before: Before,
    author: Author,
}

async fn scene(name: &str, run: impl AsyncFnOnce(&Scene<'_>) -> Result<()>) -> Result<()> {
    let scenario = Scenario::new(name).without_operator();
    Scenario::run(scenario, async |cluster| {
        let proxy = cluster.proxy(OPERATOR).await?;
        cluster.start_replica_behind(&proxy, OPERATOR, &["--leader-elect", "false"]).await?;
        let before = cluster.populate().await?;
        let author = Author::new(cluster).await?;
        run(&Scene { cluster, proxy, before, author }).await
    })
    .await
}

impl Scene<'_> {
    fn said(&self) -> Result<Vec<String>> {
        let log = std::fs::read_to_string(self.cluster.log(OPERATOR))?;
        Ok(log.lines().map(str::to_owned).collect())
    }

    /// Everything is as desired again, the operator says so, and has not said too much since.
    async fn is_over(&self, said_before: usize) -> Result<()> {
        self.cluster.becomes_as_desired(&self.before, &[]).await?;
        self.cluster.readiness(OPERATOR, 200, "ok: leader\n").await?;
        self.cluster.is_alive(OPERATOR).await?;
        let said = self.said()?;
        let new = &said[said_before..];
        ensure!(new.len() < FLOOD, "{} lines: {}", new.len(), new.join("\n"));
        Ok(())
    }

    /// A fault for a while, with work to do in it. What is followed is followed anew in the middle of it; whether the
    /// operator then knows that it is blind must be as said.
    async fn with(&self, day: usize, fault: Fault, blind: bool) -> Result<()> {
        let said = self.said()?.len();
        self.proxy.make(fault);
        self.author.work(day).await?;
        if blind {
            self.proxy.cut();
            self.cluster.readiness(OPERATOR, 503, "cannot be followed now: /api").await?;
        }
        tokio::time::sleep(WHILE).await;
        self.cluster.is_alive(OPERATOR).await?;
        ensure!(self.proxy.hits() > 0, "nothing ran into the fault");
        self.proxy.heal();
        self.is_over(said).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_in_trouble_is_waited_for() -> Result<()> {
    scene("test-faults-trouble", async |scene| {
        use Requests::{All, Writes};
        let refuse = |code, retry_after| Trouble::Refuse { code, retry_after };
        for (day, (fault, blind)) in [
            (Fault::new(All, refuse(500, None)), true),
            (Fault::new(All, refuse(429, Some(1))), true),
            (Fault::new(Writes, refuse(503, Some(2))), false),
            (Fault::new(All, refuse(504, None)).path("/securitypolicies"), true),
            (Fault::new(All, Trouble::Slow(Duration::from_millis(500))), false),
            (Fault::new(Writes, Trouble::Cut).times(20), false),
            (Fault::new(Writes, Trouble::LoseAnswer).times(20), false),
        ]
        .into_iter()
        .enumerate()
        {
            let what = format!("{fault:?}");
            scene.with(day, fault, blind).await.map_err(|error| error.context(what))?;
        }
        a_late_write_is_refused(scene).await
    })
    .await
}

/// A write that is not answered in time is tried again; the first one arrives in the end, and must not undo anything.
async fn a_late_write_is_refused(scene: &Scene<'_>) -> Result<()> {
    let late = Fault::new(Requests::Writes, Trouble::Keep(Duration::from_secs(15)));
    let said = scene.said()?.len();
    scene.proxy.make(late.path("/d8securitypolicy/first-1").times(1));
    scene.author.put("first-1", 100).await?;
    until("the write is under way", SOON, async || Ok(scene.proxy.hits() == 1)).await?;
    let delay = Duration::from_secs(12);
    tokio::time::sleep(delay).await;
    scene.author.put("first-1", 101).await?;
    scene.is_over(said).await?;
    let codes = scene.proxy.arrived().await?;
    ensure!(codes == [409], "the late write was answered with {codes:?}");
    scene.proxy.heal();
    scene.is_over(said).await
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_end_are_begun_anew() -> Result<()> {
    scene("test-faults-watches", async |scene| {
        use Requests::{Reads, Watches};
        let gone = Trouble::Refuse { code: 410, retry_after: None };
        let said = scene.said()?.len();
        for day in 0..3 {
            scene.author.work(day).await?;
            scene.proxy.cut();
        }
        scene.is_over(said).await?;
        for (day, trouble) in [(3, Trouble::Expire), (4, gone)] {
            let said = scene.said()?.len();
            scene.proxy.make(Fault::new(Watches, trouble));
            scene.proxy.cut();
            scene.author.work(day).await?;
            tokio::time::sleep(WHILE).await;
            scene.proxy.heal();
            scene.is_over(said).await?;
        }
        watches_that_end_at_once_are_not_begun_in_a_hurry(scene).await?;
        // The lists that follow are never answered, and are given up.
        let said = scene.said()?.len();
        scene.proxy.make(Fault::new(Watches, Trouble::Expire).times(5));
        scene.proxy.make(Fault::new(Reads, Trouble::Hang));
        scene.proxy.cut();
        scene.author.work(6).await?;
        scene.cluster.readiness(OPERATOR, 503, "no answer within 20 s").await?;
        scene.proxy.heal();
        scene.is_over(said).await?;
        versions_that_the_api_server_has_forgotten(scene).await
    })
    .await
}

async fn watches_that_end_at_once_are_not_begun_in_a_hurry(scene: &Scene<'_>) -> Result<()> {
    let said = scene.said()?.len();
    scene.proxy.make(Fault::new(Requests::Watches, Trouble::End));
    scene.proxy.cut();
    let before = scene.proxy.requests();
    scene.author.work(5).await?;
    tokio::time::sleep(WHILE * 2).await;
    let count = scene.proxy.requests() - before;
    ensure!(scene.proxy.hits() > 20 && count < 250, "{count} requests for watches that end at once");
    scene.proxy.heal();
    scene.is_over(said).await
}

/// An API server that was restarted knows no version from before.
async fn versions_that_the_api_server_has_forgotten(scene: &Scene<'_>) -> Result<()> {
    let said = scene.said()?.len();
    scene.proxy.freeze();
    scene.author.work(7).await?;
    scene.cluster.kill(API_SERVER).await?;
    scene.cluster.restart(API_SERVER).await?;
    until("the API server takes policies", SOON, async || Ok(scene.author.work(8).await.is_ok())).await?;
    scene.proxy.cut();
    scene.proxy.thaw();
    scene.is_over(said).await?;
    let said = scene.said()?.split_off(said);
    ensure!(said.iter().any(|line| line.contains("too old resource version")), "{}", said.join("\n"));
    Ok(())
}

/// Killed a hundred times: at random moments, just before a write arrives, and just after the API server has done what
/// it says, so that nobody knows of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_is_killed_again_and_again_converges() -> Result<()> {
    scene("test-faults-killed", async |scene| {
        let mut random = Random::from_env()?;
        let seed = random.seed;
        let rounds = random.values(&(0..3_usize, 0..12_usize, 0..1500_u64), cases(100)?)?;
        let count = rounds.len();
        let mut struck = 0;
        scene.cluster.kill(OPERATOR).await?;
        for (day, (way, writes, delay)) in rounds.into_iter().enumerate() {
            scene.author.work(2 * day).await?;
            let trouble = [None, Some(Trouble::Hang), Some(Trouble::HoldAnswer)][way];
            if let Some(trouble) = trouble {
                scene.proxy.make(Fault::new(Requests::Writes, trouble).after(writes).times(1));
            }
            scene.cluster.restart(OPERATOR).await?;
            let strikes = async {
                while scene.proxy.hits() == 0 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            };
            let limit = Duration::from_millis(if trouble.is_some() { 3000 } else { delay });
            let (work, waited) =
                tokio::join!(scene.author.work(2 * day + 1), tokio::time::timeout(limit, strikes));
            struck += usize::from(waited.is_ok());
            scene.cluster.kill(OPERATOR).await?;
            scene.proxy.heal();
            work?;
        }
        println!("seed {seed}: {struck} of {count} times killed at a write");
        ensure!(struck >= count / 3, "only {struck} of {count} times killed at a write");
        scene.cluster.restart(OPERATOR).await?;
        scene.cluster.becomes_as_desired(&scene.before, &[]).await?;
        scene.cluster.is_alive(OPERATOR).await
    })
    .await
}
