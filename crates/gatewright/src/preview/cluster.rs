//! Previews what a change would do to what is in a cluster.

use gatewright_api::PolicyKind;
use gatewright_compiler::Settings;
use gatewright_kube_defaults::Cluster;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ServiceAccount};
use kube::core::ApiResource;
use serde_json::Value;

use super::owners::{Key, is_replica_set};
use super::plan::{Today, then};
use super::run::Run;
use super::sides::{Side, Sides};
use super::wanted::Wanted;
use super::{Args, Previewed};
use crate::cluster::judging::{Seen, location, object, scopes, seen, value};
use crate::cluster::{
    Connection, Discovery, Page, Served, Unseen, list_whole, metadata_by_page, objects_by_page,
};
use crate::diagnostics;
use crate::input::{Document, Location};
use crate::status::read::list_policies;

/// What surrounds objects.
struct Around {
    namespaces: Vec<Value>,
    cluster: Cluster,
}

/// Previews it.
///
/// # Errors
/// The cluster does not answer, or the change is wrong.
pub fn preview(args: &Args) -> anyhow::Result<Previewed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(look(args))
}

async fn look(args: &Args) -> anyhow::Result<Previewed> {
    let reading = args.reading.reading();
    let (settings, then_settings) = args.both_settings(&reading.limit)?;
    let connection = args.cluster.connect().await?;
    let discovery = Discovery::of(&connection).await?;
    let seen = seen(&connection).await?;
    let mut incomplete = seen.incomplete.clone();
    let within = args.namespace();
    let mut blind = seen.blind.clone();
    let around = around(&connection, within.as_deref(), &mut blind, &mut incomplete).await?;
    let policies =
        if args.change.settings.is_some() { as_written(&connection, &mut blind).await? } else { vec![] };
    if !blind.is_empty() {
        return Ok(Previewed { blind, incomplete, ..Previewed::default() });
    }
    let scopes = scopes(&discovery);
    let mut today = Today { seen, policies, namespaces: around.namespaces };
    let changed =
        then(&args.change, &mut today, &then_settings, &scopes, &reading, args.namespace().as_deref())?;
    let wanted = Wanted::of([&today.seen, &changed.seen]);
    let sides = sides(
        args,
        &today,
        (&changed.seen, &changed.namespaces),
        &around.cluster,
        [&settings, &then_settings],
    );
    let mut run = Run::new(sides, &scopes, &args.change.labels, args.limit);
    run.namespaces = today.namespaces.iter().map(|it| Key::of(it).name).collect();
    let mut unread = vec![];
    for served in discovery.listable() {
        let Served { resource, namespaced } = &served;
        let (group, kind) = (resource.group.as_str(), resource.kind.as_str());
        let of_pods = (group, kind) == ("", "Pod");
        let outside = within.is_some() && !namespaced;
        // Most ReplicaSets count for a Deployment.
        let later = is_replica_set(group, kind) && !wanted.names(group, kind, *namespaced);
        if !of_pods && !outside && !later && wanted.wants(group, kind, *namespaced) {
            unread.extend(all(&connection, &served, within.as_deref(), &wanted, &mut run).await?);
        }
    }
    if wanted.pods() {
        let (unseen, alone) = families(&connection, within.as_deref(), &mut run).await?;
        unread.extend(unseen);
        let sets = ApiResource::erase::<ReplicaSet>(&());
        let pods = ApiResource::erase::<k8s_openapi::api::core::v1::Pod>(&());
        for resource in [sets].into_iter().filter(|_| alone).chain([pods]) {
            let served = Served { resource, namespaced: true };
            unread.extend(all(&connection, &served, within.as_deref(), &wanted, &mut run).await?);
        }
    }
    let (tally, idle) = run.end(&changed.new);
    Ok(Previewed { tally, idle, blind: unread, incomplete, problems: vec![] })
}

/// What objects are judged by, before the change and after it. What cannot be used of it is said once.
pub fn sides(
    args: &Args,
    today: &Today,
    (then_seen, then_namespaces): (&Seen, &[Value]),
    cluster: &Cluster,
    settings: [&Settings; 2],
) -> Sides {
    let (before, problems) = Side::new(&today.seen, &today.namespaces, cluster, settings[0], args.limits);
    let (after, more) = Side::new(then_seen, then_namespaces, cluster, settings[1], args.limits);
    problems.iter().for_each(diagnostics::note);
    let known: Vec<_> = problems.iter().map(ToString::to_string).collect();
    more.iter().filter(|it| !known.contains(&it.to_string())).for_each(diagnostics::note);
    after.disabled_signatures(settings[1]).for_each(diagnostics::note);
    Sides { today: before, then: after }
}

/// The namespaces, and what gives Pods in them something.
async fn around(
    connection: &Connection,
    within: Option<&str>,
    blind: &mut Vec<Unseen>,
    incomplete: &mut Vec<Unseen>,
) -> anyhow::Result<Around> {
    let mut around = Around { namespaces: vec![], cluster: Cluster::default() };
    let resource = ApiResource::erase::<Namespace>(&());
    if let Some(name) = within {
        let served = Served { resource, namespaced: false };
        let found = object(connection, &served, "", name).await?;
        around.namespaces.push(found.ok_or_else(|| anyhow::anyhow!("there is no namespace {name}"))?);
    } else {
        let api: kube::Api<Namespace> = kube::Api::all(connection.client.clone());
        let listed = list_whole(&api, &resource, kube::api::ListParams::default()).await?.or_note(blind);
        for namespace in listed {
            around.namespaces.push(value(&namespace, &resource)?);
        }
    }
    for resource in [ApiResource::erase::<LimitRange>(&()), ApiResource::erase::<ServiceAccount>(&())] {
        let take = |page| {
            let Page::Items(items) = page else { return Ok(()) };
            for object in items {
                let object = value(&object, &resource)?;
                around.cluster.learn(&object, &Key::of(&object).namespace);
            }
            Ok(())
        };
        incomplete.extend(objects_by_page(connection, &resource, within, take).await?);
    }
    Ok(around)
}

/// The policies of the cluster as they are written, to compile them anew.
async fn as_written(
    connection: &Connection,
    blind: &mut Vec<Unseen>,
) -> anyhow::Result<Vec<(Document, PolicyKind)>> {
    let mut all = vec![];
    for kind in PolicyKind::ALL {
        for policy in list_policies(connection, *kind).await?.or_note(blind) {
            let mut policy = serde_json::to_value(&policy)?;
            policy["apiVersion"] = gatewright_api::POLICY_API_VERSION.into();
            policy["kind"] = kind.to_string().into();
            let document = Document::made(&policy, location(&policy));
            all.push((document.map_err(|error| anyhow::anyhow!("{error}"))?, *kind));
        }
    }
    Ok(all)
}

/// Judges all objects of a kind that have to be looked at. Returns what may not be listed.
async fn all(
    connection: &Connection,
    Served { resource, namespaced }: &Served,
    within: Option<&str>,
    wanted: &Wanted,
    run: &mut Run<'_>,
) -> anyhow::Result<Option<Unseen>> {
    let take = |page| {
        // What comes once more is known.
        let Page::Items(items) = page else { return Ok(()) };
        for object in items {
            let object = value(&object, resource)?;
            if !wanted.takes(&object, *namespaced) {
                continue;
            }
            let document = Document::made(&object, place(&object));
            run.take(&document.map_err(|error| anyhow::anyhow!("{error}"))?)?;
        }
        Ok(())
    };
    let unseen = objects_by_page(connection, resource, within, take).await?;
    run.judge();
    Ok(unseen)
}

/// A place that names the object.
fn place(object: &Value) -> Location {
    let Key { namespace, kind, name, .. } = Key::of(object);
    let parts = [namespace, kind, name].into_iter().filter(|part| !part.is_empty());
    Location { file: parts.collect::<Vec<_>>().join("/").into(), line: 0 }
}

/// Learns whose ReplicaSets there are; also returns whether there are some that nothing controls.
async fn families(
    connection: &Connection,
    within: Option<&str>,
    run: &mut Run<'_>,
) -> anyhow::Result<(Option<Unseen>, bool)> {
    let resource = ApiResource::erase::<ReplicaSet>(&());
    let mut alone = false;
    let take = |page| {
        let Page::Items(items) = page else { return Ok(()) };
        for object in items {
            let object = value(&object, &resource)?;
            alone |= Key::controlling(&object["metadata"]).is_none();
            run.families.learn(Key::of(&object), &object["metadata"]);
        }
        Ok(())
    };
    let unseen = metadata_by_page(connection, &resource, within, take).await?;
    Ok((unseen, alone))
}
