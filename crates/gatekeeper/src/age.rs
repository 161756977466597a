//! Whether Gatekeeper is new enough for our templates.

use crate::process::{CONTROL_PLANE_LABEL, Process};
use crate::routing::SYSTEM_LABEL;

/// The oldest minor version of Gatekeeper 3 that gives Rego `namespaceObject`, which our templates read.
pub const OLDEST_MINOR: u32 = 22;

/// The field of a ConstraintTemplate that the CRDs of Gatekeeper before 3.21 do not have, as a path below the object.
pub const OPERATIONS: [&str; 3] = ["spec", "targets", "operations"];

/// How Gatekeeper's version compares with what our templates need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Age {
    /// New enough, or there is no process that could be too old.
    Fit,
    /// Too old. Holds what says so, as a sentence without a full stop.
    TooOld(String),
    /// Nothing says which version it is. Holds the tags or digests of the images that do not.
    Unknown(Vec<String>),
}

/// Judges by the tags of the images of Gatekeeper's Pods; where one is a digest or not a version of Gatekeeper, what the
/// served CRDs lack decides; where that does not, nothing is guessed. `lacks_operations`: [`OPERATIONS`] is not served.
pub fn age<'a>(pods: impl IntoIterator<Item = &'a Process>, lacks_operations: bool) -> Age {
    let pods: Vec<_> = pods.into_iter().filter(|pod| is_gatekeeper(pod) && !pod.terminating).collect();
    let old = pods.iter().find(|pod| minor(&pod.version).is_some_and(|minor| minor < OLDEST_MINOR));
    if let Some(old) = old {
        return Age::TooOld(format!("the image of Pod {} is {}", old.name, old.version));
    }
    let mut unknown: Vec<_> =
        pods.iter().filter(|pod| minor(&pod.version).is_none()).map(|pod| pod.version.clone()).collect();
    unknown.sort();
    unknown.dedup();
    if unknown.is_empty() && !pods.is_empty() {
        return Age::Fit;
    }
    if lacks_operations {
        let message =
            "the CRD of ConstraintTemplates has no field spec.targets[].operations, which came with 3.21";
        return Age::TooOld(message.to_owned());
    }
    if unknown.is_empty() { Age::Fit } else { Age::Unknown(unknown) }
}

/// Whether a Pod is one of upstream's: nobody else's tag says anything of Gatekeeper.
fn is_gatekeeper(pod: &Process) -> bool {
    let (key, value) = SYSTEM_LABEL;
    let is_system = pod.labels.get(key).is_some_and(|found| found == value);
    let (key, webhook) = CONTROL_PLANE_LABEL;
    is_system
        || pod.labels.get(key).is_some_and(|found| [webhook, "audit-controller"].contains(&found.as_str()))
}

/// The minor version of a tag as upstream gives them: `v3.MINOR.PATCH`, with or without the `v`, and what a vendor adds.
fn minor(tag: &str) -> Option<u32> {
    let tag = tag.strip_prefix('v').unwrap_or(tag);
    let core = tag.split(['-', '+', '_']).next()?;
    let numbers: Option<Vec<u32>> = core.split('.').map(|part| part.parse().ok()).collect();
    match numbers?[..] {
        [3, minor, _] => Some(minor),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Age, age};
    use crate::Process;

    fn pod(version: &str) -> Process {
        let labels = [("gatekeeper.sh/system".to_owned(), "yes".to_owned())].into();
        Process { name: "g".to_owned(), labels, version: version.to_owned(), ..Process::default() }
    }

    const DIGEST: &str = "sha256:4f5d1c7f0f0c6d7f";

    fn too_old(tag: &str) -> Age {
        Age::TooOld(format!("the image of Pod g is {tag}"))
    }

    fn unknown(tags: &[&str]) -> Age {
        Age::Unknown(tags.iter().map(|&tag| tag.to_owned()).collect())
    }

    fn by_crd() -> Age {
        Age::TooOld(
            "the CRD of ConstraintTemplates has no field spec.targets[].operations, which came with 3.21"
                .to_owned(),
        )
    }

    #[test]
    fn the_tag_decides_then_the_crds_and_nothing_is_guessed() {
        let rows: &[(&[&str], bool, Age)] = &[
            // A tag.
            (&["v3.17.0"], true, too_old("v3.17.0")),
            (&["v3.21.1"], false, too_old("v3.21.1")),
            (&["v3.22.0"], false, Age::Fit),
            (&["3.23.1"], false, Age::Fit),
            (&["v3.18.2-1"], false, too_old("v3.18.2-1")),
            (&["v3.23.0-rc.1"], false, Age::Fit),
            // During an update, while one is left.
            (&["v3.23.1", "v3.21.0"], false, too_old("v3.21.0")),
            // A tag decides before CRDs that nobody has updated.
            (&["v3.23.1"], true, Age::Fit),
            // A digest.
            (&[DIGEST], false, unknown(&[DIGEST])),
            (&[DIGEST], true, by_crd()),
            // A foreign tag.
            (&["latest"], false, unknown(&["latest"])),
            (&["2019.1.4"], false, unknown(&["2019.1.4"])),
            (&["v1.0.0"], false, unknown(&["v1.0.0"])),
            (&["v3"], false, unknown(&["v3"])),
            (&["v3.4"], false, unknown(&["v3.4"])),
            (&["anthos1.15.0-abc.g0"], true, by_crd()),
            (&[""], false, unknown(&[""])),
            (&["latest", DIGEST, "latest"], false, unknown(&["latest", DIGEST])),
            // No process.
            (&[], false, Age::Fit),
            (&[], true, by_crd()),
        ];
        for (tags, lacks, expected) in rows {
            let pods: Vec<_> = tags.iter().map(|tag| pod(tag)).collect();
            assert_eq!(age(&pods, *lacks), *expected, "{tags:?} {lacks}");
        }
    }

    #[test]
    fn only_upstreams_pods_that_stay_count() {
        let other = Process { labels: [("app".to_owned(), "database".to_owned())].into(), ..pod("v3.1.0") };
        let leaving = Process { terminating: true, ..pod("v3.1.0") };
        assert_eq!(age(&[other, leaving, pod("v3.22.0")], false), Age::Fit);
        let audit = [("control-plane".to_owned(), "audit-controller".to_owned())].into();
        assert_eq!(age(&[Process { labels: audit, ..pod("v3.1.0") }], false), too_old("v3.1.0"));
    }
}
