//! Terms.

use std::fmt::Write;

use regorus::unstable::{ArithOp, BinOp, Expr, Query, Span};

use super::shape::{has_object, is_walk};
use super::{Condition, Printer};
use crate::builtins;
use crate::visit::Term;

impl Printer<'_> {
    pub(super) fn term(&mut self, expr: &Term) {
        if let Some(name) = self.bound.get(&expr.eidx()) {
            self.out.push_str(name);
            return;
        }
        match expr.as_ref() {
            Expr::String { value, .. } | Expr::RawString { value, .. } => {
                let _ = write!(self.out, "{value}");
            }
            Expr::Number { span, .. } | Expr::Bool { span, .. } | Expr::Null { span, .. } => {
                self.out.push_str(span.text());
            }
            Expr::Var { span, .. } => self.variable(span),
            Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr),
            Expr::Call { fcn, params, .. } => self.call(expr, fcn, params),
            Expr::UnaryExpr { expr, .. } => {
                self.text("internal.minus(0, ");
                self.term(expr);
                self.text(")");
            }
            Expr::BinExpr { op, lhs, rhs, .. } => {
                self.operator(if *op == BinOp::Union { "or" } else { "and" }, &[lhs, rhs]);
            }
            Expr::ArithExpr { op, lhs, rhs, .. } => self.operator(arithmetic(op), &[lhs, rhs]),
            Expr::Membership { key: None, value, collection, .. } => {
                self.operator("member_2", &[value, collection]);
            }
            Expr::Membership { key: Some(key), value, collection, .. } => {
                self.operator("member_3", &[key, value, collection]);
            }
            Expr::BoolExpr { .. } | Expr::AssignExpr { .. } => {
                self.text("(");
                self.expression(expr);
                self.text(")");
            }
            _ => self.composite(expr),
        }
    }

    pub(super) fn variable(&mut self, place: &Span) {
        let name = place.text();
        match (self.scope.find(place), self.names.import(name)) {
            (Some(variable), _) => self.out.push_str(variable),
            (None, Some(path)) => {
                let _ = write!(self.out, "data.{path}");
            }
            (None, None) => self.out.push_str(name),
        }
    }

    fn reference(&mut self, expr: &Expr) {
        match expr {
            Expr::RefDot { refr, field, .. } => {
                self.term(refr);
                let _ = write!(self.out, ".{}", field.0.text());
            }
            Expr::RefBrack { refr, index, .. } => {
                self.term(refr);
                self.text("[");
                if has_object(index) && !self.negated {
                    let name = self.fresh();
                    self.text(&name);
                    self.pending.push(Condition::Same(name, index.clone()));
                } else {
                    self.term(index);
                }
                self.text("]");
            }
            _ => {}
        }
    }

    fn call(&mut self, call: &Term, fcn: &Term, params: &[Term]) {
        if is_walk(fcn) && params.len() == 1 {
            let name = self.fresh();
            self.text(&name);
            self.bound.insert(call.eidx(), name.clone());
            self.pending.push(Condition::Walk(name, params[0].clone()));
            return;
        }
        // Gatekeeper gives it nothing.
        if params.is_empty() && builtins::path(fcn).as_deref() == Some("opa.runtime") {
            return self.text("{}");
        }
        self.term(fcn);
        self.arguments(params);
    }

    fn composite(&mut self, expr: &Expr) {
        match expr {
            Expr::Array { items, .. } => self.list("[", items.iter(), "]"),
            Expr::Set { items, .. } if items.is_empty() => self.text("set()"),
            Expr::Set { items, .. } => self.list("{", items.iter(), "}"),
            Expr::Object { fields, .. } => {
                self.text("{");
                for (i, (_, key, value)) in fields.iter().enumerate() {
                    self.text(if i > 0 { ", " } else { "" });
                    self.term(key);
                    self.text(": ");
                    self.term(value);
                }
                self.text("}");
            }
            Expr::ArrayCompr { term, query, .. } => self.comprehension("[", &[term], query, "]"),
            Expr::SetCompr { term, query, .. } => self.comprehension("{", &[term], query, "}"),
            Expr::ObjectCompr { key, value, query, .. } => self.comprehension("{", &[key, value], query, "}"),
            _ => {}
        }
    }

    fn list<'t>(&mut self, open: &str, items: impl Iterator<Item = &'t Term>, close: &str) {
        self.text(open);
        for (i, item) in items.enumerate() {
            self.text(if i > 0 { ", " } else { "" });
            self.term(item);
        }
        self.text(close);
    }

    /// A term that is more than a name is bound behind the body: regorus takes a variable in it for one that is used
    /// before `some` declares it.
    fn comprehension(&mut self, open: &str, terms: &[&Term], query: &Query, close: &str) {
        self.text(open);
        let mut late = vec![];
        for (i, term) in terms.iter().enumerate() {
            self.text(if i > 0 { ": " } else { "" });
            if matches!(term.as_ref(), Expr::Var { .. } | Expr::String { .. } | Expr::Number { .. }) {
                self.term(term);
            } else {
                let name = self.fresh();
                self.text(&name);
                late.push((name, *term));
            }
        }
        self.text(" | ");
        self.query(query);
        let (pending, negated) = (std::mem::take(&mut self.pending), std::mem::take(&mut self.negated));
        for (name, term) in late {
            self.text("; ");
            self.bind(&name, term, None);
        }
        (self.pending, self.negated) = (pending, negated);
        self.text(close);
    }

    pub(super) fn arguments(&mut self, arguments: &[Term]) {
        self.list("(", arguments.iter(), ")");
    }

    fn operator(&mut self, name: &str, operands: &[&Term]) {
        let _ = write!(self.out, "internal.{name}");
        self.list("(", operands.iter().copied(), ")");
    }
}

fn arithmetic(op: &ArithOp) -> &'static str {
    match op {
        ArithOp::Add => "plus",
        ArithOp::Sub => "minus",
        ArithOp::Mul => "mul",
        ArithOp::Div => "div",
        ArithOp::Mod => "rem",
    }
}
