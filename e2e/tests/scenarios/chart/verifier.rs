//! What the chart renders with the verifier of image signatures, and that nothing of it is there without.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, ensure};
use gatewright_compiler::Settings;
use gatewright_e2e::chart::{NAMESPACE, NO_IMAGE, template};
use gatewright_operator::CLUSTER_ROLE;
use serde_json::{Value, json};

use super::values::render;

const DEPLOYMENT: &str = "Deployment/gatewright-verifier";

fn enabled(more: &[(&str, Value)]) -> Result<BTreeMap<String, Value>> {
    render(&[&[("verifier.enabled", json!(true))], more].concat())
}

fn pod(rendered: &BTreeMap<String, Value>) -> &Value {
    &rendered[DEPLOYMENT]["spec"]["template"]["spec"]
}

fn container(rendered: &BTreeMap<String, Value>) -> &Value {
    &pod(rendered)["containers"][0]
}

#[test]
fn it_comes_with_its_objects_and_without_it_there_are_none() -> Result<()> {
    let (with, without) = (enabled(&[])?, render(&[])?);
    let new: BTreeSet<_> =
        with.keys().filter(|name| !without.contains_key(*name)).map(String::as_str).collect();
    let expected = [
        "ClusterRole/gatewright-verifier",
        "ClusterRoleBinding/gatewright-verifier",
        DEPLOYMENT,
        "NetworkPolicy/gatewright-verifier",
        "PodDisruptionBudget/gatewright-verifier",
        "Service/gatewright-verifier",
        "ServiceAccount/gatewright-verifier",
    ];
    ensure!(new == expected.into(), "{new:?}");
    ensure!(!json!(without).to_string().contains("gatewright-verifier"), "something is there without it");
    let alone = enabled(&[("verifier.replicas", json!(1))])?;
    ensure!(!alone.contains_key("PodDisruptionBudget/gatewright-verifier"));
    Ok(())
}

/// Only the operator writes its certificate, and it reads no Secret.
#[test]
fn its_rights_are_three_to_read() -> Result<()> {
    let with = enabled(&[])?;
    let rules = with["ClusterRole/gatewright-verifier"]["rules"].as_array().context("no rules")?;
    let rights: Vec<_> = rules.iter().map(|rule| (&rule["apiGroups"][0], &rule["resources"])).collect();
    let expected = [
        (&json!("constraints.gatekeeper.sh"), &json!(["d8verifyimagesignatures"])),
        (&json!("deckhouse.io"), &json!(["securitypolicies"])),
        (&json!("admissionregistration.k8s.io"), &json!(["validatingwebhookconfigurations"])),
    ];
    ensure!(rights == expected, "{rights:?}");
    ensure!(rules.iter().all(|rule| rule["verbs"] == json!(["get", "list", "watch"])), "{rules:?}");
    let binding = &with["ClusterRoleBinding/gatewright-verifier"];
    ensure!(
        binding["subjects"]
            == json!([{"kind": "ServiceAccount", "name": "gatewright-verifier", "namespace": NAMESPACE}])
    );
    ensure!(!with.keys().any(|name| name.starts_with("Role/gatewright-verifier")), "a Role");
    Ok(())
}

/// Without the verifier the operator may do nothing that has to do with Secrets or with Gatekeeper's providers.
#[test]
fn the_operators_rights_on_secrets_come_with_it() -> Result<()> {
    let without = render(&[])?;
    let rules = |rendered: &BTreeMap<String, Value>| -> String {
        [format!("ClusterRole/{CLUSTER_ROLE}"), "Role/gatewright".to_owned()]
            .map(|role| rendered[&role]["rules"].to_string())
            .concat()
    };
    let found = rules(&without);
    ensure!(!found.contains("secrets") && !found.contains("externaldata.gatekeeper.sh"), "{found}");
    ensure!(rules(&enabled(&[])?).len() >= found.len());
    Ok(())
}

#[test]
fn its_pod_is_restricted_and_runs_the_command() -> Result<()> {
    let with = enabled(&[])?;
    let container = container(&with);
    ensure!(container["command"] == json!(["/gatewright"]));
    let arguments = [
        "verifier",
        "--config=/etc/gatewright/settings.yaml",
        "--tls-dir=/etc/gatewright-tls/",
        "--address=0.0.0.0:8443",
        "--listen=0.0.0.0:8080",
    ];
    ensure!(container["args"] == json!(arguments), "{}", container["args"]);
    let restricted = json!({
        "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
    });
    ensure!(container["securityContext"] == restricted, "{}", container["securityContext"]);
    ensure!(pod(&with)["priorityClassName"] == "system-cluster-critical");
    ensure!(container["resources"]["limits"] == json!({"memory": "256Mi"}));
    for (openshift, user) in [(false, json!(65_532)), (true, Value::Null)] {
        let context = pod(&enabled(&[("openshift", json!(openshift))])?)["securityContext"].clone();
        ensure!(context["runAsUser"] == user && context["runAsNonRoot"] == true, "{context}");
    }
    let prefers = "preferredDuringSchedulingIgnoredDuringExecution";
    let term = &pod(&with)["affinity"]["podAntiAffinity"][prefers][0]["podAffinityTerm"];
    ensure!(term["topologyKey"] == "kubernetes.io/hostname", "{term}");
    Ok(())
}

/// The operator makes the Secret, and needs the Pods for nothing: they start without it. Of the keys in it only those that
/// are served are in the container.
#[test]
fn it_starts_without_a_certificate() -> Result<()> {
    let with = enabled(&[])?;
    let volumes = pod(&with)["volumes"].as_array().context("no volumes")?;
    let secrets: Vec<_> = volumes.iter().filter_map(|volume| volume.get("secret")).collect();
    let [secret] = secrets[..] else { anyhow::bail!("{secrets:?}") };
    ensure!(secret["secretName"] == "gatewright-verifier-tls" && secret["optional"] == true, "{secret}");
    let keys: Vec<_> = secret["items"].as_array().into_iter().flatten().map(|item| &item["key"]).collect();
    ensure!(keys == ["tls.crt", "tls.key"], "{keys:?}");
    Ok(())
}

/// Whoever ends has stopped getting calls before, and time to answer those that it has.
#[test]
fn a_replica_ends_after_what_it_was_asked() -> Result<()> {
    let with = enabled(&[])?;
    let sleep = container(&with)["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().context("no pause")?;
    let grace = pod(&with)["terminationGracePeriodSeconds"].as_u64().context("no time to end")?;
    // The verifier drains for 5 seconds.
    ensure!(grace > sleep + 5, "{grace} {sleep}");
    let strategy = &with[DEPLOYMENT]["spec"]["strategy"]["rollingUpdate"];
    ensure!(strategy["maxUnavailable"] == 0, "{strategy}");
    Ok(())
}

#[test]
fn only_gatekeeper_and_the_operator_may_ask() -> Result<()> {
    let peers = |rendered: &BTreeMap<String, Value>| {
        rendered["NetworkPolicy/gatewright-verifier"]["spec"]["ingress"][0].clone()
    };
    let expected = json!({
        "ports": [{"port": "https", "protocol": "TCP"}],
        "from": [
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "gatekeeper-system"}}},
            {"podSelector": {"matchLabels": {
                "app.kubernetes.io/name": "gatewright", "app.kubernetes.io/component": "operator",
            }}},
        ],
    });
    let found = peers(&enabled(&[])?);
    ensure!(found == expected, "{found}");
    let found = peers(&enabled(&[("settings.gatekeeper.namespace", json!("policies"))])?);
    let name = &found["from"][0]["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"];
    ensure!(name == "policies", "{found}");
    let types = |rendered: BTreeMap<String, Value>| {
        rendered["NetworkPolicy/gatewright-verifier"]["spec"]["policyTypes"].clone()
    };
    ensure!(types(enabled(&[])?) == json!(["Ingress"]));
    let egress = json!([{"ports": [{"port": 443, "protocol": "TCP"}]}]);
    ensure!(types(enabled(&[("verifier.networkPolicy.egress", egress)])?) == json!(["Ingress", "Egress"]));
    Ok(())
}

/// Its Service has the port and name that the settings say by default.
#[test]
fn its_service_is_where_gatekeeper_asks() -> Result<()> {
    let with = enabled(&[])?;
    let service = &with["Service/gatewright-verifier"];
    let settings = Settings::from_yaml("", NAMESPACE)?;
    let url =
        format!("https://{}.{NAMESPACE}.svc:8443/", service["metadata"]["name"].as_str().unwrap_or_default());
    ensure!(settings.verifier_url().at("/") == url, "{url}");
    ensure!(service["spec"]["ports"][0]["port"] == 8443, "{service}");
    ensure!(service["spec"]["selector"] == with[DEPLOYMENT]["spec"]["selector"]["matchLabels"]);
    Ok(())
}

#[test]
fn its_image_is_the_operators_unless_it_has_its_own() -> Result<()> {
    let digest = format!("sha256:{}", "0".repeat(64));
    let operators = [("image.repository", json!("r.example/a")), ("image.digest", json!(digest))];
    for (own, expected) in [
        (vec![], format!("r.example/a@{digest}")),
        (vec![("verifier.image.repository", json!("m.example/a"))], format!("m.example/a@{digest}")),
        (vec![("verifier.image.tag", json!("2"))], "r.example/a:2".to_owned()),
        (
            vec![("verifier.image.repository", json!("m.example/a")), ("verifier.image.tag", json!("2"))],
            "m.example/a:2".to_owned(),
        ),
    ] {
        let image = container(&enabled(&[&operators[..], &own].concat())?)["image"].clone();
        ensure!(image == json!(expected), "{own:?}: {image}");
    }
    Ok(())
}

#[test]
fn it_finds_credentials_roots_and_proxies() -> Result<()> {
    let with = enabled(&[
        ("verifier.registryCredentials", json!("registries")),
        ("verifier.trustedRoots", json!("roots")),
        ("verifier.proxy.https", json!("http://proxy.example.com:3128")),
        ("verifier.proxy.noProxy", json!(".svc")),
    ])?;
    let container = container(&with);
    let arguments = container["args"].to_string();
    ensure!(
        arguments.contains("--registry-config=/etc/gatewright-registries/.dockerconfigjson"),
        "{arguments}"
    );
    let environment = container["env"].as_array().into_iter().flatten();
    let environment: BTreeMap<_, _> =
        environment.filter_map(|it| Some((it["name"].as_str()?, it["value"].as_str()?))).collect();
    let expected = [
        ("HTTPS_PROXY", "http://proxy.example.com:3128"),
        ("NO_PROXY", ".svc"),
        ("SSL_CERT_FILE", "/etc/gatewright-roots/ca.crt"),
    ];
    ensure!(environment == expected.into(), "{environment:?}");
    let volumes = pod(&with)["volumes"].to_string();
    ensure!(volumes.contains(r#"{"secretName":"registries"}"#), "{volumes}");
    ensure!(volumes.contains(r#""configMap":{"name":"roots"}"#), "{volumes}");
    Ok(())
}

fn settings_of(rendered: &BTreeMap<String, Value>) -> Result<Settings> {
    let text = rendered["ConfigMap/gatewright-settings"]["data"]["settings.yaml"].as_str();
    Ok(Settings::from_yaml(text.context("no settings")?, NAMESPACE)?)
}

#[test]
fn the_settings_follow_it() -> Result<()> {
    let networks = ("settings.signatures.allowedNetworks", json!(["127.0.0.0/8"]));
    let agrees = ("settings.signatures.enabled", json!(true));
    for (values, expected) in [
        (vec![], false),
        (vec![("verifier.enabled", json!(true))], true),
        (vec![("verifier.enabled", json!(true)), agrees.clone()], true),
        (vec![("verifier.enabled", json!(true)), ("verifier.suspended", json!(true))], false),
        (vec![("verifier.enabled", json!(true)), ("verifier.suspended", json!(true)), agrees], false),
    ] {
        let rendered = render(&[&values[..], std::slice::from_ref(&networks)].concat())?;
        let signatures = settings_of(&rendered)?.signatures;
        ensure!(signatures.is_enabled() == expected, "{values:?}");
        ensure!(signatures.allowed_networks.len() == 1, "{values:?}: the other settings are lost");
    }
    Ok(())
}

#[test]
fn what_contradicts_itself_is_refused() -> Result<()> {
    for (values, says) in [
        (
            &["verifier.enabled=true", "settings.signatures.enabled=false"][..],
            "settings.signatures.enabled is false and verifier.enabled is true. Leave settings.signatures.enabled out",
        ),
        (
            &["settings.signatures.enabled=true"],
            "settings.signatures.enabled is true and verifier.enabled is false: nobody would verify",
        ),
        (&["verifier.suspended=true"], "verifier.suspended is for an installed verifier"),
        (
            &["verifier.enabled=true", "verifier.suspended=true", "existingSettings=mine"],
            "write `enabled: false` below `signatures` into the ConfigMap mine",
        ),
    ] {
        let said =
            template(&[&[NO_IMAGE], values].concat()).err().with_context(|| format!("{values:?} renders"))?;
        ensure!(format!("{said:#}").contains(says), "{values:?}: {said:#}");
    }
    Ok(())
}

/// Each is a switch of its own for the operator; the verifier's follow it.
#[test]
fn it_is_watched_like_the_operator() -> Result<()> {
    let switches =
        ["metrics.serviceMonitor.enabled", "metrics.prometheusRule.enabled", "metrics.dashboard.enabled"];
    let switches: Vec<_> = switches.into_iter().map(|switch| (switch, json!(true))).collect();
    let all = enabled(&switches)?;
    let rules = all["PrometheusRule/gatewright-verifier"]["spec"]["groups"].to_string();
    ensure!(rules.contains("GatewrightVerifierDown"), "{rules}");
    let monitor = &all["ServiceMonitor/gatewright-verifier"]["spec"];
    ensure!(monitor["selector"] == all[DEPLOYMENT]["spec"]["selector"], "{monitor}");
    ensure!(all.contains_key("ConfigMap/gatewright-verifier-dashboard"));
    let without = render(&switches)?;
    ensure!(!without.keys().any(|name| name.contains("verifier")), "{:?}", without.keys());
    Ok(())
}
