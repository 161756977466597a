//! Expressions.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::parser::Parser;

use super::bounded;
use super::compile::{Compiler, Variables};
use super::kind::Type;
use super::node::Node;
use super::text::prepare;

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
    pub fn compile(text: &str, variables: &Variables, wanted: &Type) -> Result<Self, String> {
        let prepared = prepare(text)?;
        let tree = parse(&prepared)?;
        let refused = |error| bounded(format!("Kubernetes does not compile it: {error}"));
        let (node, kind) = Compiler::new(variables).compile(&tree).map_err(refused)?;
        if *wanted != Type::Dyn && kind != *wanted {
            return Err(refused(format!("must evaluate to {wanted} but got {kind}")));
        }
        Ok(Self { text: text.to_owned(), node, kind })
    }
}

/// The stack for the parser, which needs most of a usual one for twenty brackets.
const STACK: usize = 64 * 1024 * 1024;

fn parse(text: &str) -> Result<IdedExpr, String> {
    let read = || {
        let parser = Parser::default().enable_optional_syntax(true);
        parser.parse(text).map_err(|errors| match errors.errors.first() {
            Some(error) => bounded(format!("line {}, column {}: {}", error.pos.0, error.pos.1, error.msg)),
            None => "is no expression".to_owned(),
        })
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, read);
        let thread = thread.map_err(|error| format!("cannot be parsed: {error}"))?;
        thread.join().unwrap_or_else(|_| Err("cannot be parsed: the parser stumbles over it".to_owned()))
    })
}
