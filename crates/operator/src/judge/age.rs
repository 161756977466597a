//! Gatekeeper is older than what our templates need: nothing is written, and what is there stays.

use gatewright_api::Reason;
use gatewright_gatekeeper::{Age, OLDEST_MINOR, age};

use crate::judge::conditions::Judgement;
use crate::judge::draft::Outcome;
use crate::judge::plan::{Action, Plan, Status};
use crate::watch::observe::Gatekeeper;

/// How old Gatekeeper is.
pub(crate) fn of(gatekeeper: &Gatekeeper) -> Age {
    let pods = gatekeeper.processes.iter().flatten().map(AsRef::as_ref);
    age(pods, gatekeeper.lacks_operations)
}

/// Why nothing is written, if Gatekeeper is too old.
pub(crate) fn too_old(gatekeeper: &Gatekeeper) -> Option<Judgement> {
    let Age::TooOld(why) = of(gatekeeper) else { return None };
    let message = format!(
        "Gatekeeper is too old: {why}. gatewright needs Gatekeeper 3.{OLDEST_MINOR} or newer: update it. Until then nothing \
         is written, and what is in the cluster stays"
    );
    Some(Judgement::no(Reason::TooOld, message))
}

/// What is to be known where nothing says which version Gatekeeper is.
pub(crate) fn unknown(gatekeeper: &Gatekeeper) -> Option<String> {
    let Age::Unknown(tags) = of(gatekeeper) else { return None };
    let tags: Vec<_> = tags.iter().map(|tag| if tag.is_empty() { "no tag" } else { tag.as_str() }).collect();
    Some(format!(
        "its version is unknown, because its image has {}; gatewright needs 3.{OLDEST_MINOR} or newer",
        tags.join(", ")
    ))
}

/// Takes out of a plan what writes, and says why nothing is written.
pub(crate) fn held(mut plan: Plan, gatekeeper: &Gatekeeper) -> Plan {
    let Some(why) = too_old(gatekeeper) else { return plan };
    plan.actions.retain(|action| matches!(action, Action::Remember(_) | Action::Forget(_)));
    match &mut plan.status {
        Status::Policy(draft) => {
            let generation = draft.policy.generation.unwrap_or_default();
            for outcome in [&mut draft.rules, &mut draft.signatures] {
                let why = why.clone();
                match outcome {
                    Outcome::NotApplied { why: said, .. } => *said = why,
                    Outcome::Unsaid => *outcome = Outcome::NotApplied { why, generation, desired: 1 },
                    Outcome::Applied { .. } | Outcome::Nothing => {}
                }
            }
        }
        Status::Routing(outcome) => {
            outcome.routing_problem = Some(why.message.clone());
            if outcome.guard {
                outcome.guard_problem = Some(why.message);
            }
        }
        Status::Nothing | Status::System(_) | Status::Warnings(_) => {}
    }
    plan
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{held, too_old, unknown};
    use crate::judge::fixtures::{builtin, gatekeeper, remembered, taken_in};
    use crate::judge::plan::{Action, Plan, Status};
    use crate::judge::{standard, template};
    use crate::watch::observe::{Gatekeeper, StandardSnapshot, TemplateSnapshot};
    use crate::watch::published::RoutingOutcome;
    use gatewright_gatekeeper::Process;
    use gatewright_rules::Template;
    use std::sync::Arc;

    /// The same Gatekeeper with this tag.
    pub(crate) fn tagged(tag: &str) -> Gatekeeper {
        let mut gatekeeper = gatekeeper();
        let process = Process::clone(&gatekeeper.processes.as_ref().unwrap()[0]);
        gatekeeper.processes = Some(vec![Arc::new(Process { version: tag.to_owned(), ..process })]);
        gatekeeper
    }

    #[test]
    fn what_is_said_of_each_version() {
        let old = too_old(&tagged("v3.17.0")).unwrap();
        let says = "Gatekeeper is too old: the image of Pod gatekeeper-1 is v3.17.0. gatewright needs Gatekeeper 3.22 or \
                    newer: update it. Until then nothing is written, and what is in the cluster stays";
        assert_eq!((old.reason.as_str(), old.message.as_str()), ("TooOld", says));
        for (tag, note) in [
            ("v3.22.0", None),
            ("latest", Some("latest; gatewright needs 3.22 or newer")),
            ("", Some("no tag; gatewright needs 3.22 or newer")),
        ] {
            assert_eq!(too_old(&tagged(tag)), None, "{tag}");
            let note = note.map(|end| format!("its version is unknown, because its image has {end}"));
            assert_eq!(unknown(&tagged(tag)), note, "{tag}");
        }
        let digest = tagged("sha256:0123");
        assert!(too_old(&Gatekeeper { lacks_operations: true, ..digest.clone() }).is_some());
        assert!(too_old(&digest).is_none() && unknown(&digest).is_some());
    }

    #[test]
    fn nothing_is_written_for_it() {
        let (old, builtin) = (tagged("v3.21.1"), builtin());
        let which = Template::PodSecurityStandard;
        let nothing = crate::watch::last_applied::Observed::default();
        let id = crate::watch::kind::Id::new(crate::watch::kind::Kind::Template, which.name());
        let template_snapshot =
            TemplateSnapshot { which, id, served: true, template: nothing.clone(), in_use: false };
        let first = &builtin.standards[0].prepared;
        let standard_snapshot = StandardSnapshot {
            id: first.id.clone(),
            served: true,
            template: Some(crate::judge::fixtures::template(builtin, which)),
            constraint: nothing,
            release: None,
        };
        let plans =
            [template::decide(&template_snapshot, builtin), standard::decide(&standard_snapshot, builtin)];
        for plan in plans {
            assert!(matches!(plan.actions[..], [Action::Apply { .. }]), "{plan:?}");
            assert_eq!(held(plan.clone(), &old).actions, []);
            assert_eq!(held(plan.clone(), &tagged("v3.22.0")), plan);
        }
        // What was found is remembered all the same.
        let constraint = remembered(first, Some(&Arc::new(taken_in(first))));
        let constraint = crate::watch::last_applied::Observed { last_applied: None, ..constraint };
        let found = standard::decide(&StandardSnapshot { constraint, ..standard_snapshot }, builtin);
        assert_eq!(held(found.clone(), &old), found);
        assert_eq!(found.actions.len(), 1);
    }

    #[test]
    fn the_routing_says_why() {
        let old = tagged("v3.21.1");
        for guard in [true, false] {
            let outcome = RoutingOutcome { guard, ..RoutingOutcome::default() };
            let plan = Plan { status: Status::Routing(Box::new(outcome)), ..Plan::default() };
            let Status::Routing(said) = held(plan, &old).status else { panic!() };
            assert!(said.routing_problem.unwrap().contains("too old"));
            assert_eq!(said.guard_problem.is_some(), guard);
        }
    }
}
