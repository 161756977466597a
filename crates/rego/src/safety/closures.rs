//! What closures see: a comprehension, or the body of `every`, comes after all that gives values to the variables of the
//! body around it. Where each of two statements would have to come first, OPA finds the variable unsafe.

use regorus::unstable::{Expr, Literal, LiteralStmt, Query, Span};

use super::{Checker, Variables};
use crate::literals::TEMPLATE;
use crate::scope::{self, RESERVED};
use crate::token::Fault;
use crate::visit::{self, Node, Term};

/// Of what OPA compiles by an accident: the result of a call counts as known before its arguments are.
const EARLY: &str = "this engine does not know the order in which OPA evaluates a call with a comprehension whose variable \
                     gets its value from the result of the call";

/// Whether a statement gives a variable the result of a call.
pub(super) fn is_in_call(statement: &LiteralStmt) -> bool {
    let Literal::Expr { expr, .. } = &statement.literal else { return false };
    matches!(expr.as_ref(), Expr::AssignExpr { rhs, .. } if super::is_call(rhs))
}

impl Checker<'_> {
    /// What is wrong where statements that stand before a call, in the order of evaluation, use its result.
    pub(super) fn used_early(&mut self, query: &Query, order: &[usize], call: usize, outputs: &Variables) {
        let Some(at) = order.iter().position(|index| *index == call) else { return };
        let uses = |index: &usize| {
            let statement = &query.stmts[*index];
            let mut used = self.closed_over(statement);
            operands(statement, &mut |term| outside(term, &mut |place| self.add(place, &mut used)));
            !used.is_disjoint(outputs)
        };
        if order[..at].iter().any(uses) {
            self.faults.push(Fault::limit(query.stmts[call].span.line as usize, EARLY));
        }
    }

    /// The variables of a body, without those inside of closures.
    pub(super) fn variables(&self, query: &Query) -> Variables {
        let mut found = Variables::new();
        for statement in &query.stmts {
            operands(statement, &mut |term| outside(term, &mut |place| self.add(place, &mut found)));
        }
        found
    }

    /// The variables inside of the closures of a statement.
    pub(super) fn closed_over(&self, statement: &LiteralStmt) -> Variables {
        let mut found = Variables::new();
        operands(statement, &mut |term| {
            closures(term, &mut |closure| {
                visit::term(closure, true, &mut |node| self.add_root(&node, &mut found));
            });
        });
        if let Literal::Every { query, .. } = &statement.literal {
            visit::query(query, true, &mut |node| self.add_root(&node, &mut found));
        }
        found
    }

    /// A part of a template string declares no variable, and has one value.
    pub(super) fn template<'v>(
        &mut self,
        term: &Term,
        query: &Query,
        bound: impl Iterator<Item = &'v String>,
    ) {
        let Expr::ObjectCompr { value, .. } = term.as_ref() else { return };
        if !matches!(value.as_ref(), Expr::Var { span, .. } if span.text() == TEMPLATE) {
            return;
        }
        let mut bound: Vec<_> = bound.filter(|name| !name.starts_with(RESERVED)).cloned().collect();
        for statement in &query.stmts {
            let mut has_wildcard = false;
            operands(statement, &mut |term| has_wildcard |= super::wildcards::has_wildcard(term));
            bound.extend(has_wildcard.then(|| "_".to_owned()));
        }
        let said = |name: String| format!("rego_compile_error: var {name} is undeclared");
        let line = term.span().line as usize;
        self.faults.extend(bound.into_iter().map(|name| Fault::new(line, said(name))));
    }

    fn add(&self, place: &Span, found: &mut Variables) {
        let known = place.text() == "_" || self.is_document(place);
        found.extend((!known).then(|| self.own(place).to_owned()));
    }

    fn add_root(&self, node: &Node<'_>, found: &mut Variables) {
        if let Node::Term { term, .. } = node {
            scope::root_place(term, &mut |place| self.add(place, found));
        }
    }
}

/// The terms of a statement, without those of the body of `every`.
fn operands<'t>(statement: &'t LiteralStmt, found: &mut dyn FnMut(&'t Term)) {
    match &statement.literal {
        Literal::SomeVars { .. } => {}
        Literal::SomeIn { key, value, collection, .. } => {
            key.iter().chain([value, collection]).for_each(&mut *found);
        }
        Literal::Every { domain, .. } => found(domain),
        Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => found(expr),
    }
    statement.with_mods.iter().for_each(|with| found(&with.r#as));
}

/// The places of the variables of a term that stand in no closure. The name of a function is none.
pub(super) fn outside(term: &Term, found: &mut dyn FnMut(&Span)) {
    match term.as_ref() {
        Expr::Var { span, .. } => found(span),
        Expr::RefDot { refr, .. } => outside(refr, found),
        Expr::RefBrack { refr, index, .. } => {
            outside(refr, found);
            outside(index, found);
        }
        Expr::Call { params, .. } => params.iter().for_each(|param| outside(param, found)),
        Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => {}
        other => visit::children(other).into_iter().for_each(|child| outside(child, found)),
    }
}

/// The outermost comprehensions of a term.
fn closures(term: &Term, found: &mut dyn FnMut(&Term)) {
    if visit::comprehension(term).is_some() {
        return found(term);
    }
    match term.as_ref() {
        Expr::Call { params, .. } => params.iter().for_each(|param| closures(param, found)),
        other => visit::children(other).into_iter().for_each(|child| closures(child, found)),
    }
}
