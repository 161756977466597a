//! What differs between the library's templates and the fields that take their place.

use serde_json::{Map, Value, json};

use crate::migrate::document::{Found, SameMeaning};
use crate::migrate::edit::Edit;
use crate::migrate::rows::Row;

const fn row(id: &'static str, when: &'static str, before: &'static str, after: &'static str) -> Row {
    Row { id, when, before, after, general: false }
}

const fn general(id: &'static str, when: &'static str, before: &'static str, after: &'static str) -> Row {
    Row { id, when, before, after, general: true }
}

pub const NO_FIELD: Row = row(
    "L1",
    "no field of a policy says what the template says",
    "Gatekeeper enforces the constraint",
    "gatewright leaves it alone: keep template and constraint",
);
pub const NO_PARAMETER: Row = row(
    "L2",
    "no field says what a parameter says",
    "Gatekeeper enforces the constraint",
    "gatewright leaves it alone: keep template and constraint",
);
pub const NO_MATCH: Row = row(
    "L3",
    "spec.match or the action says what a policy cannot say",
    "Gatekeeper enforces the constraint",
    "gatewright leaves it alone: keep template and constraint",
);
const CONTROLLERS: Row = general(
    "L4",
    "a Deployment or another controller is applied",
    "the library's constraints name Pods, unless somebody added kinds",
    "here controllers are judged by their Pod templates, unless the setting podSecurityStandards.controllerValidation is false",
);
const SYSTEM: Row = general(
    "L5",
    "a namespace is a system namespace",
    "a constraint reaches it unless its match leaves it out",
    "here a policy reaches it only if matchNames names it exactly so",
);
const STANDARDS: Row = general(
    "L6",
    "gatewright is installed",
    "only your constraints are enforced",
    "the Pod Security Standard baseline holds, too, in every namespace that is not a system namespace",
);
const PROBES: Row = row(
    "L7",
    "it is a constraint of K8sRequiredProbes",
    "the template demands probes of all containers of a Pod, of the types in probeTypes",
    "requiredProbes takes a probe of any type, grpc, too; it does not demand probes of containers that run to an end: those of Jobs, and of Pods with restartPolicy Never or OnFailure; it demands them of init containers that are sidecars",
);
const REPLICAS: Row = row(
    "L8",
    "it is a constraint of K8sReplicaLimits",
    "the template judges the kinds of spec.match.kinds",
    "replicaLimits judges Deployments, StatefulSets and kubectl scale",
);
const UPDATES: Row = general(
    "L9",
    "an object is updated",
    "templates about images, resources, labels, annotations, replicas, Services and Ingresses judge every update in full; those of the Pod Security Policies judge none",
    "here an update is judged if it changes what the policy judges, and let through otherwise",
);
const WINDOWS: Row = general(
    "L10",
    "a Pod sets spec.os.name to windows",
    "the templates judge it as any other Pod",
    "here it need not set what Windows does not have: capabilities, seccomp and AppArmor profiles, ids of users and groups, allowPrivilegeEscalation and readOnlyRootFilesystem",
);
const TOKEN_VOLUME: Row = row(
    "L11",
    "volumes of a K8sPSPVolumeTypes leaves out projected",
    "the template refuses Pods for the token volume that Kubernetes adds",
    "here that volume does not count; controllers must set automountServiceAccountToken to false, too",
);
const TAGS: Row = row(
    "L12",
    "it is a constraint of K8sDisallowedTags",
    "the template refuses images without tag and digest, and looks at the end of the image",
    "here an image without tag and digest has the tag latest: it is refused if disallowedImageTags lists latest, and passes otherwise; a tag before a digest and the images of volumes are judged, too",
);
const LEVEL: Row = row(
    "L13",
    "an entry of allowedSELinuxOptions has no level",
    "the template refuses every level with it",
    "here the entry allows every level",
);
const CLASSES: Row = row(
    "L14",
    "it is a constraint of K8sStorageClass",
    "the template refuses claims without a class, and classes that do not exist",
    "here a claim without a class passes, and nobody looks whether a class exists; the annotation volume.beta.kubernetes.io/storage-class and the claim templates of StatefulSets are judged, too",
);
const RESOURCES: Row = row(
    "L15",
    "it is a constraint of K8sRequiredResources",
    "the template demands resources of each container",
    "here a container passes if the Pod sets them in spec.resources",
);
const DOMAINS: Row = row(
    "L16",
    "it is a constraint of K8sBlockWildcardIngress",
    "the template looks at the hosts of rules",
    "here an Ingress without rules and * in tls are refused, too: they take every domain",
);
const HOST_PROCESSES: Row = row(
    "L17",
    "it is a constraint of K8sPSPPrivilegedContainer",
    "the template looks at privileged alone",
    "here windowsOptions.hostProcess is refused, too: it is what privileged is on Windows",
);
const REPOSITORIES: Row = row(
    "L18",
    "it is a constraint of K8sAllowedRepos",
    "the template compares the beginning of an image as it is written",
    "here the full name is compared, too: docker.io/ admits nginx, which is docker.io/library/nginx; the images of volumes are judged, too",
);
const TOKEN: Row = row(
    "L19",
    "it is a constraint of K8sPSPAutomountServiceAccountTokenPod",
    "the template looks at mounts only where a Pod does not set automountServiceAccountToken",
    "here nothing may be mounted at the path of the token, and controllers must set automountServiceAccountToken to false",
);
const HOST_PORTS: Row = row(
    "L20",
    "a K8sPSPHostNetworkingPorts has min or max",
    "the template in CEL refuses a container if all its ports are host ports below min, or all are above max",
    "here it is refused if one of its host ports is out of range; with hostNetwork its ports are host ports",
);

/// All differences.
pub const ROWS: &[&Row] = &[
    &NO_FIELD,
    &NO_PARAMETER,
    &NO_MATCH,
    &CONTROLLERS,
    &SYSTEM,
    &STANDARDS,
    &PROBES,
    &REPLICAS,
    &UPDATES,
    &WINDOWS,
    &TOKEN_VOLUME,
    &TAGS,
    &LEVEL,
    &CLASSES,
    &RESOURCES,
    &DOMAINS,
    &HOST_PROCESSES,
    &REPOSITORIES,
    &TOKEN,
    &HOST_PORTS,
];

/// What a field judges otherwise than a template of this kind of constraint.
pub fn differs(kind: &str, parameters: &Value) -> Vec<Found> {
    let of = |parameter: &str| format!("spec.parameters.{parameter}");
    let found = match kind {
        "K8sRequiredProbes" => PROBES.found(&of("probes")),
        "K8sReplicaLimits" => REPLICAS.found(&of("ranges")),
        "K8sPSPVolumeTypes" if leaves_out_projected(parameters) => {
            let edit = Edit::set(TOKEN_FIELD, false);
            let same = SameMeaning { text: edit.text().into(), patch: vec![edit] };
            TOKEN_VOLUME.found_with(&of("volumes"), same)
        }
        "K8sDisallowedTags" => TAGS.found(&of("tags")),
        "K8sPSPSELinuxV2" if allows_levels(parameters) => LEVEL.found(&of("allowedSELinuxOptions")),
        "K8sStorageClass" => CLASSES.found(&of("allowedStorageClasses")),
        "K8sRequiredResources" => RESOURCES.found("spec.parameters"),
        "K8sBlockWildcardIngress" => DOMAINS.found("kind"),
        "K8sPSPPrivilegedContainer" => HOST_PROCESSES.found("kind"),
        "K8sAllowedRepos" => REPOSITORIES.found(&of("repos")),
        "K8sPSPAutomountServiceAccountTokenPod" => TOKEN.found("kind"),
        "K8sPSPHostNetworkingPorts" if has_range(parameters) => HOST_PORTS.found("spec.parameters"),
        _ => return vec![],
    };
    vec![found]
}

/// The field that refuses what the token volume is for.
const TOKEN_FIELD: &str = "automountServiceAccountToken";

/// Fields of a policy that keep what a template refuses and the field that takes its place does not.
pub fn written_out(kind: &str, parameters: &Value) -> Map<String, Value> {
    let concerned = kind == "K8sPSPVolumeTypes" && leaves_out_projected(parameters);
    concerned.then(|| (TOKEN_FIELD.to_owned(), json!(false))).into_iter().collect()
}

fn leaves_out_projected(parameters: &Value) -> bool {
    let volumes = parameters["volumes"].as_array();
    volumes.is_some_and(|volumes| !volumes.iter().any(|it| it == "projected" || it == "*"))
}

fn allows_levels(parameters: &Value) -> bool {
    let entries = parameters["allowedSELinuxOptions"].as_array();
    entries.into_iter().flatten().any(|entry| entry["level"].as_str().is_none_or(str::is_empty))
}

fn has_range(parameters: &Value) -> bool {
    ["min", "max"].iter().any(|bound| !parameters[*bound].is_null())
}
