//! Every value of the chart, changed alone: what it renders then, and what is refused.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use gatewright_compiler::{Preset, Settings};
use gatewright_e2e::chart::{self, ChartValue, NAMESPACE, NO_IMAGE, objects, template};
use gatewright_rules::Template;
use serde_json::{Value, json};

/// A value that changes what is rendered, of each that is not a switch.
fn examples() -> BTreeMap<&'static str, Value> {
    let texts = || json!({"a": "b"});
    [
        ("image.repository", json!("registry.example.com/mine")),
        ("image.tag", json!("1.2.3")),
        ("image.digest", json!(format!("sha256:{}", "0".repeat(64)))),
        ("image.pullPolicy", json!("Always")),
        ("image.pullSecrets", json!([{"name": "registry"}])),
        ("settings", json!({"systemNamespaces": ["kube-system", "platform-*"]})),
        ("settings.podSecurityStandards.enforcementAction", json!("Dryrun")),
        ("existingSettings", json!("mine")),
        ("replicas", json!(1)),
        ("leaseSeconds", json!(30)),
        ("resources", json!({"limits": {"memory": "1Gi"}})),
        ("crds.annotations", texts()),
        ("onUninstall", json!("Remove")),
        ("admissionPolicies.reservedNamespacesAllow.users", json!(["installer"])),
        ("admissionPolicies.reservedNamespacesAllow.groups", json!(["installers"])),
        ("admissionPolicies.ignoreLabelAllow", json!(["free-*"])),
        ("podDisruptionBudget.maxUnavailable", json!("50%")),
        ("networkPolicy.metricsFrom", json!([{"podSelector": {}}])),
        ("metrics.serviceMonitor.namespace", json!("monitoring")),
        ("metrics.serviceMonitor.labels", texts()),
        ("metrics.serviceMonitor.interval", json!("1m")),
        ("metrics.prometheusRule.namespace", json!("monitoring")),
        ("metrics.prometheusRule.labels", texts()),
        ("metrics.dashboard.namespace", json!("monitoring")),
        ("metrics.dashboard.labels", texts()),
        ("serviceAccount.name", json!("mine")),
        ("serviceAccount.annotations", texts()),
        ("nodeSelector", texts()),
        ("tolerations", json!([{"operator": "Exists"}])),
        ("affinity", json!({"nodeAffinity": {}})),
        (
            "topologySpreadConstraints",
            json!([{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]),
        ),
        ("priorityClassName", json!("system-cluster-critical")),
        ("podLabels", texts()),
        ("podAnnotations", texts()),
        ("commonLabels", texts()),
        ("tests.namespace", json!("kube-node-lease")),
        ("extraArgs", json!(["--log=debug"])),
    ]
    .into_iter()
    .chain(verifier_examples())
    .collect()
}

fn verifier_examples() -> Vec<(&'static str, Value)> {
    let texts = || json!({"a": "b"});
    vec![
        ("verifier.image.repository", json!("registry.example.com/mine")),
        ("verifier.image.tag", json!("1.2.3")),
        ("verifier.image.digest", json!(format!("sha256:{}", "0".repeat(64)))),
        ("verifier.replicas", json!(1)),
        ("verifier.resources", json!({"limits": {"memory": "1Gi"}})),
        ("verifier.registryCredentials", json!("registries")),
        ("verifier.trustedRoots", json!("roots")),
        ("verifier.proxy.https", json!("http://proxy.example.com:3128")),
        ("verifier.proxy.http", json!("http://proxy.example.com:3128")),
        ("verifier.proxy.noProxy", json!("10.0.0.0/8,.svc")),
        ("verifier.podDisruptionBudget.maxUnavailable", json!("50%")),
        ("verifier.networkPolicy.from", json!([{"ipBlock": {"cidr": "10.0.0.0/8"}}])),
        ("verifier.networkPolicy.egress", json!([{"ports": [{"port": 443, "protocol": "TCP"}]}])),
        ("verifier.nodeSelector", texts()),
        ("verifier.tolerations", json!([{"operator": "Exists"}])),
        ("verifier.affinity", json!({"nodeAffinity": {}})),
        (
            "verifier.topologySpreadConstraints",
            json!([{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]),
        ),
        ("verifier.priorityClassName", json!("")),
        ("verifier.podLabels", texts()),
        ("verifier.podAnnotations", texts()),
        ("verifier.extraArgs", json!(["--log=debug"])),
    ]
}

/// What must be on for a value to count.
fn switched_on(path: &str) -> Option<String> {
    let switches = ["metrics.serviceMonitor", "metrics.prometheusRule", "metrics.dashboard", "verifier"];
    let section =
        switches.iter().find(|switch| path.starts_with(*switch)).map(|switch| format!("{switch}.enabled"));
    let policies = [("reservedNamespacesAllow", "reservedNamespaces"), ("ignoreLabelAllow", "ignoreLabel")];
    let policy = policies.iter().find(|(value, _)| path.contains(value));
    section.or_else(|| policy.map(|(_, switch)| format!("admissionPolicies.{switch}")))
}

pub(super) fn render(values: &[(&str, Value)]) -> Result<BTreeMap<String, Value>> {
    // Values of the one form go before those of the other, whatever their order.
    let set = std::iter::once(r#"image.repository="registry.invalid/gatewright""#.to_owned());
    let set: Vec<_> = set.chain(values.iter().map(|(path, value)| format!("{path}={value}"))).collect();
    let mut arguments = vec!["template", chart::RELEASE, "deploy/charts/gatewright", "-n", NAMESPACE];
    for value in &set {
        arguments.extend(["--set-json", value]);
    }
    objects(&chart::helm(&arguments)?.success()?)
}

fn changed(value: &ChartValue, examples: &BTreeMap<&str, Value>) -> Result<Value> {
    match &value.default {
        Value::Bool(default) => Ok(json!(!default)),
        _ => examples
            .get(value.path.as_str())
            .cloned()
            .with_context(|| format!("no example of {}", value.path)),
    }
}

/// The objects that each value changes or adds.
pub fn rendered_once_each() -> Result<Vec<Value>> {
    let values = chart::values(&std::fs::read_to_string(chart::folder().join("values.yaml"))?)?;
    let (examples, plain) = (examples(), render(&[])?);
    let mut all: Vec<_> = plain.values().cloned().collect();
    for value in &values {
        let on: Vec<_> =
            switched_on(&value.path).into_iter().filter(|switch| *switch != value.path).collect();
        let on: Vec<_> = on.iter().map(|switch| (switch.as_str(), json!(true))).collect();
        let before = render(&on)?;
        let with = [&on[..], &[(value.path.as_str(), changed(value, &examples)?)]].concat();
        let after = render(&with).with_context(|| value.path.clone())?;
        ensure!(after != before, "{} changes nothing", value.path);
        all.extend(
            after
                .into_iter()
                .filter(|(name, object)| plain.get(name) != Some(object))
                .map(|(_, object)| object),
        );
    }
    Ok(all)
}

#[test]
fn a_replica_alone_has_no_budget() -> Result<()> {
    ensure!(render(&[])?.contains_key("PodDisruptionBudget/gatewright"));
    ensure!(!render(&[("replicas", json!(1))])?.contains_key("PodDisruptionBudget/gatewright"));
    Ok(())
}

#[test]
fn openshift_chooses_the_user() -> Result<()> {
    for (openshift, user) in [(false, json!(65_532)), (true, Value::Null)] {
        let rendered = render(&[("openshift", json!(openshift))])?;
        let context = &rendered["Deployment/gatewright"]["spec"]["template"]["spec"]["securityContext"];
        ensure!(context["runAsUser"] == user && context["runAsNonRoot"] == true, "{context}");
    }
    Ok(())
}

/// The chart repeats defaults of the settings and the kinds of constraints.
#[test]
fn what_the_chart_repeats_is_what_the_code_says() -> Result<()> {
    for (preset, word) in [(Preset::None, "None"), (Preset::Deckhouse, "Deckhouse")] {
        let settings = Settings::new(preset, "gatekeeper-system", NAMESPACE);
        let own = [settings.gatekeeper_namespace, settings.operator_namespace];
        let all = [settings.system_namespaces, own.to_vec()].concat().join("|").replace('*', ".*");
        let rendered =
            render(&[("settings.preset", json!(word)), ("admissionPolicies.ignoreLabel", json!(true))])?;
        let policy = &rendered["ValidatingAdmissionPolicy/gatewright-ignored-namespaces"];
        let exempt = &policy["spec"]["variables"][0]["expression"];
        ensure!(exempt == &json!(format!("object.metadata.name.matches('^({all})$')")), "{exempt}");
    }
    let rendered = render(&[])?;
    let rules = rendered["ClusterRole/gatewright-viewer"]["rules"].as_array().context("no rules")?;
    let rule = rules.iter().find(|rule| rule["apiGroups"] == json!(["constraints.gatekeeper.sh"]));
    let kinds: Vec<_> = Template::ALL.iter().map(|template| template.name()).collect();
    ensure!(rule.context("no rule for constraints")?["resources"] == json!(kinds), "{rule:?}");
    Ok(())
}

#[test]
fn the_digest_wins() -> Result<()> {
    let digest = format!("sha256:{}", "0".repeat(64));
    let rendered = render(&[("image.digest", json!(digest)), ("image.tag", json!("1"))])?;
    let image = &rendered["Deployment/gatewright"]["spec"]["template"]["spec"]["containers"][0]["image"];
    ensure!(image == &json!(format!("registry.invalid/gatewright@{digest}")), "{image}");
    Ok(())
}

#[test]
fn what_is_wrong_is_refused_by_name() -> Result<()> {
    for (values, says) in [
        (&[NO_IMAGE, "nope=1"][..], "additional properties 'nope' not allowed"),
        (&[NO_IMAGE, "image.tagg=1"], "additional properties 'tagg' not allowed"),
        (&[NO_IMAGE, "settings.preset=Dekhouse"], "'None', 'Deckhouse'"),
        (&[NO_IMAGE, "settings.podSecurityStandards.enforcementAction=Denny"], "'Deny', 'Warn', 'Dryrun'"),
        (&[NO_IMAGE, "replicas=0"], "/replicas"),
        (
            &[NO_IMAGE, "existingSettings=mine", "onUninstall=Remove"],
            "write `onUninstall: Remove` into the ConfigMap mine",
        ),
        (&[NO_IMAGE, "verifier.replicas=0"], "/verifier/replicas"),
        (&[NO_IMAGE, "verifier.enable=true"], "additional properties 'enable' not allowed"),
        (&["image.pullPolicy=Always"], "make image\n  make image-push REPOSITORY=REGISTRY/gatewright\n"),
    ] {
        let said = template(values).err().with_context(|| format!("{values:?} renders"))?;
        ensure!(format!("{said:#}").contains(says), "{values:?}: {said:#}");
    }
    Ok(())
}

#[test]
fn the_chart_is_without_a_fault() -> Result<()> {
    let said = chart::helm(&["lint", "--strict", "deploy/charts/gatewright", "--set", "image.repository=x"])?;
    said.success().map(drop)
}

/// `make generated` writes them.
#[test]
fn what_is_rendered_is_committed() -> Result<()> {
    for file in chart::rendered()? {
        ensure!(file.is_current(), "{}: run `make generated`", file.path);
        ensure!(file.text.len() <= 300 << 10, "{}: {} bytes", file.path, file.text.len());
    }
    Ok(())
}
