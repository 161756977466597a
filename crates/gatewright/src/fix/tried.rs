//! Which fixes help: each is judged.

use std::collections::HashMap;

use gatewright_rules::Template;
use gatewright_rules::fix::{Edit, Fix as Declared, Found, Patching};
use serde_json::Value;

use super::Fix;
use crate::check::judge::Judge;
use crate::check::placed::Placed;
use crate::check::result::{ConstraintName, ObjectResult, Verdict, Violation};

/// How many fixes of one object are looked for.
pub const MOST: usize = 50;

/// How often all violations that are left are looked at: a fix may need another one first.
const ROUNDS: usize = 3;

const BEYOND: &str = "an object gets at most 50 fixes";

const TOGETHER: &str = "the other fixes undo it, too";

/// An object with everything done that could be done.
#[derive(Debug)]
pub struct Fixed {
    /// The object as it is written, changed.
    pub object: Value,
    /// What was changed, one after the other.
    pub edits: Vec<Edit>,
    /// What is said of the changed object.
    pub after: ObjectResult,
}

/// Says of each violation of an object what undoes it, and does all of that. None if nothing can be done.
pub fn try_fixes(judge: &Judge<'_>, placed: &Placed, result: &mut ObjectResult) -> Option<Fixed> {
    let trial = Trial { judge, placed };
    let start = State { patching: Patching::new(placed.document()), result: result.clone() };
    let mut tried = Tried::default();
    let mut singles = vec![];
    for (index, violation) in start.result.violations.iter().enumerate() {
        let single =
            if index < MOST { trial.single(&start, violation, &mut tried) } else { Err(BEYOND.to_owned()) };
        singles.push(single);
    }
    let fixed = trial.all(start);
    let gone = |violation: &Violation| {
        fixed.as_ref().is_some_and(|fixed| count(&fixed.after.violations, &key(violation)) == 0)
    };
    for (violation, single) in result.violations.iter_mut().zip(singles) {
        match single {
            Ok(fix) => violation.fix = Some(fix),
            Err(_) if gone(violation) => violation.no_fix = Some(TOGETHER.into()),
            Err(because) => violation.no_fix = Some(because.into()),
        }
    }
    fixed
}

/// An object on its way.
struct State {
    patching: Patching,
    result: ObjectResult,
}

/// What became of patches that were judged already: several violations may have the same.
type Tried = Vec<(Vec<Edit>, Result<ObjectResult, String>)>;

struct Trial<'a> {
    judge: &'a Judge<'a>,
    placed: &'a Placed,
}

impl Trial<'_> {
    /// What undoes one violation alone. What was tried for another one is not judged again.
    fn single(&self, start: &State, violation: &Violation, tried: &mut Tried) -> Result<Fix, String> {
        let (patching, may_break) = self.changed(start, violation)?;
        let patch = patching.edits().to_vec();
        let known = tried.iter().find(|(edits, _)| *edits == patch).map(|(_, judged)| judged.clone());
        let judged = known.unwrap_or_else(|| {
            let judged = self.judged(&patching);
            tried.push((patch.clone(), judged.clone()));
            judged
        });
        helps(&start.result, &judged?, violation)?;
        Ok(Fix { patch, may_break })
    }

    /// All fixes that help, one after the other: first together, which mostly is enough, then whatever is left.
    fn all(&self, start: State) -> Option<Fixed> {
        let mut state = self.together(&start).unwrap_or(start);
        for _ in 0..ROUNDS {
            let mut found = false;
            for violation in state.result.violations.clone() {
                let here = count(&state.result.violations, &key(&violation)) > 0;
                if !here || state.patching.edits().len() >= MOST {
                    continue;
                }
                if let Ok(better) = self.better(&state, &violation) {
                    (state, found) = (better, true);
                }
            }
            if !found {
                break;
            }
        }
        let State { patching, result } = state;
        let edits = patching.edits().to_vec();
        (!edits.is_empty()).then(|| Fixed { object: patching.object().clone(), edits, after: result })
    }

    /// The object without one more violation.
    fn better(&self, state: &State, violation: &Violation) -> Result<State, String> {
        let (patching, _) = self.changed(state, violation)?;
        let result = self.judged(&patching)?;
        helps(&state.result, &result, violation)?;
        Ok(State { patching, result })
    }

    /// The fixes of all violations, judged once.
    fn together(&self, start: &State) -> Option<State> {
        let mut state = State { patching: start.patching.clone(), result: start.result.clone() };
        let mut wanted = vec![];
        for violation in start.result.violations.iter().take(MOST) {
            if let Ok((patching, _)) = self.changed(&state, violation) {
                state.patching = patching;
                wanted.push(violation);
            }
        }
        let result = self.judged(&state.patching).ok()?;
        let undone = |violation: &&Violation| count(&result.violations, &key(violation)) == 0;
        let fine = !wanted.is_empty() && wanted.iter().all(undone);
        let fine = fine && new(&start.result.violations, &result.violations).is_none();
        fine.then_some(State { patching: state.patching, result })
    }

    /// An object with what is declared for a violation, and what may break.
    fn changed(&self, state: &State, violation: &Violation) -> Result<(Patching, &'static str), String> {
        if self.placed.is_review() {
            return Err("a recorded request is not changed".to_owned());
        }
        let template = Template::of_kind(violation.constraint.kind.raw());
        let declared = template.zip(violation.rule()).map(|(of, rule)| Declared::declared(of, rule));
        let declared = declared.filter(|declared| !declared.is_empty());
        let declared = declared.ok_or("only gatewright's own rules say what undoes them")?;
        let (object, places, details) = (state.patching.object(), &violation.places, &violation.details);
        let found = Found { object, places, details };
        let mut because = "gatewright knows no change for this case";
        for fix in declared {
            match fix {
                Declared::Change { change, may_break } => {
                    if let Some(changed) = change.of(&found) {
                        let mut patching = state.patching.clone();
                        patching.extend(changed);
                        return Ok((patching, may_break));
                    }
                }
                Declared::None { because: declared } => because = declared,
            }
        }
        Err(because.to_owned())
    }

    fn judged(&self, patching: &Patching) -> Result<ObjectResult, String> {
        let changed = self.placed.changed(patching.object());
        let changed = changed.map_err(|error| error.message)?;
        let judged = self.judge.try_judge(&changed).map_err(|(_, error)| error.to_string())?;
        let fails = judged.verdict == Verdict::Error;
        if fails { Err("nobody can say what becomes of the changed object".to_owned()) } else { Ok(judged) }
    }
}

/// Whether a violation is there less often than before, and no other one more often.
fn helps(before: &ObjectResult, after: &ObjectResult, violation: &Violation) -> Result<(), String> {
    if let Some(new) = new(&before.violations, &after.violations) {
        return Err(format!("what undoes it is refused by {}", new.subject()));
    }
    let key = key(violation);
    if count(&after.violations, &key) >= count(&before.violations, &key) {
        return Err("what undoes it mostly does not help here".to_owned());
    }
    Ok(())
}

/// A constraint, and what it says.
pub type Key = (ConstraintName, String);

/// What makes two violations the same.
pub fn key(violation: &Violation) -> Key {
    let control = violation.details.get("control").and_then(Value::as_str);
    let said = control.map_or_else(|| numberless(violation.message.raw()), str::to_owned);
    (violation.constraint.clone(), said)
}

/// What must not be there more often than before. A control says in one sentence what is wrong with several fields, and with
/// fewer of them that sentence is another one.
fn parts(violation: &Violation) -> Vec<Key> {
    let (constraint, said) = key(violation);
    if violation.details.get("control").is_none() {
        return vec![(constraint, said)];
    }
    violation.fields().map(|field| (constraint.clone(), format!("{said}: {}", numberless(field)))).collect()
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

fn count(violations: &[Violation], of: &Key) -> usize {
    violations.iter().filter(|violation| key(violation) == *of).count()
}

/// A violation that says something that was not said as often before.
pub fn new<'a>(before: &[Violation], after: &'a [Violation]) -> Option<&'a Violation> {
    let mut room: HashMap<Key, usize> = HashMap::new();
    for part in before.iter().flat_map(parts) {
        *room.entry(part).or_default() += 1;
    }
    let mut has_room = |part| match room.get_mut(&part) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    };
    after.iter().find(|violation| !parts(violation).into_iter().all(&mut has_room))
}
