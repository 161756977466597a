//! One image, checked at once and with every step shown: for the command line.

use gatewright_signatures::entry::ReadEntry;
use gatewright_signatures::reference::Version;
use gatewright_signatures::{Class, Image};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::timeout;

use crate::bounds;
use crate::check::{Check, Judged, Step, Trace};
use crate::demand::{Demand, DockerCfg, RegistryConfig};
use crate::registry::{Budget, Registry};

/// What was found about an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The image as it was named.
    pub image: String,
    /// What its name names now; none if that is not known.
    pub digest: Option<String>,
    /// The outcome of the first entry that is not satisfied, or of all.
    pub class: Class,
    /// What that means, in words; empty where it passes.
    pub text: String,
    /// What each entry that covers the image came to.
    pub entries: Vec<EntryReport>,
}

/// What one entry came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntryReport {
    /// The reference, in normal form.
    pub reference: String,
    /// What its name named then.
    pub digest: Option<String>,
    /// The outcome.
    pub class: Class,
    /// What that means, in words; empty where it passes.
    pub text: String,
    /// Every place that was asked and every candidate that was judged, in order.
    pub steps: Vec<Step>,
}

/// Checks an image by the entries of one policy that cover it, as the user of a command line: wherever its registry is,
/// and without anything that is remembered.
pub async fn check_image(
    registry: &Registry,
    image: &str,
    entries: Vec<ReadEntry>,
    docker_cfg: impl FnMut(&str) -> Option<DockerCfg>,
    file: &RegistryConfig,
) -> Report {
    let Ok(read) = Image::parse(image) else {
        return Report::of(image, Class::InvalidName, Class::InvalidName.plain().text(), vec![]);
    };
    let mut reports = vec![];
    for demand in Demand::of_entries(entries, docker_cfg, file) {
        if demand.entry.reference.covers(&read) {
            reports.push(check_entry(registry, &read, &demand).await);
        }
    }
    let (class, text) = outcome(&reports);
    Report::of(image, class, text, reports)
}

/// The first entry that is not satisfied; two digests of one name are none that is verified.
fn outcome(reports: &[EntryReport]) -> (Class, String) {
    let failed = reports.iter().find(|report| !report.class.passes());
    match (reports.first(), failed) {
        (None, _) => (Class::NotCovered, String::new()),
        (_, Some(failed)) => (failed.class, failed.text.clone()),
        (Some(first), None) if reports.iter().any(|report| report.digest != first.digest) => {
            (Class::InProgress, Class::InProgress.plain().text())
        }
        (Some(_), None) => (Class::Verified, String::new()),
    }
}

async fn check_entry(registry: &Registry, image: &Image, demand: &Demand) -> EntryReport {
    let (budget, trace) = (Budget::default(), Trace::kept());
    let check = Check { registry, demand, budget: &budget, trace: &trace };
    let judged = if demand.entry.require_digest && matches!(image.version, Version::Tag(_)) {
        Judged::failed(Class::DigestRequired.plain())
    } else {
        let late = || Judged::failed(Class::Unreachable.because("no answer in 20 s"));
        timeout(bounds::CHECK, check.judge(image)).await.unwrap_or_else(|_| late())
    };
    let (class, text) = match &judged.result {
        Ok(()) => (Class::Verified, String::new()),
        Err(failure) => (failure.class, failure.text()),
    };
    let digest = judged.digest.map(|digest| digest.to_string());
    let reference = demand.entry.reference.to_string();
    EntryReport { reference, digest, class, text, steps: trace.steps() }
}

impl Report {
    fn of(image: &str, class: Class, text: String, entries: Vec<EntryReport>) -> Self {
        let digest = entries.iter().find_map(|entry| entry.digest.clone());
        Self { image: image.to_owned(), digest, class, text, entries }
    }
}

#[cfg(test)]
mod tests {
    use gatewright_signatures::Class;
    use gatewright_signatures::entry::ReadEntry;

    use super::{Report, check_image};
    use crate::demand::RegistryConfig;
    use crate::registry::Registry;
    use crate::testing::TestRegistry;
    use crate::testing::sign::{entry, pem};

    async fn report(server: &TestRegistry, image: &str, entries: Vec<ReadEntry>) -> Report {
        let registry = Registry::without_rules_of_addresses(server.settings());
        check_image(&registry, image, entries, |_| None, &RegistryConfig::default()).await
    }

    #[tokio::test]
    async fn every_covering_entry_is_demanded() {
        let server = TestRegistry::start().await;
        let digest = server.image("1");
        server.sign_legacy(&digest, 1);
        let image = format!("{}/team/app:1", server.host());
        let passed = report(&server, &image, vec![entry("*", 1), entry("nginx", 2)]).await;
        assert_eq!((passed.class, passed.digest), (Class::Verified, Some(digest.to_string())));
        assert_eq!(passed.entries.len(), 1);
        let refused = report(&server, &image, vec![entry("*", 1), entry(&image, 2)]).await;
        assert_eq!((refused.class, refused.entries.len()), (Class::UnknownKey, 2));
        assert_eq!(refused.entries[1].reference, image);
        assert_eq!(report(&server, &image, vec![entry("nginx", 2)]).await.class, Class::NotCovered);
        assert_eq!(report(&server, "a b", vec![entry("*", 1)]).await.class, Class::InvalidName);
        let by_digest = ReadEntry::new("*", &[pem(1)], None, true, false).unwrap();
        assert_eq!(report(&server, &image, vec![by_digest.clone()]).await.class, Class::DigestRequired);
        let pinned = format!("{image}@{digest}");
        assert_eq!(report(&server, &pinned, vec![by_digest]).await.class, Class::Verified);
    }

    #[tokio::test]
    async fn steps_say_what_was_asked_and_why_nothing_counts() {
        let server = TestRegistry::start().await;
        let digest = server.image("1");
        server.sign_legacy(&digest, 2);
        let image = format!("{}/team/app:1", server.host());
        let report = report(&server, &image, vec![entry("*", 1)]).await;
        let steps: Vec<_> = report.entries[0].steps.iter().map(|step| step.answer.as_str()).collect();
        let resolved = digest.to_string();
        assert_eq!(
            steps,
            [
                resolved.as_str(),
                "there",
                "it is not there, so the registry has no such list",
                "a signature by none of the entry's keys",
                "it is not there",
            ]
        );
    }
}
