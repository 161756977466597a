//! Folders of manifests that are gone when they are no longer needed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs};

use anyhow::{Context, Result};
use serde_json::Value;

/// A folder for the manifests of one arm.
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder.
    pub fn new() -> Result<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("gatewright-bench-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes documents into one file, as YAML.
    pub fn write(&self, name: &str, documents: &[Value]) -> Result<()> {
        let texts: Result<Vec<_>, _> = documents.iter().map(serde_saphyr::to_string).collect();
        Ok(fs::write(self.0.join(name), texts?.join("---\n"))?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
