//! Deletes one object after another look at it.

use std::time::Duration;

use anyhow::{Context as _, bail};
use kube::Api;
use kube::api::{DeleteParams, Preconditions};
use kube::core::{DynamicObject, PartialObjectMeta};
use tokio::time::{Instant, sleep};

use super::decide::Object;
use super::kinds::Kind;
use crate::cluster::Connection;

/// How often it is looked whether what was deleted is gone.
const AGAIN: Duration = Duration::from_millis(200);

fn api(connection: &Connection, kind: &Kind, object: &Object) -> Api<DynamicObject> {
    if kind.namespaced {
        return Api::namespaced_with(connection.client.clone(), &object.namespace, &kind.resource);
    }
    Api::all_with(connection.client.clone(), &kind.resource)
}

/// Reads the object again and deletes it, if it is still the one that was found, and still ours.
///
/// # Errors
/// It is not, or the API server refuses. That it is gone is no error.
pub async fn delete(connection: &Connection, kind: &Kind, object: &Object) -> anyhow::Result<()> {
    let api = api(connection, kind, object);
    let doing = || format!("cannot read {}", object.full_name());
    let Some(now) = api.get_metadata_opt(&object.name).await.with_context(doing)? else { return Ok(()) };
    if !is_still(kind, object, &now) {
        bail!("{} has changed meanwhile and is not ours any more", object.full_name());
    }
    let preconditions =
        Preconditions { uid: now.metadata.uid.clone(), resource_version: now.metadata.resource_version };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    match api.delete(&object.name, &parameters).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot delete {}", object.full_name())),
    }
}

/// Whether it is the object that was found, and still ours.
fn is_still(kind: &Kind, before: &Object, now: &PartialObjectMeta<DynamicObject>) -> bool {
    let owner =
        now.metadata.labels.as_ref().and_then(|labels| labels.get(gatewright_api::names::OWNER_LABEL));
    let now_is = Object { owner: owner.cloned(), ..before.clone() };
    now.metadata.uid.as_deref() == Some(before.uid.as_str()) && now_is.is_ours(kind)
}

/// Waits until these objects are gone. Returns those that are not in time, each with what holds it.
///
/// # Errors
/// The API server does not answer.
pub async fn still_there(
    connection: &Connection,
    kind: &Kind,
    objects: &[&Object],
    limit: Duration,
) -> anyhow::Result<Vec<(Object, String)>> {
    let end = Instant::now() + limit;
    let mut left = vec![];
    for object in objects {
        let api = api(connection, kind, object);
        loop {
            let found = api.get_metadata_opt(&object.name).await;
            let found = found.with_context(|| format!("cannot read {}", object.full_name()))?;
            let Some(found) =
                found.filter(|found| found.metadata.uid.as_deref() == Some(object.uid.as_str()))
            else {
                break;
            };
            if Instant::now() >= end {
                left.push(((*object).clone(), held(&found)));
                break;
            }
            sleep(AGAIN).await;
        }
    }
    Ok(left)
}

fn held(object: &PartialObjectMeta<DynamicObject>) -> String {
    let finalizers = object.metadata.finalizers.as_deref().unwrap_or_default();
    if finalizers.is_empty() {
        return "it was deleted and is still there".to_owned();
    }
    format!("it was deleted and is held by finalizers: {}", finalizers.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{held, is_still};
    use crate::uninstall::decide::Object;
    use crate::uninstall::kinds::kinds;
    use serde_json::json;

    #[test]
    fn only_what_was_found_and_is_still_ours_goes() {
        let kinds = kinds();
        let before = Object {
            kind: "K".into(),
            namespace: String::new(),
            name: "a".into(),
            at: 0,
            uid: "u".into(),
            owner: Some("builtin".into()),
        };
        for (uid, label, expected) in [
            ("u", json!({"gatewright.io/owner": "builtin"}), true),
            ("another", json!({"gatewright.io/owner": "builtin"}), false),
            ("u", json!({"gatewright.io/owner": "render"}), false),
            ("u", json!({}), false),
        ] {
            let now = serde_json::from_value(json!({"metadata": {"uid": uid, "labels": label}})).unwrap();
            assert_eq!(is_still(&kinds[0], &before, &now), expected, "{uid} {label}");
        }
    }

    #[test]
    fn what_holds_an_object_is_named() {
        let with = |finalizers: &[&str]| {
            held(&serde_json::from_value(json!({"metadata": {"finalizers": finalizers}})).unwrap())
        };
        assert_eq!(with(&["a/b", "c"]), "it was deleted and is held by finalizers: a/b, c");
        assert_eq!(with(&[]), "it was deleted and is still there");
    }
}
