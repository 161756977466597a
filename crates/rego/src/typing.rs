//! The check of types that OPA's compiler makes: which terms can never have the value that is asked of them.

mod expression;
mod pattern;
mod reference;

use std::collections::HashMap;

use regorus::unstable::{Expr, Query, Rule, RuleAssign, RuleBody, RuleHead};

pub use expression::constant;

use super::names::Names;
use super::safety::Orders;
use super::scope::{self, Scope};
use super::token::Fault;
use super::types::{Type, unifies};
use super::visit::{self, Term};

/// The types of rules by their full path.
pub type Types = HashMap<String, Type>;

/// What is known of a module beside its text.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// What its names mean.
    pub names: &'a Names<'a>,
    /// Its declared variables.
    pub scope: &'a Scope,
    /// The order in which the statements of its bodies are evaluated.
    pub orders: &'a Orders,
}

/// Checks a definition of a rule, and adds its type to that of the definitions before it. The rules that it reads must
/// have been checked.
pub fn check(rule: &Rule, path: &str, context: Context<'_>, types: &mut Types) -> Vec<Fault> {
    let mut checker = Checker { context, types, open: vec![], known: HashMap::new(), faults: vec![] };
    let found = checker.rule(rule);
    let faults = checker.faults;
    // Of what is wrong itself nothing says that it does not fit.
    let found = if faults.is_empty() { found } else { Type::ANY };
    let before = types.remove(path).unwrap_or(Type::Unknown);
    types.insert(path.to_owned(), before.merge(found));
    faults
}

/// Whether Gatekeeper's hook can ask for `msg` and `details` of what a rule of this type has.
pub fn is_asked(violation: &Type) -> bool {
    let (any, message) = (Type::map(Type::ANY, Type::ANY), regorus::Value::from("msg"));
    !matches!(violation, Type::Function(..))
        && violation.keys().is_some_and(|one| unifies(&one, &any) && one.select(&message).is_some())
}

struct Checker<'a> {
    context: Context<'a>,
    types: &'a Types,
    /// The types of variables, the innermost body last.
    open: Vec<HashMap<String, Type>>,
    /// The types of references, calls and comprehensions that were met, by the expression's index.
    known: HashMap<u32, Type>,
    faults: Vec<Fault>,
}

impl Checker<'_> {
    fn fault(&mut self, term: &Term, said: &str) {
        let fault = Fault::new(term.span().line as usize, format!("rego_type_error: {said}"));
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    fn rule(&mut self, rule: &Rule) -> Type {
        match rule {
            Rule::Default { args, value, .. } => {
                self.open.push(HashMap::new());
                let result = self.value(value);
                self.open.pop();
                function(args.iter().map(|_| Type::ANY).collect(), result)
            }
            Rule::Spec { head, bodies, .. } => {
                let Some((first, rest)) = bodies.split_first() else { return self.definition(head, None) };
                let found = self.definition(head, Some(first));
                rest.iter().fold(found, |found, body| found.or(self.definition(head, Some(body))))
            }
        }
    }

    /// The type of one body with its head.
    fn definition(&mut self, head: &RuleHead, body: Option<&RuleBody>) -> Type {
        self.open.push(HashMap::new());
        if let Some(body) = body {
            self.body(&body.query);
        }
        let assign = |assign: Option<&RuleAssign>| match body {
            Some(body) if body.is_else => body.assign.as_ref().map(|assign| assign.value.clone()),
            _ => assign.map(|assign| assign.value.clone()),
        };
        let found = match head {
            RuleHead::Set { key: Some(key), .. } => Type::set(self.value(key)),
            RuleHead::Set { refr, .. } => self.keyed(refr, Type::Boolean),
            RuleHead::Compr { refr, assign: value, .. } => {
                let value = assign(value.as_ref()).map_or(Type::Boolean, |value| self.value(&value));
                self.keyed(refr, value)
            }
            RuleHead::Func { args, assign: value, .. } => {
                let arguments = args.iter().map(|argument| self.argument(argument)).collect();
                let result = assign(value.as_ref()).map_or(Type::Boolean, |value| self.value(&value));
                function(arguments, result)
            }
        };
        self.open.pop();
        found
    }

    /// `p[x] = y` is a part of an object.
    fn keyed(&mut self, refr: &Term, value: Type) -> Type {
        let indices = visit::indices(refr);
        indices.into_iter().fold(value, |value, index| Type::map(self.value(index), value))
    }

    /// What a body says of an argument; what it does not use, and `_`, may be anything.
    fn argument(&mut self, argument: &Term) -> Type {
        scope::places(argument, &mut |place| {
            if self.variable(place) == Type::Unknown {
                self.set(place, Type::ANY);
            }
        });
        self.value(argument).or_anything()
    }

    fn body(&mut self, query: &Query) {
        let order = self.context.orders.get(&query.span.start);
        let in_turn: Vec<usize> = (0..query.stmts.len()).collect();
        for index in order.unwrap_or(&in_turn) {
            if let Some(statement) = query.stmts.get(*index) {
                self.statement(statement);
            }
        }
    }

    /// The type of a comprehension, whose body sees the variables around it.
    fn closure(&mut self, term: &Term, query: &Query) -> Type {
        let before = self.faults.len();
        self.open.push(HashMap::new());
        self.body(query);
        let mut parts = visit::children(term).into_iter().map(|part| self.value(part)).collect::<Vec<_>>();
        self.open.pop();
        if self.faults.len() > before {
            return Type::Unknown;
        }
        let last = parts.pop().unwrap_or(Type::Unknown);
        match term.as_ref() {
            Expr::ArrayCompr { .. } => Type::list(last),
            Expr::SetCompr { .. } => Type::set(last),
            _ => Type::map(parts.pop().unwrap_or(Type::Unknown), last),
        }
    }
}

fn function(arguments: Vec<Type>, result: Type) -> Type {
    if arguments.is_empty() { result } else { Type::Function(arguments, Box::new(result)) }
}
