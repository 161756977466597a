//! Whether a constraint judges a request, and why not.

use gatewright_gatekeeper::{Candidate, Matcher, Namespace, Operation, WhyNot};
use serde_json::Value;

use crate::expand::Expander;
use crate::{ConstraintRef, EnforcementPoint, Engine, Request, template::Template};

/// Why a constraint does not judge a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotApplied {
    /// The engine has no such constraint.
    Unknown,
    /// The constraint is not enforced at the engine's enforcement point.
    Elsewhere,
    /// Its template judges other operations.
    Operations(Vec<Operation>),
    /// Its `match` leaves the object out.
    Match(WhyNot),
}

impl Engine {
    /// Why a constraint judges neither a request nor what its object implies; none where it judges one of these.
    #[must_use]
    pub fn why_not(
        &self,
        constraint: &ConstraintRef,
        request: &Request,
        expander: &Expander,
    ) -> Option<NotApplied> {
        let reason = self.why_not_alone(constraint, request)?;
        // Nothing comes of an object that cannot be expanded.
        let implied = expander.implied_by(request).unwrap_or_default();
        let mut implied = implied.into_iter().map(|implied| Request::implied(implied.object, request));
        implied.all(|it| self.why_not_alone(constraint, &it).is_some()).then_some(reason)
    }

    fn why_not_alone(&self, reference: &ConstraintRef, request: &Request) -> Option<NotApplied> {
        let Some(constraint) = self.constraints.get(reference) else { return Some(NotApplied::Unknown) };
        if constraint.action.is_none() {
            return Some(NotApplied::Elsewhere);
        }
        let template = self.templates.get(&reference.kind.to_lowercase());
        let judges = |template: &Template| template.judges(request.operation());
        if self.options.point == EnforcementPoint::Webhook && !template.is_some_and(judges) {
            return Some(NotApplied::Operations(template.map(Template::operations).unwrap_or_default()));
        }
        let namespace = self.inventory.namespace(request.namespace()).map(|known| &known.facts);
        let reason = why_not(constraint.matcher.as_ref()?, request, namespace)?;
        Some(NotApplied::Match(reason))
    }

    /// Which part of a constraint's `match` chose the object of a request that it judges; none where kinds alone decide.
    #[must_use]
    pub fn chosen_by(&self, constraint: &ConstraintRef, request: &Request) -> Option<WhyNot> {
        let matcher = self.constraints.get(constraint)?.matcher.as_ref()?;
        let namespace = self.inventory.namespace(request.namespace()).map(|known| &known.facts);
        matcher.chosen_by(&Candidate::new(request.object()), namespace)
    }

    /// Why objects that constraints of a kind match cannot be judged here, though Gatekeeper may judge them: a limit of
    /// this engine.
    #[must_use]
    pub fn limit_of(&self, kind: &str) -> Option<String> {
        let limits = self.templates.get(&kind.to_lowercase())?.beyond();
        (!limits.is_empty()).then(|| limits.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    /// Whether the template of a kind of constraints reads the inventory.
    #[must_use]
    pub fn kind_reads_inventory(&self, kind: &str) -> bool {
        self.templates.get(&kind.to_lowercase()).is_some_and(Template::reads_inventory)
    }

    /// Reviews take in again what [`Engine::leave_out`] made them leave out.
    pub fn take_in(&mut self, kind: &str) {
        let of_kind: Vec<_> =
            self.constraints.values().filter(|it| it.reference.kind == kind).cloned().collect();
        for constraint in of_kind {
            self.index(constraint);
        }
    }

    /// Reviews leave out the constraints of a kind from now on; [`Engine::why_not`] still knows them.
    pub fn leave_out(&mut self, kind: &str) {
        self.for_any_kind.retain(|reference, _| reference.kind != kind);
        for constraints in self.by_kind.values_mut() {
            constraints.retain(|reference, _| reference.kind != kind);
        }
    }
}

/// As in Gatekeeper either of the object and the old object may be matched, and what cannot be matched is judged.
fn why_not(matcher: &Matcher, request: &Request, namespace: Option<&Namespace>) -> Option<WhyNot> {
    let objects = [request.object(), request.old_object()];
    let candidates: Vec<_> =
        objects.into_iter().filter(|object: &&Value| !object.is_null()).map(Candidate::new).collect();
    match matcher.matches_any(&candidates, namespace, request.source()) {
        Ok(false) => matcher.why_not(candidates.first()?, namespace, request.source()),
        Ok(true) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use gatewright_gatekeeper::Operation;
    use serde_json::{Value, json};

    use super::NotApplied;
    use crate::expand::Expander;
    use crate::{ConstraintRef, Engine, Request};

    fn engine(spec: &Value) -> (Engine, ConstraintRef) {
        let rego = "package a\nviolation[{\"msg\": \"found\"}] { not data.inventory.cluster.v1.Nothing }";
        let target = json!({"target": "admission.k8s.gatekeeper.sh", "operations": ["CREATE", "UPDATE"], "rego": rego});
        let template = json!({
            "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "a"},
            "spec": {"crd": {"spec": {"names": {"kind": "A"}}}, "targets": [target]},
        });
        let constraint = json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "A", "metadata": {"name": "c"}, "spec": spec,
        });
        let mut engine = Engine::default();
        engine.add_template(&template).unwrap();
        engine.add_constraint(&constraint).unwrap();
        (engine, ConstraintRef { kind: "A".to_owned(), name: "c".to_owned() })
    }

    fn pod(app: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop", "labels": {"app": app}}})
    }

    fn reason(spec: &Value, request: &Request) -> Option<String> {
        let (engine, constraint) = engine(spec);
        engine.why_not(&constraint, request, &Expander::default()).map(|reason| match reason {
            NotApplied::Match(why) => format!("{} {}", why.field, why.has),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn a_constraint_that_does_not_judge_a_request_says_why() {
        let of_app = |app: &str| json!({"match": {"labelSelector": {"matchLabels": {"app": app}}}});
        let point = json!([{"name": "audit.gatekeeper.sh"}]);
        let elsewhere = json!({"enforcementAction": "scoped", "scopedEnforcementActions": [
            {"action": "deny", "enforcementPoints": point},
        ]});
        let delete = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "operation": "DELETE", "namespace": "shop", "oldObject": pod("web"),
        }});
        let delete = Request::from_admission_review(delete).unwrap();
        let operations = NotApplied::Operations(vec![Operation::Create, Operation::Update]);
        for (spec, request, expected) in [
            (json!({}), Request::create(pod("web")), None),
            (of_app("web"), Request::create(pod("web")), None),
            (of_app("db"), Request::create(pod("web")), Some("labelSelector app=web".to_owned())),
            // Either object of an update may be matched.
            (of_app("db"), Request::update(pod("web"), pod("db")), None),
            (of_app("db"), Request::update(pod("web"), pod("x")), Some("labelSelector app=web".to_owned())),
            (elsewhere, Request::create(pod("web")), Some("Elsewhere".to_owned())),
            (json!({}), delete, Some(format!("{operations:?}"))),
        ] {
            assert_eq!(reason(&spec, &request), expected, "{spec}");
        }
        let (engine, _) = engine(&json!({}));
        let other = ConstraintRef { kind: "A".to_owned(), name: "other".to_owned() };
        let found = engine.why_not(&other, &Request::create(pod("web")), &Expander::default());
        assert_eq!(found, Some(NotApplied::Unknown));
    }

    #[test]
    fn what_an_object_implies_counts() {
        let mut expander = Expander::default();
        let template = json!({"metadata": {"name": "pods"}, "spec": {
            "applyTo": [{"groups": ["apps"], "versions": ["v1"], "kinds": ["Deployment"]}],
            "templateSource": "spec.template", "generatedGVK": {"group": "", "version": "v1", "kind": "Pod"},
        }});
        expander.add(&template).unwrap();
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {}}},
        });
        let (engine, constraint) =
            engine(&json!({"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}}));
        let request = Request::create(deployment);
        assert!(engine.why_not(&constraint, &request, &Expander::default()).is_some());
        assert_eq!(engine.why_not(&constraint, &request, &expander), None);
    }

    #[test]
    fn a_kind_that_is_left_out_judges_nothing_more_and_is_still_known() {
        let (mut engine, constraint) = engine(&json!({}));
        let request = Request::create(pod("web"));
        assert_eq!(engine.review(&request).unwrap().len(), 1);
        assert!(engine.kind_reads_inventory("A") && engine.limit_of("A").is_none());
        engine.leave_out("A");
        assert_eq!(engine.review(&request).unwrap(), []);
        assert_eq!(engine.why_not(&constraint, &request, &Expander::default()), None);
        engine.take_in("A");
        assert_eq!(engine.review(&request).unwrap().len(), 1);
    }
}
