//! What must hold of the names, keys, signatures and answers of registries that `verifyImageSignatures` reads.

use gatewright_signatures::bounds::{BUNDLE_BYTES, LIST_ITEMS};
use gatewright_signatures::candidates::{Candidate, Found, from_referrer, from_signature_tag, ordered};
use gatewright_signatures::challenge::Challenge;
use gatewright_signatures::docker_config::DockerConfig;
use gatewright_signatures::format::{Index, Verdict};
use gatewright_signatures::key::{read_certificates, read_keys};
use gatewright_signatures::protocol::{Key, ProviderRequest};
use gatewright_signatures::reference::Repository;
use gatewright_signatures::{Covers, Digest, Image, PublicKey, Reference};
use serde_json::json;

const KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfqqnQlYYvYQq+8rB3+s8m3XMqWzB\n\
    uh2ryrIZkvXbUU93r1ChEXVuy+UGvSuf9qWzmDDkwGG2bhCurk+aR7kx2w==\n\
    -----END PUBLIC KEY-----\n";

/// The first line is an image, the others are references: normal forms read back, and what is covered is asked about.
pub fn images(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut lines = text.split('\n');
    let image = Image::parse(lines.next().unwrap_or_default());
    if let Ok(image) = &image {
        assert_eq!(Image::parse(&image.to_string()).as_ref(), Ok(image));
    }
    for line in lines {
        match Reference::parse(line) {
            Ok(reference) => reference_holds(&reference, image.as_ref().ok()),
            Err(invalid) => {
                for meant in &invalid.meant {
                    assert!(Reference::parse(meant).is_ok(), "{line:?}: {meant:?} is no reference");
                }
            }
        }
    }
}

fn reference_holds(reference: &Reference, image: Option<&Image>) {
    assert_eq!(Reference::parse(&reference.to_string()).as_ref(), Ok(reference));
    let Some(image) = image.filter(|image| reference.covers(image)) else { return };
    let covers = Covers::of([reference]);
    let name = image.repository.to_string();
    let is_asked =
        covers.repositories.contains(&name) || covers.prefixes.iter().any(|prefix| name.starts_with(prefix));
    assert!(is_asked, "{reference} covers {image}, which nobody asks about");
}

/// A manifest or index: candidates are small and few.
pub fn manifests(input: &[u8]) {
    let image = Digest::of(b"");
    for Found { candidates, verdicts } in [from_signature_tag(input), from_referrer(input, &image)] {
        assert!(candidates.len() <= LIST_ITEMS && verdicts.len() <= LIST_ITEMS + 2);
        assert!(candidates.iter().all(|candidate| candidate.blob.size <= BUNDLE_BYTES as u64));
        assert!(!verdicts.contains(&Verdict::Verified), "verified without a blob");
    }
    if let Some(index) = Index::parse(input) {
        let count = index.manifests.len();
        assert_eq!(ordered(index.manifests).len(), count);
    }
}

/// A blob: no bytes verify by a key that signed nothing here.
pub fn blobs(input: &[u8]) {
    let image = Digest::of(b"");
    let keys: Vec<_> = PublicKey::parse(KEY).into_iter().collect();
    assert!(!keys.is_empty(), "the key of this target is refused");
    for media_type in
        ["application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.cosign.simplesigning.v1+json"]
    {
        let Some(candidate) = candidate_of(media_type, input) else { continue };
        let verdict = candidate.judge(input, &image, &keys);
        assert!(
            ![Verdict::Verified, Verdict::PayloadMismatch].contains(&verdict),
            "{media_type}: a signature of nobody is good"
        );
    }
}

fn candidate_of(media_type: &str, blob: &[u8]) -> Option<Candidate> {
    let signature =
        "MEUCIQD7gL5XkmJHEbb6DGzVYlnoWkheM7xrIm/llG/ic9mVbwIgYmI9X6kMA43qE3RRVU5JCV8Q8iEV+PjHN+ieV2M7OyI=";
    let manifest = json!({"layers": [{
        "mediaType": media_type, "digest": Digest::of(blob), "size": blob.len(),
        "annotations": {"dev.cosignproject.cosign/signature": signature},
    }]});
    from_referrer(manifest.to_string().as_bytes(), &Digest::of(b"")).candidates.pop()
}

/// A docker config, in base64 or not: nothing of it is shown.
pub fn docker_configs(input: &[u8]) {
    let from_text = std::str::from_utf8(input).ok().map(DockerConfig::from_base64);
    for config in std::iter::once(DockerConfig::parse(input)).chain(from_text).flatten() {
        for name in
            [("docker.io", "library/nginx"), ("r.io", "team/app"), ("r.io:5000", "app"), ("localhost", "app")]
        {
            let repository = Repository { host: name.0.to_owned(), path: name.1.to_owned() };
            let found = config.lookup(&repository);
            if let Ok(Some(credentials)) = found {
                assert!(!credentials.username.is_empty());
                assert_eq!(format!("{credentials:?}"), "Credentials(…)");
            }
            if let Err(unusable) = found {
                assert!(config.unusable().contains(&unusable), "{unusable} is not noted");
            }
        }
    }
}

/// Headers, one a line.
pub fn challenges(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Some(Challenge::Bearer { realm, service }) = Challenge::choose(text.lines()) {
        let length = realm.len() + service.map_or(0, |service| service.len());
        assert!(length <= text.len(), "more than was read");
    }
}

/// Keys and certificates in PEM: those that are taken read back, and private ones are not.
pub fn keys(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let keys = read_keys(&[text]);
    let certificates = read_certificates(text);
    if text.contains("PRIVATE KEY") {
        assert!(keys.is_err() && certificates.is_err(), "a private key is taken");
    }
    for key in keys.iter().flatten() {
        assert_eq!(PublicKey::parse(&key.to_pem()).as_ref(), Ok(key));
        assert!(!key.verifies(b"message", b"signature"));
    }
    for certificate in certificates.iter().flatten() {
        let again = read_certificates(&certificate.to_pem());
        assert_eq!(again.as_deref(), Ok(std::slice::from_ref(certificate)));
    }
}

/// A request of Gatekeeper, or a key of it.
pub fn requests(input: &[u8]) {
    for key in ProviderRequest::parse(input).iter().flatten() {
        read_key(key);
    }
    if let Ok(text) = std::str::from_utf8(input) {
        read_key(text);
    }
}

fn read_key(text: &str) {
    let Some(key) = Key::parse(text) else { return };
    let written = serde_json::to_string(&key).ok();
    assert_eq!(written.as_deref().and_then(Key::parse), Some(key));
}
