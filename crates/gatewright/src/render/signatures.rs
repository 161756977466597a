//! What is rendered of `verifyImageSignatures`.

use std::path::PathBuf;

use anyhow::anyhow;
use gatewright_compiler::{Settings, Signatures, VerifierUrl};
use gatewright_gatekeeper::{Constraint, ConstraintTemplate, Provider};
use gatewright_rules::Template;
use gatewright_rules::verify_image_signatures::FIELD;
use gatewright_signatures::Parameters;
use gatewright_signatures::key::{Certificate, read_certificates};
use serde_json::json;

use super::rendered_labels;
use crate::diagnostics;
use crate::input::{self, Document, InputError, Limit};
use crate::signatures::entries;

/// What is rendered of signatures of images.
#[derive(Debug, clap::Args)]
pub struct Parts {
    /// What verifies signatures of images, too: a template that needs Gatekeeper's external data, and the constraints of
    /// policies with verifyImageSignatures
    #[arg(long)]
    pub signatures: bool,
    /// Where the verifier answers, https://HOST[:PORT]: adds the Provider that tells Gatekeeper
    #[arg(long, value_name = "URL", requires_all = ["signatures", "verifier_ca"])]
    verifier_url: Option<VerifierUrl>,
    /// The certificates in PEM that the verifier's own comes from
    #[arg(long, value_name = "FILE", requires_all = ["signatures", "verifier_url"])]
    verifier_ca: Option<PathBuf>,
}

/// The template.
pub fn template() -> ConstraintTemplate {
    gatewright_compiler::template(Template::VerifyImageSignatures)
}

/// What Gatekeeper is told about the verifier, if the command line says where it is.
///
/// # Errors
/// The file of certificates cannot be read, or holds none.
pub fn provider(parts: &Parts, settings: &Settings, limit: &Limit) -> anyhow::Result<Option<Provider>> {
    let (Some(url), Some(path)) = (&parts.verifier_url, &parts.verifier_ca) else { return Ok(None) };
    let text = input::text(path, limit).map_err(|problem| anyhow!("{}: {problem}", path.display()))?;
    let certificates = read_certificates(&text).map_err(|fault| anyhow!("{}: {fault}", path.display()))?;
    let bundle: String = certificates.iter().map(Certificate::to_pem).collect();
    let mut settings = settings.clone();
    settings.signatures.url = Some(url.clone());
    let mut provider = gatewright_compiler::provider(&settings, &bundle);
    provider.metadata.labels = Some(rendered_labels());
    Ok(Some(provider))
}

/// The constraint of a policy. A cluster may have the constraint without the policy, so the verifier is not to look for
/// `dockerCfg` there: all credentials come from its `--registry-config`.
pub fn constraint(document: &Document, Signatures { mut constraint, .. }: Signatures) -> Constraint {
    // The compiler made it just now.
    let Ok((_, mut read)) = entries(&json!(constraint)) else { return constraint };
    if read.iter().any(|entry| entry.credentials) {
        diagnostics::note(format!(
            "{}: {}/{}: {FIELD}: dockerCfg is not rendered: the verifier takes the credentials of registries from the \
             file of its --registry-config",
            document.location, document.header.kind, document.header.name
        ));
        for entry in &mut read {
            entry.credentials = false;
        }
        let name = constraint.metadata.name.clone().unwrap_or_default();
        if let Ok(parameters) = Parameters::new(&name, &read) {
            constraint.spec.parameters = json!(parameters);
        }
    }
    constraint
}

/// A policy that would be rendered without its entries.
pub fn left_out(document: &Document) -> InputError {
    let message = format!(
        "{}/{}: spec.policies.{FIELD} is rendered only with --signatures: its template needs Gatekeeper's external data \
         and a verifier",
        document.header.kind, document.header.name
    );
    InputError { location: document.locate(&format!("/spec/policies/{FIELD}")), message }
}
