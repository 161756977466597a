//! The fenced blocks of the documentation, and what is done to show that each is true.
//!
//! A comment before a block says what the block itself cannot say; a reader does not see it:
//!
//! | comment | means |
//! |---|---|
//! | `<!-- run: COMMAND -->` | runs this here; a reader needs no block for it. It must end with 0, or with the code of an `exit` before it |
//! | `<!-- file: NAME -->` | the block is the file NAME in the page's folder, which a command of the page must read |
//! | `<!-- prints: COMMAND -->` | the block is what the command prints |
//! | `<!-- exit: CODE -->` | how the last command of the block ends, where that is not 0 |
//! | `<!-- dry-run -->` | what `helm` and `kubectl` write is tried on the server and not done; what waits for it is left out |
//! | `<!-- run by: FILE -->` | that test reads this page and runs the block |
//! | `<!-- no-run: REASON -->` | nothing runs the block |

pub mod links;
mod shell;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::transcript::{Step, steps};

pub use shell::{Printed, Shell, copy};

/// Programs whose commands must not stand in a block that nobody runs.
const PROGRAMS: [&str; 9] = ["gatewright", "kubectl", "helm", "make", "cosign", "cargo", "git", "curl", "jq"];

/// A page of the documentation.
#[derive(Clone, Debug)]
pub struct Page {
    /// Below the repository.
    pub path: PathBuf,
    /// What is done with it, in order.
    pub tasks: Vec<Task>,
}

/// What is done with a block, or with a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The line of the block or comment, from 1.
    pub line: usize,
    /// What is done.
    pub action: Action,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Commands with what each prints.
    Session {
        /// The commands.
        steps: Vec<Step>,
        /// How the last one ends.
        exit: i32,
    },
    /// Commands without what they print.
    Script {
        /// The text of the block, or of the comment.
        text: String,
        /// How it ends.
        exit: i32,
        /// Whether the server is only asked.
        dry_run: bool,
    },
    /// What a command prints.
    Prints {
        /// The command.
        command: String,
        /// The block.
        text: String,
        /// How it ends.
        exit: i32,
    },
    /// Objects or policies, in a file of this name.
    Manifest {
        /// The file.
        name: String,
        /// Its content.
        text: String,
    },
    /// Another file.
    File {
        /// The file.
        name: String,
        /// Its content.
        text: String,
    },
    /// A test of this path reads the page.
    RunBy(PathBuf),
    /// Nothing runs it, for this reason.
    NotRun(String),
    /// No command and no manifest: a message, a picture, a program's text.
    Text,
}

/// Comments before a block.
#[derive(Clone, Debug, Default)]
struct Marks {
    file: Option<String>,
    prints: Option<String>,
    exit: Option<i32>,
    dry_run: bool,
    run_by: Option<PathBuf>,
    no_run: Option<String>,
}

/// A fenced block as it stands in the page.
#[derive(Clone, Debug)]
struct Block<'a> {
    line: usize,
    language: &'a str,
    text: String,
}

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    ///
    /// A comment or block of which nobody knows how to run it; the error has the line.
    pub fn read(path: &Path, markdown: &str) -> Result<Self> {
        let mut page = Self { path: path.to_owned(), tasks: vec![] };
        let mut marks = Marks::default();
        let mut lines = (1..).zip(markdown.lines());
        while let Some((line, text)) = lines.next() {
            let at = |error: String| anyhow::anyhow!("{}:{line}: {error}", path.display());
            let bare = text.trim_start();
            if let Some(comment) = bare.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->")) {
                let hidden = marks.take(comment).map_err(at)?;
                page.tasks.extend(hidden.map(|action| Task { line, action }));
            } else if let Some(language) = bare.strip_prefix("```") {
                let indent = text.len() - bare.len();
                let body = lines.by_ref().map(|(_, line)| line).take_while(|line| line.trim() != "```");
                let text =
                    body.map(|line| line.get(indent..).unwrap_or_default().to_owned() + "\n").collect();
                let block = Block { line, language, text };
                let action = action(&block, std::mem::take(&mut marks)).map_err(at)?;
                page.tasks.push(Task { line, action });
            }
        }
        page.files_are_read()?;
        Ok(page)
    }

    /// A file that no command reads shows nothing.
    fn files_are_read(&self) -> Result<()> {
        let commands: Vec<String> = self.tasks.iter().flat_map(|task| task.action.commands()).collect();
        for task in &self.tasks {
            let Action::File { name, .. } = &task.action else { continue };
            let last = name.rsplit('/').next().unwrap_or(name);
            ensure!(
                commands.iter().any(|command| command.contains(last)),
                "{}:{}: no command of the page reads the file {name}; add <!-- run: … -->",
                self.path.display(),
                task.line
            );
        }
        Ok(())
    }
}

impl Action {
    /// The commands that run.
    fn commands(&self) -> Vec<String> {
        match self {
            Self::Session { steps, .. } => steps.iter().map(|step| step.command.clone()).collect(),
            Self::Script { text, .. } => vec![text.clone()],
            Self::Prints { command, .. } => vec![command.clone()],
            _ => vec![],
        }
    }
}

impl Marks {
    /// Takes up a comment; a command in it is an action of its own. Comments of other sorts say nothing here.
    fn take(&mut self, comment: &str) -> Result<Option<Action>, String> {
        let (key, value) = comment.split_once(": ").unwrap_or((comment, ""));
        match key {
            "run" => {
                let exit = self.exit.take().unwrap_or(0);
                return Ok(Some(Action::Script { text: value.to_owned(), exit, dry_run: false }));
            }
            "file" => self.file = Some(value.to_owned()),
            "prints" => self.prints = Some(value.to_owned()),
            "exit" => self.exit = Some(value.parse().map_err(|_| format!("{value:?} is no exit code"))?),
            "dry-run" => self.dry_run = true,
            "run by" => self.run_by = Some(value.into()),
            "no-run" if value.trim().is_empty() => return Err("no-run without a reason".to_owned()),
            "no-run" => self.no_run = Some(value.to_owned()),
            _ => {}
        }
        Ok(None)
    }
}

fn action(block: &Block<'_>, marks: Marks) -> Result<Action, String> {
    let Marks { file, prints, exit, dry_run, run_by, no_run } = marks;
    if let Some(reason) = no_run {
        return Ok(Action::NotRun(reason));
    }
    if let Some(path) = run_by {
        return Ok(Action::RunBy(path));
    }
    let (text, exit) = (block.text.clone(), exit.unwrap_or(0));
    if let Some(command) = prints {
        return Ok(Action::Prints { command, text, exit });
    }
    match (block.language, file) {
        ("yaml", file) if is_manifest(&text) => {
            Ok(Action::Manifest { name: file.unwrap_or_else(|| format!("line-{}.yaml", block.line)), text })
        }
        (_, Some(name)) => Ok(Action::File { name, text }),
        ("yaml" | "json", None) => {
            Err("a part of a file: say which with <!-- file: NAME -->, and run what reads it".to_owned())
        }
        ("console", None) => session(block, exit),
        ("sh", None) => Ok(Action::Script { text, exit, dry_run }),
        (_, None) => no_command(&text).map(|()| Action::Text),
    }
}

fn session(block: &Block<'_>, exit: i32) -> Result<Action, String> {
    let markdown = format!("```console\n{}```\n", block.text);
    let steps = steps(&markdown).map_err(|line| format!("output before any command, {line} lines below"))?;
    let below = |step: Step| Step { line: step.line + block.line - 1, ..step };
    Ok(Action::Session { steps: steps.into_iter().map(below).collect(), exit })
}

/// Whether a text holds objects of Kubernetes.
fn is_manifest(text: &str) -> bool {
    let has = |field: &str| text.lines().any(|line| line.starts_with(field));
    has("apiVersion: ") && has("kind: ")
}

fn no_command(text: &str) -> Result<(), String> {
    let is_command = |line: &&str| {
        let line = line.strip_prefix("$ ").unwrap_or(line);
        line.split_once(' ').is_some_and(|(first, _)| PROGRAMS.contains(&first))
    };
    match text.lines().find(is_command) {
        Some(line) => Err(format!("{line:?} is a command: begin the block with ```sh or ```console")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(markdown: &str) -> Result<Vec<Task>, String> {
        Page::read(Path::new("page.md"), markdown).map(|page| page.tasks).map_err(|error| error.to_string())
    }

    fn script(text: &str, exit: i32, dry_run: bool) -> Action {
        Action::Script { text: text.to_owned(), exit, dry_run }
    }

    #[test]
    fn a_block_is_run_as_its_language_and_comments_say() {
        let named = |text: &str| text.to_owned();
        let step = Step { line: 2, command: named("true"), output: named("no\n") };
        for (markdown, expected) in [
            ("```sh\nmake x\n```", script("make x\n", 0, false)),
            ("<!-- exit: 1 -->\n```sh\nmake x\n```", script("make x\n", 1, false)),
            ("<!-- dry-run -->\n\n```sh\nhelm x\n```", script("helm x\n", 0, true)),
            ("1. a\n\n   ```sh\n   make x\n     y\n   ```", script("make x\n  y\n", 0, false)),
            ("<!-- run: make x -->", script("make x", 0, false)),
            ("```console\n$ true\nno\n```", Action::Session { steps: vec![step], exit: 0 }),
            (
                "```yaml\napiVersion: v1\nkind: Pod\n```",
                Action::Manifest { name: named("line-1.yaml"), text: named("apiVersion: v1\nkind: Pod\n") },
            ),
            ("<!-- no-run: a reason -->\n```sh\nmake x\n```", Action::NotRun(named("a reason"))),
            ("<!-- run by: e2e/x.rs -->\n```sh\nmake x\n```", Action::RunBy("e2e/x.rs".into())),
            (
                "<!-- prints: make x -->\n```\ny\n```",
                Action::Prints { command: named("make x"), text: named("y\n"), exit: 0 },
            ),
            ("```text\nhello\n```", Action::Text),
        ] {
            let tasks = read(markdown).unwrap();
            assert_eq!(tasks.iter().map(|task| &task.action).collect::<Vec<_>>(), [&expected], "{markdown}");
        }
    }

    #[test]
    fn what_nobody_could_run_is_an_error_with_its_line() {
        for (markdown, expected) in [
            ("text\n```\ngatewright check -f x\n```", "page.md:2: \"gatewright check -f x\" is a command"),
            ("```text\n$ kubectl get x\n```", "page.md:1: \"$ kubectl get x\" is a command"),
            ("```yaml\na: 1\n```", "page.md:1: a part of a file"),
            (
                "<!-- file: a.yaml -->\n```yaml\na: 1\n```",
                "page.md:2: no command of the page reads the file a.yaml",
            ),
            ("<!-- no-run:  -->\n```sh\nx\n```", "page.md:1: no-run without a reason"),
            ("<!-- exit: x -->\n```sh\nx\n```", "page.md:1: \"x\" is no exit code"),
        ] {
            let error = read(markdown).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_file_counts_where_a_command_reads_it() {
        let markdown = "<!-- file: a/b.yaml -->\n```yaml\na: 1\n```\n<!-- run: cat a/b.yaml -->";
        let tasks = read(markdown).unwrap();
        let file = Action::File { name: "a/b.yaml".to_owned(), text: "a: 1\n".to_owned() };
        assert_eq!(tasks[0], Task { line: 2, action: file });
    }
}
