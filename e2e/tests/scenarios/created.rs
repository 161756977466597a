//! What we take controllers to create is what they create: each controller of `created/` is created on a real control
//! plane, and its Pod is what `gatewright_kube_defaults` makes of the controller. So `check` judges the Pods that come.

use anyhow::{Context, Result, bail, ensure};
use gatewright_e2e::manifests::namespace;
use gatewright_e2e::{Cluster, Options, SOON, Scenario, paths, until};
use gatewright_kube_defaults::{Cluster as Namespaces, apply_in, generated};
use serde_json::{Value, json};

use crate::defaults::{compare, drop_nulls, remove, rename_token};

const NAMESPACE: &str = "made";

#[tokio::test(flavor = "multi_thread")]
async fn the_pods_of_controllers_are_those_that_are_judged() -> Result<()> {
    let options = Options { gatekeepers: vec![], ..Options::new("test-created") };
    Scenario::run(Scenario::on(options).without_operator().objects([namespace(NAMESPACE)]), async |cluster| {
        let path = paths::repository().join("e2e/tests/scenarios/created/controllers.yaml");
        let text = std::fs::read_to_string(path)?;
        let mut objects: Vec<Value> = serde_saphyr::from_multiple(&text)?;
        let mut namespaces = Namespaces::default();
        for object in &mut objects {
            object["metadata"]["namespace"] = json!(NAMESPACE);
            namespaces.learn(object, NAMESPACE);
            cluster.put(object).await?;
        }
        let job = ["create", "job", "nightly-1", "--from=cronjob/nightly", "-n", NAMESPACE];
        cluster.kubectl_ok(&job).await?;
        let mut wrong = vec![];
        let controllers = objects
            .iter()
            .filter(|object| object["spec"].get("limits").is_none() && object["kind"] != "ServiceAccount");
        let mut compared = 0;
        for controller in controllers {
            let name =
                format!("{}/{}", text_of(&controller["kind"])?, text_of(&controller["metadata"]["name"])?);
            let found = differences(cluster, &namespaces, &name).await.with_context(|| name.clone())?;
            wrong.extend(found.iter().map(|what| format!("{name}: {what}")));
            compared += 1;
        }
        ensure!(compared == 8, "{compared} controllers");
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    })
    .await
}

fn text_of(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("{value} is not a string"))
}

async fn differences(cluster: &Cluster, namespaces: &Namespaces, name: &str) -> Result<Vec<String>> {
    let controller = cluster.get(&[name, "-n", NAMESPACE]).await?;
    let mut ours = created(controller, namespaces)?;
    let run = text_of(&ours["metadata"]["labels"]["run"])?.to_owned();
    until("the Pod is there", SOON, async || {
        let pods = cluster.get(&["pods", "-n", NAMESPACE, "-l", &format!("run={run}")]).await?;
        Ok(pods["items"].get(0).is_some())
    })
    .await?;
    let pods = cluster.get(&["pods", "-n", NAMESPACE, "-l", &format!("run={run}")]).await?;
    let mut servers = pods["items"][0].clone();
    for pod in [&mut servers, &mut ours] {
        simplify(pod);
    }
    let mut found = vec![];
    compare("", &servers, &ours, "", &mut found);
    Ok(found)
}

/// The Pod that comes in the end.
fn created(controller: Value, namespaces: &Namespaces) -> Result<Value> {
    let mut object = controller;
    while object["kind"] != "Pod" {
        let Some(next) = generated(&object) else { bail!("{} creates nothing", object["kind"]) };
        object = next.object;
        apply_in(&mut object, namespaces);
    }
    Ok(object)
}

/// Removes what the cluster makes up, and what a node and the controllers write later.
fn simplify(pod: &mut Value) {
    let made_up = [
        "/status",
        "/spec/nodeName",
        "/metadata/uid",
        "/metadata/name",
        "/metadata/generateName",
        "/metadata/generation",
        "/metadata/creationTimestamp",
        "/metadata/managedFields",
        "/metadata/resourceVersion",
        "/metadata/finalizers",
    ];
    for pointer in made_up {
        remove(pod, pointer);
    }
    for label in [
        "pod-template-hash",
        "controller-revision-hash",
        "controller-uid",
        "batch.kubernetes.io/controller-uid",
        "job-name",
        "batch.kubernetes.io/job-name",
    ] {
        if let Some(value) = pod["metadata"]["labels"].get_mut(label) {
            *value = json!("made up");
        }
    }
    for owner in pod["metadata"]["ownerReferences"].as_array_mut().into_iter().flatten() {
        for field in ["uid", "name"] {
            remove(owner, &format!("/{field}"));
        }
    }
    let node = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values";
    if let Some(values) = pod.pointer_mut(node) {
        *values = json!(["a node"]);
    }
    rename_token(pod);
    drop_nulls(pod);
}
