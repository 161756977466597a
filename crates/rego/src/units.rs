//! The modules of a template together: parsed, and checked against each other.

use regorus::unstable::Module;

use super::names::{self, Kind, Names, Rules};
use super::outcome::Functions;
use super::scope::Scope;
use super::source;
use super::token::{self, Fault};
use super::{CompileError, ENTRY, Modules, builtins, check as checks, safety};

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

impl Unit {
    /// A fault of this module.
    pub fn error(&self, (line, message): Fault) -> CompileError {
        CompileError { lib: self.lib, line, message }
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
            Err((line, message)) => errors.push(CompileError { lib, line, message }),
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
pub fn check(units: &[Unit]) -> Result<(), Vec<CompileError>> {
    let mut errors: Vec<_> = units
        .iter()
        .flat_map(|unit| unit.errors(checks::gatekeeper(&unit.module, unit.lib.is_some())))
        .collect();
    errors.extend(
        units
            .iter()
            .filter(|unit| unit.lib.is_none())
            .flat_map(|unit| unit.errors(checks::messages(&unit.module))),
    );
    if !errors.is_empty() {
        return Err(errors);
    }
    let rules = rules(units)?;
    let mut graph = checks::Graph::new();
    for unit in units {
        let names = Names::new(&unit.module, &unit.package, &rules);
        errors.extend(unit.errors(checks::reserved(&unit.module)));
        errors.extend(unit.errors(checks::calls(&unit.module, &names, &unit.scope)));
        errors.extend(unit.errors(safety::check(&unit.module, &names, &unit.scope)));
        checks::dependencies(&unit.module, &names, &unit.scope, &unit.package, &mut graph);
    }
    if let Some((rule, line, said)) = checks::recursion(&graph) {
        let unit =
            units.iter().find(|unit| rule.starts_with(&format!("{}.", unit.package))).unwrap_or(&units[0]);
        errors.push(unit.error((line, said)));
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// An error that regorus places in one of the modules.
pub fn misplaced(units: &[Unit], error: &anyhow::Error) -> CompileError {
    let text = error.to_string();
    let unit = units.iter().find(|unit| text.contains(&format!("--> {}:", unit.file())));
    unit.unwrap_or(&units[0]).error(token::fault(text))
}

/// Where functions of several definitions have their second.
pub fn functions(units: &[Unit]) -> Functions {
    let mut found = Functions::new();
    for unit in units {
        let mut seen = std::collections::HashMap::new();
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
