//! Random policies and random objects: the rules refuse what an independent reading of their description refuses, and
//! nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::{Refusal, fields, refusals};
use crate::generate::{Audience, Random, RandomPolicy, cases, objects, policies, shrink, workloads};
use crate::trial::{Trial, namespace, template};
use anyhow::{Context, Result, bail, ensure};
use gatewright_api::{PolicyKind, with_policy_type};
use gatewright_compiler::{Compile, Settings, compile};
use gatewright_engine::{EnforcementPoint, Engine, Request};
use gatewright_rules::Template;
use proptest::strategy::{Strategy, Union};
use serde_json::{Value, json};

/// Policies of each kind; eight times as many objects are judged by all of them.
const POLICIES: usize = 30;

/// How often a field let pass and refused.
type Tally = BTreeMap<String, [usize; 2]>;

#[tokio::test]
async fn policies_mean_what_is_written() -> Result<()> {
    for kind in PolicyKind::ALL {
        with_policy_type!(kind, P => read_alike::<P>().await)?;
    }
    Ok(())
}

/// A field without a reading would be compared with nothing. Signatures are verified elsewhere.
#[test]
fn every_field_has_a_reading() {
    let templates = PolicyKind::ALL.iter().map(|kind| with_policy_type!(kind, P => P::TEMPLATE));
    let checks = templates.flat_map(Template::checks);
    let checked: BTreeSet<_> = checks.map(|(_, check)| check.field).collect();
    assert_eq!(fields().collect::<BTreeSet<_>>(), checked);
}

async fn read_alike<P: Compile>() -> Result<()> {
    let mut random = Random::from_env()?;
    let count = cases(POLICIES)?;
    let rules = dense_rules(&mut random, P::KIND, count)?;
    let everything =
        Union::new_weighted(vec![(4, workloads(Audience::Engine).boxed()), (1, objects().boxed())]);
    let mut trees = random.trees(&everything, 8 * count)?;
    let objects: Vec<_> = trees.iter().map(proptest::strategy::ValueTree::current).collect();
    let trial = Trial {
        templates: vec![template(P::TEMPLATE)],
        namespaces: vec![namespace(&json!({}))],
        ..Trial::default()
    };
    let mut engine = trial.engine(EnforcementPoint::Gator)?;
    let mut tally = Tally::new();
    for rules in &rules {
        engine.forget_constraints();
        let Some(constraint) = constraint::<P>(rules)? else { continue };
        engine.add_constraint(&constraint)?;
        for (at, object) in objects.iter().enumerate() {
            let read = expected(rules, object);
            count_in(&mut tally, rules, &read);
            if found(&engine, object)? == read {
                continue;
            }
            let differs = async |object: &Value| Ok(found(&engine, object)? != expected(rules, object));
            let object = shrink(trees.swap_remove(at), differs).await?;
            let (found, read) = (found(&engine, &object)?, expected(rules, &object));
            bail!("seed {}: under {rules}, {object}\nfound {found:?}, expected {read:?}", random.seed);
        }
    }
    let dull: Vec<_> = tally.iter().filter(|(_, [passed, refused])| *passed == 0 || *refused == 0).collect();
    ensure!(dull.is_empty(), "only passed, or only refused: {dull:?}");
    Ok(())
}

/// The rules of several random policies in one, so that each object is judged by many of them.
fn dense_rules(random: &mut Random, kind: PolicyKind, count: usize) -> Result<Vec<Value>> {
    let policies = random.values(&policies(kind), 4 * count)?;
    let merged = |some: &[RandomPolicy]| {
        let fields = some.iter().filter_map(|policy| policy.spec["policies"].as_object());
        Value::Object(fields.flatten().map(|(field, value)| (field.clone(), value.clone())).collect())
    };
    Ok(policies.chunks(4).map(merged).collect())
}

fn count_in(tally: &mut Tally, rules: &Value, refusals: &[Refusal]) {
    for field in rules.as_object().into_iter().flatten().map(|(field, _)| field) {
        let refused = refusals.iter().any(|(refused, _)| refused == field);
        tally.entry(field.clone()).or_default()[usize::from(refused)] += 1;
    }
}

/// The constraint of a policy for all objects; none if it demands nothing.
fn constraint<P: Compile>(rules: &Value) -> Result<Option<Value>> {
    let policy: P = serde_json::from_value(json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": P::KIND.name(), "metadata": {"name": "random"},
        "spec": {"match": {"namespaceSelector": {"matchNames": ["*"]}}, "policies": rules},
    }))?;
    Ok(compile(&policy, &Settings::default())?.constraint.map(|constraint| json!(constraint)))
}

fn expected(rules: &Value, object: &Value) -> Vec<Refusal> {
    comparable(refusals(rules, object), object)
}

/// Of containers that share a name, what the Pod says for all of them is one violation.
fn comparable(mut refusals: Vec<Refusal>, object: &Value) -> Vec<Refusal> {
    refusals.sort();
    if shares_names(object) {
        refusals.dedup();
    }
    refusals
}

fn shares_names(object: &Value) -> bool {
    refusals(&json!({"checkContainerDuplicates": true}), object)
        .iter()
        .any(|(_, container)| container.is_some())
}

fn found(engine: &Engine, object: &Value) -> Result<Vec<Refusal>> {
    let refusal = |details: &Value| -> Result<Refusal> {
        let field = details["rule"].as_str().context("details without a rule")?;
        Ok((field.to_owned(), details["container"].as_str().map(str::to_owned)))
    };
    let violations = engine.review(&Request::audit(object.clone()))?;
    let found = violations.iter().map(|it| refusal(&it.details)).collect::<Result<_>>()?;
    Ok(comparable(found, object))
}
