//! The fields of `OperationPolicy`.

mod tolerations;

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

use super::Reading;
use super::image::{self, Image};
use super::object::{Object, items, text, texts, whole, wholes};

/// The reading of each field.
pub const FIELDS: &[(&str, Reading)] = &[
    ("allowedRepos", repositories),
    ("requiredResources", resources),
    ("disallowedImageTags", tags),
    ("requiredProbes", probes),
    ("requiredLabels", |rule, object| keys(rule, object, "labels")),
    ("requiredAnnotations", |rule, object| keys(rule, object, "annotations")),
    ("maxRevisionHistoryLimit", revisions),
    ("imagePullPolicy", pull_policy),
    ("priorityClassNames", priority_class),
    ("ingressClassNames", ingress_class),
    ("storageClassNames", storage_class),
    ("checkHostNetworkDNSPolicy", dns_policy),
    ("checkContainerDuplicates", duplicates),
    ("replicaLimits", replicas),
    ("disallowedTolerations", tolerations::refused),
];

fn repositories(allowed: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let entries = texts(allowed);
    let admitted = |reference: &str| {
        let image = Image::parse(reference);
        !reference.is_empty()
            && !image::is_id(reference)
            && entries.iter().any(|entry| image.is_admitted_by(entry))
    };
    let refused = |reference: &str| !entries.contains(&"*") && !admitted(reference);
    let images = pod.images().into_iter();
    images.filter(|(_, holder, field, _)| refused(text(&holder[*field]))).map(|(who, ..)| who).collect()
}

fn resources(required: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod().filter(super::object::Pod::is_bare) else { return vec![] };
    let wanted: Vec<_> = ["limits", "requests"]
        .into_iter()
        .flat_map(|section| texts(&required[section]).into_iter().map(move |name| (section, name)))
        .filter(|(section, name)| pod.spec["resources"][*section][*name].is_null())
        .collect();
    let missing = |it: &Value| {
        wanted.iter().filter(|(section, name)| it["resources"][*section][*name].is_null()).count()
    };
    let judged = pod.containers().filter(|it| it.list != "ephemeralContainers");
    judged.flat_map(|it| std::iter::repeat_n(it.offence(), missing(it.value))).collect()
}

/// What is no reference has no tag that could be compared.
fn tags(disallowed: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let disallowed = texts(disallowed);
    let refused = |reference: &str| {
        let image = Image::parse(reference);
        let unreadable = image.tag.is_some_and(|tag| tag.is_empty() || tag.contains(':'));
        let tag = image.effective_tag().unwrap_or_default();
        !disallowed.is_empty() && (reference.is_empty() || unreadable || disallowed.contains(&tag))
    };
    let images = pod.images().into_iter();
    images.filter(|(_, holder, field, _)| refused(text(&holder[*field]))).map(|(who, ..)| who).collect()
}

fn pull_policy(wanted: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let by_default = |reference: &str| match Image::parse(reference).effective_tag() {
        Some("latest") if !reference.is_empty() => "Always",
        _ => "IfNotPresent",
    };
    let fits = |holder: &Value, image: &str, policy: &str| {
        let set = holder[policy].as_str().filter(|policy| !policy.is_empty());
        set.unwrap_or_else(|| by_default(text(&holder[image]))) == text(wanted)
    };
    let images = pod.images().into_iter();
    images.filter(|(_, holder, image, policy)| !fits(holder, image, policy)).map(|(who, ..)| who).collect()
}

/// A container that runs to an end needs no probes: one of a Job, or one that is not always restarted.
fn probes(required: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    if object.kind().0 == "batch" || pod.is_controlled_by("batch", "Job") {
        return vec![];
    }
    let policy_of_pod = pod.spec["restartPolicy"].as_str().unwrap_or("Always");
    let running = pod.containers().filter(|it| {
        let own = it.value["restartPolicy"].as_str();
        match it.list {
            "containers" => own.unwrap_or(policy_of_pod) == "Always",
            "initContainers" => own == Some("Always"),
            _ => false,
        }
    });
    let has = |it: &Value, probe: &str| it[probe].as_object().is_some_and(|probe| !probe.is_empty());
    let wanted = texts(required);
    let missing = |it: &Value| wanted.iter().filter(|probe| !has(it, probe)).count();
    running.flat_map(|it| std::iter::repeat_n(it.offence(), missing(it.value))).collect()
}

fn keys(required: &Value, object: &Object<'_>, field: &str) -> Vec<Option<String>> {
    let (group, kind) = object.kind();
    let watched = texts(&required["watchKinds"]).contains(&format!("{group}/{kind}").as_str());
    let offends = |demand: &&Value| {
        let value = object.0["metadata"][field][text(&demand["key"])].as_str();
        let pattern = demand["allowedRegex"].as_str().and_then(|pattern| Regex::new(pattern).ok());
        value.is_none_or(|value| pattern.is_some_and(|pattern| !pattern.is_match(value)))
    };
    let demands = items(&required[field]).iter();
    wholes(if watched { demands.filter(offends).count() } else { 0 })
}

fn revisions(most: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let kept = object.0["spec"]["revisionHistoryLimit"].as_i64().unwrap_or(10);
    let judged = matches!(object.kind(), ("apps", "Deployment" | "StatefulSet" | "DaemonSet"));
    whole(judged && most.as_i64().is_some_and(|most| kept > most))
}

fn replicas(limits: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let replicas = object.0["spec"]["replicas"].as_i64().unwrap_or(1);
    let judged = matches!(object.kind(), ("apps", "Deployment" | "StatefulSet"));
    let too_few = limits["minReplicas"].as_i64().is_some_and(|least| replicas < least);
    let too_many = limits["maxReplicas"].as_i64().is_some_and(|most| replicas > most);
    whole(judged && (too_few || too_many))
}

fn priority_class(allowed: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let class = text(&pod.spec["priorityClassName"]);
    whole(!class.is_empty() && !texts(allowed).contains(&class))
}

fn ingress_class(allowed: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let places = [
        &object.0["spec"]["ingressClassName"],
        &object.0["metadata"]["annotations"]["kubernetes.io/ingress.class"],
    ];
    let refused = |class: &&Value| class.as_str().is_some_and(|class| !texts(allowed).contains(&class));
    let is_ingress = object.is("networking.k8s.io", "Ingress");
    wholes(if is_ingress { places.into_iter().filter(refused).count() } else { 0 })
}

fn storage_class(allowed: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let claims = match object.kind() {
        ("", "PersistentVolumeClaim") => std::slice::from_ref(object.0),
        ("apps", "StatefulSet") => items(&object.0["spec"]["volumeClaimTemplates"]),
        _ => &[],
    };
    let places = claims.iter().flat_map(|claim| {
        let annotations = &claim["metadata"]["annotations"];
        [&claim["spec"]["storageClassName"], &annotations["volume.beta.kubernetes.io/storage-class"]]
    });
    wholes(places.filter_map(Value::as_str).filter(|class| !texts(allowed).contains(class)).count())
}

fn dns_policy(rule: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod().filter(|_| *rule == true) else { return vec![] };
    whole(pod.spec["hostNetwork"] == true && pod.spec["dnsPolicy"] != "ClusterFirstWithHostNet")
}

fn duplicates(rule: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod().filter(|_| *rule == true) else { return vec![] };
    let mut seen = BTreeSet::new();
    let again = pod.containers().filter(|it| !seen.insert(text(&it.value["name"])));
    let mut offences: Vec<_> = again.map(|it| it.offence()).collect();
    offences.extend(pod.each(|it| {
        let mut seen = BTreeSet::new();
        items(&it["env"]).iter().any(|variable| !seen.insert(text(&variable["name"])))
    }));
    offences
}
