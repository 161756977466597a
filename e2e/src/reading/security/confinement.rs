//! `AppArmor`, seccomp, `SELinux` and sysctls.

use serde_json::Value;

use crate::reading::object::{Object, items, text, texts, wholes};
use crate::reading::text::{begins, glob};

const ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

/// The profile of a field in the words of the annotation.
fn profile(field: &Value) -> Option<String> {
    let file = || format!("localhost/{}", text(&field["localhostProfile"]));
    field.as_object()?;
    Some(match text(&field["type"]) {
        "RuntimeDefault" => "runtime/default".to_owned(),
        "Unconfined" => "unconfined".to_owned(),
        "Localhost" => file(),
        other => other.to_owned(),
    })
}

pub fn apparmor(allowed: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let entries: Vec<_> = texts(allowed)
        .into_iter()
        .map(|entry| match entry {
            "RuntimeDefault" => "runtime/default",
            "Unconfined" => "unconfined",
            "Localhost" => "localhost/*",
            other => other,
        })
        .collect();
    pod.each(|it| {
        let annotation = &pod.annotations[format!("{ANNOTATION}{}", text(&it["name"]))];
        let named = annotation.as_str().filter(|value| !["", "localhost/"].contains(value));
        let set = profile(&it["securityContext"]["appArmorProfile"])
            .or_else(|| named.map(str::to_owned))
            .or_else(|| profile(&pod.context()["appArmorProfile"]));
        let by_default = (!pod.is_windows()).then(|| "runtime/default".to_owned());
        set.or(by_default).is_some_and(|profile| !entries.iter().any(|entry| glob(entry, &profile)))
    })
}

pub fn seccomp(rule: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    pod.each(|it| {
        let own = &it["securityContext"]["seccompProfile"];
        let profile = if own.is_null() { &pod.context()["seccompProfile"] } else { own };
        match profile.as_object() {
            None => !pod.is_windows() && !admits_unset(rule),
            Some(_) if profile["type"] == "Localhost" => {
                !admits_file(rule, text(&profile["localhostProfile"]))
            }
            Some(_) => !admits_type(rule, text(&profile["type"])),
        }
    })
}

fn admits_unset(rule: &Value) -> bool {
    let listed = texts(&rule["allowedProfiles"]);
    !rule["allowedProfiles"].is_array() || ["undefined", "", "*"].iter().any(|entry| listed.contains(entry))
}

fn admits_type(rule: &Value, declared: &str) -> bool {
    let in_field = |entry: &&str| match *entry {
        "runtime/default" | "docker/default" => "RuntimeDefault".to_owned(),
        "unconfined" => "Unconfined".to_owned(),
        other => other.to_owned(),
    };
    let listed = texts(&rule["allowedProfiles"]);
    // A field without a type is no profile that anything admits by name.
    let all = !rule["allowedProfiles"].is_array() || listed.contains(&"*");
    !declared.is_empty() && (all || listed.iter().map(in_field).any(|entry| entry == declared))
}

/// A file is admitted by its name among the profiles, or by the type Localhost and the list of files.
fn admits_file(rule: &Value, file: &str) -> bool {
    let listed = texts(&rule["allowedProfiles"]);
    let by_name =
        |entry: &&str| entry.strip_prefix("localhost/").is_some_and(|name| name == "*" || name == file);
    let by_type =
        !rule["allowedProfiles"].is_array() || listed.contains(&"*") || listed.contains(&"Localhost");
    let files = texts(&rule["allowedLocalhostFiles"]);
    let in_files = !rule["allowedLocalhostFiles"].is_array() || files.contains(&"*") || files.contains(&file);
    listed.iter().any(by_name) || by_type && in_files
}

pub fn selinux(allowed: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    let Some(pod) = object.pod() else { return vec![] };
    let fits = |options: &Value, entry: &Value| {
        let is_free = |field: &str| text(&options[field]).is_empty();
        let same = |field: &str| is_free(field) || text(&options[field]) == text(&entry[field]);
        same("type") && same("role") && same("user") && (text(&entry["level"]).is_empty() || same("level"))
    };
    let refused = |context: &Value| {
        let options = &context["seLinuxOptions"];
        options.is_object() && !items(allowed).iter().any(|entry| fits(options, entry))
    };
    let mut offences = pod.each(|it| refused(&it["securityContext"]));
    offences.extend(wholes(usize::from(refused(pod.context()))));
    offences
}

/// A name as the kubelet reads it: the first separator says which of the two it is, and the other one is swapped.
fn as_kubelet_reads(name: &str) -> String {
    let first = name.chars().find(|c| ['.', '/'].contains(c));
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        other => other,
    };
    if first == Some('/') { name.chars().map(swap).collect() } else { name.to_owned() }
}

fn names(object: &Object<'_>) -> Vec<String> {
    let pod = object.pod();
    let sysctls = pod.iter().flat_map(|pod| items(&pod.context()["sysctls"]));
    sysctls.map(|sysctl| text(&sysctl["name"]).to_owned()).collect()
}

fn is_admitted(allowed: &Value, name: &str) -> bool {
    let name = as_kubelet_reads(name);
    texts(allowed).iter().any(|entry| begins(&as_kubelet_reads(entry), &name))
}

fn is_forbidden(forbidden: &Value, name: &str) -> bool {
    let dotted = |name: &str| name.replace('/', ".");
    texts(forbidden).iter().any(|entry| begins(&dotted(entry), &dotted(name)))
}

pub fn allowed_sysctls(allowed: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    wholes(names(object).iter().filter(|name| !is_admitted(allowed, name)).count())
}

pub fn forbidden_sysctls(forbidden: &Value, object: &Object<'_>) -> Vec<Option<String>> {
    wholes(names(object).iter().filter(|name| is_forbidden(forbidden, name)).count())
}

/// How many sysctls neither list lets pass: they are reported once, as forbidden.
pub fn sysctls_refused_twice(rules: &Value, object: &Object<'_>) -> usize {
    let [allowed, forbidden] = ["allowedUnsafeSysctls", "forbiddenSysctls"].map(|field| &rules[field]);
    let twice = |name: &&String| !is_admitted(allowed, name) && is_forbidden(forbidden, name);
    if allowed.is_array() { names(object).iter().filter(twice).count() } else { 0 }
}
