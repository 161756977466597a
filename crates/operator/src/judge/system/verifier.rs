//! The verifier of image signatures.

use std::time::Duration;

use gatewright_api::Reason;
use gatewright_compiler::{SIGNATURES_ENABLED, Settings};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::judge::conditions::Judgement;
use crate::judge::verifier::{unprovided, unreachable};
use crate::watch::observe::VerifierView;
use crate::watch::published::{NoAnswer, VerifierReplica, Verifiers};

/// A served certificate that ends sooner was not renewed as it should.
const SOON: Duration = Duration::from_hours(24 * 14);

/// A Provider that may take so many seconds can hold Gatekeeper, for every policy.
const SLOW: i64 = 2;

/// How many Providers a message names.
const NAMED: usize = 10;

/// Whether the verifier answers, and what may hold Gatekeeper beside it.
pub(super) fn judge(view: &VerifierView, settings: &Settings, now: &Time) -> Judgement {
    let mut judgement =
        if settings.signatures.is_enabled() { answering(view, settings, now) } else { not_needed() };
    if let Some(slow) = slow(&view.others).filter(|_| settings.signatures.is_enabled()) {
        judgement.message = format!("{}; {slow}", judgement.message);
    }
    judgement
}

fn not_needed() -> Judgement {
    let message = format!("no signatures are verified: {SIGNATURES_ENABLED} is false in the settings");
    Judgement::yes(Reason::NotNeeded, message)
}

fn answering(view: &VerifierView, settings: &Settings, now: &Time) -> Judgement {
    if let Some(unprovided) = unprovided(view, settings) {
        return unprovided;
    }
    let said = view.said.as_deref();
    if let Some(NoAnswer::Certificate(text)) = said.and_then(|said| said.failure.as_ref()) {
        let message = format!(
            "a verifier serves a certificate that Gatekeeper does not trust ({text}): look at whether its Pod mounts the \
             Secret that the operator writes"
        );
        return Judgement::no(Reason::CertificateStale, message);
    }
    let Some(said) = said.filter(|said| said.replicas.values().any(|replica| replica.ready)) else {
        return not_ready(said).unwrap_or_else(|| unreachable(said, settings));
    };
    if let Some((name, ends)) =
        said.replicas.iter().find_map(|(name, replica)| Some((name, ending(replica, now)?)))
    {
        let message = format!(
            "{name} serves a certificate that ends at {ends}: look at the operator's log, and at whether the Pod mounts the \
             Secret that the operator writes"
        );
        return Judgement::no(Reason::CertificateStale, message);
    }
    Judgement::yes(Reason::Answering, format!("images are verified by {}", names(said)))
}

/// Verifiers answer, and none is ready.
fn not_ready(said: Option<&Verifiers>) -> Option<Judgement> {
    let said = said.filter(|said| !said.replicas.is_empty())?;
    let names: Vec<_> = said.replicas.keys().map(String::as_str).collect();
    let message = format!("no verifier is ready: /readyz of {} says what is missing", names.join(", "));
    Some(Judgement::no(Reason::VerifierUnreachable, message))
}

/// When the certificate of a replica ends, if that is soon.
fn ending(replica: &VerifierReplica, now: &Time) -> Option<String> {
    replica.ends.filter(|ends| *ends <= now.0 + SOON).map(|ends| ends.to_string())
}

fn names(said: &Verifiers) -> String {
    let name = |(name, replica): (&String, &VerifierReplica)| {
        if replica.ready { name.clone() } else { format!("{name} (not ready)") }
    };
    said.replicas.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The Providers of others that can hold Gatekeeper.
fn slow(others: &[(String, i64)]) -> Option<String> {
    let slow: Vec<_> = others.iter().filter(|(_, timeout)| *timeout >= SLOW).collect();
    let named: Vec<_> =
        slow.iter().take(NAMED).map(|(name, timeout)| format!("{name} ({timeout} s)")).collect();
    let more = slow.len() - named.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let message = || {
        format!(
            "these Providers may take {SLOW} s or longer for an answer, and hold Gatekeeper for every policy meanwhile: {}{more}",
            named.join(", ")
        )
    };
    (!slow.is_empty()).then(message)
}
