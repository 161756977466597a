//! Which fields the API server serves of our kinds, and of Gatekeeper's templates: from its OpenAPI documents, which
//! everybody may read.
//!
//! When a CRD changes, the API server goes on serving watches that began before, for a second or longer, and drops from
//! their events what the old schema does not know. So whoever watches a kind lists it anew when its document has changed.

use std::collections::BTreeMap;

use gatewright_api::{crds, lacking};
use gatewright_gatekeeper::OPERATIONS;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::core::ApiResource;
use serde_json::Value;

use crate::Error;
use crate::error::request;

const TEMPLATES: &str = "apis/templates.gatekeeper.sh/v1";
const TEMPLATE_KIND: &str = "ConstraintTemplate";

/// What the served schemas lack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Schemas {
    /// Whether the API server has no such documents: then nothing is known to be lacking.
    pub(crate) unavailable: bool,
    /// For each kind of ours whose schema is served, the fields that it lacks; none where it has all.
    pub(crate) lacking: BTreeMap<String, Vec<String>>,
    /// The schema of Gatekeeper's templates is served and has no [`OPERATIONS`].
    pub(crate) lacks_operations: bool,
    /// Where each document was found.
    pub(crate) addresses: Addresses,
}

/// The address of each document by its path, such as `apis/deckhouse.io/v1alpha1`. It changes with the document.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses(BTreeMap<String, String>);

impl Addresses {
    #[cfg(test)]
    pub(crate) fn at(path: &str, address: &str) -> Self {
        Self([(path.to_owned(), address.to_owned())].into())
    }

    #[cfg(test)]
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// The address of the document that has the schema of a kind.
    pub(crate) fn of(&self, resource: &ApiResource) -> Option<&str> {
        let root = if resource.group.is_empty() { "api" } else { "apis" };
        self.0.get(&format!("{root}/{}", resource.api_version)).map(String::as_str)
    }
}

impl Schemas {
    /// The fields that the served schema of a kind lacks; none while its schema is not known, though the kind is served.
    pub(crate) fn of(&self, kind: &str) -> Option<Vec<String>> {
        let known = self.lacking.get(kind).cloned();
        if self.unavailable { Some(known.unwrap_or_default()) } else { known }
    }
}

/// Reads the documents, each again only when it has changed.
pub(crate) struct Reader {
    client: Client,
    crds: Vec<CustomResourceDefinition>,
    /// By group and version: the address that the API server gave, which changes with the document, and what it lacked.
    read: BTreeMap<String, (String, Schemas)>,
}

impl Reader {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, crds: crds(), read: BTreeMap::new() }
    }

    /// Looks at what is served now.
    ///
    /// # Errors
    /// The API server does not answer.
    pub(crate) async fn look(&mut self) -> Result<Schemas, Error> {
        let index = match self.get("/openapi/v3").await {
            Ok(index) => index,
            Err(error) if error.is_refusal() => {
                return Ok(Schemas { unavailable: true, ..Schemas::default() });
            }
            Err(error) => return Err(error),
        };
        let mut all = Schemas { addresses: addresses(&index), ..Schemas::default() };
        for group in self.groups() {
            let Some(address) = all.addresses.0.get(&group).cloned() else { continue };
            let found = self.document(&group, &address).await?;
            all.lacks_operations |= found.lacks_operations;
            all.lacking.extend(found.lacking);
        }
        Ok(all)
    }

    fn groups(&self) -> Vec<String> {
        let own =
            self.crds.iter().flat_map(|crd| crd.spec.versions.iter().map(move |it| path(crd, &it.name)));
        let mut groups: Vec<_> = own.chain([TEMPLATES.to_owned()]).collect();
        groups.sort();
        groups.dedup();
        groups
    }

    async fn document(&mut self, group: &str, address: &str) -> Result<Schemas, Error> {
        if let Some((_, known)) = self.read.get(group).filter(|(read, _)| read == address) {
            return Ok(known.clone());
        }
        let document = self.get(address).await?;
        let found = found(&document, group, &self.crds);
        self.read.insert(group.to_owned(), (address.to_owned(), found.clone()));
        Ok(found)
    }

    async fn get(&self, address: &str) -> Result<Value, Error> {
        let get = http::Request::get(address).body(vec![]);
        let get = get.map_err(|error| Error::configuration(&error))?;
        request(format!("reading {address}"), self.client.request(get)).await
    }
}

fn addresses(index: &Value) -> Addresses {
    let paths = index["paths"].as_object().into_iter().flatten();
    let address = |(path, document): (&String, &Value)| {
        Some((path.clone(), document["serverRelativeURL"].as_str()?.to_owned()))
    };
    Addresses(paths.filter_map(address).collect())
}

fn path(crd: &CustomResourceDefinition, version: &str) -> String {
    format!("apis/{}/{version}", crd.spec.group)
}

/// What the document of a group and version lacks.
fn found(document: &Value, group: &str, crds: &[CustomResourceDefinition]) -> Schemas {
    let mut found = Schemas::default();
    for crd in crds.iter().filter(|crd| crd.spec.versions.iter().any(|it| path(crd, &it.name) == group)) {
        let kind = &crd.spec.names.kind;
        if let Some(schema) = schema(document, kind) {
            found.lacking.insert(kind.clone(), lacking(schema, crd));
        }
    }
    if group == TEMPLATES
        && let Some(mut at) = schema(document, TEMPLATE_KIND)
    {
        for name in OPERATIONS {
            at = if at["items"].is_object() { &at["items"] } else { at };
            at = &at["properties"][name];
        }
        found.lacks_operations = at.is_null();
    }
    found
}

/// The schema of a kind: the name before it in the document is the group's, turned round.
fn schema<'a>(document: &'a Value, kind: &str) -> Option<&'a Value> {
    let schemas = document["components"]["schemas"].as_object()?;
    schemas.iter().find(|(name, _)| name.rsplit('.').next() == Some(kind)).map(|(_, schema)| schema)
}

#[cfg(test)]
mod tests {
    use super::{Reader, Schemas, found};
    use gatewright_api::crds;
    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;
    use std::convert::Infallible;
    use std::sync::{Arc, Mutex};

    /// As an API server describes our policies, with an edit.
    fn policies(edit: impl Fn(&mut Value)) -> Value {
        let mut schemas = json!({"io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {}});
        for crd in crds() {
            let schema = json!(crd.spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema);
            schemas[format!("io.deckhouse.v1alpha1.{}", crd.spec.names.kind)] = schema;
        }
        edit(&mut schemas["io.deckhouse.v1alpha1.SecurityPolicy"]);
        json!({"components": {"schemas": schemas}})
    }

    fn lacks_privileged(schema: &mut Value) {
        let rules = schema.pointer_mut("/properties/spec/properties/policies/properties").unwrap();
        rules.as_object_mut().unwrap().remove("allowPrivileged").unwrap();
    }

    #[test]
    fn each_kind_of_a_document_is_compared() {
        let of = |document: &Value| found(document, "apis/deckhouse.io/v1alpha1", &crds()).lacking;
        let all = of(&policies(|_| {}));
        assert_eq!(all.keys().collect::<Vec<_>>(), ["OperationPolicy", "SecurityPolicy"]);
        assert!(all.values().all(Vec::is_empty));
        let less = of(&policies(lacks_privileged));
        assert_eq!(less["SecurityPolicy"], ["spec.policies.allowPrivileged"]);
        assert_eq!(less["OperationPolicy"], Vec::<String>::new());
        assert_eq!(of(&json!({})), BTreeMap::new());
    }

    #[test]
    fn gatekeepers_templates_are_asked_for_operations() {
        let template = |target: Value| {
            let targets = json!({"type": "array", "items": {"properties": target}});
            let spec = json!({"properties": {"targets": targets}});
            let schemas =
                json!({"sh.gatekeeper.templates.v1.ConstraintTemplate": {"properties": {"spec": spec}}});
            found(&json!({"components": {"schemas": schemas}}), super::TEMPLATES, &[]).lacks_operations
        };
        assert!(template(json!({"rego": {}})));
        assert!(!template(json!({"rego": {}, "operations": {"type": "array"}})));
        // Not served at all: nothing is known.
        assert!(!found(&json!({}), super::TEMPLATES, &[]).lacks_operations);
    }

    #[test]
    fn a_kind_is_unknown_until_its_schema_is_served() {
        let known =
            Schemas { lacking: [("K".to_owned(), vec!["spec.x".to_owned()])].into(), ..Schemas::default() };
        assert_eq!(known.of("K"), Some(vec!["spec.x".to_owned()]));
        assert_eq!(known.of("Other"), None);
        let without = Schemas { unavailable: true, ..Schemas::default() };
        assert_eq!(without.of("K"), Some(vec![]));
    }

    /// A client whose API server answers from this table, and what it was asked for.
    fn client(answers: Arc<Mutex<BTreeMap<String, Value>>>) -> (Client, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&asked);
        let service = tower::service_fn(move |request: Request<Body>| {
            let path = request.uri().to_string();
            log.lock().unwrap().push(path.clone());
            let answer = answers.lock().unwrap().get(&path).cloned();
            let status = if answer.is_some() { 200 } else { 404 };
            let body = answer.unwrap_or_else(|| json!({"kind": "Status", "code": 404})).to_string();
            let response = Response::builder().status(status).body(Body::from(body.into_bytes())).unwrap();
            std::future::ready(Ok::<_, Infallible>(response))
        });
        (Client::new(service, "default"), asked)
    }

    #[tokio::test]
    async fn a_document_is_read_again_only_when_it_has_changed() {
        let index = |hash: &str| {
            let address = format!("/openapi/v3/apis/deckhouse.io/v1alpha1?hash={hash}");
            json!({"paths": {"apis/deckhouse.io/v1alpha1": {"serverRelativeURL": address}}})
        };
        let answers = Arc::<Mutex<BTreeMap<String, Value>>>::default();
        let (client, asked) = client(Arc::clone(&answers));
        let mut reader = Reader::new(client);
        let serve = |path: &str, answer: Value| drop(answers.lock().unwrap().insert(path.to_owned(), answer));

        assert!(reader.look().await.unwrap().unavailable);
        serve("/openapi/v3", index("1"));
        serve("/openapi/v3/apis/deckhouse.io/v1alpha1?hash=1", policies(lacks_privileged));
        for _ in 0..2 {
            let seen = reader.look().await.unwrap();
            assert_eq!(seen.of("SecurityPolicy").unwrap(), ["spec.policies.allowPrivileged"]);
        }
        serve("/openapi/v3", index("2"));
        serve("/openapi/v3/apis/deckhouse.io/v1alpha1?hash=2", policies(|_| {}));
        assert_eq!(reader.look().await.unwrap().of("SecurityPolicy"), Some(vec![]));
        let documents = asked.lock().unwrap().iter().filter(|path| path.contains("hash")).count();
        assert_eq!(documents, 2);
    }
}
