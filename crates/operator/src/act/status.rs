//! Writes the status of an object that is not ours but for the status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ApiResource, PostParams};
use kube::core::DynamicObject;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde_json::json;

use crate::Error;
use crate::error::request;
use crate::names::FIELD_MANAGER;

/// Replaces the status if the object is still the one that we saw. All of the status is ours: what somebody else wrote
/// into it goes, and so does what no longer parses.
///
/// # Errors
/// The request failed, or the object has changed.
pub(crate) async fn replace<K: Resource<DynamicType = ()>>(
    client: &Client,
    seen: &ObjectMeta,
    status: &impl Serialize,
) -> Result<(), Error> {
    let resource = ApiResource::erase::<K>(&());
    let name = seen.name.as_deref().unwrap_or_default();
    let mut object = DynamicObject::new(name, &resource).data(json!({ "status": status }));
    object.metadata.uid.clone_from(&seen.uid);
    object.metadata.resource_version.clone_from(&seen.resource_version);
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let parameters = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    let doing = format!("writing the status of {} {name}", resource.kind);
    request(doing, api.replace_status(name, &parameters, &object)).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::replace;
    use crate::act::mock::{Answer, Server};
    use gatewright_api::SecurityPolicy;
    use serde_json::json;

    async fn written(answer: Answer) -> (Option<String>, Server) {
        let server = Server::new([answer]);
        let seen =
            json!({"name": "a", "uid": "u", "resourceVersion": "5", "labels": {"l": "1"}, "generation": 3});
        let seen = serde_json::from_value(seen).unwrap();
        let result =
            replace::<SecurityPolicy>(&server.client(), &seen, &json!({"observedGeneration": 3})).await;
        (result.err().map(|error| error.reason()), server)
    }

    #[tokio::test]
    async fn the_whole_status_is_replaced_and_nothing_else() {
        let (error, server) = written(Answer::Stored).await;
        assert_eq!(error, None);
        let path = "/apis/deckhouse.io/v1alpha1/securitypolicies/a/status?fieldManager=gatewright";
        assert_eq!(server.asked(), [format!("PUT {path}")]);
        let expected = json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy",
            "metadata": {"name": "a", "uid": "u", "resourceVersion": "5"}, "status": {"observedGeneration": 3},
        });
        assert_eq!(server.sent(), [expected]);
    }

    #[tokio::test]
    async fn an_object_that_has_changed_keeps_its_status() {
        for (code, reason) in [(409, "Conflict"), (404, "NotFound"), (403, "Forbidden")] {
            let (error, server) = written(Answer::Refused(code, reason)).await;
            assert_eq!((error.as_deref(), server.asked().len()), (Some(reason), 1));
        }
    }
}
