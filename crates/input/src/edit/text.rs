//! A text with its lines and its style.

use std::ops::Range;

use super::NotEdited;
use super::tree::{Content, Node};

/// A text, and how people write in it.
#[derive(Debug)]
pub struct Text<'t> {
    /// The text.
    pub source: &'t str,
    /// How much deeper a map stands than its key.
    pub step: usize,
    /// How much deeper the dashes of a list stand than its key.
    pub dash: usize,
    /// How lines end.
    pub newline: &'static str,
}

impl<'t> Text<'t> {
    /// A text with what can be seen of its style in the document.
    pub fn new(text: &'t str, root: &Node) -> Self {
        let windows = text.find('\n').is_some_and(|at| text[..at].ends_with('\r'));
        let mut this = Self { source: text, step: 2, dash: 0, newline: if windows { "\r\n" } else { "\n" } };
        let (mut step, mut dash) = (None, None);
        this.look(root, &mut step, &mut dash);
        (this.step, this.dash) = (step.unwrap_or(2), dash.unwrap_or(0));
        this
    }

    /// Finds the first map and the first list below a key.
    fn look(&self, node: &Node, step: &mut Option<usize>, dash: &mut Option<usize>) {
        match &node.content {
            Content::Mapping { flow: false, members } => {
                for member in members {
                    let key = self.column(member.key.span.start);
                    match &member.value.content {
                        Content::Mapping { flow: false, members } => {
                            let first = members.first().map(|first| self.column(first.key.span.start));
                            let deeper = first.and_then(|column| column.checked_sub(key));
                            *step = step.or(deeper.filter(|deeper| *deeper > 0));
                        }
                        Content::Sequence { flow: false, items } => {
                            let first = items.first().and_then(|first| self.dash_of(first));
                            *dash = dash.or(first.and_then(|at| self.column(at).checked_sub(key)));
                        }
                        _ => {}
                    }
                    self.look(&member.value, step, dash);
                }
            }
            Content::Sequence { flow: false, items } => {
                for item in items {
                    self.look(item, step, dash);
                }
            }
            _ => {}
        }
    }

    /// Where the line of a place begins.
    pub fn line_start(&self, at: usize) -> usize {
        self.source[..at].rfind('\n').map_or(0, |newline| newline + 1)
    }

    /// Where the line after a place begins; the end of the text on its last line.
    pub fn line_after(&self, at: usize) -> usize {
        self.source[at..].find('\n').map_or(self.source.len(), |newline| at + newline + 1)
    }

    /// How many bytes stand before a place on its line.
    pub fn column(&self, at: usize) -> usize {
        at - self.line_start(at)
    }

    /// What stands before a place on its line.
    pub fn before(&self, at: usize) -> &'t str {
        &self.source[self.line_start(at)..at]
    }

    /// The dash of an item of a list in block style.
    pub fn dash_of(&self, item: &Node) -> Option<usize> {
        let before = self.source[..item.span.start].trim_end_matches([' ', '\n', '\r']);
        // An item that is empty begins right behind its dash.
        before.ends_with('-').then(|| before.len() - 1)
    }

    /// Where the lines after a value begin.
    pub fn after(&self, node: &Node) -> usize {
        let end = node.end();
        if !node.ends_with_block() || self.column(end) > 0 {
            return self.line_after(end);
        }
        // A block has the empty lines behind it, which are no part of the value unless it says so.
        let written = self.source[..end].trim_end_matches(['\n', '\r', ' ']);
        let after = self.line_after(written.len());
        if self.keeps_end(node) { end } else { after.min(end) }
    }

    fn keeps_end(&self, node: &Node) -> bool {
        let last = match &node.content {
            Content::Mapping { members, .. } => members.last().map(|member| &member.value),
            Content::Sequence { items, .. } => items.last(),
            Content::Alias | Content::Scalar { .. } => None,
        };
        match last {
            Some(last) => self.keeps_end(last),
            None => self.source[node.span.clone()].lines().next().is_some_and(|header| header.contains('+')),
        }
    }

    /// The text with lines put in before a place where a line begins, or behind the last line.
    pub fn with_lines(&self, at: usize, lines: &[String]) -> String {
        let (before, after) = self.source.split_at(at);
        let block = lines.join(self.newline);
        if before.is_empty() || before.ends_with('\n') {
            format!("{before}{block}{}{after}", self.newline)
        } else {
            format!("{before}{}{block}{after}", self.newline)
        }
    }

    /// The text with something else in a range.
    pub fn with(&self, range: Range<usize>, new: &str) -> String {
        format!("{}{new}{}", &self.source[..range.start], &self.source[range.end..])
    }

    /// The text without a range.
    ///
    /// # Errors
    /// A comment stands in it.
    pub fn without(&self, range: Range<usize>) -> Result<String, NotEdited> {
        if self.source[range.clone()].contains('#') {
            Err(NotEdited::Comment)
        } else {
            Ok(self.with(range, ""))
        }
    }

    /// Whether nothing but spaces, and dashes of lists, stands before a place on its line.
    pub fn begins_line(&self, at: usize) -> Result<(), NotEdited> {
        let fits = self.before(at).chars().all(|c| matches!(c, ' ' | '-'));
        fits.then_some(()).ok_or(NotEdited::Form)
    }

    /// The same without dashes.
    pub fn is_alone(&self, at: usize) -> bool {
        self.before(at).chars().all(|c| c == ' ')
    }
}
