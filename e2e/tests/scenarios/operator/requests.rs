//! What people's requests are answered: objects that were there before a policy, and namespaces' labels.

use anyhow::{Result, ensure};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Options, until};
use serde_json::{Value, json};

use super::{SOON, labelled, namespace, no_privileged, pod, privileged, scenario, security_policy};

/// What was there before a policy stays editable, but nobody may use it to run something new.
#[tokio::test(flavor = "multi_thread")]
async fn objects_that_were_there_before_stay_editable() -> Result<()> {
    scenario(Options::new("test-update"), async |world| {
        world.put(&namespace("shop")).await?;
        let mut old = pod("old", "shop", privileged());
        old["metadata"]["finalizers"] = json!(["example.com/hold"]);
        world.answer(&["create", "-f", "-"], &old).await?;
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "old", "namespace": "shop"},
            "spec": {
                "replicas": 0, "selector": {"matchLabels": {"app": "old"}},
                "template": {"metadata": {"labels": {"app": "old"}}, "spec": old["spec"]},
            },
        });
        world.answer(&["create", "-f", "-"], &deployment).await?;
        world.put(&security_policy("strict", &no_privileged())).await?;
        world.ready("secpol/strict").await?;
        world.refuses("strict").await?;

        let in_shop = async |arguments: &[&str]| world.0.kubectl(&[&["-n", "shop"], arguments].concat(), None).await;
        for allowed in [
            &["label", "pod/old", "a=b"][..],
            &["annotate", "deployment/old", "a=b"],
            &["scale", "deployment/old", "--replicas=0"],
            &["patch", "deployment/old", "-p", r#"{"spec": {"revisionHistoryLimit": 3}}"#],
        ] {
            let output = in_shop(allowed).await?;
            ensure!(output.status.success(), "{allowed:?}: {}", output.stderr);
        }
        for refused in [
            &["set", "image", "pod/old", "app=registry.example.com/app:2"][..],
            &["set", "image", "deployment/old", "app=registry.example.com/app:2"],
            &["debug", "pod/old", "--image=registry.example.com/sh:1", "--profile=general", "-q"],
        ] {
            let output = in_shop(refused).await?;
            ensure!(output.stderr.contains("[strict] allowPrivileged:"), "{refused:?}: {}", output.stderr);
        }
        let fixed = r#"{"spec": {"template": {"spec": {"containers": [{"name": "app", "securityContext": {"privileged": false}}]}}}}"#;
        ensure!(in_shop(&["patch", "deployment/old", "-p", fixed]).await?.status.success());

        // What is going away is not held back by its finalizer.
        in_shop(&["delete", "pod/old", "--wait=false", "--grace-period=0"]).await?.success()?;
        in_shop(&["patch", "pod/old", "--type=merge", "-p", r#"{"metadata": {"finalizers": null}}"#]).await?.success()?;
        until("the Pod is gone", SOON, async || {
            Ok(in_shop(&["get", "pod/old", "--ignore-not-found"]).await?.stdout.is_empty())
        })
        .await
    })
    .await
}

/// A namespace's label takes effect with the very next request, whether the operator runs or not.
#[tokio::test(flavor = "multi_thread")]
async fn standards_hold_by_label() -> Result<()> {
    scenario(Options::new("test-standards"), async |world| {
        let label = async |labels: &Value| world.put(&labelled("plain", labels)).await;
        let answer = async |container: Value| {
            world.answer(&["create", "--dry-run=server", "-f", "-"], &pod("plain", "plain", container)).await
        };
        label(&json!({})).await?;
        let baseline = "[d8-pod-security-baseline-deny] privileged:";
        until("the default standard holds", SOON, async || {
            let said = answer(privileged()).await?;
            ensure!(said.contains(baseline), "{said}");
            Ok(true)
        })
        .await?;
        let said = answer(json!({})).await?;
        ensure!(said.contains("created"), "{said}");

        world.0.kill(OPERATOR).await?;
        let restricted = "[d8-pod-security-restricted-deny] allowPrivilegeEscalation:";
        let policy = "security.deckhouse.io/pod-policy";
        let action = "security.deckhouse.io/pod-policy-action";
        for (labels, container, expected) in [
            (json!({policy: "restricted"}), json!({}), restricted),
            (json!({policy: "privileged"}), privileged(), "pod/plain created"),
            (json!({policy: "resticted"}), privileged(), baseline),
            (
                json!({policy: "restricted", action: "warn"}),
                json!({}),
                "Warning: [d8-pod-security-restricted-warn]",
            ),
            (json!({policy: "restricted", action: "dryrun"}), json!({}), "pod/plain created"),
            (json!({policy: "restricted", action: "Deny"}), json!({}), restricted),
        ] {
            label(&labels).await?;
            let said = answer(container).await?;
            ensure!(said.contains(expected), "{labels}: {said}");
            ensure!(!expected.contains("created") || !said.contains("Warning"), "{labels}: {said}");
        }
        let said = world
            .answer(&["create", "--dry-run=server", "-f", "-"], &pod("plain", "kube-system", privileged()))
            .await?;
        ensure!(said.contains("created"), "a system namespace is under a standard: {said}");

        world.0.restart(OPERATOR).await?;
        let object = "d8podsecuritystandard/d8-pod-security-baseline-warn";
        let good = world.get(&[object]).await?;
        world.kubectl(&["delete", object]).await?;
        until("the constraint is back", SOON, async || {
            Ok(world.get(&[object]).await?["spec"] == good["spec"])
        })
        .await?;
        let patch = r#"{"spec": {"match": {"namespaceSelector": null}}}"#;
        world.kubectl(&["patch", object, "--type=merge", "-p", patch]).await?;
        world.restored("a removed selector", object, &good["spec"]).await?;
        let all = world.get(&["d8podsecuritystandard"]).await?;
        ensure!(all["items"].as_array().is_some_and(|items| items.len() == 6), "{all}");
        Ok(())
    })
    .await
}
