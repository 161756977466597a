//! Random policies and random objects, in Gatekeeper's own engine and in ours: the same violations, in the same words.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use gatewright_api::{PolicyKind, with_policy_type};
use gatewright_compiler::{Compile, POLICY_LABEL, Settings, compile, standards};
use gatewright_e2e::gator::{Folder, assertions};
use gatewright_e2e::generate::{
    Audience, Random, Update, cases, objects, policies, shrink, updates, workloads,
};
use gatewright_e2e::trial::{Judge, Trial, Violation, difference, namespace, template};
use gatewright_engine::{EnforcementPoint, Engine, Request};
use gatewright_rules::Template;
use gatewright_rules::cases::Case;
use proptest::strategy::{Strategy, Union, ValueTree as _};
use serde_json::{Value, json};

/// Policies of each kind; four times as many objects are judged by each of them.
const POLICIES: usize = 40;

#[tokio::test]
async fn audits_by_policies_agree() -> Result<()> {
    for kind in PolicyKind::ALL {
        with_policy_type!(kind, P => audits_agree::<P>().await)?;
    }
    Ok(())
}

#[tokio::test]
async fn audits_by_the_standards_agree() -> Result<()> {
    let mut random = Random::from_env()?;
    let [baseline, restricted] = ["baseline", "restricted"].map(|level| Trial {
        templates: vec![template(Template::PodSecurityStandard)],
        constraints: standards(&Settings::default()).iter().map(|constraint| json!(constraint)).collect(),
        namespaces: vec![namespace(&json!({POLICY_LABEL: level}))],
        objects: vec![],
    });
    for trial in [baseline, restricted] {
        let found = judge_alike(&mut random, &trial, workloads(Audience::Engine), cases(300)?).await?;
        let controls: BTreeSet<_> = found.iter().filter_map(|it| it.message.split(':').next()).collect();
        ensure!(controls.len() > 10, "only {controls:?} refuse");
    }
    Ok(())
}

async fn audits_agree<P: Compile>() -> Result<()> {
    let mut random = Random::from_env()?;
    let count = cases(POLICIES)?;
    let trial = trial(P::TEMPLATE, constraints::<P>(&mut random, count)?);
    let everything =
        Union::new_weighted(vec![(3, workloads(Audience::Engine).boxed()), (1, objects().boxed())]);
    let found = judge_alike(&mut random, &trial, everything, 4 * count).await?;
    let fields: BTreeSet<_> = found.iter().filter_map(|it| it.message.split(':').next()).collect();
    let checks: Vec<_> = P::TEMPLATE.checks().map(|(_, check)| check.field).collect();
    println!("{} violations of {} fields", found.len(), fields.len());
    ensure!(found.len() > count && fields.len() * 4 > checks.len() * 3, "only {fields:?} refuse");
    Ok(())
}

/// What both engines find in random objects. A difference is made small and reported.
async fn judge_alike<S: Strategy<Value = Value>>(
    random: &mut Random,
    trial: &Trial,
    strategy: S,
    count: usize,
) -> Result<Vec<Violation>> {
    let trees = random.trees(&strategy, count)?;
    let objects = trees.iter().enumerate().map(|(i, tree)| named(tree.current(), &format!("o{i}")));
    let trial = Trial { objects: objects.collect(), ..trial.clone() };
    let (gator, engine) = (trial.by(Judge::Gator)?, trial.by(Judge::Engine)?);
    let differences = difference(&gator, &engine);
    if differences.is_empty() {
        return Ok(gator);
    }
    let alone = |object: &Value| -> Result<Vec<String>> {
        let trial = Trial { objects: vec![named(object.clone(), "o")], ..trial.clone() };
        Ok(difference(&trial.by(Judge::Gator)?, &trial.by(Judge::Engine)?))
    };
    let first = gator
        .iter()
        .chain(&engine)
        .find(|it| differences.iter().any(|text| text.ends_with(&format!("{it:?}"))));
    let index: usize =
        first.and_then(|it| it.object.strip_prefix('o')?.parse().ok()).context("no object differs")?;
    let tree = trees.into_iter().nth(index).context("an object of this number")?;
    let object = shrink(tree, async |object| Ok(!alone(object)?.is_empty())).await?;
    bail!(
        "seed {}: {} differences; for {object}\n{:#?}\nof the constraints {}",
        random.seed,
        differences.len(),
        alone(&object)?,
        json!(trial.constraints)
    );
}

#[tokio::test]
async fn requests_under_policies_agree() -> Result<()> {
    for kind in PolicyKind::ALL {
        with_policy_type!(kind, P => requests_agree::<P>().await)?;
    }
    Ok(())
}

/// CREATE and UPDATE: what our engine finds is what `gator verify` must find. It compiles the template for every
/// case, so there are fewer.
async fn requests_agree<P: Compile>() -> Result<()> {
    let mut random = Random::from_env()?;
    let count = cases(POLICIES)?;
    let mut trial = trial(P::TEMPLATE, constraints::<P>(&mut random, count.div_ceil(5))?);
    let trees = random.trees(&updates(), count)?;
    let updates: Vec<_> = trees.iter().map(proptest::strategy::ValueTree::current).collect();
    let (failed, refused) = verify(&trial, &updates)?;
    if failed.is_none() {
        let [all, some] = [trial.constraints.len() * updates.len() * 2, refused];
        println!("{some} of {all} requests are refused");
        ensure!(some * 20 > all && some * 2 < all, "{some} of {all} requests are refused");
        return Ok(());
    }
    let all = std::mem::take(&mut trial.constraints);
    for constraint in all {
        trial.constraints = vec![constraint];
        if verify(&trial, &updates)?.0.is_some() {
            break;
        }
    }
    let fails = |update: &Update| Ok(verify(&trial, std::slice::from_ref(update))?.0.is_some());
    for tree in trees {
        if fails(&tree.current())? {
            let update = shrink(tree, async |update| fails(update)).await?;
            let (said, _) = verify(&trial, std::slice::from_ref(&update))?;
            bail!("seed {}: {update:?}\n{}\n{said:?}", random.seed, json!(trial.constraints));
        }
    }
    bail!("seed {}: differs only in company: {failed:?}", random.seed)
}

/// What `gator verify` says if it finds something else than our engine, and how many requests that refuses.
fn verify(trial: &Trial, updates: &[Update]) -> Result<(Option<String>, usize)> {
    let folder = Folder::new()?;
    folder.write("template.yaml", &trial.templates[0])?;
    folder.write("namespace.yaml", &trial.namespaces[0])?;
    let requests: Vec<_> = updates.iter().map(requests).collect::<Result<Vec<_>>>()?.concat();
    for (i, request) in requests.iter().enumerate() {
        folder.write(&format!("{i}.yaml"), request)?;
    }
    let mut engine = Trial { constraints: vec![], ..trial.clone() }.engine(EnforcementPoint::Gator)?;
    let mut tests = vec![];
    let mut refused = 0;
    for (number, constraint) in trial.constraints.iter().enumerate() {
        let file = format!("constraint-{number}.yaml");
        folder.write(&file, constraint)?;
        // It replaces the one before.
        engine.add_constraint(&named(constraint.clone(), "this"))?;
        let mut asked = vec![];
        for (i, request) in requests.iter().enumerate() {
            let messages = messages(&engine, request)?;
            refused += usize::from(!messages.is_empty());
            asked.push(json!({
                "name": format!("request {i}"), "object": format!("{i}.yaml"), "inventory": ["namespace.yaml"],
                "assertions": assertions(&messages),
            }));
        }
        tests.push(json!({
            "name": format!("policy {number}"), "template": "template.yaml", "constraint": file, "cases": asked,
        }));
    }
    let failed = folder.verify(&tests)?;
    folder.remove()?;
    Ok((failed, refused))
}

fn messages(engine: &Engine, request: &Value) -> Result<Vec<String>> {
    let request = Request::from_admission_review(request.clone())?;
    Ok(engine.review(&request)?.into_iter().map(|found| found.message).collect())
}

/// The UPDATE, and the CREATE of what it leads to.
fn requests(update: &Update) -> Result<[Value; 2]> {
    let request = |old: Option<&Value>| -> Result<Value> {
        let case = json!({
            "name": "random", "policies": {}, "violations": [], "object": update.new, "oldObject": old,
        });
        let case: Case = serde_json::from_value(case)?;
        Ok(case.inputs().into_iter().next().context("a case has inputs")?.document)
    };
    Ok([request(Some(&update.old))?, request(None)?])
}

/// A template, constraints of it, and the namespace that some of them select.
fn trial(of: Template, constraints: Vec<Value>) -> Trial {
    Trial {
        templates: vec![template(of)],
        constraints,
        namespaces: vec![namespace(&json!({"env": "test"}))],
        objects: vec![],
    }
}

fn constraints<P: Compile>(random: &mut Random, count: usize) -> Result<Vec<Value>> {
    let policies = random.values(&policies(P::KIND), count)?;
    let mut constraints = vec![];
    for (i, policy) in policies.iter().enumerate() {
        let policy: P = serde_json::from_value(policy.named(&format!("p{i}")))?;
        constraints
            .extend(compile(&policy, &Settings::default())?.constraint.map(|constraint| json!(constraint)));
    }
    Ok(constraints)
}

fn named(mut object: Value, name: &str) -> Value {
    object["metadata"]["name"] = json!(name);
    object
}
