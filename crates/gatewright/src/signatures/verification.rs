//! Registries are asked, as the user of this program, each image of a constraint once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use futures::future::join_all;
use gatewright_signatures::protocol::{Passed, Refusal};
use gatewright_verifier::demand::RegistryConfig;
use gatewright_verifier::registry::{Registry, RegistrySettings};
use gatewright_verifier::report::{Report, check_image};
use tokio::runtime::Runtime;
use tokio::sync::{OnceCell, Semaphore};

use super::Question;
use super::known::Said;

/// How many images are verified at once.
const AT_ONCE: usize = 16;

/// A constraint, its revision, and an image.
type Asked = (String, String, String);

/// What registries answered so far.
#[derive(Debug)]
pub struct Verification {
    runtime: Runtime,
    registry: Registry,
    file: RegistryConfig,
    turns: Semaphore,
    found: Mutex<HashMap<Asked, Arc<OnceCell<Said>>>>,
}

impl Verification {
    /// Nothing is asked yet. `file` has the credentials of entries without their own.
    ///
    /// # Errors
    /// No threads can be started.
    pub fn new(settings: RegistrySettings, file: RegistryConfig) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        Ok(Self {
            runtime: runtime.context("cannot start the runtime")?,
            registry: Registry::without_rules_of_addresses(settings),
            file,
            turns: Semaphore::new(AT_ONCE),
            found: Mutex::default(),
        })
    }

    /// Finds out all of these. An image that another thread asks about is waited for.
    pub fn verify(&self, questions: &[Question]) {
        self.runtime.block_on(join_all(questions.iter().map(|question| self.one(question))));
    }

    /// What was found out.
    pub fn known(&self, question: &Question) -> Option<Said> {
        self.cell(question).get().cloned()
    }

    async fn one(&self, question: &Question) {
        // It is large, and there may be many.
        let find = Box::pin(async {
            // It is never closed.
            let _turn = self.turns.acquire().await;
            let docker_configs = &question.demand.docker_configs;
            let docker_cfg = |reference: &str| docker_configs.get(reference).cloned();
            let entries = question.demand.entries.clone();
            let report =
                check_image(&self.registry, &question.key.image, entries, docker_cfg, &self.file).await;
            said(&report)
        });
        self.cell(question).get_or_init(|| find).await;
    }

    fn cell(&self, Question { key, .. }: &Question) -> Arc<OnceCell<Said>> {
        let asked = (key.constraint.clone(), key.revision.clone(), key.image.clone());
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(found.entry(asked).or_default())
    }
}

fn said(report: &Report) -> Said {
    let digest = report.digest.clone().unwrap_or_default();
    if report.class.passes() {
        return Said::Passes(Passed { class: report.class, digest });
    }
    let refused = report.entries.iter().find(|entry| entry.class == report.class);
    let reference = refused.map(|entry| entry.reference.clone()).unwrap_or_default();
    Said::Refused(Refusal { class: report.class, text: report.text.clone(), reference, digest })
}
