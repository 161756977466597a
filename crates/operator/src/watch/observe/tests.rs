mod verifier;

use super::{
    Gatekeeper, GuardSnapshot, PolicySnapshot, RoutingSnapshot, StandardSnapshot, SystemSnapshot,
    TemplateSnapshot,
};
use crate::watch::desired::Prepared;
use crate::watch::fixtures::{caches, empty_world, fill, live, world};
use crate::watch::kind::{Id, Kind};
use crate::watch::last_applied::Observed;
use crate::watch::live::Live;
use crate::watch::policies::Watched as _;
use crate::watch::published::RoutingOutcome;
use crate::watch::report_kind::NAMESPACED;
use crate::watch::schemas::{Addresses, Schemas};
use crate::watch::world::{PlatformPod, World};
use gatewright_api::SecurityPolicy;
use gatewright_gatekeeper::{Exemption, Namespace, Process};
use gatewright_rules::Template;
use serde_json::json;
use std::sync::Arc;

const NAME: &str = "strict";

fn ours(name: &str) -> Live {
    live(json!({
        "apiVersion": "v1", "kind": "K",
        "metadata": {"name": name, "labels": {"gatewright.io/owner": "builtin"}, "resourceVersion": "1"},
        "spec": {"match": {"namespaces": ["shop-*"]}},
    }))
}

fn theirs(name: &str) -> Live {
    Live { ours: false, ..ours(name) }
}

fn policy() -> gatewright_api::Guarded<SecurityPolicy> {
    serde_json::from_value(json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": NAME, "uid": "u"},
        "spec": {"match": {"namespaceSelector": {"matchNames": ["shop-*"]}}, "policies": {"allowPrivileged": false}},
    }))
    .unwrap()
}

async fn snapshot(world: &World) -> Option<PolicySnapshot<SecurityPolicy>> {
    let (snapshot, asked) = PolicySnapshot::observe(world, NAME).await?;
    asked.unwrap();
    Some(snapshot)
}

/// What a decision waits for: it is not made while one of these is unknown.
async fn waits_for(observe: impl AsyncFn(&World) -> bool) -> Vec<&'static str> {
    let mut needed = vec![];
    for (name, _) in caches() {
        let (world, _) = world();
        for (_, fill) in caches().iter().filter(|(other, _)| *other != name) {
            fill(&world);
        }
        if !observe(&world).await {
            needed.push(name);
        }
    }
    needed
}

#[tokio::test]
async fn a_policy_waits_until_all_is_known_that_it_is_decided_from() {
    let needed = waits_for(async |world| snapshot(world).await.is_some()).await;
    let expected = [
        "SecurityPolicy",
        "templates",
        "pods",
        "webhooks",
        "exemptions",
        "own webhook",
        "namespaces",
        "release",
        "schemas",
        "D8SecurityPolicy",
        "D8VerifyImageSignatures",
    ];
    assert_eq!(needed, expected);
}

#[tokio::test]
async fn the_guard_and_the_routing_wait_until_all_is_known_that_they_are_decided_from() {
    let needed = waits_for(async |world| GuardSnapshot::observe(world).is_some()).await;
    assert_eq!(needed, ["templates", "exemptions", "platform pods", "sync sets", "D8DenyExecHeritage"]);
    let needed = waits_for(async |world| RoutingSnapshot::observe(world).await.is_some()).await;
    assert_eq!(needed, ["webhooks", "own webhook"]);
}

#[tokio::test]
async fn a_policy_is_seen_with_its_constraint_and_what_is_remembered() {
    let world = empty_world();
    fill(SecurityPolicy::cache(&world.policies), [(NAME, policy())]);
    fill(world.constraints(Template::SecurityPolicy), [(NAME, ours(NAME)), ("other", ours("other"))]);
    fill(&world.templates, [("d8securitypolicy", ours("d8securitypolicy"))]);
    let namespaces = ["shop-a", "shop-b", "till"]
        .map(|name| (name, Namespace { name: name.to_owned(), ..Namespace::default() }));
    fill(&world.namespaces.cache, namespaces);
    world.namespaces.turn_all();
    let metadata = serde_json::from_value(json!({"name": NAME})).unwrap();
    let prepared = Prepared::new(Kind::Constraint(Template::SecurityPolicy), &metadata, &json!({"spec": {}}));
    let prepared = Arc::new(prepared);
    world.last_applied.found(Arc::clone(&prepared));

    let seen = snapshot(&world).await.unwrap();
    assert_eq!(seen.rules.id, Id::new(Kind::Constraint(Template::SecurityPolicy), NAME));
    assert_eq!(seen.policy.unwrap().metadata.uid.as_deref(), Some("u"));
    let expected =
        Observed { live: Some(Arc::new(ours(NAME))), last_applied: Some(prepared), ..Observed::default() };
    assert_eq!(seen.rules.constraint, expected);
    assert_eq!(seen.rules.template, Some(Arc::new(ours("d8securitypolicy"))));
    assert_eq!((seen.namespaces, seen.unserved), (Some(2), vec![]));
    assert!(seen.policies_served && seen.rules.served && seen.templates_served);
}

#[tokio::test]
async fn only_a_constraint_of_a_policy_reaches_namespaces() {
    let world = empty_world();
    fill(world.constraints(Template::SecurityPolicy), [(NAME, ours(NAME))]);
    let orphan = snapshot(&world).await.unwrap();
    assert_eq!((orphan.namespaces, orphan.policy.is_none()), (None, true));
    fill(SecurityPolicy::cache(&world.policies), [(NAME, policy())]);
    assert_eq!(snapshot(&world).await.unwrap().namespaces, Some(0));
    fill(world.constraints(Template::SecurityPolicy), [(NAME, theirs(NAME))]);
    assert_eq!(snapshot(&world).await.unwrap().namespaces, None);
}

#[tokio::test]
async fn what_is_not_served_is_known_to_be_so() {
    let world = empty_world();
    fill(SecurityPolicy::cache(&world.policies), [(NAME, policy())]);
    SecurityPolicy::cache(&world.policies).absent();
    world.constraints(Template::SecurityPolicy).absent();
    world.templates.absent();
    let seen = snapshot(&world).await.unwrap();
    assert!(!seen.policies_served && !seen.rules.served && !seen.templates_served);
    assert!(seen.policy.is_some(), "that it is not served proves nothing of what is there");
}

#[tokio::test]
async fn a_policy_that_was_listed_under_another_schema_is_not_known() {
    let world = empty_world();
    let policies = SecurityPolicy::cache(&world.policies);
    fill(policies, [(NAME, policy())]);
    let served = |address: &str| Schemas {
        lacking: [("SecurityPolicy".to_owned(), vec![])].into(),
        addresses: Addresses::at("apis/deckhouse.io/v1alpha1", address),
        ..Schemas::default()
    };
    policies.listed_under(Some("1".to_owned()));
    world.schemas.publish(served("1"));
    assert!(snapshot(&world).await.is_some());
    // The API server may have dropped a field from what it listed.
    world.schemas.publish(served("2"));
    assert!(snapshot(&world).await.is_none());
    policies.listed_under(Some("2".to_owned()));
    assert!(snapshot(&world).await.is_some());
}

#[tokio::test]
async fn gatekeeper_is_its_processes_its_webhooks_and_its_exemptions() {
    let world = empty_world();
    let process = || Process { name: "gatekeeper-1".to_owned(), ..Process::default() };
    fill(&world.pods, [("gatekeeper-1", process())]);
    let exemption = || Exemption { namespaces: "legacy-*".to_owned(), admission: true, sync: false };
    fill(&world.exemptions, [("config", vec![exemption()])]);
    let own = || Live {
        configuration: Some(Arc::default()),
        ..ours("gatewright-validating-webhook-configuration")
    };
    fill(&world.own_webhook, [("gatewright-validating-webhook-configuration", own())]);
    let upstream = k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration {
        metadata: serde_json::from_value(json!({"name": "gatekeeper"})).unwrap(),
        ..Default::default()
    };
    fill(&world.webhooks, [("gatekeeper", upstream.clone())]);
    let expected = Gatekeeper {
        processes: Some(vec![Arc::new(process())]),
        webhooks: vec![Arc::new(upstream.clone()), Arc::default()],
        exemptions: vec![exemption()],
        lacks_operations: false,
    };
    assert_eq!(Gatekeeper::observe(&world), expected);
    // Somebody else's configuration of our name sends nothing that counts.
    let foreign = Live { ours: false, ..own() };
    fill(&world.own_webhook, [("gatewright-validating-webhook-configuration", foreign)]);
    world.pods.absent();
    let expected = Gatekeeper { processes: None, webhooks: vec![Arc::new(upstream)], ..expected };
    assert_eq!(Gatekeeper::observe(&world), expected);
}

#[tokio::test]
async fn the_guard_is_seen_with_what_it_needs() {
    let world = empty_world();
    let seen = GuardSnapshot::observe(&world).unwrap();
    assert_eq!((seen.pods, seen.others.len(), seen.sync_sets_served), (Some(false), 0, true));
    fill(&world.platform_pods, [("d8-system/deckhouse", PlatformPod)]);
    fill(
        world.constraints(Template::DenyExecHeritage),
        [("deny-exec-heritage-pods", ours("deny-exec-heritage-pods")), ("older", ours("older"))],
    );
    fill(&world.sync_sets, [("gatewright-pods", ours("gatewright-pods"))]);
    let exemption = |sync: bool| Exemption { namespaces: format!("sync-{sync}"), admission: !sync, sync };
    fill(&world.exemptions, [("config", vec![exemption(true), exemption(false)])]);
    let seen = GuardSnapshot::observe(&world).unwrap();
    assert_eq!((seen.pods, seen.unsynced), (Some(true), vec!["sync-true".to_owned()]));
    assert_eq!(seen.constraint.live, Some(Arc::new(ours("deny-exec-heritage-pods"))));
    assert_eq!(seen.sync_set.live, Some(Arc::new(ours("gatewright-pods"))));
    let [(id, other)] = &seen.others[..] else { panic!("{:?}", seen.others) };
    assert_eq!((id.name.as_str(), &other.live), ("older", &Some(Arc::new(ours("older")))));
    // Where they cannot be seen, nothing is said of Pods and of what is not served.
    world.platform_pods.absent();
    world.sync_sets.absent();
    let seen = GuardSnapshot::observe(&world).unwrap();
    assert_eq!((seen.pods, seen.sync_sets_served), (None, false));
}

#[tokio::test]
async fn the_routing_is_seen_with_the_policies() {
    let world = empty_world();
    fill(SecurityPolicy::cache(&world.policies), [(NAME, policy())]);
    let (seen, asked) = RoutingSnapshot::observe(&world).await.unwrap();
    asked.unwrap();
    let demand = seen.demand.unwrap();
    assert_eq!((demand.policies.len(), demand.templates.len()), (1, 0));
    world.templates.absent();
    let (seen, asked) = RoutingSnapshot::observe(&world).await.unwrap();
    asked.unwrap();
    assert!(seen.guard.is_none() && seen.demand.is_none(), "without templates nothing is known of either");
}

#[tokio::test]
async fn the_state_of_the_system_waits_for_the_routing_if_that_can_be_decided() {
    let observe = |world: &World| SystemSnapshot::observe(world, ["a"].into_iter());
    let world = empty_world();
    fill(&world.certificate, []);
    assert_eq!(observe(&world), None, "its own object is not known");
    fill(&world.system, []);
    for watched in world.reports.all() {
        fill(&watched.cache, []);
    }
    assert_eq!(observe(&world), None, "the routing is about to be decided");
    world.routing.publish(RoutingOutcome::default());
    assert_eq!(observe(&world).unwrap().routing, Some(RoutingOutcome::default()));
    // Without Gatekeeper's kinds the routing cannot be decided, and that is to be said.
    let without = empty_world();
    fill(&without.certificate, []);
    fill(&without.system, []);
    for watched in without.reports.all() {
        fill(&watched.cache, []);
    }
    without.templates.absent();
    assert_eq!(observe(&without).unwrap().routing, None);
}

#[tokio::test]
async fn standards_and_templates_are_seen_by_name() {
    let world = empty_world();
    let standard = StandardSnapshot::observe(&world, "a");
    assert!(standard.served && standard.template.is_none() && standard.constraint == Observed::default());
    fill(world.constraints(Template::PodSecurityStandard), [("a", ours("a"))]);
    fill(&world.templates, [("d8podsecuritystandard", ours("d8podsecuritystandard"))]);
    let standard = StandardSnapshot::observe(&world, "a");
    assert_eq!(standard.constraint.live, Some(Arc::new(ours("a"))));
    assert_eq!(standard.template, Some(Arc::new(ours("d8podsecuritystandard"))));
    let template = TemplateSnapshot::observe(&world, Template::PodSecurityStandard);
    assert_eq!((template.which, template.served), (Template::PodSecurityStandard, true));
    assert_eq!(template.template.live, standard.template);
    world.templates.absent();
    assert!(!TemplateSnapshot::observe(&world, Template::PodSecurityStandard).served);
}

#[tokio::test]
async fn an_object_is_looked_up_where_its_kind_is() {
    let world = empty_world();
    fill(&world.templates, [("a", ours("template"))]);
    fill(world.constraints(Template::OperationPolicy), [("a", ours("constraint"))]);
    fill(&world.sync_sets, [("a", ours("sync set"))]);
    fill(&world.own_webhook, [("a", ours("webhook"))]);
    fill(&world.providers, [("a", ours("provider"))]);
    for (kind, expected) in [
        (Kind::Template, Some("template")),
        (Kind::Constraint(Template::OperationPolicy), Some("constraint")),
        (Kind::Constraint(Template::SecurityPolicy), None),
        (Kind::SyncSet, Some("sync set")),
        (Kind::Webhooks, Some("webhook")),
        (Kind::Provider, Some("provider")),
        // Reports are too large to be kept.
        (Kind::Report(&NAMESPACED[0]), None),
    ] {
        let expected = expected.map(|name| Arc::new(ours(name)));
        assert_eq!(world.observed(&Id::new(kind, "a")).live, expected, "{kind:?}");
    }
}
