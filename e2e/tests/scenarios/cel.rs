//! Expressions in CEL against policies of the API server: verdicts and texts.

#[path = "../gatekeeper/cel/cases.rs"]
mod cases;
#[path = "../gatekeeper/cel/differences.rs"]
mod differences;
#[path = "../gatekeeper/cel/ours.rs"]
mod ours;
mod policies;

use anyhow::Result;
use gatewright_e2e::Cluster;

use cases::Cases;
use differences::{Differences, Kind};

/// How many variants of each expression there are, beside the first.
const VARIANTS: usize = 1;

const KNOWN: [Kind; 7] = [
    Kind::InternalError,
    Kind::Order,
    Kind::Timestamp,
    Kind::Qualifier,
    Kind::Nan,
    Kind::Authorizer,
    Kind::Request,
];

/// Policies of the API server have another version of the same library.
pub(crate) async fn means_the_same(cluster: &Cluster) -> Result<()> {
    let cases = Cases::read(VARIANTS)?;
    let ours = ours::ours(&cases)?;
    let theirs = policies::answers(cluster, &cases).await?;
    Differences::find(&KNOWN, &cases, &ours, &theirs).report(&cases)
}
