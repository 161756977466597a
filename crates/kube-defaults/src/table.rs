//! Defaults as tables: where, which field, what counts as unset, what value.

use serde_json::{Map, Value, json};

/// Defaults for every object at one place.
pub(super) struct Defaults {
    /// A path as [`visit`] reads it.
    pub at: &'static str,
    /// The fields of the object there.
    pub fields: &'static [Field],
}

/// The default of one field.
pub(super) struct Field {
    name: &'static str,
    unset: Unset,
    value: Literal,
}

/// What counts as unset.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unset {
    /// Absent: a pointer in Kubernetes' own types.
    Absent,
    /// Absent, or the zero of its type: a plain value in Kubernetes' own types.
    Zero,
}

/// A default value.
#[derive(Clone, Copy)]
pub(super) enum Literal {
    Text(&'static str),
    Number(i64),
    Boolean(bool),
    /// An object without fields.
    Object,
    /// A list with one text.
    List(&'static str),
}

impl Literal {
    pub(super) fn value(self) -> Value {
        match self {
            Self::Text(text) => json!(text),
            Self::Number(number) => json!(number),
            Self::Boolean(boolean) => json!(boolean),
            Self::Object => json!({}),
            Self::List(text) => json!([text]),
        }
    }
}

pub(super) const fn at(at: &'static str, fields: &'static [Field]) -> Defaults {
    Defaults { at, fields }
}

/// A field that Kubernetes holds by pointer: only absence counts as unset.
pub(super) const fn pointer(name: &'static str, value: Literal) -> Field {
    Field { name, unset: Unset::Absent, value }
}

/// A field that Kubernetes holds by value: its zero counts as unset too.
pub(super) const fn plain(name: &'static str, value: Literal) -> Field {
    Field { name, unset: Unset::Zero, value }
}

/// Fills what is unset.
pub(super) fn fill(value: &mut Value, table: &[Defaults]) {
    for defaults in table {
        visit(value, defaults.at, &mut |found| set(found, defaults.fields));
    }
}

/// Fills what is unset in one object.
pub(super) fn set(object: &mut Value, fields: &[Field]) {
    for field in fields {
        field.fill(object);
    }
}

impl Field {
    fn fill(&self, object: &mut Value) {
        let Value::Object(map) = object else { return };
        let unset = match (map.get(self.name), self.unset) {
            (None | Some(Value::Null), _) => true,
            (Some(found), Unset::Zero) => is_zero(found),
            (Some(_), Unset::Absent) => false,
        };
        if unset {
            map.insert(self.name.to_owned(), self.value.value());
        }
    }
}

/// Whether a value is the zero of its JSON type.
pub(super) fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(boolean) => !boolean,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(_) => false,
    }
}

/// Whether a field is absent or the zero of its type.
pub(super) fn is_unset(object: &Value, field: &str) -> bool {
    object.get(field).is_none_or(is_zero)
}

/// Calls `act` for every object at `path`, which is made of field names joined by dots; `name[]` stands for every
/// item of a list, `name{}` for every value of a map, and `name+` creates the object where it is absent. What is not
/// there, or not an object, is passed over.
pub(super) fn visit(value: &mut Value, path: &str, act: &mut dyn FnMut(&mut Value)) {
    if path.is_empty() {
        if value.is_object() {
            act(value);
        }
        return;
    }
    let (head, rest) = path.split_once('.').unwrap_or((path, ""));
    let Value::Object(map) = value else { return };
    if let Some(name) = head.strip_suffix("[]") {
        let items = map.get_mut(name).and_then(Value::as_array_mut);
        items.into_iter().flatten().for_each(|item| visit(item, rest, act));
    } else if let Some(name) = head.strip_suffix('+') {
        visit(object(map, name), rest, act);
    } else if let Some(found) = map.get_mut(head) {
        visit(found, rest, act);
    }
}

/// The value of a field, created as an empty object where it is absent.
fn object<'a>(map: &'a mut Map<String, Value>, name: &str) -> &'a mut Value {
    let found = map.entry(name).or_insert(Value::Null);
    if found.is_null() {
        *found = json!({});
    }
    found
}
