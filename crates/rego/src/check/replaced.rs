//! What `with` may replace.

use regorus::unstable::{Literal, Module, Query, Rule, WithModifier};

use crate::builtins;
use crate::names::Names;
use crate::token::Fault;
use crate::visit::{self, Node};

/// What OPA refuses of the replacements in a module.
pub fn faults(module: &Module, names: &Names<'_>) -> Vec<Fault> {
    let mut faults = vec![];
    for rule in &module.policy {
        let Rule::Spec { bodies, .. } = rule.as_ref() else { continue };
        for body in bodies {
            of_query(&body.query, names, &mut faults);
        }
        visit::rule(rule, &mut |node| {
            if let Node::Term { term, .. } = node
                && let Some(query) = visit::comprehension(term)
            {
                of_query(query, names, &mut faults);
            }
        });
    }
    faults
}

fn of_query(query: &Query, names: &Names<'_>, faults: &mut Vec<Fault>) {
    for statement in &query.stmts {
        if let Literal::Every { query, .. } = &statement.literal {
            of_query(query, names, faults);
        }
        for with in &statement.with_mods {
            let said = of(with, names);
            faults.extend(said.map(|said| Fault::new(with.span.line as usize, said)));
        }
    }
}

fn of(with: &WithModifier, names: &Names<'_>) -> Option<String> {
    let path = builtins::path(&with.refr)?;
    if names.is_replaced(with) {
        let value = builtins::path(&with.r#as)?;
        let fits = names.arity(&path) == names.arity(&value);
        return (!fits).then(|| format!("rego_type_error: {path}: arity mismatch"));
    }
    let Some(full) = names.full(&path) else {
        let known = path == "input" || path.starts_with("input.") || names.callee(&path).is_some();
        let said = "rego_type_error: with keyword target must reference existing input, data, or a function";
        return (!known).then(|| said.to_owned());
    };
    let is_part =
        names.reads(&full).iter().any(|rule| full.len() > rule.len() && full.starts_with(rule.as_str()));
    is_part
        .then(|| "rego_compile_error: with keyword cannot partially replace virtual document(s)".to_owned())
}
