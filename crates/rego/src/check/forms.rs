//! Forms of rules that regorus's parser takes, and OPA's does not.

use regorus::unstable::{Expr, Literal, Rule, RuleBody, RuleHead};

use crate::scope;
use crate::token::Fault;
use crate::visit::Term;

/// What OPA refuses of a rule's form.
pub fn rule(rule: &Rule, v1: bool) -> Vec<Fault> {
    let mut faults = vec![];
    let mut fault = |line: u32, said: &str| faults.push(Fault::new(line as usize, said));
    let line = rule.span().line;
    match rule {
        Rule::Default { args, .. } => {
            if args.iter().any(|argument| documents(argument).is_some()) {
                fault(line, "rego_parse_error: illegal default rule (arguments cannot contain ref)");
            }
        }
        Rule::Spec { head, bodies, .. } => {
            if v1 && is_set_without_contains(head) {
                fault(line, "rego_parse_error: `contains` keyword is required for partial set rules");
            }
            if let RuleHead::Func { args, .. } = head
                && let Some(name) = args.iter().find_map(documents)
            {
                fault(
                    line,
                    &format!(
                        "rego_compile_error: args must not shadow {name} (use a different variable name)"
                    ),
                );
            }
            for body in bodies.iter().filter(|body| is_set(body)) {
                fault(
                    body.span.line,
                    "rego_parse_error: a set is no body: statements are separated by `;` or lines",
                );
            }
        }
    }
    faults
}

/// The document whose name is that of a variable in an argument.
fn documents(argument: &Term) -> Option<String> {
    let mut found = None;
    let mut place = |name: &str| {
        if matches!(name, "input" | "data") {
            found = Some(name.to_owned());
        }
    };
    match argument.as_ref() {
        Expr::RefDot { .. } | Expr::RefBrack { .. } => {
            scope::root_place(argument, &mut |span| place(span.text()));
        }
        _ => scope::places(argument, &mut |span| place(span.text())),
    }
    found
}

/// `p[x]`, which is a set in the older dialect only.
fn is_set_without_contains(head: &RuleHead) -> bool {
    let RuleHead::Set { refr, key: Some(_), .. } = head else { return false };
    let span = refr.span();
    span.source.contents().get(span.end as usize..).is_some_and(|rest| rest.trim_start().starts_with('['))
}

/// Whether a body that has no braces of its own is a set. Behind `if` OPA takes the braces for those of the body.
fn is_set(body: &RuleBody) -> bool {
    let [statement] = body.query.stmts.as_slice() else { return false };
    if statement.span.start != body.query.span.start {
        return false;
    }
    match &statement.literal {
        Literal::Expr { expr, .. } if body.is_else => {
            matches!(expr.as_ref(), Expr::Set { .. } | Expr::Object { .. })
        }
        Literal::Expr { expr, .. } => matches!(expr.as_ref(), Expr::Set { .. }),
        Literal::NotExpr { expr, .. } => !body.is_else && matches!(expr.as_ref(), Expr::Set { .. }),
        _ => false,
    }
}
