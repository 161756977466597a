//! Thousands of small files, read by the real kubectl and by ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::generate::{Random, cases};
use gatewright_e2e::{operator, paths, tools};
use serde_json::{Deserializer, Value};

use super::as_go_has_it;
use super::manifests::bodies;

/// What a reader makes of a file: the specs of its objects, and what it complains about.
#[derive(Clone, Debug, Default, PartialEq)]
struct Read {
    specs: Vec<Value>,
    problem: Option<String>,
}

/// Who refuses a file that the other reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refuses {
    Kubectl,
    Ours,
}

/// Where the two may differ, as docs/check.md lists it: who refuses the file, in which words, and what is in it.
const LISTED: [(&str, Refuses, &str, &str); 14] = [
    ("a key that stands twice", Refuses::Ours, "is here a second time", ""),
    // The one that counts for kubectl is another.
    ("infinite, under a key that stands twice", Refuses::Ours, "a number that JSON does not have", "."),
    ("a map as a key, under a key that stands twice", Refuses::Ours, "a key that is", ""),
    ("!!binary", Refuses::Ours, "!!binary", "!!binary"),
    ("a second document", Refuses::Ours, "text after the end of the document", ""),
    ("text behind the end of a document", Refuses::Ours, "", "..."),
    // To YAML, lines end there, too.
    ("text behind the end of a document", Refuses::Ours, "", "\u{2028}---"),
    ("text behind the end of a document", Refuses::Ours, "", "\r---"),
    ("a tag before a comma", Refuses::Ours, "a tag", "!"),
    ("a colon before a comma", Refuses::Ours, "found unexpected ':'", ":"),
    ("a question mark in a flow list", Refuses::Kubectl, "did not find expected ','", "?"),
    ("an escaped slash", Refuses::Kubectl, "found unknown escape character", "\\/"),
    ("!!timestamp", Refuses::Kubectl, "timestamp", "!!timestamp"),
    ("a byte order mark inside", Refuses::Ours, "", "\u{feff}"),
];

#[test]
fn kubectl_and_ours_read_the_same() -> Result<()> {
    let mut random = Random::from_env()?;
    let bodies = random.values(&bodies(), cases(6_000)?)?;
    let folder = paths::repository().join("target/manifests");
    let mut listed: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut objects, mut refused) = (0, 0);
    for (batch, bodies) in bodies.chunks(2_000).enumerate() {
        let files = write(&folder, bodies)?;
        let (theirs, ours) = (by_kubectl(&folder)?, by_ours(&folder)?);
        for (number, text) in files.iter().enumerate() {
            let (theirs, ours) = (read(&theirs, number), read(&ours, number));
            match (&theirs.problem, &ours.problem) {
                (Some(_), Some(_)) => refused += 1,
                (None, None) if theirs.specs == ours.specs => objects += ours.specs.len(),
                _ => {
                    let reason = reason(text, &theirs, &ours).with_context(|| {
                        let seed = random.seed;
                        format!(
                            "seed {seed}, batch {batch}: {text:?}: kubectl reads {theirs:?}, ours {ours:?}"
                        )
                    })?;
                    *listed.entry(reason).or_default() += 1;
                }
            }
        }
    }
    println!("{objects} objects read alike, {refused} files refused alike; listed differences: {listed:?}");
    ensure!(
        objects > bodies.len() / 4 && refused > bodies.len() / 10,
        "{objects} objects, {refused} refused"
    );
    Ok(())
}

fn read(all: &BTreeMap<usize, Read>, number: usize) -> Read {
    all.get(&number).cloned().unwrap_or_default()
}

/// Why one of the two refuses the file. That both read it, and read different things, is never listed.
fn reason(text: &str, theirs: &Read, ours: &Read) -> Option<&'static str> {
    let (who, problem) = match (&theirs.problem, &ours.problem) {
        (Some(problem), None) => (Refuses::Kubectl, problem),
        (None, Some(problem)) => (Refuses::Ours, problem),
        _ => return None,
    };
    let fits = |(_, refuses, words, holds): &&(&str, Refuses, &str, &str)| {
        *refuses == who && problem.contains(words) && text.contains(holds)
    };
    LISTED.iter().find(fits).map(|(name, ..)| *name)
}

fn write(folder: &Path, bodies: &[String]) -> Result<Vec<String>> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let file = |(number, body): (usize, &String)| {
        let text = format!("apiVersion: example.com/v1\nkind: W\nmetadata: {{name: c{number}}}\n{body}");
        let text = if number % 20 == 0 { text.replace('\n', "\r\n") } else { text };
        let utf16 =
            || [0xff, 0xfe].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let bytes = if number % 33 == 0 { utf16() } else { text.clone().into_bytes() };
        fs::write(folder.join(format!("{number}.yaml")), bytes)?;
        Ok(text)
    };
    bodies.iter().enumerate().map(file).collect()
}

/// kubectl prints the objects one after the other, and a line for each file that it cannot read.
fn by_kubectl(folder: &Path) -> Result<BTreeMap<usize, Read>> {
    let mut kubectl = Command::new(tools::path("kubectl"));
    let output =
        kubectl.args(["label", "--local", "-o", "json", "read-by=kubectl", "-f"]).arg(folder).output()?;
    let mut all: BTreeMap<usize, Read> = BTreeMap::new();
    for object in Deserializer::from_slice(&output.stdout).into_iter::<Value>() {
        let object = object?;
        let name = object["metadata"]["name"].as_str().and_then(|name| name.strip_prefix('c'));
        let number = name.and_then(|name| name.parse().ok()).context("an object without its name")?;
        all.entry(number).or_default().specs.push(as_go_has_it(object["spec"].clone()));
    }
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    for line in errors.lines() {
        let Some((_, rest)) = line.split_once(&format!("{}/", folder.display())) else { continue };
        let (number, problem) = rest.split_once(".yaml").context("an error without a file")?;
        all.entry(number.parse()?).or_default().problem = Some(problem.to_owned());
    }
    Ok(all)
}

fn by_ours(folder: &Path) -> Result<BTreeMap<usize, Read>> {
    let output = Command::new(operator::binary()?).args(["read", "-f"]).arg(folder).output()?;
    let mut all: BTreeMap<usize, Read> = BTreeMap::new();
    for line in Deserializer::from_slice(&output.stdout).into_iter::<Value>() {
        let line = line?;
        let file = line["file"].as_str().and_then(|file| file.rsplit('/').next()).context("no file")?;
        let number = file.strip_suffix(".yaml").context("another file")?.parse()?;
        let found = all.entry(number).or_default();
        match line["error"].as_str() {
            Some(problem) => found.problem = Some(problem.to_owned()),
            None => found.specs.push(as_go_has_it(line["object"]["spec"].clone())),
        }
    }
    Ok(all)
}
