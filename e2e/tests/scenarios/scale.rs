//! Many policies and namespaces on the real control plane: what must cost nothing costs nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::answers::{Answers, Mark, writes};
use gatewright_e2e::audit::{LISTED, audit};
use gatewright_e2e::requests::{Form, POLICIES, all, get, send};
use gatewright_e2e::{Cluster, Options, SOON, Scenario, until};
use kube::Client;
use serde_json::{Value, json};

/// A while in which something that is to be written would be.
const WHILE: Duration = Duration::from_secs(4);

const MANY_POLICIES: usize = 30;
const MANY_NAMESPACES: usize = 300;

const STANDARD: &str = "security.deckhouse.io/pod-policy";

/// A cluster, and what its operator is asked through.
struct Crowd<'a> {
    cluster: &'a Cluster,
    client: Client,
    answers: Answers,
}

impl Crowd<'_> {
    async fn create(&self, path: &str, objects: impl Iterator<Item = Value>) -> Result<()> {
        let create = |object: Value| {
            let (client, path) = (self.client.clone(), path.to_owned());
            async move { send(&client, Form::Create, &path, &object).await.context(path) }
        };
        all(objects.map(create)).await.map(drop)
    }

    /// What the operator has written since, once it writes nothing any more.
    async fn written(&self, mark: Mark) -> Result<BTreeMap<String, usize>> {
        let deadline = Instant::now() + SOON;
        let mut before = writes(&self.answers.since(mark)?);
        loop {
            tokio::time::sleep(WHILE).await;
            let now = writes(&self.answers.since(mark)?);
            if now == before {
                return Ok(now);
            }
            ensure!(Instant::now() < deadline, "the operator does not stop writing: {now:?}");
            before = now;
        }
    }

    async fn label(&self, labels: &Value) -> Result<()> {
        let patch = json!({"metadata": {"labels": labels}});
        Ok(send(&self.client, Form::Merge, "/api/v1/namespaces/shop", &patch).await?)
    }

    /// What is said of a privileged Pod.
    async fn answer(&self) -> Result<String> {
        let container = json!({
            "name": "app", "image": "registry.example.com/app:1", "securityContext": {"privileged": true},
        });
        let pod = json!({"metadata": {"name": "app"}, "spec": {"containers": [container]}});
        match send(&self.client, Form::Create, "/api/v1/namespaces/shop/pods?dryRun=All", &pod).await {
            Ok(()) => Ok("let in".to_owned()),
            Err(kube::Error::Api(status)) => Ok(status.message.clone()),
            Err(error) => Err(error.into()),
        }
    }
}

fn name(number: usize) -> String {
    format!("policy-{number}")
}

fn policy(number: usize) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": name(number)},
        "spec": {
            "match": {"namespaceSelector": {"labelSelector": {"matchLabels": {"team": format!("team-{number}")}}}},
            "policies": {"allowPrivileged": false},
        },
    })
}

fn namespace(name: &str, team: &str) -> Value {
    json!({"metadata": {"name": name, "labels": {"team": team, STANDARD: "privileged"}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn many_policies_and_namespaces() -> Result<()> {
    // What audit finds is written by hand: Gatekeeper's own would come in between.
    let options = Options { audit_interval: 0, ..Options::new("test-scale") };
    let scenario = Scenario::on(options).without_operator();
    Scenario::run(scenario, async |cluster| {
        let answers = Answers::new(&cluster.audit_log());
        let crowd = Crowd { cluster, client: cluster.client().await?, answers };
        let others = (0..MANY_NAMESPACES)
            .map(|i| namespace(&format!("other-{i}"), &format!("team-{}", i % MANY_POLICIES)));
        crowd.create("/api/v1/namespaces", others.chain([namespace("shop", "shop")])).await?;
        cluster.start_operator().await?;
        crowd.create(POLICIES, (0..MANY_POLICIES).map(policy)).await?;
        cluster.all_ready("secpol").await?;
        a_label_makes_no_constraint_be_written(&crowd).await?;
        audit_is_told_once(&crowd).await
    })
    .await
}

/// What holds in a namespace is decided by what its labels are at the time of a request.
async fn a_label_makes_no_constraint_be_written(crowd: &Crowd<'_>) -> Result<()> {
    crowd.written(crowd.answers.mark()?).await?;
    let mark = crowd.answers.mark()?;
    for (labels, says) in [
        (json!({STANDARD: "baseline"}), "[d8-pod-security-baseline-deny]"),
        (json!({STANDARD: "privileged"}), "let in"),
        (json!({"team": "team-7"}), "[policy-7]"),
        (json!({"team": "team-8"}), "[policy-8]"),
        (json!({"team": "shop"}), "let in"),
    ] {
        crowd.label(&labels).await?;
        until(&format!("{labels} is obeyed"), SOON, async || {
            let said = crowd.answer().await?;
            ensure!(said.contains(says), "{said}");
            Ok(true)
        })
        .await?;
    }
    let written = crowd.written(mark).await?;
    ensure!(!written.keys().any(|resource| resource.starts_with("d8")), "{written:?}");
    let statuses = written.get("securitypolicies/status").copied().unwrap_or_default();
    // Two policies reach the namespace for a while; the others have no news. A write that came too late is repeated.
    ensure!(statuses < MANY_POLICIES / 2, "{written:?}");
    for number in 0..MANY_POLICIES {
        let policy = get(&crowd.client, &format!("{POLICIES}/{}", name(number))).await?;
        let expected = MANY_NAMESPACES / MANY_POLICIES;
        ensure!(policy["status"]["namespaces"] == expected, "{policy}");
    }
    Ok(())
}

/// News are written once; that the same was found again is none.
async fn audit_is_told_once(crowd: &Crowd<'_>) -> Result<()> {
    let mark = crowd.answers.mark()?;
    audit(&crowd.client, (0..MANY_POLICIES).map(name), 5).await?;
    let written = crowd.written(mark).await?;
    let expected = BTreeMap::from([("securitypolicies/status".to_owned(), MANY_POLICIES)]);
    ensure!(written == expected, "{written:?}");
    let policy = get(&crowd.client, &format!("{POLICIES}/{}", name(7))).await?;
    ensure!(policy["status"]["violations"]["total"] == LISTED + 5, "{policy}");
    let (mark, said) = (crowd.answers.mark()?, std::fs::read_to_string(crowd.cluster.log("gatewright"))?);
    for _ in 0..5 {
        audit(&crowd.client, (0..MANY_POLICIES).map(name), 5).await?;
    }
    let written = crowd.written(mark).await?;
    ensure!(written.is_empty(), "nothing new was found, and yet {written:?}");
    let now = std::fs::read_to_string(crowd.cluster.log("gatewright"))?;
    ensure!(said == now, "the operator talks of what is not new: {}", &now[said.len()..]);
    Ok(())
}
