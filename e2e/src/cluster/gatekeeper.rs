//! Gatekeeper from upstream's own chart, with its processes on this machine instead of in containers.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::certificates::Files;
use super::control_plane::kubeconfig;
use super::options::{FailurePolicy, Options};
use super::process::Process;
use super::state::State;
use crate::tools;

/// The namespace of Gatekeeper.
pub const NAMESPACE: &str = "gatekeeper-system";
/// The identity of Gatekeeper's processes, whose own writes its webhook lets pass.
pub const USER: &str = "system:serviceaccount:gatekeeper-system:gatekeeper-admin";
/// The name of the kubeconfig for [`USER`].
pub const KUBECONFIG: &str = "gatekeeper";
/// The webhook that evaluates policies.
const POLICY_WEBHOOK: &str = "validation.gatekeeper.sh";

/// The objects of the chart, apart from its CRDs.
pub struct Chart {
    /// Configurations of webhooks, which are applied last.
    pub webhooks: Vec<Value>,
    /// What a Deployment would have made its Pods from.
    pod_template: Value,
    /// All other objects but the Deployments.
    pub objects: Vec<Value>,
}

impl Chart {
    /// Renders upstream's chart.
    ///
    /// Its hooks are left out: they are Jobs, and there is nothing here that would run them.
    pub fn render(cluster: &Path, version: Option<&str>) -> Result<Self> {
        let output = Command::new(tools::path("helm"))
            .args(["template", "gatekeeper", "--namespace", NAMESPACE, "--no-hooks"])
            .arg(tools::gatekeeper_chart(version))
            .env("HOME", cluster)
            .output()
            .context("cannot run helm")?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "helm cannot render Gatekeeper's chart: {errors}");
        Self::sort(serde_saphyr::from_multiple(&String::from_utf8(output.stdout)?)?)
    }

    fn sort(rendered: Vec<Value>) -> Result<Self> {
        let kind = |object: &Value| object["kind"].as_str().unwrap_or_default().to_owned();
        let (webhooks, others): (Vec<_>, Vec<_>) =
            rendered.into_iter().partition(|object| kind(object).ends_with("WebhookConfiguration"));
        // No Deployments: their Pods would be fake ones that run nothing.
        let (deployments, objects): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|object| kind(object) == "Deployment");
        let manager = deployments
            .into_iter()
            .find(|deployment| deployment["metadata"]["name"] == "gatekeeper-controller-manager");
        let Some(mut manager) = manager else { bail!("Gatekeeper's chart has no controller manager") };
        Ok(Self { webhooks, pod_template: manager["spec"]["template"].take(), objects })
    }

    /// The Pod that stands for the process `name`: what a process writes about itself belongs to its
    /// Pod, and without one Gatekeeper processes no template.
    pub fn pod(&self, name: &str, arguments: &[String]) -> Value {
        let mut pod = self.pod_template.clone();
        if let Some(given) = pod.pointer_mut("/spec/containers/0/args").and_then(Value::as_array_mut) {
            given.extend(arguments.iter().map(|argument| json!(argument)));
        }
        pod["apiVersion"] = json!("v1");
        pod["kind"] = json!("Pod");
        pod["metadata"]["name"] = json!(name);
        pod["metadata"]["namespace"] = json!(NAMESPACE);
        pod
    }

    /// The configurations of the webhooks, directed to a process on this machine.
    pub fn local_webhooks(&self, port: u16, authority: &str, policy: FailurePolicy) -> Vec<Value> {
        let mut configurations = self.webhooks.clone();
        let webhooks = configurations.iter_mut().filter_map(|object| object["webhooks"].as_array_mut());
        for webhook in webhooks.flatten() {
            let path = webhook["clientConfig"]["service"]["path"].as_str().unwrap_or_default().to_owned();
            webhook["clientConfig"] = json!({
                "url": format!("https://127.0.0.1:{port}{path}"),
                "caBundle": ByteString(authority.as_bytes().to_vec()),
            });
            if webhook["name"] == POLICY_WEBHOOK {
                webhook["failurePolicy"] = json!(policy);
            }
        }
        configurations
    }
}

/// What the port of the webhook of `name` is reserved for.
pub fn webhook_port(name: &str) -> String {
    format!("{name}/webhook")
}

/// Everything that ports of the process `name` are reserved for.
pub fn ports(name: &str) -> [String; 3] {
    [webhook_port(name), format!("{name}/health"), format!("{name}/metrics")]
}

/// A process that runs all of Gatekeeper's operations.
pub fn process(cluster: &Path, state: &State, name: &str) -> Result<Process> {
    let [webhook, health, metrics] = ports(name).map(|purpose| state.port(&purpose));
    let health = format!("127.0.0.1:{}", health?);
    let own = cluster.join("gatekeeper").join(name);
    std::fs::create_dir_all(&own).with_context(|| format!("cannot create {}", own.display()))?;
    let mut command = Command::new(tools::path_in("gatekeeper", state.options.gatekeeper.as_deref()));
    command
        .env("HOME", cluster)
        .env("POD_NAMESPACE", NAMESPACE)
        .env("POD_NAME", name)
        .arg(format!("--kubeconfig={}", kubeconfig(cluster, KUBECONFIG).display()))
        .arg(format!("--cert-dir={}", Files::new(cluster).directory().display()))
        .arg(format!("--port={}", webhook?))
        .arg(format!("--health-addr={health}"))
        .arg(format!("--prometheus-port={}", metrics?))
        .arg(format!("--api-cache-dir={}", own.display()))
        .args(flags(&state.options));
    Process::from_command(name, &command, Some(&format!("http://{health}/readyz")))
}

fn flags(options: &Options) -> Vec<String> {
    let interval = format!("--audit-interval={}", options.audit_interval);
    let fixed = [
        "--host=127.0.0.1",
        "--disable-cert-rotation",
        "--exempt-namespace=gatekeeper-system",
        "--disable-opa-builtin={http.send}",
        "--log-denies",
    ];
    // The defaults of both, 30 s and 10 s, are meant for real clusters. Gatekeeper 3.17 does not have them yet.
    let waits = ["--default-wait-for-vapb-generation=1", "--shutdown-delay=0"];
    let waits = waits.iter().filter(|_| options.gatekeeper.is_none());
    let further = options.gatekeeper_arguments.iter().cloned();
    fixed.iter().chain(waits).map(|flag| (*flag).to_owned()).chain([interval]).chain(further).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart() -> Chart {
        let webhook = |name: &str, path: &str| json!({"name": name, "failurePolicy": "Ignore", "clientConfig": {"service": {"path": path}}});
        let rendered = vec![
            json!({"kind": "Secret"}),
            json!({"kind": "Deployment", "metadata": {"name": "gatekeeper-audit"}}),
            json!({
                "kind": "Deployment",
                "metadata": {"name": "gatekeeper-controller-manager"},
                "spec": {"template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [{"args": ["--less"]}]},
                }},
            }),
            json!({
                "kind": "ValidatingWebhookConfiguration",
                "webhooks": [webhook("validation.gatekeeper.sh", "/v1/admit"), webhook("other", "/v1/label")],
            }),
        ];
        Chart::sort(rendered).unwrap()
    }

    #[test]
    fn deployments_are_left_out() {
        assert_eq!(chart().objects, [json!({"kind": "Secret"})]);
    }

    #[test]
    fn a_pod_has_the_labels_and_arguments_of_the_deployment() {
        let pod = chart().pod("gatekeeper-0", &["--more".to_owned()]);
        let expected = json!({"name": "gatekeeper-0", "namespace": NAMESPACE, "labels": {"a": "b"}});
        assert_eq!(pod["metadata"], expected);
        assert_eq!(pod["spec"]["containers"][0]["args"], json!(["--less", "--more"]));
    }

    #[test]
    fn webhooks_lead_to_the_local_port() {
        let configurations = chart().local_webhooks(123, "ca", FailurePolicy::Fail);
        let webhooks = &configurations[0]["webhooks"];
        let expected = json!({"url": "https://127.0.0.1:123/v1/admit", "caBundle": "Y2E="});
        assert_eq!(webhooks[0]["clientConfig"], expected);
        assert_eq!(webhooks[0]["failurePolicy"], "Fail");
        assert_eq!(webhooks[1]["clientConfig"]["url"], "https://127.0.0.1:123/v1/label");
        assert_eq!(webhooks[1]["failurePolicy"], "Ignore");
    }
}
