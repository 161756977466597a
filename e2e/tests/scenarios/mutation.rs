//! Gatekeeper's mutators beside our policies: a Pod is judged as they leave it. Each of the four makes one Pod pass that would
//! be refused, and one be refused that would pass. `check` applies none of them, and says so.

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::manifests::{namespace, pod_with, policy};
use gatewright_e2e::operator::binary;
use gatewright_e2e::requests::{Answer, create};
use gatewright_e2e::{Cluster, SOON, Scenario, until};
use kube::Client;
use serde_json::{Value, json};

use crate::explain::file;

const NAMESPACE: &str = "shop";

/// The label that says which mutator changes a Pod.
const CASE: &str = "mutator";

/// A mutator that one Pod asks for.
struct Case {
    kind: &'static str,
    name: &'static str,
    /// The mutator's `spec`, without its `match`.
    spec: Value,
    /// What the Pod's container has beside what passes.
    container: Value,
    /// What is refused: of the Pod as it is written, or of the Pod as the mutator leaves it.
    refused: &'static str,
    passes: bool,
}

fn containers(field: &str) -> String {
    format!("spec.containers[name:*].{field}")
}

fn cases() -> [Case; 8] {
    let assign = |value: bool| {
        json!({
            "location": containers("securityContext.readOnlyRootFilesystem"),
            "parameters": {"assign": {"value": value}},
        })
    };
    let label = |name: &str, value: &str| json!({"location": format!("metadata.labels.{name}"), "parameters": {"assign": {"value": value}}});
    let set = |operation: &str| {
        json!({
            "location": containers("securityContext.capabilities.drop"),
            "parameters": {"operation": operation, "values": {"fromList": ["ALL"]}},
        })
    };
    let domain =
        |domain: &str| json!({"location": containers("image"), "parameters": {"assignDomain": domain}});
    let context = |context: Value| json!({"securityContext": context});
    let case =
        |kind, name, spec, container, refused, passes| Case { kind, name, spec, container, refused, passes };
    let (readable, undropped) = ("readOnlyRootFilesystem:", "requiredDropCapabilities:");
    [
        case(
            "Assign",
            "assign-good",
            assign(true),
            context(json!({"readOnlyRootFilesystem": false})),
            readable,
            true,
        ),
        case("Assign", "assign-bad", assign(false), json!({}), readable, false),
        case("AssignMetadata", "metadata-good", label("team", "web"), json!({}), "requiredLabels:", true),
        case("AssignMetadata", "metadata-bad", label("tier", "strict"), json!({}), "imagePullPolicy:", false),
        case("ModifySet", "set-good", set("merge"), context(json!({"capabilities": null})), undropped, true),
        case("ModifySet", "set-bad", set("prune"), json!({}), undropped, false),
        case(
            "AssignImage",
            "image-good",
            domain("registry.example.com"),
            json!({"image": "app:1"}),
            "allowedRepos:",
            true,
        ),
        case("AssignImage", "image-bad", domain("elsewhere.example.com"), json!({}), "allowedRepos:", false),
    ]
}

fn policies() -> [Value; 3] {
    let here = json!({"namespaceSelector": {"matchNames": [NAMESPACE]}});
    let mut strict = here.clone();
    strict["labelSelector"] = json!({"matchLabels": {"tier": "strict"}});
    let rules = json!({"readOnlyRootFilesystem": true, "requiredDropCapabilities": ["ALL"]});
    let labels = json!({"labels": [{"key": "team"}], "watchKinds": ["/Pod"]});
    let common = json!({"allowedRepos": ["registry.example.com"], "requiredLabels": labels});
    [
        policy("SecurityPolicy", "hardened", &here, &rules),
        policy("OperationPolicy", "common", &here, &common),
        policy("OperationPolicy", "strict", &strict, &json!({"imagePullPolicy": "Always"})),
    ]
}

impl Case {
    fn mutator(&self) -> Value {
        let version = if self.kind == "AssignImage" { "v1alpha1" } else { "v1" };
        let mut spec = self.spec.clone();
        spec["match"] = json!({"scope": "Namespaced", "labelSelector": {"matchLabels": {CASE: self.name}}});
        let pods = json!({"groups": [""], "versions": ["v1"], "kinds": ["Pod"]});
        if self.kind == "AssignMetadata" {
            spec["match"]["kinds"] = json!([{"apiGroups": [""], "kinds": ["Pod"]}]);
        } else {
            spec["applyTo"] = json!([pods]);
        }
        json!({
            "apiVersion": format!("mutations.gatekeeper.sh/{version}"), "kind": self.kind,
            "metadata": {"name": self.name}, "spec": spec,
        })
    }

    /// A Pod that no mutator changes, or the same for this one.
    fn pod(&self, mutated: bool) -> Value {
        let context = json!({"readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}});
        let mut container = json!({"image": "registry.example.com/app:1", "imagePullPolicy": "IfNotPresent",
            "securityContext": context});
        for (field, value) in self.container.as_object().into_iter().flatten() {
            match (container[field].as_object_mut(), value.as_object()) {
                (Some(before), Some(after)) => before.extend(after.clone()),
                _ => container[field] = value.clone(),
            }
        }
        let image = container["image"].clone();
        let mut pod = pod_with(NAMESPACE, self.name, container);
        pod["spec"]["containers"][0]["image"] = image;
        let mut labels = json!({"team": "web"});
        if self.name == "metadata-good" {
            labels = json!({});
        }
        if mutated {
            labels[CASE] = json!(self.name);
        }
        pod["metadata"]["labels"] = labels;
        pod
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_judged_as_mutators_leave_it() -> Result<()> {
    Scenario::run(Scenario::new("test-mutation").objects([namespace(NAMESPACE)]), async |cluster| {
        cluster.put_all(&policies()).await?;
        let mutators: Vec<_> = cases().iter().map(Case::mutator).collect();
        cluster.put_all(&mutators).await?;
        cluster.all_ready("secpol,oppol").await?;
        let client = cluster.client().await?;
        for case in cases() {
            is_judged(&client, &case).await.with_context(|| case.name)?;
        }
        mutators_are_named(cluster, &mutators).await
    })
    .await
}

async fn is_judged(client: &Client, case: &Case) -> Result<()> {
    let plain = create(client, &case.pod(false), true).await?;
    expect(&plain, case, !case.passes)?;
    // Gatekeeper takes up mutators a moment after they are stored.
    until("the mutator changes the Pod", SOON, async || {
        let changed = create(client, &case.pod(true), true).await?;
        expect(&changed, case, case.passes)?;
        Ok(true)
    })
    .await
}

fn expect(answer: &Answer, case: &Case, passes: bool) -> Result<()> {
    let said = answer.body["message"].as_str().unwrap_or_default();
    let refused = answer.code != 201 && said.contains(case.refused);
    ensure!(if passes { answer.code == 201 } else { refused }, "{answer:?}");
    Ok(())
}

/// `check` judges the Pods as they are written, and names what it does not apply.
async fn mutators_are_named(cluster: &Cluster, mutators: &[Value]) -> Result<()> {
    let pods: Vec<_> = cases().iter().map(|case| case.pod(true)).collect();
    let path = file(cluster, &[&policies()[..], mutators, &pods].concat())?;
    let run =
        tokio::process::Command::new(binary()?).args(["check", "-o", "json", "-f", &path]).output().await?;
    let (said, notes): (Value, _) = (serde_json::from_slice(&run.stdout)?, String::from_utf8(run.stderr)?);
    for case in cases() {
        ensure!(notes.contains(&format!("{} {}", case.kind, case.name)), "{}: {notes}", case.name);
        let result =
            said["results"].as_array().into_iter().flatten().find(|it| it["object"]["name"] == case.name);
        let verdict = &result.with_context(|| case.name)?["verdict"];
        ensure!((verdict == "pass") != case.passes, "{}: {verdict}", case.name);
    }
    Ok(())
}
