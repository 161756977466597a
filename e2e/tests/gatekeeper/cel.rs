//! Expressions in CEL against Gatekeeper's own engine: verdicts and texts.

mod cases;
mod differences;
mod ours;
mod templates;

use anyhow::{Result, ensure};
use gatewright_e2e::paths;

use cases::{Answer, Cases};
use differences::{Differences, Kind};

/// How many variants of each expression there are, beside the first.
const VARIANTS: usize = 1;

const KNOWN: [Kind; 2] = [Kind::InternalError, Kind::Order];

/// Gatekeeper takes expressions from templates.
#[test]
fn gatekeeper_says_the_same() -> Result<()> {
    let cases = Cases::read(VARIANTS)?;
    let ours = ours::ours(&cases)?;
    let theirs = templates::gatekeepers(&cases, &ours)?;
    ensure!(cases.cases.len() >= 400, "{} expressions", cases.cases.len());
    Differences::find(&KNOWN, &cases, &ours, &theirs).report(&cases)?;
    counts(&cases, &ours)
}

/// Templates and objects that were judged wrongly once, where they are present.
#[test]
fn what_was_judged_wrongly_is_judged_right() -> Result<()> {
    let Some(oracle) = paths::oracle() else { return Ok(()) };
    let judge = |files: &[&str]| {
        templates::judge_files(&files.iter().map(|file| oracle.join(file)).collect::<Vec<_>>())
    };
    ensure!(judge(&["attacks/cel-double-not.yaml"])? == Ok(vec!["p: no".to_owned()]));
    ensure!(judge(&["attacks/cel-size-bytes.yaml"])? == Ok(vec![]));
    for file in ["attacks/cel-comment-abort.yaml", "attacks/cel-error-20MB.yaml"] {
        let refused = judge(&[file])?;
        ensure!(refused.as_ref().is_err_and(|message| message.len() < 2_000), "{file}: {refused:?}");
    }
    let folder = |file: &str| format!("field/cel-errors/{file}.yaml");
    let paths = ["template", "constraint", "bad", "no-volumes"].map(folder);
    let found = judge(&paths.each_ref().map(String::as_str))?.map_err(anyhow::Error::msg)?;
    ensure!(
        found[0] == "bad: host paths not allowed: etc" && found[1].ends_with(": no such key: volumes"),
        "{found:?}"
    );
    let claims = ["pvc-template", "pvc-constraint", "pvcs"].map(folder);
    let found = judge(&claims.each_ref().map(String::as_str))?.map_err(anyhow::Error::msg)?;
    ensure!(found.len() == 4 && found[0].starts_with("exp: claim of 2e+12 is over 1.5Ti"), "{found:?}");
    Ok(())
}

/// The expressions must not all come out in the same way.
fn counts(cases: &Cases, ours: &[Answer]) -> Result<()> {
    let (mut refused, mut passed, mut failed, mut errors, mut keys) = (0, 0, 0, 0, 0);
    for answer in ours {
        match answer {
            Answer::Refused(_) => refused += 1,
            Answer::Messages(messages) => {
                passed += cases.objects.len() - messages.len();
                let is_error = |message: &&String| message.contains(" resulted in error: ");
                errors += messages.values().filter(is_error).count();
                failed += messages.values().filter(|message| !is_error(message)).count();
                keys += messages.values().filter(|message| message.contains("no such key: ")).count();
            }
        }
    }
    println!("{refused} refused; {passed} hold, {failed} fail, {errors} are errors, {keys} of a missing key");
    ensure!(
        refused >= 20 && passed >= 200 && failed >= 400 && errors >= 400 && keys >= 400,
        "too much alike"
    );
    Ok(())
}
