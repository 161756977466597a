//! Operators.

use kube_cel::cel::common::ast::{CallExpr, operators};

use super::{Compiled, Compiler, Type, field, selection, unquoted};
use crate::cel::arithmetic::Operator;
use crate::cel::node::{Node, Order};
use crate::cel::value::Value;

impl Compiler<'_> {
    /// An operator; none if the name is that of a function.
    pub(super) fn operator(&mut self, call: &CallExpr) -> Result<Option<(Node, Type)>, String> {
        if !call.func_name.starts_with(['_', '!', '-', '@']) || call.target.is_some() {
            return Ok(None);
        }
        let compiled: Vec<_> =
            call.args.iter().map(|argument| self.compile(argument)).collect::<Result<_, _>>()?;
        let (nodes, kinds): (Vec<_>, Vec<_>) = compiled.into_iter().unzip();
        let refused = || {
            let shown: Vec<_> = kinds.iter().map(ToString::to_string).collect();
            format!("found no matching overload for '{}' applied to '({})'", call.func_name, shown.join(", "))
        };
        let name = call.func_name.as_str();
        let found = match (<[Node; 1]>::try_from(nodes), kinds.as_slice()) {
            (Ok([operand]), [kind]) => unary(name, operand, kind),
            (Err(nodes), kinds) => match (<[Node; 2]>::try_from(nodes), kinds) {
                (Ok(operands), [one, other]) => binary(name, operands, one, other),
                (Err(nodes), [condition, one, other]) if name == operators::CONDITIONAL => {
                    let kind = one.with(other).filter(|_| condition.fits(&Type::Bool));
                    let nodes = <[Node; 3]>::try_from(nodes).ok();
                    kind.zip(nodes).map(|(kind, nodes)| (Node::Choice(Box::new(nodes)), kind))
                }
                _ => None,
            },
            _ => None,
        };
        found.map(Some).ok_or_else(refused)
    }

    /// `a.?b`, `a[?b]`, `a[b]`.
    pub(super) fn index(&mut self, call: &CallExpr) -> Option<Compiled> {
        let optional = match call.func_name.as_str() {
            operators::INDEX => false,
            operators::OPT_INDEX | operators::OPT_SELECT => true,
            _ => return None,
        };
        let [of, index] = call.args.as_slice() else { return None };
        Some(self.compile(of).and_then(|(of, whole)| {
            let (index, by) = self.compile(index)?;
            if matches!(by, Type::Null | Type::Bytes) {
                return Err(format!("an index cannot be of type '{by}'"));
            }
            let is_field = call.func_name == operators::OPT_SELECT;
            let (index, name) = match index {
                Node::Value(Value::String(name)) if is_field => {
                    let name = unquoted(&name).to_owned();
                    (Node::Value(Value::from(name.as_str())), name)
                }
                index => (index, String::new()),
            };
            let kind = if is_field {
                field(&whole, &name)?
            } else {
                member(&whole, &by).ok_or_else(|| {
                    format!("found no matching overload for '_[_]' applied to '({whole}, {by})'")
                })?
            };
            let kind = match kind {
                Type::Optional(_) => kind,
                kind if optional => Type::optional(kind),
                kind => kind,
            };
            Ok((selection(of, index, optional), kind))
        }))
    }
}

fn member(whole: &Type, by: &Type) -> Option<Type> {
    match whole {
        Type::Dyn => Some(Type::Dyn),
        Type::List(element) => (by.is_number() || *by == Type::Dyn).then(|| (**element).clone()),
        Type::Map(key, value) => key.with(by).map(|_| (**value).clone()),
        Type::Optional(whole) => member(whole, by).map(Type::optional),
        _ => None,
    }
}

fn unary(name: &str, operand: Node, kind: &Type) -> Option<(Node, Type)> {
    let operand = Box::new(operand);
    match name {
        operators::LOGICAL_NOT => kind.fits(&Type::Bool).then_some((Node::Not(operand), Type::Bool)),
        operators::NOT_STRICTLY_FALSE => Some((Node::NotFalse(operand), Type::Bool)),
        operators::NEGATE => matches!(kind, Type::Int | Type::Double | Type::Dyn)
            .then(|| (Node::Negate(operand), kind.clone())),
        _ => None,
    }
}

fn binary(name: &str, operands: [Node; 2], one: &Type, other: &Type) -> Option<(Node, Type)> {
    let operands = Box::new(operands);
    let truth = |fits: bool, node: Node| fits.then_some((node, Type::Bool));
    let both = one.fits(&Type::Bool) && other.fits(&Type::Bool);
    let ordered = is_ordered(one, other);
    match name {
        operators::LOGICAL_AND => truth(both, Node::And(operands)),
        operators::LOGICAL_OR => truth(both, Node::Or(operands)),
        operators::EQUALS => truth(one.fits(other), Node::Equal(operands)),
        operators::NOT_EQUALS => truth(one.fits(other), Node::Unequal(operands)),
        operators::LESS => truth(ordered, Node::Ordered(Order::Less, operands)),
        operators::LESS_EQUALS => truth(ordered, Node::Ordered(Order::LessOrEqual, operands)),
        operators::GREATER => truth(ordered, Node::Ordered(Order::Greater, operands)),
        operators::GREATER_EQUALS => truth(ordered, Node::Ordered(Order::GreaterOrEqual, operands)),
        operators::IN => truth(is_member(one, other), Node::In(operands)),
        _ => {
            arithmetic(name, one, other).map(|(operator, kind)| (Node::Arithmetic(operator, operands), kind))
        }
    }
}

fn is_member(one: &Type, whole: &Type) -> bool {
    match whole {
        Type::Dyn => true,
        Type::List(element) | Type::Map(element, _) => one.fits(element),
        _ => false,
    }
}

fn is_ordered(one: &Type, other: &Type) -> bool {
    let ordered = |kind: &Type| {
        kind.is_number()
            || matches!(
                kind,
                Type::Bool
                    | Type::String
                    | Type::Bytes
                    | Type::Duration
                    | Type::Timestamp
                    | Type::Dyn
                    | Type::Null
            )
    };
    // Where one may be a time, the other may be null.
    if *one == Type::Null && *other == Type::Null {
        return false;
    }
    // Numbers of different types can be compared.
    ordered(one) && ordered(other) && (one.fits(other) || one.is_number() && other.is_number())
}

fn arithmetic(name: &str, one: &Type, other: &Type) -> Option<(Operator, Type)> {
    let operator = match name {
        operators::ADD => Operator::Add,
        operators::SUBSTRACT => Operator::Subtract,
        operators::MULTIPLY => Operator::Multiply,
        operators::DIVIDE => Operator::Divide,
        operators::MODULO => Operator::Modulo,
        _ => return None,
    };
    let mut results = signatures(operator).into_iter().filter_map(|(left, right, result)| {
        let fits = |given: &Type, wanted: &Type| match (given, wanted) {
            (Type::List(_), Type::List(_)) | (Type::Dyn, _) => true,
            (given, wanted) => given == wanted,
        };
        (fits(one, &left) && fits(other, &right)).then_some(result)
    });
    let first = results.next()?;
    let single = results.all(|result| result == first);
    let kind = match (first, one, other) {
        (Type::List(_), Type::List(_), Type::List(_)) => one.with(other)?,
        (Type::List(_), Type::List(_), _) if single => one.clone(),
        (Type::List(_), _, Type::List(_)) if single => other.clone(),
        (first, ..) if single => first,
        _ => Type::Dyn,
    };
    Some((operator, kind))
}

/// What an operator takes, and what it gives.
fn signatures(operator: Operator) -> Vec<(Type, Type, Type)> {
    let same = |kinds: &[Type]| kinds.iter().map(|kind| (kind.clone(), kind.clone(), kind.clone())).collect();
    let numbers = [Type::Int, Type::Uint, Type::Double];
    let mut signatures: Vec<_> = match operator {
        Operator::Modulo => same(&numbers[..2]),
        _ => same(&numbers),
    };
    let (time, length) = (Type::Timestamp, Type::Duration);
    match operator {
        Operator::Add => {
            signatures.extend::<Vec<_>>(same(&[
                Type::String,
                Type::Bytes,
                Type::list(Type::Dyn),
                length.clone(),
            ]));
            signatures.push((time.clone(), length.clone(), time.clone()));
            signatures.push((length, time.clone(), time));
        }
        Operator::Subtract => {
            signatures.push((length.clone(), length.clone(), length.clone()));
            signatures.push((time.clone(), length.clone(), time.clone()));
            signatures.push((time.clone(), time, length));
        }
        Operator::Multiply | Operator::Divide | Operator::Modulo => {}
    }
    signatures
}
