use super::{CACHE_LAG, LastApplied, Observed, SETTLED};
use crate::watch::desired::Prepared;
use crate::watch::kind::{Id, Kind};
use crate::watch::live::Live;
use gatewright_rules::Template;
use kube::core::DynamicObject;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn prepared(parameter: i32) -> Arc<Prepared> {
    let metadata = serde_json::from_value(json!({"name": "a"})).unwrap();
    Arc::new(Prepared::new(
        Kind::Constraint(Template::SecurityPolicy),
        &metadata,
        &json!({"spec": {"parameter": parameter}}),
    ))
}

fn id() -> Id {
    Id::new(Kind::Constraint(Template::SecurityPolicy), "a")
}

fn live(version: &str) -> Arc<Live> {
    let object: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "K", "metadata": {"name": "a", "resourceVersion": version},
    }))
    .unwrap();
    Arc::new(Live::from(object))
}

#[tokio::test(start_paused = true)]
async fn processes_get_a_moment_and_no_more() {
    let memory = LastApplied::default();
    let settling = || memory.observed(&id(), None).settling;
    assert_eq!(settling(), None);
    memory.wrote(prepared(1), None);
    assert_eq!(settling(), Some(SETTLED));
    tokio::time::advance(Duration::from_millis(1500)).await;
    // A fight about the object does not put it off.
    memory.wrote(prepared(1), None);
    assert_eq!(settling(), Some(Duration::from_millis(500)));
    tokio::time::advance(Duration::from_millis(500)).await;
    assert_eq!(settling(), None);
    memory.published(&id());
    memory.found(prepared(2));
    assert_eq!(settling(), None, "nothing was written");
    memory.wrote(prepared(3), None);
    assert_eq!(settling(), Some(SETTLED));
}

#[tokio::test(start_paused = true)]
async fn a_cache_that_lags_is_waited_for_but_not_forever() {
    let memory = LastApplied::default();
    let lag = |live| memory.observed(&id(), live).lag;
    // A creation is seen when there is an object.
    memory.wrote(prepared(1), None);
    assert_eq!(lag(None), Some(CACHE_LAG));
    assert_eq!(lag(Some(live("7"))), None);
    assert_eq!(lag(None), None, "it was seen, so now it is gone");
    // A change is seen when there is another version, or none.
    memory.wrote(prepared(2), Some(&live("7")));
    assert_eq!(lag(Some(live("7"))), Some(CACHE_LAG));
    assert_eq!(lag(Some(live("8"))), None);
    // So is a deletion.
    memory.deleted(&id(), &live("8"));
    assert_eq!(lag(Some(live("8"))), Some(CACHE_LAG));
    assert_eq!(memory.observed(&id(), None), Observed::default());
    memory.wrote(prepared(2), Some(&live("7")));
    tokio::time::advance(CACHE_LAG).await;
    assert_eq!(lag(Some(live("7"))), None);
}

#[tokio::test(start_paused = true)]
async fn what_was_applied_is_remembered_until_it_is_deleted_on_purpose() {
    let memory = LastApplied::default();
    let last = || memory.observed(&id(), None).last_applied;
    assert_eq!(last(), None);
    memory.found(prepared(1));
    assert_eq!(last(), Some(prepared(1)));
    memory.wrote(prepared(2), None);
    assert_eq!(last(), Some(prepared(2)));
    memory.deleted(&id(), &live("1"));
    assert_eq!(last(), None);
    memory.found(prepared(1));
    memory.forget(&id());
    assert_eq!(last(), None);
}
