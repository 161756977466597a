//! The operator on the real control plane: good times and bad times.

mod documented;
mod enforcement;
mod requests;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_e2e::answers::{Answers, writes};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, Condition, Options, until};
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
        let all = Answers::new(&self.0.audit_log()).all()?;
        let ours = all.iter().filter(|answer| answer.is_operators()).count();
        Ok((writes(&all).values().sum(), ours))
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
        cluster
            .condition("gatewrightstatus/cluster", Condition::no("TemplatesInstalled", "Conflict", says))
            .await?;

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
