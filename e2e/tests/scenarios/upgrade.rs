//! From an older version to this one and back, while somebody tries bad Pods again and again.
//!
//! The older version is made from this one: a field of a CRD, a rule of a template and a parameter of the standards are
//! taken out.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use gatewright_e2e::manifests::{
    labelled_namespace, namespace, no_privileged, privileged_pod, security_policy,
};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, SOON, Scenario, until};
use gatewright_rules::{Definition, Rule, Template};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

/// The field that the older SecurityPolicy does not have, and the rule that judges it.
const FIELD: &str = "allowedProcMount";
const RULE: &str = "proc-mount";
/// The parameter that the older standards do not have.
const PARAMETER: &str = "userNamespacesRelaxation";

/// How often a bad Pod is tried: ten times a second.
const PAUSE: Duration = Duration::from_millis(100);

/// Where the fields of a policy stand in its CRD.
const FIELDS: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/policies/properties";

#[tokio::test(flavor = "multi_thread")]
async fn no_bad_pod_gets_in_during_upgrade_and_rollback() -> Result<()> {
    let shop = [namespace("shop"), labelled_namespace("web", &json!({}))];
    Scenario::run(Scenario::new("test-upgrade").objects(shop), async |cluster| {
        cluster.put(&security_policy("strict", &no_privileged())).await?;
        cluster.ready("secpol/strict").await?;
        cluster.ready("gatewrightstatus/cluster").await?;
        // As the older version leaves it behind.
        cluster.kill(OPERATOR).await?;
        older(cluster).await?;
        cluster.enforces("strict").await?;
        let policy = as_written(cluster).await?;
        while_bad_pods_are_tried(cluster, async || {
            forth(cluster).await?;
            ensure!(as_written(cluster).await? == policy, "the upgrade changed the policy");
            back(cluster).await?;
            ensure!(as_written(cluster).await? == policy, "the rollback changed the policy");
            Ok(())
        })
        .await
    })
    .await
}

/// The CRDs first, then the operator.
async fn forth(cluster: &Cluster) -> Result<()> {
    cluster.install_policies().await?;
    let before = cluster.before_the_fault().await?;
    cluster.restart(OPERATOR).await?;
    cluster.becomes_as_desired(&before, &[]).await?;
    let rules = cluster.get(&["constrainttemplate", "d8securitypolicy"]).await?.to_string();
    ensure!(rules.contains(FIELD), "the template was not brought forward");
    // What is new works.
    let policies = json!({"allowPrivileged": false, FIELD: "Default"});
    cluster.put(&security_policy("newer", &policies)).await?;
    cluster.ready("secpol/newer").await?;
    cluster.kubectl_ok(&["delete", "secpol/newer"]).await.map(drop)
}

async fn back(cluster: &Cluster) -> Result<()> {
    cluster.kill(OPERATOR).await?;
    older(cluster).await?;
    // Long enough for Gatekeeper to take up the older templates.
    let standard = ["d8podsecuritystandard", "d8-pod-security-baseline-deny"];
    until("Gatekeeper enforces the older standard", SOON, async || {
        let found = cluster.get(&standard).await?;
        let generation = &found["metadata"]["generation"];
        let observed = found["status"]["byPod"].as_array().context("no status")?;
        Ok(observed.iter().all(|pod| &pod["observedGeneration"] == generation))
    })
    .await
}

/// Puts the CRD, the templates and the constraints of the older version in place of this version's.
async fn older(cluster: &Cluster) -> Result<()> {
    let mut crd = cluster.get(&["crd", "securitypolicies.deckhouse.io"]).await?;
    let fields = crd.pointer_mut(FIELDS).and_then(Value::as_object_mut).context("no fields")?;
    ensure!(fields.remove(FIELD).is_some(), "the CRD has no {FIELD}");
    replace(cluster, crd).await?;
    for template in [older_rules(), older_standards()] {
        let name = template["metadata"]["name"].as_str().context("no name")?.to_owned();
        let mut live = cluster.get(&["constrainttemplate", &name]).await?;
        live["spec"] = template["spec"].clone();
        replace(cluster, live).await?;
    }
    let standards = cluster.get(&["d8podsecuritystandard"]).await?;
    for standard in standards["items"].as_array().context("no list")? {
        let mut standard = standard.clone();
        let parameters = standard["spec"]["parameters"].as_object_mut().context("no parameters")?;
        parameters.remove(PARAMETER);
        replace(cluster, standard).await?;
    }
    Ok(())
}

/// Changes an object to exactly this, whoever owns its fields.
async fn replace(cluster: &Cluster, mut object: Value) -> Result<()> {
    let metadata = object["metadata"].as_object_mut().context("no metadata")?;
    metadata.remove("resourceVersion");
    metadata.remove("managedFields");
    cluster.kubectl(&["replace", "-f", "-"], Some(&object.to_string())).await?.success().map(drop)
}

fn older_rules() -> Value {
    let definition = Template::SecurityPolicy.definition();
    let kept = definition.rules.iter().filter(|rule| rule.name != RULE);
    let rules: Vec<_> = kept.map(|&Rule { name, module, checks }| Rule { name, module, checks }).collect();
    let parameters = || without(Template::SecurityPolicy, FIELD);
    json!(Definition { rules: Vec::leak(rules), parameters, ..*definition }.object())
}

/// The Rego stays: it takes an absent parameter for `false`.
fn older_standards() -> Value {
    let definition = Template::PodSecurityStandard.definition();
    let parameters = || without(Template::PodSecurityStandard, PARAMETER);
    json!(Definition { parameters, ..*definition }.object())
}

/// The schema of the parameters of a template without one of them.
fn without(template: Template, parameter: &str) -> Value {
    let mut schema = (template.definition().parameters)();
    for part in ["properties", "required"] {
        match &mut schema[part] {
            Value::Object(properties) => drop(properties.remove(parameter)),
            Value::Array(required) => required.retain(|name| name != parameter),
            _ => {}
        }
    }
    schema
}

/// The policy as its author wrote it, and how often it was changed.
async fn as_written(cluster: &Cluster) -> Result<Value> {
    let mut policy = cluster.get(&["secpol/strict"]).await?;
    let metadata = policy["metadata"].as_object_mut().context("no metadata")?;
    metadata.remove("resourceVersion");
    metadata.remove("managedFields");
    policy.as_object_mut().context("no object")?.remove("status");
    Ok(policy)
}

/// Tries bad Pods until `scene` is over. Each must be refused: one by the policy, one by the standard.
async fn while_bad_pods_are_tried(cluster: &Cluster, scene: impl AsyncFn() -> Result<()>) -> Result<()> {
    let over = AtomicBool::new(false);
    let scene = async {
        let outcome = scene().await;
        over.store(true, Ordering::Relaxed);
        outcome
    };
    let (outcome, refused) = tokio::join!(scene, tried(cluster, &over));
    outcome?;
    let refused = refused?;
    ensure!(refused > 50, "only {refused} Pods were tried");
    println!("{refused} bad Pods were refused");
    Ok(())
}

async fn tried(cluster: &Cluster, over: &AtomicBool) -> Result<usize> {
    let client = cluster.client().await?;
    let mut refused = 0;
    while !over.load(Ordering::Relaxed) {
        for (namespace, says) in
            [("shop", "[strict] allowPrivileged"), ("web", "[d8-pod-security-baseline-deny]")]
        {
            let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
            let pod = serde_json::from_value(privileged_pod(namespace, &format!("bad-{refused}")))?;
            match pods.create(&PostParams::default(), &pod).await {
                Err(kube::Error::Api(status)) if status.message.contains(says) => refused += 1,
                Err(error) => bail!("after {refused} refusals, in {namespace}: {error}"),
                Ok(_) => bail!("after {refused} refusals a bad Pod got into {namespace}"),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(refused)
}
