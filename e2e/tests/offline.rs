//! Installs from the files of `make release` alone: the image, the chart and the command line. `make install-offline-test` runs
//! this where there is no network but loopback. docs/air-gap.md shows the commands.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::image::{Layout, Registry, crane};
use gatewright_e2e::manifests::{no_privileged, security_policy};
use gatewright_e2e::{Cluster, Options, paths};
use serde_json::json;

fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| paths::repository().join("target"), PathBuf::from)
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
    Ok(said)
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("not UTF-8")
}

/// Nothing but loopback: a test elsewhere would prove less.
fn only_loopback() -> Result<()> {
    let devices = fs::read_to_string("/proc/net/dev")?;
    let names: Vec<_> =
        devices.lines().skip(2).filter_map(|line| line.split(':').next()).map(str::trim).collect();
    ensure!(names == ["lo"], "there is a network: {names:?}; run `unshare -rn make install-offline-test`");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_from_files() -> Result<()> {
    only_loopback()?;
    let files = target().join("release-files");
    run(Command::new("sha256sum").args(["--check", "--quiet", "SHA256SUMS"]).current_dir(&files))
        .context("`make release` makes the files")?;
    let folder = target().join("offline");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("image"))?;
    run(Command::new("tar")
        .arg("-xf")
        .arg(files.join("gatewright-image.tar"))
        .arg("-C")
        .arg(folder.join("image")))?;
    fs::create_dir_all(folder.join("registry"))?;
    let registry = Registry::start(&folder.join("registry"))?;
    let image = registry.image(env!("CARGO_PKG_VERSION"));
    crane(&["push", text(&folder.join("image"))?, &image])?;
    let binary = binary_of(&registry, &folder)?;
    command_line(&files)?;
    let repository = image.rsplit_once(':').context("no tag")?.0.to_owned();
    let chart = files.join(concat!("gatewright-", env!("CARGO_PKG_VERSION"), ".tgz"));
    Cluster::run(Options::new("test-offline"), async |cluster| {
        let set = format!("image.repository={repository}");
        let install = [
            "install",
            "gatewright",
            text(&chart)?,
            "-n",
            "gatewright-system",
            "--create-namespace",
            "--set",
            &set,
        ];
        cluster.helm(&install).await?.success()?;
        cluster.with_pods_run_from(&binary, async || works(cluster).await).await
    })
    .await?;
    fs::remove_dir_all(&folder)?;
    Ok(())
}

/// The binary of the image as the registry gives it for this machine.
fn binary_of(registry: &Registry, folder: &Path) -> Result<PathBuf> {
    let pulled = folder.join("pulled");
    crane(&["pull", "--format=oci", &registry.image(env!("CARGO_PKG_VERSION")), text(&pulled)?])?;
    let layout = Layout(pulled);
    let machine = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let (_, index) = layout.index()?;
    let mut manifests = index["manifests"].as_array().into_iter().flatten();
    let manifest =
        manifests.find(|it| it["platform"]["architecture"] == machine).context("not for this machine")?;
    let layer = layout.blob(&layout.json(manifest)?["layers"][0])?;
    run(Command::new("tar").arg("-xzf").arg(layer).arg("-C").arg(folder))?;
    Ok(folder.join("gatewright"))
}

fn command_line(files: &Path) -> Result<()> {
    let machine = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let examples = paths::repository().join("examples");
    let mut check = Command::new(files.join(format!("gatewright-linux-{machine}")));
    let output = check
        .arg("check")
        .arg("-f")
        .arg(examples.join("policies"))
        .arg("-f")
        .arg(examples.join("workloads"))
        .output()?;
    ensure!(output.status.code() == Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

async fn works(cluster: &Cluster) -> Result<()> {
    cluster.ready("gatewrightstatus/cluster").await?;
    cluster.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})).await?;
    cluster.put(&security_policy("baseline", &no_privileged())).await?;
    cluster.ready("secpol/baseline").await?;
    cluster.enforces("baseline").await
}
