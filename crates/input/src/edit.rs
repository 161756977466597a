//! Changes values in the text of a YAML document. Comments, anchors, the order and the style of everything else stay.
//!
//! What cannot be changed where it stands is refused: what an alias stands for, for one. The changed text is read again, and
//! means exactly what was asked for.

mod apply;
mod block;
mod flow;
mod render;
#[cfg(test)]
mod tests;
mod text;
mod tree;

use serde_json::Value;

use text::Text;
use tree::{Content, Node};

/// A change of a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// Where: a JSON pointer.
    pub pointer: String,
    /// What is done there.
    pub change: Change,
}

/// What is done with a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A field gets this value. The map around it must be there.
    Set(Value),
    /// A list gets this item at its end.
    Append(Value),
    /// A field, or an item of a list, goes. It must not be the only one.
    Remove,
}

/// Why a text cannot be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotEdited {
    /// The place is reached through an alias, or not written at all.
    #[error("the field is not written there: an alias or a merge stands for it")]
    NotThere,
    /// The text has a form that is not changed.
    #[error("the text around the field has a form that is not edited")]
    Form,
    /// A comment stands in what would go.
    #[error("a comment stands in what would be removed")]
    Comment,
    /// The changed text would mean something else.
    #[error("the change would also change something else: an anchor stands in what changes")]
    Elsewhere,
}

/// The text of a document with changes made to it, one after the other.
///
/// # Errors
/// A change cannot be made in this text.
pub fn edited(text: &str, edits: &[Edit]) -> Result<String, NotEdited> {
    let mut value = super::value(text).map_err(|_| NotEdited::Form)?;
    let mut text = text.to_owned();
    for edit in edits {
        let place = parts(&edit.pointer);
        text = one(&text, &place, &edit.change)?;
        apply::apply(&mut value, &place, &edit.change).ok_or(NotEdited::NotThere)?;
    }
    match super::value(&text) {
        Ok(read) if read == value => Ok(text),
        _ if text.contains('&') => Err(NotEdited::Elsewhere),
        _ => Err(NotEdited::Form),
    }
}

/// The parts of a JSON pointer, unescaped.
fn parts(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
}

fn one(text: &str, place: &[String], change: &Change) -> Result<String, NotEdited> {
    let root = tree::read(text).ok_or(NotEdited::Form)?;
    let text = Text::new(text, &root);
    if let Change::Append(item) = change {
        let list = find(&root, place)?;
        let Content::Sequence { flow, items } = &list.content else { return Err(NotEdited::NotThere) };
        return if *flow {
            Ok(flow::append(&text, list, items, item))
        } else {
            block::append(&text, items, item)
        };
    }
    let (last, above) = place.split_last().ok_or(NotEdited::NotThere)?;
    let parent = find(&root, above)?;
    match (&parent.content, change) {
        (Content::Mapping { flow: true, .. } | Content::Sequence { flow: true, .. }, _) => {
            flow::change(&text, parent, last, change)
        }
        (Content::Mapping { members, .. }, Change::Set(value)) => block::set(&text, members, last, value),
        (Content::Mapping { members, .. }, _) => block::remove_member(&text, members, last),
        (Content::Sequence { items, .. }, Change::Remove) => block::remove_item(&text, items, last),
        (Content::Sequence { items, .. }, Change::Set(value)) => {
            block::replace_item(&text, items, last, value)
        }
        (Content::Sequence { .. }, Change::Append(_)) => Err(NotEdited::Form),
        (Content::Alias | Content::Scalar { .. }, _) => Err(NotEdited::NotThere),
    }
}

/// The node at a place.
fn find<'n>(root: &'n Node, place: &[String]) -> Result<&'n Node, NotEdited> {
    place.iter().try_fold(root, |node, part| node.child(part)).ok_or(NotEdited::NotThere)
}
