//! Expressions.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::parser::Parser;

use super::compile::{Compiler, Variables};
use super::kind::Type;
use super::node::Node;
use super::text::prepare;
use crate::bounded;

/// An expression that can be evaluated.
#[derive(Debug)]
pub struct Expression {
    /// As it was written.
    pub text: String,
    /// What it does.
    pub node: Node,
    /// Its type.
    pub kind: Type,
}

impl Expression {
    /// Parses an expression, looks up its names and functions, and checks its types.
    ///
    /// # Errors
    /// A sentence on the first thing that is not known or does not fit.
    pub fn compile(text: &str, variables: &Variables, wanted: &Type) -> Result<Self, Refused> {
        Self::compile_with(text, Compiler::new(variables), wanted)
    }

    /// The same with the names that a compiler knows.
    ///
    /// # Errors
    /// A sentence on the first thing that is not known or does not fit.
    pub fn compile_with(text: &str, mut compiler: Compiler<'_>, wanted: &Type) -> Result<Self, Refused> {
        let prepared = prepare(text).map_err(Refused::Limit)?;
        let tree = parse(&prepared)?;
        let (node, kind) = compiler.compile(&tree).map_err(|error| {
            if compiler.is_beyond() { Refused::Limit(bounded(error)) } else { refused(&error) }
        })?;
        if *wanted != Type::Dyn && kind != *wanted {
            return Err(refused(&format!("must evaluate to {wanted} but got {kind}")));
        }
        Ok(Self { text: text.to_owned(), node, kind })
    }
}

/// Why an expression is not compiled.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// Kubernetes does not compile it either.
    Wrong(String),
    /// This engine cannot evaluate it; Kubernetes may.
    Limit(String),
}

/// What Kubernetes' compiler refuses.
pub fn refused(error: &str) -> Refused {
    Refused::Wrong(bounded(format!("Kubernetes does not compile it: {error}")))
}

/// The stack for the parser, which needs most of a usual one for twenty brackets.
const STACK: usize = 64 * 1024 * 1024;

fn parse(text: &str) -> Result<IdedExpr, Refused> {
    let read = || {
        let parser = Parser::default().enable_optional_syntax(true);
        let parsed = parser.parse(text).map_err(|errors| match errors.errors.first() {
            Some(error) => bounded(format!("line {}, column {}: {}", error.pos.0, error.pos.1, error.msg)),
            None => "is not an expression".to_owned(),
        });
        parsed.map_err(Refused::Wrong)
    };
    let limit = |said: String| Refused::Limit(format!("cannot be parsed: {said}"));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, read);
        let thread = thread.map_err(|error| limit(error.to_string()))?;
        thread.join().unwrap_or_else(|_| Err(limit("the parser stumbles over it".to_owned())))
    })
}
