//! YAML documents as values.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Value};

use super::scalar;

/// How deep a document may be nested. No object of Kubernetes comes near; JSON's readers stop soon after.
pub const DEEPEST: usize = 100;

/// How many values the aliases of a document may stand for together.
const MOST_ALIASED: usize = 100_000;

/// Line breaks of YAML 1.1 alone: behind one, what looks like a comment is content.
const OLD_BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

/// What is wrong with a document.
#[derive(Debug)]
pub struct YamlError {
    /// The line in the document, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

/// A document. The items of a list are kept as text, which takes a tenth of the memory of values.
#[derive(Debug)]
pub struct Parsed {
    /// The line on which the document's content begins, from 1.
    pub line: usize,
    /// The document, without its items.
    pub value: Value,
    /// What stands in a sequence `items` at the top, if there is one.
    pub items: Option<Vec<Item>>,
}

/// An element of a list.
#[derive(Debug)]
pub struct Item {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// The element as JSON.
    pub json: String,
}

struct Anchored {
    value: Value,
    size: usize,
    height: usize,
}

type Events<'t> = Parser<'t, StrInput<'t>>;

/// A parser of a document's events, without comments.
pub fn events(text: &str) -> Events<'_> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    Parser::new_from_str_with_options(text, options)
}

/// Reads one document; none if it is empty or null.
///
/// # Errors
/// The document does not parse, has a key twice, is nested too deep, or stands for far more than it says.
pub fn parse(text: &str) -> Result<Option<Parsed>, YamlError> {
    if let Some(at) = text.find(OLD_BREAKS) {
        let line = text[..at].lines().count().max(1);
        let message = "a character that ends a line for kubectl and for no editor (U+0085, U+2028 or U+2029)";
        return Err(YamlError { line, message: message.to_owned() });
    }
    let mut builder = Builder { events: events(text), anchors: HashMap::new(), aliased: 0, items: None };
    let Some((first, span)) = builder.content()? else { return Ok(None) };
    let line = span.start.line();
    let value = builder.node(first, span, 0)?;
    if let Some((_, span)) = builder.content()? {
        return Err(error(span, "a second document without a line --- before it"));
    }
    Ok((!value.is_null()).then_some(Parsed { line, value, items: builder.items }))
}

struct Builder<'t> {
    events: Events<'t>,
    anchors: HashMap<usize, Anchored>,
    aliased: usize,
    items: Option<Vec<Item>>,
}

fn error(span: Span, message: impl Into<String>) -> YamlError {
    YamlError { line: span.start.line(), message: message.into() }
}

impl From<ScanError> for YamlError {
    fn from(error: ScanError) -> Self {
        Self { line: error.marker().line(), message: error.info() }
    }
}

impl<'t> Builder<'t> {
    /// The next node of the stream; none at its end.
    fn content(&mut self) -> Result<Option<(Event<'t>, Span)>, YamlError> {
        loop {
            match self.events.next_event().transpose()? {
                None => return Ok(None),
                Some((event, span)) if event.is_node() => return Ok(Some((event, span))),
                Some(_) => {}
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'t>, Span), YamlError> {
        let end = || YamlError { line: 1, message: "the document ends too early".to_owned() };
        self.events.next_event().transpose()?.ok_or_else(end)
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Value, YamlError> {
        if depth > DEEPEST {
            return Err(error(span, format!("nested deeper than {DEEPEST} levels")));
        }
        let (anchor, value) = match event {
            Event::Alias(id) => return self.alias(id, span, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let value = scalar_value(&text, style, tag.as_deref(), span)?;
                (anchor, scalar::through_json(value))
            }
            Event::SequenceStart(_, anchor, _) => (anchor, self.sequence(depth)?),
            Event::MappingStart(_, anchor, _) => (anchor, self.mapping(depth)?),
            other => return Err(error(span, format!("unexpected {other:?}"))),
        };
        if anchor != 0 {
            let (size, height) = measure(&value);
            self.anchors.insert(anchor, Anchored { value: value.clone(), size, height });
        }
        Ok(value)
    }

    fn alias(&mut self, id: usize, span: Span, depth: usize) -> Result<Value, YamlError> {
        let anchored = self.anchors.get(&id).ok_or_else(|| error(span, "an alias inside its own anchor"))?;
        if depth + anchored.height > DEEPEST {
            return Err(error(span, format!("nested deeper than {DEEPEST} levels")));
        }
        self.aliased += anchored.size;
        if self.aliased > MOST_ALIASED {
            return Err(error(span, format!("its aliases stand for more than {MOST_ALIASED} values")));
        }
        Ok(anchored.value.clone())
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut items = vec![];
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Value::Array(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut fields = Map::new();
        let mut written = HashSet::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Value::Object(fields));
            }
            let merge = is_merge(&event);
            let key = self.key(event, span, depth)?;
            if merge {
                self.merge(&mut fields, depth)?;
                continue;
            }
            let key = scalar::key(key).map_err(|message| error(span, message))?;
            if !written.insert(key.clone()) {
                return Err(error(span, format!("the key {key:?} is here a second time")));
            }
            let value = self.field(&key, depth)?;
            fields.insert(key, value);
        }
    }

    /// A key is no value yet: 1e7 keeps its exponent.
    fn key(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Value, YamlError> {
        match &event {
            Event::Scalar(text, style, 0, tag) => scalar_value(text, *style, tag.as_deref(), span),
            _ => self.node(event, span, depth + 1),
        }
    }

    fn field(&mut self, key: &str, depth: usize) -> Result<Value, YamlError> {
        let (event, span) = self.next()?;
        if depth == 0 && key == "items" && matches!(event, Event::SequenceStart(_, 0, _)) {
            self.items = Some(self.list_items()?);
            return Ok(Value::Null);
        }
        self.node(event, span, depth + 1)
    }

    fn list_items(&mut self) -> Result<Vec<Item>, YamlError> {
        let mut items = vec![];
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => {
                    let json = self.node(event, span, 2)?.to_string();
                    items.push(Item { line: span.start.line(), json });
                }
            }
        }
    }

    /// What is merged replaces what stands before it and is replaced by what follows; in a list of maps the first
    /// wins. So does `yaml.v2`.
    fn merge(&mut self, fields: &mut Map<String, Value>, depth: usize) -> Result<(), YamlError> {
        let (event, span) = self.next()?;
        let maps = match self.node(event, span, depth + 1)? {
            Value::Array(maps) => maps,
            map => vec![map],
        };
        for map in maps.into_iter().rev() {
            let Value::Object(map) = map else {
                return Err(error(span, "<< takes a map or a list of maps"));
            };
            fields.extend(map);
        }
        Ok(())
    }
}

fn is_merge(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(text, style, _, tag) if text == "<<" => match tag {
            None => *style == ScalarStyle::Plain,
            Some(tag) => yaml_type(tag) == "merge",
        },
        _ => false,
    }
}

/// The name of one of YAML's own types; empty for tags of others.
fn yaml_type(tag: &Tag) -> Cow<'_, str> {
    tag.suffix_in_namespace("tag:yaml.org,2002:").unwrap_or_default()
}

fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Value, YamlError> {
    let value = match tag {
        Some(tag) => scalar::tagged(&yaml_type(tag), text),
        None if style == ScalarStyle::Plain => scalar::resolve(text),
        None => Ok(text.into()),
    };
    value.map_err(|message| error(span, message))
}

/// How many values a value consists of, and how deep it is nested.
fn measure(value: &Value) -> (usize, usize) {
    let sum = |(size, height): (usize, usize), value: &Value| {
        let (more, high) = measure(value);
        (size + more, height.max(high + 1))
    };
    match value {
        Value::Array(items) => items.iter().fold((1, 0), sum),
        Value::Object(fields) => fields.values().fold((1, 0), sum),
        _ => (1, 0),
    }
}
