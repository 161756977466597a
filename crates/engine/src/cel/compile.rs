//! From the parser's tree to steps that can be evaluated, with the checks of Kubernetes' compiler.

mod calls;
mod macros;
mod operators;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{
    ComprehensionExpr, EntryExpr, Expr, ListExpr, LiteralValue, MapExpr, SelectExpr,
};

use super::kind::{NAMESPACE, REQUEST, Type};
use super::node::{Element, Fold, Name, Node, Select};
use super::value::Value;

/// A step and its type, or what is wrong with it.
pub type Compiled = Result<(Node, Type), String>;

/// The template's variables before an expression, and their types.
pub type Variables = HashMap<String, Type>;

/// Names of types that are values.
const TYPES: [&str; 17] = [
    "bool",
    "bytes",
    "double",
    "google.protobuf.Duration",
    "google.protobuf.Timestamp",
    "int",
    "kubernetes.Quantity",
    "kubernetes.Semver",
    "kubernetes.URL",
    "list",
    "map",
    "net.CIDR",
    "net.IP",
    "null_type",
    "string",
    "type",
    "uint",
];

const ALL_VARIABLES: &str = "names all `variables` at once; this engine knows only single ones";

/// What an expression is about, which decides the names that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    /// A value, by the names that are given with it.
    Value,
    /// A request.
    Request,
    /// A request and the constraint: a variable of the template, as Gatekeeper compiles it.
    RequestAndConstraint,
}

/// The macros that are being compiled have variables of their own.
pub struct Compiler<'a> {
    variables: &'a Variables,
    locals: Vec<(String, Type)>,
    about: About,
    /// Whether elements of a list may be of different types.
    mixed: bool,
    /// Whether something was met that this engine alone cannot do.
    beyond: bool,
}

impl<'a> Compiler<'a> {
    /// One that knows these variables of the template.
    pub const fn new(variables: &'a Variables) -> Self {
        Self { variables, locals: vec![], about: About::Request, mixed: false, beyond: false }
    }

    /// One that knows these names alone, by which values are given to the evaluation in the same order.
    pub const fn of_names(variables: &'a Variables, names: Vec<(String, Type)>) -> Self {
        Self { variables, locals: names, about: About::Value, mixed: false, beyond: false }
    }

    /// The same, which also knows the constraint as `params`.
    pub fn with_constraint(self) -> Self {
        Self { about: About::RequestAndConstraint, ..self }
    }

    /// Whether what was refused last is a limit of this engine, and Kubernetes may compile it.
    pub const fn is_beyond(&self) -> bool {
        self.beyond
    }

    /// Refuses what this engine alone cannot do.
    fn cannot<T>(&mut self, message: impl Into<String>) -> Result<T, String> {
        self.beyond = true;
        Err(message.into())
    }

    /// The step for an expression.
    ///
    /// # Errors
    /// What Kubernetes' compiler says of it, or that this engine does not know something.
    pub fn compile(&mut self, expression: &IdedExpr) -> Compiled {
        match &expression.expr {
            Expr::Literal(literal) => Ok(constant(literal)),
            Expr::Ident(name)
                if name == "variables" && self.about != About::Value && self.local(name).is_none() =>
            {
                self.cannot(ALL_VARIABLES)
            }
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),
            Expr::Comprehension(found) => self.fold(found),
            Expr::Struct(found) => {
                self.cannot(format!("builds a `{}`, which this engine cannot", found.type_name))
            }
            Expr::Unspecified => Err("is empty".to_owned()),
        }
    }

    fn local(&self, name: &str) -> Option<usize> {
        self.locals.iter().rposition(|(local, _)| local == name)
    }

    fn name(&self, name: &str) -> Compiled {
        if let Some(index) = self.local(name) {
            return Ok((Node::Local(index), self.locals[index].1.clone()));
        }
        if self.about == About::Value {
            return self.type_name(name);
        }
        match name {
            "object" => Ok((Node::Name(Name::Object), Type::Dyn)),
            "oldObject" => Ok((Node::Name(Name::OldObject), Type::Dyn)),
            "request" => Ok((Node::Name(Name::Request), Type::Record(&REQUEST))),
            "namespaceObject" => Ok((Node::Name(Name::Namespace), Type::Record(&NAMESPACE))),
            "params" if self.about == About::RequestAndConstraint => {
                Ok((Node::Name(Name::Constraint), Type::Dyn))
            }
            "variables" => Err(ALL_VARIABLES.to_owned()),
            _ => self.type_name(name),
        }
    }

    fn type_name(&self, name: &str) -> Compiled {
        type_value(name).ok_or_else(|| {
            let of_request = "object, oldObject, request, namespaceObject, variables";
            let known = if self.about == About::Value { "self, oldSelf" } else { of_request };
            format!("`{name}` is not known to this engine; known are {known}")
        })
    }

    fn select(&mut self, select: &SelectExpr) -> Compiled {
        let name = unquoted(&select.field);
        if let Expr::Ident(variables) = &select.operand.expr
            && variables == "variables"
            && self.local(variables).is_none()
        {
            return self.variable(name, select.test);
        }
        if let Some(found) = self.path(select).and_then(|path| type_value(&path)) {
            return Ok(found);
        }
        let (of, whole) = self.compile(&select.operand)?;
        let kind = field(&whole, name)?;
        let field = Value::from(name);
        if select.test {
            return Ok((Node::Has(Box::new((of, field))), Type::Bool));
        }
        Ok((selection(of, Node::Value(field), false), kind))
    }

    /// Names with dots between, of which the first is not known.
    fn path(&self, select: &SelectExpr) -> Option<String> {
        let start = match &select.operand.expr {
            Expr::Ident(name) if self.local(name).is_none() => name.clone(),
            Expr::Select(select) if !select.test => self.path(select)?,
            _ => return None,
        };
        Some(format!("{start}.{}", unquoted(&select.field)))
    }

    fn variable(&self, name: &str, asked_for: bool) -> Compiled {
        let kind =
            self.variables.get(name).ok_or_else(|| format!("`variables.{name}` is not defined before"))?;
        let variable = Node::Variable(name.into());
        if asked_for {
            return Ok((Node::Defined(Box::new(variable)), Type::Bool));
        }
        Ok((variable, kind.clone()))
    }

    fn list(&mut self, list: &ListExpr) -> Compiled {
        let (mut elements, mut kinds) = (vec![], vec![]);
        for (index, element) in list.elements.iter().enumerate() {
            let (element, kind) = self.element(element, list.optional_indices.contains(&index))?;
            elements.push(element);
            kinds.push(kind);
        }
        let kind = Type::list(self.common(&kinds)?);
        let constants: Option<Vec<_>> = elements.iter().map(constant_element).collect();
        Ok((
            constants.map_or_else(|| Node::List(elements), |list| Node::Value(list.into_iter().collect())),
            kind,
        ))
    }

    fn map(&mut self, map: &MapExpr) -> Compiled {
        let (mut members, mut keys, mut values) = (vec![], vec![], vec![]);
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            let (key, kind) = self.compile(&entry.key)?;
            if !matches!(kind, Type::Bool | Type::Dyn | Type::Int | Type::String | Type::Uint) {
                return self
                    .cannot(format!("builds a map with a key of type '{kind}', which this engine cannot"));
            }
            keys.push(kind);
            let (value, kind) = self.element(&entry.value, entry.optional)?;
            values.push(kind);
            members.push((key, value));
        }
        let kind = Type::map(self.common(&keys)?, self.common(&values)?);
        let constant = |(key, element): &(Node, Element)| match key {
            Node::Value(key) => Some((key.key()?, constant_element(element)?)),
            _ => None,
        };
        let constants: Option<BTreeMap<_, _>> = members.iter().map(constant).collect();
        Ok((constants.map_or_else(|| Node::Map(members), |map| Node::Value(Value::Map(Arc::new(map)))), kind))
    }

    /// The type of the elements of a list. All have the same, or none has a type that is known.
    fn common(&self, kinds: &[Type]) -> Result<Type, String> {
        match common(kinds) {
            Err(_) if self.mixed => Ok(Type::Dyn),
            found => found,
        }
    }

    fn element(&mut self, expression: &IdedExpr, optional: bool) -> Result<(Element, Type), String> {
        let (value, kind) = self.compile(expression)?;
        let kind = match kind {
            Type::Optional(kind) if optional => *kind,
            Type::Dyn => Type::Dyn,
            kind if optional => return Err(format!("expected type 'optional_type' but found '{kind}'")),
            kind => kind,
        };
        Ok((Element { value, optional }, kind))
    }

    /// A macro that the parser has written out.
    fn fold(&mut self, found: &ComprehensionExpr) -> Compiled {
        let (range, whole) = self.compile(&found.iter_range)?;
        let element = elements(&whole)?.0;
        let (start, kind) = self.compile(&found.accu_init)?;
        let outer = self.locals.len();
        self.locals.push((found.iter_var.clone(), element));
        self.locals.push((found.accu_var.clone(), kind));
        let compiled = self.rounds(found);
        self.locals.truncate(outer);
        let (condition, step, result, kind) = compiled?;
        let step = macros::step(step, outer + 1);
        Ok((Node::Fold(Box::new(Fold { range, pairs: false, start, condition, step, result })), kind))
    }

    fn rounds(&mut self, found: &ComprehensionExpr) -> Result<(Node, Node, Node, Type), String> {
        let (step, kind) = self.compile(&found.loop_step)?;
        let (condition, _) = self.compile(&found.loop_cond)?;
        if let Some(accumulated) = self.locals.last_mut() {
            accumulated.1 = kind;
        }
        let (result, kind) = self.compile(&found.result)?;
        Ok((condition, step, result, kind))
    }
}

/// The value of an element that is the same in every evaluation.
fn constant_element(element: &Element) -> Option<Value> {
    match element {
        Element { value: Node::Value(value), optional: false } => Some(value.clone()),
        _ => None,
    }
}

fn constant(literal: &LiteralValue) -> (Node, Type) {
    let (value, kind) = match literal {
        LiteralValue::Null => (Value::Null, Type::Null),
        LiteralValue::Boolean(truth) => (Value::Bool(*truth.inner()), Type::Bool),
        LiteralValue::Int(number) => (Value::Int(*number.inner()), Type::Int),
        LiteralValue::UInt(number) => (Value::Uint(*number.inner()), Type::Uint),
        LiteralValue::Double(number) => (Value::Double(*number.inner()), Type::Double),
        LiteralValue::String(text) => (Value::from(text.inner()), Type::String),
        LiteralValue::Bytes(bytes) => (Value::Bytes(bytes.inner().into()), Type::Bytes),
    };
    (Node::Value(value), kind)
}

fn type_value(name: &str) -> Option<(Node, Type)> {
    TYPES.contains(&name).then(|| (Node::Value(Value::Type(name.into())), Type::Name))
}

fn selection(of: Node, index: Node, optional: bool) -> Node {
    Node::Select(Box::new(Select { of, index, optional }))
}

/// The name of a field, which the parser leaves in the backticks that it is written in.
fn unquoted(name: &str) -> &str {
    name.strip_prefix('`').and_then(|name| name.strip_suffix('`')).unwrap_or(name)
}

/// The type of a field.
fn field(whole: &Type, name: &str) -> Result<Type, String> {
    match whole {
        Type::Dyn => Ok(Type::Dyn),
        Type::Map(_, value) => Ok((**value).clone()),
        Type::Optional(whole) => field(whole, name).map(Type::optional),
        Type::Record(record) => record.field(name).ok_or_else(|| format!("undefined field '{name}'")),
        other => Err(format!("type '{other}' does not support field selection")),
    }
}

/// The types of what a macro goes through: elements, or keys and values.
fn elements(whole: &Type) -> Result<(Type, Type), String> {
    match whole {
        Type::Dyn => Ok((Type::Dyn, Type::Dyn)),
        Type::List(element) => Ok(((**element).clone(), Type::Dyn)),
        Type::Map(key, value) => Ok(((**key).clone(), (**value).clone())),
        other => Err(format!(
            "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
        )),
    }
}

fn common(kinds: &[Type]) -> Result<Type, String> {
    let Some((first, rest)) = kinds.split_first() else { return Ok(Type::Dyn) };
    rest.iter().try_fold(first.clone(), |kind, next| {
        let same = (kind == Type::Dyn) == (*next == Type::Dyn);
        kind.with(next).filter(|_| same).ok_or_else(|| format!("expected type '{kind}' but found '{next}'"))
    })
}
