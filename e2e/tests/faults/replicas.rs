//! What becomes of the replicas of the operator: cut off, frozen with their API server, or said the wrong time. After a
//! replica was replaced, no write of it succeeds.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gatewright_e2e::author::Author;
use gatewright_e2e::desired::Before;
use gatewright_e2e::proxy::{Fault, Proxy, Requests, Trouble};
use gatewright_e2e::{Cluster, SOON, Scenario, tools, until};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// How long a leader that is gone holds up the other.
const LEASE: Duration = Duration::from_secs(10);

/// How long the API server stands still.
const FROZEN: Duration = Duration::from_mins(1);

/// More lines than an administrator would read about one fault.
const FLOOD: usize = 120;

const REPLICAS: [&str; 2] = ["gatewright-0", "gatewright-1"];

const API_SERVER: &str = "kube-apiserver";

/// A cluster with two replicas, each behind a proxy of its own.
struct Scene<'a> {
    cluster: &'a Cluster,
    proxies: [Proxy; 2],
    before: Before,
    author: Author,
}

/// How a replica is started differs from scenario to scenario.
async fn scene(
    name: &str,
    change: impl Fn(&str, &mut Command) -> Result<()>,
    run: impl AsyncFnOnce(&Scene<'_>) -> Result<()>,
) -> Result<()> {
    let scenario = Scenario::new(name).without_operator();
    Scenario::run(scenario, async |cluster| {
        let proxies = [cluster.proxy(REPLICAS[0]).await?, cluster.proxy(REPLICAS[1]).await?];
        let seconds = LEASE.as_secs().to_string();
        for (replica, proxy) in REPLICAS.into_iter().zip(&proxies) {
            let arguments = ["--lease-seconds", &*seconds];
            let mut command = cluster.replica_behind(proxy, replica, &arguments).await?;
            change(replica, &mut command)?;
            cluster.spawn(replica, &command, None).await?;
        }
        let before = cluster.populate().await?;
        the_first_one_leads(cluster).await?;
        let author = Author::new(cluster).await?;
        run(&Scene { cluster, proxies, before, author }).await
    })
    .await
}

/// A machine that is busy with the start may have cost a leader its lease.
async fn the_first_one_leads(cluster: &Cluster) -> Result<()> {
    for replica in REPLICAS {
        if !cluster.is_running(replica) {
            cluster.restart(replica).await?;
        }
    }
    let [first, second] = REPLICAS;
    if cluster.leader(&REPLICAS).await? == second {
        cluster.stop(second).await?;
        cluster.leader(&[first]).await?;
        cluster.restart(second).await?;
    }
    cluster.readiness(first, 200, "ok: leader\n").await?;
    cluster.readiness(second, 200, "ok: standby\n").await
}

#[allow(clippy::unnecessary_wraps, reason = "other scenes change something, which may fail")]
fn as_it_is(_: &str, _: &mut Command) -> Result<()> {
    Ok(())
}

fn index(replica: &str) -> usize {
    usize::from(replica == REPLICAS[1])
}

fn other(replica: &str) -> &'static str {
    REPLICAS[1 - index(replica)]
}

impl Scene<'_> {
    fn proxy(&self, replica: &str) -> &Proxy {
        &self.proxies[index(replica)]
    }

    fn said(&self, replica: &str) -> Result<String> {
        Ok(std::fs::read_to_string(self.cluster.log(replica))?)
    }

    /// Waits until the other replica leads, which must not take much longer than the lease; the time of a busy machine
    /// is generously allowed for. Returns when it took over, in the form of the audit log.
    async fn is_replaced(&self, leader: &str) -> Result<String> {
        let begun = Instant::now();
        self.cluster.leader(&[other(leader)]).await?;
        let took = begun.elapsed();
        ensure!(took < LEASE * 4, "replaced after {took:?}");
        let acquired = self.cluster.lease().await?.acquire_time.context("no time")?;
        Ok(format!("{:.6}", acquired.0))
    }

    async fn has_ended(&self, replica: &str) -> Result<()> {
        until(&format!("{replica} has ended"), SOON, async || Ok(!self.cluster.is_running(replica))).await?;
        let log = self.said(replica)?;
        ensure!(log.contains("lost the lease") && !log.contains("panicked"), "{log}");
        Ok(())
    }

    /// No write of a replica has succeeded after it was replaced, of whatever kind.
    fn wrote_nothing_after(&self, replica: &str, replaced: &str) -> Result<()> {
        let writes = self.cluster.writes(replica)?;
        ensure!(writes.iter().any(|write| write.succeeded() && &*write.at < replaced), "it never wrote");
        let late: Vec<_> = writes.iter().filter(|it| it.succeeded() && &*it.at > replaced).collect();
        ensure!(late.is_empty(), "{replica} was replaced at {replaced}: {late:#?}");
        Ok(())
    }

    /// A replica that has ended is started again, as its Pod would, and stands by.
    async fn comes_back(&self, replica: &str) -> Result<()> {
        self.cluster.restart(replica).await?;
        self.cluster.readiness(replica, 200, "ok: standby\n").await
    }

    async fn is_over(&self) -> Result<()> {
        self.cluster.becomes_as_desired(&self.before, &[]).await?;
        for replica in REPLICAS {
            self.cluster.readiness(replica, 200, "ok: ").await?;
            self.cluster.is_alive(replica).await?;
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_cut_off_is_replaced_and_its_late_writes_lose() -> Result<()> {
    scene("test-faults-cut-off", as_it_is, async |scene| {
        let leader = scene.cluster.leader(&REPLICAS).await?;
        an_answer_about_the_lease_is_lost(scene, leader).await?;
        let leader = nothing_passes(scene, leader).await?;
        let leader = a_late_change_loses(scene, leader).await?;
        a_late_creation_is_swept(scene, leader).await
    })
    .await
}

/// The leader's renewals arrive, but it does not hear of some; it goes on leading.
async fn an_answer_about_the_lease_is_lost(scene: &Scene<'_>, leader: &str) -> Result<()> {
    let transitions = scene.cluster.lease().await?.lease_transitions;
    let proxy = scene.proxy(leader);
    for trouble in [Trouble::LoseAnswer, Trouble::HoldAnswer] {
        proxy.make(Fault::new(Requests::Writes, trouble).path("/leases/").times(1));
        until("an answer is lost", SOON, async || Ok(proxy.hits() > 0)).await?;
        tokio::time::sleep(LEASE).await;
        proxy.heal();
    }
    ensure!(scene.cluster.lease().await?.lease_transitions == transitions, "the leader has changed");
    scene.cluster.readiness(leader, 200, "ok: leader\n").await?;
    scene.author.work(0).await?;
    scene.is_over().await
}

async fn nothing_passes(scene: &Scene<'_>, leader: &'static str) -> Result<&'static str> {
    scene.proxy(leader).freeze();
    scene.author.work(1).await?;
    // As long as it lives without a renewal it says so.
    scene.cluster.is_alive(leader).await?;
    scene.cluster.readiness(leader, 503, "cannot tell who leads: writing the Lease").await?;
    let replaced = scene.is_replaced(leader).await?;
    scene.has_ended(leader).await?;
    scene.cluster.becomes_as_desired(&scene.before, &[]).await?;
    // What it had sent arrives now.
    scene.proxy(leader).thaw();
    tokio::time::sleep(Duration::from_secs(2)).await;
    scene.wrote_nothing_after(leader, &replaced)?;
    scene.comes_back(leader).await?;
    scene.is_over().await?;
    Ok(other(leader))
}

/// The leader's change of a constraint is on its way until long after another one leads.
async fn a_late_change_loses(scene: &Scene<'_>, leader: &'static str) -> Result<&'static str> {
    let proxy = scene.proxy(leader);
    let late = Fault::new(Requests::Writes, Trouble::Keep(LEASE * 3));
    proxy.make(late.path("/d8securitypolicy/first-3").times(1));
    scene.author.put("first-3", 100).await?;
    until("the change is under way", SOON, async || Ok(proxy.hits() > 0)).await?;
    proxy.freeze();
    let replaced = scene.is_replaced(leader).await?;
    scene.has_ended(leader).await?;
    scene.author.put("first-3", 101).await?;
    scene.cluster.becomes_as_desired(&scene.before, &[]).await?;
    let codes = proxy.arrived().await?;
    ensure!(codes == [409], "the late change was answered with {codes:?}");
    scene.cluster.becomes_as_desired(&scene.before, &[]).await?;
    scene.wrote_nothing_after(leader, &replaced)?;
    proxy.heal();
    proxy.thaw();
    scene.comes_back(leader).await?;
    scene.is_over().await?;
    Ok(other(leader))
}

/// A creation names no version. Where nothing stands any more it succeeds, and whoever leads by then sweeps what came.
async fn a_late_creation_is_swept(scene: &Scene<'_>, leader: &'static str) -> Result<()> {
    let proxy = scene.proxy(leader);
    proxy.make(Fault::new(Requests::Writes, Trouble::Keep(LEASE * 3)).path("/d8securitypolicy").times(1));
    scene.author.put("late", 0).await?;
    until("the creation is under way", SOON, async || Ok(proxy.hits() > 0)).await?;
    proxy.freeze();
    scene.is_replaced(leader).await?;
    scene.author.delete("late").await?;
    scene.cluster.becomes_as_desired(&scene.before, &[]).await?;
    let codes = proxy.arrived().await?;
    ensure!(codes == [201], "the late creation was answered with {codes:?}");
    scene.cluster.becomes_as_desired(&scene.before, &[]).await?;
    proxy.heal();
    proxy.thaw();
    scene.comes_back(leader).await?;
    scene.is_over().await
}

/// The real API server stands still for a minute: the leader ends, and comes back without a panic or a flood.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_api_server_demotes_the_leader() -> Result<()> {
    scene("test-faults-frozen", as_it_is, async |scene| {
        let leader = scene.cluster.leader(&REPLICAS).await?;
        let lines = |replica| Ok::<_, anyhow::Error>(scene.said(replica)?.lines().count());
        let before = [lines(REPLICAS[0])?, lines(REPLICAS[1])?];
        let begun = Instant::now();
        scene.cluster.freeze(API_SERVER)?;
        scene.cluster.readiness(leader, 503, "cannot tell who leads: writing the Lease").await?;
        scene.has_ended(leader).await?;
        let took = begun.elapsed();
        ensure!(took < LEASE * 3, "it led for {took:?} without an API server");
        scene.cluster.restart(leader).await?;
        for replica in REPLICAS {
            scene.cluster.readiness(replica, 503, "cannot tell who leads: reading the Lease").await?;
            scene.cluster.is_alive(replica).await?;
        }
        scene.cluster.readiness(leader, 503, "not listed yet: SecurityPolicy").await?;
        tokio::time::sleep(FROZEN.saturating_sub(begun.elapsed())).await;
        for replica in REPLICAS {
            scene.cluster.readiness(replica, 503, "cannot tell who leads").await?;
        }
        scene.cluster.thaw(API_SERVER)?;
        until("the API server takes policies", SOON, async || Ok(scene.author.work(0).await.is_ok())).await?;
        scene.is_over().await?;
        for (replica, before) in REPLICAS.into_iter().zip(before) {
            let new = lines(replica)? - before;
            ensure!(new < FLOOD, "{replica} said {new} lines: {}", scene.said(replica)?);
        }
        Ok(())
    })
    .await
}

/// One replica's wall clock jumps by a day, forth and back; the other's machine has been up for eleven days more. Both
/// are their own time only, that of nobody else on this machine.
#[tokio::test(flavor = "multi_thread")]
async fn clocks_decide_nothing() -> Result<()> {
    let clock = std::env::temp_dir().join(format!("gatewright-clock-{}", std::process::id()));
    let jump = |by: &str| -> Result<()> {
        let fresh = clock.with_added_extension("new");
        std::fs::write(&fresh, by)?;
        Ok(std::fs::rename(&fresh, &clock)?)
    };
    jump("+0")?;
    let change = |replica: &str, command: &mut Command| tell_the_wrong_time(replica, command, &clock);
    let outcome = scene("test-faults-clocks", change, async |scene| {
        let leader = REPLICAS[0];
        let transitions = scene.cluster.lease().await?.lease_transitions;
        for (day, by) in [(0, "+86400"), (1, "-86400"), (2, "+0")] {
            jump(by)?;
            until("the leader says the new time", SOON, || says(scene, by)).await?;
            scene.author.work(day).await?;
            tokio::time::sleep(LEASE).await;
            scene.cluster.readiness(leader, 200, "ok: leader\n").await?;
            scene.is_over().await?;
        }
        ensure!(scene.cluster.lease().await?.lease_transitions == transitions, "the leader has changed");
        jump("-86400")?;
        scene.cluster.freeze(leader)?;
        let replaced = scene.is_replaced(leader).await?;
        scene.author.work(3).await?;
        scene.cluster.thaw(leader)?;
        scene.has_ended(leader).await?;
        scene.wrote_nothing_after(leader, &replaced)?;
        scene.comes_back(leader).await?;
        jump("+86400")?;
        tokio::time::sleep(LEASE).await;
        scene.cluster.leader(&[other(leader)]).await?;
        scene.is_over().await
    })
    .await;
    std::fs::remove_file(&clock)?;
    outcome
}

/// Whether the leader's clock is off by so many seconds: its renewals of the Lease tell.
async fn says(scene: &Scene<'_>, by: &str) -> Result<bool> {
    let renewed = scene.cluster.lease().await?.renew_time.context("no time")?.0;
    let off = renewed.duration_since(Timestamp::now()) - SignedDuration::from_secs(by.parse()?);
    ensure!(off.abs() < SignedDuration::from_mins(10), "its clock is off by {off:?}");
    Ok(true)
}

fn tell_the_wrong_time(replica: &str, command: &mut Command, clock: &Path) -> Result<()> {
    if replica == REPLICAS[0] {
        command.env("LD_PRELOAD", tools::path("libfaketimeMT.so.1"));
        command.env("FAKETIME_TIMESTAMP_FILE", clock).env("FAKETIME_NO_CACHE", "1");
        // The other clocks go on, as those of a machine whose wall clock is set.
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("DONT_FAKE_MONOTONIC", "1");
        return Ok(());
    }
    let own_time = ["--time", "--boottime", "1000000"];
    if !Command::new("unshare").args(own_time).arg("true").status()?.success() {
        println!("only root may give a process its own time since the start of the machine; left out");
        return Ok(());
    }
    let mut unshared = Command::new("unshare");
    unshared.args(own_time).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => unshared.env(name, value),
            None => unshared.env_remove(name),
        };
    }
    *command = unshared;
    Ok(())
}
