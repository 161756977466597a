//! Runs cases of policies: as requests and as audit sees them, in every kind of workload.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use gatewright_api::{POLICY_API_VERSION, PolicyKind, with_policy_type};
use gatewright_compiler::{Compile as _, POLICY_LABEL, Settings, standards, template};
use gatewright_engine::{EnforcementPoint, Engine, Options, Providers, Request};
use gatewright_rules::cases::{Case, Cases, Input, NAMESPACE, StandardCases};
use gatewright_rules::{PodTemplates, Template};
use serde_json::{Value, json};

use super::answers::Answering;
use super::connect;
use super::files::File;
use super::filter::Filter;
use super::result::{Outcome, TestResult};
use crate::input::{self, Document, InputError, Location, Reading};
use crate::policies;

/// Runs all cases of a file.
pub fn run(file: &File, filter: &Filter, reading: &Reading) -> Vec<TestResult> {
    let ran = Text::read(file, reading).and_then(|text| match text.value.get("inventory") {
        Some(_) => connect::run(&text, filter),
        None => Ok(tested(text, reading)?.run(filter)),
    });
    ran.unwrap_or_else(|Wrong { line, message }| {
        vec![TestResult::of_file(&InputError::new(&file.name().into(), line, message))]
    })
}

/// A file of cases.
pub struct Text<'a> {
    path: &'a Path,
    /// How messages call it.
    pub file: Arc<str>,
    content: String,
    value: Value,
}

impl<'a> Text<'a> {
    fn read(file: &'a File, reading: &Reading) -> Result<Self, Wrong> {
        let content = input::text(&file.path, &reading.limit).map_err(|problem| anyhow!(problem))?;
        let value = input::value(&content).map_err(|error| anyhow!(error))?;
        Ok(Self { path: &file.path, file: file.name().into(), content, value })
    }

    /// What the file says, as cases of some form.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, Wrong> {
        gatewright_typed::read(&self.value).map_err(|misfit| {
            let line = input::line_of(&self.content, &misfit.pointer);
            Wrong { line, message: misfit.to_string() }
        })
    }

    /// A case without messages would be one that must pass, and nobody wrote that.
    fn expects(&self, index: usize, case: &Value) -> Result<(), Wrong> {
        let has = |field: &str| case.get(field).is_some_and(|list| !list.is_null());
        let nothing = case.get("contains").and_then(Value::as_array).is_some_and(Vec::is_empty);
        let message = match (has("violations"), has("contains")) {
            (true, true) => "has violations and contains; one of them says what is expected",
            (false, false) if case.is_object() => "missing field `violations`, or `contains`",
            (false, true) if nothing => "contains is empty; write `violations: []` for an object that passes",
            _ => return Ok(()),
        };
        let line = input::line_of(&self.content, &format!("/cases/{index}"));
        Err(Wrong { line, message: format!("cases[{index}]: {message}") })
    }

    /// Where a case stands.
    pub fn location(&self, index: usize) -> Location {
        let line = input::line_of(&self.content, &format!("/cases/{index}"));
        Location { file: Arc::clone(&self.file), line }
    }

    /// Files are all called `cases.yaml`: their folder says them apart.
    pub fn test_name(&self) -> String {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let stem = stem.strip_suffix(".cases").unwrap_or(&stem);
        let absolute = std::path::absolute(self.path).ok();
        let folder = absolute.as_deref().and_then(Path::parent).and_then(Path::file_name);
        match folder {
            Some(folder) if stem == "cases" => folder.to_string_lossy().into_owned(),
            _ => stem.to_owned(),
        }
    }
}

/// What a file holds.
struct Tested<'a> {
    name: String,
    text: Text<'a>,
    cases: Vec<(Case, Judge)>,
}

/// What judges a case.
enum Judge {
    Policy(PolicyKind, Value),
    Constraint(Box<Value>, Value),
}

/// What is wrong with a file; on line 0 where it is no line's fault.
pub struct Wrong {
    line: usize,
    message: String,
}

impl From<anyhow::Error> for Wrong {
    fn from(error: anyhow::Error) -> Self {
        Self { line: 0, message: format!("{error:#}") }
    }
}

fn tested<'a>(text: Text<'a>, reading: &Reading) -> Result<Tested<'a>, Wrong> {
    let cases = text.value["cases"].as_array().context("holds no tests: no Suite, no cases")?;
    if cases.is_empty() {
        return Err(anyhow!("cases: is empty").into());
    }
    for (index, case) in cases.iter().enumerate() {
        text.expects(index, case)?;
    }
    let of_standards = cases.iter().any(|case| case.get("level").is_some());
    let cases = if of_standards {
        standard_cases(&text.parse()?)
    } else {
        policy_cases(text.parse()?, text.path, reading)
    };
    Ok(Tested { name: text.test_name(), cases: cases?, text })
}

fn standard_cases(cases: &StandardCases) -> anyhow::Result<Vec<(Case, Judge)>> {
    let all = standards(&Settings::default());
    let judge = |standard: &gatewright_rules::cases::StandardCase| {
        let level = standard.level.as_ref();
        let name = format!("d8-pod-security-{level}-deny");
        let found = all.iter().find(|found| found.metadata.name.as_ref() == Some(&name));
        let mut constraint = json!(found.context("no such standard")?);
        constraint["spec"]["parameters"] = json!(standard.parameters());
        let labels = json!({POLICY_LABEL: level});
        Ok((standard.case.clone(), Judge::Constraint(Box::new(constraint), labels)))
    };
    cases.cases.iter().map(judge).collect()
}

fn policy_cases(tested: Cases, path: &Path, reading: &Reading) -> anyhow::Result<Vec<(Case, Judge)>> {
    let Cases { policy, cases } = tested;
    let tested = policy.map(|policy| tested_policy(&path.with_file_name(policy), reading)).transpose()?;
    let kind = tested.as_ref().map_or_else(|| kind_by_fields(&cases), |(kind, _)| *kind);
    let judge = |case: Case| {
        let policies = match (&case.policies, &tested) {
            (Value::Null, Some((_, policies))) => policies.clone(),
            (Value::Null, None) => {
                return Err(anyhow!("{}: policies: is required, as the file names no policy", case.name));
            }
            (own, _) => own.clone(),
        };
        let spec = case.policy_spec(&policies);
        Ok((case, Judge::Policy(kind, spec)))
    };
    cases.into_iter().map(judge).collect()
}

/// The kind that has the first known field of the cases. No two kinds share one; without any it is `SecurityPolicy`.
fn kind_by_fields(cases: &[Case]) -> PolicyKind {
    let fields =
        || cases.iter().filter_map(|case| case.policies.as_object()).flat_map(|fields| fields.keys());
    let has = |kind: PolicyKind| {
        let template = with_policy_type!(kind, P => P::TEMPLATE);
        fields().any(|field| template.checks().any(|(_, check)| check.field == field))
    };
    PolicyKind::ALL.iter().copied().find(|kind| has(*kind)).unwrap_or(PolicyKind::SecurityPolicy)
}

/// The kind and the `spec.policies` of the one policy of a file.
fn tested_policy(path: &Path, reading: &Reading) -> anyhow::Result<(PolicyKind, Value)> {
    ensure!(!path.exists() || path.is_file(), "policy: {} is not a file", input::name(path));
    let documents: Result<Vec<_>, _> = input::read(&[path.to_owned()], reading).collect();
    let documents = documents.context("policy")?;
    let mut found = documents.iter().filter_map(|document| Some((document, policies::kind_of(document)?)));
    let name = input::name(path);
    let (document, kind) = found.next().with_context(|| format!("policy: {name} holds no policy"))?;
    ensure!(found.next().is_none(), "policy: {name} holds several policies; it must be one");
    Ok((kind, document.value()["spec"]["policies"].clone()))
}

impl Tested<'_> {
    fn run(&self, filter: &Filter) -> Vec<TestResult> {
        let mut engines = BTreeMap::new();
        let cases = self.cases.iter().enumerate();
        cases.map(|(index, (case, judge))| self.case(index, case, judge, filter, &mut engines)).collect()
    }

    fn case(
        &self,
        index: usize,
        case: &Case,
        judge: &Judge,
        filter: &Filter,
        engines: &mut BTreeMap<String, Engine>,
    ) -> TestResult {
        let location = self.text.location(index);
        let result = TestResult::new(&location, &self.name, Some(&case.name), Outcome::Passed);
        if !filter.runs_case(&self.name, &case.name) {
            return TestResult { outcome: Outcome::Skipped, ..result };
        }
        match judged(case, judge, &location, engines) {
            Ok(problems) if problems.is_empty() => result,
            Ok(problems) => TestResult { outcome: Outcome::Failed, problems, ..result },
            Err(problems) => TestResult { outcome: Outcome::Broken, problems, ..result },
        }
    }
}

/// What differs, line by line; or why nobody can say.
fn judged(
    case: &Case,
    judge: &Judge,
    location: &Location,
    engines: &mut BTreeMap<String, Engine>,
) -> Result<Vec<String>, Vec<String>> {
    let (constraints, labels) = match judge {
        Judge::Constraint(constraint, labels) => (vec![(**constraint).clone()], labels.clone()),
        Judge::Policy(kind, spec) => (compiled(*kind, spec, case.pod_templates, location)?, json!({})),
    };
    let answering = Answering::of(case, &constraints, location);
    let inputs = case.inputs();
    let mut found = vec![vec![]; inputs.len()];
    for constraint in &constraints {
        let kind = constraint["kind"].as_str().unwrap_or_default().to_owned();
        let engine = engines.entry(kind).or_insert_with_key(|kind| engine(kind));
        engine.forget_constraints();
        engine.add_object(&json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels},
        }));
        engine.add_constraint(constraint).map_err(|error| vec![format!("{}: {error}", error.pointer)])?;
        for (input, found) in inputs.iter().zip(&mut found) {
            found.extend(messages(engine, input, Some(&answering.providers()))?);
        }
    }
    answering.tell(location);
    Ok(differences(inputs.iter().zip(found), case))
}

/// The constraints of a policy; none if it demands nothing.
fn compiled(
    kind: PolicyKind,
    spec: &Value,
    pod_templates: PodTemplates,
    location: &Location,
) -> Result<Vec<Value>, Vec<String>> {
    let policy = json!({
        "apiVersion": POLICY_API_VERSION, "kind": kind.as_ref(), "metadata": {"name": "case"}, "spec": spec,
    });
    let said = |error: InputError| error.message;
    let document = Document::made(&policy, location.clone()).map_err(|error| vec![said(error)])?;
    let settings = Settings { pod_templates, ..Settings::default() };
    let compiled = policies::compiled(&document, kind, &settings)
        .map_err(|errors| errors.into_iter().map(said).collect::<Vec<_>>())?;
    let signatures = compiled.signatures.map(|signatures| signatures.constraint);
    Ok(compiled.constraint.into_iter().chain(signatures).map(|constraint| json!(constraint)).collect())
}

/// An engine with one of the built-in templates, which compile.
pub fn engine(kind: &str) -> Engine {
    let mut engine = Engine::new(Options { point: EnforcementPoint::Gator, ..Options::default() });
    if let Some(of_kind) = Template::of_kind(kind) {
        // What is wrong with it shows when its constraint is added.
        drop(engine.add_compiled_template(&json!(template(of_kind)), crate::compiled::of(of_kind)));
    }
    engine
}

/// The messages of all violations in an input.
///
/// # Errors
/// Why nobody can say.
pub fn messages(
    engine: &Engine,
    input: &Input,
    providers: Option<&Arc<dyn Providers>>,
) -> Result<Vec<String>, Vec<String>> {
    let document = input.document.clone();
    let request = match document["kind"].as_str() {
        Some("AdmissionReview") => Request::from_admission_review(document)
            .map_err(|error| vec![format!("{}: {}: {error}", input.short, error.pointer)])?,
        _ => Request::audit(document),
    };
    let found = engine.review_asking(&request, providers);
    let found = found.map_err(|error| vec![format!("{}: {error}", input.short)])?;
    Ok(found.into_iter().map(|violation| violation.message).collect())
}

/// What should have been found and was not, and the other way round; inputs with the same differences together.
fn differences<'a>(found: impl Iterator<Item = (&'a Input, Vec<String>)>, case: &Case) -> Vec<String> {
    let mut all: Vec<(Vec<String>, Vec<&str>)> = vec![];
    for (input, found) in found {
        let lines = if case.contains.is_empty() {
            [signed('-', &case.violations, &found), signed('+', &found, &case.violations)].concat()
        } else {
            not_contained(&case.contains, &found)
        };
        match all.iter_mut().find(|(known, _)| *known == lines) {
            _ if lines.is_empty() => {}
            Some((_, inputs)) => inputs.push(&input.short),
            None => all.push((lines, vec![&input.short])),
        }
    }
    let variants: Vec<_> = case.inputs().into_iter().map(|input| input.short).collect();
    let said = |(lines, inputs): (Vec<String>, Vec<&str>)| {
        std::iter::once(format!("{} (- expected, + found):", shortly(&inputs, &variants))).chain(lines)
    };
    all.into_iter().flat_map(said).collect()
}

/// Names variants of a case, such as `Pod CREATE`: a kind alone where all of its variants are meant.
fn shortly(these: &[&str], all: &[String]) -> String {
    if these.len() == all.len() && all.len() > 1 {
        return format!("all {} variants", all.len());
    }
    let kind = |variant: &str| variant.split(' ').next().unwrap_or_default().to_owned();
    let mut kinds: Vec<String> = these.iter().map(|variant| kind(variant)).collect();
    kinds.dedup();
    let is_whole = |of: &String| {
        let count = |variants: &mut dyn Iterator<Item = &str>| variants.filter(|it| kind(it) == *of).count();
        count(&mut these.iter().copied()) == count(&mut all.iter().map(String::as_str))
    };
    if !kinds.iter().all(is_whole) {
        return these.join(", ");
    }
    let controllers = all.iter().filter(|variant| kind(variant) != "Pod").count();
    if these.len() == controllers && kinds.len() > 1 && !kinds.iter().any(|kind| kind == "Pod") {
        "every controller".to_owned()
    } else {
        kinds.join(", ")
    }
}

/// The parts that are in no message, and the messages.
fn not_contained(parts: &[String], found: &[String]) -> Vec<String> {
    let missing = parts.iter().filter(|part| !found.iter().any(|message| message.contains(part.as_str())));
    let missing: Vec<_> = missing.map(|part| format!("  - …{part}…")).collect();
    if missing.is_empty() {
        return vec![];
    }
    missing.into_iter().chain(found.iter().map(|message| format!("  + {message}"))).collect()
}

/// What is in the first list more often than in the second.
fn signed(sign: char, these: &[String], without: &[String]) -> Vec<String> {
    let mut left = without.to_vec();
    let mut lines = vec![];
    for message in these {
        match left.iter().position(|other| other == message) {
            Some(index) => drop(left.remove(index)),
            None => lines.push(format!("  {sign} {message}")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{not_contained, shortly};

    #[test]
    fn variants_are_named_shortly() {
        let all = ["Pod CREATE", "Pod audit", "Job CREATE", "Job audit", "CronJob CREATE", "CronJob audit"];
        let owned = all.map(str::to_owned);
        for (these, expected) in [
            (&all[..], "all 6 variants"),
            (&all[..2], "Pod"),
            (&all[2..], "every controller"),
            (&all[..4], "Pod, Job"),
            (&all[2..4], "Job"),
            (&all[1..3], "Pod audit, Job CREATE"),
        ] {
            assert_eq!(shortly(these, &owned), expected);
        }
        assert_eq!(shortly(&all[..1], &owned[..1]), "Pod");
    }

    #[test]
    fn parts_of_messages() {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let found = texts(&["allowHostPID: the Pod", "allowPrivileged: container"]);
        assert_eq!(not_contained(&texts(&["the Pod", "Privileged"]), &found), texts(&[]));
        let missing = not_contained(&texts(&["nobody"]), &found);
        assert_eq!(missing[0], "  - …nobody…");
        assert_eq!(missing.len(), 3);
    }
}
