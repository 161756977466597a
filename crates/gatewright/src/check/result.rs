//! What `check` finds: the shape of its JSON.

use std::fmt;

use gatewright_gatekeeper::Action;
use gatewright_rules::fix::{Edit, Place};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::fix::Fix;
use crate::foreign::Foreign;
use crate::policies::PolicyRef;

/// What becomes of an object: the worst that a constraint says.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Verdict {
    /// Nothing is wrong.
    #[default]
    Pass,
    /// Let through in silence.
    Dryrun,
    /// Let through with a warning.
    Warn,
    /// Refused.
    Deny,
    /// Nobody can say.
    Error,
}

impl From<Action> for Verdict {
    fn from(action: Action) -> Self {
        match action {
            Action::Dryrun => Self::Dryrun,
            Action::Warn => Self::Warn,
            Action::Deny => Self::Deny,
        }
    }
}

/// An object that was judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// The API group and version.
    pub api_version: Foreign,
    /// The kind.
    pub kind: Foreign,
    /// The namespace it stands in; none outside namespaces.
    pub namespace: Option<Foreign>,
    /// The name; where the API server makes it up, how it begins, and a star.
    pub name: Foreign,
}

/// Where an object stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Source {
    /// The file.
    pub file: Foreign,
    /// The line on which the object begins.
    pub line: usize,
}

/// A constraint, by kind and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct ConstraintName {
    /// The kind.
    pub kind: Foreign,
    /// The name.
    pub name: Foreign,
}

/// One thing that is wrong with an object.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// The policy or standard; none for constraints of others.
    pub policy: Option<PolicyRef>,
    /// The constraint.
    pub constraint: ConstraintName,
    /// `deny`, `warn` or `dryrun`.
    pub enforcement_action: Verdict,
    /// What is wrong.
    pub message: Foreign,
    /// The same as data.
    pub details: Value,
    /// Whether the object itself is at fault, or what it creates.
    pub judged: Judged,
    /// The line of the field in the file, or of what there is of its path.
    pub line: usize,
    /// What undoes it, tried; none where there is nothing, or nobody asked for it.
    pub fix: Option<Fix>,
    /// Why there is no fix; none where there is one, or nobody asked for it.
    pub no_fix: Option<Foreign>,
    /// The fields that are at fault, as the object is written: of a Pod, in its controller.
    #[serde(skip)]
    pub places: Vec<Place>,
    /// The kind of what is at fault.
    #[serde(skip)]
    pub kind: Foreign,
}

/// What a violation is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Judged {
    /// The object of the input.
    #[default]
    Object,
    /// The Pod that it creates, or what it creates on the way there.
    Pod,
}

impl Violation {
    /// Whose demand it is: the policy, or the constraint of others.
    pub fn subject(&self) -> String {
        match &self.policy {
            Some(policy) => policy.to_string(),
            None => format!("{}/{}", self.constraint.kind, self.constraint.name),
        }
    }

    /// The same with what it is about, where that is not the object itself.
    pub fn of_whom(&self) -> String {
        match self.judged {
            Judged::Object => self.subject(),
            Judged::Pod => format!("{} on its {}", self.subject(), plural(&self.kind)),
        }
    }

    /// The message with its lists in full: Gatekeeper's has "and 8 more", because audit cuts messages.
    pub fn full_message(&self) -> Foreign {
        let lists = [
            self.details.get("allowed"),
            self.details.pointer("/allowed/not"),
            self.details.get("found"),
            self.details.get("containers"),
        ];
        let mut message = self.message.raw().to_owned();
        for list in lists.into_iter().flatten().filter_map(Value::as_array) {
            let bare = |item: &Value| item.as_str().map_or_else(|| item.to_string(), str::to_owned);
            for texts in
                [list.iter().map(bare).collect::<Vec<_>>(), list.iter().map(Value::to_string).collect()]
            {
                message = in_full(&message, &texts);
            }
        }
        message.into()
    }

    /// The fields that are at fault, as paths; empty for templates that name none.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let several = self.details.get("fields").and_then(Value::as_array).into_iter().flatten();
        self.details.get("field").into_iter().chain(several).filter_map(Value::as_str)
    }

    /// What is said of something that an `ExpansionTemplate` makes of the object; none if it is about the object, or about
    /// what Kubernetes makes of it.
    pub fn implied(&self) -> Option<&str> {
        let implied = self.message.raw().strip_prefix("[Implied by ")?;
        implied.split_once("] ").map(|(_, message)| message)
    }

    /// The field of the policy, or the control of the standard, that is violated.
    pub fn rule(&self) -> Option<&str> {
        ["rule", "control"].into_iter().find_map(|key| self.details.get(key)?.as_str())
    }
}

/// What was found out about one object.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ObjectResult {
    /// The object.
    pub object: ObjectRef,
    /// Where it stands.
    pub source: Source,
    /// What is done with it.
    pub operation: String,
    /// What becomes of it.
    pub verdict: Verdict,
    /// What is wrong with it.
    pub violations: Vec<Violation>,
    /// All fixes together, as a JSON patch (RFC 6902) of the object as it is written; none where there are none, or nobody
    /// asked for them.
    pub patch: Option<Vec<Edit>>,
    /// What had to be assumed.
    pub assumed: Vec<Foreign>,
    /// Whether it has a Pod template that no rule reads.
    #[serde(skip)]
    pub unread: bool,
    /// The images whose signatures a policy demands and nobody verified.
    #[serde(skip)]
    pub unverified: Vec<Unverified>,
    /// Why it was not judged, where Gatekeeper is not asked about its namespace.
    #[serde(skip)]
    pub exempt: Option<Exempt>,
    /// Whether something that it creates is refused, also where it is refused for the same.
    #[serde(skip)]
    pub pods_refused: bool,
}

/// An image whose signature nobody verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    /// The image, as it is shown.
    pub image: String,
    /// The name of the constraint that demands its signature.
    pub constraint: String,
}

/// A namespace about which Gatekeeper is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exempt {
    /// Its name.
    pub namespace: String,
    /// Why, as a sentence.
    pub reason: String,
}

/// How many items a message lists before it counts the rest.
const LISTED: usize = 5;

fn in_full(message: &str, texts: &[String]) -> String {
    match texts.get(..LISTED) {
        Some(first) if texts.len() > LISTED => {
            let short = format!("{} and {} more", first.join(", "), texts.len() - LISTED);
            message.replace(&short, &texts.join(", "))
        }
        _ => message.to_owned(),
    }
}

/// Of a kind that a controller creates: a Pod, a ReplicaSet or a Job.
pub fn plural(kind: &Foreign) -> String {
    format!("{kind}s")
}

impl ObjectResult {
    /// For each image whose signature nobody verified, a sentence that says so.
    pub fn unverified_words(&self) -> impl Iterator<Item = String> {
        let said = |it: &Unverified| {
            let image = Foreign::from(it.image.as_str());
            format!("the signature of {image} is not verified here; check --verify-images asks its registry")
        };
        self.unverified.iter().map(said)
    }

    /// The kind of what it creates that is refused, where the object itself is let through.
    pub fn refused_later(&self) -> Option<&Foreign> {
        let refused = |judged| {
            let is_it = move |it: &&Violation| it.judged == judged && it.enforcement_action == Verdict::Deny;
            self.violations.iter().find(is_it)
        };
        refused(Judged::Object).is_none().then(|| refused(Judged::Pod)).flatten().map(|it| &it.kind)
    }
}

/// How many objects have which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// All objects that were judged.
    pub objects: usize,
    /// Those that are refused.
    pub denied: usize,
    /// Those that are let through with a warning.
    pub warned: usize,
    /// Those that are let through in silence, though something is wrong.
    pub dryrun: usize,
    /// Those with which nothing is wrong.
    pub passed: usize,
    /// Those that could not be judged.
    pub errors: usize,
    /// Those that are let through because Gatekeeper is not asked about their namespace. They do not count as passed.
    pub exempt: usize,
}

impl Summary {
    /// Counts an object.
    pub fn add(&mut self, result: &ObjectResult) {
        self.objects += 1;
        *(if result.exempt.is_some() { &mut self.exempt } else { self.of(result.verdict) }) += 1;
    }

    /// Counts an object under another verdict than before.
    pub fn change(&mut self, before: Verdict, after: Verdict) {
        let count = self.of(before);
        *count = count.saturating_sub(1);
        *self.of(after) += 1;
    }

    const fn of(&mut self, verdict: Verdict) -> &mut usize {
        match verdict {
            Verdict::Pass => &mut self.passed,
            Verdict::Dryrun => &mut self.dryrun,
            Verdict::Warn => &mut self.warned,
            Verdict::Deny => &mut self.denied,
            Verdict::Error => &mut self.errors,
        }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { objects, denied, warned, dryrun, passed, errors, exempt } = self;
        let noun = if *objects == 1 { "object" } else { "objects" };
        write!(f, "{objects} {noun}: {denied} denied, {warned} warned, {dryrun} dryrun, {passed} passed")?;
        if *errors > 0 {
            write!(f, ", {errors} not judged")?;
        }
        if *exempt > 0 { write!(f, ", {exempt} exempt") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::in_full;

    #[test]
    fn lists_are_written_in_full() {
        let texts = ["a", "b", "c", "d", "e", "f", "g"].map(str::to_owned);
        assert_eq!(
            in_full("x adds y; allowed: a, b, c, d, e and 2 more", &texts),
            "x adds y; allowed: a, b, c, d, e, f, g"
        );
        assert_eq!(in_full("allowed: b and 2 more", &texts), "allowed: b and 2 more");
        assert_eq!(in_full("a, b and 0 more", &texts[..2]), "a, b and 0 more");
    }
}
