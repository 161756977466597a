//! Everything that is wrong with the fields of a policy, at once and in the words of people who write policies.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_api::PolicyKind;
use gatewright_typed::Misfit;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::schema::{self, Refused};
use crate::input;

/// Policies have far fewer fields.
const MOST: usize = 100;

/// What could be read of a policy, and what is wrong with the rest.
pub struct Read<P> {
    /// The policy without the fields that cannot be read; none if too little is left.
    pub policy: Option<P>,
    /// What is wrong, by JSON pointer.
    pub problems: Vec<Refused>,
    /// Where elements of lists were taken out.
    pub taken: Taken,
}

/// How many elements were taken out at the beginning of lists, by the list's JSON pointer.
#[derive(Default)]
pub struct Taken(BTreeMap<String, usize>);

impl Taken {
    /// Where something stands in the policy as it was written.
    pub fn origin(&self, pointer: &str) -> String {
        let Some((list, index, rest)) = element(pointer) else { return pointer.to_owned() };
        let index = index + self.0.get(list).copied().unwrap_or_default();
        format!("{list}/{index}{rest}")
    }
}

/// The first list that a pointer leads through, the index in it, and the rest.
fn element(pointer: &str) -> Option<(&str, usize, &str)> {
    let mut at = 0;
    for part in pointer.split_inclusive('/') {
        if let (Ok(index), true) = (part.trim_end_matches('/').parse(), at > 0) {
            let end = at + part.trim_end_matches('/').len();
            return Some((&pointer[..at - 1], index, &pointer[end..]));
        }
        at += part.len();
    }
    None
}

/// Reads a policy. A field that cannot be read is taken out, so that the others are looked at as well.
pub fn read<P: DeserializeOwned>(kind: PolicyKind, value: &Value) -> Read<P> {
    let mut unread = vec![];
    let mut left = value.clone();
    let mut policy = None;
    let mut taken = Taken::default();
    for _ in 0..MOST {
        let misfit = match gatewright_typed::read(&left) {
            Ok(read) => {
                policy = Some(read);
                break;
            }
            Err(misfit) => misfit,
        };
        let Misfit { pointer, message, .. } = misfit.clone();
        let message = input::without_values(&message);
        unread.push((Refused { pointer: taken.origin(&pointer), message }, misfit.explained));
        if !take_elements(&mut left, &pointer, &mut taken) && !take_out(&mut left, &pointer) {
            break;
        }
    }
    if unread.is_empty() {
        return Read { policy, problems: vec![], taken };
    }
    Read { policy, problems: merged(schema::refused(kind, value), unread), taken }
}

/// Takes out an element of a list, and those before it, which can be read; not the last one of a list.
fn take_elements(policy: &mut Value, pointer: &str, taken: &mut Taken) -> bool {
    let Some((list, index, _)) = element(pointer) else { return false };
    let Some(elements) = policy.pointer_mut(list).and_then(Value::as_array_mut) else { return false };
    if elements.len() <= index + 1 {
        return false;
    }
    elements.drain(..=index);
    *taken.0.entry(list.to_owned()).or_default() += index + 1;
    true
}

/// Takes out the field of `spec.policies` that a pointer leads to, or another part that a policy can be read without.
fn take_out(policy: &mut Value, pointer: &str) -> bool {
    let parts: Vec<_> = pointer.split('/').skip(1).collect();
    match parts.as_slice() {
        ["spec", "match", ..] => {
            let everything = json!({"namespaceSelector": {"matchNames": ["*"]}});
            let before = std::mem::replace(&mut policy["spec"]["match"], everything.clone());
            before != everything
        }
        ["spec", "policies", field, ..] => removed(&mut policy["spec"]["policies"], field),
        ["spec", field, ..] => removed(&mut policy["spec"], field),
        _ => false,
    }
}

fn removed(object: &mut Value, field: &str) -> bool {
    let field = field.replace("~1", "/").replace("~0", "~");
    object.as_object_mut().is_some_and(|object| object.remove(&field).is_some())
}

/// The schema names all faults of structure; where the type of a field explains what is wrong, that is said instead.
fn merged(structure: Vec<Refused>, unread: Vec<(Refused, bool)>) -> Vec<Refused> {
    let part = |refused: &Refused| refused.pointer.split('/').take(4).collect::<Vec<_>>().join("/");
    let named: BTreeSet<_> = structure.iter().map(part).collect();
    let is_named = |refused: &Refused| {
        named.contains(&part(refused)) || named.iter().any(|part| part.starts_with(&refused.pointer))
    };
    // Something is wrong, and something is said.
    let unread = unread.into_iter().filter(|(refused, explained)| *explained || !is_named(refused));
    let unread: Vec<_> = unread.map(|(refused, _)| refused).collect();
    let explained: BTreeSet<_> = unread.iter().map(|refused| refused.pointer.clone()).collect();
    let kept = structure.into_iter().filter(|refused| !explained.contains(&refused.pointer));
    kept.chain(unread).collect()
}

#[cfg(test)]
mod tests {
    use gatewright_api::{OperationPolicy, PolicyKind, SecurityPolicy};
    use serde_json::{Value, json};

    use super::{Taken, element, read, take_elements};
    use crate::policies::field;

    fn said<P: serde::de::DeserializeOwned>(kind: PolicyKind, spec: &Value) -> (bool, Vec<String>) {
        let value = json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": kind.as_ref(), "metadata": {"name": "a"}, "spec": spec,
        });
        let found = read::<P>(kind, &value);
        let said = found.problems.iter().map(|it| format!("{}: {}", field(&it.pointer), it.message));
        (found.policy.is_some(), said.collect())
    }

    #[test]
    fn everything_is_said_at_once() {
        let spec = json!({
            "enforcementAction": "Denny",
            "match": {"namespaceSelector": {"matchNames": ["Shop_", "ok", "B!"]}},
            "policies": {
                "allowPriviledged": false, "requiredLabels": {}, "allowHostPID": "no", "frobnicate": 1,
                "allowedCapabilities": ["NET_BIND_SERVICES"], "runAsUser": {"rule": "MustRunAS"},
                "allowedHostPorts": [{"min": -5}, {"max": "x"}],
            },
        });
        let (read, mut said) = said::<SecurityPolicy>(PolicyKind::SecurityPolicy, &spec);
        said.sort();
        assert!(read);
        for (found, expected) in said.iter().zip([
            "spec.enforcementAction: \"Denny\" is not one of the allowed words: Deny, Warn, Dryrun; did you mean Deny?",
            "spec.match.namespaceSelector.matchNames[0]: \"Shop_\" has the character 'S': a namespace name or pattern has lower-case letters",
            "spec.match.namespaceSelector.matchNames[2]: \"B!\" has the character 'B': a namespace name or pattern",
            "spec.policies.allowHostPID: is a string; it must be a boolean",
            "spec.policies.allowPriviledged: there is no such field; did you mean allowPrivileged?",
            "spec.policies.allowedCapabilities[0]: \"NET_BIND_SERVICES\" is not one of the allowed words: ALL, ",
            "spec.policies.allowedHostPorts[0].min: must be at least 0",
            "spec.policies.allowedHostPorts[1].max: is a string; it must be an integer",
            "spec.policies.frobnicate: there is no such field; the fields here are ",
            "spec.policies.requiredLabels: is a field of OperationPolicy",
            "spec.policies.runAsUser.rule: \"MustRunAS\" is not one of the allowed words: MustRunAs, MustRunAsNonRoot, RunAsAny; did you mean MustRunAs?",
        ]) {
            assert!(found.starts_with(expected), "{found} is not {expected}");
        }
        assert_eq!(said.len(), 11, "{said:#?}");
    }

    #[test]
    fn a_regular_expression_says_why_it_does_not_parse() {
        let labels = json!({"labels": [{"key": "team", "allowedRegex": "a(b"}], "watchKinds": ["/Pod"]});
        let selector = json!({"namespaceSelector": {"matchNames": ["shop"]}});
        let spec = json!({"match": selector, "policies": {"requiredLabels": labels}});
        let (read, said) = said::<OperationPolicy>(PolicyKind::OperationPolicy, &spec);
        assert!(read && said.len() == 1, "{said:?}");
        assert!(
            said[0].contains("labels[0].allowedRegex") && said[0].contains("missing closing )"),
            "{}",
            said[0]
        );
    }

    #[test]
    fn a_policy_without_its_frame_is_looked_at_all_the_same() {
        for (spec, is_read, expected) in [
            (json!({"policies": {}}), true, "spec.match: is required"),
            (json!("text"), false, "spec: is a string; it must be an object"),
        ] {
            let (read, said) = said::<SecurityPolicy>(PolicyKind::SecurityPolicy, &spec);
            assert!(read == is_read && said == [expected], "{said:?}");
        }
    }

    #[test]
    fn elements_of_lists_keep_their_index() {
        assert_eq!(element("/spec/policies/a/2/b/3"), Some(("/spec/policies/a", 2, "/b/3")));
        assert_eq!(element("/spec/policies/a/2"), Some(("/spec/policies/a", 2, "")));
        assert_eq!(element("/spec/policies"), None);
        let mut policy = json!({"spec": {"list": [0, 1, 2, 3]}});
        let mut taken = Taken::default();
        assert!(take_elements(&mut policy, "/spec/list/1/x", &mut taken));
        assert_eq!(policy["spec"]["list"], json!([2, 3]));
        assert_eq!(taken.origin("/spec/list/1/y"), "/spec/list/3/y");
        assert!(!take_elements(&mut policy, "/spec/list/1", &mut taken), "the last one stays");
    }
}
