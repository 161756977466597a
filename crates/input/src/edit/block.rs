//! Changes of maps and lists in block style: whole lines come and go.

use serde_json::Value;

use super::NotEdited;
use super::render::{self, Style};
use super::text::Text;
use super::tree::{Content, Member, Node};

type Edited = Result<String, NotEdited>;

/// Sets a field.
pub fn set(text: &Text, members: &[Member], name: &str, value: &Value) -> Edited {
    let first = members.first().ok_or(NotEdited::Form)?;
    text.begins_line(first.key.span.start)?;
    if let Some(member) = members.iter().find(|member| member.is(name)) {
        return replace(text, member, value);
    }
    let last = members.last().ok_or(NotEdited::Form)?;
    let indent = text.column(first.key.span.start);
    let lines = render::member(name, value, style(text, indent));
    Ok(text.with_lines(text.after(&last.value), &lines))
}

fn style(text: &Text, indent: usize) -> Style {
    Style { indent, step: text.step, dash: text.dash }
}

/// Gives a field another value. A comment behind the key, or behind the value, stays.
fn replace(text: &Text, member: &Member, value: &Value) -> Edited {
    text.begins_line(member.key.span.start)?;
    let old = &member.value;
    let colon =
        text.source[member.key.span.end..].find(':').ok_or(NotEdited::Form)? + member.key.span.end + 1;
    let without = if old.is_below() {
        let below = text.line_after(colon);
        let behind_key = text.source[colon..below].split('#').next().unwrap_or_default();
        if !behind_key.trim().is_empty() {
            return Err(NotEdited::Form);
        }
        text.with(below..text.after(old), "")
    } else {
        text.with(colon..old.span.end.max(colon), "")
    };
    let in_braces = text.source[old.span.clone()].starts_with(['{', '[']) && !is_empty(old);
    let inline = in_braces.then(|| render::flow(value, text.source[old.span.clone()].starts_with("{\"")));
    let text = Text { source: &without, ..*text };
    Ok(if let Some(scalar) = inline.or_else(|| render::inline(value)) {
        text.with(colon..colon, &format!(" {scalar}"))
    } else {
        let lines = render::below(value, style(&text, text.column(member.key.span.start)));
        text.with_lines(text.line_after(colon), &lines)
    })
}

fn is_empty(node: &Node) -> bool {
    match &node.content {
        Content::Mapping { members, .. } => members.is_empty(),
        Content::Sequence { items, .. } => items.is_empty(),
        Content::Alias | Content::Scalar { .. } => true,
    }
}

/// Gives an item another value, where both stand on the line of the dash.
pub fn replace_item(text: &Text, items: &[Node], index: &str, value: &Value) -> Edited {
    let item = index.parse::<usize>().ok().and_then(|index| items.get(index)).ok_or(NotEdited::NotThere)?;
    let scalar = render::inline(value).filter(|_| !item.is_below() && !item.span.is_empty());
    scalar.map(|scalar| text.with(item.span.clone(), &scalar)).ok_or(NotEdited::Form)
}

/// Adds an item at the end of a list.
pub fn append(text: &Text, items: &[Node], item: &Value) -> Edited {
    let (first, last) = items.first().zip(items.last()).ok_or(NotEdited::Form)?;
    let dash = text.dash_of(first).ok_or(NotEdited::Form)?;
    text.begins_line(dash)?;
    let lines = render::item(item, style(text, text.column(dash)));
    Ok(text.with_lines(text.after(last), &lines))
}

/// Removes a field with its lines. Comments above it stay.
pub fn remove_member(text: &Text, members: &[Member], name: &str) -> Edited {
    let at = members.iter().position(|member| member.is(name)).ok_or(NotEdited::NotThere)?;
    let (member, next) = (&members[at], members.get(at + 1));
    let start = member.key.span.start;
    text.begins_line(start)?;
    match next {
        // Of an item nothing but its dash would be left.
        None if members.len() == 1 && !text.is_alone(start) && !member.value.ends_with_block() => {
            Ok(text.with(start..member.value.end(), "{}"))
        }
        _ if members.len() == 1 => Err(NotEdited::Form),
        // The first field of an item stands behind its dash, where the next one moves to.
        Some(next) if !text.is_alone(start) => Ok(moved_up(text, member, next)),
        _ if text.is_alone(start) => Ok(text.with(text.line_start(start)..text.after(&member.value), "")),
        _ => Err(NotEdited::Form),
    }
}

/// The text without the first field of an item. Comments between it and the next one stand above the item then.
fn moved_up(text: &Text, member: &Member, next: &Member) -> String {
    let (start, line) = (member.key.span.start, text.line_start(member.key.span.start));
    let (after, to) = (text.after(&member.value), text.line_start(next.key.span.start));
    let dashes = &text.source[line..start];
    let space = &dashes[..dashes.len() - dashes.trim_start_matches(' ').len()];
    let between = text.source[after.min(to)..to].lines().map(str::trim).filter(|line| line.starts_with('#'));
    let comments: String = between.flat_map(|comment| [space, comment, text.newline]).collect();
    text.with(line..next.key.span.start, &format!("{comments}{dashes}"))
}

/// Removes an item of a list with its lines.
pub fn remove_item(text: &Text, items: &[Node], index: &str) -> Edited {
    let item = index.parse::<usize>().ok().and_then(|index| items.get(index)).ok_or(NotEdited::NotThere)?;
    let dash = text.dash_of(item).filter(|dash| text.is_alone(*dash)).ok_or(NotEdited::Form)?;
    if items.len() == 1 {
        return Err(NotEdited::Form);
    }
    Ok(text.with(text.line_start(dash)..text.after(item), ""))
}
