//! Our defaults are the API server's: each manifest in `defaults/` is created on a real server, without being kept, and
//! what comes back is what `gatewright_kube_defaults` makes of the same manifest. Debug containers cannot be created
//! with their Pod: they are added to one that is there.

use std::fs;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::{Cluster, paths};
use gatewright_kube_defaults as defaults;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::core::{Request, Resource};
use kube::discovery::{Scope, pinned_kind};
use serde_json::{Value, json};

/// What only the server can know: where, and why it is not compared.
const REMOVED: [(&str, &str); 13] = [
    ("/metadata/uid", "made up by the server"),
    ("/metadata/creationTimestamp", "the time of the request"),
    ("/metadata/managedFields", "bookkeeping of who wrote what"),
    ("/metadata/resourceVersion", "a number of the storage"),
    ("/metadata/generation", "a count of the server's"),
    ("/metadata/namespace", "from the request's path"),
    ("/status", "not the user's to write"),
    ("/spec/clusterIP", "allocated"),
    ("/spec/clusterIPs", "allocated"),
    ("/spec/ipFamilies", "follows from the cluster's address ranges"),
    ("/spec/ipFamilyPolicy", "follows from the cluster's address ranges"),
    ("/spec/healthCheckNodePort", "allocated"),
    ("/metadata/annotations/deprecated.daemonset.template.generation", "a count of the server's"),
];

pub(crate) async fn are_the_servers(cluster: &Cluster) -> Result<()> {
    let client = cluster.client().await?;
    let mut wrong = vec![];
    let manifests = manifests()?;
    ensure!(manifests.len() > 40, "{} manifests only", manifests.len());
    for (origin, manifest) in manifests {
        match differences(&client, &manifest).await {
            Ok(found) => wrong.extend(found.iter().map(|what| format!("{origin}: {what}"))),
            Err(error) => wrong.push(format!("{origin}: {error:#}")),
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Every document of every file, with the file and its place in it.
fn manifests() -> Result<Vec<(String, Value)>> {
    let mut all = vec![];
    for entry in fs::read_dir(paths::repository().join("e2e/tests/scenarios/defaults"))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).with_context(|| path.display().to_string())?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        all.extend(documents.into_iter().enumerate().map(|(at, document)| {
            let kind = document["kind"].as_str().unwrap_or_default();
            (format!("{name} #{} ({kind} {})", at + 1, document["metadata"]["name"]), document)
        }));
    }
    Ok(all)
}

async fn differences(client: &Client, manifest: &Value) -> Result<Vec<String>> {
    let (mut servers, mut ours) = if manifest.pointer("/spec/ephemeralContainers").is_some() {
        debug(client, manifest).await?
    } else {
        (create(client, manifest, true).await?, manifest.clone())
    };
    defaults::apply(&mut ours);
    let mut again = servers.clone();
    defaults::apply(&mut again);
    let mut found = vec![];
    compare("", &servers, &again, "changed although admitted: ", &mut found);
    for object in [&mut servers, &mut ours] {
        simplify(object);
    }
    compare("", &servers, &ours, "", &mut found);
    Ok(found)
}

/// Creates the Pod without its debug containers, then adds these, by the request that only they have. Gives what the
/// server makes of that request, and the Pod as it was sent.
async fn debug(client: &Client, manifest: &Value) -> Result<(Value, Value)> {
    let mut plain = manifest.clone();
    remove(&mut plain, "/spec/ephemeralContainers");
    let mut sent = create(client, &plain, false).await?;
    sent["spec"]["ephemeralContainers"] = manifest["spec"]["ephemeralContainers"].clone();
    let pods = Api::<DynamicObject>::default_namespaced_with(client.clone(), &ApiResource::erase::<Pod>(&()));
    let name = manifest["metadata"]["name"].as_str().context("no name")?;
    let parameters = PostParams { dry_run: true, ..PostParams::default() };
    let servers = pods.replace_subresource("ephemeralcontainers", name, &parameters, &sent).await?;
    Ok((serde_json::to_value(servers)?, sent))
}

/// What the server makes of a manifest. In a dry run nothing is kept.
async fn create(client: &Client, manifest: &Value, dry_run: bool) -> Result<Value> {
    let version = manifest["apiVersion"].as_str().context("no apiVersion")?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = GroupVersionKind::gvk(group, version, manifest["kind"].as_str().context("no kind")?);
    let (resource, capabilities) = pinned_kind(client, &kind).await?;
    let namespace = (capabilities.scope == Scope::Namespaced).then_some("default");
    let parameters = PostParams { dry_run, ..PostParams::default() };
    let url = DynamicObject::url_path(&resource, namespace);
    let request = Request::new(url).create(&parameters, serde_json::to_vec(manifest)?)?;
    Ok(client.request(request).await?)
}

/// Removes what cannot be equal, and gives the token's volume one name.
fn simplify(object: &mut Value) {
    for (pointer, _) in REMOVED {
        remove(object, pointer);
    }
    if object["kind"] == "Service" {
        let ports = object.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
        ports.into_iter().flatten().for_each(|port| remove(port, "/nodePort"));
    }
    if object["kind"] == "Job" {
        job(object);
    }
    remove_if(object, "/metadata/annotations", &json!({}));
    rename_token(object);
    drop_nulls(object);
}

/// A Job and its Pods are labelled with its name and its uid, by which its selector finds them: the uid is made up.
fn job(object: &mut Value) {
    for labels in ["/metadata/labels", "/spec/template/metadata/labels"] {
        for label in [
            "batch.kubernetes.io~1job-name",
            "job-name",
            "batch.kubernetes.io~1controller-uid",
            "controller-uid",
        ] {
            remove(object, &format!("{labels}/{label}"));
        }
        remove_if(object, labels, &json!({}));
    }
    remove(object, "/spec/selector/matchLabels/batch.kubernetes.io~1controller-uid");
    remove_if(object, "/spec/selector", &json!({"matchLabels": {}}));
}

/// Removes what nothing else is left in.
fn remove_if(object: &mut Value, pointer: &str, value: &Value) {
    if object.pointer(pointer) == Some(value) {
        remove(object, pointer);
    }
}

pub(crate) fn remove(object: &mut Value, pointer: &str) {
    let Some((parent, field)) = pointer.rsplit_once('/') else { return };
    if let Some(Value::Object(parent)) = object.pointer_mut(parent) {
        parent.remove(&field.replace("~1", "/"));
    }
}

/// The server ends the name of the token's volume with random characters.
pub(crate) fn rename_token(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with("kube-api-access-") => {
            "kube-api-access-00000".clone_into(text);
        }
        Value::Array(items) => items.iter_mut().for_each(rename_token),
        Value::Object(map) => map.values_mut().for_each(rename_token),
        _ => {}
    }
}

/// The server writes an empty required list as null.
pub(crate) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        _ => {}
    }
}

/// Lists the leaves that differ.
pub(crate) fn compare(at: &str, servers: &Value, ours: &Value, prefix: &str, found: &mut Vec<String>) {
    match (servers, ours) {
        (Value::Object(left), Value::Object(right)) => {
            let names: std::collections::BTreeSet<_> = left.keys().chain(right.keys()).collect();
            for name in names {
                compare(&format!("{at}/{name}"), &servers[name], &ours[name], prefix, found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right).enumerate() {
                compare(&format!("{at}/{index}"), left, right, prefix, found);
            }
        }
        _ if servers == ours => {}
        _ => found.push(format!("{prefix}{at}: the server has {servers}, we have {ours}")),
    }
}
