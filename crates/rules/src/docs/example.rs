//! A policy with an object that it refuses and one that it lets pass, from the rule's cases.

use serde_json::{Value, json};

use super::Error;
use super::field::PolicyKind;
use crate::Rule;
use crate::cases::Case;

/// The policy, what passes and what is refused, each as YAML in a block.
pub(super) fn of(kind: &PolicyKind, rule: &Rule, cases: &[Case]) -> Result<String, Error> {
    let (passing, refused) = pair(rule, cases)?;
    let mut text = String::new();
    let same = passing.policies == refused.policies && passing.r#match == refused.r#match;
    text.push_str(&block("Policy", &policy(kind, refused))?);
    if !same {
        text.push_str(&block("Passes, under another policy", &policy(kind, passing))?);
    }
    text.push_str(&block(&format!("Passes: {}", passing.name), &object(passing))?);
    text.push_str(&block(&format!("Refused: {}", refused.name), &object(refused))?);
    Ok(text)
}

/// The first two cases of a creation with one policy and two verdicts, else the first of each verdict.
fn pair<'a>(rule: &Rule, cases: &'a [Case]) -> Result<(&'a Case, &'a Case), Error> {
    let created: Vec<_> = cases.iter().filter(|case| !case.is_update()).collect();
    let passing: Vec<_> = created.iter().copied().filter(|case| case.violations.is_empty()).collect();
    let refused = created.iter().copied().filter(|case| !case.violations.is_empty());
    let same = |a: &Case, b: &Case| a.policies == b.policies && a.r#match == b.r#match;
    let found = refused.clone().find_map(|bad| Some((*passing.iter().find(|good| same(good, bad))?, bad)));
    let missing = |what| Error::Missing { rule: rule.name, what };
    let first = || {
        let good = passing.first().copied().ok_or_else(|| missing("passes"))?;
        Ok((good, refused.clone().next().ok_or_else(|| missing("is refused"))?))
    };
    found.map_or_else(first, Ok)
}

fn policy(kind: &PolicyKind, case: &Case) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": kind.name,
        "metadata": {"name": "example"},
        "spec": {"match": case.r#match, "policies": case.policies},
    })
}

/// The whole object, or the Pod of a pod spec.
fn object(case: &Case) -> Value {
    if let Some(object) = &case.object {
        return object.clone();
    }
    let mut pod =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "example", "namespace": "cases"}});
    if let Some(annotations) = &case.annotations {
        pod["metadata"]["annotations"] = annotations.clone();
    }
    pod["spec"] = case.spec.clone().unwrap_or_default();
    pod
}

fn block(title: &str, value: &Value) -> Result<String, Error> {
    let yaml = serde_saphyr::to_string(value)?;
    Ok(format!("\n{title}:\n\n```yaml\n{}\n```\n", yaml.trim_end()))
}
