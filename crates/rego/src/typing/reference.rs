//! References: whether what they lead to can be there.

use regorus::Value;
use regorus::unstable::{Expr, Span};

use super::expression::constant;
use super::{Checker, Type, unifies};
use crate::visit::Term;

/// A part of a reference behind its root.
enum Part<'t> {
    /// `.name`
    Name(Value),
    /// `[term]`
    Index(&'t Term),
}

impl Checker<'_> {
    /// The type of a reference.
    pub(super) fn reference(&mut self, term: &Term) -> Type {
        let mut parts = vec![];
        let root = root(term, &mut parts);
        parts.reverse();
        let start = match root.as_ref() {
            Expr::Var { span, .. } if self.is_document(span) => return self.document(term, span, &parts),
            Expr::Var { span, .. } => {
                if self.variable(span) == Type::Unknown {
                    self.set(span, Type::ANY);
                }
                self.variable(span)
            }
            _ if parts.is_empty() => Type::ANY,
            _ => self.value(root),
        };
        self.walk(term, start, &parts)
    }

    /// A reference that begins with an import, a rule, `data` or `input`.
    fn document(&mut self, term: &Term, root: &Span, parts: &[Part<'_>]) -> Type {
        let mut path = root.text().to_owned();
        for used in 0..=parts.len() {
            let Some(full) = self.context.names.full(&path) else { break };
            let found = self.types.get(&full).cloned();
            if let Some(found) = found {
                if matches!(found, Type::Function(..)) {
                    self.fault(term, &format!("function {path} used as reference, not called"));
                    return Type::Unknown;
                }
                return self.walk(term, found, &parts[used..]);
            }
            match parts.get(used).and_then(Part::name) {
                Some(name) => path = format!("{path}.{name}"),
                None => break,
            }
        }
        self.walk(term, Type::ANY, parts)
    }

    fn walk(&mut self, term: &Term, start: Type, parts: &[Part<'_>]) -> Type {
        let mut at = start;
        for part in parts {
            let Some(next) = self.step(&at, part) else {
                self.fault(term, &format!("undefined ref: {}", term.span().text()));
                return Type::Unknown;
            };
            at = next;
        }
        at
    }

    fn step(&mut self, at: &Type, part: &Part<'_>) -> Option<Type> {
        let keys = at.keys()?;
        let index = match part {
            Part::Name(name) => return at.select(name),
            Part::Index(index) => *index,
        };
        if let Some(key) = constant(index) {
            return at.select(&key);
        }
        let fits = match index.as_ref() {
            Expr::Var { span, .. } if !self.is_document(span) => {
                let known = self.variable(span);
                if known == Type::Unknown {
                    self.set(span, keys);
                    true
                } else {
                    unifies(&known, &keys)
                }
            }
            Expr::Array { .. } | Expr::Object { .. } | Expr::Set { .. } => {
                self.value(index);
                self.fit(index, &keys, false)
            }
            _ => {
                let found = self.value(index);
                found == Type::Unknown || unifies(&found, &keys)
            }
        };
        if fits { at.values() } else { None }
    }
}

impl Part<'_> {
    /// The text that it names, where it is written out.
    fn name(&self) -> Option<String> {
        let value = match self {
            Self::Name(name) => name.clone(),
            Self::Index(index) => constant(index)?,
        };
        value.as_string().ok().map(ToString::to_string)
    }
}

/// The root of a reference, and its parts, the last first.
fn root<'t>(term: &'t Term, parts: &mut Vec<Part<'t>>) -> &'t Term {
    match term.as_ref() {
        Expr::RefDot { refr, field, .. } => {
            parts.push(Part::Name(Value::from(field.0.text())));
            root(refr, parts)
        }
        Expr::RefBrack { refr, index, .. } => {
            parts.push(Part::Index(index));
            root(refr, parts)
        }
        _ => term,
    }
}
