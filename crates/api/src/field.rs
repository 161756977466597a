//! Three states of an optional field, and lists with a bound.

use std::borrow::Cow;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An optional field that keeps apart what people write: nothing, `null`, or a value.
///
/// An empty list is a value. `null` is what a bare `allowedHostPaths:` means to YAML; the CRD lets it
/// through so that the compiler can refuse it instead of guessing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// The field is not there.
    #[default]
    Absent,
    /// The field is there without a value.
    Null,
    /// The field has this value, which may be an empty list.
    Set(T),
}

impl<T> Field<T> {
    /// Whether the field is not there at all; `null` is there.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Whether the field is there without a value.
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The value, if there is one.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }
}

impl<T> From<T> for Field<T> {
    fn from(value: T) -> Self {
        Self::Set(value)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Set))
    }
}

/// An absent field must be skipped by its container (`skip_serializing_if`).
impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

/// The schema of the value, nullable, so that `null` survives the API server's pruning.
impl<T: JsonSchema> JsonSchema for Field<T> {
    fn schema_name() -> Cow<'static, str> {
        Option::<T>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        schema.insert("nullable".into(), true.into());
        schema
    }

    fn inline_schema() -> bool {
        true
    }
}

/// A list with at most `MAX` entries, replaced as a whole by server-side apply.
///
/// The bound keeps the CRD's CEL rules within the API server's cost budget.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct List<T, const MAX: usize = 256>(pub Vec<T>);

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const MAX: usize> From<Vec<T>> for List<T, MAX> {
    fn from(entries: Vec<T>) -> Self {
        Self(entries)
    }
}

impl<T: JsonSchema, const MAX: usize> JsonSchema for List<T, MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("List{MAX}Of{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "array",
            "items": generator.subschema_for::<T>(),
            "maxItems": MAX,
            "x-kubernetes-list-type": "atomic",
        })
    }

    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::{Field, List};
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        #[serde(default, skip_serializing_if = "Field::is_absent")]
        list: Field<List<String>>,
    }

    #[test]
    fn three_states_survive_a_round_trip() {
        for (text, state) in [
            (json!({}), Field::Absent),
            (json!({"list": null}), Field::Null),
            (json!({"list": []}), Field::Set(List(vec![]))),
            (json!({"list": ["a"]}), Field::Set(List(vec!["a".into()]))),
        ] {
            let parsed: Holder = serde_json::from_value(text.clone()).unwrap();
            assert_eq!(parsed.list, state);
            assert_eq!(serde_json::to_value(&parsed).unwrap(), text);
        }
    }
}
