//! Expressions in CEL against Gatekeeper's own engine and against policies of the API server: verdicts and texts.

#[path = "cel/cases.rs"]
mod cases;
#[path = "cel/differences.rs"]
mod differences;
#[path = "cel/policies.rs"]
mod policies;
#[path = "cel/templates.rs"]
mod templates;

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use gatewright_e2e::{Cluster, Options};

use cases::{Case, Cases};
use differences::{Differences, Kind};

/// What is said of one expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It does not compile.
    Refused(String),
    /// The message for each object that fails.
    Messages(BTreeMap<String, String>),
}

/// How many variants of each expression there are, beside the first.
const VARIANTS: usize = 1;

/// Gatekeeper takes expressions from templates.
#[test]
fn gatekeeper_says_the_same() -> Result<()> {
    let cases = Cases::read(VARIANTS)?;
    let ours = templates::ours(&cases)?;
    let theirs = templates::gatekeepers(&cases, &ours)?;
    ensure!(cases.cases.len() >= 400, "{} expressions", cases.cases.len());
    let differences = Differences::find(&cases, &ours, &theirs);
    differences.report("Gatekeeper", &cases)?;
    counts(&cases, &ours)
}

/// Policies of the API server have another version of the same library.
#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_says_the_same() -> Result<()> {
    let mut options = Options::new("cel");
    options.gatekeepers = vec![];
    options.nodes = 0;
    Cluster::run(options, async |cluster| {
        let cases = Cases::read(VARIANTS)?;
        let ours = templates::ours(&cases)?;
        let theirs = policies::answers(cluster, &cases).await?;
        Differences::find(&cases, &ours, &theirs).report("the API server", &cases)
    })
    .await
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
    ensure!(refused >= 20 && passed >= 200 && failed >= 400 && errors >= 400 && keys >= 400, "too much alike");
    Ok(())
}

/// A difference of a kind that is known, with the reason of the documentation.
fn known(case: &Case, object: &str, ours: &str, theirs: &str) -> Option<Kind> {
    differences::kind(case, object, ours, theirs)
}
