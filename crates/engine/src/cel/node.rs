//! Expressions, ready to be evaluated.

use std::sync::Arc;

use super::arithmetic::Operator;
use super::signatures::Function;
use super::value::Value;

/// A step of an expression.
#[derive(Debug)]
pub enum Node {
    Value(Value),
    Name(Name),
    /// A variable of the template.
    Variable(Arc<str>),
    /// A variable of a macro around, by its place among those that are known there.
    Local(usize),
    /// Whether something can be evaluated.
    Defined(Box<Node>),
    Select(Box<Select>),
    Has(Box<(Node, Value)>),
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Not(Box<Node>),
    /// Not false; an error is not.
    NotFalse(Box<Node>),
    Choice(Box<[Node; 3]>),
    Equal(Box<[Node; 2]>),
    Unequal(Box<[Node; 2]>),
    Ordered(Order, Box<[Node; 2]>),
    In(Box<[Node; 2]>),
    Arithmetic(Operator, Box<[Node; 2]>),
    Negate(Box<Node>),
    List(Vec<Element>),
    Map(Vec<(Node, Element)>),
    Call(Box<Call>),
    /// `a.orValue(b)`, or `a.or(b)` if it stays optional.
    OrElse {
        operands: Box<[Node; 2]>,
        stays_optional: bool,
    },
    Fold(Box<Fold>),
    OptionalMap(Box<OptionalMap>),
    SortBy(Box<[Node; 2]>),
}

/// What an expression can refer to by itself.
#[derive(Clone, Copy, Debug)]
pub enum Name {
    Object,
    OldObject,
    Request,
    Namespace,
    /// The constraint, as `params`.
    Constraint,
}

#[derive(Debug)]
pub struct Select {
    pub of: Node,
    pub index: Node,
    pub optional: bool,
}

/// How two values have to be ordered.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    /// As Kubernetes calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Less => "_<_",
            Self::LessOrEqual => "_<=_",
            Self::Greater => "_>_",
            Self::GreaterOrEqual => "_>=_",
        }
    }
}

/// An element of a list or a map. One that is optional is left out if it has no value.
#[derive(Debug)]
pub struct Element {
    pub value: Node,
    pub optional: bool,
}

#[derive(Debug)]
pub struct Call {
    pub function: &'static Function,
    /// The only signature that the types of the arguments leave.
    pub only: Option<usize>,
    /// Whether it has a regular expression that is written in the expression.
    pub has_pattern: bool,
    pub arguments: Vec<Node>,
}

/// A macro that goes through a list or a map. It has a variable for the element or the key, perhaps one for the value,
/// and one for what was found so far.
#[derive(Debug)]
pub struct Fold {
    pub range: Node,
    /// Whether keys and values each have a variable.
    pub pairs: bool,
    pub start: Node,
    /// False where the rest does not matter.
    pub condition: Node,
    pub step: Step,
    pub result: Node,
}

/// What is done with an element.
#[derive(Debug)]
pub enum Step {
    Any(Node),
    /// It is added to a list.
    Push {
        when: Option<Node>,
        element: Node,
    },
    /// It is added to a map.
    Insert {
        when: Option<Node>,
        key: Node,
        value: Node,
    },
    /// A map of what it becomes is added to a map.
    Merge {
        when: Option<Node>,
        members: Node,
    },
}

/// `of.optMap(x, body)`, or `of.optFlatMap(x, body)` if it is flat.
#[derive(Debug)]
pub struct OptionalMap {
    pub of: Node,
    pub body: Node,
    pub flat: bool,
}
