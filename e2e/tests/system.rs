//! What the operator says beside the conditions of policies, on the real control plane: the state of everything that
//! is no policy, what audit found, which namespaces policies reach, and labels that mean nothing or exempt a namespace.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, Condition, Options, paths, until};
use serde_json::{Value, json};

/// Much more than anything here takes, also on a machine under load.
const SOON: Duration = Duration::from_mins(1);

const POLICY: &str = "security.deckhouse.io/pod-policy";
const ACTION: &str = "security.deckhouse.io/pod-policy-action";

struct World<'a>(&'a Cluster);

impl World<'_> {
    async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.0.kubectl(arguments, None).await?.success()
    }

    async fn put(&self, manifest: &Value) -> Result<()> {
        let arguments = ["apply", "--server-side", "-f", "-"];
        self.0.kubectl(&arguments, Some(&manifest.to_string())).await?.success().map(drop)
    }

    async fn get(&self, what: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.kubectl(&["get", "-o", "json", what]).await?)?)
    }

    /// What the API server says when the labels of a namespace are set so, be it yes or no.
    async fn label(&self, namespace: &str, labels: &[&str]) -> Result<String> {
        let arguments = [&["label", "--overwrite", "namespace", namespace], labels].concat();
        let output = self.0.kubectl(&arguments, None).await?;
        Ok(output.stdout + &output.stderr)
    }

    /// Waits until an object's status holds this.
    async fn shows(&self, what: &str, pointer: &str, expected: &Value) -> Result<()> {
        until(&format!("{what} has {pointer} {expected}"), SOON, async || {
            let found = self.get(what).await?;
            let value = found.pointer(pointer).unwrap_or(&Value::Null);
            ensure!(value == expected, "{value}");
            Ok(true)
        })
        .await
    }

    async fn metric(&self, series: &str) -> Result<Option<String>> {
        let (_, text) = self.0.ask_replica(OPERATOR, "/metrics").await?;
        let found = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(found.map(|value| value.trim_end_matches(".0").to_owned()))
    }
}

fn namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn policy(namespaces: &[&str]) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": "strict"},
        "spec": {
            "enforcementAction": "Warn",
            "match": {"namespaceSelector": {"matchNames": namespaces}},
            "policies": {"allowPrivileged": false},
        },
    })
}

fn privileged_pod(namespace: &str) -> Value {
    let container = json!({"name": "app", "image": "registry.example.com/app:1", "securityContext": {"privileged": true}});
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "privileged", "namespace": namespace},
        "spec": {"containers": [container]},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_everything_is_told() -> Result<()> {
    let options = Options { audit_interval: 2, ..Options::new("test-system") };
    Cluster::run(options, async |cluster| {
        let world = World(cluster);
        for name in ["shop", "till"] {
            world.put(&namespace(name, &json!({ACTION: "warn"}))).await?;
        }
        cluster.install_policies().await?;
        a_policy_that_nobody_looked_at_says_so(&world).await?;
        cluster.start_operator().await?;
        what_is_no_policy(&world).await?;
        what_a_policy_reaches_and_finds(&world).await?;
        labels_that_mean_nothing(&world).await?;
        labels_that_are_refused(&world).await?;
        namespaces_that_are_exempt(&world).await?;
        namespaces_that_are_reserved(&world).await?;
        every_metric_is_shown(&world).await
    })
    .await
}

/// The API server itself fills in the status, which goes with the first one that is written.
async fn a_policy_that_nobody_looked_at_says_so(world: &World<'_>) -> Result<()> {
    let operation = json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "OperationPolicy", "metadata": {"name": "waiting"},
        "spec": {
            "match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": {"disallowedImageTags": ["latest"]},
        },
    });
    // What is sent with a new object counts for nothing.
    let mut claimed = operation.clone();
    claimed["status"] = json!({"conditions": [], "namespaces": 7});
    world.0.kubectl(&["create", "-f", "-"], Some(&claimed.to_string())).await?.success()?;
    world.put(&policy(&["nowhere"])).await?;
    for object in ["oppol/waiting", "secpol/strict"] {
        let status = world.get(object).await?["status"].take();
        let ready = json!({
            "type": "Ready", "status": "Unknown", "reason": "Pending", "lastTransitionTime": "1970-01-01T00:00:00Z",
            "message": "no operator has looked at this policy yet",
        });
        ensure!(status == json!({"conditions": [ready]}), "{object}: {status}");
        let row = world.kubectl(&["get", object, "-o", "wide", "--no-headers"]).await?;
        ensure!(row.contains("Unknown") && row.contains("Pending"), "{row}");
    }
    Ok(())
}

async fn what_is_no_policy(world: &World<'_>) -> Result<()> {
    until("the status is there", SOON, async || {
        Ok(world.get("gatewrightstatus/cluster").await?["status"]["conditions"].is_array())
    })
    .await?;
    world.kubectl(&["wait", "--for=condition=Ready", "gatewrightstatus/cluster", "--timeout=60s"]).await?;
    let status = world.get("gatewrightstatus/cluster").await?["status"].take();
    let reasons: Vec<_> = status["conditions"].as_array().context("no conditions")?.iter().collect();
    let reasons: Vec<_> = reasons.iter().map(|it| format!("{}={}", it["type"], it["reason"])).collect();
    let reasons = reasons.join(" ").replace('"', "");
    ensure!(
        reasons
            == "PoliciesServed=Served GatekeeperFound=Found TemplatesInstalled=Installed \
                StandardsEnforced=Enforced ExecGuard=NotNeeded Routing=Routed Reports=NotNeeded \
                Settings=InForce Operator=Leading Ready=Ready",
        "{reasons}"
    );
    let processes = status["processes"].as_array().context("no processes")?;
    ensure!(processes.len() == 1 && processes[0]["name"] == "gatekeeper-0", "{processes:?}");
    ensure!(processes[0]["operations"].to_string().contains("webhook"), "{processes:?}");
    // That of the image in upstream's chart, which is the version of the program here.
    ensure!(processes[0]["version"].as_str().is_some_and(|it| it.starts_with("v3.")), "{processes:?}");
    ensure!(status["standards"].as_array().is_some_and(|all| all.len() == 6), "{status}");
    ensure!(status["exemptNamespaces"] == json!({"count": 0}), "{status}");
    // The first status of a policy replaces what the API server made up.
    world.kubectl(&["wait", "--for=condition=Ready", "oppol/waiting", "--timeout=60s"]).await?;
    let conditions = world.get("oppol/waiting").await?["status"]["conditions"].take();
    ensure!(conditions.as_array().is_some_and(|all| all.len() == 4), "{conditions}");
    ensure!(!conditions.to_string().contains("1970-01-01"), "{conditions}");
    world.kubectl(&["delete", "oppol/waiting"]).await?;
    // Both namespaces of ours; the default namespace has no label.
    until("the namespaces count", SOON, async || {
        let found = world.metric(r#"gatewright_namespaces{level="baseline",action="warn"}"#).await?;
        ensure!(found.as_deref() == Some("2"), "{found:?}");
        Ok(true)
    })
    .await?;
    // Written by hand: it comes back.
    let patch = r#"{"status": {"conditions": []}}"#;
    world
        .kubectl(&["patch", "gatewrightstatus/cluster", "--subresource=status", "--type=merge", "-p", patch])
        .await?;
    world
        .kubectl(&["wait", "--for=condition=Ready", "gatewrightstatus/cluster", "--timeout=60s"])
        .await
        .map(drop)
}

async fn what_a_policy_reaches_and_finds(world: &World<'_>) -> Result<()> {
    world.put(&policy(&["nowhere"])).await?;
    world.shows("secpol/strict", "/status/namespaces", &json!(0)).await?;
    world.kubectl(&["wait", "--for=condition=Ready", "secpol/strict", "--timeout=60s"]).await?;
    let row = world.kubectl(&["get", "secpol/strict", "-o", "wide", "--no-headers"]).await?;
    ensure!(row.contains("NoNamespaces"), "{row}");

    for name in ["shop", "till"] {
        world.put(&privileged_pod(name)).await?;
    }
    world
        .kubectl(&[
            "patch",
            "secpol/strict",
            "--type=merge",
            "-p",
            r#"{"spec": {"match": {"namespaceSelector": {"matchNames": ["shop", "till"]}}}}"#,
        ])
        .await?;
    world.shows("secpol/strict", "/status/namespaces", &json!(2)).await?;
    world.shows("secpol/strict", "/status/violations/byEnforcement/warn", &json!(2)).await?;
    world.shows("secpol/strict", "/status/deckhouse/synced", &json!("True")).await?;
    let header = world.kubectl(&["get", "secpol"]).await?;
    ensure!(["NAMESPACES", "VIOLATIONS", "READY"].iter().all(|column| header.contains(column)), "{header}");
    let series = r#"gatewright_violations{kind="SecurityPolicy",policy="strict",action="warn"}"#;
    until("the violations are a metric", SOON, async || {
        Ok(world.metric(series).await?.as_deref() == Some("2"))
    })
    .await?;
    until("the standard's violations stand in the status", SOON, async || {
        let found = world.get("gatewrightstatus/cluster").await?;
        let all = found["status"]["standards"].as_array().context("no standards")?;
        let warn =
            all.iter().find(|it| it["constraint"] == "d8-pod-security-baseline-warn").context("absent")?;
        ensure!(
            warn["violations"].as_i64().is_some_and(|count| count >= 2) && warn["namespaces"] == 2,
            "{warn}"
        );
        Ok(true)
    })
    .await?;
    // A namespace that comes is counted; no constraint is written for it.
    world.kubectl(&["delete", "namespace", "till", "--wait=false"]).await?;
    world.shows("secpol/strict", "/status/violations/byEnforcement/warn", &json!(1)).await.map(drop)
}

/// The events about labels in a namespace.
async fn events(world: &World<'_>, namespace: &str) -> Result<Vec<String>> {
    let found = world.kubectl(&["get", "events", "-n", namespace, "-o", "json"]).await?;
    let found: Value = serde_json::from_str(&found)?;
    let events = found["items"].as_array().into_iter().flatten();
    let ours = events.filter(|event| event["reason"] == "MeaninglessLabel" && event["type"] == "Warning");
    Ok(ours.map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect())
}

async fn labels_that_mean_nothing(world: &World<'_>) -> Result<()> {
    world.label("shop", &[&format!("{POLICY}=resticted")]).await?;
    until("an event says so", SOON, async || {
        let events = events(world, "shop").await?;
        ensure!(
            events.len() == 1
                && events[0].contains(
                    "\"resticted\", which means nothing: allowed are privileged, baseline, restricted"
                ),
            "{events:?}"
        );
        Ok(true)
    })
    .await?;
    // Another label, and another operator: nothing new.
    world.label("shop", &["tier=web"]).await?;
    world.0.kill(OPERATOR).await?;
    world.0.start_operator().await?;
    world.label("shop", &[&format!("{ACTION}=Deny")]).await?;
    until("the other label is told", SOON, async || Ok(events(world, "shop").await?.len() > 1)).await?;
    let events = events(world, "shop").await?;
    ensure!(events.len() == 2, "{events:?}");
    Ok(())
}

async fn labels_that_are_refused(world: &World<'_>) -> Result<()> {
    let path = paths::repository().join("deploy/namespace-labels.yaml");
    world.kubectl(&["apply", "-f", path.to_str().context("not UTF-8")?]).await?;
    let refused = "which means nothing: allowed are privileged, baseline, restricted";
    until("a meaningless value is refused", SOON, async || {
        let said = world.label("kube-public", &[&format!("{POLICY}=Restricted")]).await?;
        // Until the API server has taken in the policy it says yes.
        world.label("kube-public", &[&format!("{POLICY}-")]).await?;
        ensure!(said.contains(&format!("has the value \"Restricted\", {refused}")), "{said}");
        Ok(true)
    })
    .await?;
    world.put(&namespace("fresh", &json!({}))).await?;
    for (label, accepted) in [
        (format!("{POLICY}=privileged"), true),
        (format!("{POLICY}=baseline"), true),
        (format!("{POLICY}=restricted"), true),
        (format!("{POLICY}="), false),
        (format!("{ACTION}=deny"), true),
        (format!("{ACTION}=warn"), true),
        (format!("{ACTION}=dryrun"), true),
        (format!("{ACTION}=audit"), false),
    ] {
        let said = world.label("fresh", &[&label]).await?;
        ensure!(said.contains("means nothing") != accepted, "{label}: {said}");
    }
    let created = world.put(&namespace("wrong", &json!({ACTION: "Warn"}))).await;
    ensure!(created.is_err_and(|error| format!("{error:#}").contains("allowed are deny, warn, dryrun")));
    // What was wrong before can still be changed, and mended.
    let said = world.label("shop", &["tier=db"]).await?;
    ensure!(said.contains("labeled"), "{said}");
    let said = world.label("shop", &[&format!("{POLICY}=restricted"), &format!("{ACTION}-")]).await?;
    ensure!(said.contains("namespace/shop modified"), "{said}");
    world.kubectl(&["delete", "namespace", "fresh", "--wait=false"]).await.map(drop)
}

const IGNORE: &str = "admission.gatekeeper.sh/ignore";

/// Writes metadata of a namespace through a subresource, as whoever may do that can.
async fn write(world: &World<'_>, namespace: &str, through: &str, labels: &Value) -> Result<String> {
    let mut object = world.get(&format!("namespace/{namespace}")).await?;
    object["metadata"]["labels"] = labels.clone();
    let path = format!("/api/v1/namespaces/{namespace}/{through}");
    let output = world.0.kubectl(&["replace", "--raw", &path, "-f", "-"], Some(&object.to_string())).await?;
    Ok(output.stdout + &output.stderr)
}

/// Gatekeeper refuses its label on a namespace, and does not see it come through a subresource.
async fn namespaces_that_are_exempt(world: &World<'_>) -> Result<()> {
    world.put(&namespace("tenant", &json!({}))).await?;
    let refused = world.label("tenant", &[&format!("{IGNORE}=x")]).await?;
    ensure!(
        refused.contains("Only exempt namespace can have the admission.gatekeeper.sh/ignore label"),
        "{refused}"
    );
    for through in ["status", "finalize"] {
        let said = write(world, "tenant", through, &json!({IGNORE: "x"})).await?;
        ensure!(said.contains(IGNORE), "{through}: {said}");
        let exempt = json!({"count": 1, "names": ["tenant"]});
        world.shows("gatewrightstatus/cluster", "/status/exemptNamespaces", &exempt).await?;
        let says = Condition::yes("StandardsEnforced", "Enforced", "ignore: tenant");
        world.0.condition("gatewrightstatus/cluster", says).await?;
        world
            .kubectl(&["wait", "--for=condition=Ready", "gatewrightstatus/cluster", "--timeout=60s"])
            .await?;
        let series = r#"gatewright_exempt_namespace{namespace="tenant"}"#;
        until("the metric names it", SOON, async || Ok(world.metric(series).await?.as_deref() == Some("1")))
            .await?;
        until("an event in the namespace says so", SOON, async || {
            let events = world.0.events("tenant", "tenant", "ExemptNamespace").await?;
            Ok(events.len() == 1 && events[0].contains("out of every policy and standard"))
        })
        .await?;
        let said = world.label("tenant", &[&format!("{IGNORE}-")]).await?;
        ensure!(said.contains("unlabeled"), "{said}");
        let exempt = json!({"count": 0});
        world.shows("gatewrightstatus/cluster", "/status/exemptNamespaces", &exempt).await?;
    }
    exemptions_that_are_refused(world).await
}

async fn exemptions_that_are_refused(world: &World<'_>) -> Result<()> {
    write(world, "tenant", "status", &json!({IGNORE: "x"})).await?;
    world.put(&namespace("other", &json!({}))).await?;
    let path = paths::repository().join("deploy/ignored-namespaces.yaml");
    world.kubectl(&["apply", "-f", path.to_str().context("not UTF-8")?]).await?;
    let refused = r#"would take the namespace "other" out of every policy"#;
    for through in ["status", "finalize"] {
        until(&format!("the label is refused through {through}"), SOON, async || {
            let said = write(world, "other", through, &json!({IGNORE: "x"})).await?;
            // Until the API server has taken in the policy it says yes.
            world.label("other", &[&format!("{IGNORE}-")]).await?;
            ensure!(said.contains(refused), "{said}");
            Ok(true)
        })
        .await?;
        // A label of ours that means nothing comes no other way than before.
        let said = write(world, "other", through, &json!({POLICY: "nonsense"})).await?;
        ensure!(said.contains("which means nothing"), "{said}");
    }
    let created = world.put(&namespace("third", &json!({IGNORE: ""}))).await;
    ensure!(created.is_err_and(|error| format!("{error:#}").contains("out of every policy")));
    // What is as it was passes, another value does not, and what removes the label does.
    for (labels, passes) in [
        (json!({IGNORE: "x", "tier": "web"}), true),
        (json!({IGNORE: "y", "tier": "web"}), false),
        (json!({"tier": "web"}), true),
    ] {
        let said = write(world, "tenant", "status", &labels).await?;
        ensure!(said.contains("out of every policy") != passes, "{labels}: {said}");
    }
    let said = world.label("gatekeeper-system", &["tier=platform"]).await?;
    ensure!(said.contains("labeled"), "{said}");
    let said = write(world, "kube-public", "status", &json!({IGNORE: "x"})).await?;
    ensure!(!said.contains("out of every policy"), "{said}");
    Ok(())
}

/// Users who may make namespaces, as far as RBAC is asked.
fn may_make_namespaces() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "everybody"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}],
    })
}

/// What the API server says when somebody makes a namespace, which is not kept.
async fn make(world: &World<'_>, user: &str, namespace: &str) -> Result<String> {
    let user = format!("--as={user}");
    world.0.answer(&["create", "namespace", namespace, "--dry-run=server", &user]).await
}

async fn namespaces_that_are_reserved(world: &World<'_>) -> Result<()> {
    world.put(&may_make_namespaces()).await?;
    let path = paths::repository().join("deploy/reserved-namespaces.yaml");
    let path = path.to_str().context("not UTF-8")?;
    world.kubectl(&["apply", "-f", path]).await?;
    let refused = "namespaces named d8-*, kube-* are the platform's, and user \"developer\" may not make one";
    until("a reserved name is refused", SOON, async || {
        let said = make(world, "developer", "d8-mine").await?;
        ensure!(said.contains(refused), "{said}");
        Ok(true)
    })
    .await?;
    for (user, namespace, allowed) in [
        ("developer", "kube-mine", false),
        ("developer", "mine", true),
        ("developer", "my-d8-things", true),
        ("developer", "d8", true),
        ("system:serviceaccount:shop:d8-deployer", "d8-mine", false),
        ("system:serviceaccount:d8-system:deckhouse", "d8-mine", true),
        ("system:serviceaccount:kube-system:addons", "kube-mine", true),
        ("system:kube-controller-manager", "kube-mine", true),
    ] {
        let said = make(world, user, namespace).await?;
        ensure!(said.contains(&format!("namespace/{namespace} created")) == allowed, "{user}: {said}");
        ensure!(said.contains("may not make one") != allowed, "{user}: {said}");
    }
    // The administrator of the cluster, of the group system:masters, is asked no such thing; what is there stays usable.
    world.kubectl(&["create", "namespace", "d8-platform"]).await?;
    for arguments in [
        &["label", "namespace", "d8-platform", "tier=web", "--as=developer"][..],
        &["delete", "namespace", "d8-platform", "--wait=false", "--as=developer"],
    ] {
        world.kubectl(arguments).await?;
    }
    // A name that the API server makes up is judged, too.
    let generated =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "d8-mine-"}});
    let output =
        world.0.kubectl(&["create", "--as=developer", "-f", "-"], Some(&generated.to_string())).await?;
    ensure!(output.stderr.contains(refused), "{}", output.stderr);
    // Another installer can be named, and other names reserved.
    let text = std::fs::read_to_string(path)?;
    let text =
        text.replace("['system:kube-controller-manager']", "['developer']").replace("'kube-'", "'infra-'");
    world.0.kubectl(&["apply", "-f", "-"], Some(&text)).await?.success()?;
    until("the named installer may", SOON, async || {
        Ok(make(world, "developer", "d8-mine").await?.contains("created")
            && make(world, "tester", "infra-mine").await?.contains("d8-*, infra-* are the platform's"))
    })
    .await
}

/// What the documentation lists the operator shows, each with its labels.
async fn every_metric_is_shown(world: &World<'_>) -> Result<()> {
    // So that a namespace is exempt, something failed, and something was put back.
    world.kubectl(&["delete", "validatingadmissionpolicybinding/gatewright-ignored-namespaces"]).await?;
    until("a namespace is exempt", SOON, async || {
        Ok(write(world, "tenant", "status", &json!({IGNORE: "x"})).await?.contains(IGNORE))
    })
    .await?;
    world.kubectl(&["delete", "clusterrolebinding/gatewright", "clusterrolebinding/everybody"]).await?;
    until("a failure is counted", SOON, async || {
        // Again and again: until the authorizer has noticed, the operator puts it back.
        let constraint = "d8podsecuritystandard/d8-pod-security-baseline-warn";
        world.kubectl(&["delete", "--ignore-not-found", constraint]).await?;
        let (_, text) = world.0.ask_replica(OPERATOR, "/metrics").await?;
        Ok(text.contains("gatewright_reconciliation_errors_total{"))
    })
    .await?;
    let rights = paths::repository().join("deploy/rbac.yaml");
    let rights = rights.to_str().context("the path of the repository is not UTF-8")?;
    world.kubectl(&["apply", "--server-side", "-f", rights]).await?;
    let documented = std::fs::read_to_string(paths::repository().join("docs/metrics.md"))?;
    let rows: Vec<Vec<_>> = documented
        .lines()
        .filter_map(|line| line.strip_prefix("| `gatewright_"))
        .map(|row| row.split(" | ").map(|cell| cell.trim().replace('`', "")).collect())
        .collect();
    ensure!(rows.len() > 15, "{rows:?}");
    until("every metric is shown", SOON, async || {
        let (_, text) = world.0.ask_replica(OPERATOR, "/metrics").await?;
        for row in &rows {
            let end = if row[1] == "histogram" { "_count" } else { "" };
            let series = format!("gatewright_{}{end}", row[0]);
            let sample = text.lines().find(|line| line.split(['{', ' ']).next() == Some(series.as_str()));
            let sample = sample.with_context(|| format!("{series} is not shown"))?;
            for label in row[2].split(", ").filter(|label| !label.is_empty()) {
                ensure!(sample.contains(&format!("{label}=\"")), "{sample}");
            }
        }
        Ok(true)
    })
    .await
}
