//! What the operator may do: one table, of which the manifests and `docs/rbac.md` are made.
//!
//! No rule has a wildcard in its verbs, its groups, or in what may be written. The one exception is reading every kind
//! of `constraints.gatekeeper.sh`: which kinds users make there is their own matter.

use gatewright_compiler::SYNC_SET;
use gatewright_gatekeeper::{
    CONSTRAINT_GROUP, PROVIDER_GROUP, SYNC_SET_GROUP, TEMPLATE_GROUP, WEBHOOK_CONFIGURATION,
};
use gatewright_rules::Template;
use gatewright_rules::verify_image_signatures::PROVIDER;
use k8s_openapi::api::rbac::v1::PolicyRule;

use crate::names::{CLUSTER_ROLE, LEASE, REPORT, VERIFIER_SECRET};

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

const READ: &[&str] = &["get", "list", "watch"];
const FOLLOW: &[&str] = &["list", "watch"];
const FOLLOW_AND_CREATE: &[&str] = &["list", "watch", "create"];
/// A full update reads the object just before.
const CHANGE: &[&str] = &["get", "patch", "update", "delete"];

/// Where a rule holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the whole cluster: in the ClusterRole.
    Cluster,
    /// In the operator's own namespace.
    Own,
    /// In the namespace `default`.
    Default,
}

impl Place {
    /// As the documentation names it.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Own => "the operator's namespace",
            Self::Default => "namespace `default`",
        }
    }
}

/// One right, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where it holds.
    pub place: Place,
    /// What the operator needs it for, as a sentence.
    pub purpose: &'static str,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The resources, in lower case and plural.
    pub resources: Vec<String>,
    /// The names of the objects; empty for all.
    pub names: Vec<String>,
    /// The verbs.
    pub verbs: &'static [&'static str],
}

impl Rule {
    fn new(
        group: &'static str,
        resources: &[impl AsRef<str>],
        verbs: &'static [&'static str],
        purpose: &'static str,
    ) -> Self {
        Self { place: Place::Cluster, purpose, group, resources: owned(resources), names: vec![], verbs }
    }

    fn named(self, names: &[impl AsRef<str>]) -> Self {
        Self { names: owned(names), ..self }
    }

    fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// Whether it is given only where the verifier is installed: to tell Gatekeeper of it, and to give it its certificate.
    #[must_use]
    pub fn needs_verifier(&self) -> bool {
        self.group == PROVIDER_GROUP || self.resources.iter().any(|resource| resource == "secrets")
    }

    /// The rule as it stands in a role.
    #[must_use]
    pub fn policy_rule(&self) -> PolicyRule {
        PolicyRule {
            api_groups: Some(vec![self.group.to_owned()]),
            resources: Some(self.resources.clone()),
            resource_names: Some(self.names.clone()).filter(|names| !names.is_empty()),
            verbs: owned(self.verbs),
            ..PolicyRule::default()
        }
    }
}

fn owned(words: &[impl AsRef<str>]) -> Vec<String> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}

/// The table.
#[must_use]
pub fn rules() -> Vec<Rule> {
    [policies(), gatekeeper(), routing(), reports(), signatures(), system()].concat()
}

/// Those of the rules that are there for image signatures alone. They stay while signatures are switched off: what was
/// made for them must be deleted then.
#[must_use]
pub fn signatures() -> Vec<Rule> {
    const PROVIDERS: &[&str] = &["providers"];
    const SECRETS: &[&str] = &["secrets"];
    let templates: Vec<_> =
        Template::ALL.iter().filter(|it| it.needs_verifier()).map(|it| it.name()).collect();
    vec![
        Rule::new(
            TEMPLATE_GROUP,
            &["constrainttemplates"],
            &["delete"],
            "The template of image signatures goes when `signatures.enabled` becomes false in the settings.",
        )
        .named(&templates),
        Rule::new(
            PROVIDER_GROUP,
            PROVIDERS,
            FOLLOW_AND_CREATE,
            "Whom Gatekeeper asks about external data: the verifier, and which servers of others can hold Gatekeeper. \
             Creation cannot be limited by name. With `signatures.enabled: false` in the settings only what is left is deleted.",
        ),
        Rule::new(PROVIDER_GROUP, PROVIDERS, CHANGE, "What Gatekeeper is told about the verifier is kept as it should be.")
            .named(&[PROVIDER]),
        Rule::new(
            "",
            SECRETS,
            &["create"],
            "The verifier's serving certificate with its key. Creation cannot be limited by name. The operator looks at no \
             other Secret.",
        )
        .at(Place::Own),
        Rule::new(
            "",
            SECRETS,
            &["get", "list", "watch", "update", "delete"],
            "The certificate is renewed before it ends, and made anew where it is lost.",
        )
        .named(&[VERIFIER_SECRET])
        .at(Place::Own),
    ]
}

fn policies() -> Vec<Rule> {
    const GROUP: &str = "deckhouse.io";
    vec![
        Rule::new(
            GROUP,
            &["securitypolicies", "operationpolicies"],
            READ,
            "The policies. They are the administrators': the operator does not change them.",
        ),
        Rule::new(
            GROUP,
            &["securitypolicies/status", "operationpolicies/status"],
            &["update"],
            "What became of a policy is written into its status.",
        ),
        Rule::new(
            "",
            &["namespaces"],
            FOLLOW,
            "Which namespaces policies and standards reach. Only metadata is asked for.",
        ),
    ]
}

fn gatekeeper() -> Vec<Rule> {
    let templates: Vec<_> = Template::ALL.iter().map(|template| template.name()).collect();
    let all_verbs: &[&str] = &["get", "list", "watch", "create", "patch", "update", "delete"];
    vec![
        Rule::new(
            TEMPLATE_GROUP,
            &["constrainttemplates"],
            FOLLOW_AND_CREATE,
            "Its own templates, and which requests templates of others are for. Creation cannot be limited by name.",
        ),
        Rule::new(
            TEMPLATE_GROUP,
            &["constrainttemplates"],
            &["get", "patch", "update"],
            "Its own templates are kept as they should be.",
        )
        .named(&templates),
        Rule::new(
            CONSTRAINT_GROUP,
            &templates,
            all_verbs,
            "The constraints of its own templates: one for each policy, six for the standards, one for the exec guard.",
        ),
        Rule::new(
            CONSTRAINT_GROUP,
            &["*"],
            FOLLOW,
            "Which constraints of others are about exec, attach and deletions. Their kinds are the users' own, so they \
             cannot be named.",
        ),
        Rule::new(
            "",
            &["pods"],
            FOLLOW,
            "Gatekeeper's processes with their versions, and whether there are Pods that the exec guard guards (of these, \
             only metadata is asked for).",
        ),
        Rule::new("config.gatekeeper.sh", &["configs"], FOLLOW, "Which namespaces Gatekeeper exempts."),
        Rule::new(
            SYNC_SET_GROUP,
            &["syncsets"],
            FOLLOW_AND_CREATE,
            "Gatekeeper's inventory, in which the exec guard looks up Pods. Creation cannot be limited by name.",
        ),
        Rule::new(SYNC_SET_GROUP, &["syncsets"], CHANGE, "The inventory is kept as it should be.")
            .named(&[SYNC_SET]),
    ]
}

fn routing() -> Vec<Rule> {
    const GROUP: &str = "admissionregistration.k8s.io";
    const WEBHOOKS: &[&str] = &["validatingwebhookconfigurations"];
    vec![
        Rule::new(
            GROUP,
            WEBHOOKS,
            FOLLOW_AND_CREATE,
            "Whether the API server asks Gatekeeper, and what it should ask beside. Creation cannot be limited by name.",
        ),
        Rule::new(GROUP, WEBHOOKS, CHANGE, "Its own webhook configuration is kept as it should be.")
            .named(&[WEBHOOK_CONFIGURATION]),
    ]
}

fn reports() -> Vec<Rule> {
    let of = |group, resources: &[&str]| {
        [
            Rule::new(
                group,
                resources,
                &["create"],
                "Reports of what audit found. Creation cannot be limited by name. Without this group the operator takes \
                 the other; with `reports.enabled: false` in the settings it needs neither.",
            ),
            Rule::new(
                group,
                resources,
                &["get", "list", "watch", "patch", "update", "delete"],
                "The reports of its own name, which are all that it looks at.",
            )
            .named(&[REPORT]),
        ]
    };
    let open = of("openreports.io", &["reports", "clusterreports"]);
    open.into_iter().chain(of("wgpolicyk8s.io", &["policyreports", "clusterpolicyreports"])).collect()
}

/// The operator itself: its status, its owner, its events, and who of its replicas leads.
fn system() -> Vec<Rule> {
    const STATUS: &str = "gatewright.io";
    const EVENTS: &str = "events.k8s.io";
    const LEASES: &str = "coordination.k8s.io";
    vec![
        Rule::new(
            STATUS,
            &["gatewrightstatuses"],
            &["get", "list", "watch", "create"],
            "The object with the state of the system. Creation cannot be limited by name.",
        ),
        Rule::new(STATUS, &["gatewrightstatuses/status"], &["update"], "The state of the system is written into it.")
            .named(&[gatewright_api::SYSTEM_STATUS_NAME]),
        Rule::new(
            RBAC_GROUP,
            &["clusterroles"],
            &["get"],
            "The uid of this role, which owns what must go when gatewright is uninstalled.",
        )
        .named(&[CLUSTER_ROLE]),
        Rule::new(EVENTS, &["events"], &["create"], "An event about a namespace is kept in that namespace."),
        Rule::new(
            EVENTS,
            &["events"],
            &["patch"],
            "Events of objects that have no namespace are kept in `default`; one that repeats itself is counted up.",
        )
        .at(Place::Default),
        Rule::new(LEASES, &["leases"], &["create"], "Which replica leads. Creation cannot be limited by name.")
            .at(Place::Own),
        Rule::new(LEASES, &["leases"], &["get", "update"], "The leader renews the Lease.")
            .named(&[LEASE])
            .at(Place::Own),
    ]
}

/// The rules of the role at this place.
#[must_use]
pub fn rules_at(place: Place) -> Vec<PolicyRule> {
    rules().iter().filter(|rule| rule.place == place).map(Rule::policy_rule).collect()
}

/// The page `docs/rbac.md`.
#[must_use]
pub fn rbac_reference() -> String {
    let code = |words: &[String]| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let row = |rule: &Rule| {
        let Rule { place, purpose, group, resources, names, verbs } = rule;
        let with = if rule.needs_verifier() { ", with the verifier" } else { "" };
        let group = if group.is_empty() { "core" } else { group };
        let (verbs, names) =
            (verbs.join(", "), if names.is_empty() { "all".to_owned() } else { code(names) });
        let (resources, place) = (code(resources), place.describe());
        format!("| {group}: {resources} | {verbs} | {names} | {place}{with} | {purpose} |\n")
    };
    PAGE.to_owned() + &rules().iter().map(row).collect::<String>()
}

const PAGE: &str = "\
# What the operator may do

The operator runs as the ServiceAccount `gatewright` of its own namespace. It has the ClusterRole `gatewright`, a Role in its
own namespace, and one in `default`. It has no Role in Gatekeeper's namespace, so it can be installed before Gatekeeper.

No rule has a wildcard in its verbs, in its groups, or in what may be written. The one wildcard is for reading
`constraints.gatekeeper.sh`, because users name the kinds of that group themselves. The operator reads no Secret but its own,
`gatewright-verifier-tls`.

Rights that come *with the verifier* are in the roles only with the chart's value `verifier.enabled` or the component `verifier`.
The verifier has a ServiceAccount and a ClusterRole of its own, and reads only ([verifier.md](verifier.md#install-it)).

This page is generated from the table in `crates/operator/src/rbac.rs`, and so are the roles of the chart and the manifest; `make generated` writes them.

| group: resources | verbs | names | where | what for |
|---|---|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::{Place, Rule, rbac_reference, rules, rules_at};
    use std::collections::BTreeSet;

    const WRITING: [&str; 4] = ["create", "patch", "update", "delete"];

    #[test]
    fn a_wildcard_is_only_in_what_is_read_of_constraints() {
        let is_wild = |rule: &&Rule| {
            rule.group == "*" || rule.verbs.contains(&"*") || rule.resources.iter().any(|it| it.contains('*'))
        };
        let rules = rules();
        let wild: Vec<_> = rules.iter().filter(is_wild).collect();
        let [rule] = wild[..] else { panic!("{wild:?}") };
        assert_eq!((rule.group, rule.resources.join(",")), ("constraints.gatekeeper.sh", "*".to_owned()));
        assert_eq!(rule.verbs, ["list", "watch"]);
    }

    #[test]
    fn what_is_changed_is_named_unless_all_of_its_kind_is_ours() {
        let whole = ["d8securitypolicy", "securitypolicies/status", "events"];
        for rule in rules() {
            let changes = rule.verbs.iter().any(|verb| WRITING[1..].contains(verb));
            let expected = changes && !whole.contains(&rule.resources[0].as_str());
            assert_eq!(!rule.names.is_empty() && changes, expected, "{rule:?}");
        }
    }

    #[test]
    fn a_rule_that_creates_limits_nothing_by_name() {
        for rule in rules().iter().filter(|rule| rule.verbs.contains(&"create")) {
            assert!(rule.names.is_empty(), "the API server never grants a creation by name: {rule:?}");
        }
    }

    #[test]
    fn no_rule_says_what_another_says() {
        let mut seen = BTreeSet::new();
        for rule in rules() {
            for (resource, verb) in
                rule.resources.iter().flat_map(|it| rule.verbs.iter().map(move |verb| (it, verb)))
            {
                let key = (rule.place.describe(), rule.group, resource.clone(), *verb, rule.names.clone());
                assert!(seen.insert(key.clone()), "twice: {key:?}");
            }
        }
    }

    #[test]
    fn every_rule_is_in_one_role_and_says_what_it_is_for() {
        let places = [Place::Cluster, Place::Own, Place::Default];
        let in_roles: Vec<_> = places.into_iter().flat_map(rules_at).collect();
        let rules = rules();
        assert_eq!(in_roles.len(), rules.len());
        for rule in &rules {
            assert!(in_roles.contains(&rule.policy_rule()), "{rule:?}");
            assert!(rule.purpose.ends_with('.') && !rule.purpose.contains('|'), "{rule:?}");
        }
        assert!(rules.iter().any(|rule| rule.place == Place::Own));
    }

    #[test]
    fn the_page_is_the_committed_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/rbac.md");
        assert_eq!(std::fs::read_to_string(path).unwrap(), rbac_reference(), "run `make generated`");
    }
}
