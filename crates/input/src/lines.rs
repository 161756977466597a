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
    let mut search = Search(Events::new(document));
    let mut event = search.next()?;
    let mut place = search.place(&event, None);
    for part in path(pointer) {
        let Some((value, key)) = search.below(&event, &part) else { return Some(place) };
        place = search.place(&value, key);
        event = value;
    }
    Some(place)
}

/// The text of a scalar as it is written; none where there is no scalar.
pub fn scalar(document: &str, pointer: &str) -> Option<String> {
    let mut search = Search(Events::new(document));
    let first = search.next()?;
    let event = path(pointer).try_fold(first, |event, part| Some(search.below(&event, &part)?.0))?;
    match event.part {
        Part::Scalar(scalar) => Some(scalar.text),
        _ => None,
    }
}

fn path(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"))
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

    /// A value inside a node that has begun, and the line of its key.
    fn below(&mut self, node: &Event, part: &str) -> Option<(Event, Option<usize>)> {
        match node.part {
            Part::Mapping(_) => self.member(part),
            Part::Sequence(_) => self.element(part.parse().ok()?).map(|event| (event, None)),
            _ => None,
        }
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
