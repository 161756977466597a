//! What was judged wrongly once, and the kinds of it, with small inputs.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};

use super::{CelProgram, Input};

fn compile(source: &Value) -> Result<CelProgram, String> {
    let compiled = CelProgram::compile(source, "", Duration::from_secs(5));
    compiled.map_err(|errors| errors[0].message.clone())
}

fn judge(source: &Value, object: &Value, parameters: &Value) -> Vec<String> {
    let input = Input::new(object, &Value::Null, &json!({"kind": {}}), &Value::Null);
    let constraint = json!({"metadata": {"name": "c"}, "spec": {"parameters": parameters}});
    compile(source).unwrap().evaluate(&input, &constraint).unwrap()
}

/// What is said of an expression that is no condition: its error, or its value.
fn value(expression: &str) -> String {
    let source = json!({"validations": [{
        "expression": format!("dyn({expression}) == dyn('never')"),
        "messageExpression": format!("'%s'.format([{expression}])"),
    }]});
    let object = json!({"spec": {"s": "Héllo", "n": 42, "l": [3, 1], "z": null}});
    let found = judge(&source, &object, &Value::Null);
    found[0]
        .rsplit_once("' resulted in error: ")
        .map_or_else(|| found[0].clone(), |(_, error)| error.to_owned())
}

#[rstest]
#[case("!!(object.spec.n > 50)", "false")]
#[case("!!!(object.spec.n > 50)", "true")]
#[case("--object.spec.n", "42")]
#[case("---object.spec.n", "-42")]
#[case("object.spec.n--object.spec.n", "84")]
fn signs_are_counted(#[case] expression: &str, #[case] expected: &str) {
    assert_eq!(value(expression), expected);
}

#[rstest]
#[case("size('é')", "1")]
#[case("object.spec.s.size()", "5")]
#[case("object.spec.s.substring(1, 2)", "é")]
#[case("object.spec.s.indexOf('l')", "2")]
#[case("size(bytes(object.spec.s))", "6")]
fn texts_are_counted_in_code_points(#[case] expression: &str, #[case] expected: &str) {
    assert_eq!(value(expression), expected);
}

#[rstest]
#[case("object.spec.missing", "no such key: missing")]
#[case("object.spec.s.x", "no such key: x")]
#[case("object.spec.l[7]", "index out of bounds: 7")]
#[case("object.spec.l['a']", "unsupported index type 'string' in list")]
#[case("object.spec.s + 1", "no such overload")]
#[case("object.spec.z + 1", "no such overload: _+_")]
#[case("object.spec.n / 0", "division by zero")]
#[case("object.spec.n.all(x, true)", "got 'types.Int', expected iterable type")]
#[case("int(object.spec.s)", "type conversion error from 'string' to 'int'")]
#[case("duration(object.spec.s)", "type conversion error from 'string' to 'google.protobuf.Duration'")]
#[case("timestamp(object.spec.s)", "invalid RFC 3339 timestamp \"Héllo\"")]
#[case(
    "quantity(object.spec.s).isInteger()",
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)]
#[case(
    "url(object.spec.s).getHost()",
    "URL parse error during conversion from string: parse \"Héllo\": invalid URI for request"
)]
#[case(
    "ip(object.spec.s).family()",
    "IP Address \"Héllo\" parse error during conversion from string: ParseAddr(\"Héllo\"): unable to parse IP"
)]
#[case("object.spec.s.matches(object.spec.s + '[')", "error parsing regexp: missing closing ]: `[`")]
#[case("object.spec.l.min()", "1")]
#[case("object.spec.l.join('-')", "no such overload: join(list, string)")]
#[case("optional.none().value()", "optional.none() dereference")]
fn errors_are_in_the_words_of_kubernetes(#[case] expression: &str, #[case] expected: &str) {
    assert_eq!(value(expression), expected);
}

/// A name in backticks is the name between them, wherever a field is named; in a text they are a part of it.
#[rstest]
#[case("object.meta.`app.kubernetes.io/name`", "evil")]
#[case("has(object.meta.`app.kubernetes.io/name`)", "true")]
#[case("has(object.meta.`app.kubernetes.io/part`)", "false")]
#[case("has(object.`meta`.`a b`) && !has(object.`no`)", "true")]
#[case("object.meta.?`app.kubernetes.io/name`.orValue('none')", "evil")]
#[case("object.?`meta`.?`x/y`.orValue('none')", "none")]
#[case("object.meta[?'`quoted`'].orValue('none')", "kept")]
#[case("object.meta['`quoted`']", "kept")]
#[case("object.meta.`x/y`", "no such key: x/y")]
#[case("[object].all(o, has(o.meta.`a b`))", "true")]
#[case("variables.`v`.`a b`", "1")]
#[case("has(request.`kind`)", "true")]
#[case("object.meta.`app.kubernetes.io/name`.`size`", "no such key: size")]
fn names_of_fields_may_stand_in_backticks(#[case] expression: &str, #[case] expected: &str) {
    let meta = json!({"app.kubernetes.io/name": "evil", "a b": 1, "`quoted`": "kept"});
    let source = json!({
        "variables": [{"name": "v", "expression": "object.meta"}],
        "validations": [{
            "expression": format!("dyn({expression}) == dyn('never')"),
            "messageExpression": format!("'%s'.format([{expression}])"),
        }],
    });
    let found = judge(&source, &json!({"meta": meta}), &Value::Null);
    let said = found[0].rsplit_once("' resulted in error: ").map_or(found[0].as_str(), |(_, error)| error);
    assert_eq!(said, expected);
}

#[rstest]
#[case("`object`.a == 1")]
#[case("object.`a`() == 1")]
#[case("object.`a:b` == 1")]
#[case("object.`` == 1")]
#[case("object.`a == 1")]
fn backticks_stand_nowhere_else(#[case] expression: &str) {
    assert!(compile(&json!({"validations": [{"expression": expression}]})).is_err());
}

/// A type of Kubernetes' own is compared with its like alone, if it stands on the left.
#[rstest]
#[case("dyn(quantity('1')) == dyn('1')", "no such overload")]
#[case("dyn('1') == dyn(quantity('1'))", "false")]
#[case("dyn(quantity('1')) != dyn('1')", "true")]
#[case("dyn(quantity('1')) == dyn(null)", "false")]
#[case("dyn(quantity('1')) == dyn(quantity('1000m'))", "true")]
#[case("dyn(cidr('10.0.0.1/8').masked()) == dyn('qq')", "no such overload")]
#[case("dyn(ip('10.0.0.1')) == dyn(cidr('10.0.0.1/8'))", "no such overload")]
#[case("dyn(url('http://a')) == dyn(1)", "no such overload")]
#[case("dyn(semver('1.2.3')) == dyn(true)", "no such overload")]
#[case("dyn(format.uuid()) == dyn('uuid')", "no such overload")]
#[case("dyn([quantity('1')]) == dyn(['1'])", "true")]
#[case("dyn({'a': quantity('1')}) == dyn({'a': '1'})", "true")]
#[case("dyn(quantity('1')) in dyn(['1'])", "false")]
#[case("dyn('1') in dyn([quantity('1')])", "false")]
fn types_of_kubernetes_are_compared_with_their_like(#[case] expression: &str, #[case] expected: &str) {
    assert_eq!(value(expression), expected);
}

#[test]
fn a_qualified_name_is_a_label_key() {
    let said = value("format.qualifiedName().validate('a/b/c').value()");
    assert!(said.starts_with("[\"a valid label key must consist of alphanumeric characters, "), "{said}");
}

#[test]
fn a_variable_fails_with_the_variables_that_it_needs() {
    let source = json!({
        "variables": [
            {"name": "volumes", "expression": "variables.anyObject.spec.volumes.filter(v, has(v.hostPath))"},
            {"name": "bad", "expression": "variables.volumes.filter(v, !v.hostPath.path.startsWith(variables.params.allowed))"},
        ],
        "validations": [{
            "expression": "size(variables.bad) == 0",
            "messageExpression": "'not allowed: ' + variables.bad.map(v, v.name).join(', ')",
        }],
    });
    let parameters = json!({"allowed": "/var/log"});
    assert_eq!(
        judge(&source, &json!({"spec": {}}), &parameters),
        [
            "expression 'size(variables.bad) == 0' resulted in error: composited variable \"bad\" fails to evaluate: \
          composited variable \"volumes\" fails to evaluate: no such key: volumes"
        ]
    );
    let etc =
        json!({"spec": {"volumes": [{"name": "etc", "hostPath": {"path": "/etc"}}, {"name": "empty"}]}});
    assert_eq!(judge(&source, &etc, &parameters), ["not allowed: etc"]);
}

#[rstest]
#[case("1536Gi", true)]
#[case("1537Gi", false)]
#[case("2e12", false)]
#[case("1649267441665", false)]
#[case("1.5Ti", true)]
fn quantities_are_compared(#[case] storage: &str, #[case] fits: bool) {
    let expression = "quantity(string(object.spec.storage)).compareTo(quantity(variables.params.most)) <= 0";
    let source = json!({"validations": [{"expression": expression}]});
    let found = judge(&source, &json!({"spec": {"storage": storage}}), &json!({"most": "1.5Ti"}));
    assert_eq!(found.is_empty(), fits, "{found:?}");
}

/// Gatekeeper compiles variables with the constraint as `params`, and nothing else.
#[test]
fn variables_know_the_whole_constraint() {
    let variable =
        json!({"name": "config", "expression": "[params.metadata.name, params.spec.parameters.a]"});
    let validation = json!({"expression": "false", "messageExpression": "variables.config.join()"});
    let source = json!({"variables": [variable], "validations": [validation]});
    assert_eq!(judge(&source, &json!({}), &json!({"a": "b"})), ["cb"]);
    let refused =
        compile(&json!({"validations": [{"expression": "params.metadata.name == 'c'"}]})).unwrap_err();
    assert!(refused.contains("`params` is not known"), "{refused}");
}

#[rstest]
#[case("math.greatest(1, 2) == 2", "the function `math.greatest` is not known to this engine")]
#[case("base64.encode(b'a') == ''", "the function `base64.encode` is not known to this engine")]
#[case("cel.bind(x, 1, x == 1)", "the function `cel.bind` is not known to this engine")]
#[case("jsonpatch.escapeKey('a') == 'a'", "the function `jsonpatch.escapeKey` is not known to this engine")]
#[case("[1].existsOne(x, x == 1)", "the function `existsOne` is not known to this engine")]
#[case("object.spec.b", "must evaluate to bool but got dyn")]
#[case("'a'.matches('(')", "error parsing regexp: missing closing ): `(`")]
#[case("[1, object.spec.n].size() == 2", "expected type 'int' but found 'dyn'")]
fn what_kubernetes_does_not_have_is_refused_by_name(#[case] expression: &str, #[case] expected: &str) {
    let refused = compile(&json!({"validations": [{"expression": expression}]})).unwrap_err();
    assert!(refused.ends_with(expected), "{refused}");
}

/// A quote in a comment once hid all brackets behind it, and each of them was named with the whole line.
#[test]
fn messages_have_an_end() {
    for brackets in [500, 20] {
        let expression = format!("// it's\ntrue || {}", "[".repeat(brackets));
        let refused = compile(&json!({"validations": [{"expression": expression}]})).unwrap_err();
        assert!(refused.len() < 300, "{refused}");
    }
    let name = "é".repeat(20_000);
    let refused = compile(&json!({"validations": [{"expression": format!("f('{name}').a.{name} == 1")}]}));
    assert!(refused.as_ref().is_err_and(|message| message.len() < 17_000), "{refused:?}");
}

/// Gatekeeper's suites compare messages: what is found is whole, however long.
#[test]
fn what_is_found_is_not_cut() {
    let text = "é".repeat(20_000);
    for (expression, begin) in [
        (format!("object.spec.x == '{text}'"), "expression '"),
        (format!("object.spec == '{text}'"), "failed expression: "),
    ] {
        let source = json!({"validations": [{"expression": expression}]});
        let found = judge(&source, &json!({"spec": {}}), &Value::Null);
        assert!(found[0].starts_with(begin) && found[0].contains(&expression), "{}", found[0].len());
    }
}

/// Whatever passes the limits can be parsed and evaluated on the stack of any thread.
#[rstest]
#[case("(1 + ".repeat(31) + "1" + &")".repeat(31))]
#[case("[".repeat(31) + &"]".repeat(31))]
#[case("[".repeat(31))]
#[case("1 + ".repeat(298) + "1")]
#[case(format!("object{}", ".a".repeat(290)))]
#[case("true ? 1 : ".repeat(140) + "1")]
#[case("[1].map(x, ".repeat(30) + "1" + &")".repeat(30))]
fn what_is_within_the_limits_has_room(#[case] expression: String) {
    let source = json!({"validations": [{"expression": format!("dyn({expression}) == 0")}]});
    if compile(&source).is_ok() {
        judge(&source, &json!({}), &Value::Null);
    }
}
