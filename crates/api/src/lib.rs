//! The policy kinds of gatewright: `SecurityPolicy` and `OperationPolicy` of the group `deckhouse.io`.
//!
//! The types carry the rules of the contract: three states of a field ([`Field`]), bounded lists
//! ([`List`]) and texts with a syntax ([`text`]). From them come the CRDs that the API server
//! enforces ([`crds`]) and the values that the compiler takes apart.

mod action;
mod field;
pub mod names;
mod operation;
#[macro_use]
mod policy;
// After the macro of `policy` that it uses.
mod crd;
mod schema;
mod security;
mod selector;
mod status;
mod system;
pub mod text;

pub use crd::crds;
pub use field::{Field, List};
pub use operation::{
    AnnotationRequirement, ImagePullPolicy, LabelRequirement, OperationPolicy, OperationPolicySpec,
    OperationRules, Probe, ReplicaLimits, RequiredAnnotations, RequiredLabels, RequiredResources,
    ResourceName, TaintEffect, TolerationOperator, TolerationPattern,
};
pub use policy::{Guarded, POLICY_API_VERSION, POLICY_GROUP, Policy, PolicyKind, Unreadable};
pub use schema::lacking;
pub use security::{
    Capability, FlexVolume, HostPath, IdRange, IdRule, IdStrategy, PortRange, ProcMount, SeLinuxOptions,
    SeccompProfiles, SecurityPolicy, SecurityPolicySpec, SecurityRules, ServiceType, SignatureRequirement,
    UserRule, UserStrategy, VolumeType,
};
pub use selector::{LabelSelector, LabelSelectorRequirement, Match, NamespaceSelector, SelectorOperator};
pub use status::{
    ByEnforcement, Checkpoint, ConditionType, ConstraintCounts, DeckhouseStatus, NamespaceCount,
    PolicyStatus, Reason, ViolationSample, Violations,
};
pub use system::{
    DefaultStandard, ExemptNamespaces, GatekeeperProcess, GatewrightStatus, GatewrightStatusSpec, Notice,
    SYSTEM_STATUS_NAME, StandardStatus, SystemCondition, SystemStatus,
};
