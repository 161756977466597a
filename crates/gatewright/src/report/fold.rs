//! Makes rows of violations: plain values in, the rows out.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use gatewright_gatekeeper::Action;
use k8s_openapi::jiff::Timestamp;
use serde::Serialize;

use super::document::{
    By, NamespaceRow, Omitted, Owner, OwnerRow, PolicyRow, Reason, Rows, Subject, Summary,
};
use super::owners::{Object, Owners};
use super::page::embedded;
use crate::foreign::Foreign;

/// How many rows a report has at most.
pub const MOST_ROWS: usize = 20_000;

/// How large all rows are together at most, in bytes, as a page holds them.
pub const MOST_BYTES: usize = 8 << 20;

/// A violation of a policy by an object.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The object.
    pub object: Object,
    /// The policy.
    pub policy: Subject,
    /// What is done about it.
    pub action: Action,
    /// What is wrong.
    pub message: Foreign,
    /// When it was first found, in seconds since 1970, where that is known.
    pub since: Option<i64>,
}

/// Whether a violation counts as failed: what is only warned of, or only recorded, does not count against anybody.
pub fn fails(action: Action) -> bool {
    match action {
        Action::Deny => true,
        Action::Warn | Action::Dryrun => false,
    }
}

/// The rows by owner, the worst first. Everything else is made of them.
pub fn by_owner(findings: &[Finding], owners: &Owners) -> Vec<OwnerRow> {
    let mut groups = HashMap::<&Object, Vec<&Finding>>::new();
    for finding in findings {
        groups.entry(owners.top(&finding.object)).or_default().push(finding);
    }
    let mut rows: Vec<_> = groups.into_iter().map(|(owner, findings)| row(owner, &findings)).collect();
    rows.sort_by(|a, b| order(a).cmp(&order(b)));
    rows
}

fn order(row: &OwnerRow) -> (Reverse<(usize, usize)>, &Foreign, &Owner) {
    (Reverse((row.fail, row.warn)), &row.namespace, &row.owner)
}

/// Violations with one reason.
type Same<'a> = ((Reverse<Action>, &'a Subject, &'a Foreign), Vec<&'a Finding>);

fn row(owner: &Object, findings: &[&Finding]) -> OwnerRow {
    let mut reasons = BTreeMap::<_, Vec<&Finding>>::new();
    for finding in findings {
        let reason = (Reverse(finding.action), &finding.policy, &finding.message);
        reasons.entry(reason).or_default().push(finding);
    }
    let fail = findings.iter().filter(|finding| fails(finding.action)).count();
    OwnerRow {
        namespace: owner.namespace.clone(),
        owner: Owner { group: owner.group.clone(), kind: owner.kind.clone(), name: owner.name.clone() },
        fail,
        warn: findings.len() - fail,
        since: since(findings),
        violations: reasons.into_iter().map(reason).collect(),
    }
}

fn reason(((Reverse(enforcement_action), policy, message), same): Same<'_>) -> Reason {
    let (policy, message) = (policy.clone(), message.clone());
    Reason { policy, enforcement_action, message, count: same.len(), since: since(&same) }
}

fn since(findings: &[&Finding]) -> Option<String> {
    findings.iter().filter_map(|finding| finding.since).min().and_then(written)
}

fn written(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(|time| time.to_string())
}

/// The counts of all rows.
pub fn summary(rows: &[OwnerRow], all_namespaces: Option<usize>) -> Summary {
    let namespaces: BTreeSet<_> = rows.iter().map(|row| &row.namespace).filter(|it| !it.is_empty()).collect();
    Summary {
        owners: rows.len(),
        failed: rows.iter().map(|row| row.fail).sum(),
        warned: rows.iter().map(|row| row.warn).sum(),
        namespaces: namespaces.len(),
        all_namespaces,
    }
}

/// The rows that are asked for, as many as a report may have, and what is left out.
pub fn bounded(rows: &[OwnerRow], by: By) -> (Rows, Omitted) {
    match by {
        By::Owner => {
            let (rows, omitted) = cut(rows.to_vec(), |row| (row.fail, row.warn));
            (Rows::Owner(rows), omitted)
        }
        By::Namespace => {
            let (rows, omitted) = cut(by_namespace(rows), |row| (row.fail, row.warn));
            (Rows::Namespace(rows), omitted)
        }
        By::Policy => {
            let (rows, omitted) = cut(by_policy(rows), |row| (row.fail, row.warn));
            (Rows::Policy(rows), omitted)
        }
    }
}

/// Cuts rows where there are too many, or where they become too large.
fn cut<R: Serialize>(mut rows: Vec<R>, counts: impl Fn(&R) -> (usize, usize)) -> (Vec<R>, Omitted) {
    let mut bytes = 0;
    let mut fits = |row: &R| {
        bytes += embedded(row).map_or(MOST_BYTES, |text| text.len());
        bytes <= MOST_BYTES
    };
    let room = rows.iter().take(MOST_ROWS).take_while(|row| fits(row)).count();
    let rest = rows.split_off(room);
    let (fail, warn) = rest.iter().map(counts).fold((0, 0), |(a, b), (fail, warn)| (a + fail, b + warn));
    (rows, Omitted { rows: rest.len(), fail, warn })
}

fn earliest(a: Option<String>, b: Option<&String>) -> Option<String> {
    a.into_iter().chain(b.cloned()).min()
}

fn by_namespace(rows: &[OwnerRow]) -> Vec<NamespaceRow> {
    let mut groups = BTreeMap::<&Foreign, NamespaceRow>::new();
    for row in rows {
        let empty = || NamespaceRow {
            namespace: row.namespace.clone(),
            owners: 0,
            fail: 0,
            warn: 0,
            policies: vec![],
            since: None,
        };
        let group = groups.entry(&row.namespace).or_insert_with(empty);
        group.owners += 1;
        group.fail += row.fail;
        group.warn += row.warn;
        group.since = earliest(group.since.take(), row.since.as_ref());
        group.policies.extend(policies(row).into_iter().cloned());
    }
    let mut rows: Vec<_> = groups.into_values().collect();
    for row in &mut rows {
        row.policies.sort();
        row.policies.dedup();
    }
    rows.sort_by_key(|row| Reverse((row.fail, row.warn)));
    rows
}

/// The policies that an owner violates, each once: first those that are refused.
pub fn policies(row: &OwnerRow) -> Vec<&Subject> {
    let mut all: Vec<&Subject> = vec![];
    for reason in &row.violations {
        if !all.contains(&&reason.policy) {
            all.push(&reason.policy);
        }
    }
    all
}

fn by_policy(rows: &[OwnerRow]) -> Vec<PolicyRow> {
    let mut groups = BTreeMap::<&Subject, (PolicyRow, BTreeSet<&Foreign>)>::new();
    for row in rows {
        for policy in policies(row) {
            let (group, namespaces) =
                groups.entry(policy).or_insert_with(|| (empty(policy), BTreeSet::new()));
            group.owners += 1;
            if !row.namespace.is_empty() {
                namespaces.insert(&row.namespace);
            }
        }
        for reason in &row.violations {
            if let Some((group, _)) = groups.get_mut(&reason.policy) {
                group.since = earliest(group.since.take(), reason.since.as_ref());
                *if fails(reason.enforcement_action) { &mut group.fail } else { &mut group.warn } +=
                    reason.count;
            }
        }
    }
    let counted =
        |(row, namespaces): (PolicyRow, BTreeSet<_>)| PolicyRow { namespaces: namespaces.len(), ..row };
    let mut rows: Vec<_> = groups.into_values().map(counted).collect();
    rows.sort_by_key(|row| Reverse((row.fail, row.warn)));
    rows
}

fn empty(policy: &Subject) -> PolicyRow {
    PolicyRow { policy: policy.clone(), namespaces: 0, owners: 0, fail: 0, warn: 0, since: None }
}
