//! Whether Gatekeeper can cost the replicas their Lease, and what an administrator should do about it. Pure.

use gatewright_gatekeeper::{
    IGNORE_LABEL, Namespace, NamespaceGlob, Operation, Process, Route, fails_closed,
};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;

/// What decides about the renewal of the Lease.
pub(crate) struct Renewal<'a> {
    /// The webhook configurations of Gatekeeper.
    pub(crate) webhooks: &'a [&'a ValidatingWebhookConfiguration],
    /// The name of upstream's, where the settings have it.
    pub(crate) upstream: Option<&'a str>,
    /// The operator's namespace.
    pub(crate) namespace: &'a Namespace,
    /// The processes of Gatekeeper.
    pub(crate) processes: &'a [&'a Process],
}

/// Whether Gatekeeper lets the Lease be renewed while it does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exemption {
    /// Its webhook lets requests pass then, or does not ask about Leases.
    NotNeeded,
    /// Its webhook is not asked about the operator's namespace.
    Given,
    /// It refuses the renewal. The label is missing, which Gatekeeper accepts only with its flag.
    Missing {
        /// Whether all of its processes have the flag.
        flag: bool,
    },
}

impl Renewal<'_> {
    pub(crate) fn exemption(&self) -> Exemption {
        let lease = Route {
            group: "coordination.k8s.io".to_owned(),
            resource: "leases".to_owned(),
            operation: Operation::Update,
        };
        let fails = |namespace| fails_closed(self.webhooks.iter().copied(), self.upstream, &lease, namespace);
        let unlabelled = Namespace { name: self.namespace.name.clone(), ..Namespace::default() };
        if fails(self.namespace) {
            let mut lasting = self.processes.iter().filter(|process| !process.terminating).peekable();
            let exempts = |process: &&Process| {
                let mut patterns = process.exempt.iter().map(|pattern| NamespaceGlob::new(pattern));
                patterns.any(|pattern| pattern.matches(&self.namespace.name))
            };
            let flag = lasting.peek().is_some() && lasting.all(exempts);
            return Exemption::Missing { flag };
        }
        if fails(&unlabelled) { Exemption::Given } else { Exemption::NotNeeded }
    }
}

impl Exemption {
    /// What to say of it, if anything: what happens, why, and what to do.
    pub(crate) fn sentence(self, namespace: &str) -> Option<String> {
        let label = format!("kubectl label namespace {namespace} {IGNORE_LABEL}=lease");
        let advice = match self {
            Self::NotNeeded => return None,
            Self::Given => {
                return Some(format!(
                    "Gatekeeper exempts the namespace {namespace}, so the Lease is renewed while Gatekeeper does not answer"
                ));
            }
            Self::Missing { flag: true } => {
                format!("Gatekeeper has the flag for that already; an administrator should run: {label}")
            }
            Self::Missing { flag: false } => format!(
                "an administrator should give Gatekeeper the flag --exempt-namespace={namespace} \
                 (controllerManager.exemptNamespaces in its chart), and then run: {label}"
            ),
        };
        Some(format!(
            "Gatekeeper's webhook has failurePolicy Fail and does not exempt the namespace {namespace}: while Gatekeeper \
             does not answer, the Lease cannot be renewed and nobody leads; {advice}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::{Exemption, Renewal};
    use gatewright_gatekeeper::{IGNORE_LABEL, Namespace, Process};
    use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
    use serde_json::json;

    const NAMESPACE: &str = "gatewright-system";

    fn webhook(policy: &str) -> ValidatingWebhookConfiguration {
        serde_json::from_value(json!({
            "metadata": {"name": "gatekeeper", "labels": {"gatekeeper.sh/system": "yes"}},
            "webhooks": [{
                "name": "validation.gatekeeper.sh", "failurePolicy": policy, "sideEffects": "None",
                "admissionReviewVersions": ["v1"], "clientConfig": {},
                "namespaceSelector": {"matchExpressions": [{"key": IGNORE_LABEL, "operator": "DoesNotExist"}]},
                "rules": [{
                    "apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": ["*"],
                }],
            }],
        }))
        .unwrap()
    }

    fn process(exempt: &[&str], terminating: bool) -> Process {
        let exempt = exempt.iter().map(|text| (*text).to_owned()).collect();
        Process { exempt, terminating, ..Process::default() }
    }

    #[test]
    fn what_is_missing_follows_from_policy_label_and_flags() {
        let (fail, ignore) = (webhook("Fail"), webhook("Ignore"));
        let (with, without) = (process(&["gatekeeper-system", "gatewright-*"], false), process(&[], false));
        let leaving = process(&[], true);
        for (webhooks, labelled, processes, expected) in [
            (&[][..], false, &[&without][..], Exemption::NotNeeded),
            (&[&ignore], false, &[&without], Exemption::NotNeeded),
            (&[&ignore], true, &[&with], Exemption::NotNeeded),
            (&[&fail], true, &[&with], Exemption::Given),
            (&[&fail], true, &[&without], Exemption::Given),
            (&[&fail], false, &[&with], Exemption::Missing { flag: true }),
            (&[&fail], false, &[&with, &leaving], Exemption::Missing { flag: true }),
            (&[&fail], false, &[&with, &without], Exemption::Missing { flag: false }),
            (&[&fail], false, &[], Exemption::Missing { flag: false }),
        ] {
            let label = labelled.then(|| (IGNORE_LABEL.to_owned(), "lease".to_owned()));
            let namespace = Namespace { name: NAMESPACE.into(), labels: label.into_iter().collect() };
            let renewal = Renewal { webhooks, upstream: None, namespace: &namespace, processes };
            assert_eq!(renewal.exemption(), expected, "labelled: {labelled}, {processes:?}");
        }
    }

    #[test]
    fn the_sentence_says_what_to_do_in_the_right_order() {
        let sentence = |exemption: Exemption| exemption.sentence(NAMESPACE).unwrap_or_default();
        let label = "kubectl label namespace gatewright-system admission.gatekeeper.sh/ignore=lease";
        let flag = "--exempt-namespace=gatewright-system";
        let both = sentence(Exemption::Missing { flag: false });
        assert!(both.find(flag).unwrap() < both.find(label).unwrap(), "{both}");
        let one = sentence(Exemption::Missing { flag: true });
        assert!(!one.contains(flag) && one.ends_with(label), "{one}");
        assert!(!sentence(Exemption::Given).contains("kubectl"));
        assert_eq!(Exemption::NotNeeded.sentence(NAMESPACE), None);
    }
}
