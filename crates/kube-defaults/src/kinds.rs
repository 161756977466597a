//! The built-in kinds that have defaults.

use serde_json::Value;

use super::assumed::Assumption;
use super::cluster::Cluster;
use super::table::Literal::{Boolean, List, Number, Object, Text};
use super::table::{Defaults, Field, at, plain, pointer};
use super::{assumed, autoscaling, others, pod, pod_spec, service, workloads};

/// The defaults of one kind.
pub(super) struct Kind {
    /// The API group, empty for the core.
    group: &'static str,
    /// The kind's name.
    name: &'static str,
    /// The served versions that these defaults are for.
    versions: &'static [&'static str],
    /// What depends on other fields; comes first, as in Kubernetes.
    pub before: fn(&mut Value),
    /// Where its pod template is.
    pub template: Option<&'static str>,
    /// Everything else.
    pub table: &'static [Defaults],
    /// The resource lists outside pod specs.
    pub quantities: &'static [&'static str],
    /// What admission plugins add.
    pub admission: fn(&mut Value, &Cluster),
    /// What is assumed about the cluster.
    pub assumed: fn(&Value, &Cluster) -> Vec<Assumption>,
}

/// A kind without defaults: the base of all others.
const PLAIN: Kind = Kind {
    group: "",
    name: "",
    versions: &["v1"],
    before: nothing,
    template: None,
    table: &[],
    quantities: &[],
    admission: unchanged,
    assumed: assumed::nothing,
};

fn nothing(_: &mut Value) {}

fn unchanged(_: &mut Value, _: &Cluster) {}

/// The kind of a document. None for one without defaults.
pub(super) fn of(object: &Value) -> Option<&'static Kind> {
    let version = object.get("apiVersion")?.as_str()?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = object.get("kind")?.as_str()?;
    KINDS.iter().find(|known| known.group == group && known.name == kind && known.versions.contains(&version))
}

const REPLICAS: Field = pointer("replicas", Number(1));
const HISTORY: Field = pointer("revisionHistoryLimit", Number(10));
const TEMPLATE: Option<&str> = Some("spec.template");
const POD_FAILURE: &[Field] = &[plain("status", Text("True"))];
const RBAC: &str = "rbac.authorization.k8s.io";
const ROLE_REF: Defaults = at("roleRef", &[plain("apiGroup", Text(RBAC))]);
const WEBHOOK: &[Field] = &[
    pointer("failurePolicy", Text("Fail")),
    pointer("matchPolicy", Text("Equivalent")),
    pointer("timeoutSeconds", Number(10)),
    pointer("namespaceSelector", Object),
    pointer("objectSelector", Object),
];
const SCOPE: &[Field] = &[pointer("scope", Text("*"))];
const WEBHOOK_PORT: Defaults = at("webhooks[].clientConfig.service", &[pointer("port", Number(443))]);
const NEVER: Defaults = at("webhooks[]", &[pointer("reinvocationPolicy", Text("Never"))]);
const MATCH: &[Field] = &[
    pointer("matchPolicy", Text("Equivalent")),
    pointer("namespaceSelector", Object),
    pointer("objectSelector", Object),
];
const FAIL: Defaults = at("spec", &[pointer("failurePolicy", Text("Fail"))]);

const KINDS: &[Kind] = &[
    Kind { name: "Pod", before: pod::defaults, admission: pod::admission, assumed: assumed::of_pod, ..PLAIN },
    Kind { name: "PodTemplate", template: Some("template"), ..PLAIN },
    Kind {
        name: "ReplicationController",
        before: workloads::replication_controller,
        template: TEMPLATE,
        table: &[at("spec", &[REPLICAS])],
        ..PLAIN
    },
    Kind { name: "Service", before: service::defaults, ..PLAIN },
    Kind { name: "Endpoints", table: &[at("subsets[].ports[]", &[plain("protocol", Text("TCP"))])], ..PLAIN },
    Kind {
        name: "Secret",
        before: others::secret,
        table: &[at("", &[plain("type", Text("Opaque"))])],
        ..PLAIN
    },
    Kind { name: "ConfigMap", ..PLAIN },
    Kind { name: "Namespace", before: others::namespace, ..PLAIN },
    Kind { name: "Node", admission: others::taint, ..PLAIN },
    Kind {
        name: "PersistentVolumeClaim",
        table: &[at("spec", pod_spec::CLAIM_SPEC)],
        quantities: &["spec.resources.limits", "spec.resources.requests"],
        admission: others::protect_claim,
        assumed: assumed::of_claim,
        ..PLAIN
    },
    Kind {
        name: "PersistentVolume",
        before: others::volume,
        table: &[at(
            "spec",
            &[
                plain("persistentVolumeReclaimPolicy", Text("Retain")),
                pointer("volumeMode", Text("Filesystem")),
            ],
        )],
        quantities: &["spec.capacity"],
        admission: others::protect_volume,
        ..PLAIN
    },
    Kind {
        name: "LimitRange",
        before: others::limit_range,
        quantities: &[
            "spec.limits[].max",
            "spec.limits[].min",
            "spec.limits[].default",
            "spec.limits[].defaultRequest",
            "spec.limits[].maxLimitRequestRatio",
        ],
        ..PLAIN
    },
    Kind { name: "ResourceQuota", quantities: &["spec.hard"], ..PLAIN },
    Kind {
        group: "apps",
        name: "Deployment",
        before: workloads::deployment,
        template: TEMPLATE,
        table: &[at("spec", &[REPLICAS, HISTORY, pointer("progressDeadlineSeconds", Number(600))])],
        ..PLAIN
    },
    Kind {
        group: "apps",
        name: "DaemonSet",
        before: workloads::daemon_set,
        template: TEMPLATE,
        table: &[at("spec", &[HISTORY])],
        ..PLAIN
    },
    Kind {
        group: "apps",
        name: "StatefulSet",
        before: workloads::stateful_set,
        template: TEMPLATE,
        table: &[
            at("spec", &[REPLICAS, HISTORY, plain("podManagementPolicy", Text("OrderedReady"))]),
            at(
                "spec.persistentVolumeClaimRetentionPolicy+",
                &[plain("whenDeleted", Text("Retain")), plain("whenScaled", Text("Retain"))],
            ),
            at("spec.volumeClaimTemplates[].metadata+", &[]),
            at("spec.volumeClaimTemplates[].spec+", pod_spec::CLAIM_SPEC),
            at("spec.volumeClaimTemplates[].status+", &[plain("phase", Text("Pending"))]),
        ],
        quantities: &[
            "spec.volumeClaimTemplates[].spec.resources.limits",
            "spec.volumeClaimTemplates[].spec.resources.requests",
        ],
        ..PLAIN
    },
    Kind {
        group: "apps",
        name: "ReplicaSet",
        template: TEMPLATE,
        table: &[at("spec", &[REPLICAS])],
        ..PLAIN
    },
    Kind {
        group: "batch",
        name: "Job",
        before: workloads::job,
        template: TEMPLATE,
        table: &[
            at(
                "spec",
                &[
                    pointer("parallelism", Number(1)),
                    pointer("completionMode", Text("NonIndexed")),
                    pointer("suspend", Boolean(false)),
                    pointer("manualSelector", Boolean(false)),
                ],
            ),
            at("spec.podFailurePolicy.rules[].onPodConditions[]", POD_FAILURE),
        ],
        ..PLAIN
    },
    Kind {
        group: "batch",
        name: "CronJob",
        template: Some("spec.jobTemplate.spec.template"),
        table: &[
            at(
                "spec",
                &[
                    plain("concurrencyPolicy", Text("Allow")),
                    pointer("suspend", Boolean(false)),
                    pointer("successfulJobsHistoryLimit", Number(3)),
                    pointer("failedJobsHistoryLimit", Number(1)),
                ],
            ),
            at("spec.jobTemplate.metadata+", &[]),
            at("spec.jobTemplate.spec.podFailurePolicy.rules[].onPodConditions[]", POD_FAILURE),
        ],
        ..PLAIN
    },
    Kind { group: "networking.k8s.io", name: "Ingress", assumed: assumed::of_ingress, ..PLAIN },
    Kind {
        group: "networking.k8s.io",
        name: "IngressClass",
        table: &[at("spec.parameters", &[pointer("scope", Text("Cluster"))])],
        ..PLAIN
    },
    Kind {
        group: "networking.k8s.io",
        name: "NetworkPolicy",
        before: others::network_policy,
        table: &[
            at("spec.podSelector+", &[]),
            at("spec.ingress[].ports[]", &[pointer("protocol", Text("TCP"))]),
            at("spec.egress[].ports[]", &[pointer("protocol", Text("TCP"))]),
        ],
        ..PLAIN
    },
    Kind {
        group: "discovery.k8s.io",
        name: "EndpointSlice",
        table: &[
            at("ports[]", &[pointer("name", Text("")), pointer("protocol", Text("TCP"))]),
            at("endpoints[].conditions+", &[]),
        ],
        ..PLAIN
    },
    Kind { group: RBAC, name: "Role", ..PLAIN },
    Kind { group: RBAC, name: "ClusterRole", ..PLAIN },
    Kind { group: RBAC, name: "RoleBinding", before: others::subjects, table: &[ROLE_REF], ..PLAIN },
    Kind { group: RBAC, name: "ClusterRoleBinding", before: others::subjects, table: &[ROLE_REF], ..PLAIN },
    Kind { group: "autoscaling", name: "HorizontalPodAutoscaler", before: autoscaling::v1, ..PLAIN },
    Kind {
        group: "autoscaling",
        name: "HorizontalPodAutoscaler",
        versions: &["v2"],
        before: autoscaling::v2,
        ..PLAIN
    },
    Kind { group: "policy", name: "PodDisruptionBudget", ..PLAIN },
    Kind {
        group: "storage.k8s.io",
        name: "StorageClass",
        table: &[at(
            "",
            &[pointer("reclaimPolicy", Text("Delete")), pointer("volumeBindingMode", Text("Immediate"))],
        )],
        ..PLAIN
    },
    Kind {
        group: "storage.k8s.io",
        name: "CSIDriver",
        table: &[at(
            "spec",
            &[
                pointer("attachRequired", Boolean(true)),
                pointer("podInfoOnMount", Boolean(false)),
                pointer("storageCapacity", Boolean(false)),
                pointer("fsGroupPolicy", Text("ReadWriteOnceWithFSType")),
                plain("volumeLifecycleModes", List("Persistent")),
                pointer("requiresRepublish", Boolean(false)),
                pointer("seLinuxMount", Boolean(false)),
                pointer("preventPodSchedulingIfMissing", Boolean(false)),
            ],
        )],
        ..PLAIN
    },
    Kind {
        group: "storage.k8s.io",
        name: "VolumeAttributesClass",
        versions: &["v1", "v1beta1"],
        admission: others::protect_attributes,
        ..PLAIN
    },
    Kind {
        group: "scheduling.k8s.io",
        name: "PriorityClass",
        table: &[at("", &[pointer("preemptionPolicy", Text("PreemptLowerPriority"))])],
        ..PLAIN
    },
    Kind {
        group: FLOW_CONTROL,
        name: "FlowSchema",
        table: &[at("spec", &[plain("matchingPrecedence", Number(1000))])],
        ..PLAIN
    },
    Kind {
        group: FLOW_CONTROL,
        name: "PriorityLevelConfiguration",
        table: &[
            at(
                "spec.limited",
                &[pointer("nominalConcurrencyShares", Number(30)), pointer("lendablePercent", Number(0))],
            ),
            at("spec.limited.limitResponse.queuing", QUEUES),
            at(
                "spec.exempt",
                &[pointer("nominalConcurrencyShares", Number(0)), pointer("lendablePercent", Number(0))],
            ),
        ],
        ..PLAIN
    },
    Kind {
        group: ADMISSION,
        name: "ValidatingWebhookConfiguration",
        table: &[at("webhooks[]", WEBHOOK), at("webhooks[].rules[]", SCOPE), WEBHOOK_PORT],
        ..PLAIN
    },
    Kind {
        group: ADMISSION,
        name: "MutatingWebhookConfiguration",
        table: &[at("webhooks[]", WEBHOOK), NEVER, at("webhooks[].rules[]", SCOPE), WEBHOOK_PORT],
        ..PLAIN
    },
    Kind {
        group: ADMISSION,
        name: "ValidatingAdmissionPolicy",
        versions: POLICIES,
        table: ADMISSION_POLICY,
        ..PLAIN
    },
    Kind {
        group: ADMISSION,
        name: "MutatingAdmissionPolicy",
        versions: POLICIES,
        table: ADMISSION_POLICY,
        ..PLAIN
    },
    Kind {
        group: ADMISSION,
        name: "ValidatingAdmissionPolicyBinding",
        versions: POLICIES,
        table: ADMISSION_BINDING,
        ..PLAIN
    },
    Kind {
        group: ADMISSION,
        name: "MutatingAdmissionPolicyBinding",
        versions: POLICIES,
        table: ADMISSION_BINDING,
        ..PLAIN
    },
];

const FLOW_CONTROL: &str = "flowcontrol.apiserver.k8s.io";
const QUEUES: &[Field] =
    &[plain("queues", Number(64)), plain("handSize", Number(8)), plain("queueLengthLimit", Number(50))];
const ADMISSION: &str = "admissionregistration.k8s.io";
const POLICIES: &[&str] = &["v1", "v1beta1"];
const ADMISSION_POLICY: &[Defaults] = &[
    FAIL,
    at("spec.matchConstraints", MATCH),
    at("spec.matchConstraints.resourceRules[]", SCOPE),
    at("spec.matchConstraints.excludeResourceRules[]", SCOPE),
];
const ADMISSION_BINDING: &[Defaults] = &[
    at("spec.matchResources", MATCH),
    at("spec.matchResources.resourceRules[]", SCOPE),
    at("spec.matchResources.excludeResourceRules[]", SCOPE),
];
