//! The cluster itself: that what runs here behaves like a cluster, and that nothing of it stays.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use gatewright_e2e::{Cluster, Options, SOON, down, paths, running, until};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, ListParams};

const PROGRAM: &str = env!("CARGO_BIN_EXE_gatewright-e2e");
const POLICY: &str = include_str!("policy.yaml");
const CONSTRAINT: &str = include_str!("constraint.yaml");
fn without_gatekeeper(name: &str) -> Options {
    Options { gatekeepers: Vec::new(), ..Options::new(name) }
}

async fn kubectl(cluster: &Cluster, arguments: &[&str]) -> Result<String> {
    cluster.kubectl(arguments, None).await?.success()
}

async fn apply(cluster: &Cluster, manifest: &str) -> Result<String> {
    cluster.kubectl(&["apply", "-f", "-"], Some(manifest)).await?.success()
}

/// What the API server says to a Pod that the policy forbids.
async fn answer_to_forbidden_pod(cluster: &Cluster) -> Result<String> {
    let run = ["run", "forbidden", "--image=none", "--labels=forbidden=yes", "--dry-run=server"];
    let output = cluster.kubectl(&run, None).await?;
    Ok(output.stdout + &output.stderr)
}

async fn wait_for_refusal(cluster: &Cluster) -> Result<()> {
    until("the Pod is refused by the policy", SOON, async || {
        let answer = answer_to_forbidden_pod(cluster).await?;
        ensure!(answer.contains("[no-forbidden] label `forbidden` is forbidden"), "{answer}");
        Ok(true)
    })
    .await
}

async fn install_policy(cluster: &Cluster) -> Result<()> {
    apply(cluster, POLICY).await?;
    // The CRD of the constraint is made by Gatekeeper a moment later.
    until("the constraint is accepted", SOON, async || Ok(!apply(cluster, CONSTRAINT).await?.is_empty()))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_enforced_across_crashes() -> Result<()> {
    Cluster::run(Options::new("test-policy"), async |cluster| {
        install_policy(cluster).await?;
        wait_for_refusal(cluster).await?;

        cluster.kill("kube-apiserver").await?;
        assert!(!cluster.is_running("kube-apiserver"));
        cluster.restart("kube-apiserver").await?;
        wait_for_refusal(cluster).await?;
        // Also while it runs.
        cluster.restart("kube-apiserver").await?;

        cluster.kill("gatekeeper-0").await?;
        let answer = answer_to_forbidden_pod(cluster).await?;
        assert!(answer.contains("failed calling webhook \"validation.gatekeeper.sh\""), "{answer}");
        cluster.restart("gatekeeper-0").await?;
        wait_for_refusal(cluster).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn gatekeeper_comes_later_and_more_than_once() -> Result<()> {
    Cluster::run(without_gatekeeper("test-later"), async |cluster| {
        cluster.install_gatekeeper_crds().await?;
        apply(cluster, POLICY).await?;

        cluster.install_gatekeeper(&Options::gatekeeper_names(2)).await?;

        install_policy(cluster).await?;
        wait_for_refusal(cluster).await?;
        until("both processes have a status", SOON, async || {
            let path = "jsonpath={.status.byPod[?(@.observedGeneration==1)].id}";
            let ids = kubectl(cluster, &["get", "constrainttemplate", "noforbidden", "-o", path]).await?;
            Ok(ids == "gatekeeper-0 gatekeeper-1")
        })
        .await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_live_and_die() -> Result<()> {
    let options = Options { nodes: 2, ..without_gatekeeper("test-workloads") };
    Cluster::run(options, async |cluster| {
        kubectl(cluster, &["create", "namespace", "work"]).await?;
        let create = ["create", "deployment", "web", "--image=none", "--replicas=2", "--namespace=work"];
        kubectl(cluster, &create).await?;
        let wait =
            ["wait", "deployment/web", "--for=condition=Available", "--timeout=100s", "--namespace=work"];
        kubectl(cluster, &wait).await?;

        let client = cluster.client().await?;
        let pods: Api<Pod> = Api::namespaced(client.clone(), "work");
        for pod in pods.list(&ListParams::default()).await? {
            assert!(has_token(&pod), "{:?}", pod.spec);
        }
        let exec = ["exec", "deployment/web", "--namespace=work", "--", "echo", "it runs"];
        assert_eq!(kubectl(cluster, &exec).await?, "it runs\n");

        let logs = ["logs", "deployment/web", "--namespace=work"];
        assert!(kubectl(cluster, &logs).await?.starts_with("nothing runs here"));

        kubectl(cluster, &["delete", "deployment", "web", "--namespace=work"]).await?;
        until("the Pods are collected", SOON, async || {
            Ok(pods.list(&ListParams::default()).await?.items.is_empty())
        })
        .await?;

        kubectl(cluster, &["create", "configmap", "leftover", "--namespace=work"]).await?;
        kubectl(cluster, &["delete", "namespace", "work", "--timeout=100s"]).await?;
        assert!(Api::<Namespace>::all(client).get_opt("work").await?.is_none());
        Ok(())
    })
    .await
}

fn has_token(pod: &Pod) -> bool {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let sources = volumes.filter_map(|volume| volume.projected.as_ref()?.sources.as_ref());
    sources.flatten().any(|source| source.service_account_token.is_some())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_has_only_its_own_rights() -> Result<()> {
    Cluster::run(without_gatekeeper("test-account"), async |cluster| {
        kubectl(cluster, &["create", "serviceaccount", "reader"]).await?;
        let bind = [
            "create",
            "clusterrolebinding",
            "reader",
            "--clusterrole=view",
            "--serviceaccount=default:reader",
        ];
        kubectl(cluster, &bind).await?;

        let kubeconfig = cluster.service_account_kubeconfig("default", "reader").await?;

        let flag = format!("--kubeconfig={}", kubeconfig.display());
        kubectl(cluster, &["get", "pods", &flag]).await?;
        let refused = kubectl(cluster, &["get", "secrets", &flag]).await.unwrap_err();
        assert!(refused.to_string().contains("system:serviceaccount:default:reader"), "{refused}");
        let audit = std::fs::read_to_string(cluster.audit_log())?;
        assert!(audit.lines().any(|line| line.contains("system:serviceaccount:default:reader")));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn more_processes_join_a_cluster_that_stays() -> Result<()> {
    let name = "test-stays";
    let _end = End(name);
    let up = Command::new(PROGRAM).args(["up", "--name", name, "--gatekeepers", "0"]).output()?;
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let again = Command::new(PROGRAM).args(["up", "--name", name]).output()?;
    assert!(String::from_utf8_lossy(&again.stdout).contains("runs already"));

    let cluster = Cluster::attach(name)?;
    let port = cluster.port("proxy")?;
    let health = format!("http://127.0.0.1:{port}/healthz");
    let mut command = Command::new(gatewright_e2e::tools::path("kubectl"));
    command.args(["proxy", &format!("--port={port}")]).env("KUBECONFIG", cluster.kubeconfig());
    cluster.spawn("proxy", &command, Some(&health)).await?;
    cluster.stop("proxy").await?;
    // Another process knows how to start it again.
    Cluster::attach(name)?.restart("proxy").await?;
    assert!(cluster.is_running("proxy"));
    let failing = cluster.spawn("failing", Command::new("ls").arg("/no-such"), Some(&health)).await;
    assert!(format!("{:#}", failing.unwrap_err()).contains("No such file or directory"));

    // What runs the operator's Pods is one of them.
    assert_eq!(down(name)?, Some(7));
    assert_eq!(down(name)?, None);
    Ok(())
}

/// Ends a cluster also if the test fails.
struct End(&'static str);

impl Drop for End {
    fn drop(&mut self) {
        let _ = down(self.0);
    }
}

#[tokio::test]
async fn nothing_is_left_of_a_killed_owner() -> Result<()> {
    let name = "test-killed";
    let directory = paths::cluster(name)?;
    let mut owner = Command::new(PROGRAM).args(["hold", "--name", name]).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap()).read_line(&mut line)?;
    assert_eq!(line, "ready\n");
    // etcd, three of the control plane, kwok and the reaper.
    assert_eq!(running(&directory).len(), 6);
    let second = Cluster::start(Options::new(name)).await;
    assert!(format!("{:#}", second.unwrap_err()).contains("belongs to another process"));

    owner.kill()?;
    owner.wait()?;

    until("nothing is left", SOON, async || Ok(running(&directory).is_empty() && !directory.exists())).await
}
