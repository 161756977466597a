//! Two replicas of the operator on the real control plane, and a settings file that changes under one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gatewright_e2e::{Cluster, Options, until};
use serde_json::{Value, json};

/// Much more than anything here takes.
const SOON: Duration = Duration::from_mins(1);

/// How long a leader that is gone holds up the other.
const LEASE: Duration = Duration::from_secs(10);

const REPLICAS: [&str; 2] = ["gatewright-0", "gatewright-1"];

const API_SERVER: &str = "kube-apiserver";

struct World<'a>(&'a Cluster);

fn policy(name: &str) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": name},
        "spec": {
            "match": {"namespaceSelector": {"matchNames": ["shop"]}},
            "policies": {"allowPrivileged": false},
        },
    })
}

fn other(replica: &str) -> &'static str {
    if replica == REPLICAS[0] { REPLICAS[1] } else { REPLICAS[0] }
}

impl World<'_> {
    async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.0.kubectl(arguments, None).await?.success()
    }

    async fn start(&self, replica: &str) -> Result<()> {
        let seconds = LEASE.as_secs().to_string();
        self.0.start_replica(replica, &["--lease-seconds", &seconds]).await
    }

    async fn metric(&self, replica: &str, series: &str) -> Result<Option<String>> {
        let (code, text) = self.0.ask_replica(replica, "/metrics").await?;
        ensure!(code == 200, "{code} {text}");
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(line.map(str::to_owned))
    }

    /// Waits until a series has this value.
    async fn shows(&self, replica: &str, series: &str, value: &str) -> Result<()> {
        until(&format!("{replica} shows {series} {value}"), SOON, async || {
            let found = self.metric(replica, series).await?;
            ensure!(found.as_deref().is_some_and(|found| found.trim_end_matches(".0") == value), "{found:?}");
            Ok(true)
        })
        .await
    }

    async fn enforces(&self, name: &str) -> Result<()> {
        let text = policy(name).to_string();
        self.0.kubectl(&["apply", "--server-side", "-f", "-"], Some(&text)).await?.success()?;
        self.kubectl(&["wait", "--for=condition=Ready", &format!("secpol/{name}"), "--timeout=60s"])
            .await
            .map(drop)
    }

    /// How many writes of a replica the API server has answered, but for those of the Lease.
    fn writes(&self, replica: &str) -> Result<usize> {
        Ok(self.0.writes(replica)?.iter().filter(|write| !write.is_lease()).count())
    }

    async fn is(&self, replica: &str, role: &str) -> Result<()> {
        self.0.readiness(replica, 200, &format!("ok: {role}\n")).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_replicas_writes() -> Result<()> {
    Cluster::run(Options::new("test-replicas"), async |cluster| {
        let world = World(cluster);
        cluster.install_policies().await?;
        world.kubectl(&["create", "namespace", "shop"]).await?;
        for replica in REPLICAS {
            world.start(replica).await?;
        }
        let leader = world.0.leader(&REPLICAS).await?;
        world.enforces("first").await?;
        both_tell_what_they_are(&world, leader).await?;
        let leader = a_frozen_leader_writes_nothing_when_it_wakes(&world, leader).await?;
        let leader = a_killed_leader_is_replaced(&world, leader).await?;
        let leader = a_leader_that_stops_hands_over(&world, leader).await?;
        a_leader_without_an_api_server_ends(&world, leader).await
    })
    .await
}

async fn both_tell_what_they_are(world: &World<'_>, leader: &str) -> Result<()> {
    let standby = other(leader);
    world.is(leader, "leader").await?;
    world.is(standby, "standby").await?;
    world.shows(leader, "gatewright_leader", "1").await?;
    world.shows(standby, "gatewright_leader", "0").await?;
    ensure!(
        world.writes(leader)? > 5 && world.writes(standby)? == 0,
        "the replica that stands by has written"
    );
    // Both see everything.
    for replica in REPLICAS {
        let ready =
            r#"gatewright_policies{kind="SecurityPolicy",condition="Ready",status="True",reason="Ready"}"#;
        world.shows(replica, ready, "1").await?;
        world
            .shows(replica, r#"gatewright_constraints{kind="PodSecurityStandard",state="enforced"}"#, "6")
            .await?;
        world
            .shows(replica, r#"gatewright_constraints{kind="SecurityPolicy",state="enforced"}"#, "1")
            .await?;
        world.shows(replica, r#"gatewright_kind_absent{cache="ConstraintTemplate"}"#, "0").await?;
        world.shows(replica, "gatewright_gatekeeper_processes", "1").await?;
        world.shows(replica, "gatewright_settings_valid", "1").await?;
        let (code, text) = world.0.ask_replica(replica, "/livez").await?;
        ensure!(code == 200 && text == "ok\n", "{code} {text}");
    }
    let writes = r#"gatewright_writes_total{resource="constrainttemplates",verb="create"}"#;
    ensure!(world.metric(leader, writes).await?.is_some() && world.metric(standby, writes).await?.is_none());

    // Drift is undone, and counted.
    let patch = r#"{"spec": {"enforcementAction": "dryrun"}}"#;
    world.kubectl(&["patch", "d8securitypolicy/first", "--type=merge", "-p", patch]).await?;
    world.shows(leader, r#"gatewright_repairs_total{kind="D8SecurityPolicy"}"#, "1").await?;

    until("there is an event of the policy", SOON, async || {
        let about =
            "--field-selector=involvedObject.kind=SecurityPolicy,involvedObject.name=first,reason=Ready";
        Ok(!world.kubectl(&["get", "events", "-n", "default", about, "-o", "name"]).await?.is_empty())
    })
    .await
}

async fn a_frozen_leader_writes_nothing_when_it_wakes(
    world: &World<'_>,
    leader: &'static str,
) -> Result<&'static str> {
    world.0.freeze(leader)?;
    let successor = world.0.leader(&[other(leader)]).await?;
    // It has something to do when it wakes.
    world.enforces("while-frozen").await?;
    world.kubectl(&["delete", "d8securitypolicy/first"]).await?;
    world.enforces("first").await?;
    let before = world.writes(leader)?;
    world.0.thaw(leader)?;
    until("the former leader has ended", SOON, async || Ok(!world.0.is_running(leader))).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = world.writes(leader)?;
    ensure!(before == after, "{} writes of a leader that was replaced", after - before);
    world.start(leader).await?;
    world.is(leader, "standby").await?;
    Ok(successor)
}

async fn a_killed_leader_is_replaced(world: &World<'_>, leader: &'static str) -> Result<&'static str> {
    world.0.kill(leader).await?;
    let killed = Instant::now();
    let successor = world.0.leader(&[other(leader)]).await?;
    let took = killed.elapsed();
    ensure!(took < LEASE * 3, "replaced after {took:?}");
    world.enforces("after-kill").await?;
    world.start(leader).await?;
    world.is(leader, "standby").await?;
    Ok(successor)
}

async fn a_leader_that_stops_hands_over(world: &World<'_>, leader: &'static str) -> Result<&'static str> {
    let stopped = Instant::now();
    world.0.stop(leader).await?;
    let successor = world.0.leader(&[other(leader)]).await?;
    let took = stopped.elapsed();
    ensure!(took < LEASE, "handed over only after {took:?}");
    world.enforces("after-stop").await?;
    world.start(leader).await?;
    world.is(leader, "standby").await?;
    Ok(successor)
}

async fn a_leader_without_an_api_server_ends(world: &World<'_>, leader: &'static str) -> Result<()> {
    world.0.kill(API_SERVER).await?;
    until("the leader has ended", SOON, async || Ok(!world.0.is_running(leader))).await?;
    ensure!(world.0.is_running(other(leader)), "the replica that stood by has ended, too");
    let log = std::fs::read_to_string(world.0.log(leader))?;
    ensure!(log.contains("lost the lease"), "{log}");
    world.0.restart(API_SERVER).await?;
    let successor = world.0.leader(&[other(leader)]).await?;
    world.is(successor, "leader").await?;
    world.enforces("after-outage").await
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_follow_their_file() -> Result<()> {
    Cluster::run(Options::new("test-settings"), async |cluster| {
        let world = World(cluster);
        cluster.install_policies().await?;
        let path = cluster.directory().join("settings.yaml");
        let replica = REPLICAS[0];
        let config = path.to_str().context("not UTF-8")?;
        let text = "podSecurityStandards:\n  enforcementAction: Warn\n";
        std::fs::write(&path, text)?;
        cluster.start_replica(replica, &["--config", config, "--leader-elect", "false"]).await?;
        world.enforces("first").await?;
        let excluded = async |constraint: &str| {
            world.kubectl(&["get", constraint, "-o", "jsonpath={.spec.match.excludedNamespaces}"]).await
        };
        ensure!(!excluded("d8securitypolicy/first").await?.contains("platform-*"));

        std::fs::write(&path, "systemNamespaces: [kube-system, 'platform-*']\nlog: {level: debug}\n")?;
        for constraint in ["d8securitypolicy/first", "d8podsecuritystandard/d8-pod-security-baseline-deny"] {
            until(&format!("{constraint} follows the settings"), SOON, async || {
                Ok(excluded(constraint).await?.contains("platform-*"))
            })
            .await?;
        }

        // A broken file is told once, with everything that is wrong, and changes nothing.
        std::fs::write(&path, "systemNamespaces: []\nrouting:\n  conect: off\n  delete: never\n")?;
        world.shows(replica, "gatewright_settings_valid", "0").await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        ensure!(
            excluded("d8securitypolicy/first").await?.contains("platform-*"),
            "a broken file took effect"
        );
        let log = std::fs::read_to_string(cluster.log(replica))?;
        let told: Vec<_> = log.lines().filter(|line| line.contains("the settings file is broken")).collect();
        ensure!(told.len() == 1, "{told:?}");
        ensure!(
            told[0].contains("line 3: routing.conect is unknown")
                && told[0].contains("line 4: routing.delete"),
            "{told:?}"
        );

        std::fs::write(&path, "")?;
        world.shows(replica, "gatewright_settings_valid", "1").await?;
        until("the defaults hold again", SOON, async || {
            Ok(!excluded("d8securitypolicy/first").await?.contains("platform-*"))
        })
        .await
    })
    .await
}
