//! Every case of every rule: what is declared to undo a violation does, in the object and in its text.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;
use std::sync::Arc;

use clap::Parser as _;
use gatewright_api::POLICY_API_VERSION;
use gatewright_compiler::{POLICY_LABEL, Settings, standards};
use gatewright_rules::cases::{Case, Cases, NAMESPACE, StandardCases};
use gatewright_rules::fix::{Edit, Fix as Declared};
use gatewright_rules::{Owner, Template};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::files::below;
use super::same::{count, new};
use super::tried::{Medium, try_fixes};
use crate::check::Scopes;
use crate::check::collect::{Candidate, Collected};
use crate::check::judge::Judge;
use crate::check::namespaces::CommandLine;
use crate::check::placed::Placed;
use crate::check::result::{ConstraintName, Violation};
use crate::check::world::World;
use crate::input::{self, Document, Location, ReadingArgs};
use crate::sandbox::{Limits, Pool};

/// Cases of which a violation has no fix although its check declares one: a profile of the node must be named, the network of
/// the host takes the ports, somebody wrote the mount, the DaemonSet controller adds the toleration, or another fix comes first.
const WITHOUT: &[&str] = &[
    "allowedAppArmor: a star stands for any characters, dots and slashes too, and everything else for itself",
    "allowedAppArmor: an annotation that names no profile is passed over, as Kubernetes does",
    "allowedAppArmor: an empty list allows no profile",
    "allowedHostPaths: an empty list refuses every host path",
    "allowedHostPaths: paths are compared by whole segments, one violation per volume",
    "allowedHostPaths: repeated slashes count once and the segment . is dropped",
    "allowedHostPaths: the message says which entries are for reading, and mounts of what is refused anyway are not named",
    "allowedHostPaths: traversal, relative and missing paths are refused, even where / is allowed",
    "allowedHostPorts: on the host network it is the port of the container",
    "allowedHostPorts: on the host's network an unset host port is the container port",
    "allowedHostPorts: on the network of the host the lowest port counts, and 0 is none",
    "automountServiceAccountToken: Pod and containers are violations of their own",
    "automountServiceAccountToken: a path that nobody writes to be understood is refused",
    "automountServiceAccountToken: each mount is a violation of its own",
    "automountServiceAccountToken: false on the Pod does not excuse a mount that somebody wrote",
    "automountServiceAccountToken: paths are cleaned",
    "automountServiceAccountToken: the default shows as a mount, in each list of containers",
    "disallowedTolerations: nothing is exempt from a pattern that names its key",
    "disallowedTolerations: what the DaemonSet controller adds passes on a DaemonSet",
    "seccompProfiles: an empty list allows no profile, and none to be unset",
    "seccompProfiles: an entry of localhost with a star admits any file",
    "seccompProfiles: listed files are compared as a whole, and one may be named among the profiles",
    "seccompProfiles: without a list of files Localhost admits any file",
];

#[derive(clap::Parser)]
struct Nothing {
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    reading: ReadingArgs,
}

/// A case, and what judges it.
struct Tried {
    case: Case,
    judging: Vec<Value>,
    settings: Settings,
}

fn read<T: DeserializeOwned>(path: &str) -> T {
    let path = format!("{}/../../templates/{path}/cases.yaml", env!("CARGO_MANIFEST_DIR"));
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn namespace(level: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {POLICY_LABEL: level}}})
}

fn of_policies(template: Template) -> Vec<Tried> {
    let Owner::Policy(kind) = template.owner() else { return vec![] };
    let folder = template.definition().folder;
    let of_rule = |name: &str| {
        let Cases { cases, .. } = read(&format!("{folder}/{name}"));
        cases.into_iter().map(|case| {
            let policy = json!({
                "apiVersion": POLICY_API_VERSION, "kind": kind.as_ref(), "metadata": {"name": "case"},
                "spec": {"match": case.r#match, "policies": case.policies},
            });
            let settings = Settings { pod_templates: case.pod_templates, ..Settings::default() };
            Tried { case, judging: vec![policy, namespace("privileged")], settings }
        })
    };
    template.rules().iter().flat_map(|rule| of_rule(rule.name)).collect()
}

fn of_standards() -> Vec<Tried> {
    let StandardCases { cases } = read("pod-security-standard");
    let tried = |standard: gatewright_rules::cases::StandardCase| {
        let name = format!("d8-pod-security-{}-deny", standard.level.as_ref());
        let all = standards(&Settings::default());
        let found = all.iter().find(|found| found.metadata.name.as_ref() == Some(&name));
        let mut constraint = json!(found.unwrap());
        constraint["spec"]["parameters"] = json!(standard.parameters());
        let judging = vec![constraint, namespace(standard.level.as_ref())];
        Tried { case: standard.case, judging, settings: Settings::default() }
    };
    cases.into_iter().map(tried).collect()
}

fn world(tried: &Tried) -> World {
    let mut collected = Collected::default();
    for object in &tried.judging {
        let location = Location { file: "case".into(), line: 1 };
        collected.sort(Document::made(object, location).unwrap());
    }
    let line = CommandLine { labels: &[], default: None };
    let limits = Nothing::parse_from(["test"]).limits;
    let (mut world, problems) = World::build(&mut collected, &tried.settings, line, &Pool::new(limits));
    assert!(problems.is_empty(), "{}: {problems:?}", tried.case.name);
    world.add_namespaces();
    world
}

/// The object as a file has it.
fn placed(text: String) -> Option<Placed> {
    let reading = Nothing::parse_from(["test"]).reading.reading();
    let mut documents = input::read_bytes("case.yaml", Cursor::new(text.into_bytes()), &reading);
    let document = documents.next()?.ok()?;
    Placed::new(Candidate(document), &Scopes::default(), None).ok()
}

/// The kinds of which a case is tried: the rest of the controllers are as these.
fn is_tried(short: &str, case: &Case) -> bool {
    let kind = short.strip_suffix(" audit");
    kind.is_some_and(|kind| case.object.is_some() || ["Pod", "CronJob", "StatefulSet"].contains(&kind))
}

fn declares(violation: &Violation) -> bool {
    let template = Template::of_kind(violation.constraint.kind.raw()).unwrap();
    let declared = Declared::declared(template, violation.rule().unwrap());
    assert!(!declared.is_empty(), "{:?}", violation.rule());
    declared.iter().any(|fix| matches!(fix, Declared::Change { .. }))
}

/// What was found in the cases.
#[derive(Default)]
struct Found {
    /// Each violation, by rule and case, and whether it has no fix.
    violations: Vec<(String, String, bool)>,
    /// What is not as it should be.
    wrong: Vec<String>,
}

/// What is said of the object of a text that was edited.
fn after(judge: &Judge<'_>, text: &str, edits: &[Edit]) -> Result<Vec<Violation>, String> {
    let changed =
        input::edited(text, &below("", edits)).map_err(|error| format!("{error}: {edits:?} in\n{text}"))?;
    let object = placed(changed).ok_or("the text holds no object any more")?;
    Ok(judge.judge(&object).violations)
}

fn said(violations: &[Violation]) -> Vec<(&ConstraintName, &str)> {
    violations.iter().map(|violation| (&violation.constraint, violation.message.raw())).collect()
}

/// Whether the fix of a violation undoes it and brings nothing new, in the text.
fn undoes(judge: &Judge<'_>, text: &str, before: &[Violation], violation: &Violation) -> Result<(), String> {
    let Some(fix) = violation.fix.as_ref().filter(|fix| !fix.with_others) else { return Ok(()) };
    let after = after(judge, text, &fix.patch)?;
    let gone = count(&after, violation) < count(before, violation);
    let nothing_new = new(before, &after).is_none() && after.len() < before.len();
    if gone && nothing_new { Ok(()) } else { Err(format!("{violation:?} leaves {after:?}")) }
}

fn of_object(tried: &Tried, judge: &Judge<'_>, text: &str, found: &mut Found) {
    let Some(object) = placed(text.to_owned()) else { return };
    let mut result = judge.judge(&object);
    let fixed = try_fixes(judge, &object, &mut result, Medium::Text);
    let (before, name) = (&result.violations, &tried.case.name);
    let mut wrong: Vec<String> = vec![];
    for violation in &result.violations {
        wrong.extend(undoes(judge, text, before, violation).err());
        if violation.fix.is_some() == violation.no_fix.is_some() {
            wrong.push(format!("{violation:?}"));
        }
        let none = violation.no_fix.is_some();
        if declares(violation) {
            found.violations.push((violation.rule().unwrap_or_default().to_owned(), name.clone(), none));
        }
    }
    if let Some(fixed) = fixed {
        let whole = after(judge, text, &fixed.edits);
        let expected = &fixed.after.violations;
        let is_fixed = fixed.left.is_empty() && expected.len() < before.len();
        if whole.as_ref().map(|whole| said(whole)) != Ok(said(expected)) || !is_fixed {
            wrong.push(format!("all together: {whole:?}"));
        }
    }
    found.wrong.extend(wrong.into_iter().map(|wrong| format!("{name}: {wrong}")));
}

fn of_case(tried: &Tried) -> Found {
    let mut found = Found::default();
    let all = tried.case.inputs();
    let inputs: Vec<_> = all.into_iter().filter(|it| is_tried(&it.short, &tried.case)).collect();
    if inputs.is_empty() {
        return found;
    }
    let world = world(tried);
    let judge = Judge { world: &world, assumed: vec![], assume_defaults: false };
    for input in inputs {
        of_object(tried, &judge, &serde_saphyr::to_string(&input.document).unwrap(), &mut found);
    }
    found
}

#[test]
fn each_declared_fix_undoes_its_violations_in_all_cases() {
    let policies = [Template::SecurityPolicy, Template::OperationPolicy].map(of_policies);
    let all: Vec<_> = policies.into_iter().flatten().chain(of_standards()).collect();
    assert!(all.len() > 300, "{}", all.len());
    let found: Vec<_> = all.par_iter().map(of_case).collect();
    let wrong: Vec<_> = found.iter().flat_map(|found| &found.wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let (mut without, mut rules) = (BTreeSet::new(), BTreeMap::<_, usize>::new());
    for (rule, case, none) in found.iter().flat_map(|found| &found.violations) {
        *rules.entry(rule).or_default() += usize::from(!none);
        without.extend(none.then(|| format!("{rule}: {case}")));
    }
    let never: Vec<_> = rules.iter().filter(|(_, fixed)| **fixed == 0).collect();
    assert!(never.is_empty(), "{never:?}");
    assert!(rules.values().sum::<usize>() > 500, "{rules:?}");
    assert_eq!(without.iter().map(String::as_str).collect::<Vec<_>>(), WITHOUT);
}

/// A pool is shared, and so are worlds: what is tried must not change them.
#[test]
fn an_object_is_judged_the_same_after_its_fixes_were_tried() {
    let tried = of_policies(Template::SecurityPolicy).swap_remove(0);
    let world = Arc::new(world(&tried));
    let judge = Judge { world: &world, assumed: vec![], assume_defaults: false };
    let input = tried.case.inputs().into_iter().find(|it| is_tried(&it.short, &tried.case)).unwrap();
    let object = placed(serde_saphyr::to_string(&input.document).unwrap()).unwrap();
    let first = judge.judge(&object);
    try_fixes(&judge, &object, &mut first.clone(), Medium::Object);
    assert_eq!(judge.judge(&object), first);
}
