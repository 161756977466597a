//! `external_data`: a question to a provider outside of Gatekeeper, answered by whoever evaluates.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;

use regorus::Value;
use serde_json::Value as Json;

use super::{EngineError, Numbers, object, to_rego};

/// What is said of a provider whose answers are not known.
pub const UNKNOWN: &str =
    "external_data asks a provider outside of Gatekeeper: its answers are not known here";

const UNREADABLE: &str = "external_data: its argument is not {\"provider\": NAME, \"keys\": [TEXT, …]}";

/// Answers in the place of Gatekeeper's providers.
pub trait Providers: fmt::Debug + Send + Sync {
    /// Whether the answers of this provider are known. A program that asks another one has no verdict.
    fn knows(&self, provider: &str) -> bool;

    /// What the provider answers to these keys, of which there is at least one. An evaluation asks once for the same
    /// keys.
    fn ask(&self, provider: &str, keys: &[String]) -> Answer;
}

/// What a provider answered, as Gatekeeper shows it to a program.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A response.
    Response {
        /// Keys with their values.
        items: Vec<(String, Json)>,
        /// What is wrong with all of it; empty if nothing is.
        system_error: String,
    },
    /// No response that can be read, and why: `responses` and `errors` are null.
    Failed(String),
}

/// The providers of the evaluation that runs on a thread, and what they answered in it.
#[derive(Default)]
struct Evaluation {
    providers: Option<Arc<dyn Providers>>,
    answered: Vec<(Value, Value)>,
    failure: Option<&'static str>,
}

thread_local! {
    static CURRENT: RefCell<Evaluation> = RefCell::default();
}

/// Evaluates with these providers.
///
/// # Errors
/// The program asked one that they do not know. What else was found then is worth nothing.
pub fn evaluating<T>(
    providers: Option<&Arc<dyn Providers>>,
    evaluate: impl FnOnce() -> T,
) -> Result<T, EngineError> {
    let providers = providers.cloned();
    // A provider may evaluate a program itself.
    let outer = CURRENT.replace(Evaluation { providers, ..Evaluation::default() });
    let evaluated = evaluate();
    match CURRENT.replace(outer).failure {
        None => Ok(evaluated),
        Some(said) => Err(EngineError { lib: None, line: 0, message: said.to_owned() }),
    }
}

/// The function: its answer to an argument is remembered for the rest of the evaluation, as in OPA.
pub fn external_data(arguments: &[Value]) -> Option<Value> {
    let argument = arguments.first()?;
    let known = CURRENT.with_borrow(|current| {
        current.answered.iter().find(|(asked, _)| asked == argument).map(|(_, answer)| answer.clone())
    });
    if known.is_some() {
        return known;
    }
    match answer(argument) {
        Ok(answer) => {
            let remembered = (argument.clone(), answer.clone());
            CURRENT.with_borrow_mut(|current| current.answered.push(remembered));
            Some(answer)
        }
        Err(said) => {
            CURRENT.with_borrow_mut(|current| current.failure = current.failure.or(Some(said)));
            None
        }
    }
}

fn answer(argument: &Value) -> Result<Value, &'static str> {
    let field = |name: &str| &argument[&Value::from(name)];
    let provider = field("provider").as_string().map_err(|_| UNREADABLE)?;
    let keys = keys(field("keys")).ok_or(UNREADABLE)?;
    let providers = CURRENT.with_borrow(|current| current.providers.clone());
    let providers = providers.filter(|providers| providers.knows(provider)).ok_or(UNKNOWN)?;
    // Gatekeeper calls nobody for no key.
    Ok(if keys.is_empty() { shape(0, Some(vec![]), "") } else { shown(providers.ask(provider, &keys)) })
}

/// The texts of a list or a set.
fn keys(value: &Value) -> Option<Vec<String>> {
    let text = |key: &Value| key.as_string().ok().map(ToString::to_string);
    match value {
        Value::Array(keys) => keys.iter().map(text).collect(),
        Value::Set(keys) => keys.iter().map(text).collect(),
        _ => None,
    }
}

fn shown(answer: Answer) -> Value {
    match answer {
        Answer::Response { items, system_error } => {
            let pair = |(key, value): (String, Json)| {
                Value::from(vec![Value::from(key), to_rego(&value, Numbers::Floats)])
            };
            shape(200, Some(items.into_iter().map(pair).collect()), &system_error)
        }
        Answer::Failed(said) => shape(500, None, &said),
    }
}

fn shape(status: i64, responses: Option<Vec<Value>>, system_error: &str) -> Value {
    let errors = responses.as_ref().map_or(Value::Null, |_| Value::new_array());
    object([
        ("responses", responses.map_or(Value::Null, Value::from)),
        ("errors", errors),
        ("status_code", status.into()),
        ("system_error", system_error.into()),
    ])
}

#[cfg(test)]
pub mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::{CompileError, EvaluationError, Finding, Modules, Program, RegoVersion, Trust};

    /// A provider that gives each key as its own value, and fails for the key `down`.
    #[derive(Debug)]
    pub struct Echo;

    impl Providers for Echo {
        fn knows(&self, provider: &str) -> bool {
            ["echo", "gatewright-verifier"].contains(&provider)
        }

        fn ask(&self, _: &str, keys: &[String]) -> Answer {
            if keys.contains(&"down".to_owned()) {
                return Answer::Failed("no answer".into());
            }
            let items = keys.iter().map(|key| (key.clone(), json!({"of": key, "n": 1})));
            Answer::Response { items: items.collect(), system_error: "some".into() }
        }
    }

    fn entry(body: &str) -> String {
        format!("package p\nviolation[{{\"msg\": json.marshal(m)}}] {{ {body} }}")
    }

    fn compile(body: &str, trust: Trust) -> Result<Program, Vec<CompileError>> {
        let modules = Modules { version: RegoVersion::V0, entry: &entry(body), libs: &[] };
        Program::compile_asking(&modules, trust, Duration::from_secs(5), Some(&Echo))
    }

    fn found(
        program: &Program,
        providers: Option<&Arc<dyn Providers>>,
    ) -> Result<Vec<Finding>, EvaluationError> {
        let input = Value::from_json_str(r#"{"review": {"name": "other"}}"#).unwrap();
        program.evaluate_asking(&input, &Value::Undefined, providers)
    }

    /// By both ways to evaluate.
    fn messages(body: &str) -> Result<Vec<String>, EvaluationError> {
        let providers: Arc<dyn Providers> = Arc::new(Echo);
        let of = |trust| found(&compile(body, trust).unwrap(), Some(&providers));
        let [tree, bytecode] = [Trust::Checked, Trust::Proven].map(of);
        assert_eq!(tree, bytecode, "{body}");
        Ok(tree?.into_iter().map(|finding| finding.message).collect())
    }

    #[test]
    fn the_answer_has_the_shape_that_gatekeeper_gives_it() {
        for (keys, expected) in [
            (
                r#"["a", "b"]"#,
                json!({"responses": [["a", {"of": "a", "n": 1}], ["b", {"of": "b", "n": 1}]], "errors": [],
                    "status_code": 200, "system_error": "some"}),
            ),
            (
                r#"{"b"}"#,
                json!({"responses": [["b", {"of": "b", "n": 1}]], "errors": [], "status_code": 200,
                    "system_error": "some"}),
            ),
            ("[]", json!({"responses": [], "errors": [], "status_code": 0, "system_error": ""})),
            (
                r#"["down"]"#,
                json!({"responses": null, "errors": null, "status_code": 500, "system_error": "no answer"}),
            ),
        ] {
            let body = format!(r#"m := external_data({{"provider": "echo", "keys": {keys}}})"#);
            let [message] = &messages(&body).unwrap()[..] else { panic!("{keys}") };
            assert_eq!(serde_json::from_str::<Json>(message).unwrap(), expected, "{keys}");
        }
    }

    #[test]
    fn nothing_is_found_in_an_answer_that_failed() {
        let body = r#"a := external_data({"provider": "echo", "keys": ["down"]}); m := a.responses[_]"#;
        assert_eq!(messages(body), Ok(vec![]));
    }

    /// A program that is wrong about it would otherwise find nothing, which is a pass.
    #[test]
    fn who_asks_another_provider_has_no_verdict() {
        for body in [
            r#"name := input.review.name; m := external_data({"provider": name, "keys": ["a"]})"#,
            r#"name := input.review.name; not external_data({"provider": name, "keys": ["a"]}); m := 1"#,
            r#"m := 1; p := {"provider": input.review.name, "keys": []}; external_data(p)"#,
            r#"m := external_data({"provider": "echo", "keys": [input.review]})"#,
            r#"m := external_data({"provider": "echo", "keys": "a"})"#,
            "m := external_data(input.review)",
        ] {
            let error = messages(body).unwrap_err();
            assert!(matches!(error, EvaluationError::Engine(_)), "{body}: {error}");
            assert!(error.to_string().starts_with("external_data"), "{error}");
        }
    }

    #[test]
    fn without_providers_there_is_no_verdict() {
        let body = r#"m := external_data({"provider": "echo", "keys": ["a"]})"#;
        for trust in [Trust::Checked, Trust::Proven] {
            let program = compile(body, trust).unwrap();
            assert_eq!(found(&program, None).unwrap_err().to_string(), UNKNOWN);
            let echo: Arc<dyn Providers> = Arc::new(Echo);
            assert_eq!(found(&program, Some(&echo)).unwrap().len(), 1, "the failure does not stay");
        }
    }

    #[test]
    fn a_provider_that_is_not_known_is_refused_where_it_is_named() {
        for body in [
            r#"m := external_data({"provider": "other", "keys": []})"#,
            r#"m := external_data({"keys": [], "provider": `other`})"#,
        ] {
            let errors = compile(body, Trust::Checked).unwrap_err();
            assert_eq!((errors[0].message.as_str(), errors[0].limit, errors[0].line), (UNKNOWN, true, 2));
        }
        assert!(
            compile("m := external_data(1, 2)", Trust::Checked).unwrap_err()[0].message.contains("arity")
        );
    }

    /// Counts how often it is asked.
    #[derive(Debug, Default)]
    struct Counter(AtomicUsize);

    impl Providers for Counter {
        fn knows(&self, _: &str) -> bool {
            true
        }

        fn ask(&self, _: &str, _: &[String]) -> Answer {
            Answer::Failed(self.0.fetch_add(1, Ordering::Relaxed).to_string())
        }
    }

    #[test]
    fn the_same_question_is_asked_once_in_an_evaluation() {
        let body = r#"some i; ["a", "b", "a"][i] = key; m := [i, external_data({"provider": "echo", "keys": [key]})]"#;
        for trust in [Trust::Checked, Trust::Proven] {
            let counter = Arc::new(Counter::default());
            let providers: Arc<dyn Providers> = counter.clone();
            let program = compile(body, trust).unwrap();
            for evaluation in 1..=2 {
                assert_eq!(found(&program, Some(&providers)).unwrap().len(), 3);
                assert_eq!(counter.0.load(Ordering::Relaxed), 2 * evaluation);
            }
        }
    }
}
