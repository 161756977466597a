//! Makes a table of the generated CRDs: the name of each file without its ending, and its text. Which there are says
//! `gatewright_api::crds()`, and a test holds the folder to it.

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").map_err(io::Error::other)?).join("../../crds");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut rows = vec![];
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path().canonicalize()?;
        if let Some(name) = path.file_stem() {
            let (name, path) = (name.to_string_lossy(), path.to_string_lossy());
            rows.push(format!("({name:?}, include_str!({path:?}))"));
        }
    }
    rows.sort();
    let target = Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?).join("crds.rs");
    fs::write(target, format!("[{}]", rows.join(", ")))
}
