//! The files of the process, read again when they change.

use std::fs;
use std::path::{Path, PathBuf};

use gatewright_compiler::SignatureSettings;
use gatewright_signatures::docker_config::DockerConfig;
use tracing::{info, warn};
use zeroize::Zeroizing;

use super::{Error, Options};
use crate::demand::RegistryConfig;
use crate::registry::RegistrySettings;
use crate::server::Identity;

/// What of the operator's settings concerns this process.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    pub(super) client_auth: bool,
    pub(super) registries: RegistrySettings,
}

impl Default for Settings {
    fn default() -> Self {
        SignatureSettings::default().into()
    }
}

impl From<SignatureSettings> for Settings {
    fn from(settings: SignatureSettings) -> Self {
        Self { client_auth: settings.client_auth, registries: settings.into() }
    }
}

/// The settings as the file has them now.
pub(super) fn settings(path: Option<&Path>) -> Result<Settings, Error> {
    let Some(path) = path else { return Ok(Settings::default()) };
    let failed = |problem: String| Error::Settings { path: path.to_owned(), problem };
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    parse(&text).map_err(failed)
}

fn parse(text: &str) -> Result<Settings, String> {
    // Where the operator runs is no matter here.
    let settings =
        gatewright_compiler::Settings::from_yaml(text, "").map_err(|invalid| invalid.to_string())?;
    Ok(settings.signatures.into())
}

/// All files, as they were when they were last looked at.
pub(super) struct Files {
    config: Option<PathBuf>,
    tls_dir: PathBuf,
    registry_config: Option<PathBuf>,
    settings: Settings,
    identity: Identity,
    file: RegistryConfig,
    pair: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
    credentials: Option<Zeroizing<Vec<u8>>>,
}

impl Files {
    pub(super) fn new(
        options: &Options,
        settings: Settings,
        identity: Identity,
        file: RegistryConfig,
    ) -> Self {
        Self {
            config: options.config.clone(),
            tls_dir: options.tls_dir.clone(),
            registry_config: options.registry_config.clone(),
            settings,
            identity,
            file,
            pair: None,
            credentials: None,
        }
    }

    /// Takes what changed. Returns the settings where they did.
    pub(super) fn look(&mut self) -> Option<Settings> {
        self.look_at_pair();
        self.look_at_credentials();
        match settings(self.config.as_deref()) {
            Ok(settings) if settings == self.settings => None,
            Ok(settings) => {
                self.settings = settings.clone();
                Some(settings)
            }
            Err(error) => {
                warn!(%error, "the settings stay as they are");
                None
            }
        }
    }

    fn look_at_pair(&mut self) {
        let read = |name: &str| fs::read(self.tls_dir.join(name));
        let (certificate, key) = match (read("tls.crt"), read("tls.key")) {
            (Ok(certificate), Ok(key)) => (certificate, Zeroizing::new(key)),
            (Err(error), _) | (_, Err(error)) => {
                warn!(folder = %self.tls_dir.display(), %error, "the serving certificate cannot be read");
                return;
            }
        };
        if self.pair.as_ref().is_some_and(|(known, of)| *known == certificate && *of == key) {
            return;
        }
        match self.identity.set_pair(&certificate, &key) {
            Ok(()) => {
                info!("serving another certificate");
                self.pair = Some((certificate, key));
            }
            Err(error) => warn!(%error, "the serving certificate stays as it is"),
        }
    }

    fn look_at_credentials(&mut self) {
        let Some(path) = &self.registry_config else { return };
        let read = fs::read(path).map(Zeroizing::new);
        if let (Ok(read), Some(known)) = (&read, &self.credentials)
            && read == known
        {
            return;
        }
        let config = match &read {
            Ok(bytes) => DockerConfig::parse(bytes).map_err(|error| error.to_string()),
            Err(error) => Err(error.kind().to_string()),
        };
        if let Err(problem) = &config {
            warn!(file = %path.display(), problem, "the credentials of registries cannot be read");
        }
        self.file.set(Some(config));
        self.credentials = read.ok();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Files, Options, Settings, parse};
    use crate::demand::RegistryConfig;
    use crate::registry::Credential;
    use crate::server::Identity;

    #[test]
    fn signatures_of_the_settings_are_read_and_all_else_is_the_operators() {
        let text = "reports: {enabled: false}\nsignatures:\n  enabled: true\n  url: https://x\n  clientAuth: false\n  \
            allowedNetworks: [127.0.0.0/8]\n  registries:\n  - {host: r.io, insecure: true, tokenHosts: [t.io]}\n";
        let settings = parse(text).unwrap();
        assert!(!settings.client_auth);
        assert_eq!(settings.registries.allowed_networks.len(), 1);
        assert_eq!(settings.registries.registries[0].token_hosts, ["t.io"]);
        assert_eq!(parse("").unwrap(), Settings::default());
        assert!(parse("").unwrap().client_auth);
        assert!(parse("signatures: {allowedNetworks: [x]}").is_err());
        assert!(parse("signatures: {registries: [{insecure: 1}]}").is_err());
    }

    #[test]
    fn a_changed_file_is_taken_and_a_broken_one_is_not() {
        let folder = std::env::temp_dir().join(format!("gatewright-verifier-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = |name: &str| folder.join(name);
        let made = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
        let options = Options {
            config: Some(path("settings.yaml")),
            tls_dir: folder.clone(),
            registry_config: Some(path("config.json")),
            address: ([127, 0, 0, 1], 0).into(),
            listen: ([127, 0, 0, 1], 0).into(),
            replica: "x".into(),
        };
        fs::write(path("settings.yaml"), "").unwrap();
        let (identity, file) = (Identity::new(false), RegistryConfig::default());
        let mut files = Files::new(&options, Settings::default(), identity.clone(), file.clone());
        assert_eq!(files.look(), None);
        assert_eq!(identity.missing(), ["no serving certificate"]);
        assert!(matches!(file.login("r.io", "a"), Credential::Unusable(_)), "the file is missing");

        fs::write(path("tls.crt"), made.cert.pem()).unwrap();
        fs::write(path("tls.key"), made.signing_key.serialize_pem()).unwrap();
        fs::write(path("config.json"), r#"{"auths":{"r.io":{"username":"u","password":"p"}}}"#).unwrap();
        fs::write(path("settings.yaml"), "signatures: {clientAuth: false}").unwrap();
        assert!(!files.look().unwrap().client_auth);
        assert!(identity.missing().is_empty());
        assert!(matches!(file.login("r.io", "a"), Credential::Login(_)));
        fs::write(path("settings.yaml"), "signatures: {clientAuth: 7}").unwrap();
        fs::write(path("tls.key"), "x").unwrap();
        assert_eq!(files.look(), None);
        assert!(identity.missing().is_empty());
        fs::remove_dir_all(&folder).unwrap();
    }
}
