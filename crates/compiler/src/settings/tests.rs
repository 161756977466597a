use super::keys::KEYS;
use super::{LogLevel, PodPolicy, Preset, Settings, StandardVersion, settings_reference};
use crate::{GuardMode, PodTemplates};
use gatewright_api::text::HelpUrl;
use gatewright_gatekeeper::Action;
use serde_json::json;

const NAMESPACE: &str = "gatewright-system";

fn read(text: &str) -> Result<Settings, String> {
    Settings::from_yaml(text, NAMESPACE).map_err(|invalid| invalid.to_string().replace("; line", "\nline"))
}

#[test]
fn a_file_that_says_nothing_is_the_default() {
    for text in ["", "# nothing\n", "{}", "gatekeeper:\n", "podSecurityStandards:\n  # version: v1.30\n"] {
        assert_eq!(read(text), Ok(Settings::default()), "{text}");
    }
}

#[test]
fn the_documented_defaults_are_the_types() {
    let mut count = 0;
    for key in KEYS {
        let Some(default) = key.default.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) else {
            continue;
        };
        if default.contains('`') {
            continue;
        }
        let names = key.path.split('.').enumerate();
        let lines: Vec<_> = names.map(|(depth, name)| format!("{}{name}:", "  ".repeat(depth))).collect();
        let text = format!("{} {default}\n", lines.join("\n"));
        assert_eq!(read(&text), Ok(Settings::default()), "{text}");
        count += 1;
    }
    assert!(count > 10, "{count}");
    let names = KEYS.iter().find(|key| key.path == "systemNamespaces").unwrap().default;
    for name in Settings::default().system_namespaces {
        assert!(names.contains(&format!("`{name}`")), "{name}");
    }
}

/// The settings take words in any case; what they print and say is the spelling of the table.
#[test]
fn words_are_taken_in_any_case() {
    for (lines, known, wrong, said) in [
        ("podSecurityStandards:\n  enforcementAction", "Warn", "Refuse", "Deny, Warn, Dryrun"),
        (
            "podSecurityStandards:\n  defaultPolicy",
            "Restricted",
            "Strict",
            "Privileged, Baseline, Restricted",
        ),
        ("execGuard:\n  mode", "Always", "On", "Auto, Always, Off"),
        ("execGuard:\n  unknownPods", "allow", "refuse", "deny, allow"),
        ("routing:\n  connect", "force", "on", "auto, force, off"),
        ("log:\n  level", "debug", "loud", "error, warn, info, debug, trace"),
    ] {
        let expected = read(&format!("{lines}: {known}\n")).unwrap();
        assert_ne!(expected, Settings::default(), "{lines}");
        for word in [known.to_lowercase(), known.to_uppercase()] {
            assert_eq!(read(&format!("{lines}: {word}\n")).as_ref(), Ok(&expected), "{lines}: {word}");
        }
        let error = read(&format!("{lines}: {wrong}\n")).unwrap_err();
        assert!(error.ends_with(&format!("is not one of {said}")), "{error}");
    }
}

#[test]
fn every_key_changes_something() {
    let full = include_str!("../../../../deploy/settings.yaml");
    let without_marks: String = full
        .lines()
        .filter_map(|line| line.strip_prefix("#:").or_else(|| (!line.starts_with('#')).then_some(line)))
        .flat_map(|line| [line, "\n"])
        .collect();
    let settings = read(&without_marks).unwrap();
    assert_eq!(read(full), Ok(Settings::default()), "the example as delivered is the default");
    let default = Settings::default();
    assert_eq!(settings.system_namespaces, ["kube-system", "platform-*"]);
    assert_eq!(settings.gatekeeper_namespace, "gatekeeper");
    assert_eq!(settings.operator_namespace, NAMESPACE);
    assert_eq!(settings.routing.upstream.as_deref(), Some("gatekeeper-webhook"));
    assert_eq!(settings.standards.default_policy, PodPolicy::Restricted);
    assert_eq!(settings.standards.enforcement_action, Action::Warn);
    assert_eq!(settings.standards.version, StandardVersion::V1(36));
    assert_eq!(settings.standards.known_host_ports.len(), 1);
    assert_eq!(settings.standards.help_url, HelpUrl::try_from("https://wiki.example.com/pods").ok());
    assert!(!settings.standards.user_namespaces_relaxation && !settings.controller_validation);
    assert_eq!(settings.pod_templates, PodTemplates::Strict);
    assert_eq!(settings.exec_guard.mode, GuardMode::Off);
    assert_ne!(settings.exec_guard.unknown_pods, default.exec_guard.unknown_pods);
    assert_ne!(settings.routing.connect, default.routing.connect);
    assert_ne!(settings.routing.delete, default.routing.delete);
    assert!(!settings.reports.enabled && settings.reports.max_results == 100);
    let signatures = &settings.signatures;
    assert!(signatures.is_enabled() && signatures.url.is_some() && !signatures.client_auth);
    assert_eq!((signatures.allowed_networks.len(), signatures.registries.len()), (1, 2));
    assert_eq!(settings.log_level, Some(LogLevel::Debug));
    for key in KEYS {
        let last = key.path.rsplit('.').next().unwrap();
        assert!(without_marks.contains(&format!("{last}:")), "{} is not in the example", key.path);
    }
}

/// Addresses may have a user and a password: none comes through, in whatever field it stands.
#[test]
fn no_password_of_an_address_is_repeated() {
    for text in
        ["https://u:CANARY@wiki.example/", "u:CANARY@r.io/a b", " U:CANARY@r.io", "https://CANARY@r.io/\n"]
    {
        for key in KEYS {
            for value in [json!(text), json!([text])] {
                let file = key.path.rsplit('.').fold(value, |value, part| json!({part: value}));
                let said = read(&file.to_string()).err().unwrap_or_default();
                assert!(!said.contains("CANARY"), "{said}");
            }
        }
        let wrong =
            json!({"host": text, "mirrors": [text], "tokenHosts": [text], "insecure": text, "ca": text});
        let said = read(&json!({"signatures": {"registries": [wrong]}}).to_string()).unwrap_err();
        assert!(
            said.contains("tokenHosts: a text with @ is not a host") && !said.contains("CANARY"),
            "{said}"
        );
    }
}

#[test]
fn a_preset_holds_wherever_it_stands() {
    let deckhouse = Settings { operator_namespace: NAMESPACE.to_owned(), ..Preset::Deckhouse.into() };
    assert!(deckhouse.system_namespaces.contains(&"d8-*".to_owned()));
    assert_eq!(read("preset: Deckhouse"), Ok(deckhouse.clone()));
    assert_eq!(read("gatekeeper: {namespace: gatekeeper-system}\npreset: deckhouse"), Ok(deckhouse));
    assert_eq!(read("systemNamespaces: [a]\npreset: Deckhouse").unwrap().system_namespaces, ["a"]);
}

#[test]
fn every_problem_is_told_at_once_with_its_line() {
    let text = "\
preset: Dekhouse
systemNamespaces: [kube-system, 'Ku*be', '*']
gatekeper:
  namespace: x
podSecurityStandards:
  defaultPolicy: resticted
  enforcementAction:
  version: 1.30
  hostPorts: []
  policies:
    hostPorts:
      knownRanges:
      - {min: 90, max: 80}
      - {min: 0, max: 80}
      - {min: 1, maximum: 80}
  controllerValidation: yes
execGuard: off
routing:
  connect: true
reports:
  maxResults: 0
";
    insta::assert_snapshot!(read(text).unwrap_err());
}

#[test]
fn what_is_no_yaml_says_where() {
    for (text, line) in [
        ("a: [", "line "),
        ("preset: None\npreset: None\n", "line 2"),
        ("- a", "line 1"),
        ("preset: None\n---\npreset: None\n", ""),
    ] {
        let said = read(text).unwrap_err();
        assert!(said.starts_with(line) && !said.contains('\n'), "{said}");
    }
}

/// `INSTA_UPDATE` does not write this one: paste the table.
#[test]
fn the_documentation_has_every_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
    let documented = std::fs::read_to_string(path).unwrap();
    let table = settings_reference();
    assert!(documented.contains(&table), "docs/settings.md should contain this table:\n{table}");
}
