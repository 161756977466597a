//! What a controller creates, judged as the API server would be asked for it.

use gatewright_engine::{Request, Violation};
use gatewright_gatekeeper::{Operation, group_and_kind};
use gatewright_kube_defaults::{Assumption, Cluster, Generated, apply_in, generated};
use serde_json::Value;

/// All that a controller creates, directly and by what it creates: a ReplicaSet and its Pod for a Deployment.
#[derive(Debug)]
pub struct Chain(pub Vec<Made>);

/// An object that a controller creates.
#[derive(Debug)]
pub struct Made {
    /// The request of the controller.
    pub request: Request,
    /// What had to be assumed of the cluster.
    pub assumed: Vec<Assumption>,
    generated: Generated,
}

impl Chain {
    /// What is created because of a request; nothing where an update leaves alone what is created.
    pub fn of(request: &Request, cluster: &Cluster) -> Self {
        match request.operation() {
            Some(Operation::Create) => Self::of_object(request.object(), cluster),
            Some(Operation::Update) if created(request.object()) != created(request.old_object()) => {
                Self::of_object(request.object(), cluster)
            }
            _ => Self(vec![]),
        }
    }

    fn of_object(controller: &Value, cluster: &Cluster) -> Self {
        let mut all = vec![];
        let mut next = generated(controller);
        while let Some(mut made) = next {
            let mut object = std::mem::take(&mut made.object);
            let assumed = apply_in(&mut object, cluster);
            next = generated(&object);
            let request = Request::create_by(object, made.account, made.made_up_name);
            all.push(Made { request, assumed, generated: made });
        }
        Self(all)
    }

    /// The field of the controller that a field of the created object at `index` comes from.
    pub fn origin(&self, index: usize, field: &str) -> String {
        let steps = self.0[..=index].iter().rev();
        steps.fold(field.to_owned(), |field, made| made.generated.origin(&field))
    }
}

/// What makes a controller create new Pods if it changes: the spec of what it creates, and the labels and annotations of a
/// Pod. Those of a ReplicaSet are written into the one that is there.
fn created(controller: &Value) -> Option<[Value; 3]> {
    let mut object = generated(controller)?.object;
    let of_pod = object["kind"] == "Pod";
    let mut taken = |pointer: &str| object.pointer_mut(pointer).map(Value::take).unwrap_or_default();
    let spec = taken("/spec");
    let metadata = ["/metadata/labels", "/metadata/annotations"].map(taken);
    let [labels, annotations] = if of_pod { metadata } else { [Value::Null, Value::Null] };
    Some([spec, labels, annotations])
}

impl Made {
    /// The kind of the object.
    pub fn kind(&self) -> &str {
        group_and_kind(self.request.object()).1
    }
}

/// Fields of a Pod that something else may set before it is judged: a LimitRange, a mutating webhook.
const FILLED_LATER: [&str; 4] = ["runAsUser", "runAsGroup", "fsGroup", "supplementalGroups"];

/// Whether a policy's demand can still be met by what something outside of the input sets; the field that it would set.
pub fn filled_later(violation: &Violation) -> Option<&str> {
    let rule = violation.details.get("rule")?.as_str()?;
    let field = violation.details.get("field")?.as_str().filter(|_| violation.details["found"].is_null())?;
    let filled = match rule {
        "requiredResources" => true,
        rule if FILLED_LATER.contains(&rule) => field.ends_with(&format!("securityContext.{rule}")),
        _ => false,
    };
    filled.then_some(field)
}

#[cfg(test)]
mod tests {
    use gatewright_engine::{ConstraintRef, Request, Violation};
    use gatewright_gatekeeper::Action;
    use gatewright_kube_defaults::Cluster;
    use serde_json::{Value, json};

    use super::{Chain, filled_later};

    fn update(kind: &str, change: &str) -> usize {
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "app"}]}});
        let old = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "web", "annotations": {"a": "b"}},
            "spec": {"template": template}});
        let mut new = old.clone();
        *new.pointer_mut(change).unwrap() = json!("c");
        let request = json!({"operation": "UPDATE", "object": new, "oldObject": old});
        let review =
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
        Chain::of(&Request::from_admission_review(review).unwrap(), &Cluster::default()).0.len()
    }

    #[test]
    fn an_update_counts_if_it_makes_new_pods() {
        for (kind, all) in [("Deployment", 2), ("DaemonSet", 1), ("StatefulSet", 1)] {
            assert_eq!(update(kind, "/metadata/annotations/a"), 0, "{kind}");
            assert_eq!(update(kind, "/spec/template/metadata/labels/a"), all, "{kind}");
            assert_eq!(update(kind, "/spec/template/spec/containers/0/name"), all, "{kind}");
        }
    }

    #[test]
    fn fields_are_found_in_the_controller() {
        let template = json!({"spec": {"containers": [{"name": "app"}]}});
        let job = json!({"spec": {"template": template}});
        let cron_job = json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "a"},
            "spec": {"jobTemplate": job}});
        let chain = Chain::of(&Request::create(cron_job), &Cluster::default());
        assert_eq!(chain.0.iter().map(super::Made::kind).collect::<Vec<_>>(), ["Job", "Pod"]);
        assert_eq!(chain.origin(0, "metadata.labels"), "spec.jobTemplate.metadata.labels");
        assert_eq!(chain.origin(1, "spec.hostPID"), "spec.jobTemplate.spec.template.spec.hostPID");
    }

    #[test]
    fn only_what_is_left_out_can_be_filled_in_later() {
        let found = |rule: &str, field: &str, found: Value| {
            let constraint = ConstraintRef { kind: "K".to_owned(), name: "n".to_owned() };
            let details = json!({"rule": rule, "field": field, "found": found});
            let violation = Violation { constraint, action: Action::Deny, message: String::new(), details };
            filled_later(&violation).is_some()
        };
        let user = "spec.containers[0].securityContext.runAsUser";
        for (rule, field, value, expected) in [
            ("requiredResources", "spec.containers[0].resources.limits.cpu", Value::Null, true),
            ("runAsUser", user, Value::Null, true),
            ("runAsUser", user, json!(0), false),
            ("runAsUser", "spec.containers[0].securityContext.runAsNonRoot", Value::Null, false),
            ("fsGroup", "spec.securityContext.fsGroup", Value::Null, true),
            ("requiredLabels", "metadata.labels[\"a\"]", Value::Null, false),
            ("allowPrivilegeEscalation", "spec.containers[0].securityContext", Value::Null, false),
        ] {
            assert_eq!(found(rule, field, value.clone()), expected, "{rule} {field} {value}");
        }
    }
}
