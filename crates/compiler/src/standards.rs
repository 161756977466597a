//! The Pod Security Standards: six constraints, which the labels of namespaces choose.

use std::collections::BTreeMap;

use gatewright_gatekeeper::{Action, Constraint, ConstraintSpec, Match, Route};
use gatewright_rules::pod_security_standard::{LOOKS_AT, Level, Parameters};
use gatewright_rules::{Reach, Subject, Template, kinds};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use serde_json::Value;
use strum::IntoEnumIterator as _;

use crate::{PodPolicy, Settings, Standards, builtin, namespaces};

/// The label of a namespace that chooses the standard.
pub const POLICY_LABEL: &str = "security.deckhouse.io/pod-policy";
/// The label of a namespace that chooses what happens to a violation.
pub const ACTION_LABEL: &str = "security.deckhouse.io/pod-policy-action";

/// The constraints of the standards, one for each level and action. All exist always, so that a label takes effect
/// with the next request.
#[must_use]
pub fn standards(settings: &Settings) -> Vec<Constraint> {
    let of_level = |level| Action::ALL.into_iter().map(move |action| standard(settings, level, action));
    Level::iter().flat_map(of_level).collect()
}

/// The requests that the API server must ask Gatekeeper about for the standards.
#[must_use]
pub fn standards_routes(settings: &Settings) -> Vec<Route> {
    Subject::Pod(LOOKS_AT).routes(reach(settings), &Value::Null)
}

/// The standards pick namespaces, never objects by their labels.
const fn reach(settings: &Settings) -> Reach {
    Reach {
        controllers: settings.controller_validation,
        pod_templates: settings.pod_templates,
        unlabelled: true,
    }
}

fn standard(settings: &Settings, level: Level, action: Action) -> Constraint {
    let looked_at = Subject::Pod(LOOKS_AT).kinds(reach(settings), &Value::Null);
    let r#match = Match {
        kinds: kinds::match_kinds(&looked_at),
        scope: "Namespaced",
        excluded_namespaces: namespaces::system(settings),
        namespace_selector: Some(chosen(settings, level, action)),
        ..Match::default()
    };
    let standards = &settings.standards;
    let parameters = Parameters {
        level,
        version: standards.version.to_string(),
        known_host_ports: standards.known_host_ports.clone(),
        user_namespaces_relaxation: standards.user_namespaces_relaxation,
        help_url: standards.help_url.as_ref().map(ToString::to_string),
    };
    let name = format!("d8-pod-security-{}-{action}", level.as_ref());
    let spec =
        ConstraintSpec { enforcement_action: action, r#match, parameters: serde_json::json!(parameters) };
    let metadata = ObjectMeta { name: Some(name), ..builtin() };
    Constraint::new(Template::PodSecurityStandard.kind(), metadata, spec)
}

/// The namespaces whose labels, or the defaults where these say nothing, choose a level and an action.
fn chosen(settings: &Settings, level: Level, action: Action) -> LabelSelector {
    let default = &settings.standards;
    let policies: Vec<_> = PodPolicy::iter().map(|policy| policy.as_ref().to_owned()).collect();
    LabelSelector {
        match_expressions: Some(vec![
            has(POLICY_LABEL, level.as_ref(), default.default_policy.as_ref(), &policies),
            has(ACTION_LABEL, action.name(), default.enforcement_action.name(), &actions()),
        ]),
        match_labels: None,
    }
}

/// The values of the label for an action.
fn actions() -> Vec<String> {
    Action::ALL.iter().map(ToString::to_string).collect()
}

/// A label of a namespace whose value is none of those that mean something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the label {key} has the value {found:?}, which means nothing; allowed: {allowed}; {default} holds, the default"
)]
pub struct MeaninglessLabel {
    /// The label.
    pub key: &'static str,
    /// Its value.
    pub found: String,
    /// The values that mean something.
    pub allowed: String,
    /// What holds instead.
    pub default: String,
}

/// The labels that are meant to choose a standard or an action, and do not.
#[must_use]
pub fn meaningless_labels(labels: &BTreeMap<String, String>, default: &Standards) -> Vec<MeaninglessLabel> {
    let policies: Vec<_> = PodPolicy::iter().map(|policy| policy.as_ref().to_owned()).collect();
    let choices = [
        (POLICY_LABEL, policies, default.default_policy.as_ref().to_owned()),
        (ACTION_LABEL, actions(), default.enforcement_action.to_string()),
    ];
    let meaningless = |(key, allowed, default): (&'static str, Vec<String>, String)| {
        let found = labels.get(key).filter(|value| !allowed.contains(value))?.clone();
        Some(MeaninglessLabel { key, found, allowed: allowed.join(", "), default })
    };
    choices.into_iter().filter_map(meaningless).collect()
}

/// The default is whatever is none of the other valid values, so that a value that means nothing falls to it.
fn has(key: &str, value: &str, default: &str, valid: &[String]) -> LabelSelectorRequirement {
    let (operator, values) = if value == default {
        ("NotIn", valid.iter().filter(|other| *other != value).cloned().collect())
    } else {
        ("In", vec![value.to_owned()])
    };
    LabelSelectorRequirement { key: key.to_owned(), operator: operator.to_owned(), values: Some(values) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{ACTION_LABEL, POLICY_LABEL, meaningless_labels, standards};
    use crate::{PodPolicy, Preset, Settings, Standards};
    use gatewright_api::text::HelpUrl;
    use gatewright_gatekeeper::{Action, Constraint, NamespaceGlob};
    use gatewright_rules::security_policy::host_network::Range;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn six_constraints() {
        let mut settings = Settings::new(Preset::Deckhouse, "d8-admission-policy-engine", "d8-gatewright");
        settings.standards.known_host_ports = vec![Range { min: 30000, max: 32767 }];
        settings.standards.version = "v1.35".parse().unwrap();
        insta::assert_yaml_snapshot!(standards(&settings));
    }

    #[test]
    fn without_controller_validation_only_pods_are_judged() {
        let settings = Settings { controller_validation: false, ..Settings::default() };
        for constraint in standards(&settings) {
            let kinds = serde_json::to_value(&constraint.spec.r#match.kinds).unwrap();
            assert_eq!(kinds, serde_json::json!([{"apiGroups": [""], "kinds": ["Pod"]}]));
        }
    }

    #[rstest]
    #[case("latest", true, false)]
    #[case("v1.0", true, false)]
    #[case("v1.37", true, false)]
    #[case("v1.38", true, true)]
    #[case("v1.07", false, false)]
    #[case("v1.+7", false, false)]
    #[case("v1.", false, false)]
    #[case("1.35", false, false)]
    #[case("Latest", false, false)]
    fn versions(#[case] text: &str, #[case] valid: bool, #[case] unknown: bool) {
        let version = text.parse::<crate::StandardVersion>();
        assert_eq!(version.is_ok(), valid);
        assert_eq!(version.is_ok_and(crate::StandardVersion::is_unknown), unknown);
        assert!(version.is_err() || version.unwrap().to_string() == text);
    }

    /// Label selectors as Kubernetes defines them, as far as we use them.
    fn reaches(constraint: &Constraint, namespace: &str, labels: &BTreeMap<&str, &str>) -> bool {
        let matcher = &constraint.spec.r#match;
        let excluded = matcher.excluded_namespaces.iter().any(|p| NamespaceGlob::new(p).matches(namespace));
        let selector = matcher.namespace_selector.as_ref().unwrap();
        let requirements = selector.match_expressions.as_ref().unwrap();
        !excluded
            && requirements.iter().all(|requirement| {
                let value = labels.get(requirement.key.as_str());
                let listed =
                    value.is_some_and(|value| requirement.values.iter().flatten().any(|one| one == value));
                match requirement.operator.as_str() {
                    "In" => listed,
                    "NotIn" => !listed,
                    other => panic!("{other}"),
                }
            })
    }

    /// What the contract says, in other words than the selectors': the constraint that holds, if any.
    fn expected(policy: Option<&str>, action: Option<&str>, settings: &Standards) -> Option<String> {
        let policy = match policy {
            Some(policy @ ("privileged" | "baseline" | "restricted")) => policy.to_owned(),
            _ => settings.default_policy.as_ref().to_owned(),
        };
        let action = match action {
            Some(action @ ("deny" | "warn" | "dryrun")) => action.to_owned(),
            _ => settings.enforcement_action.to_string(),
        };
        (policy != "privileged").then(|| format!("d8-pod-security-{policy}-{action}"))
    }

    #[rstest]
    #[case(&[], &[])]
    #[case(&[(POLICY_LABEL, "restricted"), (ACTION_LABEL, "warn"), ("app", "Restricted")], &[])]
    #[case(&[(POLICY_LABEL, "Restricted")], &[
        "the label security.deckhouse.io/pod-policy has the value \"Restricted\", which means nothing; allowed: \
         privileged, baseline, restricted; baseline holds, the default",
    ])]
    #[case(&[(ACTION_LABEL, "")], &[
        "the label security.deckhouse.io/pod-policy-action has the value \"\", which means nothing; allowed: deny, \
         warn, dryrun; deny holds, the default",
    ])]
    fn values_that_mean_nothing_are_named(#[case] labels: &[(&str, &str)], #[case] expected: &[&str]) {
        let labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let found = meaningless_labels(&labels, &Standards::default());
        assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
    }

    fn label(valid: &'static [&'static str]) -> impl Strategy<Value = Option<&'static str>> {
        let meaningless = ["", "Restricted", "resticted", "Deny", "none", "privileged "];
        prop::option::of(prop::sample::select([valid, &meaningless].concat()))
    }

    #[test]
    fn each_standard_says_where_to_ask() {
        let mut settings = Settings::default();
        settings.standards.help_url = HelpUrl::try_from("https://wiki.example.com/pods").ok();
        for constraint in standards(&settings) {
            assert_eq!(constraint.spec.parameters["helpUrl"], "https://wiki.example.com/pods");
        }
    }

    proptest! {
        #[test]
        fn every_namespace_has_its_one_constraint_or_none(
            policy in label(&["privileged", "baseline", "restricted"]),
            action in label(&["deny", "warn", "dryrun"]),
            default_policy in prop::sample::select(vec![
                PodPolicy::Privileged, PodPolicy::Baseline, PodPolicy::Restricted,
            ]),
            enforcement_action in prop::sample::select(Action::ALL.to_vec()),
            namespace in prop::sample::select(vec!["shop", "kube-system", "d8-a", "gatekeeper-system"]),
        ) {
            let own = Standards { default_policy, enforcement_action, ..Standards::default() };
            let settings = Settings { standards: own, ..Settings::default() };
            let labels: BTreeMap<_, _> = [(POLICY_LABEL, policy), (ACTION_LABEL, action), ("app", Some("shop"))]
                .into_iter()
                .filter_map(|(key, value)| Some((key, value?)))
                .collect();
            let all = standards(&settings);
            prop_assert_eq!(all.len(), 6);
            let reaching: Vec<_> = all
                .iter()
                .filter(|constraint| reaches(constraint, namespace, &labels))
                .map(|constraint| constraint.metadata.name.clone().unwrap())
                .collect();
            let system = ["kube-system", "gatekeeper-system"].contains(&namespace);
            let expected = if system { None } else { expected(policy, action, &settings.standards) };
            prop_assert_eq!(reaching, Vec::from_iter(expected));
        }
    }
}
