//! What Gatekeeper by itself is not asked about: exec and attach, and deletions.

use anyhow::Result;

use super::stage::Stage;
use gatewright_e2e::{SOON, until};

const GUARDED: &str =
    "[deny-exec-heritage-pods] exec into Pod d8-system/platform is refused: it belongs to the platform";

const KEPT: &str = "[nodes] Node spare is kept: label it example.com/allow-delete=true to delete it";

/// What our webhook configuration sends Gatekeeper.
const ROUTED: [&str; 5] = [
    "get",
    "validatingwebhookconfiguration",
    "gatewright-validating-webhook-configuration",
    "-o",
    "jsonpath={range .webhooks[0].rules[*]}{.operations} {.resources}{\"\\n\"}{end}",
];

/// Nobody but the platform enters its Pods; everybody enters his own.
pub(super) async fn the_platforms_pods_are_guarded(stage: &mut Stage<'_>) -> Result<()> {
    stage.title("Nobody but the platform enters the platform's Pods")?;
    stage.kubectl(&["apply", "-f", "examples/guards/platform.yaml"]).await?;
    let wait = ["wait", "--for=condition=Ready", "-n", "d8-system", "pod/platform", "--timeout=100s"];
    stage.kubectl(&wait).await?;
    let exec = ["exec", "-n", "d8-system", "platform", "--", "echo", "inside"];
    let stands = stage.settles(&exec, GUARDED).await;
    let output = stage.kubectl(&exec).await?;
    let refused = stands && output.stderr.contains(GUARDED);
    stage.check("not even an administrator may run a command there", refused);
    let platform = "--as=system:serviceaccount:kube-system:janitor";
    let output =
        stage.kubectl(&[&exec[..4], &[platform, "--as-group=system:masters"], &exec[4..]].concat()).await?;
    stage.check("a service account of a system namespace may", output.stdout == "inside\n");
    let exec = ["exec", "-n", "shop", "good", "--", "echo", "inside"];
    stage.settles(&exec, "inside").await;
    let output = stage.kubectl(&exec).await?;
    stage.check("everybody else's Pods are entered as before", output.stdout == "inside\n");
    Ok(())
}

/// A constraint of the user's own, for which the operator has the API server ask Gatekeeper.
pub(super) async fn nodes_are_kept(stage: &mut Stage<'_>) -> Result<()> {
    stage.title("A guard of your own: Nodes that nobody deletes by mistake")?;
    stage.kubectl(&["apply", "-f", "examples/guards/node-delete-template.yaml"]).await?;
    let constraint = ["apply", "-f", "examples/guards/node-delete.yaml"];
    stage.settles(&[&constraint[..], &["--dry-run=server"]].concat(), "nodes created").await;
    stage.kubectl(&constraint).await?;
    stage.kubectl(&["apply", "-f", "examples/guards/spare-node.yaml"]).await?;
    let kept = stage.settles(&["delete", "node", "spare", "--dry-run=server"], KEPT).await;
    stage.kubectl(&ROUTED).await?;
    let output = stage.kubectl(&["delete", "node", "spare"]).await?;
    stage.check("the Node is kept", kept && output.stderr.contains(KEPT));
    stage.kubectl(&["label", "node", "spare", "example.com/allow-delete=true"]).await?;
    let output = stage.kubectl(&["delete", "node", "spare", "--timeout=100s"]).await?;
    stage.check("with the label it can be deleted", output.status.success());
    stage.kubectl(&["delete", "-f", "examples/guards/node-delete.yaml"]).await?;
    let routed = until("deletions are no longer sent", SOON, async || {
        Ok(!stage.quietly(&ROUTED).await?.stdout.contains("DELETE"))
    })
    .await;
    stage.check("without the guard, Gatekeeper is no longer asked about deletions", routed.is_ok());
    Ok(())
}
