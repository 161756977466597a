//! The settings file, and its changes while the operator runs.

use std::path::PathBuf;
use std::time::Duration;

use gatewright_compiler::Settings;
use tracing::{info, warn};

use crate::Error;
use crate::metrics::Metrics;

/// How often the file is looked at. Its content is compared: a mounted ConfigMap changes by swapping links.
const INTERVAL: Duration = Duration::from_secs(1);

/// Where the settings come from.
pub(crate) struct Source {
    pub(crate) path: Option<PathBuf>,
    pub(crate) namespace: String,
    pub(crate) metrics: Metrics,
    /// What was last looked at, good or broken.
    seen: Option<Result<Settings, String>>,
}

impl Source {
    pub(crate) fn new(path: Option<PathBuf>, namespace: String, metrics: Metrics) -> Self {
        Self { path, namespace, metrics, seen: None }
    }

    /// The settings at the start.
    ///
    /// # Errors
    /// The file cannot be read, or is broken.
    pub(crate) async fn first(&mut self) -> Result<Settings, Error> {
        let settings = self.read().await;
        self.metrics.settings_valid(settings.is_ok());
        self.seen = Some(settings.clone());
        let path = self.path.as_ref().map_or_else(String::new, |path| path.display().to_string());
        settings.map_err(|problem| Error::Settings { path, problem })
    }

    /// Waits for other settings than `now`. A broken file is told once, and changes nothing.
    pub(crate) async fn changed(&mut self, now: &Settings) -> Settings {
        if self.path.is_none() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(INTERVAL).await;
            let read = self.read().await;
            if self.seen.as_ref() == Some(&read) {
                continue;
            }
            self.metrics.settings_valid(read.is_ok());
            self.seen = Some(read.clone());
            match read {
                Err(problem) => {
                    warn!(problem, "the settings file is broken; the settings before it stay in force");
                }
                Ok(settings) if settings == *now => info!("the settings file is as before"),
                Ok(settings) => {
                    info!("the settings have changed");
                    return settings;
                }
            }
        }
    }

    async fn read(&self) -> Result<Settings, String> {
        let text = match &self.path {
            Some(path) => tokio::fs::read_to_string(path).await.map_err(|error| error.to_string())?,
            None => String::new(),
        };
        Settings::from_yaml(&text, &self.namespace).map_err(|invalid| invalid.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::Source;
    use crate::metrics::Metrics;
    use gatewright_compiler::Settings;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_noticed_and_a_broken_one_refused() {
        let folder = std::env::temp_dir().join(format!("gatewright-settings-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("settings.yaml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        let new = || Source::new(Some(path.clone()), "gatewright-system".into(), Metrics::new());

        write("routing: {connect: on}");
        let error = new().first().await.unwrap_err().to_string();
        assert!(
            error.contains("settings.yaml: line 1: routing.connect: \"on\" is not one of auto, force, off"),
            "{error}"
        );

        write("");
        let mut source = new();
        let settings = source.first().await.unwrap();
        assert_eq!(settings, Settings::default());
        for same in ["# a comment\n", "nonsense: 1", "preset: [", ""] {
            write(same);
            let changed = tokio::time::timeout(Duration::from_secs(5), source.changed(&settings)).await;
            assert!(changed.is_err(), "{same}");
        }
        std::fs::remove_file(&path).unwrap();
        let gone = tokio::time::timeout(Duration::from_secs(5), source.changed(&settings)).await;
        assert!(gone.is_err());
        write("preset: Deckhouse");
        assert!(source.changed(&settings).await.system_namespaces.contains(&"d8-*".to_owned()));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
