//! What Gatekeeper and OPA refuse when they load a template, and what this engine does not have.

mod forms;
mod replaced;

use std::collections::{BTreeMap, BTreeSet};

use regorus::unstable::{Expr, Import, Module, Rule, RuleHead};

use super::Providers;
use super::builtins;
use super::external::UNKNOWN;
use super::keywords::{self, PREFIX};
use super::names::{self, Callee, Kind, Names, Rules};
use super::scope::{self, RESERVED, Scope};
use super::token::Fault;
use super::visit::{self, Call, Node, Term};

/// The function that needs more than the input.
const EXTERNAL_DATA: &str = "external_data";

/// Gatekeeper's rules for packages, imports and references.
pub fn gatekeeper(module: &Module, is_lib: bool) -> Vec<Fault> {
    let mut faults = vec![];
    let package = builtins::path(&module.package.refr).unwrap_or_default();
    if is_lib && !package.starts_with("lib.") {
        let said = format!(
            "the package {package} is not below lib: Gatekeeper takes libraries in packages lib.<name> only"
        );
        faults.push(Fault::new(line(&module.package.refr), said));
    }
    if !is_lib && !module.policy.iter().any(|rule| is_violation(rule)) {
        faults.push(Fault::new(0, "there is no rule named violation: Gatekeeper asks for it"));
    }
    for import in &module.imports {
        let said = bad_import(import);
        faults.extend(said.map(|said| Fault::new(import.span.line as usize, said)));
    }
    for rule in &module.policy {
        faults.extend(forms::rule(rule, module.rego_v1));
        visit::rule(rule, &mut |node| reference(&node, &mut faults));
        faults.extend(keyword(rule, module).map(|said| Fault::new(rule.span().line as usize, said)));
    }
    faults
}

/// Why OPA or Gatekeeper refuses an import.
fn bad_import(import: &Import) -> Option<String> {
    let path = builtins::path(&import.refr).unwrap_or_default();
    if let Some(alias) = import.r#as.as_ref().filter(|alias| matches!(alias.text(), "input" | "data")) {
        return Some(format!("rego_parse_error: unexpected alias {}: expected a variable", alias.text()));
    }
    if let Some(keyword) = path.strip_prefix("future.keywords.") {
        let known = keywords::KEYWORDS.contains(&keyword) || keyword == "not";
        let said = "rego_parse_error: unexpected keyword, must be one of [contains every if in not]";
        return (!known).then(|| said.to_owned());
    }
    let allowed = path.starts_with("data.lib.") || path == "data.lib" || path.starts_with("future.");
    (!allowed)
        .then(|| format!("bad import {path}: Gatekeeper allows data.lib.<name> and future.keywords only"))
}

/// In Rego 1.0 a keyword is no name of a rule.
fn keyword(rule: &Rule, module: &Module) -> Option<String> {
    let (name, _) = names::declared(rule)?;
    let is_keyword = module.rego_v1 && keywords::KEYWORDS.contains(&name.as_str());
    is_keyword.then(|| format!("rego_parse_error: unexpected {name} keyword"))
}

/// Of a part of an object Gatekeeper knows the name only where it has one key and a value: `violation[x] = y`.
fn is_violation(rule: &Rule) -> bool {
    names::declared(rule)
        .is_some_and(|(name, kind)| name == "violation" && (kind != Kind::Object || is_valued(rule)))
}

fn is_valued(rule: &Rule) -> bool {
    let Rule::Spec { head: RuleHead::Compr { refr, assign: Some(_), .. }, .. } = rule else { return false };
    match refr.as_ref() {
        Expr::RefBrack { refr, .. } | Expr::RefDot { refr, .. } => matches!(refr.as_ref(), Expr::Var { .. }),
        _ => false,
    }
}

fn reference(node: &Node<'_>, faults: &mut Vec<Fault>) {
    let (term, nested) = match node {
        Node::Call(Call { function, nested, .. }) => (*function, *nested),
        Node::Term { term, nested } => (*term, *nested),
    };
    let Some(path) = builtins::prefix(term) else { return };
    let mut parts = path.split('.');
    if parts.next() != Some("data") {
        return;
    }
    match parts.next() {
        Some("lib") if nested => faults.push(Fault::new(
            line(term),
            format!(
                "{path} is a part of another term here. There Gatekeeper does not find libraries, and the term is \
                 undefined in the cluster: import {path}, or bind it to a variable of its own first"
            ),
        )),
        Some("inventory" | "lib") => {}
        _ => faults.push(Fault::new(
            line(term),
            format!("disallowed ref {path}: Gatekeeper allows data.inventory and data.lib only"),
        )),
    }
}

fn line(term: &Expr) -> usize {
    term.span().line as usize
}

/// Adds the rules of a module to those of all modules.
pub fn declare(module: &Module, package: &str, rules: &mut Rules) -> Vec<Fault> {
    let mut faults = vec![];
    let mut defaults = BTreeSet::new();
    for rule in &module.policy {
        let Some((name, kind)) = names::declared(rule) else { continue };
        let line = rule.span().line as usize;
        let path = format!("{package}.{name}");
        let is_default = matches!(rule.as_ref(), Rule::Default { .. });
        if is_default && !defaults.insert(path.clone()) {
            faults
                .push(Fault::new(line, format!("rego_type_error: multiple default rules data.{path} found")));
        }
        let before = *rules.entry(path.clone()).or_insert(kind);
        if before != kind
            && !matches!((before, kind), (Kind::Complete, Kind::Object) | (Kind::Object, Kind::Complete))
        {
            faults.push(Fault::new(line, format!("rego_type_error: conflicting rules data.{path} found")));
        }
    }
    faults
}

/// OPA's rules for what is called, and with what.
pub fn calls(
    module: &Module,
    names: &Names<'_>,
    scope: &Scope,
    providers: Option<&dyn Providers>,
) -> Vec<Fault> {
    let mut faults = replaced::faults(module, names);
    for rule in &module.policy {
        visit::rule(rule, &mut |node| match node {
            Node::Call(call) => {
                faults.extend(
                    called(&call, names, scope, module.rego_v1).or_else(|| asks_unknown(&call, providers)),
                );
            }
            Node::Term { .. } => {}
        });
    }
    faults
}

fn called(call: &Call<'_>, names: &Names<'_>, scope: &Scope, v1: bool) -> Option<Fault> {
    let line = line(call.function);
    let fault = |said: String| Some(Fault::new(line, said));
    let unknown = |name: &str| fault(format!("rego_type_error: undefined function {name}"));
    let Some(path) = builtins::path(call.function) else {
        return unknown(call.function.span().text());
    };
    if path == "print" && names.full(&path).is_none() {
        return if call.statement { None } else { fault("rego_type_error: print used as value".into()) };
    }
    let given = call.arguments.len();
    // OPA's parser takes it for the operator.
    if path.strip_prefix(PREFIX) == Some("in") && given != 3 {
        return fault("rego_type_error: in: arity mismatch".into());
    }
    let (name, arity, builtin) = match names.callee(&path) {
        _ if is_local(call.function, scope) => return unknown(&path),
        Some(Callee::Rule(full, arity)) => (format!("data.{full}"), arity, None),
        Some(Callee::Builtin(builtin)) => (path, builtin.arguments.len(), Some(builtin)),
        None => return unknown(&path),
    };
    if given != arity && !(call.statement && given == arity + 1) {
        return fault(format!(
            "rego_type_error: {name}: arity mismatch: it takes {arity} arguments, here are {given}"
        ));
    }
    builtin.and_then(|_| refused(&name, line, v1))
}

/// Whether a call asks a provider whose answers are not known: any, where none is known. A name that is computed is looked
/// at when the program is evaluated.
fn asks_unknown(call: &Call<'_>, providers: Option<&dyn Providers>) -> Option<Fault> {
    if builtins::path(call.function).as_deref() != Some(EXTERNAL_DATA) {
        return None;
    }
    let named = call.arguments.first().and_then(|argument| provider(argument));
    let known = providers.is_some_and(|providers| named.is_none_or(|name| providers.knows(&name)));
    (!known).then(|| Fault::limit(line(call.function), UNKNOWN))
}

/// The provider that the argument of `external_data` names as a text.
fn provider(argument: &Expr) -> Option<String> {
    let Expr::Object { fields, .. } = argument else { return None };
    let text = |expr: &Expr| match expr {
        Expr::String { value, .. } | Expr::RawString { value, .. } => {
            value.as_string().ok().map(ToString::to_string)
        }
        _ => None,
    };
    let field = fields.iter().find(|(_, key, _)| text(key).as_deref() == Some("provider"))?;
    text(&field.2)
}

fn refused(name: &str, line: usize, v1: bool) -> Option<Fault> {
    if v1 && builtins::is_deprecated(name) {
        let said = format!("rego_type_error: deprecated built-in function calls in expression: {name}");
        return Some(Fault::new(line, said));
    }
    if !builtins::is_supported(name) {
        return Some(Fault::limit(line, format!("this engine does not know the function {name}")));
    }
    None
}

/// The arguments of a function.
pub fn arguments(rule: &Rule) -> &[Term] {
    match rule {
        Rule::Spec { head: RuleHead::Func { args, .. }, .. } | Rule::Default { args, .. } => args,
        Rule::Spec { .. } => &[],
    }
}

/// Whether a reference begins with a declared variable.
fn is_local(refr: &Expr, scope: &Scope) -> bool {
    match refr {
        Expr::Var { span, .. } => scope.find(span).is_some(),
        Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => is_local(refr, scope),
        _ => false,
    }
}

/// What has a meaning of its own for this engine.
pub fn reserved(module: &Module) -> Vec<Fault> {
    let mut faults = vec![];
    for rule in &module.policy {
        let declared = names::declared(rule).map(|(name, _)| name);
        let mut names: BTreeSet<_> = declared.into_iter().collect();
        for argument in arguments(rule) {
            scope::pattern(argument, &mut names);
        }
        visit::rule(rule, &mut |node| {
            if let Node::Term { term, .. } = node
                && let Expr::Var { span, .. } = term.as_ref()
            {
                names.insert(span.text().to_owned());
            }
        });
        let reserved = names.iter().filter(|name| name.starts_with(RESERVED));
        faults.extend(
            reserved
                .map(|name| Fault::limit(rule.span().line as usize, format!("the name {name} is reserved"))),
        );
    }
    faults
}

/// The rules that each rule reads or calls, with the line of the rule.
pub fn dependencies(module: &Module, names: &Names<'_>, scope: &Scope, package: &str, graph: &mut Graph) {
    for rule in &module.policy {
        let Some((name, _)) = names::declared(rule) else { continue };
        let node =
            graph.entry(format!("{package}.{name}")).or_insert((rule.span().line as usize, BTreeSet::new()));
        visit::rule(rule, &mut |visited| {
            let term = match visited {
                Node::Call(call) => call.function,
                Node::Term { term, .. } => term,
            };
            let Some(path) = builtins::prefix(term) else { return };
            if is_local(term, scope) {
                return;
            }
            let read = names.full(&path).map(|full| names.reads(&full)).unwrap_or_default();
            node.1.extend(read.into_iter().cloned());
        });
    }
}

/// Rules by path: their line, and the rules that they need.
pub type Graph = BTreeMap<String, (usize, BTreeSet<String>)>;

/// A rule that needs itself: its path, its line, and how it needs itself.
pub type Recursion = (String, usize, String);

/// The rules so that each stands behind those that it needs.
pub fn sorted(graph: &Graph) -> Result<Vec<&String>, Recursion> {
    let needs = |rule: &'_ String| graph.get(rule).map(|node| node.1.iter()).into_iter().flatten();
    let (mut done, mut order) = (BTreeSet::new(), vec![]);
    for start in graph.keys() {
        let mut open = vec![];
        if !done.contains(start) {
            open.push((start, needs(start)));
        }
        while let Some((rule, needed)) = open.last_mut() {
            let rule = *rule;
            match needed.next() {
                None => {
                    open.pop();
                    done.insert(rule);
                    order.push(rule);
                }
                Some(next) if done.contains(next) => {}
                Some(next) => match open.iter().position(|(before, _)| *before == next) {
                    Some(at) => {
                        let cycle: Vec<_> = open[at..].iter().map(|(rule, _)| *rule).chain([next]).collect();
                        return Err(recursive(graph, &cycle));
                    }
                    None => open.push((next, needs(next))),
                },
            }
        }
    }
    Ok(order)
}

fn recursive(graph: &Graph, cycle: &[&String]) -> Recursion {
    let rule = cycle[0];
    let line = graph.get(rule).map_or(0, |node| node.0);
    let names: Vec<_> = cycle.iter().map(|rule| format!("data.{rule}")).collect();
    let said = format!("rego_recursion_error: rule data.{rule} is recursive: {}", names.join(" -> "));
    (rule.clone(), line, said)
}

/// Whether the inventory is read.
pub fn reads_inventory(module: &Module) -> bool {
    let mut found = false;
    for rule in &module.policy {
        visit::rule(rule, &mut |node| {
            if let Node::Term { term, .. } = node {
                let path = builtins::prefix(term).unwrap_or_default();
                found |= path == "data.inventory" || path.starts_with("data.inventory.");
            }
        });
    }
    found
}
