use super::errors;

/// Where a document ends too early the reason is said, and not that a line is missing which is there.
#[test]
fn what_follows_the_end_of_a_document_is_said_as_it_is() {
    const SECRET: &str =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {password: hunter2}\n---\n";
    const JSON: &str = "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"a\"}, \"data\": {\"a\": \"hunter2\"}}\n---\n";
    let after = "text after the end of the document: ";
    for (first, second, line, said) in [
        (
            SECRET,
            "  apiVersion: v1\nkind: Secret\n",
            7,
            "the line is indented less than the first line of the document",
        ),
        (
            SECRET,
            " kind: Secret\n data: {a: hunter2}\nmetadata:\n",
            8,
            "the line is indented less than the first",
        ),
        (SECRET, "# why\n\n kind: Secret\nmetadata:\n", 9, "the line is indented less than the first"),
        (SECRET, "{kind: Secret, data: {a: hunter2}}}\n", 6, "a closing bracket without an opening one"),
        (SECRET, "{kind: Secret} hunter2\n", 6, "on the same line nothing may follow"),
        (SECRET, "{kind: Secret}\n ---\nkind: Secret\n", 7, "a line --- must not be indented"),
        (SECRET, "kind: Secret\n...\nhunter2: a\n", 8, "a line ... ends it"),
        (SECRET, "{kind: Secret}\nhunter2: a\n", 7, "another document needs a line --- before it"),
        (JSON, "  kind: Secret\nmetadata: {name: hunter2}\n", 4, "the line is indented less than the first"),
    ] {
        let found = errors(format!("{first}{second}"));
        let expected = format!("f:{line}: {after}{said}");
        assert!(found.len() == 1 && found[0].starts_with(&expected), "{expected}: {found:?}");
    }
    // Where one document is read (settings, cases), the line --- is not what is lacking.
    let found = crate::value(&format!("{SECRET}kind: Secret\n")).unwrap_err();
    assert_eq!(found, "line 6: a second document; only one may stand here");
    // JSON and YAML in one file: YAML's reader says what is wrong.
    for (second, said) in [
        ("kind: Secret\ndata: {a: @hunter2}\n", "f:4: found character that cannot start any token"),
        ("{\"kind\": \"Secret\", \"data\": {\"a\": \"hunter2\"}\n", "f:"),
        ("kind: Secret\ndata: {a: !!int hunter2}\n", "f:4: the value is not an integer (!!int)"),
    ] {
        let found = errors(format!("{JSON}{second}"));
        assert!(found.len() == 1 && found[0].starts_with(said), "{said}: {found:?}");
        assert!(!found[0].contains("hunter2") && !found[0].contains("number"), "{found:?}");
    }
}
