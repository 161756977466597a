//! Whether a constraint is enforced, from what Gatekeeper and the API server show.

use std::collections::BTreeSet;

use gatewright_api::Reason;
use gatewright_compiler::Settings;
use gatewright_gatekeeper::{
    Matcher, Route, Routing, SYSTEM_LABEL, TemplateError, Verdict, expected_processes, judge, routing,
};

use crate::judge::conditions::Judgement;
use crate::watch::desired::Applied;
use crate::watch::live::Live;
use crate::watch::observe::Gatekeeper;

/// The template of a constraint, in a sentence.
pub(crate) const OURS: &str = "our ConstraintTemplate";

/// Whether a constraint that is in the API as it should be is enforced.
pub(crate) fn enforced(
    gatekeeper: &Gatekeeper,
    settings: &Settings,
    template: &Live,
    constraint: &Applied,
    routes: &[Route],
) -> Judgement {
    let constraint = constraint.live();
    let Some(expected) = expected(gatekeeper, template, constraint) else {
        let message = "the operator may not watch the Pods of Gatekeeper's namespace, so it cannot tell which \
                       processes must enforce: look at its Role there";
        return Judgement::no(Reason::NoGatekeeperProcess, message);
    };
    match judge(&expected, &template.subject(), &constraint.subject()) {
        Verdict::Enforced => {
            let webhooks = gatekeeper.webhooks.iter().map(AsRef::as_ref);
            let found = routing(webhooks, settings.routing.upstream.as_deref(), routes);
            routed(&found).unwrap_or_else(|| by(&expected, &found, exempt(gatekeeper, constraint).as_deref()))
        }
        Verdict::NoProcess => Judgement::no(
            Reason::NoGatekeeperProcess,
            "no process of Gatekeeper answers admission requests: look at the Pods of its namespace",
        ),
        Verdict::TemplateRejected(error) => rejected(&error, OURS),
        Verdict::NotEnforcedBy(missing) => not_enforced_by(&missing),
    }
}

/// The processes that must enforce a constraint; none where the operator may not watch their Pods.
pub(crate) fn expected(
    gatekeeper: &Gatekeeper,
    template: &Live,
    constraint: &Live,
) -> Option<BTreeSet<String>> {
    let reports = [&template.reports[..], &constraint.reports[..]].concat();
    let processes = gatekeeper.processes.as_ref()?;
    Some(expected_processes(processes.iter().map(AsRef::as_ref), &reports))
}

/// What keeps requests from Gatekeeper.
fn routed(routing: &Routing) -> Option<Judgement> {
    if routing.configurations.is_empty() {
        let (key, value) = SYSTEM_LABEL;
        let message = format!(
            "there is no ValidatingWebhookConfiguration with the label {key}={value}: the API server does not \
             ask Gatekeeper; install it, or name it in the settings (gatekeeper.webhookConfiguration)"
        );
        return Some(Judgement::no(Reason::NotRouted, message));
    }
    (!routing.missing.is_empty()).then(|| Judgement::no(Reason::NotRouted, not_routed(routing)))
}

fn by(expected: &BTreeSet<String>, routing: &Routing, exempt: Option<&str>) -> Judgement {
    let processes: Vec<_> = expected.iter().map(String::as_str).collect();
    let mut message = format!("enforced by {}", processes.join(", "));
    if routing.fails_open {
        message += "; the webhook's failure policy is Ignore: requests pass while Gatekeeper does not answer";
    }
    if let Some(exempt) = exempt {
        message.push_str("; Gatekeeper's Config exempts ");
        message.push_str(exempt);
    }
    Judgement::yes(Reason::Enforced, message)
}

/// The namespaces in reach that Gatekeeper's `Config` keeps away from every constraint.
fn exempt(gatekeeper: &Gatekeeper, constraint: &Live) -> Option<String> {
    if gatekeeper.exemptions.is_empty() {
        return None;
    }
    let everything = Matcher::default();
    let matcher = constraint.matcher.as_deref().unwrap_or(&everything);
    let exempt = gatekeeper.exemptions.iter().filter(|exemption| exemption.in_reach_of(matcher));
    let exempt: Vec<_> = exempt.map(|exemption| exemption.namespaces.as_str()).collect();
    (!exempt.is_empty()).then(|| exempt.join(", "))
}

/// A process cannot compile a template of ours. Templates compile in every release that we support, so something about
/// this one is unusual.
pub(crate) fn rejected(error: &TemplateError, template: &str) -> Judgement {
    let TemplateError { process, message } = error;
    let message = format!(
        "{process} cannot compile {template}: {message}; compare this Gatekeeper's version \
         and its flag --disable-opa-builtin with the documentation"
    );
    Judgement::no(Reason::TemplateRejected, message)
}

/// These processes lag behind, each with the reason.
pub(crate) fn not_enforced_by(missing: &[(String, String)]) -> Judgement {
    let missing: Vec<_> = missing.iter().map(|(process, why)| format!("{process} {why}")).collect();
    let message = format!("{}; if this lasts, look at the log of that Pod", missing.join("; "));
    Judgement::no(Reason::NotEnforcedBy, message)
}

fn not_routed(routing: &Routing) -> String {
    let missing: Vec<_> = routing
        .missing
        .iter()
        .map(|Route { group, resource, operation }| {
            let dot = if group.is_empty() { "" } else { "." };
            format!("{operation} of {resource}{dot}{group}")
        })
        .collect();
    let configurations = routing.configurations.join(", ");
    format!(
        "the webhook configuration {configurations} does not send Gatekeeper {}: add that to the rules of its entry \
         validation.gatekeeper.sh",
        missing.join(", ")
    )
}

#[cfg(test)]
mod tests;
