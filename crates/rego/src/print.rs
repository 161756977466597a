//! From a syntax tree back to text, with what OPA's compiler does and regorus's does not made explicit. Every
//! expression stays in its line.

mod negation;
mod shape;
mod statement;
mod term;

use std::collections::HashMap;
use std::fmt::Write;

use regorus::unstable::{Expr, Import, Module, Query, Ref, Rule, RuleAssign, RuleBody, RuleHead, Span};

use super::Trust;
use super::names::Names;
use super::scope::{RESERVED, Scope};
use super::visit::Term;

/// The module's text.
///
/// * What OPA evaluates before a `not` (arguments of calls, their references, nested calls) is bound before it: if it
///   is undefined, so is the body, and not the negated expression alone.
/// * Arithmetic and set operators are calls of functions that are undefined for wrong operands.
/// * Declared variables have names of their own in each scope.
/// * What runs over a collection in a head is bound in the body.
/// * What is imported is named by its full path: to regorus the imports of a module whose rules were evaluated all
///   together mean nothing any more in its functions.
/// * `print` is gone.
/// * What a body reads of the input is there before anything else is evaluated, if rules may contradict each other: by
///   its index OPA knows that the body is undefined, and never comes to the contradiction.
pub fn print(
    module: &Module,
    names: &Names<'_>,
    scope: &Scope,
    package: &str,
    (trust, may_conflict): (Trust, bool),
) -> String {
    let mut printer = Printer {
        out: String::new(),
        line: 1,
        names,
        fresh: 0,
        bound: HashMap::new(),
        scope,
        pending: vec![],
        negated: false,
        for_machine: trust == Trust::Proven,
        may_conflict: may_conflict && trust == Trust::Checked,
    };
    printer.text("package ");
    printer.text(package);
    for import in &module.imports {
        printer.import(import);
    }
    for rule in &module.policy {
        printer.rule(rule, module.rego_v1);
    }
    printer.out
}

/// What must hold beside the statement that is printed.
enum Condition {
    /// A variable is the same as a pattern, which may bind variables.
    Same(String, Term),
    /// Two terms are equal.
    Equal(Term, Term),
    /// A variable has each result of `walk` in turn.
    Walk(String, Term),
}

struct Printer<'a> {
    out: String,
    line: u32,
    names: &'a Names<'a>,
    fresh: usize,
    /// The variables that stand for expressions, by the expression's index.
    bound: HashMap<u32, String>,
    scope: &'a Scope,
    pending: Vec<Condition>,
    /// Whether a negated expression is printed.
    negated: bool,
    /// Whether regorus's machine evaluates it, and not its interpreter.
    for_machine: bool,
    /// Whether rules may contradict each other.
    may_conflict: bool,
}

impl Printer<'_> {
    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn reach_line(&mut self, line: u32) {
        while self.line < line {
            self.out.push('\n');
            self.line += 1;
        }
    }

    fn new_line(&mut self, line: u32) {
        self.out.push('\n');
        self.line += 1;
        self.reach_line(line);
    }

    fn fresh(&mut self) -> String {
        self.fresh += 1;
        format!("{RESERVED}{}", self.fresh)
    }

    /// Whether a name stands for a document here.
    fn is_document(&self, place: &Span) -> bool {
        self.scope.find(place).is_none() && self.names.is_document(place.text())
    }

    fn import(&mut self, import: &Import) {
        let path = import.refr.span().text();
        if path == "rego.v1" || path.starts_with("data.") {
            return;
        }
        self.new_line(import.span.line);
        self.text("import ");
        self.term(&import.refr);
        if let Some(alias) = &import.r#as {
            let _ = write!(self.out, " as {}", alias.text());
        }
    }

    fn rule(&mut self, rule: &Rule, v1: bool) {
        self.new_line(rule.span().line);
        match rule {
            Rule::Default { refr, args, op, value, .. } => {
                self.text("default ");
                self.head_reference(refr);
                if !args.is_empty() {
                    self.arguments(args);
                }
                self.assign_op(op);
                self.term(value);
            }
            Rule::Spec { head, bodies, .. } => self.definition(head, bodies, v1),
        }
    }

    fn definition(&mut self, head: &RuleHead, bodies: &[RuleBody], v1: bool) {
        let first = bodies.first().filter(|body| !body.is_else);
        let mut late = Late::default();
        let condition = self.head(head, v1, &mut late) || v1;
        self.block(first.map(|body| &body.query), condition, &late.arguments, &late.values);
        for body in bodies.iter().skip(usize::from(first.is_some())) {
            let mut values = vec![];
            if body.is_else {
                self.reach_line(body.span.line);
                self.text(" else");
                self.head_value(body.assign.as_ref(), &mut values);
            }
            self.block(Some(&body.query), condition, &late.arguments, &values);
        }
    }

    /// Whether `if` is needed, because without it the head would mean a set.
    fn head(&mut self, head: &RuleHead, v1: bool, late: &mut Late) -> bool {
        match head {
            RuleHead::Set { refr, key, .. } => {
                self.head_reference(refr);
                if let Some(key) = key {
                    let contains = v1 || !matches!(refr.as_ref(), Expr::Var { .. });
                    self.text(if contains { " contains " } else { "[" });
                    self.late(key, &mut late.values);
                    self.text(if contains { "" } else { "]" });
                }
                false
            }
            RuleHead::Compr { refr, assign, .. } => {
                self.head_reference(refr);
                self.head_value(assign.as_ref(), &mut late.values);
                assign.is_none() && !matches!(refr.as_ref(), Expr::Var { .. })
            }
            RuleHead::Func { refr, args, assign, .. } => {
                self.head_reference(refr);
                if !args.is_empty() {
                    self.parameters(args, &mut late.arguments);
                }
                self.head_value(assign.as_ref(), &mut late.values);
                false
            }
        }
    }

    fn head_value(&mut self, assign: Option<&RuleAssign>, late: &mut Vec<(String, Term)>) {
        if let Some(assign) = assign {
            self.assign_op(&assign.op);
            self.late(&assign.value, late);
        }
    }

    /// The name of a rule is no variable, whatever is declared in the rule.
    fn head_reference(&mut self, refr: &Term) {
        match refr.as_ref() {
            Expr::Var { span, .. } => self.out.push_str(span.text()),
            Expr::RefDot { refr, field, .. } => {
                self.head_reference(refr);
                let _ = write!(self.out, ".{}", field.0.text());
            }
            Expr::RefBrack { refr, index, .. } => {
                self.head_reference(refr);
                self.text("[");
                self.term(index);
                self.text("]");
            }
            _ => self.term(refr),
        }
    }

    /// The parameters of a function. An object among them is compared as a whole in the body.
    fn parameters(&mut self, parameters: &[Term], conditions: &mut Vec<(String, Term)>) {
        self.text("(");
        for (i, parameter) in parameters.iter().enumerate() {
            self.text(if i > 0 { ", " } else { "" });
            if shape::has_object(parameter) {
                let name = self.fresh();
                self.text(&name);
                conditions.push((name, parameter.clone()));
            } else {
                self.term(parameter);
            }
        }
        self.text(")");
    }

    /// Prints a term of a head or, where it runs over a collection, a variable in its place.
    fn late(&mut self, term: &Term, late: &mut Vec<(String, Term)>) {
        if shape::iterates(term) {
            let name = self.fresh();
            self.text(&name);
            late.push((name, term.clone()));
        } else {
            self.term(term);
        }
    }

    fn block(
        &mut self,
        query: Option<&Ref<Query>>,
        condition: bool,
        before: &[(String, Term)],
        after: &[(String, Term)],
    ) {
        let query = query.filter(|query| !query.stmts.is_empty());
        if query.is_none() && before.is_empty() && after.is_empty() {
            return;
        }
        self.text(if condition { " if { " } else { " { " });
        let mut separator = "";
        for (name, term) in before {
            self.text(std::mem::replace(&mut separator, "; "));
            self.same(name, term, None);
        }
        let required =
            query.filter(|_| self.may_conflict).map(|query| shape::required(query)).unwrap_or_default();
        for reference in required {
            let name = self.fresh();
            let _ = write!(self.out, "{}{name} = ", std::mem::replace(&mut separator, "; "));
            self.term(&reference);
        }
        if let Some(query) = query {
            self.text(std::mem::replace(&mut separator, "; "));
            self.query(query);
        }
        for (name, term) in after {
            self.text(std::mem::replace(&mut separator, "; "));
            self.bind(name, term, None);
        }
        self.text(" }");
    }
}

/// What of a head is printed in the body.
#[derive(Default)]
struct Late {
    arguments: Vec<(String, Term)>,
    values: Vec<(String, Term)>,
}
