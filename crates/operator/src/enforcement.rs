//! Whether a constraint is enforced, from what Gatekeeper and the API server show.

use std::collections::BTreeSet;

use gatewright_api::Reason;
use gatewright_gatekeeper::{
    Exemption, Process, Route, Routing, SYSTEM_LABEL, TemplateError, Verdict, WEBHOOK_CONFIGURATION,
    expected_processes, judge, routing,
};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use std::sync::Arc;

use crate::conditions::Judgement;
use crate::live::Live;
use crate::world::World;

/// The template of a constraint, in a sentence.
pub(crate) const OURS: &str = "our ConstraintTemplate";

/// What decides whether constraints are enforced.
pub(crate) struct Gatekeeper {
    /// None where the operator may not watch the Pods of Gatekeeper's namespace.
    processes: Option<Vec<Arc<Process>>>,
    webhooks: Vec<Arc<ValidatingWebhookConfiguration>>,
    upstream: Option<String>,
    exemptions: Vec<Exemption>,
}

impl Gatekeeper {
    pub(crate) fn seen(world: &World) -> Self {
        Self {
            processes: world.pods.is_complete().then(|| world.pods.values()),
            webhooks: world.webhooks.values().into_iter().chain(own_webhook(world)).collect(),
            upstream: world.settings.routing.upstream.clone(),
            exemptions: world.exemptions.values().iter().flat_map(|list| list.iter().cloned()).collect(),
        }
    }

    /// Judges a constraint that is in the API as desired.
    pub(crate) fn judge(&self, template: &Live, constraint: &Live, routes: &[Route]) -> Judgement {
        let Some(processes) = &self.processes else {
            let message = "the operator may not watch the Pods of Gatekeeper's namespace, so it cannot tell which \
                           processes must enforce: look at its Role there";
            return Judgement::no(Reason::NoGatekeeperProcess, message);
        };
        let reports = [&template.reports[..], &constraint.reports[..]].concat();
        let expected = expected_processes(processes.iter().map(AsRef::as_ref), &reports);
        match judge(&expected, &template.subject(), &constraint.subject()) {
            Verdict::Enforced => self.judge_routing(&expected, constraint, routes),
            Verdict::NoProcess => Judgement::no(
                Reason::NoGatekeeperProcess,
                "no process of Gatekeeper answers admission requests: look at the Pods of its namespace",
            ),
            Verdict::TemplateRejected(error) => rejected(&error, OURS),
            Verdict::NotEnforcedBy(missing) => not_enforced_by(&missing),
        }
    }

    fn judge_routing(&self, expected: &BTreeSet<String>, constraint: &Live, routes: &[Route]) -> Judgement {
        let routing = routing(self.webhooks.iter().map(AsRef::as_ref), self.upstream.as_deref(), routes);
        if routing.configurations.is_empty() {
            let (key, value) = SYSTEM_LABEL;
            let message = format!(
                "there is no ValidatingWebhookConfiguration with the label {key}={value}: the API server does not \
                 ask Gatekeeper; install it, or name it in the settings (gatekeeper.webhookConfiguration)"
            );
            return Judgement::no(Reason::NotRouted, message);
        }
        if !routing.missing.is_empty() {
            return Judgement::no(Reason::NotRouted, not_routed(&routing));
        }
        let processes: Vec<_> = expected.iter().map(String::as_str).collect();
        let mut message = format!("enforced by {}", processes.join(", "));
        if routing.fails_open {
            message +=
                "; the webhook's failure policy is Ignore: requests pass while Gatekeeper does not answer";
        }
        if let Some(exempt) = self.exempt(constraint) {
            message.push_str("; Gatekeeper's Config exempts ");
            message.push_str(&exempt);
        }
        Judgement::yes(Reason::Enforced, message)
    }

    /// The namespaces in reach that Gatekeeper's `Config` keeps away from every constraint.
    fn exempt(&self, constraint: &Live) -> Option<String> {
        if self.exemptions.is_empty() {
            return None;
        }
        let matcher = constraint.matcher.as_deref().cloned().unwrap_or_default();
        let exempt = self.exemptions.iter().filter(|exemption| exemption.in_reach_of(&matcher));
        let exempt: Vec<_> = exempt.map(|exemption| exemption.namespaces.as_str()).collect();
        (!exempt.is_empty()).then(|| exempt.join(", "))
    }
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

/// Our own configuration, which sends Gatekeeper what upstream's does not.
fn own_webhook(world: &World) -> Option<Arc<ValidatingWebhookConfiguration>> {
    let live = world.own_webhook.get(WEBHOOK_CONFIGURATION).filter(|live| live.ours)?;
    let webhooks = serde_json::from_value(live.spec.value()).ok()?;
    let metadata = ObjectMeta { name: Some(WEBHOOK_CONFIGURATION.to_owned()), ..ObjectMeta::default() };
    Some(Arc::new(ValidatingWebhookConfiguration { metadata, webhooks: Some(webhooks) }))
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
