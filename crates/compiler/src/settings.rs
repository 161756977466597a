//! What an administrator decides for the whole cluster.

mod file;
mod form;
mod keys;
mod signatures;
#[cfg(test)]
mod tests;
mod yaml;

use std::fmt;
use std::str::FromStr;

use gatewright_api::text::HelpUrl;
use gatewright_gatekeeper::{Action, RoutingMode};
use gatewright_rules::PodTemplates;
use gatewright_rules::deny_exec_heritage::UnknownPods;
use gatewright_rules::pod_security_standard::NEWEST_MINOR;
use gatewright_rules::security_policy::host_network::Range;

pub use file::{InvalidSettings, SettingsProblem, settings_reference};
pub use form::settings_schema;
pub use signatures::{NotAVerifier, RegistryEntry, Signatures, VerifierUrl};

/// What holds for the whole cluster: what policies compile to, and what the operator does beside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Names or globs of namespaces that a policy reaches only by naming them.
    pub system_namespaces: Vec<String>,
    /// Gatekeeper's namespace, which no policy reaches.
    pub gatekeeper_namespace: String,
    /// The operator's namespace, which no policy reaches.
    pub operator_namespace: String,
    /// The image that the operator runs from, where it knows: policies say when they cover it.
    pub own_image: Option<String>,
    /// Whether pod rules also judge the Pod templates of controllers.
    pub controller_validation: bool,
    /// Whether controllers must set what something may still fill in on their Pods.
    pub pod_templates: PodTemplates,
    /// What holds in a namespace whose labels say nothing of it, and how.
    pub standards: Standards,
    /// Who may enter the platform's own Pods.
    pub exec_guard: ExecGuard,
    /// What the operator's own webhook configuration sends Gatekeeper.
    pub routing: Routing,
    /// What becomes of audit's results.
    pub reports: Reports,
    /// Signatures of images.
    pub signatures: Signatures,
    /// What becomes of constraints when the release goes.
    pub on_uninstall: OnUninstall,
    /// What the operator's log says, if the settings say so.
    pub log_level: Option<LogLevel>,
}

/// PolicyReports from audit's results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reports {
    /// Whether there are any.
    pub enabled: bool,
    /// How many results a report lists.
    pub max_results: usize,
}

impl Default for Reports {
    fn default() -> Self {
        Self { enabled: true, max_results: 500 }
    }
}

/// What becomes of the constraints of standards and policies when the release is uninstalled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::AsRefStr, strum::EnumString)]
#[strum(ascii_case_insensitive)]
pub enum OnUninstall {
    /// They go on being enforced.
    #[default]
    Keep,
    /// They go, too.
    Remove,
}

/// How much a log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::AsRefStr, strum::EnumString)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum LogLevel {
    /// What failed.
    Error,
    /// And what may fail.
    Warn,
    /// And what was done.
    Info,
    /// And why.
    Debug,
    /// Everything.
    Trace,
}

/// The guard of the platform's own Pods against exec and attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecGuard {
    /// When the guard stands.
    pub mode: GuardMode,
    /// What happens to a request about a Pod that Gatekeeper has not seen.
    pub unknown_pods: UnknownPods,
    /// Users who may enter every Pod, beside the service accounts of the system namespaces.
    pub exempt_users: Vec<String>,
}

impl Default for ExecGuard {
    fn default() -> Self {
        Self {
            mode: GuardMode::default(),
            unknown_pods: UnknownPods::default(),
            exempt_users: vec!["system:sudouser".to_owned()],
        }
    }
}

/// When the exec guard stands. It costs memory for every Pod of the cluster in every Gatekeeper process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::AsRefStr, strum::EnumIter, strum::EnumString)]
#[strum(ascii_case_insensitive)]
pub enum GuardMode {
    /// While there is a Pod to guard.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Off,
}

/// What the operator's own webhook configuration sends Gatekeeper, beyond what upstream's does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// CONNECT: exec and attach.
    pub connect: RoutingMode,
    /// DELETE.
    pub delete: RoutingMode,
    /// The name of upstream's webhook configuration; without one, it is found by its label.
    pub upstream: Option<String>,
}

/// The Pod Security Standards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standards {
    /// The standard of a namespace without a valid label.
    pub default_policy: PodPolicy,
    /// What happens to a violation in a namespace without a valid label for it.
    pub enforcement_action: Action,
    /// The version of the standards.
    pub version: StandardVersion,
    /// Host ports that both levels admit.
    pub known_host_ports: Vec<Range>,
    /// Whether `hostUsers: false` relaxes controls as it does from v1.35.
    pub user_namespaces_relaxation: bool,
    /// Where people whose Pods are refused can ask.
    pub help_url: Option<HelpUrl>,
}

/// The value of a namespace's label that chooses a standard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::AsRefStr, strum::EnumIter, strum::EnumString)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum PodPolicy {
    /// Everything is allowed.
    Privileged,
    /// What is known to lead to the node is forbidden.
    #[default]
    Baseline,
    /// The best practice of hardening is demanded.
    Restricted,
}

/// A version of the standards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StandardVersion {
    /// The newest that is known.
    #[default]
    Latest,
    /// The standards as Kubernetes v1.N has them.
    V1(u32),
}

/// The version cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither `latest` nor a version such as `v1.{NEWEST_MINOR}`")]
pub struct NotAVersion;

impl StandardVersion {
    /// Whether the version is newer than the newest that is known, which then holds in its place.
    #[must_use]
    pub const fn is_unknown(self) -> bool {
        matches!(self, Self::V1(minor) if minor > NEWEST_MINOR)
    }
}

impl fmt::Display for StandardVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::V1(minor) => write!(f, "v1.{minor}"),
        }
    }
}

impl FromStr for StandardVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        if text == "latest" {
            return Ok(Self::Latest);
        }
        let minor = text.strip_prefix("v1.").ok_or(NotAVersion)?;
        let written = minor == "0" || !minor.starts_with(['0', '+']);
        minor.parse().ok().filter(|_| written).map(Self::V1).ok_or(NotAVersion)
    }
}

impl Default for Standards {
    fn default() -> Self {
        Self {
            default_policy: PodPolicy::default(),
            enforcement_action: Action::default(),
            version: StandardVersion::default(),
            known_host_ports: vec![],
            user_namespaces_relaxation: true,
            help_url: None,
        }
    }
}

/// A set of defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, strum::EnumString)]
#[strum(ascii_case_insensitive)]
pub enum Preset {
    /// A plain cluster.
    #[default]
    None,
    /// A Deckhouse cluster, whose own namespaces are `d8-*` and `kube-*`.
    Deckhouse,
}

impl Settings {
    /// The defaults of a preset, for the given namespaces of Gatekeeper and the operator.
    #[must_use]
    pub fn new(preset: Preset, gatekeeper_namespace: &str, operator_namespace: &str) -> Self {
        let names = ["kube-system", "kube-public", "kube-node-lease"];
        let patterns: &[&str] = match preset {
            Preset::None => &[],
            Preset::Deckhouse => &["d8-*", "kube-*"],
        };
        Self {
            system_namespaces: names.iter().chain(patterns).map(|name| (*name).to_owned()).collect(),
            gatekeeper_namespace: gatekeeper_namespace.to_owned(),
            operator_namespace: operator_namespace.to_owned(),
            own_image: None,
            controller_validation: true,
            pod_templates: PodTemplates::default(),
            standards: Standards::default(),
            exec_guard: ExecGuard::default(),
            routing: Routing::default(),
            reports: Reports::default(),
            signatures: Signatures::default(),
            on_uninstall: OnUninstall::default(),
            log_level: None,
        }
    }
}

impl Settings {
    /// Where the verifier answers.
    #[must_use]
    pub fn verifier_url(&self) -> VerifierUrl {
        self.signatures.url.clone().unwrap_or_else(|| VerifierUrl::of_service(&self.operator_namespace))
    }
}

impl From<Preset> for Settings {
    fn from(preset: Preset) -> Self {
        Self::new(preset, "gatekeeper-system", "gatewright-system")
    }
}

impl Default for Settings {
    fn default() -> Self {
        Preset::None.into()
    }
}
