use super::{errors, good};

const CONFIG_MAP: &str = "apiVersion: v1\nkind: ConfigMap\n";

/// YAML 1.1 reads `y` as true and `012` as ten: the error stands on the line of the field, and says what it is.
#[test]
fn what_is_no_text_is_said_on_its_own_line() {
    let boolean = "is a boolean (y, n, yes, no, on and off are booleans in YAML); put it in quotes";
    let number = "is a number; put it in quotes";
    for (text, line, field, said) in [
        (format!("{CONFIG_MAP}metadata: {{name: y}}\n"), 3, "metadata.name", boolean),
        (format!("{CONFIG_MAP}metadata:\n  namespace: shop\n  name: 012\n"), 5, "metadata.name", number),
        (format!("{CONFIG_MAP}metadata:\n  name: a\n  namespace: on\n"), 5, "metadata.namespace", boolean),
        (format!("{CONFIG_MAP}metadata:\n  generateName: 1.5\n"), 4, "metadata.generateName", number),
        ("# c\n\napiVersion: v1\nkind: 5\n".to_owned(), 4, "kind", number),
        ("kind: Pod\napiVersion: 1\n".to_owned(), 2, "apiVersion", number),
        (
            format!("{CONFIG_MAP}metadata:\n  name: [a]\n"),
            4,
            "metadata.name",
            "is a list; it must be a string",
        ),
        (
            format!("{CONFIG_MAP}metadata:\n  name: {{a: b}}\n"),
            4,
            "metadata.name",
            "is an object; it must be a string",
        ),
        (
            format!("---\n{CONFIG_MAP}metadata: {{name: a}}\n---\n{CONFIG_MAP}metadata:\n  name: no\n"),
            9,
            "metadata.name",
            boolean,
        ),
        (
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata:\n    name: off\n"
                .to_owned(),
            7,
            "metadata.name",
            boolean,
        ),
        (
            "\n{\"apiVersion\": \"v1\", \"kind\": \"Pod\",\n\"metadata\": {\n\"name\": true}}\n".to_owned(),
            4,
            "metadata.name",
            "is a boolean; put it in quotes",
        ),
        (
            "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n{\"apiVersion\": \"v1\",\n\"kind\": 5}]}"
                .to_owned(),
            3,
            "kind",
            number,
        ),
    ] {
        assert_eq!(errors(&text), [format!("f:{line}: {field}: {said}")], "{text}");
    }
    assert_eq!(good(&format!("{CONFIG_MAP}metadata: {{name: \"y\"}}\n"))[0].header.name, "y");
}

/// Go writes `null` for an empty list.
#[test]
fn a_list_of_null_is_empty() {
    for text in [
        "apiVersion: v1\nkind: List\nitems: null\n",
        "apiVersion: v1\nkind: List\nitems:\n",
        "apiVersion: v1\nkind: PodList\nmetadata: {resourceVersion: \"1\"}\nitems: ~\n",
        "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": null}",
        "{\"apiVersion\": \"v1\", \"kind\": \"PodList\", \"items\": null}",
    ] {
        assert!(good(text).is_empty(), "{text}");
    }
    for text in ["apiVersion: v1\nkind: List\n", "apiVersion: v1\nkind: List\nitems: {}\n"] {
        assert_eq!(errors(text), ["f:1: List: items: a list has items, one or more objects"], "{text}");
    }
    assert_eq!(good("apiVersion: v1\nkind: PodList\n")[0].header.kind, "PodList");
}

/// What kubectl takes and refuses of JSON.
#[test]
fn json_is_read_as_kubectl_reads_it() {
    let of = |data: &str| {
        format!(
            "{{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {{\"name\": \"a\"}},\n\"data\": {data}}}"
        )
    };
    let found = good(&of("{\"a\": \"\\ud800\", \"\\udc00\": \"\",\n\"c\": \"d\"}"));
    assert_eq!(found[0].value()["data"]["a"], "\u{fffd}");
    assert_eq!(found[0].value()["data"]["\u{fffd}"], "");
    assert_eq!(found[0].locate("/data/c").line, 3);
    let pair = good(&of("{\"a\": \"\\ud83d\\ude00\"}"));
    assert_eq!(pair[0].value()["data"]["a"], "\u{1f600}");
    for number in ["1e400", "-1e400"] {
        let said = "f:2: a number that is too large: up to 1.8e308 is possible";
        assert_eq!(errors(of(&format!("{{\"a\": {number}}}"))), [said], "{number}");
    }
    assert_eq!(good(&of("{\"a\": 1e-400}"))[0].value()["data"]["a"], 0.0);
    // What is no JSON is YAML, where it is a text.
    assert_eq!(good(&of("{\"a\": 1e400,}"))[0].value()["data"]["a"], "1e400");
}
