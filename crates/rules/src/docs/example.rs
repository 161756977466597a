//! Two objects that show a check best: one passes, one is refused.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Error;
use crate::cases::{Case, CaseKinds, NAMESPACE};

/// What examples are better without: it distracts from the rule. A Namespace may pass only because the policy is for
/// another.
const SPECIAL: [&str; 5] = ["null", "[]", "{}", "  os:", "kind: Namespace"];

/// A case as the page may show it.
pub(super) struct Candidate<'a> {
    /// What it is judged by: a policy, or a standard.
    pub setting: Value,
    /// The object, or the pod spec that stands for every kind of workload.
    pub object: Value,
    /// What is said of it.
    pub messages: &'a [String],
    lines: usize,
    paths: BTreeSet<String>,
}

impl<'a> Candidate<'a> {
    pub(super) fn new(setting: Value, object: Value, messages: &'a [String]) -> Result<Self, Error> {
        let text = yaml(&setting)? + &yaml(&object)?;
        let special = SPECIAL.iter().map(|word| text.matches(word).count()).sum::<usize>();
        let lines = text.lines().count() + 20 * special;
        let mut paths = BTreeSet::new();
        collect("", &object, &mut paths);
        Ok(Self { setting, object, messages, lines, paths })
    }

    /// Whether this check is among those that refuse it.
    fn is_refused_by(&self, field: &str) -> bool {
        self.messages.iter().any(|message| message.split(':').next() == Some(field))
    }

    /// How hard it is to see in two objects what the check is about: long ones, of different fields, with much to say.
    fn cost(&self, other: &Self) -> usize {
        let different = self.paths.symmetric_difference(&other.paths).count();
        self.lines + other.lines + 6 * different + 6 * other.messages.len()
    }
}

/// Of all pairs under one setting the one that is easiest to read: what passes, and what the field refuses.
pub(super) fn pair<'c, 'a>(
    field: &str,
    candidates: &'c [Candidate<'a>],
) -> Option<(&'c Candidate<'a>, &'c Candidate<'a>)> {
    let passing = candidates.iter().filter(|case| case.messages.is_empty());
    let pairs = passing.flat_map(|good| {
        let fits = |bad: &&Candidate<'a>| bad.is_refused_by(field) && bad.setting == good.setting;
        candidates.iter().filter(fits).map(move |bad| (good, bad))
    });
    pairs.min_by_key(|(good, bad)| good.cost(bad))
}

/// The object of a case as people read it.
pub(super) fn object(case: &Case) -> Value {
    if let Some(object) = &case.object {
        let mut object = object.clone();
        if object["metadata"]["namespace"] == NAMESPACE {
            object["metadata"].as_object_mut().map(|metadata| metadata.remove("namespace"));
        }
        return object;
    }
    let spec = case.spec.clone().unwrap_or_default();
    let mut object = workload(&spec, case.annotations.as_ref());
    if case.kinds == CaseKinds::Pod {
        object["kind"] = json!("Pod");
    }
    object
}

/// The pod spec, with the annotations that it stands beside.
pub(super) fn workload(spec: &Value, annotations: Option<&Value>) -> Value {
    annotations.map_or_else(
        || json!({"spec": spec}),
        |annotations| json!({"metadata": {"annotations": annotations}, "spec": spec}),
    )
}

/// What passes and what is refused, with what is said then.
pub(super) fn text(good: &Candidate<'_>, bad: &Candidate<'_>) -> Result<String, Error> {
    let mut text = format!("Passes:\n\n{}\nRefused:\n\n{}", block(&good.object)?, block(&bad.object)?);
    let _ = write!(text, "\n```\n{}\n```\n", bad.messages.join("\n"));
    Ok(text)
}

pub(super) fn block(value: &Value) -> Result<String, Error> {
    Ok(format!("```yaml\n{}```\n", yaml(value)?))
}

/// YAML with a line feed at its end.
fn yaml(value: &Value) -> Result<String, Error> {
    let text = serde_saphyr::to_string(value).map_err(Box::new)?;
    Ok(format!("{}\n", text.trim_end()))
}

/// The fields of an object, without their places in lists.
fn collect(at: &str, value: &Value, paths: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{at}/{name}");
                collect(&path, value, paths);
                paths.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(at, item, paths)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_short_about_one_field_and_under_one_setting() {
        let refused = ["a: no".to_owned()];
        let other = ["a: no".to_owned(), "b: no".to_owned()];
        let case = |setting: u8, object, messages| Candidate::new(json!(setting), object, messages).unwrap();
        let cases = [
            case(1, json!({"other": 1}), &[]),
            case(2, json!({"field": 1}), &[]),
            case(1, json!({"field": 1}), &[]),
            case(1, json!({"field": 0}), &other),
            case(1, json!({"field": [{"more": 1}, {"more": 2}]}), &refused),
            case(1, json!({"field": 2}), &refused),
        ];
        let (good, bad) = pair("a", &cases).unwrap();
        assert_eq!((&good.object, &bad.object), (&cases[2].object, &cases[5].object));
        assert_eq!(good.setting, bad.setting);
        assert_eq!(pair("b", &cases).unwrap().1.object, cases[3].object, "nothing is refused by b alone");
        assert!(pair("c", &cases).is_none());
    }
}
