//! What Kubernetes' own reading and writing of an object changes.

use serde_json::Value;

/// Maps of users' keys, in which a null is a value and not an absent field.
const MAPS: [&str; 8] = [
    "annotations",
    "binaryData",
    "data",
    "labels",
    "matchLabels",
    "nodeSelector",
    "parameters",
    "stringData",
];

/// Drops fields that are null: to the API server's types they are absent.
pub(super) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            // `retain` takes the map apart, and nearly no map has a null.
            if map.values().any(Value::is_null) {
                map.retain(|_, value| !value.is_null());
            }
            map.iter_mut()
                .filter(|(name, value)| {
                    (value.is_object() || value.is_array()) && !MAPS.contains(&name.as_str())
                })
                .for_each(|(_, value)| drop_nulls(value));
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
