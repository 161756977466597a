//! Brings the reports into the API, each exactly as it should be, and takes away what should not be there.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use gatewright_gatekeeper::Namespace;
use gatewright_rules::{Owner, Template};
use kube::Api;
use kube::core::DynamicObject;
use tracing::debug;

use super::NAME;
use super::content::{Form, Summary, content, fingerprint, keep_times, labels};
use super::findings::{Audited, Findings, Place};
use super::kinds::{Preferred, Seen, Watched, key, preferred};
use super::told::{Problem, Told, tell};
use crate::Error;
use crate::apply::{self, Desired};
use crate::conditions::Judgement;
use crate::error::request;
use crate::live::Live;
use crate::queue::Next;
use crate::world::World;

/// How many reports are written at once.
const CONCURRENCY: usize = 8;

/// The templates whose constraints' violations are reported, and what the constraints are made from.
pub(crate) fn sources() -> impl Iterator<Item = (Template, &'static str)> {
    let category = |template: &Template| match template.owner() {
        Owner::Policy(kind) => Some((*template, kind.name())),
        Owner::Standards => Some((*template, "PodSecurityStandard")),
        Owner::ExecGuard => None,
    };
    Template::ALL.iter().filter_map(category)
}

/// Whether everything is known that reports are made from. While it is not, reports stay as they are.
pub(crate) fn is_known(world: &World) -> bool {
    let constraints = sources().all(|(template, _)| world.constraints(template).is_complete());
    constraints && world.namespaces.cache.is_complete()
}

/// Looks at all reports, since one constraint may concern every namespace; writes those that differ.
pub(crate) async fn reconcile(world: &World) -> Result<Next, Error> {
    let enabled = world.settings.reports.enabled;
    if enabled && !is_known(world) {
        return Ok(Next::Change);
    }
    let findings = if enabled { Findings::new(audited(world)) } else { Findings::default() };
    let namespaces = world.namespaces.cache.values();
    let mut outcome = Outcome::default();
    let mut running = FuturesUnordered::new();
    for target in targets(world, &namespaces, enabled) {
        // Most reports are as they should be, and there may be very many.
        tokio::task::consume_budget().await;
        let (results, work) = target.work(world, &findings);
        outcome.told.results += results;
        let Some(work) = work else { continue };
        if running.len() == CONCURRENCY
            && let Some((target, result)) = running.next().await
        {
            outcome.note(&target, result);
        }
        running.push(target.carry_out(world, work));
    }
    while let Some((target, result)) = running.next().await {
        outcome.note(&target, result);
    }
    let Outcome { mut told, failed } = outcome;
    told.truncated = findings.count_truncated();
    tell(world, told);
    failed.map_or(Ok(Next::Change), Err)
}

/// What became of all reports, and the first error after which all is to be tried again.
#[derive(Default)]
struct Outcome {
    told: Told,
    failed: Option<Error>,
}

impl Outcome {
    fn note(&mut self, target: &Target<'_>, result: Result<(), Error>) {
        let Err(error) = result else { return };
        let problem = Problem { namespace: target.namespace.clone(), judgement: Judgement::failed(&error) };
        self.told.problems.insert(target.name(), problem);
        if !error.is_obstacle() && self.failed.is_none() {
            self.failed = Some(error);
        }
    }
}

fn audited(world: &World) -> Vec<Audited> {
    let of = |(template, category): (Template, &'static str)| {
        let constraints = world.constraints(template);
        constraints.names().into_iter().filter_map(move |policy| {
            let live = constraints.get(&policy).filter(|live| live.ours)?;
            let audit = live.audit.clone()?;
            let hidden = (audit.truncated() > 0).then(|| live.matcher.clone().unwrap_or_default());
            Some(Audited { category, policy, action: live.action?, audit, hidden })
        })
    };
    sources().flat_map(of).collect()
}

/// What there is to do about a report.
enum Work {
    Write(Box<DynamicObject>),
    Delete,
}

/// A report that may be there, or should be.
struct Target<'a> {
    watched: &'a Watched,
    /// The namespace; empty for the cluster's.
    namespace: String,
    /// What the report is about; none if there should be no report.
    place: Option<Place<'a>>,
}

fn targets<'a>(world: &'a World, namespaces: &'a [Arc<Namespace>], enabled: bool) -> Vec<Target<'a>> {
    let mut targets = vec![];
    let reports = &world.reports;
    for (all, places) in [
        (&reports.namespaced, namespaces.iter().map(|namespace| Place::Namespace(namespace)).collect()),
        (&reports.cluster, vec![Place::Cluster]),
    ] {
        let chosen = match preferred(all) {
            Preferred::Unknown => continue,
            Preferred::Kind(watched) if enabled => Some(watched),
            Preferred::Kind(_) | Preferred::None => None,
        };
        for watched in all.iter().filter(|watched| watched.cache.is_complete()) {
            let wanted = chosen.is_some_and(|chosen| std::ptr::eq(chosen, watched));
            let places = if wanted { places.as_slice() } else { &[] };
            targets.extend(targets_of(watched, places));
        }
    }
    targets
}

/// The reports that should be there, if there is anything to tell, and those that are there and should not be.
fn targets_of<'a>(watched: &'a Watched, places: &[Place<'a>]) -> Vec<Target<'a>> {
    let wanted = places.iter().map(|place| Target {
        watched,
        namespace: place.name().to_owned(),
        place: Some(*place),
    });
    let known: BTreeSet<_> = places.iter().map(Place::name).collect();
    let surplus = watched.present().into_iter().filter(|name| !known.contains(name.as_str()));
    let surplus = surplus.map(|namespace| Target { watched, namespace, place: None });
    wanted.chain(surplus).collect()
}

impl Target<'_> {
    /// The kind and the name, for people.
    fn name(&self) -> String {
        format!("{} {}", self.watched.kind.name, key(&self.namespace))
    }

    /// How many results of each kind the report has, and what there is to do about it.
    fn work(&self, world: &World, findings: &Findings) -> (Summary, Option<Work>) {
        let form = Form { most: world.settings.reports.max_results, open: self.watched.kind.open };
        let seen = self.watched.seen(&self.namespace);
        let Some((content, results)) = self.place.and_then(|place| content(findings, place, form)) else {
            let ours = seen.is_some_and(|seen| seen.ours);
            return (Summary::default(), ours.then_some(Work::Delete));
        };
        let labels = labels();
        let as_desired = |seen: Seen| seen.ours && seen.fingerprint == fingerprint(&labels, content.clone());
        if seen.is_some_and(as_desired) {
            return (results, None);
        }
        let mut object = self.watched.kind.object(&self.namespace).data(content);
        object.metadata.labels = Some(labels);
        (results, Some(Work::Write(Box::new(object))))
    }

    async fn carry_out(self, world: &World, work: Work) -> (Self, Result<(), Error>) {
        let result = match work {
            Work::Write(object) => self.write(world, *object).await,
            Work::Delete => self.delete(world).await,
        };
        (self, result)
    }

    async fn write(&self, world: &World, mut object: DynamicObject) -> Result<(), Error> {
        let api = self.watched.kind.api(world.client.clone(), &self.namespace);
        let known = self.watched.seen(&self.namespace).is_some();
        let live = if known { self.live(&api).await? } else { None };
        if let Some(live) = &live {
            keep_times(&mut object.data, &live.data);
        }
        let desired = Desired { api: &api, kind: self.watched.kind.name, object };
        match desired.ensure(live.map(Live::from).as_ref()).await {
            // The namespace is going or gone, and takes its reports with it; or the kind is, which we watch.
            Err(error) if error.is_not_found() || error.is_namespace_terminating() => Ok(()),
            outcome => {
                let (_, written) = outcome?;
                debug!(report = self.name(), ?written, "report");
                Ok(())
            }
        }
    }

    /// The report as it is in the API; none if it, its namespace or its kind is not there.
    async fn live(&self, api: &Api<DynamicObject>) -> Result<Option<DynamicObject>, Error> {
        match request(format!("reading {}", self.name()), api.get(NAME)).await {
            Err(error) if error.is_not_found() => Ok(None),
            live => live.map(Some),
        }
    }

    async fn delete(&self, world: &World) -> Result<(), Error> {
        let api = self.watched.kind.api(world.client.clone(), &self.namespace);
        let live = self.live(&api).await?;
        match live.map(Live::from).filter(|live| live.ours) {
            Some(live) => apply::delete(&api, self.watched.kind.name, NAME, &live).await,
            None => Ok(()),
        }
    }
}
