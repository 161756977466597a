//! Values that the tables of decisions are made from.

use std::sync::Arc;

use gatewright_gatekeeper::{PodStatus, Process, WEBHOOK_OPERATION};
use gatewright_rules::Template;
use serde_json::json;

use crate::judge::builtin::Builtin;
use crate::watch::desired::{Applied, Difference, Found, Prepared, Write};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::observe::Gatekeeper;

/// The one process of Gatekeeper.
pub(crate) const PROCESS: &str = "gatekeeper-1";

pub(crate) fn builtin() -> Builtin {
    Builtin::new(gatewright_compiler::Settings::default())
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
pub(crate) fn template(builtin: &Builtin, template: &Template) -> Arc<Live> {
    Arc::new(taken_in(builtin.template(template.kind).unwrap()))
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
        ..Process::default()
    };
    Gatekeeper {
        processes: Some(vec![Arc::new(process)]),
        webhooks: vec![Arc::new(serde_json::from_value(webhooks).unwrap())],
        exemptions: vec![],
    }
}
