//! The settings file, and its changes while the operator runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatewright_compiler::Settings;
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::Error;
use crate::metrics::Metrics;

/// How often the file is looked at. Its content is compared: a mounted ConfigMap changes by swapping links.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a settings file may be: no ConfigMap is longer.
const LONGEST: u64 = 1 << 20;

/// Where the settings come from.
pub(crate) struct Source {
    pub(crate) path: Option<PathBuf>,
    pub(crate) namespace: String,
    pub(crate) metrics: Metrics,
    /// What was last looked at, good or broken.
    seen: Option<Result<Settings, String>>,
    problem: watch::Sender<Option<String>>,
}

impl Source {
    pub(crate) fn new(path: Option<PathBuf>, namespace: String, metrics: Metrics) -> Self {
        Self { path, namespace, metrics, seen: None, problem: watch::Sender::new(None) }
    }

    /// Why the file, as it is now, is not in force; none while it is.
    pub(crate) fn problem(&self) -> watch::Receiver<Option<String>> {
        self.problem.subscribe()
    }

    /// The settings at the start.
    ///
    /// # Errors
    /// The file cannot be read, or is broken.
    pub(crate) async fn first(&mut self) -> Result<Settings, Error> {
        let settings = self.look().await;
        let path = self.path.as_ref().map_or_else(String::new, |path| path.display().to_string());
        settings.map_err(|problem| Error::Settings { path, problem })
    }

    /// Waits for other settings than `now`. A broken file changes nothing; the log has its problems once.
    pub(crate) async fn changed(&mut self, now: &Settings) -> Settings {
        if self.path.is_none() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(INTERVAL).await;
            let seen = self.seen.take();
            let read = self.look().await;
            if seen.as_ref() == Some(&read) {
                continue;
            }
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

    /// Reads the file and publishes what is wrong with it.
    async fn look(&mut self) -> Result<Settings, String> {
        let read = match &self.path {
            Some(path) => text(path).await,
            None => Ok(String::new()),
        };
        let read = read.and_then(|text| {
            Settings::from_yaml(&text, &self.namespace).map_err(|invalid| invalid.to_string())
        });
        self.metrics.settings_valid(read.is_ok());
        let problem = read.as_ref().err().cloned();
        self.problem.send_if_modified(|before| {
            let changed = *before != problem;
            *before = problem;
            changed
        });
        self.seen = Some(read.clone());
        read
    }
}

async fn text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = tokio::fs::File::open(path).await.map_err(|error| error.to_string())?;
    let read = file.take(LONGEST + 1).read_to_string(&mut text).await.map_err(|error| error.to_string())?;
    if read as u64 > LONGEST {
        return Err(format!("the file is longer than {LONGEST} bytes"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::Source;
    use crate::metrics::Metrics;
    use gatewright_compiler::Settings;
    use std::time::Duration;

    #[tokio::test]
    async fn a_file_without_an_end_is_refused() {
        let mut source = Source::new(Some("/dev/zero".into()), "gatewright-system".into(), Metrics::new());
        let error = source.first().await.unwrap_err().to_string();
        assert_eq!(error, "/dev/zero: the file is longer than 1048576 bytes");
    }

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
        let mut problem = source.problem();
        let settings = source.first().await.unwrap();
        assert_eq!(settings, Settings::default());
        assert!(!problem.has_changed().unwrap() && problem.borrow().is_none());
        for (same, says) in [
            ("# a comment\n", None),
            ("nonsense: 1", Some("line 1: nonsense is unknown")),
            ("preset: [", Some("line 1")),
            ("", None),
        ] {
            write(same);
            let changed = tokio::time::timeout(Duration::from_secs(5), source.changed(&settings)).await;
            assert!(changed.is_err(), "{same}");
            let said = problem.borrow_and_update().clone();
            assert_eq!(said.is_some(), says.is_some(), "{same}");
            assert!(said.unwrap_or_default().contains(says.unwrap_or_default()), "{same}");
        }
        assert!(!problem.has_changed().unwrap(), "what stays the same wakes nobody");
        std::fs::remove_file(&path).unwrap();
        let gone = tokio::time::timeout(Duration::from_secs(5), source.changed(&settings)).await;
        assert!(gone.is_err());
        write("preset: Deckhouse");
        assert!(source.changed(&settings).await.system_namespaces.contains(&"d8-*".to_owned()));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
