//! The image of `make image`, in `target/image`: `GATEWRIGHT_PLATFORMS` says which platforms it is for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::image::{CONTENTS, ENTRYPOINT, Layout, Registry, USER, crane, pack};
use gatewright_e2e::signatures::{Format, Workshop};
use gatewright_e2e::{paths, tools};
use serde_json::{Value, json};

const TARGETS: [(&str, &str, u16); 2] =
    [("amd64", "x86_64-unknown-linux-musl", 62), ("arm64", "aarch64-unknown-linux-musl", 183)];

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| paths::repository().join("target"), PathBuf::from)
}

fn layout() -> Layout {
    Layout(target().join("image"))
}

/// The platforms that are to be there, each with its target and the number of its machine in an ELF file.
fn platforms() -> Vec<(&'static str, &'static str, u16)> {
    let wanted = std::env::var("GATEWRIGHT_PLATFORMS").unwrap_or_else(|_| "amd64 arm64".to_owned());
    TARGETS.into_iter().filter(|(name, ..)| wanted.split_whitespace().any(|it| it == *name)).collect()
}

fn binary(target_name: &str) -> PathBuf {
    target().join(target_name).join("packed/gatewright")
}

/// A folder for a test that goes with it.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Result<Self> {
        let folder = target().join(format!("image-test-{name}"));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

#[test]
fn the_layout_has_what_it_says() -> Result<()> {
    let layout = layout();
    let (_, index) = layout.index()?;
    let manifests = index["manifests"].as_array().context("no manifests")?;
    let found: Vec<_> = manifests.iter().map(|it| it["platform"].clone()).collect();
    let expected: Vec<_> =
        platforms().iter().map(|(name, ..)| json!({"os": "linux", "architecture": name})).collect();
    ensure!(found == expected, "{found:?}");
    for manifest in manifests {
        image(&layout, manifest)?;
    }
    let blobs = fs::read_dir(layout.0.join("blobs/sha256"))?.count();
    ensure!(
        blobs == 1 + 3 * manifests.len(),
        "{blobs} blobs: an index, and a manifest, a config and a layer each"
    );
    for blob in fs::read_dir(layout.0.join("blobs/sha256"))? {
        let blob = blob?.path();
        let sum = output(Command::new("sha256sum").arg(&blob))?;
        ensure!(
            Some(sum.split(' ').next().unwrap_or_default()) == blob.file_name().and_then(|it| it.to_str()),
            "{sum}"
        );
    }
    Ok(())
}

fn image(layout: &Layout, manifest: &Value) -> Result<()> {
    let architecture = &manifest["platform"]["architecture"];
    let manifest = layout.json(manifest)?;
    let config = layout.json(&manifest["config"])?;
    ensure!(config["architecture"] == *architecture && config["os"] == "linux", "{config}");
    let settings = &config["config"];
    ensure!(settings["Entrypoint"] == json!([ENTRYPOINT]) && settings["User"] == USER, "{settings}");
    ensure!(
        settings["Labels"]["org.opencontainers.image.version"] == env!("CARGO_PKG_VERSION"),
        "{settings}"
    );
    let Some([layer]) = manifest["layers"].as_array().map(Vec::as_slice) else { anyhow::bail!("{manifest}") };
    ensure!(manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json", "{manifest}");
    ensure!(layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip", "{layer}");
    let list = output(Command::new("tar").args(["--numeric-owner", "-tvzf"]).arg(layout.blob(layer)?))?;
    let files: Vec<Vec<_>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    let found: Vec<_> = files.iter().map(|file| (file[0], file[1], *file.last().unwrap_or(&""))).collect();
    ensure!(found == [("-rw-r--r--", "0/0", CONTENTS[0]), ("-rwxr-xr-x", "0/0", CONTENTS[1])], "{found:?}");
    Ok(())
}

/// The numbers of an ELF file of 64 bits: its machine, and the types of its segments.
fn elf(bytes: &[u8]) -> Result<(u16, Vec<u32>)> {
    ensure!(bytes.starts_with(b"\x7fELF\x02\x01"), "not an ELF file of 64 bits");
    let number = |at: usize, size: usize| -> Result<u64> {
        let field = bytes.get(at..at + size).context("cut short")?;
        Ok(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    let (start, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
    let types = (0..count).map(|i| Ok(u32::try_from(number(usize::try_from(start + i * size)?, 4)?)?));
    Ok((u16::try_from(number(18, 2)?)?, types.collect::<Result<_>>()?))
}

/// No loader is named, so that no file of a system is needed.
#[test]
fn binaries_are_static() -> Result<()> {
    const INTERPRETER: u32 = 3;
    for (name, target, machine) in platforms() {
        let (found, segments) = elf(&fs::read(binary(target))?)?;
        ensure!(
            found == machine && !segments.is_empty() && !segments.contains(&INTERPRETER),
            "{name}: {found} {segments:?}"
        );
    }
    let (_, segments) = elf(&fs::read("/proc/self/exe")?)?;
    ensure!(segments.contains(&INTERPRETER), "the test would not notice");
    Ok(())
}

#[test]
fn packed_twice_it_is_the_same() -> Result<()> {
    let scratch = Scratch::new("twice")?;
    let binaries =
        platforms().into_iter().map(|(name, target, _)| (name.to_owned(), binary(target))).collect();
    let digest = |name: &str, epoch: u64| -> Result<String> {
        let folder = scratch.0.join(name);
        pack(&binaries, env!("CARGO_PKG_VERSION"), epoch, &folder)?;
        Ok(Layout(folder).index()?.0)
    };
    let first = digest("a", 1_700_000_000)?;
    ensure!(first == digest("b", 1_700_000_000)?, "another digest");
    ensure!(first != digest("c", 1_700_000_001)?, "the time does not count");
    Ok(())
}

#[test]
fn a_registry_takes_it_and_gives_it_back() -> Result<()> {
    let scratch = Scratch::new("registry")?;
    let registry = Registry::start(&scratch.0)?;
    let (digest, _) = layout().index()?;
    let image = registry.image("1");
    crane(&["push", layout().0.to_str().context("not UTF-8")?, &image])?;
    ensure!(crane(&["digest", &image])?.trim() == digest);
    let pulled = scratch.0.join("pulled");
    crane(&["pull", "--format=oci", &image, pulled.to_str().context("not UTF-8")?])?;
    ensure!(Layout(pulled).index()?.0 == digest);
    Ok(())
}

/// The binaries of the layers are run; those of other machines by QEMU, where Debian's package is within reach.
#[test]
fn binaries_run() -> Result<()> {
    let scratch = Scratch::new("run")?;
    let (_, index) = layout().index()?;
    let machine = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    for manifest in index["manifests"].as_array().into_iter().flatten() {
        let platform = manifest["platform"]["architecture"].as_str().context("no platform")?;
        let folder = scratch.0.join(platform);
        fs::create_dir_all(&folder)?;
        let layer = layout().json(manifest)?["layers"][0].take();
        output(Command::new("tar").arg("-xzf").arg(layout().blob(&layer)?).arg("-C").arg(&folder))?;
        let binary = folder.join("gatewright");
        if platform == machine {
            runs(Command::new(&binary), Command::new(&binary))?;
        } else if let Some(qemu) = qemu(platform) {
            let emulated = || {
                let mut command = Command::new(&qemu);
                command.arg(&binary);
                command
            };
            runs(emulated(), emulated())?;
        } else {
            println!("skipped: {platform}, since there is no QEMU for it");
        }
    }
    Ok(())
}

fn qemu(platform: &str) -> Option<PathBuf> {
    let path = tools::path("qemu-aarch64-static");
    (platform == "arm64" && path.is_file()).then_some(path)
}

fn runs(mut version: Command, mut check: Command) -> Result<()> {
    ensure!(output(version.arg("--version"))? == concat!("gatewright ", env!("CARGO_PKG_VERSION"), "\n"));
    // Real work, in several threads and processes.
    let examples = paths::repository().join("examples");
    check.args(["check", "-f"]).arg(examples.join("policies")).arg("-f").arg(examples.join("workloads"));
    let judged = check.output()?;
    let text = String::from_utf8_lossy(&judged.stdout);
    ensure!(
        judged.status.code() == Some(1) && text.contains("7 denied"),
        "{text}{}",
        String::from_utf8_lossy(&judged.stderr)
    );
    Ok(())
}

/// The packages of `Cargo.lock`, by name and version.
fn locked() -> Result<BTreeSet<(String, String)>> {
    let text = fs::read_to_string(paths::repository().join("Cargo.lock"))?;
    let field = |block: &str, name: &str| {
        let line = block.lines().find_map(|line| line.strip_prefix(&format!("{name} = \"")))?;
        Some(line.trim_end_matches('"').to_owned())
    };
    Ok(text
        .split("[[package]]")
        .filter_map(|block| Some((field(block, "name")?, field(block, "version")?)))
        .collect())
}

fn set(packages: impl Iterator<Item = (String, String)>) -> BTreeSet<(String, String)> {
    packages.collect()
}

/// The list in the binary and the one beside it name packages of `Cargo.lock` in its versions, and what runs is among them.
#[test]
fn its_contents_are_those_of_the_lock_file() -> Result<()> {
    let locked = locked()?;
    for (name, target, _) in platforms() {
        let inside =
            auditable_info::audit_info_from_file(&binary(target), auditable_info::Limits::default())?;
        let inside = set(inside.packages.iter().map(|it| (it.name.clone(), it.version.to_string())));
        complete(&inside, &locked).with_context(|| format!("{name}: the section .dep-v0"))?;
        let beside =
            layout().0.with_file_name("release-files").join(format!("gatewright-linux-{name}.cdx.json"));
        let beside = components(&beside)?;
        complete(&beside, &locked).with_context(|| format!("{name}: the SBOM"))?;
        // The SBOM also has what only builds.
        let missing: Vec<_> = inside.difference(&beside).filter(|(name, _)| name != "gatewright").collect();
        ensure!(missing.is_empty(), "{name}: not in the SBOM: {missing:?}");
    }
    Ok(())
}

fn complete(packages: &BTreeSet<(String, String)>, locked: &BTreeSet<(String, String)>) -> Result<()> {
    let unknown: Vec<_> = packages.difference(locked).collect();
    ensure!(unknown.is_empty(), "not in Cargo.lock: {unknown:?}");
    for needed in ["ring", "kube-client", "mimalloc", "regorus", "gatewright-operator"] {
        ensure!(packages.iter().any(|(name, _)| name == needed), "{needed} is missing");
    }
    Ok(())
}

fn components(path: &Path) -> Result<BTreeSet<(String, String)>> {
    let bom: Value = serde_json::from_slice(&fs::read(path).with_context(|| path.display().to_string())?)?;
    ensure!(bom["bomFormat"] == "CycloneDX", "{}", path.display());
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let components = bom["components"].as_array().context("no components")?;
    Ok(components.iter().map(|it| (text(&it["name"]), text(&it["version"]))).collect())
}

/// What a release consists of is signed with a key that goes with the test. cosign and `gatewright verify` accept it, and not
/// by another key.
#[test]
fn image_chart_and_sbom_are_signed_and_verified() -> Result<()> {
    let workshop = Workshop::new("release-signed", &["release", "other"])?;
    let version = env!("CARGO_PKG_VERSION");
    let (image, chart) = (format!("gatewright:{version}"), format!("charts/gatewright:{version}"));
    let sbom = format!("gatewright:{version}-sbom");
    crane(&["push", layout().0.to_str().context("not UTF-8")?, &workshop.registry.named(&image)])?;
    push_chart(&workshop)?;
    attach_sbom(&workshop, &image, &sbom)?;
    let config = workshop.folder().join("settings.yaml");
    let host = workshop.registry.named("").trim_end_matches('/').to_owned();
    let settings = json!({"signatures": {"registries": [{"host": host, "insecure": true}]}});
    fs::write(&config, settings.to_string())?;
    let verifies = |name: &str, key: &str| -> Result<Option<i32>> {
        let mut command = Command::new(native()?);
        command.arg("verify").arg(workshop.registry.named(name)).arg("--key").arg(workshop.key_file(key));
        command.arg("--config").arg(&config).env("HOME", workshop.folder()).env_remove("DOCKER_CONFIG");
        Ok(command.output()?.status.code())
    };
    for name in [&image, &chart, &sbom] {
        ensure!(verifies(name, "release")? == Some(1), "{name} is not signed yet");
        workshop.sign(name, "release", Format::Bundle, false)?;
        workshop.verify(name, "release").with_context(|| format!("cosign verify {name}"))?;
        ensure!(verifies(name, "release")? == Some(0), "{name} is signed");
        ensure!(verifies(name, "other")? == Some(1), "{name} is not signed by another key");
    }
    Ok(())
}

/// The binary of the image for this machine.
fn native() -> Result<PathBuf> {
    let machine = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let mut found = platforms().into_iter().filter(|(name, ..)| *name == machine);
    found.next().map(|(_, target, _)| binary(target)).context("the image is for other machines")
}

fn push_chart(workshop: &Workshop) -> Result<()> {
    let folder = workshop.folder().to_str().context("not UTF-8")?;
    let chart = paths::repository().join("deploy/charts/gatewright");
    let helm = |arguments: &[&str]| {
        output(Command::new(tools::path("helm")).args(arguments).env("HOME", folder).env_remove("KUBECONFIG"))
    };
    helm(&["package", "--destination", folder, chart.to_str().context("not UTF-8")?])?;
    let archive = format!("{folder}/gatewright-{}.tgz", env!("CARGO_PKG_VERSION"));
    let target = format!("oci://{}", workshop.registry.named("charts"));
    helm(&["push", "--plain-http", &archive, &target]).map(drop)
}

/// Puts the SBOM beside the image as an artifact that refers to it.
fn attach_sbom(workshop: &Workshop, image: &str, sbom: &str) -> Result<()> {
    let machine = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let file = format!("gatewright-linux-{machine}.cdx.json");
    let from = layout().0.with_file_name("release-files").join(&file);
    fs::copy(&from, workshop.folder().join(&file)).with_context(|| from.display().to_string())?;
    let layer = workshop.folder().join("sbom.tar");
    output(Command::new("tar").arg("-cf").arg(&layer).arg("-C").arg(workshop.folder()).arg(&file))?;
    let named = workshop.registry.named(sbom);
    crane(&["append", "--oci-empty-base", "-f", layer.to_str().context("not UTF-8")?, "-t", &named])?;
    let mut manifest = workshop.manifest(sbom)?;
    let of = workshop.manifest(image)?;
    let size = crane(&["manifest", &workshop.registry.named(image)])?.len();
    manifest["artifactType"] = json!("application/vnd.cyclonedx+json");
    manifest["subject"] =
        json!({"mediaType": of["mediaType"], "digest": workshop.digest(image)?, "size": size});
    workshop.put_manifest(sbom, manifest.to_string().as_bytes())
}

/// No engine is needed here, so the file is compared with the image instead of built.
#[test]
fn the_dockerfile_copies_the_same() -> Result<()> {
    let text = fs::read_to_string(paths::repository().join("Dockerfile"))?;
    let lines: BTreeMap<_, _> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect();
    let arguments = lines["ARG"].split_once('=').context("no default target")?;
    let copied = lines["COPY"].replace(&format!("${{{}}}", arguments.0), arguments.1);
    let mut copied: Vec<_> = copied.split(' ').collect();
    ensure!(copied.pop() == Some("/"), "{copied:?}");
    ensure!(copied == ["LICENSE", "target/x86_64-unknown-linux-musl/packed/gatewright"], "{copied:?}");
    ensure!(
        lines["FROM"] == "scratch"
            && lines["USER"] == USER
            && lines["ENTRYPOINT"] == format!("[\"{ENTRYPOINT}\"]")
    );
    Ok(())
}
