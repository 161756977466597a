//! The keys of the settings file.

use std::str::FromStr;

use gatewright_api::text::{HelpUrl, NamespacePattern};
use gatewright_gatekeeper::Action;
use gatewright_rules::security_policy::host_network::Range;
use gatewright_typed::nearest;

use super::Settings;
use super::form::Form;
use super::signatures::{network, registries, url};
use super::yaml::{At, Node};

/// A key of the file.
pub(super) struct Key {
    /// Its path, the names joined by dots.
    pub(super) path: &'static str,
    /// What holds without it: YAML in backticks, or words.
    pub(super) default: &'static str,
    /// What may be written.
    pub(super) allowed: Form,
    /// What it does.
    pub(super) meaning: &'static str,
    /// Takes over a value, or says what is wrong with it.
    pub(super) set: fn(&mut Settings, &Node) -> Result<(), Wrong>,
}

/// What is wrong with a value: of a list, each item with its line.
pub(super) struct Wrong(pub(super) Vec<(Option<u64>, String)>);

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self(vec![(None, message)])
    }
}

/// All keys, in the order of the documentation.
pub(super) const KEYS: &[Key] = &[
    Key {
        path: "preset",
        default: "`None`",
        allowed: Form::OneOf(&["None", "Deckhouse"]),
        meaning: "`Deckhouse` adds `d8-*` and `kube-*` to the system namespaces, and with them their service accounts to those that the exec guard lets pass",
        set: |_, node| Ok(choice::<super::Preset>(node, &["None", "Deckhouse"]).map(drop)?),
    },
    Key {
        path: "systemNamespaces",
        default: "`kube-system`, `kube-public`, `kube-node-lease`, and the preset's",
        allowed: Form::Patterns,
        meaning: "Namespaces that no standard reaches, and a policy only by naming them exactly so. Replaces the default; Gatekeeper's and the operator's own namespace are always among them",
        set: |settings, node| put(&mut settings.system_namespaces, list(node, pattern)),
    },
    Key {
        path: "gatekeeper.namespace",
        default: "`gatekeeper-system`",
        allowed: Form::Name,
        meaning: "Where Gatekeeper runs",
        set: |settings, node| put(&mut settings.gatekeeper_namespace, name(node)),
    },
    Key {
        path: "gatekeeper.webhookConfiguration",
        default: "found by the label `gatekeeper.sh/system: yes`",
        allowed: Form::Name,
        meaning: "Upstream's ValidatingWebhookConfiguration, where it has another name or lost its label",
        set: |settings, node| put(&mut settings.routing.upstream, name(node).map(Some)),
    },
    Key {
        path: "podSecurityStandards.defaultPolicy",
        default: "`Baseline`",
        allowed: Form::OneOf(&["Privileged", "Baseline", "Restricted"]),
        meaning: "The standard of namespaces without a valid label for it",
        set: |settings, node| {
            put(
                &mut settings.standards.default_policy,
                choice(node, &["Privileged", "Baseline", "Restricted"]),
            )
        },
    },
    Key {
        path: "podSecurityStandards.enforcementAction",
        default: "`Deny`",
        allowed: Form::OneOf(&["Deny", "Warn", "Dryrun"]),
        meaning: "What happens to violations of the standard in namespaces without a valid label for that",
        set: |settings, node| {
            put(
                &mut settings.standards.enforcement_action,
                one_of(node, &Action::ALL.map(|action| (action.title(), action))),
            )
        },
    },
    Key {
        path: "podSecurityStandards.policies.hostPorts.knownRanges",
        default: "`[]`",
        allowed: Form::Ranges,
        meaning: "Host ports that both levels admit",
        set: |settings, node| put(&mut settings.standards.known_host_ports, list(node, range)),
    },
    Key {
        path: "podSecurityStandards.controllerValidation",
        default: "`true`",
        allowed: Form::Boolean,
        meaning: "Whether rules for Pods also judge the Pod templates of Deployments and other controllers; holds for policies, too",
        set: |settings, node| put(&mut settings.controller_validation, boolean(node)),
    },
    Key {
        path: "podSecurityStandards.version",
        default: "`latest`",
        allowed: Form::Version,
        meaning: "The version of the standards. One that is newer than the newest built in is taken for that",
        set: |settings, node| put(&mut settings.standards.version, version(node)),
    },
    Key {
        path: "podSecurityStandards.userNamespacesRelaxation",
        default: "`true`",
        allowed: Form::Boolean,
        meaning: "Whether `hostUsers: false` relaxes controls as upstream does from v1.35",
        set: |settings, node| put(&mut settings.standards.user_namespaces_relaxation, boolean(node)),
    },
    Key {
        path: "podSecurityStandards.helpUrl",
        default: "none",
        allowed: Form::HelpUrl,
        meaning: "Where people whose Pods are refused can ask: each message of the standards ends with it, as those of a policy end with its `spec.helpUrl`",
        set: |settings, node| put(&mut settings.standards.help_url, help_url(node).map(Some)),
    },
    Key {
        path: "podTemplates",
        default: "`Lenient`",
        allowed: Form::OneOf(&["Lenient", "Strict"]),
        meaning: "Whether policies demand of Deployments and other controllers what something may still fill in on their Pods: resources, ids of users and groups, `automountServiceAccountToken: false`. With `Lenient` these are demanded of the Pods alone",
        set: |settings, node| put(&mut settings.pod_templates, choice(node, &["Lenient", "Strict"])),
    },
    Key {
        path: "execGuard.mode",
        default: "`Auto`",
        allowed: Form::OneOf(&["Auto", "Always", "Off"]),
        meaning: "When the guard of Pods labelled `heritage: deckhouse` against exec and attach stands; `Auto` is while there is such a Pod",
        set: |settings, node| put(&mut settings.exec_guard.mode, choice(node, &["Auto", "Always", "Off"])),
    },
    Key {
        path: "execGuard.unknownPods",
        default: "`deny`",
        allowed: Form::OneOf(&["deny", "allow"]),
        meaning: "What happens to exec and attach to a Pod that Gatekeeper has not seen yet",
        set: |settings, node| put(&mut settings.exec_guard.unknown_pods, choice(node, &["deny", "allow"])),
    },
    Key {
        path: "routing.connect",
        default: "`auto`",
        allowed: Form::OneOf(&["auto", "force", "off"]),
        meaning: "When exec and attach are sent to Gatekeeper. `auto` waits while that would wake a constraint that does not mean it, `force` does not",
        set: |settings, node| put(&mut settings.routing.connect, choice(node, &["auto", "force", "off"])),
    },
    Key {
        path: "routing.delete",
        default: "`auto`",
        allowed: Form::OneOf(&["auto", "force", "off"]),
        meaning: "The same for DELETE",
        set: |settings, node| put(&mut settings.routing.delete, choice(node, &["auto", "force", "off"])),
    },
    Key {
        path: "reports.enabled",
        default: "`true`",
        allowed: Form::Boolean,
        meaning: "Whether what audit found becomes a report in each namespace, where a kind for that is installed; `false` removes those that are there",
        set: |settings, node| put(&mut settings.reports.enabled, boolean(node)),
    },
    Key {
        path: "reports.maxResults",
        default: "`500`",
        allowed: Form::Integer(1, 10_000),
        meaning: "How many results a report lists; the rest is counted",
        set: |settings, node| put(&mut settings.reports.max_results, integer(node, 1, 10_000)),
    },
    Key {
        path: "signatures.enabled",
        default: "not set, which means `false`",
        allowed: Form::Boolean,
        meaning: "Whether `verifyImageSignatures` of policies is enforced. It needs the verifier; the chart's `verifier.enabled` sets both",
        set: |settings, node| put(&mut settings.signatures.enabled, boolean(node).map(Some)),
    },
    Key {
        path: "signatures.url",
        default: "the Service `gatewright-verifier` in the operator's namespace, port 8443",
        allowed: Form::Url,
        meaning: "Where Gatekeeper and the operator ask the verifier",
        set: |settings, node| put(&mut settings.signatures.url, url(node).map(Some)),
    },
    Key {
        path: "signatures.clientAuth",
        default: "`true`",
        allowed: Form::Boolean,
        meaning: "Whether the verifier answers Gatekeeper's certificate alone. `false` is only for a cluster whose NetworkPolicies keep others away from it",
        set: |settings, node| put(&mut settings.signatures.client_auth, boolean(node)),
    },
    Key {
        path: "signatures.allowedNetworks",
        default: "`[]`",
        allowed: Form::Networks,
        meaning: "Networks with special addresses (loopback, link-local, carrier-grade NAT) in which registries may be all the same",
        set: |settings, node| put(&mut settings.signatures.allowed_networks, list(node, network)),
    },
    Key {
        path: "signatures.registries",
        default: "`[]`",
        allowed: Form::Registries,
        meaning: "What differs for a registry: `mirrors` (`host[/path]`) that are asked instead of it, in order; `tokenHosts`, other hosts that may have its credentials; `insecure` for plain HTTP; `ca`, certificates in PEM that are trusted beside the usual ones",
        set: |settings, node| put(&mut settings.signatures.registries, registries(node)),
    },
    Key {
        path: "onUninstall",
        default: "`Keep`",
        allowed: Form::OneOf(&["Keep", "Remove"]),
        meaning: "What happens to the constraints of standards and policies when gatewright is uninstalled: with `Keep` Gatekeeper goes on enforcing them, with `Remove` they are deleted together with the ClusterRole `gatewright`",
        set: |settings, node| put(&mut settings.on_uninstall, choice(node, &["Keep", "Remove"])),
    },
    Key {
        path: "log.level",
        default: "what `--log` says",
        allowed: Form::OneOf(&["error", "warn", "info", "debug", "trace"]),
        meaning: "What the operator's log says, changed while it runs; ignored by the other commands",
        set: |settings, node| {
            let levels = ["error", "warn", "info", "debug", "trace"];
            put(&mut settings.log_level, choice(node, &levels).map(Some))
        },
    },
];

fn put<T, E: Into<Wrong>>(field: &mut T, value: Result<T, E>) -> Result<(), Wrong> {
    *field = value.map_err(Into::into)?;
    Ok(())
}

fn choice<T: FromStr>(node: &Node, allowed: &[&str]) -> Result<T, String> {
    let parsed = text(node).ok().and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| not_one_of(node, allowed))
}

fn not_one_of(node: &Node, allowed: &[&str]) -> String {
    let meant = text(node).ok().and_then(|text| nearest(text, allowed.iter().copied()));
    let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
    format!("{node} is not one of {}{meant}", allowed.join(", "))
}

/// One of these words, in any case.
fn one_of<T: Copy>(node: &Node, allowed: &[(&str, T)]) -> Result<T, String> {
    let is_it = |(word, _): &&(&str, T)| text(node).is_ok_and(|text| text.eq_ignore_ascii_case(word));
    let found = allowed.iter().find(is_it).map(|(_, value)| *value);
    let words: Vec<_> = allowed.iter().map(|(word, _)| *word).collect();
    found.ok_or_else(|| not_one_of(node, &words))
}

pub(super) fn boolean(node: &Node) -> Result<bool, String> {
    match node {
        Node::Bool(value) => Ok(*value),
        other => Err(format!("{other} is neither true nor false")),
    }
}

fn integer<T: TryFrom<i64>>(node: &Node, min: i64, max: i64) -> Result<T, String> {
    match node {
        Node::Integer(value) if (min..=max).contains(value) => T::try_from(*value).ok(),
        _ => None,
    }
    .ok_or_else(|| format!("{node} is not a number from {min} to {max}"))
}

pub(super) fn text(node: &Node) -> Result<&str, String> {
    match node {
        Node::Text(text) => Ok(text),
        other => Err(format!("{other} is not a text")),
    }
}

/// A name of an object: what DNS allows.
fn help_url(node: &Node) -> Result<HelpUrl, String> {
    HelpUrl::try_from(text(node)?).map_err(|error| error.to_string())
}

fn name(node: &Node) -> Result<String, String> {
    let fits = |text: &str| {
        let within = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        (1..=253).contains(&text.len())
            && text.chars().all(within)
            && !text.starts_with(['-', '.'])
            && !text.ends_with(['-', '.'])
    };
    match text(node) {
        Ok(text) if fits(text) => Ok(text.to_owned()),
        _ => Err(format!("{node} is not a name: a name has lower-case letters, digits, dots and dashes")),
    }
}

fn pattern(node: &Node) -> Result<String, String> {
    let pattern = NamespacePattern::try_from(text(node)?).map_err(|error| error.to_string())?;
    if matches!(pattern.as_str(), "" | "*" | "**") {
        return Err(format!("{node} would be every namespace"));
    }
    Ok(pattern.to_string())
}

fn version<T: FromStr>(node: &Node) -> Result<T, String>
where
    T::Err: ToString,
{
    let text = text(node).map_err(|_| format!("{node} is not a version; write it as v1.37 or latest"))?;
    text.parse().map_err(|error: T::Err| format!("{node} {}", error.to_string()))
}

pub(super) fn list<T>(node: &Node, item: fn(&Node) -> Result<T, String>) -> Result<Vec<T>, Wrong> {
    let Node::List(items) = node else { return Err(format!("{node} is not a list").into()) };
    let (mut values, mut problems) = (vec![], vec![]);
    for At { value, referenced, .. } in items {
        match item(value) {
            Ok(value) => values.push(value),
            Err(message) => problems.push((Some(referenced.line()), message)),
        }
    }
    if problems.is_empty() { Ok(values) } else { Err(Wrong(problems)) }
}

fn range(node: &Node) -> Result<Range, String> {
    let Node::Map(fields) = node else {
        return Err(format!("{node} is not a range such as {{min: 80, max: 90}}"));
    };
    let port = |wanted: &str| {
        let found = fields.iter().find(|(name, _)| name.value == wanted);
        let (_, at) = found.ok_or_else(|| format!("{wanted} is missing"))?;
        integer(&at.value, 1, 65_535).map_err(|message| format!("{wanted}: {message}"))
    };
    if let Some((name, _)) = fields.iter().find(|(name, _)| !matches!(name.value.as_str(), "min" | "max")) {
        return Err(format!("{} is unknown; the keys there are min, max", name.value));
    }
    let range = Range { min: port("min")?, max: port("max")? };
    if range.min > range.max {
        return Err(format!("min {} is above max {}", range.min, range.max));
    }
    Ok(range)
}
