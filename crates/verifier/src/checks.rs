//! Answers whether an image satisfies an entry: from what is remembered, or by a check in the background.

use std::sync::Arc;

use gatewright_signatures::{Class, Image};
use tokio::time::Instant;

use crate::caches::{Age, Caches, Names};
use crate::check::{Check, Judged, Trace, named};
use crate::demand::Demand;
use crate::flights::{Ended, Flight, Flights, Joined};
use crate::metrics::Metrics;
use crate::registry::{Budget, Registry};

/// Whether one image satisfies one entry.
#[derive(Clone, Debug)]
pub struct Question {
    image: Arc<Image>,
    demand: Arc<Demand>,
    names: Names,
    hosts: Vec<String>,
}

/// What can be said at once.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is known.
    Known(Judged),
    /// A check runs, which this question began or another one did before.
    Running {
        /// The check.
        flight: Flight<Judged>,
        /// Whether this question began it.
        began: bool,
    },
    /// Too many checks wait already.
    Full,
}

/// All checks, and what is remembered of them.
#[derive(Clone, Debug)]
pub struct Checks {
    registry: Registry,
    caches: Caches,
    flights: Flights<[u8; 32], Judged>,
    metrics: Metrics,
}

impl Checks {
    /// No checks yet.
    #[must_use]
    pub fn new(registry: Registry, metrics: Metrics) -> Self {
        let flights = Flights::new(registry.hosts().clone());
        Self { registry, caches: Caches::new(), flights, metrics }
    }

    /// The registries that are asked.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// How many checks run and how many wait.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        self.flights.count()
    }

    /// A question about an image that the entry covers.
    #[must_use]
    pub fn question(&self, image: &Arc<Image>, demand: &Arc<Demand>) -> Question {
        let (host, path) = (&image.repository.host, &image.repository.path);
        let sites = self.registry.settings().sites(host, path);
        Question {
            image: image.clone(),
            demand: demand.clone(),
            names: Names::of(&self.registry, image, demand),
            hosts: sites.into_iter().map(|site| site.host).collect(),
        }
    }

    /// Whether a call would wait in vain: a host that would be asked was slow or silent a moment ago.
    #[must_use]
    pub fn is_slow(&self, question: &Question) -> bool {
        question.hosts.iter().any(|host| self.registry.hosts().was_slow(host))
    }

    /// What is known, or the check that will know it.
    pub async fn ask(&self, question: &Question, age: Age) -> Answer {
        if let Some(judged) = self.known(question, age).await {
            return Answer::Known(judged);
        }
        let host = question.hosts.first().map_or("", String::as_str);
        let (this, about) = (self.clone(), question.clone());
        let check = || async move { this.check(&about).await };
        let (caches, names) = (self.caches.clone(), question.names.clone());
        let land = |ended| async move {
            let judged = match ended {
                Ended::With(judged) => judged,
                Ended::TooLate => Judged::failed(Class::Unreachable.because("no answer in 20 s")),
                Ended::Panicked => Judged::failed(Class::Malformed.plain()),
            };
            caches.keep(&names, &judged).await;
            judged
        };
        match self.flights.join(&question.names.question, host, check, land) {
            Joined::Began(flight) => Answer::Running { flight, began: true },
            Joined::Found(flight) => Answer::Running { flight, began: false },
            Joined::Full => Answer::Full,
        }
    }

    /// What is known by now of a question whose check was running a moment ago.
    pub(crate) async fn now(&self, question: &Question, age: Age) -> Judged {
        let unfinished = || Judged::failed(Class::InProgress.plain());
        self.known(question, age).await.unwrap_or_else(unfinished)
    }

    /// What can be said without asking a registry.
    async fn known(&self, question: &Question, age: Age) -> Option<Judged> {
        let Question { image, names, .. } = question;
        if let Some(digest) = self.caches.digest(names, image, age).await
            && self.caches.is_verified(names, &digest).await
        {
            return Some(Judged { digest: Some(digest), result: Ok(()) });
        }
        if let Some(judged) = self.caches.other(names, age).await {
            return Some(judged);
        }
        self.closed(question)
    }

    /// A failure at once, where no host may be asked now.
    fn closed(&self, question: &Question) -> Option<Judged> {
        let mut refusal = None;
        for host in &question.hosts {
            let failure = self.registry.hosts().admit(host).err()?;
            refusal.get_or_insert(failure);
        }
        refusal.map(|failure| Judged::failed(named(&failure)))
    }

    /// Checks, with what is remembered of the tag and of digests.
    pub(crate) async fn check(&self, question: &Question) -> Judged {
        let begun = Instant::now();
        let judged = self.checked(question).await;
        self.metrics.checked(begun.elapsed());
        judged
    }

    async fn checked(&self, question: &Question) -> Judged {
        let Question { image, demand, names, .. } = question;
        let (budget, trace) = (Budget::default(), Trace::dropped());
        let check = Check { registry: &self.registry, demand, budget: &budget, trace: &trace };
        if let Some(last) = self.caches.last_digest(names).await
            && self.caches.is_verified(names, &last).await
            && check.look_again(image).await == Some(last)
        {
            self.caches.keep_tag(names, last).await;
            return Judged { digest: Some(last), result: Ok(()) };
        }
        let digest = match check.resolve(image).await {
            Ok(digest) => digest,
            Err(failure) => return Judged::failed(failure),
        };
        if image.digest().is_none() {
            self.caches.keep_tag(names, digest).await;
        }
        let result = if self.caches.is_verified(names, &digest).await {
            Ok(())
        } else {
            check.verify(image, &digest).await
        };
        Judged { digest: Some(digest), result }
    }
}
