//! When a constraint can be said to be enforced.

use std::collections::BTreeSet;

use crate::PodStatus;

/// An object whose processes' reports are judged.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The object's uid.
    pub uid: String,
    /// The object's generation.
    pub generation: i64,
    /// Its `status.byPod`.
    pub reports: Vec<PodStatus>,
}

/// Whether every process enforces a constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every expected process does.
    Enforced,
    /// There is no process that could.
    NoProcess,
    /// A process could not take the template in.
    TemplateRejected(TemplateError),
    /// These processes do not, each with the reason.
    NotEnforcedBy(Vec<(String, String)>),
}

/// What a process said of a template that it could not take in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The process.
    pub process: String,
    /// Its words.
    pub message: String,
}

/// Judges a constraint: each expected process must have taken in the current template and the current constraint,
/// without errors. Gatekeeper's flags `created` and `enforced` alone prove nothing, as they are never set back.
#[must_use]
pub fn judge(expected: &BTreeSet<String>, template: &Subject, constraint: &Subject) -> Verdict {
    if expected.is_empty() {
        return Verdict::NoProcess;
    }
    if let Some(error) = template.rejection(expected) {
        return Verdict::TemplateRejected(error);
    }
    let missing: Vec<_> = expected
        .iter()
        .filter_map(|process| {
            let reason = template
                .missing(process, "template")
                .or_else(|| constraint.missing(process, "constraint"))
                .or_else(|| constraint.not_loaded(process))?;
            Some((process.clone(), reason))
        })
        .collect();
    if missing.is_empty() { Verdict::Enforced } else { Verdict::NotEnforcedBy(missing) }
}

/// Judges a template: each expected process must have taken in the current one, without errors.
#[must_use]
pub fn judge_template(expected: &BTreeSet<String>, template: &Subject) -> Verdict {
    if expected.is_empty() {
        return Verdict::NoProcess;
    }
    if let Some(error) = template.rejection(expected) {
        return Verdict::TemplateRejected(error);
    }
    let missing = |process: &String| Some((process.clone(), template.missing(process, "template")?));
    let missing: Vec<_> = expected.iter().filter_map(missing).collect();
    if missing.is_empty() { Verdict::Enforced } else { Verdict::NotEnforcedBy(missing) }
}

/// Judges a Provider: each expected process must ask the current one. Gatekeeper reports this since 3.21.
#[must_use]
pub fn judge_provider(expected: &BTreeSet<String>, provider: &Subject) -> Verdict {
    if expected.is_empty() {
        return Verdict::NoProcess;
    }
    let missing = |process: &String| {
        let inactive = || {
            let active = provider.report_of(process).is_some_and(|report| report.enforced);
            (!active).then(|| "does not ask the Provider".to_owned())
        };
        Some((process.clone(), provider.missing(process, "Provider").or_else(inactive)?))
    };
    let missing: Vec<_> = expected.iter().filter_map(missing).collect();
    if missing.is_empty() { Verdict::Enforced } else { Verdict::NotEnforcedBy(missing) }
}

impl Subject {
    /// The error of an expected process about the current generation.
    #[must_use]
    pub fn rejection(&self, expected: &BTreeSet<String>) -> Option<TemplateError> {
        let current = self.reports.iter().filter(|report| self.is_current(report));
        let mut failed = current.filter(|report| expected.contains(&report.id) && !report.errors.is_empty());
        failed.next().map(|report| TemplateError { process: report.id.clone(), message: messages(report) })
    }

    fn is_current(&self, report: &PodStatus) -> bool {
        report.uid == self.uid && report.observed_generation == Some(self.generation)
    }

    fn report_of(&self, process: &str) -> Option<&PodStatus> {
        self.reports.iter().find(|report| report.id == process && report.uid == self.uid)
    }

    fn missing(&self, process: &str, what: &str) -> Option<String> {
        let Some(report) = self.report_of(process) else {
            return Some(format!("has not reported on the {what}"));
        };
        if !report.errors.is_empty() {
            return Some(format!("cannot use the {what}: {}", messages(report)));
        }
        let seen = report.observed_generation.unwrap_or_default();
        (seen != self.generation)
            .then(|| format!("has generation {seen} of the {what}, not {}", self.generation))
    }

    fn not_loaded(&self, process: &str) -> Option<String> {
        let enforced = self.report_of(process).is_some_and(|report| report.enforced);
        (!enforced).then(|| "has not loaded the constraint".to_owned())
    }
}

fn messages(report: &PodStatus) -> String {
    let messages: Vec<_> = report.errors.iter().map(|error| error.message.as_str()).collect();
    messages.join("; ")
}

#[cfg(test)]
mod tests {
    use super::{Subject, TemplateError, Verdict, judge, judge_provider};
    use crate::{PodStatus, Process, expected_processes, pod_statuses};
    use serde_json::json;
    use std::collections::BTreeSet;

    fn reports(entries: &serde_json::Value) -> Vec<PodStatus> {
        pod_statuses(&json!({"byPod": entries}))
    }

    fn template(entries: &serde_json::Value) -> Subject {
        Subject { uid: "t".into(), generation: 2, reports: reports(entries) }
    }

    fn constraint(entries: &serde_json::Value) -> Subject {
        Subject { uid: "c".into(), generation: 5, reports: reports(entries) }
    }

    fn expected(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn enforced_means_every_expected_process_has_the_current_objects() {
        let good_template = json!([{"id": "a", "templateUID": "t", "observedGeneration": 2}]);
        let good = json!([{"id": "a", "constraintUID": "c", "observedGeneration": 5, "enforced": true}]);
        let not_by = |reason: &str| Verdict::NotEnforcedBy(vec![("a".into(), reason.into())]);
        for (templates, constraints, verdict) in [
            (&good_template, &good, Verdict::Enforced),
            (&json!([]), &good, not_by("has not reported on the template")),
            (&good_template, &json!([]), not_by("has not reported on the constraint")),
            (
                &json!([{"id": "a", "templateUID": "t", "observedGeneration": 1}]),
                &good,
                not_by("has generation 1 of the template, not 2"),
            ),
            (
                &good_template,
                &json!([{"id": "a", "constraintUID": "older", "observedGeneration": 5, "enforced": true}]),
                not_by("has not reported on the constraint"),
            ),
            (
                &good_template,
                &json!([{"id": "a", "constraintUID": "c", "observedGeneration": 4, "enforced": true}]),
                not_by("has generation 4 of the constraint, not 5"),
            ),
            (
                &good_template,
                &json!([{"id": "a", "constraintUID": "c", "observedGeneration": 5, "enforced": true,
                         "errors": [{"message": "bad selector"}]}]),
                not_by("cannot use the constraint: bad selector"),
            ),
            (
                &good_template,
                &json!([{"id": "a", "constraintUID": "c", "observedGeneration": 5}]),
                not_by("has not loaded the constraint"),
            ),
            (
                &json!([{"id": "a", "templateUID": "t", "observedGeneration": 2,
                         "errors": [{"code": "ingest_error", "message": "Could not ingest Rego"}]}]),
                &good,
                Verdict::TemplateRejected(TemplateError {
                    process: "a".into(),
                    message: "Could not ingest Rego".into(),
                }),
            ),
        ] {
            assert_eq!(judge(&expected(&["a"]), &template(templates), &constraint(constraints)), verdict);
        }
    }

    #[test]
    fn a_provider_is_asked_when_every_expected_process_says_so_of_the_current_one() {
        let missing = |why: &str| Verdict::NotEnforcedBy(vec![("a".into(), why.into())]);
        for (entry, verdict) in [
            (json!({"providerUID": "p", "observedGeneration": 3, "active": true}), Verdict::Enforced),
            (
                json!({"providerUID": "p", "observedGeneration": 2, "active": true}),
                missing("has generation 2 of the Provider, not 3"),
            ),
            (
                json!({"providerUID": "older", "observedGeneration": 3, "active": true}),
                missing("has not reported on the Provider"),
            ),
            (json!({"providerUID": "p", "observedGeneration": 3}), missing("does not ask the Provider")),
            (
                json!({"providerUID": "p", "observedGeneration": 3, "errors": [
                    {"type": "UpsertCache", "message": "bad caBundle", "retryable": true},
                ]}),
                missing("cannot use the Provider: bad caBundle"),
            ),
        ] {
            let mut entry = entry;
            entry["id"] = json!("a");
            let provider = Subject { uid: "p".into(), generation: 3, reports: reports(&json!([entry])) };
            assert_eq!(judge_provider(&expected(&["a"]), &provider), verdict, "{entry}");
            assert_eq!(judge_provider(&expected(&[]), &provider), Verdict::NoProcess);
        }
    }

    #[test]
    fn a_second_process_that_says_nothing_is_named() {
        let templates = json!([{"id": "a", "templateUID": "t", "observedGeneration": 2}]);
        let constraints =
            json!([{"id": "a", "constraintUID": "c", "observedGeneration": 5, "enforced": true}]);
        let verdict = judge(&expected(&["a", "b"]), &template(&templates), &constraint(&constraints));
        let missing = vec![("b".to_owned(), "has not reported on the template".to_owned())];
        assert_eq!(verdict, Verdict::NotEnforcedBy(missing));
        assert_eq!(
            judge(&expected(&[]), &template(&templates), &constraint(&constraints)),
            Verdict::NoProcess
        );
    }

    #[test]
    fn expected_are_webhooks_that_reported_or_are_labelled_and_stay() {
        let pod = |name: &str, label: Option<&str>, terminating| Process {
            name: name.into(),
            labels: label.map(|value| ("control-plane".to_owned(), value.to_owned())).into_iter().collect(),
            terminating,
            ..Process::default()
        };
        let pods = [
            pod("reported", None, false),
            pod("labelled", Some("controller-manager"), false),
            pod("audit", Some("audit-controller"), false),
            pod("leaving", Some("controller-manager"), true),
            pod("other", None, false),
        ];
        let reports = reports(&json!([
            {"id": "reported", "operations": ["status", "webhook"]},
            {"id": "audit", "operations": ["audit"]},
            {"id": "gone", "operations": ["webhook"]},
        ]));
        assert_eq!(expected_processes(&pods, &reports), expected(&["labelled", "reported"]));
    }
}
