//! Changes of maps and lists in flow style: `{a: 1}`, `[a, b]`, and all of JSON.

use std::ops::Range;

use serde_json::Value;

use super::render;
use super::text::Text;
use super::tree::{Content, Node};
use super::{Change, NotEdited};

type Edited = Result<String, NotEdited>;

/// Adds an item at the end of a list.
pub fn append(text: &Text, list: &Node, items: &[Node], item: &Value) -> String {
    let quoted = text.source[list.span.clone()].contains('"');
    insert(text, list, items.last().map(|last| last.span.clone()), &render::flow(item, quoted))
}

/// Sets or removes a member of a map, or an item of a list.
pub fn change(text: &Text, parent: &Node, part: &str, change: &Change) -> Edited {
    let spans: Vec<_> = match &parent.content {
        Content::Mapping { members, .. } => {
            members.iter().map(|member| member.key.span.start..member.value.end()).collect()
        }
        Content::Sequence { items, .. } => items.iter().map(|item| item.span.start..item.end()).collect(),
        Content::Alias | Content::Scalar { .. } => return Err(NotEdited::NotThere),
    };
    match (change, parent.child(part)) {
        (Change::Remove, Some(_)) => {
            let at = position(parent, part).ok_or(NotEdited::NotThere)?;
            match (at.checked_sub(1).and_then(|before| spans.get(before)), spans.get(at + 1)) {
                (_, Some(next)) => text.without(spans[at].start..next.start),
                (Some(before), None) => text.without(before.end..spans[at].end),
                (None, None) => Err(NotEdited::Form),
            }
        }
        (Change::Set(value), Some(old)) if old.span.is_empty() => {
            let at = position(parent, part).ok_or(NotEdited::NotThere)?;
            Ok(first_value(text, parent, &spans[at], value))
        }
        (Change::Set(value), Some(old)) => {
            Ok(text.with(old.span.clone(), &render::flow(value, is_quoted(text, parent))))
        }
        (Change::Set(value), None) if matches!(parent.content, Content::Mapping { .. }) => {
            let quoted = is_quoted(text, parent);
            let member = format!("{}: {}", render::key(part, quoted), render::flow(value, quoted));
            Ok(insert(text, parent, spans.last().cloned(), &member))
        }
        _ => Err(NotEdited::NotThere),
    }
}

/// The text with the value of a member that has none: `{a: }`, or only a key, `{a}`.
fn first_value(text: &Text, parent: &Node, member: &Range<usize>, value: &Value) -> String {
    let value = render::flow(value, is_quoted(text, parent));
    let rest = &text.source[member.start..];
    let end = rest.find([',', '}', '\n']).map_or(text.source.len(), |end| member.start + end);
    let written = text.source[member.start..end].trim_end();
    let colon = if written.ends_with(':') { "" } else { ":" };
    let at = member.start + written.len();
    text.with(at..at, &format!("{colon} {value}"))
}

fn position(parent: &Node, part: &str) -> Option<usize> {
    match &parent.content {
        Content::Mapping { members, .. } => members.iter().position(|member| member.is(part)),
        _ => part.parse().ok(),
    }
}

/// Whether keys are quoted, as in JSON.
fn is_quoted(text: &Text, parent: &Node) -> bool {
    match &parent.content {
        Content::Mapping { members, .. } if !members.is_empty() => {
            members.iter().all(|member| text.source[member.key.span.start..].starts_with('"'))
        }
        _ => text.source.trim_start().starts_with('{'),
    }
}

/// Puts something in at the end of a collection: behind its last part, on a line of its own where that has one.
fn insert(text: &Text, parent: &Node, last: Option<Range<usize>>, new: &str) -> String {
    match last {
        None => text.with(parent.span.end - 1..parent.span.end - 1, new),
        Some(last) => {
            let before = text.before(last.start);
            let alone = before.chars().all(|c| c == ' ') && text.line_start(last.start) > parent.span.start;
            let space = if alone { format!("\n{before}") } else { " ".to_owned() };
            text.with(last.end..last.end, &format!(",{space}{new}"))
        }
    }
}
