//! What of Deckhouse's module keeps gatewright from being installed, and in which order to go.

use gatewright_api::names::OWNER_LABEL;
use gatewright_rules::Template;
use serde_json::{Value, json};

use crate::input::Document;
use crate::migrate::document::{Conflict, ObjectName, Step};
use crate::migrate::source::Found;

/// How Deckhouse marks what its module made.
pub const MODULE_LABEL: (&str, &str) = ("module", "admission-policy-engine");

/// The name of the module, and of its ModuleConfig.
const MODULE: &str = "admission-policy-engine";

/// Whether it is a definition as the module has it. gatewright puts its own into the place of it, and leaves the labels.
pub fn is_definition_of_module(definition: &Value) -> bool {
    let categories = definition.pointer("/spec/names/categories").and_then(Value::as_array);
    is_of_module(definition) && !categories.is_some_and(|all| all.iter().any(|it| it == "gatewright"))
}

/// Whether anything shows that the module is, or was, in the cluster. A module that is off leaves its ModuleConfig.
pub fn has_traces(found: &Found, conflicts: &[Conflict]) -> bool {
    let is_on = module_config(found).is_some_and(|config| config["spec"]["enabled"] != false);
    let labelled = || found.policies.iter().any(|it| is_of_module(&it.value()));
    is_on || found.is_module_installed || !conflicts.is_empty() || labelled()
}

/// Whether the module may be in what was found: it has traces; or nobody can know, and objects of its group are there.
pub fn may_be_there(found: &Found) -> bool {
    let is_off = module_config(found).is_some_and(|config| config["spec"]["enabled"] == false);
    let is_deckhouse = found.definitions.iter().any(|(kind, _)| kind == "ModuleConfig");
    let unseen = is_deckhouse && found.incomplete.iter().any(|it| MODULE_RIGHTS.contains(&it.needs.as_str()));
    let unknown = if found.is_of_cluster { unseen } else { !found.policies.is_empty() };
    has_traces(found, &conflicts(found)) || (unknown && !is_off)
}

/// Who lacks one of these may not see the module.
const MODULE_RIGHTS: [&str; 2] =
    ["list on moduleconfigs.deckhouse.io", "list on customresourcedefinitions.apiextensions.k8s.io"];

/// The module's ModuleConfig.
pub fn module_config(found: &Found) -> Option<Value> {
    let is_config = |it: &&Document| it.header.kind == "ModuleConfig" && it.header.name == MODULE;
    found.policies.iter().find(is_config).map(Document::value)
}

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
            &[stop(found)],
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
    all.extend(install(found));
    all
}

/// The command that stops the module. A cluster that has no ModuleConfig of it gets one.
fn stop(found: &Found) -> &'static str {
    match module_config(found) {
        Some(_) => {
            "kubectl patch moduleconfig admission-policy-engine --type=merge -p '{\"spec\":{\"enabled\":false}}'"
        }
        None => {
            "echo '{\"apiVersion\":\"deckhouse.io/v1alpha1\",\"kind\":\"ModuleConfig\",\"metadata\":{\"name\":\
             \"admission-policy-engine\"},\"spec\":{\"enabled\":false}}' | kubectl apply --server-side --force-conflicts -f -"
        }
    }
}

/// The module's settings as flags of helm. They have the same names here; what is not as it should be is left out.
fn settings(found: &Found) -> String {
    let config = module_config(found).unwrap_or_default();
    let standards = &config["spec"]["settings"]["podSecurityStandards"];
    let choices: [(&str, &[&str]); 2] = [
        ("defaultPolicy", &["Privileged", "Baseline", "Restricted"]),
        ("enforcementAction", &["Deny", "Warn", "Dryrun"]),
    ];
    let chosen = choices.into_iter().filter_map(|(field, allowed)| {
        let value = allowed.iter().find(|it| standards[field] == **it)?;
        Some(format!(" --set settings.podSecurityStandards.{field}={value}"))
    });
    let ranges = standards.pointer("/policies/hostPorts/knownRanges").and_then(Value::as_array);
    let range = |it: &Value| Some(json!({"min": it["min"].as_i64()?, "max": it["max"].as_i64()?}));
    let ranges: Vec<_> = ranges.into_iter().flatten().filter_map(range).collect();
    let ranges = (!ranges.is_empty()).then(|| {
        let field = "settings.podSecurityStandards.policies.hostPorts.knownRanges";
        format!(" --set-json '{field}={}'", Value::from(ranges))
    });
    chosen.chain(ranges).collect()
}

/// Everything from the first installation on.
fn install(found: &Found) -> [Step; 6] {
    let gatewright = format!(
        "helm install gatewright deploy/charts/gatewright -n gatewright-system --create-namespace --take-ownership \
         --set image.repository=REGISTRY/gatewright --set settings.preset=Deckhouse{}",
        settings(found)
    );
    [
        step(
            "install Gatekeeper",
            &[
                "helm repo add gatekeeper https://open-policy-agent.github.io/gatekeeper/charts",
                "helm install gatekeeper gatekeeper/gatekeeper -n gatekeeper-system --create-namespace",
            ],
        ),
        step(
            "replace the CRDs; their policies stay",
            &["gatewright crds | kubectl apply --server-side --force-conflicts -f -"],
        ),
        step("install gatewright, which takes over the CRDs", &[&gatewright]),
        step(
            "see whether every policy is accepted; it changes nothing",
            &["kubectl apply --server-side --force-conflicts --dry-run=server -f policies.yaml"],
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

    use super::{conflicts, has_traces, order};
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
        assert_eq!((order(&found, &all).len(), order(&found, &[]).len()), (11, 9));
        let backup =
            "kubectl get namespacedsecuritypolicies.deckhouse.io -A -o yaml > deckhouse-policies.yaml";
        assert_eq!(order(&found, &[])[0].commands, [backup]);
    }

    fn found(objects: &[Value]) -> Found {
        let mut found = Found::default();
        for object in objects {
            found.take(document(object));
        }
        found
    }

    fn config(spec: &Value) -> Value {
        json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig",
               "metadata": {"name": "admission-policy-engine"}, "spec": spec})
    }

    #[test]
    fn a_module_leaves_traces() {
        let labels = json!({"heritage": "deckhouse", "module": "admission-policy-engine"});
        let definition = |labels: &Value, categories: Value| {
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
                   "metadata": {"name": "securitypolicies.deckhouse.io", "labels": labels},
                   "spec": {"group": "deckhouse.io", "scope": "Cluster",
                            "names": {"kind": "SecurityPolicy", "categories": categories}}})
        };
        let policy = |labels: &Value| {
            json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy",
                   "metadata": {"name": "a", "labels": labels}})
        };
        for (object, expected) in [
            (policy(&json!({})), false),
            (policy(&labels), true),
            (config(&json!({"enabled": true})), true),
            (config(&json!({})), true),
            (config(&json!({"enabled": false})), false),
            (definition(&labels, json!([])), true),
            (definition(&json!({}), json!([])), false),
            // gatewright has put its own into the place of it.
            (definition(&labels, json!(["gatewright"])), false),
            (template("d8denyexecheritage", &labels), true),
            (template("d8securitypolicy", &json!({"gatewright.io/owner": "builtin"})), false),
        ] {
            let found = found(std::slice::from_ref(&object));
            assert_eq!(has_traces(&found, &conflicts(&found)), expected, "{object}");
        }
    }

    fn commands(found: &Found) -> String {
        let steps = order(found, &[]);
        steps.into_iter().flat_map(|step| step.commands).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_settings_of_the_module_become_flags() {
        let standards = json!({"defaultPolicy": "Restricted", "enforcementAction": "Warn",
                               "policies": {"hostPorts": {"knownRanges": [{"min": 80, "max": 90, "more": "'"}]}}});
        let said = commands(&found(&[config(&json!({"settings": {"podSecurityStandards": standards}}))]));
        let flags = "--set settings.preset=Deckhouse --set settings.podSecurityStandards.defaultPolicy=Restricted \
                     --set settings.podSecurityStandards.enforcementAction=Warn --set-json \
                     'settings.podSecurityStandards.policies.hostPorts.knownRanges=[{\"max\":90,\"min\":80}]'\n";
        assert!(said.contains(flags) && said.contains("kubectl patch moduleconfig"), "{said}");
        // Nothing that is none of the values goes into a shell.
        let wrong = json!({"defaultPolicy": "$(reboot)", "policies": {"hostPorts": {"knownRanges": ["'"]}}});
        let said = commands(&found(&[config(&json!({"settings": {"podSecurityStandards": wrong}}))]));
        assert!(said.contains("settings.preset=Deckhouse\n"), "{said}");
        // What does not exist cannot be patched.
        let said = commands(&Found::default());
        assert!(said.contains("| kubectl apply --server-side") && !said.contains("kubectl patch"), "{said}");
    }

    /// Who replaces policies deletes them first.
    #[test]
    fn policies_are_tried_before_they_are_replaced_and_definitions_before_helm_comes() {
        let said = commands(&Found::default());
        let at = |part: &str| said.find(part).unwrap_or_else(|| panic!("no {part}: {said}"));
        assert!(
            at("gatewright crds | kubectl apply --server-side --force-conflicts") < at("--take-ownership")
        );
        assert!(at("--dry-run=server -f policies.yaml") < at("kubectl replace --force"));
    }
}
