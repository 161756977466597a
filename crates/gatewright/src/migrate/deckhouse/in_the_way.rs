//! What of Deckhouse's module keeps gatewright from being installed, and in which order to go.

use gatewright_api::names::OWNER_LABEL;
use gatewright_rules::Template;
use serde_json::Value;

use crate::input::Document;
use crate::migrate::document::{Conflict, ObjectName, Step};
use crate::migrate::source::Found;

/// How Deckhouse marks what its module made.
const MODULE_LABEL: (&str, &str) = ("module", "admission-policy-engine");

/// Everything that has to go.
pub fn conflicts(found: &Found) -> Vec<Conflict> {
    let templates = found.templates.iter().filter_map(template);
    let webhooks = found.webhooks.iter().filter(|it| is_of_module(&it.value())).map(|it| Conflict {
        object: name(it),
        detail: None,
        because: "it sends requests to the module's Gatekeeper",
    });
    let mut all: Vec<_> =
        templates.chain(webhooks).chain(found.definitions.iter().filter_map(definition)).collect();
    all.sort();
    all
}

fn name(document: &Document) -> ObjectName {
    ObjectName::new(&document.header.kind, None, &document.header.name)
}

fn is_of_module(object: &Value) -> bool {
    object["metadata"]["labels"][MODULE_LABEL.0] == MODULE_LABEL.1
}

/// A template in the place of one of ours, or one that would enforce the module's rules beside ours.
fn template(document: &Document) -> Option<Conflict> {
    let value = document.value();
    let ours = value["metadata"]["labels"].get(OWNER_LABEL).is_some();
    let same_name = Template::ALL.iter().any(|it| it.name() == document.header.name);
    let because = match (ours, same_name, is_of_module(&value)) {
        (false, true, _) => {
            "gatewright has a template of this name, and never touches one that is not its own"
        }
        (false, false, true) => "it enforces the module's rules beside gatewright's",
        _ => return None,
    };
    Some(Conflict { object: name(document), detail: None, because })
}

/// A definition with another scope than ours would have.
fn definition((kind, namespaced): &(String, bool)) -> Option<Conflict> {
    (kind == "SecurityPolicyException" && !namespaced).then(|| Conflict {
        object: ObjectName::new("CustomResourceDefinition", None, "securitypolicyexceptions.deckhouse.io"),
        detail: Some("scope Cluster".into()),
        because: "it is of an older version of the module: its scope cannot be changed",
    })
}

/// The kinds of Deckhouse's policies, as kubectl calls them.
const RESOURCES: [(&str, &str); 5] = [
    ("SecurityPolicy", "securitypolicies"),
    ("OperationPolicy", "operationpolicies"),
    ("NamespacedSecurityPolicy", "namespacedsecuritypolicies"),
    ("NamespacedOperationPolicy", "namespacedoperationpolicies"),
    ("SecurityPolicyException", "securitypolicyexceptions"),
];

fn step(what: &'static str, commands: &[&str]) -> Step {
    Step { what, commands: commands.iter().map(|it| (*it).to_owned()).collect() }
}

/// What to do, in this order.
pub fn order(found: &Found, conflicts: &[Conflict]) -> Vec<Step> {
    let has = |kind: &str| conflicts.iter().any(|it| it.object.kind.raw() == kind);
    let mut all = vec![
        step("back up", &[&backup(found)]),
        step(
            "write the old meaning out, and read it",
            &["gatewright migrate --from deckhouse -f deckhouse-policies.yaml -o yaml > policies.yaml"],
        ),
        step(
            "stop the module; its Gatekeeper goes with it, and nothing is enforced until the last step",
            &[
                "kubectl patch moduleconfig admission-policy-engine --type=merge -p '{\"spec\":{\"enabled\":false}}'",
            ],
        ),
    ];
    if has("ConstraintTemplate") {
        all.push(step(
            "delete what it left",
            &["kubectl delete constrainttemplates -l heritage=deckhouse,module=admission-policy-engine"],
        ));
    }
    if has("CustomResourceDefinition") {
        all.push(step(
            "delete the exceptions and their definition",
            &["kubectl delete crd securitypolicyexceptions.deckhouse.io"],
        ));
    }
    all.extend(install());
    all
}

/// Everything from the first installation on.
fn install() -> [Step; 4] {
    [
        step(
            "install Gatekeeper",
            &[
                "helm repo add gatekeeper https://open-policy-agent.github.io/gatekeeper/charts",
                "helm install gatekeeper gatekeeper/gatekeeper -n gatekeeper-system --create-namespace",
            ],
        ),
        step(
            "install gatewright, which takes over the CRDs",
            &["helm install gatewright deploy/charts/gatewright -n gatewright-system --create-namespace \
               --take-ownership --set image.repository=REGISTRY/gatewright --set settings.preset=Deckhouse"],
        ),
        step("put the policies in the place of the old ones", &["kubectl replace --force -f policies.yaml"]),
        step("look", &["gatewright status --wait=2m"]),
    ]
}

/// The command that writes all policies to a file.
fn backup(found: &Found) -> String {
    let is_there = |kind: &str| found.policies.iter().any(|document| document.header.kind == kind);
    let there: Vec<_> = RESOURCES.iter().filter(|(kind, _)| is_there(kind)).collect();
    // Where nothing was found, the two that every version of the module has.
    let named = if there.is_empty() { RESOURCES.iter().take(2).collect() } else { there };
    let named: Vec<_> = named.into_iter().map(|(_, plural)| format!("{plural}.deckhouse.io")).collect();
    format!("kubectl get {} -A -o yaml > deckhouse-policies.yaml", named.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{conflicts, order};
    use crate::input::{Document, Location};
    use crate::migrate::source::Found;

    fn document(value: &Value) -> Document {
        Document::made(value, Location { file: "a".into(), line: 1 }).unwrap()
    }

    fn template(name: &str, labels: &Value) -> Value {
        json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
               "metadata": {"name": name, "labels": labels}})
    }

    #[test]
    fn what_is_not_ours_and_has_our_name_or_is_of_the_module_is_in_the_way() {
        let module = json!({"heritage": "deckhouse", "module": "admission-policy-engine"});
        let mut found = Found::default();
        for value in [
            json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "NamespacedSecurityPolicy", "metadata": {"name": "a"}}),
            template("d8denyexecheritage", &module),
            template("d8allowedrepos", &module),
            template("d8securitypolicy", &json!({"gatewright.io/owner": "builtin"})),
            template("k8sallowedrepos", &json!({})),
            json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
                   "metadata": {"name": "d8-admission-policy-engine-config", "labels": module}}),
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                   "metadata": {"name": "securitypolicyexceptions.deckhouse.io"}, "spec": {
                       "group": "deckhouse.io", "scope": "Cluster", "names": {"kind": "SecurityPolicyException"}}}),
        ] {
            found.take(document(&value));
        }
        let all = conflicts(&found);
        let said: Vec<_> = all
            .iter()
            .map(|it| format!("{} {:?}", it.object, it.detail.as_ref().map(ToString::to_string)))
            .collect();
        assert_eq!(
            said,
            [
                "ConstraintTemplate/d8allowedrepos None",
                "ConstraintTemplate/d8denyexecheritage None",
                "CustomResourceDefinition/securitypolicyexceptions.deckhouse.io Some(\"scope Cluster\")",
                "ValidatingWebhookConfiguration/d8-admission-policy-engine-config None",
            ]
        );
        assert_eq!((order(&found, &all).len(), order(&found, &[]).len()), (9, 7));
        let backup =
            "kubectl get namespacedsecuritypolicies.deckhouse.io -A -o yaml > deckhouse-policies.yaml";
        assert_eq!(order(&found, &[])[0].commands, [backup]);
    }
}
