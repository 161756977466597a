//! The content of a report, as both formats have it.

use std::collections::HashMap;

use gatewright_gatekeeper::{Action, AuditedViolation};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::findings::{Findings, Place};
use crate::judge::summary::rule;
use crate::names::FIELD_MANAGER;
use crate::names::REPORT as NAME;
use crate::watch::observe::Audited;
use crate::watch::published::Summary;
use crate::watch::reports::{results, take_time};

/// A report is at most about this large, whatever the settings say: the API server stores nothing much larger.
const MOST_BYTES: usize = 1_000_000;

/// The form of a report.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// How many results it lists.
    pub(crate) most: usize,
    /// Whether it is one of openreports.io, which has fields for its source and its limit.
    pub(crate) open: bool,
}

/// The report of a place; none where nothing was found and nothing is left out.
pub(crate) fn content(findings: &Findings, place: Place<'_>, form: Form) -> Option<(Value, Summary)> {
    let (truncated, violations) = (findings.truncated(place), findings.violations(place));
    let total = truncated.len() + violations.len();
    if total == 0 {
        return None;
    }
    let mut summary = Summary { skip: truncated.len(), ..Summary::default() };
    for (audited, _) in &violations {
        match audited.action {
            Action::Deny => summary.fail += 1,
            Action::Warn | Action::Dryrun => summary.warn += 1,
        }
    }
    // What is left out comes first: whoever reads the top of the list knows.
    let all = truncated.into_iter().map(skipped);
    let all = all.chain(violations.into_iter().map(|(audited, violation)| violated(audited, violation)));
    // The last one says that there are more.
    let room = if total > form.most { form.most - 1 } else { total };
    let mut results = listed(all.take(room));
    let rest = total - results.len();
    if rest > 0 {
        results.push(more(rest, form));
        summary.skip += 1;
    }
    Some((report(place, form, &summary, results), summary))
}

fn listed(all: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut bytes = 0;
    let fits = |result: &Value| {
        bytes += result.to_string().len();
        bytes <= MOST_BYTES
    };
    all.take_while(fits).collect()
}

fn report(place: Place<'_>, form: Form, summary: &Summary, results: Vec<Value>) -> Value {
    let mut report = json!({"summary": summary});
    report["results"] = Value::Array(results);
    if let Place::Namespace(namespace) = place {
        report["scope"] = json!({"apiVersion": "v1", "kind": "Namespace", "name": namespace.name});
    }
    if form.open {
        report["source"] = json!(FIELD_MANAGER);
        report["configuration"] = json!({"limits": {"maxResults": form.most}});
    }
    report
}

/// A violation. What is only warned of or only recorded does not count against anybody: in both formats that is a
/// `warn`, which is not scored.
fn violated(audited: &Audited, violation: &AuditedViolation) -> Value {
    let (outcome, severity) = match audited.action {
        Action::Deny => ("fail", "high"),
        Action::Warn => ("warn", "medium"),
        Action::Dryrun => ("warn", "low"),
    };
    let mut result = result(audited, outcome, &violation.message);
    result["severity"] = json!(severity);
    result["resources"] = json!([resource(violation)]);
    let rule = rule(&violation.message);
    // Gatekeeper's own messages begin otherwise.
    if !rule.is_empty() && !rule.contains(char::is_whitespace) {
        result["rule"] = json!(rule);
    }
    result
}

/// Audit lists less than it found, and cannot say where the rest is. How much that is would change all the time.
fn skipped(audited: &Audited) -> Value {
    let Audited { category, policy, .. } = audited;
    let message = format!(
        "Gatekeeper's audit found more violations of the {category} {policy} than it lists, so there may be some here \
         that this report does not show; its --constraint-violations-limit is too low"
    );
    result(audited, "skip", &message)
}

fn result(audited: &Audited, outcome: &str, message: &str) -> Value {
    let mut result = json!({
        "source": FIELD_MANAGER,
        "category": audited.category,
        "policy": audited.policy,
        "result": outcome,
        "scored": outcome == "fail",
        "message": message,
        "properties": {"enforcementAction": audited.action.name()},
    });
    if let Ok(time) = audited.audit.timestamp.parse::<Timestamp>() {
        result["timestamp"] = json!({"seconds": time.as_second(), "nanos": 0});
    }
    result
}

fn resource(violation: &AuditedViolation) -> Value {
    let AuditedViolation { group, version, kind, namespace, name, .. } = violation;
    let slash = if group.is_empty() { "" } else { "/" };
    let mut resource =
        json!({"apiVersion": format!("{group}{slash}{version}"), "kind": **kind, "name": **name});
    if !namespace.is_empty() {
        resource["namespace"] = json!(**namespace);
    }
    resource
}

fn more(rest: usize, form: Form) -> Value {
    let most = form.most;
    let message = format!(
        "{rest} more results are counted in the summary and not listed: a report lists at most {most} \
         (reports.maxResults) and {MOST_BYTES} bytes"
    );
    json!({
        "source": FIELD_MANAGER, "policy": NAME, "rule": "reports.maxResults", "result": "skip", "scored": false,
        "message": message,
    })
}

/// A result that was there before was found then.
pub(crate) fn keep_times(content: &mut Value, before: &Value) {
    let mut times = HashMap::new();
    for result in before["results"].as_array().into_iter().flatten() {
        let mut result = result.clone();
        if let Some(time) = take_time(&mut result) {
            times.insert(result, time);
        }
    }
    for result in results(content) {
        let now = take_time(result);
        if let Some(time) = times.get(result).cloned().or(now) {
            result["timestamp"] = time;
        }
    }
}

#[cfg(test)]
mod tests;
