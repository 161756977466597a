//! Which template of the library is which field.

use gatewright_api::PolicyKind::{self, OperationPolicy, SecurityPolicy};
use serde_json::{Map, Value, json};

/// The fields of a policy; or the parameter that has no field, and why.
type Fields = Result<Map<String, Value>, (String, String)>;

/// What constraints of some kinds become.
pub struct Conversion {
    /// The kinds of constraints.
    pub kinds: &'static [&'static str],
    /// The kind of policy.
    pub policy: PolicyKind,
    /// The fields of the policy, from the parameters and the whole constraint.
    pub fields: fn(&Value, &Value) -> Fields,
}

const fn security(kinds: &'static [&'static str], fields: fn(&Value, &Value) -> Fields) -> Conversion {
    Conversion { kinds, policy: SecurityPolicy, fields }
}

const fn operation(kinds: &'static [&'static str], fields: fn(&Value, &Value) -> Fields) -> Conversion {
    Conversion { kinds, policy: OperationPolicy, fields }
}

/// All templates that have a field.
pub const TABLE: &[Conversion] = &[
    security(&["K8sPSPPrivilegedContainer"], |it, _| plain(it, &[("allowPrivileged", json!(false))])),
    security(&["K8sPSPAllowPrivilegeEscalationContainer"], |it, _| {
        plain(it, &[("allowPrivilegeEscalation", json!(false))])
    }),
    security(&["K8sPSPHostNamespace"], |it, _| {
        plain(it, &[("allowHostPID", json!(false)), ("allowHostIPC", json!(false))])
    }),
    security(&["K8sPSPHostNetworkingPorts"], host_network),
    security(&["K8sPSPReadOnlyRootFilesystem"], |it, _| {
        plain(it, &[("readOnlyRootFilesystem", json!(true))])
    }),
    security(&["K8sPSPAutomountServiceAccountTokenPod"], |it, _| {
        plain(it, &[("automountServiceAccountToken", json!(false))])
    }),
    security(&["K8sPSPFlexVolumes"], |it, _| {
        renamed(it, &[("allowedFlexVolumes", "allowedFlexVolumes")], &[])
    }),
    security(&["K8sPSPVolumeTypes"], |it, _| renamed(it, &[("volumes", "allowedVolumes")], &[])),
    security(&["K8sPSPHostFilesystem"], |it, _| {
        let mut fields = renamed(it, &[("allowedHostPaths", "allowedHostPaths")], &[])?;
        fields.entry("allowedHostPaths").or_insert_with(|| json!([]));
        Ok(fields)
    }),
    security(&["K8sPSPCapabilities"], capabilities),
    security(&["K8sPSPAppArmor"], |it, _| {
        needs(it, "allowedProfiles", REFUSES_ALL)?;
        renamed(it, &[("allowedProfiles", "allowedAppArmor")], &[])
    }),
    security(&["K8sPSPProcMount"], |it, _| {
        exempt(it)?;
        let unmasked = it["procMount"].as_str().is_some_and(|it| it.eq_ignore_ascii_case("unmasked"));
        Ok(fields(&[("allowedProcMount", json!(if unmasked { "Unmasked" } else { "Default" }))]))
    }),
    security(&["K8sPSPAllowedUsers"], |it, _| {
        let same = ["runAsUser", "runAsGroup", "supplementalGroups", "fsGroup"].map(|field| (field, field));
        renamed(it, &same, &[])
    }),
    security(&["K8sPSPFSGroup"], |it, _| {
        let mut ids = json!({"rule": it["rule"]});
        if let Some(ranges) = it.get("ranges") {
            ids["ranges"] = ranges.clone();
        }
        Ok(fields(&[("fsGroup", ids)]))
    }),
    security(&["K8sPSPSELinuxV2"], |it, _| renamed(it, &[("allowedSELinuxOptions", "seLinux")], &[])),
    security(&["K8sPSPForbiddenSysctls"], |it, _| {
        renamed(
            it,
            &[("forbiddenSysctls", "forbiddenSysctls"), ("allowedSysctls", "allowedUnsafeSysctls")],
            &[],
        )
    }),
    security(&["K8sPSPSeccompV2"], |it, _| {
        let same = ["allowedProfiles", "allowedLocalhostFiles"].map(|field| (field, field));
        needs(it, "allowedProfiles", REFUSES_ALL)?;
        if lists(it, "allowedProfiles", "Localhost") {
            needs(it, "allowedLocalhostFiles", REFUSES_ALL)?;
        }
        Ok(fields(&[("seccompProfiles", Value::Object(renamed(it, &same, &[])?))]))
    }),
    security(&["K8sBlockNodePort"], |_, _| Ok(service_types(&["ClusterIP", "LoadBalancer", "ExternalName"]))),
    security(&["K8sBlockLoadBalancer"], |_, _| Ok(service_types(&["ClusterIP", "NodePort", "ExternalName"]))),
    security(&["K8sBlockWildcardIngress"], |it, _| plain(it, &[("blockWildcardDomains", json!(true))])),
    operation(&["K8sAllowedRepos"], |it, _| {
        exempt(it)?;
        needs(it, "repos", "without it the template refuses nothing")?;
        let prefix =
            |repo: &Value| repo.as_str().map(|repo| json!(format!("{}*", repo.trim_end_matches('*'))));
        let repos: Vec<_> = it["repos"].as_array().into_iter().flatten().filter_map(prefix).collect();
        Ok(fields(&[("allowedRepos", json!(repos))]))
    }),
    operation(&["K8sDisallowedTags"], |it, _| {
        if it["tags"].as_array().is_none_or(Vec::is_empty) {
            let why = "without a tag the template asks whether an image has one".to_owned();
            return Err(("tags".to_owned(), why));
        }
        renamed(it, &[("tags", "disallowedImageTags")], &[])
    }),
    operation(&["K8sRequiredProbes"], |it, _| {
        needs(it, "probeTypes", "without it the template refuses every container")?;
        if !["tcpSocket", "httpGet", "exec"].iter().all(|known| lists(it, "probeTypes", known)) {
            return Err(("probeTypes".to_owned(), "a policy asks for a probe of any type".to_owned()));
        }
        renamed(it, &[("probes", "requiredProbes")], &["probeTypes"])
    }),
    operation(&["K8sReplicaLimits"], replicas),
    operation(&["K8sRequiredResources"], |it, _| {
        let same = ["limits", "requests"].map(|field| (field, field));
        Ok(fields(&[("requiredResources", Value::Object(renamed(it, &same, &[])?))]))
    }),
    operation(&["K8sRequiredLabels"], |it, constraint| required(it, constraint, "labels", "requiredLabels")),
    operation(&["K8sRequiredAnnotations"], |it, constraint| {
        required(it, constraint, "annotations", "requiredAnnotations")
    }),
    operation(&["K8sStorageClass"], |it, _| {
        if it["allowedStorageClasses"].as_array().is_none_or(Vec::is_empty) {
            let why = "without a list the template asks whether the class exists".to_owned();
            return Err(("allowedStorageClasses".to_owned(), why));
        }
        if lists(it, "allowedStorageClasses", "*") {
            let why = "with * the template asks whether a claim has a class that exists".to_owned();
            return Err(("allowedStorageClasses".to_owned(), why));
        }
        renamed(it, &[("allowedStorageClasses", "storageClassNames")], &["includeStorageClassesInMessage"])
    }),
];

fn fields(all: &[(&str, Value)]) -> Map<String, Value> {
    all.iter().map(|(field, value)| ((*field).to_owned(), value.clone())).collect()
}

/// Refuses images that are let pass: a policy lets no image pass.
fn exempt(parameters: &Value) -> Result<(), (String, String)> {
    match parameters["exemptImages"].as_array() {
        Some(images) if !images.is_empty() => {
            Err(("exemptImages".to_owned(), "a policy lets no image pass".to_owned()))
        }
        _ => Ok(()),
    }
}

/// Why a constraint without some parameter has no policy.
const REFUSES_ALL: &str = "without it the template refuses everything";

/// Refuses a constraint without a parameter: a policy without the field demands something else.
fn needs(parameters: &Value, name: &str, why: &str) -> Result<(), (String, String)> {
    if parameters[name].is_null() { Err((name.to_owned(), why.to_owned())) } else { Ok(()) }
}

/// Whether a list has a text.
fn lists(parameters: &Value, name: &str, text: &str) -> bool {
    parameters[name].as_array().is_some_and(|all| all.iter().any(|it| it == text))
}

/// Fields that do not depend on parameters.
fn plain(parameters: &Value, all: &[(&str, Value)]) -> Fields {
    renamed(parameters, &[], &[])?;
    Ok(fields(all))
}

/// Parameters under the names of fields; those to leave out say nothing about verdicts.
fn renamed(parameters: &Value, names: &[(&str, &str)], left_out: &[&str]) -> Fields {
    exempt(parameters)?;
    let mut all = Map::new();
    for (parameter, value) in parameters.as_object().into_iter().flatten() {
        match names.iter().find(|(theirs, _)| theirs == parameter) {
            Some((_, ours)) => {
                all.insert((*ours).to_owned(), value.clone());
            }
            None if parameter == "exemptImages" || left_out.contains(&parameter.as_str()) => {}
            None => return Err((parameter.clone(), "a policy has no field for it".to_owned())),
        }
    }
    Ok(all)
}

fn host_network(parameters: &Value, _: &Value) -> Fields {
    exempt(parameters)?;
    let mut all = vec![];
    if parameters["hostNetwork"] != true {
        all.push(("allowHostNetwork", json!(false)));
    }
    let bounds =
        ["min", "max"].into_iter().filter_map(|it| Some((it.to_owned(), parameters.get(it)?.clone())));
    let range: Map<String, Value> = bounds.collect();
    if !range.is_empty() {
        all.push(("allowedHostPorts", json!([range])));
    }
    Ok(fields(&all))
}

fn capabilities(parameters: &Value, _: &Value) -> Fields {
    let same = ["allowedCapabilities", "requiredDropCapabilities"].map(|field| (field, field));
    let mut all = renamed(parameters, &same, &[])?;
    // There an absent list allows nothing, and * allows all.
    let allowed = all.entry("allowedCapabilities").or_insert_with(|| json!([]));
    for name in allowed.as_array_mut().into_iter().flatten() {
        if *name == "*" {
            *name = json!("ALL");
        }
    }
    Ok(all)
}

fn service_types(allowed: &[&str]) -> Map<String, Value> {
    fields(&[("allowedServiceTypes", json!(allowed))])
}

fn replicas(parameters: &Value, _: &Value) -> Fields {
    match parameters["ranges"].as_array().map(Vec::as_slice) {
        Some([range]) => {
            for bound in ["min_replicas", "max_replicas"] {
                needs(range, bound, REFUSES_ALL).map_err(|(_, why)| (format!("ranges[0].{bound}"), why))?;
            }
            let names = [("min_replicas", "minReplicas"), ("max_replicas", "maxReplicas")];
            Ok(fields(&[("replicaLimits", Value::Object(renamed(range, &names, &[])?))]))
        }
        _ => Err(("ranges".to_owned(), "a policy has one range".to_owned())),
    }
}

/// Labels or annotations, and the kinds that the constraint matches.
fn required(parameters: &Value, constraint: &Value, keys: &str, field: &str) -> Fields {
    needs(parameters, keys, REFUSES_ALL)?;
    let mut all = renamed(parameters, &[(keys, keys)], &["message"])?;
    let matched = constraint.pointer("/spec/match/kinds").and_then(Value::as_array);
    let texts = |of: &Value, field: &str| -> Vec<String> {
        of[field].as_array().into_iter().flatten().filter_map(|it| it.as_str().map(str::to_owned)).collect()
    };
    let mut kinds = vec![];
    for of in matched.into_iter().flatten() {
        for group in texts(of, "apiGroups") {
            kinds.extend(texts(of, "kinds").into_iter().map(|kind| format!("{group}/{kind}")));
        }
    }
    if kinds.is_empty() || kinds.iter().any(|kind| kind.contains('*')) {
        return Err((keys.to_owned(), "a policy names the kinds that it looks at".to_owned()));
    }
    all.insert("watchKinds".to_owned(), json!(kinds));
    Ok(fields(&[(field, Value::Object(all))]))
}
