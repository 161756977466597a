//! Profiles of `AppArmor` and seccomp.

use serde_json::{Value, json};

use super::change::texts;
use super::pod::{below, container, in_spec};
use super::{Found, Patching, Place};

/// The fields of profiles.
const PROFILES: [&str; 2] = ["appArmorProfile", "seccompProfile"];

/// A profile as a Pod names it.
struct Profile {
    /// Its type, as in the field.
    kind: &'static str,
    /// The profile of the node, if it is one.
    file: Option<String>,
}

impl Profile {
    const DEFAULT: Self = Self { kind: "RuntimeDefault", file: None };

    /// The profile that is allowed: that of the runtime, or else the only one that the policy names.
    fn allowed(found: &Found<'_>) -> Option<Self> {
        let allowed = texts(found.details.get("allowed").unwrap_or(&Value::Null));
        // A standard names no entries: it allows the profile of the runtime always.
        if found.details.get("control").is_some() || allowed.iter().any(|entry| is_default(entry)) {
            return Some(Self::DEFAULT);
        }
        match allowed.as_slice() {
            [only] => Self::named(only),
            _ => None,
        }
    }

    /// The one profile that an entry of a policy stands for.
    fn named(entry: &str) -> Option<Self> {
        if entry.eq_ignore_ascii_case("unconfined") {
            return Some(Self { kind: "Unconfined", file: None });
        }
        let file = entry.strip_prefix("localhost/").filter(|file| !file.is_empty() && !file.contains('*'))?;
        Some(Self { kind: "Localhost", file: Some(file.to_owned()) })
    }

    /// As annotations write it.
    fn annotation(&self) -> String {
        match &self.file {
            Some(file) => format!("localhost/{file}"),
            None if self.kind == Self::DEFAULT.kind => "runtime/default".to_owned(),
            None => self.kind.to_lowercase(),
        }
    }

    /// Makes a field name this profile. What else stands in the field stays as it is.
    fn set(&self, field: &[String], patching: &mut Patching) -> Option<()> {
        const FILE: &str = "localhostProfile";
        if !patching.get(field).is_some_and(Value::is_object) {
            let file = self.file.iter().map(|file| (FILE, json!(file)));
            let fields = std::iter::once(("type", json!(self.kind))).chain(file);
            return patching.set(field, fields.map(|(name, value)| (name.to_owned(), value)).collect());
        }
        patching.set(&below(field, &["type"]), json!(self.kind))?;
        let of_node = below(field, &[FILE]);
        match &self.file {
            Some(file) => patching.set(&of_node, json!(file)),
            None if patching.get(&of_node).is_some() => patching.remove(&of_node),
            None => Some(()),
        }
    }
}

/// Whether the profile that would be set is that of the runtime.
pub fn is_of_runtime(found: &Found<'_>) -> bool {
    Profile::allowed(found).is_some_and(|profile| profile.kind == Profile::DEFAULT.kind)
}

/// Sets the profile that is allowed, or removes it where only that is.
pub fn set(found: &Found<'_>, place: &Place, patching: &mut Patching) -> Option<()> {
    let allowed = Profile::allowed(found);
    let Some(at) = place.iter().position(|part| PROFILES.contains(&part.as_str())) else {
        let of_annotations = place.len().checked_sub(2).and_then(|above| place.get(above));
        of_annotations.filter(|part| *part == "annotations")?;
        return patching.set(place, json!(allowed?.annotation()));
    };
    let field = &place[..=at];
    // Field and annotation must say the same; the API server writes a field for an annotation that has none.
    let annotation = annotation(place, patching).filter(|annotation| patching.get(annotation).is_some());
    if let Some((annotation, profile)) = annotation.zip(allowed.as_ref()) {
        patching.set(&annotation, json!(profile.annotation()))?;
        if patching.get(field).is_none() {
            return Some(());
        }
    }
    if patching.get(field).is_some() {
        let unset = texts(&found.details["allowed"]).iter().any(|entry| entry == "unset");
        return match allowed {
            Some(profile) => profile.set(field, patching),
            None if unset => patching.remove(field),
            None => None,
        };
    }
    // What the Pod says holds for every container that says nothing.
    let of_pod = in_spec(place, &["securityContext", field.last()?])?;
    allowed?.set(&of_pod, patching)
}

/// Where the annotation of before Kubernetes 1.30 stands that names a container's `AppArmor` profile.
fn annotation(place: &Place, patching: &Patching) -> Option<Place> {
    const PREFIX: &str = "container.apparmor.security.beta.kubernetes.io/";
    place.iter().any(|part| part == "appArmorProfile").then_some(())?;
    let name = patching.get(&below(container(place)?, &["name"]))?.as_str()?;
    let (_, pod) = in_spec(place, &[])?.split_last().map(|(spec, pod)| (spec.clone(), pod.to_vec()))?;
    Some(below(&pod, &["metadata", "annotations", &format!("{PREFIX}{name}")]))
}

/// Whether an entry of a policy allows the profile of the runtime. The last is what a seccomp rule without types says.
fn is_default(entry: &str) -> bool {
    ["runtimedefault", "runtime/default", "any type but localhost"].contains(&entry.to_lowercase().as_str())
}
