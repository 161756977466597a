//! A walk over the syntax tree, in the order and with the notion of a term that OPA has.

use regorus::unstable::{Expr, Literal, Query, Ref, Rule, RuleHead};

/// An expression of the tree.
pub type Term = Ref<Expr>;

/// What a walk meets.
pub enum Node<'a> {
    /// A call.
    Call(Call<'a>),
    /// Any other term. What a name in it means is not decided.
    Term {
        /// The term.
        term: &'a Term,
        /// Whether it is part of another term, and not an operand of a statement or of a head.
        nested: bool,
    },
}

/// A call of a function.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The function's name.
    pub function: &'a Term,
    /// The arguments.
    pub arguments: &'a [Term],
    /// Whether it is a statement of its own, so that its result may be an argument.
    pub statement: bool,
    /// Whether it is part of another term.
    pub nested: bool,
}

/// Visits all of a rule but its name.
pub fn rule<'a>(rule: &'a Rule, visitor: &mut dyn FnMut(Node<'a>)) {
    match rule {
        Rule::Default { value, .. } => term(value, false, visitor),
        Rule::Spec { head, bodies, .. } => {
            self::head(head, visitor);
            for body in bodies {
                if let Some(assign) = &body.assign {
                    term(&assign.value, false, visitor);
                }
                query(&body.query, false, visitor);
            }
        }
    }
}

fn head<'a>(head: &'a RuleHead, visitor: &mut dyn FnMut(Node<'a>)) {
    let (refr, terms, assign) = match head {
        RuleHead::Compr { refr, assign, .. } => (refr, vec![], assign.as_ref()),
        RuleHead::Set { refr, key, .. } => (refr, key.iter().collect(), None),
        RuleHead::Func { refr, args, assign, .. } => (refr, args.iter().collect(), assign.as_ref()),
    };
    for index in indices(refr) {
        term(index, false, visitor);
    }
    for item in terms.into_iter().chain(assign.map(|assign| &assign.value)) {
        term(item, false, visitor);
    }
}

/// What stands in the brackets of a reference, the last first.
pub fn indices(refr: &Term) -> Vec<&Term> {
    match refr.as_ref() {
        Expr::RefBrack { refr, index, .. } => std::iter::once(index).chain(indices(refr)).collect(),
        Expr::RefDot { refr, .. } => indices(refr),
        _ => vec![],
    }
}

/// Visits a body.
pub fn query<'a>(query: &'a Query, nested: bool, visitor: &mut dyn FnMut(Node<'a>)) {
    for statement in &query.stmts {
        literal(&statement.literal, nested, visitor);
        for with in &statement.with_mods {
            term(&with.refr, nested, visitor);
            term(&with.r#as, nested, visitor);
        }
    }
}

fn literal<'a>(literal: &'a Literal, nested: bool, visitor: &mut dyn FnMut(Node<'a>)) {
    match literal {
        Literal::SomeVars { .. } => {}
        Literal::SomeIn { key, value, collection, .. } => {
            for item in key.iter().chain([value, collection]) {
                term(item, true, visitor);
            }
        }
        Literal::Every { domain, query, .. } => {
            term(domain, nested, visitor);
            self::query(query, nested, visitor);
        }
        Literal::Expr { expr, .. } | Literal::NotExpr { expr, .. } => expression(expr, nested, visitor),
    }
}

fn expression<'a>(expr: &'a Term, nested: bool, visitor: &mut dyn FnMut(Node<'a>)) {
    match expr.as_ref() {
        Expr::Call { fcn, params, .. } => {
            visitor(Node::Call(Call { function: fcn, arguments: params, statement: true, nested }));
            for param in params {
                term(param, nested, visitor);
            }
        }
        _ => match operands(expr) {
            Some(operands) => operands.into_iter().for_each(|operand| term(operand, nested, visitor)),
            None => term(expr, nested, visitor),
        },
    }
}

/// The operands of an infix expression.
pub fn operands(expr: &Expr) -> Option<Vec<&Term>> {
    match expr {
        Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::BinExpr { lhs, rhs, .. }
        | Expr::AssignExpr { lhs, rhs, .. } => Some(vec![lhs, rhs]),
        Expr::Membership { key, value, collection, .. } => {
            Some(key.iter().chain([value, collection]).collect())
        }
        Expr::UnaryExpr { expr, .. } => Some(vec![expr]),
        _ => None,
    }
}

/// Visits a term and all in it.
pub fn term<'a>(term: &'a Term, nested: bool, visitor: &mut dyn FnMut(Node<'a>)) {
    match term.as_ref() {
        Expr::Call { fcn, params, .. } => {
            visitor(Node::Call(Call { function: fcn, arguments: params, statement: false, nested: true }));
            for param in params {
                self::term(param, true, visitor);
            }
        }
        expr => {
            visitor(Node::Term { term, nested });
            for child in children(expr) {
                self::term(child, true, visitor);
            }
            if let Some(query) = comprehension(expr) {
                self::query(query, true, visitor);
            }
        }
    }
}

/// The terms right below a term, without those of a comprehension's body. A reference is one term; below it are its
/// root, if that is no name, and what is in brackets.
pub fn children(expr: &Expr) -> Vec<&Term> {
    match expr {
        Expr::RefDot { refr, .. } => root(refr),
        Expr::RefBrack { refr, index, .. } => root(refr).into_iter().chain([index]).collect(),
        Expr::Array { items, .. } | Expr::Set { items, .. } => items.iter().collect(),
        Expr::Object { fields, .. } => fields.iter().flat_map(|(_, key, value)| [key, value]).collect(),
        Expr::ArrayCompr { term, .. } | Expr::SetCompr { term, .. } => vec![term],
        Expr::ObjectCompr { key, value, .. } => vec![key, value],
        _ => operands(expr).unwrap_or_default(),
    }
}

fn root(refr: &Term) -> Vec<&Term> {
    match refr.as_ref() {
        Expr::RefDot { .. } | Expr::RefBrack { .. } => children(refr),
        Expr::Var { .. } => vec![],
        _ => vec![refr],
    }
}

/// The body of a comprehension.
pub fn comprehension(expr: &Expr) -> Option<&Query> {
    match expr {
        Expr::ArrayCompr { query, .. } | Expr::SetCompr { query, .. } | Expr::ObjectCompr { query, .. } => {
            Some(query)
        }
        _ => None,
    }
}
