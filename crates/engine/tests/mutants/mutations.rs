//! The changes that are made to a module, one at a time.

use std::ops::Range;

use crate::rego::{Kind, Module};

/// A module with one change.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// The definition that is changed.
    pub definition: String,
    /// The line of the change, from 1.
    pub line: usize,
    /// What is changed: "`before` → `after`".
    pub change: String,
    /// The module.
    pub source: String,
}

/// What stands where, and what shall stand there.
type Change = (Range<usize>, String);

/// Every mutant of a module.
pub fn mutants(source: &str) -> Vec<Mutant> {
    let module = Module::new(source);
    let mut mutants = vec![];
    for definition in module.definitions() {
        let mut changes = vec![(module.span(definition.tokens.clone()), String::new())];
        changes.extend(without_an_else(&module, definition.tokens.clone()));
        for body in module.bodies(definition.tokens.clone()) {
            changes.extend(of_expressions(&module, body));
        }
        for i in definition.tokens.clone() {
            changes.extend(of_a_token(&module, i));
            changes.extend(of_a_literal(&module, i));
            changes.extend(of_an_operation(&module, i, &definition.tokens));
        }
        mutants.extend(changes.into_iter().map(|change| mutant(source, &definition.name, change)));
    }
    mutants
}

fn mutant(source: &str, definition: &str, (span, text): Change) -> Mutant {
    let line_start = source[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = source[span.end..].find('\n').map_or(source.len(), |at| span.end + at);
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let before = squeezed(&source[line_start..line_end]);
    let changed = format!("{}{text}{}", &source[..span.start], &source[span.end..]);
    let after =
        squeezed(&format!("{}{text}{}", &source[line_start..span.start], &source[span.end..line_end]));
    Mutant {
        definition: definition.to_owned(),
        line: source[..span.start].matches('\n').count() + 1,
        change: format!("`{before}` → `{after}`"),
        source: changed,
    }
}

/// Each branch that follows an `else`, taken away.
fn without_an_else(module: &Module, definition: Range<usize>) -> Vec<Change> {
    let is_else = |i: &usize| module.text(*i) == "else";
    let mut starts: Vec<_> = module.at_this_level(definition.clone()).filter(is_else).collect();
    starts.push(definition.end);
    starts.windows(2).map(|pair| (module.span(pair[0]..pair[1]), String::new())).collect()
}

/// Each expression of a body taken away, and turned into its opposite. What binds a variable stays: without it the
/// module would not compile.
fn of_expressions(module: &Module, body: Range<usize>) -> Vec<Change> {
    let expressions = module.split(body, |text| matches!(text, "\n" | ";"));
    let change = |expression: Range<usize>| {
        let span = module.span(expression.clone());
        let first = module.text(expression.start);
        if first == "some" || module.at_this_level(expression.clone()).any(|i| module.text(i) == ":=") {
            return vec![];
        }
        let text = &module.source[span.clone()];
        let opposite = match text.strip_prefix("not ") {
            Some(positive) => Some(positive.to_owned()),
            None if first == "every" => None,
            None => Some(format!("not {text}")),
        };
        std::iter::once("true".to_owned()).chain(opposite).map(|text| (span.clone(), text)).collect()
    };
    expressions.into_iter().flat_map(change).collect()
}

/// Another constant, comparison or field.
fn of_a_token(module: &Module, i: usize) -> Vec<Change> {
    let text = module.text(i);
    let other = match module.kind(i) {
        Some(Kind::Text) => Some(format!("{}~{}", &text[..text.len() - 1], &text[text.len() - 1..])),
        Some(Kind::Number) => text.parse::<u64>().ok().map(|number| (number + 1).to_string()),
        Some(Kind::Name) if is_field(module, i) => Some(format!("{text}_")),
        Some(Kind::Name | Kind::Sign) => other_word(text).map(str::to_owned),
        _ => None,
    };
    other.map(|other| (module.span(i..i + 1), other)).into_iter().collect()
}

/// A field in a reference. Functions and packages stand in front of a bracket or a dot.
fn is_field(module: &Module, i: usize) -> bool {
    i > 0 && module.text(i - 1) == "." && module.text(i + 1) != "("
}

fn other_word(text: &str) -> Option<&'static str> {
    Some(match text {
        "true" => "false",
        "false" => "true",
        "null" => "\"~\"",
        "==" => "!=",
        "!=" => "==",
        "<" => "<=",
        "<=" => "<",
        ">" => ">=",
        ">=" => ">",
        "+" => "-",
        "*" => "+",
        _ => return None,
    })
}

/// A list or set without one of its elements.
fn of_a_literal(module: &Module, i: usize) -> Vec<Change> {
    if !module.opens(i) || module.text(i) == "(" || module.bar(i).is_some() || !is_literal(module, i) {
        return vec![];
    }
    let elements = module.split(module.inside(i), |text| text == ",");
    let is_set = module.text(i) == "{" && !elements.iter().any(|it| has_colon(module, it.clone()));
    let (open, close) = (module.text(i), if module.text(i) == "[" { "]" } else { "}" });
    let span = module.span(i..module.after(i));
    let without = |left_out: usize| {
        let kept = elements.iter().enumerate().filter(|(k, _)| *k != left_out);
        let kept: Vec<_> = kept.map(|(_, it)| &module.source[module.span(it.clone())]).collect();
        let text = format!("{open}{}{close}", kept.join(", "));
        (span.clone(), if kept.is_empty() && is_set { "set()".to_owned() } else { text })
    };
    (0..elements.len()).map(without).collect()
}

fn has_colon(module: &Module, range: Range<usize>) -> bool {
    module.at_this_level(range).any(|i| module.text(i) == ":")
}

/// Whether the bracket begins a value of its own: no body, and no index of what stands before it.
fn is_literal(module: &Module, i: usize) -> bool {
    let Some(before) = i.checked_sub(1) else { return false };
    let is_word = matches!(module.text(before), "in" | "else");
    let adjacent = module.tokens[before].at.end == module.tokens[i].at.start;
    let follows = matches!(module.kind(before), Some(Kind::Name)) || matches!(module.text(before), ")" | "]");
    is_word || !follows || (module.text(i) == "[" && !adjacent)
}

/// One of the sets of a union, and a set from which nothing is taken.
fn of_an_operation(module: &Module, i: usize, within: &Range<usize>) -> Vec<Change> {
    let is_bar = |i| (0..i).any(|open| module.bar(open) == Some(i));
    let operator = module.text(i);
    if !matches!(operator, "|" | "-" | "&") || (operator == "|" && is_bar(i)) {
        return vec![];
    }
    let (left, right) = (operand_before(module, i, within.start), operand_after(module, i, within.end));
    let span = module.span(left.start..right.end);
    let kept = |range: Range<usize>| (span.clone(), module.source[module.span(range)].to_owned());
    if operator == "|" { vec![kept(left), kept(right)] } else { vec![kept(left)] }
}

fn operand_before(module: &Module, operator: usize, start: usize) -> Range<usize> {
    let mut first = module.before(operator - 1);
    while first > start && touches(module, first - 1) {
        first = module.before(first - 1);
    }
    first..operator
}

fn operand_after(module: &Module, operator: usize, end: usize) -> Range<usize> {
    let mut next = module.after(operator + 1);
    while next < end && touches(module, next - 1) {
        next = module.after(next);
    }
    operator + 1..next
}

/// Whether nothing stands between a token and the next one, as within a reference or call.
fn touches(module: &Module, i: usize) -> bool {
    let [this, next] = &module.tokens[i..=i + 1] else { return false };
    this.at.end == next.at.start
        && !matches!(module.text(i), "(" | "[" | "{" | ",")
        && !matches!(module.text(i + 1), ")" | "]" | "}" | "," | "\n")
}
