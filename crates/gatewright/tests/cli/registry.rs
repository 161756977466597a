//! A registry within the test process, by plain HTTP on loopback.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use gatewright_signatures::Digest;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::{EncodePublicKey as _, LineEnding};
use serde_json::{Value, json};

use crate::Result;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// What it holds, and what was asked.
#[derive(Default)]
struct Shelf {
    /// By path.
    stored: BTreeMap<String, (String, Vec<u8>)>,
    seen: Vec<String>,
}

/// A registry with the repository `app`.
pub struct Registry {
    address: SocketAddr,
    shelf: Arc<Mutex<Shelf>>,
    key: SigningKey,
}

impl Registry {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, shelf) = (listener.local_addr()?, Arc::<Mutex<Shelf>>::default());
        let served = Arc::clone(&shelf);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shelf = Arc::clone(&served);
                std::thread::spawn(move || drop(serve(&stream, &shelf)));
            }
        });
        Ok(Self { address, shelf, key: SigningKey::from_slice(&[7; 32])? })
    }

    /// The host, as references name it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// The public key of what is signed here.
    pub fn public_key(&self) -> Result<String> {
        Ok(self.key.verifying_key().to_public_key_pem(LineEnding::LF)?)
    }

    /// Stores an image under a tag.
    pub fn image(&self, tag: &str) -> Digest {
        let config =
            json!({"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": Digest::of(b"{}")});
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [],
            "annotations": {"tag": tag}});
        self.manifest(tag, &manifest)
    }

    /// Signs an image as cosign 2 does.
    pub fn sign(&self, digest: &Digest) {
        let critical = json!({"identity": {"docker-reference": ""}, "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature"});
        let payload = json!({"critical": critical, "optional": null}).to_string().into_bytes();
        let signature: Signature = self.key.sign(&payload);
        let signature = BASE64_STANDARD.encode(signature.to_der().as_bytes());
        let layer = json!({"mediaType": SIMPLE, "digest": Digest::of(&payload), "size": payload.len(),
            "annotations": {"dev.cosignproject.cosign/signature": signature}});
        let config =
            json!({"mediaType": "application/vnd.oci.empty.v1+json", "size": 2, "digest": Digest::of(b"{}")});
        self.put(&format!("blobs/{}", Digest::of(&payload)), "application/octet-stream", payload);
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        self.manifest(&digest.signature_tag(), &manifest);
    }

    /// How often a tag was asked for.
    pub fn asked(&self, tag: &str) -> usize {
        let wanted = format!("GET /v2/app/manifests/{tag}");
        locked(&self.shelf).seen.iter().filter(|seen| **seen == wanted).count()
    }

    fn manifest(&self, tag: &str, manifest: &Value) -> Digest {
        let bytes = manifest.to_string().into_bytes();
        let digest = Digest::of(&bytes);
        self.put(&format!("manifests/{tag}"), MANIFEST, bytes.clone());
        self.put(&format!("manifests/{digest}"), MANIFEST, bytes);
        digest
    }

    fn put(&self, path: &str, kind: &str, bytes: Vec<u8>) {
        let stored = (kind.to_owned(), bytes);
        locked(&self.shelf).stored.insert(format!("/v2/app/{path}"), stored);
    }
}

fn locked(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers one request.
fn serve(stream: &TcpStream, shelf: &Mutex<Shelf>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let mut words = request.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let found = {
        let mut shelf = locked(shelf);
        shelf.seen.push(format!("{method} {path}"));
        shelf.stored.get(path).cloned()
    };
    let (status, kind, body) = match found {
        Some((kind, body)) => ("200 OK", kind, body),
        None => ("404 Not Found", "application/json".to_owned(), b"{}".to_vec()),
    };
    let length = body.len();
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    )?;
    stream.write_all(&body)
}
