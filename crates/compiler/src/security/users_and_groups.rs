//! Users and groups.

use gatewright_api::{Field, IdRange, IdRule, IdStrategy, List, UserRule, UserStrategy};
use gatewright_rules::security_policy::users_and_groups::{Ids, Parameters, Range};

use crate::problem::Problem;

/// The highest id that the API server takes.
const HIGHEST_ID: i64 = i32::MAX as i64;

pub(super) fn users_and_groups(
    user_ids: &Field<UserStrategy>,
    run_as_group: &Field<IdStrategy>,
    fs_group: &Field<IdStrategy>,
    supplemental_groups: &Field<IdStrategy>,
    problems: &mut Vec<Problem>,
) -> Parameters {
    Parameters {
        run_as_user: user(user_ids, problems),
        run_as_group: group("runAsGroup", run_as_group, problems),
        fs_group: group("fsGroup", fs_group, problems),
        supplemental_groups: group("supplementalGroups", supplemental_groups, problems),
    }
}

/// The user ids. `MustRunAsNonRoot` is about every id but 0, whatever ranges stand beside it.
fn user(strategy: &Field<UserStrategy>, problems: &mut Vec<Problem>) -> Option<Ids<UserRule>> {
    let UserStrategy { rule, ranges } = strategy.value()?;
    let ranges = match rule {
        UserRule::RunAsAny => return None,
        UserRule::MustRunAsNonRoot => vec![Range { min: 1, max: HIGHEST_ID }],
        UserRule::MustRunAs => id_ranges("runAsUser", rule, ranges, problems),
    };
    Some(Ids { rule: *rule, ranges })
}

/// The group ids of `field`. `MayRunAs` with a range of every id refuses nothing.
fn group(field: &str, strategy: &Field<IdStrategy>, problems: &mut Vec<Problem>) -> Option<Ids<IdRule>> {
    let IdStrategy { rule, ranges } = strategy.value()?;
    if *rule == IdRule::RunAsAny {
        return None;
    }
    let ranges = id_ranges(field, rule, ranges, problems);
    let everything = ranges.iter().any(|range| range.min <= 0 && range.max >= HIGHEST_ID);
    (*rule == IdRule::MustRunAs || !everything).then_some(Ids { rule: *rule, ranges })
}

/// Ranges with both bounds; a missing one is open. The CRD refuses the same, but a policy in a file has not met it.
fn id_ranges(
    field: &str,
    rule: &impl std::fmt::Debug,
    ranges: &Field<List<IdRange>>,
    problems: &mut Vec<Problem>,
) -> Vec<Range> {
    let path = format!("spec.policies.{field}.ranges");
    let ranges: Vec<_> = ranges.value().into_iter().flat_map(|ranges| ranges.iter()).map(bounds).collect();
    if ranges.is_empty() {
        problems.push(Problem::new(&path, format!("{rule:?} needs at least one range")));
    }
    for (i, range) in ranges.iter().enumerate().filter(|(_, range)| range.min > range.max) {
        let message = format!("min {} is greater than max {}", range.min, range.max);
        problems.push(Problem::new(format!("{path}[{i}]"), message));
    }
    ranges
}

fn bounds(range: &IdRange) -> Range {
    let min = range.min.value().copied().unwrap_or(0);
    Range { min, max: range.max.value().copied().unwrap_or(HIGHEST_ID.max(min)) }
}
