//! Where images are made and signed: a folder with keys, a registry on loopback, `crane` and `cosign`.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use gatewright_signatures::Digest;
use serde_json::Value;

use crate::image::{Registry, crane};
use crate::{paths, tools};

/// How cosign attaches a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The older format.
    Legacy,
    /// A Sigstore bundle.
    Bundle,
}

/// A folder of its own, with keys, and a registry that keeps its blobs in it.
#[derive(Debug)]
pub struct Workshop {
    folder: PathBuf,
    /// The registry.
    pub registry: Registry,
}

impl Workshop {
    /// A folder of this name, a registry without the referrers API, and a pair of keys for each name.
    ///
    /// # Errors
    /// A tool is missing or fails.
    pub fn new(name: &str, keys: &[&str]) -> Result<Self> {
        let folder = paths::clusters().join(name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        let workshop = Self { registry: Registry::start(&folder.join("blobs"))?, folder };
        for key in keys {
            workshop.cosign(&["generate-key-pair", "--output-key-prefix", key])?;
        }
        Ok(workshop)
    }

    /// Another workshop, with the keys of this one and this registry.
    ///
    /// # Errors
    /// The keys cannot be copied.
    pub fn beside(&self, name: &str, registry: Registry) -> Result<Self> {
        let folder = paths::clusters().join(name);
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let is_key = path.extension().is_some_and(|extension| extension == "key" || extension == "pub");
            if let Some(file) = path.file_name().filter(|_| is_key) {
                std::fs::copy(&path, folder.join(file))?;
            }
        }
        Ok(Self { folder, registry })
    }

    /// The public key of this name, in PEM.
    ///
    /// # Errors
    /// There is none.
    pub fn key(&self, name: &str) -> Result<String> {
        Ok(std::fs::read_to_string(self.folder.join(format!("{name}.pub")))?)
    }

    /// Makes an image that holds this text, under this name (repository and tag). Returns its digest.
    ///
    /// # Errors
    /// A tool fails.
    pub fn image(&self, name: &str, content: &str) -> Result<String> {
        let file = format!("content-{}", name.replace(['/', ':'], "-"));
        std::fs::write(self.folder.join(&file), content)?;
        let layer = format!("{file}.tar");
        let packed = Command::new("tar").current_dir(&self.folder).args(["-cf", &layer, &file]).status()?;
        ensure!(packed.success(), "tar");
        let (layer, image) = (self.folder.join(layer), self.registry.named(name));
        let layer = layer.to_str().context("not UTF-8")?;
        crane(&["append", "--new_layer", layer, "--new_tag", &image])?;
        self.digest(name)
    }

    /// The digest that a name has now.
    ///
    /// # Errors
    /// There is none.
    pub fn digest(&self, name: &str) -> Result<String> {
        Ok(crane(&["digest", &self.registry.named(name)])?.trim().to_owned())
    }

    /// Gives an image another name.
    ///
    /// # Errors
    /// There is none.
    pub fn copy(&self, from: &str, to: &str) -> Result<()> {
        crane(&["copy", &self.registry.named(from), &self.registry.named(to)]).map(drop)
    }

    /// An index over images of one repository.
    ///
    /// # Errors
    /// `crane` fails.
    pub fn index(&self, name: &str, of: &[&str]) -> Result<String> {
        let manifests: Vec<_> =
            of.iter().flat_map(|image| ["-m".to_owned(), self.registry.named(image)]).collect();
        let manifests: Vec<_> = manifests.iter().map(String::as_str).collect();
        crane(&[&["index", "append"], &manifests[..], &["-t", &self.registry.named(name)]].concat())?;
        self.digest(name)
    }

    /// Signs what a name has now, with this key.
    ///
    /// # Errors
    /// cosign fails.
    pub fn sign(&self, name: &str, key: &str, format: Format, recursive: bool) -> Result<()> {
        let (repository, _) = name.split_once([':', '@']).context("no tag")?;
        let image = self.registry.named(&format!("{repository}@{}", self.digest(name)?));
        let key = format!("{key}.key");
        let mut arguments = vec!["sign", "--key", &key, "--yes", "--tlog-upload=false"];
        match format {
            Format::Legacy => arguments.extend(["--use-signing-config=false", "--new-bundle-format=false"]),
            Format::Bundle => arguments.extend(["--use-signing-config=false", "--new-bundle-format=true"]),
        }
        if recursive {
            arguments.push("--recursive");
        }
        arguments.push(&image);
        self.cosign(&arguments)
    }

    /// That cosign accepts what a name has now, by this key.
    ///
    /// # Errors
    /// It does not.
    pub fn verify(&self, name: &str, key: &str) -> Result<()> {
        let (repository, _) = name.split_once([':', '@']).context("no tag")?;
        let image = self.registry.named(&format!("{repository}@{}", self.digest(name)?));
        let key = format!("{key}.pub");
        self.cosign(&["verify", "--key", &key, "--insecure-ignore-tlog=true", &image])
    }

    /// The file with the public key of this name.
    #[must_use]
    pub fn key_file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.pub"))
    }

    /// The folder, for files of whoever uses it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn cosign(&self, arguments: &[&str]) -> Result<()> {
        let program = tools::path("cosign");
        let mut command = Command::new(&program);
        command.current_dir(&self.folder).env("COSIGN_PASSWORD", "").env("HOME", &self.folder);
        let output = command
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .with_context(|| program.display().to_string())?;
        ensure!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// The manifest that a name has now.
    ///
    /// # Errors
    /// There is none.
    pub fn manifest(&self, name: &str) -> Result<Value> {
        Ok(serde_json::from_str(&crane(&["manifest", &self.registry.named(name)])?)?)
    }

    /// Gives a name (repository with a tag or a digest) a manifest, byte for byte: one that no tool would make, or that was
    /// made elsewhere.
    ///
    /// # Errors
    /// The registry does not take it, or it does not say what kind of manifest it is.
    pub fn put_manifest(&self, name: &str, manifest: &[u8]) -> Result<()> {
        let (repository, tag) = name.split_once(['@', ':']).context("no tag")?;
        let said: Value = serde_json::from_slice(manifest)?;
        let kind = said["mediaType"].as_str().context("no mediaType")?;
        self.send("PUT", &format!("{repository}/manifests/{tag}"), kind, manifest)
    }

    /// Puts a blob into a repository. Returns its digest.
    ///
    /// # Errors
    /// The registry does not take it.
    pub fn put_blob(&self, repository: &str, blob: &[u8]) -> Result<Digest> {
        let digest = Digest::of(blob);
        let upload = format!("{repository}/blobs/uploads/?digest={digest}");
        self.send("POST", &upload, "application/octet-stream", blob)?;
        Ok(digest)
    }

    fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.registry.port()))?;
        write!(
            stream,
            "{method} /v2/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )?;
        stream.write_all(body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 201"), "{method} {path}: {answer}");
        Ok(())
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        if std::env::var_os("GATEWRIGHT_E2E_KEEP").is_none() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
