//! `gatewright verify`: whether an image is signed as policies want it, and why not.

mod entries;
mod print;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use gatewright_compiler::Settings;
use gatewright_signatures::Class;
use gatewright_verifier::demand::RegistryConfig;
use gatewright_verifier::registry::{Registry, RegistrySettings};
use gatewright_verifier::report::{Report, check_image};
use schemars::JsonSchema;
use serde::Serialize;

use self::entries::Policy;
use crate::FAILED;
use crate::input::{self, Reading, ReadingArgs};
use crate::settings::SettingsArgs;
use crate::signatures::registry_config;

/// Refused, or not to be known.
const REFUSED: u8 = 1;

/// Given with `--help`.
pub const LONG_ABOUT: &str = "\
Verifies the signatures of an image by the entries of SecurityPolicies that cover it.

It asks the image's registry itself, as you: with your Docker configuration, and wherever the registry is. It shows \
the digest that the name stands for, every place where signatures can be and what was there, and why each does not \
count.";

const EXAMPLES: &str = "\
Examples:
  gatewright verify registry.example/team/app:1.0 -f policies/
  gatewright verify nginx --key cosign.pub -o json

Exit codes: 0 verified, 1 refused, or it cannot be determined, 2 wrong usage or input, or no entry covers the image.";

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

/// What all policies came to: what `-o json` prints.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Verify")]
pub struct Document {
    /// `Verify`.
    kind: &'static str,
    /// The version of this document's shape.
    version: u32,
    /// The image as it was named.
    image: String,
    /// What its name names now; null if that is not known.
    digest: Option<String>,
    /// The outcome: of the first policy that is not satisfied, or of all.
    class: Class,
    /// What that means, in words; empty where the image passes.
    text: String,
    /// What each policy came to whose entries cover the image.
    policies: Vec<OfPolicy>,
}

/// What one policy came to.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OfPolicy {
    /// Its name; absent where the key of the command line decides alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(flatten)]
    report: Report,
}

/// Verifies the image by each policy.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let reading = args.reading.reading();
    let settings = args.settings.read(&reading.limit)?;
    let policies = policies(args, &reading, &settings)?;
    let file = registry_config(args.registry_config.as_deref(), &reading.limit)?;
    let registry = Registry::without_rules_of_addresses(RegistrySettings::from(settings.signatures));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    let outcome = runtime.block_on(verify(&args.image, policies, &registry, &file));
    print::print(&outcome, args.output)?;
    Ok(ExitCode::from(match outcome.class {
        Class::Verified => 0,
        Class::NotCovered => FAILED,
        _ => REFUSED,
    }))
}

/// The policies, or the key alone.
fn policies(args: &Args, reading: &Reading, settings: &Settings) -> anyhow::Result<Vec<Policy>> {
    let read = |path: &PathBuf| {
        let text = input::text(path, &reading.limit);
        text.map_err(|problem| anyhow!("{}: {problem}", path.display()))
    };
    let key = args.key.as_ref().map(read).transpose()?;
    if args.filenames.is_empty() {
        return Ok(vec![Policy::of_keys(key.as_deref().unwrap_or_default())?]);
    }
    let keys = key.as_deref().map(entries::keys).transpose()?;
    entries::read(&args.filenames, reading, settings, keys.as_deref())
}

async fn verify(image: &str, policies: Vec<Policy>, registry: &Registry, file: &RegistryConfig) -> Document {
    let mut all = vec![];
    for Policy { name, entries, docker_configs } in policies {
        let docker_cfg = |reference: &str| docker_configs.get(reference).cloned();
        let report = check_image(registry, image, entries, docker_cfg, file).await;
        if report.class != Class::NotCovered {
            all.push(OfPolicy { policy: name, report });
        }
    }
    let decides = all.iter().find(|one| !one.report.class.passes()).or(all.first());
    let (class, text) =
        decides.map_or((Class::NotCovered, String::new()), |one| (one.report.class, one.report.text.clone()));
    let digest = all.iter().find_map(|one| one.report.digest.clone());
    Document { kind: "Verify", version: 1, image: image.to_owned(), digest, class, text, policies: all }
}
