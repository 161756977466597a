//! What we last left in the API, and what is told when somebody else has changed it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::ResourceExt as _;
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
    /// When it was last written; never, if it was there already.
    written: Option<Instant>,
}

impl Kept {
    /// Notes what we leave. Returns whether it is what we had left before.
    fn leave(&self, desired: &Desired<'_>, is_written: bool) -> bool {
        let mut hasher = DefaultHasher::new();
        serde_json::to_string(&desired.object).unwrap_or_default().hash(&mut hasher);
        let hash = hasher.finish();
        let key = (desired.kind.to_owned(), desired.object.name_any());
        let mut kept = self.lock();
        let before = kept.remove(&key);
        let is_known = before.as_ref().is_some_and(|before| before.hash == hash);
        let written =
            if is_written { Some(Instant::now()) } else { before.and_then(|before| before.written) };
        kept.insert(key, Left { hash, written });
        is_known
    }

    /// For how long it is too early to name processes that have not taken in what we wrote; none if it is not.
    pub(crate) fn settles(&self, kind: &str, name: &str) -> Option<Duration> {
        let written = self.lock().get(&(kind.to_owned(), name.to_owned()))?.written?;
        SETTLED.checked_sub(written.elapsed()).filter(|rest| !rest.is_zero())
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
    use super::undone;
    use crate::apply::Written;

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
