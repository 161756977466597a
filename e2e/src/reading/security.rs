//! The fields of `SecurityPolicy`.

mod confinement;
mod identity;
mod storage;

pub use confinement::sysctls_refused_twice;

use serde_json::Value;

use super::Reading;
use super::object::{Object, Pod, items, text, texts, whole, wholes};
use super::text::{begins, followed, in_ranges};

/// The reading of each field.
pub const FIELDS: &[(&str, Reading)] = &[
    ("allowPrivileged", privileged),
    ("allowPrivilegeEscalation", privilege_escalation),
    ("allowHostPID", |rule, object| host(rule, object, "hostPID")),
    ("allowHostIPC", |rule, object| host(rule, object, "hostIPC")),
    ("allowHostNetwork", |rule, object| host(rule, object, "hostNetwork")),
    ("allowedHostPorts", host_ports),
    ("readOnlyRootFilesystem", read_only_root),
    ("automountServiceAccountToken", token),
    ("allowRbacWildcards", rbac_wildcards),
    ("allowedClusterRoles", cluster_roles),
    ("allowedFlexVolumes", storage::flex_volumes),
    ("allowedVolumes", storage::volume_types),
    ("allowedHostPaths", storage::host_paths),
    ("allowedCapabilities", allowed_capabilities),
    ("requiredDropCapabilities", required_drops),
    ("allowedAppArmor", confinement::apparmor),
    ("allowedProcMount", proc_mount),
    ("runAsUser", identity::user),
    ("runAsGroup", identity::group),
    ("fsGroup", identity::fs_group),
    ("supplementalGroups", identity::supplemental_groups),
    ("seLinux", confinement::selinux),
    ("allowedUnsafeSysctls", confinement::allowed_sysctls),
    ("forbiddenSysctls", confinement::forbidden_sysctls),
    ("seccompProfiles", confinement::seccomp),
    ("allowedServiceTypes", service_types),
    ("blockWildcardDomains", wildcard_domains),
];

/// The Pod of an object, if the rule is in force.
fn judged<'a>(in_force: bool, object: &Object<'a>) -> Option<Pod<'a>> {
    object.pod().filter(|_| in_force)
}

fn privileged(rule: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = judged(*rule == false, object) else { return vec![] };
    let host_process = |context: &Value| context["windowsOptions"]["hostProcess"] == true;
    let mut offences = pod.each(|it| it["securityContext"]["privileged"] == true);
    offences.extend(pod.each(|it| host_process(&it["securityContext"])));
    offences.extend(whole(host_process(pod.context())));
    offences
}

fn privilege_escalation(rule: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = judged(*rule == false, object) else { return vec![] };
    pod.each(|it| {
        let escalation = &it["securityContext"]["allowPrivilegeEscalation"];
        *escalation != false && !(escalation.is_null() && pod.is_windows())
    })
}

fn host(rule: &Value, object: &Object<'_>, field: &str) -> Vec<Option<String>> {
    let Some(pod) = judged(*rule == false, object) else { return vec![] };
    whole(pod.spec[field] == true)
}

fn host_ports(ranges: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let on_host = pod.spec["hostNetwork"] == true;
    let outside = |port: &&Value| {
        let own = &port["hostPort"];
        let is_unset = own.is_null() || *own == 0;
        let taken = if is_unset && on_host { &port["containerPort"] } else { own };
        !(taken.is_null() || *taken == 0 || in_ranges(ranges, 65535, taken))
    };
    pod.times(|it| items(&it["ports"]).iter().filter(outside).count())
}

fn read_only_root(rule: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = judged(*rule == true, object) else { return vec![] };
    pod.each(|it| {
        let read_only = &it["securityContext"]["readOnlyRootFilesystem"];
        *read_only != true && !(read_only.is_null() && pod.is_windows())
    })
}

fn token(rule: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = judged(*rule == false, object) else { return vec![] };
    let token = ["var", "run", "secrets", "kubernetes.io", "serviceaccount"];
    let is_token = |mount: &&Value| followed(text(&mount["mountPath"])) == token;
    let mut offences = whole(pod.spec["automountServiceAccountToken"] == true);
    offences.extend(pod.times(|it| items(&it["volumeMounts"]).iter().filter(is_token).count()));
    offences
}

fn rbac_wildcards(rule: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let (group, kind) = object.kind();
    if *rule != false || group != "rbac.authorization.k8s.io" {
        return vec![];
    }
    let value = object.0;
    let values: Vec<_> = match kind {
        "Role" => items(&value["rules"])
            .iter()
            .flat_map(|rule| ["apiGroups", "resources", "verbs"].map(|list| texts(&rule[list])).concat())
            .collect(),
        "RoleBinding" => items(&value["subjects"])
            .iter()
            .chain([&value["roleRef"]])
            .map(|named| text(&named["name"]))
            .collect(),
        _ => vec![],
    };
    wholes(values.iter().filter(|value| value.contains('*')).count())
}

fn cluster_roles(allowed: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let reference = &object.0["roleRef"];
    let listed = texts(allowed).iter().any(|entry| begins(entry, text(&reference["name"])));
    whole(object.is("rbac.authorization.k8s.io", "RoleBinding") && reference["kind"] != "Role" && !listed)
}

/// A name that is added, in the most lenient reading.
fn added(context: &Value) -> Vec<String> {
    let name = |raw: &&str| {
        let upper = raw.to_uppercase();
        upper.strip_prefix("CAP_").map_or(upper.clone(), str::to_owned)
    };
    texts(&context["capabilities"]["add"]).iter().map(name).collect()
}

fn allowed_capabilities(allowed: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let allowed = texts(allowed);
    pod.each(|it| {
        let added = added(&it["securityContext"]);
        !allowed.contains(&"ALL") && added.iter().any(|name| !allowed.contains(&name.as_str()))
    })
}

/// What is dropped is read as container runtimes read it; what is added again, leniently.
fn required_drops(required: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let required = texts(required);
    let drops = |context: &Value| -> Vec<String> {
        texts(&context["capabilities"]["drop"]).iter().map(|name| name.to_uppercase()).collect()
    };
    let by_name: Vec<_> = required.iter().filter(|name| **name != "ALL").collect();
    let mut offences = pod.each(|it| {
        let dropped = drops(&it["securityContext"]);
        let has = |name: &str| dropped.iter().any(|dropped| dropped == name);
        !pod.is_windows() && !has("ALL") && required.iter().any(|name| !has(name))
    });
    offences.extend(pod.each(|it| {
        let added = added(&it["securityContext"]);
        let again = |name: &str| name == "ALL" || by_name.iter().any(|banned| **banned == name);
        !by_name.is_empty() && added.iter().any(|name| again(name))
    }));
    offences
}

fn proc_mount(rule: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = judged(*rule == "Default", object) else { return vec![] };
    pod.each(|it| {
        let mount = &it["securityContext"]["procMount"];
        !mount.is_null() && mount != "Default"
    })
}

fn service_types(allowed: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let declared = object.0["spec"]["type"].as_str().filter(|declared| !declared.is_empty());
    let refused = !texts(allowed).contains(&declared.unwrap_or("ClusterIP"));
    whole(object.is("", "Service") && refused)
}

fn wildcard_domains(rule: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    if *rule != true || !object.is("networking.k8s.io", "Ingress") {
        return vec![];
    }
    let spec = &object.0["spec"];
    let rules = items(&spec["rules"]);
    let takes_many = |rule: &&Value| text(&rule["host"]).is_empty() || text(&rule["host"]).contains('*');
    let hosts = items(&spec["tls"]).iter().flat_map(|entry| texts(&entry["hosts"]));
    let certificates = hosts.filter(|host| host.contains('*')).count();
    wholes(rules.iter().filter(takes_many).count() + certificates + usize::from(rules.is_empty()))
}
