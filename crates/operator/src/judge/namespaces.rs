//! What is to be said of the labels of namespaces.

use gatewright_compiler::{is_system_namespace, meaningless_labels};
use gatewright_gatekeeper::{IGNORE_LABEL, Namespace};

use crate::judge::builtin::Builtin;
use crate::judge::plan::{Plan, Status, Warning};
use crate::watch::namespaces::Turn;
use crate::watch::observe::NamespacesSnapshot;

/// Nothing about a label is ignored in silence: neither a value that means nothing, nor that a namespace is exempt. Each
/// is said once for each change.
pub(crate) fn decide(snapshot: &NamespacesSnapshot, builtin: &Builtin) -> Plan {
    let warnings: Vec<_> = snapshot.turns.iter().flat_map(|turn| news(turn, builtin)).collect();
    let status = if warnings.is_empty() { Status::Nothing } else { Status::Warnings(warnings) };
    Plan { status, ..Plan::default() }
}

fn news(Turn { before, now }: &Turn, builtin: &Builtin) -> Vec<Warning> {
    let known = before.as_deref().map(|it| warnings(it, builtin)).unwrap_or_default();
    let mut new = now.as_deref().map(|it| warnings(it, builtin)).unwrap_or_default();
    new.retain(|warning| !known.contains(warning));
    new
}

fn warnings(namespace: &Namespace, builtin: &Builtin) -> Vec<Warning> {
    let Namespace { name, labels } = namespace;
    let warning = |reason, note| Warning { namespace: name.clone(), reason, note };
    let meaningless = meaningless_labels(labels, &builtin.settings.standards);
    let mut warnings: Vec<_> =
        meaningless.iter().map(|label| warning("MeaninglessLabel", label.to_string())).collect();
    if labels.contains_key(IGNORE_LABEL) && !is_system_namespace(name, &builtin.settings) {
        let note = format!(
            "the label {IGNORE_LABEL} takes the namespace {name} out of every policy and standard: if it should not be \
             exempt, remove the label, and look at who may write namespaces, namespaces/status and namespaces/finalize"
        );
        warnings.push(warning("ExemptNamespace", note));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::{Warning, decide};
    use crate::judge::fixtures::builtin;
    use crate::judge::plan::{Plan, Status};
    use crate::watch::namespaces::Turn;
    use crate::watch::observe::NamespacesSnapshot;
    use gatewright_gatekeeper::{IGNORE_LABEL, Namespace};
    use std::sync::Arc;

    const POLICY: &str = "security.deckhouse.io/pod-policy";
    const ACTION: &str = "security.deckhouse.io/pod-policy-action";

    fn namespace(name: &str, labels: &[(&str, &str)]) -> Arc<Namespace> {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Arc::new(Namespace { name: name.to_owned(), labels })
    }

    /// Namespace and reason of each warning.
    fn said(turns: Vec<Turn>) -> Vec<(String, &'static str, String)> {
        match decide(&NamespacesSnapshot { turns }, builtin()) {
            Plan { actions, status: Status::Warnings(all), next } if actions.is_empty() => {
                assert_eq!(next, crate::judge::plan::Next::Change);
                all.into_iter().map(|Warning { namespace, reason, note }| (namespace, reason, note)).collect()
            }
            plan => {
                assert_eq!(plan, Plan::default());
                vec![]
            }
        }
    }

    #[test]
    fn each_label_is_said_once_for_each_change() {
        let shop = |labels: &[(&str, &str)]| Some(namespace("shop", labels));
        let (meaningless, exempt) = ("MeaninglessLabel", "ExemptNamespace");
        for (what, before, now, expected) in [
            ("a good value", None, shop(&[(POLICY, "baseline")]), &[][..]),
            ("a typo", shop(&[]), shop(&[(POLICY, "resticted")]), &[meaningless]),
            ("two typos", None, shop(&[(POLICY, "x"), (ACTION, "Deny")]), &[meaningless, meaningless]),
            ("the same", shop(&[(POLICY, "x")]), shop(&[(POLICY, "x"), ("team", "a")]), &[]),
            ("another", shop(&[(POLICY, "x")]), shop(&[(POLICY, "y")]), &[meaningless]),
            ("removed", shop(&[(POLICY, "x"), (IGNORE_LABEL, "x")]), shop(&[]), &[]),
            ("gone", shop(&[(POLICY, "x"), (IGNORE_LABEL, "x")]), None, &[]),
            ("exempt", shop(&[]), shop(&[(IGNORE_LABEL, "x")]), &[exempt]),
            ("exempt without a value", shop(&[]), shop(&[(IGNORE_LABEL, "")]), &[exempt]),
            ("another value", shop(&[(IGNORE_LABEL, "x")]), shop(&[(IGNORE_LABEL, "y")]), &[]),
            ("at the start", None, shop(&[(IGNORE_LABEL, "x"), (POLICY, "x")]), &[meaningless, exempt]),
            ("a system namespace", None, Some(namespace("kube-system", &[(IGNORE_LABEL, "x")])), &[]),
            (
                "the operator's own",
                None,
                Some(namespace("gatewright-system", &[(IGNORE_LABEL, "lease")])),
                &[],
            ),
        ] {
            let said = said(vec![Turn { before, now }]);
            let reasons: Vec<_> = said.iter().map(|(_, reason, _)| *reason).collect();
            assert_eq!(reasons, expected, "{what}: {said:?}");
        }
    }

    #[test]
    fn a_warning_stands_in_its_namespace_and_says_what_to_do() {
        let turn =
            |name: &str, labels: &[(&str, &str)]| Turn { before: None, now: Some(namespace(name, labels)) };
        let said = said(vec![
            turn("shop", &[(IGNORE_LABEL, "x")]),
            turn("till", &[(POLICY, "x")]),
            turn("bar", &[]),
        ]);
        let [(shop, _, exempt), (till, _, meaningless)] = &said[..] else { panic!("{said:?}") };
        assert_eq!((shop.as_str(), till.as_str()), ("shop", "till"));
        assert!(
            exempt.contains("takes the namespace shop out") && exempt.contains("remove the label"),
            "{exempt}"
        );
        assert!(meaningless.contains("allowed: privileged, baseline, restricted"), "{meaningless}");
    }
}
