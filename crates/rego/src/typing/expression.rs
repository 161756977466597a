//! Statements, values and calls.

use regorus::unstable::{ArithOp, BinOp, BoolOp, Expr, Literal, LiteralStmt};

use super::{Checker, Type, unifies};
use crate::builtins;
use crate::visit::{self, Term};

impl Checker<'_> {
    pub(super) fn statement(&mut self, statement: &LiteralStmt) {
        for with in &statement.with_mods {
            if !self.context.names.is_replaced(with) {
                self.value(&with.r#as);
            }
        }
        match &statement.literal {
            Literal::SomeVars { .. } => {}
            Literal::SomeIn { key, value, collection, .. } => self.some_in(key.as_ref(), value, collection),
            Literal::Every { domain, query, .. } => {
                self.value(domain);
                query.stmts.iter().for_each(|statement| self.inside_of_every(statement));
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => self.expression(expr),
        }
    }

    /// Of the body of `every` OPA looks at references and at the bodies of comprehensions, and no further.
    fn inside_of_every(&mut self, statement: &LiteralStmt) {
        let terms: Vec<&Term> = match &statement.literal {
            Literal::SomeVars { .. } => vec![],
            Literal::SomeIn { key, value, collection, .. } => key.iter().chain([value, collection]).collect(),
            Literal::Every { domain, query, .. } => {
                query.stmts.iter().for_each(|statement| self.inside_of_every(statement));
                vec![domain]
            }
            Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => vec![expr],
        };
        let values = statement.with_mods.iter().map(|with| &with.r#as);
        terms.into_iter().chain(values).for_each(|term| self.references(term));
    }

    fn references(&mut self, term: &Term) {
        match term.as_ref() {
            Expr::Var { .. } => {}
            Expr::Call { params, .. } => params.iter().for_each(|param| self.references(param)),
            other => {
                if visit::comprehension(other).is_some() || builtins::prefix(other).is_some() {
                    self.value(term);
                    return;
                }
                for child in visit::children(other) {
                    self.references(child);
                }
            }
        }
    }

    /// `some k, v in c` is `v = c[k]`.
    fn some_in(&mut self, key: Option<&Term>, value: &Term, collection: &Term) {
        let mut of = self.value(collection);
        if let (Type::Unknown, Expr::Var { span, .. }) = (&of, collection.as_ref()) {
            self.set(span, Type::ANY);
            of = Type::ANY;
        }
        let (Some(keys), Some(values)) = (of.keys(), of.values()) else {
            if of != Type::Unknown {
                self.fault(collection, "undefined ref: the collection has no elements");
            }
            return;
        };
        if values.is_unknown() {
            return;
        }
        if let Some(key) = key {
            self.value(key);
            if !self.fit(key, &keys, false) {
                self.fault(key, "undefined ref: no key of the collection is like this one");
            }
        }
        let found = self.value(value);
        if !self.same(value, &found, collection, &values) {
            self.fault(value, "match error: no element of the collection is like this");
        }
    }

    fn expression(&mut self, expr: &Term) {
        match expr.as_ref() {
            Expr::AssignExpr { lhs, rhs, .. } | Expr::BoolExpr { op: BoolOp::Eq, lhs, rhs, .. } => {
                let (right, left) = (self.value(rhs), self.value(lhs));
                if !self.same(lhs, &left, rhs, &right) {
                    self.fault(expr, "match error: the two sides are never the same");
                }
            }
            Expr::Call { fcn, params, .. } => drop(self.call(fcn, fcn, params)),
            _ => drop(self.value(expr)),
        }
    }

    /// The type of a term, and whether all in it fits.
    pub(super) fn value(&mut self, term: &Term) -> Type {
        match term.as_ref() {
            Expr::Var { span, .. } if !self.is_document(span) => self.variable(span),
            Expr::Array { items, .. } if items.is_empty() => Type::list(Type::ANY),
            Expr::Array { items, .. } => {
                Type::Array(items.iter().map(|item| self.value(item)).collect(), None)
            }
            Expr::Set { items, .. } if items.is_empty() => Type::set(Type::ANY),
            Expr::Set { items, .. } => {
                Type::set(items.iter().fold(Type::Unknown, |of, item| of.or(self.value(item))))
            }
            Expr::Object { fields, .. } => self.object(fields.iter().map(|(_, key, value)| (key, value))),
            other => match constant(other) {
                Some(value) => Type::of(&value),
                None => self.evaluated(term),
            },
        }
    }

    fn object<'t>(&mut self, fields: impl Iterator<Item = (&'t Term, &'t Term)>) -> Type {
        let (mut known, mut rest) = (vec![], None);
        for (key, value) in fields {
            let (kind, value) = (self.value(key), self.value(value));
            match constant(key) {
                Some(key) => known.push((key, value)),
                None => rest = Some(Box::new((kind, value))),
            }
        }
        if known.is_empty() && rest.is_none() {
            return Type::map(Type::ANY, Type::ANY);
        }
        Type::Object(known, rest)
    }

    /// What must be evaluated: it has one type, however often it is asked for.
    fn evaluated(&mut self, term: &Term) -> Type {
        if let Some(known) = self.known.get(&term.eidx()) {
            return known.clone();
        }
        let found = match term.as_ref() {
            Expr::Call { fcn, params, .. } => self.call(term, fcn, params),
            expr => match (visit::comprehension(expr), operator(expr)) {
                (Some(query), _) => self.closure(term, query),
                (None, Some((name, operands))) => self.builtin(term, name, &operands),
                (None, None) => self.reference(term),
            },
        };
        self.known.insert(term.eidx(), found.clone());
        found
    }

    fn call(&mut self, place: &Term, function: &Term, arguments: &[Term]) -> Type {
        let arguments: Vec<_> = arguments.iter().collect();
        let Some(path) = builtins::path(function) else { return Type::ANY };
        let Some(full) = self.context.names.full(&path) else {
            return self.builtin(place, &path, &arguments);
        };
        if let Some(Type::Function(wanted, result)) = self.types.get(&full).cloned() {
            return self.applied(place, &path, &arguments, &wanted, &result);
        }
        self.unknown(&arguments)
    }

    fn builtin(&mut self, place: &Term, name: &str, arguments: &[&Term]) -> Type {
        match builtins::find(name) {
            Some(builtin) => self.applied(place, name, arguments, &builtin.arguments, &builtin.result),
            None => self.unknown(arguments),
        }
    }

    /// A call of something that others refuse, or that was refused itself.
    fn unknown(&mut self, arguments: &[&Term]) -> Type {
        for argument in arguments {
            self.value(argument);
        }
        Type::ANY
    }

    /// The type of a call whose arguments must be of these types; one more is the result.
    fn applied(&mut self, place: &Term, name: &str, given: &[&Term], wanted: &[Type], result: &Type) -> Type {
        let found: Vec<_> = given.iter().map(|argument| self.value(argument)).collect();
        for ((argument, found), wanted) in given.iter().zip(found).zip(wanted.iter().chain([result])) {
            let may_be = found.is_unknown() || unifies(&found, wanted);
            if !may_be || !self.fit(argument, wanted, false) {
                self.fault(place, &format!("{name}: invalid argument {}", argument.span().text()));
                break;
            }
        }
        result.clone()
    }
}

/// The value of a constant.
pub fn constant(term: &Expr) -> Option<regorus::Value> {
    match term {
        Expr::String { value, .. }
        | Expr::RawString { value, .. }
        | Expr::Number { value, .. }
        | Expr::Bool { value, .. }
        | Expr::Null { value, .. } => Some(value.clone()),
        _ => None,
    }
}

/// The function that an operator stands for.
fn operator(expr: &Expr) -> Option<(&'static str, Vec<&Term>)> {
    let name = match expr {
        Expr::ArithExpr { op, .. } => match op {
            ArithOp::Add => "plus",
            ArithOp::Sub => "minus",
            ArithOp::Mul => "mul",
            ArithOp::Div => "div",
            ArithOp::Mod => "rem",
        },
        Expr::BinExpr { op: BinOp::Union, .. } => "or",
        Expr::BinExpr { .. } => "and",
        Expr::BoolExpr { op, .. } => match op {
            BoolOp::Lt => "lt",
            BoolOp::Le => "lte",
            BoolOp::Eq => "equal",
            BoolOp::Ge => "gte",
            BoolOp::Gt => "gt",
            BoolOp::Ne => "neq",
        },
        Expr::AssignExpr { .. } => "equal",
        // A number, of a number.
        Expr::UnaryExpr { .. } => "abs",
        Expr::Membership { key: None, .. } => "internal.member_2",
        Expr::Membership { .. } => "internal.member_3",
        _ => return None,
    };
    Some((name, visit::operands(expr)?))
}
