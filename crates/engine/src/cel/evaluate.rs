//! The evaluation of expressions.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::arithmetic::{self, missing, within_bounds};
use super::compare::{compare, contains, equal, equals, is_ordered};
use super::functions;
use super::node::{Call, Element, Fold, Name, Node, OptionalMap, Order, Step};
use super::print::show;
use super::scope::Scope;
use super::select::{has, select};
use super::value::{Failure, Key, Outcome, Value};

/// The evaluation of one expression.
pub struct Evaluation<'a> {
    scope: &'a Scope<'a>,
    /// The variables of the macros around. What a macro has found so far may be an error.
    locals: Vec<Outcome>,
}

impl<'a> Evaluation<'a> {
    /// An evaluation in a scope, with the values of the names that the expression was compiled with.
    pub fn new(scope: &'a Scope<'a>, names: impl IntoIterator<Item = Value>) -> Self {
        Self { scope, locals: names.into_iter().map(Ok).collect() }
    }

    /// The value of a step.
    ///
    /// # Errors
    /// What Kubernetes says, or that it took too long.
    pub fn value(&mut self, node: &Node) -> Outcome {
        match node {
            Node::Value(value) => Ok(value.clone()),
            Node::Name(name) => Ok(self.name(*name)),
            Node::Variable(name) => self.scope.variable(name),
            Node::Local(index) => self.locals[*index].clone(),
            Node::Select(parts) => {
                let of = self.value(&parts.of)?;
                let index = self.value(&parts.index)?;
                select(&of, &index, parts.optional)
            }
            Node::List(elements) => self.list(elements),
            Node::Map(members) => self.map(members),
            Node::Call(call) => self.call(call),
            Node::Fold(fold) => self.fold(fold),
            Node::OptionalMap(parts) => self.optional_map(parts),
            Node::SortBy(parts) => self.sort_by(parts),
            Node::OrElse { operands, stays_optional } => self.or_else(operands, *stays_optional),
            Node::Equal(operands) => {
                let (one, other) = self.both(operands)?;
                equals(&one, &other).map(Value::Bool)
            }
            Node::Unequal(operands) => self.both(operands).map(|(one, other)| (!equal(&one, &other)).into()),
            Node::Ordered(order, operands) => self.ordered(*order, operands),
            Node::In(operands) => {
                let (one, whole) = self.both(operands)?;
                contains(&whole, &one).map(Value::Bool)
            }
            Node::Arithmetic(operator, operands) => {
                let (left, right) = self.both(operands)?;
                operator.apply(&left, &right)
            }
            Node::Negate(operand) => arithmetic::negate(&self.value(operand)?),
            Node::Choice(operands) => {
                let chosen = if self.truth(&operands[0])? { &operands[1] } else { &operands[2] };
                self.value(chosen)
            }
            _ => self.logic(node),
        }
    }

    fn logic(&mut self, node: &Node) -> Outcome {
        match node {
            Node::And(operands) => self.decided_by(false, operands),
            Node::Or(operands) => self.decided_by(true, operands),
            Node::Not(operand) => self.truth(operand).map(|truth| Value::Bool(!truth)),
            Node::NotFalse(operand) => match self.value(operand) {
                Err(Failure::Stopped) => Err(Failure::Stopped),
                value => Ok((!matches!(value, Ok(Value::Bool(false)))).into()),
            },
            Node::Has(parts) => {
                let of = self.value(&parts.0)?;
                has(&of, &parts.1).map(Value::Bool)
            }
            Node::Defined(operand) => self.value(operand).map(|_| true.into()),
            _ => Err(Failure::no_overload()),
        }
    }

    fn name(&self, name: Name) -> Value {
        let input = self.scope.input();
        match name {
            Name::Object => &input.object,
            Name::OldObject => &input.old_object,
            Name::Request => &input.request,
            Name::Namespace => &input.namespace,
            Name::Constraint => return self.scope.constraint(),
        }
        .clone()
    }

    fn both(&mut self, operands: &[Node; 2]) -> Outcome<(Value, Value)> {
        let one = self.value(&operands[0])?;
        Ok((one, self.value(&operands[1])?))
    }

    fn truth(&mut self, node: &Node) -> Outcome<bool> {
        match self.value(node)? {
            Value::Bool(truth) => Ok(truth),
            _ => Err(Failure::no_overload()),
        }
    }

    /// `&&` and `||`: one operand that decides wins over an error of the other.
    fn decided_by(&mut self, deciding: bool, operands: &[Node; 2]) -> Outcome {
        let mut failed = None;
        for operand in operands {
            match self.truth(operand) {
                Ok(truth) if truth == deciding => return Ok(deciding.into()),
                Ok(_) => {}
                Err(Failure::Stopped) => return Err(Failure::Stopped),
                Err(failure) => failed = failed.or(Some(failure)),
            }
        }
        failed.map_or_else(|| Ok((!deciding).into()), Err)
    }

    fn ordered(&mut self, order: Order, operands: &[Node; 2]) -> Outcome {
        let (one, other) = self.both(operands)?;
        if !is_ordered(&one) {
            return Err(missing(&one, order.name()));
        }
        if is_nan(&one) || is_nan(&other) {
            return Ok(false.into());
        }
        let found = compare(&one, &other)?;
        Ok(match order {
            Order::Less => found == Ordering::Less,
            Order::LessOrEqual => found != Ordering::Greater,
            Order::Greater => found == Ordering::Greater,
            Order::GreaterOrEqual => found != Ordering::Less,
        }
        .into())
    }

    fn list(&mut self, elements: &[Element]) -> Outcome {
        let mut list = Vec::with_capacity(elements.len());
        for element in elements {
            let value = self.value(&element.value)?;
            if !element.optional {
                list.push(value);
                continue;
            }
            match value {
                Value::Optional(value) => list.extend(value.map(Arc::unwrap_or_clone)),
                value => {
                    let message = format!(
                        "cannot initialize optional list element from non-optional value {}",
                        show(&value)
                    );
                    return Err(Failure::new(message));
                }
            }
        }
        Ok(Value::List(Arc::new(list)))
    }

    fn map(&mut self, members: &[(Node, Element)]) -> Outcome {
        let mut map = BTreeMap::new();
        for (key, element) in members {
            let key = self.value(key)?;
            let value = self.value(&element.value)?;
            let key = as_key(&key)?;
            match value {
                value if !element.optional => drop(map.insert(key, value)),
                Value::Optional(None) => drop(map.remove(&key)),
                Value::Optional(Some(value)) => drop(map.insert(key, Arc::unwrap_or_clone(value))),
                value => {
                    let (key, value) = (show(&key.into()), show(&value));
                    let message =
                        format!("cannot initialize optional entry '{key}' from non-optional value {value}");
                    return Err(Failure::new(message));
                }
            }
        }
        Ok(Value::Map(Arc::new(map)))
    }

    fn call(&mut self, call: &Call) -> Outcome {
        let arguments =
            call.arguments.iter().map(|argument| self.value(argument)).collect::<Outcome<Vec<_>>>()?;
        if call.has_pattern && !matches!(arguments.first(), Some(Value::String(_))) {
            return Err(Failure::no_overload());
        }
        functions::call(call.function, call.only, &arguments)
    }

    fn or_else(&mut self, operands: &[Node; 2], stays_optional: bool) -> Outcome {
        match self.value(&operands[0])? {
            Value::Optional(None) => self.value(&operands[1]),
            Value::Optional(Some(value)) if !stays_optional => Ok(Arc::unwrap_or_clone(value)),
            Value::Optional(value) => Ok(Value::Optional(value)),
            _ => Err(Failure::no_overload()),
        }
    }

    fn optional_map(&mut self, parts: &OptionalMap) -> Outcome {
        let value = match self.value(&parts.of)? {
            Value::Optional(Some(value)) => Arc::unwrap_or_clone(value),
            Value::Optional(None) => return Ok(Value::Optional(None)),
            other => return Err(Failure::new(format!("no such overload: hasValue({})", other.type_name()))),
        };
        let mapped = self.with(value, &parts.body)?;
        Ok(if parts.flat { mapped } else { Value::optional(Some(mapped)) })
    }

    /// A step with one more variable.
    fn with(&mut self, value: Value, body: &Node) -> Outcome {
        self.locals.push(Ok(value));
        let result = self.value(body);
        self.locals.pop();
        result
    }

    fn sort_by(&mut self, parts: &[Node; 2]) -> Outcome {
        let list = match self.value(&parts[0])? {
            Value::List(list) => list,
            Value::Map(members) => {
                for key in members.keys() {
                    self.with(key.clone().into(), &parts[1])?;
                }
                return Err(Failure::new("no such overload: @sortByAssociatedKeys"));
            }
            other => return Err(Failure::new(not_iterable(&other))),
        };
        let mut keys = Vec::with_capacity(list.len());
        for element in list.iter() {
            self.scope.check_time()?;
            keys.push(self.with(element.clone(), &parts[1])?);
        }
        functions::sort(&list, &keys)
    }

    fn fold(&mut self, fold: &Fold) -> Outcome {
        let range = self.value(&fold.range)?;
        let rounds = rounds(&range, fold.pairs)?;
        let start = self.value(&fold.start);
        let outer = self.locals.len();
        let variables = if fold.pairs { 2 } else { 1 };
        self.locals.extend(std::iter::repeat_n(Ok(Value::Null), variables));
        self.locals.push(start);
        let result = self.rounds(fold, outer, rounds);
        self.locals.truncate(outer);
        result
    }

    fn rounds(&mut self, fold: &Fold, outer: usize, rounds: Vec<(Value, Value)>) -> Outcome {
        let found = self.locals.len() - 1;
        for (first, second) in rounds {
            self.scope.check_time()?;
            self.locals[outer] = Ok(first);
            if fold.pairs {
                self.locals[outer + 1] = Ok(second);
            }
            if matches!(self.value(&fold.condition), Ok(Value::Bool(false))) {
                break;
            }
            let before = std::mem::replace(&mut self.locals[found], Ok(Value::Null));
            let after = self.step(&fold.step, found, before);
            if matches!(after, Err(Failure::Stopped)) {
                return Err(Failure::Stopped);
            }
            self.locals[found] = after;
        }
        self.value(&fold.result)
    }

    /// What was found with one more element.
    fn step(&mut self, step: &Step, found: usize, before: Outcome) -> Outcome {
        let when = match step {
            Step::Any(node) => {
                self.locals[found] = before;
                return self.value(node);
            }
            Step::Push { when, .. } | Step::Insert { when, .. } | Step::Merge { when, .. } => when,
        };
        if let Some(when) = when
            && !self.truth(when)?
        {
            return before;
        }
        match step {
            Step::Push { element, .. } => push(before?, self.value(element)?),
            Step::Insert { key, value, .. } => {
                let before = before?;
                let (key, value) = (self.value(key)?, self.value(value)?);
                insert(before, as_key(&key)?, value)
            }
            Step::Merge { members, .. } => {
                let before = before?;
                let Value::Map(members) = self.value(members)? else { return Err(Failure::no_overload()) };
                members.iter().try_fold(before, |map, (key, value)| insert(map, key.clone(), value.clone()))
            }
            Step::Any(_) => before,
        }
    }
}

fn is_nan(value: &Value) -> bool {
    matches!(value, Value::Double(number) if number.is_nan())
}

fn push(list: Value, element: Value) -> Outcome {
    match list {
        Value::List(mut list) => {
            within_bounds(list.len().saturating_mul(8))?;
            Arc::make_mut(&mut list).push(element);
            Ok(Value::List(list))
        }
        _ => Err(Failure::no_overload()),
    }
}

fn insert(map: Value, key: Key, value: Value) -> Outcome {
    let Value::Map(mut map) = map else { return Err(Failure::no_overload()) };
    if map.contains_key(&key) {
        return Err(Failure::new(format!("insert failed: key {} already exists", show(&key.into()))));
    }
    Arc::make_mut(&mut map).insert(key, value);
    Ok(Value::Map(map))
}

fn as_key(value: &Value) -> Outcome<Key> {
    value.key().ok_or_else(|| Failure::new(format!("unsupported key type: {}", value.type_name())))
}

/// What a macro goes through: elements or keys; if it has two variables, places and elements or keys and values.
fn rounds(range: &Value, pairs: bool) -> Outcome<Vec<(Value, Value)>> {
    match range {
        Value::List(elements) if pairs => Ok(elements
            .iter()
            .enumerate()
            .map(|(index, value)| (Value::length(index), value.clone()))
            .collect()),
        Value::List(elements) => Ok(elements.iter().map(|element| (element.clone(), Value::Null)).collect()),
        Value::Map(members) => {
            Ok(members.iter().map(|(key, value)| (key.clone().into(), value.clone())).collect())
        }
        other if pairs => {
            let message = format!("unsupported comprehension range type: {}", other.internal_type_name());
            Err(Failure::new(message))
        }
        other => Err(Failure::new(not_iterable(other))),
    }
}

fn not_iterable(value: &Value) -> String {
    format!("got '{}', expected iterable type", value.internal_type_name())
}
