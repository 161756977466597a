//! The types that OPA's compiler infers: what a term may be, as far as the text says.

mod parse;
mod unify;

pub use parse::signature;
pub use unify::unifies;

use std::collections::BTreeSet;

use regorus::Value;

/// A type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    /// Nothing is known yet: the variable has no value so far.
    Unknown,
    /// `null`.
    Null,
    /// A boolean.
    Boolean,
    /// A number.
    Number,
    /// A text.
    String,
    /// The types of the first elements, and of all others if there may be others.
    Array(Vec<Type>, Option<Box<Type>>),
    /// The types of fields by key, and of all other keys and values if there may be others.
    Object(Vec<(Value, Type)>, Option<Box<(Type, Type)>>),
    /// The type of the elements.
    Set(Box<Type>),
    /// One of these; without any, anything.
    Any(BTreeSet<Type>),
    /// A function: its arguments, and its result.
    Function(Vec<Type>, Box<Type>),
}

impl Type {
    /// Anything.
    pub const ANY: Self = Self::Any(BTreeSet::new());

    /// A list of elements of one type.
    pub fn list(of: Self) -> Self {
        Self::Array(vec![], Some(Box::new(of)))
    }

    /// A set.
    pub fn set(of: Self) -> Self {
        Self::Set(Box::new(of))
    }

    /// An object whose keys are not known.
    pub fn map(key: Self, value: Self) -> Self {
        Self::Object(vec![], Some(Box::new((key, value))))
    }

    /// The type of a constant.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::String,
            _ => Self::ANY,
        }
    }

    /// Whether something in it is not known.
    pub fn is_unknown(&self) -> bool {
        match self {
            Self::Unknown => true,
            Self::Array(items, rest) => {
                items.iter().any(Self::is_unknown) || rest.as_ref().is_some_and(|rest| rest.is_unknown())
            }
            Self::Object(fields, rest) => {
                fields.iter().any(|(_, value)| value.is_unknown())
                    || rest.as_ref().is_some_and(|rest| rest.0.is_unknown() || rest.1.is_unknown())
            }
            Self::Set(of) => of.is_unknown(),
            Self::Any(of) => of.iter().any(Self::is_unknown),
            _ => false,
        }
    }

    /// With anything in the place of what is not known.
    pub fn or_anything(self) -> Self {
        let open = |of: Box<Self>| Box::new(of.or_anything());
        match self {
            Self::Unknown => Self::ANY,
            Self::Array(items, rest) => {
                Self::Array(items.into_iter().map(Self::or_anything).collect(), rest.map(open))
            }
            Self::Object(fields, rest) => Self::Object(
                fields.into_iter().map(|(key, value)| (key, value.or_anything())).collect(),
                rest.map(|rest| Box::new((rest.0.or_anything(), rest.1.or_anything()))),
            ),
            Self::Set(of) => Self::Set(open(of)),
            other => other,
        }
    }

    /// Either of two types.
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, known) | (known, Self::Unknown) => known,
            (Self::Function(mut one, result), Self::Function(other, more)) => {
                if one.len() == other.len() {
                    one = one.into_iter().zip(other).map(|(one, other)| one.or(other)).collect();
                }
                Self::Function(one, Box::new(result.or(*more)))
            }
            (Self::Any(of), _) | (_, Self::Any(of)) if of.is_empty() => Self::ANY,
            (Self::Any(mut one), Self::Any(other)) => {
                one.extend(other);
                Self::Any(one)
            }
            (Self::Any(mut of), one) | (one, Self::Any(mut of)) => {
                of.insert(one);
                Self::Any(of)
            }
            (one, other) if one == other => one,
            (one, other) => Self::Any([one, other].into()),
        }
    }

    /// Both definitions of a rule: their sets are one set, and their objects without known keys one object.
    pub fn merge(self, other: Self) -> Self {
        match (self, other) {
            (Self::Set(one), Self::Set(other)) => Self::set(one.or(*other)),
            (Self::Object(one, Some(rest)), Self::Object(other, Some(more)))
                if one.is_empty() && other.is_empty() =>
            {
                Self::map(rest.0.or(more.0), rest.1.merge(more.1))
            }
            (one, other) => one.or(other),
        }
    }

    /// The types of its keys, indices or elements; none if it has none.
    pub fn keys(&self) -> Option<Self> {
        match self {
            Self::Array(..) => Some(Self::Number),
            Self::Object(fields, rest) => {
                let fields = fields.iter().map(|(key, _)| Self::of(key));
                union(fields.chain(rest.iter().map(|rest| rest.0.clone())))
            }
            Self::Set(of) => Some(of.as_ref().clone()),
            Self::Any(of) if of.is_empty() => Some(Self::ANY),
            Self::Any(of) => union(of.iter().filter_map(Self::keys)),
            _ => None,
        }
    }

    /// The types of its values or elements; none if it has none.
    pub fn values(&self) -> Option<Self> {
        match self {
            Self::Array(items, rest) => {
                union(items.iter().cloned().chain(rest.iter().map(|rest| *rest.clone())))
            }
            Self::Object(fields, rest) => {
                let fields = fields.iter().map(|(_, value)| value.clone());
                union(fields.chain(rest.iter().map(|rest| rest.1.clone())))
            }
            Self::Set(of) => Some(of.as_ref().clone()),
            Self::Any(of) if of.is_empty() => Some(Self::ANY),
            Self::Any(of) => union(of.iter().filter_map(Self::values)),
            _ => None,
        }
    }

    /// The type of what stands at a key; none if nothing can.
    pub fn select(&self, key: &Value) -> Option<Self> {
        match self {
            Self::Array(items, rest) => {
                let index = usize::try_from(key.as_i64().ok()?).ok()?;
                items.get(index).cloned().or_else(|| rest.as_ref().map(|rest| *rest.clone()))
            }
            Self::Object(fields, rest) => {
                let field = fields.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone());
                let rest = rest.as_ref().filter(|rest| contains(&rest.0, &Self::of(key)));
                field.or_else(|| rest.map(|rest| rest.1.clone()))
            }
            Self::Set(of) if **of == Self::of(key) => Some(Self::of(key)),
            Self::Set(of) => match of.as_ref() {
                Self::Any(of) if of.is_empty() || of.contains(&Self::of(key)) => Some(Self::of(key)),
                _ => None,
            },
            Self::Any(of) if of.is_empty() => Some(Self::ANY),
            Self::Any(of) => union(of.iter().filter_map(|one| one.select(key))),
            _ => None,
        }
    }
}

/// All of some types; none if there are none.
fn union(types: impl Iterator<Item = Type>) -> Option<Type> {
    types.reduce(Type::or)
}

/// Whether a type is one of those that another allows.
fn contains(allowed: &Type, one: &Type) -> bool {
    match allowed {
        Type::Any(of) => of.is_empty() || of.contains(one),
        _ => allowed == one,
    }
}
