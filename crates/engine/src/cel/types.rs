//! Static types, as far as they are certain: what the API server's compiler refuses because of them.
//!
//! Objects and parameters have no type there either. A type that is not known here fits everywhere, so not everything
//! that Kubernetes refuses is found.

use std::collections::HashMap;
use std::fmt;

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators,
};

use super::functions::{self, Signature};

/// The type of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// It is known only when the expression is evaluated, or to Kubernetes alone.
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    /// One whose fields are known.
    Record(&'static Record),
}

/// The fields of a type of Kubernetes.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    name: &'static str,
    fields: &'static [(&'static str, Field)],
}

#[derive(Debug, PartialEq, Eq)]
enum Field {
    Text,
    Bool,
    Any,
    Texts,
    Labels,
    Lists,
    Record(&'static Record),
}

/// `request`, which has no objects here.
static REQUEST: Record = Record {
    name: "kubernetes.AdmissionRequest",
    fields: &[
        ("kind", Field::Record(&KIND)),
        ("resource", Field::Record(&RESOURCE)),
        ("subResource", Field::Text),
        ("requestKind", Field::Record(&KIND)),
        ("requestResource", Field::Record(&RESOURCE)),
        ("requestSubResource", Field::Text),
        ("name", Field::Text),
        ("namespace", Field::Text),
        ("operation", Field::Text),
        ("userInfo", Field::Record(&USER)),
        ("dryRun", Field::Bool),
        ("options", Field::Any),
    ],
};
static KIND: Record = Record {
    name: "kubernetes.GroupVersionKind",
    fields: &[("group", Field::Text), ("version", Field::Text), ("kind", Field::Text)],
};
static RESOURCE: Record = Record {
    name: "kubernetes.GroupVersionResource",
    fields: &[("group", Field::Text), ("version", Field::Text), ("resource", Field::Text)],
};
static USER: Record = Record {
    name: "kubernetes.UserInfo",
    fields: &[
        ("username", Field::Text),
        ("uid", Field::Text),
        ("groups", Field::Texts),
        ("extra", Field::Lists),
    ],
};
static NAMESPACE: Record = Record {
    name: "kubernetes.Namespace",
    fields: &[("metadata", Field::Record(&METADATA)), ("spec", Field::Any), ("status", Field::Any)],
};
static METADATA: Record = Record {
    name: "kubernetes.NamespaceMetadata",
    fields: &[
        ("name", Field::Text),
        ("generateName", Field::Text),
        ("namespace", Field::Text),
        ("labels", Field::Labels),
        ("annotations", Field::Labels),
        ("UID", Field::Text),
        ("creationTimestamp", Field::Any),
        ("deletionGracePeriodSeconds", Field::Any),
        ("deletionTimestamp", Field::Any),
        ("generation", Field::Any),
        ("resourceVersion", Field::Text),
        ("finalizers", Field::Texts),
    ],
};

impl Field {
    fn kind(&self) -> Type {
        let text = || Box::new(Type::String);
        match self {
            Self::Text => Type::String,
            Self::Bool => Type::Bool,
            Self::Any => Type::Dyn,
            Self::Texts => Type::List(text()),
            Self::Labels => Type::Map(text(), text()),
            Self::Lists => Type::Map(text(), Box::new(Self::Texts.kind())),
            Self::Record(record) => Type::Record(record),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dyn => f.write_str("dyn"),
            Self::Null => f.write_str("null"),
            Self::Bool => f.write_str("bool"),
            Self::Int => f.write_str("int"),
            Self::Uint => f.write_str("uint"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::List(element) => write!(f, "list({element})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Record(record) => f.write_str(record.name),
        }
    }
}

impl Type {
    const fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double)
    }

    /// The type of both, where it can be one.
    fn with(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (one, other) if one == other => Some(one.clone()),
            (Self::Dyn, _) | (_, Self::Dyn) => Some(Self::Dyn),
            (Self::List(one), Self::List(other)) => Some(Self::List(Box::new(one.with(other)?))),
            (Self::Map(key, one), Self::Map(same, other)) => {
                Some(Self::Map(Box::new(key.with(same)?), Box::new(one.with(other)?)))
            }
            (Self::Null, Self::Record(_)) | (Self::Record(_), Self::Null) => Some(Self::Dyn),
            _ => None,
        }
    }

    /// The type of what an operator makes of two operands of one type: it is known if that of one of them is.
    fn operated(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Dyn, known) | (known, Self::Dyn) => Some(known.clone()),
            (one, other) => one.with(other),
        }
    }

    /// Whether a value of this type may stand where another is asked for.
    pub fn fits(&self, wanted: &Self) -> bool {
        self.with(wanted).is_some()
    }
}

/// Finds out the types of expressions.
pub struct Types<'a> {
    /// The template's variables before the expression.
    pub variables: &'a HashMap<String, Type>,
    /// Those of the macros around.
    pub local: Vec<(String, Type)>,
}

impl Types<'_> {
    /// The type of an expression.
    ///
    /// # Errors
    /// What Kubernetes says of types that do not fit.
    pub fn of(&mut self, expression: &IdedExpr) -> Result<Type, String> {
        match &expression.expr {
            Expr::Literal(literal) => Ok(of_literal(literal)),
            Expr::Ident(name) => Ok(self.of_name(name)),
            Expr::Select(select) => self.of_select(select),
            Expr::Call(call) => self.of_call(call),
            Expr::List(list) => {
                let elements = list.elements.iter().map(|element| self.of(element));
                let of_optionals = !list.optional_indices.is_empty();
                let kinds: Vec<_> = elements.collect::<Result<_, _>>()?;
                Ok(Type::List(Box::new(if of_optionals { Type::Dyn } else { common(&kinds)? })))
            }
            Expr::Map(map) => {
                let (mut keys, mut values) = (vec![], vec![]);
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        keys.push(self.of(&entry.key)?);
                        let value = self.of(&entry.value)?;
                        values.push(if entry.optional { Type::Dyn } else { value });
                    }
                }
                Ok(Type::Map(Box::new(common(&keys)?), Box::new(common(&values)?)))
            }
            Expr::Comprehension(found) => self.of_comprehension(found),
            Expr::Struct(_) | Expr::Unspecified => Ok(Type::Dyn),
        }
    }

    fn of_name(&self, name: &str) -> Type {
        let local = self.local.iter().rev().find(|(known, _)| known == name);
        match (local, name) {
            (Some((_, kind)), _) => kind.clone(),
            (None, "request") => Type::Record(&REQUEST),
            (None, "namespaceObject") => Type::Record(&NAMESPACE),
            _ => Type::Dyn,
        }
    }

    fn of_select(&mut self, select: &SelectExpr) -> Result<Type, String> {
        let whole = match &select.operand.expr {
            Expr::Ident(name) if name == "variables" && !self.is_local(name) => {
                return Ok(self.variables.get(&select.field).cloned().unwrap_or(Type::Dyn));
            }
            _ => self.of(&select.operand)?,
        };
        let kind = match whole {
            Type::Dyn => Type::Dyn,
            Type::Map(_, value) => *value,
            Type::Record(record) => match record.fields.iter().find(|(name, _)| *name == select.field) {
                Some((_, field)) => field.kind(),
                None => return Err(format!("undefined field '{}'", select.field)),
            },
            other => return Err(format!("type '{other}' does not support field selection")),
        };
        Ok(if select.test { Type::Bool } else { kind })
    }

    fn of_comprehension(&mut self, found: &ComprehensionExpr) -> Result<Type, String> {
        let element = match self.of(&found.iter_range)? {
            Type::Dyn => Type::Dyn,
            Type::List(element) => *element,
            Type::Map(key, _) => *key,
            other => {
                return Err(format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                ));
            }
        };
        let start = self.of(&found.accu_init)?;
        let outer = self.local.len();
        self.local.push((found.iter_var.clone(), element));
        self.local.push((found.accu_var.clone(), start));
        let step = self.of(&found.loop_step)?;
        if let Some(accumulated) = self.local.last_mut() {
            accumulated.1 = step;
        }
        let kind = self.of(&found.result);
        self.local.truncate(outer);
        kind
    }

    fn is_local(&self, name: &str) -> bool {
        self.local.iter().any(|(local, _)| local == name)
    }

    fn is_namespace(&self, target: &IdedExpr) -> bool {
        matches!(&target.expr, Expr::Ident(name) if functions::is_namespace(name) && !self.is_local(name))
    }

    fn of_call(&mut self, call: &CallExpr) -> Result<Type, String> {
        let target = match &call.target {
            // The name of a function with dots.
            Some(target) if self.is_namespace(target) => None,
            Some(target) => Some(self.of(target)?),
            None => None,
        };
        let arguments = call.args.iter().map(|argument| self.of(argument)).collect::<Result<Vec<_>, _>>()?;
        let name = call.func_name.as_str();
        let fault = || {
            let shown = arguments.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let target = target.as_ref().map(|target| format!("{target}.")).unwrap_or_default();
            format!("found no matching overload for '{name}' applied to '{target}({shown})'")
        };
        if target.is_none() {
            if let Some(kind) = operator(name, &arguments) {
                return kind.ok_or_else(fault);
            }
        }
        let operands: Vec<_> = target.iter().chain(&arguments).collect();
        match functions::find(name, target.is_some()) {
            None => Ok(Type::Dyn),
            Some(signatures) => {
                let fitting: Vec<_> =
                    signatures.iter().filter(|signature| takes(signature, &operands)).collect();
                match fitting.as_slice() {
                    [] => Err(fault()),
                    [one] => Ok(one.result.clone()),
                    several if several.iter().all(|it| it.result == several[0].result) => {
                        Ok(several[0].result.clone())
                    }
                    _ => Ok(Type::Dyn),
                }
            }
        }
    }
}

fn takes(signature: &Signature, operands: &[&Type]) -> bool {
    signature.operands.len() == operands.len()
        && operands.iter().zip(&signature.operands).all(|(given, wanted)| given.fits(wanted))
}

fn of_literal(literal: &LiteralValue) -> Type {
    match literal {
        LiteralValue::Boolean(_) => Type::Bool,
        LiteralValue::Bytes(_) => Type::Bytes,
        LiteralValue::Double(_) => Type::Double,
        LiteralValue::Int(_) => Type::Int,
        LiteralValue::Null => Type::Null,
        LiteralValue::String(_) => Type::String,
        LiteralValue::UInt(_) => Type::Uint,
    }
}

/// The type of the elements of a list.
fn common(kinds: &[Type]) -> Result<Type, String> {
    let Some((first, rest)) = kinds.split_first() else { return Ok(Type::Dyn) };
    rest.iter().try_fold(first.clone(), |kind, next| {
        kind.with(next).ok_or_else(|| format!("expected type '{kind}' but found '{next}'"))
    })
}

/// The type of an operator's result: none if it does not take its operands; nothing if the name is no operator.
fn operator(name: &str, operands: &[Type]) -> Option<Option<Type>> {
    let all = |wanted: &Type| operands.iter().all(|operand| operand.fits(wanted));
    Some(match (name, operands) {
        (operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT, _) => {
            all(&Type::Bool).then_some(Type::Bool)
        }
        (operators::NOT_STRICTLY_FALSE, _) => Some(Type::Bool),
        (operators::CONDITIONAL, [condition, one, other]) => {
            one.with(other).filter(|_| condition.fits(&Type::Bool))
        }
        (operators::EQUALS | operators::NOT_EQUALS, [one, other]) => one.with(other).map(|_| Type::Bool),
        (
            operators::LESS | operators::LESS_EQUALS | operators::GREATER | operators::GREATER_EQUALS,
            [one, other],
        ) => is_ordered(one, other).then_some(Type::Bool),
        (operators::IN, [element, Type::List(of) | Type::Map(of, _)]) => element.with(of).map(|_| Type::Bool),
        (operators::IN, [_, whole]) => (*whole == Type::Dyn).then_some(Type::Bool),
        (operators::ADD, [one, other]) => {
            one.operated(other).filter(|_| [one, other].into_iter().all(is_added))
        }
        (operators::SUBSTRACT | operators::MULTIPLY | operators::DIVIDE, [one, other]) => one
            .with(other)
            .filter(|kind| kind.is_number() || *kind == Type::Dyn)
            .filter(|_| [one, other].into_iter().all(|it| it.is_number() || *it == Type::Dyn)),
        (operators::MODULO, [one, other]) => {
            let whole = |kind: &Type| matches!(kind, Type::Int | Type::Uint | Type::Dyn);
            one.operated(other).filter(|_| whole(one) && whole(other))
        }
        (operators::NEGATE, [operand]) => {
            matches!(operand, Type::Int | Type::Double | Type::Dyn).then(|| operand.clone())
        }
        (operators::INDEX, [Type::List(element), index]) => {
            (index.is_number() || *index == Type::Dyn).then(|| (**element).clone())
        }
        (operators::INDEX, [Type::Map(key, value), index]) => key.with(index).map(|_| (**value).clone()),
        (operators::INDEX, [whole, _]) => (*whole == Type::Dyn).then_some(Type::Dyn),
        _ => return None,
    })
}

/// Numbers of different types can be compared.
fn is_ordered(one: &Type, other: &Type) -> bool {
    let ordered =
        |kind: &Type| kind.is_number() || matches!(kind, Type::Bool | Type::String | Type::Bytes | Type::Dyn);
    ordered(one) && ordered(other) && (one.fits(other) || one.is_number() && other.is_number())
}

fn is_added(kind: &Type) -> bool {
    kind.is_number() || matches!(kind, Type::String | Type::Bytes | Type::List(_) | Type::Dyn)
}
