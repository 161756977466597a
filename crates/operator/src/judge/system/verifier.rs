//! The verifier of image signatures.

use std::time::Duration;

use gatewright_api::Reason;
use gatewright_compiler::{SIGNATURES_ENABLED, Settings};
use gatewright_rules::Template;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::judge::conditions::Judgement;
use crate::judge::verifier::{unprovided, unreachable};
use crate::watch::observe::{SystemSnapshot, VerifierView};
use crate::watch::published::{NoAnswer, VerifierReplica, Verifiers};

/// A served certificate that ends sooner was not renewed as it should.
const SOON: Duration = Duration::from_hours(24 * 14);

/// A Provider that may take so many seconds can hold Gatekeeper, for every policy.
const SLOW: i64 = 2;

/// How many Providers or constraints a message names.
const NAMED: usize = 10;

/// Whether the verifier answers, and what may hold Gatekeeper beside it.
pub(super) fn judge(snapshot: &SystemSnapshot, settings: &Settings) -> Judgement {
    let view = &snapshot.verifier;
    if !settings.signatures.is_enabled() {
        return not_needed(&snapshot.foreign_signatures);
    }
    let mut judgement = answering(view, settings, &snapshot.now);
    if let Some(slow) = slow(&view.others) {
        judgement.message = format!("{}; {slow}", judgement.message);
    }
    judgement
}

/// `foreign` are the constraints of others, for which the template stays.
fn not_needed(foreign: &[String]) -> Judgement {
    let message = format!("no signatures are verified: {SIGNATURES_ENABLED} is false in the settings");
    if foreign.is_empty() {
        return Judgement::yes(Reason::NotNeeded, message);
    }
    let template = Template::VerifyImageSignatures;
    let message = format!(
        "{message}; the ConstraintTemplate {} stays because of constraints that the operator did not make, and no image that \
         they cover can pass: delete these {}: {}",
        template.name(),
        template.kind(),
        some(foreign.iter().map(String::as_str))
    );
    Judgement::yes(Reason::NotNeeded, message)
}

/// The first of many, separated by commas.
fn some<T: AsRef<str>>(all: impl ExactSizeIterator<Item = T>) -> String {
    let more = all.len().saturating_sub(NAMED);
    let first: Vec<_> = all.take(NAMED).map(|one| one.as_ref().to_owned()).collect();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", first.join(", "))
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
    let message = || {
        format!(
            "these Providers may take {SLOW} s or longer for an answer, and hold Gatekeeper for every policy meanwhile: {}",
            some(slow.iter().map(|(name, timeout)| format!("{name} ({timeout} s)")))
        )
    };
    (!slow.is_empty()).then(message)
}
