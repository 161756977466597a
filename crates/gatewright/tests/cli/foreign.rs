//! Foreign text through every command and every format, and a password through none.
//!
//! A new command fails [`foreign_text_leads_nobody`] until it has a row in [`rows`]; a new format is run without one.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Duration;

use assert_cmd::Command;
use quick_xml::events::Event;
use serde_json::{Value, json};

use crate::Result;
use crate::api::Api;
use crate::fixture::{FORGED, canaries, evil, file, list, objects, policy};
use crate::folder::Folder;
use crate::others::{others, wrong_policy};

/// What must come through, so that nobody looks at an empty output.
const MARK: &str = "evil";

/// How a command is run on what others wrote. `{evil}` stands for such a text; the files are those of [`folder`].
struct Row {
    command: &'static str,
    /// The arguments of each run, without a format: each is run in every format that the command has.
    runs: &'static [&'static str],
    /// What becomes of it.
    does: Does,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    /// It says something of what others wrote, and ends.
    Ends,
    /// It goes on until it is ended, and says something in its log.
    GoesOn,
    /// It prints only what is built in.
    SeesNothing,
}

const fn row(command: &'static str, runs: &'static [&'static str]) -> Row {
    Row { command, runs, does: Does::Ends }
}

const fn server(command: &'static str, runs: &'static [&'static str]) -> Row {
    Row { command, runs, does: Does::GoesOn }
}

const fn built_in(command: &'static str, runs: &'static [&'static str]) -> Row {
    Row { command, runs, does: Does::SeesNothing }
}

const ROWS: &[Row] = &[
    row(
        "check",
        &[
            "-f policy.json -f objects.json -v",
            "-k -f broken.yaml -f policy.json -f objects.json",
            "-f objects.json --namespace-labels {evil}:a=b",
            "-f {evil}",
            "-f policy.json -f objects.json --fix=write",
            "-f others.json -f policy.json -f objects.json -v",
            "-f notes.json -f policy.json -f objects.json -v",
            "-f wrong-policy.json -f objects.json",
        ],
    ),
    row("test", &["hostile.cases.yaml -v", "evil.cases.yaml", "hostile.suite.yaml -v"]),
    row(
        "render",
        &[
            "-f broken.yaml",
            "-f others.json",
            "-f wrong-policy.json",
            "-f policy.json -f evil-policy.json",
            "-f named-policy.json",
        ],
    ),
    row(
        "verify",
        &[
            "{evil} -f policy.json",
            "a -f others.json -f wrong-policy.json",
            "registry.example.com/app -f evil-policy.json",
        ],
    ),
    server("operator", &["--listen 127.0.0.1:0 --log-format text", "--listen 127.0.0.1:0 --log-format json"]),
    server("verifier", &["--tls-dir . --listen 127.0.0.1:0 --address 127.0.0.1:0 --log-format text"]),
    row("status", &["", "SecurityPolicy/{evil}", "--probe shop"]),
    row(
        "explain",
        &[
            "pod/web -n shop",
            "{evil}",
            "-f objects.json --policies policy.json --policies others.json -v",
            "-f others.json --policies wrong-policy.json",
        ],
    ),
    row(
        "report",
        &[
            "",
            "--by policy",
            "--by namespace --html page.html",
            "-f policy.json -f objects.json --html page.html",
            "-f others.json -f policy.json -f objects.json",
            "-f wrong-policy.json -f objects.json",
        ],
    ),
    row(
        "preview",
        &[
            "-f policy.json",
            "-f policy.json --dump objects.json",
            "-f broken.yaml -f policy.json --dump objects.json",
            "-f policy.json --dump others.json",
            "-f wrong-policy.json --dump objects.json",
            "--label ns=shop,{evil}=x",
            "--delete SecurityPolicy/{evil}",
            "--settings evil-settings.yaml",
        ],
    ),
    row(
        "migrate",
        &[
            "",
            "-f named-policy.json -f objects.json",
            "-f evil-policy.json",
            "-f wrong-policy.json -f others.json",
            "--to {evil}",
        ],
    ),
    row("docs", &["{evil}"]),
    row("uninstall", &["", "--policies"]),
    built_in("crds", &[""]),
    built_in("completions", &["bash"]),
    built_in("man", &[""]),
];

#[test]
fn foreign_text_leads_nobody() -> Result {
    let commands = commands()?;
    let known: Vec<_> = ROWS.iter().map(|row| row.command).collect();
    let without: Vec<_> = commands.iter().filter(|name| !known.contains(&name.as_str())).collect();
    assert!(without.is_empty(), "add a row for each of these commands to ROWS: {without:?}");
    assert!(known.iter().all(|name| commands.iter().any(|it| it == name)), "{commands:?}");
    let api = Api::start()?;
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let rows: Vec<_> = ROWS.iter().map(|row| scope.spawn(|| of_row(row, &api))).collect();
        rows.into_iter()
            .flat_map(|row| row.join().unwrap_or_else(|_| vec!["it panicked".to_owned()]))
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Runs a command in all its forms. Returns what is wrong.
fn of_row(row: &Row, api: &Api) -> Vec<String> {
    let formats = match formats(row.command) {
        Ok(formats) => formats,
        Err(error) => return vec![format!("gatewright {}: {error}", row.command)],
    };
    let runs = row.runs.iter().flat_map(|arguments| formats.iter().map(move |format| (arguments, format)));
    runs.filter_map(|(arguments, format)| {
        let result = folder(api).and_then(|folder| one(&folder, row, arguments, format));
        let said = |error| format!("gatewright {} {arguments} in format {format:?}: {error}", row.command);
        result.err().map(said)
    })
    .collect()
}

/// The commands that people see.
fn commands() -> Result<Vec<String>> {
    let output = Command::cargo_bin("gatewright")?.arg("--help").output()?;
    let help = String::from_utf8(output.stdout)?;
    let (_, rest) = help.split_once("Commands:\n").ok_or("no commands")?;
    let lines = rest.lines().take_while(|line| !line.is_empty());
    // What goes on in a second line is indented further.
    let names = lines.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    Ok(names
        .filter_map(|line| line.split(' ').next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect())
}

/// The formats of a command, as it names them to who asks for one that there is not; an empty one where it has one alone.
fn formats(command: &str) -> Result<Vec<String>> {
    let output = Command::cargo_bin("gatewright")?.args([command, "--output=?"]).output()?;
    let said = String::from_utf8(output.stderr)?;
    let Some((_, values)) = said.split_once("[possible values: ") else { return Ok(vec![String::new()]) };
    let (values, _) = values.split_once(']').ok_or("no end")?;
    Ok(values.split(", ").map(str::to_owned).collect())
}

fn folder(api: &Api) -> Result<Folder> {
    let evil = evil();
    let case = json!({
        "name": evil, "violations": [evil],
        "spec": {"containers": [{"name": evil, "securityContext": {"privileged": true}}]},
    });
    let cases = json!({"policy": "policy.json", "cases": [&case]});
    let cases_of_evil = json!({"policy": "evil-policy.json", "cases": [case]});
    let mut evil_policy = policy();
    evil_policy["metadata"]["name"] = json!(evil);
    evil_policy["metadata"]["annotations"] = json!({"note": evil});
    let named_policy = evil_policy.clone();
    evil_policy["spec"][&evil] = json!(evil);
    let broken = json!({"apiVersion": evil, "kind": evil, "metadata": {"name": evil}, evil.clone(): evil});
    let suite_case = json!({"name": evil, "object": "pod.json", "assertions": [{"violations": "no"}]});
    let suite_test = json!({
        "name": evil, "template": "template.json", "constraint": "constraint.json", "cases": [suite_case], &evil: evil,
    });
    let suite = json!({
        "apiVersion": "test.gatekeeper.sh/v1alpha1", "kind": "Suite", "metadata": {"name": evil},
        "tests": [suite_test, {"name": evil, "template": evil, "constraint": evil}],
    });
    Folder::of(&[
        ("policy.json", file(&policy()).as_bytes()),
        ("evil-policy.json", file(&evil_policy).as_bytes()),
        ("named-policy.json", file(&named_policy).as_bytes()),
        ("objects.json", list(&objects()).as_bytes()),
        ("hostile.cases.yaml", file(&cases).as_bytes()),
        ("evil.cases.yaml", file(&cases_of_evil).as_bytes()),
        ("broken.yaml", file(&broken).as_bytes()),
        ("others.json", list(&others()).as_bytes()),
        ("notes.json", list(&others()[..2]).as_bytes()),
        ("wrong-policy.json", file(&wrong_policy()).as_bytes()),
        ("hostile.suite.yaml", file(&suite).as_bytes()),
        ("template.json", file(&others()[8]).as_bytes()),
        ("constraint.json", file(&others()[9]).as_bytes()),
        ("pod.json", file(&objects()[0]).as_bytes()),
        ("evil-settings.yaml", file(&json!({evil.clone(): evil})).as_bytes()),
        ("kubeconfig", api.kubeconfig().as_bytes()),
    ])
}

fn one(folder: &Folder, row: &Row, arguments: &str, format: &str) -> Result {
    let evil = evil();
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("gatewright"));
    command.current_dir(folder.path()).env("KUBECONFIG", "kubeconfig").stdin(Stdio::null());
    command.arg(row.command).args(arguments.split_whitespace().map(|it| it.replace("{evil}", &evil)));
    if !format.is_empty() {
        command.args(["--output", format]);
    }
    let (out, notes) = match row.does {
        Does::GoesOn => (String::new(), log(command)?),
        Does::Ends | Does::SeesNothing => outputs(command)?,
    };
    let page = std::fs::read_to_string(folder.path().join("page.html")).unwrap_or_default();
    if row.does != Does::SeesNothing && !out.contains(MARK) && !notes.contains(MARK) {
        return Err(format!("nothing of it comes through: {out}{notes}").into());
    }
    for canary in canaries() {
        if [&out, &notes, &page].into_iter().any(|text| text.contains(&canary)) {
            return Err("the password comes through".into());
        }
    }
    if arguments.contains("--log-format json") {
        for_a_program(&notes)?;
    } else {
        for_a_terminal(&notes)?;
        for_a_runner(&notes)?;
    }
    if row.does == Does::Ends {
        messages(&notes)?;
    }
    in_format(&out, format)?;
    if arguments.contains("--html") {
        for_a_browser(&page)?;
    }
    Ok(())
}

/// What is said on both outputs by a command that ends.
fn outputs(command: std::process::Command) -> Result<(String, String)> {
    let output = Command::from_std(command).timeout(Duration::from_mins(5)).output()?;
    let (out, notes) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    match output.status.code() {
        Some(0..=2) => Ok((out, notes)),
        code => Err(format!("exit code {code:?}: {notes}").into()),
    }
}

/// The log of a command that goes on, until something of what others wrote is in it.
fn log(mut command: std::process::Command) -> Result<String> {
    let mut running = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let (lines, log) = std::sync::mpsc::channel();
    let stderr = BufReader::new(running.stderr.take().ok_or("no log")?);
    std::thread::spawn(move || {
        stderr.lines().map_while(std::result::Result::ok).try_for_each(|line| lines.send(line))
    });
    let mut all = String::new();
    while !all.contains(MARK) {
        match log.recv_timeout(Duration::from_mins(2)) {
            Ok(line) => all.extend([line.as_str(), "\n"]),
            Err(_) => break,
        }
    }
    running.kill()?;
    running.wait()?;
    Ok(all)
}

fn in_format(out: &str, format: &str) -> Result {
    match format {
        "json" | "sarif" if out.is_empty() => Ok(()),
        // JSON has its own way to write what a terminal would obey.
        "json" => for_a_program(out).and_then(|()| Ok(serde_json::from_str::<Value>(out).map(drop)?)),
        "sarif" => for_a_program(out).and_then(|()| sarif(&serde_json::from_str(out)?)),
        "junit" => for_a_terminal(out).and_then(|()| for_a_runner(out)).and_then(|()| xml(out)),
        "github" => for_a_terminal(out).and_then(|()| github(out)),
        "csv" => for_a_terminal(out).and_then(|()| for_a_runner(out)).and_then(|()| csv(out)),
        // Rego is indented by tabs.
        "yaml" => for_a_terminal(&out.replace('\t', " ")),
        "table" | "text" | "" => for_a_terminal(out).and_then(|()| for_a_runner(out)),
        other => Err(format!("say here what {other:?} must not have").into()),
    }
}

/// Whether a terminal, or a reader's eye, is led by a character.
fn is_obeyed(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

fn for_a_terminal(text: &str) -> Result {
    match text.find(is_obeyed) {
        None => Ok(()),
        Some(at) => Err(format!("a terminal obeys {:?}", shortened(&text[at..])).into()),
    }
}

/// Whoever reads the log of a job, and the runner that does what its lines say, sees lines of ours alone. A runner skips spaces
/// at the start of a line, and finds `##[` anywhere in it.
fn for_a_runner(text: &str) -> Result {
    let forged = |line: &&str| {
        let line = line.trim_start();
        line.contains("##[") || FORGED.iter().any(|begin| line.starts_with(begin.trim_start()))
    };
    match text.lines().find(forged) {
        None => Ok(()),
        Some(line) => Err(format!("a line of others: {:?}", shortened(line)).into()),
    }
}

/// Each line is a message of ours, or belongs to what is said of wrong usage.
fn messages(notes: &str) -> Result {
    let is_ours = |line: &str| {
        line.is_empty()
            || ["error: ", "note: ", "Usage: ", "For more information", "  "]
                .iter()
                .any(|it| line.starts_with(it))
    };
    match notes.lines().find(|line| !is_ours(line)) {
        None => Ok(()),
        Some(line) => Err(format!("no message of ours: {:?}", shortened(line)).into()),
    }
}

fn for_a_program(text: &str) -> Result {
    match text.find(|c: char| c.is_control() && c != '\n' && c < '\u{80}') {
        None => Ok(()),
        Some(at) => Err(format!("it has {:?}", shortened(&text[at..])).into()),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

/// SARIF's texts are for people, in which square brackets may make a link; its properties are data, which viewers show.
fn sarif(document: &Value) -> Result {
    let run = &document["runs"][0];
    let all = [&run["results"], &run["invocations"][0]["toolExecutionNotifications"]];
    for result in all.into_iter().filter_map(Value::as_array).flatten() {
        let texts = [
            &result["message"]["text"],
            &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        ];
        texts.into_iter().filter_map(Value::as_str).try_for_each(for_a_terminal)?;
        for_a_terminal(&texts_of(&result["properties"]).join("\n"))?;
        let message = result["message"]["text"].as_str().unwrap_or_default();
        if message.replace(r"\]", "").contains("](") {
            return Err(format!("a link of others: {:?}", shortened(message)).into());
        }
    }
    Ok(())
}

/// All texts of a document, names of fields included.
fn texts_of(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.replace('\n', "\r")],
        Value::Array(items) => items.iter().flat_map(texts_of).collect(),
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| [vec![name.clone()], texts_of(value)].concat()).collect()
        }
        _ => vec![],
    }
}

/// It nests as it should, and no element is anybody's but ours.
fn xml(text: &str) -> Result {
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event()? {
            Event::Start(element) | Event::Empty(element) => {
                let name = String::from_utf8(element.name().as_ref().to_vec())?;
                if ["img", "script"].contains(&name.as_str()) {
                    return Err(format!("an element {name}").into());
                }
            }
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// A line is a command where it begins with two colons, and those are ours.
fn github(text: &str) -> Result {
    match text.lines().find(|line| line.starts_with("::") && !line.contains(" file=")) {
        Some(line) => Err(format!("a command of others: {:?}", shortened(line)).into()),
        None if text.contains("]]>%0A") => Err("a line ends within a command".into()),
        None => Ok(()),
    }
}

/// No cell is a formula. Names are quoted where they hold a comma, so every cell begins behind one.
fn csv(text: &str) -> Result {
    let begins = |line: &str| {
        line.split(',').any(|cell| cell.trim_start_matches('"').starts_with(['=', '+', '-', '@']))
    };
    match text.lines().find(|line| begins(line)) {
        Some(line) => Err(format!("a formula in {:?}", shortened(line)).into()),
        None => Ok(()),
    }
}

/// What others wrote is data alone.
fn for_a_browser(page: &str) -> Result {
    let scripts = (page.matches("<script").count(), page.matches("</script>").count());
    let marked = ["<img", "&amp;", "]]>"].into_iter().find(|markup| page.contains(markup));
    let led = page.find(is_obeyed);
    match (scripts, marked, led) {
        ((2, 2), None, None) => Ok(()),
        found => Err(format!("the page has {found:?}").into()),
    }
}
