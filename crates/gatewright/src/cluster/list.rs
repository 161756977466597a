//! Lists of objects, in pages; and what may not be listed.

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, bail};
use kube::Api;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, ObjectList, PartialObjectMeta};
use serde::de::DeserializeOwned;

use super::Connection;

/// How many objects one answer of the API server holds.
const PAGE: u32 = 500;

/// How often a list is tried again where the API server asks to come back, and after which pause.
const PATIENCE: usize = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// What a list holds.
pub enum Listed<T = PartialObjectMeta<DynamicObject>> {
    /// All objects, or their metadata; none where the kind is not served.
    All(Vec<T>),
    /// The user may not list them.
    Unseen(Unseen),
}

impl<T> Listed<T> {
    /// All objects; where they may not be listed none, and that is noted.
    pub fn or_note(self, incomplete: &mut Vec<Unseen>) -> Vec<T> {
        match self {
            Self::All(all) => all,
            Self::Unseen(unseen) => {
                incomplete.push(unseen);
                vec![]
            }
        }
    }
}

/// Something that the user may not see. It is said and never guessed at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Unseen {
    /// What is not shown.
    pub what: String,
    /// The right that it needs, as `VERB on RESOURCE.GROUP`.
    pub needs: String,
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not shown: {} (needs {})", self.what, self.needs)
    }
}

/// The right to do something with a resource, as people name it.
pub fn right(verb: &str, resource: &ApiResource) -> String {
    let dot = if resource.group.is_empty() { "" } else { "." };
    format!("{verb} on {}{dot}{}", resource.plural, resource.group)
}

/// The metadata of all objects of a resource, or of those of this name, in all namespaces or in this one.
///
/// # Errors
/// The API server does not answer, or refuses for another reason than a missing right.
pub async fn list(
    connection: &Connection,
    resource: &ApiResource,
    namespace: Option<&str>,
    name: Option<&str>,
) -> anyhow::Result<Listed> {
    let mut parameters = ListParams::default();
    if let Some(name) = name {
        parameters = parameters.fields(&format!("metadata.name={name}"));
    }
    let api = scoped(connection, resource, namespace);
    kept(resource, parameters, async |parameters| api.list_metadata(parameters).await, Some).await
}

/// What is kept of the metadata of all objects of a resource, in all namespaces or in this one: a cluster has many Pods.
///
/// # Errors
/// As for [`list`].
pub async fn list_kept<U>(
    connection: &Connection,
    resource: &ApiResource,
    namespace: Option<&str>,
    keep: impl Fn(PartialObjectMeta<DynamicObject>) -> Option<U>,
) -> anyhow::Result<Listed<U>> {
    let api = scoped(connection, resource, namespace);
    let page = async |parameters: &ListParams| api.list_metadata(parameters).await;
    kept(resource, ListParams::default(), page, keep).await
}

/// What is kept of all objects of a resource under these parameters, in all namespaces or in this one.
///
/// # Errors
/// As for [`list`].
pub async fn list_whole_kept<U>(
    connection: &Connection,
    resource: &ApiResource,
    namespace: Option<&str>,
    parameters: ListParams,
    keep: impl Fn(DynamicObject) -> Option<U>,
) -> anyhow::Result<Listed<U>> {
    let api = scoped(connection, resource, namespace);
    kept(resource, parameters, async |parameters| api.list(parameters).await, keep).await
}

fn scoped(connection: &Connection, resource: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
    let client = connection.client.clone();
    match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
        None => Api::all_with(client, resource),
    }
}

/// What a list brings that is taken page by page.
pub enum Page<T> {
    /// Some objects.
    Items(Vec<T>),
    /// The list has become too old while it was read: what was taken comes once more.
    Anew,
}

/// Hands over all objects of a resource page by page, in all namespaces or in this one. Returns what may not be listed.
///
/// # Errors
/// As for [`list`], and those of `take`.
pub async fn objects_by_page(
    connection: &Connection,
    resource: &ApiResource,
    namespace: Option<&str>,
    take: impl FnMut(Page<DynamicObject>) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Unseen>> {
    let api = scoped(connection, resource, namespace);
    let parameters = ListParams::default();
    pages(resource, parameters, usize::MAX, async |parameters| api.list(parameters).await, take).await
}

/// The same with the metadata of objects alone.
///
/// # Errors
/// As for [`objects_by_page`].
pub async fn metadata_by_page(
    connection: &Connection,
    resource: &ApiResource,
    namespace: Option<&str>,
    take: impl FnMut(Page<PartialObjectMeta<DynamicObject>>) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Unseen>> {
    let api = scoped(connection, resource, namespace);
    let parameters = ListParams::default();
    pages(resource, parameters, usize::MAX, async |parameters| api.list_metadata(parameters).await, take)
        .await
}

/// All objects that a client for the resource lists under these parameters.
///
/// # Errors
/// As for [`list`].
pub async fn list_whole<K>(
    api: &Api<K>,
    resource: &ApiResource,
    parameters: ListParams,
) -> anyhow::Result<Listed<K>>
where
    K: Clone + DeserializeOwned + fmt::Debug,
{
    kept(resource, parameters, async |parameters| api.list(parameters).await, Some).await
}

/// The same, but no page more is asked for once there are more objects than `most`.
///
/// # Errors
/// As for [`list`].
pub async fn list_some<K>(api: &Api<K>, resource: &ApiResource, most: usize) -> anyhow::Result<Listed<K>>
where
    K: Clone + DeserializeOwned + fmt::Debug,
{
    let mut all = vec![];
    let page = async |parameters: &ListParams| api.list(parameters).await;
    let unseen = pages(resource, ListParams::default(), most, page, gather(&mut all, Some)).await?;
    Ok(unseen.map_or(Listed::All(all), Listed::Unseen))
}

/// What is kept of all pages.
async fn kept<T: Clone, U>(
    resource: &ApiResource,
    parameters: ListParams,
    page: impl AsyncFn(&ListParams) -> kube::Result<ObjectList<T>>,
    keep: impl Fn(T) -> Option<U>,
) -> anyhow::Result<Listed<U>> {
    let mut all = vec![];
    let unseen = pages(resource, parameters, usize::MAX, page, gather(&mut all, keep)).await?;
    Ok(unseen.map_or(Listed::All(all), Listed::Unseen))
}

fn gather<T, U>(
    all: &mut Vec<U>,
    keep: impl Fn(T) -> Option<U>,
) -> impl FnMut(Page<T>) -> anyhow::Result<()> {
    move |page| {
        match page {
            Page::Items(items) => all.extend(items.into_iter().filter_map(&keep)),
            Page::Anew => all.clear(),
        }
        Ok(())
    }
}

async fn pages<T: Clone>(
    resource: &ApiResource,
    parameters: ListParams,
    most: usize,
    page: impl AsyncFn(&ListParams) -> kube::Result<ObjectList<T>>,
    mut take: impl FnMut(Page<T>) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Unseen>> {
    let limit = parameters.limit.unwrap_or(PAGE);
    let mut parameters = parameters.limit(limit);
    let (mut so_far, mut patience) = (0, PATIENCE);
    loop {
        match page(&parameters).await {
            Ok(page) => {
                so_far += page.items.len();
                take(Page::Items(page.items))?;
                match page.metadata.continue_.filter(|token| !token.is_empty() && so_far <= most) {
                    Some(token) => parameters = parameters.continue_token(&token),
                    None => return Ok(None),
                }
            }
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
            Err(kube::Error::Api(status)) if status.code == 403 => {
                let needs = right("list", resource);
                return Ok(Some(Unseen { what: resource.plural.clone(), needs }));
            }
            // The list has become too old while it was read: from the beginning.
            Err(kube::Error::Api(status)) if status.code == 410 && parameters.continue_token.is_some() => {
                take(Page::Anew)?;
                so_far = 0;
                parameters.continue_token = None;
            }
            // The API server asks to come back: while it starts, or takes in a changed CRD.
            Err(kube::Error::Api(status)) if status.code == 429 && patience > 0 => {
                patience -= 1;
                tokio::time::sleep(PAUSE).await;
            }
            Err(kube::Error::Api(status)) => bail!("cannot list {}: {}", resource.plural, status.message),
            Err(error) => return Err(error).with_context(|| format!("cannot list {}", resource.plural)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Listed, PATIENCE, Unseen, list, list_some};
    use crate::cluster::Connection;
    use http::{Request, Response};
    use kube::client::Body;
    use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
    use kube::{Api, Client};
    use serde_json::{Value, json};
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    /// A cluster whose API server gives these answers one after the other, and what it was asked for.
    fn cluster(answers: Vec<(u16, Value)>) -> (Connection, Arc<Mutex<Vec<String>>>) {
        let (asked, answers) =
            (Arc::<Mutex<Vec<String>>>::default(), Arc::new(Mutex::new(answers.into_iter())));
        let log = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            log.lock().unwrap().push(request.uri().to_string());
            let (status, body) = answers.lock().unwrap().next().unwrap();
            let body = Body::from(body.to_string().into_bytes());
            std::future::ready(Ok::<_, Infallible>(Response::builder().status(status).body(body).unwrap()))
        });
        (Connection { client: Client::new(service, "default") }, asked)
    }

    fn page(names: &[&str], token: &str) -> (u16, Value) {
        let items: Vec<_> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
        (200, json!({"kind": "PartialObjectMetadataList", "metadata": {"continue": token}, "items": items}))
    }

    fn failure(code: u16) -> (u16, Value) {
        (code, json!({"kind": "Status", "status": "Failure", "code": code, "reason": "R", "message": "no"}))
    }

    fn resource() -> ApiResource {
        ApiResource::from_gvk(&GroupVersionKind::gvk("syncset.gatekeeper.sh", "v1alpha1", "SyncSet"))
    }

    fn names(listed: Listed) -> Vec<String> {
        let Listed::All(all) = listed else { panic!("not shown") };
        all.into_iter().filter_map(|object| object.metadata.name).collect()
    }

    #[tokio::test]
    async fn pages_follow_each_other_and_begin_anew_where_they_are_too_old() {
        let answers = vec![page(&["a"], "t"), failure(410), page(&["a"], "u"), page(&["b"], "")];
        let (cluster, asked) = cluster(answers);
        assert_eq!(names(list(&cluster, &resource(), None, None).await.unwrap()), ["a", "b"]);
        let asked = asked.lock().unwrap();
        let tokens: Vec<_> = asked.iter().map(|it| it.split("continue=").nth(1)).collect();
        assert_eq!(tokens, [None, Some("t"), None, Some("u")]);
        assert!(asked.iter().all(|it| it.contains("limit=500")), "{asked:?}");
    }

    #[tokio::test]
    async fn no_page_is_asked_for_once_there_are_too_many() {
        let (cluster, asked) = cluster(vec![page(&["a"], "t"), page(&["b"], "u")]);
        let api = Api::<DynamicObject>::all_with(cluster.client.clone(), &resource());
        let Listed::All(all) = list_some(&api, &resource(), 1).await.unwrap() else { panic!("not shown") };
        assert_eq!((all.len(), asked.lock().unwrap().len()), (2, 2));
    }

    #[tokio::test]
    async fn what_may_not_be_listed_is_named_with_its_right() {
        let (forbidden, _) = cluster(vec![failure(403)]);
        let Listed::Unseen(unseen) = list(&forbidden, &resource(), None, None).await.unwrap() else {
            panic!("shown")
        };
        let expected =
            Unseen { what: "syncsets".into(), needs: "list on syncsets.syncset.gatekeeper.sh".into() };
        assert_eq!(unseen, expected);
        assert_eq!(unseen.to_string(), "not shown: syncsets (needs list on syncsets.syncset.gatekeeper.sh)");
        let (unserved, asked) = cluster(vec![failure(404)]);
        assert!(names(list(&unserved, &resource(), None, Some("x")).await.unwrap()).is_empty());
        assert!(asked.lock().unwrap()[0].contains("fieldSelector=metadata.name%3Dx"));
        let (one, asked) = cluster(vec![page(&["a"], "")]);
        assert_eq!(names(list(&one, &resource(), Some("n"), None).await.unwrap()), ["a"]);
        assert!(asked.lock().unwrap()[0].contains("/namespaces/n/syncsets?"));
        let (broken, _) = cluster(vec![failure(500)]);
        let error = list(&broken, &resource(), None, None).await.err().unwrap();
        assert_eq!(error.to_string(), "cannot list syncsets: no");
    }

    #[tokio::test(start_paused = true)]
    async fn an_api_server_that_asks_to_come_back_is_asked_again_but_not_for_ever() {
        let (starting, _) = cluster(vec![failure(429), failure(429), page(&["a"], "")]);
        assert_eq!(names(list(&starting, &resource(), None, None).await.unwrap()), ["a"]);
        let (never, asked) = cluster((0..9).map(|_| failure(429)).collect());
        assert!(list(&never, &resource(), None, None).await.is_err());
        assert_eq!(asked.lock().unwrap().len(), PATIENCE + 1);
    }
}
