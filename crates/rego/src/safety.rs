//! Unsafe variables: those for which no expression gives a value. OPA refuses them; regorus evaluates on.

mod closures;
mod wildcards;

use std::collections::{BTreeMap, BTreeSet, HashMap};

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

    /// Whether a name is that of a document, a rule or an import.
    fn is_document(&self, place: &Span) -> bool {
        self.scope.find(place).is_none() && self.names.is_document(place.text())
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
        let around = safe.clone();
        let variables = self.variables(query);
        let closed = |statement: &LiteralStmt| -> Variables {
            let closed = self.closed_over(statement);
            closed.into_iter().filter(|name| variables.contains(name) && !around.contains(name)).collect()
        };
        let mut left: Vec<_> =
            query.stmts.iter().enumerate().map(|(index, it)| (index, it, closed(it))).collect();
        let mut order = vec![];
        // What the results of calls gave a value to before their arguments had one.
        let mut early: BTreeMap<usize, Variables> = BTreeMap::new();
        loop {
            let before = (left.len(), safe.len());
            left.retain(|(index, statement, closed)| {
                let bound = self.bound(statement, safe);
                let is_bound = self.is_ready(statement, &bound);
                let ready = is_bound && may_follow(closed, safe, &bound);
                if ready {
                    order.push(*index);
                } else if is_bound && closures::is_in_call(statement) {
                    let outputs = bound.difference(safe).cloned();
                    early.entry(*index).or_default().extend(outputs);
                }
                if ready || early.contains_key(index) {
                    *safe = bound;
                }
                !ready
            });
            if left.is_empty() || before == (left.len(), safe.len()) {
                break;
            }
        }
        for (index, outputs) in &early {
            self.used_early(query, &order, *index, outputs);
        }
        self.orders.insert(query.span.start, order);
        for (_, statement, closed) in &left {
            let bound = self.bound(statement, safe);
            let mut found = vec![];
            self.unsafe_in(statement, &bound, &mut found);
            if found.is_empty() {
                found.extend(closed.difference(safe).cloned());
            }
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

    /// What has a value after a statement.
    fn bound(&self, statement: &LiteralStmt, safe: &Variables) -> Variables {
        let mut bound = safe.clone();
        loop {
            let before = bound.len();
            self.bind(statement, &mut bound);
            if bound.len() == before {
                return bound;
            }
        }
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
                if self.is_known(rhs, safe) {
                    self.unify(lhs, safe);
                }
                if *op == AssignOp::Eq {
                    self.outputs(lhs, safe);
                    if self.is_known(lhs, safe) {
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
        for (left, right) in wildcards::parts(lhs, rhs) {
            if self.is_known(left, safe) {
                self.unify(right, safe);
            }
            if self.is_known(right, safe) {
                self.unify(left, safe);
            }
            self.unify_parts(left, right, safe);
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
                if self.has_loose_wildcard(expr, safe) {
                    found.push("_".into());
                }
            }
            Literal::NotExpr { expr, .. } => {
                self.unsafe_in_expression(expr, safe, found);
                if operands(expr)
                    .into_iter()
                    .any(|operand| !is_call(operand) && wildcards::has_wildcard(operand))
                {
                    found.push("_".into());
                }
            }
        }
        for with in statement.with_mods.iter().filter(|with| !self.names.is_replaced(with)) {
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

    fn unsafe_in_term(&self, term: &Term, safe: &Variables, found: &mut Vec<String>) {
        closures::outside(term, &mut |place| {
            let name = place.text();
            if !self.is_document(place) && name != "_" && !safe.contains(self.own(place)) {
                found.push(name.to_owned());
            }
        });
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
            self.template(term, query, inside.difference(safe));
            return;
        }
        match term.as_ref() {
            Expr::Call { params, .. } => params.iter().for_each(|param| self.closures_of(param, safe)),
            other => visit::children(other).into_iter().for_each(|child| self.closures_of(child, safe)),
        }
    }
}

/// Whether all that a statement closes over has a value before it. Nothing closes over just what it gives values to.
fn may_follow(closed: &Variables, safe: &Variables, bound: &Variables) -> bool {
    let own = bound.difference(safe);
    closed.is_empty() || closed.is_subset(bound) && !closed.iter().eq(own)
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

#[cfg(test)]
mod tests;
