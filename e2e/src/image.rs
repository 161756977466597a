//! The image, made without a container engine: for each platform a manifest with one layer, which holds the binary and the
//! licence, and an index over them. The pinned `crane` does it, beside a registry of its own on loopback.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use crate::{paths, tools};

/// Who the process in the container is.
pub const USER: &str = "65532:65532";
/// What is run.
pub const ENTRYPOINT: &str = "/gatewright";
/// What the layer holds, by name.
pub const CONTENTS: [&str; 2] = ["LICENSE", "gatewright"];

/// A binary for each platform: `amd64`, `arm64`.
pub type Binaries = BTreeMap<String, PathBuf>;

/// Packs an image as an OCI layout in place of what is there. The same binaries and the same `epoch`, in seconds since 1970,
/// make the same image, byte for byte.
///
/// # Errors
/// `tar` or `crane` fails.
pub fn pack(binaries: &Binaries, version: &str, epoch: u64, layout: &Path) -> Result<()> {
    let work = layout.with_added_extension("work");
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work)?;
    let registry = Registry::start(&work)?;
    let mut manifests = vec![];
    for (platform, binary) in binaries {
        let layer = layer(binary, epoch, &work.join(platform))?;
        let (empty, image) = (registry.image(&format!("{platform}-layer")), registry.image(platform));
        crane(&["append", "--oci-empty-base", "-f", text(&layer)?, "-t", &empty])?;
        let mutated = format!("linux/{platform}");
        let mut arguments =
            vec!["mutate", &empty, "--entrypoint", ENTRYPOINT, "--user", USER, "--set-platform", &mutated];
        let labels: Vec<_> =
            labels(version).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        arguments.extend(labels.iter().flat_map(|label| ["--label", label.as_str()]));
        crane(&[&arguments[..], &["-t", &image]].concat())?;
        manifests.push(image);
    }
    let index = registry.image(version);
    let of: Vec<_> = manifests.iter().flat_map(|image| ["-m", image.as_str()]).collect();
    crane(&[&["index", "append"], &of[..], &["-t", &index]].concat())?;
    let _ = fs::remove_dir_all(layout);
    crane(&["pull", "--format=oci", &index, text(layout)?])?;
    drop(registry);
    fs::remove_dir_all(&work)?;
    Ok(())
}

fn labels(version: &str) -> [(&'static str, String); 4] {
    [
        ("org.opencontainers.image.title", "gatewright".to_owned()),
        ("org.opencontainers.image.version", version.to_owned()),
        ("org.opencontainers.image.licenses", "Apache-2.0".to_owned()),
        ("org.opencontainers.image.source", env!("CARGO_PKG_REPOSITORY").to_owned()),
    ]
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

/// The layer as a tar file: sorted, of nobody in particular, and of one time.
fn layer(binary: &Path, epoch: u64, folder: &Path) -> Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::create_dir_all(folder)?;
    for (name, source, mode) in
        [("gatewright", binary, 0o755), ("LICENSE", &paths::repository().join("LICENSE"), 0o644)]
    {
        let target = folder.join(name);
        fs::copy(source, &target).with_context(|| format!("cannot copy {}", source.display()))?;
        fs::set_permissions(&target, fs::Permissions::from_mode(mode))?;
    }
    let layer = folder.join("layer.tar");
    let mut tar = Command::new("tar");
    tar.args(["--format=ustar", "--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    tar.arg(format!("--mtime=@{epoch}")).arg("-cf").arg(&layer).arg("-C").arg(folder).args(CONTENTS);
    run(&mut tar)?;
    Ok(layer)
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?)
}

/// Runs `crane`, which reaches registries on loopback without TLS, and returns what it prints.
///
/// # Errors
/// It fails.
pub fn crane(arguments: &[&str]) -> Result<String> {
    run(Command::new(tools::path("crane")).arg("--insecure").args(arguments))
}

/// What a registry with TLS and a login needs: files.
#[derive(Clone, Debug)]
pub struct Secure {
    /// Its certificate.
    pub certificate: PathBuf,
    /// The certificate's key.
    pub key: PathBuf,
    /// Its users, with passwords hashed by bcrypt.
    pub htpasswd: PathBuf,
}

/// A registry on loopback that ends with this value.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    port: u16,
}

impl Registry {
    /// Starts a registry that keeps its blobs in a folder.
    ///
    /// # Errors
    /// `crane` is not built, or does not serve in time.
    pub fn start(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = Command::new(tools::path("crane"));
        command
            .args(["registry", "serve", "--address", &format!("127.0.0.1:{port}")])
            .env("PORT", port.to_string());
        command.arg("--disk").arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().context("cannot run crane: `make image` builds it")?;
        Self::listening(process, port)
    }

    /// Starts the registry of the distribution project, which has no referrers API. It keeps everything in a folder, which
    /// several of them may share.
    ///
    /// # Errors
    /// It is not built, or does not serve in time.
    pub fn distribution(folder: &Path, secure: Option<&Secure>) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut http = json!({"addr": format!("127.0.0.1:{port}")});
        let mut config = json!({
            "version": "0.1", "log": {"level": "error", "accesslog": {"disabled": true}},
            "storage": {"filesystem": {"rootdirectory": folder}},
        });
        if let Some(Secure { certificate, key, htpasswd }) = secure {
            http["tls"] = json!({"certificate": certificate, "key": key});
            config["auth"] = json!({"htpasswd": {"realm": "registry", "path": htpasswd}});
        }
        config["http"] = http;
        // YAML has all of JSON.
        let file = folder.join(format!("config-{port}.yml"));
        fs::create_dir_all(folder)?;
        fs::write(&file, config.to_string())?;
        let mut command = Command::new(tools::path("registry"));
        command.arg("serve").arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self::listening(command.spawn().context("cannot run registry: `make tools` builds it")?, port)
    }

    /// Starts a registry in memory that has the referrers API.
    ///
    /// # Errors
    /// It is not built, or does not serve in time.
    pub fn with_referrers() -> Result<Self> {
        let mut command = Command::new(tools::path("registry-referrers"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().context("cannot run registry-referrers: `make tools` builds it")?;
        let mut line = String::new();
        let output = process.stdout.as_mut().context("no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let port = line.trim().parse();
        // Ends with the value also where it says something else.
        let mut registry = Self { process, port: 0 };
        registry.port = port.context("it does not say its port")?;
        Ok(registry)
    }

    fn listening(process: Child, port: u16) -> Result<Self> {
        let registry = Self { process, port };
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            ensure!(Instant::now() < deadline, "the registry on loopback does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(registry)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The name of an image in it.
    #[must_use]
    pub fn image(&self, tag: &str) -> String {
        self.named(&format!("gatewright:{tag}"))
    }

    /// The name of anything in it: a repository with a tag or a digest.
    #[must_use]
    pub fn named(&self, name: &str) -> String {
        format!("127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An OCI layout on disk.
#[derive(Clone, Debug)]
pub struct Layout(pub PathBuf);

impl Layout {
    /// The index of the image.
    ///
    /// # Errors
    /// The layout is not one.
    pub fn index(&self) -> Result<(String, Value)> {
        let layout: Value = serde_json::from_slice(&fs::read(self.0.join("oci-layout"))?)?;
        ensure!(layout == json!({"imageLayoutVersion": "1.0.0"}), "{layout}");
        let entry: Value = serde_json::from_slice(&fs::read(self.0.join("index.json"))?)?;
        let Some([image]) = entry["manifests"].as_array().map(Vec::as_slice) else {
            bail!("not one image: {entry}")
        };
        Ok((image["digest"].as_str().unwrap_or_default().to_owned(), self.json(image)?))
    }

    /// The blob of a descriptor, which has its size.
    ///
    /// # Errors
    /// There is none, or it has another size.
    pub fn blob(&self, descriptor: &Value) -> Result<PathBuf> {
        let digest = descriptor["digest"].as_str().context("no digest")?;
        let hash = digest.strip_prefix("sha256:").context("another digest than sha256")?;
        let path = self.0.join("blobs/sha256").join(hash);
        let size = fs::metadata(&path).with_context(|| path.display().to_string())?.len();
        ensure!(descriptor["size"].as_u64() == Some(size), "{descriptor} has {size} bytes");
        Ok(path)
    }

    /// A blob that is JSON.
    ///
    /// # Errors
    /// As of [`Self::blob`].
    pub fn json(&self, descriptor: &Value) -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(self.blob(descriptor)?)?)?)
    }
}
