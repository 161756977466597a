//! Objects on their way through: each is judged or counted for its owner, and forgotten.

use std::collections::{BTreeSet, HashSet};

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use super::labels::LabelEdit;
use super::owners::{Families, Key, is_of_controller, is_over};
use super::sides::{Sides, Subject};
use super::tally::Tally;
use crate::check::Scopes;
use crate::check::collect::Candidate;
use crate::check::placed::Placed;
use crate::cluster::judging::anew;
use crate::input::Document;

/// How many objects are judged at a time.
const BATCH: usize = 500;

/// Everything that objects meet on their way.
pub struct Run<'a> {
    /// What they are judged by.
    pub sides: Sides,
    /// Who controls whom.
    pub families: Families,
    /// What is found out.
    pub tally: Tally,
    /// Controllers that are judged themselves, in whatever order objects come.
    pub controllers: HashSet<Key>,
    /// The namespaces that are known.
    pub namespaces: BTreeSet<String>,
    scopes: &'a Scopes,
    labels: &'a [LabelEdit],
    batch: Vec<(Key, bool, Subject)>,
    coming: HashSet<Key>,
    bar: ProgressBar,
}

impl<'a> Run<'a> {
    /// Nothing has come yet; the details of so many owners are kept.
    pub fn new(sides: Sides, scopes: &'a Scopes, labels: &'a [LabelEdit], limit: usize) -> Self {
        Self {
            sides,
            families: Families::default(),
            tally: Tally::new(limit),
            controllers: HashSet::new(),
            namespaces: BTreeSet::new(),
            scopes,
            labels,
            batch: vec![],
            coming: HashSet::new(),
            bar: bar(),
        }
    }

    /// Takes an object. One that comes a second time is the same as before.
    ///
    /// # Errors
    /// The kind does not exist.
    pub fn take(&mut self, document: &Document) -> anyhow::Result<()> {
        let value = document.value();
        let own = Key::of(&value);
        if is_over(&value) || is_of_controller(&value) {
            self.families.learn(own, &value["metadata"]);
            return Ok(());
        }
        let key = if own.is_pod() { self.families.top(&value) } else { own.clone() };
        let is_pod = own.is_pod();
        let known = if is_pod {
            !self.tally.runs(own, &key) || self.controllers.contains(&key)
        } else {
            self.tally.is_known(&key) || !self.coming.insert(key.clone())
        };
        if known {
            return Ok(());
        }
        if !is_pod && key.is_controller() {
            self.controllers.insert(key.clone());
        }
        let subject = self.subject(document, value)?;
        self.batch.push((key, is_pod, subject));
        if self.batch.len() >= BATCH {
            self.judge();
        }
        Ok(())
    }

    fn subject(&mut self, document: &Document, value: Value) -> anyhow::Result<Subject> {
        let location = document.location.clone();
        let made = |object: &Value| {
            Document::made(object, location.clone()).map_err(|error| anyhow::anyhow!("{error}"))
        };
        let value = anew(value);
        let placed = self.placed(made(&value)?)?;
        let edits = |edit: &&LabelEdit| placed.is_namespace() && Key::of(&value).name == edit.namespace;
        let edits: Vec<_> = self.labels.iter().filter(edits).collect();
        if edits.is_empty() {
            return Ok(Subject { placed, then: None });
        }
        let mut edited = value;
        for edit in edits {
            edit.apply(&mut edited);
        }
        Ok(Subject { placed, then: Some(self.placed(made(&edited)?)?) })
    }

    fn placed(&mut self, document: Document) -> anyhow::Result<Placed> {
        let placed = Placed::new(Candidate(document), self.scopes, Some("default"));
        let placed = placed.map_err(|error| anyhow::anyhow!("{error}"))?;
        if let Some(namespace) = placed.namespace().filter(|it| !self.namespaces.contains(*it)) {
            self.sides.assume(namespace);
            self.namespaces.insert(namespace.to_owned());
        }
        Ok(placed)
    }

    /// Judges what has come.
    pub fn judge(&mut self) {
        let (keys, subjects): (Vec<_>, Vec<_>) =
            self.batch.drain(..).map(|(key, is_pod, subject)| ((key, is_pod), subject)).unzip();
        self.bar.inc(subjects.len() as u64);
        for ((key, is_pod), judged) in keys.into_iter().zip(self.sides.judge(&subjects)) {
            self.tally.add(key, judged, is_pod);
        }
        self.coming.clear();
    }

    /// Judges the rest, and returns what was found out; and which of these new policies and constraints were applied to no
    /// object.
    pub fn end(mut self, new: &[String]) -> (Tally, Vec<String>) {
        self.judge();
        self.bar.finish_and_clear();
        let idle = self.sides.then.idle(new, &self.tally.unjudged);
        (self.tally, idle)
    }
}

/// How many objects are judged, and how fast, on a terminal.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {human_pos} objects, {per_sec}");
    ProgressBar::new_spinner().with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}
