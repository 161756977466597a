//! Expressions in policies of the API server, which write what fails into the audit log.
//!
//! The audit log takes 50 failures of a request. So the expressions stand in many policies, and each request is judged by
//! one: the one that its field manager names, which no expression asks for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::{Cluster, until};
use serde_json::{Value, json};

use super::cases::{Answer, Cases, variables};

/// Where the failures of policies are in the audit log.
const FAILURE: &str = "validation.policy.admission.k8s.io/validation_failure";

/// How many expressions a policy has, beside the one that always fails.
const BATCH: usize = 49;

/// What the API server says.
///
/// # Errors
/// It does not answer.
pub async fn answers(cluster: &Cluster, cases: &Cases) -> Result<Vec<Answer>> {
    cluster.put(&definition()).await?;
    let refused = refused(cluster, cases).await?;
    let mut answers = vec![Answer::Messages(BTreeMap::new()); cases.cases.len()];
    for (number, message) in &refused {
        answers[*number] = Answer::Refused(message.clone());
    }
    let numbers: Vec<_> = (0..cases.cases.len()).filter(|number| !refused.contains_key(number)).collect();
    let batches: Vec<_> = numbers.chunks(BATCH).enumerate().collect();
    for (batch, numbers) in &batches {
        let validations: Vec<_> = numbers.iter().map(|number| cases.cases[*number].validation()).collect();
        cluster.put_all(&[policy_of(&name_of(*batch), &validations), binding(&name_of(*batch))]).await?;
    }
    for object in &cases.objects {
        let name = object["metadata"]["name"].as_str().context("no name")?;
        for (batch, numbers) in &batches {
            for (index, message) in failures(cluster, object, &name_of(*batch)).await? {
                if let Answer::Messages(messages) = &mut answers[numbers[index]] {
                    messages.insert(name.to_owned(), message);
                }
            }
        }
    }
    Ok(answers)
}

/// None is the beginning of another.
fn name_of(batch: usize) -> String {
    format!("batch-{batch:03}")
}

/// Things without a schema.
fn definition() -> Value {
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let version =
        json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.cel.example.com"},
        "spec": {
            "group": "cel.example.com", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
            "versions": [version],
        },
    })
}

/// A policy that judges Things that the field manager of its name makes, and always has something to say of them.
fn policy_of(name: &str, validations: &[Value]) -> Value {
    let always = json!({"expression": "false", "message": "always"});
    let validations: Vec<_> = validations.iter().cloned().chain([always]).collect();
    let rule = json!({
        "apiGroups": ["cel.example.com"], "apiVersions": ["*"], "resources": ["things"], "operations": ["CREATE"],
    });
    let meant = json!({"name": "meant", "expression": format!("request.options.fieldManager == '{name}'")});
    let params = json!({"name": "params", "expression": "dyn(null)"});
    let object = json!({"name": "anyObject", "expression": "object"});
    let variables: Vec<_> = [params, object].into_iter().chain(variables()).collect();
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": name},
        "spec": {
            "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]}, "matchConditions": [meant],
            "variables": variables, "validations": validations,
        },
    })
}

fn binding(name: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Audit"]},
    })
}

/// The expressions that do not compile, by their numbers, with what is said of them.
async fn refused(cluster: &Cluster, cases: &Cases) -> Result<BTreeMap<usize, String>> {
    let validations: Vec<_> = cases.cases.iter().map(super::cases::Case::validation).collect();
    let policy = policy_of("refused", &validations).to_string();
    let arguments = ["create", "--dry-run=server", "-o", "name", "-f", "-"];
    let said = cluster.kubectl(&arguments, Some(&policy)).await?;
    let mut refused: BTreeMap<usize, String> = BTreeMap::new();
    for part in said.stderr.split("spec.validations[").skip(1) {
        let (number, message) = part.split_once(']').context("no number")?;
        refused.entry(number.parse()?).or_default().push_str(message);
    }
    ensure!(!refused.is_empty(), "nothing is refused: {}{}", said.stdout, said.stderr);
    Ok(refused)
}

/// What fails of an object by the policy `batch`: the place of the expression, the message.
async fn failures(cluster: &Cluster, object: &Value, batch: &str) -> Result<Vec<(usize, String)>> {
    let name = object["metadata"]["name"].as_str().context("no name")?;
    let found = RefCell::new(vec![]);
    until(&format!("the policy {batch} judges {name}"), Duration::from_mins(1), async || {
        let manager = format!("--field-manager={batch}");
        let arguments = ["create", "--dry-run=server", &manager, "-f", "-"];
        cluster.kubectl(&arguments, Some(&object.to_string())).await?.success()?;
        let is_answer = |event: &Value| {
            event["objectRef"]["resource"] == "things"
                && event["stage"] == "ResponseComplete"
                && event["objectRef"]["name"] == name
                && event["requestURI"].as_str().is_some_and(|uri| uri.contains(batch))
        };
        let events = cluster.audited(is_answer)?;
        let all = &events.last().context("not in the audit log")?["annotations"][FAILURE];
        let all: Vec<Value> = serde_json::from_str(all.as_str().context("no failures yet")?)?;
        let all: Vec<_> = all.iter().map(failure).collect::<Result<_>>()?;
        ensure!(all.iter().any(|(_, message)| message == "always"), "not all are in the log: {}", all.len());
        found.replace(all);
        Ok(true)
    })
    .await?;
    let mut found = found.into_inner();
    found.retain(|(_, message)| message != "always");
    Ok(found)
}

fn failure(failure: &Value) -> Result<(usize, String)> {
    let index = &failure["expressionIndex"];
    let index = index.as_u64().or_else(|| index.as_str()?.parse().ok()).context("no index")?;
    Ok((usize::try_from(index)?, failure["message"].as_str().context("no message")?.to_owned()))
}
