//! The files that `render` writes, and those that it wrote earlier.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use gatewright_api::names;

use super::{Format, Object};
use crate::input::{self, Envelope, Limit, Reading};
use crate::written::yaml;

/// What was written.
#[derive(Debug, Default)]
pub struct Written {
    /// All files of this run.
    files: BTreeSet<PathBuf>,
    /// How many of them are new or have another content than before.
    changed: usize,
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = |count| if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        let same = self.files.len() - self.changed;
        match (self.changed, same) {
            (_, 0) => write!(f, "wrote {}", files(self.changed)),
            (0, _) => write!(f, "{} are as before", files(same)),
            _ => write!(f, "wrote {}; {} are as before", files(self.changed), files(same)),
        }
    }
}

/// Writes one file for each object. One that is as before is left alone.
pub fn write(objects: &[Object], folder: &Path, format: Format) -> anyhow::Result<Written> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut written = Written::default();
    for object in objects {
        let (text, end) = match format {
            Format::Yaml => (yaml(object)?, "yaml"),
            Format::Json => (format!("{:#}\n", serde_json::json!(object)), "json"),
        };
        let path = folder.join(format!("{}.{end}", object.file_name()));
        if std::fs::read_to_string(&path).ok().as_ref() != Some(&text) {
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            written.changed += 1;
        }
        written.files.insert(path);
    }
    Ok(written)
}

/// Removes what earlier runs wrote into the folder and this one did not. Returns the files.
pub fn prune(folder: &Path, written: &Written, limit: &Limit) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut removed = vec![];
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        if !written.files.contains(&path) && path.is_file() && holds_only_rendered(&path, limit) {
            std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            removed.push(path);
        }
    }
    removed.sort();
    Ok(removed)
}

/// Whether a file holds objects, and all of them are marked as rendered. What cannot be read is somebody else's.
fn holds_only_rendered(path: &Path, limit: &Limit) -> bool {
    let ends = ["yaml", "yml", "json"];
    if !path.extension().is_some_and(|end| ends.iter().any(|known| end == *known)) {
        return false;
    }
    let mut objects = 0;
    for document in input::read(&[path.to_owned()], &Reading::new(limit.clone(), Envelope::Full)) {
        let Ok(document) = document else { return false };
        if document.value()["metadata"]["labels"][names::OWNER_LABEL] != names::RENDERED {
            return false;
        }
        objects += 1;
    }
    objects > 0
}

#[cfg(test)]
mod tests {
    use super::{Written, prune};
    use crate::input::{Limit, LimitArgs};

    const RENDERED: &str =
        "apiVersion: v1\nkind: K\nmetadata: {name: a, labels: {gatewright.io/owner: render}}\n";
    const FOREIGN: &str = "apiVersion: v1\nkind: K\nmetadata: {name: b}\n";

    fn limit() -> Limit {
        LimitArgs { max_input_size: "1Mi".parse().unwrap() }.limit()
    }

    #[test]
    fn only_what_holds_nothing_but_rendered_objects_goes() {
        let folder = std::env::temp_dir().join(format!("gatewright-prune-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("folder.yaml")).unwrap();
        let both = format!("{RENDERED}---\n{FOREIGN}");
        let twice = format!("{RENDERED}---\n{RENDERED}");
        let json =
            r#"{"apiVersion": "v1", "kind": "K", "metadata": {"labels": {"gatewright.io/owner": "render"}}}"#;
        let builtin = RENDERED.replace("render}", "builtin}");
        for (name, text) in [
            ("written.yaml", RENDERED),
            ("old.yaml", RENDERED),
            ("old.json", json),
            ("twice.yml", &twice),
            ("both.yaml", &both),
            ("foreign.yaml", FOREIGN),
            ("builtin.yaml", &builtin),
            ("broken.yaml", "a: [\n# gatewright.io/owner: render"),
            ("empty.yaml", "# gatewright.io/owner: render\n"),
            ("README.md", RENDERED),
            ("kustomization.yaml", "resources: [old.yaml]\n"),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let written = Written { files: [folder.join("written.yaml")].into(), changed: 1 };
        let removed = prune(&folder, &written, &limit()).unwrap();
        let expected = ["old.json", "old.yaml", "twice.yml"].map(|name| folder.join(name));
        assert_eq!(removed, expected);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 12 - 3);
        assert_eq!(prune(&folder, &written, &limit()).unwrap(), Vec::<std::path::PathBuf>::new());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_was_written_is_counted() {
        for (files, changed, says) in [
            (3, 3, "wrote 3 files"),
            (1, 1, "wrote 1 file"),
            (3, 1, "wrote 1 file; 2 files are as before"),
            (2, 0, "2 files are as before"),
        ] {
            let files = (0..files).map(|i: i32| i.to_string().into()).collect();
            assert_eq!(Written { files, changed }.to_string(), says);
        }
    }
}
