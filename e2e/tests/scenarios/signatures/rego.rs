//! What is asked, when it is asked again, and what a refusal says.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::signatures::{Asked, answers, refusal};
use gatewright_e2e::{SOON, until};
use gatewright_signatures::Class;
use gatewright_signatures::class::TABLE;
use gatewright_signatures::protocol::WINDOW_SECONDS;
use serde_json::{Value, json};

use super::{HEX, Stage, about, outcome, pod_of, refused, signed};

pub(super) async fn run(stage: &Stage<'_>) -> Result<()> {
    stage.script_by_name();
    every_class(stage).await.context("every class")?;
    details(stage).context("details")?;
    names_in_messages(stage).await.context("names in messages")?;
    how_many(stage).await.context("how many")?;
    places(stage).await.context("places")?;
    updates(stage).await.context("updates")?;
    controllers(stage).await.context("controllers")?;
    cached(stage).await.context("cached")?;
    revisions(stage).await.context("revisions")?;
    audit(stage).await.context("audit")
}

async fn every_class(stage: &Stage<'_>) -> Result<()> {
    for row in TABLE.iter().filter(|row| row.class != Class::Unavailable) {
        let image = format!("r.io/team/{}:1", row.name);
        let answer = stage.tries(&[&image]).await?;
        let judged = if row.class.passes() {
            answer.passes()
        } else {
            // The whole message: nothing stands after it.
            answer.refuses(&refused(&image, row.words)).and_then(|()| {
                ensure!(answer.message.ends_with("(container \"c0\")"), "{}", answer.message);
                Ok(())
            })
        };
        judged.with_context(|| row.name)?;
    }
    Ok(())
}

/// Gatekeeper logs the details of a violation.
fn details(stage: &Stage<'_>) -> Result<()> {
    let log = std::fs::read_to_string(stage.cluster.log("gatekeeper-0"))?;
    let logged = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_unsigned = |line: &Value| {
        line["details"]["class"] == "unsigned" || line["constraint_details"]["class"] == "unsigned"
    };
    let line = logged.into_iter().find(of_unsigned).context("no violation in Gatekeeper's log")?;
    let found = if line["details"].is_null() { &line["constraint_details"] } else { &line["details"] };
    let digest = gatewright_signatures::Digest::of(b"an image");
    let expected = json!({
        "rule": "verifyImageSignatures", "container": "c0", "field": "spec.containers[0].image",
        "found": "r.io/team/unsigned:1", "allowed": "r.io/*", "class": "unsigned", "digest": digest,
    });
    ensure!(*found == expected, "{line}");
    Ok(())
}

/// Foreign text in messages: quoted where it is no plain name, and shortened.
async fn names_in_messages(stage: &Stage<'_>) -> Result<()> {
    let words = Class::InvalidName.row().words;
    stage.provider.script(|asked| answers(asked, |_| outcome(Class::InvalidName)));
    let long = format!("r.io/{}:1", "a".repeat(3_000));
    let shown = format!("r.io/{}…{}:1", "a".repeat(54), "a".repeat(58));
    stage.provider.calls();
    for (image, shown) in [
        ("R.io/X:1", "\"R.io/X:1\""),
        ("r.io/a\nb", "\"r.io/a\\nb\""),
        ("r.io/a|\u{202e}b", "\"r.io/a|\\u202eb\""),
        (long.as_str(), shown.as_str()),
    ] {
        let answer = stage.tries(&[image]).await?;
        answer.refuses(&refused(shown, words))?;
        let calls = stage.provider.calls();
        ensure!(calls.len() == 1 && about(&calls[0], &[image]), "{calls:?}");
    }
    stage.script_by_name();
    Ok(())
}

/// 64 images are asked about in one call, 65 not at all, and what is not covered never.
async fn how_many(stage: &Stage<'_>) -> Result<()> {
    let images: Vec<_> = (0..65).map(|number| format!("r.io/many/verified:{number}")).collect();
    let images: Vec<_> = images.iter().map(String::as_str).collect();
    stage.provider.calls();
    stage.tries(&images[..64]).await?.passes()?;
    let calls = stage.provider.calls();
    ensure!(calls.len() == 1 && about(&calls[0], &images[..64]), "{} calls", calls.len());
    ensure!(calls[0].iter().all(|asked| asked.key.wait && asked.key.constraint == "signed"), "{calls:?}");
    let answer = stage.tries(&images).await?;
    answer.refuses(
        "[signed] [verify-image-signatures] Image signature verification failed: it exceeds a limit: 65 images to verify, \
         at most 64",
    )?;
    stage
        .tries(&["other.io/team/unsigned:1", "busybox", "docker.io/library/nginx-unsigned"])
        .await?
        .passes()?;
    let calls = stage.provider.calls();
    ensure!(calls.is_empty(), "{calls:?}");
    // Every spelling of a covered name is asked about, once for each spelling.
    let spellings =
        ["nginx", "docker.io/nginx:1", "index.docker.io/library/nginx", "registry-1.docker.io/library/nginx"];
    stage.tries(&spellings).await?.passes()?;
    let calls = stage.provider.calls();
    ensure!(calls.len() == 1 && about(&calls[0], &spellings), "{calls:?}");
    Ok(())
}

/// Each list of containers, volumes of images, and what is named there.
async fn places(stage: &Stage<'_>) -> Result<()> {
    let words = Class::Unsigned.row().words;
    let mut pod = pod_of("places", &["r.io/team/verified:1"]);
    pod["spec"]["initContainers"] = json!([{"name": "init", "image": "r.io/init/unsigned:1"}]);
    pod["spec"]["volumes"] = json!([{"name": "files", "image": {"reference": "r.io/volume/unsigned:1"}}]);
    let answer = stage.asker.tries(&pod).await?;
    answer.refuses(&refusal("signed", "r.io/init/unsigned:1", words, "init container \"init\""))?;
    answer.refuses(&refusal("signed", "r.io/volume/unsigned:1", words, "volume \"files\""))?;
    ensure!(answer.message.matches("[verify-image-signatures]").count() == 2, "{}", answer.message);
    // The same image in two containers is one violation.
    let answer = stage.tries(&["r.io/twice/unsigned:1", "r.io/twice/unsigned:1"]).await?;
    ensure!(answer.message.matches("[verify-image-signatures]").count() == 1, "{}", answer.message);
    Ok(())
}

/// An edit asks about new images alone, and not at all where there are none.
async fn updates(stage: &Stage<'_>) -> Result<()> {
    let answer =
        stage.asker.creates(&pod_of("edited", &["r.io/edited/verified:1", "r.io/edited/verified:2"])).await?;
    answer.passes()?;
    // From now on nothing passes that is asked about again.
    stage.provider.script(|asked| answers(asked, |_| outcome(Class::Unreachable)));
    stage.provider.calls();
    let label = json!({"metadata": {"labels": {"edited": "yes"}}});
    stage.asker.patches("shop", "edited", &label).await?.passes()?;
    let calls = stage.provider.calls();
    ensure!(calls.is_empty(), "a label edit: {calls:?}");
    let one = json!({"spec": {"containers": [{"name": "c1", "image": "r.io/edited/new:3"}]}});
    let answer = stage.asker.patches("shop", "edited", &one).await?;
    answer.refuses("r.io/edited/new:3: the registry does not answer (container \"c1\")")?;
    let calls = stage.provider.calls();
    ensure!(are_about(&calls, "r.io/edited/new:3"), "{calls:?}");
    let debugger = json!({"name": "debugger", "image": "r.io/edited/debug:1", "targetContainerName": "c0"});
    let debugger = json!({"spec": {"ephemeralContainers": [debugger]}});
    let answer = stage.asker.patches("shop", "edited/ephemeralcontainers", &debugger).await?;
    answer.refuses("r.io/edited/debug:1: the registry does not answer (ephemeral container \"debugger\")")?;
    let calls = stage.provider.calls();
    ensure!(are_about(&calls, "r.io/edited/debug:1"), "{calls:?}");
    stage.script_by_name();
    stage.asker.patches("shop", "edited/ephemeralcontainers", &debugger).await?.passes()
}

/// Whether there were calls, and each was about this image alone: the API server asks again where somebody else changed the
/// Pod meanwhile.
fn are_about(calls: &[Vec<Asked>], image: &str) -> bool {
    !calls.is_empty() && calls.iter().all(|call| about(call, &[image]))
}

/// An unfinished check refuses Pods, and lets pass what only makes Pods.
async fn controllers(stage: &Stage<'_>) -> Result<()> {
    let deployment = |image: &str| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod_of("", &[image])["spec"]},
            },
        })
    };
    stage.asker.tries(&deployment("r.io/web/in-progress:1")).await?.passes()?;
    stage.tries(&["r.io/web/in-progress:1"]).await?.refuses("it is still being checked")?;
    let answer = stage.asker.tries(&deployment("r.io/web/unsigned:1")).await?;
    answer.refuses(&refused("r.io/web/unsigned:1", Class::Unsigned.row().words))
}

/// A refusal is asked about again at once; a pass of a digest is not, that of a tag in the next half minute.
async fn cached(stage: &Stage<'_>) -> Result<()> {
    let by_digest = format!("r.io/cached/verified@sha256:{HEX}");
    let passing = ["r.io/cached/verified:1", by_digest.as_str()];
    // Not at the end of a half minute, so that the second request is in the same.
    if seconds_left() < 5 {
        tokio::time::sleep(Duration::from_secs(seconds_left() + 1)).await;
    }
    stage.provider.calls();
    for (round, images) in [(0, &passing[..]), (1, &[])] {
        stage.tries(&passing).await?.passes()?;
        let calls: Vec<Asked> = stage.provider.calls().concat();
        ensure!(about(&calls, images), "round {round}: {calls:?}");
        for asked in calls {
            let by_digest = asked.key.image.contains('@');
            ensure!((asked.key.window == 0) == by_digest, "{asked:?}");
        }
    }
    for _ in 0..2 {
        stage.tries(&["r.io/cached/unsigned:1"]).await?.refuses("no cosign signature")?;
        ensure!(stage.provider.images() == ["r.io/cached/unsigned:1"], "a refusal is asked about again");
    }
    tokio::time::sleep(Duration::from_secs(seconds_left() + 1)).await;
    stage.tries(&passing).await?.passes()?;
    let again = stage.provider.images();
    ensure!(again == ["r.io/cached/verified:1"], "the tag is asked about again, and nothing else: {again:?}");
    Ok(())
}

/// How long the half minute lasts that keys are made of.
fn seconds_left() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    WINDOW_SECONDS - now % WINDOW_SECONDS
}

/// What passed by another revision of the policy counts no more.
async fn revisions(stage: &Stage<'_>) -> Result<()> {
    let image = format!("r.io/revised/verified@sha256:{HEX}");
    stage.tries(&[&image]).await?.passes()?;
    let before = stage.provider.calls().concat();
    let policy = signed("signed", &["r.io/*", "nginx", "r.io/revised/*"]);
    let revision = stage.cluster.enforces_signatures(&policy, &stage.settings).await?;
    stage.tries(&[&image]).await?.passes()?;
    let after = stage.provider.calls().concat();
    ensure!(before.len() == 1 && after.len() == 1, "{before:?} {after:?}");
    ensure!(before[0].key.revision != revision && after[0].key.revision == revision, "{before:?} {after:?}");
    Ok(())
}

/// Audit waits for nothing, and takes what is unfinished for no violation.
async fn audit(stage: &Stage<'_>) -> Result<()> {
    for name in ["in-progress", "unsigned", "silence"] {
        // Passed when it was created, by the name of its class when it is audited.
        stage.provider.script(|asked| answers(asked, |_| outcome(Class::Verified)));
        let image = format!("r.io/audited/{name}:1");
        stage.asker.creates(&pod_of(&format!("audited-{name}"), &[&image])).await?.passes()?;
    }
    stage.provider.script(|asked| {
        let known: Vec<_> = asked.iter().filter(|one| !one.key.image.contains("silence")).cloned().collect();
        answers(&known, |key| outcome(super::class_in(key)))
    });
    stage.provider.audits();
    until("audit has found what it should", SOON, async || {
        let found = stage.cluster.get(&["d8verifyimagesignatures/signed"]).await?["status"].take();
        let violations = found["violations"].as_array().context("no audit yet")?;
        let mut messages: Vec<_> = violations.iter().filter_map(|it| it["message"].as_str()).collect();
        messages.sort_unstable();
        let begin = "[verify-image-signatures] Image signature verification failed: r.io/audited/";
        let silence = format!("{begin}silence:1: the verifier does not answer (container \"c0\")");
        let unsigned = format!("{begin}unsigned:1: it has no cosign signature (container \"c0\")");
        ensure!(messages == [silence, unsigned] && found["totalViolations"] == 2, "{found}");
        Ok(true)
    })
    .await?;
    let asked = stage.provider.audits().concat();
    ensure!(!asked.is_empty() && asked.iter().all(|one| !one.key.wait), "{asked:?}");
    for name in ["in-progress", "unsigned", "silence"] {
        stage
            .cluster
            .kubectl_ok(&["delete", "pod", "-n", "shop", &format!("audited-{name}"), "--now"])
            .await?;
    }
    stage.script_by_name();
    Ok(())
}
