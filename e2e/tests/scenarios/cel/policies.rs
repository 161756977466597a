//! Expressions in policies of the API server, which write what fails into the audit log.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::{Cluster, until};
use serde_json::{Value, json};

use super::cases::{Answer, Cases, variables};

/// Where the failures of policies are in the audit log.
const FAILURE: &str = "validation.policy.admission.k8s.io/validation_failure";

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
    let validations: Vec<_> = numbers.iter().map(|number| cases.cases[*number].validation()).collect();
    cluster.put(&policy_of(&validations)).await?;
    cluster.put(&binding()).await?;
    for object in &cases.objects {
        let name = object["metadata"]["name"].as_str().context("no name")?;
        for (index, message) in failures(cluster, object).await? {
            if let Answer::Messages(messages) = &mut answers[numbers[index]] {
                messages.insert(name.to_owned(), message);
            }
        }
    }
    Ok(answers)
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

/// A policy that judges Things, and always has something to say of them.
fn policy_of(validations: &[Value]) -> Value {
    let always = json!({"expression": "false", "message": "always"});
    let validations: Vec<_> = validations.iter().cloned().chain([always]).collect();
    let rule = json!({
        "apiGroups": ["cel.example.com"], "apiVersions": ["*"], "resources": ["things"], "operations": ["CREATE"],
    });
    let params = json!({"name": "params", "expression": "dyn(null)"});
    let object = json!({"name": "anyObject", "expression": "object"});
    let variables: Vec<_> = [params, object].into_iter().chain(variables()).collect();
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": "cases"},
        "spec": {
            "failurePolicy": "Fail", "matchConstraints": {"resourceRules": [rule]},
            "variables": variables, "validations": validations,
        },
    })
}

fn binding() -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "cases"}, "spec": {"policyName": "cases", "validationActions": ["Audit"]},
    })
}

/// The expressions that do not compile, by their numbers, with what is said of them.
async fn refused(cluster: &Cluster, cases: &Cases) -> Result<BTreeMap<usize, String>> {
    let validations: Vec<_> = cases.cases.iter().map(super::cases::Case::validation).collect();
    let policy = policy_of(&validations).to_string();
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

/// What fails of an object: the place of the expression, the message. The audit log takes the first failure; of each
/// other one the server's own log says that it does not.
async fn failures(cluster: &Cluster, object: &Value) -> Result<Vec<(usize, String)>> {
    let name = object["metadata"]["name"].as_str().context("no name")?;
    let found = RefCell::new(vec![]);
    until(&format!("the policy judges {name}"), Duration::from_mins(1), async || {
        let before = std::fs::read_to_string(cluster.log("kube-apiserver"))?.len();
        let arguments = ["create", "--dry-run=server", "-f", "-"];
        cluster.kubectl(&arguments, Some(&object.to_string())).await?.success()?;
        let is_answer = |event: &Value| {
            event["objectRef"]["resource"] == "things"
                && event["stage"] == "ResponseComplete"
                && event["objectRef"]["name"] == name
        };
        let events = cluster.audited(is_answer)?;
        let first = &events.last().context("not in the audit log")?["annotations"][FAILURE];
        let log = std::fs::read_to_string(cluster.log("kube-apiserver"))?;
        let others = log[before..].lines().filter_map(|line| {
            line.split_once(&format!("{FAILURE} to "))?.1.rsplit_once(" for ValidatingAdmissionPolicy cases ")
        });
        let mut failures = vec![];
        for text in
            [first.as_str().context("no failures yet")?].into_iter().chain(others.map(|(text, _)| text))
        {
            let found: Vec<Value> = serde_json::from_str(text)?;
            failures.extend(found.iter().map(failure).collect::<Result<Vec<_>>>()?);
        }
        ensure!(failures.iter().any(|(_, message)| message == "always"), "not all are in the log yet");
        found.replace(failures);
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
