//! Everything that is wrong with the fields of a policy, at once and in the words of people who write policies.

use std::collections::{BTreeMap, BTreeSet};

use gatewright_api::{PolicyKind, with_policy_type};
use gatewright_compiler::Compile as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::schema::{self, Refused};
use super::{field, pointer_of};
use crate::input;

/// What serde says of what the CRD's schema says better.
const OF_STRUCTURE: [&str; 5] =
    ["unknown field", "unknown variant", "invalid type", "missing field", "invalid length"];
/// What the schema says of texts that the types of the fields explain better.
const OF_PATTERN: &str = "must match the pattern";
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
        let error = match serde_path_to_error::deserialize(&left) {
            Ok(read) => {
                policy = Some(read);
                break;
            }
            Err(error) => error,
        };
        let pointer = pointer_of(error.path());
        let message = input::without_values(&error.inner().to_string());
        unread.push(Refused { pointer: taken.origin(&pointer), message });
        if !take_elements(&mut left, &pointer, &mut taken) && !take_out(&mut left, &pointer) {
            break;
        }
    }
    if unread.is_empty() {
        return Read { policy, problems: vec![], taken };
    }
    Read { policy, problems: merged(structure(kind, value), unread), taken }
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

/// What the CRD's schema forbids.
fn structure(kind: PolicyKind, value: &Value) -> Vec<Refused> {
    let mut found = schema::unknown(kind, value);
    for refused in &mut found {
        refused.message = unknown(kind, refused);
    }
    for fault in schema::faults_of(kind, value) {
        let message = match meant(value, &fault) {
            Some(meant) => format!("{}; did you mean {meant}?", shortened(&fault.message)),
            None => fault.message,
        };
        found.push(Refused { message, ..fault });
    }
    found
}

/// The schema names all faults of structure; what the types of the fields say is said in place of patterns.
fn merged(structure: Vec<Refused>, unread: Vec<Refused>) -> Vec<Refused> {
    let part = |refused: &Refused| refused.pointer.split('/').take(4).collect::<Vec<_>>().join("/");
    // Something is wrong, and something is said.
    if structure.is_empty() {
        return unread;
    }
    let told: BTreeSet<_> = structure.iter().map(part).collect();
    let inside = |refused: &Refused| told.iter().any(|part| part.starts_with(&refused.pointer));
    let of_structure = |refused: &Refused| OF_STRUCTURE.iter().any(|word| refused.message.starts_with(word));
    let unread: Vec<_> = unread
        .into_iter()
        .filter(|refused| !of_structure(refused) || !(told.contains(&part(refused)) || inside(refused)))
        .collect();
    let explained: BTreeSet<_> = unread.iter().map(|refused| refused.pointer.clone()).collect();
    let kept = structure
        .into_iter()
        .filter(|refused| !refused.message.starts_with(OF_PATTERN) || !explained.contains(&refused.pointer));
    kept.chain(unread).collect()
}

/// What to say of a field that is unknown: to whom it belongs, or what is meant.
fn unknown(kind: PolicyKind, refused: &Refused) -> String {
    let (parent, name) = refused.pointer.rsplit_once('/').unwrap_or_default();
    let other = |other: &&PolicyKind| {
        **other != kind && parent == "/spec/policies" && fields(**other).contains(&name)
    };
    if let Some(other) = PolicyKind::ALL.iter().find(other) {
        return format!("no such field; it is a field of {other}");
    }
    let known = schema::fields_at(kind, parent);
    let known: Vec<_> = known.iter().map(String::as_str).collect();
    match nearest(name, &known) {
        Some(meant) => format!("no such field; did you mean {meant}?"),
        None if known.is_empty() => "no such field".to_owned(),
        None => format!("no such field; the fields of {} are {}", field(parent), known.join(", ")),
    }
}

/// The fields that a policy kind has rules for.
fn fields(kind: PolicyKind) -> Vec<&'static str> {
    let template = with_policy_type!(kind, P => P::TEMPLATE);
    template.checks().map(|(_, check)| check.field).collect()
}

/// A long list of what is allowed says less than the one word that is meant.
fn shortened(message: &str) -> &str {
    const LISTED: usize = 8;
    let long = message.split(", ").count() > LISTED;
    message
        .split_once(" values: ")
        .filter(|_| long)
        .map_or(message, |(before, _)| &message[..before.len() + 7])
}

/// Which of the allowed words may be meant by one that is not allowed.
fn meant(policy: &Value, fault: &Refused) -> Option<String> {
    let (_, allowed) = fault.message.split_once("is not one of the allowed values: ")?;
    let found = policy.pointer(&fault.pointer)?.as_str()?;
    nearest(found, &allowed.split(", ").collect::<Vec<_>>()).map(str::to_owned)
}

/// The word that differs by so little that it is a typing error.
fn nearest<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let bound = (found.chars().count() / 4).max(1);
    let distance = |word: &str| strsim::damerau_levenshtein(&found.to_lowercase(), &word.to_lowercase());
    let near = known.iter().map(|word| (distance(word), *word)).filter(|(distance, _)| *distance <= bound);
    near.min().map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use gatewright_api::{OperationPolicy, PolicyKind, SecurityPolicy};
    use serde_json::{Value, json};

    use super::{Taken, element, field, nearest, read, take_elements};

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
            "spec.enforcementAction: is not one of the allowed values: Deny, Warn, Dryrun; did you mean Deny?",
            "spec.match.namespaceSelector.matchNames[0]: \"Shop_\": a namespace name or pattern has lower-case letters",
            "spec.match.namespaceSelector.matchNames[2]: \"B!\": a namespace name or pattern",
            "spec.policies.allowHostPID: is a string; it must be a boolean",
            "spec.policies.allowPriviledged: no such field; did you mean allowPrivileged?",
            "spec.policies.allowedCapabilities[0]: is not one of the allowed values; did you mean NET_BIND_SERVICE?",
            "spec.policies.allowedHostPorts[0].min: must be at least 0",
            "spec.policies.allowedHostPorts[1].max: is a string; it must be an integer",
            "spec.policies.frobnicate: no such field; the fields of spec.policies are ",
            "spec.policies.requiredLabels: no such field; it is a field of OperationPolicy",
            "spec.policies.runAsUser.rule: is not one of the allowed values: MustRunAs, MustRunAsNonRoot, RunAsAny; did you mean MustRunAs?",
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
    fn a_policy_without_its_frame_cannot_be_read() {
        let (read, said) = said::<SecurityPolicy>(PolicyKind::SecurityPolicy, &json!({"policies": {}}));
        assert!(!read && said == ["spec.match: is required"], "{said:?}");
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

    #[test]
    fn typing_errors() {
        let known = ["allowPrivileged", "allowHostPID", "Deny"];
        assert_eq!(nearest("allowPriviliged", &known), Some("allowPrivileged"));
        assert_eq!(nearest("deny", &known), Some("Deny"));
        assert_eq!(nearest("allow", &known), None);
    }
}
