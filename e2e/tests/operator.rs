//! The operator on the real control plane: good times and bad times.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_api::PolicyKind;
use gatewright_e2e::generate::{Random, cases, policies};
use gatewright_e2e::operator::{OPERATOR, OPERATOR_USER};
use gatewright_e2e::{Cluster, FailurePolicy, Options, paths, until};
use serde_json::{Value, json};

/// Much more than anything here takes.
const SOON: Duration = Duration::from_secs(30);

/// How soon an edit by hand must be undone.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A cluster with the operator, and what the scenarios ask of it.
struct World<'a>(&'a Cluster);

async fn scenario(options: Options, run: impl AsyncFnOnce(&World<'_>) -> Result<()>) -> Result<()> {
    Cluster::run(options, async |cluster| {
        cluster.install_policies().await?;
        cluster.start_operator().await?;
        run(&World(cluster)).await
    })
    .await
}

impl World<'_> {
    async fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.0.kubectl(arguments, None).await?.success()
    }

    /// What the API server answers, be it yes or no.
    async fn answer(&self, arguments: &[&str], manifest: &Value) -> Result<String> {
        let output = self.0.kubectl(arguments, Some(&manifest.to_string())).await?;
        Ok(output.stdout + &output.stderr)
    }

    async fn put(&self, manifest: &Value) -> Result<()> {
        // Not `kubectl apply` on this side, which drops every null before the API server sees it.
        let arguments = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.0.kubectl(&arguments, Some(&manifest.to_string())).await?.success().map(drop)
    }

    async fn get(&self, what: &[&str]) -> Result<Value> {
        let text = self.kubectl(&[&["get", "-o", "json"], what].concat()).await?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Waits until a condition has this status and reason, and its message says this.
    async fn condition(
        &self,
        policy: &str,
        r#type: &str,
        status: &str,
        reason: &str,
        says: &str,
    ) -> Result<()> {
        until(&format!("{policy} is {type}={status}, {reason}, {says:?}"), SOON, async || {
            let found = self.get(&[policy]).await?;
            let conditions = found["status"]["conditions"].as_array().context("no conditions yet")?;
            let condition =
                conditions.iter().find(|condition| condition["type"] == r#type).context("absent")?;
            let message = condition["message"].as_str().unwrap_or_default();
            ensure!(
                condition["status"] == status && condition["reason"] == reason && message.contains(says),
                "{condition}"
            );
            Ok(true)
        })
        .await
    }

    async fn ready(&self, policy: &str) -> Result<()> {
        self.kubectl(&["wait", "--for=condition=Ready", policy, "--timeout=30s"]).await.map(drop)
    }

    async fn create_pod(&self, name: &str, namespace: &str, container: Value) -> Result<String> {
        self.answer(&["create", "-f", "-"], &pod(name, namespace, container)).await
    }

    /// Waits until a privileged Pod is refused by this policy.
    async fn refuses(&self, policy: &str) -> Result<()> {
        until(&format!("{policy} refuses a privileged Pod"), SOON, async || {
            let pod = pod("refused", "shop", privileged());
            let answer = self.answer(&["create", "--dry-run=server", "-f", "-"], &pod).await?;
            ensure!(answer.contains(&format!("[{policy}] allowPrivileged: container \"app\"")), "{answer}");
            Ok(true)
        })
        .await
    }

    async fn gone(&self, object: &str) -> Result<()> {
        until(&format!("{object} is gone"), SOON, async || {
            Ok(self.kubectl(&["get", "--ignore-not-found", object]).await?.is_empty())
        })
        .await
    }

    /// Waits until a change by hand is undone.
    async fn restored(&self, what: &str, object: &str, spec: &Value) -> Result<()> {
        until(&format!("{object} is as before ({what})"), AT_ONCE, async || {
            let found = self.get(&[object]).await?;
            ensure!(&found["spec"] == spec, "{}", found["spec"]);
            Ok(true)
        })
        .await
    }

    /// How many requests that write, and how many at all, the operator has made so far.
    fn requests(&self) -> Result<(usize, usize)> {
        let log = std::fs::read_to_string(self.0.audit_log())?;
        let ours: Vec<Value> = log
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|event| event["user"]["username"] == OPERATOR_USER)
            .collect();
        let reads = ["get", "list", "watch"];
        let writes = ours.iter().filter(|event| !reads.iter().any(|verb| event["verb"] == *verb)).count();
        Ok((writes, ours.len()))
    }
}

fn security_policy(name: &str, policies: &Value) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": name},
        "spec": {"match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": policies},
    })
}

/// A namespace in which policies alone decide.
fn namespace(name: &str) -> Value {
    labelled(name, &json!({"security.deckhouse.io/pod-policy": "privileged"}))
}

fn labelled(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

fn pod(name: &str, namespace: &str, container: Value) -> Value {
    let mut container = container;
    container["name"] = json!("app");
    container["image"] = json!("registry.example.com/app:1");
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [container]},
    })
}

fn privileged() -> Value {
    json!({"securityContext": {"privileged": true}})
}

fn no_privileged() -> Value {
    json!({"allowPrivileged": false})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_policy_keeps_its_last_good_constraint() -> Result<()> {
    scenario(Options::new("test-invalid"), async |world| {
        world.put(&namespace("shop")).await?;
        world.put(&security_policy("strict", &no_privileged())).await?;
        world.ready("secpol/strict").await?;
        let good = world.get(&["d8securitypolicy/strict"]).await?;

        // Null is neither "nothing" nor "not checked".
        let broken = json!({"allowPrivileged": false, "allowedCapabilities": null});
        world.put(&security_policy("strict", &broken)).await?;
        let says = "spec.policies.allowedCapabilities: null says neither";
        world.condition("secpol/strict", "Valid", "False", "Invalid", says).await?;
        world.condition("secpol/strict", "Ready", "False", "Invalid", says).await?;

        // No rule checks this field yet; the good part of the policy is not taken over either.
        let signatures =
            json!([{"reference": "registry.example.com/*", "publicKeys": ["-----BEGIN PUBLIC KEY-----"]}]);
        let unsupported = json!({"allowPrivileged": false, "verifyImageSignatures": signatures});
        world.put(&security_policy("strict", &unsupported)).await?;
        let says = "spec.policies.verifyImageSignatures: no rule for this field exists yet";
        world.condition("secpol/strict", "Valid", "False", "Unsupported", says).await?;

        let before = world.get(&["secpol/strict"]).await?;
        world.0.kill(OPERATOR).await?;
        world.0.restart(OPERATOR).await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        let status = world.get(&["secpol/strict"]).await?;
        // Audit may have looked in the meantime.
        let conditions = |policy: &Value| policy["status"]["conditions"].clone();
        ensure!(conditions(&before) == conditions(&status), "a restart changed {}", status["status"]);
        let applied = &status["status"]["conditions"][1];
        ensure!(applied["type"] == "Applied" && applied["status"] == "True", "{applied}");
        ensure!(applied["observedGeneration"] == 1, "speaks of another generation than its own: {applied}");
        ensure!(world.get(&["d8securitypolicy/strict"]).await?["spec"] == good["spec"]);
        world.refuses("strict").await?;

        // A policy that never was valid has nothing in place.
        world.put(&security_policy("never", &unsupported)).await?;
        world.condition("secpol/never", "Applied", "False", "NotApplied", "nothing is applied").await?;
        world.gone("d8securitypolicy/never").await?;

        // And back: what was broken becomes good again.
        world
            .put(&security_policy("strict", &json!({"allowPrivileged": false, "allowHostNetwork": false})))
            .await?;
        world.ready("secpol/strict").await?;
        let constraint = world.get(&["d8securitypolicy/strict"]).await?;
        ensure!(constraint["spec"]["parameters"]["allowHostNetwork"] == false, "{constraint}");

        // A policy that demands nothing has no constraint and is ready.
        world.put(&security_policy("strict", &json!({"allowPrivileged": true}))).await?;
        world.condition("secpol/strict", "Ready", "True", "NothingToEnforce", "demands nothing").await?;
        world.gone("d8securitypolicy/strict").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_not_touched() -> Result<()> {
    Cluster::run(Options::new("test-conflict"), async |cluster| {
        let world = World(cluster);
        cluster.install_policies().await?;
        world.put(&namespace("shop")).await?;

        // A template of our name that was there first, as Deckhouse's would be.
        let foreign = json!({
            "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
            "metadata": {"name": "d8operationpolicy"},
            "spec": {
                "crd": {"spec": {"names": {"kind": "D8OperationPolicy"}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh",
                             "rego": "package foreign\nviolation[{\"msg\": \"no\"}] { false }"}],
            },
        });
        world.put(&foreign).await?;
        let before = world.get(&["constrainttemplate/d8operationpolicy"]).await?;
        cluster.start_operator().await?;
        let mut policy = security_policy("common", &json!({"allowedRepos": ["registry.example.com"]}));
        policy["kind"] = json!("OperationPolicy");
        world.put(&policy).await?;
        let says = "ConstraintTemplate d8operationpolicy exists and is not ours";
        world.condition("oppol/common", "Enforced", "False", "Conflict", says).await?;
        let after = world.get(&["constrainttemplate/d8operationpolicy"]).await?;
        ensure!(
            before["spec"] == after["spec"]
                && before["metadata"]["generation"] == after["metadata"]["generation"]
        );

        world.gone("d8operationpolicy/common").await?;

        // A constraint of the policy's name that was there first.
        world.put(&security_policy("other", &no_privileged())).await?;
        world.ready("secpol/other").await?;
        let foreign = json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "D8SecurityPolicy",
            "metadata": {"name": "strict", "labels": {"gatewright.io/owner": "render"}},
            "spec": {"enforcementAction": "dryrun", "match": {"namespaces": ["elsewhere"]}},
        });
        world.put(&foreign).await?;
        let before = world.get(&["d8securitypolicy/strict"]).await?;
        world.put(&security_policy("strict", &no_privileged())).await?;
        let says = "D8SecurityPolicy strict exists and is not ours";
        world.condition("secpol/strict", "Applied", "False", "Conflict", says).await?;
        world.kubectl(&["delete", "secpol/other"]).await?;
        world.gone("d8securitypolicy/other").await?;
        let after = world.get(&["d8securitypolicy/strict"]).await?;
        ensure!(before["metadata"]["generation"] == after["metadata"]["generation"], "{after}");
        ensure!(before["metadata"]["labels"] == after["metadata"]["labels"], "{after}");

        // Deleting the policy leaves it alone, too.
        world.kubectl(&["delete", "secpol/strict"]).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.get(&["d8securitypolicy/strict"]).await?;

        // Once it is out of the way, the policy gets its name.
        world.put(&security_policy("strict", &no_privileged())).await?;
        world.condition("secpol/strict", "Applied", "False", "Conflict", says).await?;
        world.kubectl(&["delete", "d8securitypolicy/strict"]).await?;
        world.ready("secpol/strict").await?;
        world.refuses("strict").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_undone() -> Result<()> {
    scenario(Options::new("test-drift"), async |world| {
        world.put(&namespace("shop")).await?;
        world.put(&security_policy("strict", &no_privileged())).await?;
        world.ready("secpol/strict").await?;
        let object = "d8securitypolicy/strict";
        let good = world.get(&[object]).await?;

        // An addition by another field manager, which server-side apply alone would leave: with it the rule is off.
        let addition = json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "D8SecurityPolicy",
            "metadata": {"name": "strict"}, "spec": {"match": {"labelSelector": {"matchLabels": {"no": "pod"}}}},
        });
        world.answer(&["apply", "--server-side", "--field-manager=foreign", "-f", "-"], &addition).await?;
        world.restored("an added selector", object, &good["spec"]).await?;
        world.refuses("strict").await?;

        let patch = |patch: &'static str| ["patch", object, "--type=merge", "-p", patch];
        world.kubectl(&patch(r#"{"spec": {"enforcementAction": "dryrun"}}"#)).await?;
        world.restored("a changed action", object, &good["spec"]).await?;
        world.kubectl(&patch(r#"{"spec": {"parameters": {"allowPrivileged": null}}}"#)).await?;
        world.restored("a removed parameter", object, &good["spec"]).await?;
        world.kubectl(&patch(r#"{"metadata": {"labels": {"gatewright.io/owner": null}, "ownerReferences": null}}"#)).await?;
        until("the constraint is marked as ours again", AT_ONCE, async || {
            let found = world.get(&[object]).await?["metadata"].clone();
            Ok(found["labels"] == good["metadata"]["labels"] && found["ownerReferences"] == good["metadata"]["ownerReferences"])
        })
        .await?;
        world.kubectl(&["delete", object]).await?;
        world.restored("a deletion", object, &good["spec"]).await?;
        world.ready("secpol/strict").await?;
        world.refuses("strict").await?;

        // The template: broken Rego is replaced; a deleted one comes back with everything that hung on it.
        let template = "constrainttemplate/d8securitypolicy";
        let good = world.get(&[template]).await?;
        let broken = r#"[{"op": "replace", "path": "/spec/targets/0/code/0/source/rego", "value": "package broken\nviolation contains"}]"#;
        world.kubectl(&["patch", template, "--type=json", "-p", broken]).await?;
        world.restored("broken Rego", template, &good["spec"]).await?;
        world.refuses("strict").await?;
        // With a CEL engine beside it, Gatekeeper would ignore the Rego.
        let other = r#"[{"op": "add", "path": "/spec/targets/0/code/-", "value": {"engine": "K8sNativeValidation", "source": {"validations": [{"expression": "true"}]}}}]"#;
        world.kubectl(&["patch", template, "--type=json", "-p", other]).await?;
        world.restored("another engine", template, &good["spec"]).await?;
        world.refuses("strict").await?;
        world.kubectl(&["delete", template]).await?;
        until("the template is back", SOON, async || Ok(world.get(&[template]).await?["spec"] == good["spec"])).await?;
        world.refuses("strict").await?;
        world.ready("secpol/strict").await
    })
    .await
}

/// Whatever happened while nobody looked is made good, and the check that says so sees each of it before.
#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_the_operator_was_down_is_made_good() -> Result<()> {
    scenario(Options::new("test-down"), async |world| {
        let before = world.0.populate().await?;
        world.0.kill(OPERATOR).await?;
        for change in [
            &["delete", "secpol/first-0"][..],
            &["patch", "secpol/first-1", "--type=merge", "-p", r#"{"spec": {"policies": {"allowHostPID": false}}}"#],
            &["patch", "d8securitypolicy/first-2", "--type=merge", "-p", r#"{"spec": {"enforcementAction": "warn"}}"#],
            &["label", "d8securitypolicy/first-3", "--overwrite", "gatewright.io/owner=builtin"],
            &["delete", "syncset/gatewright-pods"],
            &["delete", "d8podsecuritystandard/d8-pod-security-baseline-deny"],
            &["delete", "validatingwebhookconfiguration/gatewright-validating-webhook-configuration"],
        ] {
            world.kubectl(change).await?;
        }
        world.put(&security_policy("new", &no_privileged())).await?;
        let orphan = json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "D8SecurityPolicy",
            "metadata": {"name": "orphan", "labels": {"gatewright.io/owner": "7d7f5d4c-7f0e-4d5b-9a51-8a7a2f0e2b11"}},
            "spec": {"match": {"namespaces": ["nowhere"]}},
        });
        world.put(&orphan).await?;
        let wrong = world.0.not_as_desired(&before, &[]).await?.join("\n");
        for expected in [
            "D8SecurityPolicy/new is missing",
            "D8SecurityPolicy/first-1 is {",
            "D8SecurityPolicy/first-2 is {",
            "D8SecurityPolicy/first-3 belongs to \"builtin\"",
            "D8SecurityPolicy/orphan should not be there",
            "SyncSet/gatewright-pods is missing",
            "D8PodSecurityStandard/d8-pod-security-baseline-deny is missing",
            "our webhook configuration routes null",
            "SecurityPolicy/new is not ready: null",
            "SecurityPolicy/first-1 is not ready: {",
        ] {
            ensure!(wrong.contains(expected), "the check has not seen that {expected}: {wrong}");
        }
        world.0.restart(OPERATOR).await?;
        world.0.becomes_as_desired(&before, &[]).await?;

        world.0.kubectl(&["annotate", "syncset/foreign", "a=b"], None).await?.success()?;
        let wrong = world.0.not_as_desired(&before, &[]).await?.join("\n");
        ensure!(wrong.contains("SyncSet/foreign, which is not ours, is"), "{wrong}");
        Ok(())
    })
    .await
}

/// A policy deleted and made again at once is another policy, with another owner.
#[tokio::test(flavor = "multi_thread")]
async fn a_policy_made_again_is_another_one() -> Result<()> {
    scenario(Options::new("test-again"), async |world| {
        world.put(&security_policy("again", &no_privileged())).await?;
        world.ready("secpol/again").await?;
        world.kubectl(&["delete", "secpol/again"]).await?;
        world.put(&security_policy("again", &json!({"allowHostNetwork": false}))).await?;
        world.ready("secpol/again").await?;
        let (policy, constraint) =
            (world.get(&["secpol/again"]).await?, world.get(&["d8securitypolicy/again"]).await?);
        let owners = &constraint["metadata"]["ownerReferences"];
        ensure!(owners[0]["uid"] == policy["metadata"]["uid"], "{constraint}");
        ensure!(owners.as_array().is_some_and(|owners| owners.len() == 1), "{constraint}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn restarts_around_the_operator_are_survived() -> Result<()> {
    scenario(Options::new("test-restarts"), async |world| {
        let before = world.0.populate().await?;
        for (round, process) in ["kube-apiserver", "etcd", "gatekeeper-0"].into_iter().enumerate() {
            world.0.kill(process).await?;
            if process == "kube-apiserver" {
                world.0.readiness(OPERATOR, 503, "cannot be followed now: /api").await?;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            world.0.is_alive(OPERATOR).await?;
            world.0.restart(process).await?;
            let name = format!("after-{round}");
            until("the API server takes a policy", SOON, async || {
                Ok(world.put(&security_policy(&name, &no_privileged())).await.is_ok())
            })
            .await?;
            world.0.becomes_as_desired(&before, &[]).await?;
            world.refuses(&name).await?;
        }
        world.0.readiness(OPERATOR, 200, "ok: leader\n").await?;
        world.0.is_alive(OPERATOR).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_comes_first_waits_and_says_so() -> Result<()> {
    let options = Options { gatekeepers: vec![], ..Options::new("test-first") };
    Cluster::run(options, async |cluster| {
        let world = World(cluster);
        world.put(&namespace("shop")).await?;
        cluster.install_policies().await?;
        cluster.start_operator().await?;
        world.put(&security_policy("strict", &no_privileged())).await?;
        let says = "the API server serves no ConstraintTemplates: install Gatekeeper";
        world.condition("secpol/strict", "Applied", "False", "WaitingForGatekeeper", says).await?;
        world.condition("secpol/strict", "Valid", "True", "Compiled", "").await?;
        let log = std::fs::read_to_string(cluster.log(OPERATOR))?;
        ensure!(log.contains("waiting for the kind to be served"), "{log}");

        // Its CRDs alone make no constraint kinds: that takes a process with the operation generate.
        cluster.install_gatekeeper_crds().await?;
        let says = "Gatekeeper has not made the kind D8SecurityPolicy from our template";
        world.condition("secpol/strict", "Applied", "False", "WaitingForGatekeeper", says).await?;

        cluster.install_gatekeeper(&Options::gatekeeper_names(1)).await?;
        world.ready("secpol/strict").await?;
        world.refuses("strict").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn enforced_means_every_process_and_a_route() -> Result<()> {
    let options = Options {
        gatekeepers: Options::gatekeeper_names(2),
        failure_policy: FailurePolicy::Ignore,
        ..Options::new("test-enforced")
    };
    scenario(options, async |world| {
        world.put(&namespace("shop")).await?;
        world.put(&security_policy("strict", &no_privileged())).await?;
        world.ready("secpol/strict").await?;
        let says = "enforced by gatekeeper-0, gatekeeper-1; the webhook's failure policy is Ignore";
        world.condition("secpol/strict", "Enforced", "True", "Enforced", says).await?;

        // A process that is down keeps what it had; it has not seen the edit.
        world.0.stop("gatekeeper-1").await?;
        world
            .put(&security_policy("strict", &json!({"allowPrivileged": false, "allowHostNetwork": false})))
            .await?;
        let says = "gatekeeper-1 has generation 1 of the constraint, not 2";
        world.condition("secpol/strict", "Enforced", "False", "NotEnforcedBy", says).await?;
        world.0.restart("gatekeeper-1").await?;
        world.ready("secpol/strict").await?;

        // Gatekeeper's Config exempts namespaces from every constraint.
        let config = json!({
            "apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
            "metadata": {"name": "config", "namespace": "gatekeeper-system"},
            "spec": {"match": [{"excludedNamespaces": ["sh*"], "processes": ["webhook"]}]},
        });
        world.put(&config).await?;
        world
            .condition("secpol/strict", "Enforced", "True", "Enforced", "Gatekeeper's Config exempts sh*")
            .await?;

        // A webhook that leaves out what the policy is about: of subresources the operator sends the rest itself.
        let webhook = "validatingwebhookconfiguration/gatekeeper-validating-webhook-configuration";
        let trim = async |resource: &str| {
            let patch =
                json!([{"op": "replace", "path": "/webhooks/0/rules/0/resources", "value": [resource]}]);
            world.kubectl(&["patch", webhook, "--type=json", "-p", &patch.to_string()]).await
        };
        trim("*").await?;
        until("the operator sends the subresource", SOON, async || {
            let own = "validatingwebhookconfiguration/gatewright-validating-webhook-configuration";
            let rules = world.get(&[own]).await?["webhooks"][0]["rules"].take();
            Ok(rules[0]["operations"] == json!(["UPDATE"])
                && rules[0]["resources"] == json!(["pods/ephemeralcontainers"]))
        })
        .await?;
        world.ready("secpol/strict").await?;
        trim("deployments").await?;
        let says = "does not send Gatekeeper CREATE of pods";
        world.condition("secpol/strict", "Enforced", "False", "NotRouted", says).await?;
        world.kubectl(&["delete", webhook]).await?;
        let says = "the API server does not ask Gatekeeper";
        world.condition("secpol/strict", "Enforced", "False", "NotRouted", says).await?;

        world.kubectl(&["delete", "pods", "--all", "-n", "gatekeeper-system", "--force"]).await?;
        let says = "no process of Gatekeeper answers admission requests";
        world.condition("secpol/strict", "Enforced", "False", "NoGatekeeperProcess", says).await?;

        // What the operator may not see it does not guess.
        world.kubectl(&["delete", "rolebinding/gatewright", "-n", "gatekeeper-system"]).await?;
        let mut role = world.get(&["clusterrole/gatewright"]).await?;
        let rules = role["rules"].as_array_mut().context("no rules")?;
        rules.retain(|rule| rule["resources"] != json!(["pods"]));
        let patch = json!({"rules": rules}).to_string();
        world.kubectl(&["patch", "clusterrole/gatewright", "--type=merge", "-p", &patch]).await?;
        world.0.restart(OPERATOR).await?;
        let says = "the operator may not watch the Pods of Gatekeeper's namespace";
        world.condition("secpol/strict", "Enforced", "False", "NoGatekeeperProcess", says).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_steady_cluster_sees_no_write() -> Result<()> {
    let options = Options { audit_interval: 2, ..Options::new("test-steady") };
    scenario(options, async |world| {
        world.put(&namespace("shop")).await?;
        // Violations, so that audit rewrites the constraints' status again and again.
        for i in 0..3 {
            world.create_pod(&format!("old-{i}"), "shop", privileged()).await?;
        }
        for i in 0..10 {
            world.put(&security_policy(&format!("p{i}"), &no_privileged())).await?;
        }
        world.kubectl(&["wait", "--for=condition=Ready", "secpol", "--all", "--timeout=60s"]).await?;
        until("audit has found the old Pods", SOON, async || {
            Ok(world.get(&["d8securitypolicy/p0"]).await?["status"]["totalViolations"] == 3)
        })
        .await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (writes, all) = world.requests()?;
        ensure!(
            writes > 20 && all > writes,
            "the audit log misses the operator's requests: {writes} of {all}"
        );
        let said = std::fs::read_to_string(world.0.log(OPERATOR))?;
        let audited = world.get(&["d8securitypolicy/p0"]).await?["status"]["auditTimestamp"].clone();
        tokio::time::sleep(Duration::from_secs(12)).await;
        ensure!(
            world.get(&["d8securitypolicy/p0"]).await?["status"]["auditTimestamp"] != audited,
            "no audit ran"
        );
        let (later, _) = world.requests()?;
        ensure!(writes == later, "{} writes in a steady cluster", later - writes);
        ensure!(
            said == std::fs::read_to_string(world.0.log(OPERATOR))?,
            "the operator talks in a steady cluster"
        );
        Ok(())
    })
    .await
}

/// What was there before a policy stays editable, but nobody may use it to run something new.
#[tokio::test(flavor = "multi_thread")]
async fn objects_that_were_there_before_stay_editable() -> Result<()> {
    scenario(Options::new("test-update"), async |world| {
        world.put(&namespace("shop")).await?;
        let mut old = pod("old", "shop", privileged());
        old["metadata"]["finalizers"] = json!(["example.com/hold"]);
        world.answer(&["create", "-f", "-"], &old).await?;
        let deployment = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "old", "namespace": "shop"},
            "spec": {
                "replicas": 0, "selector": {"matchLabels": {"app": "old"}},
                "template": {"metadata": {"labels": {"app": "old"}}, "spec": old["spec"]},
            },
        });
        world.answer(&["create", "-f", "-"], &deployment).await?;
        world.put(&security_policy("strict", &no_privileged())).await?;
        world.ready("secpol/strict").await?;
        world.refuses("strict").await?;

        let in_shop = async |arguments: &[&str]| world.0.kubectl(&[&["-n", "shop"], arguments].concat(), None).await;
        for allowed in [
            &["label", "pod/old", "a=b"][..],
            &["annotate", "deployment/old", "a=b"],
            &["scale", "deployment/old", "--replicas=0"],
            &["patch", "deployment/old", "-p", r#"{"spec": {"revisionHistoryLimit": 3}}"#],
        ] {
            let output = in_shop(allowed).await?;
            ensure!(output.status.success(), "{allowed:?}: {}", output.stderr);
        }
        for refused in [
            &["set", "image", "pod/old", "app=registry.example.com/app:2"][..],
            &["set", "image", "deployment/old", "app=registry.example.com/app:2"],
            &["debug", "pod/old", "--image=registry.example.com/sh:1", "--profile=general", "-q"],
        ] {
            let output = in_shop(refused).await?;
            ensure!(output.stderr.contains("[strict] allowPrivileged:"), "{refused:?}: {}", output.stderr);
        }
        let fixed = r#"{"spec": {"template": {"spec": {"containers": [{"name": "app", "securityContext": {"privileged": false}}]}}}}"#;
        ensure!(in_shop(&["patch", "deployment/old", "-p", fixed]).await?.status.success());

        // What is going away is not held back by its finalizer.
        in_shop(&["delete", "pod/old", "--wait=false", "--grace-period=0"]).await?.success()?;
        in_shop(&["patch", "pod/old", "--type=merge", "-p", r#"{"metadata": {"finalizers": null}}"#]).await?.success()?;
        until("the Pod is gone", SOON, async || {
            Ok(in_shop(&["get", "pod/old", "--ignore-not-found"]).await?.stdout.is_empty())
        })
        .await
    })
    .await
}

/// A namespace's label takes effect with the very next request, whether the operator runs or not.
#[tokio::test(flavor = "multi_thread")]
async fn standards_hold_by_label() -> Result<()> {
    scenario(Options::new("test-standards"), async |world| {
        let label = async |labels: &Value| world.put(&labelled("plain", labels)).await;
        let answer = async |container: Value| {
            world.answer(&["create", "--dry-run=server", "-f", "-"], &pod("plain", "plain", container)).await
        };
        label(&json!({})).await?;
        let baseline = "[d8-pod-security-baseline-deny] privileged:";
        until("the default standard holds", SOON, async || {
            let said = answer(privileged()).await?;
            ensure!(said.contains(baseline), "{said}");
            Ok(true)
        })
        .await?;
        let said = answer(json!({})).await?;
        ensure!(said.contains("created"), "{said}");

        world.0.kill(OPERATOR).await?;
        let restricted = "[d8-pod-security-restricted-deny] allowPrivilegeEscalation:";
        let policy = "security.deckhouse.io/pod-policy";
        let action = "security.deckhouse.io/pod-policy-action";
        for (labels, container, expected) in [
            (json!({policy: "restricted"}), json!({}), restricted),
            (json!({policy: "privileged"}), privileged(), "pod/plain created"),
            (json!({policy: "resticted"}), privileged(), baseline),
            (
                json!({policy: "restricted", action: "warn"}),
                json!({}),
                "Warning: [d8-pod-security-restricted-warn]",
            ),
            (json!({policy: "restricted", action: "dryrun"}), json!({}), "pod/plain created"),
            (json!({policy: "restricted", action: "Deny"}), json!({}), restricted),
        ] {
            label(&labels).await?;
            let said = answer(container).await?;
            ensure!(said.contains(expected), "{labels}: {said}");
            ensure!(!expected.contains("created") || !said.contains("Warning"), "{labels}: {said}");
        }
        let said = world
            .answer(&["create", "--dry-run=server", "-f", "-"], &pod("plain", "kube-system", privileged()))
            .await?;
        ensure!(said.contains("created"), "a system namespace is under a standard: {said}");

        world.0.restart(OPERATOR).await?;
        let object = "d8podsecuritystandard/d8-pod-security-baseline-warn";
        let good = world.get(&[object]).await?;
        world.kubectl(&["delete", object]).await?;
        until("the constraint is back", SOON, async || {
            Ok(world.get(&[object]).await?["spec"] == good["spec"])
        })
        .await?;
        let patch = r#"{"spec": {"match": {"namespaceSelector": null}}}"#;
        world.kubectl(&["patch", object, "--type=merge", "-p", patch]).await?;
        world.restored("a removed selector", object, &good["spec"]).await?;
        let all = world.get(&["d8podsecuritystandard"]).await?;
        ensure!(all["items"].as_array().is_some_and(|items| items.len() == 6), "{all}");
        Ok(())
    })
    .await
}

/// Policies that people copied from documentation become ready as written, where this data is present; so do those
/// of the examples and random ones.
#[tokio::test(flavor = "multi_thread")]
async fn documented_and_random_policies_become_ready() -> Result<()> {
    scenario(Options::new("test-documented"), async |world| {
        random_policies_become_ready(world).await?;
        let examples = become_ready(world, &paths::repository().join("examples/policies")).await?;
        ensure!(examples > 0, "there are no examples");
        let Some(oracle) = paths::oracle() else {
            println!("skipped: no oracle");
            return Ok(());
        };
        ensure!(become_ready(world, &oracle.join("documented")).await? > 0, "the oracle has no policies");
        a_pod_for_foo_and_bar_passes(world).await
    })
    .await
}

/// How many policies there are in a folder; all of them become ready.
async fn become_ready(world: &World<'_>, folder: &Path) -> Result<usize> {
    let mut count = 0;
    for file in std::fs::read_dir(folder)? {
        let path = file?.path();
        let text = std::fs::read_to_string(&path)?;
        if !text.contains("apiVersion: deckhouse.io/v1alpha1")
            || path.extension().is_none_or(|end| end != "yaml")
        {
            continue;
        }
        let policy: Value = serde_saphyr::from_str(&text)?;
        world.put(&policy).await.with_context(|| path.display().to_string())?;
        let kind = policy["kind"].as_str().unwrap_or_default().to_lowercase();
        let name = format!("{kind}/{}", policy["metadata"]["name"].as_str().unwrap_or_default());
        if text.contains("verifyImageSignatures") {
            let says = "spec.policies.verifyImageSignatures: no rule";
            world.condition(&name, "Valid", "False", "Unsupported", says).await?;
        } else {
            world.ready(&name).await.with_context(|| path.display().to_string())?;
        }
        count += 1;
    }
    Ok(count)
}

/// Whatever the CRD accepts and the compiler makes of it, Gatekeeper takes and enforces.
async fn random_policies_become_ready(world: &World<'_>) -> Result<()> {
    let mut random = Random::from_env()?;
    let seed = random.seed;
    let mut manifests = vec![];
    for kind in [PolicyKind::SecurityPolicy, PolicyKind::OperationPolicy] {
        let policies = random.values(&policies(kind), cases(40)?)?;
        let named = policies.iter().enumerate();
        manifests.extend(named.map(|(i, policy)| policy.named(&format!("random-{i}"))));
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": manifests});
    world.put(&list).await.with_context(|| format!("seed {seed}"))?;
    let all = ["secpol,oppol", "--all", "--timeout=60s"];
    let ready = world.kubectl(&[&["wait", "--for=condition=Ready"], &all[..]].concat()).await;
    ready.with_context(|| format!("seed {seed}"))?;
    world.kubectl(&[&["delete"], &all[..]].concat()).await.map(drop)
}

/// The documented pair demands a read-only root file system and two capabilities dropped: exactly that passes both.
async fn a_pod_for_foo_and_bar_passes(world: &World<'_>) -> Result<()> {
    let labels = json!({"name": "test", "security.deckhouse.io/pod-policy": "privileged"});
    world.put(&labelled("test", &labels)).await?;
    let context = |drop: &[&str]| json!({"securityContext": {"readOnlyRootFilesystem": true, "capabilities": {"drop": drop}}});
    let said = world.create_pod("both", "test", context(&["MKNOD", "NET_BIND_SERVICE"])).await?;
    ensure!(said.contains("created"), "{said}");
    let said = world.create_pod("one", "test", context(&["MKNOD"])).await?;
    ensure!(said.contains("[bar] requiredDropCapabilities:") && !said.contains("[foo]"), "{said}");
    Ok(())
}
