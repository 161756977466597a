//! Kubernetes' own kinds, as of the newest version that `k8s-openapi` has.

use k8s_openapi::api::{
    admissionregistration::v1 as admissionregistration, apiserverinternal::v1alpha1 as apiserverinternal,
    apps::v1 as apps, authentication::v1 as authentication, authorization::v1 as authorization,
    autoscaling::v1 as autoscaling, batch::v1 as batch, certificates::v1 as certificates,
    coordination::v1 as coordination, coordination::v1beta1 as coordination_beta, core::v1 as core,
    discovery::v1 as discovery, events::v1 as events, flowcontrol::v1 as flowcontrol,
    lifecycle::v1alpha1 as lifecycle, networking::v1 as networking, node::v1 as node, policy::v1 as policy,
    rbac::v1 as rbac, resource::v1 as resource, resource::v1alpha3 as resource_alpha,
    scheduling::v1 as scheduling, scheduling::v1alpha3 as scheduling_alpha, storage::v1 as storage,
    storagemigration::v1 as storagemigration,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 as apiregistration;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope, Resource, ResourceScope, SubResourceScope};

/// A kind that Kubernetes itself defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The kind.
    pub kind: &'static str,
    /// The resource: the plural in lower case. Of a subresource its own name.
    pub plural: &'static str,
    /// Whether its objects stand in namespaces.
    pub namespaced: bool,
}

/// Where the objects of a kind stand.
trait Stands: ResourceScope {
    const NAMESPACED: bool;
}

impl Stands for ClusterResourceScope {
    const NAMESPACED: bool = false;
}

impl Stands for NamespaceResourceScope {
    const NAMESPACED: bool = true;
}

/// The subresources that have a kind of their own belong to namespaced objects.
impl Stands for SubResourceScope {
    const NAMESPACED: bool = true;
}

const fn of<T: Resource>() -> Builtin
where
    T::Scope: Stands,
{
    Builtin {
        group: T::GROUP,
        kind: T::KIND,
        plural: T::URL_PATH_SEGMENT,
        namespaced: <T::Scope as Stands>::NAMESPACED,
    }
}

macro_rules! builtin {
    ($($module:ident: $($kind:ident)+;)+) => {
        &[$($(of::<$module::$kind>(),)+)+]
    };
}

const BUILTIN: &[Builtin] = builtin! {
    core: Binding ComponentStatus ConfigMap Endpoints Event LimitRange Namespace Node PersistentVolume
        PersistentVolumeClaim Pod PodTemplate ReplicationController ResourceQuota Secret Service ServiceAccount;
    admissionregistration: MutatingAdmissionPolicy MutatingAdmissionPolicyBinding MutatingWebhookConfiguration
        ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration;
    apiextensions: CustomResourceDefinition;
    apiregistration: APIService;
    apiserverinternal: StorageVersion;
    apps: ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet;
    authentication: SelfSubjectReview TokenRequest TokenReview;
    authorization: LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview;
    autoscaling: HorizontalPodAutoscaler Scale;
    batch: CronJob Job;
    certificates: CertificateSigningRequest ClusterTrustBundle PodCertificateRequest;
    coordination: Lease;
    coordination_beta: LeaseCandidate;
    discovery: EndpointSlice;
    events: Event;
    flowcontrol: FlowSchema PriorityLevelConfiguration;
    lifecycle: Eviction EvictionRequest;
    networking: IPAddress Ingress IngressClass NetworkPolicy ServiceCIDR;
    node: RuntimeClass;
    policy: Eviction PodDisruptionBudget;
    rbac: ClusterRole ClusterRoleBinding Role RoleBinding;
    resource: DeviceClass DeviceTaintRule ResourceClaim ResourceClaimTemplate ResourceSlice;
    resource_alpha: ResourcePoolStatusRequest;
    scheduling: PriorityClass;
    scheduling_alpha: CompositePodGroup PodGroup Workload;
    storage: CSIDriver CSINode CSIStorageCapacity StorageClass VolumeAttachment VolumeAttributesClass;
    storagemigration: StorageVersionMigration;
};

/// The kind of Kubernetes itself with this group and kind, if there is one.
#[must_use]
pub fn builtin(group: &str, kind: &str) -> Option<&'static Builtin> {
    BUILTIN.iter().find(|builtin| builtin.group == group && builtin.kind == kind)
}

/// Whether a group is one of Kubernetes itself, whose kinds are all known. Groups without a dot are reserved for it.
#[must_use]
pub fn is_builtin_group(group: &str) -> bool {
    !group.contains('.') || BUILTIN.iter().any(|builtin| builtin.group == group)
}

/// The kind that is meant by another spelling of it: in other case, or in the plural.
#[must_use]
pub fn respelled(group: &str, kind: &str) -> Option<&'static Builtin> {
    let same = |builtin: &&Builtin| {
        let spelled = [builtin.kind, builtin.plural].iter().any(|name| name.eq_ignore_ascii_case(kind));
        builtin.group == group && builtin.kind != kind && spelled
    };
    BUILTIN.iter().find(same).filter(|_| builtin(group, kind).is_none())
}

/// The kind with the most similar name, if one is similar enough for a typing error. In a group of somebody else the
/// group must be similar, too: there a Service may well be another thing.
#[must_use]
pub fn similar(group: &str, kind: &str) -> Option<&'static Builtin> {
    let distances = |builtin: &Builtin| {
        let distance = strsim::damerau_levenshtein;
        (distance(kind, builtin.kind), distance(group, builtin.group))
    };
    let bound = (kind.len() / 4).max(1);
    let similar = |builtin: &&Builtin| {
        let (of_kind, of_group) = distances(builtin);
        of_kind <= bound && (is_builtin_group(group) || of_group <= 2)
    };
    BUILTIN.iter().filter(similar).min_by_key(|builtin| distances(builtin))
}

impl std::fmt::Display for Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.group, self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::{BUILTIN, Builtin, builtin, is_builtin_group, respelled, similar};
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_is_listed_once() {
        let names: BTreeSet<_> = BUILTIN.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), BUILTIN.len());
        assert!(BUILTIN.iter().all(|builtin| is_builtin_group(builtin.group)));
    }

    #[test]
    fn what_is_known_of_a_kind() {
        let found = |group, kind| builtin(group, kind).map(|found| (found.plural, found.namespaced));
        assert_eq!(found("", "Pod"), Some(("pods", true)));
        assert_eq!(found("networking.k8s.io", "Ingress"), Some(("ingresses", true)));
        assert_eq!(found("", "Node"), Some(("nodes", false)));
        assert_eq!(found("autoscaling", "Scale"), Some(("scale", true)));
        assert_eq!(found("apps", "Pod"), None);
        assert_eq!(found("", "pod"), None);
    }

    #[test]
    fn spellings_and_typing_errors() {
        let written = |found: Option<&Builtin>| found.map(ToString::to_string).unwrap_or_default();
        for (group, kind, spelled, typed) in [
            ("", "pods", "/Pod", ""),
            ("", "pod", "/Pod", ""),
            ("apps", "deployment", "apps/Deployment", ""),
            ("apps", "Deployments", "apps/Deployment", ""),
            ("", "endpoints", "/Endpoints", ""),
            ("apps", "Deploymnet", "", "apps/Deployment"),
            ("", "Deployment", "", "apps/Deployment"),
            ("extensions", "Ingress", "", "networking.k8s.io/Ingress"),
            ("networking.k8s.oi", "Ingress", "", "networking.k8s.io/Ingress"),
            ("", "deployments", "", "apps/Deployment"),
            ("serving.example.com", "Service", "", ""),
            ("example.com", "Widget", "", ""),
            ("apps", "Foo", "", ""),
        ] {
            assert_eq!(written(respelled(group, kind)), spelled, "{group}/{kind}");
            if spelled.is_empty() {
                assert_eq!(written(similar(group, kind)), typed, "{group}/{kind}");
            }
        }
    }
}
