//! What the template asks the verifier in one review, and the answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gatewright_compiler::Settings;
use gatewright_engine::{Answer, Providers};
use gatewright_rules::verify_image_signatures::PROVIDER;
use gatewright_signatures::Class;
use gatewright_signatures::protocol::{Key, Refusal};
use gatewright_signatures::text::shown_image;
use serde_json::json;

use super::known::{Said, by_name};
use super::{Demand, Demands, Verification};

/// Who answers.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Nobody is asked: an image that only its registry could decide about passes.
    Assumed,
    /// The settings say that the cluster verifies nothing: every image passes.
    Disabled,
    /// The registries.
    Verified(Arc<Verification>),
}

impl Standing {
    /// As the settings say. Without a file nothing is known of the cluster: only a file that says so switches it off.
    pub fn of(settings: &Settings) -> Self {
        if settings.signatures.enabled == Some(false) { Self::Disabled } else { Self::Assumed }
    }
}

/// An image that a constraint demands signatures of, and of which nothing is known yet.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is demanded.
    pub demand: Arc<Demand>,
    /// The key of the question.
    pub key: Key,
}

impl Question {
    /// Whose demand of which image is not looked at.
    pub fn assumption(&self, standing: &Standing) -> String {
        let (image, subject) = (self.image(), &self.demand.subject);
        match standing {
            Standing::Disabled => format!(
                "the signature of {image} is not verified in the cluster: signatures.enabled is false ({subject})"
            ),
            _ => format!("the signature of {image} is not verified here ({subject})"),
        }
    }

    /// The image, as it is shown.
    pub fn image(&self) -> String {
        shown_image(&self.key.image)
    }
}

/// The verifier of one review.
#[derive(Debug)]
pub struct Questions {
    demands: Arc<Demands>,
    standing: Standing,
    open: Mutex<Vec<Question>>,
}

impl Questions {
    /// A verifier that was asked nothing yet.
    pub fn new(demands: &Arc<Demands>, standing: &Standing) -> Arc<Self> {
        let (demands, standing) = (Arc::clone(demands), standing.clone());
        Arc::new(Self { demands, standing, open: Mutex::default() })
    }

    /// What was asked and could not be answered: such images passed.
    pub fn open(&self) -> Vec<Question> {
        std::mem::take(&mut *self.open.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn say(&self, key: &Key) -> Said {
        let Some(demand) = self.demands.of(&key.constraint, &key.revision) else {
            return Said::refused(Class::UnknownPolicy, None);
        };
        let said = by_name(&demand.entries, &key.image);
        let question = || Question { demand: Arc::clone(demand), key: key.clone() };
        let said = match (&self.standing, said) {
            (Standing::Disabled, Some(Said::Refused(_))) => None,
            (Standing::Verified(verification), None) => verification.known(&question()),
            (_, said) => said,
        };
        said.unwrap_or_else(|| {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).push(question());
            Said::not_covered()
        })
    }
}

impl Providers for Questions {
    fn knows(&self, provider: &str) -> bool {
        provider == PROVIDER
    }

    fn ask(&self, _: &str, keys: &[String]) -> Answer {
        let (mut items, mut refusals) = (vec![], BTreeMap::<String, Refusal>::new());
        for text in keys {
            let Some(key) = Key::parse(text) else { continue };
            match self.say(&key) {
                Said::Passes(passed) => items.push((text.clone(), json!(passed))),
                Said::Refused(refusal) => drop(refusals.insert(key.image, refusal)),
            }
        }
        let system_error = if refusals.is_empty() { String::new() } else { json!(refusals).to_string() };
        Answer::Response { items, system_error }
    }
}

#[cfg(test)]
mod tests {
    use gatewright_signatures::Parameters;
    use gatewright_signatures::entry::ReadEntry;
    use serde_json::Value;

    use super::*;
    use crate::input::Location;

    const P256: &str = include_str!("../../../signatures/tests/fixtures/keys/p256.pub");

    fn constraint() -> (Value, String) {
        let entries = [ReadEntry::new("r.io/*", &[P256], None, true, false).unwrap()];
        let parameters = Parameters::new("shop", &entries).unwrap();
        let revision = parameters.revision.clone();
        (json!({"metadata": {"name": "shop"}, "spec": {"parameters": parameters}}), revision)
    }

    fn demands(constraint: &Value) -> Result<Arc<Demands>, super::super::Unknown> {
        let mut demands = Demands::default();
        let location = Location { file: "a.yaml".into(), line: 1 };
        demands.add(constraint, &Value::Null, "SecurityPolicy/shop".into(), location)?;
        Ok(Arc::new(demands))
    }

    /// The class that is refused, if it is, and what stays open.
    fn asked(standing: &Standing, image: &str, revision: &str) -> (Option<String>, Vec<String>) {
        let questions = Questions::new(&demands(&constraint().0).unwrap(), standing);
        let key = Key {
            constraint: "shop".into(),
            image: image.into(),
            revision: revision.into(),
            wait: true,
            window: 0,
        };
        let keys = [serde_json::to_string(&key).unwrap(), "no key".to_owned()];
        let Answer::Response { items, system_error } = questions.ask(PROVIDER, &keys) else {
            panic!("no answer")
        };
        let refused: Value = serde_json::from_str(&system_error).unwrap_or_default();
        let class = refused[image]["class"].as_str().map(str::to_owned);
        assert_eq!(items.len(), usize::from(class.is_none()), "{image}");
        let open = questions.open();
        (class, open.iter().map(|question| question.assumption(standing)).collect())
    }

    #[test]
    fn nobody_is_asked_and_what_passes_is_named() {
        let (_, revision) = constraint();
        let pinned = format!("r.io/app@sha256:{}", "0".repeat(64));
        let assumed = |text: &str| vec![format!("the signature of {pinned} is {text}")];
        let here = assumed("not verified here (SecurityPolicy/shop)");
        assert_eq!(asked(&Standing::Assumed, &pinned, &revision), (None, here));
        assert_eq!(asked(&Standing::Assumed, "nginx", &revision), (None, vec![]));
        let by_tag = asked(&Standing::Assumed, "r.io/app:1", &revision);
        assert_eq!(by_tag, (Some("digest-required".into()), vec![]));
        let other = asked(&Standing::Assumed, &pinned, "other");
        assert_eq!(other, (Some("unknown-policy".into()), vec![]));
    }

    #[test]
    fn where_the_cluster_verifies_nothing_everything_passes_and_is_named() {
        let (_, revision) = constraint();
        let (class, open) = asked(&Standing::Disabled, "r.io/app:1", &revision);
        assert_eq!(class, None);
        assert!(open[0].contains("not verified in the cluster: signatures.enabled is false"), "{open:?}");
    }

    #[test]
    fn a_constraint_that_somebody_edited_is_not_known() {
        let (mut edited, _) = constraint();
        edited["spec"]["parameters"]["entries"][0]["requireDigest"] = json!(false);
        assert!(demands(&edited).unwrap_err().to_string().contains("revision is not that of its entries"));
        edited["spec"]["parameters"] = json!({"revision": 1});
        assert!(demands(&edited).is_err());
    }

    #[test]
    fn a_name_leads_no_terminal_astray() {
        let (_, open) = asked(&Standing::Disabled, "r.io/\u{1b}[2J\n", &constraint().1);
        assert!(open[0].contains(r"r.io/\u{1b}[2J\u{a}"), "{open:?}");
    }
}
