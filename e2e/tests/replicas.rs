//! Two replicas of the operator on the real control plane, and a settings file that changes under one.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gatewright_e2e::{Cluster, Condition, Options, until};
use serde_json::{Value, json};

/// Much more than anything here takes.
const SOON: Duration = Duration::from_mins(1);

/// How long a leader that is gone holds up the other.
const LEASE: Duration = Duration::from_secs(10);

const REPLICAS: [&str; 2] = ["gatewright-0", "gatewright-1"];

const API_SERVER: &str = "kube-apiserver";

const GATEKEEPER: &str = "gatekeeper-0";

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

    /// The status names the replica as the Lease does.
    async fn says_who_leads(&self, leader: &str) -> Result<()> {
        let holds = format!("{leader}_");
        self.0.condition("gatewrightstatus/cluster", Condition::yes("Operator", "Leading", &holds)).await?;
        let holder = self.0.lease().await?.holder_identity.context("nobody holds the Lease")?;
        let holds = format!("{holder} holds the Lease gatewright-system/gatewright");
        self.0.condition("gatewrightstatus/cluster", Condition::yes("Operator", "Leading", &holds)).await
    }

    async fn is(&self, replica: &str, role: &str) -> Result<()> {
        self.0.readiness(replica, 200, &format!("ok: {role}\n")).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_replicas_writes() -> Result<()> {
    let gatekeeper_arguments = vec!["--exempt-namespace=gatewright-system".to_owned()];
    let options = Options { gatekeeper_arguments, ..Options::new("test-replicas") };
    Cluster::run(options, async |cluster| {
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
        let leader = a_dead_gatekeeper_ends_the_leader(&world, leader).await?;
        a_leader_bears_a_dead_gatekeeper(&world, leader).await?;
        a_leader_without_an_api_server_ends(&world, leader).await
    })
    .await
}

async fn both_tell_what_they_are(world: &World<'_>, leader: &str) -> Result<()> {
    let standby = other(leader);
    world.is(leader, "leader").await?;
    world.is(standby, "standby").await?;
    world.says_who_leads(leader).await?;
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
    world.says_who_leads(successor).await?;
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

/// The failure policy is Fail, so that the renewal is refused like every other write. The operator says so beforehand.
async fn a_dead_gatekeeper_ends_the_leader(world: &World<'_>, leader: &'static str) -> Result<&'static str> {
    let advice = "does not exempt the namespace gatewright-system";
    world.0.condition("gatewrightstatus/cluster", Condition::yes("Operator", "Leading", advice)).await?;
    // Gatekeeper has the flag here, so that only the label is missing.
    let label = "has the flag for that already; an administrator should run: kubectl label namespace gatewright-system";
    world.0.condition("gatewrightstatus/cluster", Condition::yes("Operator", "Leading", label)).await?;
    // The log goes on where the process before ended.
    let log = std::fs::read_to_string(world.0.log(leader))?;
    let since_its_start = log.rsplit(" started identity=").next().unwrap_or_default();
    let said = since_its_start.matches(advice).count();
    ensure!(said == 1, "the log of {leader} should say so once: {since_its_start}");
    world.0.kill(GATEKEEPER).await?;
    until("the leader has ended", SOON, async || Ok(!world.0.is_running(leader))).await?;
    // The other one cannot take over, says why, and goes on.
    world.0.readiness(other(leader), 503, "failed calling webhook").await?;
    ensure!(world.0.is_running(other(leader)), "the replica that stood by has ended, too");
    world.0.restart(GATEKEEPER).await?;
    let successor = world.0.leader(&[other(leader)]).await?;
    world.start(leader).await?;
    world.is(leader, "standby").await?;
    Ok(successor)
}

/// All writes are refused but those in the operator's own namespace.
async fn a_leader_bears_a_dead_gatekeeper(world: &World<'_>, leader: &'static str) -> Result<()> {
    let exempt = "admission.gatekeeper.sh/ignore=lease";
    world.kubectl(&["label", "namespace", "gatewright-system", exempt]).await?;
    let says = "Gatekeeper exempts the namespace gatewright-system";
    world.0.condition("gatewrightstatus/cluster", Condition::yes("Operator", "Leading", says)).await?;
    world.0.kill(GATEKEEPER).await?;
    let refused = world.0.answer(&["create", "namespace", "nobody-is-asked", "--dry-run=server"]).await?;
    ensure!(refused.contains("failed calling webhook"), "{refused}");
    let renewed = async || anyhow::Ok(world.0.lease().await?.renew_time.context("never renewed")?.0);
    let before = renewed().await?;
    tokio::time::sleep(LEASE * 2).await;
    ensure!(renewed().await? > before, "the Lease is not renewed");
    ensure!(world.0.leader(&REPLICAS).await? == leader, "another leads");
    ensure!(REPLICAS.iter().all(|replica| world.0.is_running(replica)), "a replica has ended");
    world.0.restart(GATEKEEPER).await?;
    world.enforces("after-gatekeeper").await
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
        let mount = Mount::new(cluster.directory().join("settings"))?;
        let replica = REPLICAS[0];
        let path = mount.0.join(SETTINGS);
        let config = path.to_str().context("not UTF-8")?;
        mount.becomes("podSecurityStandards:\n  enforcementAction: Warn\n")?;
        cluster.start_replica(replica, &["--config", config, "--leader-elect", "false"]).await?;
        world.enforces("first").await?;
        let excluded = async |constraint: &str| {
            world.kubectl(&["get", constraint, "-o", "jsonpath={.spec.match.excludedNamespaces}"]).await
        };
        ensure!(!excluded("d8securitypolicy/first").await?.contains("platform-*"));

        mount.becomes("systemNamespaces: [kube-system, 'platform-*']\n")?;
        for constraint in ["d8securitypolicy/first", "d8podsecuritystandard/d8-pod-security-baseline-deny"] {
            until(&format!("{constraint} follows the settings"), SOON, async || {
                Ok(excluded(constraint).await?.contains("platform-*"))
            })
            .await?;
        }

        // A broken file is told once, with everything that is wrong, and changes nothing.
        mount.becomes("systemNamespaces: []\nrouting:\n  conect: off\n  delete: never\n")?;
        world.shows(replica, "gatewright_settings_valid", "0").await?;
        for problem in ["line 3: routing.conect is unknown", "line 4: routing.delete"] {
            let broken = Condition::no("Settings", "Broken", problem);
            world.0.condition("gatewrightstatus/cluster", broken).await?;
            let unready = Condition::no("Ready", "Broken", problem);
            world.0.condition("gatewrightstatus/cluster", unready).await?;
        }
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

        mount.becomes("")?;
        world.shows(replica, "gatewright_settings_valid", "1").await?;
        cluster.condition("gatewrightstatus/cluster", Condition::yes("Settings", "InForce", "")).await?;
        until("the defaults hold again", SOON, async || {
            Ok(!excluded("d8securitypolicy/first").await?.contains("platform-*"))
        })
        .await?;
        the_log_obeys(&world, replica, &mount).await
    })
    .await
}

const SETTINGS: &str = "settings.yaml";

/// A folder such as a ConfigMap is mounted to: its files lead into a hidden folder by a link, which is swapped.
struct Mount(PathBuf);

impl Mount {
    fn new(folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        symlink(format!("..data/{SETTINGS}"), folder.join(SETTINGS))?;
        Ok(Self(folder))
    }

    fn becomes(&self, text: &str) -> Result<()> {
        let version = format!("..version-{}", std::fs::read_dir(&self.0)?.count());
        std::fs::create_dir(self.0.join(&version))?;
        std::fs::write(self.0.join(&version).join(SETTINGS), text)?;
        let link = self.0.join("..data_tmp");
        symlink(&version, &link)?;
        Ok(std::fs::rename(link, self.0.join("..data"))?)
    }
}

/// What the log tells changes while the process runs, and goes back to what it was told at the start.
async fn the_log_obeys(world: &World<'_>, replica: &str, mount: &Mount) -> Result<()> {
    let lines = |level: &str| -> Result<usize> {
        let log = std::fs::read_to_string(world.0.log(replica))?;
        Ok(log.lines().filter(|line| line.split_whitespace().nth(1) == Some(level)).count())
    };
    ensure!(lines("DEBUG")? == 0 && lines("INFO")? > 0);
    mount.becomes("log: {level: debug}")?;
    until("the log tells more", SOON, async || Ok(lines("DEBUG")? > 0)).await?;
    mount.becomes("log: {level: error}")?;
    // Not even that a policy became ready.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = lines("INFO")?;
    world.enforces("unsaid").await?;
    ensure!(lines("INFO")? == before, "the log tells more than errors");
    mount.becomes("")?;
    // The first of them may come before the file is looked at.
    until("the log tells what becomes ready", SOON, async || {
        world.enforces("said").await?;
        world.kubectl(&["delete", "secpol/said"]).await?;
        Ok(lines("INFO")? > before)
    })
    .await
}

/// A private registry's password, and as a policy carries it.
const PASSWORD: &str = "c2VjcmV0OnRoYXQtbm9ib2R5LW1heS1yZWFk";
const DOCKER_CFG: &str = "eyJhdXRocyI6eyJyZWdpc3RyeS5leGFtcGxlLmNvbSI6eyJhdXRoIjoiYzJWamNtVjBPblJvWVhRdGJtOWliMlI1TFcxaGVTMXlaV0ZrIn19fQ==";

/// Each line of the log is one JSON object, whatever happens; and at whatever level, no secret of a policy stands in the
/// log, in metrics, in events, in what Gatekeeper gets, or in the policy's status.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_json_and_keeps_secrets() -> Result<()> {
    Cluster::run(Options::new("test-log"), async |cluster| {
        let world = World(cluster);
        cluster.install_policies().await?;
        let replica = REPLICAS[0];
        let path = cluster.directory().join(SETTINGS);
        let config = path.to_str().context("not UTF-8")?;
        std::fs::write(&path, "log: {level: trace}")?;
        let arguments = ["--config", config, "--leader-elect", "false", "--log-format", "json"];
        cluster.start_replica(replica, &arguments).await?;
        world.enforces("first").await?;
        let label = "security.deckhouse.io/pod-policy=nonsense";
        world.kubectl(&["label", "namespace", "default", label]).await?;

        let mut secret = policy("secret");
        secret["spec"]["policies"]["verifyImageSignatures"] = json!([{
            "reference": "registry.example.com/*", "dockerCfg": DOCKER_CFG,
            "publicKeys": ["-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----"],
        }]);
        cluster.put(&secret).await?;
        until("the operator has looked at it", SOON, async || {
            Ok(cluster.get(&["secpol/secret"]).await?["status"]["observedGeneration"].is_u64())
        })
        .await?;
        // And at what it does not accept.
        secret["spec"]["policies"]["allowedCapabilities"] = Value::Null;
        cluster.put(&secret).await?;
        let says = "spec.policies.allowedCapabilities";
        cluster.condition("secpol/secret", Condition::no("Valid", "Invalid", says)).await?;
        std::fs::write(&path, "log: {level: nonsense}")?;
        world.shows(replica, "gatewright_settings_valid", "0").await?;
        let (_, metrics) = cluster.ask_replica(replica, "/metrics").await?;
        cluster.stop(replica).await?;
        every_line_is_json(cluster, replica)?;
        let (log, events) =
            (std::fs::read_to_string(cluster.log(replica))?, cluster.get(&["events", "-A"]).await?);
        let status = cluster.get(&["secpol/secret"]).await?["status"].take();
        let constraints = cluster.get(&["d8securitypolicy"]).await?;
        for (what, text) in [
            ("log", log),
            ("metrics", metrics),
            ("events", events.to_string()),
            ("status", status.to_string()),
            ("constraints", constraints.to_string()),
        ] {
            ensure!(text.len() > 100, "{what}: {text}");
            let secret = [PASSWORD, DOCKER_CFG].into_iter().find(|secret| text.contains(*secret));
            ensure!(secret.is_none(), "a secret stands in the {what}");
        }
        Ok(())
    })
    .await
}

fn every_line_is_json(cluster: &Cluster, replica: &str) -> Result<()> {
    let log = std::fs::read_to_string(cluster.log(replica))?;
    let mut levels = std::collections::BTreeSet::new();
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        for field in ["timestamp", "level", "target", "message"] {
            // Within a text the quotes are escaped, so this is a key; a reader takes one of two and drops the other.
            let count = line.matches(&format!("\"{field}\":")).count();
            ensure!(entry[field].is_string() && count == 1, "{field} stands {count} times: {line}");
        }
        levels.insert(entry["level"].as_str().unwrap_or_default().to_owned());
    }
    ensure!(["INFO", "WARN", "TRACE"].iter().all(|level| levels.contains(*level)), "{levels:?}");
    ensure!(log.contains("\"message\":\"policy\"") && log.contains("\"reason\":\"Ready\""));
    ensure!(log.contains("\"message\":\"a namespace has a label that somebody should look at\""));
    Ok(())
}
