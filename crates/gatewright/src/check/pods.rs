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

/// The first object that a controller creates, without what only names it.
fn created(controller: &Value) -> Option<Value> {
    generated(controller).map(|made| made.object["spec"].clone())
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
