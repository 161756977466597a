//! Plain values in, answers and documents out.

use std::collections::BTreeMap;

use gatewright_engine::ConstraintRef;
use serde_json::{Value, json};

use super::document::{self, Preview};
use super::owners::Key;
use super::sides::{Judged, Opinion};
use super::tally::{Answer, Tally};
use super::{exit_code, notes, print};
use crate::check::result::{
    ConstraintName, Judged as Whom, ObjectRef, ObjectResult, Source, Unverified, Verdict, Violation,
};
use crate::cluster::Unseen;

fn key(namespace: &str, kind: &str, name: &str) -> Key {
    let group = match kind {
        "Pod" | "Service" => "",
        "Job" | "CronJob" => "batch",
        _ => "apps",
    };
    Key {
        namespace: namespace.to_owned(),
        group: group.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

fn violation(action: Verdict, message: &str) -> Violation {
    Violation {
        policy: None,
        constraint: ConstraintName { kind: "K".into(), name: "n".into() },
        enforcement_action: action,
        message: message.into(),
        details: json!({}),
        judged: Whom::Object,
        line: 0,
        kind: "Pod".into(),
        fix: None,
        no_fix: None,
        places: vec![],
    }
}

/// What is known of an object with these violations.
fn opinion(violations: Vec<Violation>) -> Opinion {
    let verdict = violations.iter().map(|it| it.enforcement_action).max().unwrap_or_default();
    let result = ObjectResult {
        object: ObjectRef::default(),
        source: Source { file: "shop/Deployment/a".into(), line: 0 },
        operation: "CREATE".to_owned(),
        verdict,
        pods_refused: verdict == Verdict::Deny,
        violations,
        patch: None,
        assumed: vec![],
        unread: false,
        unverified: vec![],
        exempt: None,
    };
    Opinion { result, error: None, unjudged: BTreeMap::new() }
}

fn of(verdict: Verdict) -> Opinion {
    opinion(if verdict == Verdict::Pass {
        vec![]
    } else {
        vec![violation(verdict, &format!("r: {verdict}"))]
    })
}

fn judged(today: Verdict, then: Verdict) -> Judged {
    Judged { today: of(today), then: of(then) }
}

fn unjudged(opinion: Opinion, name: &str) -> Opinion {
    let constraint = ConstraintRef { kind: "Asks".to_owned(), name: name.to_owned() };
    Opinion { unjudged: [(constraint, "cannot be judged here: x".to_owned())].into(), ..opinion }
}

fn runs(tally: &mut Tally, owner: &Key, pods: usize) {
    for at in 0..pods {
        tally.runs(key("shop", "Pod", &format!("{}-{at}", owner.name)), owner);
    }
}

fn preview(tally: Tally) -> Preview {
    document::preview(tally, vec![]).0
}

/// The answers of one owner, and the sums that count it.
fn answers(judged: Judged) -> (Option<String>, Value) {
    let mut tally = Tally::new(10);
    tally.add(key("shop", "Deployment", "a"), judged, false);
    let preview = preview(tally);
    let mut summary = json!(preview.summary);
    summary.as_object_mut().unwrap().retain(|_, count| *count != 0);
    (preview.owners.first().map(|it| format!("{} {}", it.today, it.then)), summary)
}

#[test]
fn owners_whose_answer_changes_or_that_stay_refused_are_listed() {
    use Verdict::{Deny, Dryrun, Pass, Warn};
    for (today, then, listed, counted) in [
        (Pass, Pass, None, "passing"),
        (Warn, Warn, None, "passing"),
        (Pass, Deny, Some("passes refused"), "newlyRefused"),
        (Warn, Deny, Some("warned refused"), "newlyRefused"),
        (Deny, Deny, Some("refused refused"), "stillRefused"),
        (Deny, Pass, Some("refused passes"), "noLongerRefused"),
        (Pass, Warn, Some("passes warned"), "newlyWarned"),
        (Pass, Dryrun, Some("passes dryrun"), "passing"),
        (Dryrun, Warn, Some("dryrun warned"), "newlyWarned"),
    ] {
        let (found, summary) = answers(judged(today, then));
        assert_eq!(found.as_deref(), listed, "{today} {then}");
        assert_eq!(summary[counted], 1, "{today} {then}: {summary}");
        let refused = counted.ends_with("wlyRefused") || counted == "stillRefused";
        assert_eq!(summary["passing"] == 1, !refused, "{summary}");
    }
}

/// What cannot be judged at either time changes nothing, and passes nothing.
#[test]
fn what_cannot_be_judged_is_unknown_only_where_the_change_brings_it() {
    use Verdict::{Deny, Pass};
    for (today, then, listed, summary) in [
        (of(Pass), unjudged(of(Pass), "new"), Some("passes unknown"), json!({"objects": 1, "unknown": 1})),
        (
            unjudged(of(Pass), "old"),
            unjudged(of(Pass), "old"),
            None,
            json!({"objects": 1, "partlyJudged": 1}),
        ),
        (unjudged(of(Pass), "old"), of(Pass), Some("unknown passes"), json!({"objects": 1, "passing": 1})),
        (
            unjudged(of(Pass), "old"),
            unjudged(of(Deny), "old"),
            Some("passes refused"),
            json!({"objects": 1, "newlyRefused": 1}),
        ),
        (
            of(Pass),
            unjudged(of(Deny), "new"),
            Some("passes refused"),
            json!({"objects": 1, "newlyRefused": 1}),
        ),
    ] {
        let found = answers(Judged { today, then });
        assert_eq!(found, (listed.map(str::to_owned), summary));
    }
}

#[test]
fn an_object_that_has_no_verdict_does_not_pass() {
    let mut failed = of(Verdict::Pass);
    failed.result.verdict = Verdict::Error;
    failed.result.assumed = vec!["spec.x: it cannot be expanded".into()];
    let mut tally = Tally::new(10);
    tally.add(key("shop", "Deployment", "a"), Judged { today: of(Verdict::Pass), then: failed }, false);
    let preview = preview(tally);
    assert_eq!(preview.owners[0].then, Answer::Unknown);
    assert_eq!(preview.owners[0].reason.raw(), "spec.x: it cannot be expanded");
    assert_eq!((preview.summary.passing, exit_code(&preview, false)), (0, 2));
}

fn unverified(image: &str) -> Unverified {
    Unverified { image: image.to_owned(), constraint: "signed".to_owned() }
}

#[test]
fn images_that_nobody_verified_are_named_and_no_pass() {
    let mut asks = of(Verdict::Pass);
    asks.result.unverified = ["registry.example.com/a:1", "b:1"].map(unverified).to_vec();
    let mut asked = of(Verdict::Pass);
    asked.result.unverified = vec![unverified("b:1")];
    let mut tally = Tally::new(10);
    tally.add(key("shop", "Deployment", "a"), Judged { today: asked, then: asks }, false);
    let preview = preview(tally);
    assert_eq!((preview.summary.passing, preview.summary.unverified), (0, 1));
    assert_eq!(json!(preview.not_verified), json!(["registry.example.com/a:1"]));
    let expected = "signatures of images are not verified here; the change asks about registry.example.com/a:1: gatewright \
                    verify IMAGE";
    assert_eq!(notes(&preview), [expected]);
}

#[test]
fn pods_are_counted_for_their_owners() {
    use Verdict::{Deny, Pass};
    let mut tally = Tally::new(10);
    let (web, rollout) = (key("shop", "Deployment", "web"), key("shop", "Rollout", "roll"));
    runs(&mut tally, &web, 3);
    runs(&mut tally, &rollout, 2);
    // A list that begins anew brings the same Pod once more.
    assert!(!tally.runs(key("shop", "Pod", "web-0"), &web));
    tally.add(web, judged(Pass, Deny), false);
    tally.add(rollout.clone(), judged(Pass, Pass), true);
    tally.add(rollout, judged(Pass, Deny), true);
    tally.add(key("shop", "Service", "s"), judged(Pass, Deny), false);
    let preview = preview(tally);
    let said: Vec<_> = preview
        .owners
        .iter()
        .map(|it| format!("{} {:?} {}", it.owner, it.pods, it.not_coming_back))
        .collect();
    assert_eq!(said, ["Deployment/web Some(3) 3", "Rollout/roll Some(2) 1", "Service/s None 0"]);
    assert_eq!((preview.summary.objects, preview.summary.not_coming_back), (3, 4));
}

/// A rule on the Deployment alone lets its Pods come back.
#[test]
fn pods_come_back_where_only_their_controller_is_refused() {
    let mut refused = of(Verdict::Deny);
    refused.result.pods_refused = false;
    let mut tally = Tally::new(10);
    let web = key("shop", "Deployment", "web");
    runs(&mut tally, &web, 3);
    tally.add(web, Judged { today: of(Verdict::Pass), then: refused }, false);
    let preview = preview(tally);
    assert_eq!((preview.summary.newly_refused, preview.summary.not_coming_back), (1, 0));
}

#[test]
fn the_first_reason_is_the_worst_that_is_wrong() {
    let then = opinion(vec![violation(Verdict::Warn, "a: warns"), violation(Verdict::Deny, "b: denies")]);
    for (today, then, expected) in [
        (of(Verdict::Pass), then, "b: denies"),
        (of(Verdict::Deny), of(Verdict::Pass), "today: r: deny"),
        (of(Verdict::Pass), unjudged(of(Verdict::Pass), "new"), "Asks/new cannot be judged here: x"),
    ] {
        let mut tally = Tally::new(10);
        tally.add(key("shop", "Deployment", "a"), Judged { today, then }, false);
        assert_eq!(preview(tally).owners[0].reason.raw(), expected);
    }
}

#[test]
fn beyond_the_limit_owners_are_counted_and_said() {
    let mut tally = Tally::new(2);
    for at in 0..5 {
        let owner = key("shop", "Deployment", &format!("d{at}"));
        runs(&mut tally, &owner, 2);
        tally.add(owner, judged(Verdict::Pass, Verdict::Deny), false);
    }
    let preview = preview(tally);
    let summary = preview.summary;
    assert_eq!((preview.owners.len(), summary.not_listed), (2, 3));
    assert_eq!((summary.newly_refused, summary.not_coming_back), (5, 10));
    let text = print::text(&preview, None);
    assert!(text.ends_with("; 0 of 5 objects pass; 3 owners are not listed: --limit\n"), "{text}");
}

#[test]
fn of_many_violations_the_worst_are_kept() {
    let mut violations: Vec<_> = (0..30).map(|at| violation(Verdict::Warn, &format!("w{at}: x"))).collect();
    violations.push(violation(Verdict::Deny, "d: y"));
    let mut tally = Tally::new(10);
    let judged = Judged { today: of(Verdict::Pass), then: opinion(violations) };
    tally.add(key("shop", "Deployment", "a"), judged, false);
    let owner = &preview(tally).owners[0];
    assert_eq!((owner.violations.len(), owner.violation_count), (20, 31));
    assert_eq!(owner.violations[0].message.raw(), "d: y");
}

#[test]
fn what_is_new_stands_at_the_top() {
    use Verdict::{Deny, Pass, Warn};
    let mut tally = Tally::new(10);
    for (name, today, then, pods) in [
        ("freed", Deny, Pass, 9),
        ("warned", Pass, Warn, 9),
        ("still", Deny, Deny, 9),
        ("small", Pass, Deny, 1),
        ("large", Pass, Deny, 5),
    ] {
        let owner = key("shop", "Deployment", name);
        runs(&mut tally, &owner, pods);
        tally.add(owner, judged(today, then), false);
    }
    let text = print::text(&preview(tally), None);
    let expected = "\
NAMESPACE   OWNER               PODS   TODAY     THEN      FIRST REASON
shop        Deployment/large    5      passes    refused   r: deny
shop        Deployment/small    1      passes    refused   r: deny
shop        Deployment/still    9      refused   refused   r: deny
shop        Deployment/warned   9      passes    warned    r: warn
shop        Deployment/freed    9      refused   passes    today: r: deny
2 owners (6 running Pods would not come back) are refused that pass today; 1 already is; 1 is refused today and is let \
through then; 1 more is warned about; 2 of 5 objects pass
";
    assert_eq!(text, expected);
}

#[test]
fn the_exit_code_says_whether_something_new_is_refused() {
    let of = |judged: Judged| {
        let mut tally = Tally::new(10);
        tally.add(key("shop", "Deployment", "a"), judged, false);
        preview(tally)
    };
    let refused = || judged(Verdict::Pass, Verdict::Deny);
    for (document, failed, expected) in [
        (of(judged(Verdict::Deny, Verdict::Deny)), false, 0),
        (of(judged(Verdict::Pass, Verdict::Warn)), false, 0),
        (of(refused()), false, 1),
        (of(refused()), true, 2),
        (of(Judged { today: of_pass(), then: unjudged(of_pass(), "new") }), false, 2),
    ] {
        assert_eq!(exit_code(&document, failed), expected, "{document:?}");
    }
}

fn of_pass() -> Opinion {
    of(Verdict::Pass)
}

#[test]
fn what_may_not_be_seen_is_said_once() {
    let unseen = || Unseen { what: "limitranges".to_owned(), needs: "list on limitranges".to_owned() };
    let (document, _) = document::preview(Tally::new(1), vec![unseen(), unseen()]);
    assert_eq!(notes(&document), ["not shown: limitranges (needs list on limitranges)"]);
}

/// A terminal is not obeyed, whatever objects are called.
#[test]
fn foreign_text_is_shown_and_not_obeyed() {
    let mut tally = Tally::new(10);
    let then = opinion(vec![violation(Verdict::Deny, "r: \u{1b}[2J\u{202e}gone")]);
    let evil = key("shop\u{200b}", "Deployment", "a\u{1b}[31m");
    tally.add(evil, Judged { today: of_pass(), then }, false);
    let text = print::text(&preview(tally), None);
    assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{200b}']), "{text}");
    assert!(text.contains("shop\\u{200b}") && text.contains("Deployment/a\\u{1b}[31m"), "{text}");
}
