//! What differs, and which of it is known.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};

use super::cases::{Answer, Case, Cases};

/// A kind of difference that `docs/check.md` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// They stumble over a value, and say so in the words of their source.
    InternalError,
    /// Members of a map, which have no order there, fail in different ways.
    Order,
    /// Other words about a text that is not a time.
    Timestamp,
    /// A key of a map that is a list or a map, named by the type that it has in their source.
    Qualifier,
    /// A comparison with what is not a number.
    Nan,
    /// `authorizer`, which templates do not have.
    Authorizer,
    /// What is asked is another request: nobody asks `gator`.
    Request,
}

/// The differences of two engines.
pub struct Differences {
    /// The kinds that there may be.
    allowed: &'static [Kind],
    known: BTreeMap<Kind, usize>,
    unknown: Vec<String>,
}

impl Differences {
    /// Those between the answers to all cases.
    pub fn find(allowed: &'static [Kind], cases: &Cases, ours: &[Answer], theirs: &[Answer]) -> Self {
        let mut found = Self { allowed, known: BTreeMap::new(), unknown: vec![] };
        for (case, (ours, theirs)) in cases.cases.iter().zip(ours.iter().zip(theirs)) {
            match (ours, theirs) {
                (Answer::Refused(_), Answer::Refused(_)) => {}
                (Answer::Messages(ours), Answer::Messages(theirs)) => {
                    found.messages(cases, case, ours, theirs);
                }
                (Answer::Refused(_), _)
                    if allowed.contains(&Kind::Authorizer) && case.expression.contains("authorizer") =>
                {
                    *found.known.entry(Kind::Authorizer).or_default() += 1;
                }
                (ours, theirs) => {
                    found
                        .unknown
                        .push(format!("{}\n  ours   {ours:?}\n  theirs {theirs:?}", case.expression));
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
            if let Some(kind) = kind(case, &ours, &theirs).filter(|kind| self.allowed.contains(kind)) {
                *self.known.entry(kind).or_default() += 1;
            } else {
                let line = format!("{} [{name}]\n  ours   {ours}\n  theirs {theirs}", case.expression);
                self.unknown.push(line);
            }
        }
    }

    /// Says how many there are of each kind.
    ///
    /// # Errors
    /// There are others.
    pub fn report(&self, cases: &Cases) -> Result<()> {
        println!("{} expressions, {} objects: {:?}", cases.cases.len(), cases.objects.len(), self.known);
        let unknown = self.unknown.len();
        ensure!(unknown == 0, "{unknown} answers differ:\n{}", self.unknown.join("\n"));
        Ok(())
    }
}

fn goes_through_a_map(expression: &str) -> bool {
    let macros = ["all(", "exists(", "exists_one(", "existsOne(", "transform"];
    let maps = ["object.spec.", "object.spec.m."];
    macros.iter().any(|name| maps.iter().any(|map| expression.starts_with(&format!("{map}{name}"))))
}

/// The kind of a difference between two messages about one object. Both fail, but for comparisons with no number.
fn kind(case: &Case, ours: &str, theirs: &str) -> Option<Kind> {
    const QUALIFIER: &str = "invalid qualifier type: ";
    const INTERNAL: &str = "internal error: interface conversion: ";
    let says = |message: &str, error: &str| {
        message.split_once(" resulted in error: ").is_some_and(|(_, found)| found.contains(error))
    };
    if says(theirs, INTERNAL) && ours.contains(" resulted in error: ") {
        return Some(Kind::InternalError);
    }
    let errors = [ours, theirs].iter().all(|message| message.contains(" resulted in error: "));
    if errors && goes_through_a_map(&case.expression) {
        return Some(Kind::Order);
    }
    if case.expression.contains("NaN") {
        return Some(Kind::Nan);
    }
    if ours.is_empty() != theirs.is_empty() {
        return None;
    }
    let conversion = says(theirs, "type conversion error from ");
    match case.expression.as_str() {
        "request.operation" | "namespaceObject == null" => Some(Kind::Request),
        _ if says(ours, "invalid RFC 3339 timestamp ") && conversion => Some(Kind::Timestamp),
        _ if says(ours, QUALIFIER) && says(theirs, QUALIFIER) => Some(Kind::Qualifier),
        _ => None,
    }
}
