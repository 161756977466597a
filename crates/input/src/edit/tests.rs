//! Texts before and after a change.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Change, Edit, NotEdited, apply, edited, parts, render};

fn set(pointer: &str, value: Value) -> Edit {
    Edit { pointer: pointer.to_owned(), change: Change::Set(value) }
}

fn append(pointer: &str, value: Value) -> Edit {
    Edit { pointer: pointer.to_owned(), change: Change::Append(value) }
}

fn remove(pointer: &str) -> Edit {
    Edit { pointer: pointer.to_owned(), change: Change::Remove }
}

#[track_caller]
fn becomes(before: &str, edit: &Edit, after: &str) {
    let found = edited(before, std::slice::from_ref(edit));
    assert_eq!(found.as_deref(), Ok(after), "{edit:?} in\n{before}");
}

#[track_caller]
fn refused(before: &str, edit: &Edit, why: NotEdited) {
    assert_eq!(edited(before, std::slice::from_ref(edit)), Err(why), "{edit:?} in\n{before}");
}

#[test]
fn fields_are_added_behind_the_last_line_of_their_map() {
    let value = || json!({"runAsNonRoot": true, "capabilities": {"drop": ["ALL"]}});
    // With comments, and what stands below.
    becomes(
        "spec:\n  containers:\n  # the app\n  - name: app # main\n    image: a:1   # pinned\n    # end\nb: 1\n",
        &set("/spec/containers/0/securityContext", value()),
        "spec:\n  containers:\n  # the app\n  - name: app # main\n    image: a:1   # pinned\n    securityContext:\n      \
         capabilities:\n        drop:\n        - ALL\n      runAsNonRoot: true\n    # end\nb: 1\n",
    );
    // Dashes and maps as deep as elsewhere in the document.
    becomes(
        "spec:\n    containers:\n      - name: app\n",
        &set("/spec/containers/0/securityContext", value()),
        "spec:\n    containers:\n      - name: app\n        securityContext:\n            capabilities:\n                \
         drop:\n                  - ALL\n            runAsNonRoot: true\n",
    );
    // Windows' line breaks, and a last line without one.
    becomes("a:\r\n  b: 1\r\nc: 2", &set("/a/d", json!(true)), "a:\r\n  b: 1\r\n  d: true\r\nc: 2");
    becomes("a:\n  b: 1", &set("/a/d", json!("x")), "a:\n  b: 1\n  d: x");
    // Behind a block, whose empty lines are no part of it, or are.
    becomes("a:\n  b: |\n    x\n\nc: 1\n", &set("/a/d", json!(1)), "a:\n  b: |\n    x\n  d: 1\n\nc: 1\n");
    becomes("a:\n  b: |+\n    x\n\nc: 1\n", &set("/a/d", json!(1)), "a:\n  b: |+\n    x\n\n  d: 1\nc: 1\n");
    becomes("a:\n  b: \"x\n    y\"\n", &set("/a/d", json!(1)), "a:\n  b: \"x\n    y\"\n  d: 1\n");
}

#[test]
fn values_are_replaced_where_they_stand() {
    becomes("a: true # why\nb: 1\n", &set("/a", json!(false)), "a: false # why\nb: 1\n");
    becomes("a: 'x'\n", &set("/a", json!("yes")), "a: \"yes\"\n");
    becomes("a: &x 1\nb: 2\n", &set("/a", json!(3)), "a: 3\nb: 2\n");
    becomes("\"a\" : 1\n", &set("/a", json!(3)), "\"a\" : 3\n");
    for empty in ["", " ~", " null", " {}", " # none"] {
        let comment = if empty.ends_with("none") { " # none" } else { "" };
        becomes(
            &format!("a:\n  b:{empty}\n  c: 1\n"),
            &set("/a/b", json!({"d": true})),
            &format!("a:\n  b:{comment}\n    d: true\n  c: 1\n"),
        );
    }
    becomes("a: # c\n  b: 1\n  # d\n  e: 2\nf: 1\n", &set("/a", json!({"x": 1})), "a: # c\n  x: 1\nf: 1\n");
    becomes("a:\n- 1\n- 2\nf: 1\n", &set("/a", json!([2])), "a:\n- 2\nf: 1\n");
    becomes("a:\n  b: 1\nf: 1\n", &set("/a", json!("x")), "a: x\nf: 1\n");
    becomes("a:\n  b:", &set("/a/b", json!(true)), "a:\n  b: true");
    becomes("a:\n- 1 # one\n- 2\n", &set("/a/0", json!(3)), "a:\n- 3 # one\n- 2\n");
    refused("a:\n- b: 1\n- 2\n", &set("/a/0", json!(3)), NotEdited::Form);
}

#[test]
fn items_are_added_at_the_end() {
    becomes("a:\n- x\n# c\n", &append("/a", json!("z")), "a:\n- x\n- z\n# c\n");
    becomes(
        "a:\n  -   x\n  - y: 1\n    z: 2\n",
        &append("/a", json!({"k": 1, "l": [2]})),
        "a:\n  -   x\n  - y: 1\n    z: 2\n  - k: 1\n    l:\n      - 2\n",
    );
    becomes("a: [x] # c\n", &append("/a", json!("ALL")), "a: [x, ALL] # c\n");
    becomes("a: []\n", &append("/a", json!("ALL")), "a: [ALL]\n");
    becomes("a: [\n  x\n]\n", &append("/a", json!("z")), "a: [\n  x,\n  z\n]\n");
}

#[test]
fn fields_and_items_are_removed_with_their_lines() {
    becomes("a:\n  # about b\n  b: true # why\n  c: 1\n", &remove("/a/b"), "a:\n  # about b\n  c: 1\n");
    becomes("a:\n  b: 1\n  c:\n    d: 1\n\n# e\ne: 1\n", &remove("/a/c"), "a:\n  b: 1\n\n# e\ne: 1\n");
    becomes("a:\n- b: 1\n  c: 2\n- d: 1\n", &remove("/a/0/b"), "a:\n- c: 2\n- d: 1\n");
    becomes(
        "a:\n  - b: 1 # x\n    # about c\n\n    c: 2 # y\n",
        &remove("/a/0/b"),
        "a:\n  # about c\n  - c: 2 # y\n",
    );
    becomes(
        "a:\n- b:\n    x: 1\n    # some day\n  c: 2\r\n",
        &remove("/a/0/b"),
        "a:\n# some day\n- c: 2\r\n",
    );
    refused("a: {b: 1, # x\n  c: 2}\n", &remove("/a/b"), NotEdited::Comment);
    becomes("a:\n- b: 1\n  c: 2\n- d: 1\n", &remove("/a/0"), "a:\n- d: 1\n");
    becomes("a:\n- b\n- c", &remove("/a/1"), "a:\n- b\n");
    becomes("a:\n- b: |\n    x\n\n- c\n", &remove("/a/0"), "a:\n\n- c\n");
    becomes("a: {b: 1, c: 2, d: 3}\n", &remove("/a/b"), "a: {c: 2, d: 3}\n");
    becomes("a: {b: 1, c: 2, d: 3}\n", &remove("/a/d"), "a: {b: 1, c: 2}\n");
    becomes("a: [1, 2, 3]\n", &remove("/a/1"), "a: [1, 3]\n");
    becomes("a:\n- b: 1 # c\n- d\n", &remove("/a/0/b"), "a:\n- {} # c\n- d\n");
    refused("a:\n  b: 1\n", &remove("/a/b"), NotEdited::Form);
}

#[test]
fn flow_style_stays_flow_style() {
    becomes("a: {b: {}, c: 1}\n", &set("/a/b/d", json!({"e": [1]})), "a: {b: {d: {e: [1]}}, c: 1}\n");
    becomes("a: {b: true}\n", &set("/a/b", json!(false)), "a: {b: false}\n");
    becomes("a: {b: true, }\n", &set("/a/d", json!(1)), "a: {b: true, d: 1, }\n");
    becomes("a: {b: 1} # x\nc: 1\n", &set("/a", json!({"d": [1]})), "a: {d: [1]} # x\nc: 1\n");
    becomes("a: [1, 2]\n", &set("/a", json!([3])), "a: [3]\n");
    becomes("a: {\"b\": 1}\n", &set("/a", json!({"d": "x"})), "a: {\"d\": \"x\"}\n");
    for empty in ["b", "b: ", " b "] {
        let found = edited(&format!("a: {{{empty}, c: 1}}\n"), &[set("/a/b", json!({"d": 1}))]).unwrap();
        assert_eq!(found.replace(' ', ""), "a:{b:{d:1},c:1}\n", "{empty:?}");
    }
    becomes("a: {b}\n", &set("/a/b", json!({"d": ["X"]})), "a: {b: {d: [X]}}\n");
    becomes("a: {\n  b: 1\n}\n", &set("/a/c", json!("x")), "a: {\n  b: 1,\n  c: x\n}\n");
    becomes(
        "{\"a\": {\"b\": 1}}",
        &set("/a/c", json!({"d": "x"})),
        "{\"a\": {\"b\": 1, \"c\": {\"d\": \"x\"}}}",
    );
}

#[test]
fn what_stands_elsewhere_too_is_not_changed() {
    let shared = "a: &x\n  k: 1\nb: *x\nc:\n  <<: *x\n  l: 2\n";
    refused(shared, &set("/b/k", json!(2)), NotEdited::NotThere);
    refused(shared, &set("/a/k", json!(2)), NotEdited::Elsewhere);
    refused(shared, &remove("/c/k"), NotEdited::NotThere);
    becomes(shared, &set("/c/k", json!(2)), "a: &x\n  k: 1\nb: *x\nc:\n  <<: *x\n  l: 2\n  k: 2\n");
    refused("a: !t\n  [!b, c]\n", &set("/a", json!(1)), NotEdited::Form);
    refused("? a\n: 1\n", &set("/b", json!(1)), NotEdited::Form);
    refused("a: 1\n", &set("/b/c", json!(1)), NotEdited::NotThere);
}

#[test]
fn several_changes_follow_each_other() {
    let edits = [set("/a", json!({"b": 1})), append("/l", json!(2)), remove("/l/0")];
    assert_eq!(edited("a:\nl:\n- 1\n", &edits).unwrap(), "a:\n  b: 1\nl:\n- 2\n");
}

/// A value as people write it: some maps and lists in flow style, comments here and there.
fn written(value: &Value, style: render::Style, seed: u64) -> String {
    let (mut text, mut random) = (String::from("# first\n"), seed);
    let mut next = move || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        random >> 33
    };
    let fields = value.as_object().unwrap();
    for (name, value) in fields {
        let lines = if next() % 4 == 0 {
            vec![format!("{name}: {}", render::flow(value, next() % 2 == 0))]
        } else {
            render::member(name, value, style)
        };
        for line in lines {
            text.push_str(&line);
            text.push_str(match next() % 8 {
                0 => "   # about it\n",
                1 => "\n\n",
                _ => "\n",
            });
            if next() % 8 == 0 {
                text.push_str("      # below it\n");
            }
        }
    }
    text
}

fn values() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z0-9 :#'\"-]{0,6}".prop_map(Value::from),
        Just(Value::Null),
    ];
    scalar.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn maps() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-d]", values(), 1..4)
        .prop_map(|fields| Value::Object(fields.into_iter().collect()))
}

/// All places of a value, and one more in each collection.
fn places(value: &Value, at: &str, found: &mut Vec<Edit>) {
    match value {
        Value::Object(fields) => {
            found.push(set(&format!("{at}/new"), json!({"x": [1, {"y": "on"}]})));
            for (name, value) in fields {
                let place = format!("{at}/{name}");
                found.extend([remove(&place), set(&place, json!(7)), set(&place, json!({"z": [true]}))]);
                places(value, &place, found);
            }
        }
        Value::Array(items) => {
            found.extend([append(at, json!("last")), append(at, json!({"k": 1, "l": []}))]);
            for (index, item) in items.iter().enumerate() {
                found.push(remove(&format!("{at}/{index}")));
                places(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is written, a change gives the changed value, keeps every comment outside of what goes, or is refused; and what
    /// is refused is rare.
    #[test]
    fn a_changed_text_means_the_changed_value(
        value in maps(), step in 1usize..5, dash in 0usize..3, seed in any::<u64>(), windows in any::<bool>(),
    ) {
        let text = written(&value, render::Style { indent: 0, step, dash }, seed);
        let text = if windows { text.replace('\n', "\r\n") } else { text };
        prop_assume!(crate::value(&text).as_ref() == Ok(&value));
        let mut edits = vec![];
        places(&value, "", &mut edits);
        let mut refused = 0;
        for edit in &edits {
            let mut expected = value.clone();
            apply::apply(&mut expected, &parts(&edit.pointer), &edit.change).unwrap();
            match edited(&text, std::slice::from_ref(edit)) {
                Ok(changed) => {
                    prop_assert_eq!(crate::value(&changed).unwrap(), expected);
                    let kept = |line: &&str| line.trim() == "# first" || !matches!(edit.change, Change::Remove | Change::Set(_));
                    for line in text.lines().filter(|line| line.trim_start().starts_with('#')).filter(kept) {
                        prop_assert!(changed.lines().any(|it| it == line), "{}\n{}", line, changed);
                    }
                }
                Err(_) => refused += 1,
            }
        }
        // The only member of a map, and the only item of a list, is not removed: who asks for it removes what is around it.
        let removals = edits.iter().filter(|edit| edit.change == Change::Remove).count();
        prop_assert!(refused <= removals + 2, "{} of {} refused in\n{}", refused, edits.len(), text);
    }
}
