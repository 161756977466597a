//! Who answers for the verifier in cases of policies.

use std::sync::Arc;

use gatewright_engine::{Answer, Providers};
use gatewright_rules::Template;
use gatewright_rules::cases::Case;
use gatewright_rules::cases::answers::Answers;
use gatewright_rules::verify_image_signatures::PROVIDER;
use gatewright_signatures::protocol::{Key, Refusal};
use serde_json::{Map, Value, json};

use crate::diagnostics;
use crate::input::Location;
use crate::signatures::{Demands, Question, Questions, Said, Standing, by_name};

/// The verifier, as `answers` of a case say it. What the name of an image alone decides no answer changes.
#[derive(Debug)]
struct Scripted {
    answers: Answers,
    demands: Demands,
}

impl Scripted {
    /// The refusal that the name of an image alone decides, if it decides that.
    fn refusal(&self, text: &str) -> Option<(String, Refusal)> {
        let key = Key::parse(text)?;
        let demand = self.demands.of(&key.constraint, &key.revision)?;
        match by_name(&demand.entries, &key.image)? {
            Said::Refused(refusal) => Some((key.image, refusal)),
            Said::Passes(_) => None,
        }
    }
}

impl Providers for Scripted {
    fn knows(&self, provider: &str) -> bool {
        provider == PROVIDER
    }

    fn ask(&self, _: &str, keys: &[String]) -> Answer {
        let refused: Vec<_> = keys.iter().filter_map(|text| self.refusal(text)).collect();
        let open: Vec<_> = keys.iter().filter(|text| self.refusal(text).is_none()).cloned().collect();
        let Some(response) = self.answers.response(&open) else {
            return Answer::Failed("the verifier is down".to_owned());
        };
        let items = response.items.into_iter().map(|item| (item.key, json!(item.value)));
        let mut refusals: Map<String, Value> =
            serde_json::from_str(&response.system_error).unwrap_or_default();
        refusals.extend(refused.into_iter().map(|(image, refusal)| (image, json!(refusal))));
        let system_error = if refusals.is_empty() { String::new() } else { json!(refusals).to_string() };
        Answer::Response { items: items.collect(), system_error }
    }
}

/// Who answers in one case.
pub enum Answering {
    /// The case.
    Scripted(Arc<dyn Providers>),
    /// Nobody: what only a registry could say passes.
    Nobody(Arc<Questions>),
}

impl Answering {
    /// Of a case without answers the constraints say what is decided all the same.
    pub fn of(case: &Case, constraints: &[Value], location: &Location) -> Self {
        let mut demands = Demands::default();
        let asks = |it: &&Value| {
            it["kind"].as_str().and_then(Template::of_kind).is_some_and(Template::needs_verifier)
        };
        for constraint in constraints.iter().filter(asks) {
            // The compiler made it just now.
            drop(demands.add(constraint, &Value::Null, case.name.clone(), location.clone()));
        }
        match &case.answers {
            Some(answers) => Self::Scripted(Arc::new(Scripted { answers: answers.clone(), demands })),
            None => Self::Nobody(Questions::new(&Arc::new(demands), &Standing::Assumed)),
        }
    }

    /// For the engine.
    pub fn providers(&self) -> Arc<dyn Providers> {
        match self {
            Self::Scripted(providers) => Arc::clone(providers),
            Self::Nobody(questions) => Arc::<Questions>::clone(questions),
        }
    }

    /// Says what nobody answered.
    pub fn tell(&self, location: &Location) {
        let Self::Nobody(questions) = self else { return };
        let mut images: Vec<_> = questions.open().iter().map(Question::image).collect();
        images.sort_unstable();
        images.dedup();
        if !images.is_empty() {
            diagnostics::note(format!(
                "{location}: the case has no answers of the verifier, so these images pass: {}",
                images.join(", ")
            ));
        }
    }
}
