use std::time::Duration;

use proptest::prelude::*;

use super::*;

mod loading;

fn compile(version: RegoVersion, entry: &str, libs: &[String]) -> Result<Program, Vec<CompileError>> {
    Program::compile(&Modules { version, entry, libs }, Trust::Checked, Duration::from_secs(5))
}

fn messages(entry: &str, spec: &str) -> Vec<String> {
    let program = compile(RegoVersion::V0, &format!("package p\n{entry}"), &[]).unwrap();
    let input = Value::from_json_str(&format!(r#"{{"review": {spec}, "parameters": {{}}}}"#)).unwrap();
    let found = program.evaluate(&input, &Value::Undefined).unwrap();
    found.into_iter().map(|finding| finding.message).collect()
}

fn refused(entry: &str) -> (usize, String) {
    let errors = compile(RegoVersion::V0, &format!("package p\n{entry}"), &[]).unwrap_err();
    (errors[0].line, errors[0].message.clone())
}

#[test]
fn the_catalogue_compiles() {
    for template in gatewright_rules::Template::ALL.iter().map(|template| template.definition()) {
        let libs =
            template.libs.iter().map(|lib| lib.module()).chain(template.rules.iter().map(|rule| rule.module));
        let libs: Vec<_> = libs.map(str::to_owned).collect();
        let modules = Modules { version: RegoVersion::V1, entry: &template.entry(), libs: &libs };
        let compiled =
            Program::compile_asking(&modules, Trust::Checked, Duration::MAX, Some(&external::tests::Echo));
        assert!(compiled.is_ok(), "{}: {compiled:?} {}", template.kind, template.entry());
    }
}

#[test]
fn an_undefined_operand_leaves_the_not() {
    let call = r#"violation[{"msg": "x"}] { not startswith(input.review.image, "a") }"#;
    assert!(messages(call, "{}").is_empty());
    assert_eq!(messages(call, r#"{"image": "b"}"#), ["x"]);
    let equal = r#"violation[{"msg": "x"}] { not input.review.n == 5 }"#;
    assert_eq!(messages(equal, "{}"), ["x"]);
}

#[test]
fn what_the_parser_lacks_is_rewritten() {
    let parenthesis = "violation[{\"msg\": \"x\"}] {\n  y := input.review.a\n  (y + 1) > 2\n}";
    assert_eq!(messages(parenthesis, r#"{"a": 2}"#), ["x"]);
    let chain = r#"violation[{"msg": m}] { m := input.review.a } { m := input.review.b }"#;
    assert_eq!(messages(chain, r#"{"a": "1", "b": "2"}"#), ["1", "2"]);
    let minus = "violation[{\"msg\": \"x\"}] {\n  y := input.review.a\n  -3 * 2\n  y == 1; y-3 * 2 == -5\n}";
    assert_eq!(messages(minus, r#"{"a": 7}"#), ["x"]);
}

#[test]
fn a_refusal_names_its_line() {
    assert_eq!(refused("\nviolation[{\"msg\": \"x\"}] {\n  nothing(1)\n}").0, 4);
    assert!(refused("violation[{\"msg\": m}] { true }").1.contains("var m is unsafe"));
    assert!(refused("p { p }\nviolation[{\"msg\": \"x\"}] { p }").1.contains("recursive"));
    assert!(refused("violation[{\"msg\": \"x\"}] { external_data({}) }").1.contains("provider"));
    assert!(refused("deny { true }").1.contains("violation"));
}

#[test]
fn an_evaluation_ends() {
    let entry = "package p\nviolation[{\"msg\": \"x\"}] { n := input.review.n; a := numbers.range(1, n)\n\
                 b := numbers.range(1, n); a[_] + b[_] == 0 }";
    let modules = Modules { version: RegoVersion::V0, entry, libs: &[] };
    let limit = Duration::from_millis(50);
    let program = Program::compile(&modules, Trust::Checked, limit).unwrap();
    let start = std::time::Instant::now();
    let input = Value::from_json_str(r#"{"review": {"n": 20000}}"#).unwrap();
    let error = program.evaluate(&input, &Value::Undefined).unwrap_err();
    assert!(error.to_string().contains("longer than its limit"), "{error}");
    assert!(start.elapsed() < limit * 20, "{:?}", start.elapsed());
    let input = Value::from_json_str(r#"{"review": {"n": 2}}"#).unwrap();
    assert_eq!(program.evaluate(&input, &Value::Undefined), Ok(vec![]));
}

#[test]
fn loading_evaluates_nothing() {
    let conflict = "p = 1 { not input.review.x }\np = 2 { true }\nviolation[{\"msg\": \"x\"}] { p == 2 }";
    let program = compile(RegoVersion::V0, &format!("package p\n{conflict}"), &[]).unwrap();
    let input = Value::new_object();
    assert!(program.evaluate(&input, &Value::Undefined).unwrap_err().to_string().contains("conflict"));
    assert_eq!(messages(conflict, r#"{"x": 1}"#), ["x"]);
}

#[test]
fn threads_share_a_program() {
    fn shared<T: Send + Sync>(_: &T) {}
    let entry = "package p\nviolation[{\"msg\": m}] { m := input.review.list[_] }\n\
                 violation[{\"msg\": m}] { m := data.inventory.cluster[_] }";
    let program = compile(RegoVersion::V0, entry, &[]).unwrap();
    shared(&program);
    let inventory = Value::from_json_str(r#"{"cluster": {"x": "shared"}}"#).unwrap();
    std::thread::scope(|threads| {
        for thread in 0..4 {
            let (program, inventory) = (&program, &inventory);
            threads.spawn(move || {
                for round in 0..100 {
                    let name = format!("{thread}-{round}");
                    let input = format!(r#"{{"review": {{"list": ["{name}"]}}}}"#);
                    let input = Value::from_json_str(&input).unwrap();
                    let found = program.evaluate(&input, inventory).unwrap();
                    let found: Vec<_> = found.into_iter().map(|finding| finding.message).collect();
                    assert_eq!(found, [name, "shared".into()]);
                }
            });
        }
    });
}

#[test]
fn a_message_is_a_text() {
    let entry = "package p\nviolation[{\"msg\": 1}] { true }";
    let program = compile(RegoVersion::V0, entry, &[]).unwrap();
    let input = Value::new_object();
    assert!(program.evaluate(&input, &Value::Undefined).unwrap_err().to_string().contains("not a string"));
}

#[test]
fn the_inventory_is_shared() {
    let entry = "package p\nviolation[{\"msg\": m}] { m := data.inventory.cluster[_] }";
    let program = compile(RegoVersion::V0, entry, &[]).unwrap();
    assert!(program.reads_inventory());
    let input = Value::new_object();
    for name in ["a", "b"] {
        let inventory = Value::from_json_str(&format!(r#"{{"cluster": {{"x": "{name}"}}}}"#)).unwrap();
        for _ in 0..2 {
            let found = program.evaluate(&input, &inventory).unwrap();
            assert_eq!(found[0].message, name);
        }
    }
}

fn value(expression: &str) -> Option<String> {
    let entry = format!("violation[{{\"msg\": m}}] {{ v := {expression}; m := json.marshal(v) }}");
    messages(&entry, "{}").pop()
}

#[test]
fn names_shadow_rules() {
    let some = "name = 1 { true }\nviolation[{\"msg\": m}] { some name; [\"a\"][name]; m := sprintf(\"%v\", [name]) }";
    assert_eq!(messages(some, "{}"), ["0"]);
    let local =
        "name = \"rule\" { true }\nviolation[{\"msg\": name}] { name := \"local\"; not name == \"rule\" }";
    assert_eq!(messages(local, "{}"), ["local"]);
}

#[test]
fn errors_are_undefined() {
    for expression in [
        r#"units.parse("100n")"#,
        r#"units.parse("x")"#,
        r#"units.parse_bytes("")"#,
        r#"base64.decode("***")"#,
        r#"time.parse_rfc3339_ns("x")"#,
        r#"net.cidr_contains("10.0.0.0/8", "x")"#,
        r#"json.unmarshal("{")"#,
        r#"regex.match("a**", "a")"#,
        "1 / 0",
    ] {
        assert_eq!(value(expression), None, "{expression}");
    }
}

/// Pieces of modules: what programs are made of, and what they are not.
fn piece() -> impl Strategy<Value = String> {
    let pieces = [
        "violation[{\"msg\": msg}] {",
        "violation contains {\"msg\": \"m\"} if {",
        "p[x] {",
        "p(x) = y {",
        "p(x) := y if {",
        "p := 1",
        "default p = false\n",
        "else = 2 {",
        "} {",
        "}\n",
        "\n",
        "; ",
        "some x in input.review",
        "some i, x in p",
        "some x",
        "every x in input.review { x }",
        "not ",
        "x := ",
        "msg := ",
        "x = ",
        "[x, {\"a\": y}] = ",
        "input.review.object",
        "data.inventory",
        "data.lib.a.b",
        ".spec[_]",
        "[i]",
        "p",
        "p(1)",
        "count(x)",
        "sprintf(\"%v %d\", [x, 1])",
        "walk(input, [x, y])",
        "regex.match(`a**`, x)",
        "[x | x = p[_]]",
        "{x | p[x]}",
        "{x: y | p[x] = y}",
        "with input as {}",
        " == ",
        " > ",
        " + ",
        " - ",
        " | ",
        "-x",
        "1e400",
        "\"a\\u0000\"",
        "`raw`",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "import data.lib.a\n",
        "import future.keywords\n",
        "import rego.v1\n",
        "package q\n",
        "# comment\n",
        "null",
        "set()",
        "ä",
        "\u{0}",
    ];
    prop_oneof![12 => prop::sample::select(pieces.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,3}"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_module_is_compiled_or_refused(
        pieces in prop::collection::vec(piece(), 0..30),
        is_lib: bool,
        v1: bool,
    ) {
        let version = if v1 { RegoVersion::V1 } else { RegoVersion::V0 };
        let text = pieces.concat();
        let entry = "package p\nimport data.lib.a\nviolation[{\"msg\": m}] { m := a.b }";
        let (entry, libs) = if is_lib {
            (entry.to_owned(), vec![format!("package lib.a\n{text}")])
        } else {
            (format!("package p\n{text}"), vec![])
        };
        if let Ok(program) = compile(version, &entry, &libs) {
            let input = r#"{"review": {"object": {"spec": [1, "a", null]}}}"#;
            let input = Value::from_json_str(input).unwrap();
            drop(program.evaluate(&input, &Value::Undefined));
        }
    }
}

/// A stack that overflows ends the process.
#[test]
fn what_is_nested_too_deep_is_refused() {
    for (open, close) in
        [("(", ")"), ("[", "]"), ("{", "}"), ("{1: ", "}"), ("[x | x = ", "]"), ("f(", ")"), ("-", "")]
    {
        let nested = open.repeat(100_000) + "1" + &close.repeat(100_000);
        let (_, said) = refused(&format!("violation[{{\"msg\": msg}}] {{ msg := {nested} }}"));
        assert!(said.contains("nested"), "{said}");
    }
    // As deep as it may be, the tree is walked on the small stack of a thread.
    let nested = "[".repeat(8) + &"(".repeat(6) + "1" + &")".repeat(6) + &"]".repeat(8);
    let entry =
        format!("package p\nviolation[{{\"msg\": msg}}] {{ x := {nested}; msg := sprintf(\"%v\", [x]) }}");
    let modules = Modules { version: RegoVersion::V0, entry: &entry, libs: &[] };
    Program::compile(&modules, Trust::Checked, Duration::from_secs(1)).unwrap();
    let (_, said) =
        refused(&format!("violation[{{\"msg\": msg}}] {{ msg := input{} }}", ".a".repeat(100_000)));
    assert!(said.contains("nested"), "{said}");
    let (_, said) = refused(&format!("violation[{{\"msg\": msg}}] {{ msg := 1{} }}", " + 1".repeat(100_000)));
    assert!(said.contains("nested"), "{said}");
}

/// Each body finds what stands above it, and no name means what is declared below.
#[test]
fn a_declaration_is_not_seen_above_it() {
    for (body, found) in [
        (
            "hits := [hits | hits = input.review.list[_] == \"a\"]; msg := sprintf(\"%v\", [hits])",
            "[true, false]",
        ),
        ("ok := {ok | ok := input.review.list[_]}; msg := sprintf(\"%v\", [ok])", "{\"a\", \"b\"}"),
        (
            "m := [m | m = regex.match(input.review.list[list], \"a\")]; msg := sprintf(\"%v\", [m])",
            "[true, false]",
        ),
        ("by := {k: by | by = input.review.list[k]}; msg := sprintf(\"%v\", [by])", "{0: \"a\", 1: \"b\"}"),
        ("x := [x | x := [x | x := 1]]; msg := sprintf(\"%v\", [x])", "[[1]]"),
    ] {
        let entry = format!("violation[{{\"msg\": msg}}] {{ {body} }}");
        assert_eq!(messages(&entry, r#"{"list": ["a", "b"]}"#), [found], "{body}");
    }
    for (body, why) in [
        ("x == 1; x := 1", "var x referenced above"),
        ("x := 1; x := 2", "var x assigned above"),
        ("some i; input.a[_]", "declared var i unused"),
        ("not x := 1", "inside negated expression"),
        ("1 := 1", "cannot assign to 1"),
        ("startswith := 1; startswith(\"a\", \"b\")", "startswith shadowed"),
        ("x := count([]); count := x", "var count referenced above"),
    ] {
        let said = refused(&format!("violation[{{\"msg\": \"x\"}}] {{ {body} }}")).1;
        assert!(said.contains(why), "{body}: {said}");
    }
}

#[test]
fn words_that_are_keywords_elsewhere_are_names() {
    let list = r#"{"list": ["a"], "in": "field"}"#;
    for (entry, found) in [
        (
            "contains(list, item) { list[_] == item }\nviolation[{\"msg\": \"x\"}] { contains(input.review.list, \"a\") }",
            "x",
        ),
        (
            "violation[{\"msg\": \"x\"}] { contains(input.review.list, \"a\") }\ncontains(l, i) = true { l[_] == i }",
            "x",
        ),
        (
            "import future.keywords.every\nviolation[{\"msg\": \"a\"}] { every i, x in input.review.list { x; i >= 0 } }",
            "a",
        ),
        ("every[x] { x := input.review.list[_] }\nviolation[{\"msg\": in}] { every[in] }", "a"),
        ("if = \"if\" { true }\nviolation[{\"msg\": if}] { true }", "if"),
        ("violation[{\"msg\": msg}] { msg := input.review.in }", "field"),
        ("violation[{\"msg\": contains}] { contains := \"x\"; not startswith(contains, \"a\") }", "x"),
    ] {
        assert_eq!(messages(entry, list), [found], "{entry}");
    }
    let lib = "package lib.a\ncontains(l, i) { l[_] == i }\nevery = \"every\"".to_owned();
    let entry = "package p\nimport data.lib.a\nviolation[{\"msg\": a.every}] { a.contains(input.review.list, \"a\") }";
    let program = compile(RegoVersion::V0, entry, &[lib]).unwrap();
    let input = Value::from_json_str(r#"{"review": {"list": ["a"]}}"#).unwrap();
    assert_eq!(program.evaluate(&input, &Value::Undefined).unwrap()[0].message, "every");
    assert!(
        refused("in(x, y) { x == y }\nviolation[{\"msg\": \"x\"}] { in(1, 1) }")
            .1
            .contains("in: arity mismatch")
    );
}

/// A rule that can never be a violation must not pass for one that is never violated.
#[test]
fn violation_is_what_gatekeeper_asks_for() {
    for entry in [
        "violation { input.review.a }",
        "violation = msg { msg := \"x\" }",
        "violation(x) = {\"msg\": \"x\"} { x }",
        "violation[msg] { msg := \"x\" }",
        "violation[msg] { msg := sprintf(\"%v\", [1]) }",
        "violation[{\"message\": \"x\"}] { true }",
        "f(x) = {\"text\": x}\nviolation[f(1)] { true }",
        "violation = [{\"msg\": \"x\"}] { true }",
    ] {
        assert!(
            refused(entry).1.contains("violation must be a set of objects"),
            "{entry}: {:?}",
            refused(entry)
        );
    }
    for (entry, found) in [
        ("violation[msg] { msg := \"text\" }\nviolation[{\"msg\": \"x\"}] { true }", vec!["x"]),
        ("violation[x] { x := input.review.list[_] }", vec!["y"]),
        ("violation[{\"msg\": \"x\"}] = true { true }", vec!["x"]),
        ("violation = {{\"msg\": \"x\"}, {\"msg\": \"y\"}} { true }", vec!["x", "y"]),
    ] {
        assert_eq!(messages(entry, r#"{"list": ["a", {"msg": "y"}, {"text": "z"}]}"#), found, "{entry}");
    }
}

#[test]
fn types_are_checked() {
    for (body, why) in [
        ("startswith(\"a\", \"a\", \"a\")", "startswith: invalid argument"),
        ("x := 1; startswith(x, \"a\")", "startswith: invalid argument x"),
        ("x := [1, 2]; [a, b, c] = x; a == b; b == c", "match error"),
        ("x := {\"a\": 1}; x.b", "undefined ref"),
        ("count = {1, 2}", "match error"),
        ("f(1, \"a\")", "f: invalid argument"),
        ("g(count([]))", "g: invalid argument"),
        ("f == 1", "used as reference"),
    ] {
        let said = refused(&format!(
            "f(x) = 1 {{ x }}\ng(x) {{ startswith(x, \"a\") }}\nviolation[{{\"msg\": \"x\"}}] {{ {body} }}"
        ));
        assert!(said.1.contains(why), "{body}: {said:?}");
        assert_eq!(said.0, 4);
    }
}

/// Only what Gatekeeper itself would say is a violation.
#[test]
fn what_only_this_engine_cannot_do_is_no_violation() {
    let secret = "hunter2";
    let deep = "[".repeat(2000) + &"]".repeat(2000);
    let entry = "package p\nviolation[{\"msg\": \"x\"}] { json.unmarshal(input.review.text) }";
    let program = compile(RegoVersion::V0, entry, &[]).unwrap();
    let input =
        Value::from_json_str(&format!(r#"{{"review": {{"text": "{deep}", "s": "{secret}"}}}}"#)).unwrap();
    let error = program.evaluate(&input, &Value::Undefined).unwrap_err();
    assert!(
        matches!(&error, EvaluationError::Engine(error) if error.message.contains("deeper")),
        "{error:?}"
    );
    assert!(!format!("{error:?}").contains(secret));
    let input = Value::from_json_str(r#"{"review": {"text": "[[1]]"}}"#).unwrap();
    assert_eq!(program.evaluate(&input, &Value::Undefined).unwrap().len(), 1);
    let conflict = "p = 1 { true }\np = 2 { input.review }\nviolation[{\"msg\": \"x\"}] { p == 2 }";
    let program = compile(RegoVersion::V0, &format!("package p\n{conflict}"), &[]).unwrap();
    assert!(matches!(program.evaluate(&input, &Value::Undefined), Err(EvaluationError::Failed(_))));
}

/// OPA does not come to a contradiction in a body that reads a field that is not there.
#[test]
fn what_is_absent_is_found_before_a_contradiction() {
    let entry = "f(x) = x { true }\nf(x) = true { x }\n\
                 violation[{\"msg\": msg}] { msg := sprintf(\"%v %v\", [f(5), input.review.absent]) }";
    assert!(messages(entry, "{}").is_empty());
    let program = compile(RegoVersion::V0, &format!("package p\n{entry}"), &[]).unwrap();
    let input = Value::from_json_str(r#"{"review": {"absent": 1}}"#).unwrap();
    assert!(matches!(program.evaluate(&input, &Value::Undefined), Err(EvaluationError::Failed(_))));
}
