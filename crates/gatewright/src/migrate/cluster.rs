//! What there is to migrate in a cluster: nothing is concluded here.

use std::collections::BTreeSet;

use anyhow::bail;
use gatewright_api::POLICY_GROUP;
use gatewright_compiler::Settings;
use gatewright_gatekeeper::{TEMPLATE_GROUP, TEMPLATE_VERSION};
use gatewright_rules::kinds::CONTROLLERS;
use kube::Api;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};

use super::source::{Found, MOST_BYTES, MOST_OBJECTS};
use super::{Source, Sources};
use crate::cluster::judging::{constraints_of, scopes, value};
use crate::cluster::{ClusterArgs, Connection, Discovery, Unseen, list_some};
use crate::input::{Document, Location};
use crate::policies;

/// A cluster that is read, and how much of it was.
struct Reader {
    connection: Connection,
    discovery: Discovery,
    found: Found,
    bytes: u64,
    /// The only namespace to look in; none for all.
    namespace: Option<String>,
}

/// Reads everything that the user may see.
///
/// # Errors
/// The API server does not answer, refuses for another reason than a missing right, or there is too much.
pub async fn read(args: &ClusterArgs, sources: Sources, settings: &Settings) -> anyhow::Result<Found> {
    let connection = args.connect().await?;
    let discovery = Discovery::of(&connection).await?;
    let namespace = args.named_namespace().map(str::to_owned);
    let mut reader = Reader { connection, discovery, found: Found::default(), bytes: 0, namespace };
    reader.found.rest.scopes = scopes(&reader.discovery);
    reader.namespaces().await?;
    if sources.has(Source::Deckhouse) {
        reader.of_deckhouse().await?;
    }
    if sources.has(Source::Deckhouse) || sources.has(Source::GatekeeperLibrary) {
        reader.of_gatekeeper(sources).await?;
    }
    reader.objects(sources, settings).await?;
    Ok(reader.found)
}

fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

impl Reader {
    async fn namespaces(&mut self) -> anyhow::Result<()> {
        let mut all = self.list(&resource("", "v1", "Namespace"), false).await?;
        all.retain(|it| self.namespace.as_deref().is_none_or(|only| it["metadata"]["name"] == only));
        self.found.rest.namespaces.extend(all.into_iter().map(|namespace| (nowhere(), namespace)));
        Ok(())
    }

    /// All kinds of the group deckhouse.io that a policy can be of.
    async fn of_deckhouse(&mut self) -> anyhow::Result<()> {
        let kinds = [
            "SecurityPolicy",
            "OperationPolicy",
            "NamespacedSecurityPolicy",
            "NamespacedOperationPolicy",
            "SecurityPolicyException",
        ];
        for served in
            kinds.into_iter().filter_map(|kind| self.discovery.kind(POLICY_GROUP, kind)).collect::<Vec<_>>()
        {
            self.found.definitions.push((served.resource.kind.clone(), served.namespaced));
            self.take_all(&served.resource, served.namespaced).await?;
        }
        Ok(())
    }

    /// Templates and webhooks, and the constraints of the templates.
    async fn of_gatekeeper(&mut self, sources: Sources) -> anyhow::Result<()> {
        let templates =
            self.list(&resource(TEMPLATE_GROUP, TEMPLATE_VERSION, "ConstraintTemplate"), false).await?;
        if sources.has(Source::GatekeeperLibrary) {
            for kind in templates.iter().filter_map(constraints_of) {
                self.take_all(&kind, false).await?;
            }
        }
        if sources.has(Source::Deckhouse) {
            let webhooks = resource("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration");
            self.take_all(&webhooks, false).await?;
        }
        self.take(templates)
    }

    /// The objects that policies look at; what a controller makes is judged with the controller.
    async fn objects(&mut self, sources: Sources, settings: &Settings) -> anyhow::Result<()> {
        for (group, kind) in looked_at(&self.found, sources, settings) {
            let Some(served) = self.discovery.kind(&group, &kind) else { continue };
            let mut all = self.list(&served.resource, served.namespaced).await?;
            all.retain(|object| !is_made(object));
            self.take(all)?;
        }
        Ok(())
    }

    async fn take_all(&mut self, resource: &ApiResource, namespaced: bool) -> anyhow::Result<()> {
        let all = self.list(resource, namespaced).await?;
        self.take(all)
    }

    fn take(&mut self, all: Vec<Value>) -> anyhow::Result<()> {
        for object in all {
            if let Ok(document) = Document::made(&object, nowhere()) {
                self.found.take(document);
            }
        }
        self.found.within_bounds()
    }

    async fn list(&mut self, resource: &ApiResource, namespaced: bool) -> anyhow::Result<Vec<Value>> {
        let client = self.connection.client.clone();
        let api: Api<DynamicObject> = match self.namespace.as_deref().filter(|_| namespaced) {
            Some(namespace) => Api::namespaced_with(client, namespace, resource),
            None => Api::all_with(client, resource),
        };
        let mut unseen: Vec<Unseen> = vec![];
        let listed = list_some(&api, resource, MOST_OBJECTS).await?.or_note(&mut unseen);
        self.found.incomplete.extend(unseen);
        let objects: Vec<_> =
            listed.iter().map(|object| value(object, resource)).collect::<anyhow::Result<_>>()?;
        self.bytes += objects.iter().map(|object| object.to_string().len() as u64).sum::<u64>();
        if objects.len() > MOST_OBJECTS || self.bytes > MOST_BYTES {
            let most = MOST_BYTES >> 20;
            bail!(
                "there is more than {MOST_OBJECTS} objects or {most} MiB of {}; write some of them to files, and give these with -f",
                resource.plural
            );
        }
        Ok(objects)
    }
}

fn nowhere() -> Location {
    Location { file: Found::nowhere(), line: 0 }
}

/// Whether a controller made the object.
fn is_made(object: &Value) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().any(|owner| owner["controller"] == true)
}

/// The kinds that the policies look at, with their groups; and where labels count those that standards look at.
fn looked_at(found: &Found, sources: Sources, settings: &Settings) -> BTreeSet<(String, String)> {
    let mut kinds = BTreeSet::new();
    if sources.has(Source::Psa) {
        kinds.insert((String::new(), "Pod".to_owned()));
        kinds.extend(CONTROLLERS.iter().map(|it| (it.group.to_string(), it.kind.to_string())));
    }
    let compiled = found
        .known_policies()
        .filter_map(|(document, kind)| policies::compiled(document, kind, settings).ok());
    for constraint in compiled.filter_map(|compiled| compiled.constraint) {
        let matched = json!(constraint)["spec"]["match"]["kinds"].take();
        for of in matched.as_array().into_iter().flatten() {
            let texts = |field: &str| of[field].as_array().cloned().unwrap_or_default();
            for group in texts("apiGroups") {
                let named = texts("kinds").into_iter().filter_map(|kind| kind.as_str().map(str::to_owned));
                kinds.extend(named.map(|kind| (group.as_str().unwrap_or_default().to_owned(), kind)));
            }
        }
    }
    kinds
}
