//! Which violations of an object are those that it had before.

use std::collections::HashMap;

use serde_json::Value;

use crate::check::result::{ConstraintName, Violation};

/// A constraint, and what is violated where.
type Key = (ConstraintName, String);

/// What two violations that are the same have in common, however much of it is wrong: the control, or the rule with its container and fields;
/// of constraints of others, what they say.
fn key(violation: &Violation) -> Key {
    let text = |key: &str| violation.details.get(key).and_then(Value::as_str);
    let said = match (text("control"), text("rule")) {
        (Some(control), _) => control.to_owned(),
        (None, Some(rule)) => {
            let fields: Vec<_> = violation.fields().map(numberless).collect();
            format!("{rule} {} {}", text("container").unwrap_or_default(), fields.join(" "))
        }
        (None, None) => numberless(violation.message.raw()),
    };
    (violation.constraint.clone(), said)
}

/// Whether two violations are the same, or one is what is left of the other. Plain values are told apart, because two mounts of
/// one container may be described in the same words; of maps the message has what counts.
pub fn same(one: &Violation, other: &Violation) -> bool {
    let is_control = one.details.get("control").is_some();
    let plain =
        |violation| found(violation).next().is_some() && found(violation).all(|item| !item.is_object());
    let about_the_same = || {
        if plain(one) && plain(other) {
            found(one).any(|item| found(other).any(|it| it == item))
        } else {
            says_the_same(one, other)
        }
    };
    key(one) == key(other) && (is_control || about_the_same())
}

/// How many of some violations are the same as one.
pub fn count(violations: &[Violation], of: &Violation) -> usize {
    violations.iter().filter(|violation| same(violation, of)).count()
}

/// A violation that says something that was not said as often before.
pub fn new<'a>(before: &[Violation], after: &'a [Violation]) -> Option<&'a Violation> {
    let mut fields: HashMap<Key, usize> = HashMap::new();
    let mut rules: HashMap<Key, Vec<&Violation>> = HashMap::new();
    for violation in before {
        match of_control(violation) {
            Some(parts) => parts.into_iter().for_each(|part| *fields.entry(part).or_default() += 1),
            None => rules.entry(key(violation)).or_default().push(violation),
        }
    }
    let mut had_field =
        |part| fields.get_mut(&part).is_some_and(|left| left.checked_sub(1).map(|one| *left = one).is_some());
    let mut was_there = |violation: &Violation| {
        let known = rules.get_mut(&key(violation))?;
        let at = known.iter().position(|before| covers(before, violation))?;
        Some(known.swap_remove(at))
    };
    after.iter().find(|violation| match of_control(violation) {
        Some(parts) => !parts.into_iter().all(&mut had_field),
        None => was_there(violation).is_none(),
    })
}

/// Whether a violation says nothing that another one of the same key did not say: with less at fault its message is another
/// one.
fn covers(before: &Violation, after: &Violation) -> bool {
    let less =
        || found(after).next().is_some() && found(after).all(|item| found(before).any(|it| it == item));
    says_the_same(before, after) || less()
}

fn says_the_same(one: &Violation, other: &Violation) -> bool {
    numberless(one.message.raw()) == numberless(other.message.raw())
}

/// What is at fault: the items of a list, or one value.
fn found(violation: &Violation) -> impl Iterator<Item = &Value> {
    let found = violation.details.get("found");
    let items = found.and_then(Value::as_array);
    let one = found.filter(|_| items.is_none());
    items.into_iter().flatten().chain(one)
}

/// The fields of a control, which says in one sentence what is wrong with several: with fewer of them that sentence is
/// another one.
fn of_control(violation: &Violation) -> Option<Vec<Key>> {
    violation.details.get("control")?;
    let (constraint, said) = key(violation);
    Some(
        violation
            .fields()
            .map(|field| (constraint.clone(), format!("{said}: {}", numberless(field))))
            .collect(),
    )
}

/// A text without the numbers of items, which change when another item goes.
fn numberless(text: &str) -> String {
    let mut said = String::new();
    for (index, part) in text.split('[').enumerate() {
        let digits = part.chars().take_while(char::is_ascii_digit).count();
        let rest = if digits > 0 && part[digits..].starts_with(']') { &part[digits..] } else { part };
        said.extend((index > 0).then_some('['));
        said.push_str(rest);
    }
    said
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{count, new, same};
    use crate::check::result::{ConstraintName, Judged, Verdict, Violation};

    fn violation(container: &str, field: &str, found: &Value) -> Violation {
        Violation {
            policy: None,
            constraint: ConstraintName { kind: "K".into(), name: "n".into() },
            enforcement_action: Verdict::Deny,
            message: format!("rule: container {container} has {found}").into(),
            details: json!({"rule": "rule", "container": container, "field": field, "found": found}),
            judged: Judged::Object,
            line: 1,
            fix: None,
            no_fix: None,
            places: vec![],
            kind: "Pod".into(),
        }
    }

    #[test]
    fn a_violation_with_less_at_fault_is_not_a_new_one() {
        let add = |container: &str, found: &[&str]| violation(container, "containers[0].add", &json!(found));
        let before = [add("a", &["X", "Y"])];
        for (after, is_new, left) in [
            (add("a", &["Y"]), false, true),
            (add("a", &["X", "Y"]), false, true),
            (violation("a", "containers[1].add", &json!(["Y"])), false, true),
            (add("a", &["Y", "Z"]), true, true),
            (add("a", &["Z"]), true, false),
            (add("b", &["Y"]), true, false),
            (violation("a", "containers[0].drop", &json!(["Y"])), true, false),
        ] {
            let after = [after];
            assert_eq!(new(&before, &after).is_some(), is_new, "{after:?}");
            assert_eq!(count(&after, &before[0]), usize::from(left), "{after:?}");
            assert_eq!(same(&before[0], &after[0]), left, "{after:?}");
        }
        let map = |seconds: u32| violation("a", "tolerations[0]", &json!({"key": "k", "seconds": seconds}));
        let worded = |seconds| Violation { message: "the Pod tolerates k".into(), ..map(seconds) };
        assert!(same(&worded(1), &worded(2)) && !same(&map(1), &map(2)));
        let twice = [add("a", &["X"]), add("a", &["Y"])];
        assert!(new(&before, &twice).is_some(), "there was one");
        let user = |id: u32| [violation("a", "runAsUser", &json!(id))];
        assert!(new(&user(0), &user(1)).is_some());
    }
}
