//! The program of a template, and which engine evaluates it.

use std::sync::Arc;
use std::time::Duration;

use gatewright_rego::{
    CompileError, EvaluationError, Finding, Modules, Program, Providers, RegoVersion, Trust, object,
};
use serde_json::Value;

use crate::{
    TemplateError,
    cel::CelProgram,
    facts::Facts,
    sandbox::{Evaluated, Parameters},
};

/// The program of a template.
#[derive(Debug)]
pub enum Code {
    /// For OPA.
    Rego(Box<Program>),
    /// For the API server's validator.
    Cel(CelProgram),
}

const REGO: &str = "Rego";
const CEL: &str = "K8sNativeValidation";

impl Code {
    /// Chooses the engine and compiles its program. `rego` beside `code` replaces its Rego; CEL wins over Rego.
    pub fn new(
        target: &Value,
        pointer: &str,
        trust: Trust,
        limit: Duration,
        providers: Option<&dyn Providers>,
    ) -> Result<Self, Vec<TemplateError>> {
        let entries = entries(target, pointer)?;
        let entry = |engine: &str| entries.iter().position(|entry| entry["engine"] == engine);
        if let Some(index) = entry(CEL) {
            let pointer = format!("{pointer}/code/{index}/source");
            return CelProgram::compile(&entries[index]["source"], &pointer, limit).map(Self::Cel);
        }
        let inline = target["rego"].as_str().is_some_and(|rego| !rego.is_empty());
        match entry(REGO) {
            _ if inline => rego(target, pointer, (RegoVersion::V0, trust), limit, providers),
            Some(index) => {
                let pointer = format!("{pointer}/code/{index}/source");
                let source = &entries[index]["source"];
                let version = if source["version"] == "v1" { RegoVersion::V1 } else { RegoVersion::V0 };
                rego(source, &pointer, (version, trust), limit, providers)
            }
            None => Err(no_engine(entries, pointer).into()),
        }
    }
}

/// The program of a template that tests have proven, for [`Code::from_bytes`]: a digest of its modules, and what they
/// compile to.
pub fn to_bytes(target: &Value, pointer: &str) -> Result<Vec<u8>, Vec<TemplateError>> {
    let (source, pointer) = proven(target, pointer)?;
    let (entry, libs) = modules(source, &pointer)?;
    let modules = Modules { version: RegoVersion::V1, entry, libs: &libs };
    let program = Program::compile_to_bytes(&modules).map_err(|errors| template_errors(errors, &pointer))?;
    Ok([digest(entry, &libs).to_vec(), program].concat())
}

/// The source of a proven template: Rego 1.0.
fn proven<'a>(target: &'a Value, pointer: &str) -> Result<(&'a Value, String), TemplateError> {
    let entries = entries(target, pointer)?;
    let is_rego = |entry: &&Value| entry["engine"] == REGO && entry["source"]["version"] == "v1";
    match entries {
        [entry] if is_rego(&entry) => Ok((&entry["source"], format!("{pointer}/code/0/source"))),
        _ => Err(TemplateError::new(format!("{pointer}/code"), "must be one program in Rego v1")),
    }
}

/// The length of a digest, in bytes.
const DIGEST: usize = 8;

/// FNV-1a. It reveals a program that was compiled from other modules, which happens by mistake only.
fn digest(entry: &str, libs: &[String]) -> [u8; DIGEST] {
    let texts = std::iter::once(entry).chain(libs.iter().map(String::as_str));
    let bytes = texts.flat_map(|text| text.bytes().chain([0xff]));
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.fold(0xcbf2_9ce4_8422_2325, step).to_be_bytes()
}

impl Code {
    /// The program of a proven template that was compiled before; none if it is that of other modules, or of another
    /// version of this crate.
    pub fn from_bytes(target: &Value, pointer: &str, bytes: &[u8], limit: Duration) -> Option<Self> {
        let (found, bytes) = bytes.split_first_chunk::<DIGEST>()?;
        let (source, pointer) = proven(target, pointer).ok()?;
        let (entry, libs) = modules(source, &pointer).ok()?;
        let is_same = digest(entry, &libs) == *found;
        let program = is_same.then(|| Program::from_bytes(bytes, limit).ok()).flatten()?;
        Some(Self::Rego(Box::new(program)))
    }

    /// Whether it reads `data.inventory`.
    pub fn reads_inventory(&self) -> bool {
        matches!(self, Self::Rego(program) if program.reads_inventory())
    }

    /// What it finds for constraints with these parameters.
    ///
    /// # Errors
    /// The evaluation failed, or found something that is no violation.
    pub fn evaluate(
        &self,
        facts: &Facts<'_>,
        parameters: &[&Parameters],
        inventory: &gatewright_rego::Value,
        providers: Option<&Arc<dyn Providers>>,
    ) -> Evaluated {
        match self {
            Self::Rego(program) => evaluate_rego(program, facts, parameters, (inventory, providers)),
            Self::Cel(program) => {
                // Equal messages stay apart: each validation has its own.
                let finding = |message| Finding { message, details: Value::Null };
                let found = |parameters: &&Parameters| {
                    let found = program.evaluate(facts.cel(), &parameters.constraint)?;
                    Ok(found.into_iter().map(finding).collect())
                };
                parameters.iter().map(found).collect()
            }
        }
    }
}

/// Gatekeeper evaluates all constraints of a template in one query: if one fails, its error is what all get. Only
/// then it looks at the messages.
fn evaluate_rego(
    program: &Program,
    facts: &Facts<'_>,
    parameters: &[&Parameters],
    (inventory, providers): (&gatewright_rego::Value, Option<&Arc<dyn Providers>>),
) -> Evaluated {
    let mut found = vec![];
    let mut wrong = None;
    for parameters in parameters {
        let members = [("review", facts.rego().clone()), ("parameters", parameters.rego.clone())];
        match program.evaluate_asking(&object(members), inventory, providers) {
            Ok(findings) => found.push(distinct(findings)),
            Err(error @ (EvaluationError::Failed(_) | EvaluationError::Engine(_))) => return Err(error),
            Err(error @ EvaluationError::Message(_)) => wrong = wrong.or(Some(error)),
        }
    }
    wrong.map_or(Ok(found), Err)
}

/// Each finding once: Gatekeeper keeps a set.
fn distinct(findings: Vec<Finding>) -> Vec<Finding> {
    let mut distinct: Vec<Finding> = vec![];
    for finding in findings {
        if !distinct.contains(&finding) {
            distinct.push(finding);
        }
    }
    distinct
}

fn entries<'a>(target: &'a Value, pointer: &str) -> Result<&'a [Value], TemplateError> {
    let pointer = format!("{pointer}/code");
    let entries = match &target["code"] {
        Value::Null => return Ok(&[]),
        Value::Array(entries) => entries,
        _ => return Err(TemplateError::new(pointer, "must be a list")),
    };
    for (index, entry) in entries.iter().enumerate() {
        if entry["engine"].as_str().is_none_or(str::is_empty) {
            return Err(TemplateError::new(format!("{pointer}/{index}/engine"), "is required"));
        }
        if !entry["source"].is_object() {
            return Err(TemplateError::new(format!("{pointer}/{index}/source"), "is required, an object"));
        }
        if entries[..index].iter().any(|earlier| earlier["engine"] == entry["engine"]) {
            let message = format!("{} stands twice in the list", entry["engine"]);
            return Err(TemplateError::new(format!("{pointer}/{index}/engine"), message));
        }
    }
    Ok(entries)
}

fn no_engine(entries: &[Value], pointer: &str) -> TemplateError {
    let allowed = format!("allowed: {REGO} and {CEL}");
    match entries.first().and_then(|entry| entry["engine"].as_str()) {
        Some(engine) => TemplateError::new(
            format!("{pointer}/code/0/engine"),
            format!("`{engine}` is not an engine; {allowed}"),
        ),
        None => TemplateError::new(pointer, "has no program: neither `rego` nor `code`"),
    }
}

fn rego(
    source: &Value,
    pointer: &str,
    (version, trust): (RegoVersion, Trust),
    limit: Duration,
    providers: Option<&dyn Providers>,
) -> Result<Code, Vec<TemplateError>> {
    let (entry, libs) = modules(source, pointer)?;
    let modules = Modules { version, entry, libs: &libs };
    let compiled = Program::compile_asking(&modules, trust, limit, providers);
    compiled.map(|program| Code::Rego(Box::new(program))).map_err(|errors| template_errors(errors, pointer))
}

fn modules<'a>(source: &'a Value, pointer: &str) -> Result<(&'a str, Vec<String>), TemplateError> {
    let entry = source["rego"]
        .as_str()
        .ok_or_else(|| TemplateError::new(format!("{pointer}/rego"), "is required, a string"))?;
    Ok((entry, libs(&source["libs"], &format!("{pointer}/libs"))?))
}

fn template_errors(errors: Vec<CompileError>, pointer: &str) -> Vec<TemplateError> {
    let field = |lib: Option<usize>| lib.map_or_else(|| "rego".to_owned(), |index| format!("libs/{index}"));
    let error = |error: CompileError| TemplateError {
        pointer: format!("{pointer}/{}", field(error.lib)),
        line: error.line,
        message: error.message,
        limit: error.limit,
    };
    errors.into_iter().map(error).collect()
}

fn libs(libs: &Value, pointer: &str) -> Result<Vec<String>, TemplateError> {
    let libs = match libs {
        Value::Null => return Ok(vec![]),
        Value::Array(libs) => libs,
        _ => return Err(TemplateError::new(pointer, "must be a list of modules")),
    };
    let text = |(index, lib): (usize, &Value)| {
        let missing = || TemplateError::new(format!("{pointer}/{index}"), "must be a string");
        lib.as_str().map(str::to_owned).ok_or_else(missing)
    };
    libs.iter().enumerate().map(text).collect()
}
