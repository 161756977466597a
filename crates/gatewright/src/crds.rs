//! `gatewright crds`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;

/// Where the CRDs go.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Writes one file for each kind into this folder instead
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

/// Prints the CRDs.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    for crd in gatewright_api::crds() {
        let text = serde_saphyr::to_string(&crd).context("cannot write a CRD as YAML")?;
        match &args.output_dir {
            None => write!(std::io::stdout(), "---\n{text}")?,
            Some(folder) => {
                let path = folder.join(format!("{}.yaml", crd.spec.names.plural));
                std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    /// `make generated` writes them.
    #[test]
    fn committed_crds_are_those_of_the_types() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds");
        let mut files = 0;
        for crd in gatewright_api::crds() {
            let path = format!("{folder}/{}.yaml", crd.spec.names.plural);
            let committed = std::fs::read_to_string(&path).unwrap();
            assert_eq!(committed, serde_saphyr::to_string(&crd).unwrap(), "{path}: run `make generated`");
            files += 1;
        }
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), files, "a CRD of no type");
    }
}
