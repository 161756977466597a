//! The kept inputs of the fuzz targets, on the pinned toolchain.

use std::fs;
use std::io::Result;
use std::path::{Path, PathBuf};

use gatewright_fuzz::TARGETS;

/// What is in a folder of `fuzz/`, sorted.
fn entries(folder: &str) -> Result<Vec<PathBuf>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz").join(folder);
    let mut entries = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

/// Gives a target every input that is kept for it.
fn kept(name: &str) -> Result<()> {
    let files = entries(&format!("corpus/{name}"))?;
    assert!(!files.is_empty(), "no input is kept for {name}");
    let targets: Vec<_> = TARGETS.iter().filter(|(target, _)| *target == name).collect();
    assert_eq!(targets.len(), 1, "{name}");
    for file in files {
        println!("{}", file.display());
        (targets[0].1)(&fs::read(file)?);
    }
    Ok(())
}

#[test]
fn readers() -> Result<()> {
    kept("readers")
}

#[test]
fn rego() -> Result<()> {
    kept("rego")
}

#[test]
fn cel() -> Result<()> {
    kept("cel")
}

#[test]
fn references() -> Result<()> {
    kept("references")
}

#[test]
fn images() -> Result<()> {
    kept("images")
}

#[test]
fn manifests() -> Result<()> {
    kept("manifests")
}

#[test]
fn blobs() -> Result<()> {
    kept("blobs")
}

#[test]
fn docker_configs() -> Result<()> {
    kept("docker_configs")
}

#[test]
fn challenges() -> Result<()> {
    kept("challenges")
}

#[test]
fn keys() -> Result<()> {
    kept("keys")
}

#[test]
fn requests() -> Result<()> {
    kept("requests")
}

/// A target without kept inputs would be tested nowhere but in `make fuzz`.
#[test]
fn every_target_has_a_folder_and_a_program() -> Result<()> {
    let names = |folder| -> Result<Vec<String>> {
        let stems = entries(folder)?.into_iter();
        Ok(stems.filter_map(|path| Some(path.file_stem()?.to_string_lossy().into_owned())).collect())
    };
    let mut expected: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    expected.sort_unstable();
    assert_eq!(names("corpus")?, expected);
    assert_eq!(names("targets")?, expected);
    Ok(())
}
