//! Writes a file anew: all of it or nothing.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Gives a file another content. Links stay links, the mode stays, and whoever reads it sees the old text or the new one.
///
/// # Errors
/// The file, or its folder, cannot be written. The old content is there then.
pub fn replace(file: &Path, content: &str) -> io::Result<()> {
    let file = file.canonicalize()?;
    let permissions = fs::metadata(&file)?.permissions();
    let beside = beside(&file);
    let mut new = OpenOptions::new().write(true).create_new(true).open(&beside)?;
    let written = new
        .write_all(content.as_bytes())
        .and_then(|()| new.set_permissions(permissions))
        .and_then(|()| new.sync_all())
        .and_then(|()| fs::rename(&beside, &file));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.gatewright-{}", std::process::id()))
}
