//! Two replicas of the operator on the real control plane, and a settings file that changes under one.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gatewright_e2e::manifests::{namespace, no_privileged, security_policy};
use gatewright_e2e::{Cluster, Condition, Options, SOON, Scenario, until};
use serde_json::{Value, json};

/// How long a leader that is gone holds up the other.
const LEASE: Duration = Duration::from_secs(10);

const REPLICAS: [&str; 2] = ["gatewright-0", "gatewright-1"];

const API_SERVER: &str = "kube-apiserver";

const GATEKEEPER: &str = "gatekeeper-0";

fn policy(name: &str) -> Value {
    security_policy(name, &no_privileged())
}

fn other(replica: &str) -> &'static str {
    if replica == REPLICAS[0] { REPLICAS[1] } else { REPLICAS[0] }
}

async fn start(cluster: &Cluster, replica: &str) -> Result<()> {
    let seconds = LEASE.as_secs().to_string();
    cluster.start_replica(replica, &["--lease-seconds", &seconds]).await
}

/// Somebody's new policy is enforced.
async fn enforces(cluster: &Cluster, name: &str) -> Result<()> {
    cluster.put(&policy(name)).await?;
    cluster.ready(&format!("secpol/{name}")).await
}

/// How many writes of a replica the API server has answered, but for those of the Lease.
fn writes(cluster: &Cluster, replica: &str) -> Result<usize> {
    Ok(cluster.writes(replica)?.iter().filter(|write| !write.is_lease()).count())
}

/// The status names the replica as the Lease does.
async fn says_who_leads(cluster: &Cluster, leader: &str) -> Result<()> {
    says(cluster, &format!("{leader}_")).await?;
    let holder = cluster.lease().await?.holder_identity.context("nobody holds the Lease")?;
    says(cluster, &format!("{holder} holds the Lease gatewright-system/gatewright")).await
}

/// The operator says this of itself.
async fn says(cluster: &Cluster, message: &str) -> Result<()> {
    cluster.condition("gatewrightstatus/cluster", Condition::yes("Operator", "Leading", message)).await
}

async fn is(cluster: &Cluster, replica: &str, role: &str) -> Result<()> {
    cluster.readiness(replica, 200, &format!("ok: {role}\n")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_replicas_writes() -> Result<()> {
    let gatekeeper_arguments = vec!["--exempt-namespace=gatewright-system".to_owned()];
    let options = Options { gatekeeper_arguments, ..Options::new("test-replicas") };
    let scenario = Scenario::on(options).without_operator().objects([namespace("shop")]);
    Scenario::run(scenario, async |cluster| {
        for replica in REPLICAS {
            start(cluster, replica).await?;
        }
        let leader = cluster.leader(&REPLICAS).await?;
        enforces(cluster, "first").await?;
        both_tell_what_they_are(cluster, leader).await?;
        let leader = a_frozen_leader_writes_nothing_when_it_wakes(cluster, leader).await?;
        let leader = a_killed_leader_is_replaced(cluster, leader).await?;
        let leader = a_leader_that_stops_hands_over(cluster, leader).await?;
        let leader = a_dead_gatekeeper_ends_the_leader(cluster, leader).await?;
        a_leader_bears_a_dead_gatekeeper(cluster, leader).await?;
        a_leader_without_an_api_server_ends(cluster, leader).await
    })
    .await
}

async fn both_tell_what_they_are(cluster: &Cluster, leader: &str) -> Result<()> {
    let standby = other(leader);
    is(cluster, leader, "leader").await?;
    is(cluster, standby, "standby").await?;
    says_who_leads(cluster, leader).await?;
    cluster.measures(leader, "gatewright_leader", "1").await?;
    cluster.measures(standby, "gatewright_leader", "0").await?;
    ensure!(
        writes(cluster, leader)? > 5 && writes(cluster, standby)? == 0,
        "the replica that stands by has written"
    );
    // Both see everything.
    for replica in REPLICAS {
        let ready =
            r#"gatewright_policies{kind="SecurityPolicy",condition="Ready",status="True",reason="Ready"}"#;
        cluster.measures(replica, ready, "1").await?;
        cluster
            .measures(replica, r#"gatewright_constraints{kind="PodSecurityStandard",state="enforced"}"#, "6")
            .await?;
        cluster
            .measures(replica, r#"gatewright_constraints{kind="SecurityPolicy",state="enforced"}"#, "1")
            .await?;
        let (code, text) = cluster.ask_replica(replica, "/livez").await?;
        ensure!(code == 200 && text == "ok\n", "{code} {text}");
    }
    let creates = r#"gatewright_writes_total{resource="constrainttemplates",verb="create"}"#;
    ensure!(
        cluster.metric(leader, creates).await?.is_some() && cluster.metric(standby, creates).await?.is_none()
    );

    until("there is an event of the policy", SOON, async || {
        let about =
            "--field-selector=involvedObject.kind=SecurityPolicy,involvedObject.name=first,reason=Ready";
        Ok(!cluster.kubectl_ok(&["get", "events", "-n", "default", about, "-o", "name"]).await?.is_empty())
    })
    .await
}

async fn a_frozen_leader_writes_nothing_when_it_wakes(
    cluster: &Cluster,
    leader: &'static str,
) -> Result<&'static str> {
    cluster.freeze(leader)?;
    let successor = cluster.leader(&[other(leader)]).await?;
    // It has something to do when it wakes.
    enforces(cluster, "while-frozen").await?;
    cluster.kubectl_ok(&["delete", "d8securitypolicy/first"]).await?;
    enforces(cluster, "first").await?;
    let before = writes(cluster, leader)?;
    cluster.thaw(leader)?;
    until("the former leader has ended", SOON, async || Ok(!cluster.is_running(leader))).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let after = writes(cluster, leader)?;
    ensure!(before == after, "{} writes of a leader that was replaced", after - before);
    start(cluster, leader).await?;
    is(cluster, leader, "standby").await?;
    Ok(successor)
}

async fn a_killed_leader_is_replaced(cluster: &Cluster, leader: &'static str) -> Result<&'static str> {
    cluster.kill(leader).await?;
    let killed = Instant::now();
    let successor = cluster.leader(&[other(leader)]).await?;
    let took = killed.elapsed();
    ensure!(took < LEASE * 4, "replaced after {took:?}");
    enforces(cluster, "after-kill").await?;
    says_who_leads(cluster, successor).await?;
    start(cluster, leader).await?;
    is(cluster, leader, "standby").await?;
    Ok(successor)
}

async fn a_leader_that_stops_hands_over(cluster: &Cluster, leader: &'static str) -> Result<&'static str> {
    let stopped = Instant::now();
    cluster.stop(leader).await?;
    let successor = cluster.leader(&[other(leader)]).await?;
    let took = stopped.elapsed();
    ensure!(took < LEASE, "handed over only after {took:?}");
    enforces(cluster, "after-stop").await?;
    start(cluster, leader).await?;
    is(cluster, leader, "standby").await?;
    Ok(successor)
}

/// The failure policy is Fail, so that the renewal is refused like every other write. The operator says so beforehand.
async fn a_dead_gatekeeper_ends_the_leader(cluster: &Cluster, leader: &'static str) -> Result<&'static str> {
    let advice = "does not exempt the namespace gatewright-system";
    says(cluster, advice).await?;
    // Gatekeeper has the flag here, so that only the label is missing.
    let label = "has the flag for that already; an administrator should run: kubectl label namespace gatewright-system";
    says(cluster, label).await?;
    // The log goes on where the process before ended.
    let log = std::fs::read_to_string(cluster.log(leader))?;
    let since_its_start = log.rsplit(" started identity=").next().unwrap_or_default();
    let said = since_its_start.matches(advice).count();
    ensure!(said == 1, "the log of {leader} should say so once: {since_its_start}");
    cluster.kill(GATEKEEPER).await?;
    until("the leader has ended", SOON, async || Ok(!cluster.is_running(leader))).await?;
    // The other one cannot take over, says why, and goes on.
    cluster.readiness(other(leader), 503, "failed calling webhook").await?;
    ensure!(cluster.is_running(other(leader)), "the replica that stood by has ended, too");
    cluster.restart(GATEKEEPER).await?;
    let successor = cluster.leader(&[other(leader)]).await?;
    start(cluster, leader).await?;
    is(cluster, leader, "standby").await?;
    Ok(successor)
}

/// All writes are refused but those in the operator's own namespace.
async fn a_leader_bears_a_dead_gatekeeper(cluster: &Cluster, leader: &'static str) -> Result<()> {
    let exempt = "admission.gatekeeper.sh/ignore=lease";
    cluster.kubectl_ok(&["label", "namespace", "gatewright-system", exempt]).await?;
    says(cluster, "Gatekeeper exempts the namespace gatewright-system").await?;
    cluster.kill(GATEKEEPER).await?;
    let refused = cluster.answer(&["create", "namespace", "nobody-is-asked", "--dry-run=server"]).await?;
    ensure!(refused.contains("failed calling webhook"), "{refused}");
    let renewed = async || anyhow::Ok(cluster.lease().await?.renew_time.context("never renewed")?.0);
    let before = renewed().await?;
    tokio::time::sleep(LEASE * 2).await;
    ensure!(renewed().await? > before, "the Lease is not renewed");
    ensure!(cluster.leader(&REPLICAS).await? == leader, "another leads");
    ensure!(REPLICAS.iter().all(|replica| cluster.is_running(replica)), "a replica has ended");
    cluster.restart(GATEKEEPER).await?;
    enforces(cluster, "after-gatekeeper").await
}

async fn a_leader_without_an_api_server_ends(cluster: &Cluster, leader: &'static str) -> Result<()> {
    cluster.kill(API_SERVER).await?;
    until("the leader has ended", SOON, async || Ok(!cluster.is_running(leader))).await?;
    ensure!(cluster.is_running(other(leader)), "the replica that stood by has ended, too");
    let log = std::fs::read_to_string(cluster.log(leader))?;
    ensure!(log.contains("lost the lease"), "{log}");
    cluster.restart(API_SERVER).await?;
    let successor = cluster.leader(&[other(leader)]).await?;
    is(cluster, successor, "leader").await?;
    enforces(cluster, "after-outage").await
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_follow_their_file() -> Result<()> {
    let scenario = Scenario::new("test-settings").without_operator();
    Scenario::run(scenario, async |cluster| {
        let mount = Mount::new(cluster.directory().join("settings"))?;
        let replica = REPLICAS[0];
        let path = mount.0.join(SETTINGS);
        let config = path.to_str().context("not UTF-8")?;
        mount.becomes("podSecurityStandards:\n  enforcementAction: Warn\n")?;
        cluster.start_replica(replica, &["--config", config, "--leader-elect", "false"]).await?;
        enforces(cluster, "first").await?;
        let excluded = async |constraint: &str| {
            cluster.kubectl_ok(&["get", constraint, "-o", "jsonpath={.spec.match.excludedNamespaces}"]).await
        };
        ensure!(!excluded("d8securitypolicy/first").await?.contains("platform-*"));

        mount.becomes("systemNamespaces: [kube-system, 'platform-*']\n")?;
        for constraint in ["d8securitypolicy/first", "d8podsecuritystandard/d8-pod-security-baseline-deny"] {
            until(&format!("{constraint} follows the settings"), SOON, async || {
                Ok(excluded(constraint).await?.contains("platform-*"))
            })
            .await?;
        }

        // Each problem of a broken file is logged once, and nothing changes.
        mount.becomes("systemNamespaces: []\nrouting:\n  conect: off\n  delete: never\n")?;
        cluster.measures(replica, "gatewright_settings_valid", "0").await?;
        for problem in ["line 3: routing.conect is unknown", "line 4: routing.delete"] {
            for r#type in ["Settings", "Ready"] {
                let broken = Condition::no(r#type, "Broken", problem);
                cluster.condition("gatewrightstatus/cluster", broken).await?;
            }
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        ensure!(
            excluded("d8securitypolicy/first").await?.contains("platform-*"),
            "a broken file took effect"
        );
        let log = std::fs::read_to_string(cluster.log(replica))?;
        let broken = log.lines().filter(|line| line.contains("the settings file is broken"));
        let broken: Vec<_> = broken.collect();
        for problem in ["line 3: routing.conect is unknown", "line 4: routing.delete"] {
            let lines = broken.iter().filter(|line| line.contains(problem));
            ensure!(lines.count() == 1, "{problem}: {broken:?}");
        }

        mount.becomes("")?;
        cluster.measures(replica, "gatewright_settings_valid", "1").await?;
        cluster.condition("gatewrightstatus/cluster", Condition::yes("Settings", "InForce", "")).await?;
        until("the defaults hold again", SOON, async || {
            Ok(!excluded("d8securitypolicy/first").await?.contains("platform-*"))
        })
        .await?;
        the_log_obeys(cluster, replica, &mount).await
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

/// What the log says changes while the process runs, and goes back to what it was said at the start.
async fn the_log_obeys(cluster: &Cluster, replica: &str, mount: &Mount) -> Result<()> {
    let lines = |level: &str| -> Result<usize> {
        let log = std::fs::read_to_string(cluster.log(replica))?;
        Ok(log.lines().filter(|line| line.split_whitespace().nth(1) == Some(level)).count())
    };
    ensure!(lines("DEBUG")? == 0 && lines("INFO")? > 0);
    mount.becomes("log: {level: debug}")?;
    until("the log says more", SOON, async || Ok(lines("DEBUG")? > 0)).await?;
    mount.becomes("log: {level: error}")?;
    // Not even that a policy became ready.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = lines("INFO")?;
    enforces(cluster, "unsaid").await?;
    ensure!(lines("INFO")? == before, "the log says more than errors");
    mount.becomes("")?;
    // The first of them may come before the file is looked at.
    until("the log says what becomes ready", SOON, async || {
        enforces(cluster, "said").await?;
        cluster.kubectl_ok(&["delete", "secpol/said"]).await?;
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
    let scenario = Scenario::new("test-log").without_operator();
    Scenario::run(scenario, async |cluster| {
        let replica = REPLICAS[0];
        let path = cluster.directory().join(SETTINGS);
        let config = path.to_str().context("not UTF-8")?;
        std::fs::write(&path, "log: {level: trace}")?;
        let arguments = ["--config", config, "--leader-elect", "false", "--log-format", "json"];
        cluster.start_replica(replica, &arguments).await?;
        enforces(cluster, "first").await?;
        let label = "security.deckhouse.io/pod-policy=nonsense";
        cluster.kubectl(&["label", "namespace", "default", label], None).await?.success()?;

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
        cluster.measures(replica, "gatewright_settings_valid", "0").await?;
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
