//! Which policies a difference concerns, and what would mean the same here.

use serde_json::{Map, Value, json};

use crate::check::result::Violation;
use crate::migrate::edit::Edit;

/// A field of a policy.
fn rule<'a>(policy: &'a Value, field: &str) -> &'a Value {
    policy
        .get("spec")
        .and_then(|spec| spec.get("policies"))
        .and_then(|rules| rules.get(field))
        .unwrap_or(&Value::Null)
}

fn list<'a>(policy: &'a Value, field: &str) -> &'a [Value] {
    rule(policy, field).as_array().map_or(&[], Vec::as_slice)
}

fn has(policy: &Value, field: &str) -> bool {
    !rule(policy, field).is_null()
}

/// A flag that is absent; one that is null is refused, which is said elsewhere.
fn is_absent(policy: &Value, field: &str) -> bool {
    let rules = policy.pointer("/spec/policies").and_then(Value::as_object);
    rules.is_some_and(|rules| !rules.contains_key(field))
}

/// Δ1.
pub fn privileged(policy: &Value) -> Option<Vec<Edit>> {
    is_absent(policy, "allowPrivileged").then(|| vec![Edit::set("allowPrivileged", false)])
}

/// Δ2.
pub fn privilege_escalation(policy: &Value) -> Option<Vec<Edit>> {
    is_absent(policy, "allowPrivilegeEscalation").then(|| vec![Edit::set("allowPrivilegeEscalation", false)])
}

/// Δ3.
pub fn forbids_privileged(policy: &Value) -> bool {
    *rule(policy, "allowPrivileged") == false
}

/// Δ3.
pub fn is_host_process(violation: &Violation, _: &Value) -> bool {
    violation.rule() == Some("allowPrivileged")
        && violation.fields().any(|field| field.ends_with("windowsOptions.hostProcess"))
}

/// Δ4.
pub fn token_volume(policy: &Value) -> Option<Vec<Edit>> {
    let volumes = list(policy, "allowedVolumes");
    let lists = |kind: &str| volumes.iter().any(|it| it == kind);
    let concerned = !volumes.is_empty()
        && !lists("projected")
        && !lists("*")
        && *rule(policy, "automountServiceAccountToken") != false;
    concerned.then(|| vec![Edit::set("automountServiceAccountToken", false)])
}

/// Δ5. With something to drop, an absent list of capabilities allows none in Deckhouse, too.
pub fn empty_of_security(policy: &Value) -> Option<Vec<Edit>> {
    let drops = !list(policy, "requiredDropCapabilities").is_empty();
    let lists = [
        "allowedHostPaths",
        "allowedVolumes",
        "allowedCapabilities",
        "allowedAppArmor",
        "allowedFlexVolumes",
        "allowedHostPorts",
        "allowedClusterRoles",
        "allowedUnsafeSysctls",
        "allowedServiceTypes",
        "seLinux",
    ];
    emptied(policy, lists.into_iter().filter(|field| !(drops && *field == "allowedCapabilities")))
}

/// Δ33.
pub fn empty_of_operation(policy: &Value) -> Option<Vec<Edit>> {
    emptied(
        policy,
        ["allowedRepos", "priorityClassNames", "ingressClassNames", "storageClassNames"].into_iter(),
    )
}

/// Without the lists that are empty, if some are.
fn emptied<'a>(policy: &Value, lists: impl Iterator<Item = &'a str>) -> Option<Vec<Edit>> {
    let empty = lists.filter(|field| rule(policy, field).as_array().is_some_and(Vec::is_empty));
    let edits: Vec<_> = empty.map(Edit::remove).collect();
    (!edits.is_empty()).then_some(edits)
}

/// Δ6. Deckhouse makes nothing of a policy that allows all capabilities and wants none dropped.
pub fn dropped(policy: &Value) -> Option<Vec<Edit>> {
    let (names, allowed) = (list(policy, "requiredDropCapabilities"), list(policy, "allowedCapabilities"));
    let all = |names: &[Value]| names.iter().any(|it| it == "ALL");
    let concerned = !names.is_empty() || (!allowed.is_empty() && !all(allowed));
    (concerned && !all(names)).then(|| vec![Edit::set("requiredDropCapabilities", json!(["ALL"]))])
}

/// Δ7.
pub fn added(policy: &Value) -> Option<Vec<Edit>> {
    let concerned =
        !list(policy, "requiredDropCapabilities").is_empty() && is_absent(policy, "allowedCapabilities");
    concerned.then(|| vec![Edit::set("allowedCapabilities", json!([]))])
}

/// The fields with ranges of ids.
const IDS: [&str; 4] = ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"];

/// Δ8.
pub fn open_ranges(policy: &Value) -> Option<Vec<Edit>> {
    let of_ids = closed_ids(policy).filter(|(_, ranges)| !ranges.is_empty());
    let edits = of_ids.map(|(field, ranges)| Edit::set(&format!("{field}/ranges"), ranges));
    // Of ports an empty list says that none is allowed.
    let of_ports = closed_all(list(policy, "allowedHostPorts"));
    let edits: Vec<_> = edits.chain(of_ports.map(|ranges| Edit::set("allowedHostPorts", ranges))).collect();
    (!edits.is_empty()).then_some(edits)
}

/// Δ34: without a range no id would fit, which no policy here can say.
pub fn has_only_void_ranges(policy: &Value) -> bool {
    closed_ids(policy).any(|(_, ranges)| ranges.is_empty())
}

/// The fields with a range of ids that is open, and their ranges with 0 for each bound that is missing.
fn closed_ids(policy: &Value) -> impl Iterator<Item = (&'static str, Vec<Value>)> {
    IDS.into_iter().filter_map(|field| {
        let ids = rule(policy, field);
        let judges = matches!(ids["rule"].as_str(), Some("MustRunAs" | "MayRunAs"));
        Some((field, closed_all(ids["ranges"].as_array().filter(|_| judges)?)?))
    })
}

/// The ranges with 0 for each bound that is missing, if the upper bound of one is.
fn closed_all(ranges: &[Value]) -> Option<Vec<Value>> {
    let is_open = |range: &Value| range.is_object() && range["max"].is_null();
    let closed = || ranges.iter().filter_map(Value::as_object).filter_map(closed).collect();
    ranges.iter().any(is_open).then(closed)
}

/// A range with 0 for a bound that is missing; none if it holds nothing then.
fn closed(range: &Map<String, Value>) -> Option<Value> {
    let bound = |name: &str| range.get(name).and_then(Value::as_i64).unwrap_or_default();
    let (min, max) = (bound("min"), bound("max"));
    (min <= max).then(|| json!({"min": min, "max": max}))
}

/// Δ9.
pub fn has_seccomp(policy: &Value) -> bool {
    has(policy, "seccompProfiles")
}

/// Δ10.
pub fn blocks_wildcards(policy: &Value) -> bool {
    *rule(policy, "blockWildcardDomains") == true
}

/// Δ10.
pub fn is_other_wildcard(violation: &Violation, _: &Value) -> bool {
    let in_rule = violation.fields().all(|field| field.starts_with("spec.rules["));
    let found = violation.details["found"].as_str().is_some_and(|host| host.contains('*'));
    violation.rule() == Some("blockWildcardDomains") && !(in_rule && found)
}

/// Δ11.
pub fn verifies(policy: &Value) -> bool {
    !list(policy, "verifyImageSignatures").is_empty()
}

/// Δ12: two references overlap if one begins as the other does, up to its star.
pub fn has_overlapping_entries(policy: &Value) -> bool {
    let references: Vec<_> = list(policy, "verifyImageSignatures")
        .iter()
        .filter_map(|entry| entry["reference"].as_str())
        .collect();
    let covers = |one: &str, other: &str| match one.strip_suffix('*') {
        Some(prefix) => other.starts_with(prefix),
        None => one == other,
    };
    let others = |at: usize| references.iter().enumerate().filter(move |(other, _)| *other != at);
    references.iter().enumerate().any(|(at, one)| others(at).any(|(_, other)| covers(one, other)))
}

/// Δ13.
pub fn references(policy: &Value) -> Option<Vec<Edit>> {
    let entries = list(policy, "verifyImageSignatures").iter().enumerate();
    let bare = entries.filter_map(|(at, entry)| {
        let reference = entry["reference"].as_str().filter(|it| is_bare(it))?;
        let path = format!("verifyImageSignatures/{at}/reference");
        Some(Edit::set(&path, format!("{reference}:latest")))
    });
    let edits: Vec<_> = bare.collect();
    (!edits.is_empty()).then_some(edits)
}

/// Whether a reference has neither tag nor digest nor star. A port is no tag.
fn is_bare(reference: &str) -> bool {
    let name = reference.rsplit('/').next().unwrap_or(reference);
    !reference.is_empty() && !reference.ends_with('*') && !reference.contains('@') && !name.contains(':')
}

/// Δ14.
pub fn repositories(policy: &Value) -> Option<Vec<Edit>> {
    let entries = rule(policy, "allowedRepos").as_array()?;
    let ends = |entry: &Value| entry.as_str().is_some_and(|it| !it.ends_with(['*', '/']));
    let prefix = |entry: &Value| match entry.as_str() {
        Some(text) if ends(entry) => json!(format!("{text}*")),
        _ => entry.clone(),
    };
    let all: Vec<_> = entries.iter().map(prefix).collect();
    entries.iter().any(ends).then(|| vec![Edit::set("allowedRepos", all)])
}

/// Δ15.
pub fn requires_probes(policy: &Value) -> bool {
    !list(policy, "requiredProbes").is_empty()
}

/// Δ16.
pub fn limits_history(policy: &Value) -> bool {
    has(policy, "maxRevisionHistoryLimit")
}

/// Δ16.
pub fn is_history_of_stateful_set(violation: &Violation, _: &Value) -> bool {
    violation.rule() == Some("maxRevisionHistoryLimit") && violation.kind.raw() == "StatefulSet"
}

/// Δ17.
pub fn limits_ingress_classes(policy: &Value) -> bool {
    has(policy, "ingressClassNames")
}

/// Δ17.
pub fn is_ingress_annotation(violation: &Violation, _: &Value) -> bool {
    violation.rule() == Some("ingressClassNames")
        && violation.fields().any(|field| field.starts_with("metadata."))
}

/// Δ18.
pub fn limits_storage_classes(policy: &Value) -> bool {
    has(policy, "storageClassNames")
}

/// Δ18.
pub fn is_other_storage_class(violation: &Violation, _: &Value) -> bool {
    violation.rule() == Some("storageClassNames")
        && violation.fields().all(|field| field != "spec.storageClassName")
}

/// Δ19.
pub fn limits_replicas(policy: &Value) -> bool {
    has(policy, "replicaLimits")
}

/// Δ19.
pub fn is_replicas_of_stateful_set(violation: &Violation, _: &Value) -> bool {
    violation.rule() == Some("replicaLimits") && matches!(violation.kind.raw(), "StatefulSet" | "Scale")
}

/// Δ20.
pub fn disallows_tolerations(policy: &Value) -> bool {
    !list(policy, "disallowedTolerations").is_empty()
}

/// Δ20: whether no pattern has the fields of the toleration.
pub fn is_wider_toleration(violation: &Violation, policy: &Value) -> bool {
    let found = &violation.details["found"];
    let same = |pattern: &Value| {
        let fields = pattern.as_object().into_iter().flatten();
        fields.into_iter().all(|(key, value)| found.get(key) == Some(value))
    };
    let patterns = list(policy, "disallowedTolerations");
    violation.rule() == Some("disallowedTolerations") && !patterns.iter().any(same)
}
