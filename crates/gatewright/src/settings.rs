//! The settings of the cluster that policies are compiled for, as flags.

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use gatewright_api::EnforcementAction;
use gatewright_compiler::{PodPolicy, Preset, Settings, StandardVersion};

/// What an administrator decides for the whole cluster. The same for the operator and for what works without one.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Settings of the cluster")]
pub struct SettingsArgs {
    /// The namespace that Gatekeeper runs in; no policy reaches it
    #[arg(
        long,
        env = "GATEWRIGHT_GATEKEEPER_NAMESPACE",
        value_name = "NAME",
        default_value = "gatekeeper-system"
    )]
    gatekeeper_namespace: String,
    /// The namespace that the operator runs in; no policy reaches it
    #[arg(long, env = "GATEWRIGHT_NAMESPACE", value_name = "NAME", default_value = "gatewright-system")]
    operator_namespace: String,
    /// The Pod Security Standard of namespaces without a label for it
    #[arg(long, env = "GATEWRIGHT_DEFAULT_POLICY", default_value = "Baseline", ignore_case = true,
        value_parser = PossibleValuesParser::new(["Privileged", "Baseline", "Restricted"])
            .try_map(|text| text.parse::<PodPolicy>()))]
    default_policy: PodPolicy,
    /// What happens to violations of the standard in namespaces without a label for that
    #[arg(long, env = "GATEWRIGHT_DEFAULT_ENFORCEMENT_ACTION", default_value = "Deny", ignore_case = true,
        value_parser = PossibleValuesParser::new(["Deny", "Warn", "Dryrun"])
            .try_map(|text| text.parse::<EnforcementAction>()))]
    default_enforcement_action: EnforcementAction,
    /// The version of the standards: latest or v1.N
    #[arg(long, env = "GATEWRIGHT_STANDARDS_VERSION", value_name = "VERSION", default_value_t)]
    standards_version: StandardVersion,
}

impl From<&SettingsArgs> for Settings {
    fn from(args: &SettingsArgs) -> Self {
        let mut settings = Self::new(Preset::None, &args.gatekeeper_namespace, &args.operator_namespace);
        settings.standards.default_policy = args.default_policy;
        settings.standards.enforcement_action = args.default_enforcement_action;
        settings.standards.version = args.standards_version;
        settings
    }
}
