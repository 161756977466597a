//! What `preview` says: the shape of its JSON.

use schemars::JsonSchema;
use serde::Serialize;

use super::tally::{Answer, Light, Row, Tally};
use crate::check::result::{ConstraintName, Violation};
use crate::cluster::Unseen;
use crate::foreign::Foreign;

/// What a change would do to what is in a cluster.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// `Preview`.
    pub kind: &'static str,
    /// The version of this document's shape.
    pub version: u32,
    /// How many owners are let through and refused.
    pub summary: Summary,
    /// Owners whose answer changes, and those that stay refused.
    pub owners: Vec<Owner>,
    /// Images whose signatures the change demands and nobody verified.
    pub not_verified: Vec<Foreign>,
    /// Constraints that cannot be judged here. The answers stand without them.
    pub not_judged: Vec<NotJudged>,
    /// Namespaces about which Gatekeeper is not asked after the change.
    pub exempt: Vec<Exempt>,
    /// What the user may not see.
    pub incomplete: Vec<Unseen>,
}

/// How many owners have which answer. A controller counts once, with all its Pods.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// All owners that were judged: controllers, Pods without one of these, and other objects.
    pub objects: usize,
    /// Those that are let through after the change, by everything that could be judged here.
    pub passing: usize,
    /// Those that are refused after the change and are not today.
    pub newly_refused: usize,
    /// How many running Pods of these would be refused if they were made anew.
    pub not_coming_back: u64,
    /// Those that are refused today and stay so.
    pub still_refused: usize,
    /// Those that are refused today and are not after the change.
    pub no_longer_refused: usize,
    /// Those that are warned about after the change and are not today.
    pub newly_warned: usize,
    /// Those of which nobody can say what becomes of them after the change.
    pub unknown: usize,
    /// Those that are let through but for a constraint that cannot be judged here, today neither.
    pub partly_judged: usize,
    /// Those that are let through if the signatures of their images are what policies demand.
    pub unverified: usize,
    /// Those that are let through because Gatekeeper is not asked about their namespace.
    pub exempt: usize,
    /// Owners that would be listed and are beyond `--limit`.
    pub not_listed: usize,
}

/// An owner: a controller with its Pods, a Pod, or another object.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the contract names the field")]
#[serde(rename_all = "camelCase")]
pub struct Owner {
    /// The namespace; none outside namespaces.
    pub namespace: Option<Foreign>,
    /// The API group; empty for the core group.
    pub group: Foreign,
    /// `KIND/NAME`.
    pub owner: Foreign,
    /// How many Pods run of it; none where it makes no Pods.
    pub pods: Option<u64>,
    /// How many of these would be refused after the change if they were made anew.
    pub not_coming_back: u64,
    /// What the cluster says today.
    pub today: Answer,
    /// What it says after the change.
    pub then: Answer,
    /// The first reason, as a sentence.
    pub reason: Foreign,
    /// What is wrong after the change, the worst first, at most 20.
    pub violations: Vec<Violation>,
    /// How many there are.
    pub violation_count: usize,
}

/// A constraint that cannot be judged here.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotJudged {
    /// The constraint.
    pub constraint: ConstraintName,
    /// Why.
    pub reason: Foreign,
    /// How many objects it judges.
    pub objects: u64,
}

/// A namespace about which Gatekeeper is not asked.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "ExemptNamespace")]
pub struct Exempt {
    /// The namespace.
    pub namespace: Foreign,
    /// Why.
    pub reason: Foreign,
    /// How many objects stand in it.
    pub objects: usize,
}

/// The document, and the rows that it lists.
pub fn preview(tally: Tally, incomplete: Vec<Unseen>) -> (Preview, Vec<Row>) {
    let not_verified = tally.images.iter().map(|image| image.as_str().into()).collect();
    let not_judged = tally.unjudged.iter().map(|(constraint, (reason, objects))| NotJudged {
        constraint: ConstraintName {
            kind: constraint.kind.as_str().into(),
            name: constraint.name.as_str().into(),
        },
        reason: reason.as_str().into(),
        objects: *objects,
    });
    let not_judged = not_judged.collect();
    let exempt = tally.exempt.all().map(|(namespace, reason, objects)| Exempt {
        namespace: namespace.into(),
        reason: reason.into(),
        objects,
    });
    let exempt = exempt.collect();
    let (mut rows, others) = tally.rows();
    let summary = summary(&rows, &others);
    rows.retain(|row| row.detail.is_some());
    rows.sort_by_cached_key(|row| (rank(row.light), std::cmp::Reverse(row.pods), row.key.clone()));
    let owners = rows.iter().filter_map(owner).collect();
    let document = Preview {
        kind: "Preview",
        version: 1,
        summary,
        owners,
        not_verified,
        not_judged,
        exempt,
        incomplete,
    };
    (document, rows)
}

/// What is new comes first, the worst of it at the top.
fn rank(light: Light) -> usize {
    match (light.today, light.then) {
        (today, Answer::Refused) if today != Answer::Refused => 0,
        (_, Answer::Unknown) => 1,
        (_, Answer::Refused) => 2,
        (Answer::Refused, _) => 4,
        _ => 3,
    }
}

fn owner(row: &Row) -> Option<Owner> {
    let detail = row.detail.as_ref()?;
    let key = &row.key;
    Some(Owner {
        namespace: (!key.namespace.is_empty()).then(|| key.namespace.as_str().into()),
        group: key.group.as_str().into(),
        owner: format!("{}/{}", key.kind, key.name).into(),
        pods: row.pods,
        not_coming_back: row.not_coming_back(),
        today: row.light.today,
        then: row.light.then,
        reason: detail.reason.clone(),
        violations: detail.result.violations.clone(),
        violation_count: detail.violations,
    })
}

fn summary(rows: &[Row], others: &[Light]) -> Summary {
    let mut summary = Summary::default();
    for light in rows.iter().map(|row| row.light).chain(others.iter().copied()) {
        count(&mut summary, light);
    }
    let new = rows.iter().filter(|row| row.light.is_newly_refused());
    summary.not_coming_back = new.map(Row::not_coming_back).sum();
    summary.not_listed = rows.iter().filter(|row| row.detail.is_none()).count();
    summary
}

fn count(summary: &mut Summary, light: Light) {
    let Light { today, then, partly, unverified, exempt, .. } = light;
    summary.objects += 1;
    *match then {
        Answer::Refused if today == Answer::Refused => &mut summary.still_refused,
        Answer::Refused => &mut summary.newly_refused,
        Answer::Unknown => &mut summary.unknown,
        _ if exempt => &mut summary.exempt,
        _ if partly => &mut summary.partly_judged,
        _ if unverified => &mut summary.unverified,
        _ => &mut summary.passing,
    } += 1;
    summary.newly_warned += usize::from(then == Answer::Warned && today < Answer::Warned);
    summary.no_longer_refused += usize::from(today == Answer::Refused && then < Answer::Unknown);
}
