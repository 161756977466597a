//! The files that `make generated` writes of the chart and from it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use gatewright_operator::rbac::{self, Place};
use serde_json::json;

use super::{NAMESPACE, NO_IMAGE, folder, objects, schema, template, values};
use crate::paths;

/// The manifest for `kubectl apply`, without Helm.
pub const MANIFEST: &str = "deploy/gatewright.yaml";

/// What the manifest leaves to components.
const PLAIN: [&str; 2] = [NO_IMAGE, "admissionPolicies.namespaceLabels=false"];

/// The components of kustomize, each with the value of the chart that it stands for.
pub const COMPONENTS: [(&str, &str); 8] = [
    ("servicemonitor", "metrics.serviceMonitor.enabled"),
    ("prometheus-rule", "metrics.prometheusRule.enabled"),
    ("dashboard", "metrics.dashboard.enabled"),
    ("namespace-labels", "admissionPolicies.namespaceLabels"),
    ("reserved-namespaces", "admissionPolicies.reservedNamespaces"),
    ("ignore-label", "admissionPolicies.ignoreLabel"),
    ("report-viewers", "roles.reportViewers"),
    ("verifier", "verifier.enabled"),
];

/// A generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Its path in the repository.
    pub path: String,
    /// What stands in it.
    pub text: String,
}

impl Generated {
    fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// Whether it is committed as it is.
    #[must_use]
    pub fn is_current(&self) -> bool {
        std::fs::read_to_string(paths::repository().join(&self.path)).is_ok_and(|text| text == self.text)
    }

    /// Writes it.
    ///
    /// # Errors
    /// The folder is not there, or cannot be written.
    pub fn write(&self) -> Result<()> {
        let path = paths::repository().join(&self.path);
        std::fs::create_dir_all(path.parent().unwrap_or(&path))?;
        std::fs::write(&path, &self.text).with_context(|| path.display().to_string())
    }
}

fn read(path: &str) -> Result<String> {
    std::fs::read_to_string(paths::repository().join(path)).with_context(|| path.to_owned())
}

/// What is generated without helm.
///
/// # Errors
/// A file that it is made from cannot be read.
pub fn offline() -> Result<Vec<Generated>> {
    let chart = |file: &str| format!("deploy/charts/gatewright/{file}");
    let mut files = vec![];
    for crd in gatewright_api::crds() {
        let path = chart(&format!("files/crds/{}.yaml", crd.spec.names.plural));
        files.push(Generated::new(path, serde_saphyr::to_string(&crd)?));
    }
    for file in ["alerts.yaml", "dashboard.json", "verifier-alerts.yaml", "verifier-dashboard.json"] {
        files.push(Generated::new(chart(&format!("files/{file}")), read(&format!("deploy/{file}"))?));
    }
    files.push(Generated::new(chart("files/rbac.yaml"), rights()?));
    files.push(Generated::new("docs/rbac.md", rbac::rbac_reference()));
    let values = values::read(&std::fs::read_to_string(folder().join("values.yaml"))?)?;
    let schema = serde_json::to_string_pretty(&schema::schema(&values)?)? + "\n";
    files.push(Generated::new(chart("values.schema.json"), schema));
    let table = values::table(&values);
    let readme = chart("README.md");
    files.push(Generated::new(&readme, with_table(&read(&readme)?, &table)?));
    files.push(Generated::new("docs/values.md", format!("{VALUES_HEAD}{table}")));
    Ok(files)
}

/// The rules of the operator's three roles, and what the verifier adds to them.
fn rights() -> Result<String> {
    let places = [("cluster", Place::Cluster), ("own", Place::Own), ("default", Place::Default)];
    let of = |place: Place, for_verifier: bool| -> Vec<_> {
        let rules = rbac::rules().into_iter();
        let rules = rules.filter(|rule| rule.place == place && rule.needs_verifier() == for_verifier);
        rules.map(|rule| rule.policy_rule()).collect()
    };
    let all = |for_verifier| places.map(|(name, place)| (name, json!(of(place, for_verifier))));
    let mut rules: BTreeMap<_, _> = all(false).into();
    rules.insert("verifier", json!(BTreeMap::from(all(true))));
    Ok(serde_saphyr::to_string(&rules)?)
}

const VALUES_HEAD: &str = "# Values of the chart

The values of `deploy/charts/gatewright`, for `helm install --set NAME=VALUE` or a file given by `-f`. An unknown one is refused. [install.md](install.md) says how to begin,
[settings.md](settings.md) what stands below `settings`.

";

const BEGIN: &str = "<!-- values -->\n";
const END: &str = "<!-- end of values -->\n";

fn with_table(readme: &str, table: &str) -> Result<String> {
    let (head, rest) = readme.split_once(BEGIN).context("README.md has no place for the values")?;
    let (_, tail) = rest.split_once(END).context("README.md has no end of the values")?;
    Ok(format!("{head}{BEGIN}{table}{END}{tail}"))
}

/// What helm renders: the manifest, and the components of kustomize.
///
/// # Errors
/// The chart does not render.
pub fn rendered() -> Result<Vec<Generated>> {
    let all = template(&PLAIN)?;
    let plain = format!("---\n{}\n", documents(&all).collect::<Vec<_>>().join("\n\n---\n"));
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    });
    let namespace = serde_saphyr::to_string(&namespace)?;
    let mut files = vec![Generated::new(MANIFEST, format!("{MANIFEST_HEAD}---\n{namespace}{plain}"))];
    for (name, value) in COMPONENTS {
        let with = format!("{value}=true");
        let more = template(&[&PLAIN[..], &[&with]].concat())?;
        files.extend(component(name, value, &plain, &more)?);
    }
    Ok(files)
}

/// A component: the objects that a value adds, and the parts that it changes of others.
fn component(name: &str, value: &str, plain: &str, with: &str) -> Result<Vec<Generated>> {
    let known: Vec<_> = documents(plain).collect();
    let names: BTreeSet<_> = objects(plain)?.into_keys().collect();
    let (mut added, mut patches) = (vec![], vec![]);
    for document in documents(with).filter(|document| !known.contains(document)) {
        let is_known = objects(document)?.keys().any(|name| names.contains(name));
        if is_known { patches.push(document) } else { added.push(document) }
    }
    let folder = format!("deploy/components/{name}");
    let mut kustomization = format!(
        "# What the value {value} of the chart adds; made by `make generated`.\n\
         apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [{name}.yaml]\n"
    );
    let mut files = vec![Generated::new(format!("{folder}/{name}.yaml"), added.join("\n---\n") + "\n")];
    if !patches.is_empty() {
        kustomization += "# What it changes of gatewright.yaml.\npatches: [{path: patches.yaml}]\n";
        files.push(Generated::new(format!("{folder}/patches.yaml"), patches.join("\n---\n") + "\n"));
    }
    files.push(Generated::new(format!("{folder}/kustomization.yaml"), kustomization));
    Ok(files)
}

/// The documents but for those of `helm test`, which only Helm runs.
fn documents(manifest: &str) -> impl Iterator<Item = &str> {
    let all = manifest.split("---\n").map(str::trim).filter(|document| !document.is_empty());
    all.filter(|document| !document.contains("helm.sh/hook: test"))
}

const MANIFEST_HEAD: &str = "\
# The operator and all that it needs, as `helm template` prints it of deploy/charts/gatewright; made by `make generated`.
# It enforces the Pod Security Standard baseline, action Deny, within seconds: read docs/install.md first.
# Nobody publishes the image: set yours in kustomization.yaml beside this file.
";

#[cfg(test)]
mod tests {
    use super::*;

    /// `make generated` writes them.
    #[test]
    fn committed_files_are_current() {
        for file in offline().unwrap() {
            assert!(file.is_current(), "{}: run `make generated`", file.path);
        }
    }

    #[test]
    fn a_crd_is_small_enough_for_an_apply_of_clients() {
        for file in offline().unwrap().into_iter().filter(|file| file.path.contains("/crds/")) {
            assert!(file.text.len() < 128 << 10, "{}: {} bytes", file.path, file.text.len());
        }
    }

    #[test]
    fn every_right_is_in_one_place_and_secrets_come_with_the_verifier() {
        let rules: serde_json::Value = serde_saphyr::from_str(&rights().unwrap()).unwrap();
        let count = |rules: &serde_json::Value| -> usize {
            ["cluster", "own", "default"].iter().map(|place| rules[place].as_array().unwrap().len()).sum()
        };
        assert_eq!(count(&rules) + count(&rules["verifier"]), rbac::rules().len());
        let without: Vec<_> = ["cluster", "own", "default"].map(|place| rules[place].to_string()).into();
        assert!(without.iter().all(|rules| !rules.contains("secrets") && !rules.contains("externaldata")));
        let [cluster, own] = ["cluster", "own"].map(|place| rules["verifier"][place].to_string());
        assert!(cluster.contains("providers") && own.contains("gatewright-verifier-tls"), "{cluster} {own}");
    }
}
