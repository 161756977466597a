//! What can be wrong with the system.

use std::sync::Arc;

use gatewright_api::Reason;
use gatewright_gatekeeper::{PodStatus, PodStatusError};

use crate::judge::age::tests::tagged;
use crate::judge::builtin::Builtin;
use crate::judge::fixtures::{edited, foreign, held, live, taken_in};
use crate::watch::desired::Prepared;
use crate::watch::kind::{Id, Kind};
use crate::watch::live::Live;
use crate::watch::observe::SystemSnapshot;
use crate::watch::published::Problem;
use crate::watch::report_kind::NAMESPACED;

/// Replaces one template.
fn with_template(snapshot: &mut SystemSnapshot, builtin: &Builtin, live: impl Fn(&Prepared) -> Option<Live>) {
    let seen = &mut snapshot.templates[0];
    let found = live(builtin.template(seen.which));
    seen.template.live = found.map(Arc::new);
}

pub(super) fn with_standard(
    snapshot: &mut SystemSnapshot,
    builtin: &Builtin,
    live: impl Fn(&Prepared) -> Option<Live>,
) {
    let found = live(&builtin.standards[0].prepared);
    snapshot.standards[0].snapshot.constraint.live = found.map(Arc::new);
}

fn rejected(prepared: &Prepared) -> Live {
    let error = PodStatusError { code: "c".into(), message: "rego_parse_error".into() };
    let live = taken_in(prepared);
    let report = PodStatus { errors: vec![error], ..live.reports[0].clone() };
    Live { reports: vec![report], ..live }
}

pub(super) type Change = Box<dyn Fn(&mut SystemSnapshot, &Builtin)>;

fn change(change: impl Fn(&mut SystemSnapshot, &Builtin) + 'static) -> Change {
    Box::new(change)
}

/// What is wrong, the condition that says so, its reason, and what the message contains.
pub(super) type Fault = (Change, &'static str, Reason, &'static str);

pub(super) fn faults() -> Vec<Fault> {
    [of_gatekeeper(), of_templates(), of_standards(), of_the_rest()].into_iter().flatten().collect()
}

fn of_gatekeeper() -> Vec<Fault> {
    vec![
        (
            change(|it, _| it.policies[1].1 = false),
            "PoliciesServed",
            Reason::NotServed,
            "the API server does not serve OperationPolicy, or not to the operator: install the CRDs of gatewright",
        ),
        (
            change(|it, _| {
                it.lacking.insert("OperationPolicy".to_owned(), vec!["spec.policies.x".to_owned()]);
            }),
            "PoliciesServed",
            Reason::CrdOutdated,
            "the installed CRD of OperationPolicy is older than this operator and lacks spec.policies.x",
        ),
        (
            change(|it, _| it.gatekeeper = tagged("v3.17.0")),
            "GatekeeperFound",
            Reason::TooOld,
            "Gatekeeper is too old: the image of Pod gatekeeper-1 is v3.17.0. gatewright needs Gatekeeper 3.22",
        ),
        (
            change(|it, _| it.templates_served = false),
            "GatekeeperFound",
            Reason::WaitingForGatekeeper,
            "the API server serves no ConstraintTemplates: install Gatekeeper",
        ),
        (
            change(|it, _| it.gatekeeper.processes = Some(vec![])),
            "GatekeeperFound",
            Reason::NoGatekeeperProcess,
            "no process of Gatekeeper answers admission requests",
        ),
    ]
}

fn of_templates() -> Vec<Fault> {
    vec![
        (
            change(|it, _| it.gatekeeper.processes = Some(vec![])),
            "TemplatesInstalled",
            Reason::NoGatekeeperProcess,
            "there is no process of Gatekeeper to take in our templates",
        ),
        (
            change(|it, builtin| with_template(it, builtin, |_| None)),
            "TemplatesInstalled",
            Reason::WaitingForGatekeeper,
            "the ConstraintTemplate d8securitypolicy is not there yet",
        ),
        (
            change(|it, builtin| with_template(it, builtin, |prepared| Some(edited(prepared)))),
            "TemplatesInstalled",
            Reason::ApplyFailed,
            "the ConstraintTemplate d8securitypolicy is not as it should be",
        ),
        (
            change(|it, builtin| with_template(it, builtin, |prepared| Some(foreign(prepared)))),
            "TemplatesInstalled",
            Reason::Conflict,
            "ConstraintTemplate d8securitypolicy exists and is not ours",
        ),
        (
            change(|it, builtin| with_template(it, builtin, |prepared| Some(held(prepared)))),
            "TemplatesInstalled",
            Reason::BeingDeleted,
            "held by finalizers of others (example.com/hold)",
        ),
        (
            change(|it, builtin| with_template(it, builtin, |prepared| Some(live(prepared)))),
            "TemplatesInstalled",
            Reason::NotEnforcedBy,
            "d8securitypolicy: gatekeeper-1 has not reported on the template",
        ),
        (
            change(|it, builtin| with_template(it, builtin, |prepared| Some(rejected(prepared)))),
            "TemplatesInstalled",
            Reason::TemplateRejected,
            "gatekeeper-1 cannot compile the ConstraintTemplate d8securitypolicy: rego_parse_error",
        ),
    ]
}

fn of_standards() -> Vec<Fault> {
    vec![
        (
            change(|it, builtin| with_standard(it, builtin, |_| None)),
            "StandardsEnforced",
            Reason::WaitingForGatekeeper,
            "the constraint is not there yet",
        ),
        (
            change(|it, builtin| with_standard(it, builtin, |prepared| Some(edited(prepared)))),
            "StandardsEnforced",
            Reason::NotApplied,
            "the constraint is not as it should be",
        ),
        (
            change(|it, _| it.gatekeeper.webhooks.clear()),
            "StandardsEnforced",
            Reason::NotRouted,
            "there is no ValidatingWebhookConfiguration with the label gatekeeper.sh/system=yes",
        ),
    ]
}

fn of_the_rest() -> Vec<Fault> {
    vec![
        (
            change(|it, _| it.routing = None),
            "ExecGuard",
            Reason::WaitingForGatekeeper,
            "nothing is known yet of what Gatekeeper is asked",
        ),
        (
            change(|it, _| it.routing = None),
            "Routing",
            Reason::WaitingForGatekeeper,
            "nothing is known yet of what Gatekeeper is asked",
        ),
        (
            change(|it, _| it.report_kinds.sources_known = false),
            "Reports",
            Reason::WaitingForGatekeeper,
            "reports stay as they are while not all constraints are known",
        ),
        (
            change(|it, _| {
                let id =
                    Id { namespace: "shop".into(), ..Id::new(Kind::Report(&NAMESPACED[0]), "gatewright") };
                let problem = Problem { reason: Reason::Conflict, message: "not ours".into() };
                it.reports.as_mut().unwrap().problems.insert(id, problem);
            }),
            "Reports",
            Reason::Conflict,
            "not ours",
        ),
        (
            change(|it, _| it.settings_problem = Some("line 3: routing.conect is unknown".into())),
            "Settings",
            Reason::Broken,
            "the settings file is refused and the settings before it stay in force: line 3: routing.conect is unknown",
        ),
    ]
}
