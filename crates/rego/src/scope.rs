//! Declared variables: each has a name of its own in the printed module, so that no rule, import or other variable has
//! the same.
//!
//! OPA reads a body from top to bottom. What stands above the declaration of a name does not mean the declared
//! variable, not even inside of a comprehension; but no rule or import has the name anywhere in the body.

use std::collections::{BTreeSet, HashMap};

use regorus::unstable::{
    AssignOp, Expr, Literal, LiteralStmt, Module, Query, Rule, RuleBody, RuleHead, Span,
};

use super::keywords::PREFIX;
use super::token::Fault;
use super::visit::{self, Term};

/// How the names begin that only printed modules have.
pub const RESERVED: &str = "__bound_";

/// The names of the declared variables of a module, by the place where they stand.
#[derive(Default)]
pub struct Scope {
    names: HashMap<u32, String>,
    /// What OPA refuses about declarations.
    pub faults: Vec<Fault>,
}

impl Scope {
    /// Finds what declares each name.
    pub fn new(module: &Module) -> Self {
        let mut resolver = Resolver { open: vec![], count: 0, v1: module.rego_v1, found: Self::default() };
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

/// How a body met a name first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum First {
    Argument,
    /// By `some` or `every`, in this line.
    Declared(u32),
    Assigned,
    Referenced,
}

struct Variable {
    own: String,
    first: First,
    used: bool,
}

/// A body.
#[derive(Default)]
struct Body {
    variables: HashMap<String, Variable>,
    /// What is declared anywhere in it.
    declared: BTreeSet<String>,
}

/// The variables in the arguments of a rule, which its bodies share.
struct Arguments {
    names: BTreeSet<String>,
    number: usize,
}

struct Resolver {
    /// The innermost last.
    open: Vec<Body>,
    count: usize,
    /// Rego 1.0 keeps `input` and `data` for the documents.
    v1: bool,
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
        self.count += 1;
        let arguments = Arguments { names: arguments, number: self.count };
        let terms = visit::indices(refr).into_iter().chain(terms).chain(assign.map(|assign| &assign.value));
        let (first, rest) = match bodies.split_first() {
            Some((first, rest)) if !first.is_else => (Some(first), rest),
            _ => (None, bodies.as_slice()),
        };
        self.definition(&arguments, terms, first);
        for body in rest {
            self.definition(&arguments, body.assign.iter().map(|assign| &assign.value), Some(body));
        }
    }

    /// A body with its head: the head sees what the body declares.
    fn definition<'t>(
        &mut self,
        arguments: &Arguments,
        terms: impl Iterator<Item = &'t Term>,
        body: Option<&RuleBody>,
    ) {
        let mut declared = body.map(|body| declared_in(&body.query)).unwrap_or_default();
        declared.extend(arguments.names.iter().cloned());
        self.push(declared);
        for name in arguments.names.iter().filter(|name| *name != "_") {
            self.insert(name, arguments.number, First::Argument);
        }
        if let Some(body) = body {
            self.statements(&body.query);
        }
        for term in terms {
            self.term(term);
        }
        self.pop();
    }

    fn push(&mut self, declared: BTreeSet<String>) {
        self.open.push(Body { variables: HashMap::new(), declared });
    }

    /// A variable that is declared must be used.
    fn pop(&mut self) {
        for (name, variable) in self.open.pop().into_iter().flat_map(|body| body.variables) {
            if let (First::Declared(line), false) = (variable.first, variable.used) {
                self.fault(line, &format!("declared var {name} unused"));
            }
        }
    }

    fn fault(&mut self, line: u32, said: &str) {
        self.found.faults.push(Fault::new(line as usize, format!("rego_compile_error: {said}")));
    }

    /// A name of its own for a variable of the innermost body.
    fn insert(&mut self, name: &str, number: usize, first: First) {
        let own = format!("{RESERVED}{name}_{number}");
        if let Some(body) = self.open.last_mut() {
            body.variables.insert(name.to_owned(), Variable { own, first, used: false });
        }
    }

    /// Declares a variable in the innermost body, where its name must be new.
    fn declare(&mut self, place: &Span, first: First) {
        let name = place.text();
        if name == "_" {
            return;
        }
        if self.v1 && matches!(name, "input" | "data") {
            self.fault(
                place.line,
                &format!("variables must not shadow {name} (use a different variable name)"),
            );
        }
        let before = self.open.last().and_then(|body| body.variables.get(name)).map(|before| before.first);
        match before {
            None => {
                self.count += 1;
                self.insert(name, self.count, first);
            }
            Some(First::Argument) => self.fault(place.line, &format!("arg {name} redeclared")),
            Some(before) => {
                let how = match before {
                    First::Declared(_) => "declared",
                    First::Assigned => "assigned",
                    _ => "referenced",
                };
                self.fault(place.line, &format!("var {name} {how} above"));
            }
        }
    }

    /// A name that is no declaration.
    fn name(&mut self, place: &Span) {
        let name = place.text();
        if name == "_" {
            return;
        }
        let shadowed = self.open.iter().any(|body| body.declared.contains(name));
        if let Some(variable) = self.open.iter_mut().rev().find_map(|body| body.variables.get_mut(name)) {
            variable.used = true;
            if variable.own != name {
                self.found.names.insert(place.start, variable.own.clone());
            }
            return;
        }
        // Below it is declared in this body or in one around it: until then it is a variable of no declaration.
        let own = if shadowed { format!("{RESERVED}{name}") } else { name.to_owned() };
        if shadowed {
            self.found.names.insert(place.start, own.clone());
        }
        if let Some(body) = self.open.last_mut() {
            body.variables.insert(name.to_owned(), Variable { own, first: First::Referenced, used: true });
        }
    }

    /// From here on the innermost body knows a name that it does not declare: that of a function.
    fn mention(&mut self, function: &str) {
        let Some(body) = self.open.last_mut() else { return };
        for own in [function.to_owned(), format!("{PREFIX}{function}")] {
            if body.declared.contains(&own) {
                let variable = Variable { own: own.clone(), first: First::Referenced, used: true };
                body.variables.entry(own).or_insert(variable);
            }
        }
    }

    fn statements(&mut self, query: &Query) {
        query.stmts.iter().for_each(|statement| self.statement(statement));
    }

    fn statement(&mut self, statement: &LiteralStmt) {
        let with = statement.with_mods.iter().map(|with| &with.r#as);
        match &statement.literal {
            Literal::SomeVars { vars, .. } => {
                for var in vars {
                    self.declare(var, First::Declared(var.line));
                }
            }
            Literal::SomeIn { key, value, collection, .. } => {
                self.some_in(key.iter().chain([value]), collection);
            }
            Literal::Every { key, value, domain, query, .. } => {
                self.term(domain);
                self.every(key.iter().chain([value]), query);
            }
            Literal::Expr { expr, .. } => match expr.as_ref() {
                Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } => {
                    self.term(rhs);
                    with.clone().for_each(|value| self.term(value));
                    self.assign(lhs);
                    return;
                }
                _ => self.term(expr),
            },
            Literal::NotExpr { expr, .. } => {
                if matches!(expr.as_ref(), Expr::AssignExpr { op: AssignOp::ColEq, .. }) {
                    self.fault(expr.span().line, "cannot assign vars inside negated expression");
                }
                self.term(expr);
            }
        }
        with.for_each(|value| self.term(value));
    }

    /// Declares what is left of `in`, but for what the collection itself names.
    fn some_in<'a>(&mut self, items: impl Iterator<Item = &'a Term> + Clone, collection: &'a Term) {
        let mut named = BTreeSet::new();
        visit::term(collection, true, &mut |node| {
            if let visit::Node::Term { term, .. } = node {
                root_place(term, &mut |place| named.extend([place.text().to_owned()]));
            }
        });
        for item in items.clone() {
            places(item, &mut |place| {
                if !named.contains(place.text()) {
                    self.declare(place, First::Declared(place.line));
                }
            });
        }
        items.chain([collection]).for_each(|term| self.term(term));
    }

    fn every<'a>(&mut self, variables: impl Iterator<Item = &'a Span> + Clone, query: &Query) {
        let mut declared = declared_in(query);
        declared.extend(variables.clone().map(|variable| variable.text().to_owned()));
        self.push(declared);
        for variable in variables {
            self.declare(variable, First::Declared(variable.line));
            let own =
                self.open.last().and_then(|body| Some(body.variables.get(variable.text())?.own.clone()));
            self.found.names.extend(own.map(|own| (variable.start, own)));
        }
        self.statements(query);
        self.pop();
    }

    /// The left side of `:=`.
    fn assign(&mut self, target: &Term) {
        match target.as_ref() {
            Expr::Var { span, .. } => {
                self.declare(span, First::Assigned);
                self.name(span);
            }
            Expr::Array { items, .. } => items.iter().for_each(|item| self.assign(item)),
            Expr::Object { fields, .. } => {
                for (_, key, value) in fields {
                    self.term(key);
                    self.assign(value);
                }
            }
            other => self.fault(other.span().line, &format!("cannot assign to {}", other.span().text())),
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
                self.called(fcn);
                for param in params {
                    self.term(param);
                }
            }
            expr => {
                let inner = visit::comprehension(expr);
                if let Some(query) = inner {
                    self.push(declared_in(query));
                    self.statements(query);
                }
                for child in visit::children(expr) {
                    self.term(child);
                }
                if inner.is_some() {
                    self.pop();
                }
            }
        }
    }

    /// The name of a function is no variable.
    fn called(&mut self, function: &Term) {
        match function.as_ref() {
            Expr::Var { span, .. } => {
                let name = span.text();
                // A variable of this name has another one by now.
                let other = format!("{PREFIX}{name}");
                let known =
                    |body: &'_ Body, name: &str| body.variables.get(name).is_some_and(|of| of.own != name);
                if self.open.iter().any(|body| known(body, name) || known(body, &other)) {
                    self.fault(span.line, &format!("called function {name} shadowed"));
                }
                self.mention(name);
            }
            Expr::RefDot { refr, .. } => self.called(refr),
            Expr::RefBrack { refr, index, .. } => {
                self.called(refr);
                self.term(index);
            }
            _ => self.term(function),
        }
    }
}

/// The place of the name with which a term begins.
pub fn root_place(term: &Expr, found: &mut dyn FnMut(&Span)) {
    match term {
        Expr::Var { span, .. } => found(span),
        Expr::RefDot { refr, .. } | Expr::RefBrack { refr, .. } => root_place(refr, found),
        _ => {}
    }
}

/// The variables that the statements of a body declare, without those of the comprehensions in them.
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
        Literal::Every { query, .. } => query.stmts.iter().for_each(|statement| declares(statement, found)),
        Literal::NotExpr { .. } => {}
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
