//! Previews what a change would do to what a dump holds: what `kubectl get -A -o yaml` wrote, or a must-gather folder.
//!
//! The files are read twice, so that nothing but what judges stays in memory: Pods may stand before what made them.

use std::collections::{BTreeSet, HashSet};

use gatewright_api::{POLICY_GROUP, PolicyKind};
use gatewright_gatekeeper::{CONSTRAINT_GROUP, TEMPLATE_GROUP};
use gatewright_kube_defaults::Cluster;
use kube::core::DynamicObject;
use serde_json::Value;

use super::cluster::sides;
use super::owners::{Families, Key, is_of_controller, is_over};
use super::plan::{Today, then};
use super::run::Run;
use super::wanted::Wanted;
use super::{Args, Previewed};
use crate::check::{Scope, Scopes};
use crate::cluster::judging::{Seen, of_policy};
use crate::diagnostics;
use crate::input::{self, Document, Header, InputError};
use crate::policies;

/// What is said of a dump without objects to judge, and how to make one with them.
const NOTHING_JUDGED: &str = "nothing was judged: the dump holds no running Pod, no controller and no other object that a constraint matches; \
     kubectl get -A -o yaml ns,limits,sa,deploy,sts,ds,rs,rc,jobs,cronjobs,pods writes them";

/// What has to be known of a dump before its objects are judged.
#[derive(Default)]
struct Index {
    seen: Seen,
    policies: Vec<(Document, PolicyKind)>,
    namespaces: Vec<Value>,
    cluster: Cluster,
    scopes: Scopes,
    families: Families,
    controllers: HashSet<Key>,
    /// The namespaces that objects stand in.
    used: BTreeSet<String>,
    /// What judges, or is a Namespace, and was seen: must-gather writes some objects twice.
    known: HashSet<Key>,
    problems: Vec<InputError>,
    /// What is no object: how much, and the first.
    others: usize,
    first_other: Option<InputError>,
}

/// Previews it.
///
/// # Errors
/// The dump cannot be read, or the change is wrong.
pub fn preview(args: &Args) -> anyhow::Result<Previewed> {
    if args.dump.iter().any(|path| path.as_os_str() == "-") {
        anyhow::bail!("--dump -: a dump is read twice; write it into a file");
    }
    let reading = args.reading.reading();
    let (settings, then_settings) = args.both_settings(&reading.limit)?;
    let mut index = Index::of(args);
    index.say();
    if let Some(name) = args.namespace().filter(|name| !index.has_namespace(name)) {
        anyhow::bail!("the dump holds no namespace {name}, and no object in it");
    }
    let mut today = Today {
        seen: std::mem::take(&mut index.seen),
        policies: std::mem::take(&mut index.policies),
        namespaces: std::mem::take(&mut index.namespaces),
    };
    let scopes = std::mem::take(&mut index.scopes);
    let changed = then(
        &args.change,
        &mut today,
        &then_settings,
        &scopes,
        &args.reading.reading(),
        args.namespace().as_deref(),
    )?;
    let wanted = Wanted::of([&today.seen, &changed.seen]);
    let after = (&changed.seen, changed.namespaces.as_slice());
    let sides = sides(args, &today, after, &index.cluster, [&settings, &then_settings]);
    let mut run = Run::new(sides, &scopes, &args.change.labels, args.limit);
    run.namespaces = today.namespaces.iter().map(|it| Key::of(it).name).collect();
    run.families = index.families;
    run.controllers = index.controllers;
    judge(args, &wanted, &scopes, &mut run, &mut index.problems)?;
    let (tally, idle) = run.end(&changed.new);
    // A namespace that is there may be empty. That a whole cluster is, is a mistake.
    if tally.is_empty() && args.namespace().is_none() {
        index.problems.iter().for_each(diagnostics::error);
        anyhow::bail!("{NOTHING_JUDGED}");
    }
    Ok(Previewed { tally, idle, problems: index.problems, ..Previewed::default() })
}

/// Judges all objects that are wanted.
fn judge(
    args: &Args,
    wanted: &Wanted,
    scopes: &Scopes,
    run: &mut Run<'_>,
    problems: &mut Vec<InputError>,
) -> anyhow::Result<()> {
    let within = args.namespace();
    // What is wrong with the files was said of the first reading.
    for document in input::read(&args.dump, &args.reading.reading()).flatten() {
        let header = &document.header;
        let is_inside = within.is_none() || header.namespace == within;
        let namespaced = match scopes.of(header) {
            Ok(scope) => scope != Scope::Cluster,
            Err(message) => {
                problems.push(InputError { location: document.location.clone(), message });
                continue;
            }
        };
        let of_kind = is_inside && wanted.wants(header.group(), &header.kind, namespaced);
        if of_kind && wanted.takes(&document.value(), namespaced) {
            run.take(&document)?;
        }
    }
    Ok(())
}

impl Index {
    /// Whether the namespace, or something in it, is there.
    fn has_namespace(&self, name: &str) -> bool {
        self.used.contains(name) || self.namespaces.iter().any(|it| it["metadata"]["name"] == name)
    }

    fn of(args: &Args) -> Self {
        let mut index = Self::default();
        let mut documents = input::read(&args.dump, &args.reading.reading());
        for document in documents.by_ref() {
            match document {
                Ok(document) => index.learn(document),
                Err(error) if is_no_object(&error) => {
                    index.others += 1;
                    index.first_other.get_or_insert(error);
                }
                Err(error) => index.problems.push(error),
            }
        }
        diagnostics::left_out(&documents.left_out);
        index
    }

    fn learn(&mut self, document: Document) {
        let Header { kind, namespace, .. } = &document.header;
        self.used.extend(namespace.clone());
        match (document.header.group(), kind.as_str()) {
            (TEMPLATE_GROUP | CONSTRAINT_GROUP | POLICY_GROUP, _)
            | ("config.gatekeeper.sh", "Config")
            | ("expansion.gatekeeper.sh", "ExpansionTemplate")
            | ("", "Namespace" | "LimitRange" | "ServiceAccount")
            | ("apiextensions.k8s.io", "CustomResourceDefinition") => self.judging(document),
            ("apps" | "batch", _) | ("", "ReplicationController") => self.owner(&document.value()),
            _ => {}
        }
    }

    /// Something that others are judged by.
    fn judging(&mut self, document: Document) {
        let value = document.value();
        let key = Key::of(&value);
        if !self.known.insert(key.clone()) {
            return;
        }
        match (key.group.as_str(), key.kind.as_str()) {
            (TEMPLATE_GROUP, _) => self.seen.templates.push(value),
            (CONSTRAINT_GROUP, _) => self.seen.constraints.push(value),
            (POLICY_GROUP, _) => self.policy(document, value),
            ("config.gatekeeper.sh", _) => self.seen.configs.push(value),
            ("expansion.gatekeeper.sh", _) => self.seen.expansions.push(value),
            ("apiextensions.k8s.io", _) => self.scopes.learn(&value),
            (_, "Namespace") => self.namespaces.push(value),
            _ => self.cluster.learn(&value, &key.namespace),
        }
    }

    /// Of other kinds of the group nothing is judged.
    fn policy(&mut self, document: Document, value: Value) {
        let Some(kind) = policies::kind_of(&document) else { return };
        if let Ok(object) = serde_json::from_value::<DynamicObject>(value) {
            self.seen.policies.push(of_policy(kind, &object));
        }
        self.policies.push((document, kind));
    }

    fn owner(&mut self, object: &Value) {
        let key = Key::of(object);
        self.families.learn(key.clone(), &object["metadata"]);
        if key.is_controller() && !is_over(object) && !is_of_controller(object) {
            self.controllers.insert(key);
        }
    }

    /// What has to be known of the dump.
    fn say(&self) {
        if let Some(first) = &self.first_other {
            let documents =
                if self.others == 1 { "1 document" } else { &format!("{} documents", self.others) };
            diagnostics::note(format!("{documents} of the dump left out, the first: {first}"));
        }
        if self.seen.templates.is_empty() || self.seen.constraints.is_empty() {
            diagnostics::note(
                "the dump holds no ConstraintTemplates with constraints: as if the cluster refused nothing today",
            );
        }
        let described: HashSet<_> = self.namespaces.iter().map(|it| Key::of(it).name).collect();
        let unknown: Vec<_> = self.used.iter().filter(|name| !described.contains(*name)).collect();
        if let Some((first, others)) = unknown.split_first() {
            let more = if others.is_empty() { String::new() } else { format!(" and {} more", others.len()) };
            let text =
                format!("{first}{more}: not in the dump as namespaces; taken for namespaces without labels");
            diagnostics::note(text);
        }
    }
}

/// Whether something in a folder is no object of a cluster.
fn is_no_object(error: &InputError) -> bool {
    ["no kind: ", "no apiVersion: ", "is not an object: "]
        .iter()
        .any(|begin| error.message.starts_with(begin))
}
