//! Explains objects by what a cluster judges by.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use anyhow::{anyhow, bail};
use gatewright_api::PolicyKind;
use gatewright_compiler::Settings;
use gatewright_engine::ConstraintRef;
use gatewright_gatekeeper::{Matcher, Subject, Verdict, expected_processes, judge, pod_statuses};
use gatewright_rules::{Owner, Template};
use serde_json::Value;

use super::document::Explain;
use super::facts::{Known, find, leave_out_beyond};
use super::rows::{Place, explain as explained, name, said};
use super::{Args, Operation, explains_namespaces, within_bounds};
use crate::check::collect::{Candidate, collect};
use crate::check::notes::of_disabled_signatures;
use crate::check::placed::Placed;
use crate::check::world::World;
use crate::cluster::judging::{
    Policy, Seen, Surroundings, anew, ask_as_we_do, location, object, scopes, seen, surroundings,
};
use crate::cluster::{Connection, Discovery, Unseen};
use crate::diagnostics::{self, stop_at};
use crate::input::{Document, InputError, Location};
use crate::policies;
use crate::sandbox::Pool;
use crate::status::{State, state};

/// An object to explain.
struct Asked {
    placed: Placed,
    /// How many Pods run of it.
    running: u64,
    /// Whether it stands in a file.
    has_lines: bool,
    /// What had to be assumed of it.
    assumed: Vec<String>,
}

/// Everything that was read.
struct Read {
    seen: Seen,
    asked: Vec<Asked>,
    surroundings: BTreeMap<String, Surroundings>,
    /// Namespaces of the files.
    namespaces: Vec<(Location, Value)>,
}

/// Explains the object, or the objects of files.
///
/// # Errors
/// The cluster does not answer, the object is not there or may not be read, or the files are wrong.
pub fn explain(args: &Args, pool: &Arc<Pool>) -> anyhow::Result<Vec<Explain>> {
    let settings = args.settings.read(&args.reading.reading().limit)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Read { seen, asked, surroundings, namespaces } = runtime.block_on(read(args))?;
    let (mut world, known) = world(&seen, namespaces, &surroundings, &settings, pool);
    for placed in asked.iter().filter_map(|asked| asked.placed.namespace()) {
        world.namespaces.assume(placed);
    }
    world.add_namespaces();
    leave_out_beyond(&mut world, &known);
    let namespaces_too = explains_namespaces(&world, asked.iter().map(|asked| &asked.placed));
    let asked = asked.iter().filter(|asked| namespaces_too || !asked.placed.is_namespace());
    Ok(asked.map(|asked| one(&mut world, &known, &seen, &surroundings, asked)).collect())
}

fn one(
    world: &mut World,
    known: &Known,
    seen: &Seen,
    surroundings: &BTreeMap<String, Surroundings>,
    asked: &Asked,
) -> Explain {
    let Asked { placed, running, has_lines, assumed } = asked;
    let found = find(world, known, assumed, placed);
    let namespace = placed.labelled_by().unwrap_or_default();
    let beside = placed.namespace().and_then(|namespace| surroundings.get(namespace));
    let mut incomplete: Vec<Unseen> = seen.incomplete.clone();
    incomplete.extend(beside.into_iter().flat_map(|it| it.incomplete.iter().cloned()));
    let place = Place {
        namespace,
        labels: world.namespaces.labels(namespace),
        exemption: placed.labelled_by().and_then(|namespace| world.exemption(namespace)),
        has_lines: *has_lines,
        running: *running,
        policies: &seen.policies,
        blind: seen.blind.clone(),
        incomplete,
    };
    explained(found, &place)
}

async fn read(args: &Args) -> anyhow::Result<Read> {
    let connection = args.cluster.connect().await?;
    let default = connection.client.default_namespace().to_owned();
    let Some(namespace) = args.cluster.namespace_or(&default) else {
        bail!("-A names no namespace: explain looks at single objects, in the namespace of -n");
    };
    let discovery = Discovery::of(&connection).await?;
    let (asked, namespaces) = match &args.object {
        Some(text) => (vec![stored(&connection, &discovery, args, text, &namespace).await?], vec![]),
        None => of_files(&connection, &discovery, args, &namespace).await?,
    };
    let seen = seen(&connection).await?;
    let mut around = BTreeMap::new();
    for placed in asked.iter().filter_map(|asked| asked.placed.labelled_by()) {
        if !around.contains_key(placed) {
            around.insert(placed.to_owned(), surroundings(&connection, placed).await?);
        }
    }
    Ok(Read { seen, asked, surroundings: around, namespaces })
}

/// An object of the cluster.
async fn stored(
    connection: &Connection,
    discovery: &Discovery,
    args: &Args,
    text: &str,
    namespace: &str,
) -> anyhow::Result<Asked> {
    let (kind, name) = text
        .split_once('/')
        .filter(|(kind, name)| !kind.is_empty() && !name.is_empty() && !name.contains('/'))
        .ok_or_else(|| anyhow!("{text:?} is not an object; write it as KIND/NAME"))?;
    let served = discovery
        .called(kind)
        .ok_or_else(|| anyhow!("the API server serves no kind that is called {kind:?}"))?;
    if served.resource.group == gatewright_api::POLICY_GROUP {
        let of_kind = served.resource.kind.as_str();
        bail!(
            "{of_kind}/{name} is a policy, which judges and is not judged: see gatewright status {of_kind}/{name}"
        );
    }
    let found = object(connection, &served, namespace, name).await?;
    let Some(value) = found else {
        let place = if served.namespaced { format!(" in namespace {namespace}") } else { String::new() };
        bail!("there is no {}/{name}{place}", served.resource.kind);
    };
    let location = Location { file: "cluster".into(), line: 0 };
    let is_update = args.operation == Operation::Update;
    let running = running(&value);
    let new = if is_update { value.clone() } else { anew(value.clone()) };
    let document = Document::made(&new, location).map_err(|error| anyhow!("{error}"))?;
    let placed = Placed::new(Candidate(document), &scopes(discovery), Some(namespace));
    let placed = placed.map_err(|error| anyhow!("{error}"))?;
    let placed = if is_update { placed.replacing(value) } else { placed };
    Ok(Asked { placed, running, has_lines: false, assumed: vec![] })
}

/// How many Pods run of an object: itself, or those of a controller.
fn running(object: &Value) -> u64 {
    let status = &object["status"];
    let phase = status["phase"].as_str().unwrap_or_default();
    match object["kind"].as_str().unwrap_or_default() {
        "Pod" => {
            let leaves = !object["metadata"]["deletionTimestamp"].is_null();
            u64::from(!leaves && matches!(phase, "Pending" | "Running"))
        }
        "DaemonSet" => status["currentNumberScheduled"].as_u64().unwrap_or_default(),
        "Job" => status["active"].as_u64().unwrap_or_default(),
        _ => status["replicas"].as_u64().unwrap_or_default(),
    }
}

/// The objects of files, and the Namespaces in them.
async fn of_files(
    connection: &Connection,
    discovery: &Discovery,
    args: &Args,
    namespace: &str,
) -> anyhow::Result<(Vec<Asked>, Vec<(Location, Value)>)> {
    let mut collected = collect(&args.filenames, &args.reading.reading());
    stop_at(&collected.problems)?;
    let judging = [&collected.templates, &collected.constraints, &collected.configs, &collected.expansions];
    let judging =
        judging.into_iter().flatten().chain(collected.policies.iter().map(|(document, _)| document));
    for document in judging {
        let (kind, name) = (&document.header.kind, &document.header.name);
        let message = "it judges and is not judged, and what is in the cluster counts; left out";
        diagnostics::note(format!("{}: {kind}/{name}: {message}", document.location));
    }
    let candidates = std::mem::take(&mut collected.candidates);
    within_bounds(&candidates)?;
    collected.scopes.extend(scopes(discovery));
    let mut asked = vec![];
    for candidate in candidates {
        let header = candidate.header().clone();
        let is_review = candidate.is_review();
        let placed =
            Placed::new(candidate, &collected.scopes, Some(namespace)).map_err(|error| anyhow!("{error}"))?;
        let mut one = Asked { placed, running: 0, has_lines: true, assumed: vec![] };
        if args.operation == Operation::Update && !is_review {
            let served = discovery.kind(header.group(), &header.kind);
            let within = one.placed.namespace().unwrap_or_default();
            let old = match &served {
                Some(served) => object(connection, served, within, &header.name).await?,
                None => None,
            };
            one = match old {
                Some(old) => Asked { placed: one.placed.replacing(old), ..one },
                None => Asked { assumed: vec!["it is created: it is not in the cluster".to_owned()], ..one },
            };
        }
        asked.push(one);
    }
    Ok((asked, collected.namespaces))
}

/// What the cluster judges by, and what is known of its constraints.
fn world(
    seen: &Seen,
    namespaces: Vec<(Location, Value)>,
    surroundings: &BTreeMap<String, Surroundings>,
    settings: &Settings,
    pool: &Arc<Pool>,
) -> (World, Known) {
    // What Gatekeeper's processes report stands on the templates that are there.
    let mut asking = seen.clone();
    ask_as_we_do(&mut asking);
    let mut collected = asking.collected();
    for value in surroundings.values().filter_map(|it| it.namespace.as_ref()) {
        collected.namespaces.push((location(value), value.clone()));
    }
    // What a file says of a namespace comes with it.
    collected.namespaces.extend(namespaces);
    let (mut world, problems) = World::of_cluster(&mut collected, settings, pool);
    problems.iter().for_each(diagnostics::note);
    of_disabled_signatures(&world, settings).for_each(diagnostics::note);
    for (namespace, around) in surroundings {
        around.gives.iter().for_each(|object| world.cluster.learn(object, namespace));
    }
    (world, known(seen, &problems))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn reference(constraint: &Value) -> ConstraintRef {
    let (kind, name) = (text(&constraint["kind"]), text(&constraint["metadata"]["name"]));
    ConstraintRef { kind: kind.to_owned(), name: name.to_owned() }
}

fn known(seen: &Seen, problems: &[InputError]) -> Known {
    let policies: BTreeMap<_, _> = seen.policies.iter().map(|policy| (name(policy), policy)).collect();
    let mut known = Known { unusable: unusable(seen, problems), ..Known::default() };
    known.excluded = policies.iter().map(|(name, policy)| (name.clone(), policy.excluded.clone())).collect();
    let templates = templates(seen);
    for constraint in &seen.constraints {
        let reference = reference(constraint);
        let template = templates.get(reference.kind.to_lowercase().as_str());
        let policy = owner(constraint).and_then(|owner| policies.get(&owner));
        let enforced = enforced(policy.copied(), template.copied(), constraint);
        known.enforced.insert(reference, enforced);
    }
    known
}

/// Templates by their names.
fn templates(seen: &Seen) -> BTreeMap<&str, &Value> {
    seen.templates.iter().map(|template| (text(&template["metadata"]["name"]), template)).collect()
}

/// The constraints that the engine does not take, because of themselves or of their templates: why, and what they match.
pub fn unusable(seen: &Seen, problems: &[InputError]) -> HashMap<ConstraintRef, (String, Matcher)> {
    let templates = templates(seen);
    let of = |constraint: &Value| {
        let reference = reference(constraint);
        let template = templates.get(reference.kind.to_lowercase().as_str());
        let places = [location(constraint), location(template.copied().unwrap_or(&Value::Null))];
        let is_its = |it: &&InputError| places.contains(&Location { line: 0, ..it.location.clone() });
        let reason = format!("cannot be judged here: {}", problems.iter().find(is_its)?.message);
        Some((reference, (reason, Matcher::of_spec(&constraint["spec"]))))
    };
    seen.constraints.iter().filter_map(of).collect()
}

/// The policy of a constraint, by the label that names it.
fn owner(constraint: &Value) -> Option<policies::PolicyRef> {
    let kind = match Template::of_kind(text(&constraint["kind"]))?.owner() {
        Owner::Policy(kind) => kind,
        Owner::Signatures => PolicyKind::SecurityPolicy,
        Owner::Standards | Owner::ExecGuard => return None,
    };
    let name = constraint["metadata"]["labels"][kind.label()].as_str()?;
    Some(policies::PolicyRef { kind: kind.to_string(), name: name.into() })
}

/// Whether Gatekeeper enforces a constraint: as its policy's status says, and each process that has reported on it.
fn enforced(policy: Option<&Policy>, template: Option<&Value>, constraint: &Value) -> Result<(), String> {
    if let Some(policy) = policy {
        let (state, reason, message) = state(&policy.seen);
        if state != State::Ready {
            return Err(said(state, &reason, &message));
        }
    }
    let template = subject(template.unwrap_or(&Value::Null));
    let constraint = subject(constraint);
    let reports = [template.reports.as_slice(), constraint.reports.as_slice()].concat();
    let names = reports.iter().map(|report| gatewright_gatekeeper::Process {
        name: report.id.clone(),
        ..gatewright_gatekeeper::Process::default()
    });
    let processes: Vec<_> = names.collect();
    match judge(&expected_processes(&processes, &reports), &template, &constraint) {
        Verdict::Enforced => Ok(()),
        Verdict::NoProcess => Err("no process of Gatekeeper has reported on it".to_owned()),
        Verdict::TemplateRejected(error) => {
            Err(format!("{} cannot compile its template: {}", error.process, error.message))
        }
        Verdict::NotEnforcedBy(processes) => {
            let all: Vec<_> =
                processes.iter().map(|(process, reason)| format!("{process} {reason}")).collect();
            Err(all.join("; "))
        }
    }
}

fn subject(object: &Value) -> Subject {
    Subject {
        uid: text(&object["metadata"]["uid"]).to_owned(),
        generation: object["metadata"]["generation"].as_i64().unwrap_or_default(),
        reports: pod_statuses(&object["status"]),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use gatewright_compiler::Settings;
    use gatewright_rules::Template;
    use gatewright_signatures::Parameters;
    use gatewright_signatures::entry::ReadEntry;
    use serde_json::{Value, json};

    use super::{
        Candidate, Placed, enforced, find, known, leave_out_beyond, location, reference, running, world,
    };
    use crate::check::Scopes;
    use crate::check::result::Verdict;
    use crate::cluster::judging::Seen;
    use crate::input::{Document, InputError, Location};
    use crate::sandbox::{Limits, Pool};

    const P256: &str = include_str!("../../../signatures/tests/fixtures/keys/p256.pub");

    fn template(generation: i64) -> Value {
        let report = json!({"id": "gatekeeper-0", "templateUID": "t", "observedGeneration": 1, "operations": ["webhook"]});
        json!({
            "kind": "ConstraintTemplate", "metadata": {"name": "a", "uid": "t", "generation": generation},
            "status": {"byPod": [report]},
        })
    }

    fn constraint(reports: &Value) -> Value {
        json!({
            "kind": "A", "metadata": {"name": "c", "uid": "c", "generation": 2}, "status": {"byPod": reports},
            "spec": {"match": {"name": "x"}},
        })
    }

    #[test]
    fn what_processes_report_says_whether_a_constraint_is_enforced() {
        let report = |generation: i64| {
            json!([{
                "id": "gatekeeper-0", "constraintUID": "c", "observedGeneration": generation, "enforced": true,
                "operations": ["webhook"],
            }])
        };
        for (template, reports, expected) in [
            (Some(template(1)), report(2), None),
            (Some(template(1)), report(1), Some("gatekeeper-0 has generation 1 of the constraint, not 2")),
            (Some(template(2)), report(2), Some("gatekeeper-0 has generation 1 of the template, not 2")),
            (Some(template(1)), json!([]), Some("gatekeeper-0 has not reported on the constraint")),
            (None, json!([]), Some("no process of Gatekeeper has reported on it")),
        ] {
            let found = enforced(None, template.as_ref(), &constraint(&reports));
            assert_eq!(found.err().as_deref(), expected);
        }
    }

    #[test]
    fn a_constraint_that_cannot_be_used_is_known_with_its_reason() {
        let of = |file: &str| InputError {
            location: Location { file: file.into(), line: 4 },
            message: "no".to_owned(),
        };
        let seen = || Seen {
            templates: vec![template(1)],
            constraints: vec![constraint(&json!([]))],
            ..Seen::default()
        };
        let reference = reference(&constraint(&json!([])));
        for (file, unusable) in [("A/c", true), ("ConstraintTemplate/a", true), ("A/other", false)] {
            let known = known(&seen(), &[of(file)]);
            let found = known.unusable.get(&reference).map(|(reason, _)| reason.as_str());
            assert_eq!(found, unusable.then_some("cannot be judged here: no"), "{file}");
        }
    }

    /// The cluster may have the template of another version, which nobody answers here.
    #[test]
    fn what_the_name_of_an_image_decides_is_asked_with_our_template() {
        let own = Template::ALL.iter().find(|own| own.needs_verifier()).unwrap();
        let mut template = json!(gatewright_compiler::template(*own));
        let rego = template.pointer_mut("/spec/targets/0/code/0/source/rego").unwrap();
        *rego = json!(format!("{}\n# another version\n", rego.as_str().unwrap()));
        let entry = ReadEntry::new("r.io/*", &[P256], None, true, false).unwrap();
        let constraint = json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": own.kind(), "metadata": {"name": "s"},
            "spec": {"parameters": Parameters::new("s", &[entry]).unwrap()},
        });
        let seen = Seen { templates: vec![template], constraints: vec![constraint], ..Seen::default() };
        let (settings, pool) = (Settings::from_yaml("", "x").unwrap(), Pool::new(Limits::default()));
        let (mut world, known) = world(&seen, vec![], &BTreeMap::new(), &settings, &pool);
        leave_out_beyond(&mut world, &known);
        for (image, expected) in [("r.io/a:1", Verdict::Deny), ("nginx", Verdict::Pass)] {
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
                "spec": {"containers": [{"name": "a", "image": image}]}});
            let pod = Candidate(Document::made(&pod, location(&pod)).unwrap());
            let found = find(&mut world, &known, &[], &Placed::new(pod, &Scopes::default(), None).unwrap());
            assert_eq!((found.result.verdict, &found.facts[0].not_judged), (expected, &None), "{image}");
        }
    }

    #[test]
    fn pods_that_run_are_counted() {
        let leaves =
            json!({"kind": "Pod", "metadata": {"deletionTimestamp": "x"}, "status": {"phase": "Running"}});
        for (object, expected) in [
            (json!({"kind": "Pod", "status": {"phase": "Running"}}), 1),
            (json!({"kind": "Pod", "status": {"phase": "Pending"}}), 1),
            (json!({"kind": "Pod", "status": {"phase": "Succeeded"}}), 0),
            (leaves, 0),
            (json!({"kind": "Deployment", "status": {"replicas": 3}}), 3),
            (json!({"kind": "DaemonSet", "status": {"currentNumberScheduled": 4}}), 4),
            (json!({"kind": "Job", "status": {"active": 2}}), 2),
            (json!({"kind": "CronJob", "status": {"active": [{}]}}), 0),
            (json!({"kind": "ConfigMap"}), 0),
        ] {
            assert_eq!(running(&object), expected, "{object}");
        }
    }
}
