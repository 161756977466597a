//! The line of a value inside a document, for errors. It is looked up only when something is wrong, so that reading
//! costs nothing for it.

use super::events::{Event, Events, Part, Scalar};

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The line of the value's key, or of the value where it has none. From 1.
    pub line: usize,
    /// The line on which the value's own text begins: in a block after `|` it is the line below.
    pub text_line: usize,
}

/// Looks up a JSON pointer in a YAML or JSON document; the place of what is there of it.
pub fn find(document: &str, pointer: &str) -> Option<Place> {
    let path = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
    let mut search = Search(Events::new(document));
    let mut event = search.next()?;
    let mut place = search.place(&event, None);
    for part in path {
        let found = match event.part {
            Part::Mapping(_) => search.member(&part),
            Part::Sequence(_) => search.element(part.parse().ok()?).map(|event| (event, None)),
            _ => None,
        };
        let Some((value, key)) = found else { return Some(place) };
        place = search.place(&value, key);
        event = value;
    }
    Some(place)
}

struct Search<'t>(Events<'t>);

impl Search<'_> {
    /// The next node; none at the end of a collection.
    fn next(&mut self) -> Option<Event> {
        self.0.next().ok().flatten().filter(|event| !matches!(event.part, Part::End))
    }

    fn place(&mut self, event: &Event, key: Option<usize>) -> Place {
        let line = self.0.line(event);
        let below = usize::from(matches!(event.part, Part::Scalar(Scalar { block: true, .. })));
        Place { line: key.unwrap_or(line), text_line: line + below }
    }

    /// The value of a key, and the key's line.
    fn member(&mut self, name: &str) -> Option<(Event, Option<usize>)> {
        loop {
            let key = self.next()?;
            let line = self.0.line(&key);
            let matches = matches!(&key.part, Part::Scalar(Scalar { text, .. }) if text == name);
            self.skip(&key)?;
            let value = self.next()?;
            if matches {
                return Some((value, Some(line)));
            }
            self.skip(&value)?;
        }
    }

    fn element(&mut self, index: usize) -> Option<Event> {
        for _ in 0..index {
            let item = self.next()?;
            self.skip(&item)?;
        }
        self.next()
    }

    /// Reads to the end of a node that has begun.
    fn skip(&mut self, node: &Event) -> Option<()> {
        let mut open = usize::from(matches!(node.part, Part::Mapping(_) | Part::Sequence(_)));
        while open > 0 {
            match self.0.next().ok()??.part {
                Part::Mapping(_) | Part::Sequence(_) => open += 1,
                Part::End => open -= 1,
                Part::Alias(_) | Part::Scalar(_) => {}
            }
        }
        Some(())
    }
}
