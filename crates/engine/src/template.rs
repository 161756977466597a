//! ConstraintTemplates.

mod source;

use std::{
    sync::{Arc, LazyLock, OnceLock},
    time::Duration,
};

use gatewright_gatekeeper::{Operation, TEMPLATE_GROUP, group_and_kind};
use gatewright_re2::Pattern;
use gatewright_rego::{Providers, Trust};
use serde_json::{Value, json};
use strum::VariantArray as _;

use crate::{
    Options, ReviewError, TemplateError,
    sandbox::{CompileFailure, Evaluated, Evaluation, Exceeded, Sandbox, Sandboxed},
    schema,
};
pub use source::{Code, to_bytes};

/// A template, ready to be evaluated.
#[derive(Debug)]
pub struct Template {
    /// The kind of its constraints.
    pub kind: String,
    /// The schema of their parameters; without one they take none.
    pub parameters: Option<Schema>,
    /// The operations that it judges at the webhook; without any it judges all.
    operations: Vec<Operation>,
    source: Source,
    code: OnceLock<Result<Runnable, String>>,
}

/// The program of a template, and where it runs.
#[derive(Debug)]
pub enum Runnable {
    /// In this process.
    Here(Code),
    /// In a sandbox.
    Elsewhere(Sandboxed),
    /// Nowhere: compiling it exceeded a limit.
    Exceeded(Exceeded),
    /// Nowhere: this engine cannot evaluate it, and Gatekeeper may.
    Beyond(Vec<TemplateError>),
}

impl Runnable {
    /// What this engine cannot evaluate, unless there is something that Gatekeeper refuses, too.
    fn beyond(errors: Vec<TemplateError>) -> Result<Self, Vec<TemplateError>> {
        if errors.iter().all(|error| error.limit) { Ok(Self::Beyond(errors)) } else { Err(errors) }
    }
}

/// What a template's program is compiled from.
#[derive(Debug)]
struct Source {
    target: Value,
    trust: Trust,
    limit: Duration,
    providers: Option<Arc<dyn Providers>>,
    /// What was compiled of it before.
    compiled: Option<&'static [u8]>,
}

/// The schema of a template's parameters.
#[derive(Debug)]
pub struct Schema {
    /// As the CRD has it.
    pub structure: Value,
    /// What it demands beyond structure.
    pub rules: schema::Rules,
}

/// Where a template has its target.
pub const TARGET_POINTER: &str = "/spec/targets/0";
/// The only target that Gatekeeper has.
const TARGET: &str = "admission.k8s.gatekeeper.sh";

impl Template {
    /// Reads a template in any of its versions.
    ///
    /// # Errors
    /// Everything for which Gatekeeper refuses it.
    pub fn new(template: &Value, trust: Trust, options: &Options) -> Result<Self, Vec<TemplateError>> {
        let Head { kind, parameters, operations, beyond } = Head::new(template)?;
        let source = Source {
            target: template["spec"]["targets"][0].clone(),
            trust,
            limit: options.time_limit,
            providers: options.providers.clone(),
            compiled: None,
        };
        let runnable = match (trust, &options.sandbox) {
            (Trust::Checked, Some(sandbox)) => Some(source.sandboxed(&kind, sandbox)?),
            (Trust::Checked, None) => Some(source.here()?),
            (Trust::Proven, _) => None,
        };
        let runnable = beyond.map(|error| Runnable::Beyond(vec![error])).or(runnable);
        let code = runnable.map_or_else(OnceLock::new, |runnable| OnceLock::from(Ok(runnable)));
        Ok(Self { kind, parameters, operations, source, code })
    }

    /// The same of a proven template, with what was compiled of it before.
    pub fn with_compiled(mut self, compiled: &'static [u8]) -> Self {
        self.source.compiled = Some(compiled);
        self
    }

    /// Whether it judges requests of this operation.
    pub fn judges(&self, operation: Option<Operation>) -> bool {
        self.operations.is_empty() || operation.is_some_and(|operation| self.operations.contains(&operation))
    }

    /// The operations that it judges at the webhook; none if it judges all.
    pub fn operations(&self) -> Vec<Operation> {
        self.operations.clone()
    }

    /// Its program. That of a proven template is compiled when it is first needed.
    ///
    /// # Errors
    /// A proven template does not compile.
    pub fn code(&self) -> Result<&Runnable, &str> {
        let failed = |errors: Vec<TemplateError>| errors.first().map(ToString::to_string).unwrap_or_default();
        let compiled = self.code.get_or_init(|| self.source.compile().map(Runnable::Here).map_err(failed));
        compiled.as_ref().map_err(String::as_str)
    }

    /// Why this engine cannot evaluate it, though Gatekeeper may.
    pub fn beyond(&self) -> &[TemplateError] {
        match self.code.get() {
            Some(Ok(Runnable::Beyond(errors))) => errors,
            _ => &[],
        }
    }

    /// Whether its program is compiled.
    pub fn is_ready(&self) -> bool {
        self.code.get().is_some()
    }

    /// Whether it reads the inventory; before it is compiled, whether it may.
    pub fn reads_inventory(&self) -> bool {
        match self.code.get() {
            Some(Ok(Runnable::Here(code))) => code.reads_inventory(),
            Some(Ok(Runnable::Elsewhere(sandboxed))) => sandboxed.compiled.reads_inventory,
            Some(_) => false,
            None => self.source.target.to_string().contains("inventory"),
        }
    }
}

impl Source {
    fn compile(&self) -> Result<Code, Vec<TemplateError>> {
        let before = |bytes| Code::from_bytes(&self.target, TARGET_POINTER, bytes, self.limit);
        if let Some(code) = self.compiled.and_then(before) {
            return Ok(code);
        }
        Code::new(&self.target, TARGET_POINTER, self.trust, self.limit, self.providers.as_deref())
    }

    fn here(&self) -> Result<Runnable, Vec<TemplateError>> {
        self.compile().map_or_else(Runnable::beyond, |code| Ok(Runnable::Here(code)))
    }

    fn sandboxed(&self, kind: &str, sandbox: &Arc<dyn Sandbox>) -> Result<Runnable, Vec<TemplateError>> {
        match sandbox.compile(kind, &self.target) {
            Ok(compiled) => {
                let (sandbox, kind) = (Arc::clone(sandbox), kind.to_owned());
                Ok(Runnable::Elsewhere(Sandboxed { sandbox, kind, compiled }))
            }
            Err(CompileFailure::Exceeded(limit)) => Ok(Runnable::Exceeded(limit)),
            Err(CompileFailure::Refused(errors)) => Runnable::beyond(errors),
        }
    }
}

impl Template {
    /// The review of an object that cannot be judged: the program exceeded a limit.
    pub fn exceeded(&self, limit: &Exceeded) -> ReviewError {
        let (template, place) = (self.kind.clone(), String::new());
        ReviewError::Engine { template, place, error: limit.to_string() }
    }

    /// The review of an object that cannot be judged: this engine cannot evaluate the template.
    pub fn unknown(&self, errors: &[TemplateError]) -> ReviewError {
        let (template, place) = (self.kind.clone(), String::new());
        let said = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        ReviewError::Engine { template, place, error: said }
    }
}

impl Sandboxed {
    /// Evaluates the program.
    ///
    /// # Errors
    /// It exceeded a limit.
    pub fn evaluate(&self, evaluation: &Evaluation<'_>) -> Result<Evaluated, Exceeded> {
        self.sandbox.evaluate(&self.kind, evaluation)
    }
}

/// All of a template but its program.
struct Head {
    kind: String,
    parameters: Option<Schema>,
    operations: Vec<Operation>,
    /// What this engine cannot check in parameters.
    beyond: Option<TemplateError>,
}

impl Head {
    fn new(template: &Value) -> Result<Self, TemplateError> {
        let legacy = legacy_by_default(template)?;
        let kind = kind(template)?;
        check_target(template)?;
        let (parameters, beyond) = match parameters(template, legacy) {
            Err(error) if error.limit => (Some(Schema::of_anything()), Some(error)),
            parameters => (parameters?, None),
        };
        Ok(Self { kind, parameters, operations: operations(template)?, beyond })
    }
}

impl Schema {
    /// The schema that takes all parameters.
    fn of_anything() -> Self {
        let mut structure = json!({});
        schema::preserve_unknown_fields(&mut structure);
        Self { structure, rules: schema::Rules::default() }
    }
}

impl From<TemplateError> for Vec<TemplateError> {
    fn from(error: TemplateError) -> Self {
        vec![error]
    }
}

/// Whether schemas are `legacySchema` unless the template says otherwise: in all versions but v1.
fn legacy_by_default(template: &Value) -> Result<bool, TemplateError> {
    let version = template["apiVersion"].as_str().unwrap_or_default();
    let (group, kind) = group_and_kind(template);
    if kind != "ConstraintTemplate" {
        return Err(TemplateError::new("/kind", format!("is `{kind}`; it must be ConstraintTemplate")));
    }
    match version.rsplit('/').next() {
        Some("v1") if group == TEMPLATE_GROUP => Ok(false),
        Some("v1beta1" | "v1alpha1") if group == TEMPLATE_GROUP => Ok(true),
        _ => {
            let allowed =
                ["v1", "v1beta1", "v1alpha1"].map(|version| format!("{TEMPLATE_GROUP}/{version}")).join(", ");
            Err(TemplateError::new("/apiVersion", format!("is `{version}`; allowed: {allowed}")))
        }
    }
}

// The pattern is a constant: it compiles.
#[allow(clippy::unwrap_used)]
static DNS_LABEL: LazyLock<Pattern> =
    LazyLock::new(|| Pattern::new("^[a-z](?:[-a-z0-9]*[a-z0-9])?$").unwrap());

/// The kind of the constraints; the template's name is the same in lower case.
fn kind(template: &Value) -> Result<String, TemplateError> {
    const POINTER: &str = "/spec/crd/spec/names/kind";
    let kind = template.pointer(POINTER).and_then(Value::as_str).unwrap_or_default();
    if kind.is_empty() {
        return Err(TemplateError::new(POINTER, "is required: the kind of the template's constraints"));
    }
    let lower = kind.to_lowercase();
    let name = template["metadata"]["name"].as_str().unwrap_or_default();
    if name != lower {
        let message = format!("is `{name}`; it must be the kind in lower case, `{lower}`");
        return Err(TemplateError::new("/metadata/name", message));
    }
    if lower.len() > 63 || !DNS_LABEL.is_match(&lower) {
        let message = format!("is `{kind}`; allowed: at most 63 letters, digits and `-`, a letter first");
        return Err(TemplateError::new(POINTER, message));
    }
    Ok(kind.to_owned())
}

fn check_target(template: &Value) -> Result<(), TemplateError> {
    let targets = template["spec"]["targets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [target] = targets else {
        let message = format!("has {} entries; a template has exactly one target", targets.len());
        return Err(TemplateError::new("/spec/targets", message));
    };
    match target["target"].as_str().unwrap_or_default() {
        TARGET => Ok(()),
        name => {
            Err(TemplateError::new("/spec/targets/0/target", format!("is `{name}`; it must be {TARGET}")))
        }
    }
}

/// The listed operations; none where all are meant.
fn operations(template: &Value) -> Result<Vec<Operation>, TemplateError> {
    const POINTER: &str = "/spec/targets/0/operations";
    let operations = match template.pointer(POINTER) {
        None | Some(Value::Null) => return Ok(vec![]),
        Some(Value::Array(operations)) => operations,
        Some(_) => return Err(TemplateError::new(POINTER, "must be a list")),
    };
    let mut listed = vec![];
    for (index, word) in operations.iter().enumerate() {
        match word.as_str().and_then(|word| word.parse().ok()) {
            Some(operation) => listed.push(operation),
            None if word == "*" => {}
            None => {
                let known: Vec<_> = Operation::VARIANTS.iter().map(|operation| operation.name()).collect();
                let message = format!("is {word}; allowed: *, {}", known.join(", "));
                return Err(TemplateError::new(format!("{POINTER}/{index}"), message));
            }
        }
    }
    if operations.len() > 1 && listed.len() < operations.len() {
        return Err(TemplateError::new(POINTER, "`*` stands alone, without other operations"));
    }
    Ok(listed)
}

/// The schema of the constraints' parameters. Without `validation` the older versions of templates have a legacy schema,
/// too, which takes anything.
fn parameters(template: &Value, legacy_by_default: bool) -> Result<Option<Schema>, TemplateError> {
    const POINTER: &str = "/spec/crd/spec/validation/openAPIV3Schema";
    let validation = template.pointer("/spec/crd/spec/validation").unwrap_or(&Value::Null);
    let legacy = validation["legacySchema"].as_bool().unwrap_or(legacy_by_default);
    let mut parameters = match &validation["openAPIV3Schema"] {
        Value::Null if legacy => json!({}),
        Value::Null => return Ok(None),
        found => found.clone(),
    };
    let refused = |fault: schema::Fault| {
        let limit = fault.limit;
        TemplateError { limit, ..TemplateError::new(fault.pointer, fault.message) }
    };
    schema::check_types(&parameters, POINTER).map_err(refused)?;
    if legacy {
        schema::preserve_unknown_fields(&mut parameters);
    }
    schema::check(&parameters, POINTER).map_err(refused)?;
    let rules = schema::Rules::new(&parameters, POINTER).map_err(refused)?;
    Ok(Some(Schema { structure: parameters, rules }))
}
