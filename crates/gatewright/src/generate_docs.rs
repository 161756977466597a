//! `gatewright generate-docs`: for those who change the rules, or what commands print.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

use crate::{migrate, schemas};

/// Where the cases are, and where the pages go.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder with the rules' cases
    #[arg(long, value_name = "DIR", default_value = "templates")]
    templates: PathBuf,
    /// The folder for the pages
    #[arg(long, value_name = "DIR", default_value = "docs/rules")]
    output_dir: PathBuf,
    /// The folder with the pages in which lists are written
    #[arg(long, value_name = "DIR", default_value = "docs")]
    docs_dir: PathBuf,
    /// The folder for the schemas of what commands print as JSON
    #[arg(long, value_name = "DIR", default_value = "docs/json")]
    json_dir: PathBuf,
}

/// Writes the pages about the rules, the schemas, and the lists of differences.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let pages = gatewright_rules::docs::pages(&|path| std::fs::read_to_string(args.templates.join(path)))?;
    for page in pages {
        let path = args.output_dir.join(&page.file);
        std::fs::write(&path, page.text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    for (name, schema) in schemas::all() {
        let path = args.json_dir.join(format!("{name}.schema.json"));
        std::fs::write(&path, schemas::text(&schema)?)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    for (name, list) in migrate::page::all() {
        let path = args.docs_dir.join(name);
        let page =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let page = migrate::page::filled(&page, &list)
            .with_context(|| format!("{} has no place for a list of differences", path.display()))?;
        std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
