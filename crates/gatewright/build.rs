//! Makes tables of files that are compiled in: the name of each without its ending, and its text. Of the generated CRDs
//! `gatewright_api::crds()` says which there are, and a test holds the folder to it; of the documentation every page is
//! taken, and what it links to outside of its folder.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let repository = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../..");
    table("crds.rs", "yaml", &[("", repository.join("crds"))], &[])?;
    let docs = repository.join("docs");
    let others = [
        ("CHANGELOG", repository.join("CHANGELOG.md")),
        ("real-shapes", repository.join("examples/real-shapes/README.md")),
    ];
    table("pages.rs", "md", &[("", docs.clone()), ("rules/", docs.join("rules"))], &others)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(io::Error::other)
}

/// Of the files in these folders that end so; what stands with a folder comes before their names. The others have the
/// names that stand with them.
fn table(target: &str, end: &str, folders: &[(&str, PathBuf)], others: &[(&str, PathBuf)]) -> io::Result<()> {
    let mut rows = vec![];
    for (name, path) in others {
        println!("cargo::rerun-if-changed={}", path.display());
        let path = path.canonicalize()?;
        rows.push(format!("({name:?}, include_str!({:?}))", path.to_string_lossy()));
    }
    for (before, folder) in folders {
        println!("cargo::rerun-if-changed={}", folder.display());
        for entry in fs::read_dir(folder)? {
            let path = entry?.path().canonicalize()?;
            if let (Some(name), true) = (path.file_stem(), path.extension().is_some_and(|found| found == end))
            {
                let (name, path) = (name.to_string_lossy(), path.to_string_lossy());
                rows.push(format!("({:?}, include_str!({path:?}))", format!("{before}{name}")));
            }
        }
    }
    rows.sort();
    fs::write(Path::new(&variable("OUT_DIR")?).join(target), format!("[{}]", rows.join(", ")))
}
