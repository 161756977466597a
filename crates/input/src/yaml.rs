//! YAML documents as values.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::events::{Event, Events, Part, Scalar};
use super::{json, scalar};

/// How deep a document may be nested. No object of Kubernetes comes near; JSON's readers stop soon after.
pub const DEEPEST: usize = 100;

/// How much the aliases of a document may stand for together: values, a long text for several.
const MOST_ALIASED: usize = 100_000;

/// How many values an object may have: more than fit into the largest request that the API server takes (3 MiB).
const MOST_VALUES: usize = 2_000_000;

/// What is wrong with a document.
#[derive(Debug)]
pub struct YamlError {
    /// The line in the document, from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
    /// Whether it is a bound of this reader: others may take the document.
    pub is_limit: bool,
}

impl YamlError {
    /// A document that is wrong.
    pub const fn new(line: usize, message: String) -> Self {
        Self { line, message, is_limit: false }
    }
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

impl Parsed {
    /// The document, with its items.
    pub fn whole(self) -> Value {
        let Self { mut value, items, .. } = self;
        if let Some(items) = items {
            let values = items.iter().filter_map(|item| serde_json::from_str(&item.json).ok());
            value["items"] = Value::Array(values.collect());
        }
        value
    }
}

/// An element of a list.
#[derive(Debug)]
pub struct Item {
    /// The line on which it begins, from 1.
    pub line: usize,
    /// The element as JSON.
    pub json: String,
}

enum Anchor {
    /// Its value is still being read.
    Open,
    Value {
        value: Value,
        size: usize,
        height: usize,
    },
}

/// Reads one document; none if it is empty or null.
///
/// # Errors
/// The document does not parse, has a key twice, is nested too deep, or stands for far more than it says.
pub fn parse(text: &str) -> Result<Option<Parsed>, YamlError> {
    let mut builder = Builder::new(text, Strictness::Strict);
    let Some(first) = builder.events.next()? else { return Ok(None) };
    let line = builder.events.line(&first);
    let value = builder.node(first, 0)?;
    if let Some(second) = builder.events.next()? {
        return Err(builder.error(&second, "a second document; only one may stand here"));
    }
    Ok((!value.is_null()).then_some(Parsed { line, value, items: builder.items }))
}

/// Reads the first document as a program does that calls `sigs.k8s.io/yaml`: of a key that is there twice the last
/// counts, and what follows is not looked at. Null if the document is empty.
///
/// # Errors
/// The document does not parse, is nested too deep, or stands for far more than it says.
pub fn first(text: &str) -> Result<Value, YamlError> {
    let mut builder = Builder::new(text, Strictness::Lenient);
    let Some(first) = builder.events.next()? else { return Ok(Value::Null) };
    let value = builder.node(first, 0)?;
    builder.events.end()?;
    Ok(value)
}

/// Whether keys may be there twice.
#[derive(Clone, Copy, PartialEq)]
enum Strictness {
    Strict,
    Lenient,
}

struct Builder<'t> {
    strictness: Strictness,
    events: Events<'t>,
    anchors: HashMap<String, Anchor>,
    aliased: usize,
    values: usize,
    items: Option<Vec<Item>>,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str, strictness: Strictness) -> Self {
        let events = Events::new(text);
        Self { strictness, events, anchors: HashMap::new(), aliased: 0, values: 0, items: None }
    }

    fn error(&mut self, event: &Event, message: impl Into<String>) -> YamlError {
        YamlError::new(self.events.line(event), message.into())
    }

    fn limit(&mut self, event: &Event, message: String) -> YamlError {
        YamlError { is_limit: true, ..self.error(event, message) }
    }

    fn next(&mut self) -> Result<Event, YamlError> {
        let end = || YamlError::new(1, "the document ends too early".to_owned());
        self.events.next()?.ok_or_else(end)
    }

    fn node(&mut self, mut event: Event, depth: usize) -> Result<Value, YamlError> {
        if depth > DEEPEST {
            return Err(self.limit(&event, format!("nested deeper than {DEEPEST} levels")));
        }
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(self.limit(&event, format!("an object of more than {MOST_VALUES} values")));
        }
        match &mut event.part {
            Part::Alias(name) => {
                let name = std::mem::take(name);
                self.alias(&event, &name, depth)
            }
            Part::Scalar(scalar) => {
                let (anchor, value) = (scalar.anchor.take(), scalar_value(scalar));
                let value = value.map_err(|message| self.error(&event, message))?;
                Ok(self.anchored(anchor.as_ref(), scalar::through_json(value)))
            }
            Part::Sequence(anchor) => {
                self.open(anchor.as_ref());
                let value = self.sequence(depth)?;
                Ok(self.anchored(anchor.as_ref(), value))
            }
            Part::Mapping(anchor) => {
                self.open(anchor.as_ref());
                let value = self.mapping(depth)?;
                Ok(self.anchored(anchor.as_ref(), value))
            }
            Part::End => Err(self.error(&event, "the end of nothing")),
        }
    }

    fn open(&mut self, anchor: Option<&String>) {
        if let Some(name) = anchor {
            self.anchors.insert(name.clone(), Anchor::Open);
        }
    }

    fn anchored(&mut self, anchor: Option<&String>, value: Value) -> Value {
        if let Some(name) = anchor {
            let (size, height) = measure(&value);
            self.anchors.insert(name.clone(), Anchor::Value { value: value.clone(), size, height });
        }
        value
    }

    fn alias(&mut self, event: &Event, name: &str, depth: usize) -> Result<Value, YamlError> {
        let (value, size, height) = match self.anchors.get(name) {
            Some(Anchor::Value { value, size, height }) => (value, size, height),
            Some(Anchor::Open) => return Err(self.error(event, "an alias inside its own anchor")),
            None => return Err(self.error(event, "an alias without an anchor before it")),
        };
        if depth + height > DEEPEST {
            return Err(self.limit(event, format!("nested deeper than {DEEPEST} levels")));
        }
        self.aliased += size;
        if self.aliased > MOST_ALIASED {
            return Err(self.limit(event, format!("its aliases stand for more than {MOST_ALIASED} values")));
        }
        Ok(value.clone())
    }

    fn sequence(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut items = vec![];
        loop {
            let event = self.next()?;
            if matches!(event.part, Part::End) {
                return Ok(Value::Array(items));
            }
            items.push(self.node(event, depth + 1)?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, YamlError> {
        let mut fields = Map::new();
        let mut merged = HashSet::new();
        loop {
            let mut event = self.next()?;
            if matches!(event.part, Part::End) {
                return Ok(Value::Object(fields));
            }
            if is_merge(&event.part) {
                self.merge(&mut fields, &mut merged, depth)?;
                continue;
            }
            let key = self.key(&mut event, depth)?;
            if fields.contains_key(&key) && !merged.remove(&key) && self.strictness == Strictness::Strict {
                return Err(self.error(&event, format!("the key {key:?} is here a second time")));
            }
            let value = self.field(&key, depth)?;
            fields.insert(key, value);
        }
    }

    /// A key is no value yet: 1e7 keeps its exponent.
    fn key(&mut self, event: &mut Event, depth: usize) -> Result<String, YamlError> {
        let value = match &mut event.part {
            Part::Scalar(scalar) => {
                let (anchor, value) = (scalar.anchor.take(), scalar_value(scalar));
                let value = value.map_err(|message| self.error(event, message))?;
                self.anchored(anchor.as_ref(), value)
            }
            Part::Alias(name) => {
                let name = std::mem::take(name);
                self.alias(event, &name, depth + 1)?
            }
            _ => return Err(self.error(event, "a key that is not a text")),
        };
        scalar::key(value).map_err(|message| self.error(event, message))
    }

    fn field(&mut self, key: &str, depth: usize) -> Result<Value, YamlError> {
        let event = self.next()?;
        let is_kept = self.strictness == Strictness::Strict && depth == 0 && key == "items";
        if is_kept && matches!(event.part, Part::Sequence(None)) {
            self.items = Some(self.list_items()?);
            return Ok(Value::Null);
        }
        self.node(event, depth + 1)
    }

    fn list_items(&mut self) -> Result<Vec<Item>, YamlError> {
        let mut items = vec![];
        loop {
            let event = self.next()?;
            if matches!(event.part, Part::End) {
                return Ok(items);
            }
            let line = self.events.line(&event);
            self.values = 0;
            items.push(Item { line, json: json::text(&self.node(event, 2)?) });
        }
    }

    /// What is merged replaces what stands before it and is replaced by what follows; in a list of maps the first
    /// wins. So does `yaml.v2`.
    fn merge(
        &mut self,
        fields: &mut Map<String, Value>,
        merged: &mut HashSet<String>,
        depth: usize,
    ) -> Result<(), YamlError> {
        let event = self.next()?;
        let line = self.events.line(&event);
        let maps = match self.node(event, depth + 1)? {
            Value::Array(maps) => maps,
            map => vec![map],
        };
        for map in maps.into_iter().rev() {
            let Value::Object(map) = map else {
                return Err(YamlError::new(line, "<< takes a map or a list of maps".to_owned()));
            };
            merged.extend(map.keys().filter(|key| !fields.contains_key(*key)).cloned());
            fields.extend(map);
        }
        Ok(())
    }
}

fn is_merge(part: &Part) -> bool {
    match part {
        Part::Scalar(scalar) if scalar.text == "<<" => match &scalar.tag {
            None => scalar.plain,
            Some(tag) => yaml_type(tag) == "merge",
        },
        _ => false,
    }
}

/// The name of one of YAML's own types; empty for tags of others.
fn yaml_type(tag: &str) -> &str {
    tag.strip_prefix("tag:yaml.org,2002:").unwrap_or_default()
}

/// What a scalar means; its text is taken.
fn scalar_value(scalar: &mut Scalar) -> Result<Value, &'static str> {
    let text = std::mem::take(&mut scalar.text);
    match &scalar.tag {
        Some(tag) => scalar::tagged(yaml_type(tag), &text),
        None if scalar.plain => scalar::resolve(text),
        None => Ok(Value::String(text)),
    }
}

/// How many values a value consists of, long texts counted several times, and how deep it is nested.
fn measure(value: &Value) -> (usize, usize) {
    const LONG: usize = 100;
    let sum = |(size, height): (usize, usize), value: &Value| {
        let (more, high) = measure(value);
        (size + more, height.max(high + 1))
    };
    match value {
        Value::Array(items) => items.iter().fold((1, 0), sum),
        Value::Object(fields) => fields.values().fold((1, 0), sum),
        Value::String(text) => (1 + text.len() / LONG, 0),
        _ => (1, 0),
    }
}
