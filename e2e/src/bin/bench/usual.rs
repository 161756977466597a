//! The usual way: one template and one constraint for each rule, and for each control of a standard.
//!
//! Made from our own catalogue, so that both ways check the same with the same Rego. Each template carries only the
//! modules and parameters that its rule needs.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use gatewright_compiler::Compile;
use gatewright_gatekeeper::{ConstraintTemplate, RegoSource};
use gatewright_rules::{Definition, Lib, Rule, Template, WRITES};
use serde_json::{Value, json};

/// A template and its constraint.
pub struct Pair {
    /// The template.
    pub template: Value,
    /// The constraint.
    pub constraint: Value,
}

/// The rules of a policy's constraint, each apart: same match, same parameters.
pub fn of_policy<P: Compile>(constraint: &Value) -> Result<Vec<Pair>> {
    let parameters = &constraint["spec"]["parameters"];
    let template = P::TEMPLATE.definition();
    let demands = |rule: &&Rule| rule.checks.iter().any(|it| parameters.get(it.field).is_some());
    let rules = template.rules.iter().filter(demands);
    rules
        .map(|rule| {
            let used = |field: &str| rule.checks.iter().any(|check| check.field == field);
            pair(template, &name(rule.name), &entry_of(template, rule), &used, constraint)
        })
        .collect()
}

/// The controls that hold under the newest `restricted`, each apart: same match, same parameters.
pub fn of_standard(constraint: &Value) -> Result<Vec<Pair>> {
    let template = Template::PodSecurityStandard.definition();
    let entry = template.entry();
    let blocks: Vec<_> = entry.split("\n\n").collect();
    let controls = blocks.iter().filter(|block| block.starts_with("by_") && holds(block));
    controls
        .map(|control| {
            let name = name(control.split('"').nth(1).context("a control has a name")?);
            let set = control.split(' ').next().unwrap_or_default();
            let needed = |block: &&&str| {
                !block.starts_with("by_")
                    && !block.contains("\npackage ")
                    && !block.contains("import ")
                    && (block.contains(set) || (set == "by_annotations" && !block.contains("by_spec")))
            };
            let rest: Vec<_> = blocks.iter().filter(needed).chain([control]).copied().collect();
            let imports: Vec<_> = imports(&entry)
                .filter(|path| uses(&rest, path))
                .map(|path| format!("import data.{path}\n"))
                .collect();
            let imports = imports.concat();
            let entry = format!("package gatewright.usual\n\n{imports}\n{}\n", rest.join("\n\n"));
            pair(template, &name, &entry, &|_| true, constraint)
        })
        .collect()
}

/// Whether a control of the entry can fail under the newest `restricted`.
fn holds(control: &str) -> bool {
    !["not standard.restricted", "not standard.replaces", "standard.minor <"]
        .iter()
        .any(|guard| control.contains(&format!("\t{guard}")))
}

fn uses(blocks: &[&str], path: &str) -> bool {
    let name = path.rsplit('.').next().unwrap_or(path);
    blocks.iter().any(|block| block.contains(&format!("{name}.")))
}

/// The generated entry of one rule alone.
fn entry_of(template: &Definition, rule: &Rule) -> String {
    let whole = template.entry();
    let others: Vec<_> =
        template.rules.iter().filter(|it| it.name != rule.name).map(Rule::identifier).collect();
    let kept: Vec<_> = whole
        .split("\n\n")
        .filter(|block| !others.iter().any(|other| block.contains(&format!("count({other}."))))
        .collect();
    let pods = kept.iter().any(|block| block.starts_with("pod_violations"));
    let kept: Vec<_> =
        kept.into_iter().filter(|block| pods || !block.contains("in pod_violations")).collect();
    let text = kept.join("\n\n");
    let foreign = |line: &&str| !others.iter().any(|other| *line == format!("import data.lib.rule.{other}"));
    text.lines().filter(foreign).fold(String::new(), |text, line| text + line + "\n")
}

fn pair(
    of: &Definition,
    name: &str,
    entry: &str,
    used: &dyn Fn(&str) -> bool,
    constraint: &Value,
) -> Result<Pair> {
    let modules = modules(of)?;
    let source = RegoSource::v1(entry.to_owned(), closure(entry, &modules)?);
    let mut schema = (of.parameters)();
    let mut constraint = constraint.clone();
    for fields in [&mut schema["properties"], &mut constraint["spec"]["parameters"]] {
        fields.as_object_mut().context("parameters are fields")?.retain(|field, _| used(field));
    }
    constraint["kind"] = json!(name);
    Ok(Pair { template: json!(ConstraintTemplate::new(name, name, WRITES, &schema, &source)), constraint })
}

/// The kind of a rule's or control's constraints.
fn name(rule: &str) -> String {
    let words = rule.split(['-', '_']).map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_uppercase() + rest
    });
    std::iter::once("Usual".to_owned()).chain(words).collect()
}

/// The modules of a template, by package.
fn modules(of: &Definition) -> Result<BTreeMap<&'static str, &'static str>> {
    let texts = of.libs.iter().map(|lib: &Lib| lib.module()).chain(of.rules.iter().map(|rule| rule.module));
    texts
        .map(|text| {
            let package = text.lines().find_map(|line| line.strip_prefix("package "));
            Ok((package.context("a module without a package")?, text))
        })
        .collect()
}

/// The modules that a module needs, directly or not.
fn closure(entry: &str, modules: &BTreeMap<&'static str, &'static str>) -> Result<Vec<String>> {
    let mut needed: Vec<&str> = imports(entry).collect();
    let mut next = 0;
    while let Some(&package) = needed.get(next) {
        let text = modules.get(package).with_context(|| format!("no module {package}"))?;
        let more: Vec<_> = imports(text).filter(|path| !needed.contains(path)).collect();
        needed.extend(more);
        next += 1;
    }
    Ok(needed.iter().filter_map(|package| modules.get(package)).map(|&text| text.to_owned()).collect())
}

fn imports(module: &str) -> impl Iterator<Item = &str> {
    module.lines().filter_map(|line| line.strip_prefix("import data."))
}
