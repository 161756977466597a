//! What we last left in the API, and what is told when somebody else has changed it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use kube::ResourceExt as _;
use tracing::{info, warn};

use crate::Error;
use crate::apply::{Desired, Written};
use crate::live::Live;
use crate::world::World;

/// What we last left in the API, by kind and name: a difference to that is somebody else's.
#[derive(Default)]
pub(crate) struct Kept(Mutex<HashMap<(String, String), u64>>);

impl Kept {
    /// Notes what we leave. Returns whether it is what we had left before.
    fn leave(&self, desired: &Desired<'_>) -> bool {
        let mut hasher = DefaultHasher::new();
        serde_json::to_string(&desired.object).unwrap_or_default().hash(&mut hasher);
        let left = hasher.finish();
        let key = (desired.kind.to_owned(), desired.object.name_any());
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key, left);
        before == Some(left)
    }

    /// An object is gone, or deleted on purpose: the next one of its name is new.
    pub(crate) fn forget(&self, kind: &str, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(kind.to_owned(), name.to_owned()));
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
        let is_repair = self.kept.leave(desired) && written != Written::Nothing;
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
