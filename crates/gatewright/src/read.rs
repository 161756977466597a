//! `gatewright read`: what manifests mean.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::input::{self, ReadingArgs};
use crate::{FAILED, diagnostics};

/// What to read.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Manifests: files or folders, or - for standard input; can be repeated
    #[arg(short, long = "filename", value_name = "PATH", required = true)]
    filenames: Vec<PathBuf>,
    #[command(flatten)]
    reading: ReadingArgs,
}

/// Prints each object on a line, with its place, or what is wrong there.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let mut code = ExitCode::SUCCESS;
    let mut documents = input::read(&args.filenames, &args.reading.reading());
    for document in documents.by_ref() {
        let (location, read) = match document {
            Ok(document) => (document.location.clone(), ("object", document.value())),
            Err(error) => {
                code = ExitCode::from(FAILED);
                (error.location, ("error", error.message.into()))
            }
        };
        let (key, value) = read;
        writeln!(out, "{}", json!({"file": *location.file, "line": location.line, key: value}))?;
    }
    diagnostics::left_out(&documents.left_out);
    Ok(code)
}
