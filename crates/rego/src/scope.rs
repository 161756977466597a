//! Declared variables: each has a name of its own in the printed module, so that no rule, import or other variable has
//! the same.

use std::collections::{BTreeSet, HashMap};

use regorus::unstable::{AssignOp, Expr, Literal, LiteralStmt, Module, Query, Rule, RuleHead, Span};

use super::visit::{self, Term};

/// How the names begin that only printed modules have.
pub const RESERVED: &str = "__bound_";

/// The names of the declared variables of a module, by the place where they stand.
#[derive(Default)]
pub struct Scope {
    names: HashMap<u32, String>,
}

impl Scope {
    /// Finds what declares each name.
    pub fn new(module: &Module) -> Self {
        let mut resolver = Resolver { open: vec![], count: 0, found: Self::default() };
        for rule in &module.policy {
            resolver.rule(rule);
        }
        resolver.found
    }

    /// The own name of a declared variable; none for rules, imports, and variables that nothing declares.
    pub fn find(&self, place: &Span) -> Option<&str> {
        self.names.get(&place.start).map(String::as_str)
    }
}

struct Resolver {
    /// The innermost last.
    open: Vec<HashMap<String, String>>,
    count: usize,
    found: Scope,
}

impl Resolver {
    fn rule(&mut self, rule: &Rule) {
        let Rule::Spec { head, bodies, .. } = rule else { return };
        let (refr, terms, assign) = match head {
            RuleHead::Compr { refr, assign, .. } => (refr, vec![], assign.as_ref()),
            RuleHead::Set { refr, key, .. } => (refr, key.iter().collect(), None),
            RuleHead::Func { refr, args, assign, .. } => (refr, args.iter().collect(), assign.as_ref()),
        };
        let mut arguments = BTreeSet::new();
        if let RuleHead::Func { args, .. } = head {
            for argument in args {
                pattern(argument, &mut arguments);
            }
        }
        self.push(&arguments);
        let first = bodies.first().filter(|body| !body.is_else);
        self.push(&first.map(|body| declared_in(&body.query)).unwrap_or_default());
        for term in visit::indices(refr).into_iter().chain(terms).chain(assign.map(|assign| &assign.value)) {
            self.term(term);
        }
        if let Some(body) = first {
            self.statements(&body.query);
        }
        self.open.pop();
        for body in bodies.iter().skip(usize::from(first.is_some())) {
            self.push(&declared_in(&body.query));
            if let Some(assign) = &body.assign {
                self.term(&assign.value);
            }
            self.statements(&body.query);
            self.open.pop();
        }
        self.open.pop();
    }

    fn push(&mut self, names: &BTreeSet<String>) {
        self.count += 1;
        let count = self.count;
        let names = names.iter().filter(|name| *name != "_");
        self.open.push(names.map(|name| (name.clone(), format!("{RESERVED}{name}_{count}"))).collect());
    }

    fn name(&mut self, place: &Span) {
        if let Some(name) = self.open.iter().rev().find_map(|scope| scope.get(place.text())) {
            self.found.names.insert(place.start, name.clone());
        }
    }

    fn statements(&mut self, query: &Query) {
        for statement in &query.stmts {
            self.literal(&statement.literal);
            for with in &statement.with_mods {
                self.term(&with.r#as);
            }
        }
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::SomeVars { vars, .. } => vars.iter().for_each(|var| self.name(var)),
            Literal::SomeIn { key, value, collection, .. } => {
                key.iter().chain([value, collection]).for_each(|term| self.term(term));
            }
            Literal::Every { key, value, domain, query, .. } => {
                self.term(domain);
                let variables = key.iter().chain([value]);
                self.push(&variables.clone().map(|variable| variable.text().to_owned()).collect());
                for variable in variables {
                    self.name(variable);
                }
                self.push(&declared_in(query));
                self.statements(query);
                self.open.truncate(self.open.len() - 2);
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.term(expr),
        }
    }

    fn term(&mut self, term: &Term) {
        match term.as_ref() {
            Expr::Var { span, .. } => self.name(span),
            Expr::RefDot { refr, .. } => self.term(refr),
            Expr::RefBrack { refr, index, .. } => {
                self.term(refr);
                self.term(index);
            }
            Expr::Call { fcn, params, .. } => {
                self.term(fcn);
                for param in params {
                    self.term(param);
                }
            }
            expr => {
                let inner = visit::comprehension(expr);
                if let Some(query) = inner {
                    self.push(&declared_in(query));
                    self.statements(query);
                }
                for child in visit::children(expr) {
                    self.term(child);
                }
                if inner.is_some() {
                    self.open.pop();
                }
            }
        }
    }
}

/// The variables that the statements of a body declare, without those of the bodies in them.
fn declared_in(query: &Query) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for statement in &query.stmts {
        declares(statement, &mut found);
    }
    found
}

fn declares(statement: &LiteralStmt, found: &mut BTreeSet<String>) {
    match &statement.literal {
        Literal::SomeVars { vars, .. } => found.extend(vars.iter().map(|var| var.text().to_owned())),
        Literal::SomeIn { key, value, .. } => key.iter().chain([value]).for_each(|term| pattern(term, found)),
        Literal::Expr { expr, .. } => {
            if let Expr::AssignExpr { op: AssignOp::ColEq, lhs, .. } = expr.as_ref() {
                pattern(lhs, found);
            }
        }
        Literal::Every { .. } | Literal::NotExpr { .. } => {}
    }
}

/// The variables of a pattern: those in arrays and in the values of objects.
pub fn pattern(term: &Expr, found: &mut BTreeSet<String>) {
    places(term, &mut |span| found.extend([span.text().to_owned()]));
}

/// The places of the variables of a pattern.
pub fn places(term: &Expr, found: &mut dyn FnMut(&Span)) {
    match term {
        Expr::Var { span, .. } => found(span),
        Expr::Array { items, .. } => items.iter().for_each(|item| places(item, found)),
        Expr::Object { fields, .. } => fields.iter().for_each(|(_, _, value)| places(value, found)),
        _ => {}
    }
}
