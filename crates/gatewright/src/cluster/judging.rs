//! What a cluster judges by, as `explain` and `preview` read it: nothing is concluded here.

use anyhow::{Context as _, anyhow};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use gatewright_api::PolicyKind;
use gatewright_compiler::template;
use gatewright_gatekeeper::{TEMPLATE_GROUP, TEMPLATE_VERSION};
use gatewright_rules::Template;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ServiceAccount};
use kube::Api;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use super::{Connection, Discovery, Served, Unseen, configs, constraints, list_whole, right};
use crate::check::Scopes;
use crate::check::collect::Collected;
use crate::input::{Document, Location};
use crate::status::read::{SeenPolicy, list_policies, policy};

/// How many lists are asked for at a time.
const AT_ONCE: usize = 4;

/// What a cluster judges by.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// ConstraintTemplates.
    pub templates: Vec<Value>,
    /// All constraints.
    pub constraints: Vec<Value>,
    /// Gatekeeper's `Config`.
    pub configs: Vec<Value>,
    /// `ExpansionTemplate` objects.
    pub expansions: Vec<Value>,
    /// The policies.
    pub policies: Vec<Policy>,
    /// What the user may not see and without which nobody can say what passes.
    pub blind: Vec<Unseen>,
    /// What else the user may not see.
    pub incomplete: Vec<Unseen>,
}

/// A policy, without what it demands.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Name, action and status.
    pub seen: SeenPolicy,
    /// What it has in `excludeNames`.
    pub excluded: Vec<String>,
}

/// A namespace, and what gives Pods in it something.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The Namespace; none if there is no such namespace.
    pub namespace: Option<Value>,
    /// LimitRanges and ServiceAccounts.
    pub gives: Vec<Value>,
    /// What the user may not see.
    pub incomplete: Vec<Unseen>,
}

impl Seen {
    /// Sorts it as if it came from files.
    pub fn collected(&self) -> Collected {
        let mut collected = Collected::default();
        let judging = [&self.templates, &self.constraints, &self.configs, &self.expansions];
        for value in judging.into_iter().flatten() {
            if let Ok(document) = Document::made(value, location(value)) {
                collected.sort(document);
            }
        }
        collected
    }

    /// Puts a template or a constraint in the place of that of the same name.
    pub fn put(&mut self, object: Value) {
        let name = |it: &Value| it["metadata"]["name"].clone();
        let all =
            if object["kind"] == "ConstraintTemplate" { &mut self.templates } else { &mut self.constraints };
        all.retain(|other| other["kind"] != object["kind"] || name(other) != name(&object));
        all.push(object);
    }
}

/// What asks the verifier is judged with the template of this program, which knows what it asks: nobody answers here.
pub fn ask_as_we_do(seen: &mut Seen) {
    for own in Template::ALL.iter().filter(|own| own.needs_verifier()) {
        if seen.templates.iter().any(|it| it["metadata"]["name"] == own.name()) {
            seen.put(json!(template(*own)));
        }
    }
}

/// A place that names the object.
pub fn location(object: &Value) -> Location {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let file = format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]));
    Location { file: file.into(), line: 0 }
}

/// The API server knows of all kinds whether they stand in namespaces.
pub fn scopes(discovery: &Discovery) -> Scopes {
    let mut scopes = Scopes::default();
    for (group, kind, namespaced) in discovery.scopes() {
        let scope = if namespaced { "Namespaced" } else { "Cluster" };
        let names = json!({"kind": kind});
        scopes.learn(&json!({"spec": {"group": group, "scope": scope, "names": names}}));
    }
    scopes
}

/// Reads what a cluster judges by.
///
/// # Errors
/// The API server does not answer, or refuses for another reason than a missing right.
pub async fn seen(connection: &Connection) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    let resource = |group, version, kind| ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let templates = resource(TEMPLATE_GROUP, TEMPLATE_VERSION, "ConstraintTemplate");
    let expansions = resource("expansion.gatekeeper.sh", "v1beta1", "ExpansionTemplate");
    let all = [templates, configs(), expansions];
    let mut lists = lists(connection, all.to_vec(), &mut seen.blind).await?.into_iter();
    let mut next = || lists.next().unwrap_or_default();
    (seen.templates, seen.configs, seen.expansions) = (next(), next(), next());
    let kinds = seen.templates.iter().filter_map(constraints_of).collect();
    seen.constraints = self::lists(connection, kinds, &mut seen.blind).await?.into_iter().flatten().collect();
    for kind in PolicyKind::ALL {
        let listed = list_policies(connection, *kind).await?.or_note(&mut seen.incomplete);
        seen.policies.extend(listed.iter().map(|object| of_policy(*kind, object)));
    }
    Ok(seen)
}

/// Where the constraints of a template are.
pub fn constraints_of(template: &Value) -> Option<ApiResource> {
    let kind = template.pointer("/spec/crd/spec/names/kind")?.as_str()?;
    Some(constraints(kind))
}

/// A policy without what it demands.
pub fn of_policy(kind: PolicyKind, object: &DynamicObject) -> Policy {
    let names = object.data.pointer("/spec/match/namespaceSelector/excludeNames").and_then(Value::as_array);
    let names = names.into_iter().flatten().filter_map(|name| name.as_str().map(str::to_owned));
    Policy { seen: policy(kind, object), excluded: names.collect() }
}

/// All objects of each resource, outside of namespaces and in all of them; and which may not be listed.
///
/// # Errors
/// As of [`seen`].
pub async fn lists(
    connection: &Connection,
    resources: Vec<ApiResource>,
    unseen: &mut Vec<Unseen>,
) -> anyhow::Result<Vec<Vec<Value>>> {
    let listed = stream::iter(resources).map(async |resource| {
        let api: Api<DynamicObject> = Api::all_with(connection.client.clone(), &resource);
        let listed = list_whole(&api, &resource, ListParams::default()).await?;
        anyhow::Ok((listed, resource))
    });
    let listed: Vec<_> = listed.buffered(AT_ONCE).try_collect().await?;
    listed
        .into_iter()
        .map(|(listed, resource)| {
            let objects = listed.or_note(unseen).into_iter();
            objects.map(|object| value(&object, &resource)).collect()
        })
        .collect()
}

/// The object as a document: with its kind, which lists leave out, and without who wrote which field.
///
/// # Errors
/// It cannot be written as JSON.
pub fn value<T: serde::Serialize>(object: &T, resource: &ApiResource) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(object)?;
    value["apiVersion"] = json!(resource.api_version);
    value["kind"] = json!(resource.kind);
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    Ok(value)
}

/// The object as somebody would create it once more: without its uid, so that a Pod gets again what plugins of the API server
/// add, of LimitRanges that are newer than the Pod for one.
pub fn anew(mut object: Value) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("uid");
    }
    object
}

/// Reads a namespace, and what gives Pods in it something.
///
/// # Errors
/// The API server does not answer, or the user may not read the namespace: without its labels nothing can be said.
pub async fn surroundings(connection: &Connection, namespace: &str) -> anyhow::Result<Surroundings> {
    let client = &connection.client;
    let of_namespace = Served { resource: ApiResource::erase::<Namespace>(&()), namespaced: false };
    let mut found = Surroundings {
        namespace: object(connection, &of_namespace, "", namespace).await?,
        ..Surroundings::default()
    };
    let limits: Api<LimitRange> = Api::namespaced(client.clone(), namespace);
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let resource = ApiResource::erase::<LimitRange>(&());
    for limit in list_whole(&limits, &resource, ListParams::default()).await?.or_note(&mut found.incomplete) {
        found.gives.push(value(&limit, &resource)?);
    }
    let resource = ApiResource::erase::<ServiceAccount>(&());
    for account in
        list_whole(&accounts, &resource, ListParams::default()).await?.or_note(&mut found.incomplete)
    {
        found.gives.push(value(&account, &resource)?);
    }
    Ok(found)
}

/// Reads an object; none if it is not there.
///
/// # Errors
/// The API server does not answer, or the user may not read it.
pub async fn object(
    connection: &Connection,
    served: &Served,
    namespace: &str,
    name: &str,
) -> anyhow::Result<Option<Value>> {
    let Served { resource, namespaced } = served;
    let client = connection.client.clone();
    let api: Api<DynamicObject> = if *namespaced {
        Api::namespaced_with(client, namespace, resource)
    } else {
        Api::all_with(client, resource)
    };
    match api.get_opt(name).await {
        Ok(found) => found.map(|object| value(&object, resource)).transpose(),
        Err(kube::Error::Api(status)) if status.code == 403 => {
            let unseen = Unseen { what: format!("{}/{name}", resource.kind), needs: right("get", resource) };
            Err(anyhow!("{unseen}"))
        }
        Err(kube::Error::Api(status)) => {
            Err(anyhow!("cannot read {}/{name}: {}", resource.kind, status.message))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}/{name}", resource.kind)),
    }
}
