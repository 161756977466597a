//! Each kind of reason why a policy or a constraint does not apply, and that it applies where the reason is taken away.

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::manifests::{labelled_namespace, labelled_pod, policy, security_policy};
use gatewright_e2e::operator::OPERATOR;
use gatewright_e2e::{Cluster, SOON, until};
use serde_json::{Value, json};

use super::{document, explain, file};

/// An object that is left out, the reason, and an object that is judged.
struct Turn {
    subject: &'static str,
    field: &'static str,
    text: &'static str,
    left_out: Value,
    judged: Value,
}

fn pod(namespace: &str, app: &str) -> Value {
    labelled_pod(namespace, "asked", &json!({"app": app}))
}

fn config_map() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "asked", "namespace": "pci"}})
}

/// Policies and a constraint of others that leave out much.
fn judging() -> [Value; 5] {
    let pci = || json!({"labelSelector": {"matchLabels": {"tier": "pci"}}});
    let mut excluding = pci();
    excluding["excludeNames"] = json!(["pci"]);
    let no_pid = || json!({"allowHostPID": false});
    let constraint = |name: &str, r#match: Value| {
        json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "ExplainNothing", "metadata": {"name": name},
            "spec": {"match": r#match},
        })
    };
    [
        policy("SecurityPolicy", "excluding", &json!({"namespaceSelector": excluding}), &no_pid()),
        policy(
            "SecurityPolicy",
            "databases",
            &json!({"namespaceSelector": pci(), "labelSelector": {"matchLabels": {"app": "db"}}}),
            &no_pid(),
        ),
        policy(
            "SecurityPolicy",
            "system",
            &json!({"namespaceSelector": {"matchNames": ["pci", "*-system"]}}),
            &no_pid(),
        ),
        constraint("named", json!({"namespaces": ["pci"], "name": "ask*"})),
        constraint("outside", json!({"scope": "Cluster"})),
    ]
}

fn template() -> Value {
    let rego = "package nothing\nviolation[{\"msg\": \"never\"}] { input.review.object.metadata.name == \"no such name\" }";
    json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "explainnothing"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "ExplainNothing"}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "operations": ["CREATE"], "rego": rego}],
        },
    })
}

fn turns() -> Vec<Turn> {
    let mut other_name = pod("pci", "db");
    other_name["metadata"]["name"] = json!("other");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "asked"}});
    vec![
        Turn {
            subject: "SecurityPolicy/payments",
            field: "namespaceSelector.labelSelector",
            text: "namespaceSelector.labelSelector wants tier=pci, namespace shop has tier=web",
            left_out: pod("shop", "db"),
            judged: pod("pci", "db"),
        },
        Turn {
            subject: "SecurityPolicy/baseline",
            field: "namespaceSelector.matchNames",
            text: "namespaceSelector.matchNames wants shop, the namespace is pci",
            left_out: pod("pci", "db"),
            judged: pod("shop", "db"),
        },
        Turn {
            subject: "SecurityPolicy/excluding",
            field: "namespaceSelector.excludeNames",
            text: "namespaceSelector.excludeNames leaves out pci, the namespace is pci",
            left_out: pod("pci", "db"),
            judged: pod("pci-too", "db"),
        },
        Turn {
            subject: "SecurityPolicy/databases",
            field: "labelSelector",
            text: "labelSelector wants app=db, the object has app=web",
            left_out: pod("pci", "web"),
            judged: pod("pci", "db"),
        },
        Turn {
            subject: "SecurityPolicy/databases",
            field: "kinds",
            text: "judges Pods and controllers, not ConfigMaps",
            left_out: config_map(),
            judged: pod("pci", "db"),
        },
        Turn {
            subject: "SecurityPolicy/system",
            field: "systemNamespaces",
            text: "namespace kube-system is a system namespace: a policy reaches it only by an entry of matchNames that \
                   names it",
            left_out: pod("kube-system", "db"),
            judged: pod("pci", "db"),
        },
        Turn {
            subject: "ExplainNothing/named",
            field: "namespaces",
            text: "namespaces wants pci, the namespace is shop",
            left_out: pod("shop", "db"),
            judged: pod("pci", "db"),
        },
        Turn {
            subject: "ExplainNothing/named",
            field: "name",
            text: "name wants ask*, it is other",
            left_out: other_name,
            judged: pod("pci", "db"),
        },
        Turn {
            subject: "ExplainNothing/outside",
            field: "scope",
            text: "judges objects outside of namespaces, not objects in namespaces",
            left_out: pod("pci", "db"),
            judged: namespace,
        },
    ]
}

pub async fn each_not_turns_into_applies(cluster: &Cluster) -> Result<()> {
    cluster.put(&template()).await?;
    cluster.put(&labelled_namespace("pci-too", &json!({"tier": "pci"}))).await?;
    until("Gatekeeper serves the kind", SOON, async || Ok(cluster.put_all(&judging()).await.is_ok())).await?;
    cluster.all_ready("secpol").await?;
    for turn in turns() {
        let Turn { subject, field, text, left_out, judged } = turn;
        let row = row(cluster, &left_out, subject).await?;
        ensure!(row["applies"] == false && row["verdict"].is_null(), "{subject}: {row:#}");
        ensure!(row["because"]["field"] == field && row["because"]["text"] == text, "{subject}: {row:#}");
        let row = self::row(cluster, &judged, subject).await?;
        ensure!(row["applies"] == true && row["verdict"].is_string(), "{subject}: {row:#}");
    }
    Ok(())
}

/// What is said of one policy or constraint.
async fn row(cluster: &Cluster, object: &Value, subject: &str) -> Result<Value> {
    let path = file(cluster, std::slice::from_ref(object))?;
    let explained = document(cluster, &["-f", &path]).await?;
    let named = |row: &&Value| {
        let of = if row["policy"].is_null() { &row["constraint"] } else { &row["policy"] };
        of["kind"]
            .as_str()
            .zip(of["name"].as_str())
            .is_some_and(|(kind, name)| format!("{kind}/{name}") == subject)
    };
    let rows = explained["items"][0]["policies"].as_array().context("no policies")?;
    rows.iter().find(named).cloned().with_context(|| format!("no {subject}: {explained:#}"))
}

/// Policies that are invalid or demand nothing are there all the same, and say why they judge nothing.
pub async fn policies_without_a_constraint(cluster: &Cluster) -> Result<()> {
    // Null says neither that it may nor that it may not.
    cluster.put(&security_policy("broken", &json!({"allowHostPID": null}))).await?;
    cluster.put(&security_policy("empty", &json!({"allowHostPID": true}))).await?;
    cluster.ready("secpol/empty").await?;
    until("both are explained", SOON, async || {
        let said = explain(cluster, &["deploy/checkout", "-n", "shop"], 1).await?.stdout;
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        for row in [
            "not SecurityPolicy/broken has no constraint: invalid, Invalid: spec.policies.allowHostPID",
            "not SecurityPolicy/empty demands nothing that could be violated, so it has no constraint",
        ] {
            ensure!(said.contains(row), "no {row:?}: {said}");
        }
        Ok(true)
    })
    .await?;
    cluster.kubectl_ok(&["delete", "secpol/broken", "secpol/empty"]).await.map(drop)
}

/// While no operator runs, what is written to policies does not become constraints.
pub async fn what_is_not_enforced_yet_is_marked(cluster: &Cluster) -> Result<()> {
    cluster.kill(OPERATOR).await?;
    cluster.put(&security_policy("late", &json!({"allowHostPID": false}))).await?;
    cluster.patch("secpol/baseline", "merge", &json!({"spec": {"enforcementAction": "Warn"}})).await?;
    // The constraint that is there still denies.
    let said = explain(cluster, &["deploy/checkout", "-n", "shop"], 1).await?.stdout;
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for row in [
        "applies SecurityPolicy/baseline deny readOnlyRootFilesystem: container \"app\" does not set \
         securityContext.readOnlyRootFilesystem; it must be true fix: ",
        "mount an emptyDir there not enforced yet: unknown, Pending: no operator has reported on its generation 2 yet",
        "not SecurityPolicy/late has no constraint: unknown, Pending: ",
    ] {
        ensure!(said.contains(row), "no {row:?}: {said}");
    }
    Ok(())
}
