//! Who may use whom, read from the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A source file by its module path (`judge::policy`), with its code but for tests and comments.
type Sources = BTreeMap<String, String>;

fn sources() -> Sources {
    let mut sources = Sources::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut sources);
    sources
}

fn read(folder: &Path, module: &str, sources: &mut Sources) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if ["tests", "fixtures", "health", "mock", "layers"].contains(&name.as_str()) {
            continue;
        }
        let module = if module.is_empty() { name } else { format!("{module}::{name}") };
        if path.is_dir() {
            read(&path, &module, sources);
        } else {
            sources.insert(module, code(&fs::read_to_string(&path).unwrap()));
        }
    }
}

fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Every path of this crate that a file names, without the `crate::`.
fn paths(module: &str, code: &str) -> Vec<String> {
    let parent = module.rsplit_once("::").map_or("", |(parent, _)| parent);
    let code = code.replace("pub(crate)", "").replace("pub(super)", "");
    let mut paths = vec![];
    for (start, base) in [("crate::", ""), ("super::", parent), ("self::", module)] {
        for (at, _) in code.match_indices(start) {
            let is_word =
                code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':');
            if !is_word {
                let base = if base.is_empty() { String::new() } else { format!("{base}::") };
                expand(&base, &code[at + start.len()..], &mut paths);
            }
        }
    }
    paths
}

/// Takes a path with groups apart: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(base: &str, rest: &str, paths: &mut Vec<String>) {
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
    let (path, rest) = rest.split_at(end);
    let base = format!("{base}{path}");
    let Some(group) = rest.strip_prefix('{').filter(|_| path.is_empty() || path.ends_with("::")) else {
        paths.push(base);
        return;
    };
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                let part = group[begin..at].trim_start();
                if !part.is_empty() {
                    expand(&base, part, paths);
                }
                begin = at + 1;
                if c == '}' {
                    return;
                }
            }
            _ => {}
        }
    }
}

/// The file that a path leads to: that of its longest part that is one.
fn file_of(path: &str, sources: &Sources) -> String {
    let mut path = path.trim_end_matches(':');
    if path.split("::").next() == Some("Error") {
        path = "error";
    }
    loop {
        if sources.contains_key(path) {
            return path.to_owned();
        }
        match path.rsplit_once("::") {
            Some((parent, _)) => path = parent,
            None => return "lib".to_owned(),
        }
    }
}

/// Which files each file uses.
fn uses(sources: &Sources) -> BTreeMap<&str, BTreeSet<String>> {
    let of = |module: &String, code: &String| -> BTreeSet<String> {
        let files = paths(module, code).into_iter().map(|path| file_of(&path, sources));
        files.filter(|file| file != module).collect()
    };
    sources.iter().map(|(module, code)| (module.as_str(), of(module, code))).collect()
}

fn area(module: &str) -> &str {
    module.split("::").next().unwrap_or_default()
}

const LEAVES: [&str; 5] = ["error", "events", "metrics", "names", "rbac"];

#[test]
fn each_folder_uses_only_those_before_it() {
    let sources = sources();
    let allowed = |area: &str| -> Vec<&str> {
        match area {
            "watch" => vec!["watch"],
            "judge" => vec!["watch", "judge"],
            "act" => vec!["watch", "judge", "act"],
            "run" => vec!["watch", "judge", "act", "run"],
            leaf if LEAVES.contains(&leaf) => vec![],
            "lib" => vec!["watch", "judge", "act", "run"],
            other => panic!("{other} is in no folder"),
        }
    };
    let mut wrong = vec![];
    for (module, used) in uses(&sources) {
        let allowed = allowed(area(module));
        let is_fine = |used: &&String| allowed.contains(&area(used)) || LEAVES.contains(&area(used));
        wrong.extend(used.iter().filter(|used| !is_fine(used)).map(|used| format!("{module} uses {used}")));
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(sources.len() > 60, "{}", sources.len());
}

#[test]
fn decisions_know_values_only() {
    for (module, code) in sources().iter().filter(|(module, _)| area(module) == "judge") {
        let words: BTreeSet<_> = code.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
        for word in ["Client", "World", "Cache", "async", "Instant", "SystemTime"] {
            assert!(!words.contains(word), "{module} names {word}");
        }
        assert!(!code.contains("Timestamp::now"), "{module} looks at the clock");
    }
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let sources = sources();
    let uses = uses(&sources);
    let mut done = BTreeSet::new();
    for module in uses.keys() {
        visit(module, &uses, &mut vec![], &mut done);
    }
    assert_eq!(done.len(), sources.len());
}

fn visit<'a>(
    module: &'a str,
    uses: &'a BTreeMap<&str, BTreeSet<String>>,
    way: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) {
    assert!(!way.contains(&module), "a circle: {} → {module}", way.join(" → "));
    if done.contains(module) {
        return;
    }
    way.push(module);
    for used in &uses[module] {
        visit(used, uses, way, done);
    }
    way.pop();
    done.insert(module);
}

#[test]
fn paths_are_read_as_they_are_written() {
    let code = "use crate::{Error, act::queue};\nuse crate::watch::kind::{Id, Kind as K};\nuse super::x::{\n    a,\n    b::{c, d},\n};\n\
                fn f() { crate::names::N; recrate::no(); }";
    let mut found = paths("judge::policy", code);
    found.sort();
    let expected = [
        "Error",
        "act::queue",
        "judge::x::a",
        "judge::x::b::c",
        "judge::x::b::d",
        "names::N",
        "watch::kind::Id",
        "watch::kind::Kind",
    ];
    assert_eq!(found, expected);
}
