//! What `status` reads: nothing is concluded here.

use std::collections::BTreeMap;

use gatewright_api::{
    GatewrightStatus, PolicyKind, PolicyStatus, SYSTEM_STATUS_NAME, SystemStatus, with_policy_type,
};
use gatewright_gatekeeper::{PodStatus, SYSTEM_LABEL, pod_statuses};
use gatewright_operator::LEASE;
use gatewright_rules::{Owner, Template};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, ResourceExt as _};
use serde::Deserialize as _;

use crate::cluster::{Connection, Unseen, constraints, holder, list_whole};

/// Upstream's webhook that guards the label which exempts namespaces. It judges nothing else.
const LABEL_WEBHOOK: &str = "check-ignore-label.gatekeeper.sh";

/// The labels of the operator's Pods: that of `helm test` has another component.
const OPERATOR_LABEL: &str = "app.kubernetes.io/name=gatewright,app.kubernetes.io/component=operator";

/// By how much the clock here may be ahead of the operator's.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_secs(60);

/// What was seen of the cluster.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The state that the operator keeps; none where it has not made the object yet.
    pub system: Option<SystemStatus>,
    /// The policies.
    pub policies: Vec<SeenPolicy>,
    /// What Gatekeeper's processes say of the constraints of policies.
    pub constraints: BTreeMap<(PolicyKind, String), Vec<PodStatus>>,
    /// The failure policies of Gatekeeper's webhooks that judge objects.
    pub failure_policies: Vec<String>,
    /// External data providers with their timeout in seconds.
    pub providers: Vec<(String, i64)>,
    /// The operator's Pods.
    pub operators: Vec<Pod>,
    /// Whether the operator has a Lease.
    pub has_lease: bool,
    /// Who holds it.
    pub holder: Option<String>,
    /// What the user may not see.
    pub incomplete: Vec<Unseen>,
}

impl Seen {
    /// Whether the user may see the objects of a kind.
    pub fn is_shown<K: kube::Resource<DynamicType = ()>>(&self) -> bool {
        self.incomplete.iter().all(|unseen| unseen.what != K::plural(&()))
    }
}

/// A policy, without what it demands.
#[derive(Clone, Debug)]
pub struct SeenPolicy {
    pub kind: PolicyKind,
    pub name: String,
    pub generation: Option<i64>,
    pub action: String,
    pub status: PolicyStatus,
}

/// Reads everything that the user may see.
///
/// # Errors
/// The API server does not answer, or refuses for another reason than a missing right.
pub async fn read(connection: &Connection, namespace: Option<&str>) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    let (system, webhooks, providers, operators, leases) = futures::try_join!(
        system(connection),
        webhooks(connection),
        providers(connection),
        operators(connection, namespace),
        leases(connection, namespace),
    )?;
    let note = &mut seen.incomplete;
    seen.system = system.or_note(note).first().map(reported);
    seen.failure_policies = webhooks.or_note(note).into_iter().flat_map(|it| failure_policies(&it)).collect();
    seen.providers = providers.or_note(note).iter().map(timeout).collect();
    seen.operators = operators.or_note(note);
    let (leases, now) = (leases.or_note(note), Timestamp::now() - CLOCKS_DIFFER);
    seen.has_lease = !leases.is_empty();
    seen.holder = leases.iter().find_map(|lease| holder(lease, now)).map(str::to_owned);
    for kind in PolicyKind::ALL {
        policies(connection, *kind, &mut seen).await?;
    }
    Ok(seen)
}

/// What a list holds, or why it could not be read.
pub type Listed<K> = anyhow::Result<crate::cluster::Listed<K>>;

async fn system(connection: &Connection) -> Listed<DynamicObject> {
    let resource = ApiResource::erase::<GatewrightStatus>(&());
    let api: Api<DynamicObject> = Api::all_with(connection.client.clone(), &resource);
    let named = ListParams::default().fields(&format!("metadata.name={SYSTEM_STATUS_NAME}"));
    list_whole(&api, &resource, named).await
}

/// A status that does not parse says nothing.
fn reported(object: &DynamicObject) -> SystemStatus {
    SystemStatus::deserialize(&object.data["status"]).unwrap_or_default()
}

async fn webhooks(connection: &Connection) -> Listed<ValidatingWebhookConfiguration> {
    let api: Api<ValidatingWebhookConfiguration> = Api::all(connection.client.clone());
    let (key, value) = SYSTEM_LABEL;
    let labelled = ListParams::default().labels(&format!("{key}={value}"));
    list_whole(&api, &ApiResource::erase::<ValidatingWebhookConfiguration>(&()), labelled).await
}

async fn providers(connection: &Connection) -> Listed<DynamicObject> {
    let resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("externaldata.gatekeeper.sh", "v1beta1", "Provider"));
    let api: Api<DynamicObject> = Api::all_with(connection.client.clone(), &resource);
    list_whole(&api, &resource, ListParams::default()).await
}

async fn operators(connection: &Connection, namespace: Option<&str>) -> Listed<Pod> {
    let api: Api<Pod> = scoped(connection, namespace);
    list_whole(&api, &ApiResource::erase::<Pod>(&()), ListParams::default().labels(OPERATOR_LABEL)).await
}

async fn leases(connection: &Connection, namespace: Option<&str>) -> Listed<Lease> {
    let api: Api<Lease> = scoped(connection, namespace);
    let named = ListParams::default().fields(&format!("metadata.name={LEASE}"));
    list_whole(&api, &ApiResource::erase::<Lease>(&()), named).await
}

fn scoped<K>(connection: &Connection, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
{
    let client = connection.client.clone();
    namespace.map_or_else(|| Api::all(client.clone()), |namespace| Api::namespaced(client.clone(), namespace))
}

/// The failure policies of the webhooks that judge objects.
fn failure_policies(configuration: &ValidatingWebhookConfiguration) -> Vec<String> {
    let webhooks = configuration.webhooks.iter().flatten();
    let judging = webhooks.filter(|webhook| webhook.name != LABEL_WEBHOOK);
    judging.filter_map(|webhook| webhook.failure_policy.clone()).collect()
}

fn timeout(provider: &DynamicObject) -> (String, i64) {
    (provider.name_any(), provider.data["spec"]["timeout"].as_i64().unwrap_or_default())
}

async fn policies(connection: &Connection, kind: PolicyKind, seen: &mut Seen) -> anyhow::Result<()> {
    let listed = list_policies(connection, kind).await?;
    seen.policies.extend(listed.or_note(&mut seen.incomplete).iter().map(|it| policy(kind, it)));
    for template in Template::ALL.iter().filter(|it| it.owner() == Owner::Policy(kind)) {
        let resource = constraints(template.kind());
        let api: Api<DynamicObject> = Api::all_with(connection.client.clone(), &resource);
        let listed = list_whole(&api, &resource, ListParams::default()).await?;
        for constraint in listed.or_note(&mut seen.incomplete) {
            let processes = pod_statuses(&constraint.data["status"]);
            seen.constraints.insert((kind, constraint.name_any()), processes);
        }
    }
    Ok(())
}

/// The policies of a kind. They may hold credentials of registries: keep what [`policy`] keeps.
///
/// # Errors
/// As of [`read`].
pub async fn list_policies(connection: &Connection, kind: PolicyKind) -> Listed<DynamicObject> {
    let resource = with_policy_type!(kind, P => ApiResource::erase::<P>(&()));
    let api: Api<DynamicObject> = Api::all_with(connection.client.clone(), &resource);
    list_whole(&api, &resource, ListParams::default()).await
}

/// Of the spec nothing is kept but the action: it may hold credentials of registries.
pub fn policy(kind: PolicyKind, object: &DynamicObject) -> SeenPolicy {
    SeenPolicy {
        kind,
        name: object.name_any(),
        generation: object.metadata.generation,
        action: object.data["spec"]["enforcementAction"].as_str().unwrap_or("Deny").to_owned(),
        status: PolicyStatus::deserialize(&object.data["status"]).unwrap_or_default(),
    }
}
