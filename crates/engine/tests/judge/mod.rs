//! The cases under `templates/` as trials: constraints, requests, and what must be found.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use gatewright_api::{POLICY_API_VERSION, SecurityPolicy, with_policy_type};
use gatewright_compiler::{
    Compile, Compiled, POLICY_LABEL, Preset, Settings, compile, exec_guard, standards,
};
use gatewright_engine::{
    Answer, EnforcementPoint, Engine, Options, Providers, Request, TemplateError, Violation,
};
use gatewright_rules::cases::answers::Answers;
use gatewright_rules::cases::connect::{ConnectCase, ConnectCases};
use gatewright_rules::cases::{Case, Cases, Input, NAMESPACE, StandardCase, StandardCases};
use gatewright_rules::{Owner, Rule, Template, verify_image_signatures};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Checks every template, side by side.
///
/// # Errors
/// The first template that does not pass, and why.
pub fn of_every_template(check: fn(Template) -> Result<()>) -> Result<()> {
    thread::scope(|scope| {
        let checks: Vec<_> =
            Template::ALL.iter().map(|template| scope.spawn(move || check(*template))).collect();
        Template::ALL.iter().zip(checks).try_for_each(|(template, check)| {
            let checked = check.join().map_err(|_| anyhow!("{}: see above", template.kind()))?;
            checked.with_context(|| template.kind())
        })
    })
}

/// What one case says of one constraint.
#[derive(Debug)]
pub struct Trial {
    /// The case's name.
    pub name: String,
    constraint: Value,
    /// The labels of the namespace in which objects are.
    labels: Value,
    /// Who answers what the template asks; none in the cases of templates that ask nobody.
    providers: Option<Arc<dyn Providers>>,
    inputs: Vec<(String, Request)>,
    expected: Expected,
}

/// The verifier, as the answers of a case have it.
#[derive(Debug)]
struct Scripted(Answers);

impl Providers for Scripted {
    fn knows(&self, provider: &str) -> bool {
        provider == verify_image_signatures::PROVIDER
    }

    fn ask(&self, _: &str, keys: &[String]) -> Answer {
        let Some(response) = self.0.response(keys) else { return Answer::Failed("no answer".to_owned()) };
        let items = response.items.into_iter().map(|item| (item.key, json!(item.value)));
        Answer::Response { items: items.collect(), system_error: response.system_error }
    }
}

#[derive(Debug)]
enum Expected {
    /// All messages, in order.
    Messages(Vec<String>),
    /// As many violations, each of which holds one of these texts.
    Parts(Vec<String>),
}

/// What was found in each input of a trial.
#[derive(Debug, PartialEq)]
pub struct Found(Vec<(String, Vec<Violation>)>);

impl Trial {
    /// What is found in each input; of the many that a pod spec stands for, in those of which `wanted` holds, by their
    /// kind and operation.
    ///
    /// # Errors
    /// The engine does not take the constraint, or a review fails as a whole.
    pub fn judged(&self, engine: &mut Engine, wanted: impl Fn(&str) -> bool) -> Result<Found> {
        engine.add_object(&namespace(NAMESPACE, &self.labels));
        engine.forget_constraints();
        engine.add_constraint(&self.constraint)?;
        let inputs = self.inputs.iter().filter(|(name, _)| self.inputs.len() <= 2 || wanted(name));
        let review = |request| engine.review_asking(request, self.providers.as_ref());
        let judged = inputs.map(|(name, request)| Ok((name.clone(), review(request)?)));
        Ok(Found(judged.collect::<Result<_>>()?))
    }

    /// Every input has exactly its violations.
    ///
    /// # Errors
    /// What was found instead.
    pub fn check(&self, Found(found): &Found) -> Result<()> {
        for (input, violations) in found {
            let mut messages: Vec<_> = violations.iter().map(|found| found.message.as_str()).collect();
            messages.sort_unstable();
            let (name, expected) = (&self.name, &self.expected);
            ensure!(expected.fits(&messages), "{name}: {input}: found {messages:#?}, expected {expected:#?}");
        }
        Ok(())
    }
}

impl Found {
    /// The details of what was created and refused, one line each; and where the same stands in a controller.
    pub fn details(&self) -> Vec<String> {
        let Some((first, violations)) = self.0.first().filter(|(name, _)| name.ends_with(" CREATE")) else {
            return vec![];
        };
        let fields = |details: &Value| details.get("field").or(details.get("fields")).cloned();
        let nested = ["CronJob", "Deployment"].into_iter().flat_map(|kind| {
            let is_it = |name: &str| name == format!("{kind} CREATE") && name != first;
            let controller = self.0.iter().find(|(name, _)| is_it(name));
            let found = controller.into_iter().flat_map(|(_, found)| found);
            found.filter_map(move |found| Some(format!("in a {kind}: {}", fields(&found.details)?)))
        });
        violations.iter().map(|found| found.details.to_string()).chain(nested).collect()
    }
}

impl Expected {
    fn fits(&self, messages: &[&str]) -> bool {
        match self {
            Self::Messages(expected) => messages == expected,
            Self::Parts(parts) => {
                // What begins like a message is all of it.
                let fits = |message: &str, part: &str| match message.find(part) {
                    Some(0) => message == part,
                    at => at.is_some(),
                };
                messages.len() == parts.len()
                    && parts.iter().all(|part| messages.iter().any(|message| fits(message, part)))
            }
        }
    }
}

/// How an engine takes a template: checked like a user's, or trusted like our own.
pub type Take = fn(&mut Engine, &Value) -> Result<(), Vec<TemplateError>>;

/// An engine as tests use it, with one template and the objects that its cases need.
pub fn engine(template: &Value, take: Take) -> Result<Engine> {
    // Whatever else the machine has to do: a case does not fail for the time that it takes.
    let time_limit = Duration::from_mins(1);
    let providers: Arc<dyn Providers> = Arc::new(Scripted(Answers::Down));
    let options = Options {
        point: EnforcementPoint::Gator,
        time_limit,
        providers: Some(providers),
        ..Options::default()
    };
    let mut engine = Engine::new(options);
    take(&mut engine, template).map_err(|errors| anyhow!("{errors:?}"))?;
    if template["metadata"]["name"] == "d8denyexecheritage" {
        let ConnectCases { inventory, cases } = read("deny-exec-heritage/cases.yaml")?;
        for pod in &inventory {
            engine.add_object(&pod.object());
        }
        let namespaces = cases.iter().filter_map(|case| case.pod.split('/').next());
        namespaces.for_each(|name| engine.add_object(&namespace(name, &json!({}))));
    }
    Ok(engine)
}

/// The trials of a template by the room whose `cases.yaml` holds them, under the room's name; of the templates that
/// have one table for all, under the empty name.
pub fn trials(template: Template) -> Result<Vec<(&'static str, Vec<Trial>)>> {
    let of_rules = |of_rule: fn(&Rule) -> Result<Vec<Trial>>| {
        let rules = template.rules().iter();
        rules.map(|rule| Ok((rule.name, of_rule(rule)?))).collect()
    };
    match template.owner() {
        Owner::Policy(kind) => with_policy_type!(kind, P => of_rules(of_a_policy::<P>)),
        Owner::Standards => Ok(vec![("", of_the_standards()?)]),
        Owner::ExecGuard => Ok(vec![("", of_the_exec_guard()?)]),
        Owner::Signatures => Ok(vec![("", of_signatures()?)]),
    }
}

fn of_a_policy<P: Compile>(rule: &Rule) -> Result<Vec<Trial>> {
    let folder = P::TEMPLATE.definition().folder;
    let Cases { cases, .. } = read(&format!("{folder}/{}/cases.yaml", rule.name))?;
    ensure!(!cases.is_empty(), "{}: no cases", rule.name);
    let trial = |case| of_a_case::<P>(case).with_context(|| format!("{}: {}", rule.name, case.name));
    cases.iter().filter_map(|case| trial(case).transpose()).collect()
}

fn of_signatures() -> Result<Vec<Trial>> {
    let Cases { cases, .. } = read("verify-image-signatures/cases.yaml")?;
    let trial = |case: &Case| {
        let signatures = compiled::<SecurityPolicy>(case)?.signatures.context("no entries")?;
        trial(case, json!(signatures.constraint), json!({}))
    };
    cases.iter().map(|case| trial(case).with_context(|| case.name.clone())).collect()
}

fn compiled<P: Compile>(case: &Case) -> Result<Compiled> {
    let policy: P = serde_json::from_value(json!({
        "apiVersion": POLICY_API_VERSION,
        "kind": P::KIND.as_ref(),
        "metadata": {"name": "case"},
        "spec": case.policy_spec(&case.policies),
    }))?;
    let settings = Settings { pod_templates: case.pod_templates, ..Settings::default() };
    Ok(compile(&policy, &settings)?)
}

/// None if the policy demands nothing, and so nothing is found.
fn of_a_case<P: Compile>(case: &Case) -> Result<Option<Trial>> {
    let Some(constraint) = compiled::<P>(case)?.constraint else {
        ensure!(case.violations.is_empty(), "nothing is enforced");
        return Ok(None);
    };
    Ok(Some(trial(case, json!(constraint), json!({}))?))
}

fn of_the_standards() -> Result<Vec<Trial>> {
    let StandardCases { cases } = read("pod-security-standard/cases.yaml")?;
    ensure!(cases.len() >= 40, "{} cases", cases.len());
    let trial = |standard: &StandardCase| {
        let level = standard.level.as_ref();
        let name = format!("d8-pod-security-{level}-deny");
        let constraints = standards(&Settings::default());
        let constraint = constraints.into_iter().find(|found| found.metadata.name.as_ref() == Some(&name));
        let mut constraint = json!(constraint.context(name)?);
        constraint["spec"]["parameters"] = json!(standard.parameters());
        trial(&standard.case, constraint, json!({POLICY_LABEL: level}))
    };
    cases.iter().map(trial).collect()
}

fn trial(case: &Case, constraint: Value, labels: Value) -> Result<Trial> {
    ensure!(case.contains.is_empty(), "{}: a rule's case lists all messages", case.name);
    let mut expected = case.violations.clone();
    expected.sort();
    let inputs = case.inputs().into_iter().map(|input| Ok((input.short.clone(), request(input)?)));
    Ok(Trial {
        name: case.name.clone(),
        constraint,
        labels,
        providers: case.answers.clone().map(|answers| Arc::new(Scripted(answers)) as Arc<dyn Providers>),
        inputs: inputs.collect::<Result<_>>()?,
        expected: Expected::Messages(expected),
    })
}

fn of_the_exec_guard() -> Result<Vec<Trial>> {
    let ConnectCases { cases, .. } = read("deny-exec-heritage/cases.yaml")?;
    cases.iter().map(of_a_connection).collect()
}

fn of_a_connection(case: &ConnectCase) -> Result<Trial> {
    let preset = if case.deckhouse { Preset::Deckhouse } else { Preset::None };
    let mut settings = Settings::new(preset, "gatekeeper-system", "gatewright-system");
    settings.exec_guard.unknown_pods = case.unknown_pods.unwrap_or_default();
    let input = case.input();
    Ok(Trial {
        name: case.name.clone(),
        constraint: json!(exec_guard(&settings, &case.never_synced)),
        labels: json!({}),
        providers: None,
        inputs: vec![(input.short.clone(), request(input)?)],
        expected: Expected::Parts(case.violations.clone()),
    })
}

fn request(input: Input) -> Result<Request> {
    Ok(match input.document["kind"].as_str() {
        Some("AdmissionReview") => Request::from_admission_review(input.document)?,
        _ => Request::audit(input.document),
    })
}

fn namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

/// A file under `templates/`.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates").join(name)
}

/// Reads a YAML file under `templates/`.
pub fn read<T: DeserializeOwned>(name: &str) -> Result<T> {
    let path = path(name);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
}
