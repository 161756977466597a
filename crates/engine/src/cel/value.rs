//! Values of expressions.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value as Json;

use super::kind::{Type, opaque};
use super::network::Network;
use super::quantity::Quantity;
use super::semver::Version;
use super::time::Moment;
use super::url::Url;

/// What an expression gives.
pub type Outcome<T = Value> = Result<T, Failure>;

/// Why an expression gives nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// An error of CEL, in the words of Kubernetes. `&&` and `||` may pass over it.
    Error(Arc<str>),
    /// The time for the evaluation is over.
    Stopped,
}

impl Failure {
    /// An error of CEL.
    pub fn new(message: impl AsRef<str>) -> Self {
        Self::Error(message.as_ref().into())
    }

    /// What most operators say of a value that they do not take.
    pub fn no_overload() -> Self {
        Self::new("no such overload")
    }
}

/// A value of an expression.
#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
    List(Arc<Vec<Value>>),
    /// In the order of the keys: Kubernetes has none, and a verdict should not change from run to run.
    Map(Arc<BTreeMap<Key, Value>>),
    /// In nanoseconds.
    Duration(i64),
    Timestamp(Moment),
    /// The name of a type.
    Type(Arc<str>),
    Optional(Option<Arc<Value>>),
    Quantity(Arc<Quantity>),
    Url(Arc<Url>),
    Ip(IpAddr),
    Cidr(Network),
    Semver(Arc<Version>),
    /// A format of names, by its name.
    Format(Arc<str>),
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    Bool(bool),
    Int(i64),
    Uint(u64),
    String(Arc<str>),
}

impl From<Key> for Value {
    fn from(key: Key) -> Self {
        match key {
            Key::Bool(truth) => Self::Bool(truth),
            Key::Int(number) => Self::Int(number),
            Key::Uint(number) => Self::Uint(number),
            Key::String(text) => Self::String(text),
        }
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl<T: Into<Self>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::List(Arc::new(values.into_iter().map(Into::into).collect()))
    }
}

impl Value {
    /// A length as a number.
    pub fn length(length: usize) -> Self {
        Self::Int(i64::try_from(length).unwrap_or(i64::MAX))
    }

    /// An optional value.
    pub fn optional(value: Option<Self>) -> Self {
        Self::Optional(value.map(Arc::new))
    }

    /// A value of JSON. A number without a fraction that has 64 bits is an integer, any other a double.
    pub fn from_json(value: &Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(truth) => Self::Bool(*truth),
            Json::Number(number) => {
                let double = || Self::Double(number.as_f64().unwrap_or_default());
                number.as_i64().map_or_else(double, Self::Int)
            }
            Json::String(text) => Self::from(text.as_str()),
            Json::Array(elements) => elements.iter().map(Self::from_json).collect(),
            Json::Object(members) => {
                let member = |(key, value): (&String, &Json)| {
                    (Key::String(key.as_str().into()), Self::from_json(value))
                };
                Self::Map(Arc::new(members.iter().map(member).collect()))
            }
        }
    }

    /// It as a key of a map, if it can be one.
    pub fn key(&self) -> Option<Key> {
        match self {
            Self::Bool(truth) => Some(Key::Bool(*truth)),
            Self::Int(number) => Some(Key::Int(*number)),
            Self::Uint(number) => Some(Key::Uint(*number)),
            Self::String(text) => Some(Key::String(text.clone())),
            _ => None,
        }
    }

    /// The name of its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::Type(_) => "type",
            Self::Optional(_) => "optional_type",
            Self::Quantity(_) => opaque::QUANTITY,
            Self::Url(_) => opaque::URL,
            Self::Ip(_) => opaque::IP,
            Self::Cidr(_) => opaque::CIDR,
            Self::Semver(_) => opaque::SEMVER,
            Self::Format(_) => opaque::FORMAT,
        }
    }

    /// The name that some messages have for its type: that of Kubernetes' source.
    pub const fn internal_type_name(&self) -> &'static str {
        match self {
            Self::Null => "types.Null",
            Self::Bool(_) => "types.Bool",
            Self::Int(_) => "types.Int",
            Self::Uint(_) => "types.Uint",
            Self::Double(_) => "types.Double",
            Self::String(_) => "types.String",
            Self::Bytes(_) => "types.Bytes",
            Self::List(_) => "*types.baseList",
            Self::Map(_) => "*types.baseMap",
            Self::Duration(_) => "types.Duration",
            Self::Timestamp(_) => "types.Timestamp",
            Self::Type(_) => "*types.Type",
            Self::Optional(_) => "*types.Optional",
            Self::Quantity(_) => "cel.Quantity",
            Self::Url(_) => "cel.URL",
            Self::Ip(_) => "cel.IP",
            Self::Cidr(_) => "cel.CIDR",
            Self::Semver(_) => "cel.Semver",
            Self::Format(_) => "cel.Format",
        }
    }

    /// Whether it is of a type. Of a list or a map only the first element is looked at.
    pub fn is_of(&self, kind: &Type) -> bool {
        match kind {
            Type::Dyn | Type::Parameter(_) => true,
            Type::Null => matches!(self, Self::Null),
            Type::Bool => matches!(self, Self::Bool(_)),
            Type::Int => matches!(self, Self::Int(_)),
            Type::Uint => matches!(self, Self::Uint(_)),
            Type::Double => matches!(self, Self::Double(_)),
            Type::String => matches!(self, Self::String(_)),
            Type::Bytes => matches!(self, Self::Bytes(_)),
            Type::Duration => matches!(self, Self::Duration(_)),
            Type::Timestamp => matches!(self, Self::Timestamp(_)),
            Type::Name => matches!(self, Self::Type(_)),
            Type::List(kind) => {
                matches!(self, Self::List(elements) if elements.first().is_none_or(|first| first.is_of(kind)))
            }
            Type::Map(key, kind) => {
                matches!(self, Self::Map(members) if members.first_key_value().is_none_or(
                    |(first, value)| Self::from(first.clone()).is_of(key) && value.is_of(kind)
                ))
            }
            Type::Record(_) => matches!(self, Self::Map(_)),
            Type::Optional(_) => matches!(self, Self::Optional(_)),
            Type::Opaque(name) => self.type_name() == *name,
        }
    }

    /// Whether it is what values of its type are that were never set.
    pub fn is_zero(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(truth) => !truth,
            Self::Int(number) => *number == 0,
            Self::Uint(number) => *number == 0,
            Self::Double(number) => *number == 0.0,
            Self::String(text) => text.is_empty(),
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::List(elements) => elements.is_empty(),
            Self::Map(members) => members.is_empty(),
            Self::Duration(length) => *length == 0,
            Self::Optional(value) => value.is_none(),
            _ => false,
        }
    }
}
