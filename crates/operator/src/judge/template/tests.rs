use super::decide;
use crate::judge::fixtures::{
    Row, builtin, check, edited, foreign, held, live, remembered, signing, silent, unremembered, update,
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
    let (builtin, mut rows) = (signing(), unwanted());
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
            let snapshot = TemplateSnapshot { which: *template, id, served, template: seen, in_use: false };
            let what = format!("{} {what}", template.kind());
            rows.push(Row::new(what, decide(&snapshot, builtin), silent(expected)));
        }
    }
    rows
}

/// While no signatures are verified, the template that needs the verifier goes, once nothing needs it.
fn unwanted() -> Vec<Row> {
    let which = Template::VerifyImageSignatures;
    let desired = builtin().template(which);
    let id = Id::new(desired.id.kind, which.name());
    let [good, theirs, going] = [live(desired), foreign(desired), held(desired)].map(Arc::new);
    let delete = || Action::Delete { id: id.clone(), live: Arc::clone(&good) };
    [
        ("not there", unremembered(None), false, vec![]),
        ("needed by nothing", unremembered(Some(&good)), false, vec![delete()]),
        ("in use", unremembered(Some(&good)), true, vec![]),
        ("somebody else's", unremembered(Some(&theirs)), false, vec![]),
        ("on its way", unremembered(Some(&going)), false, vec![]),
    ]
    .into_iter()
    .map(|(what, template, in_use, expected)| {
        let snapshot = TemplateSnapshot { which, id: id.clone(), served: true, template, in_use };
        Row::new(format!("not wanted: {what}"), decide(&snapshot, builtin()), silent(expected))
    })
    .collect()
}
