use super::decide;
use crate::judge::fixtures::{
    Row, builtin, check, edited, foreign, live, remembered, silent, unremembered, update,
};
use crate::judge::plan::Action;
use crate::watch::desired::Write;
use crate::watch::kind::Id;
use crate::watch::observe::TemplateSnapshot;
use gatewright_rules::Template;
use std::sync::Arc;

#[test]
fn every_template_is_kept() {
    check(rows());
}

pub(crate) fn rows() -> Vec<Row> {
    let (builtin, mut rows) = (builtin(), vec![]);
    for template in Template::ALL {
        let desired = builtin.template(*template);
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
            let snapshot = TemplateSnapshot { which: *template, id, served, template: seen };
            let what = format!("{} {what}", template.kind());
            rows.push(Row::new(what, decide(&snapshot, builtin), silent(expected)));
        }
    }
    rows
}
