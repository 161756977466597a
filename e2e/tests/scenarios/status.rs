//! What a policy's status says, on the real control plane: what audit found, how far the policy is in numbers and in
//! Deckhouse's words, and reasons that need a Gatekeeper or an API server that does not do what it should.

use anyhow::{Context, Result, ensure};
use gatewright_compiler::POLICY_LABEL;
use gatewright_e2e::manifests::{self, labelled_namespace, no_privileged, privileged_pod};
use gatewright_e2e::operator::{OPERATOR, OPERATOR_USER};
use gatewright_e2e::{Cluster, Condition, Options, SOON, Scenario, until};
use serde_json::{Value, json};

const STRICT: &str = "secpol/strict";
const SYSTEM: &str = "gatewrightstatus/cluster";

/// A namespace in which policies alone decide, and all of this test.
fn namespace(name: &str) -> Value {
    labelled_namespace(name, &json!({POLICY_LABEL: "privileged", "shops": "yes"}))
}

/// A policy for all namespaces of this test.
fn policy(name: &str, action: &str, policies: &Value) -> Value {
    let r#match = json!({"namespaceSelector": {"labelSelector": {"matchLabels": {"shops": "yes"}}}});
    let mut policy = manifests::policy("SecurityPolicy", name, &r#match, policies);
    policy["spec"]["enforcementAction"] = json!(action);
    policy
}

/// Three Pods in the first namespace, one in each of sixteen, and ten in the last one: 29 in 18 namespaces.
fn population() -> Vec<(String, String)> {
    let pods = |namespace: usize, count: usize| {
        (0..count).map(move |pod| (format!("shop-{namespace:02}"), format!("old-{pod}")))
    };
    pods(0, 3).chain((1..17).flat_map(|namespace| pods(namespace, 1))).chain(pods(17, 10)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_audit_found_is_reported() -> Result<()> {
    let options = Options { audit_interval: 2, ..Options::new("test-status") };
    let namespaces = (0..18).map(|number| namespace(&format!("shop-{number:02}")));
    let pods = population().into_iter().map(|(namespace, name)| privileged_pod(&namespace, &name));
    let scenario = Scenario::on(options).objects(namespaces.chain(pods));
    Scenario::run(scenario, async |cluster| {
        cluster.put(&policy("strict", "Deny", &no_privileged())).await?;
        cluster.ready(STRICT).await?;
        more_than_gatekeeper_lists(cluster).await?;
        columns_are_as_promised(cluster).await?;
        nothing_is_written_for_the_time_alone(cluster).await
    })
    .await
}

/// All are counted; of those that Gatekeeper lists some are said, and it is said that there are more.
async fn more_than_gatekeeper_lists(cluster: &Cluster) -> Result<()> {
    cluster.shows(STRICT, "/status/violations/total", &json!(29)).await?;
    let found = cluster.get(&[STRICT]).await?["status"].take();
    let violations = &found["violations"];
    ensure!(violations["truncated"] == 9, "{violations}");
    ensure!(violations["byEnforcement"] == json!({"deny": 29, "warn": 0, "dryrun": 0}), "{violations}");
    let mut top = vec![json!({"namespace": "shop-00", "count": 3})];
    top.extend((1..10).map(|number| json!({"namespace": format!("shop-{number:02}"), "count": 1})));
    ensure!(violations["topNamespaces"] == json!(top), "{violations}");
    let sample = violations["sample"].as_array().context("no sample")?;
    ensure!(sample.len() == 10, "{sample:?}");
    let message = r#"allowPrivileged: container "app" sets securityContext.privileged to true; it must be false or unset"#;
    let first = json!({"kind": "Pod", "namespace": "shop-00", "name": "old-0", "rule": "allowPrivileged", "message": message});
    ensure!(sample[0] == first, "{}", sample[0]);
    ensure!(sample[9]["namespace"] == "shop-07", "{}", sample[9]);
    ensure!(found["namespaces"] == 18, "{found}");
    let constraints = &found["constraints"];
    ensure!(["desired", "applied", "enforced"].iter().all(|field| constraints[field] == 1), "{constraints}");
    ensure!(constraints["hash"].as_str().is_some_and(|hash| hash.len() == 32), "{constraints}");
    // The others are there all the same, and Gatekeeper says so, too.
    let constraint = cluster.get(&["d8securitypolicy/strict"]).await?["status"].take();
    ensure!(constraint["totalViolations"] == 29, "{constraint}");
    ensure!(constraint["violations"].as_array().is_some_and(|listed| listed.len() == 20), "{constraint}");
    Ok(())
}

async fn columns_are_as_promised(cluster: &Cluster) -> Result<()> {
    let table = async |wide: &[&str]| -> Result<(String, String)> {
        let table = cluster.kubectl_ok(&[&["get", STRICT], wide].concat()).await?;
        let mut rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>().join(" "));
        Ok((rows.next().context("no header")?, rows.next().context("no row")?))
    };
    let (header, row) = table(&[]).await?;
    ensure!(header == "NAME ACTION READY CONSTRAINTS NAMESPACES VIOLATIONS AGE", "{header}");
    ensure!(row.starts_with("strict Deny True 1 18 29 "), "{row}");
    let (header, row) = table(&["-o", "wide"]).await?;
    ensure!(header.ends_with(" AGE VALID APPLIED ENFORCED REASON SYNCED"), "{header}");
    ensure!(row.ends_with(" True True True Ready True"), "{row}");
    let (header, row) =
        (cluster.kubectl_ok(&["get", SYSTEM]).await?, cluster.kubectl_ok(&["get", "gatewright"]).await?);
    ensure!(
        header.starts_with("NAME") && row.contains("strict") && row.contains("cluster"),
        "{header} {row}"
    );
    Ok(())
}

/// How often the status of a policy was written.
fn writes(cluster: &Cluster, name: &str) -> Result<usize> {
    let written = cluster.audited(|event| {
        let object = &event["objectRef"];
        event["user"]["username"] == OPERATOR_USER
            && ["patch", "update"].iter().any(|verb| event["verb"] == *verb)
            && object["subresource"] == "status"
            && object["name"] == name
    })?;
    Ok(written.len())
}

async fn audited(cluster: &Cluster) -> Result<String> {
    let status = cluster.get(&["d8securitypolicy/strict"]).await?["status"].take();
    Ok(status["auditTimestamp"].as_str().unwrap_or_default().to_owned())
}

/// Waits until audit has looked twice more.
async fn audits_pass(cluster: &Cluster) -> Result<()> {
    for _ in 0..2 {
        let before = audited(cluster).await?;
        until("another audit has looked", SOON, async || Ok(audited(cluster).await? != before)).await?;
    }
    Ok(())
}

/// The time stays that of the audit which first found this.
async fn nothing_is_written_for_the_time_alone(cluster: &Cluster) -> Result<()> {
    let first = cluster.get(&[STRICT]).await?;
    let said = first["status"]["violations"]["auditTimestamp"].as_str().context("no time")?;
    let before = writes(cluster, "strict")?;
    ensure!(before > 0, "the audit log misses the operator's writes");
    audits_pass(cluster).await?;
    let last = cluster.get(&[STRICT]).await?;
    ensure!(writes(cluster, "strict")? == before, "the status was written though nothing had changed");
    ensure!(last["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]);
    ensure!(said < audited(cluster).await?.as_str(), "{said}");
    Ok(())
}

/// A Gatekeeper that was hardened too far: it knows a builtin no longer that all templates use.
#[tokio::test(flavor = "multi_thread")]
async fn what_gatekeeper_cannot_compile_is_reported() -> Result<()> {
    let options = Options {
        gatekeeper_arguments: vec!["--disable-opa-builtin=sprintf".to_owned()],
        ..Options::new("test-rejected")
    };
    let scenario = Scenario::on(options).objects([namespace("shop")]);
    Scenario::run(scenario, async |cluster| {
        cluster.put(&policy("strict", "Deny", &no_privileged())).await?;
        for says in [
            "gatekeeper-0 cannot compile our ConstraintTemplate: ",
            "undefined function sprintf",
            "compare this Gatekeeper's version",
        ] {
            let expected = Condition::no("Applied", "TemplateRejected", says);
            cluster.condition(STRICT, expected).await?;
            cluster.condition(STRICT, Condition { r#type: "Ready", ..expected }).await?;
        }
        cluster.condition(STRICT, Condition::yes("Valid", "Compiled", "")).await?;
        let says = "gatekeeper-0 cannot compile the ConstraintTemplate d8";
        cluster.condition(SYSTEM, Condition::no("TemplatesInstalled", "TemplateRejected", says)).await?;
        cluster.condition(SYSTEM, Condition::no("Ready", "TemplateRejected", "TemplatesInstalled: ")).await
    })
    .await
}

/// The API server refuses what the operator writes: that is said, others go on, and it ends when the cause does.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_api_server_refuses_is_reported() -> Result<()> {
    let scenario = Scenario::new("test-refused").objects([namespace("shop")]);
    Scenario::run(scenario.settings("podSecurityStandards: {version: v1.99}"), async |cluster| {
        cluster.put(&policy("strict", "Deny", &no_privileged())).await?;
        cluster.ready(STRICT).await?;
        a_version_that_is_not_known_yet(cluster).await?;

        let refuses = refusal_of("late");
        cluster.put_all(&refuses).await?;
        until("the API server refuses the constraint", SOON, async || {
            let constraint = json!({
                "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "D8SecurityPolicy", "metadata": {"name": "late"},
            });
            let text = constraint.to_string();
            let output = cluster.kubectl(&["create", "--dry-run=server", "-f", "-"], Some(&text)).await?;
            Ok(output.stderr.contains("not this one"))
        })
        .await?;
        cluster.put(&policy("late", "Deny", &no_privileged())).await?;
        let expected = Condition::no("Applied", "ApplyFailed", "creating D8SecurityPolicy late: ");
        cluster.condition("secpol/late", expected).await?;
        cluster.condition("secpol/late", Condition { says: "not this one", ..expected }).await?;
        cluster.condition("secpol/late", Condition::no("Ready", "ApplyFailed", "")).await?;
        // The others do not wait for it.
        cluster.put(&policy("other", "Deny", &no_privileged())).await?;
        cluster.ready("secpol/other").await?;

        cluster.kubectl_ok(&["delete", "validatingadmissionpolicybinding/refuses"]).await?;
        cluster.ready("secpol/late").await?;
        turns_are_told_as_events(cluster).await
    })
    .await
}

/// The API server takes every object of this name for a bad one.
fn refusal_of(name: &str) -> [Value; 2] {
    let version = "admissionregistration.k8s.io/v1";
    let rules = json!([{
        "apiGroups": ["constraints.gatekeeper.sh"], "apiVersions": ["*"], "resources": ["*"],
        "operations": ["CREATE", "UPDATE"],
    }]);
    let validations =
        json!([{"expression": format!("object.metadata.name != '{name}'"), "message": "not this one"}]);
    [
        json!({
            "apiVersion": version, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "refuses"},
            "spec": {"matchConstraints": {"resourceRules": rules}, "validations": validations},
        }),
        json!({
            "apiVersion": version, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "refuses"},
            "spec": {"policyName": "refuses", "validationActions": ["Deny"]},
        }),
    ]
}

/// The newest that is known holds in its place, which is said once, also if the operator starts anew.
async fn a_version_that_is_not_known_yet(cluster: &Cluster) -> Result<()> {
    let says = "podSecurityStandards.version is v1.99, which is newer than v1.37";
    cluster.condition(SYSTEM, Condition::yes("StandardsEnforced", "Enforced", says)).await?;
    let said = async || cluster.events("default", "cluster", "NewerVersion").await;
    until("an event says of it", SOON, async || Ok(!said().await?.is_empty())).await?;
    let before = said().await?;
    ensure!(before.len() == 1 && before[0].contains(says), "{before:?}");
    cluster.kill(OPERATOR).await?;
    cluster.restart(OPERATOR).await?;
    // Something that makes it write the status: there is one namespace more.
    cluster.put(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "one-more"}})).await?;
    let standard = |status: &Value| {
        let all = status["status"]["standards"].as_array().into_iter().flatten();
        let default = all.filter(|it| it["constraint"] == "d8-pod-security-baseline-deny");
        default.map(|it| it["namespaces"].clone()).next()
    };
    // `default` and the new one.
    until("the namespace is counted", SOON, async || {
        Ok(standard(&cluster.get(&[SYSTEM]).await?) == Some(json!(2)))
    })
    .await?;
    // Events are written one after the other, so this one would come last.
    cluster.put(&policy("marker", "Deny", &no_privileged())).await?;
    until("a later event is there", SOON, async || {
        Ok(!cluster.events("default", "marker", "Ready").await?.is_empty())
    })
    .await?;
    let after = said().await?;
    ensure!(after == before, "{after:?}");
    Ok(())
}

async fn turns_are_told_as_events(cluster: &Cluster) -> Result<()> {
    for (object, reason, says) in [
        ("late", "ApplyFailed", "not this one"),
        ("late", "Ready", "enforced by gatekeeper-0"),
        ("cluster", "Ready", "the system works"),
    ] {
        until(&format!("an event says that {object} is {reason}"), SOON, async || {
            let said = cluster.events("default", object, reason).await?;
            ensure!(said.iter().any(|said| said.contains(says)), "{said:?}");
            Ok(true)
        })
        .await?;
    }
    Ok(())
}
