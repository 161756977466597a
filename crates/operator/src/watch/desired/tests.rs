use super::{Difference, Found, Prepared, Write};
use crate::watch::kind::{Id, Kind};
use crate::watch::live::{Live, Obstacle};
use crate::watch::report_kind::NAMESPACED;
use gatewright_rules::Template;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DynamicObject;
use serde_json::{Value, json};
use std::sync::Arc;

const KIND: Kind = Kind::Constraint(Template::SecurityPolicy);
const UID: &str = "0e5ddb58-8a5d-4d3c-9cd3-6e2b3b3ad4ff";

fn metadata() -> ObjectMeta {
    serde_json::from_value(json!({"name": "a", "labels": {"gatewright.io/owner": "builtin"}})).unwrap()
}

fn prepared(spec: &Value) -> Prepared {
    Prepared::new(KIND, &metadata(), &json!({"spec": spec}))
}

fn live(mut object: DynamicObject) -> Arc<Live> {
    object.metadata.resource_version = Some("7".to_owned());
    Arc::new(Live::from(object))
}

/// The difference to a live object with this spec.
fn difference(desired: &Prepared, live: &Arc<Live>) -> Difference {
    match desired.compare(Some(live)) {
        Found::Applied(_) => Difference::default(),
        Found::Differs(Write::Update { difference, .. }) => difference,
        other => panic!("{other:?}"),
    }
}

fn expected(fields: &[&str], surplus: bool) -> Difference {
    Difference { fields: fields.iter().map(ToString::to_string).collect(), surplus }
}

#[test]
fn differences_are_found_wherever_they_stand() {
    let desired = prepared(&json!({"match": {"kinds": [1]}, "parameters": {"a": []}}));
    for (spec, fields, surplus) in [
        (json!({"match": {"kinds": [1]}, "parameters": {"a": []}}), &[][..], false),
        (json!({"match": {"kinds": [1]}, "parameters": {}}), &["spec.parameters.a"], false),
        (json!({"match": {"kinds": [1, 2]}, "parameters": {"a": []}}), &["spec.match.kinds"], false),
        (
            json!({"match": {"kinds": [1], "labelSelector": {}}, "parameters": {"a": []}}),
            &["spec.match.labelSelector"],
            true,
        ),
    ] {
        let found = difference(&desired, &live(prepared(&spec).object()));
        assert_eq!(found, expected(fields, surplus), "{spec}");
    }
}

#[test]
fn an_owner_too_many_must_go() {
    let with = |owners: &[&str]| {
        let owner = |uid: &&str| json!({"apiVersion": "v1", "kind": "K", "name": "o", "uid": uid});
        let owners: Vec<_> = owners.iter().map(owner).collect();
        let metadata = ObjectMeta {
            owner_references: Some(serde_json::from_value(json!(owners)).unwrap()),
            ..metadata()
        };
        Prepared::new(KIND, &metadata, &json!({"spec": {}}))
    };
    for (found, desired, fields, surplus) in [
        (&["a"][..], &["a"][..], &[][..], false),
        (&[], &["a"], &["metadata.ownerReferences"], false),
        (&["a", "b"], &["a"], &["metadata.ownerReferences"], true),
        (&["b"], &["a"], &["metadata.ownerReferences"], true),
        (&["b"], &[], &["metadata.ownerReferences"], true),
    ] {
        let difference = difference(&with(desired), &live(with(found).object()));
        assert_eq!(difference, expected(fields, surplus), "{found:?} {desired:?}");
    }
}

#[test]
fn of_a_report_everything_is_compared() {
    let report = |content: &Value| Prepared::new(Kind::Report(&NAMESPACED[0]), &metadata(), content);
    let desired = report(&json!({"summary": {"fail": 1}, "results": [{"policy": "p"}]}));
    for (content, fields, surplus) in [
        (json!({"summary": {"fail": 1}, "results": [{"policy": "p"}]}), &[][..], false),
        (json!({"summary": {"fail": 2}, "results": []}), &["report.results", "report.summary.fail"], false),
        (json!({"summary": {"fail": 1}, "results": [{"policy": "p"}], "scope": {}}), &["report.scope"], true),
    ] {
        let found = difference(&desired, &live(report(&content).object()));
        assert_eq!(found, expected(fields, surplus), "{content}");
    }
}

#[test]
fn of_labels_and_annotations_only_ours_are_missed() {
    let desired = Prepared::new(
        KIND,
        &ObjectMeta { annotations: Some([("title".to_owned(), "t".to_owned())].into()), ..metadata() },
        &json!({"spec": {}}),
    );
    let mut object = desired.object();
    object.metadata.labels.as_mut().unwrap().insert("theirs".to_owned(), "x".to_owned());
    object.metadata.annotations.as_mut().unwrap().insert("theirs".to_owned(), "x".to_owned());
    assert_eq!(difference(&desired, &live(object)), Difference::default());
    let mut stripped = desired.object();
    stripped.metadata.labels = None;
    stripped.metadata.annotations = None;
    stripped.metadata.managed_fields =
        Some(vec![serde_json::from_value(json!({"manager": "gatewright"})).unwrap()]);
    let fields = ["metadata.labels[gatewright.io/owner]", "metadata.annotations[title]"];
    assert_eq!(difference(&desired, &live(stripped)), expected(&fields, false));
}

#[test]
fn what_must_not_be_written_is_not_compared() {
    let desired = prepared(&json!({"a": 1}));
    assert_eq!(desired.compare(None), Found::Differs(Write::Create));
    let mut foreign = desired.object();
    foreign.metadata.labels = None;
    assert_eq!(desired.compare(Some(&live(foreign))), Found::Blocked(Obstacle::Foreign));
    let mut held = desired.object();
    held.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    held.metadata.finalizers = Some(vec!["theirs".to_owned()]);
    let obstacle = Obstacle::BeingDeleted { finalizers: vec!["theirs".to_owned()] };
    assert_eq!(desired.compare(Some(&live(held))), Found::Blocked(obstacle));
}

#[test]
fn an_object_is_sent_as_it_was_prepared() {
    let owner = json!({"apiVersion": "v1", "kind": "K", "name": "o", "uid": UID});
    let metadata: ObjectMeta = serde_json::from_value(json!({
        "name": "a", "namespace": "n", "labels": {"l": "1"}, "annotations": {"b": "2"}, "ownerReferences": [owner],
    }))
    .unwrap();
    for (kind, manifest, api_version) in [
        (Kind::Template, json!({"spec": {"a": [1]}}), "templates.gatekeeper.sh/v1"),
        (KIND, json!({"spec": {"a": [1]}}), "constraints.gatekeeper.sh/v1beta1"),
        (Kind::SyncSet, json!({"spec": {"a": [1]}}), "syncset.gatekeeper.sh/v1alpha1"),
        (Kind::Webhooks, json!({"webhooks": [{"name": "w"}]}), "admissionregistration.k8s.io/v1"),
        (Kind::Report(&NAMESPACED[0]), json!({"summary": {}, "results": []}), "openreports.io/v1alpha1"),
    ] {
        let object = json!(Prepared::new(kind, &metadata, &manifest).object());
        let mut expected = json!({"apiVersion": api_version, "kind": kind.as_str(), "metadata": metadata});
        expected.as_object_mut().unwrap().extend(manifest.as_object().unwrap().clone());
        assert_eq!(object, expected);
    }
}

#[test]
fn a_hash_is_of_all_that_is_compared_and_proves_what_was_applied() {
    const LABELS: &[&str] = &["gatewright.io/owner"];
    let desired = prepared(&json!({"match": {}, "parameters": {"a": 1}}));
    let (id, hash) = (Id::new(KIND, "a"), desired.hash());
    assert_eq!(hash.len(), 32);
    let restored = |object: DynamicObject| Prepared::restored(id.clone(), &live(object), LABELS, &hash);
    assert_eq!(restored(desired.object()), Some(desired.clone()));
    let edit = |edit: &dyn Fn(&mut DynamicObject)| {
        let mut object = desired.object();
        edit(&mut object);
        restored(object)
    };
    assert_eq!(edit(&|object| object.data["spec"]["match"] = json!({"scope": "*"})), None);
    assert_eq!(edit(&|object| object.data["spec"]["extra"] = json!(1)), None);
    assert_eq!(edit(&|object| object.metadata.labels = Some([(LABELS[0].into(), UID.into())].into())), None);
    let owner = json!([{"apiVersion": "v1", "kind": "K", "name": "o", "uid": UID}]);
    let owners = serde_json::from_value(owner).unwrap();
    assert_eq!(edit(&|object| object.metadata.owner_references = Some(Clone::clone(&owners))), None);
    // Other people's labels are theirs.
    let labelled = edit(&|object| {
        object.metadata.labels.as_mut().unwrap().insert("theirs".into(), "x".into());
    });
    assert_eq!(labelled, Some(desired.clone()));
}
