use super::decide;
use crate::judge::fixtures::{builtin, edited, foreign, live, remembered, unremembered, update};
use crate::judge::plan::{Action, Plan};
use crate::watch::desired::Write;
use crate::watch::kind::Id;
use crate::watch::observe::TemplateSnapshot;
use std::sync::Arc;

#[test]
fn every_template_is_kept() {
    let builtin = builtin();
    for template in gatewright_rules::catalogue() {
        let desired = builtin.template(template.kind).unwrap();
        let apply = |write, repair| Action::Apply { prepared: Arc::clone(desired), write, repair };
        let [good, bad, theirs] = [live(desired), edited(desired), foreign(desired)].map(Arc::new);
        for (what, served, seen, expected) in [
            ("absent", true, unremembered(None), vec![apply(Write::Create, false)]),
            ("deleted", true, remembered(desired, None), vec![apply(Write::Create, true)]),
            ("edited", true, remembered(desired, Some(&bad)), vec![apply(update(&bad), true)]),
            ("of another release", true, unremembered(Some(&bad)), vec![apply(update(&bad), false)]),
            ("as it was left", true, remembered(desired, Some(&good)), vec![]),
            ("found", true, unremembered(Some(&good)), vec![Action::Remember(Arc::clone(desired))]),
            ("somebody else's", true, unremembered(Some(&theirs)), vec![]),
            ("not served", false, unremembered(None), vec![]),
        ] {
            let id = Id::new(desired.id.kind, template.name());
            let snapshot = TemplateSnapshot { kind: template.kind, id, served, template: seen };
            let expected = Plan { actions: expected, ..Plan::default() };
            assert_eq!(decide(&snapshot, &builtin), expected, "{} {what}", template.kind);
        }
    }
}
