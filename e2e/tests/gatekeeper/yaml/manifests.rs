//! Random manifests as people write them, and as they get them wrong.

use proptest::prelude::*;
use proptest::sample::{Index, select};

const SCALARS: &[&str] = &[
    "a",
    "on",
    "Yes",
    "n",
    "Y",
    "tRue",
    "~",
    "null",
    "Null",
    "010",
    "08",
    "0x1F",
    "0o17",
    "0b11",
    "1_000",
    "1__0",
    "1e3",
    "1e21",
    "1.5",
    "-1",
    "+2",
    ".5",
    "1.",
    "-0",
    "0x",
    "12:30",
    "2024-01-01",
    "2024-01-01T00:00:00Z",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "0.1e-7",
    "''",
    "'it''s'",
    "\"a\\tb\"",
    "\"\\u00e9\"",
    "\"a\\\n  b\"",
    "\"\\/\"",
    "\"\\q\"",
    "\"\\x41\"",
    "a b",
    "a: b",
    "a #b",
    "a#b",
    "#c",
    "- x",
    "-",
    "?",
    "? a",
    ":",
    "::",
    "a:b",
    "a,b",
    "[]",
    "{}",
    "[a, b]",
    "{a: 1}",
    "{a: }",
    "{a}",
    "[a: b]",
    "[a?b]",
    "{a: b?c}",
    "[a:,b]",
    "http://x?y=1",
    "*x",
    "&x 1",
    "&x",
    "!!str 1",
    "!!int 5",
    "!!int x",
    "!foo 1",
    "! 1",
    "!!float 1",
    "!!bool on",
    "!!null ''",
    "!!binary aGk=",
    "!!timestamp 2024-01-01",
    "!!timestamp x",
    "[!!str, a]",
    "!!map {a: 1}",
    "!!str",
    "%a",
    "@a",
    "`a",
    "|",
    "|-\n    a\n",
    "|+\n    a\n\n",
    ">\n    a\n    b\n",
    ">-\n    a\n\n    b\n",
    "|2\n    a\n",
    "|1\n  a\n",
    "\"a\n  b\"",
    "\"a\nb\"",
    "\"a\n\tb\"",
    "'a\n b'",
    "a\n    b",
    "a\n\tb",
    "[\n\ta,\n\tb\n]",
    "[a,\nb]",
    "{a: 1,\n\tb: 2}",
    "\ta",
    "a\t",
    "a\t# c",
    "\"a\":b",
    "{\"a\":1}",
    "{\"a\":b}",
    "{a:1}",
    "é",
    "a\u{2028}b",
    "'\u{85}'",
    "\u{a0}",
    "<<",
    "=",
    "1e400",
    ".inf",
    "..",
    "...",
    "---",
    "a---",
    "!",
    "!!",
    "&",
    "*",
    "'",
    "\"",
    "[",
    "]",
    "{",
    "}",
    ",",
    "a]",
];

const FRAGMENTS: &[&str] = &[
    "a", ": ", ":", "\n", "  ", "- ", "? ", "|\n", ">-\n", "&a ", "*a", "<<: ", "!!int ", "!x ", "{", "}",
    "[", "]", ", ", ",", "'", "\"", "#", " #", "---\n", "...\n", "\t", "\r\n", "\r", "1e9", "~", "é",
    "\u{2028}", "\\", "b", "    ", "%", "@", "!", "k: v\n", "  k: v\n", "- v\n",
];

const WORDS: &[&str] = &["one", "two", "a: b", "# c", "- d", "é", "''", " "];

const BREAKS: &[&str] = &[" ", "\n", "\n\n", "\n ", "\n  ", "\n    ", "\n\t", "\n  \t", " \n   ", "\t"];

const GAPS: &[&str] = &["", "", "", "", "# c\n", "\n", "  # c\n", "  \n", "\t\n"];

const KEYS: &[&str] = &["a", "b", "c", "d", "1", "on", "'q'", "\"r\"", "<<", "? e", " f", "g h", "é"];

/// A part of a manifest, before it has its indentation.
#[derive(Clone, Debug)]
enum Node {
    Text(String),
    Sequence(bool, Vec<(&'static str, Node)>),
    Mapping(Vec<(&'static str, &'static str, Node)>),
}

impl Node {
    fn write(&self, depth: usize, out: &mut String) {
        let indent = |depth| "  ".repeat(depth);
        match self {
            Self::Text(text) => out.extend([" ", text, "\n"]),
            Self::Sequence(deeper, items) => {
                out.push('\n');
                let depth = depth + usize::from(*deeper);
                for (gap, item) in items {
                    out.extend([*gap, &indent(depth), "-"]);
                    item.write(depth + 1, out);
                }
            }
            Self::Mapping(fields) => {
                out.push('\n');
                for (gap, key, value) in fields {
                    out.extend([*gap, &indent(depth + 1), *key, ":"]);
                    value.write(depth + 1, out);
                }
            }
        }
    }
}

fn quoted() -> impl Strategy<Value = String> {
    let parts = prop::collection::vec((select(WORDS), select(BREAKS)), 1..5);
    (parts, select(&["'", "\""][..])).prop_map(|(parts, quote)| {
        let text: String = parts.iter().flat_map(|(word, end)| [*word, *end]).collect();
        format!("{quote}{text}{quote}")
    })
}

fn flow() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![4 => select(SCALARS).prop_map(str::to_owned), 1 => quoted()];
    let separator = || select(&[", ", ",", ",\n    ", ",\n", ",\n\t", " , "][..]);
    leaf.prop_recursive(3, 12, 3, move |inner| {
        let items = prop::collection::vec(inner.clone(), 0..3);
        let fields = prop::collection::vec(
            (select(&["a", "b", "c"][..]), select(&[": ", ": ", ":"][..]), inner),
            0..3,
        );
        let end = || select(&["", " ", "\n", "\n  ", ","][..]);
        prop_oneof![
            (items, separator(), end())
                .prop_map(|(items, separator, end)| format!("[{}{end}]", items.join(separator))),
            (fields, separator(), end()).prop_map(|(fields, separator, end)| {
                let fields: Vec<_> =
                    fields.iter().map(|(key, colon, value)| format!("{key}{colon}{value}")).collect();
                format!("{{{}{end}}}", fields.join(separator))
            }),
        ]
    })
}

fn block() -> impl Strategy<Value = String> {
    let text = prop_oneof![2 => select(SCALARS).prop_map(str::to_owned), 1 => quoted(), 1 => flow()];
    let comment = select(&["", "", "", " # c", "\t# c", " "][..]);
    let leaf = (text, comment).prop_map(|(text, comment)| Node::Text(text + comment));
    let node = leaf.prop_recursive(3, 12, 3, |inner| {
        let items = prop::collection::vec((select(GAPS), inner.clone()), 1..4);
        let fields = prop::collection::vec((select(GAPS), select(KEYS), inner), 1..4);
        prop_oneof![
            (any::<bool>(), items).prop_map(|(deeper, items)| Node::Sequence(deeper, items)),
            fields.prop_map(Node::Mapping),
        ]
    });
    node.prop_map(|node| {
        let mut out = "spec:".to_owned();
        node.write(0, &mut out);
        out
    })
}

/// A text with something put in, or taken out.
fn damaged() -> impl Strategy<Value = String> {
    let edits = prop::collection::vec((any::<Index>(), prop::option::of(select(FRAGMENTS))), 1..3);
    (block(), edits).prop_map(|(text, edits)| {
        edits.into_iter().fold(text, |text, (at, put)| {
            let mut characters: Vec<char> = text.chars().collect();
            let at = at.index(characters.len());
            match put {
                Some(fragment) => drop(characters.splice(at..at, fragment.chars())),
                None => drop(characters.remove(at)),
            }
            characters.into_iter().collect()
        })
    })
}

/// What stands in a manifest below its name.
pub fn bodies() -> impl Strategy<Value = String> {
    let line = |text: String| format!("spec: {text}\n");
    let fragments = prop::collection::vec(select(FRAGMENTS), 1..10);
    prop_oneof![
        5 => select(SCALARS).prop_map(move |text| line(text.to_owned())),
        3 => flow().prop_map(line),
        2 => quoted().prop_map(|text| format!("spec:\n  a: {text}\n  b: 1\n")),
        4 => block(),
        4 => damaged(),
        2 => fragments.prop_map(move |fragments| line(fragments.concat())),
    ]
}
