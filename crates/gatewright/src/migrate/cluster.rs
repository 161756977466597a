//! What there is to migrate in a cluster: nothing is concluded here.

use anyhow::{anyhow, bail};
use gatewright_api::POLICY_GROUP;
use gatewright_compiler::Settings;
use gatewright_gatekeeper::{CONSTRAINT_GROUP, TEMPLATE_GROUP, TEMPLATE_VERSION};
use gatewright_rules::Template;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ServiceAccount};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::Value;

use super::counting::Counting;
use super::deckhouse::{MODULE_LABEL, is_definition_of_module};
use super::source::{Found, MOST_BYTES, MOST_OBJECTS};
use super::{Source, Sources};
use crate::check::collect::Candidate;
use crate::cluster::judging::{self, constraints_of, object, scopes, value};
use crate::cluster::{
    ClusterArgs, Connection, Discovery, Page, Served, Unseen, configs, constraints, list_some, list_whole,
    metadata_by_page, objects_by_page,
};
use crate::foreign::Foreign;
use crate::input::{Document, Location};

/// The kind of the settings of Deckhouse's modules.
const MODULE_CONFIG: &str = "ModuleConfig";

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
/// The API server does not answer, refuses for another reason than a missing right, there is too much, or there is no such
/// namespace.
pub async fn read(args: &ClusterArgs, sources: Sources, settings: &Settings) -> anyhow::Result<Found> {
    let connection = args.connect().await?;
    let discovery = Discovery::of(&connection).await?;
    let namespace = args.named_namespace().map(str::to_owned);
    let mut reader = Reader { connection, discovery, found: Found::default(), bytes: 0, namespace };
    reader.found.is_of_cluster = true;
    reader.found.rest.scopes = scopes(&reader.discovery);
    reader.namespaces().await?;
    reader.of_deckhouse(sources).await?;
    if sources.has(Source::Deckhouse) || sources.has(Source::GatekeeperLibrary) {
        reader.of_gatekeeper(sources).await?;
    }
    if sources.has(Source::Psa) {
        reader.of_standards(sources).await?;
    }
    reader.objects(sources, settings).await?;
    Ok(reader.found)
}

fn resource(group: &str, version: &str, kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

impl Reader {
    async fn namespaces(&mut self) -> anyhow::Result<()> {
        let resource = ApiResource::erase::<Namespace>(&());
        let all = if let Some(name) = &self.namespace {
            let served = Served { resource, namespaced: false };
            let found = object(&self.connection, &served, "", name).await?;
            vec![found.ok_or_else(|| anyhow!("there is no namespace {}", Foreign::from(name)))?]
        } else {
            self.list(&resource, false).await?
        };
        self.found.rest.namespaces.extend(all.into_iter().map(|namespace| (nowhere(), namespace)));
        Ok(())
    }

    /// All kinds of the group deckhouse.io that a policy can be of, and the traces of the module. For the library it matters
    /// which policies there are.
    async fn of_deckhouse(&mut self, sources: Sources) -> anyhow::Result<()> {
        let ours = ["SecurityPolicy", "OperationPolicy"];
        let theirs = [
            "NamespacedSecurityPolicy",
            "NamespacedOperationPolicy",
            "SecurityPolicyException",
            MODULE_CONFIG,
        ];
        let of_policies = sources.has(Source::Deckhouse) || sources.has(Source::GatekeeperLibrary);
        let kinds = ours.iter().filter(|_| of_policies);
        // The module's default standard decides what labels of namespaces mean.
        let is_read = |kind: &&&str| {
            sources.has(Source::Deckhouse) || (**kind == MODULE_CONFIG && sources.has(Source::Psa))
        };
        let kinds = kinds.chain(theirs.iter().filter(is_read));
        let served: Vec<_> = kinds.filter_map(|kind| self.discovery.kind(POLICY_GROUP, kind)).collect();
        let is_deckhouse = self.discovery.kind(POLICY_GROUP, MODULE_CONFIG).is_some();
        for Served { resource, namespaced } in served {
            self.found.definitions.push((resource.kind.clone(), namespaced));
            self.take_all(&resource, namespaced).await?;
        }
        if sources.has(Source::Deckhouse) || (is_deckhouse && sources.has(Source::Psa)) {
            self.definitions_of_module().await?;
        }
        Ok(())
    }

    async fn definitions_of_module(&mut self) -> anyhow::Result<()> {
        let resource = ApiResource::erase::<CustomResourceDefinition>(&());
        let api: Api<DynamicObject> = Api::all_with(self.connection.client.clone(), &resource);
        let (key, value) = MODULE_LABEL;
        let parameters = ListParams::default().labels(&format!("{key}={value}"));
        let listed = list_whole(&api, &resource, parameters).await?;
        for definition in listed.or_note(&mut self.found.incomplete) {
            let definition = judging::value(&definition, &resource)?;
            self.found.is_module_installed |= is_definition_of_module(&definition);
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

    /// What decides in which namespaces standards hold: gatewright's constraints for them, and Gatekeeper's `Config`.
    async fn of_standards(&mut self, sources: Sources) -> anyhow::Result<()> {
        let kind = Template::PodSecurityStandard.kind();
        self.found.is_gatewright_installed = self.discovery.kind(CONSTRAINT_GROUP, kind).is_some();
        // For the library the constraints of every template are read.
        if self.found.is_gatewright_installed && !sources.has(Source::GatekeeperLibrary) {
            self.take_all(&constraints(kind), false).await?;
        }
        let configs = configs();
        if self.discovery.kind(&configs.group, &configs.kind).is_some() {
            // Wherever the user looks, Gatekeeper has its own namespace.
            self.take_all(&configs, false).await?;
        }
        Ok(())
    }

    /// The objects that count.
    async fn objects(&mut self, sources: Sources, settings: &Settings) -> anyhow::Result<()> {
        let mut counting = Counting::of(&self.found, sources, settings);
        if counting.looks_at_pods() {
            self.gives_to_pods().await?;
        }
        for (group, kind) in counting.kinds() {
            let Some(served) = self.discovery.kind(&group, &kind) else { continue };
            if (group.as_str(), kind.as_str()) == ("", "Namespace") {
                self.namespaces_count();
                continue;
            }
            if (group.as_str(), kind.as_str()) == ("", "Pod") {
                self.replica_sets(&mut counting).await?;
            }
            let mut all = self.list(&served.resource, served.namespaced).await?;
            for object in &all {
                counting.learn(object);
            }
            all.retain(|object| counting.owner(object).is_some());
            self.take(all)?;
        }
        self.found.counting = counting;
        Ok(())
    }

    /// What gives Pods something before they are judged. An account that says nothing of its token gives what is taken for
    /// the default.
    async fn gives_to_pods(&mut self) -> anyhow::Result<()> {
        for resource in [ApiResource::erase::<LimitRange>(&()), ApiResource::erase::<ServiceAccount>(&())] {
            let mut giving = vec![];
            let take = |page| {
                let Page::Items(items) = page else { return Ok(()) };
                for object in items {
                    let object = value(&object, &resource)?;
                    let says =
                        resource.kind == "LimitRange" || !object["automountServiceAccountToken"].is_null();
                    giving.extend(says.then_some(object));
                }
                Ok(())
            };
            let within = self.namespace.as_deref();
            let unseen = objects_by_page(&self.connection, &resource, within, take).await?;
            self.found.incomplete.extend(unseen);
            self.take(giving)?;
        }
        Ok(())
    }

    /// Namespaces have been read already.
    fn namespaces_count(&mut self) {
        let all = self.found.rest.namespaces.iter();
        let documents = all.filter_map(|(_, namespace)| Document::made(namespace, nowhere()).ok());
        self.found.rest.candidates.extend(documents.map(Candidate));
    }

    /// Learns whose ReplicaSets there are.
    async fn replica_sets(&mut self, counting: &mut Counting) -> anyhow::Result<()> {
        let resource = ApiResource::erase::<ReplicaSet>(&());
        let take = |page| {
            let Page::Items(items) = page else { return Ok(()) };
            for object in items {
                counting.learn(&value(&object, &resource)?);
            }
            Ok(())
        };
        let namespace = self.namespace.as_deref();
        let unseen = metadata_by_page(&self.connection, &resource, namespace, take).await?;
        self.found.incomplete.extend(unseen);
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
