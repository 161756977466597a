//! Verdicts on the real API server with real Gatekeeper, compared with those that others reach.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use gatewright_e2e::fixtures::{self, Fixture, LEVELS};
use gatewright_e2e::generate::{Audience, Random, cases, pods, shrink};
use gatewright_e2e::manifests::labelled_namespace;
use gatewright_e2e::{Cluster, SOON, Scenario, paths, until};
use kube::Client;
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use proptest::strategy::ValueTree as _;
use serde_json::{Value, json};

/// How many requests are under way at a time.
const CONCURRENCY: usize = 12;

/// The label by which a namespace chooses our standard.
const OURS: &str = "security.deckhouse.io/pod-policy";

/// What is said to a Pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    Admitted,
    /// Refused, for these reasons.
    Refused(BTreeSet<String>),
    /// No valid Pod, or one that an admission plugin refuses that judges something else.
    Invalid(String),
}

/// Kubernetes' reason for each of our controls. A restricted control replaces its baseline twin and shares its reason.
const REASONS: &[(&str, &str)] = &[
    ("allowPrivilegeEscalation", "allowPrivilegeEscalation != false"),
    ("appArmorProfile", "forbidden AppArmor profile"),
    ("capabilities_baseline", "non-default capabilities"),
    ("capabilities_restricted", "unrestricted capabilities"),
    ("hostNamespaces", "host namespaces"),
    ("hostPathVolumes", "hostPath volumes"),
    ("hostPorts", "hostPort"),
    ("hostProbesAndHostLifecycle", "probe or lifecycle host"),
    ("privileged", "privileged"),
    ("procMount", "procMount"),
    ("procMount_restricted", "procMount"),
    ("restrictedVolumes", "restricted volume types"),
    ("runAsNonRoot", "runAsNonRoot != true"),
    ("runAsUser", "runAsUser=0"),
    ("seLinuxOptions", "seLinuxOptions"),
    ("seccompProfile_baseline", "seccompProfile"),
    ("seccompProfile_restricted", "seccompProfile"),
    ("sysctls", "forbidden sysctls"),
    ("windowsHostProcess", "hostProcess"),
];

/// The API server's own admission and ours, side by side.
#[tokio::test(flavor = "multi_thread")]
async fn pod_security_admission_agrees() -> Result<()> {
    Scenario::run(Scenario::new("test-psa").without_operator(), async |cluster| {
        let client = cluster.client().await?;
        let version = format!("v1.{}", client.apiserver_version().await?.minor);
        cluster.start_operator_with(&format!("podSecurityStandards: {{version: {version}}}")).await?;
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "low"}, "value": 1,
        });
        cluster.put(&class).await?;
        for level in LEVELS {
            let theirs = json!({
                OURS: "privileged",
                "pod-security.kubernetes.io/enforce": level,
                "pod-security.kubernetes.io/enforce-version": version,
            });
            ready_namespace(cluster, &client, &format!("theirs-{level}"), &theirs).await?;
            ready_namespace(cluster, &client, &format!("ours-{level}"), &json!({OURS: level})).await?;
        }
        let mut seen = BTreeSet::new();
        for level in LEVELS {
            seen.extend(compare(&client, level).await?);
        }
        let all: BTreeSet<_> = REASONS.iter().map(|(_, reason)| (*reason).to_owned()).collect();
        ensure!(seen == all, "no Pod was refused for {:?}", all.difference(&seen));
        Ok(())
    })
    .await
}

/// Asks both about random Pods, and returns the reasons of all refusals.
async fn compare(client: &Client, level: &str) -> Result<BTreeSet<String>> {
    let mut random = Random::from_env()?;
    let trees = random.trees(&pods(Audience::ApiServer), cases(500)?)?;
    let asked: Vec<_> = stream::iter(&trees)
        .map(|tree| {
            let pod = tree.current();
            async move { both(client, level, &pod).await }
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let differing = asked.iter().zip(trees).filter(|((theirs, ours), _)| theirs != ours);
    let mut differing: Vec<_> = differing.map(|(_, tree)| tree).collect();
    if let Some(tree) = differing.pop() {
        let differ = async |pod: &Value| {
            let (theirs, ours) = both(client, level, pod).await?;
            Ok(theirs != ours)
        };
        let pod = shrink(tree, differ).await?;
        let (theirs, ours) = both(client, level, &pod).await?;
        bail!(
            "{level}, seed {}: {} of {} Pods differ; {pod}: PodSecurity says {theirs:?}, we say {ours:?}",
            random.seed,
            differing.len() + 1,
            asked.len()
        );
    }
    let answers: Vec<_> = asked.into_iter().map(|(theirs, _)| theirs).collect();
    enough_of_each(level, &answers)?;
    let reasons = answers.into_iter().filter_map(|answer| match answer {
        Answer::Refused(reasons) => Some(reasons),
        Answer::Admitted | Answer::Invalid(_) => None,
    });
    Ok(reasons.flatten().collect())
}

/// Where nearly everything is invalid, refused or admitted, agreement says little.
fn enough_of_each(level: &str, answers: &[Answer]) -> Result<()> {
    let count = |what: fn(&Answer) -> bool| answers.iter().filter(|answer| what(answer)).count();
    let invalid = count(|answer| matches!(answer, Answer::Invalid(_)));
    let [admitted, refused] =
        [count(|it| *it == Answer::Admitted), count(|it| matches!(it, Answer::Refused(_)))];
    println!("{level}: {admitted} admitted, {refused} refused, {invalid} invalid");
    let mut why: BTreeMap<&str, usize> = BTreeMap::new();
    for answer in answers {
        if let Answer::Invalid(message) = answer {
            *why.entry(message).or_default() += 1;
        }
    }
    ensure!(invalid * 5 < answers.len(), "{level}: {invalid} of {} are invalid: {why:#?}", answers.len());
    let least = answers.len() / 6;
    ensure!(admitted > least && refused > least, "{level}: {admitted} admitted, {refused} refused");
    Ok(())
}

async fn both(client: &Client, level: &str, pod: &Value) -> Result<(Answer, Answer)> {
    let theirs = ask(client, &format!("theirs-{level}"), pod).await?;
    let ours = match ask(client, &format!("ours-{level}"), pod).await? {
        Answer::Refused(controls) => {
            Answer::Refused(controls.iter().map(|control| reason(control)).collect::<Result<_>>()?)
        }
        other => other,
    };
    Ok((theirs, ours))
}

fn reason(control: &str) -> Result<String> {
    let found = REASONS.iter().find(|(ours, _)| *ours == control);
    Ok(found.with_context(|| format!("the control {control} has no reason"))?.1.to_owned())
}

/// Creates a Pod in a dry run.
pub async fn ask(client: &Client, namespace: &str, pod: &Value) -> Result<Answer> {
    let mut pod: DynamicObject = serde_json::from_value(pod.clone())?;
    pod.metadata.namespace = Some(namespace.to_owned());
    // Fixtures are named after controls, with underscores.
    pod.metadata.name = Some("asked".to_owned());
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Pod"));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let status = match api.create(&dry_run, &pod).await {
        Ok(_) => return Ok(Answer::Admitted),
        Err(kube::Error::Api(status)) => status,
        Err(error) => return Err(error.into()),
    };
    let said = &status.message;
    if let Some((_, violated)) = said.split_once("violates PodSecurity ") {
        let (_, reasons) = violated.split_once(": ").context("no reasons")?;
        return Ok(Answer::Refused(pod_security_reasons(reasons)));
    }
    if said.contains(r#"admission webhook "validation.gatekeeper.sh" denied"#) {
        let controls = said.lines().filter_map(|line| line.split_once("] ")?.1.split_once(": "));
        return Ok(Answer::Refused(controls.map(|(control, _)| control.to_owned()).collect()));
    }
    ensure!([400, 403, 422].contains(&status.code), "{}: {said}", status.code);
    Ok(Answer::Invalid(said.rsplit_once("invalid: ").map_or(said.as_str(), |(_, why)| why).to_owned()))
}

/// Of `reason (detail, "with names") , another reason (…)` the reasons, in the singular.
fn pod_security_reasons(text: &str) -> BTreeSet<String> {
    let (mut depth, mut quoted, mut reasons) = (0, false, String::new());
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ if depth == 0 => reasons.push(c),
            _ => {}
        }
    }
    reasons.split(',').map(|reason| reason.trim().replace("profiles", "profile")).collect()
}

/// All fixtures of Kubernetes as Pods: which controls refuse them, at the newest version.
#[tokio::test(flavor = "multi_thread")]
async fn fixtures_and_extended_standards() -> Result<()> {
    let Some(fixtures) = fixtures::newest()? else { return Ok(()) };
    let scenario = Scenario::new("test-fixtures");
    Scenario::run(scenario, async |cluster| {
        let client = cluster.client().await?;
        for level in LEVELS {
            ready_namespace(cluster, &client, level, &json!({OURS: level})).await?;
        }
        let judged: Vec<_> = stream::iter(&fixtures)
            .map(|fixture| judge(&client, fixture))
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let invalid: BTreeSet<_> = judged.into_iter().flatten().collect();
        ensure!(
            invalid == NOT_VALID.iter().copied().map(str::to_owned).collect(),
            "not valid are {invalid:?}"
        );
        an_extended_standard(cluster, &client).await
    })
    .await
}

/// Fixtures that the API server refuses before it asks anybody: an unmasked /proc needs a user namespace.
const NOT_VALID: &[&str] = &[
    "baseline/fail/procmount0.yaml",
    "baseline/fail/procmount1.yaml",
    "restricted/fail/procmount0.yaml",
    "restricted/fail/procmount1.yaml",
];

/// Judges a fixture; returns its file if the API server does not take it for valid.
async fn judge(client: &Client, fixture: &Fixture) -> Result<Option<String>> {
    let Fixture { level, file, pod, refused_by } = fixture;
    let found = match ask(client, level, pod).await? {
        Answer::Invalid(_) => return Ok(Some(format!("{level}/{file}"))),
        Answer::Admitted => BTreeSet::new(),
        Answer::Refused(controls) => controls.iter().map(|control| control.to_lowercase()).collect(),
    };
    ensure!(found == *refused_by, "{level}/{file}: found {found:?}, expected {refused_by:?}");
    Ok(None)
}

/// Users bind their own template by the label that chooses our standard: the documented one, in Rego of before 1.0.
async fn an_extended_standard(cluster: &Cluster, client: &Client) -> Result<()> {
    let oracle = paths::oracle().context("the fixtures are there")?;
    for page in ["faq", "overview"] {
        let document = |name: &str| fs::read_to_string(oracle.join(format!("documented/{page}-{name}.yaml")));
        apply(cluster, &document("constrainttemplate-k8sallowedrepos")?).await?;
        let constraint = document("k8sallowedrepos-prod-repo")?;
        until("Gatekeeper serves the kind", SOON, async || Ok(apply(cluster, &constraint).await.is_ok()))
            .await?;
        let (good, foreign) = ("mycompany.registry.com/app:1", "example.com/app:1");
        let says = |list: &str| {
            format!(
                "[prod-repo] container <{list}> has an invalid image repo <{foreign}>, allowed repos are [\"mycompany.registry.com\"]"
            )
        };
        until("a foreign image is refused", SOON, async || {
            let said = create(cluster, "restricted", [good, foreign]).await?;
            ensure!(said.contains(&says("app")) && !said.contains("<init>"), "{said}");
            Ok(true)
        })
        .await?;
        let said = create(cluster, "restricted", [foreign, good]).await?;
        ensure!(said.contains(&says("init")) && !said.contains("<app>"), "{said}");
        for (namespace, images) in [("restricted", [good, good]), ("baseline", [foreign, foreign])] {
            let said = create(cluster, namespace, images).await?;
            ensure!(said.contains("created"), "{namespace}: {said}");
        }
        // Theirs adds to ours and takes nothing away.
        let plain = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "plain"}, "spec": {"containers": [{"name": "app", "image": good}]}});
        ensure!(matches!(ask(client, "restricted", &plain).await?, Answer::Refused(_)));
        cluster
            .kubectl_ok(&["delete", "k8sallowedrepos/prod-repo", "constrainttemplate/k8sallowedrepos"])
            .await?;
    }
    Ok(())
}

/// What is said to a hardened Pod with these images of its init container and its container.
async fn create(cluster: &Cluster, namespace: &str, [init, app]: [&str; 2]) -> Result<String> {
    let context = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shop", "namespace": namespace},
        "spec": {
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "initContainers": [{"name": "init", "image": init, "securityContext": context}],
            "containers": [{"name": "app", "image": app, "securityContext": context}],
        },
    });
    cluster.try_create(&pod).await
}

async fn apply(cluster: &Cluster, manifest: &str) -> Result<()> {
    cluster.kubectl(&["apply", "--server-side", "-f", "-"], Some(manifest)).await?.success().map(drop)
}

/// Creates a namespace, and waits until it takes good Pods and refuses bad ones.
pub async fn ready_namespace(cluster: &Cluster, client: &Client, name: &str, labels: &Value) -> Result<()> {
    cluster.put(&labelled_namespace(name, labels)).await?;
    let pod = |host_pid| {
        let context = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe"},
            "spec": {
                "hostPID": host_pid,
                "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{"name": "app", "image": "app", "securityContext": context}],
            },
        })
    };
    until(&format!("the namespace {name} is under its standard"), SOON, async || {
        let good = ask(client, name, &pod(false)).await?;
        let bad = ask(client, name, &pod(true)).await?;
        ensure!(good == Answer::Admitted && matches!(bad, Answer::Refused(_)), "{good:?}, {bad:?}");
        Ok(true)
    })
    .await
}
