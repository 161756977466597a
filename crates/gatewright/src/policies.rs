//! Policies from files: parsed, compiled, and every problem reported with its line.

mod leaves;
mod places;
mod problems;
mod schema;

use std::fmt;

use gatewright_api::{POLICY_API_VERSION, POLICY_GROUP, PolicyKind, names, with_policy_type};
use gatewright_compiler::{Compile, Compiled, NamedKind, Settings};
use gatewright_gatekeeper::Constraint;

use crate::check::Scopes;
use crate::diagnostics;
use crate::foreign::Foreign;
use crate::input::{Document, InputError};

/// Which policies this is: the kind of a document.
pub fn kind_of(document: &Document) -> Option<PolicyKind> {
    PolicyKind::of(&document.header.api_version, &document.header.kind)
}

/// A document of our group that is no policy: a typing error would otherwise enforce nothing, in silence.
pub fn unknown_kind(document: &Document) -> Option<InputError> {
    (document.header.group() == POLICY_GROUP && kind_of(document).is_none()).then(|| {
        let found = format!("{} {}", document.header.api_version, document.header.kind);
        let kinds: Vec<_> = PolicyKind::ALL.iter().map(AsRef::as_ref).collect();
        let kinds = kinds.join(" and ");
        let message = format!("{found}: no such kind; there are {POLICY_API_VERSION} {kinds}");
        InputError { location: document.locate("/kind"), message }
    })
}

/// Compiles a policy.
///
/// # Errors
/// Every problem that keeps it from being enforced as written, at the line of its field.
pub fn compiled(
    document: &Document,
    kind: PolicyKind,
    settings: &Settings,
) -> Result<Compiled, Vec<InputError>> {
    with_policy_type!(kind, P => compiled_as::<P>(document, settings))
}

fn compiled_as<P: Compile>(document: &Document, settings: &Settings) -> Result<Compiled, Vec<InputError>> {
    let mut policy = document.value();
    // Policies are dumped with their status. The API server takes none from those who write policies.
    policy.as_object_mut().map(|fields| fields.remove("status"));
    match problems::compiled::<P>(&policy, settings) {
        Ok(mut compiled) => {
            let signatures = compiled.signatures.as_mut().map(|signatures| &mut signatures.constraint);
            compiled.constraint.as_mut().into_iter().chain(signatures).for_each(mark_rendered);
            Ok(compiled)
        }
        Err(mut wrong) => Err(in_order(document, &mut wrong)),
    }
}

/// What is wrong with a policy, in the order of its lines; on one line in the order of elements.
fn in_order(document: &Document, wrong: &mut [problems::Refused]) -> Vec<InputError> {
    let (kind, name) = (&document.header.kind, &document.header.name);
    wrong.sort_by_cached_key(|one| {
        one.pointer.split('/').map(|part| (part.parse::<usize>().ok(), part.to_owned())).collect::<Vec<_>>()
    });
    let said = |one: &problems::Refused| InputError {
        location: document.locate(&one.pointer),
        message: format!("{kind}/{name}: {}: {}", field(&one.pointer), one.message),
    };
    let mut said: Vec<_> = wrong.iter().map(said).collect();
    said.sort_by_key(|error| error.location.line);
    said
}

/// Says what people may not expect of a policy. Nobody needs to know what waits for Pods where the Pods of controllers are
/// judged, too.
pub fn tell(document: &Document, kind: PolicyKind, compiled: &Compiled, scopes: &Scopes, pods_too: bool) {
    let subject = format!("{}: {kind}/{}", document.location, document.header.name);
    let notes =
        compiled.notes.iter().filter(|note| !pods_too || compiled.waits_for_pods.as_ref() != Some(note));
    notes.for_each(|note| diagnostics::note(format!("{subject}: {note}")));
    unknown_kinds(document, compiled, scopes).iter().for_each(diagnostics::note);
    if compiled.constraint.is_none() && compiled.signatures.is_none() {
        diagnostics::note(format!("{subject} demands nothing, so it becomes no constraint"));
    }
}

/// What to say of the kinds that a policy names and that nothing here defines, each with the line of its field.
fn unknown_kinds(document: &Document, compiled: &Compiled, scopes: &Scopes) -> Vec<String> {
    let said = |named: &NamedKind| {
        let said = scopes.unknown(&named.group, &named.kind)?;
        let location = document.locate(&pointer(&named.field));
        Some(format!(
            "{location}: {}/{}: {}: {said}",
            document.header.kind, document.header.name, named.field
        ))
    };
    compiled.named_kinds.iter().filter_map(said).collect()
}

/// Marks a constraint as nobody's who has an operator, and without an owner: a uid in a file is of no object.
pub fn mark_rendered(constraint: &mut Constraint) {
    constraint.metadata.owner_references = None;
    let labels = constraint.metadata.labels.get_or_insert_default();
    labels.insert(names::OWNER_LABEL.to_owned(), names::RENDERED.to_owned());
}

/// `spec.policies.list[0]` as a JSON pointer.
pub fn pointer(field: &str) -> String {
    field.split(['.', '[']).fold(String::new(), |pointer, part| pointer + "/" + part.trim_end_matches(']'))
}

/// A JSON pointer as a field's path: what `pointer` is made from.
pub fn field(pointer: &str) -> String {
    let parts = pointer.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~"));
    parts.fold(String::new(), |field, part| match (part.parse::<usize>(), field.is_empty()) {
        (Ok(index), _) => format!("{field}[{index}]"),
        (_, true) => part,
        _ => format!("{field}.{part}"),
    })
}

/// A policy, as people call it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, schemars::JsonSchema)]
pub struct PolicyRef {
    /// The kind, or `PodSecurityStandard`.
    pub kind: String,
    /// The name, or the level of the standard.
    pub name: Foreign,
}

impl fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::{field, pointer};

    #[test]
    fn fields_become_pointers() {
        assert_eq!(
            pointer("spec.policies.allowedHostPaths[2].pathPrefix"),
            "/spec/policies/allowedHostPaths/2/pathPrefix"
        );
        assert_eq!(pointer("spec"), "/spec");
        assert_eq!(field("/spec/targets/0/rego"), "spec.targets[0].rego");
        assert_eq!(field("/metadata/labels/a~1b"), "metadata.labels.a/b");
    }
}
