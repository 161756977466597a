//! The defaults of every pod spec: of a Pod's own, and of a template's.

use serde_json::{Value, json};

use super::table::Literal::{Boolean, Number, Object, Text};
use super::table::{Defaults, Field, at, fill, is_unset, plain, pointer, set, visit};
use super::{image, quantity};

/// The lists of containers in a pod spec.
const CONTAINERS: [&str; 3] = ["containers[]", "initContainers[]", "ephemeralContainers[]"];

/// 0644, the mode of the files in a volume.
const MODE: &[Field] = &[pointer("defaultMode", Number(0o644))];
const FIELD_REF: &[Field] = &[plain("apiVersion", Text("v1"))];
const RESOURCE_REF: &[Field] = &[plain("divisor", Text("0"))];
const HTTP_GET: &[Field] = &[plain("path", Text("/")), plain("scheme", Text("HTTP"))];
const GRPC: &[Field] = &[pointer("service", Text(""))];
const PROBE: &[Field] = &[
    plain("timeoutSeconds", Number(1)),
    plain("periodSeconds", Number(10)),
    plain("successThreshold", Number(1)),
    plain("failureThreshold", Number(3)),
];

const CONTAINER: &[Defaults] = &[
    at(
        "",
        &[
            pointer("resources", Object),
            plain("terminationMessagePath", Text("/dev/termination-log")),
            plain("terminationMessagePolicy", Text("File")),
        ],
    ),
    at("ports[]", &[plain("protocol", Text("TCP"))]),
    at("env[].valueFrom.fieldRef", FIELD_REF),
    at("env[].valueFrom.resourceFieldRef", RESOURCE_REF),
    at("env[].valueFrom.fileKeyRef", &[pointer("optional", Boolean(false))]),
    at("livenessProbe", PROBE),
    at("livenessProbe.httpGet", HTTP_GET),
    at("livenessProbe.grpc", GRPC),
    at("readinessProbe", PROBE),
    at("readinessProbe.httpGet", HTTP_GET),
    at("readinessProbe.grpc", GRPC),
    at("startupProbe", PROBE),
    at("startupProbe.httpGet", HTTP_GET),
    at("startupProbe.grpc", GRPC),
    at("lifecycle.postStart.httpGet", HTTP_GET),
    at("lifecycle.preStop.httpGet", HTTP_GET),
];

const POD_SPEC: &[Defaults] = &[
    at(
        "",
        &[
            plain("dnsPolicy", Text("ClusterFirst")),
            plain("restartPolicy", Text("Always")),
            pointer("securityContext", Object),
            pointer("terminationGracePeriodSeconds", Number(30)),
            plain("schedulerName", Text("default-scheduler")),
        ],
    ),
    at("volumes[].secret", MODE),
    at("volumes[].configMap", MODE),
    at("volumes[].downwardAPI", MODE),
    at("volumes[].downwardAPI.items[].fieldRef", FIELD_REF),
    at("volumes[].downwardAPI.items[].resourceFieldRef", RESOURCE_REF),
    at("volumes[].projected", MODE),
    at("volumes[].projected.sources[].downwardAPI.items[].fieldRef", FIELD_REF),
    at("volumes[].projected.sources[].downwardAPI.items[].resourceFieldRef", RESOURCE_REF),
    at("volumes[].projected.sources[].serviceAccountToken", &[pointer("expirationSeconds", Number(3600))]),
    at("volumes[].ephemeral.volumeClaimTemplate", &[pointer("metadata", Object), pointer("spec", Object)]),
    at("volumes[].ephemeral.volumeClaimTemplate.spec", CLAIM_SPEC),
];

/// The defaults of a PersistentVolumeClaim's spec.
pub(super) const CLAIM_SPEC: &[Field] =
    &[pointer("volumeMode", Text("Filesystem")), pointer("resources", Object)];

/// The defaults of volume sources that a pod spec and a PersistentVolume share; the paths are those of the source.
pub(super) const SOURCES: &[Defaults] = &[
    at("hostPath", &[pointer("type", Text(""))]),
    at("iscsi", &[plain("iscsiInterface", Text("default"))]),
    at(
        "rbd",
        &[
            plain("pool", Text("rbd")),
            plain("user", Text("admin")),
            plain("keyring", Text("/etc/ceph/keyring")),
        ],
    ),
    at(
        "azureDisk",
        &[
            pointer("cachingMode", Text("ReadWrite")),
            pointer("fsType", Text("ext4")),
            pointer("readOnly", Boolean(false)),
            pointer("kind", Text("Shared")),
        ],
    ),
    at("scaleIO", &[plain("storageMode", Text("ThinProvisioned")), plain("fsType", Text("xfs"))]),
];

/// Where a pod spec holds resource lists, beside its containers.
const QUANTITIES: [&str; 5] = [
    "overhead",
    "resources.limits",
    "resources.requests",
    "volumes[].ephemeral.volumeClaimTemplate.spec.resources.limits",
    "volumes[].ephemeral.volumeClaimTemplate.spec.resources.requests",
];

/// A pod template: its spec, and the metadata that is always written.
pub(super) fn template(template: &mut Value) {
    set(template, &[pointer("metadata", Object)]);
    visit(template, "spec", &mut apply);
}

/// A pod spec's own defaults.
pub(super) fn apply(spec: &mut Value) {
    service_account(spec);
    fill(spec, POD_SPEC);
    for path in CONTAINERS {
        visit(spec, path, &mut container);
    }
    visit(spec, "volumes[]", &mut volume);
    for path in QUANTITIES {
        visit(spec, path, &mut quantity::canonical);
    }
}

/// `serviceAccount` is the old name of `serviceAccountName`; the server writes both, and the new one wins.
fn service_account(spec: &mut Value) {
    let name = ["serviceAccountName", "serviceAccount"].into_iter().find(|name| !is_unset(spec, name));
    if let Some(name) = name.and_then(|name| spec[name].as_str()).map(str::to_owned) {
        spec["serviceAccountName"] = json!(name);
        spec["serviceAccount"] = json!(name);
    }
}

fn container(container: &mut Value) {
    pull_policy(container, "image", "imagePullPolicy");
    fill(container, CONTAINER);
    for list in ["resources.limits", "resources.requests"] {
        visit(container, list, &mut quantity::canonical);
    }
}

fn volume(volume: &mut Value) {
    let bare = volume.as_object().is_some_and(|volume| volume.keys().all(|key| key == "name"));
    if bare {
        volume["emptyDir"] = json!({});
    }
    fill(volume, SOURCES);
    visit(volume, "image", &mut |source| pull_policy(source, "reference", "pullPolicy"));
    visit(volume, "emptyDir", &mut |source| quantity::canonical_field(source, "sizeLimit"));
}

fn pull_policy(object: &mut Value, image: &str, policy: &str) {
    let image = match object.get(image) {
        None => "",
        Some(Value::String(image)) => image,
        Some(_) => return,
    };
    let default = image::pull_policy(image);
    if is_unset(object, policy) && object.get(policy).is_none_or(Value::is_string) {
        object[policy] = json!(default);
    }
}
