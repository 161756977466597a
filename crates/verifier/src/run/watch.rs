//! Follows all objects of a kind, whatever happens to it or to the API server.

use std::collections::BTreeMap;
use std::fmt::Debug;

use futures::StreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, ResourceExt as _};
use serde::de::DeserializeOwned;
use tracing::warn;

/// How long one watch lasts, in seconds: a connection that died in silence is noticed by then.
const WATCH_SECONDS: u32 = 60;

/// Follows forever. `changed` hears of all objects, by name, whenever one changed; `listed` once all are known.
pub(super) async fn follow<K>(
    api: Api<K>,
    what: &'static str,
    changed: impl Fn(&BTreeMap<String, K>),
    listed: impl Fn(),
) where
    K: kube::Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let config = watcher::Config::default().timeout(WATCH_SECONDS).page_size(50);
    let mut events = watcher(api, config).default_backoff().boxed();
    let (mut all, mut next) = (BTreeMap::new(), BTreeMap::new());
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => next.clear(),
            Ok(Event::InitApply(object)) => {
                next.insert(object.name_any(), object);
            }
            Ok(Event::InitDone) => {
                all = std::mem::take(&mut next);
                changed(&all);
                listed();
            }
            Ok(Event::Apply(object)) => {
                all.insert(object.name_any(), object);
                changed(&all);
            }
            Ok(Event::Delete(object)) => {
                all.remove(&object.name_any());
                changed(&all);
            }
            Err(error) => warn!(what, %error, "cannot be followed now; trying again"),
        }
    }
}
