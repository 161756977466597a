//! Expressions, and what can be known of them before they are evaluated.

use std::collections::HashMap;

use kube_cel::cel::{
    Context, ExecutionError, IdedExpr,
    common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, SelectExpr, operators},
    parser::Parser,
};

use super::deadline::in_time;
use super::types::{Type, Types};

/// An expression whose names are all known.
#[derive(Debug)]
pub struct Expression {
    /// As it was written.
    pub text: String,
    /// With `variables.x` as one name.
    pub tree: IdedExpr,
    /// Its type.
    pub kind: Type,
}

/// The template's variables before an expression, and their types.
pub type Variables = HashMap<String, Type>;

/// Names that every expression can refer to.
const NAMES: [&str; 4] = ["object", "oldObject", "request", "namespaceObject"];

impl Expression {
    /// Parses an expression, looks up its names and functions, and checks its types.
    ///
    /// # Errors
    /// A sentence on the first thing that is not known or does not fit.
    pub fn compile(
        text: &str,
        variables: &Variables,
        functions: &Context<'_>,
        wanted: &Type,
    ) -> Result<Self, String> {
        check_depth(text)?;
        let mut tree =
            Parser::default().enable_optional_syntax(true).parse(text).map_err(|error| error.to_string())?;
        let written = tree.clone();
        let mut names = Names { variables, functions, local: vec![] };
        names.resolve(&mut tree)?;
        let refused = |error| format!("Kubernetes does not compile it: {error}");
        let kind = Types { variables, local: vec![] }.of(&written).map_err(refused)?;
        if !kind.fits(wanted) {
            return Err(refused(format!("must evaluate to {wanted} but got {kind}")));
        }
        Ok(Self { text: text.to_owned(), tree, kind })
    }

    /// The name by which `variables.x` is known.
    pub fn variable(name: &str) -> String {
        format!("variables.{name}")
    }
}

/// How many brackets may be open at a time.
const DEEPEST: usize = 32;
/// How many operators and fields may follow each other.
const LONGEST: usize = 200;

/// Each bracket and operator is a level of the syntax tree, and whoever walks it needs stack for all of them.
fn check_depth(text: &str) -> Result<(), String> {
    let (mut outer, mut length, mut quote) = (vec![], 0_usize, None);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => drop(chars.next()),
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => outer.push(std::mem::take(&mut length) + 1),
            (None, ')' | ']' | '}') => length = outer.pop().unwrap_or(0),
            (None, ',') => length = 0,
            (None, '.' | '+' | '-' | '*' | '/' | '%' | '!' | '<' | '>' | '=' | '?' | '&' | '|') => {
                length += 1
            }
            (None, _) => {}
        }
        if outer.len() > DEEPEST || length > LONGEST {
            return Err(format!(
                "is nested deeper than this engine goes: {DEEPEST} brackets, {LONGEST} operators and fields"
            ));
        }
    }
    Ok(())
}

struct Names<'a> {
    variables: &'a Variables,
    functions: &'a Context<'a>,
    /// Those of the macros around.
    local: Vec<String>,
}

impl Names<'_> {
    fn resolve(&mut self, expression: &mut IdedExpr) -> Result<(), String> {
        if let Expr::Select(select) = &expression.expr
            && self.is_variables(&select.operand)
        {
            let name = self.variable(&select.field, select.test)?;
            expression.expr = Expr::Ident(name);
            return Ok(());
        }
        match &mut expression.expr {
            Expr::Ident(name) => self.check_name(name),
            Expr::Select(select) => {
                self.resolve(&mut select.operand)?;
                if !select.test {
                    expression.expr = as_index(select);
                }
                Ok(())
            }
            Expr::Call(call) => {
                let namespace =
                    call.target.as_ref().and_then(|target| self.namespace(target, &call.func_name));
                if call.func_name == operators::OPT_SELECT {
                    operators::OPT_INDEX.clone_into(&mut call.func_name);
                }
                self.check_function(&namespace.clone().unwrap_or_else(|| call.func_name.clone()))?;
                if let Some(target) = call.target.as_mut().filter(|_| namespace.is_none()) {
                    self.resolve(target)?;
                }
                call.args.iter_mut().try_for_each(|argument| self.resolve(argument))
            }
            Expr::List(list) => list.elements.iter_mut().try_for_each(|element| self.resolve(element)),
            Expr::Map(map) => {
                map.entries.iter_mut().try_for_each(|entry| self.resolve_entry(&mut entry.expr))
            }
            Expr::Struct(found) => Err(format!("builds a `{}`, which this engine cannot", found.type_name)),
            Expr::Comprehension(found) => {
                self.resolve(&mut found.iter_range)?;
                let outer = self.local.len();
                self.local.extend([found.iter_var.clone(), found.accu_var.clone()]);
                self.local.extend(found.iter_var2.clone());
                let parts =
                    [&mut found.accu_init, &mut found.loop_cond, &mut found.loop_step, &mut found.result];
                parts.into_iter().try_for_each(|part| self.resolve(part))?;
                self.local.truncate(outer);
                found.loop_cond = in_time(std::mem::take(&mut found.loop_cond));
                Ok(())
            }
            Expr::Literal(_) | Expr::Unspecified => Ok(()),
        }
    }

    fn resolve_entry(&mut self, entry: &mut EntryExpr) -> Result<(), String> {
        match entry {
            EntryExpr::StructField(field) => self.resolve(&mut field.value),
            EntryExpr::MapEntry(entry) => {
                self.resolve(&mut entry.key)?;
                self.resolve(&mut entry.value)
            }
        }
    }

    fn is_variables(&self, operand: &IdedExpr) -> bool {
        matches!(&operand.expr, Expr::Ident(name) if name == "variables") && !self.is_local("variables")
    }

    fn is_local(&self, name: &str) -> bool {
        self.local.iter().any(|local| local == name)
    }

    fn variable(&self, name: &str, asked_for: bool) -> Result<String, String> {
        if !self.variables.contains_key(name) {
            return Err(format!("`variables.{name}` is not defined before"));
        }
        if asked_for {
            return Err(format!("`has(variables.{name})` is always true"));
        }
        Ok(Expression::variable(name))
    }

    fn check_name(&self, name: &str) -> Result<(), String> {
        if NAMES.contains(&name) || self.is_local(name) || name.starts_with('@') {
            return Ok(());
        }
        let names = [&NAMES[..], &["variables"]].concat().join(", ");
        Err(format!("`{name}` is not known to this engine; known are {names}"))
    }

    /// The full name of a function like `math.greatest`, where the target of the call is no value.
    fn namespace(&self, target: &IdedExpr, function: &str) -> Option<String> {
        let Expr::Ident(name) = &target.expr else { return None };
        let value = NAMES.contains(&name.as_str()) || self.is_local(name) || name == "variables";
        (!value).then(|| format!("{name}.{function}"))
    }

    /// A function that is known complains about missing arguments, not about its name.
    fn check_function(&self, name: &str) -> Result<(), String> {
        if !name.starts_with(char::is_alphabetic) {
            return Ok(());
        }
        let call = Parser::default().parse(&format!("{name}()")).map_err(|error| error.to_string())?;
        match self.functions.resolve(&call) {
            Err(ExecutionError::UndeclaredReference(_)) => {
                Err(format!("the function `{name}` is not known to this engine"))
            }
            _ => Ok(()),
        }
    }
}

/// A field of something that is no map is an error in Kubernetes. The library makes it `false`, and an optional field
/// that is missing an error; with an index it is right in both.
fn as_index(select: &SelectExpr) -> Expr {
    let field = IdedExpr { id: 0, expr: Expr::Literal(LiteralValue::String(select.field.as_str().into())) };
    let args = vec![(*select.operand).clone(), field];
    Expr::Call(CallExpr { func_name: operators::INDEX.to_owned(), target: None, args })
}
