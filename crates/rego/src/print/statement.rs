//! Statements.

use std::fmt::Write;

use regorus::unstable::{AssignOp, BoolOp, Expr, Literal, LiteralStmt, Query};

use super::shape::{self, has_object, is_walk};
use super::{Condition, Printer};
use crate::builtins;
use crate::visit::Term;

impl Printer<'_> {
    pub(super) fn query(&mut self, query: &Query) {
        let (pending, negated) = (std::mem::take(&mut self.pending), std::mem::take(&mut self.negated));
        for (i, statement) in query.stmts.iter().enumerate() {
            self.text(if i > 0 { "; " } else { "" });
            self.reach_line(statement.span.line);
            self.statement(statement);
        }
        (self.pending, self.negated) = (pending, negated);
    }

    fn statement(&mut self, statement: &LiteralStmt) {
        let mut lifted = vec![];
        match &statement.literal {
            Literal::NotExpr { expr, .. } => self.operands(expr, &mut lifted),
            Literal::Every { domain, .. } => self.value(domain, &mut lifted),
            _ => {}
        }
        for term in lifted {
            let name = self.fresh();
            self.bind(&name, &term, Some(statement));
            self.text("; ");
            self.bound.insert(term.eidx(), name);
        }
        self.literal(&statement.literal);
        self.with(Some(statement));
        self.conditions(Some(statement));
    }

    /// Gives a term a name.
    pub(super) fn bind(&mut self, name: &str, term: &Term, statement: Option<&LiteralStmt>) {
        self.assigned(name, term);
        self.with(statement);
        self.conditions(statement);
    }

    fn assigned(&mut self, name: &str, term: &Term) {
        match term.as_ref() {
            Expr::Call { fcn, params, .. } if is_walk(fcn) && params.len() == 1 => {
                self.walk(&params[0], name);
            }
            _ => {
                self.text(name);
                self.declare();
                self.term(term);
            }
        }
    }

    /// What the statement needs beside it.
    fn conditions(&mut self, statement: Option<&LiteralStmt>) {
        while !self.pending.is_empty() {
            for condition in std::mem::take(&mut self.pending) {
                self.text("; ");
                match condition {
                    Condition::Walk(name, document) => self.walk(&document, &name),
                    Condition::Same(name, term) => self.same(&name, &term, statement),
                    Condition::Equal(one, other) => {
                        self.term(&one);
                        self.text(" == ");
                        self.term(&other);
                    }
                }
                self.with(statement);
            }
        }
    }

    /// An object unifies with objects of just its keys; regorus lets others have more. So both are compared after it.
    pub(super) fn same(&mut self, name: &str, pattern: &Term, statement: Option<&LiteralStmt>) {
        let mut wildcards = vec![];
        shape::wildcards(pattern, &mut wildcards);
        for wildcard in wildcards {
            let name = self.fresh();
            self.bound.insert(wildcard, name);
        }
        self.term(pattern);
        let _ = write!(self.out, " = {name}");
        self.with(statement);
        self.text("; ");
        self.term(pattern);
        let _ = write!(self.out, " == {name}");
    }

    fn walk(&mut self, document: &Term, name: &str) {
        self.text("walk(");
        self.term(document);
        let _ = write!(self.out, ", {name})");
    }

    fn with(&mut self, statement: Option<&LiteralStmt>) {
        for with in statement.map(|statement| &statement.with_mods).into_iter().flatten() {
            self.text(" with ");
            self.replaced(&with.refr);
            self.text(" as ");
            self.term(&with.r#as);
        }
    }

    /// A rule is replaced below `data`, which is all that regorus knows beside functions.
    fn replaced(&mut self, target: &Term) {
        let full = builtins::path(target).filter(|path| self.names.callee(path).is_none());
        match full.and_then(|path| self.names.full(&path)) {
            Some(full) => {
                let _ = write!(self.out, "data.{full}");
            }
            None => self.term(target),
        }
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            // The variable has a name of its own, and regorus declares it again in each turn of a loop around it.
            Literal::SomeVars { .. } => self.text("true"),
            Literal::SomeIn { key, value, collection, .. } => {
                self.some_in(key.as_ref(), value, collection);
            }
            Literal::Every { key, value, domain, query, .. } => {
                self.text("every ");
                for (i, variable) in key.iter().chain([value]).enumerate() {
                    self.text(if i > 0 { ", " } else { "" });
                    self.variable(variable);
                }
                self.text(" in ");
                self.term(domain);
                self.text(" { ");
                self.query(query);
                self.text(" }");
            }
            Literal::NotExpr { expr, .. } => {
                self.text("not ");
                self.negated = true;
                self.expression(expr);
                self.negated = false;
            }
            Literal::Expr { expr, .. } => self.expression(expr),
        }
    }

    /// `some k, v in c` is `v = c[k]`, which has no elements where `c` is no collection; regorus has an error for the
    /// former.
    fn some_in(&mut self, key: Option<&Term>, value: &Term, collection: &Term) {
        let is_reference =
            matches!(collection.as_ref(), Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. });
        let collection = if is_reference { self.printed(collection) } else { self.named(collection) };
        let key = key.map_or_else(|| "_".to_owned(), |key| self.result(key));
        let value = self.result(value);
        let _ = write!(self.out, "{value} = {collection}[{key}]");
    }

    /// A variable for a term, bound before the statement.
    fn named(&mut self, term: &Term) -> String {
        let name = self.fresh();
        self.assigned(&name, term);
        self.text("; ");
        name
    }

    fn printed(&mut self, term: &Term) -> String {
        let start = self.out.len();
        self.term(term);
        self.out.split_off(start)
    }

    /// An expression that is a statement.
    pub(super) fn expression(&mut self, expr: &Term) {
        match expr.as_ref() {
            // OPA takes the whole statement away.
            Expr::Call { fcn, .. } if self.is_print(fcn) => {
                self.text(if self.negated { "false" } else { "true" });
            }
            Expr::Call { fcn, params, .. } => self.statement_call(expr, fcn, params),
            Expr::AssignExpr { op, lhs, rhs, .. } => self.assignment(op, lhs, rhs),
            Expr::BoolExpr { op, lhs, rhs, .. } => self.comparison(op, lhs, rhs),
            Expr::Membership { key, value, collection, .. } => {
                if let Some(key) = key {
                    self.term(key);
                    self.text(", ");
                }
                self.term(value);
                self.text(" in ");
                self.term(collection);
            }
            _ => self.term(expr),
        }
    }

    fn is_print(&self, function: &Term) -> bool {
        builtins::path(function).as_deref() == Some("print") && self.names.full("print").is_none()
    }

    /// A call may have its result as one argument more, which regorus does not know for functions of its host.
    fn statement_call(&mut self, call: &Term, fcn: &Term, params: &[Term]) {
        let arity = builtins::path(fcn).and_then(|path| self.names.arity(&path));
        let Some((result, arguments)) = params.split_last().filter(|(_, rest)| arity == Some(rest.len()))
        else {
            return self.term(call);
        };
        let result = self.result(result);
        if is_walk(fcn) {
            self.walk(&arguments[0], &result);
            return;
        }
        let _ = write!(self.out, "{result} = ");
        self.term(fcn);
        self.arguments(arguments);
    }

    /// The text of a pattern, or a variable that is the same.
    fn result(&mut self, pattern: &Term) -> String {
        if has_object(pattern) && !self.negated {
            let name = self.fresh();
            self.pending.push(Condition::Same(name.clone(), pattern.clone()));
            return name;
        }
        self.printed(pattern)
    }

    fn assignment(&mut self, op: &AssignOp, lhs: &Term, rhs: &Term) {
        match rhs.as_ref() {
            Expr::Call { fcn, params, .. } if is_walk(fcn) && params.len() == 1 => {
                let result = self.result(lhs);
                self.walk(&params[0], &result);
            }
            _ if has_object(lhs) || *op == AssignOp::Eq && has_object(rhs) => self.unify(lhs, rhs),
            _ => {
                self.term(lhs);
                if *op == AssignOp::Eq {
                    self.text(" = ");
                } else {
                    self.declare();
                }
                self.term(rhs);
            }
        }
    }

    /// Within a negation there is nothing left to bind.
    fn unify(&mut self, lhs: &Term, rhs: &Term) {
        if !self.negated {
            let mut wildcards = vec![];
            shape::wildcards(lhs, &mut wildcards);
            shape::wildcards(rhs, &mut wildcards);
            for wildcard in wildcards {
                let name = self.fresh();
                self.bound.insert(wildcard, name);
            }
            self.pending.push(Condition::Equal(lhs.clone(), rhs.clone()));
        }
        self.term(lhs);
        self.text(if self.negated { " == " } else { " = " });
        self.term(rhs);
    }

    /// What is assigned must be defined, which regorus's machine forgets. As each variable has a name of its own, `=`
    /// means the same, and there it does not.
    fn declare(&mut self) {
        self.text(if self.for_machine { " = " } else { " := " });
    }

    pub(super) fn assign_op(&mut self, op: &AssignOp) {
        self.text(if *op == AssignOp::Eq { " = " } else { " := " });
    }

    fn comparison(&mut self, op: &BoolOp, lhs: &Term, rhs: &Term) {
        self.term(lhs);
        self.text(match op {
            BoolOp::Lt => " < ",
            BoolOp::Le => " <= ",
            BoolOp::Eq => " == ",
            BoolOp::Ge => " >= ",
            BoolOp::Gt => " > ",
            BoolOp::Ne => " != ",
        });
        self.term(rhs);
    }
}
