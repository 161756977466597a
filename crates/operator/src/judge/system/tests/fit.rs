//! What does not fit together, and what is said of it.

use super::{after, at, draft, good, said, status};
use crate::judge::age::tests::tagged;
use crate::judge::fixtures::builtin;
use crate::judge::system::unsettled;
use crate::watch::observe::SystemSnapshot;

#[test]
fn an_unknown_version_of_gatekeeper_is_said_and_no_fault() {
    let builtin = builtin();
    let snapshot = SystemSnapshot { gatekeeper: tagged("latest"), ..good(builtin) };
    let (holds, reason, message) = said(&status(&snapshot, builtin), "GatekeeperFound");
    assert_eq!((holds.as_str(), reason.as_str()), ("True", "Found"));
    let says = "admission requests are answered by gatekeeper-1; its version is unknown, because its image has latest; \
                gatewright needs 3.22 or newer";
    assert_eq!(message, says);
}

#[test]
fn what_is_too_old_is_logged_once_by_each_process() {
    let builtin = builtin();
    let lacking = [("SecurityPolicy".to_owned(), vec!["spec.x".to_owned()])].into();
    let snapshot = SystemSnapshot { gatekeeper: tagged("v3.21.0"), lacking, ..good(builtin) };
    let first = draft(&snapshot, builtin).unwrap();
    let reasons: Vec<_> = first.log.iter().map(|notice| notice.reason.as_str()).collect();
    assert_eq!(reasons, ["CrdOutdated", "TooOld"]);
    let again = SystemSnapshot { logged: first.log, ..after(&first.status.unwrap(), &snapshot) };
    assert_eq!(draft(&again, builtin), None);
}

#[test]
fn broken_settings_at_the_start_are_said_and_the_rest_stays() {
    let builtin = builtin();
    let snapshot = good(builtin);
    let new = unsettled(None, "line 1: a\nline 2: b", &at(2)).unwrap();
    let before = new.status.unwrap();
    let says = "the settings file is refused and was so when the operator started: it writes nothing until the file is \
                right, and what is in the cluster stays: line 1: a; line 2: b";
    assert_eq!(said(&before, "Settings"), ("False".into(), "Broken".into(), says.into()));
    assert_eq!(said(&before, "Ready"), ("False".into(), "Broken".into(), format!("Settings: {says}")));
    assert_eq!(
        (before.conditions.len(), new.seen, new.turned.unwrap().reason),
        (2, None, "Broken".to_owned())
    );

    let known = after(&status(&snapshot, builtin), &snapshot).object;
    let later = unsettled(known.as_deref(), "line 1: a", &at(3)).unwrap();
    let status = later.status.unwrap();
    assert_eq!(said(&status, "GatekeeperFound").0, "True");
    assert_eq!((said(&status, "Settings").0, said(&status, "Ready").0), ("False".into(), "False".into()));
    assert!(later.seen.is_some() && later.turned.is_some());
    let said_already = after(&status, &snapshot).object;
    assert_eq!(unsettled(said_already.as_deref(), "line 1: a", &at(4)), None);
}
