//! The line of a value inside a document, for errors. It is looked up only when something is wrong, so that reading
//! costs nothing for it.

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput};

use super::yaml::events;

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
    let mut events = events(document);
    let (mut event, mut span) = next_node(&mut events)?;
    let mut place = place_of(&event, span, None);
    for part in path {
        let found = match event {
            Event::MappingStart(..) => member(&mut events, &part),
            Event::SequenceStart(..) => element(&mut events, part.parse().ok()?).map(|(e, s)| (e, s, None)),
            _ => None,
        };
        let Some((value, value_span, key)) = found else { return Some(place) };
        (event, span) = (value, value_span);
        place = place_of(&event, span, key);
    }
    Some(place)
}

type Events<'t> = Parser<'t, StrInput<'t>>;

fn next_node<'t>(events: &mut Events<'t>) -> Option<(Event<'t>, Span)> {
    loop {
        let (event, span) = events.next_event()?.ok()?;
        if event.is_node() {
            return Some((event, span));
        }
        if matches!(event, Event::MappingEnd | Event::SequenceEnd) {
            return None;
        }
    }
}

fn place_of(event: &Event<'_>, span: Span, key: Option<Span>) -> Place {
    // The span of a block begins with its first line that is not blank.
    let blank = match event {
        Event::Scalar(text, ScalarStyle::Literal | ScalarStyle::Folded, ..) => {
            text.len() - text.trim_start_matches('\n').len()
        }
        _ => 0,
    };
    Place { line: key.unwrap_or(span).start.line(), text_line: span.start.line().saturating_sub(blank) }
}

fn member<'t>(events: &mut Events<'t>, name: &str) -> Option<(Event<'t>, Span, Option<Span>)> {
    loop {
        let (key, key_span) = next_node(events)?;
        let matches = key.scalar().is_some_and(|(text, _)| text == name);
        skip(events, &key)?;
        let (value, span) = next_node(events)?;
        if matches {
            return Some((value, span, Some(key_span)));
        }
        skip(events, &value)?;
    }
}

fn element<'t>(events: &mut Events<'t>, index: usize) -> Option<(Event<'t>, Span)> {
    for _ in 0..index {
        let (item, _) = next_node(events)?;
        skip(events, &item)?;
    }
    next_node(events)
}

/// Reads to the end of a node that has begun.
fn skip(events: &mut Events<'_>, node: &Event<'_>) -> Option<()> {
    let mut open = usize::from(matches!(node, Event::MappingStart(..) | Event::SequenceStart(..)));
    while open > 0 {
        match events.next_event()?.ok()?.0 {
            Event::MappingStart(..) | Event::SequenceStart(..) => open += 1,
            Event::MappingEnd | Event::SequenceEnd => open -= 1,
            _ => {}
        }
    }
    Some(())
}
