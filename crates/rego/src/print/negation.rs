//! What OPA evaluates before a negated expression.

use regorus::unstable::{BoolOp, Expr};

use super::Printer;
use crate::visit::Term;

impl Printer<'_> {
    /// What OPA takes out of a negated expression.
    pub(super) fn operands(&self, expr: &Term, lifted: &mut Vec<Term>) {
        match expr.as_ref() {
            Expr::Call { params, .. } => params.iter().for_each(|param| self.value(param, lifted)),
            Expr::BoolExpr { op: BoolOp::Eq, lhs, rhs, .. } | Expr::AssignExpr { lhs, rhs, .. } => {
                self.unified(lhs, lifted);
                self.unified(rhs, lifted);
            }
            Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::BinExpr { lhs, rhs, .. } => {
                self.value(lhs, lifted);
                self.value(rhs, lifted);
            }
            Expr::Membership { key, value, collection, .. } => {
                key.iter().chain([value, collection]).for_each(|operand| self.value(operand, lifted));
            }
            Expr::UnaryExpr { expr, .. } => self.value(expr, lifted),
            _ => self.unified(expr, lifted),
        }
    }

    /// An operand of `==`, `=`, or an expression that is one term: a reference stays, what is in its brackets goes.
    fn unified(&self, expr: &Term, lifted: &mut Vec<Term>) {
        match expr.as_ref() {
            Expr::RefDot { refr, .. } => self.root(refr, lifted),
            Expr::RefBrack { refr, index, .. } => {
                self.root(refr, lifted);
                self.value(index, lifted);
            }
            Expr::Var { .. } => {}
            _ => self.value(expr, lifted),
        }
    }

    fn root(&self, refr: &Term, lifted: &mut Vec<Term>) {
        self.unified(refr, lifted);
    }

    /// What must be defined: references and calls, alone or inside arrays, objects and sets.
    pub(super) fn value(&self, expr: &Term, lifted: &mut Vec<Term>) {
        if self.is_dynamic(expr) {
            lifted.push(expr.clone());
        }
    }

    fn is_dynamic(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Var { span, .. } => self.is_document(span),
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().any(|item| self.is_dynamic(item))
            }
            Expr::Object { fields, .. } => {
                fields.iter().any(|(_, key, value)| self.is_dynamic(key) || self.is_dynamic(value))
            }
            Expr::RefDot { .. }
            | Expr::RefBrack { .. }
            | Expr::Call { .. }
            | Expr::UnaryExpr { .. }
            | Expr::BinExpr { .. }
            | Expr::BoolExpr { .. }
            | Expr::ArithExpr { .. }
            | Expr::Membership { .. } => true,
            _ => false,
        }
    }
}
