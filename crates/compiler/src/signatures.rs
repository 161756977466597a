//! `verifyImageSignatures` → its own constraint, and the `Provider` that its template asks.

use gatewright_api::text::{Base64, CertificatePem, PublicKeyPem};
use gatewright_api::{Field, Policy, SignatureRequirement};
use gatewright_gatekeeper::{Constraint, ConstraintSpec, Match, Provider, Route};
use gatewright_rules::verify_image_signatures::{FIELD, PROVIDER, SUBJECT};
use gatewright_rules::{Reach, Template, kinds};
use gatewright_signatures::docker_config::DockerConfig;
use gatewright_signatures::entry::{self, ReadEntry};
use gatewright_signatures::key::{self, Certificate, KeyError, KeyErrors, PublicKey};
use gatewright_signatures::{Image, Parameters, Reference, protocol};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::{Settings, builtin, with_help};

/// The most bytes of the entries' public part: all constraints together are in the memory of each Gatekeeper process.
const MOST_BYTES: usize = 256 << 10;

/// The setting without which nothing is verified.
pub const ENABLED: &str = "signatures.enabled";

/// What a policy demands of signatures.
#[derive(Clone, Debug, PartialEq)]
pub struct Signatures {
    /// The constraint; of its owners only the operator knows.
    pub constraint: Constraint,
    /// The requests that the API server must ask Gatekeeper about.
    pub routes: Vec<Route>,
}

/// The entries of a policy, read.
pub(crate) struct Entries {
    parameters: Parameters,
    /// What people may expect of them and does not hold, as sentences.
    pub(crate) notes: Vec<String>,
}

/// Docker configs of no registry: one that can be read, one that is not base64, and one that is not JSON.
const STAND_INS: [&str; 3] = ["eyJhdXRocyI6e319", "=", "bnVsbA=="];

/// Puts a docker config of no registry in the place of an entry's, which can be read if that can, and else has the same
/// fault.
pub(crate) fn forget_credentials(requirement: &mut SignatureRequirement) {
    let Field::Set(docker_cfg) = &mut requirement.docker_cfg else { return };
    let fault = |text: &str| DockerConfig::from_base64(text).err();
    let found = fault(docker_cfg.as_str());
    let same = STAND_INS.into_iter().find(|stand_in| fault(stand_in) == found);
    if let Ok(stand_in) = Base64::try_from(same.unwrap_or(STAND_INS[1])) {
        *docker_cfg = stand_in;
    }
}

/// Reads all entries, and reports every problem. None if there is no entry, or a problem.
pub(crate) fn entries(
    name: &str,
    requirements: &[SignatureRequirement],
    settings: &Settings,
    problems: &mut Vec<Problem>,
) -> Option<Entries> {
    let before = problems.len();
    let read: Vec<_> =
        requirements.iter().enumerate().filter_map(|(number, it)| read_entry(number, it, problems)).collect();
    if read.is_empty() || problems.len() > before {
        return None;
    }
    let parameters = match Parameters::new(name, &read) {
        Ok(parameters) => parameters,
        Err(error) => {
            problems.push(Problem::new(path(), error.to_string()));
            return None;
        }
    };
    let size = json!(parameters).to_string().len();
    if size > MOST_BYTES {
        let message = format!(
            "{size} bytes of references, keys and certificates; at most {MOST_BYTES} in a policy: use several policies"
        );
        problems.push(Problem::new(path(), message));
        return None;
    }
    let mut notes = notes(requirements, &read);
    notes.extend(covers_ourselves(&read, settings));
    Some(Entries { parameters, notes })
}

/// Whoever covers gatewright's own image may expect that an unsigned one cannot start. The operator's namespace is out of
/// reach of every policy, so that nobody locks out what lets images in.
fn covers_ourselves(read: &[ReadEntry], settings: &Settings) -> Option<String> {
    let image = settings.own_image.as_ref()?;
    let parsed = Image::parse(image).ok()?;
    let (number, _) = entry::covering(read, &parsed).next()?;
    Some(format!(
        "{FIELD}[{number}] covers {image}, gatewright's own image; its Pods in the namespace {} are not judged, since no \
         policy reaches that namespace",
        settings.operator_namespace
    ))
}

fn path() -> String {
    format!("spec.policies.{FIELD}")
}

fn read_entry(
    number: usize,
    requirement: &SignatureRequirement,
    problems: &mut Vec<Problem>,
) -> Option<ReadEntry> {
    let SignatureRequirement { reference, public_keys, docker_cfg, ca, require_digest } = requirement;
    let path = format!("{}[{number}]", path());
    let reference = Reference::parse(reference.as_str())
        .map_err(|invalid| problems.push(Problem::new(format!("{path}.reference"), invalid.to_string())))
        .ok();
    let keys = keys(&path, public_keys, problems);
    let ca = certificates(ca)
        .map_err(|fault| problems.push(Problem::new(format!("{path}.ca"), fault.to_string())))
        .ok();
    Some(ReadEntry {
        reference: reference?,
        keys: keys?,
        ca: ca?,
        require_digest: require_digest.value() == Some(&true),
        credentials: docker_cfg.value().is_some(),
    })
}

fn keys(path: &str, texts: &[PublicKeyPem], problems: &mut Vec<Problem>) -> Option<Vec<PublicKey>> {
    if texts.is_empty() {
        let message = "is empty: no image could ever be verified";
        problems.push(Problem::new(format!("{path}.publicKeys"), message));
        return None;
    }
    let texts: Vec<_> = texts.iter().map(PublicKeyPem::as_str).collect();
    let wrong = |KeyErrors(errors)| problems.extend(errors.iter().map(|error| wrong_key(path, error)));
    key::read_keys(&texts).map_err(wrong).ok()
}

fn certificates(ca: &Field<CertificatePem>) -> Result<Vec<Certificate>, key::Fault> {
    ca.value().map_or(Ok(vec![]), |ca| key::read_certificates(ca.as_str()))
}

fn wrong_key(path: &str, error: &KeyError) -> Problem {
    let KeyError { key, block, fault } = error;
    let block = block.map(|number| format!("PEM block {number}: ")).unwrap_or_default();
    Problem::new(format!("{path}.publicKeys[{key}]"), format!("{block}{fault}"))
}

fn notes(requirements: &[SignatureRequirement], read: &[ReadEntry]) -> Vec<String> {
    let unreadable = requirements.iter().enumerate().filter_map(|(number, requirement)| {
        let error = DockerConfig::from_base64(requirement.docker_cfg.value().map(Base64::as_str)?).err()?;
        Some(format!(
            "{FIELD}[{number}].dockerCfg cannot be read: {error}; images that the entry covers are refused as unauthorized"
        ))
    });
    let is_repeated = |(number, entry): &(usize, &ReadEntry)| {
        read.iter().take(*number).any(|other| other.reference == entry.reference)
    };
    let repeated = read.iter().enumerate().filter(is_repeated).map(|(number, entry)| {
        format!(
            "{FIELD}[{number}] has the reference {} of an entry before it: an image needs a signature for each of the two; \
             for either key, write both in one entry",
            entry.reference
        )
    });
    let movable =
        read.iter().any(|entry| !entry.require_digest && !matches!(entry.reference, Reference::Digest(..)));
    let moves = movable.then(|| {
        format!(
            "{FIELD} judges a tag when an object is made, and the tag may move before the node pulls the image; \
             requireDigest: true closes that"
        )
    });
    unreadable.chain(repeated).chain(moves).collect()
}

impl Entries {
    /// The constraint of a policy. `metadata` and `r#match` are those of its other constraint.
    pub(crate) fn signatures<P: Policy>(
        &self,
        policy: &P,
        metadata: ObjectMeta,
        r#match: Match,
        reach: Reach,
    ) -> Signatures {
        let spec = ConstraintSpec {
            enforcement_action: policy.action(),
            r#match: Match { kinds: kinds::match_kinds(&SUBJECT.kinds(reach, &Value::Null)), ..r#match },
            parameters: with_help(policy, json!(self.parameters)),
        };
        // With the policy as an owner it would outlive the verifier: see `docs/image-signatures.md`.
        let metadata = ObjectMeta { owner_references: None, ..metadata };
        let constraint = Constraint::new(Template::VerifyImageSignatures.kind(), metadata, spec);
        Signatures { constraint, routes: SUBJECT.routes(reach, &Value::Null) }
    }
}

/// What Gatekeeper is told about the verifier. `ca_bundle` is PEM.
#[must_use]
pub fn provider(settings: &Settings, ca_bundle: &str) -> Provider {
    let metadata = ObjectMeta { name: Some(PROVIDER.to_owned()), ..builtin() };
    Provider::new(metadata, settings.verifier_url().at(protocol::PATH), ca_bundle)
}
