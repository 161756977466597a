mod ends;
mod headers;

use std::io::Write as _;
use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::kubectl_reads::{Row, rows};
use super::{Document, Envelope, InputError, Limit, LimitArgs, Reading, read_bytes};

fn limit(size: &str) -> Limit {
    LimitArgs { max_input_size: size.parse().unwrap() }.limit()
}

fn read_file(file: &str, text: &[u8]) -> Vec<Result<Document, InputError>> {
    let reading = Reading::new(limit("1Mi"), Envelope::Full);
    read_bytes(file, std::io::Cursor::new(text.to_vec()), &reading).collect()
}

fn read_text(text: impl AsRef<[u8]>) -> Vec<Result<Document, InputError>> {
    read_file("f", text.as_ref())
}

fn read(paths: &[PathBuf]) -> super::Documents {
    super::read(paths, &Reading::new(limit("1Mi"), Envelope::Full))
}

fn good(text: &str) -> Vec<Document> {
    read_text(text).into_iter().map(Result::unwrap).collect()
}

fn errors(text: impl AsRef<[u8]>) -> Vec<String> {
    read_text(text).into_iter().filter_map(Result::err).map(|error| error.to_string()).collect()
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n";

/// What kubectl reads, and this does not. Each would make nobody happy: a key that stands twice is a mistake, and
/// nothing in Kubernetes is binary.
const REFUSED: [&str; 2] = ["spec: {a: 1, a: 2}\n", "spec: !!binary aGVsbG8=\n"];

/// What kubectl's older parser refuses: an escape of JSON.
const ACCEPTED: [&str; 1] = ["spec: \"\\/\"\n"];

/// `kubectl_reads` of the e2e tests asks the real kubectl for the same table.
#[test]
fn documents_mean_what_kubectl_reads() {
    let mut different = vec![];
    for Row { yaml, error, spec } in rows().unwrap() {
        let found = read_text(format!("apiVersion: example.com/v1\nkind: W\nmetadata: {{name: a}}\n{yaml}"));
        if REFUSED.contains(&yaml.as_str()) {
            assert!(found[0].is_err(), "{yaml:?}");
        } else if !ACCEPTED.contains(&yaml.as_str()) {
            let value = found[0].as_ref().map_or(Value::Null, |document| document.value()["spec"].clone());
            if found.len() != 1 || found[0].is_err() != error || value != spec {
                different.push(format!("{yaml:?}: {spec} for kubectl, {value} here: {found:?}"));
            }
        }
    }
    assert!(different.is_empty(), "{different:#?}");
}

#[test]
fn documents_keep_their_lines() {
    let found = good(&format!("# first\n{POD}--- # second\n\n# c\n{POD}---\n---\n{POD}"));
    assert_eq!(found.iter().map(|document| document.location.line).collect::<Vec<_>>(), [2, 9, 15]);
}

#[test]
fn json_documents_one_after_the_other() {
    let one = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}"#;
    for (text, lines) in [
        (format!("{one}\n{one}\n\n{one}"), vec![1, 2, 4]),
        (format!("\n {one}{one}"), vec![2, 2]),
        (format!("{one}\n---\n{one}"), vec![1, 3]),
        ("{apiVersion: v1, kind: Pod, metadata: {name: a}}".to_owned(), vec![1]),
    ] {
        let found: Vec<_> = good(&text).into_iter().map(|document| document.location.line).collect();
        assert_eq!(found, lines, "{text}");
    }
}

#[test]
fn lists_are_unpacked_and_items_keep_their_lines() {
    let yaml = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n\
                - {apiVersion: v1, kind: Secret, metadata: {name: b}}\n";
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [\n\n\
                {\"apiVersion\": \"v1\", \"kind\": \"Pod\",\n\"metadata\": {\"name\": \"a\"}},\n\
                {\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"b\"}}]}";
    for (text, lines) in [(yaml, [4, 7]), (json, [3, 5])] {
        let found = good(text);
        assert_eq!(found.iter().map(|document| document.location.line).collect::<Vec<_>>(), lines, "{text}");
        assert_eq!(found[1].header.kind, "Secret");
        assert_eq!(found[1].value()["metadata"]["name"], "b");
    }
    assert_eq!(good(yaml)[0].locate("/metadata/name").line, 6);
    assert_eq!(good(json)[0].locate("/metadata/name").line, 4);
    assert!(good("apiVersion: v1\nkind: List\nitems: []\n").is_empty());
}

#[test]
fn items_of_a_list_of_one_kind_need_not_name_it() {
    let found = good("apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n");
    assert_eq!((found[0].header.kind.as_str(), found[0].header.api_version.as_str()), ("Pod", "v1"));
    assert_eq!(found[0].value()["kind"], "Pod");
}

#[test]
fn items_of_what_is_no_list_stay() {
    let found =
        good("apiVersion: example.com/v1\nkind: Menu\nmetadata: {name: a}\nitems: [soup, {price: 010}]\n");
    assert_eq!(found[0].value()["items"], json!(["soup", {"price": 8}]));
}

#[test]
fn fields_are_found_with_their_lines() {
    let text = format!(
        "---\n{POD}spec:\n  code:\n  - engine: Rego\n    rego: |\n      package a\n\n      x := 1\n  a/b: {{c: 1}}\n"
    );
    let found = &good(&text)[0];
    for (pointer, line) in [
        ("", 2),
        ("/metadata/name", 5),
        ("/spec/code/0/engine", 8),
        ("/spec/code/0/rego", 9),
        ("/spec/code/0/none", 8),
        ("/spec/a~1b/c", 13),
        ("/absent/field", 2),
    ] {
        assert_eq!(found.locate(pointer).line, line, "{pointer}");
    }
    assert_eq!(found.locate_line("/spec/code/0/rego", 3).line, 12);
    let text = format!("{POD}spec: # c\n  x: >-\n\n\n    a\n");
    assert_eq!(good(&text)[0].locate_line("/spec/x", 3).line, 9);
    assert_eq!(found.locate_line("/spec/code/0/engine", 1).line, 8);
}

#[test]
fn crlf_and_a_byte_order_mark() {
    let text = format!("\u{feff}{POD}---\n{POD}").replace('\n', "\r\n");
    let found = good(&text);
    assert_eq!(found.iter().map(|document| document.location.line).collect::<Vec<_>>(), [1, 6]);
    assert_eq!(found[0].header.name, "a");
}

#[test]
fn bad_input_is_told_with_its_line() {
    let nested = |depth| format!("{POD}spec: {}{}\n", "[".repeat(depth), "]".repeat(depth));
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
                c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
                e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e]\n";
    for (text, expected) in [
        ("a: 1\n".to_owned(), "f:1: no kind: this is not a Kubernetes object"),
        ("\nkind: Pod\n".to_owned(), "f:2: no apiVersion: this is not a Kubernetes object"),
        ("- a\n".to_owned(), "f:1: is not an object: a manifest is a map with apiVersion and kind"),
        ("apiVersion: 1\nkind: Pod\n".to_owned(), "f:1: apiVersion: is a number; put it in quotes"),
        (format!("{POD}  name: b\n"), "f:5: the key \"name\" is here a second time"),
        (format!("{POD}---\na: b: c\n"), "f:6: "),
        (format!("{POD}--- {{}}\n"), "f:5: --- must stand alone on its line"),
        (
            format!("{POD}...\n{POD}"),
            "f:6: text after the end of the document: a line ... ends it; another document needs a line --- before it",
        ),
        (nested(300), "f:5: "),
        (nested(101), "f:5: nested deeper than 100 levels"),
        (bomb.to_owned(), "f:5: its aliases stand for more than 100000 values"),
        (
            "{{- if .Values.x }}\na: 1\n".to_owned(),
            "(a template? render it first, with `helm template` for one)",
        ),
        // The last line has no end, and what is wrong is found at its end.
        ("kind: Pod\nmeta: v1\nakin".to_owned(), "f:3: could not find expected ':'"),
        ("{\n\"a\": 1,\n\"a\": 2}".to_owned(), "f:3: the key \"a\" is here a second time"),
        ("{\"a\": [1,\n2".to_owned(), "f:2: the text ends inside a list"),
        ("apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n".to_owned(), "f:4: no apiVersion"),
        (
            "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: List, items: []}".to_owned(),
            "f:4: a List inside a List",
        ),
    ] {
        let found = errors(&text);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected}: {found:?}");
    }
}

#[test]
fn binary_files_are_refused_and_what_is_no_utf_8_is_read_as_kubectl_reads_it() {
    let refused = "is a binary file, or UTF-16 without a byte order mark";
    assert_eq!(errors(b"\x7fELF\0\0"), [format!("f: {refused}")]);
    let late = [&b"a"[..], &b" ".repeat(100_000), b"\n\0"].concat();
    assert_eq!(errors(late), [format!("f:2: {refused}")]);
    let latin = [POD.as_bytes(), b"# gr\xfcn\nspec: {a: gr\xfcn}\n"].concat();
    assert_eq!(read_text(latin)[0].as_ref().unwrap().value()["spec"]["a"], "gr\u{fffd}n");
    assert_eq!(errors(format!("{POD}spec: \"\u{7}\"\n")), ["f:5: control characters are not allowed"]);
}

#[test]
fn json_is_known_behind_any_white_space() {
    let one = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}"#;
    assert_eq!(good(&format!("\n\n  \n\n{one}\n{one}\n")).len(), 2);
}

#[test]
fn utf_16_with_a_byte_order_mark() {
    let text = format!("{POD}  annotations: {{a: gr\u{fc}n \u{1f600}}}\n---\n{POD}");
    let json = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}"#;
    let encoded = |text: &str, mark: [u8; 2], bytes: fn(u16) -> [u8; 2]| {
        mark.into_iter().chain(text.encode_utf16().flat_map(bytes)).collect::<Vec<_>>()
    };
    for (mark, bytes) in
        [([0xff, 0xfe], u16::to_le_bytes as fn(u16) -> [u8; 2]), ([0xfe, 0xff], u16::to_be_bytes)]
    {
        let found: Vec<_> = read_text(encoded(&text, mark, bytes)).into_iter().map(Result::unwrap).collect();
        assert_eq!(found[0].value()["metadata"]["annotations"]["a"], "gr\u{fc}n \u{1f600}");
        assert_eq!(found[1].location.line, 7);
        assert_eq!(read_text(encoded(json, mark, bytes))[0].as_ref().unwrap().header.name, "a");
    }
}

/// What libyaml takes and YAML 1.2 forbids.
#[test]
fn quoted_text_and_flow_lists_as_kubectl_takes_them() {
    for (yaml, spec) in [
        ("spec:\n  a: \"one\n  two\"\n", json!({"a": "one two"})),
        ("spec:\n  a: 'one\ntwo'\n", json!({"a": "one two"})),
        ("spec:\n  a: \"one\n\ttwo\"\n", json!({"a": "one two"})),
        ("spec:\n  a: [\n\t\"-x\",\n\t-y\n  ]\n", json!({"a": ["-x", "-y"]})),
        ("spec:\n  a: {b: 1,\nc: 2\n}\n", json!({"a": {"b": 1, "c": 2}})),
    ] {
        assert_eq!(good(&format!("{POD}{yaml}"))[0].value()["spec"], spec, "{yaml:?}");
    }
}

/// Lines of YAML end at more characters than lines of editors do.
#[test]
fn lines_are_those_of_editors() {
    let text = format!("{POD}spec:\n  a: \"b\u{2028}c\u{85}d\"\n  e: [1\n");
    assert_eq!(errors(&text), ["f:8: did not find expected ',' or ']' while parsing a flow sequence"]);
    let text = format!("{POD}spec:\n  a: \"b\u{2028}c\"\n  e: {{f: 1}}\n");
    assert_eq!(good(&text)[0].locate("/spec/e/f").line, 7);
}

#[test]
fn errors_show_no_value() {
    for text in [
        "data: {password: !!int hunter2}\n",
        "data: {password: !!float hunter2}\n",
        "data: {password: !!bool hunter2}\n",
        "data: {password: !!null hunter2}\n",
        "data: {password: !!binary hunter2}\n",
        "data: {password: .inf, a: hunter2\n",
        "data: {password: \"hunter2\\q\"}\n",
        "data: {password: *hunter2}\n",
        "data: [hunter2: hunter2: hunter2]\n",
        "data: &hunter2 {a: *hunter2}\n",
        "data: {password: hunter2}}\n",
        "--- {password: hunter2}\n",
        "--- hunter2\n",
        "kind: [hunter2]\n",
        "data:\n  password: hunter2: hunter2\n",
        "data: {18446744073709551615: hunter2}\n",
    ] {
        let found = errors(format!("apiVersion: v1\nmetadata: {{name: a}}\n{text}"));
        assert!(!found.is_empty(), "{text}");
        assert!(!found.concat().contains("hunter2"), "{text}: {found:?}");
    }
    let json = r#"{"apiVersion": "v1", "kind": "Secret", "data": {"password": "hunter2"#;
    for end in ["", "\"", "\" 5", "\"}} {\"kind\": \"hunter2\", ", "\\x"] {
        let found = errors(format!("{json}{end}"));
        assert!(!found.is_empty() && !found.concat().contains("hunter2"), "{end}: {found:?}");
    }
}

#[test]
fn aliases_of_long_texts_count_for_what_they_are() {
    let lines = "- *a\n".repeat(2_000);
    let text = format!("{POD}spec:\n- &a {}\n{lines}", "x".repeat(10_000));
    let found = errors(&text);
    assert!(
        found.len() == 1 && found[0].ends_with("its aliases stand for more than 100000 values"),
        "{found:?}"
    );
}

#[test]
fn kustomize_knows_its_file_by_the_name() {
    let text = b"namespace: shop\nresources: [pod.yaml]\n";
    for name in ["kustomization.yaml", "a/kustomization.yml", "b/Kustomization"] {
        let found = read_file(name, text);
        let header = &found[0].as_ref().unwrap().header;
        assert_eq!(header.kind, "Kustomization", "{name}");
        assert_eq!(header.group(), "kustomize.config.k8s.io", "{name}");
        let pod = read_file(name, POD.as_bytes());
        assert_eq!(pod[0].as_ref().unwrap().header.kind, "Pod", "{name}");
        assert!(read_file(name, b"kind: Pod\nmetadata: {name: a}\n")[0].is_err(), "{name}");
    }
    assert!(read_file("my-kustomization.yaml", text)[0].is_err());
}

#[test]
fn one_bad_document_does_not_hide_the_others() {
    let found = read_text(format!("{POD}---\na: b: c\n---\n{POD}"));
    assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn folders_are_read_in_order_without_hidden_files() {
    let folder = std::env::temp_dir().join(format!("gatewright-input-{}", std::process::id()));
    for (path, name) in [
        ("b.yaml", "b"),
        ("a/x.json", "x"),
        ("a/.hidden/y.yaml", "y"),
        (".z.yml", "z"),
        ("c.yml", "c"),
        ("README.md", "r"),
    ] {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = std::fs::File::create(path).unwrap();
        write!(file, "{}", json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}})).unwrap();
    }
    std::fs::write(folder.join("empty.yaml"), "# nothing\n").unwrap();
    let names: Vec<_> = read(std::slice::from_ref(&folder)).map(|found| found.unwrap().header.name).collect();
    assert_eq!(names, ["x", "b", "c"]);
    let of = |path: PathBuf| read(&[path]).map(|found| found.unwrap_err().message).collect::<Vec<_>>();
    assert_eq!(
        of(folder.join("a/.hidden/none.yaml")),
        ["cannot be read: No such file or directory (os error 2)"]
    );
    std::fs::remove_file(folder.join("a/x.json")).unwrap();
    for empty in [folder.join("empty.yaml"), folder.join("a")] {
        let mut documents = read(std::slice::from_ref(&empty));
        assert!(documents.next().is_none());
        assert_eq!(documents.empty().map(|name| PathBuf::from(&**name)).collect::<Vec<_>>(), [empty]);
    }
    std::fs::remove_dir_all(folder).unwrap();
}

fn fragment() -> impl Strategy<Value = String> {
    let known = [
        "a",
        ": ",
        ":",
        "\n",
        "  ",
        "- ",
        "? ",
        "|\n",
        ">-\n",
        "&a ",
        "*a",
        "<<: ",
        "!!int ",
        "!x ",
        "{",
        "}",
        "[",
        "]",
        ", ",
        "'",
        "\"",
        "#",
        "---\n",
        "...\n",
        "%YAML 1.1\n",
        "\t",
        "\r\n",
        "0x",
        "1e9",
        "~",
        "items:\n- ",
        "kind: List\n",
        "apiVersion: v1\n",
        "kind: Pod\n",
        "metadata: {name: a}\n",
        "\u{feff}",
        "ä",
        "\\u0000",
        "{\"kind\":\"List\",\"items\":[",
    ];
    prop_oneof![8 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,3}"]
}

fn use_all(found: Vec<Result<Document, InputError>>) {
    for document in found.into_iter().flatten() {
        let value = document.value();
        assert!(value.is_object(), "{value}");
        assert!(document.locate_line("/metadata/name", 2).line > 0);
        assert!(document.locate("/items/0/a~1b").line > 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        use_all(read_text(bytes));
    }

    #[test]
    fn any_fragments_are_read_or_refused(fragments in prop::collection::vec(fragment(), 0..40)) {
        use_all(read_text(fragments.concat()));
    }

    /// JSON is read as such, also where it stands in YAML, but for the line breaks that only old YAML has.
    #[test]
    fn json_reads_back(text in "\\PC{0,12}", number in any::<i64>(), flag: bool) {
        let object = json!({"apiVersion": "v1", "kind": "X", "spec": [{"t": text, "n": number, "f": flag}, null]});
        prop_assert_eq!(good(&object.to_string())[0].value(), object.clone());
        prop_assume!(!text.contains(['\u{85}', '\u{2028}', '\u{2029}']));
        prop_assert_eq!(good(&format!("---\n{object:#}\n"))[0].value(), object);
    }
}

/// Of a list of thousands of objects only the item is read, however it is written.
#[test]
fn lines_of_fields_in_items_of_lists() {
    for (text, lines) in [
        (
            "kind: List\napiVersion: v1\nitems:\n- kind: A\n  apiVersion: v1\n  spec:\n    x: 1\n- apiVersion: v1\n  kind: B\n  spec:\n    x: 2\n",
            [7, 11],
        ),
        (
            "kind: List\napiVersion: v1\nitems:\n  -\n    kind: A\n    apiVersion: v1\n    spec: {x: 1}\n  -\n    kind: B\n    apiVersion: v1\n    spec:\n      x: *a\n",
            [7, 12],
        ),
        (
            "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [\n  {\n    \"kind\": \"A\", \"apiVersion\": \"v1\",\n    \"spec\": {\n      \"x\": 1}\n  },\n  {\n    \"kind\": \"B\", \"apiVersion\": \"v1\",\n    \"spec\": {\n      \"x\": 1}\n  }\n]}",
            [5, 10],
        ),
        (
            "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [{\"kind\": \"A\", \"apiVersion\": \"v1\",\n\"spec\": {\"x\": 1}}, {\"kind\": \"B\", \"apiVersion\": \"v1\", \"spec\":\n{\"x\": 1}}]}",
            [2, 3],
        ),
    ] {
        let text = text.replace("*a", "&a 1");
        let found: Vec<_> = good(&text).iter().map(|document| document.fields().line("spec.x")).collect();
        assert_eq!(found, lines, "{text}");
    }
}
