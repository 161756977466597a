//! JSON documents, one after the other in a text.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::split::newlines;
use super::yaml::{DEEPEST, Item, Parsed, YamlError};

/// A JSON document, and its text.
#[derive(Debug)]
pub struct Found<'t> {
    /// What it says.
    pub parsed: Parsed,
    /// How it is written.
    pub text: &'t str,
}

/// A document in its raw form, as far as it must be known to unpack a list.
#[derive(serde::Deserialize)]
struct Shape<'t> {
    #[serde(borrow, default)]
    items: Option<&'t RawValue>,
}

/// A value as text. Its `Display` takes twice the time.
pub fn text(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// What is wrong with a number such as 1e400.
pub const TOO_LARGE: &str = "a number that is too large: up to 1.8e308 is possible";

/// A text in which every half of a surrogate pair has its other half. Go reads a lone one (`"\ud800"`) as U+FFFD, so that
/// is what it is here. Lengths and lines stay.
pub fn whole_characters(text: &str) -> Cow<'_, str> {
    let lone = lone_halves(text);
    if lone.is_empty() {
        return text.into();
    }
    let (mut whole, mut kept) = (String::with_capacity(text.len()), 0);
    for at in lone {
        whole.push_str(&text[kept..at]);
        whole.push_str("\\ufffd");
        kept = at + ESCAPE;
    }
    whole.push_str(&text[kept..]);
    whole.into()
}

/// The length of `\ud800`.
const ESCAPE: usize = 6;

/// Where escapes of lone halves begin.
fn lone_halves(text: &str) -> Vec<usize> {
    let unit = |at: usize| {
        let digits = text.as_bytes().get(at..at + ESCAPE)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    let (mut lone, mut at) = (vec![], 0);
    while let Some(next) = text[at..].find('\\') {
        at += next;
        at += match unit(at) {
            Some(0xd800..=0xdbff) if matches!(unit(at + ESCAPE), Some(0xdc00..=0xdfff)) => 2 * ESCAPE,
            Some(0xd800..=0xdfff) => {
                lone.push(at);
                ESCAPE
            }
            // What is escaped may be a backslash.
            _ => 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        };
    }
    lone
}

/// Reads all documents of a text, up to the first that is none.
pub fn parse(text: &str) -> (Vec<Found<'_>>, Option<YamlError>) {
    let mut documents = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let mut found = vec![];
    let mut rest = text;
    let line_of = |part: &str| newlines(&text.as_bytes()[..text.len() - part.len()]) + 1;
    while let Some(document) = documents.next() {
        let begin = line_of(rest.trim_start());
        let document = match document {
            Ok(document) => document.get(),
            // The reader counts the lines of the whole text.
            Err(error) => return (found, Some(positioned(&error, 1))),
        };
        rest = &text[documents.byte_offset()..];
        match parsed(document, begin) {
            Ok(None) => {}
            Ok(Some(parsed)) => found.push(Found { parsed, text: document }),
            Err(error) => return (found, Some(error)),
        }
    }
    (found, None)
}

fn positioned(error: &serde_json::Error, first_line: usize) -> YamlError {
    let message = error.to_string();
    let what = message.rsplit_once(" at line ").map_or(message.as_str(), |(what, _)| what);
    YamlError::new(first_line + error.line().max(1) - 1, plain(what))
}

/// What the reader of JSON says, in words for people.
fn plain(message: &str) -> String {
    match message {
        "expected value" => "no JSON value begins here".to_owned(),
        "trailing characters" => "text after the end of the value".to_owned(),
        "key must be a string" => "a key must be a string in double quotes".to_owned(),
        "recursion limit exceeded" => format!("nested deeper than {DEEPEST} levels"),
        "number out of range" => TOO_LARGE.to_owned(),
        "expected ident" => "a word that is none of true, false and null".to_owned(),
        _ => match message.strip_prefix("EOF while parsing ") {
            Some("a value") => "the text ends where a value should stand".to_owned(),
            Some(what) => format!("the text ends inside {what}"),
            None => message.to_owned(),
        },
    }
}

fn parsed(document: &str, line: usize) -> Result<Option<Parsed>, YamlError> {
    let items = serde_json::from_str::<Shape<'_>>(document).ok().and_then(|shape| shape.items);
    let Some(raw) = items.filter(|raw| raw.get().starts_with('[')) else {
        let value = strict(document, line)?;
        return Ok((!value.is_null()).then_some(Parsed { line, value, items: None }));
    };
    // The array without its items: they are the bulk, and are read one by one.
    let begin = document.len() - after(document, raw.get()).len();
    let shell = format!("{}[]{}", &document[..begin], &document[begin + raw.get().len()..]);
    let mut value = strict(&shell, line)?;
    value["items"] = Value::Null;
    let items =
        serde_json::from_str::<Vec<&RawValue>>(raw.get()).map_err(|error| positioned(&error, line))?;
    let (mut at, mut item_line) = (0, line);
    let items = items.into_iter().map(|item| {
        let offset = document.len() - after(document, item.get()).len();
        item_line += newlines(&document.as_bytes()[at..offset]);
        at = offset;
        Ok(Item { line: item_line, json: text(&strict(item.get(), item_line)?) })
    });
    Ok(Some(Parsed { line, value, items: Some(items.collect::<Result<_, YamlError>>()?) }))
}

/// The rest of a text from a part of it on.
fn after<'t>(text: &'t str, part: &str) -> &'t str {
    &text[part.as_ptr().addr() - text.as_ptr().addr()..]
}

fn strict(text: &str, line: usize) -> Result<Value, YamlError> {
    serde_json::from_str::<Strict>(text).map(|strict| strict.0).map_err(|error| positioned(&error, line))
}

/// A value none of whose keys stands twice. `serde_json` takes the last in silence.
struct Strict(Value);

struct StrictVisitor;

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = vec![];
        while let Some(Strict(item)) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if fields.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} is here a second time")));
            }
            let Strict(value) = map.next_value()?;
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, whole_characters};

    /// What kubectl reads.
    #[test]
    fn lone_halves_of_surrogate_pairs_are_replaced() {
        for (text, read) in [
            (r#""\ud800""#, "\u{fffd}"),
            (r#""\udc00x""#, "\u{fffd}x"),
            (r#""\ud83d\ude00""#, "\u{1f600}"),
            (r#""\ud800\ud83d\ude00""#, "\u{fffd}\u{1f600}"),
            (r#""\\ud800""#, r"\ud800"),
            (r#""\\\ud800""#, "\\\u{fffd}"),
            (r#""\ud800\u0041""#, "\u{fffd}A"),
            (r#""\uDBFFA""#, "\u{fffd}A"),
            (r#""ä\ud800ö""#, "ä\u{fffd}ö"),
        ] {
            let whole = whole_characters(text);
            assert_eq!(whole.len(), text.len(), "{text}");
            assert_eq!(serde_json::from_str::<String>(&whole).ok().as_deref(), Some(read), "{text}");
        }
        for text in ["\\", "\\u", "\\ud8", "\\ud80ä", "\\u+123", "a\\ä"] {
            assert_eq!(whole_characters(text), text);
        }
    }

    #[test]
    fn what_is_no_json_is_said_in_plain_words() {
        for (text, line, said) in [
            ("{\"a\": 1", 1, "the text ends inside an object"),
            ("{\"a\": [1,\n2", 2, "the text ends inside a list"),
            ("{\"a\": \"hunter2", 1, "the text ends inside a string"),
            ("{\"a\":", 1, "the text ends where a value should stand"),
            ("{\"a\": hunter2}", 1, "no JSON value begins here"),
            ("{\"a\": tru}", 1, "a word that is none of true, false and null"),
            ("{\"a\": [1,]}", 1, "no JSON value begins here"),
            ("{\"a\": 1,}", 1, "a key must be a string in double quotes"),
            ("{\"a\" 1}", 1, "expected `:`"),
            ("{a: 1}", 1, "a key must be a string in double quotes"),
            ("{\"a\": 1}\n]", 2, "no JSON value begins here"),
            ("{\"a\":\n1e400}", 2, "a number that is too large: up to 1.8e308 is possible"),
            ("{\"items\": [\n-1e400]}", 2, "a number that is too large: up to 1.8e308 is possible"),
        ] {
            let error = parse(text).1.unwrap();
            assert_eq!((error.line, error.message.as_str()), (line, said), "{text}");
        }
    }
}
