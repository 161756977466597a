//! Whether a value may have two types at once.

use regorus::Value;

use super::Type;

/// Whether some value may be of both types.
pub fn unifies(one: &Type, other: &Type) -> bool {
    match (one, other) {
        (Type::Unknown, _) | (_, Type::Unknown) => false,
        (Type::Any(of), other) if any(of, other) => true,
        (one, Type::Any(of)) => any(of, one),
        (Type::Array(items, rest), Type::Array(others, more)) => {
            let fits = |items: &[Type], others: &[Type], more: &Option<Box<Type>>| {
                items.iter().enumerate().all(|(i, item)| {
                    others.get(i).or(more.as_deref()).is_some_and(|other| unifies(item, other))
                })
            };
            fits(items, others, more) && fits(others, items, rest) && both(rest.as_deref(), more.as_deref())
        }
        (Type::Object(fields, rest), Type::Object(others, more)) => {
            let open = rest.is_some() || more.is_some();
            fields_fit(fields, other, open)
                && fields_fit(others, one, open)
                && both(rest.as_ref().map(|rest| &rest.1), more.as_ref().map(|more| &more.1))
        }
        (Type::Set(one), Type::Set(other)) => unifies(one, other),
        (Type::Function(one, _), Type::Function(other, _)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| unifies(one, other))
        }
        (one, other) => one == other,
    }
}

fn any(of: &std::collections::BTreeSet<Type>, other: &Type) -> bool {
    !matches!(other, Type::Function(..)) && (of.is_empty() || of.iter().any(|one| unifies(one, other)))
}

fn both(one: Option<&Type>, other: Option<&Type>) -> bool {
    one.zip(other).is_none_or(|(one, other)| unifies(one, other))
}

/// Whether each field may be in the other object.
fn fields_fit(fields: &[(Value, Type)], other: &Type, open: bool) -> bool {
    fields.iter().all(|(key, value)| other.select(key).map_or(open, |found| unifies(value, &found)))
}
