use serde::Deserialize;
use serde_json::{Value, json};

use super::{Misfit, WITH_PASSWORD, nearest, not_one_of, quoted, read};

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    name: String,
    #[serde(default)]
    allow_all: Option<bool>,
    #[serde(default)]
    ports: Vec<Port>,
    #[serde(default)]
    action: Option<Action>,
    #[serde(default)]
    pair: Option<(u8, u8)>,
    #[serde(default)]
    labels: std::collections::BTreeMap<String, String>,
    #[serde(default)]
    ratio: Option<f64>,
    #[serde(default)]
    path: Option<Absolute>,
    #[serde(default)]
    anything: Value,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Port {
    min: u16,
}

#[derive(Debug, PartialEq, Deserialize)]
enum Action {
    Deny,
    Warn,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
struct Absolute(String);

impl TryFrom<String> for Absolute {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.starts_with('/') { Ok(Self(text)) } else { Err("a path starts with /".to_owned()) }
    }
}

fn spec(fields: &Value) -> Value {
    let mut spec = json!({"name": "a"});
    for (name, value) in fields.as_object().unwrap() {
        spec[name] = value.clone();
    }
    spec
}

#[test]
fn what_fits_is_read_as_serde_reads_it() {
    for fields in [
        json!({}),
        json!({"allowAll": true, "ports": [{"min": 80}], "action": "Warn", "pair": [1, 2], "ratio": 0.5}),
        json!({"allowAll": null, "labels": {"a/b~c": "d"}, "path": "/etc", "ratio": 1}),
        json!({"anything": {"deep": [1, -2, 3.5, null, "x"]}}),
    ] {
        let value = spec(&fields);
        let (ours, theirs) = (read::<Spec>(&value), serde_json::from_value::<Spec>(value.clone()));
        assert_eq!(ours.ok(), Some(theirs.unwrap()), "{value}");
    }
}

#[test]
fn what_does_not_fit_is_said_in_plain_words() {
    let long = "secret".repeat(20);
    let rows = [
        (json!({"allowAl": true}), "/allowAl", "allowAl: there is no such field; did you mean allowAll?"),
        (
            json!({"zzz": true}),
            "/zzz",
            "zzz: there is no such field; the fields here are name, allowAll, ports, action, pair, labels, ratio, path, anything",
        ),
        (json!({"allowAll": "no"}), "/allowAll", "allowAll: is a string; it must be a boolean"),
        (json!({"allowAll": 1}), "/allowAll", "allowAll: is an integer; it must be a boolean"),
        (json!({"name": null}), "/name", "name: is null; it must be a string"),
        (json!({"name": 1.5}), "/name", "name: is a number; it must be a string"),
        (json!({"name": true}), "/name", "name: is a boolean; it must be a string"),
        (json!({"ports": {}}), "/ports", "ports: is an object; it must be a list"),
        (json!({"ports": [1]}), "/ports/0", "ports[0]: is an integer; it must be an object"),
        (json!({"ports": [{}]}), "/ports/0/min", "ports[0].min: is required"),
        (json!({"ports": [{"min": -1}]}), "/ports/0/min", "ports[0].min: must be an integer from 0 to 65535"),
        (
            json!({"action": "deny"}),
            "/action",
            "action: \"deny\" is not one of the allowed words: Deny, Warn; did you mean Deny?",
        ),
        (
            json!({"action": "Refuse"}),
            "/action",
            "action: \"Refuse\" is not one of the allowed words: Deny, Warn",
        ),
        (json!({"action": long}), "/action", "action: is not one of the allowed words: Deny, Warn"),
        (json!({"action": ["Deny"]}), "/action", "action: is a list; it must be a string"),
        (json!({"pair": [1]}), "/pair", "pair: has 1 elements; it must be a list of 2 elements"),
        (
            json!({"labels": {"a/b~c": 1}}),
            "/labels/a~1b~0c",
            "labels.a/b~c: is an integer; it must be a string",
        ),
        (json!({"labels": []}), "/labels", "labels: is a list; it must be an object"),
        (json!({"ratio": "1"}), "/ratio", "ratio: is a string; it must be a number"),
        (json!({"path": "etc"}), "/path", "path: a path starts with /"),
    ];
    for (fields, pointer, said) in rows {
        let misfit = read::<Spec>(&spec(&fields)).unwrap_err();
        assert_eq!((misfit.pointer.as_str(), misfit.to_string().as_str()), (pointer, said), "{fields}");
        assert_eq!(misfit.unknown, said.contains("no such field"), "{fields}");
    }
    let missing = read::<Spec>(&json!({})).unwrap_err();
    assert_eq!(missing.to_string(), "name: is required");
    let whole = read::<Spec>(&json!("text")).unwrap_err();
    let expected = Misfit {
        pointer: String::new(),
        field: String::new(),
        message: "is a string; it must be an object".to_owned(),
        unknown: false,
        explained: false,
    };
    assert_eq!((whole.to_string(), whole), (expected.message.clone(), expected));
}

#[test]
fn typing_errors_have_a_meaning() {
    let names = ["allowPrivileged", "allowHostPID", "min"];
    for (word, meant) in [
        ("allowPriviledged", Some("allowPrivileged")),
        ("AllowHostPid", Some("allowHostPID")),
        ("allowHostPDI", Some("allowHostPID")),
        ("mni", Some("min")),
        ("max", None),
        ("", None),
    ] {
        assert_eq!(nearest(word, names.into_iter()), meant, "{word}");
    }
}

#[test]
fn shortened_and_prefixed_words_have_a_meaning() {
    let capabilities = ["ALL", "NET_ADMIN", "NET_RAW", "CHOWN", "KILL"];
    let probes = ["livenessProbe", "readinessProbe", "startupProbe"];
    let resources = ["cpu", "memory", "ephemeral-storage"];
    for (word, names, meant) in [
        ("CAP_NET_ADMIN", &capabilities[..], Some("NET_ADMIN")),
        ("cap_chown", &capabilities, Some("CHOWN")),
        ("NET", &capabilities, None),
        ("_", &capabilities, None),
        ("liveness", &probes, Some("livenessProbe")),
        ("Readiness", &probes, Some("readinessProbe")),
        ("probe", &probes, None),
        ("mem", &resources, Some("memory")),
        ("storage", &resources, Some("ephemeral-storage")),
        ("me", &resources, None),
    ] {
        assert_eq!(nearest(word, names.iter().copied()), meant, "{word}");
    }
}

#[test]
fn what_may_be_a_password_is_not_repeated() {
    for text in
        ["https://u:secret@h/", "https://token@h", "u:secret@h/app", "u:secret@h/app:1@sha256:00", "x: a@b"]
    {
        assert_eq!(quoted(text), WITH_PASSWORD, "{text}");
    }
    for text in ["r.io:5000/app:1.0@sha256:00", "app@sha256:00", "team@example.com", "a:b", "", "@"] {
        assert_eq!(quoted(text), format!("{text:?}"));
    }
    assert!(
        not_one_of("https://u:secret@h/", &["a"])
            .starts_with("a text with @ is not one of the allowed words: a")
    );
}
