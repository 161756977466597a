//! The settings file, and its changes while the operator runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gatewright_compiler::Settings;
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::metrics::Metrics;

/// How often the file is looked at. Its content is compared: a mounted ConfigMap changes by swapping links.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a settings file may be: no ConfigMap is longer.
const LONGEST: u64 = 1 << 20;

/// Where the settings come from.
pub(crate) struct Source {
    pub(crate) path: Option<PathBuf>,
    pub(crate) namespace: String,
    /// The image that the operator runs from, where it was given.
    image: Option<String>,
    pub(crate) metrics: Metrics,
    /// What was last looked at, good or broken.
    seen: Option<Result<Settings, String>>,
    problem: watch::Sender<Option<String>>,
}

impl Source {
    pub(crate) fn new(
        path: Option<PathBuf>,
        namespace: String,
        image: Option<String>,
        metrics: Metrics,
    ) -> Self {
        Self { path, namespace, image, metrics, seen: None, problem: watch::Sender::new(None) }
    }

    /// Why the file, as it is now, is not in force; none while it is.
    pub(crate) fn problem(&self) -> watch::Receiver<Option<String>> {
        self.problem.subscribe()
    }

    /// The settings at the start. While the file is broken there are none: it is looked at again and again, and the log
    /// has its problems once.
    pub(crate) async fn first(&mut self) -> Settings {
        loop {
            let seen = self.seen.take();
            match self.look().await {
                Ok(settings) => return settings,
                Err(problem) if seen != Some(Err(problem.clone())) => self.say(&problem),
                Err(_) => {}
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    fn say(&self, problem: &str) {
        let path = self.path.as_ref().map_or_else(String::new, |path| path.display().to_string());
        for problem in problem.lines() {
            error!(
                path,
                problem, "the settings file is broken, so the operator does nothing until it is right"
            );
        }
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
                    for problem in problem.lines() {
                        warn!(problem, "the settings file is broken; the settings before it stay in force");
                    }
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
            let settings = Settings::from_yaml(&text, &self.namespace);
            settings.map(|settings| Settings { own_image: self.image.clone(), ..settings }).map_err(
                |invalid| invalid.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            )
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
        let mut source =
            Source::new(Some("/dev/zero".into()), "gatewright-system".into(), None, Metrics::new());
        assert_eq!(source.look().await.unwrap_err(), "the file is longer than 1048576 bytes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_noticed_and_a_broken_one_refused() {
        let folder = std::env::temp_dir().join(format!("gatewright-settings-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("settings.yaml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        let new = || Source::new(Some(path.clone()), "gatewright-system".into(), None, Metrics::new());

        write("routing: {connect: on}\nnonsense: 1");
        let mut source = new();
        let problem = source.problem();
        let waits = tokio::time::timeout(Duration::from_secs(5), source.first()).await;
        assert!(waits.is_err(), "there are no settings yet");
        let said = problem.borrow().clone().unwrap();
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines.len(), 2, "{said}");
        assert_eq!(lines[0], "line 1: routing.connect: \"on\" is not one of auto, force, off");
        assert!(lines[1].starts_with("line 2: nonsense is unknown"), "{said}");
        write("routing: {connect: off}");
        let settings = tokio::time::timeout(Duration::from_secs(5), source.first()).await.unwrap();
        assert!(settings != Settings::default() && problem.borrow().is_none());

        write("");
        let mut source = new();
        let mut problem = source.problem();
        let settings = source.first().await;
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
