//! Types of expressions.

use std::fmt;

/// The type of an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Type {
    /// It is known only when the expression is evaluated, or to Kubernetes alone.
    Dyn,
    /// Whatever the type is for which it is put in a signature.
    Parameter(usize),
    Null,
    Bool,
    Int,
    Uint,
    Double,
    String,
    Bytes,
    Duration,
    Timestamp,
    /// That of a type's name.
    Name,
    List(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Optional(Box<Type>),
    /// One of Kubernetes' that only functions look into, by its name.
    Opaque(&'static str),
    /// One whose fields are known.
    Record(&'static Record),
}

/// Names of types that only functions look into.
pub mod opaque {
    pub const QUANTITY: &str = "kubernetes.Quantity";
    pub const URL: &str = "kubernetes.URL";
    pub const IP: &str = "net.IP";
    pub const CIDR: &str = "net.CIDR";
    pub const SEMVER: &str = "kubernetes.Semver";
    pub const FORMAT: &str = "kubernetes.NamedFormat";
}

/// The fields of a type of Kubernetes.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    name: &'static str,
    fields: &'static [(&'static str, Field)],
}

#[derive(Debug, PartialEq, Eq)]
enum Field {
    Text,
    Bool,
    Int,
    Timestamp,
    Any,
    Texts,
    Labels,
    Lists,
    Record(&'static Record),
}

/// `request`, which has no objects here.
pub static REQUEST: Record = Record {
    name: "kubernetes.AdmissionRequest",
    fields: &[
        ("kind", Field::Record(&KIND)),
        ("resource", Field::Record(&RESOURCE)),
        ("subResource", Field::Text),
        ("requestKind", Field::Record(&KIND)),
        ("requestResource", Field::Record(&RESOURCE)),
        ("requestSubResource", Field::Text),
        ("name", Field::Text),
        ("namespace", Field::Text),
        ("operation", Field::Text),
        ("userInfo", Field::Record(&USER)),
        ("dryRun", Field::Bool),
        ("options", Field::Any),
    ],
};
static KIND: Record = Record {
    name: "kubernetes.GroupVersionKind",
    fields: &[("group", Field::Text), ("version", Field::Text), ("kind", Field::Text)],
};
static RESOURCE: Record = Record {
    name: "kubernetes.GroupVersionResource",
    fields: &[("group", Field::Text), ("version", Field::Text), ("resource", Field::Text)],
};
static USER: Record = Record {
    name: "kubernetes.UserInfo",
    fields: &[
        ("username", Field::Text),
        ("uid", Field::Text),
        ("groups", Field::Texts),
        ("extra", Field::Lists),
    ],
};
/// `namespaceObject`.
pub static NAMESPACE: Record = Record {
    name: "kubernetes.Namespace",
    fields: &[
        ("metadata", Field::Record(&METADATA)),
        ("spec", Field::Record(&NAMESPACE_SPEC)),
        ("status", Field::Record(&NAMESPACE_STATUS)),
    ],
};
static NAMESPACE_SPEC: Record =
    Record { name: "kubernetes.NamespaceSpec", fields: &[("finalizers", Field::Texts)] };
static NAMESPACE_STATUS: Record =
    Record { name: "kubernetes.NamespaceStatus", fields: &[("phase", Field::Text)] };
static METADATA: Record = Record {
    name: "kubernetes.NamespaceMetadata",
    fields: &[
        ("name", Field::Text),
        ("generateName", Field::Text),
        ("namespace", Field::Text),
        ("labels", Field::Labels),
        ("annotations", Field::Labels),
        ("UID", Field::Text),
        ("creationTimestamp", Field::Timestamp),
        ("deletionGracePeriodSeconds", Field::Int),
        ("deletionTimestamp", Field::Timestamp),
        ("generation", Field::Int),
        ("resourceVersion", Field::Text),
        ("finalizers", Field::Texts),
    ],
};

impl Record {
    /// The type of a field, if there is one of that name.
    pub fn field(&self, name: &str) -> Option<Type> {
        self.fields.iter().find(|(known, _)| *known == name).map(|(_, field)| field.kind())
    }
}

impl Field {
    fn kind(&self) -> Type {
        match self {
            Self::Text => Type::String,
            Self::Bool => Type::Bool,
            Self::Int => Type::Int,
            Self::Timestamp => Type::Timestamp,
            Self::Any => Type::Dyn,
            Self::Texts => Type::list(Type::String),
            Self::Labels => Type::map(Type::String, Type::String),
            Self::Lists => Type::map(Type::String, Self::Texts.kind()),
            Self::Record(record) => Type::Record(record),
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dyn | Self::Parameter(_) => "dyn",
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Uint => "uint",
            Self::Double => "double",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Duration => "google.protobuf.Duration",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Name => "type",
            Self::Opaque(name) => name,
            Self::Record(record) => record.name,
            Self::List(element) => return write!(f, "list({element})"),
            Self::Map(key, value) => return write!(f, "map({key}, {value})"),
            Self::Optional(value) => return write!(f, "optional_type({value})"),
        })
    }
}

impl Type {
    /// That of lists of something.
    pub fn list(element: Self) -> Self {
        Self::List(Box::new(element))
    }

    /// That of maps from something to something.
    pub fn map(key: Self, value: Self) -> Self {
        Self::Map(Box::new(key), Box::new(value))
    }

    /// That of something, or nothing.
    pub fn optional(value: Self) -> Self {
        Self::Optional(Box::new(value))
    }

    /// Whether it is one of the three types of numbers.
    pub const fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double)
    }

    /// Whether null is as good as a value of this type.
    const fn is_nullable(&self) -> bool {
        matches!(
            self,
            Self::Record(_) | Self::Opaque(_) | Self::Optional(_) | Self::Duration | Self::Timestamp
        )
    }

    /// The type of both, where it can be one.
    pub fn with(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (one, other) if one == other => Some(one.clone()),
            (Self::Dyn, _) | (_, Self::Dyn) => Some(Self::Dyn),
            (Self::Null, other) | (other, Self::Null) if other.is_nullable() => Some(Self::Dyn),
            (Self::List(one), Self::List(other)) => Some(Self::list(one.with(other)?)),
            (Self::Optional(one), Self::Optional(other)) => Some(Self::optional(one.with(other)?)),
            (Self::Map(key, one), Self::Map(same, other)) => {
                Some(Self::map(key.with(same)?, one.with(other)?))
            }
            _ => None,
        }
    }

    /// Whether a value of this type may stand where another is asked for.
    pub fn fits(&self, wanted: &Self) -> bool {
        self.with(wanted).is_some()
    }
}
