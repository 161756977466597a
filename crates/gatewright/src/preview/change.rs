//! What a change makes of what a cluster judges by: plain objects in, plain objects out.

use std::collections::BTreeSet;

use gatewright_compiler::template;
use gatewright_rules::Template;
use serde_json::{Value, json};

use crate::check::world::rendered_owner;
use crate::cluster::judging::Seen;
use crate::policies::PolicyRef;

/// Everything that changes at once, but for labels of namespaces.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Policies, with the constraints that they become.
    pub policies: Vec<(PolicyRef, Vec<Value>)>,
    /// The constraints of the standards; none where they stay as they are.
    pub standards: Option<Vec<Value>>,
    /// ConstraintTemplates and constraints of others.
    pub others: Vec<Value>,
    /// What is deleted.
    pub deleted: Vec<Deleted>,
    /// Whether the rules of this program take the place of the cluster's.
    pub builtin: bool,
}

/// Something that is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// A policy, with its constraints.
    Policy(PolicyRef),
    /// A ConstraintTemplate, with its constraints.
    Template(String),
    /// A constraint, by kind and name.
    Constraint(String, String),
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn name(object: &Value) -> &str {
    text(&object["metadata"]["name"])
}

/// The kind of a template's constraints.
fn kind_of(template: &Value) -> &str {
    template.pointer("/spec/crd/spec/names/kind").and_then(Value::as_str).unwrap_or_default()
}

impl Deleted {
    fn takes_constraint(&self, constraint: &Value) -> bool {
        match self {
            Self::Policy(policy) => rendered_owner(constraint).as_ref() == Some(policy),
            Self::Template(template) => text(&constraint["kind"]).to_lowercase() == *template,
            Self::Constraint(kind, of) => text(&constraint["kind"]) == kind && name(constraint) == of,
        }
    }

    /// Whether what it names is there: something that it takes away.
    pub fn is_in(&self, seen: &Seen) -> bool {
        let template = |template: &Value| matches!(self, Self::Template(of) if name(template) == of);
        let policy = seen
            .policies
            .iter()
            .map(|it| PolicyRef { kind: it.seen.kind.to_string(), name: it.seen.name.as_str().into() });
        seen.constraints.iter().any(|constraint| self.takes_constraint(constraint))
            || seen.templates.iter().any(template)
            || policy.into_iter().any(|policy| *self == Self::Policy(policy))
    }
}

impl Change {
    /// Whether it changes nothing.
    pub fn is_nothing(&self) -> bool {
        self.policies.is_empty() && self.others.is_empty() && self.deleted.is_empty() && !self.builtin
    }

    /// What the cluster judges by after the change.
    pub fn applied(&self, seen: &Seen) -> Seen {
        let mut then = Seen { policies: vec![], ..seen.clone() };
        then.templates.retain(|template| !self.deletes_template(template));
        then.constraints.retain(|constraint| !self.removes(constraint));
        for made in self.others.iter().chain(self.standards.iter().flatten()) {
            then.put(made.clone());
        }
        for made in self.policies.iter().flat_map(|(_, constraints)| constraints) {
            then.put(made.clone());
        }
        if self.builtin {
            replace_rules(&mut then);
        }
        add_missing_rules(&mut then);
        then
    }

    fn deletes_template(&self, template: &Value) -> bool {
        self.deleted.iter().any(|it| matches!(it, Deleted::Template(of) if name(template) == of))
    }

    /// Whether a constraint is deleted, or compiled anew.
    fn removes(&self, constraint: &Value) -> bool {
        let owner = rendered_owner(constraint);
        let anew = |(policy, _): &(PolicyRef, Vec<Value>)| owner.as_ref() == Some(policy);
        self.deleted.iter().any(|deleted| deleted.takes_constraint(constraint))
            || self.policies.iter().any(anew)
    }
}

/// The rules of this program in the place of those that are there.
fn replace_rules(seen: &mut Seen) {
    let there: BTreeSet<_> = seen.templates.iter().map(|it| name(it).to_owned()).collect();
    for own in Template::ALL.iter().filter(|own| there.contains(&own.name())) {
        seen.put(json!(template(*own)));
    }
}

/// A cluster that has no rules yet gets those of this program for the constraints that need them.
fn add_missing_rules(seen: &mut Seen) {
    let there: BTreeSet<_> = seen.templates.iter().map(|it| kind_of(it).to_owned()).collect();
    let needed: BTreeSet<_> = seen.constraints.iter().map(|it| text(&it["kind"]).to_owned()).collect();
    let missing = |own: &&Template| needed.contains(own.kind()) && !there.contains(own.kind());
    seen.templates.extend(Template::ALL.iter().filter(missing).map(|own| json!(template(*own))));
}

#[cfg(test)]
mod tests {
    use super::{Change, Deleted, kind_of, name};
    use crate::cluster::judging::Seen;
    use crate::policies::PolicyRef;
    use gatewright_compiler::template;
    use gatewright_rules::Template;
    use serde_json::{Value, json};

    const LABEL: &str = "security.deckhouse.io/security-policy";

    fn constraint(kind: &str, name: &str, policy: &str, mark: &str) -> Value {
        let labels = if policy.is_empty() { json!({}) } else { json!({LABEL: policy}) };
        json!({"kind": kind, "metadata": {"name": name, "labels": labels}, "spec": {"mark": mark}})
    }

    fn foreign(kind: &str) -> Value {
        json!({"kind": "ConstraintTemplate", "metadata": {"name": kind.to_lowercase()},
            "spec": {"crd": {"spec": {"names": {"kind": kind}}}}})
    }

    fn seen() -> Seen {
        Seen {
            templates: vec![json!(template(Template::SecurityPolicy)), foreign("Own")],
            constraints: vec![
                constraint("D8SecurityPolicy", "a", "a", "old"),
                constraint("D8SecurityPolicy", "b", "b", "old"),
                constraint("Own", "c", "", "old"),
            ],
            ..Seen::default()
        }
    }

    fn policy(name: &str) -> PolicyRef {
        PolicyRef { kind: "SecurityPolicy".to_owned(), name: name.into() }
    }

    /// The templates, and the constraints with their marks.
    fn said(seen: &Seen) -> String {
        let templates: Vec<_> = seen.templates.iter().map(kind_of).collect();
        let constraint = |it: &Value| format!("{}={}", name(it), it["spec"]["mark"].as_str().unwrap_or("?"));
        let constraints: Vec<_> = seen.constraints.iter().map(constraint).collect();
        format!("{} | {}", templates.join(" "), constraints.join(" "))
    }

    #[test]
    fn each_part_of_a_change_takes_its_place() {
        let new = |name: &str| constraint("D8SecurityPolicy", name, name, "new");
        let rules = "D8SecurityPolicy Own";
        for (change, expected) in [
            (Change::default(), format!("{rules} | a=old b=old c=old")),
            (
                Change { policies: vec![(policy("a"), vec![new("a")])], ..Change::default() },
                format!("{rules} | b=old c=old a=new"),
            ),
            // It demands nothing any more.
            (
                Change { policies: vec![(policy("a"), vec![])], ..Change::default() },
                format!("{rules} | b=old c=old"),
            ),
            (
                Change { policies: vec![(policy("d"), vec![new("d")])], ..Change::default() },
                format!("{rules} | a=old b=old c=old d=new"),
            ),
            (
                Change { deleted: vec![Deleted::Policy(policy("b"))], ..Change::default() },
                format!("{rules} | a=old c=old"),
            ),
            (
                Change { deleted: vec![Deleted::Template("own".to_owned())], ..Change::default() },
                "D8SecurityPolicy | a=old b=old".to_owned(),
            ),
            (
                Change {
                    deleted: vec![Deleted::Constraint("Own".to_owned(), "c".to_owned())],
                    ..Change::default()
                },
                format!("{rules} | a=old b=old"),
            ),
            (
                Change { others: vec![constraint("Own", "c", "", "new")], ..Change::default() },
                format!("{rules} | a=old b=old c=new"),
            ),
            // What a constraint needs comes along.
            (
                Change {
                    standards: Some(vec![constraint("D8PodSecurityStandard", "s", "", "new")]),
                    ..Change::default()
                },
                format!("{rules} D8PodSecurityStandard | a=old b=old c=old s=new"),
            ),
        ] {
            assert_eq!(said(&change.applied(&seen())), expected, "{change:?}");
        }
    }

    #[test]
    fn the_rules_of_this_program_take_the_place_of_those_that_are_there() {
        let mut old = seen();
        old.templates[0]["spec"]["targets"][0]["rego"] = json!("old");
        let then = Change { builtin: true, ..Change::default() }.applied(&old);
        let kinds: Vec<_> = then.templates.iter().map(kind_of).collect();
        assert_eq!(kinds, ["Own", "D8SecurityPolicy"]);
        assert_eq!(then.templates[1], json!(template(Template::SecurityPolicy)));
    }

    #[test]
    fn what_is_deleted_must_be_there() {
        let constraint = |kind: &str, name: &str| Deleted::Constraint(kind.to_owned(), name.to_owned());
        for (deleted, there) in [
            (Deleted::Policy(policy("a")), true),
            (Deleted::Policy(policy("z")), false),
            (Deleted::Template("own".to_owned()), true),
            (Deleted::Template("other".to_owned()), false),
            (constraint("Own", "c"), true),
            (constraint("Own", "d"), false),
        ] {
            assert_eq!(deleted.is_in(&seen()), there, "{deleted:?}");
        }
    }
}
