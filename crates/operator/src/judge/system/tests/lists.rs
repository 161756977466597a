//! The lists of the status.

use super::{good, status, with_standard};
use crate::judge::fixtures::{PROCESS, builtin, taken_in};
use crate::judge::system::standards;
use crate::watch::live::Live;
use gatewright_gatekeeper::{Audit, Process};
use std::sync::Arc;

#[test]
fn processes_are_those_that_report_or_must_and_stay() {
    let builtin = builtin();
    let mut snapshot = good(builtin);
    let pod = |name: &str, label: &str, terminating| {
        let labels = [("control-plane".to_owned(), label.to_owned())].into();
        Arc::new(Process {
            name: name.into(),
            labels,
            terminating,
            version: "v3.23".into(),
            ..Process::default()
        })
    };
    let processes = snapshot.gatekeeper.processes.as_mut().unwrap();
    processes.insert(0, pod("new", "controller-manager", false));
    processes.push(pod("leaving", "controller-manager", true));
    processes.push(pod("other", "database", false));
    let status = status(&snapshot, builtin);
    let found: Vec<_> = status.processes.iter().map(|it| (it.name.as_str(), it.operations.len())).collect();
    assert_eq!(found, [(PROCESS, 1), ("new", 0)]);
    assert_eq!(status.processes[1].version, "v3.23");
}

#[test]
fn the_standards_show_reach_and_violations_of_our_constraints_only() {
    let builtin = builtin();
    let mut snapshot = good(builtin);
    let audited = |ours| {
        let audit = Audit { total: 7, listed: vec![], timestamp: String::new() };
        Live { ours, audit: Some(Arc::new(audit)), ..taken_in(&builtin.standards[0].prepared) }
    };
    let mut first = |live| {
        with_standard(&mut snapshot, builtin, |_| Some(audited(live)));
        standards(&snapshot.standards, builtin)[0].clone()
    };
    let ours = first(true);
    assert_eq!((ours.level.as_str(), ours.action.as_str(), ours.namespaces), ("baseline", "deny", 3));
    assert_eq!((ours.violations, first(false).violations), (Some(7), None));
    let unseen = standards(&[], builtin);
    assert!(unseen.len() == builtin.standards.len() && unseen.iter().all(|it| it.namespaces == 0));
}
