//! Kubernetes events: what `kubectl describe` shows of a policy's way.

use std::time::Duration;

use gatewright_api::{GatewrightStatus, Notice, Policy, Reason, SYSTEM_STATUS_NAME};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::api::PostParams;
use kube::core::DynamicObject;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client, Resource as _};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc;
use tracing::warn;

use crate::Error;
use crate::error::request;
use crate::metrics::Metrics;
use crate::names::FIELD_MANAGER;

/// How many events may wait. A burst beyond that is dropped: the policies' status says the same.
const WAITING: usize = 1000;

/// The pause between two events, so that a burst of them does not keep the API server from its work.
const PAUSE: Duration = Duration::from_millis(50);

/// The API server takes a text of at most this many bytes.
const LONGEST: usize = 1024;

/// Where events are handed over. Handing over never waits.
#[derive(Clone)]
pub(crate) struct Events {
    sender: mpsc::Sender<Queued>,
    metrics: Metrics,
}

/// An event that waits to be written.
pub(crate) struct Queued {
    event: Event,
    about: ObjectReference,
    /// The name under which it is written once, however often it happens; without one the recorder counts.
    once: Option<String>,
}

pub(crate) fn channel(metrics: Metrics) -> (Events, mpsc::Receiver<Queued>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (Events { sender, metrics }, receiver)
}

impl Events {
    /// A policy has become ready, or is no longer, or for another reason.
    pub(crate) fn turned<P: Policy>(&self, policy: &ObjectMeta, ready: &Condition) {
        let about = ObjectReference {
            api_version: Some(P::api_version(&()).into_owned()),
            kind: Some(P::kind(&()).into_owned()),
            name: policy.name.clone(),
            uid: policy.uid.clone(),
            resource_version: policy.resource_version.clone(),
            ..ObjectReference::default()
        };
        self.send_turned(about, ready);
    }

    /// The same of the system.
    pub(crate) fn system_turned(&self, uid: &str, ready: &Condition) {
        self.send_turned(system(uid), ready);
    }

    /// Something has come about that an administrator should know of.
    pub(crate) fn notice(&self, uid: &str, notice: &Notice) {
        let event = event(EventType::Warning, &notice.reason, &notice.message);
        self.send(Queued { event, about: system(uid), once: None });
    }

    fn send_turned(&self, about: ObjectReference, ready: &Condition) {
        let event = event(event_type(ready), &ready.reason, &ready.message);
        self.send(Queued { event, about, once: None });
    }

    /// Somebody else had changed or deleted an object of ours.
    pub(crate) fn repaired(&self, object: &DynamicObject, uid: &str, what: &str) {
        let types = object.types.clone().unwrap_or_default();
        let about = ObjectReference {
            api_version: Some(types.api_version),
            kind: Some(types.kind),
            name: object.metadata.name.clone(),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        };
        let event = event(EventType::Warning, "Repaired", what);
        self.send(Queued { event, about, once: None });
    }

    /// Warns in a namespace, once for each note as long as the API server keeps the event.
    pub(crate) fn warn(&self, namespace: &str, reason: &str, note: &str) {
        let about = ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Namespace".to_owned()),
            name: Some(namespace.to_owned()),
            namespace: Some(namespace.to_owned()),
            ..ObjectReference::default()
        };
        let event = event(EventType::Warning, reason, note);
        let digest =
            Sha256::digest(note).iter().take(8).fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
        self.send(Queued { event, about, once: Some(format!("{namespace}.{digest:016x}")) });
    }

    fn send(&self, event: Queued) {
        if self.sender.try_send(event).is_err() {
            self.metrics.dropped_event();
        }
    }
}

#[cfg(test)]
impl Queued {
    /// Type, reason, object and note.
    pub(crate) fn text(&self) -> String {
        let Self { event: Event { type_, reason, note, .. }, about, .. } = self;
        let (kind, name) =
            (about.kind.as_deref().unwrap_or_default(), about.name.as_deref().unwrap_or_default());
        format!("{type_:?} {reason} of {kind} {name}: {}", note.as_deref().unwrap_or_default())
    }
}

fn system(uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(GatewrightStatus::api_version(&()).into_owned()),
        kind: Some(GatewrightStatus::kind(&()).into_owned()),
        name: Some(SYSTEM_STATUS_NAME.to_owned()),
        uid: Some(uid.to_owned()),
        ..ObjectReference::default()
    }
}

fn event(r#type: EventType, reason: &str, note: &str) -> Event {
    Event {
        type_: r#type,
        reason: reason.to_owned(),
        note: Some(shortened(note)),
        action: "Reconcile".to_owned(),
        secondary: None,
    }
}

/// That a process or a verifier has not taken in a change yet is the way of things for a moment. A kind that is not served makes
/// nothing fail, and may be a typo.
fn event_type(ready: &Condition) -> EventType {
    let holds = ready.status == "True" && ready.reason != Reason::UnknownKind.as_str();
    let in_time = [Reason::NotEnforcedBy, Reason::VerifierBehind].map(Reason::as_str);
    let fine = holds || in_time.contains(&ready.reason.as_str());
    if fine { EventType::Normal } else { EventType::Warning }
}

fn shortened(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(LONGEST - '…'.len_utf8())])
}

/// Writes events forever, one after the other. One that cannot be written is not tried again.
pub(crate) async fn publish(client: Client, identity: String, mut queue: mpsc::Receiver<Queued>) {
    let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: Some(identity) };
    let recorder = Recorder::new(client.clone(), reporter.clone());
    let mut failing = false;
    while let Some(Queued { event, about, once }) = queue.recv().await {
        let written = match once {
            None => request("writing an event".to_owned(), recorder.publish(&event, &about)).await,
            Some(name) => write_once(&client, &reporter, event, about, name).await,
        };
        if let Err(error) = &written
            && !failing
            && !error.is_not_leading()
        {
            warn!(%error, "events cannot be written");
        }
        failing = written.is_err();
        tokio::time::sleep(PAUSE).await;
    }
}

/// Creates an event of this name, if it is not there.
async fn write_once(
    client: &Client,
    reporter: &Reporter,
    event: Event,
    about: ObjectReference,
    name: String,
) -> Result<(), Error> {
    let api: Api<events::v1::Event> = match &about.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::default_namespaced(client.clone()),
    };
    let event = events::v1::Event {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: about.namespace.clone(),
            ..ObjectMeta::default()
        },
        action: Some(event.action),
        event_time: Some(MicroTime(Timestamp::now())),
        note: event.note,
        reason: Some(event.reason),
        regarding: Some(about),
        reporting_controller: Some(reporter.controller.clone()),
        reporting_instance: reporter.instance.clone(),
        type_: Some("Warning".to_owned()),
        ..events::v1::Event::default()
    };
    let parameters = PostParams::default();
    match request("writing an event".to_owned(), api.create(&parameters, &event)).await {
        Err(error) if !error.is_stale() => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{event_type, shortened};
    use gatewright_api::Reason;
    use kube::runtime::events::EventType;

    #[test]
    fn a_warning_is_what_somebody_should_look_at() {
        let is_warning = |status: &str, reason: Reason| {
            let ready = serde_json::json!({
                "type": "Ready", "status": status, "reason": reason.as_str(), "message": "",
                "lastTransitionTime": "1970-01-01T00:00:00Z",
            });
            matches!(event_type(&serde_json::from_value(ready).unwrap()), EventType::Warning)
        };
        for (status, reason, expected) in [
            ("True", Reason::Ready, false),
            ("True", Reason::NoNamespaces, false),
            ("True", Reason::UnknownKind, true),
            ("False", Reason::NotEnforcedBy, false),
            ("False", Reason::VerifierBehind, false),
            ("False", Reason::VerifierUnreachable, true),
            ("False", Reason::Broken, true),
        ] {
            assert_eq!(is_warning(status, reason), expected, "{status} {reason:?}");
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let cut = shortened(&"é".repeat(1000));
        assert!(cut.len() <= 1024 && cut.len() > 1020 && cut.ends_with("é…"), "{}", cut.len());
    }
}
