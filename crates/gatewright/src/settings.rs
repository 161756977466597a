//! The settings of the cluster that policies are compiled for.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use gatewright_compiler::Settings;

use crate::diagnostics::stop_at;
use crate::input::{self, Limit};

/// Where the settings are. The file is the operator's.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Settings of the cluster")]
pub struct SettingsArgs {
    /// The settings file that the operator has; without one all defaults hold
    #[arg(long, env = "GATEWRIGHT_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The namespace that the operator runs in; no policy reaches it
    #[arg(long, env = "GATEWRIGHT_NAMESPACE", value_name = "NAME", default_value = "gatewright-system")]
    operator_namespace: String,
}

impl SettingsArgs {
    /// Whether a file has the settings.
    pub const fn is_of_file(&self) -> bool {
        self.config.is_some()
    }

    /// Reads the settings.
    ///
    /// # Errors
    /// The file cannot be read, or has problems: the last of them, and the others were said.
    pub fn read(&self, limit: &Limit) -> anyhow::Result<Settings> {
        self.config.as_ref().map_or_else(
            || Ok(Settings::from_yaml("", &self.operator_namespace)?),
            |path| self.read_file(path, limit),
        )
    }

    /// Reads other settings than those in force.
    ///
    /// # Errors
    /// As for [`SettingsArgs::read`].
    pub fn read_file(&self, path: &Path, limit: &Limit) -> anyhow::Result<Settings> {
        let text = input::text(path, limit)
            .map_err(|problem| anyhow!("the settings file {}: {problem}", path.display()))?;
        Settings::from_yaml(&text, &self.operator_namespace).or_else(|invalid| {
            let problems = invalid.problems.iter().map(|problem| format!("{}: {problem}", path.display()));
            stop_at(&problems.collect::<Vec<_>>())?;
            Err(invalid.into())
        })
    }
}
