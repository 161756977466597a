//! What `report` reads of a cluster: nothing is concluded here.

use std::collections::BTreeSet;

use anyhow::bail;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use gatewright_api::{PolicyKind, names, with_policy_type};
use gatewright_gatekeeper::exempt_from_audit;
use gatewright_operator::{REPORT, report_resources};
use gatewright_rules::{Owner, Template};
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::ListParams;
use kube::core::{ApiResource, DynamicObject, PartialObjectMeta};
use serde_json::{Value, json};

use super::document::Subject;
use super::owners::{Object, Owners};
use super::seen::{Seen, Times, objects};
use crate::cluster::{
    Connection, Discovery, Listed, Unseen, configs, constraints, list_kept, list_whole_kept,
};
use crate::foreign::Foreign;

/// How many lists are asked for at a time.
const AT_ONCE: usize = 4;

/// How many reports one answer of the API server holds: each may be as large as an object can be.
const PAGE_OF_REPORTS: u32 = 20;

/// Reads everything that the user may see, in this namespace or in all.
///
/// # Errors
/// The API server does not answer, or refuses for another reason than a missing right.
pub async fn read(connection: &Connection, namespace: Option<&str>) -> anyhow::Result<Seen> {
    let mut seen = Seen::default();
    let note = &mut seen.incomplete;
    let audited = Template::ALL.iter().filter(|template| template.owner() != Owner::ExecGuard);
    let lists = stream::iter(audited).map(|template| audits(connection, template.kind())).buffered(AT_ONCE);
    let lists: Vec<_> = lists.try_collect().await?;
    seen.constraints = lists.into_iter().flat_map(|listed| listed.or_note(note)).collect();
    for kind in PolicyKind::ALL {
        seen.policies.extend(policies(connection, *kind).await?.or_note(note));
    }
    let keep = |config: DynamicObject| Some(exempt_from_audit(&config.data["spec"]));
    let listed = list_whole_kept(connection, &configs(), None, ListParams::default(), keep).await?;
    seen.exempt = listed.or_note(note).concat();
    let resource = ApiResource::erase::<Namespace>(&());
    let name = |namespace: PartialObjectMeta<DynamicObject>| namespace.metadata.name;
    seen.namespaces = match list_kept(connection, &resource, None, name).await? {
        Listed::All(all) => {
            if let Some(unknown) = namespace.filter(|name| !all.iter().any(|one| one == name)) {
                bail!("there is no namespace {}", Foreign::from(unknown));
            }
            Some(all.len())
        }
        Listed::Unseen(unseen) => {
            note.push(unseen);
            None
        }
    };
    let listed = objects(&seen.constraints);
    let listed: BTreeSet<_> = listed
        .into_iter()
        .filter(|object| namespace.is_none_or(|namespace| object.namespace.raw() == namespace))
        .collect();
    seen.owners = owners(connection, &listed, namespace, note).await?;
    if !listed.is_empty() {
        seen.times = times(connection, namespace, note).await?;
    }
    Ok(seen)
}

/// Of each constraint what says whose it is, and what audit found.
async fn audits(connection: &Connection, kind: &str) -> anyhow::Result<Listed<Value>> {
    let keep = |object: DynamicObject| {
        Some(json!({
            "kind": kind,
            "metadata": {"name": object.metadata.name, "labels": object.metadata.labels},
            "spec": {
                "enforcementAction": object.data["spec"]["enforcementAction"],
                "parameters": {"level": object.data["spec"]["parameters"]["level"]},
            },
            "status": {
                "auditTimestamp": object.data["status"]["auditTimestamp"],
                "totalViolations": object.data["status"]["totalViolations"],
                "violations": object.data["status"]["violations"],
            },
        }))
    };
    list_whole_kept(connection, &constraints(kind), None, ListParams::default(), keep).await
}

/// The names of the policies of a kind.
async fn policies(connection: &Connection, kind: PolicyKind) -> anyhow::Result<Listed<Subject>> {
    let resource = with_policy_type!(kind, P => ApiResource::erase::<P>(&()));
    let keep = |object: PartialObjectMeta<DynamicObject>| {
        Some(Subject { kind: kind.name().into(), name: object.metadata.name?.into() })
    };
    list_kept(connection, &resource, None, keep).await
}

/// Who controls the objects, and who controls those.
async fn owners(
    connection: &Connection,
    listed: &BTreeSet<Object>,
    namespace: Option<&str>,
    unseen: &mut Vec<Unseen>,
) -> anyhow::Result<Owners> {
    let mut owners = Owners::default();
    let pods = ApiResource::erase::<Pod>(&());
    learn(connection, &pods, listed, namespace, &mut owners, unseen).await?;
    for resource in [ApiResource::erase::<ReplicaSet>(&()), ApiResource::erase::<Job>(&())] {
        let mut wanted: BTreeSet<_> = owners.of_kind(&resource.group, &resource.kind).cloned().collect();
        wanted.extend(listed.iter().cloned());
        learn(connection, &resource, &wanted, namespace, &mut owners, unseen).await?;
    }
    Ok(owners)
}

/// Takes in who controls those objects of a resource that are wanted; asks for nothing where none is.
async fn learn(
    connection: &Connection,
    resource: &ApiResource,
    wanted: &BTreeSet<Object>,
    namespace: Option<&str>,
    owners: &mut Owners,
    unseen: &mut Vec<Unseen>,
) -> anyhow::Result<()> {
    let wanted: BTreeSet<_> =
        wanted.iter().filter(|object| object.is_a(&resource.group, &resource.kind)).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let keep = |object: PartialObjectMeta<DynamicObject>| {
        let metadata = object.metadata;
        let (namespace, name) = (metadata.namespace.unwrap_or_default(), metadata.name.unwrap_or_default());
        let object = Object::new(&resource.group, &resource.kind, &namespace, &name);
        wanted.contains(&object).then(|| (object, metadata.owner_references.unwrap_or_default()))
    };
    let listed = list_kept(connection, resource, namespace, keep).await?;
    for (object, references) in listed.or_note(unseen) {
        owners.learn(object, &references);
    }
    Ok(())
}

/// When violations were found first, as our reports say, where a kind for these is installed.
async fn times(
    connection: &Connection,
    namespace: Option<&str>,
    unseen: &mut Vec<Unseen>,
) -> anyhow::Result<Times> {
    let discovery = Discovery::of(connection).await?;
    let mut times = Times::default();
    for (resource, namespaced) in report_resources() {
        let of_interest = namespaced || namespace.is_none();
        if !of_interest || discovery.kind(&resource.group, &resource.kind).is_none() {
            continue;
        }
        let parameters = ListParams::default()
            .fields(&format!("metadata.name={REPORT}"))
            .labels(names::OWNER_LABEL)
            .limit(PAGE_OF_REPORTS);
        let namespace = namespace.filter(|_| namespaced);
        let keep = |mut object: DynamicObject| Some(object.data["results"].take());
        let listed = list_whole_kept(connection, &resource, namespace, parameters, keep).await?;
        listed.or_note(unseen).iter().for_each(|results| times.learn(results));
    }
    Ok(times)
}
