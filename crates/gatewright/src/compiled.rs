//! Our own templates, compiled before this program was built: compiling them takes longer than to judge a Pod.
//!
//! `make generated` writes them. The engine takes only what was compiled of the modules that the template has now, and
//! compiles the template where it is something else.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use gatewright_compiler::template;
use gatewright_rules::Template;
use serde_json::json;

/// Where the files go.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder, with a file for each template
    #[arg(long, value_name = "DIR")]
    output_dir: PathBuf,
}

/// What a template was compiled to.
pub const fn of(template: Template) -> &'static [u8] {
    match template {
        Template::SecurityPolicy => include_bytes!("../compiled/security-policy"),
        Template::OperationPolicy => include_bytes!("../compiled/operation-policy"),
        Template::PodSecurityStandard => include_bytes!("../compiled/pod-security-standard"),
        Template::DenyExecHeritage => include_bytes!("../compiled/deny-exec-heritage"),
        Template::VerifyImageSignatures => include_bytes!("../compiled/verify-image-signatures"),
    }
}

/// Compiles all templates.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    for one in Template::ALL {
        let path = args.output_dir.join(one.definition().folder);
        std::fs::write(&path, compiled(*one)?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn compiled(one: Template) -> anyhow::Result<Vec<u8>> {
    gatewright_engine::compile_proven(&json!(template(one))).map_err(|errors| anyhow::anyhow!("{errors:?}"))
}

#[cfg(test)]
mod tests {
    use gatewright_rules::Template;

    /// `make generated` writes them.
    #[test]
    fn compiled_templates_are_those_of_the_sources() {
        for one in Template::ALL {
            let folder = one.definition().folder;
            let compiled = super::compiled(*one).unwrap();
            assert!(compiled == super::of(*one), "{folder}: run `make generated`");
        }
    }
}
