//! `_`: each is a variable of its own, which something must give a value.

use regorus::unstable::{AssignOp, Expr};

use super::{Checker, Variables, operands};
use crate::builtins;
use crate::typing::constant;
use crate::visit::{self, Term};

impl Checker<'_> {
    /// Whether a term has a value, so that it gives values to what is the same.
    pub(super) fn is_known(&self, term: &Term, safe: &Variables) -> bool {
        !is_loose(term) && self.is_safe(term, safe)
    }

    /// Whether `_` stands where nothing gives it a value.
    pub(super) fn has_loose_wildcard(&self, expr: &Term, safe: &Variables) -> bool {
        match expr.as_ref() {
            Expr::AssignExpr { op: AssignOp::Eq | AssignOp::ColEq, lhs, rhs, .. } => {
                self.stays_loose(lhs, rhs, safe)
            }
            Expr::Call { fcn, params, .. } => {
                let arity = builtins::path(fcn).and_then(|path| self.names.arity(&path));
                params.iter().take(arity.unwrap_or(params.len())).any(|param| is_loose(param))
            }
            _ => operands(expr).into_iter().any(|operand| is_loose(operand)),
        }
    }

    /// Whether `_` stays without a value though both sides are the same.
    fn stays_loose(&self, lhs: &Term, rhs: &Term, safe: &Variables) -> bool {
        let parts = parts(lhs, rhs);
        if !parts.is_empty() {
            return parts.into_iter().any(|(left, right)| self.stays_loose(left, right, safe));
        }
        let lost = |term: &Term, other: &Term| is_lost(term) || is_loose(term) && !self.is_known(other, safe);
        lost(lhs, rhs) || lost(rhs, lhs)
    }
}

/// The parts of two patterns that are the same where the patterns are: elements of arrays, values of objects.
pub(super) fn parts<'t>(lhs: &'t Term, rhs: &'t Term) -> Vec<(&'t Term, &'t Term)> {
    match (lhs.as_ref(), rhs.as_ref()) {
        (Expr::Array { items: left, .. }, Expr::Array { items: right, .. }) => {
            left.iter().zip(right).collect()
        }
        (Expr::Object { fields: left, .. }, Expr::Object { fields: right, .. }) => {
            let same = |key: &Term| {
                let key = constant(key)?;
                right.iter().find(|(_, other, _)| constant(other).as_ref() == Some(&key))
            };
            left.iter().filter_map(|(_, key, value)| Some((value, &same(key)?.2))).collect()
        }
        _ => vec![],
    }
}

/// Whether `_` stands in a term outside of a comprehension.
pub(super) fn has_wildcard(term: &Expr) -> bool {
    match term {
        Expr::Var { span, .. } => span.text() == "_",
        Expr::RefDot { refr, .. } => has_wildcard(refr),
        Expr::RefBrack { refr, index, .. } => has_wildcard(refr) || has_wildcard(index),
        Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => false,
        other => visit::children(other).into_iter().any(|child| has_wildcard(child)),
    }
}

/// Whether `_` is the term, or an element of it.
fn is_loose(term: &Expr) -> bool {
    match term {
        Expr::Var { span, .. } => span.text() == "_",
        Expr::Array { .. } | Expr::Set { .. } | Expr::Object { .. } => {
            visit::children(term).into_iter().any(|child| is_loose(child))
        }
        Expr::Call { params, .. } => params.iter().any(|param| is_loose(param)),
        _ => visit::operands(term).unwrap_or_default().into_iter().any(|operand| is_loose(operand)),
    }
}

/// Whether `_` is an element of a set or an argument, which get no values from what is the same.
fn is_lost(term: &Expr) -> bool {
    match term {
        Expr::Array { items, .. } => items.iter().any(|item| is_lost(item)),
        Expr::Object { fields, .. } => fields.iter().any(|(_, key, value)| is_loose(key) || is_lost(value)),
        Expr::Var { .. } => false,
        other => is_loose(other),
    }
}
