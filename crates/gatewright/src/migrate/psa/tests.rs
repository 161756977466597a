use gatewright_compiler::{PodPolicy, Settings, standards};
use serde_json::{Value, json};
use strum::IntoEnumIterator as _;

use super::{LEVELS, Plan, examine};
use crate::cluster::Unseen;
use crate::input::{Document, Location};
use crate::migrate::source::Found;

/// Pod Security admission and our label have the same levels, in the same order.
#[test]
fn the_levels_are_those_of_our_label() {
    assert_eq!(PodPolicy::iter().map(|it| it.as_ref().to_owned()).collect::<Vec<_>>(), LEVELS);
}

const OUR_LEVEL: &str = "!security.deckhouse.io/pod-policy";
const OUR_ACTION: &str = "!security.deckhouse.io/pod-policy-action";

fn found(objects: &[Value]) -> Found {
    let mut found = Found::default();
    for object in objects {
        found.take(Document::made(object, Location { file: "a".into(), line: 1 }).unwrap());
    }
    found
}

/// A namespace with labels: those after ! are ours, the others those of Pod Security admission.
fn namespace(name: &str, labels: &[(&str, &str)]) -> Value {
    let labels: serde_json::Map<_, _> = labels
        .iter()
        .map(|(key, value)| match key.strip_prefix('!') {
            Some(key) => (key.to_owned(), json!(value)),
            None => (format!("pod-security.kubernetes.io/{key}"), json!(value)),
        })
        .collect();
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

/// What is said of a namespace: what it becomes, the numbers, and in brackets the labels that are written.
fn said_of(found: &Found, settings: Option<&str>) -> Option<String> {
    said_with(found, settings.unwrap_or_default(), if settings.is_some() { Plan::File } else { Plan::Order })
}

fn said_with(found: &Found, settings: &str, plan: Plan) -> Option<String> {
    let settings = Settings::from_yaml(settings, "gatewright-system").unwrap();
    let mut all = examine(found, &settings, plan);
    assert!(all.len() < 2);
    let one = all.pop()?;
    let ids: Vec<_> = one.migrated.differences.iter().map(|it| it.id.as_str()).collect();
    let becomes = one.migrated.becomes.map(|it| it.to_string()).unwrap_or_default();
    let labels = one.written.map(|it| it["metadata"]["labels"].clone());
    let written = labels.as_ref().and_then(Value::as_object).into_iter().flatten();
    let written: Vec<_> = written.map(|(key, value)| format!("{key}={}", value.as_str().unwrap())).collect();
    let written = if written.is_empty() { String::new() } else { format!("[{}]", written.join(" ")) };
    let ids = ids.join(" ");
    let parts = [becomes, ids, written].into_iter().filter(|part| !part.is_empty());
    Some(parts.collect::<Vec<_>>().join(" ").replace("security.deckhouse.io/pod-policy", "P"))
}

fn said(name: &str, labels: &[(&str, &str)], settings: &str) -> Option<String> {
    let said = said_of(&found(&[namespace(name, labels)]), Some(settings))?;
    Some(said.split('[').next().unwrap().trim().to_owned())
}

#[test]
fn labels_become_labels_and_what_differs_is_named() {
    for (labels, expected) in [
        (&[("enforce", "restricted")][..], Some("P=restricted, P-action=deny")),
        (&[("enforce", "baseline"), ("enforce-version", "latest")], Some("P=baseline, P-action=deny")),
        (&[("enforce", "privileged")], Some("P=privileged")),
        (&[("enforce", "baseline"), ("warn", "restricted")], Some("P=baseline, P-action=deny P1")),
        (&[("enforce", "restricted"), ("warn", "baseline")], Some("P=restricted, P-action=deny")),
        (&[("enforce", "privileged"), ("warn", "baseline")], Some("P=baseline, P-action=warn")),
        (&[("warn", "baseline"), ("audit", "restricted")], Some("P=baseline, P-action=warn P1")),
        (&[("audit", "restricted")], Some("P=restricted, P-action=dryrun")),
        (&[("enforce", "baseline"), ("enforce-version", "v1.29")], Some("P=baseline, P-action=deny P2")),
        (&[("enforce", "resticted")], Some("P=restricted, P-action=deny P4")),
        (&[], Some("P3")),
        (&[(OUR_LEVEL, "restricted")], None),
        // A label that means nothing leaves the default.
        (&[(OUR_LEVEL, "nonsense")], Some("P3")),
        (&[("enforce", "baseline"), (OUR_LEVEL, "nonsense")], Some("P=baseline, P-action=deny")),
        // What is stricter stays.
        (&[("enforce", "baseline"), (OUR_LEVEL, "restricted")], Some("P=restricted, P-action=deny P8")),
        (
            &[("enforce", "baseline"), (OUR_LEVEL, "restricted"), (OUR_ACTION, "warn")],
            Some("P=restricted, P-action=warn P8"),
        ),
        (&[("warn", "baseline"), (OUR_LEVEL, "baseline")], Some("P=baseline, P-action=deny P8")),
        (
            &[("warn", "restricted"), (OUR_LEVEL, "baseline"), (OUR_ACTION, "deny")],
            Some("P=baseline, P-action=deny P8"),
        ),
        (
            &[("enforce", "restricted"), (OUR_LEVEL, "restricted"), (OUR_ACTION, "warn")],
            Some("P=restricted, P-action=deny"),
        ),
        (&[("enforce", "restricted"), (OUR_LEVEL, "privileged")], Some("P=restricted, P-action=deny")),
        // What says the same already is done.
        (&[("enforce", "restricted"), (OUR_LEVEL, "restricted"), (OUR_ACTION, "deny")], None),
        (&[("enforce", "baseline"), (OUR_LEVEL, "baseline")], None),
        (&[("enforce", "privileged"), (OUR_LEVEL, "privileged"), (OUR_ACTION, "warn")], None),
        (
            &[("enforce", "baseline"), ("enforce-version", "v1.29"), (OUR_LEVEL, "baseline")],
            Some("P=baseline, P-action=deny P2"),
        ),
    ] {
        assert_eq!(said("shop", labels, "").as_deref(), expected, "{labels:?}");
    }
}

#[test]
fn system_namespaces_are_left_alone_and_a_default_that_admits_everything_differs_from_nothing() {
    assert_eq!(said("kube-system", &[("enforce", "baseline")], "").as_deref(), Some("P5"));
    assert_eq!(said("kube-system", &[("enforce", "privileged")], ""), None);
    assert_eq!(said("kube-system", &[], ""), None);
    assert_eq!(said("shop", &[], "podSecurityStandards: {defaultPolicy: Privileged}"), None);
}

fn module(spec: &Value) -> Vec<Value> {
    vec![json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig",
                "metadata": {"name": "admission-policy-engine"}, "spec": spec})]
}

fn module_with(standards: &Value) -> Vec<Value> {
    module(&json!({"enabled": true, "settings": {"podSecurityStandards": standards}}))
}

/// The constraints of gatewright with these settings.
fn gatewright(settings: &str) -> Vec<Value> {
    let settings = Settings::from_yaml(settings, "gatewright-system").unwrap();
    standards(&settings).iter().map(|constraint| json!(constraint)).collect()
}

/// Whoever holds a standard today holds it afterwards: nothing is written that is weaker, and where another default
/// holds that is named.
#[test]
fn what_holds_today_is_never_switched_off() {
    let restricted = "podSecurityStandards: {defaultPolicy: Restricted}";
    let warning = "podSecurityStandards: {enforcementAction: Warn}";
    let privileged = "podSecurityStandards: {defaultPolicy: Privileged}";
    let template = json!({"apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": "d8podsecuritystandard", "labels": {"gatewright.io/owner": "builtin"}}});
    let policy =
        json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": "a"}});
    let mut wrong = vec![];
    for (today, labels, settings, expected) in [
        // Deckhouse's module with a default: gatewright is installed with the same.
        (module_with(&json!({"defaultPolicy": "Restricted"})), &[][..], None, None),
        (module_with(&json!({"defaultPolicy": "Baseline", "enforcementAction": "Warn"})), &[], None, None),
        (module_with(&json!({"defaultPolicy": "Privileged"})), &[], None, None),
        // With a default that a settings file has not.
        (
            module_with(&json!({"defaultPolicy": "Restricted"})),
            &[],
            Some(""),
            Some("P10 [P=restricted P-action=deny]"),
        ),
        (module_with(&json!({"defaultPolicy": "Privileged"})), &[], Some(""), Some("P10 [P=privileged]")),
        (module_with(&json!({"defaultPolicy": "Restricted"})), &[], Some(restricted), None),
        // With one that nobody knows.
        (module_with(&json!({})), &[], None, Some("P10")),
        (module(&json!({"enabled": true})), &[], None, Some("P10")),
        (vec![policy], &[], None, Some("P10")),
        (module(&json!({"enabled": false})), &[], None, Some("P3 [P=privileged]")),
        // A label of Deckhouse's chooses a standard here, too.
        (module_with(&json!({"defaultPolicy": "Restricted"})), &[(OUR_LEVEL, "baseline")], None, None),
        (
            module_with(&json!({"defaultPolicy": "Baseline", "enforcementAction": "Warn"})),
            &[(OUR_LEVEL, "restricted")],
            Some(""),
            Some("P10 [P=restricted P-action=warn]"),
        ),
        // A mode that is laxer than what holds.
        (module_with(&json!({"defaultPolicy": "Restricted"})), &[("enforce", "baseline")], None, Some("P8")),
        (
            module_with(&json!({"defaultPolicy": "Restricted"})),
            &[("enforce", "privileged")],
            None,
            Some("P8"),
        ),
        (module_with(&json!({"defaultPolicy": "Restricted"})), &[("warn", "restricted")], None, Some("P8")),
        (
            module_with(&json!({"defaultPolicy": "Restricted"})),
            &[("enforce", "baseline")],
            Some(""),
            Some("P=restricted, P-action=deny P8 P10 [P=restricted P-action=deny]"),
        ),
        // One that is as strict, or stricter.
        (module_with(&json!({"defaultPolicy": "Restricted"})), &[("enforce", "restricted")], None, None),
        (
            module_with(&json!({"defaultPolicy": "Baseline"})),
            &[("enforce", "restricted")],
            None,
            Some("P=restricted, P-action=deny [P=restricted P-action=deny]"),
        ),
        // One beside a default that nobody knows: it is Privileged or Baseline.
        (module_with(&json!({})), &[("enforce", "privileged")], None, Some("P10")),
        (module_with(&json!({})), &[("warn", "baseline")], None, Some("P10")),
        (
            module_with(&json!({})),
            &[("enforce", "baseline")],
            None,
            Some("P=baseline, P-action=deny [P=baseline P-action=deny]"),
        ),
        // gatewright itself.
        (gatewright(""), &[], None, None),
        (gatewright(restricted), &[], None, None),
        (vec![template], &[], None, None),
        (gatewright(restricted), &[("enforce", "baseline")], None, Some("P8")),
        (gatewright(restricted), &[("enforce", "restricted")], None, None),
        (gatewright(warning), &[("audit", "baseline")], None, Some("P8")),
        (
            gatewright(warning),
            &[("enforce", "baseline")],
            None,
            Some("P=baseline, P-action=deny [P=baseline P-action=deny]"),
        ),
        (gatewright(privileged), &[("enforce", "privileged")], None, None),
        (gatewright(privileged), &[], None, None),
        (
            gatewright(privileged),
            &[("warn", "restricted")],
            None,
            Some("P=restricted, P-action=warn [P=restricted P-action=warn]"),
        ),
        // Nobody.
        (vec![], &[], None, Some("P3 [P=privileged]")),
        (vec![], &[], Some(restricted), Some("P3 [P=privileged]")),
        (
            vec![],
            &[("enforce", "baseline")],
            Some(restricted),
            Some("P=baseline, P-action=deny [P=baseline P-action=deny]"),
        ),
    ] {
        let mut objects = today.clone();
        objects.push(namespace("shop", labels));
        let said = said_of(&found(&objects), settings);
        if said.as_deref() != expected {
            wrong.push(format!("{said:?}, not {expected:?}: {labels:?} {settings:?} {today:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a user may not see may be stricter.
#[test]
fn a_module_that_may_not_be_seen_may_hold_any_standard() {
    let mut found = found(&[namespace("shop", &[("enforce", "baseline")])]);
    found.is_of_cluster = true;
    found.definitions.push(("ModuleConfig".to_owned(), false));
    assert_eq!(
        said_of(&found, None).as_deref(),
        Some("P=baseline, P-action=deny [P=baseline P-action=deny]")
    );
    let needs = "list on moduleconfigs.deckhouse.io".to_owned();
    found.incomplete.push(Unseen { what: "ModuleConfigs".to_owned(), needs });
    assert_eq!(said_of(&found, None).as_deref(), Some("P10"));
}

/// Where nobody says in which order to go, nobody sets gatewright's default either.
#[test]
fn without_an_order_the_defaults_are_compared() {
    let mut objects = module_with(&json!({"defaultPolicy": "Restricted"}));
    objects.push(namespace("shop", &[]));
    let said = said_with(&found(&objects), "", Plan::Defaults);
    assert_eq!(said.as_deref(), Some("P10 [P=restricted P-action=deny]"));
    objects.pop();
    objects.push(namespace("d8-ingress", &[]));
    assert_eq!(said_with(&found(&objects), "", Plan::Defaults), None);
    // A settings file without the preset: nothing holds there today.
    assert_eq!(said_with(&found(&objects), "", Plan::File).as_deref(), Some("P3 [P=privileged]"));
}

/// With the preset that Deckhouse's clusters get, d8-* are system namespaces.
#[test]
fn system_namespaces_of_deckhouse_are_none_of_ours() {
    let mut objects = module_with(&json!({}));
    objects.push(namespace("d8-ingress", &[]));
    assert_eq!(said_of(&found(&objects), None), None);
    objects.pop();
    objects.push(namespace("d8-ingress", &[("enforce", "baseline")]));
    assert_eq!(said_of(&found(&objects), None).as_deref(), Some("P5"));
}

/// Where Gatekeeper is not asked nothing takes the place of Pod Security admission.
#[test]
fn exempt_namespaces_lose_what_pod_security_admission_enforces() {
    let config = |name: &str, namespace: &str, process: &str| {
        json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
               "metadata": {"name": name, "namespace": namespace},
               "spec": {"match": [{"excludedNamespaces": ["legacy-*"], "processes": [process]}]}})
    };
    let ignored = "!admission.gatekeeper.sh/ignore";
    let gatekeeper = "gatekeeper-system";
    let label = "namespace shop carries the label admission.gatekeeper.sh/ignore";
    let by_config = "Gatekeeper's Config exempts namespaces legacy-* from admission";
    for (config, name, labels, expected) in [
        (
            config("config", gatekeeper, "*"),
            "shop",
            &[("enforce", "baseline"), (ignored, "x")][..],
            Some(label),
        ),
        (config("config", gatekeeper, "*"), "shop", &[("audit", "baseline"), (ignored, "")], Some(label)),
        (config("config", gatekeeper, "*"), "legacy-a", &[("enforce", "restricted")], Some(by_config)),
        (config("config", gatekeeper, "webhook"), "legacy-a", &[("enforce", "baseline")], Some(by_config)),
        // Audit alone, another Config, and what admits everything.
        (config("config", gatekeeper, "audit"), "legacy-a", &[("enforce", "baseline")], None),
        (config("other", gatekeeper, "*"), "legacy-a", &[("enforce", "baseline")], None),
        (config("config", "other", "*"), "legacy-a", &[("enforce", "baseline")], None),
        (config("config", gatekeeper, "*"), "legacy-a", &[("enforce", "privileged")], None),
        (config("config", gatekeeper, "*"), "legacy-a", &[], None),
    ] {
        let found = found(&[config, namespace(name, labels)]);
        let settings = Settings::from_yaml("", "gatewright-system").unwrap();
        let all = examine(&found, &settings, Plan::Defaults);
        let entry = all.first().and_then(|it| it.migrated.differences.first());
        let reason = entry.filter(|it| it.id == "P9").map(|it| it.after.raw().to_owned());
        assert_eq!(reason.is_some(), expected.is_some(), "{name} {labels:?}");
        if let (Some(reason), Some(expected)) = (&reason, expected) {
            assert!(reason.ends_with(expected), "{reason}");
            let one = &all[0];
            assert!(one.written.is_none() && one.migrated.becomes.is_none(), "{name}");
        }
    }
    // Gatekeeper's own namespace and the operator's are system namespaces.
    for name in [gatekeeper, "gatewright-system"] {
        assert_eq!(said(name, &[("enforce", "baseline")], "").as_deref(), Some("P5"));
    }
}
