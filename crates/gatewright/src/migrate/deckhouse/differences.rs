//! What a policy of Deckhouse's means there and here: one table, which the command, its page and its tests share.
//!
//! A number is never given to another difference: people write them down.

use gatewright_api::PolicyKind;
use serde_json::Value;

use super::meaning;
use crate::check::result::Violation;
use crate::migrate::edit::Edit;

/// A difference.
pub struct Difference {
    /// Its number.
    pub number: u8,
    /// The field below `spec.policies` of a policy; for other objects a word.
    pub field: &'static str,
    /// When there is a difference.
    pub when: &'static str,
    /// What Deckhouse does.
    pub before: &'static str,
    /// What happens here.
    pub after: &'static str,
    /// Whom it concerns, and what can be done.
    pub about: About,
}

/// Whom a difference concerns, and what can be done.
pub enum About {
    /// A policy that can be changed so that it means the same as there. None: the policy is not concerned.
    SameMeaning(PolicyKind, fn(&Value) -> Option<Vec<Edit>>),
    /// A policy that refuses more here, and cannot be changed to refuse less: whether it is concerned, and which
    /// violations are found here alone.
    Stricter(PolicyKind, fn(&Value) -> bool, fn(&Violation, &Value) -> bool),
    /// A policy for which nobody can count here what changes.
    Uncounted(PolicyKind, fn(&Value) -> bool),
    /// A policy with a field that does not exist here. It is left out of what is printed.
    Missing(PolicyKind, &'static str),
    /// An object of a kind that does not exist here.
    Kind(&'static [&'static str]),
    /// A namespace or an object with a label that means something there, and nothing here.
    Label(&'static str),
    /// A policy that is refused here.
    Refused,
    /// Every cluster.
    General,
}

use About::{General, Kind, Label, Missing, Refused, SameMeaning, Stricter, Uncounted};
use PolicyKind::{OperationPolicy, SecurityPolicy};

/// The label that keeps a Pod out of the standards in Deckhouse.
pub const SKIP_LABEL: &str = "security.deckhouse.io/skip-pss-check";

/// The label of namespaces in which Deckhouse's Trivy provider refuses vulnerable images.
pub const TRIVY_LABEL: &str = "security.deckhouse.io/trivy-provider";

/// The label of system namespaces in which Deckhouse enforces policies.
pub const SYSTEM_LABEL: &str = "security.deckhouse.io/enable-security-policy-check";

/// All differences, by number.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        number: 1,
        field: "allowPrivileged",
        when: "allowPrivileged is absent",
        before: "Deckhouse refuses privileged containers all the same",
        after: "here it is not checked",
        about: SameMeaning(SecurityPolicy, meaning::privileged),
    },
    Difference {
        number: 2,
        field: "allowPrivilegeEscalation",
        when: "allowPrivilegeEscalation is absent",
        before: "Deckhouse demands that containers set it to false all the same",
        after: "here it is not checked",
        about: SameMeaning(SecurityPolicy, meaning::privilege_escalation),
    },
    Difference {
        number: 3,
        field: "allowPrivileged",
        when: "allowPrivileged is false",
        before: "Deckhouse looks at privileged alone",
        after: "here windowsOptions.hostProcess is refused, too: it is what privileged is on Windows",
        about: Stricter(SecurityPolicy, meaning::forbids_privileged, meaning::is_host_process),
    },
    Difference {
        number: 4,
        field: "allowedVolumes",
        when: "allowedVolumes leaves out projected",
        before: "Deckhouse refuses Pods for the token volume that Kubernetes adds",
        after: "here that volume does not count",
        about: SameMeaning(SecurityPolicy, meaning::token_volume),
    },
    Difference {
        number: 5,
        field: "lists of what a SecurityPolicy allows",
        when: "a list of what is allowed is empty",
        before: "Deckhouse takes an empty list for no list: everything is allowed",
        after: "here nothing is allowed",
        about: SameMeaning(SecurityPolicy, meaning::empty_of_security),
    },
    Difference {
        number: 6,
        field: "requiredDropCapabilities",
        when: "the policy lists capabilities, and requiredDropCapabilities does not list ALL",
        before: "Deckhouse demands that containers drop ALL all the same",
        after: "here only what is listed must be dropped",
        about: SameMeaning(SecurityPolicy, meaning::dropped),
    },
    Difference {
        number: 7,
        field: "allowedCapabilities",
        when: "requiredDropCapabilities is there, and allowedCapabilities is absent",
        before: "Deckhouse refuses every capability that is added",
        after: "here what is added is not checked, unless it must be dropped",
        about: SameMeaning(SecurityPolicy, meaning::added),
    },
    Difference {
        number: 8,
        field: "runAsUser, runAsGroup, fsGroup, supplementalGroups, allowedHostPorts",
        when: "a range of ids or ports has no max",
        before: "Deckhouse takes the missing bound for 0",
        after: "here the range is open",
        about: SameMeaning(SecurityPolicy, meaning::open_ranges),
    },
    Difference {
        number: 9,
        field: "seccompProfiles",
        when: "seccompProfiles is there",
        before: "Deckhouse takes the profile of a Pod without the field from its old annotations",
        after: "here they are ignored, as Kubernetes ignores them since 1.27",
        about: Uncounted(SecurityPolicy, meaning::has_seccomp),
    },
    Difference {
        number: 10,
        field: "blockWildcardDomains",
        when: "blockWildcardDomains is true",
        before: "Deckhouse looks for * in the hosts of rules",
        after: "here rules without a host, an Ingress without rules and * in tls are refused, too: they take every domain",
        about: Stricter(SecurityPolicy, meaning::blocks_wildcards, meaning::is_other_wildcard),
    },
    Difference {
        number: 11,
        field: "verifyImageSignatures",
        when: "verifyImageSignatures is there",
        before: "Deckhouse looks at the images of containers",
        after: "here the images of volumes must be signed, too",
        about: Uncounted(SecurityPolicy, meaning::verifies),
    },
    Difference {
        number: 12,
        field: "verifyImageSignatures",
        when: "several entries of verifyImageSignatures can cover one image",
        before: "Deckhouse merges their keys, and takes * for what no other entry covers",
        after: "here each entry that covers an image must be satisfied",
        about: Uncounted(SecurityPolicy, meaning::has_overlapping_entries),
    },
    Difference {
        number: 13,
        field: "verifyImageSignatures",
        when: "a reference has neither tag nor digest nor *",
        before: "Deckhouse takes it for the tag latest",
        after: "here it covers every tag and digest of the repository",
        about: SameMeaning(SecurityPolicy, meaning::references),
    },
    Difference {
        number: 14,
        field: "allowedRepos",
        when: "an entry of allowedRepos does not end in * or /",
        before: "Deckhouse admits every image that begins with these characters: registry.example.com admits registry.example.com.evil.io/x",
        after: "here whole segments of the image are compared",
        about: SameMeaning(OperationPolicy, meaning::repositories),
    },
    Difference {
        number: 15,
        field: "requiredProbes",
        when: "requiredProbes is there",
        before: "Deckhouse demands probes of all containers",
        after: "here not of those that run to an end: containers of Jobs, and init containers that are no sidecars",
        about: Uncounted(OperationPolicy, meaning::requires_probes),
    },
    Difference {
        number: 16,
        field: "maxRevisionHistoryLimit",
        when: "maxRevisionHistoryLimit is there",
        before: "Deckhouse looks at Deployments and DaemonSets",
        after: "here StatefulSets are judged, too",
        about: Stricter(OperationPolicy, meaning::limits_history, meaning::is_history_of_stateful_set),
    },
    Difference {
        number: 17,
        field: "ingressClassNames",
        when: "ingressClassNames is there",
        before: "Deckhouse looks at spec.ingressClassName",
        after: "here the annotation kubernetes.io/ingress.class is judged, too",
        about: Stricter(OperationPolicy, meaning::limits_ingress_classes, meaning::is_ingress_annotation),
    },
    Difference {
        number: 18,
        field: "storageClassNames",
        when: "storageClassNames is there",
        before: "Deckhouse looks at spec.storageClassName of claims",
        after: "here claim templates of StatefulSets and the annotation volume.beta.kubernetes.io/storage-class are judged, too",
        about: Stricter(OperationPolicy, meaning::limits_storage_classes, meaning::is_other_storage_class),
    },
    Difference {
        number: 19,
        field: "replicaLimits",
        when: "replicaLimits is there",
        before: "Deckhouse looks at Deployments",
        after: "here StatefulSets and kubectl scale are judged, too",
        about: Stricter(OperationPolicy, meaning::limits_replicas, meaning::is_replicas_of_stateful_set),
    },
    Difference {
        number: 20,
        field: "disallowedTolerations",
        when: "disallowedTolerations is there",
        before: "Deckhouse compares the fields of a toleration with those of the pattern",
        after: "here a toleration is refused if it tolerates a taint of the pattern: operator Exists without a key tolerates all",
        about: Stricter(OperationPolicy, meaning::disallows_tolerations, meaning::is_wider_toleration),
    },
    Difference {
        number: 21,
        field: "disallowedCustomResources",
        when: "disallowedCustomResources is there",
        before: "Deckhouse refuses containers that request such resources",
        after: "there is no such field here: write a ConstraintTemplate of your own, or a ResourceQuota",
        about: Missing(OperationPolicy, "disallowedCustomResources"),
    },
    Difference {
        number: 22,
        field: "requiredLabels, requiredAnnotations",
        when: "watchKinds names a group with a dot, networking.k8s.io/Ingress for one",
        before: "Deckhouse's CRD refuses it",
        after: "here it is accepted",
        about: General,
    },
    Difference {
        number: 23,
        field: "verifyImageSignatures",
        when: "a reference has capitals, _ or brackets, or an entry has requireDigest",
        before: "Deckhouse's CRD refuses it",
        after: "here it is accepted",
        about: General,
    },
    Difference {
        number: 24,
        field: "system namespaces",
        when: "a namespace is d8-* or kube-*",
        before: "recent versions of Deckhouse warn there, and enforce where the namespace has the label security.deckhouse.io/enable-security-policy-check=true",
        after: "here the standards never reach a system namespace, and a policy only if it names it exactly so",
        about: General,
    },
    Difference {
        number: 25,
        field: "updates",
        when: "an update leaves alone what a policy judges",
        before: "Deckhouse judges it in full: a label of an old Pod cannot be changed",
        after: "here it is let through",
        about: General,
    },
    Difference {
        number: 26,
        field: "Pod Security Standards",
        when: "a namespace is under baseline or restricted",
        before: "Deckhouse's controls are those of its version: no control of probes' hosts, the sysctls of 1.29, no image volumes, nothing about hostUsers",
        after: "here they are those of Kubernetes 1.37, or of the setting podSecurityStandards.version",
        about: General,
    },
    Difference {
        number: 27,
        field: "label",
        when: "a Pod or a Pod template has the label security.deckhouse.io/skip-pss-check=true",
        before: "Deckhouse does not judge the Pods by the standards",
        after: "here the label means nothing",
        about: Label(SKIP_LABEL),
    },
    Difference {
        number: 28,
        field: "label",
        when: "a namespace has the label security.deckhouse.io/trivy-provider",
        before: "Deckhouse refuses images in which Trivy finds vulnerabilities, if denyVulnerableImages is on",
        after: "gatewright has no equivalent",
        about: Label(TRIVY_LABEL),
    },
    Difference {
        number: 29,
        field: "kind",
        when: "it is a NamespacedSecurityPolicy or a NamespacedOperationPolicy",
        before: "Deckhouse applies it in its namespace",
        after: "there is no such kind here: a policy that names the namespace does the same",
        about: Kind(&["NamespacedSecurityPolicy", "NamespacedOperationPolicy"]),
    },
    Difference {
        number: 30,
        field: "kind",
        when: "it is a SecurityPolicyException",
        before: "Deckhouse admits what it allows",
        after: "there is no such kind here: what it allows is refused. Leave its workloads out with match.labelSelector",
        about: Kind(&["SecurityPolicyException"]),
    },
    Difference {
        number: 31,
        field: "policy",
        when: "a policy has something that cannot be enforced as written",
        before: "Deckhouse accepts it",
        after: "here it is refused",
        about: Refused,
    },
    Difference {
        number: 32,
        field: "label",
        when: "a system namespace has the label security.deckhouse.io/enable-security-policy-check",
        before: "Deckhouse enforces policies there",
        after: "here the label means nothing: name the namespace in matchNames",
        about: Label(SYSTEM_LABEL),
    },
    Difference {
        number: 33,
        field: "lists of what an OperationPolicy allows",
        when: "a list of what is allowed is empty",
        before: "Deckhouse takes an empty list for no list: everything is allowed",
        after: "here nothing is allowed",
        about: SameMeaning(OperationPolicy, meaning::empty_of_operation),
    },
    Difference {
        number: 34,
        field: "runAsUser, runAsGroup, fsGroup, supplementalGroups",
        when: "every range of ids has no max, and a min above 0",
        before: "Deckhouse takes the missing bound for 0: no id is in a range",
        after: "here the ranges are open; no policy says that no id is allowed",
        about: Uncounted(SecurityPolicy, meaning::has_only_void_ranges),
    },
    Difference {
        number: 35,
        field: "Pod Security Standards",
        when: "the module's setting podSecurityStandards.defaultPolicy is not set",
        before: "Deckhouse holds Baseline by default, or Privileged in clusters that were installed with a version before 1.55",
        after: "here Baseline holds by default: set it in gatewright's settings",
        about: General,
    },
];

impl Difference {
    /// How people call it.
    pub fn id(&self) -> String {
        format!("Δ{}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::DIFFERENCES;

    #[test]
    fn numbers_count_without_a_gap() {
        let numbers: Vec<_> = DIFFERENCES.iter().map(|it| usize::from(it.number)).collect();
        assert_eq!(numbers, (1..=DIFFERENCES.len()).collect::<Vec<_>>());
    }
}
