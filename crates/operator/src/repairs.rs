//! What we last left in the API, and what is told when somebody else has changed it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::ResourceExt as _;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::Error;
use crate::apply::{Desired, Written};
use crate::live::Live;
use crate::world::World;

/// How long Gatekeeper's processes may take to take in what was written before they are named for it: a policy is told
/// then, or once they have, but not twice.
const SETTLED: Duration = Duration::from_secs(2);

/// What we last left in the API, by kind and name: a difference to that is somebody else's.
#[derive(Default)]
pub(crate) struct Kept(Mutex<HashMap<(String, String), Left>>);

struct Left {
    /// Of what we wanted.
    hash: u64,
    /// When it was first written since a policy was told what became of it.
    written: Option<Instant>,
}

impl Kept {
    /// Notes what we leave. Returns whether it is what we had left before.
    fn leave(&self, desired: &Desired<'_>, is_written: bool) -> bool {
        let mut hasher = DefaultHasher::new();
        serde_json::to_string(&desired.object).unwrap_or_default().hash(&mut hasher);
        self.note(desired.kind, desired.object.name_any(), hasher.finish(), is_written)
    }

    fn note(&self, kind: &str, name: String, hash: u64, is_written: bool) -> bool {
        let mut kept = self.lock();
        let key = (kind.to_owned(), name);
        let before = kept.remove(&key);
        let is_known = before.as_ref().is_some_and(|before| before.hash == hash);
        let written = before.and_then(|before| before.written).or_else(|| is_written.then(Instant::now));
        kept.insert(key, Left { hash, written });
        is_known
    }

    /// For how long it is too early to name processes that have not taken in what we wrote. However often it is
    /// written meanwhile, that time ends.
    pub(crate) fn settles(&self, kind: &str, name: &str) -> Option<Duration> {
        let written = self.lock().get(&(kind.to_owned(), name.to_owned()))?.written?;
        SETTLED.checked_sub(written.elapsed()).filter(|rest| !rest.is_zero())
    }

    /// A policy is told what became of its constraint. The next write is a new one.
    pub(crate) fn told(&self, kind: &str, name: &str) {
        if let Some(left) = self.lock().get_mut(&(kind.to_owned(), name.to_owned())) {
            left.written = None;
        }
    }

    /// An object is gone, or deleted on purpose: the next one of its name is new.
    pub(crate) fn forget(&self, kind: &str, name: &str) {
        self.lock().remove(&(kind.to_owned(), name.to_owned()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Left>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// Makes an object as desired, and tells what was done: to whom, too, if it undid what somebody else did.
    ///
    /// # Errors
    /// As of [`Desired::ensure`].
    pub(crate) async fn ensure(&self, desired: &Desired<'_>, live: Option<&Live>) -> Result<Live, Error> {
        let (now, written) = desired.ensure(live).await?;
        let (kind, name) = (desired.kind, desired.object.name_any());
        let is_written = written != Written::Nothing;
        let is_repair = self.kept.leave(desired, is_written) && is_written;
        if is_repair {
            let what = undone(&written, live.and_then(|live| live.editor.as_deref()));
            warn!(kind, name, "repaired: {what}");
            self.metrics.repaired(kind);
            self.events.repaired(&desired.object, &now.uid, &what);
            return Ok(now);
        }
        match written {
            Written::Nothing => {}
            Written::Created => info!(kind, name, "created"),
            Written::Changed(fields) => info!(kind, name, fields = fields.join(", "), "updated"),
        }
        Ok(now)
    }
}

/// What somebody did, and what became of it.
fn undone(written: &Written, editor: Option<&str>) -> String {
    match written {
        Written::Nothing | Written::Created => "somebody deleted it; it is there again".to_owned(),
        Written::Changed(fields) => {
            let editor = editor.unwrap_or("somebody");
            format!("{editor} changed {}; it is as before", fields.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Kept, undone};
    use crate::apply::Written;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn processes_get_a_moment_and_no_more() {
        let kept = Kept::default();
        let write = |hash| kept.note("K", "a".to_owned(), hash, true);
        assert_eq!(kept.settles("K", "a"), None);
        assert!(!write(1));
        assert_eq!(kept.settles("K", "a"), Some(Duration::from_secs(2)));
        tokio::time::advance(Duration::from_millis(1500)).await;
        // A fight about the object does not put it off.
        assert!(write(1) && !write(2));
        assert_eq!(kept.settles("K", "a"), Some(Duration::from_millis(500)));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(kept.settles("K", "a"), None);
        kept.told("K", "a");
        assert!(kept.note("K", "a".to_owned(), 2, false));
        assert_eq!(kept.settles("K", "a"), None, "nothing was written");
        write(3);
        assert_eq!(kept.settles("K", "a"), Some(Duration::from_secs(2)));
    }

    #[test]
    fn who_did_what_is_told() {
        let changed = Written::Changed(vec!["spec.a".to_owned(), "metadata.labels[b]".to_owned()]);
        for (written, editor, expected) in [
            (Written::Created, None, "somebody deleted it; it is there again"),
            (changed.clone(), None, "somebody changed spec.a, metadata.labels[b]; it is as before"),
            (
                changed,
                Some("kubectl-edit"),
                "kubectl-edit changed spec.a, metadata.labels[b]; it is as before",
            ),
        ] {
            assert_eq!(undone(&written, editor), expected);
        }
    }
}
