use std::collections::BTreeMap;

use serde::Deserialize;

use super::{FORMATS, has_format, is_known};

#[derive(Deserialize)]
struct Texts {
    has: Vec<String>,
    lacks: Vec<String>,
}

#[test]
fn texts_have_their_formats() {
    let values: BTreeMap<String, Texts> = serde_saphyr::from_str(include_str!("values.yaml")).unwrap();
    for (format, texts) in &values {
        let all =
            texts.has.iter().map(|text| (text, true)).chain(texts.lacks.iter().map(|text| (text, false)));
        for (text, expected) in all {
            assert_eq!(has_format(format, text), Some(expected), "{format} {text:?}");
        }
    }
    for (format, _) in FORMATS {
        let known = values.keys().any(|name| name.replace('-', "") == format);
        assert!(known, "no texts for {format}");
    }
}

#[test]
fn what_the_api_server_does_not_check_is_ignored() {
    for format in ["", "int32", "quantity", "url"] {
        assert!(!is_known(format), "{format}");
        assert_eq!(has_format(format, "x"), None);
    }
}
