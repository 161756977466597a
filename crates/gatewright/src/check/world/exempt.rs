//! Namespaces about which Gatekeeper is not asked.

use gatewright_compiler::Settings;
use gatewright_gatekeeper::{IGNORE_LABEL, NamespaceGlob, exemptions};

use crate::input::Document;

/// The namespaces that Gatekeeper's webhook leaves out.
#[derive(Debug, Default)]
pub struct Exempt {
    gatekeeper_namespace: String,
    /// Names or globs, as Gatekeeper's `Config` has them.
    patterns: Vec<String>,
}

/// Whether it is the one `Config` that Gatekeeper reads. One that names no namespace stands in this one.
pub fn is_read(config: &Document, default: Option<&str>, settings: &Settings) -> bool {
    let namespace = config.header.namespace.as_deref().or(default).unwrap_or("default");
    config.header.name == "config" && namespace == settings.gatekeeper_namespace
}

impl Exempt {
    /// Those of these `Config`s that are read.
    pub fn new<'a>(configs: impl IntoIterator<Item = &'a Document>, settings: &Settings) -> Self {
        let specs = configs.into_iter().map(|config| config.value()["spec"].clone());
        let exempt = specs.flat_map(|spec| exemptions(&spec)).filter(|one| one.admission);
        Self {
            gatekeeper_namespace: settings.gatekeeper_namespace.clone(),
            patterns: exempt.map(|one| one.namespaces).collect(),
        }
    }

    /// Why Gatekeeper is not asked about objects of a namespace, if it is not.
    pub fn reason(&self, namespace: &str, has_label: impl Fn(&str) -> bool) -> Option<String> {
        if namespace == self.gatekeeper_namespace {
            return Some(format!("Gatekeeper's webhook leaves out its own namespace {namespace}"));
        }
        if has_label(IGNORE_LABEL) {
            return Some(format!("namespace {namespace} carries the label {IGNORE_LABEL}"));
        }
        let pattern = self.patterns.iter().find(|pattern| NamespaceGlob::new(pattern).matches(namespace))?;
        Some(format!("Gatekeeper's Config exempts namespaces {pattern} from admission"))
    }
}
