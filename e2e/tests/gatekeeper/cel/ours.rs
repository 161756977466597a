//! What our engine says of expressions in templates.

use std::collections::BTreeMap;

use anyhow::Result;
use gatewright_engine::{EnforcementPoint, Engine, Options, Request};
use serde_json::{Value, json};

use super::cases::{Answer, Cases, variables};

/// A template with some of the expressions.
pub fn template(number: usize, cases: &Cases, group: &[usize]) -> Value {
    let validations: Vec<_> = group.iter().map(|case| cases.cases[*case].validation()).collect();
    let source = json!({"variables": variables(), "validations": validations});
    let code = json!([{"engine": "K8sNativeValidation", "source": source}]);
    json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": format!("group{number}")},
        "spec": {
            "crd": {"spec": {"names": {"kind": format!("Group{number}")}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "code": code}],
        },
    })
}

/// A constraint that judges all Things.
pub fn constraint(number: usize) -> Value {
    let kinds = json!([{"apiGroups": ["cel.example.com"], "kinds": ["Thing"]}]);
    json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": format!("Group{number}"),
        "metadata": {"name": format!("group{number}")}, "spec": {"match": {"kinds": kinds}},
    })
}

/// What our engine says.
///
/// # Errors
/// It cannot judge at all.
pub fn ours(cases: &Cases) -> Result<Vec<Answer>> {
    let answer = |case: usize| {
        let mut engine = Engine::new(Options { point: EnforcementPoint::Gator, ..Options::default() });
        if let Err(errors) = engine.add_template(&template(0, cases, &[case])) {
            return Ok(Answer::Refused(format!("{errors:?}")));
        }
        engine.add_constraint(&constraint(0))?;
        let mut messages = BTreeMap::new();
        for object in &cases.objects {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let found = engine.review(&Request::audit(object.clone()))?;
            messages.extend(found.into_iter().map(|violation| (name.to_owned(), violation.message)));
        }
        Ok(Answer::Messages(messages))
    };
    (0..cases.cases.len()).map(answer).collect()
}
