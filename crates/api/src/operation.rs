//! `OperationPolicy`: what makes workloads operable.

use gatewright_gatekeeper::Action;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{HelpUrl, ImageTag, LabelKey, Name, Regex, RepositoryPattern, WatchKind};
use crate::{Field, List, Match, PolicyStatus};

/// What an `OperationPolicy` says.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "deckhouse.io",
    version = "v1alpha1",
    kind = "OperationPolicy",
    plural = "operationpolicies",
    shortname = "oppol",
    category = "gatewright",
    status = "PolicyStatus",
    derive = "PartialEq",
    doc = "Demands of workloads in the matched namespaces what makes them operable: known registries, resources, \
           probes, labels and the like. Only what the policy says is checked.",
    validation = Rule::new("self.metadata.name.size() <= 63")
        .message("the name of a policy has at most 63 characters, because its constraint carries the same name"),
    printcolumn(name = "Action", type_ = "string", json_path = ".spec.enforcementAction",
        description = "What happens to an object that violates the policy"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether the policy is valid, applied, and enforced by every Gatekeeper process"),
    printcolumn(name = "Constraints", type_ = "integer", json_path = ".status.constraints.enforced",
        description = "How many constraints of the policy Gatekeeper enforces"),
    printcolumn(name = "Namespaces", type_ = "integer", json_path = ".status.namespaces",
        description = "How many namespaces the policy reaches now"),
    printcolumn(name = "Violations", type_ = "integer", json_path = ".status.violations.total",
        description = "How many violations the last audit found"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Valid", type_ = "string", json_path = ".status.conditions[?(@.type=='Valid')].status", priority = 1),
    printcolumn(name = "Applied", type_ = "string", json_path = ".status.conditions[?(@.type=='Applied')].status", priority = 1),
    printcolumn(name = "Enforced", type_ = "string", json_path = ".status.conditions[?(@.type=='Enforced')].status", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason", priority = 1),
    printcolumn(name = "Synced", type_ = "string", json_path = ".status.deckhouse.synced", priority = 1)
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperationPolicySpec {
    /// What happens to an object that violates the policy: Deny refuses it, Warn lets it through with a warning,
    /// Dryrun only records it.
    #[serde(default, with = "crate::action")]
    #[schemars(schema_with = "crate::action::schema")]
    pub enforcement_action: Action,
    /// What the policy applies to.
    pub r#match: Match,
    /// Where people whose objects are refused can ask: each message of the policy ends with it.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub help_url: Field<HelpUrl>,
    /// The checks. A field that is absent is not checked.
    pub policies: OperationRules,
}

/// The checks of an `OperationPolicy`. An absent field is not checked. In a list of what is allowed, [] allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OperationRules {
    /// The registries and repositories that images may come from. An entry without / that has a dot or a port is
    /// a registry; any other entry is a repository or a part of its path; one that ends in / or * is a plain prefix.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_repos: Field<List<RepositoryPattern, 1024>>,
    /// The resources that every container must request and limit.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub required_resources: Field<RequiredResources>,
    /// Tags that images must not have. An image without tag and digest has the tag latest.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub disallowed_image_tags: Field<List<ImageTag, 1024>>,
    /// The probes that every container must have, but those of Pods that run to an end.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub required_probes: Field<List<Probe>>,
    /// Labels that objects of the watched kinds must have.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub required_labels: Field<RequiredLabels>,
    /// Annotations that objects of the watched kinds must have.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub required_annotations: Field<RequiredAnnotations>,
    /// The greatest revisionHistoryLimit of Deployments, `DaemonSets` and `StatefulSets`; unset counts as 10.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(range(min = 0))]
    pub max_revision_history_limit: Field<i32>,
    /// The pull policy that every container must have.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub image_pull_policy: Field<ImagePullPolicy>,
    /// The priority classes that Pods may use.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub priority_class_names: Field<List<Name>>,
    /// The ingress classes that Ingresses may use.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub ingress_class_names: Field<List<Name>>,
    /// The storage classes that volume claims may use.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub storage_class_names: Field<List<Name>>,
    /// true demands dnsPolicy `ClusterFirstWithHostNet` of Pods on the host's network.
    #[serde(default, rename = "checkHostNetworkDNSPolicy", skip_serializing_if = "Field::is_absent")]
    pub check_host_network_dns_policy: Field<bool>,
    /// true forbids two containers of one name in a Pod, and two variables of one name in a container.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub check_container_duplicates: Field<bool>,
    /// How many replicas Deployments and `StatefulSets` may have.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub replica_limits: Field<ReplicaLimits>,
    /// Taints that no Pod may tolerate.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub disallowed_tolerations: Field<List<TolerationPattern>>,
}

/// The resources that every container must name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("(has(self.limits) && self.limits.size() > 0) || (has(self.requests) && self.requests.size() > 0)")
    .message("requiredResources demands nothing: name at least one resource in limits or requests"))]
pub struct RequiredResources {
    /// Resources that need a limit.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub limits: Field<List<ResourceName>>,
    /// Resources that need a request.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub requests: Field<List<ResourceName>>,
}

/// A resource of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceName {
    /// Processor time.
    Cpu,
    /// Memory.
    Memory,
    /// Storage that ends with the Pod.
    EphemeralStorage,
}

/// A probe of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Probe {
    /// Restarts a container that hangs.
    LivenessProbe,
    /// Takes a container that is not ready out of its Services.
    ReadinessProbe,
    /// Holds the other probes back while a container starts.
    StartupProbe,
}

/// Labels that objects must have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.labels) || self.labels.size() == 0 || (has(self.watchKinds) && self.watchKinds.size() > 0)")
    .message("requiredLabels looks at nothing: name at least one kind in watchKinds"))]
pub struct RequiredLabels {
    /// The labels.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub labels: Field<List<LabelRequirement, 64>>,
    /// The kinds to look at, as group/Kind.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub watch_kinds: Field<List<WatchKind>>,
}

/// Annotations that objects must have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.annotations) || self.annotations.size() == 0 || (has(self.watchKinds) && self.watchKinds.size() > 0)")
    .message("requiredAnnotations looks at nothing: name at least one kind in watchKinds"))]
pub struct RequiredAnnotations {
    /// The annotations.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub annotations: Field<List<AnnotationRequirement, 64>>,
    /// The kinds to look at, as group/Kind.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub watch_kinds: Field<List<WatchKind>>,
}

/// A label that must be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LabelRequirement {
    /// The label's key.
    pub key: LabelKey,
    /// What the value must match: RE2, unanchored.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_regex: Field<Regex>,
}

/// An annotation that must be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AnnotationRequirement {
    /// The annotation's key.
    pub key: LabelKey,
    /// What the value must match: RE2, unanchored.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_regex: Field<Regex>,
}

/// When the kubelet pulls an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ImagePullPolicy {
    /// At every start of a container.
    Always,
    /// Only where the node does not have it.
    IfNotPresent,
}

/// How many replicas a workload may have, both ends included. A missing end is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas")
    .message("minReplicas is greater than maxReplicas, so no number of replicas would ever be allowed"))]
pub struct ReplicaLimits {
    /// The smallest number of replicas.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(range(min = 0))]
    pub min_replicas: Field<i32>,
    /// The greatest number of replicas.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(range(min = 0))]
    pub max_replicas: Field<i32>,
}

/// Taints that must not be tolerated. A missing part stands for any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TolerationPattern {
    /// The taint's key.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub key: Field<Name>,
    /// Exists stands for any value.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub operator: Field<TolerationOperator>,
    /// The taint's value.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub value: Field<Name>,
    /// The taint's effect.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub effect: Field<TaintEffect>,
}

/// How the value of a pattern is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TolerationOperator {
    /// The taint has this value.
    Equal,
    /// The taint has any value.
    Exists,
}

/// The effect of a taint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::AsRefStr)]
#[expect(missing_docs, reason = "the names are those of the core API")]
pub enum TaintEffect {
    NoSchedule,
    PreferNoSchedule,
    NoExecute,
}
