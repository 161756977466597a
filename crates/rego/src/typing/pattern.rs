//! Variables, and patterns that give them types.

use regorus::unstable::{Expr, Span};

use super::expression::constant;
use super::{Checker, Type, unifies};
use crate::builtins::{self, Builtin};
use crate::keywords::PREFIX;
use crate::visit::Term;

impl Checker<'_> {
    pub(super) fn is_document(&self, place: &Span) -> bool {
        self.context.scope.find(place).is_none() && self.context.names.is_document(place.text())
    }

    fn own(&self, place: &Span) -> String {
        self.context.scope.find(place).unwrap_or_else(|| place.text()).to_owned()
    }

    /// What is known of a variable. To OPA one that nothing declares is the function of its name, if there is one.
    pub(super) fn variable(&self, place: &Span) -> Type {
        let name = self.own(place);
        let found = self.open.iter().rev().find_map(|body| body.get(&name)).cloned();
        let function = || builtins::find(name.strip_prefix(PREFIX).unwrap_or(&name)).map(Builtin::of);
        found.or_else(function).unwrap_or(Type::Unknown)
    }

    /// From now on a variable has this type; each wildcard is another variable.
    pub(super) fn set(&mut self, place: &Span, found: Type) {
        let name = self.own(place);
        if name != "_"
            && let Some(body) = self.open.last_mut()
        {
            body.insert(name, found);
        }
    }

    /// Whether two terms may be the same; it gives types to the variables in them.
    pub(super) fn same(&mut self, one: &Term, left: &Type, other: &Term, right: &Type) -> bool {
        match (left.is_unknown(), right.is_unknown()) {
            (true, false) => return self.fit(one, right, false),
            (false, true) => return self.fit(other, left, false),
            (false, false) => return unifies(left, right),
            (true, true) => {}
        }
        match (one.as_ref(), other.as_ref()) {
            (Expr::Array { items, .. }, Expr::Array { items: others, .. }) => {
                items.len() == others.len()
                    && items.iter().zip(others).all(|(one, other)| self.alike(one, other))
            }
            (Expr::Object { fields, .. }, Expr::Object { fields: others, .. }) => {
                fields.len() == others.len()
                    && fields.iter().all(|(_, key, value)| {
                        let same = others.iter().find(|(_, other, _)| {
                            constant(key).is_some_and(|key| constant(other) == Some(key))
                        });
                        same.is_some_and(|(_, _, other)| self.alike(value, other))
                    })
            }
            (Expr::Var { .. } | Expr::Array { .. } | Expr::Object { .. }, Expr::Var { .. }) => {
                self.fit(one, &Type::ANY, false) && {
                    let found = self.value(one);
                    self.fit(other, &found, false)
                }
            }
            (Expr::Var { .. }, Expr::Array { .. } | Expr::Object { .. }) => {
                self.fit(other, &Type::ANY, false) && {
                    let found = self.value(other);
                    self.fit(one, &found, false)
                }
            }
            (Expr::Var { .. }, _) => *right != Type::Unknown && self.fit(one, right, false),
            (_, Expr::Var { .. }) => *left != Type::Unknown && self.fit(other, left, false),
            _ => false,
        }
    }

    fn alike(&mut self, one: &Term, other: &Term) -> bool {
        let (left, right) = (self.value(one), self.value(other));
        self.same(one, &left, other, &right)
    }

    /// Whether a term may be of a type; it gives types to its variables, of which each may get several in a union.
    pub(super) fn fit(&mut self, term: &Term, wanted: &Type, union: bool) -> bool {
        match (term.as_ref(), wanted) {
            (Expr::Var { span, .. }, _) if !self.is_document(span) => {
                let before = self.variable(span);
                if !union && before != Type::Unknown {
                    return unifies(&before, wanted);
                }
                self.set(span, before.or(wanted.clone()));
                true
            }
            (Expr::Array { .. } | Expr::Object { .. } | Expr::Set { .. }, Type::Any(of)) => {
                if of.is_empty() {
                    self.parts(term);
                    return true;
                }
                // Each of them gives its types, whether or not one before it fits.
                let fitting = of.iter().filter(|one| self.fit(term, one, true)).count();
                fitting > 0
            }
            (Expr::Array { items, .. }, Type::Array(wanted, rest)) => {
                (items.len() == wanted.len() || rest.is_some())
                    && items.iter().enumerate().all(|(i, item)| {
                        wanted.get(i).or(rest.as_deref()).is_some_and(|wanted| self.fit(item, wanted, union))
                    })
            }
            (Expr::Object { fields, .. }, Type::Object(wanted_fields, rest)) => {
                (fields.len() == wanted_fields.len() || rest.is_some())
                    && fields.iter().all(|(_, key, value)| match constant(key) {
                        Some(key) => {
                            wanted.select(&key).is_some_and(|wanted| self.fit(value, &wanted, union))
                        }
                        None => self.fit(value, &Type::ANY, union),
                    })
            }
            (Expr::Set { items, .. }, Type::Set(of)) => items.iter().all(|item| self.fit(item, of, union)),
            (Expr::Array { .. } | Expr::Object { .. } | Expr::Set { .. }, _) => false,
            _ => {
                let found = self.value(term);
                unifies(&found, wanted)
            }
        }
    }

    /// All variables of a composite term may be anything.
    fn parts(&mut self, term: &Term) {
        for part in crate::visit::children(term) {
            self.fit(part, &Type::ANY, true);
        }
    }
}
