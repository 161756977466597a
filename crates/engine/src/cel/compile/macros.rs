//! Macros that the parser does not write out.

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::Expr;

use super::{Compiled, Compiler, Type, elements};
use crate::cel::arithmetic::Operator;
use crate::cel::node::{Element, Fold, Node, OptionalMap, Step};
use crate::cel::value::Value;

impl Compiler<'_> {
    /// A macro; none if the name is that of a function.
    pub(super) fn expanded(
        &mut self,
        target: &IdedExpr,
        name: &str,
        arguments: &[IdedExpr],
    ) -> Option<Compiled> {
        match (name, arguments) {
            ("optMap", [variable, body]) => Some(self.optional_map(target, variable, body, false)),
            ("optFlatMap", [variable, body]) => Some(self.optional_map(target, variable, body, true)),
            ("sortBy", [variable, key]) => Some(self.sort_by(target, variable, key)),
            ("all" | "exists" | "exists_one" | "existsOne__", [key, value, body]) => {
                Some(self.pairs(target, [key, value], |compiler| compiler.quantifier(name, body)))
            }
            ("transformList" | "transformMap" | "transformMapEntry", [key, value, body]) => {
                Some(self.pairs(target, [key, value], |compiler| compiler.transform(name, None, body)))
            }
            ("transformList" | "transformMap" | "transformMapEntry", [key, value, when, body]) => {
                Some(self.pairs(target, [key, value], |compiler| compiler.transform(name, Some(when), body)))
            }
            _ => None,
        }
    }

    fn optional_map(
        &mut self,
        target: &IdedExpr,
        variable: &IdedExpr,
        body: &IdedExpr,
        flat: bool,
    ) -> Compiled {
        let (of, kind) = self.compile(target)?;
        let inner = match kind {
            Type::Optional(inner) => *inner,
            Type::Dyn => Type::Dyn,
            other => return Err(format!("found no matching overload for 'hasValue' applied to '({other})'")),
        };
        self.locals.push((variable_name(variable)?, inner));
        let body = self.compile(body);
        self.locals.pop();
        let (body, kind) = body?;
        let kind = match kind {
            Type::Optional(_) | Type::Dyn if flat => kind,
            other if flat => return Err(format!("expected type 'optional_type' but found '{other}'")),
            other => Type::optional(other),
        };
        Ok((Node::OptionalMap(Box::new(OptionalMap { of, body, flat })), kind))
    }

    fn sort_by(&mut self, target: &IdedExpr, variable: &IdedExpr, key: &IdedExpr) -> Compiled {
        let (of, kind) = self.compile(target)?;
        if !matches!(kind, Type::List(_) | Type::Dyn) {
            return Err(format!("found no matching overload for 'sortBy' applied to '({kind})'"));
        }
        self.locals.push((variable_name(variable)?, elements(&kind)?.0));
        let key = self.compile(key);
        self.locals.pop();
        Ok((Node::SortBy(Box::new([of, key?.0])), kind))
    }

    /// A macro with a variable for the key, one for the value, and one for what was found so far.
    fn pairs(
        &mut self,
        target: &IdedExpr,
        variables: [&IdedExpr; 2],
        rounds: impl FnOnce(&mut Self) -> Result<(Rounds, Type), String>,
    ) -> Compiled {
        let (range, whole) = self.compile(target)?;
        let (first, second) = elements(&whole)?;
        let (first, second) = if let Type::List(_) = whole { (Type::Int, first) } else { (first, second) };
        let [key, value] = [variable_name(variables[0])?, variable_name(variables[1])?];
        if key == value {
            return Err(format!("duplicate variable name: {key}"));
        }
        let outer = self.locals.len();
        self.locals.extend([(key, first), (value, second), ("@result".to_owned(), Type::Dyn)]);
        let compiled = rounds(self);
        self.locals.truncate(outer);
        let (Rounds { start, condition, step, result }, kind) = compiled?;
        Ok((Node::Fold(Box::new(Fold { range, pairs: true, start, condition, step, result })), kind))
    }

    fn found(&self) -> Node {
        Node::Local(self.locals.len() - 1)
    }

    fn quantifier(&mut self, name: &str, body: &IdedExpr) -> Result<(Rounds, Type), String> {
        let (body, kind) = self.compile(body)?;
        if !kind.fits(&Type::Bool) {
            return Err(format!("expected type 'bool' but found '{kind}'"));
        }
        let found = || self.found();
        let rounds = match name {
            "all" => Rounds {
                start: Node::Value(true.into()),
                condition: Node::NotFalse(Box::new(found())),
                step: Step::Any(Node::And(Box::new([found(), body]))),
                result: found(),
            },
            "exists" => Rounds {
                start: Node::Value(false.into()),
                condition: Node::NotFalse(Box::new(Node::Not(Box::new(found())))),
                step: Step::Any(Node::Or(Box::new([found(), body]))),
                result: found(),
            },
            _ => {
                let one = || Node::Value(Value::Int(1));
                let more = Node::Arithmetic(Operator::Add, Box::new([found(), one()]));
                Rounds {
                    start: Node::Value(Value::Int(0)),
                    condition: Node::Value(true.into()),
                    step: Step::Any(Node::Choice(Box::new([body, more, found()]))),
                    result: Node::Equal(Box::new([found(), one()])),
                }
            }
        };
        Ok((rounds, Type::Bool))
    }

    fn transform(
        &mut self,
        name: &str,
        when: Option<&IdedExpr>,
        body: &IdedExpr,
    ) -> Result<(Rounds, Type), String> {
        let when = when.map(|when| self.compile(when)).transpose()?;
        if let Some((_, kind)) = &when
            && !kind.fits(&Type::Bool)
        {
            return Err(format!("expected type 'bool' but found '{kind}'"));
        }
        let when = when.map(|(when, _)| when);
        let (body, kind) = self.compile(body)?;
        let key = self.locals.len() - 3;
        let (start, step, kind) = match name {
            "transformList" => (Node::List(vec![]), Step::Push { when, element: body }, Type::list(kind)),
            "transformMap" => {
                let kind = Type::map(self.locals[key].1.clone(), kind);
                (Node::Map(vec![]), Step::Insert { when, key: Node::Local(key), value: body }, kind)
            }
            _ if kind.fits(&Type::map(Type::Dyn, Type::Dyn)) => {
                (Node::Map(vec![]), Step::Merge { when, members: body }, kind)
            }
            _ => return Err(format!("expected a map but found '{kind}'")),
        };
        let rounds = Rounds { start, condition: Node::Value(true.into()), step, result: self.found() };
        Ok((rounds, kind))
    }
}

/// All of a macro but what it goes through.
struct Rounds {
    start: Node,
    condition: Node,
    step: Step,
    result: Node,
}

fn variable_name(variable: &IdedExpr) -> Result<String, String> {
    match &variable.expr {
        Expr::Ident(name) => Ok(name.clone()),
        _ => Err("argument must be a simple name".to_owned()),
    }
}

/// The step of a macro that the parser has written out; `found` is the place of what was found so far. Elements that
/// are added to a list one by one are not copied each time.
pub fn step(step: Node, found: usize) -> Step {
    match step {
        Node::Choice(choice) => match *choice {
            [when, Node::Arithmetic(Operator::Add, sum), Node::Local(same)] if same == found => {
                match pushed(*sum, found) {
                    Ok(element) => Step::Push { when: Some(when), element },
                    Err(sum) => Step::Any(Node::Choice(Box::new([
                        when,
                        Node::Arithmetic(Operator::Add, Box::new(sum)),
                        Node::Local(same),
                    ]))),
                }
            }
            choice => Step::Any(Node::Choice(Box::new(choice))),
        },
        Node::Arithmetic(Operator::Add, sum) => match pushed(*sum, found) {
            Ok(element) => Step::Push { when: None, element },
            Err(sum) => Step::Any(Node::Arithmetic(Operator::Add, Box::new(sum))),
        },
        step => Step::Any(step),
    }
}

/// The element of `found + [element]`.
fn pushed(sum: [Node; 2], found: usize) -> Result<Node, [Node; 2]> {
    match sum {
        [Node::Local(same), Node::Value(Value::List(list))] if same == found && list.len() == 1 => {
            Ok(Node::Value(list[0].clone()))
        }
        [Node::Local(same), Node::List(mut elements)] if same == found && elements.len() == 1 => {
            match elements.pop() {
                Some(Element { value, optional: false }) => Ok(value),
                other => Err([Node::Local(same), Node::List(other.into_iter().collect())]),
            }
        }
        sum => Err(sum),
    }
}
