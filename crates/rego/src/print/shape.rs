//! Questions about the shape of terms.

use regorus::unstable::Expr;

use crate::visit;

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
