//! An object of ours as it is in the API, slimmed to what we compare and report.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_api::names::{OWNER_LABEL, RENDERED, is_owner};
use gatewright_gatekeeper::{
    Action, Audit, Matcher, PodStatus, Subject, TemplateSource, audit, pod_statuses,
};
use k8s_openapi::api::admissionregistration::v1::{ValidatingWebhook, ValidatingWebhookConfiguration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt as _;
use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::Error;
use crate::names::FIELD_MANAGER;
use crate::watch::cache::Entry;
use crate::watch::kind::Id;

/// A template or constraint in the API.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Live {
    pub(crate) uid: String,
    pub(crate) resource_version: String,
    pub(crate) generation: i64,
    pub(crate) ours: bool,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) owners: Vec<OwnerReference>,
    /// While the object is being deleted: the finalizers that still hold it.
    pub(crate) held_by: Option<Vec<String>>,
    /// Who else changed the object last, by the name that the API server noted.
    pub(crate) editor: Option<String>,
    /// The spec, or what stands in its place.
    pub(crate) spec: Content,
    /// Of a constraint: whom it reaches; none where its selectors cannot be read.
    pub(crate) matcher: Option<Arc<Matcher>>,
    /// Of a constraint: what happens to a violation.
    pub(crate) action: Option<Action>,
    pub(crate) reports: Vec<PodStatus>,
    /// Of a constraint: what audit found.
    pub(crate) audit: Option<Arc<Audit>>,
    /// Of somebody else's template: which requests it is written for.
    pub(crate) source: Option<Arc<TemplateSource>>,
    /// Of a webhook configuration of ours: the same, as an object with its name.
    pub(crate) configuration: Option<Arc<ValidatingWebhookConfiguration>>,
}

/// What keeps us from writing an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// It is somebody else's.
    Foreign,
    /// `render` wrote it: GitOps owns it.
    Rendered,
    /// It is about to go, and these finalizers of others still hold it.
    BeingDeleted { finalizers: Vec<String> },
}

impl Obstacle {
    /// The same as an error about an object.
    pub(crate) fn error(&self, id: &Id) -> Error {
        let (kind, name) = (id.kind.as_str().to_owned(), id.full_name());
        match self {
            Self::Foreign => Error::Conflict { kind, name },
            Self::Rendered => Error::Rendered { kind, name },
            Self::BeingDeleted { finalizers } => {
                Error::BeingDeleted { kind, name, finalizers: finalizers.join(", ") }
            }
        }
    }
}

/// A value as compact text, with sorted keys: as a tree it would take ten times the memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content(Arc<str>);

impl Content {
    pub(crate) fn new(value: &Value) -> Self {
        Self(value.to_string().into())
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The value again.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

/// Where the content of an object stands: a webhook configuration has no spec. Of a report all is content.
pub(crate) fn content(data: &Value) -> Option<&'static str> {
    if data.get("webhooks").is_some() {
        return Some("webhooks");
    }
    let report = data.get("summary").is_some() && data.get("spec").is_none();
    (!report).then_some("spec")
}

/// The content of an object. Of webhooks only what we know: fields of a newer API server are none that we could miss.
fn taken(data: &mut Value) -> Value {
    let Some(content) = content(data) else { return data.take() };
    let value = data[content].take();
    if content == "spec" {
        return value;
    }
    serde_json::from_value::<Vec<ValidatingWebhook>>(value.clone()).map_or(value, |known| json!(known))
}

impl From<DynamicObject> for Live {
    fn from(mut object: DynamicObject) -> Self {
        let ours = is_ours(&object.metadata);
        let editor = editor(&object.metadata).filter(|_| ours);
        let annotations = object.metadata.annotations.take().filter(|_| ours);
        let finalizers = object.metadata.finalizers.take().unwrap_or_default();
        let status = object.data.get("status").filter(|_| ours);
        let reports = status.map(pod_statuses).unwrap_or_default();
        let audit = status.and_then(audit).map(Arc::new);
        // Somebody else's object is only ever named.
        let spec = if ours { taken(&mut object.data) } else { Value::Null };
        Self {
            ours,
            uid: object.uid().unwrap_or_default(),
            resource_version: object.resource_version().unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or_default(),
            labels: object.metadata.labels.take().unwrap_or_default(),
            annotations: annotations.unwrap_or_default(),
            held_by: object.metadata.deletion_timestamp.as_ref().map(|_| finalizers),
            editor,
            owners: object.metadata.owner_references.take().unwrap_or_default(),
            matcher: spec.get("match").and_then(|it| Matcher::parse(it).ok()).map(Arc::new),
            action: spec["enforcementAction"].as_str().and_then(|action| action.parse().ok()),
            spec: Content::new(&spec),
            reports,
            audit,
            source: None,
            configuration: None,
        }
    }
}

impl Entry for Live {
    /// Audit's time moves on each minute, and who changed what stands in the object itself.
    fn same(&self, other: &Self) -> bool {
        let Self { uid, resource_version: _, generation, ours, labels, annotations, owners, .. } = self;
        // What is read from the spec changes with it.
        let Self {
            held_by,
            editor: _,
            spec,
            matcher: _,
            action: _,
            reports,
            audit,
            source,
            configuration: _,
            ..
        } = self;
        let same_audit = match (audit, &other.audit) {
            (Some(ours), Some(theirs)) => ours.same(theirs),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        same_audit
            && (uid, *generation, *ours) == (&other.uid, other.generation, other.ours)
            && (labels, annotations, owners) == (&other.labels, &other.annotations, &other.owners)
            && (held_by, spec) == (&other.held_by, &other.spec)
            && (reports, source) == (&other.reports, &other.source)
    }
}

impl Live {
    /// A template. Of somebody else's we keep which requests it is written for.
    pub(crate) fn template(object: DynamicObject) -> Self {
        let source = (!is_ours(&object.metadata)).then(|| TemplateSource::new(&object.data["spec"]));
        Self { source: source.map(Arc::new), ..Self::from(object) }
    }

    /// A webhook configuration.
    pub(crate) fn webhooks(object: DynamicObject) -> Self {
        let metadata = ObjectMeta { name: object.metadata.name.clone(), ..ObjectMeta::default() };
        let live = Self::from(object);
        let webhooks = serde_json::from_value(live.spec.value()).ok().filter(|_| live.ours);
        let configuration = webhooks
            .map(|webhooks| Arc::new(ValidatingWebhookConfiguration { metadata, webhooks: Some(webhooks) }));
        Self { configuration, ..live }
    }

    /// A Provider. Of somebody else's we keep how long an answer may take.
    pub(crate) fn provider(object: DynamicObject) -> Self {
        let timeout = json!({"timeout": object.data["spec"]["timeout"]});
        let live = Self::from(object);
        if live.ours { live } else { Self { spec: Content::new(&timeout), ..live } }
    }

    /// What keeps us from writing the object, if anything does.
    pub(crate) fn obstacle(&self) -> Option<Obstacle> {
        if !self.ours {
            let rendered = self.labels.get(OWNER_LABEL).is_some_and(|owner| owner == RENDERED);
            return Some(if rendered { Obstacle::Rendered } else { Obstacle::Foreign });
        }
        let finalizers = self.held_by.clone()?;
        Some(Obstacle::BeingDeleted { finalizers })
    }

    /// What Gatekeeper's processes say of the object.
    pub(crate) fn subject(&self) -> Subject {
        Subject { uid: self.uid.clone(), generation: self.generation, reports: self.reports.clone() }
    }
}

/// Ours is what carries our label with a value that is one of ours. Where somebody took the label off, or wrote
/// nonsense into it, our field manager's entry still shows it. What `render` wrote is GitOps' business.
pub(super) fn is_ours(metadata: &ObjectMeta) -> bool {
    match metadata.labels.as_ref().and_then(|labels| labels.get(OWNER_LABEL)).map(String::as_str) {
        Some(RENDERED) => false,
        Some(owner) if is_owner(owner) => true,
        _ => {
            let mut managers = metadata.managed_fields.iter().flatten();
            managers.any(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER))
        }
    }
}

/// Who else changed the object last. Changes of the status are Gatekeeper's.
fn editor(metadata: &ObjectMeta) -> Option<String> {
    let entries = metadata.managed_fields.iter().flatten();
    let others = entries.filter(|entry| entry.subresource.as_deref().unwrap_or_default().is_empty());
    let last = others.max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?;
    last.manager.clone().filter(|manager| manager != FIELD_MANAGER)
}

#[cfg(test)]
mod tests {
    use super::{Content, Live};
    use crate::watch::cache::Entry as _;
    use crate::watch::kind::{Id, Kind};
    use gatewright_gatekeeper::{Audit, PodStatus};
    use kube::core::DynamicObject;
    use serde_json::{Value, json};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    fn object(spec: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K",
            "metadata": {"name": "a", "labels": {"gatewright.io/owner": "builtin"}, "resourceVersion": "7"},
            "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn who_edited_an_object_is_known_unless_it_was_the_status() {
        let entry = |manager: &str, time: &str, subresource: &str| json!({"manager": manager, "time": time, "subresource": subresource, "operation": "Update"});
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        for (entries, expected) in [
            (json!([entry("gatewright", early, ""), entry("kubectl-edit", late, "")]), Some("kubectl-edit")),
            (json!([entry("kubectl-edit", early, ""), entry("gatewright", late, "")]), None),
            (json!([entry("gatewright", early, ""), entry("gatekeeper", late, "status")]), None),
            (json!([]), None),
        ] {
            let mut object = object(&json!({}));
            object.metadata.managed_fields = serde_json::from_value(entries).unwrap();
            assert_eq!(Live::from(object).editor.as_deref(), expected);
        }
    }

    #[test]
    fn what_is_ours_and_what_is_not() {
        for (labels, manager, ours) in [
            (json!({"gatewright.io/owner": "builtin"}), "x", true),
            (json!({"gatewright.io/owner": "render"}), "gatewright", false),
            (json!({"gatewright.io/owner": "0e5ddb58-8a5d-4d3c-9cd3-6e2b3b3ad4ff"}), "x", true),
            (json!({"gatewright.io/owner": "me"}), "kubectl", false),
            (json!({"gatewright.io/owner": "me"}), "gatewright", true),
            (json!({}), "gatewright", true),
            (json!({}), "kubectl", false),
        ] {
            let mut object = object(&json!({}));
            object.metadata.labels = serde_json::from_value(labels.clone()).unwrap();
            object.metadata.managed_fields =
                Some(vec![serde_json::from_value(json!({"manager": manager})).unwrap()]);
            assert_eq!(Live::from(object).ours, ours, "{labels} {manager}");
        }
    }

    #[test]
    fn a_constraint_is_slimmed_as_it_arrives() {
        let spec = json!({
            "enforcementAction": "deny",
            "match": {"namespaceSelector": {"matchLabels": {"team": "shop"}}},
            "parameters": {"allowPrivileged": false},
        });
        let slim = object(&spec);
        let mut full = slim.clone();
        full.metadata.managed_fields = Some(vec![
            serde_json::from_value(json!({"manager": "gatewright", "fieldsV1": {"f:spec": {}}})).unwrap(),
        ]);
        full.data["status"] = json!({
            "auditTimestamp": "2026-01-01T00:00:00Z", "totalViolations": 1, "created": true,
            "violations": [{"kind": "Pod", "name": "p", "message": "m", "enforcementAction": "deny", "extra": "long"}],
            "byPod": [{"id": "a", "constraintUID": "u", "observedGeneration": 1, "operations": ["audit"], "more": "long"}],
        });
        let live = Live::from(full);
        let kept = format!("{live:?}");
        for word in ["fieldsV1", "f:spec", "long"] {
            assert!(!kept.contains(word), "{word} is kept: {kept}");
        }
        assert_eq!(live.spec.value(), spec);
        assert_eq!((live.audit.as_ref().unwrap().listed.len(), live.reports.len()), (1, 1));
        // As text, not as a tree of maps.
        assert_eq!(size_of_val(&*live.spec.0), spec.to_string().len());
        assert_eq!(Live { reports: vec![], audit: None, ..live }, Live::from(slim));
    }

    #[test]
    fn a_new_version_alone_is_no_news() {
        let live = Live::from(object(&json!({})));
        assert!(live.same(&Live { resource_version: "8".into(), ..live.clone() }));
        assert!(!live.same(&Live { generation: 2, ..live.clone() }));
    }

    #[test]
    fn what_keeps_us_from_writing_is_said_of_the_object() {
        let id = Id { namespace: "n".to_owned(), ..Id::new(Kind::SyncSet, "a") };
        let ours = Live::from(object(&json!({})));
        let foreign = Live { ours: false, ..ours.clone() };
        let held = Live { held_by: Some(vec!["x".to_owned(), "y".to_owned()]), ..ours.clone() };
        assert_eq!(ours.obstacle(), None);
        for (live, reason, says) in [
            (foreign, "Foreign", "SyncSet n/a exists and is not ours"),
            (held, "BeingDeleted", "SyncSet n/a is being deleted and held by finalizers of others (x, y)"),
        ] {
            let error = live.obstacle().unwrap().error(&id);
            assert!(error.reason() == reason && error.to_string().starts_with(says), "{error}");
        }
    }

    #[test]
    fn whatever_a_decision_reads_is_news() {
        let before = Live::from(object(&json!({"a": 1})));
        let audit = |total| Some(Arc::new(Audit { total, ..Audit::default() }));
        let report = |id: &str| vec![PodStatus { id: id.to_owned(), ..PodStatus::default() }];
        for change in [
            Live { uid: "other".to_owned(), ..before.clone() },
            Live { ours: false, ..before.clone() },
            Live { labels: BTreeMap::new(), ..before.clone() },
            Live { annotations: [("a".to_owned(), "b".to_owned())].into(), ..before.clone() },
            Live { held_by: Some(vec![]), ..before.clone() },
            Live { spec: Content::new(&json!({"a": 2})), ..before.clone() },
            Live { reports: report("a"), ..before.clone() },
            Live { audit: audit(1), ..before.clone() },
            Live { source: Some(Arc::default()), ..before.clone() },
        ] {
            assert!(!before.same(&change) && !change.same(&before), "{change:?}");
        }
        let audited = Live { audit: audit(1), ..before.clone() };
        assert!(!audited.same(&Live { audit: audit(2), ..before.clone() }));
        let later = Audit { total: 1, timestamp: "later".to_owned(), ..Audit::default() };
        assert!(audited.same(&Live { audit: Some(Arc::new(later)), ..before.clone() }));
        assert!(before.same(&Live { editor: Some("somebody".to_owned()), ..before.clone() }));
    }

    #[test]
    fn of_a_template_of_others_only_what_it_is_written_for_is_kept() {
        let spec = json!({
            "crd": {"spec": {"names": {"kind": "K"}}}, "targets": [{"operations": ["DELETE"], "rego": "long"}],
        });
        let ours = Live::template(object(&spec));
        assert!(ours.source.is_none() && ours.spec.value() == spec);
        let mut foreign = object(&spec);
        foreign.metadata.labels = None;
        let foreign = Live::template(foreign);
        assert_eq!(foreign.source.unwrap().kind, "K");
        assert_eq!(foreign.spec.value(), Value::Null);
    }

    #[test]
    fn of_a_provider_of_others_only_its_timeout_is_kept() {
        let spec = json!({"url": "https://example.com", "timeout": 3, "caBundle": "x"});
        assert_eq!(Live::provider(object(&spec)).spec.value(), spec);
        let mut foreign = object(&spec);
        foreign.metadata.labels = None;
        assert_eq!(Live::provider(foreign).spec.value(), json!({"timeout": 3}));
    }

    #[test]
    fn a_webhook_configuration_of_ours_is_read_once() {
        let webhook = json!({
            "name": "w", "sideEffects": "None", "admissionReviewVersions": ["v1"], "clientConfig": {},
            "fieldOfTheFuture": true,
        });
        let mut configuration = object(&json!({}));
        configuration.data = json!({"webhooks": [webhook]});
        let live = Live::webhooks(configuration.clone());
        let read = live.configuration.unwrap();
        assert_eq!(read.metadata.name.as_deref(), Some("a"));
        assert_eq!(read.webhooks.as_ref().unwrap()[0].name, "w");
        assert_eq!(live.spec.value()[0]["fieldOfTheFuture"], Value::Null, "we could not miss it");
        configuration.metadata.labels = None;
        assert!(Live::webhooks(configuration).configuration.is_none());
    }
}
