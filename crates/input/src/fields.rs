//! The lines of all fields of an object, for results that name many of them.

use super::events::{Event, Events, Part};
use super::yaml::DEEPEST;

/// The lines of all fields of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields(Node);

/// A value, by the line of its key, or its own where it has none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Node {
    line: usize,
    children: Children,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Children {
    None,
    Members(Vec<(String, Node)>),
    Elements(Vec<Node>),
}

impl Fields {
    /// Those of the value at a JSON pointer of a text that begins on line `first`. If there is none, everything is on
    /// the line `otherwise`.
    pub(super) fn of(text: &str, pointer: &str, first: usize, otherwise: usize) -> Self {
        let parts: Vec<_> = pointer.split('/').skip(1).collect();
        let found =
            Reader { events: Events::new(text), first }.read().and_then(|root| root.into_value(&parts));
        found.map_or_else(|| Self::on(otherwise), Self)
    }

    /// Those of a value that stands on one line.
    pub(super) fn on(line: usize) -> Self {
        Self(Node { line, children: Children::None })
    }

    /// Those of an item of a list, of which the text has the lines; none if other things are on the first of them.
    pub(super) fn of_item(lines: &str, first: usize) -> Option<Self> {
        // What ends the item before. Without it the spaces count: a block is as deep as its first line.
        let closed = lines.trim_start().starts_with(['}', ']', ',']);
        let lines = if closed { lines.trim_start_matches(['}', ']', ',', ' ']) } else { lines };
        let root = Reader { events: Events::new(lines), first }.read()?;
        let item = match root.children {
            Children::Elements(elements) => elements.into_iter().next()?,
            _ => root,
        };
        let kind = |(name, _): &(String, Node)| matches!(name.as_str(), "kind" | "metadata");
        matches!(&item.children, Children::Members(members) if members.iter().any(kind)).then_some(Self(item))
    }

    /// The line on which a field stands, or what there is of its path, which is written as in messages:
    /// `spec.containers[0].image`, `metadata.labels["app.kubernetes.io/name"]`.
    #[must_use]
    pub fn line(&self, path: &str) -> usize {
        let mut node = &self.0;
        let mut rest = path;
        while let Some((part, after)) = part(rest) {
            let Some(child) = node.child(&part) else { break };
            (node, rest) = (child, after);
        }
        node.line
    }
}

impl Node {
    fn child(&self, part: &str) -> Option<&Self> {
        match &self.children {
            Children::None => None,
            Children::Members(members) => members.iter().find(|(name, _)| name == part).map(|(_, node)| node),
            Children::Elements(elements) => elements.get(part.parse::<usize>().ok()?),
        }
    }

    fn into_value(self, pointer: &[&str]) -> Option<Self> {
        let Some((part, rest)) = pointer.split_first() else { return Some(self) };
        let child = match self.children {
            Children::None => None,
            Children::Members(members) => {
                members.into_iter().find(|(name, _)| name == part).map(|(_, node)| node)
            }
            Children::Elements(elements) => elements.into_iter().nth(part.parse().ok()?),
        };
        child?.into_value(rest)
    }
}

/// The parts of a path, which is written as in messages: `spec.containers[0].image`,
/// `metadata.labels["app.kubernetes.io/name"]`.
#[must_use]
pub fn parts(path: &str) -> Vec<String> {
    let mut rest = path;
    let next = || {
        let (part, after) = part(rest)?;
        rest = after;
        Some(part)
    };
    std::iter::from_fn(next).collect()
}

/// The first part of a path, and the rest.
fn part(path: &str) -> Option<(String, &str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() {
        return None;
    }
    let Some(inside) = path.strip_prefix('[') else {
        let end = path.find(['.', '[']).unwrap_or(path.len());
        return Some((path[..end].to_owned(), &path[end..]));
    };
    if !inside.starts_with('"') {
        let (index, rest) = inside.split_once(']')?;
        return Some((index.to_owned(), rest));
    }
    let mut values = serde_json::Deserializer::from_str(inside).into_iter::<String>();
    let key = values.next()?.ok()?;
    Some((key, inside[values.byte_offset()..].strip_prefix(']')?))
}

/// Reads a document to its end, or to where it cannot be read any more.
struct Reader<'t> {
    events: Events<'t>,
    first: usize,
}

impl Reader<'_> {
    fn read(mut self) -> Option<Node> {
        let event = self.events.next().ok()??;
        let line = self.line(&event);
        Some(self.node(&event, line, 0).0)
    }

    fn line(&mut self, event: &Event) -> usize {
        self.first + self.events.line(event) - 1
    }

    /// A value with everything in it, and whether it was read to its end.
    fn node(&mut self, event: &Event, line: usize, depth: usize) -> (Node, bool) {
        if depth > DEEPEST {
            return (Node { line, children: Children::None }, false);
        }
        let (children, complete) = match &event.part {
            Part::Mapping(_) => self.members(depth),
            Part::Sequence(_) => self.elements(depth),
            Part::Alias(_) | Part::Scalar(_) | Part::End => (Children::None, true),
        };
        (Node { line, children }, complete)
    }

    fn next(&mut self) -> Option<Event> {
        self.events.next().ok().flatten()
    }

    fn members(&mut self, depth: usize) -> (Children, bool) {
        let mut members = vec![];
        let complete = loop {
            let Some(key) = self.next() else { break false };
            let line = self.line(&key);
            let name = match &key.part {
                Part::End => break true,
                Part::Scalar(scalar) => scalar.text.clone(),
                _ => String::new(),
            };
            if !self.node(&key, line, depth + 1).1 {
                break false;
            }
            let Some(value) = self.next() else { break false };
            let (node, complete) = self.node(&value, line, depth + 1);
            members.push((name, node));
            if !complete {
                break false;
            }
        };
        (Children::Members(members), complete)
    }

    fn elements(&mut self, depth: usize) -> (Children, bool) {
        let mut elements = vec![];
        let complete = loop {
            let Some(event) = self.next() else { break false };
            if matches!(event.part, Part::End) {
                break true;
            }
            let line = self.line(&event);
            let (node, complete) = self.node(&event, line, depth + 1);
            elements.push(node);
            if !complete {
                break false;
            }
        };
        (Children::Elements(elements), complete)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, part, parts};

    const POD: &str = "kind: Pod\nmetadata:\n  labels:\n    a.b/c: d\nspec:\n  containers:\n  - name: a\n    image: b\n  \
                       - name: c\n    resources:\n      limits: {cpu: 1,\n        memory: 2}\n";

    #[test]
    fn the_line_of_a_field_or_of_its_nearest_parent() {
        let fields = Fields::of(POD, "", 10, 1);
        for (path, line) in [
            ("kind", 10),
            ("metadata.labels[\"a.b/c\"]", 13),
            ("metadata.labels[\"absent\"]", 12),
            ("spec.containers[0].image", 17),
            ("spec.containers[1].resources.limits.memory", 21),
            ("spec.containers[1].resources.limits.nvidia.com/gpu", 20),
            ("spec.containers[1].securityContext.privileged", 18),
            ("spec.containers[7].image", 15),
            ("spec.hostNetwork", 14),
            ("status.phase", 10),
            ("", 10),
        ] {
            assert_eq!(fields.line(path), line, "{path}");
        }
    }

    #[test]
    fn parts_of_paths() {
        assert_eq!(part("a[\"b.c]\\\"\"].d"), Some(("a".to_owned(), "[\"b.c]\\\"\"].d")));
        assert_eq!(part("[\"b.c]\\\"\"].d"), Some(("b.c]\"".to_owned(), ".d")));
        assert_eq!(part(".d"), Some(("d".to_owned(), "")));
        assert_eq!(part(""), None);
        assert_eq!(part("[\"open"), None);
        assert_eq!(parts("a.b[0][\"c.d/e\"].f"), ["a", "b", "0", "c.d/e", "f"]);
        assert_eq!(parts("metadata.annotations[a.b/c]"), ["metadata", "annotations", "a.b/c"]);
    }

    #[test]
    fn the_rest_of_what_cannot_be_read_is_absent() {
        assert_eq!(Fields::of("a: {b: 1}\nc: [1,\n  : }", "", 1, 9).line("a.b"), 1);
        assert_eq!(Fields::of("", "", 1, 9).line("a.b"), 9);
        assert_eq!(Fields::of("a: 1", "/items/0", 1, 9).line("a.b"), 9);
    }
}
