//! Values that the tables of decisions are made from.

use std::sync::{Arc, LazyLock};

use gatewright_api::{PolicyStatus, Reason};
use gatewright_compiler::Settings;
use gatewright_gatekeeper::{PodStatus, Process, WEBHOOK_OPERATION};
use gatewright_rules::Template;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::json;

use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::draft::Outcome;
use crate::judge::plan::{Action, ActionKind, Plan, Status};
use crate::watch::desired::{Applied, Difference, Found, Prepared, Write};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::observe::Gatekeeper;

/// The one process of Gatekeeper.
pub(crate) const PROCESS: &str = "gatekeeper-1";

/// What the default settings decide. Templates take their time to make.
pub(crate) fn builtin() -> &'static Builtin {
    static BUILTIN: LazyLock<Builtin> = LazyLock::new(|| Builtin::new(Settings::default()));
    &BUILTIN
}

/// The same where signatures of images are verified.
pub(crate) fn signing() -> &'static Builtin {
    static BUILTIN: LazyLock<Builtin> = LazyLock::new(|| {
        let mut settings = Settings::default();
        settings.signatures.enabled = Some(true);
        Builtin::new(settings)
    });
    &BUILTIN
}

/// The object as the API server stores it, in its first version.
pub(crate) fn live(prepared: &Prepared) -> Live {
    let mut object = prepared.object();
    object.metadata.uid = Some(format!("uid of {}", prepared.id.name));
    object.metadata.resource_version = Some("1".to_owned());
    object.metadata.generation = Some(1);
    Live::from(object)
}

/// The same, and taken in by the process.
pub(crate) fn taken_in(prepared: &Prepared) -> Live {
    reported(live(prepared))
}

/// The object, taken in by the process as it is.
pub(crate) fn reported(live: Live) -> Live {
    let report = PodStatus {
        id: PROCESS.to_owned(),
        uid: live.uid.clone(),
        operations: vec![WEBHOOK_OPERATION.to_owned()],
        observed_generation: Some(live.generation),
        errors: vec![],
        enforced: true,
    };
    Live { reports: vec![report], ..live }
}

/// Somebody else's object.
pub(crate) fn foreign(prepared: &Prepared) -> Live {
    Live { ours: false, ..live(prepared) }
}

/// Our object, which somebody deleted and somebody else holds.
pub(crate) fn held(prepared: &Prepared) -> Live {
    Live { held_by: Some(vec!["example.com/hold".to_owned()]), ..live(prepared) }
}

/// The object with a field that somebody added.
pub(crate) fn edited(prepared: &Prepared) -> Live {
    let mut object = prepared.object();
    object.data["spec"]["added"] = json!(true);
    let Live { spec, .. } = Live::from(object);
    Live { spec, editor: Some("kubectl-edit".to_owned()), generation: 2, ..live(prepared) }
}

/// The ClusterRole that owns what goes with the release.
pub(crate) fn release() -> OwnerReference {
    serde_json::from_value(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": "gatewright", "uid": "uid of the role",
        "blockOwnerDeletion": false,
    }))
    .unwrap()
}

/// What undoes that edit.
pub(crate) fn update(live: &Arc<Live>) -> Write {
    let difference = Difference { fields: vec!["spec.added".to_owned()], surplus: true };
    Write::Update { live: Arc::clone(live), difference }
}

/// Nothing is remembered of the object.
pub(crate) fn unremembered(live: Option<&Arc<Live>>) -> Observed {
    Observed { live: live.cloned(), ..Observed::default() }
}

/// The object was left as it should be.
pub(crate) fn remembered(prepared: &Arc<Prepared>, live: Option<&Arc<Live>>) -> Observed {
    Observed { last_applied: Some(Arc::clone(prepared)), ..unremembered(live) }
}

pub(crate) fn applied(prepared: &Prepared, live: &Arc<Live>) -> Applied {
    match prepared.compare(Some(live)) {
        Found::Applied(applied) => applied,
        other => panic!("{other:?}"),
    }
}

/// Our template, taken in by the process.
pub(crate) fn template(builtin: &Builtin, template: Template) -> Arc<Live> {
    Arc::new(taken_in(builtin.template(template)))
}

/// One process, and upstream's webhook configuration, which sends it everything.
pub(crate) fn gatekeeper() -> Gatekeeper {
    let webhooks = json!({
        "metadata": {"name": "gatekeeper", "labels": {"gatekeeper.sh/system": "yes"}},
        "webhooks": [{
            "name": "validation.gatekeeper.sh", "failurePolicy": "Fail", "sideEffects": "None",
            "admissionReviewVersions": ["v1"], "clientConfig": {},
            "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}],
        }],
    });
    let process = Process {
        name: PROCESS.to_owned(),
        labels: [("control-plane".to_owned(), "controller-manager".to_owned())].into(),
        version: "v3.23.1".to_owned(),
        ..Process::default()
    };
    Gatekeeper {
        processes: Some(vec![Arc::new(process)]),
        webhooks: vec![Arc::new(serde_json::from_value(webhooks).unwrap())],
        exemptions: vec![],
        lacks_operations: false,
    }
}

/// A row of a table: what a decision or a judgement gave, and what it should give and nothing else.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    found: Expected,
    pub(crate) expected: Expected,
}

/// What a table can be about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expected {
    Plan(Box<Plan>),
    Judgement(Judgement),
    Status(Option<Box<PolicyStatus>>),
}

impl From<Plan> for Expected {
    fn from(plan: Plan) -> Self {
        Self::Plan(Box::new(plan))
    }
}

impl From<Judgement> for Expected {
    fn from(judgement: Judgement) -> Self {
        Self::Judgement(judgement)
    }
}

impl From<Option<PolicyStatus>> for Expected {
    fn from(status: Option<PolicyStatus>) -> Self {
        Self::Status(status.map(Box::new))
    }
}

impl Row {
    pub(crate) fn new<T: Into<Expected>>(what: impl Into<String>, found: T, expected: T) -> Self {
        Self { what: what.into(), found: found.into(), expected: expected.into() }
    }
}

/// Each row is as it should be.
pub(crate) fn check(rows: Vec<Row>) {
    assert!(!rows.is_empty());
    for Row { what, found, expected } in rows {
        assert_eq!(found, expected, "{what}");
    }
}

impl Expected {
    /// The kinds of what is to be done.
    pub(crate) fn actions(&self) -> Vec<ActionKind> {
        match self {
            Self::Plan(plan) => plan.actions.iter().map(ActionKind::from).collect(),
            Self::Judgement(_) | Self::Status(_) => vec![],
        }
    }

    /// The reasons that are given.
    pub(crate) fn reasons(&self) -> Vec<String> {
        match self {
            Self::Plan(plan) => of_status(&plan.status),
            Self::Judgement(judgement) => vec![judgement.reason.as_str().to_owned()],
            Self::Status(status) => {
                let conditions = status.iter().flat_map(|status| &status.conditions);
                conditions.map(|condition| condition.reason.clone()).collect()
            }
        }
    }
}

fn of_status(status: &Status) -> Vec<String> {
    let words = |reasons: &[Reason]| reasons.iter().map(|reason| reason.as_str().to_owned()).collect();
    match status {
        Status::Nothing | Status::Routing(_) | Status::Warnings(_) => vec![],
        Status::Policy(draft) => {
            let of_outcome = |outcome: &Outcome| match outcome {
                Outcome::Unsaid | Outcome::Nothing => None,
                Outcome::Applied { enforced, .. } => Some(enforced.reason),
                Outcome::NotApplied { why, .. } => Some(why.reason),
            };
            let outcomes = [&draft.rules, &draft.signatures].into_iter().filter_map(of_outcome);
            words(&outcomes.chain([draft.valid.reason]).collect::<Vec<_>>())
        }
        Status::System(draft) => {
            let conditions = draft.status.iter().flat_map(|status| &status.conditions);
            conditions.map(|condition| condition.reason.clone()).collect()
        }
    }
}

/// A plan that says nothing.
pub(crate) fn silent(actions: Vec<Action>) -> Plan {
    Plan { actions, ..Plan::default() }
}
