//! What must hold of every rule.

use std::collections::BTreeSet;

use crate::cases::CaseKinds;
use crate::{Definition, Entry, Lib, Owner, PodTemplates, Reach, Rule, Template, WRITES, subresources};

fn definitions() -> impl Iterator<Item = &'static Definition> {
    Template::ALL.iter().map(|template| template.definition())
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    definitions().flat_map(|template| template.rules)
}

fn modules(template: &Definition) -> Vec<&'static str> {
    let libs = template.libs.iter().map(|lib| lib.module());
    libs.chain(template.rules.iter().map(|rule| rule.module)).collect()
}

/// A parameter that no check reads would be a field that is never enforced, and the other way round.
#[test]
fn every_parameter_has_a_check_and_every_check_a_parameter() {
    for template in definitions().filter(|template| matches!(template.owner, Owner::Policy(_))) {
        let schema = (template.parameters)();
        let parameters: BTreeSet<_> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        // These hold for several checks.
        let fields = template.checks().map(|(_, check)| check.field).chain(["podTemplates", "helpUrl"]);
        let checks: BTreeSet<_> = fields.collect();
        assert_eq!(parameters, checks, "{}", template.kind);
    }
}

/// A case without messages would be one that passes, though nobody wrote that.
#[test]
fn every_case_says_what_it_expects() {
    let mut seen = 0;
    for rule in definitions().filter(|definition| matches!(definition.owner, Owner::Policy(_))) {
        for room in rule.rules {
            let templates = concat!(env!("CARGO_MANIFEST_DIR"), "/../../templates");
            let path = format!("{templates}/{}/{}/cases.yaml", rule.folder, room.name);
            let cases: serde_json::Value =
                serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            for case in cases["cases"].as_array().unwrap() {
                assert!(case["violations"].is_array() && case.get("contains").is_none(), "{path}: {case}");
                seen += 1;
            }
        }
    }
    assert!(seen > 300, "{seen}");
}

/// A name that no check has would be a field that nobody is told to wait for.
#[test]
fn checks_that_wait_for_pods() {
    let must = serde_json::json!({"rule": "MustRunAs"});
    let waiting = |parameter: &serde_json::Value| {
        let checks = definitions().flat_map(Definition::checks).map(|(_, check)| check);
        let waits = checks.filter(|check| check.waits_for_pods(parameter));
        waits.map(|check| check.field).collect::<BTreeSet<_>>()
    };
    let always = BTreeSet::from(["automountServiceAccountToken", "requiredResources"]);
    let ids = BTreeSet::from(["fsGroup", "runAsGroup", "runAsUser", "supplementalGroups"]);
    assert_eq!(waiting(&serde_json::Value::Null), always);
    assert_eq!(waiting(&must), &always | &ids);
}

#[test]
fn every_module_says_what_it_is_and_where_it_belongs() {
    for rule in rules() {
        assert!(rule.module.starts_with("# METADATA\n# title: "), "{}", rule.name);
        assert!(rule.module.contains(&format!("\npackage {}\n", rule.package())), "{}", rule.name);
        for check in rule.checks {
            assert!(
                rule.module.contains(&format!("\n{} contains ", check.findings)),
                "{} {}",
                rule.name,
                check.findings
            );
        }
    }
}

/// Gatekeeper accepts an import that nobody supplies, and the rule then never fires.
#[test]
fn every_import_is_supplied_and_every_lib_is_used() {
    for template in definitions() {
        let modules = modules(template);
        let packages: BTreeSet<_> = modules
            .iter()
            .flat_map(|module| module.lines().filter_map(|line| line.strip_prefix("package ")))
            .collect();
        let entry = template.entry();
        let sources = modules.iter().copied().chain([entry.as_str()]);
        let imports: BTreeSet<_> = sources
            .flat_map(|source| source.lines().filter_map(|line| line.strip_prefix("import data.")))
            .collect();
        assert_eq!(imports, packages, "{}", template.kind);
    }
}

/// Forms that OPA and other engines read differently, or that Gatekeeper leaves undefined in silence.
#[test]
fn no_module_uses_a_form_that_is_silently_undefined() {
    for template in definitions() {
        let entry = template.entry();
        for module in modules(template).into_iter().chain([entry.as_str()]) {
            for line in module.lines() {
                assert!(!line.starts_with('('), "{line}");
                assert!(!line.contains("in data.lib."), "{line}");
                assert!(!line.contains("data.lib.") || line.starts_with("import "), "{line}");
                assert!(!line.ends_with(' '), "{line:?}");
            }
        }
    }
}

/// A bare name in a list of imports is the last part of its package, so two rules must not share one.
#[test]
fn names_of_rules_are_unique_in_their_template() {
    for template in definitions() {
        let names: BTreeSet<_> = template.rules.iter().map(|rule| rule.name).collect();
        assert_eq!(names.len(), template.rules.len(), "{}", template.kind);
        let judges_updates = template.operations == WRITES;
        assert_eq!(template.libs.contains(&Lib::Update), judges_updates, "{}", template.kind);
        assert!(!template.operations.is_empty(), "{}: none means all", template.kind);
    }
}

/// The operator looks for a trimmed webhook by these.
#[test]
fn every_subresource_that_a_check_looks_at_is_listed() {
    let reach = Reach { controllers: true, pod_templates: PodTemplates::Strict, unlabelled: true };
    let checks = definitions().flat_map(Definition::checks);
    let routes = checks.flat_map(|(_, check)| check.subject.routes(reach, &serde_json::Value::Null));
    let looked_at: BTreeSet<_> = routes.filter(|route| route.resource.contains('/')).collect();
    assert_eq!(looked_at, subresources().into_iter().collect());
}

#[test]
fn descriptions_of_parameters_are_plain_text() {
    fn walk(value: &serde_json::Value, seen: &mut usize) {
        if let Some(text) = value["description"].as_str() {
            *seen += 1;
            assert!(!text.contains('`') && !text.contains('\n') && !text.contains("[`"), "{text}");
        }
        match value {
            serde_json::Value::Object(fields) => fields.values().for_each(|value| walk(value, seen)),
            serde_json::Value::Array(items) => items.iter().for_each(|value| walk(value, seen)),
            _ => {}
        }
    }
    let mut seen = 0;
    for template in definitions() {
        walk(&(template.parameters)(), &mut seen);
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn kinds_and_folders_tell_templates_apart() {
    for template in Template::ALL {
        assert_eq!(Template::of_kind(template.kind()), Some(*template));
    }
    assert_eq!(Template::of_kind("D8Nothing"), None);
    let folders: BTreeSet<_> = definitions().map(|template| template.folder).collect();
    assert_eq!(folders.len(), Template::ALL.len());
}

#[test]
fn entries_and_schemas() {
    for template in definitions() {
        if template.entry == Entry::Generated {
            insta::assert_snapshot!(format!("{}-entry", template.kind), template.entry());
        }
        insta::assert_yaml_snapshot!(format!("{}-parameters", template.kind), (template.parameters)());
    }
}

#[test]
fn a_case_stands_for_every_kind_of_workload() {
    let case: crate::cases::Case = serde_json::from_value(serde_json::json!({
        "name": "x", "policies": {}, "spec": {"containers": []}, "violations": [],
    }))
    .unwrap();
    assert_eq!(case.kinds, CaseKinds::Any);
    let names: Vec<_> = case.inputs().into_iter().map(|input| input.name).collect();
    assert_eq!(names.len(), 14, "seven kinds, as a request and as audit sees them: {names:?}");
}
