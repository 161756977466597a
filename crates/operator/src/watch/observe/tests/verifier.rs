//! What is seen of the verifier.

use std::sync::Arc;

use gatewright_rules::Template;
use serde_json::json;

use super::super::system::foreign_signatures;
use super::super::{TemplateSnapshot, VerifierSnapshot, VerifierView};
use super::{ours, theirs};
use crate::watch::certificate::Held;
use crate::watch::fixtures::{caches, empty_world, fill, live, world};
use crate::watch::live::Live;
use crate::watch::published::Verifiers;
use crate::watch::world::World;

const TEMPLATE: Template = Template::VerifyImageSignatures;
const PROVIDER: &str = "gatewright-verifier";
const SECRET: &str = "gatewright-system/gatewright-verifier-tls";

fn known() -> World {
    let world = empty_world();
    fill(&world.certificate, []);
    world
}

#[tokio::test]
async fn the_provider_waits_until_all_is_known_that_it_is_decided_from() {
    let mut needed = vec![];
    for (name, _) in caches() {
        let (world, _) = world();
        fill(&world.certificate, []);
        for (_, fill) in caches().iter().filter(|(other, _)| *other != name) {
            fill(&world);
        }
        if VerifierSnapshot::observe(&world).is_none() {
            needed.push(name);
        }
    }
    assert_eq!(needed, ["templates", "pods", "providers", "release", "schemas", "D8VerifyImageSignatures"]);
    let world = empty_world();
    assert_eq!(VerifierSnapshot::observe(&world), None, "the Secret is not known");
    world.certificate.absent();
    assert_eq!(VerifierSnapshot::observe(&world), None, "the Secret may not be seen");
    assert!(!VerifierView::observe(&world).secret_served);
}

#[tokio::test]
async fn the_verifier_is_seen_with_what_gatekeeper_is_told() {
    let world = known();
    assert!(VerifierView::is_known(&world, false) && !VerifierView::is_known(&world, true));
    let slow = live(json!({
        "apiVersion": "externaldata.gatekeeper.sh/v1beta1", "kind": "Provider", "metadata": {"name": "slow"},
    }));
    let slow = Live { spec: crate::watch::live::Content::new(&json!({"timeout": 5})), ..slow };
    fill(&world.providers, [(PROVIDER, ours(PROVIDER)), ("slow", slow), ("other", theirs("other"))]);
    let held = Held { ours: true, resource_version: "7".to_owned(), ..Held::default() };
    fill(&world.certificate, [(SECRET, held.clone())]);
    let said = Arc::new(Verifiers::default());
    world.verifiers.publish(Arc::clone(&said));
    let expected = VerifierView {
        served: true,
        provider: Some(Arc::new(ours(PROVIDER))),
        others: vec![("other".to_owned(), 0), ("slow".to_owned(), 5)],
        secret_served: true,
        secret: Some(Arc::new(held)),
        said: Some(said),
        release: None,
    };
    assert_eq!(VerifierView::observe(&world), expected);
    assert!(VerifierView::is_known(&world, true));
    let seen = VerifierSnapshot::observe(&world).unwrap();
    assert_eq!((&seen.view, &seen.provider.live), (&expected, &expected.provider));
    assert_eq!((seen.constraints, seen.template), (false, false));
}

#[tokio::test]
async fn what_is_left_is_seen() {
    let world = known();
    let seen = |world: &World| {
        let seen = VerifierSnapshot::observe(world).unwrap();
        let template = TemplateSnapshot::observe(world, TEMPLATE);
        (seen.constraints, seen.template, template.in_use)
    };
    fill(&world.templates, [("d8verifyimagesignatures", ours("d8verifyimagesignatures"))]);
    fill(&world.providers, [(PROVIDER, ours(PROVIDER))]);
    fill(world.constraints(TEMPLATE), [("strict", ours("strict")), ("other", theirs("other"))]);
    assert_eq!(seen(&world), (true, false, true));
    assert_eq!(foreign_signatures(&world), ["other"]);
    // With the template somebody else's constraint would go.
    fill(world.constraints(TEMPLATE), [("other", theirs("other"))]);
    assert_eq!(seen(&world), (false, false, true));
    fill(world.constraints(TEMPLATE), []);
    assert_eq!(seen(&world), (false, true, true));
    fill(&world.providers, [(PROVIDER, theirs(PROVIDER))]);
    assert_eq!(seen(&world), (false, true, false));
    // Without a template there is no kind, whatever was seen of it before.
    fill(world.constraints(TEMPLATE), [("strict", ours("strict"))]);
    world.constraints(TEMPLATE).absent();
    fill(&world.templates, []);
    assert_eq!(seen(&world), (false, false, true));
    assert_eq!(foreign_signatures(&world), [""; 0]);
}
