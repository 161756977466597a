//! `make demo`: the whole path, shown and checked.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::{Cluster, Options, Output, down, paths, until};

const NAME: &str = "demo";

/// Much more than anything here takes.
const SOON: Duration = Duration::from_secs(30);

const MORE_REPOS: &str =
    r#"[{"op": "add", "path": "/spec/policies/allowedRepos/-", "value": "registry.example.com.evil.io"}]"#;

const UNSUPPORTED: &str = r#"{"spec": {"policies": {"verifyImageSignatures": [{"reference": "registry.example.com/*", "publicKeys": ["-----BEGIN PUBLIC KEY-----"]}]}}}"#;

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
        &[r#"[baseline] allowedCapabilities: container "app" adds SYS_ADMIN; allowed are AUDIT_WRITE"#],
    ),
    (
        "foreign-registry-pod",
        &[
            r#"[common] allowedRepos: container "app" uses image "registry.example.com.evil.io/app:1.4"; allowed are registry.example.com, quay.io/example"#,
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

/// Brings up a cluster with the operator, shows what it does, and checks every answer.
///
/// # Errors
///
/// Something did not start, or some answer was not what it should be.
pub async fn run(keep: bool) -> Result<()> {
    down(NAME)?;
    let options = Options { audit_interval: 2, ..Options::new(NAME) };
    let cluster = if keep { Cluster::up(options).await? } else { Cluster::start(options).await? };
    let mut demo = Demo { cluster: &cluster, wrong: vec![], color: stdout().is_terminal() };
    let outcome = demo.tell().await;
    let wrong = std::mem::take(&mut demo.wrong);
    if keep {
        println!("\nThe cluster goes on:  export KUBECONFIG={}", cluster.kubeconfig().display());
        println!("Stop it with:         make cluster-down NAME={NAME}");
    }
    outcome?;
    if !wrong.is_empty() {
        bail!("not as it should be: {}", wrong.join("; "));
    }
    println!("\nEverything was as it should be.");
    Ok(())
}

struct Demo<'a> {
    cluster: &'a Cluster,
    wrong: Vec<String>,
    color: bool,
}

impl Demo<'_> {
    async fn tell(&mut self) -> Result<()> {
        self.policies_become_ready().await?;
        self.workloads_are_refused().await?;
        self.good_ones_pass().await?;
        self.warn_and_dryrun_let_pass().await?;
        self.standards_hold_by_label().await?;
        self.an_edit_takes_effect().await?;
        self.what_is_deleted_comes_back().await?;
        self.an_unsupported_field_is_said().await?;
        self.a_deleted_policy_leaves_nothing().await?;
        self.title("What an administrator sees")?;
        self.kubectl(&["get", "securitypolicies,operationpolicies", "-o", "wide"]).await.map(drop)
    }

    async fn policies_become_ready(&mut self) -> Result<()> {
        self.title("The operator starts, and policies are written")?;
        self.cluster.install_policies().await?;
        self.cluster.start_operator().await?;
        self.kubectl(&["apply", "-f", "examples/policies"]).await?;
        let wait = ["wait", "--for=condition=Ready", "secpol,oppol", "--all", "--timeout=30s"];
        let output = self.kubectl(&wait).await?;
        self.check("every policy is valid, applied and enforced", output.status.success());
        self.kubectl(&["get", "d8securitypolicy,d8operationpolicy"]).await?;
        self.kubectl(&["apply", "-f", "examples/workloads/00-namespaces.yaml"]).await.map(drop)
    }

    async fn workloads_are_refused(&mut self) -> Result<()> {
        self.title("Workloads that violate a policy are refused")?;
        for (workload, messages) in REFUSED {
            let output = self.apply(workload).await?;
            self.check(&format!("{workload} is refused"), !output.status.success());
            for message in *messages {
                self.check(&format!("it is told: {message}"), output.stderr.contains(message));
            }
        }
        Ok(())
    }

    async fn good_ones_pass(&mut self) -> Result<()> {
        self.title("A good one passes")?;
        self.apply("good-pod").await?;
        let wait = ["wait", "--for=condition=Ready", "-n", "shop", "pod/good", "--timeout=30s"];
        let output = self.kubectl(&wait).await?;
        self.check("the Pod runs", output.status.success());
        Ok(())
    }

    async fn warn_and_dryrun_let_pass(&mut self) -> Result<()> {
        self.title("Warn warns, Dryrun records")?;
        let output = self.apply("trial-pod").await?;
        let warning = r#"Warning: [drop-all] requiredDropCapabilities: container "app" does not drop ALL"#;
        self.check(
            "the Pod is created with a warning",
            output.status.success() && output.stderr.contains(warning),
        );
        let output = self.apply("agent-pod").await?;
        self.check(
            "the other is created without a word",
            output.status.success() && output.stderr.is_empty(),
        );
        let total = ["get", "d8securitypolicy", "node-ports", "-o", "jsonpath={.status.totalViolations}"];
        let recorded = until("audit has recorded the violation", SOON, async || {
            Ok(self.cluster.kubectl(&total, None).await?.stdout == "1")
        })
        .await;
        self.kubectl(&["get", "d8securitypolicy", "node-ports"]).await?;
        self.check("audit has recorded what it violates", recorded.is_ok());
        Ok(())
    }

    async fn standards_hold_by_label(&mut self) -> Result<()> {
        self.title("A namespace's label chooses its Pod Security Standard")?;
        let output = self.dry_run("breakout-pod-standard").await?;
        let message = "[d8-pod-security-baseline-deny] privileged:";
        self.check("without a label it is baseline", output.stderr.contains(message));
        let label = ["label", "namespace", "standard", "security.deckhouse.io/pod-policy=restricted"];
        self.kubectl(&label).await?;
        let output = self.dry_run("plain-pod-standard").await?;
        let message = "[d8-pod-security-restricted-deny] runAsNonRoot:";
        self.check("the next request obeys the label", output.stderr.contains(message));
        Ok(())
    }

    async fn an_edit_takes_effect(&mut self) -> Result<()> {
        self.title("An edit of a policy takes effect")?;
        self.kubectl(&["patch", "oppol", "common", "--type=json", "-p", MORE_REPOS]).await?;
        self.kubectl(&["wait", "--for=condition=Ready", "oppol/common", "--timeout=30s"]).await?;
        let output = self.dry_run("foreign-registry-pod").await?;
        self.check("what was foreign is allowed", output.status.success());
        let output = self.dry_run("good-pod").await?;
        self.check("what was allowed still is", output.status.success());
        Ok(())
    }

    async fn what_is_deleted_comes_back(&mut self) -> Result<()> {
        self.title("A constraint deleted by hand comes back")?;
        let uid = ["get", "d8securitypolicy", "baseline", "-o", "jsonpath={.metadata.uid}"];
        let old = self.cluster.kubectl(&uid, None).await?.success()?;
        self.kubectl(&["delete", "d8securitypolicy", "baseline"]).await?;
        let start = Instant::now();
        until("the constraint is back", SOON, async || {
            let output = self.cluster.kubectl(&uid, None).await?;
            Ok(output.status.success() && output.stdout != old)
        })
        .await?;
        println!("  (back after at most {} ms)", start.elapsed().as_millis());
        self.kubectl(&["wait", "--for=condition=Ready", "secpol/baseline", "--timeout=30s"]).await?;
        let output = self.dry_run("privileged-pod").await?;
        self.check("it refuses as before", output.stderr.contains("[baseline] allowPrivileged"));
        Ok(())
    }

    async fn an_unsupported_field_is_said(&mut self) -> Result<()> {
        self.title("Nothing is silently not enforced")?;
        self.kubectl(&["patch", "secpol", "drop-all", "--type=merge", "-p", UNSUPPORTED]).await?;
        let message = [
            "get",
            "secpol",
            "drop-all",
            "-o",
            "jsonpath={.status.conditions[?(@.type==\"Valid\")].message}",
        ];
        let said = until("the policy says so", SOON, async || {
            let said = self.cluster.kubectl(&message, None).await?.stdout;
            Ok(said.starts_with("spec.policies.verifyImageSignatures: no rule for this field exists yet"))
        })
        .await;
        self.kubectl(&message).await?;
        self.check("a field without a rule makes the policy invalid, by name", said.is_ok());
        let output = self.cluster.kubectl(&["get", "d8securitypolicy", "drop-all"], None).await?;
        self.check("its last good constraint stays", output.status.success());
        Ok(())
    }

    async fn a_deleted_policy_leaves_nothing(&mut self) -> Result<()> {
        self.title("A policy deleted takes its constraint along")?;
        self.kubectl(&["delete", "secpol", "baseline"]).await?;
        let get = ["get", "d8securitypolicy", "baseline", "--ignore-not-found"];
        let gone = until("the constraint is gone", SOON, async || {
            Ok(self.cluster.kubectl(&get, None).await?.success()?.is_empty())
        })
        .await;
        self.kubectl(&["get", "d8securitypolicy,d8operationpolicy"]).await?;
        self.check("its constraint is gone", gone.is_ok());
        let allowed = until("the Pod passes", SOON, async || {
            Ok(self.dry_run_quietly("privileged-pod").await?.status.success())
        })
        .await;
        let output = self.dry_run("privileged-pod").await?;
        self.check("what it refused is allowed", allowed.is_ok() && output.status.success());
        Ok(())
    }

    async fn apply(&self, workload: &str) -> Result<Output> {
        self.kubectl(&["apply", "-f", &format!("examples/workloads/{workload}.yaml")]).await
    }

    async fn dry_run(&self, workload: &str) -> Result<Output> {
        let file = format!("examples/workloads/{workload}.yaml");
        self.kubectl(&["apply", "--dry-run=server", "-f", &file]).await
    }

    async fn dry_run_quietly(&self, workload: &str) -> Result<Output> {
        let file = paths::repository().join(format!("examples/workloads/{workload}.yaml"));
        self.cluster.kubectl(&["apply", "--dry-run=server", "-f", &file.to_string_lossy()], None).await
    }

    /// Runs kubectl where the reader would, and shows what it was told and what it said.
    async fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        let quoted = arguments.iter().map(|argument| {
            if argument.contains([' ', '{', '"']) { format!("'{argument}'") } else { (*argument).to_owned() }
        });
        println!("{}", self.paint("1", &format!("$ kubectl {}", quoted.collect::<Vec<_>>().join(" "))));
        let root = paths::repository();
        let absolute: Vec<_> = arguments
            .iter()
            .map(|argument| match argument.strip_prefix("examples/") {
                Some(path) => root.join("examples").join(path).to_string_lossy().into_owned(),
                None => (*argument).to_owned(),
            })
            .collect();
        let absolute: Vec<_> = absolute.iter().map(String::as_str).collect();
        let output = self.cluster.kubectl(&absolute, None).await?;
        let said = format!("{}{}", output.stdout, output.stderr);
        let said = said.replace(&format!("{}/", root.display()), "");
        ensure!(!said.contains("connection refused"), "the API server is gone: {said}");
        for line in said.lines() {
            println!("  {line}");
        }
        Ok(output)
    }

    fn title(&self, title: &str) -> Result<()> {
        println!("\n{}", self.paint("1;34", &format!("== {title}")));
        Ok(stdout().flush()?)
    }

    fn check(&mut self, what: &str, holds: bool) {
        if holds {
            println!("  {} {what}", self.paint("32", "ok"));
        } else {
            println!("  {} {what}", self.paint("1;31", "WRONG"));
            self.wrong.push(what.to_owned());
        }
    }

    fn paint(&self, code: &str, text: &str) -> String {
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
