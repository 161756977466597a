//! How policies spell an action: with a capital letter.

use gatewright_gatekeeper::Action;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(crate) fn serialize<S: Serializer>(action: &Action, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(action.title())
}

/// The API server drops a `null` where a default stands; so does this.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Action, D::Error> {
    let Some(word) = Option::<String>::deserialize(deserializer)? else { return Ok(Action::default()) };
    let known = Action::ALL.into_iter().find(|action| action.title() == word);
    known.ok_or_else(|| D::Error::unknown_variant(&word, TITLES))
}

const TITLES: &[&str] = &[Action::Deny.title(), Action::Warn.title(), Action::Dryrun.title()];

pub(crate) fn schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": TITLES})
}
