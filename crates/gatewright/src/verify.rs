//! `gatewright verify`: whether an image is signed as policies want it, and why not.

mod entries;
mod print;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, anyhow, bail};
use gatewright_signatures::Class;
use gatewright_signatures::docker_config::DockerConfig;
use gatewright_verifier::demand::RegistryConfig;
use gatewright_verifier::registry::{Registry, RegistrySettings};
use gatewright_verifier::report::{Report, check_image};
use serde::Serialize;

use self::entries::Policy;
use crate::FAILED;
use crate::input::{self, Limit, ReadingArgs};
use crate::settings::SettingsArgs;

/// Refused, or not to be known.
const REFUSED: u8 = 1;

/// Given with `--help`.
pub const LONG_ABOUT: &str = "\
Verifies the signatures of an image by the entries of SecurityPolicies that cover it.

It asks the image's registry itself, as you: with your Docker configuration, and wherever the
registry is. It shows the digest that the name stands for, every place where signatures can be and
what was there, and why each does not count.";

const EXAMPLES: &str = "\
Examples:
  gatewright verify registry.example/team/app:1.0 -f policies/
  gatewright verify nginx --key cosign.pub -o json

Exit codes: 0 verified, 1 refused or not to be known, 2 wrong usage or input, or no entry covers the
image.";

/// What to verify.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The image, as a container names it
    image: String,
    /// Policies: files or folders, or - for standard input; can be repeated
    #[arg(short, long = "filename", value_name = "PATH", required_unless_present = "key")]
    filenames: Vec<PathBuf>,
    /// A public key in PEM, in place of those of the entries; without policies, the image is verified by it alone
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The Docker configuration with the credentials of registries; by default yours
    #[arg(long, value_name = "FILE")]
    registry_config: Option<PathBuf>,
    /// The format
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    settings: SettingsArgs,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Text for people
    #[default]
    Text,
    /// One JSON document, for scripts
    Json,
}

/// What all policies came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    image: String,
    digest: Option<String>,
    /// Of the first policy that is not satisfied.
    class: Class,
    text: String,
    policies: Vec<OfPolicy>,
}

/// What one policy came to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OfPolicy {
    /// None where the key of the command line decides alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(flatten)]
    report: Report,
}

/// Verifies the image by each policy.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let reading = args.reading.reading();
    let limit = &reading.limit;
    let key = args.key.as_deref().map(|path| read(path, limit)).transpose()?;
    let policies = if args.filenames.is_empty() {
        vec![Policy::of_key(key.as_deref().unwrap_or_default())?]
    } else {
        entries::read(&args.filenames, &reading, key.as_deref())?
    };
    let settings = RegistrySettings::from(args.settings.read(limit)?.signatures);
    let file = registry_config(args.registry_config.as_deref(), limit)?;
    let registry = Registry::without_rules_of_addresses(settings);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let outcome = runtime.block_on(verify(&args.image, policies, &registry, &file));
    print::print(&outcome, args.output)?;
    Ok(ExitCode::from(match outcome.class {
        Class::Verified => 0,
        Class::NotCovered | Class::InvalidName => FAILED,
        _ => REFUSED,
    }))
}

async fn verify(image: &str, policies: Vec<Policy>, registry: &Registry, file: &RegistryConfig) -> Outcome {
    let mut all = vec![];
    for Policy { name, entries, docker_cfg } in policies {
        let docker_cfg = |reference: &str| docker_cfg.get(reference).cloned();
        let report = check_image(registry, image, entries, docker_cfg, file).await;
        if report.class != Class::NotCovered {
            all.push(OfPolicy { policy: name, report });
        }
    }
    let decides = all.iter().find(|one| !one.report.class.passes()).or(all.first());
    let (class, text) =
        decides.map_or((Class::NotCovered, String::new()), |one| (one.report.class, one.report.text.clone()));
    let digest = all.iter().find_map(|one| one.report.digest.clone());
    Outcome { image: image.to_owned(), digest, class, text, policies: all }
}

fn read(path: &Path, limit: &Limit) -> anyhow::Result<String> {
    input::text(path, limit).map_err(|problem| anyhow!("{}: {problem}", path.display()))
}

fn registry_config(path: Option<&Path>, limit: &Limit) -> anyhow::Result<RegistryConfig> {
    if let Some(path) = path {
        let config = DockerConfig::parse(read(path, limit)?.as_bytes());
        let config = config.map_err(|problem| anyhow!("{}: {problem}", path.display()))?;
        let file = RegistryConfig::default();
        file.set(Some(Ok(config)));
        return Ok(file);
    }
    let Some(path) = users_config().filter(|path| path.exists()) else {
        return Ok(RegistryConfig::default());
    };
    match DockerConfig::parse(read(&path, limit)?.as_bytes()) {
        Ok(config) => Ok(RegistryConfig::of_user(config)),
        Err(problem) => bail!("{}: {problem}", path.display()),
    }
}

/// Where Docker keeps its user's configuration.
fn users_config() -> Option<PathBuf> {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".docker"));
    folder.or_else(home).map(|folder| folder.join("config.json"))
}
