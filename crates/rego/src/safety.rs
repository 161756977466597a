//! Unsafe variables: those for which no expression gives a value. OPA refuses them; regorus evaluates on.

use std::collections::{BTreeSet, HashMap};

use regorus::unstable::{AssignOp, Expr, Literal, LiteralStmt, Module, Query, Rule, RuleHead, Span};

use super::builtins;
use super::names::Names;
use super::scope::{self, Scope};
use super::token::Fault;
use super::visit::{self, Term};

/// Variables by their own names.
type Variables = BTreeSet<String>;

/// The order in which the statements of each body are evaluated, by the place where it begins.
pub type Orders = HashMap<u32, Vec<usize>>;

/// Checks the rules of a module.
pub fn check(module: &Module, names: &Names<'_>, scope: &Scope) -> (Vec<Fault>, Orders) {
    let mut checker = Checker { names, scope, faults: vec![], orders: Orders::new() };
    for rule in &module.policy {
        checker.rule(rule);
    }
    (checker.faults, checker.orders)
}

struct Checker<'a> {
    names: &'a Names<'a>,
    scope: &'a Scope,
    faults: Vec<Fault>,
    orders: Orders,
}

impl Checker<'_> {
    fn own<'b>(&'b self, place: &'b Span) -> &'b str {
        self.scope.find(place).unwrap_or_else(|| place.text())
    }

    fn pattern(&self, term: &Expr, found: &mut Variables) {
        scope::places(term, &mut |place| found.extend([self.own(place).to_owned()]));
    }

    fn rule(&mut self, rule: &Rule) {
        let Rule::Spec { head, bodies, .. } = rule else { return };
        let mut safe = Variables::new();
        for argument in super::check::arguments(rule) {
            self.pattern(argument, &mut safe);
        }
        let (refr, key, value) = match head {
            RuleHead::Set { refr, key, .. } => (refr, key.as_ref(), None),
            RuleHead::Compr { refr, assign, .. } | RuleHead::Func { refr, assign, .. } => {
                (refr, None, assign.as_ref())
            }
        };
        let mut terms: Vec<&Term> = visit::indices(refr);
        terms.extend(key);
        let value = value.map(|assign| &assign.value);
        if bodies.is_empty() {
            self.head(terms.iter().copied().chain(value), &safe);
        }
        for body in bodies {
            let value =
                body.assign.as_ref().map(|assign| &assign.value).or(if body.is_else { None } else { value });
            let mut bound = safe.clone();
            self.body(&body.query, &mut bound);
            self.head(terms.iter().copied().chain(value), &bound);
        }
    }

    fn head<'b>(&mut self, terms: impl Iterator<Item = &'b Term>, safe: &Variables) {
        let mut bound = safe.clone();
        for term in terms {
            self.outputs(term, &mut bound);
            self.needs(term, &bound);
        }
    }

    /// Orders the statements as far as they can be; what is left is unsafe.
    fn body(&mut self, query: &Query, safe: &mut Variables) {
        let mut left: Vec<(usize, &LiteralStmt)> = query.stmts.iter().enumerate().collect();
        let mut order = vec![];
        loop {
            let before = (left.len(), safe.len());
            left.retain(|(index, statement)| {
                self.bind(statement, safe);
                let ready = self.is_ready(statement, safe);
                order.extend(ready.then_some(*index));
                !ready
            });
            if left.is_empty() || before == (left.len(), safe.len()) {
                break;
            }
        }
        self.orders.insert(query.span.start, order);
        for (_, statement) in &left {
            let mut found = vec![];
            self.unsafe_in(statement, safe, &mut found);
            self.report(statement.span.line, &found);
        }
        for statement in &query.stmts {
            self.closures(statement, safe);
        }
    }

    fn report(&mut self, line: u32, found: &[String]) {
        for name in found {
            let fault = Fault::new(line as usize, format!("rego_unsafe_var_error: var {name} is unsafe"));
            if !self.faults.contains(&fault) {
                self.faults.push(fault);
            }
        }
    }

    fn is_ready(&self, statement: &LiteralStmt, safe: &Variables) -> bool {
        let mut found = vec![];
        self.unsafe_in(statement, safe, &mut found);
        found.is_empty()
    }

    /// Adds what a statement gives values to.
    fn bind(&self, statement: &LiteralStmt, safe: &mut Variables) {
        match &statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn { key, value, collection, .. } => {
                self.outputs(collection, safe);
                if self.is_safe(collection, safe) {
                    key.iter().chain([value]).for_each(|term| self.pattern(term, safe));
                }
            }
            Literal::Every { domain, .. } => self.outputs(domain, safe),
            Literal::NotExpr { expr, .. } => {
                for operand in operands(expr) {
                    if is_call(operand) {
                        self.outputs(operand, safe);
                    }
                }
            }
            Literal::Expr { expr, .. } => self.bind_expression(expr, safe),
        }
    }

    fn bind_expression(&self, expr: &Term, safe: &mut Variables) {
        match expr.as_ref() {
            Expr::AssignExpr { op, lhs, rhs, .. } => {
                self.outputs(rhs, safe);
                if self.is_safe(rhs, safe) {
                    self.unify(lhs, safe);
                }
                if *op == AssignOp::Eq {
                    self.outputs(lhs, safe);
                    if self.is_safe(lhs, safe) {
                        self.unify(rhs, safe);
                    }
                    self.unify_parts(lhs, rhs, safe);
                }
            }
            Expr::Call { fcn, params, .. } => {
                for param in params {
                    self.outputs(param, safe);
                }
                let arity = builtins::path(fcn).and_then(|path| self.names.arity(&path));
                if let Some((result, arguments)) = params.split_last()
                    && arity == Some(arguments.len())
                    && arguments.iter().all(|argument| self.is_safe(argument, safe))
                {
                    self.pattern(result, safe);
                }
            }
            _ => self.outputs(expr, safe),
        }
    }

    fn unify(&self, term: &Term, safe: &mut Variables) {
        self.pattern(term, safe);
        self.outputs(term, safe);
    }

    /// `[a, 1] = [2, b]` binds both.
    fn unify_parts(&self, lhs: &Term, rhs: &Term, safe: &mut Variables) {
        if let (Expr::Array { items: left, .. }, Expr::Array { items: right, .. }) =
            (lhs.as_ref(), rhs.as_ref())
        {
            for (left, right) in left.iter().zip(right) {
                if self.is_safe(left, safe) {
                    self.unify(right, safe);
                }
                if self.is_safe(right, safe) {
                    self.unify(left, safe);
                }
                self.unify_parts(left, right, safe);
            }
        }
    }

    /// The variables in the brackets of references: they run over the keys.
    fn outputs(&self, term: &Expr, safe: &mut Variables) {
        match term {
            Expr::RefDot { refr, .. } => self.outputs(refr, safe),
            Expr::RefBrack { refr, index, .. } => {
                self.outputs(refr, safe);
                self.outputs(index, safe);
                if self.is_safe(refr, safe) {
                    self.pattern(index, safe);
                }
            }
            Expr::Call { params, .. } => params.iter().for_each(|param| self.outputs(param, safe)),
            Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => {}
            other => visit::children(other).into_iter().for_each(|child| self.outputs(child, safe)),
        }
    }

    fn is_safe(&self, term: &Term, safe: &Variables) -> bool {
        let mut found = vec![];
        self.unsafe_in_term(term, safe, &mut found);
        found.is_empty()
    }

    fn needs(&mut self, term: &Term, safe: &Variables) {
        let mut found = vec![];
        self.unsafe_in_term(term, safe, &mut found);
        self.report(term.span().line, &found);
        self.closures_of(term, safe);
    }

    fn unsafe_in(&self, statement: &LiteralStmt, safe: &Variables, found: &mut Vec<String>) {
        match &statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn { key, value, collection, .. } => {
                key.iter().chain([value, collection]).for_each(|term| self.unsafe_in_term(term, safe, found));
            }
            Literal::Every { domain, .. } => self.unsafe_in_term(domain, safe, found),
            Literal::Expr { expr, .. } => {
                self.unsafe_in_expression(expr, safe, found);
                if self.has_loose_wildcard(expr) {
                    found.push("_".into());
                }
            }
            Literal::NotExpr { expr, .. } => {
                self.unsafe_in_expression(expr, safe, found);
                if operands(expr).into_iter().any(|operand| !is_call(operand) && has_wildcard(operand)) {
                    found.push("_".into());
                }
            }
        }
        for with in &statement.with_mods {
            self.unsafe_in_term(&with.r#as, safe, found);
        }
    }

    fn unsafe_in_expression(&self, expr: &Term, safe: &Variables, found: &mut Vec<String>) {
        match expr.as_ref() {
            Expr::Call { params, .. } => {
                for param in params {
                    self.unsafe_in_term(param, safe, found);
                }
            }
            _ => self.unsafe_in_term(expr, safe, found),
        }
    }

    /// Whether `_` stands where nothing gives it a value.
    fn has_loose_wildcard(&self, expr: &Term) -> bool {
        match expr.as_ref() {
            Expr::AssignExpr { .. } => false,
            Expr::Call { fcn, params, .. } => {
                let arity = builtins::path(fcn).and_then(|path| self.names.arity(&path));
                params.iter().take(arity.unwrap_or(params.len())).any(|param| is_loose(param))
            }
            _ => operands(expr).into_iter().any(|operand| is_loose(operand)),
        }
    }

    fn unsafe_in_term(&self, term: &Term, safe: &Variables, found: &mut Vec<String>) {
        match term.as_ref() {
            Expr::Var { span, .. } => {
                let name = span.text();
                let known = self.scope.find(span).is_none() && self.names.is_document(name);
                if !known && name != "_" && !safe.contains(self.own(span)) {
                    found.push(name.to_owned());
                }
            }
            Expr::RefDot { refr, .. } => self.unsafe_in_term(refr, safe, found),
            Expr::RefBrack { refr, index, .. } => {
                self.unsafe_in_term(refr, safe, found);
                self.unsafe_in_term(index, safe, found);
            }
            Expr::Call { params, .. } => {
                for param in params {
                    self.unsafe_in_term(param, safe, found);
                }
            }
            Expr::ArrayCompr { .. } | Expr::SetCompr { .. } | Expr::ObjectCompr { .. } => {}
            other => {
                for child in visit::children(other) {
                    self.unsafe_in_term(child, safe, found);
                }
            }
        }
    }

    /// Checks the bodies inside a statement, for which all that it sees is bound.
    fn closures(&mut self, statement: &LiteralStmt, safe: &Variables) {
        match &statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn { key, value, collection, .. } => {
                key.iter().chain([value, collection]).for_each(|term| self.closures_of(term, safe));
            }
            Literal::Every { key, value, domain, query, .. } => {
                self.closures_of(domain, safe);
                let mut inside = safe.clone();
                inside.extend(key.iter().chain([value]).map(|variable| self.own(variable).to_owned()));
                self.body(query, &mut inside);
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.closures_of(expr, safe),
        }
        for with in &statement.with_mods {
            self.closures_of(&with.r#as, safe);
        }
    }

    fn closures_of(&mut self, term: &Term, safe: &Variables) {
        if let Some(query) = visit::comprehension(term) {
            let mut inside = safe.clone();
            self.body(query, &mut inside);
            self.head(visit::children(term).into_iter(), &inside);
            return;
        }
        match term.as_ref() {
            Expr::Call { params, .. } => params.iter().for_each(|param| self.closures_of(param, safe)),
            other => visit::children(other).into_iter().for_each(|child| self.closures_of(child, safe)),
        }
    }
}

fn operands(expr: &Term) -> Vec<&Term> {
    match expr.as_ref() {
        Expr::Call { params, .. } => params.iter().collect(),
        _ => visit::operands(expr).unwrap_or_else(|| vec![expr]),
    }
}

fn is_call(term: &Expr) -> bool {
    matches!(term, Expr::Call { .. }) || visit::operands(term).is_some()
}

/// Whether `_` stands in a term outside of a comprehension.
fn has_wildcard(term: &Expr) -> bool {
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
        _ => false,
    }
}
