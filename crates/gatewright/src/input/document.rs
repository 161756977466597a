//! One object, with the place where it stands.

use std::sync::Arc;

use serde_json::Value;

use super::location::{InputError, Location};
use super::split::{Chunk, Chunks};
use super::yaml::{Item, Parsed, YamlError};
use super::{json, lines, yaml};

/// What every object says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`, if it is there and not empty.
    pub namespace: Option<String>,
    /// `metadata.name`; empty if it is absent.
    pub name: String,
    /// `metadata.generateName`; empty if it is absent.
    pub generate_name: String,
}

/// One object of the input. Its content is kept as text: a value takes ten times the memory.
#[derive(Clone, Debug)]
pub struct Document {
    /// What it says of itself.
    pub header: Header,
    /// Where it begins.
    pub location: Location,
    json: String,
    origin: Arc<Origin>,
    pointer: String,
}

/// The text that a document was read from.
#[derive(Debug)]
struct Origin {
    text: String,
    line: usize,
}

impl Header {
    /// The API group; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    fn of(value: &Value) -> Result<Self, String> {
        if !value.is_object() {
            return Err("is not an object: a manifest is a map with apiVersion and kind".to_owned());
        }
        let text = |pointer: &str| match value.pointer(pointer) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Err(format!("{}: {other} is not a text", pointer[1..].replace('/', "."))),
        };
        let header = Self {
            api_version: text("/apiVersion")?,
            kind: text("/kind")?,
            namespace: Some(text("/metadata/namespace")?).filter(|namespace| !namespace.is_empty()),
            name: text("/metadata/name")?,
            generate_name: text("/metadata/generateName")?,
        };
        for (field, text) in [("kind", &header.kind), ("apiVersion", &header.api_version)] {
            if text.is_empty() {
                return Err(format!("no {field}: this is not a Kubernetes object"));
            }
        }
        Ok(header)
    }
}

impl Document {
    /// An object that stands at a place without a text of its own.
    ///
    /// # Errors
    /// It is no object with a kind.
    pub fn made(value: &Value, location: Location) -> Result<Self, InputError> {
        match Header::of(value) {
            Ok(header) => {
                let origin = Arc::new(Origin { text: String::new(), line: location.line });
                Ok(Self { header, location, json: value.to_string(), origin, pointer: String::new() })
            }
            Err(message) => Err(InputError { location, message }),
        }
    }

    /// The object.
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.json).unwrap_or_default()
    }

    /// The object as JSON text.
    pub fn into_json(self) -> String {
        self.json
    }

    /// Where a field stands, or what is there of its path.
    pub fn locate(&self, pointer: &str) -> Location {
        self.at(pointer, |place| place.line)
    }

    /// Where a line of a field's text stands, from 1: a line of Rego in a block, for one.
    pub fn locate_line(&self, pointer: &str, line: usize) -> Location {
        if line == 0 { self.locate(pointer) } else { self.at(pointer, |place| place.text_line + line - 1) }
    }

    fn at(&self, pointer: &str, line: impl FnOnce(lines::Place) -> usize) -> Location {
        let place = lines::find(&self.origin.text, &format!("{}{pointer}", self.pointer));
        let line = place.map_or(self.location.line, |place| self.origin.line + line(place) - 1);
        Location { line, ..self.location.clone() }
    }
}

/// The objects of a chunk, and what is wrong with it.
pub fn documents(chunk: Chunk) -> Vec<Result<Document, InputError>> {
    if chunk.json { json_documents(&chunk) } else { yaml_documents(chunk) }
}

fn yaml_documents(chunk: Chunk) -> Vec<Result<Document, InputError>> {
    match yaml::parse(&chunk.text) {
        Ok(None) => vec![],
        Ok(Some(parsed)) => {
            let Chunk { file, line, text, .. } = chunk;
            let origin = Arc::new(Origin { text, line });
            unpack(&file, &origin, parsed, line)
        }
        Err(error) => vec![Err(syntax_error(&chunk, error))],
    }
}

fn syntax_error(chunk: &Chunk, YamlError { line, message }: YamlError) -> InputError {
    let template = chunk.text.contains("{{");
    let hint = if template { " (a template? render it first, with `helm template` for one)" } else { "" };
    InputError::new(&chunk.file, chunk.line + line - 1, format!("{message}{hint}"))
}

/// What begins like JSON can still be YAML: a map in braces, or JSON documents with `---` between them.
fn json_documents(chunk: &Chunk) -> Vec<Result<Document, InputError>> {
    let (found, error) = json::parse(&chunk.text);
    if error.is_some() && found.len() < 2 {
        let reader = std::io::Cursor::new(chunk.text.clone().into_bytes());
        let chunks = Chunks::yaml(Arc::clone(&chunk.file), Box::new(reader));
        let as_yaml: Vec<_> =
            chunks.flat_map(|chunk| chunk.map_or_else(|e| vec![Err(e)], yaml_documents)).collect();
        if as_yaml.iter().all(Result::is_ok) {
            return as_yaml;
        }
    }
    let mut documents = vec![];
    for json::Found { parsed, text } in found {
        let line = chunk.line + parsed.line - 1;
        let origin = Arc::new(Origin { text: text.to_owned(), line });
        documents.extend(unpack(&chunk.file, &origin, parsed, chunk.line));
    }
    documents.extend(error.map(|error| Err(syntax_error(chunk, error))));
    documents
}

/// A document, or the items of a list. `first` is the line of the file that the lines in `parsed` count from.
fn unpack(
    file: &Arc<str>,
    origin: &Arc<Origin>,
    parsed: Parsed,
    first: usize,
) -> Vec<Result<Document, InputError>> {
    let Parsed { line, mut value, items } = parsed;
    let line = first + line - 1;
    let fail = |line, message: String| vec![Err(InputError::new(file, line, message))];
    let header = match Header::of(&value) {
        Ok(header) => header,
        Err(message) => return fail(line, message),
    };
    let Some(items) = items else {
        if (header.kind.as_str(), header.api_version.as_str()) == ("List", "v1") && !value["items"].is_array()
        {
            return fail(line, "List: items: a list has items, one or more objects".to_owned());
        }
        let location = Location { file: Arc::clone(file), line };
        let origin = Arc::clone(origin);
        return vec![Ok(Document {
            header,
            location,
            json: value.to_string(),
            origin,
            pointer: String::new(),
        })];
    };
    if !header.kind.ends_with("List") {
        let values = items.iter().filter_map(|item| serde_json::from_str(&item.json).ok());
        value["items"] = values.collect::<Vec<Value>>().into();
        return unpack(file, origin, Parsed { line: line + 1 - first, value, items: None }, first);
    }
    let unpacked = items.into_iter().enumerate().map(|(i, Item { line, json })| {
        let line = first + line - 1;
        let (header, json) = item(&header, json).map_err(|message| InputError::new(file, line, message))?;
        let location = Location { file: Arc::clone(file), line };
        Ok(Document { header, location, json, origin: Arc::clone(origin), pointer: format!("/items/{i}") })
    });
    unpacked.collect()
}

/// An item of a list. In a list of one kind, a `PodList` for one, its items need not name the kind.
fn item(list: &Header, json: String) -> Result<(Header, String), String> {
    let mut value: Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let kind = list.kind.trim_end_matches("List");
    let unnamed = value.is_object() && value.get("kind").is_none() && value.get("apiVersion").is_none();
    if !unnamed || kind.is_empty() {
        let header = Header::of(&value)?;
        return if header.kind == "List" {
            Err("a List inside a List".to_owned())
        } else {
            Ok((header, json))
        };
    }
    value["apiVersion"] = list.api_version.clone().into();
    value["kind"] = kind.into();
    Ok((Header::of(&value)?, value.to_string()))
}
