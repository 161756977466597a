//! Every page: its commands run, its manifests are read, its policies compile, and what it shows is printed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::documents::{Action, Page, Shell, links};
use gatewright_e2e::{Cluster, FailurePolicy, Options, paths};

/// What a reader has after cloning, as far as pages use it.
const CLONED: [&str; 6] =
    ["deploy", "examples", "crds", "action.yml", ".pre-commit-hooks.yaml", "crates/gatewright/tests/cmd"];

/// Pages that need a cluster, in the order in which an administrator comes to them: each goes on where the one before
/// stopped.
const ON_A_CLUSTER: [&str; 12] = [
    "docs/install.md",
    "deploy/charts/gatewright/README.md",
    "docs/first-policy.md",
    "docs/rollout.md",
    "docs/exempt.md",
    "docs/refused.md",
    "docs/troubleshooting.md",
    "docs/operate.md",
    "docs/upgrade.md",
    "docs/verifier.md",
    "docs/image-signatures.md",
    "docs/uninstall.md",
];

/// How many blocks nothing may run.
const NOT_RUN: usize = 15;

/// The README's sessions are those of `make first-run`.
const FIRST_RUN: &str = "README.md";

/// All pages that people read, in the order of their names. Pages about rules are generated from cases that run.
fn pages() -> Result<Vec<Page>> {
    let mut paths: BTreeSet<PathBuf> = [
        "README.md",
        "e2e/README.md",
        "deploy/charts/gatewright/README.md",
        "examples/real-shapes/README.md",
    ]
    .map(PathBuf::from)
    .into();
    for entry in std::fs::read_dir(paths::repository().join("docs"))? {
        let name = entry?.file_name();
        if Path::new(&name).extension().is_some_and(|end| end == "md") {
            paths.insert(Path::new("docs").join(name));
        }
    }
    let read = |path: PathBuf| Page::read(&path, &std::fs::read_to_string(paths::repository().join(&path))?);
    paths.into_iter().map(read).collect()
}

/// Performs the tasks of pages in one folder each, and names all that is not as a page says.
async fn perform(pages: &[&Page], folder: &Path, kubeconfig: &Path) -> Result<()> {
    let mut wrong = vec![];
    for page in pages {
        let begun = std::time::Instant::now();
        let shell = Shell::new(&folder.join(page.path.with_extension("")), kubeconfig, &CLONED)?;
        for task in &page.tasks {
            if page.path == Path::new(FIRST_RUN) && matches!(task.action, Action::Session { .. }) {
                continue;
            }
            if let Err(error) = shell.perform(page, task).await {
                wrong.push(format!("{}:{}: {error:#}", page.path.display(), task.line));
            }
        }
        println!("{}: {:.1} s", page.path.display(), begun.elapsed().as_secs_f64());
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}

#[test]
fn few_blocks_are_not_run() -> Result<()> {
    let pages = pages()?;
    let mut not_run = vec![];
    for page in &pages {
        for task in &page.tasks {
            if let Action::NotRun(reason) = &task.action {
                not_run.push(format!("{}:{}: {reason}", page.path.display(), task.line));
            }
        }
    }
    let all: usize = pages.iter().map(|page| page.tasks.len()).sum();
    println!("{} of {all} blocks are not run:\n{}", not_run.len(), not_run.join("\n"));
    ensure!(not_run.len() <= NOT_RUN, "{} blocks are not run, more than {NOT_RUN}", not_run.len());
    Ok(())
}

/// To files that are there, and to headings in them.
#[test]
fn links_lead_somewhere() -> Result<()> {
    let repository = paths::repository();
    let mut wrong = vec![];
    for page in pages()? {
        for link in links::links(&std::fs::read_to_string(repository.join(&page.path))?) {
            let found = links::target(&page.path, &link).is_some_and(|(file, anchor)| {
                let path = repository.join(file);
                let has = |anchor: &String| {
                    std::fs::read_to_string(&path).is_ok_and(|text| links::anchors(&text).contains(anchor))
                };
                path.exists() && anchor.as_ref().is_none_or(has)
            });
            if !found {
                wrong.push(format!("{}: {link}", page.path.display()));
            }
        }
    }
    ensure!(wrong.is_empty(), "these links lead nowhere:\n{}", wrong.join("\n"));
    Ok(())
}

/// Whoever is paged finds what to do.
#[test]
fn every_alert_has_a_row() -> Result<()> {
    let page = std::fs::read_to_string(paths::repository().join("docs/operate.md"))?;
    for file in ["deploy/alerts.yaml", "deploy/verifier-alerts.yaml"] {
        let text = std::fs::read_to_string(paths::repository().join(file))?;
        let alerts: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
        ensure!(!alerts.is_empty(), "{file} has no alert");
        let missing = alerts.iter().find(|alert| !page.contains(&format!("`{alert}`")));
        ensure!(missing.is_none(), "docs/operate.md has no row of {missing:?}");
    }
    Ok(())
}

/// Whoever finds an event knows what to do. The reasons are those that stand in the sources of what writes events; those
/// of conditions have rows in docs/status.md.
#[test]
fn every_event_has_a_row() -> Result<()> {
    let page = std::fs::read_to_string(paths::repository().join("docs/operate.md"))?;
    let (_, rest) = page.split_once("\n## Events\n").context("no events")?;
    let section = rest.split("\n## ").next().unwrap_or(rest);
    let mut sources = vec![];
    read_sources(&paths::repository().join("crates/operator/src"), &mut sources)?;
    let reasons: BTreeSet<_> = sources.iter().flat_map(|text| reasons_in(text)).collect();
    let finding = std::fs::read_to_string(paths::repository().join("crates/gatekeeper/src/finding.rs"))?;
    let (_, named) = finding.split_once("fn reason(").context("findings have no reasons")?;
    let findings: BTreeSet<_> = words_after(named, " => \"").collect();
    ensure!(findings.len() >= 6 && reasons.len() >= 6, "not all were found: {findings:?} {reasons:?}");
    for reason in reasons.iter().map(String::as_str).chain(findings) {
        let row = section.lines().find(|line| line.starts_with('|') && line.contains(&format!("`{reason}`")));
        let cells = row.with_context(|| format!("docs/operate.md has no row of the event {reason}"))?;
        ensure!(
            cells.split('|').filter(|cell| !cell.trim().is_empty()).count() == 4,
            "what to do is missing: {cells}"
        );
    }
    Ok(())
}

/// The sources below a folder without their tests.
fn read_sources(folder: &Path, into: &mut Vec<String>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_sources(&path, into)?;
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path)?;
            into.push(text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned());
        }
    }
    Ok(())
}

/// The reasons that a source gives to events.
fn reasons_in(source: &str) -> Vec<String> {
    let written =
        ["Notice { reason: \"", "warning(\"", "EventType::Warning, \"", "events.warn(&news.id.namespace, \""];
    written.iter().flat_map(|before| words_after(source, before)).map(str::to_owned).collect()
}

fn words_after<'a>(text: &'a str, before: &str) -> impl Iterator<Item = &'a str> {
    let parts: Vec<_> = text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect();
    parts.into_iter().filter(|word| word.chars().all(char::is_alphabetic))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_true_without_a_cluster() -> Result<()> {
    let pages = pages()?;
    let offline: Vec<_> =
        pages.iter().filter(|page| !ON_A_CLUSTER.iter().any(|path| page.path == Path::new(path))).collect();
    let folder = std::env::temp_dir().join(format!("gatewright-pages-{}", std::process::id()));
    let done = perform(&offline, &folder, Path::new("/nowhere")).await;
    std::fs::remove_dir_all(&folder)?;
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_true_on_a_cluster() -> Result<()> {
    let pages = pages()?;
    let find = |path: &str| pages.iter().find(|page| page.path == Path::new(path)).context(path.to_owned());
    let online = ON_A_CLUSTER.iter().map(|path| find(path)).collect::<Result<Vec<_>>>()?;
    // As upstream installs it, with an audit that is soon over.
    let (failure_policy, audit_interval) = (FailurePolicy::Ignore, 2);
    let options = Options { failure_policy, audit_interval, ..Options::new("test-documents") };
    Cluster::run(options, async |cluster| {
        let folder = cluster.directory().join("pages");
        cluster.with_pods_run(async || perform(&online, &folder, &cluster.kubeconfig()).await).await
    })
    .await
}

/// What a rule's page shows is made of cases that Gatekeeper has judged; the policies in it compile.
#[test]
fn policies_on_the_pages_about_rules_compile() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("gatewright-rule-pages-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let mut count = 0;
    for (kind, page) in [("SecurityPolicy", "security-policy"), ("OperationPolicy", "operation-policy")] {
        let text = std::fs::read_to_string(paths::repository().join(format!("docs/rules/{page}.md")))?;
        for block in text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
            let Some(policies) = policies(block) else { continue };
            count += 1;
            let head = format!(
                "apiVersion: deckhouse.io/v1alpha1\nkind: {kind}\nmetadata: {{name: a-{count}}}\nspec:\n"
            );
            std::fs::write(folder.join(format!("{count}.yaml")), head + &policies)?;
        }
    }
    let mut render = std::process::Command::new(gatewright_e2e::operator::binary()?);
    let output = render.args(["render", "--constraints", "-o", "json", "-f"]).arg(&folder).output()?;
    std::fs::remove_dir_all(&folder)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rendered: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    let found = rendered["items"].as_array().map_or(0, Vec::len);
    ensure!(count > 30 && found == count, "{found} constraints of {count} policies");
    Ok(())
}

/// The spec of a policy whose example shows only its `policies`, perhaps with a `match`.
fn policies(block: &str) -> Option<String> {
    if !block.starts_with("policies:") && !block.starts_with("match:") {
        return None;
    }
    let lines: Vec<_> = block.lines().map(|line| format!("  {line}\n")).collect();
    let spec = lines.concat();
    let everywhere = "  match: {namespaceSelector: {matchNames: [\"*\"]}}\n";
    Some(if block.contains("\nmatch:") || block.starts_with("match:") { spec } else { spec + everywhere })
}
