//! The state of the system.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// The name of the one object of its kind.
pub const SYSTEM_STATUS_NAME: &str = "cluster";

/// There is nothing to specify.
#[allow(clippy::duplicated_attributes, reason = "every column names its type")]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, CustomResource, KubeSchema)]
#[kube(
    group = "gatewright.io",
    version = "v1alpha1",
    kind = "GatewrightStatus",
    plural = "gatewrightstatuses",
    singular = "gatewrightstatus",
    category = "gatewright",
    status = "SystemStatus",
    derive = "PartialEq",
    doc = "What the operator reports on Gatekeeper, its templates, the Pod Security Standards, the exec guard, the \
           routing of requests, reports, its settings and itself. There is one, named cluster; the operator keeps it.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].status",
        description = "Whether everything that is not a policy works"
    ),
    printcolumn(
        name = "Gatekeeper",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='GatekeeperFound')].status",
        description = "Whether Gatekeeper is there and answers admission requests"
    ),
    printcolumn(
        name = "Templates",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='TemplatesInstalled')].status",
        description = "Whether Gatekeeper has taken in all of our templates"
    ),
    printcolumn(
        name = "Standards",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='StandardsEnforced')].status",
        description = "Whether the Pod Security Standards are enforced"
    ),
    printcolumn(
        name = "DefaultStandard",
        type_ = "string",
        json_path = ".status.defaultStandard.level",
        description = "The standard of a namespace whose labels choose none"
    ),
    printcolumn(
        name = "DefaultAction",
        type_ = "string",
        json_path = ".status.defaultStandard.action",
        description = "What happens to a violation in a namespace whose labels choose no action"
    ),
    printcolumn(
        name = "ExecGuard",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='ExecGuard')].status",
        priority = 1,
        description = "Whether the exec guard is as the settings want it"
    ),
    printcolumn(
        name = "Routing",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Routing')].status",
        priority = 1,
        description = "Whether Gatekeeper is asked about all that it must be asked about"
    ),
    printcolumn(
        name = "Reports",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Reports')].status",
        priority = 1,
        description = "Whether audit's results are reported as the settings want it"
    ),
    printcolumn(
        name = "Verifier",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Verifier')].status",
        priority = 1,
        description = "Whether the verifier of image signatures answers, or is not needed"
    ),
    printcolumn(
        name = "Settings",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Settings')].status",
        priority = 1,
        description = "Whether the settings file on disk is in force"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].reason",
        description = "Why it is so"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
pub struct GatewrightStatusSpec {}

/// What became of the operator's own objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SystemStatus {
    /// PoliciesServed, GatekeeperFound, TemplatesInstalled, StandardsEnforced, ExecGuard, Routing, Reports, Verifier,
    /// Settings, Operator, and Ready, which is all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The processes of Gatekeeper.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub processes: Vec<GatekeeperProcess>,
    /// What holds in a namespace whose labels do not choose otherwise, as the settings in force say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_standard: Option<DefaultStandard>,
    /// The Pod Security Standards, one entry for each level and action.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["constraint".into()]))]
    pub standards: Vec<StandardStatus>,
    /// The namespaces in which nothing is judged, because they carry the label `admission.gatekeeper.sh/ignore`; absent while namespaces are not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exempt_namespaces: Option<ExemptNamespaces>,
    /// What an administrator should know of though nothing fails, or beside what fails. Each also stands in the message
    /// of a condition, and became a Warning event when it came about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
}

/// Something that an administrator should know of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// A CamelCase word: the reason of the event.
    pub reason: String,
    /// What is so, and what to do.
    pub message: String,
}

/// The namespaces in which Gatekeeper judges nothing, because of their label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExemptNamespaces {
    /// How many there are.
    pub count: i32,
    /// The names of the first ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// A process of Gatekeeper.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GatekeeperProcess {
    /// The name of its Pod.
    pub name: String,
    /// The tag or digest of its image; empty if the Pod has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// What it does, as it reported itself: webhook, audit, status, generate and others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<String>,
}

/// What holds in a namespace whose labels do not choose otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DefaultStandard {
    /// privileged, baseline or restricted.
    pub level: String,
    /// deny, warn or dryrun.
    pub action: String,
}

/// One constraint of the Pod Security Standards.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StandardStatus {
    /// The name of the constraint.
    pub constraint: String,
    /// baseline or restricted.
    pub level: String,
    /// deny, warn or dryrun.
    pub action: String,
    /// How many namespaces it reaches now.
    pub namespaces: i32,
    /// How many violations the last audit found; absent before its first run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violations: Option<i64>,
}

/// The type of a condition of the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
pub enum SystemCondition {
    /// The API server serves both kinds of policies.
    PoliciesServed,
    /// Gatekeeper's kinds are served, and at least one of its processes answers admission requests.
    GatekeeperFound,
    /// Every template of ours is in the API as desired, and Gatekeeper has taken it in.
    TemplatesInstalled,
    /// Every Gatekeeper process enforces the six constraints of the standards.
    StandardsEnforced,
    /// The exec guard is as the settings want it.
    ExecGuard,
    /// What our constraints and the users' need is sent to Gatekeeper.
    Routing,
    /// What audit found is reported where it was found, where a kind for reports is installed.
    Reports,
    /// The verifier of image signatures answers, or is not needed.
    Verifier,
    /// The settings file on disk is in force.
    Settings,
    /// A replica holds the Lease; the message names it.
    Operator,
    /// All of the others.
    Ready,
}

impl SystemCondition {
    /// The word in the condition.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
