//! The Provider, by which Gatekeeper finds the verifier, and what the verifier adds to whether a policy is enforced.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatewright_api::Reason;
use gatewright_compiler::{self as compiler, Settings};
use gatewright_gatekeeper::{Verdict, judge_provider};
use gatewright_rules::verify_image_signatures::PROVIDER;

use crate::Error;
use crate::judge::builtin::Builtin;
use crate::judge::certificate::{self, Facts, Rewrite};
use crate::judge::conditions::Judgement;
use crate::judge::enforcement::not_enforced_by;
use crate::judge::object::{bring, remove};
use crate::judge::ownership::of_release;
use crate::judge::plan::{LOOK_AGAIN, Plan};
use crate::names::VERIFIER_SECRET;
use crate::watch::certificate::{Certificate, Held, certificates};
use crate::watch::desired::{Found, Prepared};
use crate::watch::kind::Kind;
use crate::watch::live::{Live, Obstacle};
use crate::watch::observe::verifier::provider;
use crate::watch::observe::{VerifierSnapshot, VerifierView};
use crate::watch::published::Verifiers;

/// What is to be done about the Provider, and about the Secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Decision {
    pub(crate) plan: Plan,
    pub(crate) secret: Option<SecretAction>,
}

/// What is to be done about the Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretAction {
    /// Write it.
    Write(Rewrite),
    /// Delete it.
    Delete,
}

/// Brings the Provider and its certificate into the API; or takes them away, once no constraint needs them.
pub(crate) fn decide(snapshot: &VerifierSnapshot, builtin: &Builtin) -> Decision {
    if !builtin.settings.signatures.is_enabled() {
        return clear(snapshot);
    }
    let (view, mut decision) = (&snapshot.view, Decision::default());
    if view.secret.as_ref().is_none_or(|held| held.ours) {
        decision.secret = renewal(snapshot, &builtin.settings).map(SecretAction::Write);
        // Time alone may make something due.
        decision.plan.look_again(LOOK_AGAIN);
    }
    if let Some(desired) = desired(view, &builtin.settings).filter(|_| view.served) {
        bring(&desired, &snapshot.provider, &mut decision.plan);
    }
    decision
}

/// First the constraints, which the policies do; then the Provider, the template, and last the Secret.
fn clear(snapshot: &VerifierSnapshot) -> Decision {
    let mut decision = Decision::default();
    if snapshot.constraints {
        return decision;
    }
    remove(&provider(), &snapshot.provider, &mut decision.plan);
    let is_last = !snapshot.template && !snapshot.provider.live.as_ref().is_some_and(|live| live.ours);
    let ours = snapshot.view.secret.as_ref().filter(|held| held.ours);
    decision.secret = ours.filter(|_| is_last).map(|_| SecretAction::Delete);
    decision
}

fn renewal(snapshot: &VerifierSnapshot, settings: &Settings) -> Option<Rewrite> {
    let last_applied = snapshot.provider.last_applied.as_ref();
    let last_trusted = last_applied.map(|prepared| trusted(&prepared.content.value())).unwrap_or_default();
    certificate::decide(&Facts {
        held: snapshot.view.secret.as_deref(),
        host: settings.verifier_url().host(),
        last_trusted: &last_trusted,
        in_force: &in_force(snapshot),
        now: snapshot.now,
    })
}

/// The fingerprints of what every process trusts.
fn in_force(snapshot: &VerifierSnapshot) -> BTreeSet<String> {
    let ours = snapshot.view.provider.as_ref().filter(|live| live.ours);
    let taken_in =
        |live: &&Arc<Live>| judge_provider(&snapshot.expected, &live.subject()) == Verdict::Enforced;
    let trusted = ours.filter(taken_in).map(|live| trusted(&live.spec.value())).unwrap_or_default();
    trusted.into_iter().map(|certificate| certificate.fingerprint).collect()
}

/// What the spec of a Provider trusts.
fn trusted(spec: &serde_json::Value) -> Vec<Certificate> {
    let bundle = spec["caBundle"].as_str().and_then(|text| STANDARD.decode(text).ok());
    certificates(&bundle.unwrap_or_default())
}

/// The Provider as it should be; none while there is no certificate that it could trust.
fn desired(view: &VerifierView, settings: &Settings) -> Option<Arc<Prepared>> {
    let held: &Held = view.secret.as_deref().filter(|held| held.ours)?;
    let provider = compiler::provider(settings, &certificate::bundle(held)?);
    let prepared = Prepared::new(Kind::Provider, &provider.metadata, &provider);
    Some(Arc::new(Prepared { owners: of_release(view.release.as_ref()), ..prepared }))
}

/// What keeps Gatekeeper from asking the verifier; none where the Provider is in the API as it should be.
pub(crate) fn unprovided(view: &VerifierView, settings: &Settings) -> Option<Judgement> {
    let live = view.provider.as_ref();
    let secret = || format!("{}/{VERIFIER_SECRET}", settings.operator_namespace);
    if !view.served {
        let message = "the API server serves no Providers, or not to the operator: Gatekeeper needs its CRD \
                       providers.externaldata.gatekeeper.sh and the flag --enable-external-data";
        return Some(Judgement::no(Reason::WaitingForGatekeeper, message));
    }
    if let Some(obstacle) = live.and_then(|live| live.obstacle()) {
        return Some(blocked(&obstacle));
    }
    if !view.secret_served {
        let message = format!("the operator may not see the Secret {}: look at its Role there", secret());
        return Some(Judgement::no(Reason::ApplyFailed, message));
    }
    if view.secret.as_ref().is_some_and(|held| !held.ours) {
        let error = Error::Conflict { kind: "Secret".to_owned(), name: secret() };
        return Some(Judgement::failed(&error));
    }
    let Some(desired) = desired(view, settings) else {
        let message = format!(
            "the Secret {} has no certificate yet; if this lasts, look at the operator's log",
            secret()
        );
        return Some(Judgement::no(Reason::ApplyFailed, message));
    };
    match desired.compare(live) {
        Found::Applied(_) => None,
        Found::Blocked(obstacle) => Some(blocked(&obstacle)),
        Found::Differs(_) => {
            let message = format!(
                "the Provider {PROVIDER} is not as it should be; if this lasts, look at the operator's log"
            );
            Some(Judgement::no(Reason::ApplyFailed, message))
        }
    }
}

fn blocked(obstacle: &Obstacle) -> Judgement {
    Judgement::failed(&obstacle.error(&provider()))
}

/// What keeps the verifier from deciding about the images of a policy with the entries of this revision; none where the
/// verifier is in order. `expected` are the processes of Gatekeeper that must enforce.
pub(crate) fn obstacle(
    view: &VerifierView,
    settings: &Settings,
    expected: &BTreeSet<String>,
    constraint: &str,
    revision: &str,
) -> Option<Judgement> {
    if let Some(unprovided) = unprovided(view, settings) {
        return Some(unprovided);
    }
    let subject = view.provider.as_ref().map(|live| live.subject()).unwrap_or_default();
    match judge_provider(expected, &subject) {
        Verdict::Enforced | Verdict::TemplateRejected(_) => {}
        Verdict::NoProcess => {
            let message = "there is no process of Gatekeeper that could ask the verifier";
            return Some(Judgement::no(Reason::NoGatekeeperProcess, message));
        }
        Verdict::NotEnforcedBy(missing) => return Some(not_enforced_by(&missing)),
    }
    match view.said.as_deref() {
        Some(said) if !said.replicas.is_empty() => behind(said, constraint, revision),
        said => Some(unreachable(said, settings)),
    }
}

/// That nobody answers, and why.
pub(crate) fn unreachable(said: Option<&Verifiers>, settings: &Settings) -> Judgement {
    let url = settings.verifier_url();
    let why = said.and_then(|said| said.failure.as_ref()).map(|failure| format!(": {}", failure.text()));
    let message = format!(
        "no verifier answers at {url}{}; images that policies cover are refused: look at the Pods {PROVIDER} and at \
         NetworkPolicies",
        why.unwrap_or_default()
    );
    Judgement::no(Reason::VerifierUnreachable, message)
}

/// The first replica that cannot judge by these entries.
fn behind(said: &Verifiers, constraint: &str, revision: &str) -> Option<Judgement> {
    said.replicas.iter().find_map(|(name, replica)| {
        let why = match replica.constraints.get(constraint) {
            _ if !replica.ready => "is not ready",
            None => "does not know the policy yet",
            Some(known) if known != revision => "does not know the policy's entries yet",
            Some(_) => return None,
        };
        let message = format!("the verifier {name} {why}; if this lasts, look at the log of that Pod");
        Some(Judgement::no(Reason::VerifierBehind, message))
    })
}

#[cfg(test)]
pub(crate) mod tests;
