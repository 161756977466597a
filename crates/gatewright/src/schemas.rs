//! The shapes of the JSON that commands print, as JSON Schema: for scripts, and for whoever reads `docs/json`.

use schemars::Schema;
use schemars::generate::SchemaSettings;

/// Every document with the name of its file in `docs/json`.
pub fn all() -> Vec<(&'static str, Schema)> {
    // What is written is described, not what would be read.
    let generator = || SchemaSettings::draft2020_12().for_serialize().into_generator();
    vec![
        ("check", generator().into_root_schema_for::<crate::check::Document<'_>>()),
        ("explain", generator().into_root_schema_for::<crate::explain::Explain>()),
        ("explain-list", generator().into_root_schema_for::<crate::explain::ExplainList>()),
        ("preview", generator().into_root_schema_for::<crate::preview::Preview>()),
        ("migration", generator().into_root_schema_for::<crate::migrate::Document>()),
        ("probe", generator().into_root_schema_for::<crate::status::ProbeDocument>()),
        ("report", generator().into_root_schema_for::<crate::report::Report>()),
        ("status", generator().into_root_schema_for::<crate::status::Status>()),
        ("test", generator().into_root_schema_for::<crate::test::Document<'_>>()),
        ("uninstall", generator().into_root_schema_for::<crate::uninstall::Document>()),
        ("verify", generator().into_root_schema_for::<crate::verify::Document>()),
    ]
}

/// The schema as its file has it.
pub fn text(schema: &Schema) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(schema)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::{all, text};

    #[test]
    fn the_files_are_those_of_the_code() {
        for (name, schema) in all() {
            let path = format!("{}/../../docs/json/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
            let file = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(file, text(&schema).unwrap(), "{name}: run `make generated`");
        }
    }

    #[test]
    fn every_field_says_what_it_is() {
        for (name, schema) in all() {
            let schema = schema.to_value();
            let types =
                [&schema].into_iter().chain(schema["$defs"].as_object().into_iter().flatten().map(|it| it.1));
            for r#type in types {
                for (field, of) in r#type["properties"].as_object().into_iter().flatten() {
                    assert!(of["description"].is_string(), "{name}: {field}");
                }
            }
        }
    }
}
