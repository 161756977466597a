//! A diff that `patch -p0` applies, and a terminal shows as it is.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use similar::{ChangeTag, TextDiff};

use crate::foreign::Foreign;

/// Why there is no diff of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDiff {
    /// Its name has something that a terminal or `patch` would obey.
    #[error("the name of the file holds characters that cannot stand in a diff")]
    Name,
    /// `patch` goes nowhere else.
    #[error("the file is outside of the current folder, where patch -p0 changes nothing")]
    Outside,
    /// `patch` follows no link.
    #[error(
        "the file is a symbolic link to one outside of the current folder, where patch -p0 changes nothing"
    )]
    Linked,
    /// A line has something that a terminal would obey.
    #[error("line {0} holds characters that a terminal would obey")]
    Line(usize),
}

/// How many lines stand around a change.
const CONTEXT: usize = 3;

/// The lines on which objects begin, from 1 and in order, with what the objects are called.
pub type Sections = BTreeMap<usize, String>;

/// The diff of a file. Behind the lines that a part of it is about stands the object.
///
/// # Errors
/// It cannot be shown, or would not be applied.
pub fn diff(file: &Path, folder: &Path, old: &str, new: &str, sections: &Sections) -> Result<String, NoDiff> {
    let name = named(file, folder)?;
    // Only a line feed ends a line for patch; to the library a carriage return is a line's end, too.
    let [old, new] = [old, new].map(|text| text.split_inclusive('\n').collect::<Vec<_>>());
    let text = TextDiff::configure().newline_terminated(true).diff_slices(&old, &new);
    let mut shown = String::new();
    for hunk in text.unified_diff().context_radius(CONTEXT).iter_hunks() {
        let (mut changed, mut before) = (None, 0);
        for change in hunk.iter_changes() {
            let line = change.value();
            if !is_harmless(line) {
                let at = change.old_index().or(change.new_index()).unwrap_or_default();
                return Err(NoDiff::Line(at + 1));
            }
            before = change.old_index().map_or(before, |index| index + 1);
            changed = changed.or((change.tag() != ChangeTag::Equal).then_some(before));
        }
        let section = sections.range(..=changed.unwrap_or(before)).next_back();
        let hunk = hunk.to_string();
        match (hunk.split_once('\n'), section) {
            (Some((lines, rest)), Some((_, object))) => shown.extend([lines, " ", object, "\n", rest]),
            _ => shown.push_str(&hunk),
        }
    }
    Ok(if shown.is_empty() { shown } else { format!("--- {name}\n+++ {name}\n{shown}") })
}

/// The name as `patch` finds the file. A tab behind it says that spaces belong to it.
fn named(file: &Path, folder: &Path) -> Result<String, NoDiff> {
    let path = file.strip_prefix(folder).unwrap_or(file);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let name = path.to_str().ok_or(NoDiff::Name)?;
    let harmless = Foreign::from(name).to_string() == name && !name.contains(['"', '\\']);
    match (harmless, inside) {
        (false, _) => Err(NoDiff::Name),
        (_, false) => Err(NoDiff::Outside),
        _ if name.contains(' ') => Ok(format!("{name}\t")),
        _ => Ok(name.to_owned()),
    }
}

/// Whether a line says what it shows. A tab, and the end of a line, may stand in a text.
fn is_harmless(line: &str) -> bool {
    let ended = line.strip_suffix("\r\n").or(line.strip_suffix('\n')).unwrap_or(line);
    let line = ended.replace('\t', " ");
    Foreign::from(line.as_str()).to_string() == line
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{NoDiff, Sections, diff};

    fn made(file: &str, folder: &str, old: &str, new: &str) -> Result<String, NoDiff> {
        diff(Path::new(file), Path::new(folder), old, new, &Sections::new())
    }

    #[test]
    fn lines_and_names_that_would_be_obeyed_are_refused() {
        let of = |file: &str, old: &str| made(file, "/srv", old, &format!("{old}new\n"));
        assert_eq!(of("a.yaml", "x\n").unwrap(), "--- a.yaml\n+++ a.yaml\n@@ -1 +1,2 @@\n x\n+new\n");
        assert!(of("/srv/b/a.yaml", "x\n").unwrap().starts_with("--- b/a.yaml\n+++ b/a.yaml\n"));
        assert!(of("a b.yaml", "x\n").unwrap().starts_with("--- a b.yaml\t\n+++ a b.yaml\t\n"));
        assert!(of("a.yaml", "x\ty\r\n").is_ok());
        for (file, old, why) in [
            ("a\u{1b}[2J.yaml", "x\n", NoDiff::Name),
            ("a\n+++ b.yaml", "x\n", NoDiff::Name),
            ("\"a\".yaml", "x\n", NoDiff::Name),
            ("/etc/passwd", "x\n", NoDiff::Outside),
            ("b/../../a.yaml", "x\n", NoDiff::Outside),
            ("a.yaml", "x\ny # \u{202e}\n", NoDiff::Line(2)),
            ("a.yaml", "x: \u{1b}[2J\n", NoDiff::Line(1)),
            ("a.yaml", "x\ry\n", NoDiff::Line(1)),
        ] {
            assert_eq!(of(file, old), Err(why), "{file:?} {old:?}");
        }
        let far = format!("\u{1b}\n{}", "x\n".repeat(9));
        assert!(of("a.yaml", &far).is_ok(), "the line is not shown");
    }

    #[test]
    fn a_last_line_without_its_end_is_said() {
        let shown = made("a", "/", "x", "x\ny").unwrap();
        assert_eq!(
            shown,
            "--- a\n+++ a\n@@ -1 +1,2 @@\n-x\n\\ No newline at end of file\n+x\n+y\n\\ No newline at end of file\n"
        );
    }

    #[test]
    fn each_part_names_the_object_that_it_changes() {
        let lines = |changed: [&str; 3]| {
            let [one, two, three] = changed;
            format!("a\n{one}---\nb\n{}{two}---\nc\n{three}", "x\n".repeat(9))
        };
        let (old, new) = (lines(["", "", "1\n"]), lines(["new\n", "new\n", ""]));
        let sections =
            Sections::from([(1, "Pod a".to_owned()), (3, "Pod b".to_owned()), (14, "Pod c".to_owned())]);
        let shown = diff(Path::new("f"), Path::new("/"), &old, &new, &sections).unwrap();
        let parts: Vec<_> = shown.lines().filter(|line| line.starts_with("@@")).collect();
        assert_eq!(parts, ["@@ -1,4 +1,5 @@ Pod a", "@@ -10,6 +11,6 @@ Pod b"], "{shown}");
    }
}
