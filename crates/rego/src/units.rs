//! The modules of a template together: parsed, and checked against each other.

use std::collections::{HashMap, HashSet};

use regorus::unstable::{Module, Rule};

use super::keywords::PREFIX;
use super::names::{self, Kind, Names, Rules};
use super::outcome::Functions;
use super::safety::Orders;
use super::scope::Scope;
use super::source;
use super::token::{self, Fault};
use super::{CompileError, ENTRY, Modules, Providers, builtins, check as checks, safety, typing};

/// A module with its place among the others.
pub struct Unit {
    lib: Option<usize>,
    /// The package: of the entry module the one that Gatekeeper gives it.
    pub package: String,
    /// Its syntax tree.
    pub module: Module,
    /// Its declared variables.
    pub scope: Scope,
}

impl CompileError {
    fn new(lib: Option<usize>, Fault { line, message, limit }: Fault) -> Self {
        Self { lib, line, message: message.replace(PREFIX, ""), limit }
    }
}

impl Unit {
    /// A fault of this module.
    pub fn error(&self, fault: Fault) -> CompileError {
        CompileError::new(self.lib, fault)
    }

    fn errors(&self, faults: Vec<Fault>) -> Vec<CompileError> {
        faults.into_iter().map(|fault| self.error(fault)).collect()
    }

    /// As Gatekeeper names it in errors.
    pub fn file(&self) -> String {
        self.lib.map_or_else(|| ENTRY.to_owned(), |lib| format!("libs[\"lib_{lib}\"]"))
    }
}

/// Parses all modules.
pub fn parse(modules: &Modules<'_>) -> Result<Vec<Unit>, Vec<CompileError>> {
    let texts = std::iter::once((None, modules.entry));
    let texts = texts.chain(modules.libs.iter().enumerate().map(|(lib, text)| (Some(lib), text.as_str())));
    let (mut units, mut errors) = (vec![], vec![]);
    for (lib, text) in texts {
        match source::parse(text, modules.version) {
            Ok(module) => {
                let package = builtins::path(&module.package.refr).filter(|_| lib.is_some());
                let (package, scope) = (package.unwrap_or_else(|| ENTRY.into()), Scope::new(&module));
                units.push(Unit { lib, package, module, scope });
            }
            Err(fault) => errors.push(CompileError::new(lib, fault)),
        }
    }
    if errors.is_empty() { Ok(units) } else { Err(errors) }
}

/// The rules of all modules.
pub fn rules(units: &[Unit]) -> Result<Rules, Vec<CompileError>> {
    let mut rules = Rules::new();
    let mut errors = vec![];
    for unit in units {
        errors.extend(unit.errors(checks::declare(&unit.module, &unit.package, &mut rules)));
    }
    if errors.is_empty() { Ok(rules) } else { Err(errors) }
}

/// What OPA and Gatekeeper refuse when they load a template.
pub fn check(units: &[Unit], providers: Option<&dyn Providers>) -> Result<(), Vec<CompileError>> {
    let gatekeeper = |unit: &Unit| unit.errors(checks::gatekeeper(&unit.module, unit.lib.is_some()));
    all(units.iter().flat_map(gatekeeper).collect())?;
    let scopes = units.iter().flat_map(|unit| unit.errors(unit.scope.faults.clone()));
    all(scopes.collect())?;
    let rules = rules(units)?;
    let (mut errors, mut graph, mut parts) = (vec![], checks::Graph::new(), vec![]);
    for unit in units {
        let names = Names::new(&unit.module, &unit.package, &rules);
        errors.extend(unit.errors(checks::reserved(&unit.module)));
        let called = checks::calls(&unit.module, &names, &unit.scope, providers);
        let (faults, orders) = safety::check(&unit.module, &names, &unit.scope);
        // To OPA a variable is not unsafe because a function is not known.
        if called.iter().all(|fault| fault.limit) {
            errors.extend(unit.errors(faults));
        }
        errors.extend(unit.errors(called));
        checks::dependencies(&unit.module, &names, &unit.scope, &unit.package, &mut graph);
        parts.push((names, orders));
    }
    all(errors)?;
    let sorted = checks::sorted(&graph).map_err(|(rule, line, said)| {
        let of = |unit: &&Unit| rule.starts_with(&format!("{}.", unit.package));
        vec![units.iter().find(of).unwrap_or(&units[0]).error(Fault::new(line, said))]
    })?;
    types(units, &parts, &sorted)
}

fn all(errors: Vec<CompileError>) -> Result<(), Vec<CompileError>> {
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Checks the types of all rules, and then that Gatekeeper can ask `violation` for its messages.
fn types(units: &[Unit], parts: &[(Names<'_>, Orders)], sorted: &[&String]) -> Result<(), Vec<CompileError>> {
    let mut definitions: HashMap<String, Vec<(usize, &Rule)>> = HashMap::new();
    for (index, unit) in units.iter().enumerate() {
        for rule in &unit.module.policy {
            if let Some((name, _)) = names::declared(rule) {
                definitions.entry(format!("{}.{name}", unit.package)).or_default().push((index, rule));
            }
        }
    }
    let (mut types, mut errors) = (typing::Types::new(), vec![]);
    for path in sorted {
        for (index, rule) in definitions.get(*path).into_iter().flatten() {
            let (unit, (names, orders)) = (&units[*index], &parts[*index]);
            let context = typing::Context { names, scope: &unit.scope, orders };
            errors.extend(unit.errors(typing::check(rule, path, context, &mut types)));
        }
    }
    all(errors)?;
    let violation = format!("{ENTRY}.violation");
    if types.get(&violation).is_none_or(typing::is_asked) {
        return Ok(());
    }
    let said = "rego_type_error: violation must be a set of objects with the key msg: that is what Gatekeeper asks for";
    let first = definitions.get(&violation).and_then(|rules| rules.first());
    let line = first.map_or(0, |(_, rule)| rule.span().line as usize);
    Err(vec![units[first.map_or(0, |(index, _)| *index)].error(Fault::new(line, said))])
}

/// An error that regorus places in one of the modules. OPA takes what was checked before.
pub fn misplaced(units: &[Unit], error: &anyhow::Error) -> CompileError {
    let text = error.to_string();
    let unit = units.iter().find(|unit| text.contains(&format!("--> {}:", unit.file())));
    let fault = token::fault(text);
    let said = fault.message.replacen("rego_parse_error: ", "this engine cannot evaluate it: ", 1);
    unit.unwrap_or(&units[0]).error(Fault::limit(fault.line, said))
}

/// Whether some module reads the inventory.
pub fn reads_inventory(units: &[Unit]) -> bool {
    units.iter().any(|unit| checks::reads_inventory(&unit.module))
}

/// Whether some rule or function has several values to choose from.
pub fn may_conflict(units: &[Unit]) -> bool {
    let mut seen = HashSet::new();
    let definitions = units.iter().flat_map(|unit| unit.module.policy.iter().map(move |rule| (unit, rule)));
    let mut valued = definitions.filter_map(|(unit, rule)| {
        let (name, kind) = names::declared(rule)?;
        let is_valued = kind != Kind::Set && matches!(rule.as_ref(), Rule::Spec { .. });
        is_valued.then(|| format!("{}.{name}", unit.package))
    });
    valued.any(|path| !seen.insert(path))
}

/// Where functions of several definitions have their second.
pub fn functions(units: &[Unit]) -> Functions {
    let mut found = Functions::new();
    for unit in units {
        let mut seen = HashMap::new();
        for rule in &unit.module.policy {
            let Some((name, Kind::Function(_))) = names::declared(rule) else { continue };
            let times = seen.entry(name.clone()).or_insert(0);
            *times += 1;
            if *times == 2 {
                let last = name.rsplit('.').next().unwrap_or_default().to_owned();
                found.insert(last, format!("{}:{}", unit.file(), rule.span().line));
            }
        }
    }
    found
}
