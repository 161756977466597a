//! Writing files whole or not at all, and files that serve as locks.

use std::fs::{self, File};
use std::path::Path;

use anyhow::{Context, Result};

/// Writes `contents` to `path` by way of a second file, so that a reader never sees half of it.
/// Missing directories are created.
///
/// # Errors
///
/// The file or one of its directories cannot be written.
pub fn write(path: &Path, contents: impl AsRef<[u8]>) -> Result<()> {
    let fresh = path.with_added_extension("new");
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        fs::write(&fresh, contents)?;
        fs::rename(&fresh, path)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Creates a file for locking; it never has contents, and it stays.
///
/// # Errors
///
/// The file or one of its directories cannot be created.
pub fn lock_file(path: &Path) -> Result<File> {
    fs::create_dir_all(path.parent().unwrap_or(path))
        .and_then(|()| File::create(path))
        .with_context(|| format!("cannot create {}", path.display()))
}
