//! What the real API server says to right and wrong manifests of policies.

use std::fs;

use anyhow::{Context, Result, ensure};
use gatewright_api::{OperationPolicy, SecurityPolicy};
use gatewright_e2e::{Cluster, Options, paths};
use serde_json::{Value, json};

const WHERE: &str = r#""match": {"namespaceSelector": {"matchNames": ["a"]}}"#;

/// The kind, the spec, and what the refusal must say.
const WRONG: &[(&str, &str, &str)] = &[
    ("SecurityPolicy", r"{WHERE}", "spec.policies: Required value"),
    ("SecurityPolicy", r#"{"policies": {}}"#, "spec.match: Required value"),
    (
        "SecurityPolicy",
        r#"{"match": {}, "policies": {}}"#,
        "spec.match: Invalid value: match selects nothing: give namespaceSelector, labelSelector or both",
    ),
    (
        "SecurityPolicy",
        r#"{"match": {"namespaceSelector": {}}, "policies": {}}"#,
        "namespaceSelector is empty: give at least one of matchNames, excludeNames and labelSelector",
    ),
    (
        "SecurityPolicy",
        r#"{"match": {"namespaceSelector": {"matchNames": []}}, "policies": {}}"#,
        "matchNames is empty: list at least one namespace, or leave the field out",
    ),
    (
        "SecurityPolicy",
        r#"{"match": {"namespaceSelector": {"excludeNames": []}}, "policies": {}}"#,
        "excludeNames is empty: list at least one namespace, or leave the field out",
    ),
    (
        "SecurityPolicy",
        r#"{"match": {"namespaceSelector": {"matchNames": ["a*b"]}}, "policies": {}}"#,
        r#"matchNames[0]: Invalid value: "a*b": a namespace name or pattern has lower-case letters, digits and dashes, and * only at its start or end"#,
    ),
    (
        "SecurityPolicy",
        r#"{"match": {"namespaceSelector": {"matchNames": [""]}}, "policies": {}}"#,
        "a namespace name or pattern has lower-case letters",
    ),
    (
        "SecurityPolicy",
        r#"{"match": {"namespaceSelector": {"labelSelector": {}}}, "policies": {}}"#,
        "labelSelector is empty: give at least one label or expression",
    ),
    (
        "SecurityPolicy",
        r#"{"match": {"labelSelector": {"matchLabels": {}}}, "policies": {}}"#,
        "labelSelector is empty: give at least one label or expression",
    ),
    (
        "SecurityPolicy",
        r#"{"match": {"labelSelector": {"matchLabels": {"a b": "c"}}}, "policies": {}}"#,
        "a label key is a name of at most 63 letters",
    ),
    (
        "SecurityPolicy",
        r#"{"match": {"labelSelector": {"matchLabels": {"a": "c d"}}}, "policies": {}}"#,
        "a label value has letters, digits, dashes",
    ),
    (
        "SecurityPolicy",
        r#"{"match": {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}, "policies": {}}"#,
        "In and NotIn need values, Exists and DoesNotExist take none",
    ),
    (
        "SecurityPolicy",
        r#"{"match": {"labelSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}}, "policies": {}}"#,
        "In and NotIn need values, Exists and DoesNotExist take none",
    ),
    (
        "SecurityPolicy",
        r#"{WHERE, "enforcementAction": "deny", "policies": {}}"#,
        r#"Unsupported value: "deny": supported values: "Deny", "Warn", "Dryrun""#,
    ),
    (
        "SecurityPolicy",
        r#"{WHERE, "policies": {"allowPriviledged": false}}"#,
        r#"unknown field "spec.policies.allowPriviledged""#,
    ),
    ("SecurityPolicy", r#"{WHERE, "policies": {"allowPrivileged": "no"}}"#, "must be of type boolean"),
    (
        "SecurityPolicy",
        r#"{WHERE, "policies": {"allowedHostPorts": [{"min": 5, "max": 3}]}}"#,
        "allowedHostPorts[0]: Invalid value: min is greater than max, so no port would ever be in the range",
    ),
    (
        "SecurityPolicy",
        r#"{WHERE, "policies": {"allowedHostPorts": [{"max": 70000}]}}"#,
        "allowedHostPorts[0].max in body should be less than or equal to 65535",
    ),
    (
        "SecurityPolicy",
        r#"{WHERE, "policies": {"runAsUser": {"rule": "MustRunAs"}}}"#,
        "MustRunAs needs at least one range",
    ),
    (
        "SecurityPolicy",
        r#"{WHERE, "policies": {"runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 9, "max": 1}]}}}"#,
        "min is greater than max, so no id would ever be in the range",
    ),
    (
        "SecurityPolicy",
        r#"{WHERE, "policies": {"fsGroup": {"rule": "MayRunAs", "ranges": []}}}"#,
        "MustRunAs and MayRunAs need at least one range",
    ),
    (
        "SecurityPolicy",
        r#"{WHERE, "policies": {"supplementalGroups": {"rule": "MustRunAsNonRoot"}}}"#,
        r#"Unsupported value: "MustRunAsNonRoot""#,
    ),
    (
        "SecurityPolicy",
        r#"{WHERE, "policies": {"allowedCapabilities": ["CAP_NET_ADMIN"]}}"#,
        r#"allowedCapabilities[0]: Unsupported value: "CAP_NET_ADMIN": supported values: "ALL""#,
    ),
    (
        "SecurityPolicy",
        r#"{WHERE, "policies": {"allowedVolumes": ["hostpath"]}}"#,
        r#"allowedVolumes[0]: Unsupported value: "hostpath""#,
    ),
    (
        "SecurityPolicy",
        r#"{WHERE, "policies": {"allowedHostPaths": [{"pathPrefix": "etc"}]}}"#,
        "a host path is absolute: it starts with /",
    ),
    (
        "SecurityPolicy",
        r#"{WHERE, "policies": {"allowedHostPaths": [{"readOnly": true}]}}"#,
        "allowedHostPaths[0].pathPrefix: Required value",
    ),
    ("SecurityPolicy", r#"{WHERE, "policies": {"allowedProcMount": null}}"#, "Unsupported value: null"),
    (
        "SecurityPolicy",
        r#"{WHERE, "policies": {"allowedUnsafeSysctls": ["a*b"]}}"#,
        "a sysctl has lower-case letters",
    ),
    (
        "SecurityPolicy",
        r#"{WHERE, "policies": {"verifyImageSignatures": [{"reference": "a*", "publicKeys": []}]}}"#,
        "publicKeys is empty: no image could ever be verified",
    ),
    (
        "OperationPolicy",
        r#"{WHERE, "policies": {"allowedRepos": ["a b"]}}"#,
        "a repository has letters, digits and the characters",
    ),
    ("OperationPolicy", r#"{WHERE, "policies": {"allowedRepos": [null]}}"#, "must be of type string"),
    (
        "OperationPolicy",
        r#"{WHERE, "policies": {"requiredResources": {}}}"#,
        "requiredResources demands nothing: name at least one resource in limits or requests",
    ),
    (
        "OperationPolicy",
        r#"{WHERE, "policies": {"requiredResources": {"limits": ["gpu"]}}}"#,
        r#"Unsupported value: "gpu""#,
    ),
    (
        "OperationPolicy",
        r#"{WHERE, "policies": {"requiredLabels": {"labels": [{"key": "a", "allowedRegex": "("}], "watchKinds": ["/Pod"]}}}"#,
        "not a regular expression of RE2's dialect",
    ),
    (
        "OperationPolicy",
        r#"{WHERE, "policies": {"requiredLabels": {"labels": [{"key": "a", "allowedRegex": "(?=a)"}], "watchKinds": ["/Pod"]}}}"#,
        "not a regular expression of RE2's dialect",
    ),
    (
        "OperationPolicy",
        r#"{WHERE, "policies": {"requiredLabels": {"labels": [{"key": "a"}]}}}"#,
        "requiredLabels looks at nothing: name at least one kind in watchKinds",
    ),
    (
        "OperationPolicy",
        r#"{WHERE, "policies": {"requiredAnnotations": {"annotations": [{"key": "a"}], "watchKinds": ["Pod"]}}}"#,
        "a watched kind is group/Kind, for example apps/Deployment, and /Kind for the core group",
    ),
    (
        "OperationPolicy",
        r#"{WHERE, "policies": {"maxRevisionHistoryLimit": -1}}"#,
        "should be greater than or equal to 0",
    ),
    (
        "OperationPolicy",
        r#"{WHERE, "policies": {"replicaLimits": {"minReplicas": 5, "maxReplicas": 3}}}"#,
        "minReplicas is greater than maxReplicas, so no number of replicas would ever be allowed",
    ),
    (
        "OperationPolicy",
        r#"{WHERE, "policies": {"imagePullPolicy": "Never"}}"#,
        r#"Unsupported value: "Never""#,
    ),
    (
        "OperationPolicy",
        r#"{WHERE, "policies": {"requiredProbes": ["liveness"]}}"#,
        r#"Unsupported value: "liveness""#,
    ),
];

pub(crate) async fn are_taken_or_refused(cluster: &Cluster) -> Result<()> {
    wrong_manifests_are_refused_in_a_sentence(cluster).await?;
    names_are_limited(cluster).await?;
    three_states_and_null_survive_storage(cluster).await?;
    examples_round_trip(cluster).await?;
    documented_policies_are_accepted(cluster).await?;
    explain_explains(cluster).await
}

/// What is said without the value that is refused: Kubernetes 1.34 prints its type instead.
fn sentences(said: &str) -> String {
    let mut parts = said.split("Invalid value: ");
    let first = parts.next().unwrap_or_default().to_owned();
    let sentence = |part: &str| match part.strip_prefix('"').and_then(|part| part.split_once("\": ")) {
        Some((_, sentence)) => sentence.to_owned(),
        None => part.to_owned(),
    };
    std::iter::once(first).chain(parts.map(sentence)).collect()
}

async fn wrong_manifests_are_refused_in_a_sentence(cluster: &Cluster) -> Result<()> {
    let other = Options::new("other").kubernetes.is_some();
    for (kind, spec, expected) in WRONG {
        let spec: Value =
            serde_json::from_str(&spec.replace("WHERE", WHERE)).with_context(|| (*spec).to_owned())?;
        let said = create(cluster, &policy(kind, "wrong", &spec), true).await?;
        let said = said.err().with_context(|| format!("accepted: {spec}"))?;
        let is_said = said.contains(expected) || other && sentences(&said).contains(&sentences(expected));
        ensure!(is_said, "{spec}: {said}");
    }
    ensure!(WRONG.len() >= 25);
    Ok(())
}

async fn names_are_limited(cluster: &Cluster) -> Result<()> {
    let spec = json!({"match": {"namespaceSelector": {"matchNames": ["a"]}}, "policies": {}});
    for kind in ["SecurityPolicy", "OperationPolicy"] {
        let said = create(cluster, &policy(kind, &"n".repeat(64), &spec), true).await?;
        let expected =
            "the name of a policy has at most 63 characters, because its constraint carries the same name";
        ensure!(said.as_ref().is_err_and(|said| said.contains(expected)), "{said:?}");
        let said = create(cluster, &policy(kind, &"n".repeat(63), &spec), true).await?;
        ensure!(said.is_ok(), "{said:?}");
    }
    Ok(())
}

/// Absent, empty and filled are three things, and null is a fourth that must arrive to be refused.
async fn three_states_and_null_survive_storage(cluster: &Cluster) -> Result<()> {
    let spec = json!({
        "enforcementAction": "Deny",
        "match": {"namespaceSelector": {"matchNames": ["a"], "excludeNames": null}},
        "policies": {"allowedHostPaths": null, "allowedCapabilities": [], "allowedVolumes": ["secret"], "runAsUser": null},
    });
    let created = create(cluster, &policy("SecurityPolicy", "states", &spec), false).await?;
    ensure!(created.is_ok(), "{created:?}");
    let stored = cluster.kubectl_ok(&["get", "securitypolicy", "states", "-o", "json"]).await?;
    let stored: Value = serde_json::from_str(&stored)?;
    ensure!(stored["spec"] == spec, "{}", stored["spec"]);
    let parsed: SecurityPolicy = serde_json::from_value(stored)?;
    ensure!(json!(parsed.spec) == spec, "{}", json!(parsed.spec));
    Ok(())
}

async fn examples_round_trip(cluster: &Cluster) -> Result<()> {
    let folder = paths::repository().join("examples/policies");
    let mut count = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        let written: Value = serde_saphyr::from_str(&text)?;
        let name = path.display();
        let stored = create(cluster, &text, true).await?;
        let stored: Value = serde_json::from_str(&stored.map_err(anyhow::Error::msg)?)?;
        let mut expected = written["spec"].clone();
        if expected.get("enforcementAction").is_none() {
            expected["enforcementAction"] = json!("Deny");
        }
        ensure!(stored["spec"] == expected, "{name}: the API server stored {}", stored["spec"]);
        let printed = match written["kind"].as_str() {
            Some("SecurityPolicy") => json!(serde_json::from_value::<SecurityPolicy>(written)?.spec),
            _ => json!(serde_json::from_value::<OperationPolicy>(written)?.spec),
        };
        ensure!(printed == expected, "{name}: we print {printed}");
        count += 1;
    }
    ensure!(count > 0, "there are no examples");
    Ok(())
}

/// The policies that people copied from documentation, where this data is present.
async fn documented_policies_are_accepted(cluster: &Cluster) -> Result<()> {
    let Some(Ok(files)) = paths::oracle().map(|oracle| fs::read_dir(oracle.join("documented"))) else {
        return Ok(());
    };
    for file in files {
        let path = file?.path();
        let text = fs::read_to_string(&path)?;
        if text.contains("apiVersion: deckhouse.io/v1alpha1")
            && path.extension().is_some_and(|end| end == "yaml")
        {
            let said = create(cluster, &text, true).await?;
            ensure!(said.is_ok(), "{}: {said:?}", path.display());
        }
    }
    Ok(())
}

async fn explain_explains(cluster: &Cluster) -> Result<()> {
    for (field, expected) in [
        ("secpol.spec.policies.allowedCapabilities", "The capabilities that containers may add"),
        ("secpol.spec.match.namespaceSelector.matchNames", "Names or globs"),
        ("oppol.spec.policies.allowedRepos", "The registries and repositories"),
        ("oppol.spec.enforcementAction", "What happens to an object that violates the policy"),
    ] {
        let said = cluster.kubectl_ok(&["explain", field]).await?;
        ensure!(said.contains(expected), "{field}: {said}");
    }
    let listed = cluster.kubectl_ok(&["get", "gatewright"]).await?;
    ensure!(listed.contains("securitypolicy.deckhouse.io/states"), "the category gatewright lists {listed}");
    Ok(())
}

fn policy(kind: &str, name: &str, spec: &Value) -> String {
    json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
        .to_string()
}

/// What the API server stores, or says.
async fn create(cluster: &Cluster, manifest: &str, dry_run: bool) -> Result<Result<String, String>> {
    let dry_run = if dry_run { "--dry-run=server" } else { "--dry-run=none" };
    let output = cluster.kubectl(&["create", "-o", "json", dry_run, "-f", "-"], Some(manifest)).await?;
    Ok(if output.status.success() { Ok(output.stdout) } else { Err(output.stderr) })
}
