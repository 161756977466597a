//! Every object of ours edited and deleted by hand.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use gatewright_api::names::OWNER_LABEL;
use gatewright_e2e::manifests::security_policy;
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{AT_ONCE, Condition, Options, SOON, until};
use serde_json::{Value, json};

use super::{CONSTRAINTS, SYSTEM, Scene, scene};

const TEMPLATES: &str = "/apis/templates.gatekeeper.sh/v1/constrainttemplates";
const WEBHOOK: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/gatewright-validating-webhook-configuration";
const INVENTORY: &str = "/apis/syncset.gatekeeper.sh/v1alpha1/syncsets/gatewright-pods";

/// What of an object is ours.
fn ours(object: &Value) -> Value {
    let metadata = &object["metadata"];
    let title = &metadata["annotations"]["metadata.gatekeeper.sh/title"];
    json!([
        object["spec"],
        object["webhooks"],
        metadata["labels"][OWNER_LABEL],
        metadata["ownerReferences"],
        title
    ])
}

impl Scene<'_> {
    /// Waits until an object is as it was, and another one if it was deleted. Returns how long that took.
    async fn restored(&self, what: &str, path: &str, good: &Value, gone: Option<&Value>) -> Result<Duration> {
        let start = Instant::now();
        let mut found = Value::Null;
        while start.elapsed() < AT_ONCE {
            found = self.at(path).await?.unwrap_or_default();
            if ours(&found) == ours(good) && gone != Some(&found["metadata"]["uid"]) {
                return Ok(start.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bail!("{path} is not as before after {AT_ONCE:?} ({what}): {found}")
    }

    async fn edited(&self, what: &str, path: &str, change: &Value) -> Result<Duration> {
        let good = self.at(path).await?.context("the object is not there")?;
        let edited = self.merge(path, "somebody", change).await?;
        ensure!(ours(&edited) != ours(&good), "{what} changes nothing of {path}");
        self.restored(what, path, &good, None).await
    }

    async fn deleted(&self, path: &str) -> Result<Duration> {
        let good = self.at(path).await?.context("the object is not there")?;
        self.delete(path).await?;
        self.restored("a deletion", path, &good, Some(&good["metadata"]["uid"])).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_and_deletions_by_hand_are_undone_at_once() -> Result<()> {
    scene(Options::new("test-faults-drift"), async |scene| {
        scene.cluster.install_foreign_objects().await?;
        let before = scene.cluster.before_the_fault().await?;
        let mut took = vec![];
        edits(scene, &mut took).await?;
        deletions(scene, &mut took).await?;
        took.sort();
        let (median, most) = (took[took.len() / 2], took[took.len() - 1]);
        println!("{} edits and deletions undone: median {median:?}, at most {most:?}", took.len());
        scene.cluster.becomes_as_desired(&before, &[]).await?;
        a_broken_template_is_reported(scene).await?;
        owners_that_do_not_exist(scene).await?;
        what_others_hold(scene).await?;
        what_others_add_for_themselves_stays(scene).await?;
        a_race_has_an_end(scene).await?;
        scene.cluster.becomes_as_desired(&before, &[]).await?;
        scene.cluster.enforces("strict").await
    })
    .await
}

/// Owners that exist, so that no garbage collector has a say.
async fn foreign_owner(scene: &Scene<'_>) -> Result<Value> {
    let namespace = scene.at("/api/v1/namespaces/shop").await?.context("no namespace")?;
    let uid = &namespace["metadata"]["uid"];
    Ok(json!({"apiVersion": "v1", "kind": "Namespace", "name": "shop", "uid": uid}))
}

fn owners_of(object: &Value) -> Vec<Value> {
    object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default()
}

async fn edits(scene: &Scene<'_>, took: &mut Vec<Duration>) -> Result<()> {
    let owner = foreign_owner(scene).await?;
    for name in [
        "d8securitypolicy/strict",
        "d8operationpolicy/common",
        "d8podsecuritystandard/d8-pod-security-baseline-deny",
        "d8denyexecheritage/deny-exec-heritage-pods",
    ] {
        let path = format!("{CONSTRAINTS}/{name}");
        let mut owners = owners_of(&scene.at(&path).await?.context("no constraint")?);
        owners.push(owner.clone());
        for (what, patch) in [
            ("another action", json!({"spec": {"enforcementAction": "dryrun"}})),
            (
                "an added selector",
                json!({"spec": {"match": {"labelSelector": {"matchLabels": {"no": "pod"}}}}}),
            ),
            ("no kinds", json!({"spec": {"match": {"kinds": null}}})),
            ("no parameters", json!({"spec": {"parameters": null}})),
            ("a label taken off", json!({"metadata": {"labels": {OWNER_LABEL: null}}})),
            ("nonsense in the label", json!({"metadata": {"labels": {OWNER_LABEL: "nonsense"}}})),
            ("one more owner", json!({"metadata": {"ownerReferences": owners}})),
        ] {
            took.push(scene.edited(what, &path, &patch).await?);
        }
    }
    let strict = format!("{CONSTRAINTS}/d8securitypolicy/strict");
    let no_owner = json!({"metadata": {"ownerReferences": null}});
    took.push(scene.edited("no owner", &strict, &no_owner).await?);
    let other_owner = json!({"metadata": {"ownerReferences": [owner]}});
    took.push(scene.edited("another owner", &strict, &other_owner).await?);

    let template = format!("{TEMPLATES}/d8operationpolicy");
    for (what, patch) in [
        ("another schema", json!({"spec": {"crd": {"spec": {"validation": {"legacySchema": true}}}}})),
        ("a short name", json!({"spec": {"crd": {"spec": {"names": {"shortNames": ["ops"]}}}}})),
        ("no title", json!({"metadata": {"annotations": {"metadata.gatekeeper.sh/title": null}}})),
        ("an owner", json!({"metadata": {"ownerReferences": [owner]}})),
    ] {
        took.push(scene.edited(what, &template, &patch).await?);
    }
    let secrets = json!({"spec": {"gvks": [{"group": "", "version": "v1", "kind": "Secret"}]}});
    took.push(scene.edited("other kinds", INVENTORY, &secrets).await?);
    let mut webhooks = scene.at(WEBHOOK).await?.context("no webhook configuration")?["webhooks"].take();
    webhooks[0]["matchConditions"] = json!([{"name": "never", "expression": "false"}]);
    took.push(scene.edited("an added condition", WEBHOOK, &json!({"webhooks": webhooks})).await?);
    took.push(scene.edited("no entry", WEBHOOK, &json!({"webhooks": []})).await?);
    Ok(())
}

async fn deletions(scene: &Scene<'_>, took: &mut Vec<Duration>) -> Result<()> {
    let of_kind = |kind: &str, name: &str| format!("{CONSTRAINTS}/{kind}/{name}");
    for path in [
        of_kind("d8securitypolicy", "strict"),
        of_kind("d8operationpolicy", "common"),
        of_kind("d8podsecuritystandard", "d8-pod-security-restricted-warn"),
        of_kind("d8denyexecheritage", "deny-exec-heritage-pods"),
        INVENTORY.to_owned(),
        WEBHOOK.to_owned(),
        // With it, in time, goes everything that hangs on it; that comes back as soon as Gatekeeper has made the kind.
        format!("{TEMPLATES}/d8operationpolicy"),
    ] {
        took.push(scene.deleted(&path).await?);
    }
    Ok(())
}

/// Rego that does not compile is replaced before it takes effect, and the event says who wrote it.
async fn a_broken_template_is_reported(scene: &Scene<'_>) -> Result<()> {
    let path = format!("{TEMPLATES}/d8securitypolicy");
    let repairs = r#"gatewright_repairs_total{kind="ConstraintTemplate"}"#;
    let counted = scene.count(repairs).await?;
    let mut targets = scene.at(&path).await?.context("no template")?["spec"]["targets"].take();
    targets[0]["code"][0]["source"]["rego"] = json!("package broken\nviolation contains");
    scene.edited("broken Rego", &path, &json!({"spec": {"targets": targets}})).await?;
    ensure!(scene.count(repairs).await? == counted + 1, "the repair is not counted once");
    until("an event says", SOON, async || {
        let events = scene.cluster.events("default", "d8securitypolicy", "Repaired").await?;
        ensure!(events.iter().any(|it| it == "somebody changed spec.targets; it is as before"), "{events:?}");
        Ok(true)
    })
    .await?;
    scene.cluster.ready("secpol/strict").await?;
    scene.cluster.enforces("strict").await
}

/// The garbage collector deletes what is owned by nobody who exists, whatever we do; then it is there again.
async fn owners_that_do_not_exist(scene: &Scene<'_>) -> Result<()> {
    let uid = "11111111-2222-3333-4444-555555555555";
    let nobody = json!([{"apiVersion": "v1", "kind": "Namespace", "name": "nobody", "uid": uid}]);
    for (kind, name) in
        [("d8podsecuritystandard", "d8-pod-security-baseline-deny"), ("d8securitypolicy", "strict")]
    {
        let path = format!("{CONSTRAINTS}/{kind}/{name}");
        let good = scene.at(&path).await?.context("no constraint")?;
        scene.merge(&path, "somebody", &json!({"metadata": {"ownerReferences": nobody}})).await?;
        scene.restored("an owner that does not exist", &path, &good, None).await?;
    }
    Ok(())
}

/// A finalizer of somebody else is theirs: what it holds is said, and made anew as soon as it is let go.
async fn what_others_hold(scene: &Scene<'_>) -> Result<()> {
    let cluster = scene.cluster;
    let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    let release = json!({"metadata": {"finalizers": null}});
    let path = format!("{CONSTRAINTS}/d8securitypolicy/held");
    let policy = security_policy("held", &json!({"allowHostPID": false}));
    cluster.put(&policy).await?;
    scene.cluster.ready("secpol/held").await?;
    let first = scene.merge(&path, "somebody", &hold).await?;
    scene.cluster.kubectl_ok(&["delete", "secpol/held"]).await?;
    let is_going = |object: &Value| object["metadata"]["deletionTimestamp"].is_string();
    scene.becomes("the constraint is being deleted", &path, is_going).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let deletions =
        scene.writes(|event| event["verb"] == "delete" && event["objectRef"]["name"] == "held")?;
    ensure!(deletions.len() <= 2, "{} deletions of what is being deleted", deletions.len());

    // The policy comes back while its old constraint is still there.
    cluster.put(&policy).await?;
    let says = "D8SecurityPolicy held is being deleted and held by finalizers of others (example.com/hold)";
    cluster.condition("secpol/held", Condition::no("Applied", "BeingDeleted", says)).await?;
    let found = scene.at(&path).await?.context("the constraint is gone")?;
    ensure!(found["metadata"]["finalizers"] == json!(["example.com/hold"]), "{found}");
    scene.merge(&path, "somebody", &release).await?;
    scene.cluster.ready("secpol/held").await?;
    let second = scene.at(&path).await?.context("no constraint")?;
    ensure!(first["metadata"]["uid"] != second["metadata"]["uid"], "it is the old constraint");

    // The same of a template.
    let path = format!("{TEMPLATES}/d8operationpolicy");
    scene.merge(&path, "somebody", &hold).await?;
    scene.delete(&path).await?;
    let says = "ConstraintTemplate d8operationpolicy is being deleted and held by finalizers of others";
    cluster.condition(SYSTEM, Condition::no("TemplatesInstalled", "BeingDeleted", says)).await?;
    scene.merge(&path, "somebody", &release).await?;
    scene.cluster.ready("oppol/common").await?;
    scene.cluster.kubectl_ok(&["delete", "secpol/held"]).await.map(drop)
}

/// Labels and annotations that mean nothing to us are other tools' business, also through a repair.
async fn what_others_add_for_themselves_stays(scene: &Scene<'_>) -> Result<()> {
    let path = format!("{CONSTRAINTS}/d8securitypolicy/strict");
    let own = json!({"labels": {"example.com/team": "a"}, "annotations": {"example.com/note": "b"}});
    scene.merge(&path, "somebody", &json!({"metadata": own})).await?;
    let selector = json!({"spec": {"match": {"labelSelector": {"matchLabels": {"no": "pod"}}}}});
    scene.edited("an added selector", &path, &selector).await?;
    let metadata = scene.at(&path).await?.context("no constraint")?["metadata"].take();
    ensure!(metadata["labels"]["example.com/team"] == "a", "{metadata}");
    ensure!(metadata["annotations"]["example.com/note"] == "b", "{metadata}");
    Ok(())
}

/// Somebody undoes each of our repairs at once. Neither side floods the API server with it, and we have the last word.
async fn a_race_has_an_end(scene: &Scene<'_>) -> Result<()> {
    const RACE: Duration = Duration::from_secs(15);
    let path = format!("{CONSTRAINTS}/d8operationpolicy/common");
    let good = scene.at(&path).await?.context("no constraint")?;
    let is_race = |event: &Value| {
        event["objectRef"]["name"] == "common" && event["objectRef"]["resource"] == "d8operationpolicy"
    };
    let before = scene.writes(is_race)?.len();
    let (start, mut edits) = (Instant::now(), 0);
    while start.elapsed() < RACE {
        let found = scene.at(&path).await?.unwrap_or_default();
        if ours(&found) == ours(&good) {
            scene.merge(&path, "racer", &json!({"spec": {"enforcementAction": "dryrun"}})).await?;
            edits += 1;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    scene.restored("a race", &path, &good, None).await?;
    let writes = scene.writes(is_race)?.len() - before;
    println!("a race of {RACE:?}: {edits} edits, {writes} writes of ours");
    ensure!(edits > 5 && writes <= 160, "{edits} edits, {writes} writes");
    ensure!(scene.cluster.is_running(OPERATOR));
    Ok(())
}
