//! The configuration of kwok, which plays the kubelet of all nodes.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::processes::{EXEC, PROCESS};
use crate::tools;
use crate::tools::files;

/// What every container has written, in the format of container runtimes.
const LOG: &str = "2026-01-01T00:00:00Z stdout F nothing runs here: the node is a fake one\n";

/// Writes kwok's configuration and what it refers to.
///
/// # Errors
///
/// A stage cannot be read, or a file cannot be written.
pub fn configure(cluster: &Path, config: &Path, port: u16) -> Result<()> {
    let log = cluster.join("container.log");
    files::write(&log, LOG)?;
    let mut documents = stages()?;
    for object in access(&log, port) {
        documents.push(object.to_string());
    }
    files::write(config, documents.join("\n---\n"))
}

/// Upstream's stages: nodes become ready, Pods run, Jobs complete, deleted Pods go.
fn stages() -> Result<Vec<String>> {
    let directory = tools::kwok_stages();
    let read = || -> std::io::Result<Vec<String>> {
        let mut stages: Vec<_> = fs::read_dir(&directory)?.collect::<Result<_, _>>()?;
        stages.sort_by_key(fs::DirEntry::file_name);
        stages.into_iter().map(|stage| fs::read_to_string(stage.path())).collect()
    };
    read().with_context(|| format!("cannot read kwok's stages in {}", directory.display()))
}

/// What answers `kubectl exec`, `logs`, `attach` and `port-forward`: without containers, commands run
/// on this machine, logs are a fixed line, and forwarded ports lead to kwok itself.
fn access(log: &Path, port: u16) -> [Value; 4] {
    // The changed mark keeps a command apart from kwok itself.
    let environment = json!([{"name": PROCESS, "value": EXEC}]);
    [
        object("ClusterExec", &json!({"execs": [{"local": {"envs": environment}}]})),
        object("ClusterLogs", &json!({"logs": [{"logsFile": log}]})),
        object("ClusterAttach", &json!({"attaches": [{"logsFile": log}]})),
        object(
            "ClusterPortForward",
            &json!({"forwards": [{"target": {"address": "127.0.0.1", "port": port}}]}),
        ),
    ]
}

fn object(kind: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": "local"},
        "spec": spec,
    })
}
