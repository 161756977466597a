//! Workloads: what is refused, what passes, and what is only reported.

use anyhow::Result;

use super::stage::Stage;
use gatewright_e2e::{SOON, until};

/// What the API server must answer to each workload, in order.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "privileged-pod",
        &[
            r#"[baseline] allowPrivileged: container "app" sets securityContext.privileged to true; it must be false or unset"#,
        ],
    ),
    (
        "host-network-pod",
        &[
            "[baseline] allowHostNetwork: the Pod sets hostNetwork to true; it must be false or unset",
            r#"[baseline] allowedHostPorts: container "app" takes host port 8080 with ports[0].hostPort; no host port is allowed"#,
        ],
    ),
    (
        "sys-admin-pod",
        &[r#"[baseline] allowedCapabilities: container "app" adds SYS_ADMIN; allowed: AUDIT_WRITE"#],
    ),
    (
        "foreign-registry-pod",
        &[
            r#"[common] allowedRepos: container "app" uses image "registry.example.com.evil.io/app:1.4"; allowed: registry.example.com, quay.io/example"#,
        ],
    ),
    (
        "privileged-deployment",
        &[r#"[baseline] allowPrivileged: container "app" sets securityContext.privileged to true"#],
    ),
    (
        "breakout-pod",
        &[
            r#"[baseline] allowPrivileged: container "shell" sets securityContext.privileged to true"#,
            r#"[common] allowedRepos: container "shell" uses image "alpine""#,
        ],
    ),
];

pub(super) async fn workloads_are_refused(stage: &mut Stage<'_>) -> Result<()> {
    stage.title("Workloads that violate a policy are refused")?;
    for (workload, messages) in REFUSED {
        let output = stage.apply(workload).await?;
        stage.check(&format!("{workload} is refused"), !output.status.success());
        for message in *messages {
            stage.check(&format!("the person reads: {message}"), output.stderr.contains(message));
        }
    }
    Ok(())
}

pub(super) async fn good_ones_pass(stage: &mut Stage<'_>) -> Result<()> {
    stage.title("A good one passes")?;
    stage.apply("good-pod").await?;
    let wait = ["wait", "--for=condition=Ready", "-n", "shop", "pod/good", "--timeout=100s"];
    let output = stage.kubectl(&wait).await?;
    stage.check("the Pod runs", output.status.success());
    Ok(())
}

pub(super) async fn warn_and_dryrun_let_pass(stage: &mut Stage<'_>) -> Result<()> {
    stage.title("Warn warns, Dryrun records")?;
    let output = stage.apply("trial-pod").await?;
    let warning = r#"Warning: [drop-all] requiredDropCapabilities: container "app" does not drop ALL"#;
    stage.check(
        "the Pod is created with a warning",
        output.status.success() && output.stderr.contains(warning),
    );
    let output = stage.apply("agent-pod").await?;
    stage.check("the other is created without a word", output.status.success() && output.stderr.is_empty());
    let total = ["get", "d8securitypolicy", "node-ports", "-o", "jsonpath={.status.totalViolations}"];
    let recorded = until("audit has recorded the violation", SOON, async || {
        Ok(stage.cluster.kubectl(&total, None).await?.stdout == "1")
    })
    .await;
    stage.kubectl(&["get", "d8securitypolicy", "node-ports"]).await?;
    stage.check("audit has recorded what it violates", recorded.is_ok());
    Ok(())
}

pub(super) async fn standards_hold_by_label(stage: &mut Stage<'_>) -> Result<()> {
    stage.title("A namespace's label chooses its Pod Security Standard")?;
    let output = stage.dry_run("breakout-pod-standard").await?;
    let message = "[d8-pod-security-baseline-deny] privileged:";
    stage.check("without a label it is baseline", output.stderr.contains(message));
    let label = ["label", "namespace", "standard", "security.deckhouse.io/pod-policy=restricted"];
    stage.kubectl(&label).await?;
    let output = stage.dry_run("plain-pod-standard").await?;
    let message = "[d8-pod-security-restricted-deny] runAsNonRoot:";
    stage.check("the next request obeys the label", output.stderr.contains(message));
    Ok(())
}
