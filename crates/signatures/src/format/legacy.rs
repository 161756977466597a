//! The legacy format: a payload whose signature is an annotation of its layer.

use serde::Deserialize;

use super::{Verdict, decode, is_signed, json, judge_content, names};
use crate::digest::Digest;
use crate::key::PublicKey;

/// What payloads of cosign's image signatures call themselves.
const SIGNATURE_TYPE: &str = "cosign container image signature";

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    r#type: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// Judges a payload and its signature, the annotation as it stands.
pub(crate) fn judge(
    payload: &[u8],
    signature: Option<&str>,
    keyless: bool,
    image: &Digest,
    keys: &[PublicKey],
) -> Verdict {
    read(payload, signature).map_or_else(
        |verdict| verdict,
        |(critical, signature)| {
            let signed = is_signed(keys, payload, &signature);
            judge_content(signed, keyless, names(&critical.image.digest, image))
        },
    )
}

fn read(payload: &[u8], signature: Option<&str>) -> Result<(Critical, Vec<u8>), Verdict> {
    let Payload { critical } = json::from_unique(payload).map_err(|_| Verdict::Malformed)?;
    if critical.r#type != SIGNATURE_TYPE {
        return Err(Verdict::NoSignature);
    }
    let signature = decode(signature.ok_or(Verdict::Malformed)?)?;
    Ok((critical, signature))
}
