use std::time::Duration;

use rstest::rstest;

use crate::{Modules, Program, RegoVersion, Trust};

/// What is refused of a module of Rego 1.0 with this in the body of a rule.
fn refused(body: &str) -> Option<String> {
    let entry = format!("package p\n\nviolation contains {{\"msg\": \"m\"}} if {{ {body} }}\n");
    let modules = Modules { version: RegoVersion::V1, entry: &entry, libs: &[] };
    let compiled = Program::compile(&modules, Trust::Checked, Duration::from_secs(5));
    Some(compiled.err()?.remove(0).message)
}

/// Where a closure needs a value, and the value needs the closure, OPA finds the variable unsafe.
#[rstest]
#[case("{k: names | of := {k: 1 | all := {1, 2}; x := all[k]}; names := of[k]} != {}", Some("k"))]
#[case("{x: y | of := [x | x = input.a[_]]; y = of[x]} != {}", Some("x"))]
#[case("x = [y | y = x[_]]", Some("x"))]
#[case(
    "every a in input.a { count([v | of := {k: 1 | all := {1, 2}; x := all[k]}; v = of[k]]) < a }",
    Some("k")
)]
#[case("y := [x | x = k]; input.a[k]; y != []", None)]
#[case("of := {k: 1 | all := {1, 2}; all[k]}; of[j]; j != 1", None)]
#[case("k := 1; {k: x | x := input.a[k]} != {}", None)]
#[case("x := input.a[i]; count([1 | input.b[i] == x]) > 0", None)]
#[case("y := sprintf(\"%v\", [{n: 1 | input.a[n]}]); n = input.b", None)]
#[case("some i; n := {i | input.b[i]}; input.a[i]; n != set()", None)]
fn closures_come_after_what_gives_their_variables_a_value(
    #[case] body: &str,
    #[case] unsafe_name: Option<&str>,
) {
    let expected = unsafe_name.map(|name| format!("rego_unsafe_var_error: var {name} is unsafe"));
    assert_eq!(refused(body), expected, "{body}");
}

/// OPA takes the result of the call for known, and evaluates statements in an order of its own.
#[test]
fn a_call_whose_arguments_need_its_result_is_a_limit() {
    let said = refused("of := sort([x | x = input.a[_]; y]); y = of[_]").unwrap();
    assert!(said.starts_with("this engine does not know the order"), "{said}");
}
