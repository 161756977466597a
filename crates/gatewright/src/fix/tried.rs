//! Which fixes help: each is judged.

use gatewright_rules::Template;
use gatewright_rules::fix::{Edit, Fix as Declared, Found, Op, Patching};
use serde_json::Value;

use super::Fix;
use super::files::below;
use super::same::{count, new, same};
use crate::check::judge::Judge;
use crate::check::placed::Placed;
use crate::check::result::{ObjectResult, Verdict, Violation};
use crate::input::{self, NotEdited, STDIN, Written};

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
    /// What was changed, one after the other; empty where nothing could be.
    pub edits: Vec<Edit>,
    /// What is said of the changed object.
    pub after: ObjectResult,
    /// What would help, too, and cannot be done in the text.
    pub left: Vec<Left>,
}

/// A fix that cannot be made in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The fix.
    pub edits: Vec<Edit>,
    /// Why not.
    pub because: NotEdited,
}

/// Where fixes are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// In the object.
    Object,
    /// In the text that the object is written in: what does not fit there is left out.
    Text,
}

/// Says of each violation of an object what undoes it, and does all of that. None if nothing can be done.
pub fn try_fixes(
    judge: &Judge<'_>,
    placed: &Placed,
    result: &mut ObjectResult,
    medium: Medium,
) -> Option<Fixed> {
    let written = placed.written().filter(|_| medium == Medium::Text && **placed.file() != *STDIN);
    let trial = Trial { judge, placed, written };
    let start = State { patching: Patching::new(placed.document()), result: result.clone() };
    let mut tried = Tried::default();
    let mut singles = vec![];
    for (index, violation) in start.result.violations.iter().enumerate() {
        let single =
            if index < MOST { trial.single(&start, violation, &mut tried) } else { Err(BEYOND.to_owned()) };
        singles.push(single);
    }
    let All { state, done, left } = trial.all(start);
    let State { patching, result: after } = state;
    for (violation, single) in result.violations.iter_mut().zip(singles) {
        say(violation, single, &done, &after.violations);
    }
    let edits = patching.edits().to_vec();
    if edits.is_empty() && left.is_empty() {
        return None;
    }
    result.patch = (!edits.is_empty()).then(|| edits.clone());
    Some(Fixed { object: patching.object().clone(), edits, after, left })
}

/// Says what undoes a violation, alone or with the others, or why nothing does.
fn say(violation: &mut Violation, single: Result<Fix, String>, done: &[Done], after: &[Violation]) {
    let because = match single {
        Ok(fix) => {
            violation.fix = Some(fix);
            return;
        }
        Err(because) => because,
    };
    if count(after, violation) > 0 {
        violation.no_fix = Some(because.into());
        return;
    }
    match done.iter().find(|done| same(&done.violation, violation)) {
        Some(done) => violation.fix = Some(Fix { with_others: true, ..done.fix.clone() }),
        None => violation.no_fix = Some(TOGETHER.into()),
    }
}

/// An object on its way.
struct State {
    patching: Patching,
    result: ObjectResult,
}

/// An object with everything done.
struct All {
    state: State,
    done: Vec<Done>,
    left: Vec<Left>,
}

/// What was done for a violation.
struct Done {
    violation: Violation,
    fix: Fix,
}

/// What became of patches that were judged already: several violations may have the same.
type Tried = Vec<(Vec<Edit>, Result<ObjectResult, String>)>;

/// Why a fix is not made.
enum Failed {
    /// It does not help.
    Useless,
    /// It helps, and does not fit into the text.
    Text(Left),
}

impl From<String> for Failed {
    fn from(_: String) -> Self {
        Self::Useless
    }
}

/// An object with what is declared for a violation.
struct Changed {
    patching: Patching,
    may_break: String,
    /// Why it does not help, if it does not and that is known.
    why_not: Option<&'static str>,
}

impl Changed {
    /// What was done since a state.
    fn since(&self, state: &State) -> Fix {
        let patch = self.patching.edits()[state.patching.edits().len()..].to_vec();
        Fix { patch, may_break: self.may_break.clone(), with_others: false }
    }
}

struct Trial<'a> {
    judge: &'a Judge<'a>,
    placed: &'a Placed,
    /// The text into which fixes must fit, if there is one.
    written: Option<Written<'a>>,
}

impl Trial<'_> {
    /// What undoes one violation alone. What was tried for another one is not judged again.
    fn single(&self, start: &State, violation: &Violation, tried: &mut Tried) -> Result<Fix, String> {
        let changed = self.changed(start, violation)?;
        let fix = changed.since(start);
        let known = tried.iter().find(|(edits, _)| *edits == fix.patch).map(|(_, judged)| judged.clone());
        let judged = known.unwrap_or_else(|| {
            let judged = self.judged(&changed.patching);
            tried.push((fix.patch.clone(), judged.clone()));
            judged
        });
        helps(&start.result, &judged?, violation, &changed)?;
        Ok(fix)
    }

    /// All fixes that help, one after the other: first together, which mostly is enough, then whatever is left.
    fn all(&self, start: State) -> All {
        let (mut state, mut done) = self.together(&start).unwrap_or((start, vec![]));
        let mut left = vec![];
        for _ in 0..ROUNDS {
            let mut found = false;
            left.clear();
            for violation in self.in_order(&state).into_iter().cloned().collect::<Vec<_>>() {
                let here = count(&state.result.violations, &violation) > 0;
                if !here || state.patching.edits().len() >= MOST {
                    continue;
                }
                match self.better(&state, &violation) {
                    Ok((better, fix)) => {
                        (state, found) = (better, true);
                        done.push(Done { violation, fix });
                    }
                    Err(Failed::Text(fix)) if !left.contains(&fix) => left.push(fix),
                    Err(_) => {}
                }
            }
            if !found {
                break;
            }
        }
        All { state, done, left }
    }

    /// The violations, those last whose fix only removes something: a map that is needed for something else is not removed
    /// then, to be made again without its comments. Of these the last is the first, so that the numbers of items stay.
    fn in_order<'s>(&self, state: &'s State) -> Vec<&'s Violation> {
        let removes = |violation: &&Violation| {
            let patch = self.changed(state, violation).map(|changed| changed.since(state).patch);
            patch.is_ok_and(|patch| patch.iter().all(|edit| edit.op == Op::Remove))
        };
        let (mut last, first): (Vec<_>, Vec<_>) = state.result.violations.iter().partition(removes);
        last.reverse();
        [first, last].concat()
    }

    /// The object without one more violation, and what was done.
    fn better(&self, state: &State, violation: &Violation) -> Result<(State, Fix), Failed> {
        let changed = self.changed(state, violation)?;
        let result = self.judged(&changed.patching)?;
        helps(&state.result, &result, violation, &changed)?;
        let fix = changed.since(state);
        match self.fits(&changed.patching) {
            Ok(()) => Ok((State { patching: changed.patching, result }, fix)),
            Err(because) => Err(Failed::Text(Left { edits: fix.patch, because })),
        }
    }

    /// The fixes of all violations, judged once.
    fn together(&self, start: &State) -> Option<(State, Vec<Done>)> {
        let mut state = State { patching: start.patching.clone(), result: start.result.clone() };
        let mut done = vec![];
        for violation in self.in_order(start).into_iter().take(MOST) {
            if let Ok(changed) = self.changed(&state, violation) {
                done.push(Done { violation: violation.clone(), fix: changed.since(&state) });
                state.patching = changed.patching;
            }
        }
        self.fits(&state.patching).ok()?;
        let result = self.judged(&state.patching).ok()?;
        let undone = |done: &Done| count(&result.violations, &done.violation) == 0;
        let fine = !done.is_empty() && done.iter().all(undone);
        let fine = fine && new(&start.result.violations, &result.violations).is_none();
        fine.then_some((State { patching: state.patching, result }, done))
    }

    /// Whether everything that was changed can be changed in the text.
    fn fits(&self, patching: &Patching) -> Result<(), NotEdited> {
        let Some(Written { text, pointer, .. }) = &self.written else { return Ok(()) };
        input::edited(text, &below(pointer, patching.edits())).map(drop)
    }

    /// An object with what is declared for a violation.
    fn changed(&self, state: &State, violation: &Violation) -> Result<Changed, String> {
        if self.placed.is_review() {
            return Err("a recorded request is not changed".to_owned());
        }
        if violation.implied().is_some() {
            return Err("what an ExpansionTemplate makes of the object is not fixed".to_owned());
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
                    let why_not = change.why_not(&found);
                    if let Some(changed) = change.of(&found) {
                        let mut patching = state.patching.clone();
                        patching.extend(changed);
                        let may_break = change.may_break(&found, may_break).join("; ");
                        return Ok(Changed { patching, may_break, why_not });
                    }
                    because = why_not.unwrap_or(because);
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
fn helps(
    before: &ObjectResult,
    after: &ObjectResult,
    violation: &Violation,
    changed: &Changed,
) -> Result<(), String> {
    if let Some(new) = new(&before.violations, &after.violations) {
        return Err(format!("what undoes it is refused by {}", new.subject()));
    }
    if count(&after.violations, violation) >= count(&before.violations, violation) {
        return Err(changed.why_not.unwrap_or("the usual fix does not help here").to_owned());
    }
    Ok(())
}
