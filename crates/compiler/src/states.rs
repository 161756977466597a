//! What the states of a field mean, in one place: absent, empty, filled.

use gatewright_api::text::Name;
use gatewright_api::{Field, List};

/// `false` forbids; `true` and absent do not check.
pub(crate) fn forbidden(allow: Field<bool>) -> Option<bool> {
    (allow.value() == Some(&false)).then_some(false)
}

/// `true` demands; `false` and absent do not check.
pub(crate) fn demanded(demand: Field<bool>) -> Option<bool> {
    (demand.value() == Some(&true)).then_some(true)
}

/// What is demanded or forbidden: `[]` says nothing, as if absent.
pub(crate) fn listed<T: Clone + Into<U>, U, const MAX: usize>(list: &Field<List<T, MAX>>) -> Option<Vec<U>> {
    list.value().filter(|list| !list.is_empty()).map(|list| list.iter().cloned().map(Into::into).collect())
}

/// Names that are allowed. A list that holds `*` refuses nothing.
pub(crate) fn names(list: &Field<List<Name>>) -> Option<Vec<String>> {
    let list = list.value().filter(|list| list.iter().all(|name| name.as_str() != "*"))?;
    Some(list.iter().map(ToString::to_string).collect())
}
