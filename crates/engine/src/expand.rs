//! `ExpansionTemplate`: what an object makes others create, judged before they are there.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatewright_gatekeeper::Action;
use gatewright_rego::Providers;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Engine, ExpansionError, Request, ReviewError, Violation};

/// How deep objects may imply others, as in Gatekeeper.
const MAX_DEPTH: usize = 30;

/// All `ExpansionTemplate` objects.
#[derive(Clone, Debug, Default)]
pub struct Expander {
    templates: BTreeMap<String, Template>,
}

/// An object that another implies.
#[derive(Clone, Debug, PartialEq)]
pub struct Implied {
    /// The object.
    pub object: Value,
    /// The template that made it.
    pub template: String,
    /// What the template does about violations of it, in place of what constraints do.
    pub action: Option<Action>,
}

#[derive(Clone, Debug)]
struct Template {
    spec: Spec,
    action: Option<Action>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    apply_to: Vec<ApplyTo>,
    template_source: String,
    #[serde(rename = "generatedGVK")]
    generated: Generated,
    enforcement_action: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ApplyTo {
    groups: Vec<String>,
    kinds: Vec<String>,
    versions: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
struct Generated {
    group: String,
    version: String,
    kind: String,
}

impl Generated {
    fn of(object: &Value) -> Self {
        let api_version = object["apiVersion"].as_str().unwrap_or_default();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = object["kind"].as_str().unwrap_or_default();
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl Spec {
    fn applies(&self, kind: &Generated) -> bool {
        self.apply_to.iter().any(|to| {
            to.groups.contains(&kind.group)
                && to.versions.contains(&kind.version)
                && to.kinds.contains(&kind.kind)
        })
    }

    fn check(&self) -> Result<(), ExpansionError> {
        let missing = [
            ("/spec/templateSource", self.template_source.is_empty()),
            ("/spec/generatedGVK", self.generated == Generated::default()),
            ("/spec/applyTo", self.apply_to.is_empty()),
        ];
        if let Some((pointer, _)) = missing.iter().find(|(_, missing)| *missing) {
            return Err(ExpansionError::new(*pointer, "is required"));
        }
        if self.applies(&self.generated) {
            let message = "generates a kind that the template itself applies to";
            return Err(ExpansionError::new("/spec/generatedGVK", message));
        }
        Ok(())
    }

    fn action(&self) -> Result<Option<Action>, ExpansionError> {
        let word = self.enforcement_action.as_str();
        let known = || word.parse().map(Some);
        if word.is_empty() { Ok(None) } else { known() }.map_err(|_| {
            let message = format!("`{word}` is not an enforcement action; allowed: deny, warn, dryrun");
            ExpansionError::new("/spec/enforcementAction", message)
        })
    }
}

impl Expander {
    /// Whether nothing is implied by anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    /// Adds an `ExpansionTemplate`, or replaces it.
    ///
    /// # Errors
    /// Everything for which Gatekeeper refuses it, a circle of templates too.
    pub fn add(&mut self, template: &Value) -> Result<(), ExpansionError> {
        let name = template["metadata"]["name"].as_str().unwrap_or_default();
        if name.is_empty() || name.len() > 63 {
            let message = format!("has {} characters; 1 to 63 are allowed", name.len());
            return Err(ExpansionError::new("/metadata/name", message));
        }
        let spec = template.get("spec").filter(|spec| !spec.is_null()).cloned().unwrap_or_else(|| json!({}));
        let spec: Spec = gatewright_typed::read(&spec)
            .map_err(|misfit| ExpansionError::new(format!("/spec{}", misfit.pointer), misfit.message))?;
        spec.check()?;
        let action = spec.action()?;
        let replaced = self.templates.insert(name.to_owned(), Template { spec, action });
        if self.reaches(name, name, self.templates.len()) {
            match replaced {
                Some(replaced) => self.templates.insert(name.to_owned(), replaced),
                None => self.templates.remove(name),
            };
            let message = "forms a circle with other templates: what they generate leads back to it";
            return Err(ExpansionError::new("/spec/generatedGVK", message));
        }
        Ok(())
    }

    /// Whether what a template generates leads to another template, over at most so many steps.
    fn reaches(&self, from: &str, to: &str, steps: usize) -> bool {
        let Some(template) = self.templates.get(from).filter(|_| steps > 0) else { return false };
        let mut next = self.templates.iter().filter(|(_, it)| it.spec.applies(&template.spec.generated));
        next.any(|(name, _)| name == to || self.reaches(name, to, steps - 1))
    }

    /// Everything that the object of a request implies. It is in the request's namespace, also where it names none.
    ///
    /// # Errors
    /// As of [`Expander::expand`].
    pub(crate) fn implied_by(&self, request: &Request) -> Result<Vec<Implied>, ExpansionError> {
        if request.object().is_null() || self.is_empty() {
            return Ok(vec![]);
        }
        let mut parent = request.object().clone();
        if !request.namespace().is_empty() && parent.is_object() {
            parent["metadata"]["namespace"] = request.namespace().into();
        }
        self.expand(&parent)
    }

    /// Everything that an object implies, directly and by what it implies.
    ///
    /// # Errors
    /// The object lacks what a template makes the implied one of, or the chain is too long. Gatekeeper refuses such
    /// a request.
    pub fn expand(&self, parent: &Value) -> Result<Vec<Implied>, ExpansionError> {
        let mut all = vec![];
        self.expand_at(parent, &mut all, 0)?;
        Ok(all)
    }

    fn expand_at(&self, parent: &Value, all: &mut Vec<Implied>, depth: usize) -> Result<(), ExpansionError> {
        if depth >= MAX_DEPTH {
            let message = format!("objects imply others more than {MAX_DEPTH} times over");
            return Err(ExpansionError::new("", message));
        }
        let kind = Generated::of(parent);
        for (name, template) in self.templates.iter().filter(|(_, template)| template.spec.applies(&kind)) {
            let object = implied(parent, name, &template.spec)?;
            self.expand_at(&object, all, depth + 1)?;
            all.push(Implied { object, template: name.clone(), action: template.action });
        }
        Ok(())
    }
}

fn implied(parent: &Value, template: &str, spec: &Spec) -> Result<Value, ExpansionError> {
    let source = spec.template_source.split('.').try_fold(parent, |value, field| value.get(field));
    let mut object = source.filter(|source| source.is_object()).cloned().ok_or_else(|| {
        let message = format!("ExpansionTemplate {template} needs a map there, and there is none");
        ExpansionError::new(format!("/{}", spec.template_source.replace('.', "/")), message)
    })?;
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    object["apiVersion"] = spec.generated.api_version().into();
    object["kind"] = spec.generated.kind.clone().into();
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    object["metadata"]["name"] = format!("{}-{}", name(parent), spec.generated.kind).to_lowercase().into();
    match parent["metadata"]["namespace"].as_str().filter(|namespace| !namespace.is_empty()) {
        Some(namespace) => object["metadata"]["namespace"] = namespace.into(),
        None => drop(object["metadata"].as_object_mut().map(|metadata| metadata.remove("namespace"))),
    }
    own(&mut object["metadata"], parent);
    Ok(object)
}

/// Names the parent as an owner, once.
fn own(metadata: &mut Value, parent: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let parts = [text(&parent["apiVersion"]), text(&parent["kind"]), text(&parent["metadata"]["name"])];
    if parts.iter().any(String::is_empty) {
        return;
    }
    let [api_version, kind, name] = parts;
    let is_it = |owner: &Value| {
        owner["apiVersion"] == *api_version && owner["kind"] == *kind && owner["name"] == *name
    };
    let mut owners = metadata["ownerReferences"].as_array().cloned().unwrap_or_default();
    if !owners.iter().any(is_it) {
        // Gatekeeper's own has an empty uid, because that field is never left out.
        owners.push(json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": ""}));
    }
    metadata["ownerReferences"] = owners.into();
}

impl Engine {
    /// All violations of a request, and of the objects that its object implies.
    ///
    /// # Errors
    /// The object cannot be expanded, or not be reviewed.
    pub fn review_expanded(
        &self,
        request: &Request,
        expander: &Expander,
    ) -> Result<Vec<Violation>, ReviewError> {
        self.review_expanded_asking(request, expander, self.options.providers.as_ref())
    }

    /// The same with these providers, in place of those of the engine.
    ///
    /// # Errors
    /// The same.
    pub fn review_expanded_asking(
        &self,
        request: &Request,
        expander: &Expander,
        providers: Option<&Arc<dyn Providers>>,
    ) -> Result<Vec<Violation>, ReviewError> {
        let mut violations = self.review_asking(request, providers)?;
        for Implied { object, template, action } in expander.implied_by(request)? {
            let found = self.review_asking(&Request::implied(object, request), providers)?;
            violations.extend(found.into_iter().map(|violation| Violation {
                action: action.unwrap_or(violation.action),
                message: format!("[Implied by {template}] {}", violation.message),
                ..violation
            }));
        }
        Ok(violations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn template(name: &str, from: (&str, &str), source: &str, to: (&str, &str)) -> Value {
        let apply = json!([{"groups": [from.0], "versions": ["v1"], "kinds": [from.1]}]);
        let generated = json!({"group": to.0, "version": "v1", "kind": to.1});
        json!({"metadata": {"name": name}, "spec": {
            "applyTo": apply, "templateSource": source, "generatedGVK": generated,
        }})
    }

    fn cron_jobs() -> Expander {
        let mut expander = Expander::default();
        let job = template("jobs", ("batch", "CronJob"), "spec.jobTemplate", ("batch", "Job"));
        let pod = template("pods", ("batch", "Job"), "spec.template", ("", "Pod"));
        expander.add(&job).unwrap();
        expander.add(&pod).unwrap();
        expander
    }

    fn cron_job() -> Value {
        let pod =
            json!({"metadata": {"labels": {"a": "b"}, "namespace": "other"}, "spec": {"hostPID": true}});
        json!({"apiVersion": "batch/v1", "kind": "CronJob",
            "metadata": {"name": "Nightly", "namespace": "shop"},
            "spec": {"jobTemplate": {"spec": {"template": pod}}}})
    }

    #[test]
    fn objects_imply_others_that_imply_others() {
        let implied = cron_jobs().expand(&cron_job()).unwrap();
        let names: Vec<_> = implied.iter().map(|it| (it.template.as_str(), &it.object["kind"])).collect();
        assert_eq!(names, [("pods", &json!("Pod")), ("jobs", &json!("Job"))]);
        assert_eq!(
            implied[0].object,
            json!({"apiVersion": "v1", "kind": "Pod", "spec": {"hostPID": true}, "metadata": {
                "name": "nightly-job-pod", "namespace": "shop", "labels": {"a": "b"},
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "nightly-job", "uid": ""}],
            }})
        );
    }

    #[test]
    fn another_kind_implies_nothing() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
        assert_eq!(cron_jobs().expand(&pod).unwrap(), []);
    }

    #[test]
    fn a_parent_without_the_source_is_an_error() {
        let parent = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "a"}});
        let error = cron_jobs().expand(&parent).unwrap_err();
        assert_eq!(error.pointer, "/spec/jobTemplate");
        assert_eq!(error.message, "ExpansionTemplate jobs needs a map there, and there is none");
    }

    #[test]
    fn a_chain_has_an_end() {
        let mut expander = Expander::default();
        for step in 0..MAX_DEPTH {
            let (from, to) = (format!("K{step}"), format!("K{}", step + 1));
            expander.add(&template(&format!("t{step}"), ("", &from), "spec", ("", &to))).unwrap();
        }
        let nested = (0..=MAX_DEPTH).fold(json!({}), |inner, _| json!({"spec": inner}));
        let parent = |kind: &str| {
            let mut parent = nested.clone();
            parent["apiVersion"] = json!("v1");
            parent["kind"] = json!(kind);
            parent
        };
        assert_eq!(expander.expand(&parent("K1")).unwrap().len(), MAX_DEPTH - 1);
        assert!(expander.expand(&parent("K0")).unwrap_err().message.contains("more than 30 times"));
    }

    #[rstest]
    #[case(json!({"metadata": {"name": "a"}}), "/spec/templateSource", "is required")]
    #[case(json!({"spec": {}}), "/metadata/name", "1 to 63")]
    #[case(template("a", ("", "Pod"), "spec", ("", "Pod")), "/spec/generatedGVK", "itself applies to")]
    #[case(template("a", ("", "Pod"), "spec", ("batch", "CronJob")), "/spec/generatedGVK", "circle")]
    fn what_gatekeeper_refuses(#[case] template: Value, #[case] pointer: &str, #[case] said: &str) {
        let error = cron_jobs().add(&template).unwrap_err();
        assert_eq!(error.pointer, pointer);
        assert!(error.message.contains(said), "{error}");
    }

    #[test]
    fn a_wrong_action_is_named() {
        let mut wrong = template("a", ("", "Pod"), "spec", ("", "Thing"));
        wrong["spec"]["enforcementAction"] = json!("block");
        let error = Expander::default().add(&wrong).unwrap_err();
        assert_eq!(error.message, "`block` is not an enforcement action; allowed: deny, warn, dryrun");
    }

    fn engine() -> Engine {
        let rego = r#"package shown
            default old = "nothing"
            old = kind { kind := input.review.oldObject.kind }
            violation[{"msg": msg}] {
                msg := sprintf("%v %v was %v", [input.review.operation, input.review.object.kind, old])
            }"#;
        let mut engine = Engine::default();
        let operations = json!(["CREATE", "DELETE"]);
        let target =
            json!([{"target": "admission.k8s.gatekeeper.sh", "operations": operations, "rego": rego}]);
        let template = json!({
            "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "shown"},
            "spec": {"crd": {"spec": {"names": {"kind": "Shown"}}}, "targets": target},
        });
        engine.add_template(&template).unwrap();
        let spec = json!({"match": {"source": "Generated"}});
        let constraint = json!({"apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "Shown",
            "metadata": {"name": "shown"}, "spec": spec});
        engine.add_constraint(&constraint).unwrap();
        engine
    }

    #[rstest]
    #[case("CREATE", "object", "[Implied by jobs] CREATE Job was nothing")]
    #[case("DELETE", "oldObject", "[Implied by jobs] DELETE Job was Job")]
    fn what_is_implied_is_reviewed_as_the_webhook_does(
        #[case] operation: &str,
        #[case] field: &str,
        #[case] message: &str,
    ) {
        let mut expander = Expander::default();
        let mut jobs = template("jobs", ("batch", "CronJob"), "spec.jobTemplate", ("batch", "Job"));
        jobs["spec"]["enforcementAction"] = json!("warn");
        expander.add(&jobs).unwrap();
        let mut review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "operation": operation, "kind": {"group": "batch", "version": "v1", "kind": "CronJob"}, "namespace": "shop",
        }});
        review["request"][field] = cron_job();
        let request = Request::from_admission_review(review).unwrap();
        let found = engine().review_expanded(&request, &expander).unwrap();
        let found: Vec<_> = found.iter().map(|it| (it.message.as_str(), it.action)).collect();
        assert_eq!(found, [(message, Action::Warn)]);
        assert_eq!(engine().review_expanded(&request, &Expander::default()).unwrap(), []);
    }
}
