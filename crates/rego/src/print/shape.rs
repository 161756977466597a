//! Questions about the shape of terms.

use regorus::unstable::{Expr, Literal, Query};

use crate::visit::{self, Term};

/// Whether an object stands in a pattern, and variables in it.
pub fn has_object(pattern: &Expr) -> bool {
    match pattern {
        Expr::Object { .. } => has_variables(pattern),
        Expr::Array { items, .. } => items.iter().any(|item| has_object(item)),
        _ => false,
    }
}

fn has_variables(term: &Expr) -> bool {
    match term {
        Expr::Var { .. } => true,
        Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => false,
        Expr::RefDot { refr, .. } => has_variables(refr),
        Expr::RefBrack { refr, index, .. } => has_variables(refr) || has_variables(index),
        Expr::Call { params, .. } => params.iter().any(|param| has_variables(param)),
        other => visit::children(other).into_iter().any(|child| has_variables(child)),
    }
}

/// The wildcards of a term, outside of comprehensions.
pub fn wildcards(term: &Expr, found: &mut Vec<u32>) {
    match term {
        Expr::Var { span, .. } if span.text() == "_" => found.push(term.eidx()),
        Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => {}
        Expr::Call { params, .. } => params.iter().for_each(|param| wildcards(param, found)),
        other => visit::children(other).into_iter().for_each(|child| wildcards(child, found)),
    }
}

/// Whether a term may have more than one value: an index that is not written out, or `walk`.
pub fn iterates(term: &Expr) -> bool {
    match term {
        Expr::RefBrack { refr, index, .. } => {
            !matches!(index.as_ref(), Expr::String { .. } | Expr::RawString { .. } | Expr::Number { .. })
                || iterates(refr)
        }
        Expr::RefDot { refr, .. } => iterates(refr),
        Expr::Call { fcn, params, .. } => is_walk(fcn) || params.iter().any(|param| iterates(param)),
        Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => false,
        other => visit::children(other).into_iter().any(|child| iterates(child)),
    }
}

/// `walk` has many results.
pub fn is_walk(function: &Expr) -> bool {
    matches!(function, Expr::Var { span, .. } if span.text() == "walk")
}

/// The references to fields of the input without which no statement of a body can hold.
pub fn required(query: &Query) -> Vec<Term> {
    let mut found = vec![];
    for statement in query.stmts.iter().filter(|statement| statement.with_mods.is_empty()) {
        if let Literal::Expr { expr, .. } = &statement.literal {
            fields(expr, &mut found);
        }
    }
    found
}

fn fields(term: &Term, found: &mut Vec<Term>) {
    match term.as_ref() {
        Expr::RefDot { .. } | Expr::RefBrack { .. } if is_field(term) => found.push(term.clone()),
        Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => {}
        Expr::Call { params, .. } => params.iter().for_each(|param| fields(param, found)),
        other => visit::children(other).into_iter().for_each(|child| fields(child, found)),
    }
}

fn is_field(term: &Expr) -> bool {
    match term {
        Expr::Var { span, .. } => span.text() == "input",
        Expr::RefDot { refr, .. } => is_field(refr),
        Expr::RefBrack { refr, index, .. } => {
            matches!(index.as_ref(), Expr::String { .. } | Expr::RawString { .. } | Expr::Number { .. })
                && is_field(refr)
        }
        _ => false,
    }
}
