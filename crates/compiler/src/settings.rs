//! What an administrator decides for the whole cluster.

/// Settings that change what policies compile to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Names or globs of namespaces that a policy reaches only by naming them.
    pub system_namespaces: Vec<String>,
    /// Gatekeeper's namespace, which no policy reaches.
    pub gatekeeper_namespace: String,
    /// The operator's namespace, which no policy reaches.
    pub operator_namespace: String,
    /// Whether pod rules also judge the Pod templates of controllers.
    pub controller_validation: bool,
}

/// A set of defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preset {
    /// A plain cluster.
    #[default]
    None,
    /// A Deckhouse cluster, whose own namespaces are `d8-*` and `kube-*`.
    Deckhouse,
}

impl Settings {
    /// The defaults of a preset, for the given namespaces of Gatekeeper and the operator.
    #[must_use]
    pub fn new(preset: Preset, gatekeeper_namespace: &str, operator_namespace: &str) -> Self {
        let names = ["kube-system", "kube-public", "kube-node-lease"];
        let patterns: &[&str] = match preset {
            Preset::None => &[],
            Preset::Deckhouse => &["d8-*", "kube-*"],
        };
        Self {
            system_namespaces: names.iter().chain(patterns).map(|name| (*name).to_owned()).collect(),
            gatekeeper_namespace: gatekeeper_namespace.to_owned(),
            operator_namespace: operator_namespace.to_owned(),
            controller_validation: true,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(Preset::None, "gatekeeper-system", "gatewright-system")
    }
}
