//! Writes a file anew: all of it or nothing.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Gives a file another content. Links stay links, mode and owner stay, and whoever reads it sees the old text or the new
/// one. A file with several names is written where it is, because a new one would have one name alone; so is one whose owner
/// a new file cannot get.
///
/// # Errors
/// The file, or its folder, cannot be written. The old content is there then, unless writing was broken off in a file that is
/// written where it is.
pub fn replace(file: &Path, content: &str) -> io::Result<()> {
    let file = file.canonicalize()?;
    let old = fs::metadata(&file)?;
    if names(&old) > 1 {
        return fs::write(&file, content);
    }
    let beside = beside(&file);
    let mut new = OpenOptions::new().write(true).create_new(true).open(&beside)?;
    let owned = keep_owner(&new, &old);
    let written = new
        .write_all(content.as_bytes())
        .and_then(|()| new.set_permissions(old.permissions()))
        .and_then(|()| new.sync_all())
        .and_then(|()| if owned { fs::rename(&beside, &file) } else { fs::write(&file, content) });
    if written.is_err() || !owned {
        let _ = fs::remove_file(&beside);
    }
    written
}

/// How many names a file has.
#[cfg(unix)]
fn names(file: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(file)
}

#[cfg(not(unix))]
const fn names(_: &Metadata) -> u64 {
    1
}

/// Gives a new file the owner and the group of the old one; whether it has them.
#[cfg(unix)]
fn keep_owner(new: &File, old: &Metadata) -> bool {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let is_same = |new: &Metadata| (new.uid(), new.gid()) == (old.uid(), old.gid());
    new.metadata().is_ok_and(|new| is_same(&new)) || fchown(new, Some(old.uid()), Some(old.gid())).is_ok()
}

#[cfg(not(unix))]
const fn keep_owner(_: &File, _: &Metadata) -> bool {
    true
}

fn beside(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.gatewright-{}", std::process::id()))
}
