//! Many policies at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _};
use gatewright_e2e::manifests::security_policy;
use gatewright_e2e::operator::OPERATOR_USER;
use gatewright_e2e::{Options, until};
use serde_json::{Value, json};

use super::{POLICIES, Scene, scene};

const COUNT: usize = 1000;

/// Much more than it takes, on a machine under load.
const LONG: Duration = Duration::from_mins(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_policies_in_one_burst() -> Result<()> {
    let options = Options { audit_interval: 3600, ..Options::new("test-faults-burst") };
    scene(options, async |scene| {
        let before = scene.cluster.before_the_fault().await?;
        let path = format!("{POLICIES}/securitypolicies");
        let start = Instant::now();
        futures::stream::iter(0..COUNT)
            .map(|i| {
                let policy = security_policy(&format!("burst-{i}"), &json!({"allowHostPID": false}));
                let path = path.clone();
                async move { scene.create(&path, &policy).await.map(drop) }
            })
            .buffer_unordered(32)
            .try_collect::<()>()
            .await?;
        let created = start.elapsed();
        until("all are ready", LONG, async || {
            let found = scene.at(&path).await?.unwrap_or_default();
            let ready =
                found["items"].as_array().map_or(0, |all| all.iter().filter(|it| is_ready(it)).count());
            ensure!(ready == COUNT + 1, "{ready} are ready");
            Ok(true)
        })
        .await?;
        println!("{COUNT} policies created in {created:?}, ready after {:?}", start.elapsed());
        let writes = writes_by_resource(scene)?;
        println!("{writes:?}");
        // Each constraint is written once, and each status when it was applied and when it was enforced.
        ensure!(writes.get("create d8securitypolicy") == Some(&(COUNT + 1)), "{writes:?}");
        for verb in ["update", "patch", "delete"] {
            let count = writes.get(&format!("{verb} d8securitypolicy")).copied().unwrap_or_default();
            ensure!(count == 0, "{count} needless writes of constraints: {writes:?}");
        }
        let statuses = writes.get("update securitypolicies/status").copied().unwrap_or_default();
        ensure!((COUNT..COUNT * 7 / 2).contains(&statuses), "{statuses} writes of statuses: {writes:?}");
        scene.cluster.becomes_as_desired(&before, &[]).await
    })
    .await
}

fn is_ready(policy: &Value) -> bool {
    let conditions = policy["status"]["conditions"].as_array();
    conditions.is_some_and(|all| all.iter().any(|it| it["type"] == "Ready" && it["status"] == "True"))
}

/// How many requests of the operator wrote, or tried to, by verb and resource.
fn writes_by_resource(scene: &Scene<'_>) -> Result<BTreeMap<String, usize>> {
    let wrote = |event: &Value| {
        let reads = ["get", "list", "watch"];
        event["user"]["username"] == OPERATOR_USER && !reads.iter().any(|verb| event["verb"] == *verb)
    };
    let mut counts = BTreeMap::new();
    for event in scene.cluster.audited(wrote)? {
        let reference = &event["objectRef"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let subresource = reference["subresource"].as_str().map(|it| format!("/{it}")).unwrap_or_default();
        let key = format!("{} {}{subresource}", text(&event["verb"]), text(&reference["resource"]));
        *counts.entry(key).or_default() += 1;
    }
    Ok(counts)
}
