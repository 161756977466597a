//! What differs, and which of it is known.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use crate::Answer;
use crate::cases::{Case, Cases};

/// A kind of difference that the documentation names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// We refuse an expression that they take.
    Refused,
}

/// The differences of two engines.
pub struct Differences {
    known: BTreeMap<Kind, usize>,
    unknown: Vec<String>,
}

impl Differences {
    /// Those between the answers to all cases.
    pub fn find(cases: &Cases, ours: &[Answer], theirs: &[Answer]) -> Self {
        let mut found = Self { known: BTreeMap::new(), unknown: vec![] };
        for (case, (ours, theirs)) in cases.cases.iter().zip(ours.iter().zip(theirs)) {
            match (ours, theirs) {
                (Answer::Refused(_), Answer::Refused(_)) => {}
                (Answer::Messages(ours), Answer::Messages(theirs)) => found.messages(cases, case, ours, theirs),
                (ours, theirs) => {
                    let line = format!("{}\n  ours   {ours:?}\n  theirs {theirs:?}", case.expression);
                    found.unknown.push(line);
                }
            }
        }
        found
    }

    fn messages(
        &mut self,
        cases: &Cases,
        case: &Case,
        ours: &BTreeMap<String, String>,
        theirs: &BTreeMap<String, String>,
    ) {
        for object in &cases.objects {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let of = |messages: &BTreeMap<String, String>| messages.get(name).cloned().unwrap_or_default();
            let (ours, theirs) = (of(ours), of(theirs));
            if ours == theirs {
                continue;
            }
            match crate::known(case, name, &ours, &theirs) {
                Some(kind) if ours.is_empty() == theirs.is_empty() => *self.known.entry(kind).or_default() += 1,
                _ => self.unknown.push(format!(
                    "{} [{name}]\n  ours   {ours}\n  theirs {theirs}",
                    case.expression
                )),
            }
        }
    }

    /// Says how many there are of each kind.
    ///
    /// # Errors
    /// There are others.
    pub fn report(&self, other: &str, cases: &Cases) -> Result<()> {
        println!("{} expressions, {} objects, {other}: {:?}", cases.cases.len(), cases.objects.len(), self.known);
        ensure!(
            self.unknown.is_empty(),
            "{} answers differ from those of {other}:\n{}",
            self.unknown.len(),
            self.unknown.join("\n")
        );
        Ok(())
    }
}

/// The kind of a difference between two messages about one object.
pub fn kind(_case: &Case, _object: &str, _ours: &str, _theirs: &str) -> Option<Kind> {
    None
}
