//! `SecurityPolicy`: what Pods may do to their node, and a few neighbours of Pods.

use gatewright_gatekeeper::Action;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::{
    Base64, CertificatePem, ClusterRolePattern, HelpUrl, ImageReference, Name, PathPrefix, PublicKeyPem,
    SysctlPattern,
};
use crate::{Field, List, Match, PolicyStatus};

/// What a `SecurityPolicy` says.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "deckhouse.io",
    version = "v1alpha1",
    kind = "SecurityPolicy",
    plural = "securitypolicies",
    shortname = "secpol",
    category = "gatewright",
    status = "PolicyStatus",
    derive = "PartialEq",
    doc = "Restricts what Pods, Roles, RoleBindings, Services and Ingresses in the matched namespaces may do. \
           Only what the policy says is checked.",
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
pub struct SecurityPolicySpec {
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
    pub policies: SecurityRules,
}

/// The checks of a `SecurityPolicy`. An absent field is not checked. In a list of what is allowed, [] allows nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecurityRules {
    /// false forbids privileged containers, and Windows host-process containers.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allow_privileged: Field<bool>,
    /// false demands allowPrivilegeEscalation: false of every container.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allow_privilege_escalation: Field<bool>,
    /// false forbids the host's process namespace.
    #[serde(default, rename = "allowHostPID", skip_serializing_if = "Field::is_absent")]
    pub allow_host_pid: Field<bool>,
    /// false forbids the host's IPC namespace.
    #[serde(default, rename = "allowHostIPC", skip_serializing_if = "Field::is_absent")]
    pub allow_host_ipc: Field<bool>,
    /// false forbids the host's network.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allow_host_network: Field<bool>,
    /// Ranges in which every host port must lie. [] or a single range from 0 to 0 allows none.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_host_ports: Field<List<PortRange>>,
    /// true demands a read-only root file system of every container.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub read_only_root_filesystem: Field<bool>,
    /// false forbids mounting a service account's token.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub automount_service_account_token: Field<bool>,
    /// false forbids * in the rules of Roles and in what RoleBindings name.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allow_rbac_wildcards: Field<bool>,
    /// The ClusterRoles that a RoleBinding may refer to; an entry may end in *.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_cluster_roles: Field<List<ClusterRolePattern>>,
    /// The flexVolume drivers that Pods may use.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_flex_volumes: Field<List<FlexVolume>>,
    /// The types of volumes that Pods may use; * allows all.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_volumes: Field<List<VolumeType>>,
    /// The host paths that Pods may mount, compared by whole segments.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_host_paths: Field<List<HostPath>>,
    /// The capabilities that containers may add; ALL allows all.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_capabilities: Field<List<Capability>>,
    /// The capabilities that every container must drop, by name or with ALL, and must not add.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub required_drop_capabilities: Field<List<Capability>>,
    /// The AppArmor profiles that containers may run with: runtime/default, unconfined, localhost/PROFILE; * stands
    /// for any characters.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_app_armor: Field<List<Name>>,
    /// Default forbids any other /proc mount.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_proc_mount: Field<ProcMount>,
    /// The user ids that containers may run as.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub run_as_user: Field<UserStrategy>,
    /// The group ids that containers may run as.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub run_as_group: Field<IdStrategy>,
    /// The group ids that may own a Pod's volumes.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub fs_group: Field<IdStrategy>,
    /// The supplemental group ids that Pods may use.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub supplemental_groups: Field<IdStrategy>,
    /// The `SELinux` options that Pods and containers may set; those that are set must fit one entry.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub se_linux: Field<List<SeLinuxOptions>>,
    /// The only sysctls that Pods may set, by name or by a beginning followed by *.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_unsafe_sysctls: Field<List<SysctlPattern>>,
    /// Sysctls that Pods must not set, by name or by a beginning followed by *.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub forbidden_sysctls: Field<List<SysctlPattern>>,
    /// The seccomp profiles that containers may run with.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub seccomp_profiles: Field<SeccompProfiles>,
    /// The types that Services may have.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_service_types: Field<List<ServiceType>>,
    /// true forbids Ingresses that take wildcard domains, or every domain.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub block_wildcard_domains: Field<bool>,
    /// Images that need a signature by cosign. Every entry that covers an image must be satisfied.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub verify_image_signatures: Field<List<SignatureRequirement, 20>>,
}

/// A range of ports, both ends included. A missing end is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.min) || !has(self.max) || self.min <= self.max")
    .message("min is greater than max, so no port would ever be in the range"))]
pub struct PortRange {
    /// The lowest port.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(range(min = 0, max = 65535))]
    pub min: Field<i32>,
    /// The highest port.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(range(min = 0, max = 65535))]
    pub max: Field<i32>,
}

/// A range of user or group ids, both ends included. A missing end is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("!has(self.min) || !has(self.max) || self.min <= self.max")
    .message("min is greater than max, so no id would ever be in the range"))]
pub struct IdRange {
    /// The lowest id.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(range(min = 0))]
    pub min: Field<i64>,
    /// The highest id.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    #[schemars(range(min = 0))]
    pub max: Field<i64>,
}

/// How a user id is judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("self.rule != 'MustRunAs' || (has(self.ranges) && self.ranges.size() > 0)")
    .message("MustRunAs needs at least one range"))]
pub struct UserStrategy {
    /// `MustRunAs` demands an id in a range, `MustRunAsNonRoot` any id but 0, `RunAsAny` nothing.
    pub rule: UserRule,
    /// The ranges of `MustRunAs`.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub ranges: Field<List<IdRange>>,
}

/// How a group id is judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("self.rule == 'RunAsAny' || (has(self.ranges) && self.ranges.size() > 0)")
    .message("MustRunAs and MayRunAs need at least one range"))]
pub struct IdStrategy {
    /// `MustRunAs` demands an id in a range, `MayRunAs` lets an unset one through, `RunAsAny` demands nothing.
    pub rule: IdRule,
    /// The ranges of `MustRunAs` and `MayRunAs`.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub ranges: Field<List<IdRange>>,
}

/// Which user ids are demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UserRule {
    /// The id is set and lies in a range.
    MustRunAs,
    /// The id is not 0; an unset one needs `runAsNonRoot: true`.
    MustRunAsNonRoot,
    /// Nothing is demanded.
    RunAsAny,
}

/// Which group ids are demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IdRule {
    /// The id is set and lies in a range.
    MustRunAs,
    /// The id is unset or lies in a range.
    MayRunAs,
    /// Nothing is demanded.
    RunAsAny,
}

/// A flexVolume driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FlexVolume {
    /// The driver's name.
    pub driver: Name,
}

/// A part of the host's file system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostPath {
    /// The path and everything below it: /foo allows /foo/bar, not /food.
    pub path_prefix: PathPrefix,
    /// true demands that every mount of the volume is read-only.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub read_only: Field<bool>,
}

/// `SELinux` options that are allowed together. What an entry leaves out must be unset or empty, but for the level.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeLinuxOptions {
    /// The level, compared only if the entry names one.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub level: Field<Name>,
    /// The role.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub role: Field<Name>,
    /// The type.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub r#type: Field<Name>,
    /// The user.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub user: Field<Name>,
}

/// The seccomp profiles that are allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SeccompProfiles {
    /// Profiles by type (`RuntimeDefault`, Unconfined, Localhost), by their older names, or *. An unset profile passes
    /// only if the list holds undefined.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_profiles: Field<List<Name>>,
    /// The files that Localhost profiles may name; absent allows any, [] none.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub allowed_localhost_files: Field<List<Name>>,
}

/// Images that need a signature, and whose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignatureRequirement {
    /// Which images: `*` is every image; a repository (registry.example.com/shop/app) is all its tags and digests; with a
    /// tag or digest it is that one; a beginning followed by * is what begins so (registry.example.com/shop/*).
    pub reference: ImageReference,
    /// Public keys in PEM; a signature by any of them is enough.
    #[x_kube(validation = Rule::new("self.size() > 0").message("publicKeys is empty: no image could ever be verified"))]
    pub public_keys: List<PublicKeyPem, 10>,
    /// The registry's Docker configuration in base64, as in a Secret. It never leaves the policy.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub docker_cfg: Field<Base64>,
    /// Certificates in PEM that are trusted beside the usual ones when the registry is asked.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub ca: Field<CertificatePem>,
    /// true demands that the images are named by digest, so that what was verified is what runs.
    #[serde(default, skip_serializing_if = "Field::is_absent")]
    pub require_digest: Field<bool>,
}

/// How a container sees /proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ProcMount {
    /// Masked by the container runtime.
    Default,
    /// Not masked.
    Unmasked,
}

/// The type of a Service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "the names are those of the core API")]
pub enum ServiceType {
    ClusterIP,
    NodePort,
    LoadBalancer,
    ExternalName,
}

/// A Linux capability, as `capabilities(7)` names it, without `CAP_`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the names are the kernel's")]
pub enum Capability {
    All,
    AuditControl,
    AuditRead,
    AuditWrite,
    BlockSuspend,
    Bpf,
    CheckpointRestore,
    Chown,
    DacOverride,
    DacReadSearch,
    Fowner,
    Fsetid,
    IpcLock,
    IpcOwner,
    Kill,
    Lease,
    LinuxImmutable,
    MacAdmin,
    MacOverride,
    Mknod,
    NetAdmin,
    NetBindService,
    NetBroadcast,
    NetRaw,
    Perfmon,
    Setfcap,
    Setgid,
    Setpcap,
    Setuid,
    SysAdmin,
    SysBoot,
    SysChroot,
    SysModule,
    SysNice,
    SysPacct,
    SysPtrace,
    SysRawio,
    SysResource,
    SysTime,
    SysTtyConfig,
    Syslog,
    WakeAlarm,
}

/// A type of volume: every source of the Pod API, and the names that older policies use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the names are those of the core API")]
pub enum VolumeType {
    #[serde(rename = "*")]
    Any,
    None,
    AwsElasticBlockStore,
    AzureDisk,
    AzureFile,
    #[serde(rename = "cephFS")]
    CephFsOldName,
    Cephfs,
    Cinder,
    ConfigMap,
    Csi,
    #[serde(rename = "downwardAPI")]
    DownwardApi,
    EmptyDir,
    Ephemeral,
    Fc,
    FlexVolume,
    Flocker,
    GcePersistentDisk,
    GitRepo,
    Glusterfs,
    HostPath,
    Image,
    Iscsi,
    Nfs,
    PersistentVolumeClaim,
    PhotonPersistentDisk,
    PortworxVolume,
    Projected,
    Quobyte,
    Rbd,
    #[serde(rename = "scaleIO")]
    ScaleIo,
    Secret,
    Storageos,
    VsphereVolume,
}
