use super::fixtures::{audited, id, snapshot};
use super::{Decision, Decisions, Outcome, Work, judge, news};
use crate::Error;
use crate::judge::builtin::Builtin;
use crate::judge::conditions::Judgement;
use crate::judge::fixtures::builtin;
use crate::watch::kind::Id;
use crate::watch::observe::{Audited, Preferred, ReportKinds, ReportsSnapshot};
use crate::watch::published::{Problem, ReportsOutcome, Summary};
use crate::watch::report_kind::{CLUSTER, NAMESPACED};
use crate::watch::reports::{Seen, fingerprint, labels};
use gatewright_api::Reason;
use gatewright_compiler::Settings;
use gatewright_gatekeeper::Matcher;
use std::sync::Arc;
use std::time::Duration;

fn decided(snapshot: &ReportsSnapshot, builtin: &Builtin) -> Vec<Decision> {
    Decisions::of(snapshot, builtin).unwrap().iter().collect()
}

/// What is to be done: `+` to write, `-` to delete, with kind and namespace.
fn work(snapshot: &ReportsSnapshot, builtin: &Builtin) -> Vec<String> {
    let line = |Decision { id, work, .. }: Decision| {
        let sign = match work? {
            Work::Write { exists: false, .. } => "+",
            Work::Write { exists: true, .. } => "~",
            Work::Delete => "-",
        };
        Some(format!("{sign} {id}"))
    };
    decided(snapshot, builtin).into_iter().filter_map(line).collect()
}

fn off() -> Builtin {
    Builtin::new(Settings::from_yaml("reports: {enabled: false}", "gatewright-system").unwrap())
}

const OURS: Seen = Seen { ours: true, fingerprint: 0 };
const THEIRS: Seen = Seen { ours: false, fingerprint: 0 };

fn with(mut snapshot: ReportsSnapshot, seen: &[(Id, Seen)]) -> ReportsSnapshot {
    snapshot.seen.extend(seen.iter().cloned());
    snapshot
}

#[test]
fn each_place_where_something_was_found_has_one_report_of_the_preferred_kind() {
    let (report, policy) = (&NAMESPACED[0], &NAMESPACED[1]);
    let all = || snapshot(&["shop", ""], &["shop", "till"]);
    let kinds = |namespaced, cluster| ReportKinds { namespaced, cluster, sources_known: true };
    let only = |namespaced, cluster| ReportsSnapshot { kinds: kinds(namespaced, cluster), ..all() };
    for (what, snapshot, expected) in [
        ("nothing is there", all(), &["+ Report shop/gatewright", "+ ClusterReport gatewright"][..]),
        ("nothing was found", snapshot(&[], &["shop"]), &[]),
        (
            "what was found is gone",
            with(snapshot(&[], &["shop"]), &[(id(report, "shop"), OURS)]),
            &["- Report shop/gatewright"],
        ),
        (
            "an old one",
            with(snapshot(&["shop"], &["shop"]), &[(id(report, "shop"), OURS)]),
            &["~ Report shop/gatewright"],
        ),
        (
            "somebody else's",
            with(snapshot(&["shop"], &["shop"]), &[(id(report, "shop"), THEIRS)]),
            &["~ Report shop/gatewright"],
        ),
        (
            "somebody else's where nothing was found",
            with(snapshot(&[], &["shop"]), &[(id(report, "shop"), THEIRS)]),
            &[],
        ),
        (
            "one of the kind that is not preferred",
            with(snapshot(&["shop"], &["shop"]), &[(id(policy, "shop"), OURS), (id(policy, "till"), THEIRS)]),
            &["+ Report shop/gatewright", "- PolicyReport shop/gatewright"],
        ),
        (
            "one of a namespace that is gone",
            with(snapshot(&[], &["shop"]), &[(id(report, "gone"), OURS)]),
            &["- Report gone/gatewright"],
        ),
        (
            "only the older group is served",
            ReportsSnapshot {
                known: vec![policy, &CLUSTER[1]],
                ..only(Preferred::Kind(policy), Preferred::Kind(&CLUSTER[1]))
            },
            &["+ PolicyReport shop/gatewright", "+ ClusterPolicyReport gatewright"],
        ),
        ("nobody knows yet what is served", only(Preferred::Unknown, Preferred::Unknown), &[]),
        ("none is served", only(Preferred::None, Preferred::None), &[]),
        (
            "reports of the kind are not known",
            ReportsSnapshot { known: vec![&CLUSTER[0]], ..all() },
            &["+ ClusterReport gatewright"],
        ),
    ] {
        assert_eq!(work(&snapshot, builtin()), expected, "{what}");
    }
}

#[test]
fn a_report_that_is_as_it_should_be_is_left_alone_and_counts() {
    let snapshot = snapshot(&["shop"], &["shop"]);
    let [Decision { results, work: Some(Work::Write { content, .. }), .. }, _] =
        &decided(&snapshot, builtin())[..]
    else {
        panic!("no report");
    };
    assert_eq!(*results, Summary { fail: 1, ..Summary::default() });
    let id = id(&NAMESPACED[0], "shop");
    let seen = Seen { ours: true, fingerprint: fingerprint(&labels(), content.clone()) };
    for (seen, expected) in [
        (seen, None),
        (Seen { ours: false, ..seen }, Some(Work::Write { content: content.clone(), exists: true })),
    ] {
        let found = &decided(&with(snapshot.clone(), &[(id.clone(), seen)]), builtin())[0];
        assert_eq!((found.results, &found.work), (*results, &expected));
    }
}

/// What the metrics count.
#[test]
fn results_and_constraints_that_are_cut_off_are_counted() {
    let mut snapshot = snapshot(&["shop"], &["shop"]);
    let hidden = Some(Arc::new(Matcher::default()));
    let cut =
        |policy: &str| Audited { hidden: hidden.clone(), policy: policy.to_owned(), ..audited(&["shop"]) };
    for (audited, expected) in
        [(vec![audited(&["shop"])], 0), (vec![cut("a"), audited(&["shop"]), cut("b")], 2)]
    {
        snapshot.audited = audited;
        assert_eq!(Decisions::of(&snapshot, builtin()).unwrap().truncated(), expected);
    }
    let mut outcome = Outcome::default();
    for fail in [1, 2] {
        outcome.count(Summary { fail, ..Summary::default() });
    }
    assert_eq!(outcome.published.results, Summary { fail: 3, ..Summary::default() });
}

#[test]
fn reports_stay_while_not_everything_is_known_and_go_when_they_are_switched_off() {
    let seen = [(id(&NAMESPACED[0], "shop"), OURS), (id(&NAMESPACED[1], "till"), THEIRS)];
    let mut unknown = with(snapshot(&["shop"], &["shop"]), &seen);
    unknown.kinds.sources_known = false;
    assert!(Decisions::of(&unknown, builtin()).is_none());
    // What is to go needs no sources.
    assert_eq!(work(&unknown, &off()), ["- Report shop/gatewright"]);
}

fn outcome(problems: &[(&str, Reason, &str)]) -> ReportsOutcome {
    let problem = |(namespace, reason, message): &(&str, Reason, &str)| {
        (id(&NAMESPACED[0], namespace), Problem { reason: *reason, message: (*message).to_owned() })
    };
    ReportsOutcome { problems: problems.iter().map(problem).collect(), ..ReportsOutcome::default() }
}

#[test]
fn what_failed_is_noted_and_the_first_that_may_succeed_is_tried_again() {
    let mut all = Outcome::default();
    let name = || ("Report".to_owned(), "a/gatewright".to_owned());
    let (kind, foreign) = name();
    all.failed(id(&NAMESPACED[0], "a"), Error::Conflict { kind, name: foreign });
    assert!(all.failed.is_none(), "what stands in the way goes by itself");
    let timeout = |doing: &str| Error::Timeout { doing: doing.into(), limit: Duration::from_secs(1) };
    all.failed(id(&NAMESPACED[0], "b"), timeout("first"));
    all.failed(id(&NAMESPACED[0], "c"), timeout("second"));
    assert!(all.failed.unwrap().to_string().starts_with("first"));
    let reasons: Vec<_> = all.published.problems.values().map(|problem| problem.reason).collect();
    assert_eq!(reasons, [Reason::Conflict, Reason::ApplyFailed, Reason::ApplyFailed]);
}

#[test]
fn a_problem_is_news_once_and_an_event_where_somebody_can_help() {
    let conflict = [("shop", Reason::Conflict, "x")];
    for (before, now, expected) in [
        (None, &conflict[..], &[("shop", true)][..]),
        (Some(&conflict[..]), &conflict, &[]),
        (Some(&[("shop", Reason::Conflict, "y")]), &conflict, &[("shop", true)]),
        (Some(&conflict), &[], &[]),
        (Some(&conflict), &[("shop", Reason::ApplyFailed, "x")], &[("shop", false)]),
        (None, &[("", Reason::Conflict, "x")], &[("", false)]),
    ] {
        let (before, now) = (before.map(outcome), outcome(now));
        let news: Vec<_> =
            news(before.as_ref(), &now).iter().map(|it| (it.id.namespace.clone(), it.event)).collect();
        let expected: Vec<_> = expected.iter().map(|(name, event)| ((*name).to_owned(), *event)).collect();
        assert_eq!(news, expected);
    }
}

#[test]
fn what_is_said_of_the_reports() {
    let (on, off) = (builtin(), off());
    let kinds = |namespaced, cluster, sources_known| ReportKinds { namespaced, cluster, sources_known };
    let both = kinds(Preferred::Kind(&NAMESPACED[0]), Preferred::Kind(&CLUSTER[1]), true);
    let failed = |i: usize| ["a", "b", "c", "d", "e"].map(|it| (it, Reason::ApplyFailed, it))[..i].to_vec();
    let mut conflict = failed(5);
    conflict[4].1 = Reason::Conflict;
    for (kinds, outcome, builtin, expected) in [
        (both, None, &off, Judgement::yes(Reason::NotNeeded, "reports.enabled is false in the settings")),
        (
            kinds(Preferred::None, Preferred::Unknown, true),
            None,
            on,
            Judgement::yes(
                Reason::NotNeeded,
                "the API server serves no reports, neither of openreports.io nor of wgpolicyk8s.io",
            ),
        ),
        (
            ReportKinds { sources_known: false, ..both },
            None,
            on,
            Judgement::no(
                Reason::WaitingForGatekeeper,
                "reports stay as they are while not all constraints are known",
            ),
        ),
        (
            both,
            None,
            on,
            Judgement::yes(
                Reason::Written,
                "audit's results are written as Report of openreports.io and ClusterPolicyReport of wgpolicyk8s.io",
            ),
        ),
        (
            kinds(Preferred::Kind(&NAMESPACED[1]), Preferred::None, true),
            Some(outcome(&[])),
            on,
            Judgement::yes(Reason::Written, "audit's results are written as PolicyReport of wgpolicyk8s.io"),
        ),
        (both, Some(outcome(&failed(1))), on, Judgement::no(Reason::ApplyFailed, "a")),
        (both, Some(outcome(&failed(3))), on, Judgement::no(Reason::ApplyFailed, "a; b; c")),
        (both, Some(outcome(&conflict)), on, Judgement::no(Reason::Conflict, "a; b; c; and 2 more")),
    ] {
        assert_eq!(judge(&kinds, outcome.as_ref(), builtin), expected);
    }
}
