//! A Pod's container as a process of this machine: what the kubelet and a container runtime would do with it, without a
//! container. Its image is the built binary.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::{Container, EnvVar, Pod, PodSpec, Volume};

/// The entry point of the image.
const ENTRYPOINT: &str = "/gatewright";

/// What stands on this machine for what a container has to itself.
#[derive(Clone, Debug)]
pub struct Place {
    /// The binary of the image.
    pub program: PathBuf,
    /// Each volume is a folder of its name in this one.
    pub volumes: PathBuf,
    /// The port of this machine for each port of the container.
    pub ports: BTreeMap<u16, u16>,
    /// Who it is for the API server: the token of its `ServiceAccount`, where a container has it in a folder of its own.
    pub kubeconfig: PathBuf,
}

/// A volume and where the container sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The name of the volume.
    pub volume: String,
    /// What is in it.
    pub source: Source,
    /// The folder in the container.
    pub path: String,
}

/// What a volume shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// All keys of the `ConfigMap` of this name.
    ConfigMap(String),
    /// Keys of a Secret.
    Secret {
        /// Its name.
        name: String,
        /// Whether the container starts without it.
        optional: bool,
        /// Which keys; all if empty.
        keys: Vec<String>,
    },
}

impl Source {
    fn of(volume: &Volume) -> Result<Self> {
        let unknown = || format!("the volume {} is neither a ConfigMap nor a Secret", volume.name);
        if let Some(map) = &volume.config_map {
            return Ok(Self::ConfigMap(map.name.clone()));
        }
        let secret = volume.secret.as_ref().with_context(unknown)?;
        Ok(Self::Secret {
            name: secret.secret_name.clone().with_context(unknown)?,
            optional: secret.optional == Some(true),
            keys: secret.items.iter().flatten().map(|item| item.key.clone()).collect(),
        })
    }
}

fn container(pod: &Pod) -> Result<(&PodSpec, &Container)> {
    let spec = pod.spec.as_ref().context("the Pod has no spec")?;
    let [container] = &spec.containers[..] else { bail!("the Pod has {} containers", spec.containers.len()) };
    Ok((spec, container))
}

/// What the container mounts.
///
/// # Errors
/// It mounts something else than a `ConfigMap` or a Secret.
pub fn mounts(pod: &Pod) -> Result<Vec<Mount>> {
    let (spec, container) = container(pod)?;
    let mut mounts = vec![];
    for mount in container.volume_mounts.iter().flatten().filter(|mount| !is_token(&mount.mount_path)) {
        let volume = spec.volumes.iter().flatten().find(|volume| volume.name == mount.name);
        let volume = volume.with_context(|| format!("there is no volume {}", mount.name))?;
        mounts.push(Mount {
            volume: mount.name.clone(),
            source: Source::of(volume)?,
            path: mount.mount_path.clone(),
        });
    }
    Ok(mounts)
}

/// The API server adds the mount of the token, which the kubeconfig is made from.
fn is_token(path: &str) -> bool {
    path == "/var/run/secrets/kubernetes.io/serviceaccount"
}

/// The ports that the container listens on.
///
/// # Errors
/// The Pod has not one container, or a port is not one.
pub fn ports(pod: &Pod) -> Result<Vec<u16>> {
    let ports = container(pod)?.1.ports.iter().flatten();
    ports.map(|port| Ok(u16::try_from(port.container_port)?)).collect()
}

/// How the process of the Pod's container is started.
///
/// # Errors
/// The container is not of the image's binary, or needs what is not here.
pub fn command(pod: &Pod, place: &Place) -> Result<Command> {
    let (spec, container) = container(pod)?;
    let entrypoint = container.command.as_deref().unwrap_or_default();
    ensure!(matches!(entrypoint, [] | [_]), "{entrypoint:?} has arguments");
    ensure!(entrypoint.iter().all(|word| word == ENTRYPOINT), "{entrypoint:?} is not in the image");
    ensure!(spec.automount_service_account_token != Some(false), "the container has no token");
    let mounts = mounts(pod)?;
    let mut command = Command::new(&place.program);
    for argument in container.args.iter().flatten() {
        command.arg(here(argument, &mounts, place)?);
    }
    for variable in container.env.iter().flatten() {
        command.env(&variable.name, value(variable, pod)?);
    }
    command.env("KUBECONFIG", &place.kubeconfig);
    Ok(command)
}

/// An argument with folders and ports of this machine.
fn here(argument: &str, mounts: &[Mount], place: &Place) -> Result<String> {
    let mut argument = argument.to_owned();
    for mount in mounts {
        let folder = place.volumes.join(&mount.volume);
        let folder = folder.to_str().context("the path of the cluster is not UTF-8")?;
        argument = argument.replace(&format!("{}/", mount.path), &format!("{folder}/"));
    }
    for (of_container, of_machine) in &place.ports {
        argument = argument.replace(&format!("0.0.0.0:{of_container}"), &format!("127.0.0.1:{of_machine}"));
    }
    Ok(argument)
}

fn value(variable: &EnvVar, pod: &Pod) -> Result<String> {
    let Some(source) = &variable.value_from else { return Ok(variable.value.clone().unwrap_or_default()) };
    let field = source.field_ref.as_ref().map(|field| field.field_path.as_str());
    let found = match field {
        Some("metadata.name") => pod.metadata.name.clone(),
        Some("metadata.namespace") => pod.metadata.namespace.clone(),
        Some("metadata.uid") => pod.metadata.uid.clone(),
        Some("spec.nodeName") => pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        _ => bail!("the variable {} comes from what is not known here", variable.name),
    };
    found.with_context(|| format!("the Pod has no {}", field.unwrap_or_default()))
}

/// Writes a volume: one file for each key.
///
/// # Errors
/// The folder cannot be written.
pub fn write_volume(folder: &Path, data: &BTreeMap<String, String>) -> Result<()> {
    for (file, text) in data {
        let path = folder.join(file);
        if std::fs::read_to_string(&path).is_ok_and(|found| &found == text) {
            continue;
        }
        crate::tools::files::write(&path, text)?;
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_none_or(|name| !data.contains_key(name)) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart;
    use serde_json::{Value, json};

    fn pod(container: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "gatewright-7d9f-x2k", "namespace": "shop"},
            "spec": {
                "containers": [container],
                "volumes": [{"name": "settings", "configMap": {"name": "gatewright-settings"}}],
            },
        }))
        .unwrap()
    }

    fn place() -> Place {
        Place {
            program: "/bin/gatewright".into(),
            volumes: "/volumes".into(),
            ports: [(8080, 20_001)].into(),
            kubeconfig: "/kubeconfig".into(),
        }
    }

    #[test]
    fn a_container_becomes_a_process() {
        let pod = pod(&json!({
            "name": "operator", "command": ["/gatewright"],
            "args": ["operator", "--config=/etc/gatewright/settings.yaml", "--listen=0.0.0.0:8080"],
            "env": [
                {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "WORD", "value": "x"},
            ],
            "ports": [{"containerPort": 8080}],
            "volumeMounts": [
                {"name": "settings", "mountPath": "/etc/gatewright"},
                {"name": "kube-api-access-abc", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"},
            ],
        }));
        let command = command(&pod, &place()).unwrap();
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
        let expected = ["operator", "--config=/volumes/settings/settings.yaml", "--listen=127.0.0.1:20001"];
        assert_eq!(arguments, expected);
        let environment: BTreeMap<_, _> = command
            .get_envs()
            .map(|(name, value)| (name.to_str().unwrap(), value.unwrap().to_str().unwrap()))
            .collect();
        let expected = [("KUBECONFIG", "/kubeconfig"), ("POD_NAME", "gatewright-7d9f-x2k"), ("WORD", "x")];
        assert_eq!(environment, expected.into());
        assert_eq!(ports(&pod).unwrap(), [8080]);
        assert_eq!(mounts(&pod).unwrap()[0].source, Source::ConfigMap("gatewright-settings".to_owned()));
    }

    /// As the chart has it.
    #[test]
    fn the_verifier_becomes_a_process() {
        let rendered = chart::template(&["verifier.enabled=true", chart::NO_IMAGE]).unwrap();
        let mut rendered = chart::objects(&rendered).unwrap();
        let mut deployment = rendered.remove("Deployment/gatewright-verifier").unwrap();
        let mut pod: Pod = serde_json::from_value(deployment["spec"]["template"].take()).unwrap();
        pod.metadata.name = Some("gatewright-verifier-0".to_owned());
        assert_eq!(ports(&pod).unwrap(), [8443, 8080]);
        let (name, keys) =
            ("gatewright-verifier-tls".to_owned(), vec!["tls.crt".to_owned(), "tls.key".to_owned()]);
        assert_eq!(mounts(&pod).unwrap()[1].source, Source::Secret { name, optional: true, keys });
        let place = Place { ports: [(8080, 20_001), (8443, 20_002)].into(), ..place() };
        let command = command(&pod, &place).unwrap();
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_str().unwrap()).collect();
        let expected = [
            "verifier",
            "--config=/volumes/settings/settings.yaml",
            "--tls-dir=/volumes/tls/",
            "--address=127.0.0.1:20002",
            "--listen=127.0.0.1:20001",
        ];
        assert_eq!(arguments, expected);
    }

    #[test]
    fn what_would_not_run_in_a_cluster_does_not_here() {
        for (container, says) in [
            (json!({"command": ["/bin/sh"]}), "is not in the image"),
            (json!({"command": ["/gatewright", "operator"]}), "has arguments"),
            (json!({"volumeMounts": [{"name": "other", "mountPath": "/x"}]}), "there is no volume other"),
            (
                json!({"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"key": "a", "name": "b"}}}]}),
                "the variable A",
            ),
        ] {
            let mut container = container;
            container["name"] = json!("operator");
            let error = command(&pod(&container), &place()).unwrap_err();
            assert!(format!("{error:#}").contains(says), "{error:#}");
        }
    }
}
