//! The constraints whose images are verified here, by name and revision.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gatewright_signatures::Parameters;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::warn;

use crate::bounds;
use crate::demand::{Demand, DockerCfg, RegistryConfig};

/// All constraints that are known.
#[derive(Clone, Debug)]
pub struct Policies(watch::Sender<Arc<BTreeMap<String, Constraint>>>);

/// The demands of one revision.
pub type Demands = Arc<[Arc<Demand>]>;

#[derive(Clone, Debug)]
struct Revision {
    name: String,
    demands: Demands,
}

#[derive(Clone, Debug)]
struct Constraint {
    current: Revision,
    /// What was in force before, and until when it is known: Gatekeeper may still ask by it.
    previous: Vec<(Revision, Instant)>,
}

impl Constraint {
    fn find(&self, revision: &str, now: Instant) -> Option<&Demands> {
        let previous = self.previous.iter().filter(|(_, until)| *until > now).map(|(revision, _)| revision);
        let mut all = std::iter::once(&self.current).chain(previous);
        all.find(|known| known.name == revision).map(|known| &known.demands)
    }
}

impl Default for Policies {
    fn default() -> Self {
        Self(watch::Sender::new(Arc::default()))
    }
}

impl Policies {
    /// Takes a constraint as it is now. One that somebody edited, or whose entries cannot be read, is not taken: what
    /// was known of it stays.
    pub fn set(
        &self,
        name: &str,
        parameters: &Parameters,
        docker_cfg: impl FnMut(&str) -> Option<DockerCfg>,
        file: &RegistryConfig,
    ) {
        let entries: Result<Vec<_>, _> =
            parameters.entries.iter().map(gatewright_signatures::Entry::read).collect();
        let entries = match entries {
            Ok(entries) if parameters.is_intact() => entries,
            Ok(_) => return warn!(constraint = name, "its revision is not that of its entries; left out"),
            Err(error) => return warn!(constraint = name, %error, "its entries cannot be read; left out"),
        };
        let demands = Demand::of_entries(entries, docker_cfg, file).into_iter().map(Arc::new).collect();
        let current = Revision { name: parameters.revision.clone(), demands };
        let now = Instant::now();
        self.0.send_modify(|all| {
            let all = Arc::make_mut(all);
            let before = all.remove(name);
            let mut previous = before.as_ref().map_or_else(Vec::new, |before| before.previous.clone());
            previous.extend(before.map(|before| (before.current, now + bounds::PREVIOUS_REVISION)));
            previous.retain(|(known, until)| known.name != current.name && *until > now);
            all.insert(name.to_owned(), Constraint { current, previous });
        });
    }

    /// Forgets a constraint.
    pub fn remove(&self, name: &str) {
        self.0.send_modify(|all| {
            Arc::make_mut(all).remove(name);
        });
    }

    /// The revision that is in force, for each constraint.
    #[must_use]
    pub fn revisions(&self) -> BTreeMap<String, String> {
        let all = self.0.borrow();
        all.iter().map(|(name, constraint)| (name.clone(), constraint.current.name.clone())).collect()
    }

    /// What a revision of a constraint demands.
    #[must_use]
    pub fn demands(&self, constraint: &str, revision: &str) -> Option<Demands> {
        let all = self.0.borrow();
        all.get(constraint)?.find(revision, Instant::now()).cloned()
    }

    /// Waits until all of these constraints and revisions are known, but not longer than this.
    pub async fn wait_for(&self, wanted: &[(String, String)], most: Duration) {
        let mut seen = self.0.subscribe();
        let now = Instant::now();
        let known = seen.wait_for(|all| {
            wanted.iter().all(|(name, revision)| {
                all.get(name).is_some_and(|constraint| constraint.find(revision, now).is_some())
            })
        });
        // Whether it came or not, each is looked up afterwards.
        let _ = timeout(most, known).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gatewright_signatures::Parameters;
    use tokio::time::{Instant, advance};

    use super::Policies;
    use crate::demand::RegistryConfig;
    use crate::testing::sign::entry;

    fn set(policies: &Policies, name: &str, number: u8) -> String {
        let parameters = Parameters::new("p", &[entry("*", number)]).unwrap();
        policies.set(name, &parameters, |_| None, &RegistryConfig::default());
        parameters.revision
    }

    #[tokio::test(start_paused = true)]
    async fn the_previous_revision_is_known_for_a_minute() {
        let policies = Policies::default();
        let old = set(&policies, "p", 1);
        advance(Duration::from_mins(10)).await;
        let new = set(&policies, "p", 2);
        assert_ne!(old, new);
        let key = |revision: &str| policies.demands("p", revision).map(|all| all[0].entry.keys[0].to_pem());
        assert_ne!(key(&old), key(&new));
        advance(Duration::from_secs(59)).await;
        assert!(key(&old).is_some() && key(&new).is_some());
        // Back and forth again: each by its own entries.
        assert_eq!(set(&policies, "p", 1), old);
        assert_eq!(policies.revisions()["p"], old);
        advance(Duration::from_secs(59)).await;
        assert!(key(&old).is_some() && key(&new).is_some());
        advance(Duration::from_secs(2)).await;
        assert!(key(&old).is_some() && key(&new).is_none());
        policies.remove("p");
        assert!(key(&old).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_edit_keeps_what_was_known() {
        let policies = Policies::default();
        let good = set(&policies, "p", 1);
        let mut edited = Parameters::new("p", &[entry("*", 2)]).unwrap();
        edited.entries[0].require_digest = true;
        policies.set("p", &edited, |_| None, &RegistryConfig::default());
        let mut broken = Parameters::new("p", &[entry("*", 2)]).unwrap();
        broken.entries[0].public_keys[0] = "no key".into();
        policies.set("p", &broken, |_| None, &RegistryConfig::default());
        assert_eq!(policies.revisions()["p"], good);
    }

    #[tokio::test(start_paused = true)]
    async fn the_watch_is_waited_for_a_little() {
        let policies = Policies::default();
        let revision = Parameters::new("p", &[entry("*", 1)]).unwrap().revision;
        let wanted = [("p".to_owned(), revision.clone())];
        let begun = Instant::now();
        policies.wait_for(&wanted, Duration::from_millis(200)).await;
        assert_eq!(begun.elapsed(), Duration::from_millis(200));
        let later = policies.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            set(&later, "p", 1);
        });
        let begun = Instant::now();
        policies.wait_for(&wanted, Duration::from_millis(200)).await;
        assert_eq!(begun.elapsed(), Duration::from_millis(50));
        assert!(policies.demands("p", &revision).is_some());
    }
}
