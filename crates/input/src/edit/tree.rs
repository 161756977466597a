//! A document as what is written: with the place of everything in the text.

use std::ops::Range;

use crate::events::{Event, Events, Part};
use crate::yaml::DEEPEST;

/// A value, and where it is written, in bytes.
#[derive(Debug)]
pub struct Node {
    /// What is written, with anchor and tag. Of a collection in block style only the beginning counts.
    pub span: Range<usize>,
    /// What it is.
    pub content: Content,
}

/// What a value is.
#[derive(Debug)]
pub enum Content {
    /// What an anchor elsewhere stands for.
    Alias,
    /// No collection.
    Scalar {
        /// Whether it is a block, which ends at the beginning of a line.
        block: bool,
        /// The text, without quotes.
        text: String,
    },
    /// A list.
    Sequence {
        /// Whether it stands in brackets.
        flow: bool,
        /// Its items.
        items: Vec<Node>,
    },
    /// A map.
    Mapping {
        /// Whether it stands in braces.
        flow: bool,
        /// Its members.
        members: Vec<Member>,
    },
}

/// A key with its value.
#[derive(Debug)]
pub struct Member {
    /// The key.
    pub key: Node,
    /// The value.
    pub value: Node,
}

/// Reads a document; none if it cannot be read, or not with its places.
pub fn read(text: &str) -> Option<Node> {
    let mut events = Events::new(text);
    let first = events.is_exact().then(|| events.next().ok()?)??;
    Reader { events, length: text.len() }.node(&first, 0)
}

impl Node {
    /// A member of a map, or an item of a list.
    pub fn child(&self, part: &str) -> Option<&Self> {
        match &self.content {
            Content::Mapping { members, .. } => {
                members.iter().find(|member| member.is(part)).map(|member| &member.value)
            }
            Content::Sequence { items, .. } => items.get(part.parse::<usize>().ok()?),
            Content::Alias | Content::Scalar { .. } => None,
        }
    }

    /// The end of all that is written of it.
    pub fn end(&self) -> usize {
        let last = match &self.content {
            Content::Mapping { flow: false, members } => members.last().map(|member| &member.value),
            Content::Sequence { flow: false, items } => items.last(),
            _ => None,
        };
        last.map_or(self.span.end, Self::end)
    }

    /// Whether it ends with a block, which has the line break.
    pub fn ends_with_block(&self) -> bool {
        match &self.content {
            Content::Scalar { block, .. } => *block,
            Content::Mapping { flow: false, members } => {
                members.last().is_some_and(|member| member.value.ends_with_block())
            }
            Content::Sequence { flow: false, items } => items.last().is_some_and(Self::ends_with_block),
            _ => false,
        }
    }

    /// Whether it is a collection in block style, or a block: nothing that stands behind its key.
    pub fn is_below(&self) -> bool {
        matches!(
            self.content,
            Content::Mapping { flow: false, .. }
                | Content::Sequence { flow: false, .. }
                | Content::Scalar { block: true, .. }
        )
    }
}

impl Member {
    /// Whether its key is this one.
    pub fn is(&self, name: &str) -> bool {
        matches!(&self.key.content, Content::Scalar { text, .. } if text == name)
    }
}

struct Reader<'t> {
    events: Events<'t>,
    length: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<Event> {
        self.events.next().ok()?
    }

    fn node(&mut self, event: &Event, depth: usize) -> Option<Node> {
        (depth <= DEEPEST).then_some(())?;
        let clamped = |range: Range<usize>| range.start.min(self.length)..range.end.min(self.length);
        let mut span = clamped(event.span());
        let flow = event.flow;
        let content = match &event.part {
            Part::Alias(_) => Content::Alias,
            Part::Scalar(scalar) => Content::Scalar { block: scalar.block, text: scalar.text.clone() },
            Part::Sequence(_) => {
                let (items, end) = self.items(depth)?;
                span.end = if flow { end } else { span.end };
                Content::Sequence { flow, items }
            }
            Part::Mapping(_) => {
                let (members, end) = self.members(depth)?;
                span.end = if flow { end } else { span.end };
                Content::Mapping { flow, members }
            }
            Part::End => return None,
        };
        Some(Node { span, content })
    }

    /// The items, and the end of the list.
    fn items(&mut self, depth: usize) -> Option<(Vec<Node>, usize)> {
        let mut items = vec![];
        loop {
            let event = self.next()?;
            if matches!(event.part, Part::End) {
                return Some((items, event.span().end));
            }
            items.push(self.node(&event, depth + 1)?);
        }
    }

    fn members(&mut self, depth: usize) -> Option<(Vec<Member>, usize)> {
        let mut members = vec![];
        loop {
            let event = self.next()?;
            if matches!(event.part, Part::End) {
                return Some((members, event.span().end));
            }
            let key = self.node(&event, depth + 1)?;
            let value = self.next()?;
            let value = self.node(&value, depth + 1)?;
            members.push(Member { key, value });
        }
    }
}
