//! One process that evaluates templates.

use std::collections::HashMap;
use std::io::{BufReader, ErrorKind, Read as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;

use gatewright_engine::sandbox::{Answer, Exceeded, Job};

use super::worker::NAME;
use super::{Limits, message};

/// The longest answer, in bytes.
const LONGEST_ANSWER: u32 = 16 << 20;
/// How much of what a process says before it ends is read, in bytes.
const LAST_WORDS: u64 = 4 << 10;

/// A process that evaluates templates. It is ended when this value is dropped.
#[derive(Debug)]
pub struct Process {
    /// The numbers of the templates that it has compiled, by kind.
    pub compiled: HashMap<String, u64>,
    /// The number of the inventory that it has.
    pub inventory: Option<u64>,
    /// The number of the review that it has.
    pub review: Option<u64>,
    limits: Limits,
    child: Child,
    jobs: ChildStdin,
    answers: Receiver<Vec<u8>>,
    last_words: Option<JoinHandle<String>>,
}

/// How much address space mimalloc reserves at a time, in KiB. By default it reserves 1 GiB before it holds anything,
/// which can be more than the limit of the process.
const RESERVES: (&str, &str) = ("MIMALLOC_ARENA_RESERVE", "32768");

impl Process {
    /// Starts a process.
    ///
    /// # Errors
    /// The operating system starts none.
    pub fn start(limits: Limits) -> Result<Self, Exceeded> {
        let failed =
            |error: std::io::Error| Exceeded(format!("no process can be started to evaluate it in: {error}"));
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .args([NAME, &limits.memory().to_string()])
            .env_clear()
            .env(RESERVES.0, RESERVES.1)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let (Some(jobs), Some(stdout), Some(stderr)) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(out_of_step());
        };
        let (sender, answers) = sync_channel(1);
        std::thread::spawn(move || forward(BufReader::new(stdout), &sender));
        let last_words = std::thread::spawn(move || {
            let mut words = String::new();
            // What is not UTF-8 is not from this program.
            let _ = stderr.take(LAST_WORDS).read_to_string(&mut words);
            words
        });
        let last_words = Some(last_words);
        let (compiled, inventory, review) = (HashMap::new(), None, None);
        Ok(Self { compiled, inventory, review, limits, child, jobs, answers, last_words })
    }

    /// Hands over a job that has no answer.
    ///
    /// # Errors
    /// The process has ended.
    pub fn tell(&mut self, job: &Job<'_>) -> Result<(), Exceeded> {
        message::write(&mut self.jobs, job).map_err(|_| self.why_it_ended())
    }

    /// Hands over a job, and waits for its answer.
    ///
    /// # Errors
    /// The process has ended, or had to be ended.
    pub fn ask(&mut self, job: &Job<'_>) -> Result<Answer, Exceeded> {
        self.tell(job)?;
        match self.answers.recv_timeout(self.limits.timeout()) {
            Ok(answer) => rmp_serde::from_slice(&answer).map_err(|_| unreadable()),
            Err(RecvTimeoutError::Timeout) => Err(Exceeded(format!(
                "it took longer than {}, so it was stopped",
                self.limits.timeout_text()
            ))),
            Err(RecvTimeoutError::Disconnected) => Err(self.why_it_ended()),
        }
    }

    /// What the runtime says before it gives up says which limit it was.
    fn why_it_ended(&mut self) -> Exceeded {
        let _ = self.child.kill();
        let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        let words = self.last_words.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        Exceeded(if words.contains("overflowed its stack") {
            "it recurses deeper than the stack is long, so it was stopped".to_owned()
        } else if words.contains("memory allocation") || words.contains("capacity overflow") {
            format!("it needs more memory than {}, so it was stopped", self.limits.memory_text())
        } else {
            format!("the process that evaluated it ended ({status})")
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Passes the answers on until the process ends, or one is too long: then an empty one.
fn forward(mut stdout: BufReader<ChildStdout>, answers: &SyncSender<Vec<u8>>) {
    loop {
        let answer = match message::read(&mut stdout, LONGEST_ANSWER) {
            Ok(Some(answer)) => answer,
            Err(error) if error.kind() == ErrorKind::InvalidData => vec![],
            _ => return,
        };
        if answers.send(answer).is_err() {
            return;
        }
    }
}

fn unreadable() -> Exceeded {
    let limit = LONGEST_ANSWER >> 20;
    Exceeded(format!("what it found is longer than {limit} MiB, or nested too deeply to be read"))
}

/// The process does not keep to the protocol.
pub fn out_of_step() -> Exceeded {
    Exceeded("the process that evaluated it answered something else than was asked".to_owned())
}
