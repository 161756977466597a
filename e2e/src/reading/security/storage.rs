//! Volumes and host paths.

use serde_json::Value;

use crate::reading::object::{Object, items, text, texts, wholes};
use crate::reading::text::segments;

pub fn flex_volumes(allowed: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let drivers: Vec<_> = items(allowed).iter().map(|entry| &entry["driver"]).collect();
    let refused = |volume: &&Value| {
        volume["flexVolume"].is_object() && !drivers.contains(&&volume["flexVolume"]["driver"])
    };
    wholes(pod.volumes().iter().filter(refused).count())
}

/// Names that Deckhouse's lists have for sources that the API writes otherwise.
const HISTORICAL: [(&str, &str); 1] = [("cephFS", "cephfs")];

pub fn volume_types(allowed: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let allowed = texts(allowed);
    let is_allowed = |source: &str| {
        let also = HISTORICAL.iter().find(|(_, name)| *name == source);
        allowed.contains(&source) || also.is_some_and(|(old, _)| allowed.contains(old))
    };
    let refused = |volume: &&Value| {
        let fields = volume.as_object().into_iter().flatten();
        let sources: Vec<_> = fields.map(|(name, _)| name.as_str()).filter(|name| *name != "name").collect();
        let sources = if sources.is_empty() { vec!["emptyDir"] } else { sources };
        !is_injected_token(volume) && sources.iter().any(|source| !is_allowed(source))
    };
    let count = if allowed.contains(&"*") { 0 } else { pod.volumes().iter().filter(refused).count() };
    wholes(count)
}

/// The volume with which Kubernetes hands a Pod its token: that, the cluster's certificate and the namespace.
fn is_injected_token(volume: &Value) -> bool {
    let mut parts: Vec<_> = items(&volume["projected"]["sources"]).iter().map(part).collect();
    parts.sort_unstable();
    parts.dedup();
    text(&volume["name"]).starts_with("kube-api-access-") && parts == ["certificate", "namespace", "token"]
}

fn part(source: &Value) -> &'static str {
    let fields: Vec<_> = source.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let paths = items(&source["downwardAPI"]["items"]).iter();
    match fields[..] {
        ["serviceAccountToken"] if text(&source["serviceAccountToken"]["audience"]).is_empty() => "token",
        ["configMap"] if source["configMap"]["name"] == "kube-root-ca.crt" => "certificate",
        ["downwardAPI"]
            if paths.clone().count() > 0
                && paths.clone().all(|item| item["fieldRef"]["fieldPath"] == "metadata.namespace") =>
        {
            "namespace"
        }
        _ => "other",
    }
}

pub fn host_paths(allowed: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let entries = items(allowed);
    let covering = |path: &str| -> Vec<&Value> {
        let covers = |entry: &&Value| covers(text(&entry["pathPrefix"]), path);
        entries.iter().filter(covers).collect()
    };
    let host = pod.volumes().iter().filter(|volume| volume["hostPath"].is_object());
    let path = |volume: &'_ Value| text(&volume["hostPath"]["path"]).to_owned();
    let mut offences = wholes(host.clone().filter(|volume| covering(&path(volume)).is_empty()).count());
    let only_read = |volume: &&Value| {
        let entries = covering(&path(volume));
        !entries.is_empty() && entries.iter().all(|entry| entry["readOnly"] == true)
    };
    let names: Vec<_> = host.filter(only_read).map(|volume| &volume["name"]).collect();
    let writes = |mount: &&Value| names.contains(&&mount["name"]) && mount["readOnly"] != true;
    offences.extend(pod.times(|it| items(&it["volumeMounts"]).iter().filter(writes).count()));
    offences
}

/// By whole segments. A path that may lead elsewhere is under no prefix; Windows takes a backslash for a slash.
fn covers(prefix: &str, path: &str) -> bool {
    let leads_elsewhere = path.split(['/', '\\']).any(|segment| segment == "..");
    path.starts_with('/') && !leads_elsewhere && segments(path).starts_with(&segments(prefix))
}
