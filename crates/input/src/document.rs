//! One object, with the place where it stands.

use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use super::fields::Fields;
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
    /// The lines of an item of a list, as a part of the text; empty if the next item begins on the same line.
    part: Option<Range<usize>>,
}

/// The text that a document was read from.
#[derive(Debug)]
struct Origin {
    text: String,
    line: usize,
    /// Whether it was read as JSON: then it may begin in the middle of a line.
    json: bool,
}

/// The text of a document, and what of it is the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<'a> {
    /// The text: whole lines of the file.
    pub text: &'a str,
    /// The line of the file on which it begins, from 1.
    pub line: usize,
    /// The object in it: a JSON pointer, empty unless it is an item of a list.
    pub pointer: &'a str,
}

impl Header {
    /// The API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    fn of(value: &Value, envelope: Envelope) -> Result<Self, Misfit> {
        if !value.is_object() {
            return Err(Misfit::whole("is not an object: a manifest is a map with apiVersion and kind"));
        }
        let text = |pointer: &'static str| match value.pointer(pointer) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Err(Misfit::Field(pointer, Sort::of(other))),
        };
        let header = Self {
            api_version: text("/apiVersion")?,
            kind: text("/kind")?,
            namespace: Some(text("/metadata/namespace")?).filter(|namespace| !namespace.is_empty()),
            name: text("/metadata/name")?,
            generate_name: text("/metadata/generateName")?,
        };
        for (field, text) in [("kind", &header.kind), ("apiVersion", &header.api_version)] {
            if text.is_empty() && !(envelope == Envelope::Kind && field == "apiVersion") {
                return Err(Misfit::whole(format!("no {field}: this is not a Kubernetes object")));
            }
        }
        Ok(header)
    }
}

/// Why something is no object.
enum Misfit {
    /// What is wrong with all of it.
    Whole(String),
    /// A field that is no text.
    Field(&'static str, Sort),
}

/// What stands where a text should stand.
#[derive(Clone, Copy)]
enum Sort {
    Boolean,
    Number,
    List,
    Object,
}

impl Sort {
    const fn of(value: &Value) -> Self {
        match value {
            Value::Bool(_) => Self::Boolean,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
            Value::Null | Value::Number(_) | Value::String(_) => Self::Number,
        }
    }

    const fn said(self, json: bool) -> &'static str {
        match self {
            Self::Boolean if !json => {
                "is a boolean (y, n, yes, no, on and off are booleans in YAML); put it in quotes"
            }
            Self::Boolean => "is a boolean; put it in quotes",
            Self::Number => "is a number; put it in quotes",
            Self::List => "is a list; it must be a string",
            Self::Object => "is an object; it must be a string",
        }
    }
}

impl Misfit {
    fn whole(message: impl Into<String>) -> Self {
        Self::Whole(message.into())
    }

    /// The field that is at fault; empty where all of it is.
    const fn pointer(&self) -> &'static str {
        match self {
            Self::Whole(_) => "",
            Self::Field(pointer, _) => pointer,
        }
    }

    fn said(&self, json: bool) -> String {
        match self {
            Self::Whole(message) => message.clone(),
            Self::Field(pointer, sort) => format!("{}: {}", pointer[1..].replace('/', "."), sort.said(json)),
        }
    }
}

impl Document {
    /// An object that stands at a place without a text of its own.
    ///
    /// # Errors
    /// It is no object with a kind.
    pub fn made(value: &Value, location: Location) -> Result<Self, InputError> {
        match Header::of(value, Envelope::Full) {
            Ok(header) => {
                let origin = Arc::new(Origin { text: String::new(), line: location.line, json: false });
                Ok(Self {
                    header,
                    location,
                    json: json::text(value),
                    origin,
                    pointer: String::new(),
                    part: None,
                })
            }
            Err(misfit) => Err(InputError { location, message: misfit.said(true) }),
        }
    }

    /// The object.
    #[must_use]
    pub fn value(&self) -> Value {
        serde_json::from_str(&self.json).unwrap_or_default()
    }

    /// The object as JSON text.
    #[must_use]
    pub fn into_json(self) -> String {
        self.json
    }

    /// What is written of it; none where it is JSON, or has no text.
    #[must_use]
    pub fn written(&self) -> Option<Written<'_>> {
        let Origin { text, line, json } = &*self.origin;
        (!text.is_empty() && !json).then_some(Written { text, line: *line, pointer: &self.pointer })
    }

    /// Where a field stands, or what is there of its path.
    #[must_use]
    pub fn locate(&self, pointer: &str) -> Location {
        self.at(pointer, |place| place.line)
    }

    /// Where a line of a field's text stands, from 1: a line of Rego in a block, for one.
    #[must_use]
    pub fn locate_line(&self, pointer: &str, line: usize) -> Location {
        if line == 0 { self.locate(pointer) } else { self.at(pointer, |place| place.text_line + line - 1) }
    }

    /// The text of a scalar as it is written, whatever it means; none where there is none.
    #[must_use]
    pub fn scalar(&self, pointer: &str) -> Option<String> {
        lines::scalar(&self.origin.text, &format!("{}{pointer}", self.pointer))
    }

    /// The lines of all fields, to look up many of them: the text is read once. Of a list only the item is read.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let text = &self.origin.text;
        let of_item = self.part.clone().and_then(|part| match part {
            part if part.is_empty() => Some(Fields::on(self.location.line)),
            part if part.start == 0 => None,
            part => Fields::of_item(text.get(part)?, self.location.line),
        });
        of_item.unwrap_or_else(|| Fields::of(text, &self.pointer, self.origin.line, self.location.line))
    }

    fn at(&self, pointer: &str, line: impl FnOnce(lines::Place) -> usize) -> Location {
        let place = lines::find(&self.origin.text, &format!("{}{pointer}", self.pointer));
        let line = place.map_or(self.location.line, |place| self.origin.line + line(place) - 1);
        Location { line, ..self.location.clone() }
    }
}

/// How objects are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Envelope {
    /// By `apiVersion` and `kind`.
    #[default]
    Full,
    /// By `kind`: `apiVersion` may be absent.
    Kind,
}

type Documents = Vec<Result<Document, InputError>>;

/// The objects of a chunk, and what is wrong with it.
pub fn documents(chunk: Chunk, envelope: Envelope) -> Documents {
    if chunk.json { json_documents(&chunk, envelope) } else { yaml_documents(chunk, envelope) }
}

fn yaml_documents(chunk: Chunk, envelope: Envelope) -> Documents {
    match yaml::parse(&chunk.text) {
        Ok(None) => vec![],
        Ok(Some(parsed)) => {
            let Chunk { file, line: first, text, .. } = chunk;
            let origin = Arc::new(Origin { text, line: first, json: false });
            Unpacking { file, origin, first, envelope }.unpack(parsed)
        }
        Err(error) => vec![Err(syntax_error(&chunk, error))],
    }
}

fn syntax_error(chunk: &Chunk, YamlError { line, message, .. }: YamlError) -> InputError {
    let template = chunk.text.contains("{{");
    let hint = if template { " (a template? render it first, with `helm template` for one)" } else { "" };
    InputError::new(&chunk.file, chunk.line + line - 1, format!("{message}{hint}"))
}

/// What begins like JSON can still be YAML: a map in braces, or JSON documents with `---` between them.
fn json_documents(chunk: &Chunk, envelope: Envelope) -> Documents {
    let text = json::whole_characters(&chunk.text);
    let (found, error) = json::parse(&text);
    // A number without an end is no question of syntax: kubectl does not try YAML then either.
    let may_be_yaml = error.as_ref().is_some_and(|error| error.message != json::TOO_LARGE);
    if may_be_yaml && found.len() < 2 {
        let reader = std::io::Cursor::new(chunk.text.clone().into_bytes());
        let chunks = Chunks::yaml(Arc::clone(&chunk.file), Box::new(reader));
        let read = |chunk: Result<Chunk, InputError>| {
            chunk.map_or_else(|error| vec![Err(error)], |chunk| yaml_documents(chunk, envelope))
        };
        let as_yaml: Vec<_> = chunks.flat_map(read).collect();
        if as_yaml.iter().all(Result::is_ok) || error.as_ref().is_some_and(|error| separates(chunk, error)) {
            return as_yaml;
        }
    }
    let mut documents = vec![];
    for json::Found { parsed, text } in found {
        let line = chunk.line + parsed.line - 1;
        let origin = Arc::new(Origin { text: text.to_owned(), line, json: true });
        let (file, first) = (Arc::clone(&chunk.file), chunk.line);
        documents.extend(Unpacking { file, origin, first, envelope }.unpack(parsed));
    }
    documents.extend(error.map(|error| Err(syntax_error(chunk, error))));
    documents
}

/// Whether JSON's reader stopped at a line `---`: then it is YAML, and YAML's reader knows what is wrong.
fn separates(chunk: &Chunk, error: &YamlError) -> bool {
    chunk.text.lines().nth(error.line.saturating_sub(1)).is_some_and(|line| line.starts_with("---"))
}

/// Makes documents of what was parsed.
struct Unpacking {
    file: Arc<str>,
    origin: Arc<Origin>,
    /// The line of the file that the lines of what was parsed count from.
    first: usize,
    envelope: Envelope,
}

impl Unpacking {
    /// A document, or the items of a list.
    fn unpack(&self, parsed: Parsed) -> Documents {
        let line = self.first + parsed.line - 1;
        let fail = |message: String| vec![Err(InputError::new(&self.file, line, message))];
        let mut parsed = parsed;
        let header = match self.header(&mut parsed.value) {
            Ok(header) => header,
            Err(misfit) => return vec![Err(self.error(&misfit, "", line))],
        };
        match parsed.items.take_if(|_| header.kind.ends_with("List")) {
            Some(items) => self.items(&header, items),
            // What Go writes for an empty list.
            None if header.kind.ends_with("List") && parsed.value.get("items") == Some(&Value::Null) => {
                vec![]
            }
            None if is_list(&header) => fail("List: items: a list has items, one or more objects".to_owned()),
            None => {
                let json = json::text(&parsed.whole());
                vec![Ok(self.document(header, line, json, String::new(), None))]
            }
        }
    }

    /// kustomize knows its file by the name: the file need not say what it is.
    fn header(&self, value: &mut Value) -> Result<Header, Misfit> {
        let unnamed = value.is_object() && value.get("kind").is_none() && value.get("apiVersion").is_none();
        if unnamed && is_kustomization(&self.file) {
            value["apiVersion"] = "kustomize.config.k8s.io/v1beta1".into();
            value["kind"] = "Kustomization".into();
        }
        Header::of(value, self.envelope)
    }

    /// An error on the line of its field, in the object at a pointer; else on the line given, where the object begins.
    fn error(&self, misfit: &Misfit, object: &str, line: usize) -> InputError {
        let Origin { text, line: first, json } = &*self.origin;
        let place = (!misfit.pointer().is_empty()).then(|| format!("{object}{}", misfit.pointer()));
        let place = place.and_then(|pointer| lines::find(text, &pointer));
        let line = place.map_or(line, |place| first + place.line - 1);
        InputError::new(&self.file, line, misfit.said(*json))
    }

    fn items(&self, list: &Header, items: Vec<Item>) -> Documents {
        let parts = self.parts(&items);
        let unpacked =
            items.into_iter().zip(parts).enumerate().map(|(index, (Item { line, json }, part))| {
                let line = self.first + line - 1;
                let pointer = format!("/items/{index}");
                let (header, json) =
                    self.item(list, json).map_err(|misfit| self.error(&misfit, &pointer, line))?;
                Ok(self.document(header, line, json, pointer, Some(part)))
            });
        unpacked.collect()
    }

    /// The lines of each item, as parts of the text.
    fn parts(&self, items: &[Item]) -> Vec<Range<usize>> {
        let text = self.origin.text.as_bytes();
        let (mut line, mut at) = (1, 0);
        let mut begins = vec![];
        for item in items {
            let wanted = (self.first + item.line).saturating_sub(self.origin.line);
            while line < wanted {
                let Some(end) = text[at..].iter().position(|byte| *byte == b'\n') else { break };
                (line, at) = (line + 1, at + end + 1);
            }
            begins.push(at);
        }
        let ends = begins.iter().skip(1).copied().chain([text.len()]);
        begins.iter().zip(ends).map(|(begin, end)| *begin..end).collect()
    }

    /// An item of a list. In a list of one kind, a `PodList` for one, its items need not name the kind.
    fn item(&self, list: &Header, json: String) -> Result<(Header, String), Misfit> {
        let mut value: Value =
            serde_json::from_str(&json).map_err(|error| Misfit::whole(error.to_string()))?;
        let kind = list.kind.trim_end_matches("List");
        let unnamed = value.is_object() && value.get("kind").is_none() && value.get("apiVersion").is_none();
        if !unnamed || kind.is_empty() {
            let header = Header::of(&value, self.envelope)?;
            return if header.kind == "List" {
                Err(Misfit::whole("a List inside a List"))
            } else {
                Ok((header, json))
            };
        }
        value["apiVersion"] = list.api_version.clone().into();
        value["kind"] = kind.into();
        Ok((Header::of(&value, self.envelope)?, json::text(&value)))
    }

    fn document(
        &self,
        header: Header,
        line: usize,
        json: String,
        pointer: String,
        part: Option<Range<usize>>,
    ) -> Document {
        let location = Location { file: Arc::clone(&self.file), line };
        Document { header, location, json, origin: Arc::clone(&self.origin), pointer, part }
    }
}

fn is_list(header: &Header) -> bool {
    (header.kind.as_str(), header.api_version.as_str()) == ("List", "v1")
}

/// Whether a file has one of the names that kustomize looks for.
pub fn is_kustomization(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    matches!(name, "kustomization.yaml" | "kustomization.yml" | "Kustomization")
}
