//! Where things are: the repository, and what is built for it.

use std::path::{Path, PathBuf};

/// The root of the repository this program was built from.
#[must_use]
pub fn repository() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_path_buf()
}

/// The directory of the built tools: `$GATEWRIGHT_TOOLS`, else `.tools` in the repository.
#[must_use]
pub fn tools() -> PathBuf {
    let given =
        std::env::var_os("GATEWRIGHT_TOOLS").map_or_else(|| repository().join(".tools"), PathBuf::from);
    // Processes of a cluster may run in other directories.
    std::path::absolute(&given).unwrap_or(given)
}
