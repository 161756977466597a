//! Everything that is wrong with a policy, at once and in the words of people who write policies.
//!
//! The schema of the CRD names faults of structure, the types explain texts, the compiler judges what can be read, and the
//! rules in CEL are those of the API server. The latter two cannot judge what has a fault of structure in it. So each such
//! fault is taken out by itself, and of what is said then counts what is said whatever stands in its place.

use std::collections::BTreeSet;

use gatewright_compiler::{Compile, Compiled, Settings, compile};
use gatewright_typed::Misfit;
use serde_json::Value;

use super::leaves::{VARIANTS, replace};
pub use super::schema::Refused;
use super::schema::{self, NAME, Structure, Unknown};
use crate::input;

/// Policies have far fewer fields.
const MOST: usize = 100;

/// Compiles a policy without a status.
///
/// # Errors
/// Everything that is wrong with it; at least one fault.
pub fn compiled<P: Compile>(policy: &Value, settings: &Settings) -> Result<Compiled, Vec<Refused>> {
    let structure = schema::structure(P::KIND, policy);
    let fits = structure.faults.is_empty() && structure.unknown.is_empty() && schema::name(policy).is_none();
    let compiled = by_compiler::<P>(policy, settings);
    match compiled {
        Some(Ok(compiled)) if fits && schema::unmet(P::KIND, policy).is_empty() => Ok(compiled),
        _ => Err(Faulty { policy, structure }.said::<P>(settings)),
    }
}

/// What the compiler makes of a policy, or says of it; none if it cannot be read.
fn by_compiler<P: Compile>(policy: &Value, settings: &Settings) -> Option<Result<Compiled, Vec<Refused>>> {
    let policy: P = gatewright_typed::read(policy).ok()?;
    Some(compile(&policy, settings).map_err(|invalid| {
        let problems = invalid.problems.into_iter();
        problems.map(|it| Refused { pointer: super::pointer(&it.field), message: it.message }).collect()
    }))
}

fn complaints<P: Compile>(policy: &Value, settings: &Settings) -> Option<Vec<Refused>> {
    by_compiler::<P>(policy, settings).map(|compiled| compiled.err().unwrap_or_default())
}

/// A policy that is wrong.
struct Faulty<'a> {
    policy: &'a Value,
    structure: Structure,
}

/// What the types say, and what is left.
struct Unread {
    /// What does not fit, and whether the type of the field itself explains why.
    misfits: Vec<(Refused, bool)>,
    /// What was taken out, as JSON pointers.
    taken: BTreeSet<String>,
    /// The policy without what cannot be read.
    left: Value,
}

impl Faulty<'_> {
    fn said<P: Compile>(self, settings: &Settings) -> Vec<Refused> {
        let unread = self.unread::<P>();
        let mut compiled = self.as_written::<P>(&unread, settings);
        let leaves = self.leaves(&unread);
        let trees: Vec<_> = (0..VARIANTS).map(|variant| self.without::<P>(&leaves, variant)).collect();
        let counts = |one: &Refused| !is_in_any(one, &leaves) && !self.is_missed(one);
        let everywhere =
            |said: Vec<Vec<Refused>>| in_all(said).into_iter().filter(counts).collect::<Vec<_>>();
        compiled
            .extend(everywhere(trees.iter().filter_map(|tree| complaints::<P>(tree, settings)).collect()));
        let unmet = everywhere(trees.iter().map(|tree| schema::unmet(P::KIND, tree)).collect());
        self.merged(unread.misfits, compiled, unmet)
    }

    /// Reads the policy, and takes out what cannot be read.
    fn unread<P: Compile>(&self) -> Unread {
        let mut unread = Unread { misfits: vec![], taken: BTreeSet::new(), left: self.known::<P>() };
        for _ in 0..MOST {
            let Err(misfit) = gatewright_typed::read::<P>(&unread.left) else { break };
            let Misfit { mut pointer, message, explained, .. } = misfit;
            if !unread.taken.contains(&pointer) {
                let message = input::without_values(&message);
                unread.misfits.push((Refused { pointer: pointer.clone(), message }, explained));
            }
            // What is there now does not fit either: more has to go.
            while !unread.taken.insert(pointer.clone()) {
                let Some((above, _)) = pointer.rsplit_once('/') else { return unread };
                pointer = above.to_owned();
            }
            replaced::<P>(&mut unread.left, &pointer, 0);
        }
        unread
    }

    /// The policy without the fields that there are not.
    fn known<P: Compile>(&self) -> Value {
        let mut known = self.policy.clone();
        self.unknown().for_each(|field| replaced::<P>(&mut known, &field.pointer, 0));
        known
    }

    fn unknown(&self) -> impl Iterator<Item = &Refused> {
        self.structure.unknown.iter().map(|Unknown { refused, .. }| refused)
    }

    /// What the compiler says of values that can be read, though the schema does not allow them, and of `null`.
    fn as_written<P: Compile>(&self, unread: &Unread, settings: &Settings) -> Vec<Refused> {
        let mut said = complaints::<P>(&unread.left, settings).unwrap_or_default();
        let wrong = self.structure.faults.iter().map(|fault| fault.pointer.clone());
        let wrong: Vec<_> = wrong.chain(nulls(self.policy)).collect();
        let mut known = BTreeSet::new();
        // Without a value a field is all of what the compiler says of it; that it has none comes first.
        let is_new = |one: &Refused, known: &mut BTreeSet<_>| {
            known.insert(one.pointer.clone())
                || self.policy.pointer(&one.pointer).is_some_and(|it| !it.is_null())
        };
        said.retain(|one| {
            is_in_any(one, &wrong) && !is_in_any(one, &unread.taken) && is_new(one, &mut known)
        });
        said
    }

    /// The places at which something is wrong; none lies in another.
    fn leaves(&self, unread: &Unread) -> Vec<String> {
        let faults = self.structure.faults.iter().map(|fault| fault.pointer.clone());
        let nameless = self.policy.pointer(NAME).and_then(Value::as_str).is_none_or(str::is_empty);
        let mut all: BTreeSet<_> =
            faults.chain(unread.taken.iter().cloned()).chain(nulls(self.policy)).collect();
        all.extend(nameless.then(|| NAME.to_owned()));
        let outer = |leaf: &&String| !all.iter().any(|other| other != *leaf && is_in(leaf, other));
        all.iter().filter(outer).cloned().collect()
    }

    fn without<P: Compile>(&self, leaves: &[String], variant: usize) -> Value {
        let mut policy = self.known::<P>();
        for leaf in leaves {
            replaced::<P>(&mut policy, leaf, variant);
        }
        policy
    }

    /// Whether something is missed in an object with a field that there is not: perhaps this field is meant.
    fn is_missed(&self, one: &Refused) -> bool {
        let above =
            |pointer: &str| pointer.rsplit_once('/').map_or(String::new(), |(above, _)| above.to_owned());
        let is_absent = self.policy.pointer(&one.pointer).is_none();
        self.unknown()
            .map(|field| above(&field.pointer))
            .any(|object| one.pointer == object || (is_absent && above(&one.pointer) == object))
    }

    /// One fault is said once, by whoever says it best.
    fn merged(
        self,
        misfits: Vec<(Refused, bool)>,
        compiled: Vec<Refused>,
        mut unmet: Vec<Refused>,
    ) -> Vec<Refused> {
        let Structure { mut faults, unknown } = self.structure;
        let is_named = |one: &Refused| faults.iter().any(|fault| is_same(fault, one));
        let misfits = misfits.into_iter().filter(|(one, explained)| *explained || !is_named(one));
        let mut said: Vec<_> = misfits.map(|(one, _)| one).chain(compiled).collect();
        unmet.retain(|rule| !said.iter().any(|one| is_same(one, rule)));
        let is_meant =
            |fault: &Refused| unknown.iter().any(|field| field.meant.as_ref() == Some(&fault.pointer));
        let is_missing = |fault: &Refused| self.policy.pointer(&fault.pointer).is_none();
        faults.retain(|fault| {
            let known = said.iter().any(|one| one.pointer == fault.pointer);
            !(known || is_missing(fault) && is_meant(fault))
        });
        said.extend(faults);
        said.extend(unmet);
        said.extend(unknown.into_iter().map(|field| field.refused));
        said.extend(schema::name(self.policy));
        said
    }
}

fn replaced<P: Compile>(policy: &mut Value, pointer: &str, variant: usize) {
    if let Some(schema) = schema::structure_of(P::KIND) {
        replace(schema, policy, pointer, variant);
    }
}

/// What stands in all lists.
fn in_all(lists: Vec<Vec<Refused>>) -> Vec<Refused> {
    let mut lists = lists.into_iter();
    let first = lists.next().unwrap_or_default();
    lists.fold(first, |kept, list| kept.into_iter().filter(|one| list.contains(one)).collect())
}

/// Whether a pointer leads to a place or to something in it.
fn is_in(pointer: &str, place: &str) -> bool {
    pointer.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_in_any<'a>(one: &Refused, places: impl IntoIterator<Item = &'a String>) -> bool {
    places.into_iter().any(|place| is_in(&one.pointer, place))
}

/// Whether two faults are probably one: they are about the same field, or one is about a part of the other's.
fn is_same(a: &Refused, b: &Refused) -> bool {
    is_in(&a.pointer, &b.pointer) || is_in(&b.pointer, &a.pointer)
}

/// Fields without a value, as JSON pointers.
fn nulls(policy: &Value) -> Vec<String> {
    let mut found = vec![];
    walk(policy, "", &mut found);
    found
}

fn walk(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Null => found.push(pointer.to_owned()),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            let name = name.replace('~', "~0").replace('/', "~1");
            walk(value, &format!("{pointer}/{name}"), found);
        }),
        Value::Array(items) => {
            let items = items.iter().enumerate();
            items.for_each(|(index, value)| walk(value, &format!("{pointer}/{index}"), found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
