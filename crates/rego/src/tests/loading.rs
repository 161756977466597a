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
