//! What the operator says beside the conditions of policies, on the real control plane: the state of everything that
//! is no policy, what audit found, which namespaces policies reach, and labels that mean nothing or exempt a namespace.

use anyhow::{Context, Result, ensure};
use gatewright_e2e::manifests::{self, everybody_may, labelled_namespace, no_privileged, privileged_pod};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, Condition, Options, SOON, Scenario, paths, until};
use serde_json::{Value, json};

const POLICY: &str = "security.deckhouse.io/pod-policy";
const ACTION: &str = "security.deckhouse.io/pod-policy-action";

/// What the API server says when the labels of a namespace are set so, be it yes or no.
async fn label(cluster: &Cluster, namespace: &str, labels: &[&str]) -> Result<String> {
    let arguments = [&["label", "--overwrite", "namespace", namespace], labels].concat();
    let output = cluster.kubectl(&arguments, None).await?;
    Ok(output.stdout + &output.stderr)
}

/// A policy that only warns.
fn policy(namespaces: &[&str]) -> Value {
    let r#match = json!({"namespaceSelector": {"matchNames": namespaces}});
    let mut policy = manifests::policy("SecurityPolicy", "strict", &r#match, &no_privileged());
    policy["spec"]["enforcementAction"] = json!("Warn");
    policy
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_everything_is_reported() -> Result<()> {
    let options = Options { audit_interval: 2, ..Options::new("test-system") };
    let namespaces = ["shop", "till"].map(|name| labelled_namespace(name, &json!({ACTION: "warn"})));
    let scenario = Scenario::on(options).without_operator().objects(namespaces);
    Scenario::run(scenario, async |cluster| {
        a_policy_that_nobody_looked_at_says_so(cluster).await?;
        cluster.start_operator().await?;
        what_is_no_policy(cluster).await?;
        what_a_policy_reaches_and_finds(cluster).await?;
        a_kind_that_is_not_served(cluster).await?;
        labels_that_mean_nothing(cluster).await?;
        labels_that_are_refused(cluster).await?;
        namespaces_that_are_exempt(cluster).await?;
        namespaces_that_are_reserved(cluster).await?;
        every_metric_is_shown(cluster).await
    })
    .await
}

/// The API server itself fills in the status, which goes with the first one that is written.
async fn a_policy_that_nobody_looked_at_says_so(cluster: &Cluster) -> Result<()> {
    let r#match = json!({"namespaceSelector": {"matchNames": ["shop"]}});
    let rules = json!({"disallowedImageTags": ["latest"]});
    let mut claimed = manifests::policy("OperationPolicy", "waiting", &r#match, &rules);
    // What is sent with a new object counts for nothing.
    claimed["status"] = json!({"conditions": [], "namespaces": 7});
    cluster.create(&claimed).await?;
    cluster.put(&policy(&["nowhere"])).await?;
    for object in ["oppol/waiting", "secpol/strict"] {
        let status = cluster.get(&[object]).await?["status"].take();
        let ready = json!({
            "type": "Ready", "status": "Unknown", "reason": "Pending", "lastTransitionTime": "1970-01-01T00:00:00Z",
            "message": "no operator has looked at this policy yet",
        });
        ensure!(status == json!({"conditions": [ready]}), "{object}: {status}");
        let row = cluster.kubectl_ok(&["get", object, "-o", "wide", "--no-headers"]).await?;
        ensure!(row.contains("Unknown") && row.contains("Pending"), "{row}");
    }
    Ok(())
}

async fn what_is_no_policy(cluster: &Cluster) -> Result<()> {
    until("the status is there", SOON, async || {
        Ok(cluster.get(&["gatewrightstatus/cluster"]).await?["status"]["conditions"].is_array())
    })
    .await?;
    cluster.ready("gatewrightstatus/cluster").await?;
    let status = cluster.get(&["gatewrightstatus/cluster"]).await?["status"].take();
    let reasons: Vec<_> = status["conditions"].as_array().context("no conditions")?.iter().collect();
    let reasons: Vec<_> = reasons.iter().map(|it| format!("{}={}", it["type"], it["reason"])).collect();
    let reasons = reasons.join(" ").replace('"', "");
    ensure!(
        reasons
            == "PoliciesServed=Served GatekeeperFound=Found TemplatesInstalled=Installed \
                StandardsEnforced=Enforced ExecGuard=NotNeeded Routing=Routed Reports=NotNeeded \
                Verifier=NotNeeded Settings=InForce Operator=Leading Ready=Ready",
        "{reasons}"
    );
    let processes = status["processes"].as_array().context("no processes")?;
    ensure!(processes.len() == 1 && processes[0]["name"] == "gatekeeper-0", "{processes:?}");
    ensure!(processes[0]["operations"].to_string().contains("webhook"), "{processes:?}");
    // That of the image in upstream's chart, which is the version of the program here.
    ensure!(processes[0]["version"].as_str().is_some_and(|it| it.starts_with("v3.")), "{processes:?}");
    ensure!(status["standards"].as_array().is_some_and(|all| all.len() == 6), "{status}");
    // As upstream's manifest labels it.
    ensure!(status["exemptNamespaces"] == json!({"count": 1, "names": ["gatekeeper-system"]}), "{status}");
    let row = cluster.kubectl_ok(&["get", "gatewrightstatus/cluster", "--no-headers"]).await?;
    let row: Vec<_> = row.split_whitespace().collect();
    ensure!(row[..7] == ["cluster", "True", "True", "True", "True", "baseline", "deny"], "{row:?}");
    // The first status of a policy replaces what the API server made up.
    cluster.ready("oppol/waiting").await?;
    let conditions = cluster.get(&["oppol/waiting"]).await?["status"]["conditions"].take();
    ensure!(conditions.as_array().is_some_and(|all| all.len() == 4), "{conditions}");
    ensure!(!conditions.to_string().contains("1970-01-01"), "{conditions}");
    cluster.kubectl_ok(&["delete", "oppol/waiting"]).await?;
    // Both namespaces of ours; the default namespace has no label.
    cluster.measures(OPERATOR, r#"gatewright_namespaces{level="baseline",action="warn"}"#, "2").await?;
    // Written by hand: it comes back.
    let patch = r#"{"status": {"conditions": []}}"#;
    cluster
        .kubectl_ok(&[
            "patch",
            "gatewrightstatus/cluster",
            "--subresource=status",
            "--type=merge",
            "-p",
            patch,
        ])
        .await?;
    cluster.ready("gatewrightstatus/cluster").await
}

async fn what_a_policy_reaches_and_finds(cluster: &Cluster) -> Result<()> {
    cluster.put(&policy(&["nowhere"])).await?;
    cluster.shows("secpol/strict", "/status/namespaces", &json!(0)).await?;
    cluster.ready("secpol/strict").await?;
    let row = cluster.kubectl_ok(&["get", "secpol/strict", "-o", "wide", "--no-headers"]).await?;
    ensure!(row.contains("NoNamespaces"), "{row}");

    for name in ["shop", "till"] {
        cluster.put(&privileged_pod(name, "privileged")).await?;
    }
    cluster
        .kubectl_ok(&[
            "patch",
            "secpol/strict",
            "--type=merge",
            "-p",
            r#"{"spec": {"match": {"namespaceSelector": {"matchNames": ["shop", "till"]}}}}"#,
        ])
        .await?;
    cluster.shows("secpol/strict", "/status/namespaces", &json!(2)).await?;
    cluster.shows("secpol/strict", "/status/violations/byEnforcement/warn", &json!(2)).await?;
    cluster.shows("secpol/strict", "/status/deckhouse/synced", &json!("True")).await?;
    let header = cluster.kubectl_ok(&["get", "secpol"]).await?;
    ensure!(["NAMESPACES", "VIOLATIONS", "READY"].iter().all(|column| header.contains(column)), "{header}");
    let series = r#"gatewright_violations{kind="SecurityPolicy",policy="strict",action="warn"}"#;
    cluster.measures(OPERATOR, series, "2").await?;
    until("the standard's violations stand in the status", SOON, async || {
        let found = cluster.get(&["gatewrightstatus/cluster"]).await?;
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
    cluster.kubectl_ok(&["delete", "namespace", "till", "--wait=false"]).await?;
    cluster.shows("secpol/strict", "/status/violations/byEnforcement/warn", &json!(1)).await
}

/// A CRD of a kind `Widget`.
fn widgets() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
}

/// It may be a typo, or its CRD may be yet to come: the policy is ready, and says so.
async fn a_kind_that_is_not_served(cluster: &Cluster) -> Result<()> {
    let r#match = json!({"namespaceSelector": {"matchNames": ["shop"]}});
    let labels = json!({"labels": [{"key": "team"}], "watchKinds": ["/ConfigMap", "example.com/Widget"]});
    let rules = json!({"requiredLabels": labels});
    cluster.put(&manifests::policy("OperationPolicy", "widgets", &r#match, &rules)).await?;
    let says =
        "the API server does not serve example.com/Widget (spec.policies.requiredLabels.watchKinds[1])";
    for (r#type, reason) in [("Valid", "Compiled"), ("Ready", "UnknownKind")] {
        cluster.condition("oppol/widgets", Condition::yes(r#type, reason, says)).await?;
    }
    until("a Warning event says so", SOON, async || {
        let about = "--field-selector=involvedObject.name=widgets,reason=UnknownKind,type=Warning";
        let events = cluster.kubectl_ok(&["get", "events", "-n", "default", about, "-o", "name"]).await?;
        Ok(events.lines().count() == 1)
    })
    .await?;
    cluster.put(&widgets()).await?;
    cluster.condition("oppol/widgets", Condition::yes("Ready", "Ready", "enforced by")).await?;
    cluster.kubectl_ok(&["delete", "oppol/widgets", "crd/widgets.example.com"]).await.map(drop)
}

/// The events about labels in a namespace.
async fn events(cluster: &Cluster, namespace: &str) -> Result<Vec<String>> {
    let found = cluster.kubectl_ok(&["get", "events", "-n", namespace, "-o", "json"]).await?;
    let found: Value = serde_json::from_str(&found)?;
    let events = found["items"].as_array().into_iter().flatten();
    let ours = events.filter(|event| event["reason"] == "MeaninglessLabel" && event["type"] == "Warning");
    Ok(ours.map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect())
}

async fn labels_that_mean_nothing(cluster: &Cluster) -> Result<()> {
    label(cluster, "shop", &[&format!("{POLICY}=resticted")]).await?;
    until("an event says so", SOON, async || {
        let events = events(cluster, "shop").await?;
        ensure!(
            events.len() == 1
                && events[0].contains(
                    "\"resticted\", which means nothing; allowed: privileged, baseline, restricted"
                ),
            "{events:?}"
        );
        Ok(true)
    })
    .await?;
    // Another label, and another operator: nothing new.
    label(cluster, "shop", &["tier=web"]).await?;
    cluster.kill(OPERATOR).await?;
    cluster.start_operator().await?;
    label(cluster, "shop", &[&format!("{ACTION}=Deny")]).await?;
    until("the other label is said", SOON, async || Ok(events(cluster, "shop").await?.len() > 1)).await?;
    let events = events(cluster, "shop").await?;
    ensure!(events.len() == 2, "{events:?}");
    Ok(())
}

async fn labels_that_are_refused(cluster: &Cluster) -> Result<()> {
    let path = paths::component("namespace-labels");
    cluster.kubectl_ok(&["apply", "-f", path.to_str().context("not UTF-8")?]).await?;
    let refused = "which means nothing; allowed: privileged, baseline, restricted";
    until("a meaningless value is refused", SOON, async || {
        let said = label(cluster, "kube-public", &[&format!("{POLICY}=Restricted")]).await?;
        // Until the API server has taken in the policy it says yes.
        label(cluster, "kube-public", &[&format!("{POLICY}-")]).await?;
        ensure!(said.contains(&format!("has the value \"Restricted\", {refused}")), "{said}");
        Ok(true)
    })
    .await?;
    cluster.put(&labelled_namespace("fresh", &json!({}))).await?;
    for (value, accepted) in [
        (format!("{POLICY}=privileged"), true),
        (format!("{POLICY}=baseline"), true),
        (format!("{POLICY}=restricted"), true),
        (format!("{POLICY}="), false),
        (format!("{ACTION}=deny"), true),
        (format!("{ACTION}=warn"), true),
        (format!("{ACTION}=dryrun"), true),
        (format!("{ACTION}=audit"), false),
    ] {
        let said = label(cluster, "fresh", &[&value]).await?;
        ensure!(said.contains("means nothing") != accepted, "{value}: {said}");
    }
    let created = cluster.put(&labelled_namespace("wrong", &json!({ACTION: "Warn"}))).await;
    ensure!(created.is_err_and(|error| format!("{error:#}").contains("allowed: deny, warn, dryrun")));
    // What was wrong before can still be changed, and fixed.
    let said = label(cluster, "shop", &["tier=db"]).await?;
    ensure!(said.contains("labeled"), "{said}");
    let said = label(cluster, "shop", &[&format!("{POLICY}=restricted"), &format!("{ACTION}-")]).await?;
    ensure!(said.contains("namespace/shop modified"), "{said}");
    cluster.kubectl_ok(&["delete", "namespace", "fresh", "--wait=false"]).await.map(drop)
}

const IGNORE: &str = "admission.gatekeeper.sh/ignore";

/// Writes the labels of a namespace through a subresource, as whoever may do that can.
async fn write(cluster: &Cluster, namespace: &str, through: &str, labels: &Value) -> Result<String> {
    let mut object = cluster.get(&["namespace", namespace]).await?;
    object["metadata"]["labels"] = labels.clone();
    let path = format!("/api/v1/namespaces/{namespace}/{through}");
    let output = cluster.kubectl(&["replace", "--raw", &path, "-f", "-"], Some(&object.to_string())).await?;
    Ok(output.stdout + &output.stderr)
}

/// How many namespaces the status says are exempt, and which.
async fn says_exempt(cluster: &Cluster, expected: &Value) -> Result<()> {
    cluster.shows("gatewrightstatus/cluster", "/status/exemptNamespaces", expected).await
}

/// Gatekeeper refuses its label on a namespace, and does not see it come through a subresource.
async fn namespaces_that_are_exempt(cluster: &Cluster) -> Result<()> {
    cluster.put(&labelled_namespace("tenant", &json!({}))).await?;
    let refused = label(cluster, "tenant", &[&format!("{IGNORE}=x")]).await?;
    let says = "Only exempt namespace can have the admission.gatekeeper.sh/ignore label";
    ensure!(refused.contains(says), "{refused}");
    for through in ["status", "finalize"] {
        let said = write(cluster, "tenant", through, &json!({IGNORE: "x"})).await?;
        ensure!(said.contains(IGNORE), "{through}: {said}");
        says_exempt(cluster, &json!({"count": 2, "names": ["gatekeeper-system", "tenant"]})).await?;
        let says = Condition::yes("StandardsEnforced", "Enforced", "ignore: tenant");
        cluster.condition("gatewrightstatus/cluster", says).await?;
        cluster.ready("gatewrightstatus/cluster").await?;
        cluster.measures(OPERATOR, r#"gatewright_exempt_namespace{namespace="tenant"}"#, "1").await?;
        until("one event in the namespace says so", SOON, async || {
            let events = cluster.events("tenant", "tenant", "ExemptNamespace").await?;
            Ok(events.len() == 1 && events[0].contains("out of every policy and standard"))
        })
        .await?;
        let said = label(cluster, "tenant", &[&format!("{IGNORE}-")]).await?;
        ensure!(said.contains("unlabeled"), "{said}");
        says_exempt(cluster, &json!({"count": 1, "names": ["gatekeeper-system"]})).await?;
    }
    exemptions_that_are_refused(cluster).await
}

async fn exemptions_that_are_refused(cluster: &Cluster) -> Result<()> {
    write(cluster, "tenant", "status", &json!({IGNORE: "x"})).await?;
    cluster.put(&labelled_namespace("other", &json!({}))).await?;
    let path = paths::component("ignore-label");
    cluster.kubectl_ok(&["apply", "-f", path.to_str().context("not UTF-8")?]).await?;
    let refused = r#"would take the namespace "other" out of every policy"#;
    for through in ["status", "finalize"] {
        until(&format!("the label is refused through {through}"), SOON, async || {
            let said = write(cluster, "other", through, &json!({IGNORE: "x"})).await?;
            // Until the API server has taken in the policy it says yes.
            label(cluster, "other", &[&format!("{IGNORE}-")]).await?;
            ensure!(said.contains(refused), "{said}");
            Ok(true)
        })
        .await?;
        // Nor does a label of ours that means nothing come through.
        let said = write(cluster, "other", through, &json!({POLICY: "nonsense"})).await?;
        ensure!(said.contains("which means nothing"), "{said}");
    }
    let created = cluster.put(&labelled_namespace("third", &json!({IGNORE: ""}))).await;
    ensure!(created.is_err_and(|error| format!("{error:#}").contains("out of every policy")));
    // What leaves the label as it was passes, another value does not, and what removes the label does.
    for (labels, passes) in [
        (json!({IGNORE: "x", "tier": "web"}), true),
        (json!({IGNORE: "y", "tier": "web"}), false),
        (json!({"tier": "web"}), true),
    ] {
        let said = write(cluster, "tenant", "status", &labels).await?;
        ensure!(said.contains("out of every policy") != passes, "{labels}: {said}");
    }
    let said = write(cluster, "kube-public", "status", &json!({IGNORE: "x"})).await?;
    ensure!(said.contains(IGNORE) && !said.contains("out of every policy"), "{said}");
    Ok(())
}

/// What the API server says when somebody makes a namespace, which is not kept.
async fn make(cluster: &Cluster, user: &str, namespace: &str) -> Result<String> {
    let user = format!("--as={user}");
    cluster.answer(&["create", "namespace", namespace, "--dry-run=server", &user]).await
}

async fn namespaces_that_are_reserved(cluster: &Cluster) -> Result<()> {
    cluster.put(&everybody_may()).await?;
    let path = paths::component("reserved-namespaces");
    let path = path.to_str().context("not UTF-8")?;
    cluster.kubectl_ok(&["apply", "-f", path]).await?;
    let refused = "namespaces named d8-*, kube-* are the platform's, and user \"developer\" may not make one";
    until("a reserved name is refused", SOON, async || {
        let said = make(cluster, "developer", "d8-mine").await?;
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
        let said = make(cluster, user, namespace).await?;
        ensure!(said.contains(&format!("namespace/{namespace} created")) == allowed, "{user}: {said}");
        ensure!(said.contains("may not make one") != allowed, "{user}: {said}");
    }
    // The administrator of the cluster, of the group system:masters, is asked no such thing; what is there stays usable.
    cluster.kubectl_ok(&["create", "namespace", "d8-platform"]).await?;
    for arguments in [
        &["label", "namespace", "d8-platform", "tier=web", "--as=developer"][..],
        &["delete", "namespace", "d8-platform", "--wait=false", "--as=developer"],
    ] {
        cluster.kubectl_ok(arguments).await?;
    }
    // A name that the API server makes up is judged, too.
    let generated =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "d8-mine-"}});
    let output =
        cluster.kubectl(&["create", "--as=developer", "-f", "-"], Some(&generated.to_string())).await?;
    ensure!(output.stderr.contains(refused), "{}", output.stderr);
    // Another installer can be named, and other names reserved.
    let text = std::fs::read_to_string(path)?;
    let text = text
        .replace(r#"["system:kube-controller-manager"]"#, r#"["developer"]"#)
        .replace("'kube-'", "'infra-'");
    cluster.kubectl(&["apply", "-f", "-"], Some(&text)).await?.success()?;
    until("the named installer may", SOON, async || {
        Ok(make(cluster, "developer", "d8-mine").await?.contains("created")
            && make(cluster, "tester", "infra-mine").await?.contains("d8-*, infra-* are the platform's"))
    })
    .await
}

/// What the documentation lists the operator shows, each with its labels. What is absent without signatures, the scenario
/// `verified` looks for.
async fn every_metric_is_shown(cluster: &Cluster) -> Result<()> {
    // So that a namespace is exempt, something failed, and something was put back.
    cluster.kubectl_ok(&["delete", "validatingadmissionpolicybinding/gatewright-ignored-namespaces"]).await?;
    until("a namespace is exempt", SOON, async || {
        let said = write(cluster, "tenant", "status", &json!({IGNORE: "x"})).await?;
        Ok(said.contains(IGNORE) && !said.contains("out of every policy"))
    })
    .await?;
    cluster.kubectl_ok(&["delete", "clusterrolebinding/gatewright", "clusterrolebinding/everybody"]).await?;
    until("a failure is counted", SOON, async || {
        // Again and again: until the authorizer has noticed, the operator puts it back.
        let constraint = "d8podsecuritystandard/d8-pod-security-baseline-warn";
        cluster.kubectl_ok(&["delete", "--ignore-not-found", constraint]).await?;
        let (_, text) = cluster.ask_replica(OPERATOR, "/metrics").await?;
        Ok(text.contains("gatewright_reconciliation_errors_total{"))
    })
    .await?;
    cluster.install_policies().await?;
    let documented = std::fs::read_to_string(paths::repository().join("docs/metrics.md"))?;
    let rows: Vec<Vec<_>> = documented
        .lines()
        .filter(|line| !line.contains("absent without one"))
        .filter_map(|line| line.strip_prefix("| `gatewright_"))
        .map(|row| row.split(" | ").map(|cell| cell.trim().replace('`', "")).collect())
        .collect();
    ensure!(rows.len() > 15, "{rows:?}");
    until("every metric is shown", SOON, async || {
        let (_, text) = cluster.ask_replica(OPERATOR, "/metrics").await?;
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
