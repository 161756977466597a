//! Calls of functions.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{CallExpr, Expr};

use super::{Compiled, Compiler, Type};
use crate::cel::functions;
use crate::cel::node::{Call, Node};
use crate::cel::signatures::{Function, find};
use crate::cel::text::UNEXPANDED;
use crate::cel::value::{Failure, Outcome, Value};

/// Conversions: of a constant, Kubernetes evaluates them when it compiles an expression.
const CONVERSIONS: [&str; 10] =
    ["bool", "bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"];

impl Compiler<'_> {
    pub(super) fn call(&mut self, call: &CallExpr) -> Compiled {
        if let Some(compiled) = self.index(call) {
            return compiled;
        }
        if let Some(compiled) = self.operator(call)? {
            return Ok(compiled);
        }
        let Some(target) = &call.target else {
            let name = call.func_name.strip_prefix('.').unwrap_or(&call.func_name);
            return self.function(lookup(name, false)?, call.args.iter().collect());
        };
        if let Some(path) = self.dotted(target)
            && let Some(function) = find(&format!("{path}.{}", call.func_name), false)
        {
            return self.function(function, call.args.iter().collect());
        }
        if let Some(compiled) = self.expanded(target, &call.func_name, &call.args) {
            return compiled;
        }
        if let Some(unknown) = self.unknown_namespace(target) {
            return Err(format!("the function `{unknown}.{}` is not known to this engine", call.func_name));
        }
        let arguments = std::iter::once(&**target).chain(&call.args).collect();
        self.function(lookup(&call.func_name, true)?, arguments)
    }

    /// The name that stands before a function, if it is one.
    fn dotted(&self, target: &IdedExpr) -> Option<String> {
        match &target.expr {
            Expr::Ident(name) => Some(name.clone()),
            Expr::Select(select) if !select.test => self.path(select),
            _ => None,
        }
    }

    /// A name before a function that is no value: `math` in `math.abs(1)`.
    fn unknown_namespace<'t>(&self, target: &'t IdedExpr) -> Option<&'t str> {
        let Expr::Ident(name) = &target.expr else { return None };
        self.name(name).is_err().then_some(name)
    }

    fn function(&mut self, function: &'static Function, arguments: Vec<&IdedExpr>) -> Compiled {
        // What is put into a text may be of any types.
        let is_format = function.name == "format";
        let mixed = self.mixed;
        self.mixed |= is_format;
        let compiled: Result<Vec<_>, _> =
            arguments.into_iter().map(|argument| self.compile(argument)).collect();
        self.mixed = mixed;
        let compiled = compiled?;
        let (arguments, kinds): (Vec<_>, Vec<_>) = compiled.into_iter().unzip();
        let results = function.overloads.iter().map(|overload| overload.apply(&kinds)).enumerate();
        let fitting: Vec<_> = results.filter_map(|(index, result)| Some((index, result?))).collect();
        let Some((_, first)) = fitting.first() else {
            let shown: Vec<_> = kinds.iter().map(ToString::to_string).collect();
            let name = function.name;
            return Err(format!(
                "found no matching overload for '{name}' applied to '({})'",
                shown.join(", ")
            ));
        };
        let kind = if fitting.iter().all(|(_, result)| result == first) { first.clone() } else { Type::Dyn };
        let only = if let [(index, _)] = fitting.as_slice() { Some(*index) } else { None };
        check_constants(function.name, &arguments, &kinds)?;
        Ok((node(function, only, arguments)?, kind))
    }
}

fn lookup(name: &str, on_value: bool) -> Result<&'static Function, String> {
    let unknown =
        || format!("the function `{}` is not known to this engine", name.trim_end_matches(UNEXPANDED));
    find(name, on_value).ok_or_else(unknown)
}

fn node(function: &'static Function, only: Option<usize>, arguments: Vec<Node>) -> Result<Node, String> {
    if ["or", "orValue"].contains(&function.name) {
        let stays_optional = function.name == "or";
        let operands = <[Node; 2]>::try_from(arguments).map_err(|_| "takes one argument".to_owned())?;
        return Ok(Node::OrElse { operands: Box::new(operands), stays_optional });
    }
    if let ([Node::Value(value)], true) = (arguments.as_slice(), CONVERSIONS.contains(&function.name)) {
        let value = text(functions::call(function, only, std::slice::from_ref(value)))?;
        return Ok(Node::Value(value));
    }
    let has_pattern = ["matches", "find", "findAll"].contains(&function.name)
        && matches!(arguments.get(1), Some(Node::Value(Value::String(_))));
    Ok(Node::Call(Box::new(Call { function, only, has_pattern, arguments })))
}

/// What Kubernetes checks of constants: patterns, and how many values a text takes.
fn check_constants(name: &str, arguments: &[Node], kinds: &[Type]) -> Result<(), String> {
    match (name, arguments) {
        ("matches" | "find" | "findAll", [_, Node::Value(Value::String(pattern)), ..]) => {
            text(functions::check_pattern(pattern))
        }
        ("format", [Node::Value(Value::String(text)), Node::Value(Value::List(_)) | Node::List(_)]) => {
            let count = match &arguments[1] {
                Node::List(elements) => elements.len(),
                Node::Value(Value::List(elements)) => elements.len(),
                _ => 0,
            };
            let element = match kinds.get(1) {
                Some(Type::List(element)) => (**element).clone(),
                _ => Type::Dyn,
            };
            functions::check_format(text, &vec![element; count])
        }
        _ => Ok(()),
    }
}

fn text<T>(outcome: Outcome<T>) -> Result<T, String> {
    outcome.map_err(|failure| match failure {
        Failure::Error(message) => message.to_string(),
        Failure::Stopped => "takes too long".to_owned(),
    })
}
