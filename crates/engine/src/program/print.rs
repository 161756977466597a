//! From a syntax tree back to text, with what OPA's compiler does and regorus's does not made explicit. Every
//! expression stays in its line.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use regorus::unstable::{
    ArithOp, AssignOp, BinOp, BoolOp, Expr, Import, Literal, LiteralStmt, Module, Query, Ref, Rule,
    RuleAssign, RuleBody, RuleHead,
};

use super::builtins;
use super::names::Names;
use super::safety;

type Term = Ref<Expr>;

/// The module's text.
///
/// * What OPA evaluates before a `not` (arguments of calls, their references, nested calls) is bound before it: if it
///   is undefined, so is the body, and not the negated expression alone.
/// * Arithmetic and set operators are calls of functions that are undefined for wrong operands.
/// * `print` is gone.
pub fn print(module: &Module, names: &Names, package: &str) -> String {
    let mut printer = Printer {
        out: String::new(),
        line: 1,
        names,
        fresh: 0,
        bound: HashMap::new(),
        renamed: BTreeSet::new(),
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

/// The names of what the printed modules call in place of operators.
pub const OPERATORS: [&str; 7] = [
    "internal.plus",
    "internal.minus",
    "internal.mul",
    "internal.div",
    "internal.rem",
    "internal.and",
    "internal.or",
];

struct Printer<'a> {
    out: String,
    line: u32,
    names: &'a Names<'a>,
    fresh: usize,
    /// The variables to which expressions are bound already, by the expression's index.
    bound: HashMap<u32, String>,
    /// The variables of the rule that regorus would take for the rule or import of their name.
    renamed: BTreeSet<String>,
}

impl Printer<'_> {
    fn text(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn to_line(&mut self, line: u32) {
        while self.line < line {
            self.out.push('\n');
            self.line += 1;
        }
    }

    fn import(&mut self, import: &Import) {
        if import.refr.span().text() == "rego.v1" {
            return;
        }
        self.out.push('\n');
        self.line += 1;
        self.to_line(import.span.line);
        self.text("import ");
        self.term(&import.refr);
        if let Some(alias) = &import.r#as {
            let _ = write!(self.out, " as {}", alias.text());
        }
    }

    fn rule(&mut self, rule: &Rule, v1: bool) {
        self.out.push('\n');
        self.line += 1;
        self.to_line(rule.span().line);
        self.renamed = safety::some(rule);
        self.renamed.retain(|name| self.names.is_document(name));
        match rule {
            Rule::Default { refr, args, op, value, .. } => {
                self.text("default ");
                self.term(refr);
                if !args.is_empty() {
                    self.arguments(args);
                }
                self.assign_op(op);
                self.term(value);
            }
            Rule::Spec { head, bodies, .. } => {
                let keyed = self.head(head, v1);
                for body in bodies {
                    self.body(body, v1 || keyed);
                }
            }
        }
    }

    /// Whether `if` is needed, because without it the head would mean a set.
    fn head(&mut self, head: &RuleHead, v1: bool) -> bool {
        match head {
            RuleHead::Set { refr, key, .. } => {
                self.term(refr);
                if let Some(key) = key {
                    let contains = v1 || !matches!(refr.as_ref(), Expr::Var { .. });
                    self.text(if contains { " contains " } else { "[" });
                    self.term(key);
                    self.text(if contains { "" } else { "]" });
                }
                false
            }
            RuleHead::Compr { refr, assign, .. } => {
                self.term(refr);
                self.head_value(assign.as_ref());
                assign.is_none() && !matches!(refr.as_ref(), Expr::Var { .. })
            }
            RuleHead::Func { refr, args, assign, .. } => {
                self.term(refr);
                self.arguments(args);
                self.head_value(assign.as_ref());
                false
            }
        }
    }

    fn head_value(&mut self, assign: Option<&RuleAssign>) {
        if let Some(assign) = assign {
            self.assign_op(&assign.op);
            self.term(&assign.value);
        }
    }

    fn body(&mut self, body: &RuleBody, condition: bool) {
        if body.is_else {
            self.to_line(body.span.line);
            self.text(" else");
            self.head_value(body.assign.as_ref());
        }
        if !body.query.stmts.is_empty() {
            self.text(if condition { " if {" } else { " {" });
            self.query(&body.query);
            self.text("}");
        }
    }

    fn query(&mut self, query: &Query) {
        for (i, statement) in query.stmts.iter().enumerate() {
            if i > 0 {
                self.text("; ");
            }
            self.to_line(statement.span.line);
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &LiteralStmt) {
        let mut lifted = vec![];
        match &statement.literal {
            Literal::NotExpr { expr, .. } => self.operands(expr, &mut lifted),
            Literal::Every { domain, .. } => self.value(domain, &mut lifted),
            _ => {}
        }
        for term in lifted {
            let name = format!("__bound_{}", self.fresh);
            self.fresh += 1;
            let _ = write!(self.out, "{name} := ");
            self.term(&term);
            self.with(statement);
            self.text("; ");
            self.bound.insert(term.eidx(), name);
        }
        self.literal(&statement.literal);
        self.with(statement);
    }

    fn with(&mut self, statement: &LiteralStmt) {
        for with in &statement.with_mods {
            self.text(" with ");
            self.term(&with.refr);
            self.text(" as ");
            self.term(&with.r#as);
        }
    }

    fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::SomeVars { vars, .. } => {
                self.text("some ");
                for (i, var) in vars.iter().enumerate() {
                    self.text(if i > 0 { ", " } else { "" });
                    self.variable(var.text());
                }
            }
            Literal::SomeIn { key, value, collection, .. } => {
                self.text("some ");
                if let Some(key) = key {
                    self.term(key);
                    self.text(", ");
                }
                self.term(value);
                self.text(" in ");
                self.term(collection);
            }
            Literal::Every { key, value, domain, query, .. } => {
                self.text("every ");
                if let Some(key) = key {
                    let _ = write!(self.out, "{}, ", key.text());
                }
                let _ = write!(self.out, "{} in ", value.text());
                self.term(domain);
                self.text(" {");
                self.query(query);
                self.text("}");
            }
            Literal::NotExpr { expr, .. } => {
                self.text("not ");
                self.expression(expr);
            }
            Literal::Expr { expr, .. } => self.expression(expr),
        }
    }

    /// An expression that is a statement.
    fn expression(&mut self, expr: &Term) {
        match expr.as_ref() {
            Expr::Call { fcn, .. } if builtins::path(fcn).as_deref() == Some("print") => self.text("true"),
            Expr::Call { fcn, params, .. } => self.statement_call(expr, fcn, params),
            Expr::AssignExpr { op, lhs, rhs, .. } => self.assignment(op, lhs, rhs),
            Expr::BoolExpr { op, lhs, rhs, .. } => self.comparison(op, lhs, rhs),
            Expr::Membership { .. } => self.membership(expr),
            _ => self.term(expr),
        }
    }

    /// A call may have its result as one argument more, which regorus does not know for functions of its host.
    fn statement_call(&mut self, call: &Term, fcn: &Term, params: &[Term]) {
        let arity = builtins::path(fcn).and_then(|path| self.names.arity(&path));
        match params.split_last() {
            Some((result, arguments)) if arity == Some(arguments.len()) && !is_walk(fcn) => {
                self.term(result);
                self.text(" = ");
                self.text(fcn.span().text());
                self.arguments(arguments);
            }
            _ => self.term(call),
        }
    }

    fn assignment(&mut self, op: &AssignOp, lhs: &Term, rhs: &Term) {
        match rhs.as_ref() {
            // `walk` has many results.
            Expr::Call { fcn, params, .. } if is_walk(fcn) && params.len() == 1 => {
                self.text(fcn.span().text());
                self.text("(");
                self.term(&params[0]);
                self.text(", ");
                self.term(lhs);
                self.text(")");
            }
            _ => {
                self.term(lhs);
                self.assign_op(op);
                self.term(rhs);
                self.keys(lhs, rhs);
                self.keys(rhs, lhs);
            }
        }
    }

    /// An object unifies with objects of just its keys; regorus lets others have more.
    fn keys(&mut self, pattern: &Term, value: &Term) {
        if let Expr::Object { fields, .. } = pattern.as_ref()
            && matches!(value.as_ref(), Expr::Var { .. } | Expr::RefDot { .. } | Expr::RefBrack { .. })
        {
            self.text("; count(");
            self.term(value);
            let _ = write!(self.out, ") == {}", fields.len());
        }
    }

    fn assign_op(&mut self, op: &AssignOp) {
        self.text(if *op == AssignOp::Eq { " = " } else { " := " });
    }

    fn comparison(&mut self, op: &BoolOp, lhs: &Term, rhs: &Term) {
        self.term(lhs);
        self.text(match op {
            BoolOp::Lt => " < ",
            BoolOp::Le => " <= ",
            BoolOp::Eq => " == ",
            BoolOp::Ge => " >= ",
            BoolOp::Gt => " > ",
            BoolOp::Ne => " != ",
        });
        self.term(rhs);
    }

    fn membership(&mut self, expr: &Expr) {
        let Expr::Membership { key, value, collection, .. } = expr else { return };
        if let Some(key) = key {
            self.term(key);
            self.text(", ");
        }
        self.term(value);
        self.text(" in ");
        self.term(collection);
    }

    fn term(&mut self, expr: &Term) {
        if let Some(name) = self.bound.get(&expr.eidx()) {
            self.out.push_str(name);
            return;
        }
        match expr.as_ref() {
            Expr::String { value, .. } | Expr::RawString { value, .. } => {
                let _ = write!(self.out, "{value}");
            }
            Expr::Number { span, .. } | Expr::Bool { span, .. } | Expr::Null { span, .. } => {
                self.out.push_str(span.text())
            }
            Expr::Var { span, .. } => self.variable(span.text()),
            Expr::RefDot { .. } | Expr::RefBrack { .. } => self.reference(expr),
            Expr::Call { fcn, params, .. } => {
                self.text(fcn.span().text());
                self.arguments(params);
            }
            Expr::UnaryExpr { expr, .. } => {
                self.text("internal.minus(0, ");
                self.term(expr);
                self.text(")");
            }
            Expr::BinExpr { op, lhs, rhs, .. } => {
                self.operator(if *op == BinOp::Union { "or" } else { "and" }, lhs, rhs);
            }
            Expr::ArithExpr { op, lhs, rhs, .. } => self.operator(arithmetic(op), lhs, rhs),
            Expr::BoolExpr { .. } | Expr::AssignExpr { .. } | Expr::Membership { .. } => {
                self.text("(");
                self.expression(expr);
                self.text(")");
            }
            _ => self.composite(expr),
        }
    }

    fn variable(&mut self, name: &str) {
        if self.renamed.contains(name) {
            self.text(RESERVED);
        }
        self.text(name);
    }

    fn reference(&mut self, expr: &Expr) {
        match expr {
            Expr::RefDot { refr, field, .. } => {
                self.term(refr);
                let _ = write!(self.out, ".{}", field.0.text());
            }
            Expr::RefBrack { refr, index, .. } => {
                self.term(refr);
                self.text("[");
                self.term(index);
                self.text("]");
            }
            _ => {}
        }
    }

    fn composite(&mut self, expr: &Expr) {
        match expr {
            Expr::Array { items, .. } => self.list("[", items, "]"),
            Expr::Set { items, .. } if items.is_empty() => self.text("set()"),
            Expr::Set { items, .. } => self.list("{", items, "}"),
            Expr::Object { fields, .. } => {
                self.text("{");
                for (i, (_, key, value)) in fields.iter().enumerate() {
                    self.text(if i > 0 { ", " } else { "" });
                    self.term(key);
                    self.text(": ");
                    self.term(value);
                }
                self.text("}");
            }
            Expr::ArrayCompr { term, query, .. } => self.comprehension("[", &[term], query, "]"),
            Expr::SetCompr { term, query, .. } => self.comprehension("{", &[term], query, "}"),
            Expr::ObjectCompr { key, value, query, .. } => self.comprehension("{", &[key, value], query, "}"),
            _ => {}
        }
    }

    fn list(&mut self, open: &str, items: &[Term], close: &str) {
        self.text(open);
        for (i, item) in items.iter().enumerate() {
            self.text(if i > 0 { ", " } else { "" });
            self.term(item);
        }
        self.text(close);
    }

    /// A term that is more than a name is bound behind the body: regorus takes a variable in it for one that is used
    /// before `some` declares it.
    fn comprehension(&mut self, open: &str, terms: &[&Term], query: &Query, close: &str) {
        self.text(open);
        let mut late = vec![];
        for (i, term) in terms.iter().enumerate() {
            self.text(if i > 0 { ": " } else { "" });
            if matches!(term.as_ref(), Expr::Var { .. } | Expr::String { .. } | Expr::Number { .. }) {
                self.term(term);
            } else {
                let name = format!("{RESERVED}{}", self.fresh);
                self.fresh += 1;
                self.text(&name);
                late.push((name, *term));
            }
        }
        self.text(" | ");
        self.query(query);
        for (name, term) in late {
            let _ = write!(self.out, "; {name} := ");
            self.term(term);
        }
        self.text(close);
    }

    fn arguments(&mut self, arguments: &[Term]) {
        self.list("(", arguments, ")");
    }

    fn operator(&mut self, name: &str, lhs: &Term, rhs: &Term) {
        let _ = write!(self.out, "internal.{name}(");
        self.term(lhs);
        self.text(", ");
        self.term(rhs);
        self.text(")");
    }

    /// What OPA takes out of a negated expression.
    fn operands(&self, expr: &Term, lifted: &mut Vec<Term>) {
        match expr.as_ref() {
            Expr::Call { params, .. } => params.iter().for_each(|param| self.value(param, lifted)),
            Expr::BoolExpr { op: BoolOp::Eq, lhs, rhs, .. } | Expr::AssignExpr { lhs, rhs, .. } => {
                self.unified(lhs, lifted);
                self.unified(rhs, lifted);
            }
            Expr::BoolExpr { lhs, rhs, .. }
            | Expr::ArithExpr { lhs, rhs, .. }
            | Expr::BinExpr { lhs, rhs, .. } => {
                self.value(lhs, lifted);
                self.value(rhs, lifted);
            }
            Expr::Membership { key, value, collection, .. } => {
                key.iter().chain([value, collection]).for_each(|operand| self.value(operand, lifted));
            }
            Expr::UnaryExpr { expr, .. } => self.value(expr, lifted),
            _ => self.unified(expr, lifted),
        }
    }

    /// An operand of `==`, `=`, or an expression that is one term: a reference stays, what is in its brackets goes.
    fn unified(&self, expr: &Term, lifted: &mut Vec<Term>) {
        match expr.as_ref() {
            Expr::RefDot { refr, .. } => self.root(refr, lifted),
            Expr::RefBrack { refr, index, .. } => {
                self.root(refr, lifted);
                self.value(index, lifted);
            }
            Expr::Var { .. } => {}
            _ => self.value(expr, lifted),
        }
    }

    fn root(&self, refr: &Term, lifted: &mut Vec<Term>) {
        self.unified(refr, lifted);
    }

    /// What must be defined: references and calls, alone or inside arrays, objects and sets.
    fn value(&self, expr: &Term, lifted: &mut Vec<Term>) {
        if self.is_dynamic(expr) {
            lifted.push(expr.clone());
        }
    }

    fn is_dynamic(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Var { span, .. } => self.names.is_document(span.text()),
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().any(|item| self.is_dynamic(item))
            }
            Expr::Object { fields, .. } => {
                fields.iter().any(|(_, key, value)| self.is_dynamic(key) || self.is_dynamic(value))
            }
            Expr::RefDot { .. }
            | Expr::RefBrack { .. }
            | Expr::Call { .. }
            | Expr::UnaryExpr { .. }
            | Expr::BinExpr { .. }
            | Expr::BoolExpr { .. }
            | Expr::ArithExpr { .. }
            | Expr::Membership { .. } => true,
            _ => false,
        }
    }
}

fn is_walk(fcn: &Expr) -> bool {
    matches!(fcn, Expr::Var { span, .. } if span.text() == "walk")
}

fn arithmetic(op: &ArithOp) -> &'static str {
    match op {
        ArithOp::Add => "plus",
        ArithOp::Sub => "minus",
        ArithOp::Mul => "mul",
        ArithOp::Div => "div",
        ArithOp::Mod => "rem",
    }
}

/// All names in a set of modules that start with `__bound_` would clash.
pub const RESERVED: &str = "__bound_";
