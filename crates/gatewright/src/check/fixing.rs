//! What `check --fix` does beside judging.

use std::collections::HashSet;
use std::io::Write as _;

use clap::ValueEnum as _;

use super::Judged;
use super::judge::Judge;
use super::placed::Placed;
use super::report::{Format, Out};
use super::result::{ObjectResult, Summary, Verdict};
use crate::diagnostics;
use crate::fix::{Files, Fixed, Medium, Mode, Outcome, try_fixes};
use crate::input::InputError;

/// What is done with fixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixing {
    /// Nobody asked for them.
    Nothing,
    /// They stand as patches in the document that is printed.
    Patches,
    /// They change the texts of files.
    Texts(Mode),
}

impl Fixing {
    /// What is done in a format: the JSON document takes the place of the diff.
    ///
    /// # Errors
    /// The format has no room for fixes, so that they would be lost.
    pub fn new(mode: Option<Mode>, format: Format) -> anyhow::Result<Self> {
        match (mode, format) {
            (None, _) => Ok(Self::Nothing),
            (Some(Mode::Diff), Format::Json) => Ok(Self::Patches),
            (Some(Mode::Diff), Format::Sarif | Format::Junit | Format::Github) => anyhow::bail!(
                "--fix: {} has no fixes: use -o json for patches, -o table for a diff, or --fix=write",
                format
                    .to_possible_value()
                    .map(|value| format!("-o {}", value.get_name()))
                    .unwrap_or_default()
            ),
            (Some(mode), _) => Ok(Self::Texts(mode)),
        }
    }

    /// Where the table goes: the diff is the document of stdout.
    pub fn out(self) -> Out {
        if self == Self::Texts(Mode::Diff) { Out::Stderr } else { Out::Stdout }
    }

    /// Judges an object, and tries its fixes: what they change is given back.
    pub fn judge(self, judge: &Judge<'_>, placed: Placed) -> (ObjectResult, Option<(Placed, Fixed)>) {
        let mut result = judge.judge(&placed);
        let wanted = self != Self::Nothing && !result.violations.is_empty();
        let medium = if self == Self::Patches { Medium::Object } else { Medium::Text };
        let fixed = if wanted { try_fixes(judge, &placed, &mut result, medium) } else { None };
        (result, fixed.map(|fixed| (placed, fixed)))
    }
}

/// The fixes of all objects.
pub struct Fixes {
    fixing: Fixing,
    files: Files,
    objects: usize,
    /// Of each object that can be changed its number, and its verdict before and after.
    verdicts: Vec<(usize, Verdict, Verdict)>,
}

impl Fixes {
    /// No fixes yet.
    pub fn new(fixing: Fixing) -> Self {
        Self { fixing, files: Files::default(), objects: 0, verdicts: vec![] }
    }

    /// What is done with them.
    pub const fn fixing(&self) -> Fixing {
        self.fixing
    }

    /// Takes the fixes of some objects, and gives their results back.
    pub fn take(&mut self, judged: Vec<(ObjectResult, Option<(Placed, Fixed)>)>) -> Vec<ObjectResult> {
        let mut results = vec![];
        for (result, fixed) in judged {
            self.objects += 1;
            if let Some((placed, fixed)) = fixed {
                self.verdicts.push((self.objects, result.verdict, fixed.after.verdict));
                if let Fixing::Texts(_) = self.fixing {
                    self.files.add(self.objects, &placed, &fixed);
                }
            }
            results.push(result);
        }
        results
    }

    /// Prints the diff or writes the files, and counts what is left.
    pub(super) fn finish(self, before: Summary, problems: &[InputError]) -> Judged {
        let Self { fixing, files, verdicts, .. } = self;
        let (mut unsaved, mut unwritten) = (false, Ok(()));
        let done: HashSet<_> = match fixing {
            Fixing::Nothing => return Judged { summary: before, unsaved, unwritten },
            Fixing::Patches => verdicts.iter().map(|(number, ..)| *number).collect(),
            Fixing::Texts(mode) => {
                let unsound = problems.iter().map(|problem| problem.location.file.clone()).collect();
                let Outcome { diff, done, written, notes, errors } = files.finish(mode, &unsound);
                notes.iter().for_each(diagnostics::note);
                errors.iter().for_each(diagnostics::error);
                written.iter().map(|file| format!("{file}: edited")).for_each(diagnostics::note);
                unwritten = std::io::stdout().lock().write_all(diff.as_bytes()).map_err(Into::into);
                unsaved = !errors.is_empty();
                done
            }
        };
        let mut summary = before;
        for (_, before, after) in verdicts.iter().filter(|(number, ..)| done.contains(number)) {
            summary.change(*before, *after);
        }
        diagnostics::note(format!("with the fixes: {summary}"));
        Judged { summary, unsaved, unwritten }
    }
}
