//! What is generated is what it claims to be.

use std::collections::BTreeSet;

use gatewright_api::{PolicyKind, with_policy_type};
use gatewright_compiler::{Compile, Settings, compile};
use proptest::prelude::ProptestConfig;
use proptest::strategy::ValueTree as _;
use proptest::{prop_assert, proptest};
use serde_json::{Value, json};

use super::{Audience, Random, patch, pods, policies, shrink, updates, workloads};

fn compiles<P: Compile>(count: usize) -> usize {
    let random = Random::from_env().unwrap().values(&policies(P::KIND), count).unwrap();
    let constraints = random.iter().filter(|policy| {
        let typed: P = serde_json::from_value(policy.named("random")).unwrap();
        compile(&typed, &Settings::default())
            .unwrap_or_else(|problem| panic!("{policy:?}: {problem}"))
            .constraint
            .is_some()
    });
    constraints.count()
}

#[test]
fn policies_compile_and_most_demand_something() {
    for kind in PolicyKind::ALL {
        let count = with_policy_type!(kind, P => compiles::<P>(500));
        assert!((400..500).contains(&count), "{kind}: {count} of 500 have a constraint");
    }
}

#[test]
fn policies_use_every_field() {
    for kind in PolicyKind::ALL {
        let rules = with_policy_type!(kind, P => P::TEMPLATE);
        let random = Random::from_env().unwrap().values(&policies(*kind), 500).unwrap();
        let used: BTreeSet<_> = random
            .iter()
            .flat_map(|policy| policy.spec["policies"].as_object().unwrap().keys().map(String::as_str))
            .collect();
        let missing: Vec<_> = rules.checks().filter(|(_, check)| !used.contains(check.field)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[test]
fn the_same_seed_makes_the_same() {
    let some = || Random::from_env().unwrap().values(&workloads(Audience::Engine), 20).unwrap();
    let random = some();
    assert_eq!(random, some());
    assert!(random.windows(2).all(|two| two[0] != two[1]), "all are alike");
}

#[test]
fn pods_for_the_api_server_fit_its_types() {
    use k8s_openapi::api::core::v1::Pod;
    for pod in Random::from_env().unwrap().values(&pods(Audience::ApiServer), 1000).unwrap() {
        let typed: Pod = serde_json::from_value(pod.clone()).unwrap_or_else(|error| panic!("{pod}: {error}"));
        assert!(typed.spec.is_some_and(|spec| !spec.containers.is_empty()), "{pod}");
    }
}

/// A field that the types do not know would be dropped by the API server and prove nothing.
#[test]
fn pods_for_the_api_server_have_no_unknown_fields() {
    use k8s_openapi::api::core::v1::Pod;
    fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let path = format!("{path}.{name}");
                    paths(value, &path, found);
                    found.insert(path);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| paths(item, path, found)),
            _ => {}
        }
    }
    for pod in Random::from_env().unwrap().values(&pods(Audience::ApiServer), 1000).unwrap() {
        let typed: Pod = serde_json::from_value(pod.clone()).unwrap();
        let [mut sent, mut understood] = [BTreeSet::new(), BTreeSet::new()];
        paths(&pod, "", &mut sent);
        paths(&json!(typed), "", &mut understood);
        // Empty lists are not written.
        let lost: Vec<_> = sent.difference(&understood).filter(|path| !empty_list(&pod, path)).collect();
        assert!(lost.is_empty(), "{lost:?}: {pod}");
    }
}

fn empty_list(pod: &Value, path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    pod.to_string().contains(&format!("\"{last}\":[]"))
}

#[test]
fn updates_change_something_and_often_nothing_that_is_judged() {
    let random = Random::from_env().unwrap().values(&updates(), 500).unwrap();
    let unchanged = random.iter().filter(|update| update.old["spec"] == update.new["spec"]).count();
    assert!((50..450).contains(&unchanged), "{unchanged} of 500 leave the spec alone");
    assert!(random.iter().all(|update| update.old["kind"] == update.new["kind"]));
}

#[tokio::test]
async fn a_failing_value_becomes_as_small_as_it_fails() {
    let mut random = Random::from_env().unwrap();
    let trees = random.trees(&proptest::collection::vec(0..100_u32, 0..50), 20).unwrap();
    let fails = |values: &Vec<u32>| values.iter().any(|value| *value >= 7);
    let tree = trees.into_iter().find(|tree| fails(&tree.current())).unwrap();
    assert_eq!(shrink(tree, async |values| Ok(fails(values))).await.unwrap(), [7]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_patch_applied_twice_without_lists_of_objects_changes_nothing_more(pod in pods(Audience::Engine)) {
        let change = json!({"spec": {"hostPID": true, "hostNetwork": null, "securityContext": {"supplementalGroups": [1]}}});
        let [mut once, mut twice] = [pod.clone(), pod];
        patch::apply(&mut once, &change);
        patch::apply(&mut twice, &change);
        patch::apply(&mut twice, &change);
        prop_assert!(once == twice && once["spec"]["hostPID"] == true && once["spec"].get("hostNetwork").is_none());
    }
}
