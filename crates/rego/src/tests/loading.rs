//! What Gatekeeper loads and what it refuses, in forms that regorus takes otherwise.

use super::*;

#[test]
fn a_parameter_without_a_name_takes_anything() {
    for (call, found) in [
        ("f(1)", "9"),
        ("g(1, \"a\")", "a"),
        ("h([{1}, 2])", "2"),
        ("i({\"a\": 1, \"b\": \"x\"})", "x"),
        ("j(null, \"k\")", "j"),
    ] {
        let entry = format!(
            "f(_) = 9\ng(_, y) = y\nh([_, x]) = x\ni({{\"a\": _, \"b\": y}}) = y\nj(_, \"k\") = \"j\"\n\
             violation[{{\"msg\": sprintf(\"%v\", [{call}])}}] {{ true }}"
        );
        assert_eq!(messages(&entry, "{}"), [found], "{call}");
    }
}

fn errors(version: RegoVersion, entry: &str) -> Vec<CompileError> {
    compile(version, &format!("package p\n{entry}"), &[]).unwrap_err()
}

#[test]
fn what_opa_refuses_is_refused() {
    const V0: &str = "violation[{\"msg\": \"x\"}] { true }\n";
    const V1: &str = "violation contains {\"msg\": \"x\"} if true\n";
    for (version, head, rego, said) in [
        (RegoVersion::V1, V1, "p if not { input.x }", "a set is no body"),
        (RegoVersion::V1, V1, "p if { 1 == 1, 2 == 3 }", "a set is no body"),
        (RegoVersion::V1, V1, "p[1]", "`contains` keyword is required"),
        (RegoVersion::V1, V1, "default f(input) := 1", "arguments cannot contain ref"),
        (RegoVersion::V0, V0, "f(input) = input", "args must not shadow input"),
        (RegoVersion::V0, V0, "f() = 5\np { f() == 5 }", "undefined function f"),
        (RegoVersion::V0, V0, "p { x := print(1) }", "print used as value"),
        (RegoVersion::V0, V0, "p { x := -(5) }", "unexpected ( token: expected number"),
        (RegoVersion::V0, V0, "p[x] { x = _ }", "var _ is unsafe"),
        (RegoVersion::V0, V0, "p { x := $\"a\" }", "template strings are not supported"),
        (RegoVersion::V0, V0, "a = {}\np { a with a.x as 1 }", "cannot partially replace"),
        (RegoVersion::V0, V0, "x := 1e30104", "number too big"),
        (RegoVersion::V1, V1, "p := $\"{[1][_]}\"", "var _ is undeclared"),
    ] {
        let errors = errors(version, &format!("{head}{rego}"));
        assert!(
            errors.iter().any(|error| error.message.contains(said) && !error.limit),
            "{rego}: {errors:?}"
        );
    }
    for (import, said) in [
        ("import data.lib.x as input", "unexpected alias input"),
        ("import future.keywords.foo", "must be one of [contains every if in not]"),
    ] {
        let errors = errors(RegoVersion::V0, &format!("{import}\n{V0}"));
        assert!(errors[0].message.contains(said), "{import}: {errors:?}");
    }
}

#[test]
fn limits_of_this_engine_are_named() {
    for (rego, said) in [
        ("import future.keywords.not\nviolation[{\"msg\": \"x\"}] { not { false } }", "bodies behind `not`"),
        ("violation[{\"msg\": \"x\"}] { 1e400 > 1 }", "numbers beyond 1.7e308"),
    ] {
        let errors = errors(RegoVersion::V0, rego);
        assert!(errors.iter().all(|error| error.limit && error.message.contains(said)), "{rego}: {errors:?}");
    }
}

#[test]
fn an_unknown_function_makes_no_variable_unsafe() {
    let errors = errors(RegoVersion::V0, "violation[{\"msg\": x}] { nothing(x, 1) }");
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[test]
fn terms_mean_what_they_mean_to_opa() {
    for (expression, found) in [
        (".5", "0.5"),
        ("- 5 + 3", "-2"),
        ("-count([1]) + 3", "2"),
        ("- .5 - - 3", "2.5"),
        ("[1,.5][1]", "0.5"),
        ("opa.runtime()", "{}"),
    ] {
        assert_eq!(value(expression).as_deref(), Some(found), "{expression}");
    }
}

#[test]
fn template_strings_are_texts() {
    let entry = "package p\nviolation contains {\"msg\": $\"100% {input.review.a} \\{{input.review.b}} \
                 {$\"in {[1, \"x\"]}\"}\"} if true";
    let program = compile(RegoVersion::V1, entry, &[]).unwrap();
    let input = Value::from_json_str(r#"{"review": {"a": 5}}"#).unwrap();
    let found = program.evaluate(&input, &Value::Undefined).unwrap();
    assert_eq!(found[0].message, "100% 5 {<undefined>} in [1, \"x\"]");
    let nested = "$\"{".repeat(1000) + "1" + &"}\"".repeat(1000);
    let errors = errors(RegoVersion::V1, &format!("violation contains {{\"msg\": {nested}}} if true"));
    assert!(errors[0].limit && errors[0].message.contains("nested"), "{errors:?}");
}

#[test]
fn with_replaces_rules_and_functions() {
    for (rules, expression, found) in [
        ("a = 1\nb = a + 1", "b with a as 5", "6"),
        ("a = 1\nb = count([a])", "b with count as 7", "7"),
        ("f(x) = x\ng(_) = 8\nq = f(1)", "q with f as g", "8"),
    ] {
        let entry =
            format!("{rules}\nviolation[{{\"msg\": m}}] {{ x := {expression}; m := sprintf(\"%v\", [x]) }}");
        assert_eq!(messages(&entry, "{}"), [found], "{expression}");
    }
}

#[test]
fn heads_of_several_parts_are_objects_and_sets() {
    for (rules, found) in [
        ("p.q { true }\np.r { false }", "{\"q\"}"),
        ("p.q[x] { x := \"a\" }", "{\"q\": {\"a\": true}}"),
        ("p.q.r { true }", "{\"q\": {\"r\": true}}"),
    ] {
        let entry = format!("{rules}\nviolation[{{\"msg\": sprintf(\"%v\", [p])}}] {{ true }}");
        assert_eq!(messages(&entry, "{}"), [found], "{rules}");
    }
}

#[test]
fn eq_and_assign_are_operators() {
    for body in ["eq(x, 1)", "assign(x, 1)", "assign([x, _], [1, 2])\n  eq(x, 1)", "x := 1; not eq(x, 2)"] {
        let entry = format!("violation[{{\"msg\": sprintf(\"%v\", [x])}}] {{ {body} }}");
        assert_eq!(messages(&entry, "{}"), ["1"], "{body}");
    }
}

#[test]
fn an_error_says_where_and_nothing_of_the_input() {
    let functions = std::collections::HashMap::new();
    let text = "\n--> libs[\"lib_1\"]:7:3\n  |\n7 | x\n  |   ^\nerror: `hunter2` is not a number";
    let EvaluationError::Engine(error) = outcome::failure(&anyhow::anyhow!("{text}"), &functions) else {
        panic!("a violation");
    };
    assert_eq!((error.lib, error.line), (Some(1), 7));
    assert!(!error.to_string().contains("hunter2"));
    let EvaluationError::Engine(error) = outcome::failure(
        &anyhow::anyhow!("execution exceeded time limit (elapsed=1ns, limit=1ns)"),
        &functions,
    ) else {
        panic!("a violation");
    };
    assert!(error.to_string().contains("longer than its limit"));
}
