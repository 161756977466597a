//! What is known of the cluster beside an object: the LimitRanges and ServiceAccounts of its namespace.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::quantity;
use super::table::visit;

/// Says on a Pod what LimitRanges gave it.
const LIMITED: &str = "kubernetes.io/limit-ranger";

/// The LimitRanges and ServiceAccounts that are known. What is not known is as in a cluster without LimitRanges, where
/// accounts say nothing.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    limit_ranges: HashMap<String, Vec<LimitRange>>,
    accounts: HashMap<String, BTreeMap<String, Account>>,
    /// Whether the token of an account of which nothing is known stays unmounted where the Pod leaves it open.
    without_unknown_tokens: bool,
}

/// What a LimitRange gives to each container.
#[derive(Clone, Debug, Default)]
struct LimitRange {
    name: String,
    limits: Map<String, Value>,
    requests: Map<String, Value>,
    bounded: bool,
}

/// What a ServiceAccount says of the Pods that run as it.
#[derive(Clone, Debug)]
pub(super) struct Account {
    automount: Option<bool>,
    pub pull_secrets: Option<Value>,
}

impl Cluster {
    /// Learns a LimitRange or a ServiceAccount of a namespace; other objects say nothing.
    pub fn learn(&mut self, object: &Value, namespace: &str) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        match (object["apiVersion"].as_str(), object["kind"].as_str()) {
            (Some("v1"), Some("LimitRange")) => {
                let ranges = self.limit_ranges.entry(namespace.to_owned()).or_default();
                ranges.push(LimitRange::of(object, name));
            }
            (Some("v1"), Some("ServiceAccount")) => {
                let secrets = object.get("imagePullSecrets");
                let filled = |secrets: &&Value| secrets.as_array().is_some_and(|secrets| !secrets.is_empty());
                let account = Account {
                    automount: object.get("automountServiceAccountToken").and_then(Value::as_bool),
                    pull_secrets: secrets.filter(filled).cloned(),
                };
                self.accounts.entry(namespace.to_owned()).or_default().insert(name, account);
            }
            _ => {}
        }
    }

    /// Takes it that an account of which nothing is known says `automountServiceAccountToken: false`.
    #[must_use]
    pub fn without_unknown_tokens(self) -> Self {
        Self { without_unknown_tokens: true, ..self }
    }

    /// What an account of which nothing is known does.
    pub(super) const fn word_of_tokens(&self) -> &'static str {
        if self.without_unknown_tokens { "does not mount its token" } else { "mounts its token" }
    }

    /// Whether some LimitRange of the Pod's namespace is known.
    pub(super) fn limits(&self, pod: &Value) -> bool {
        self.limit_ranges.contains_key(namespace(pod))
    }

    /// A LimitRange of the Pod's namespace that has bounds, too.
    pub(super) fn bounds(&self, pod: &Value) -> Option<&str> {
        let ranges = self.limit_ranges.get(namespace(pod))?;
        ranges.iter().find(|range| range.bounded).map(|range| range.name.as_str())
    }

    pub(super) fn account_of(&self, pod: &Value) -> Option<&Account> {
        self.accounts.get(namespace(pod))?.get(account_name(&pod["spec"]))
    }

    /// Whether the token is mounted: as the Pod says, else as its account says, else yes.
    pub(super) fn mounts_token(&self, pod: &Value) -> bool {
        let own = pod["spec"].get("automountServiceAccountToken").and_then(Value::as_bool);
        let of_account = || match self.account_of(pod) {
            Some(account) => account.automount.unwrap_or(true),
            None => !self.without_unknown_tokens,
        };
        own.unwrap_or_else(of_account)
    }

    /// The LimitRanger plugin's defaults.
    pub(super) fn limit(&self, pod: &mut Value) {
        let mut said = vec![];
        for range in self.limit_ranges.get(namespace(pod)).into_iter().flatten() {
            for (list, noun) in [("containers", "container"), ("initContainers", "init container")] {
                visit(pod, &format!("spec.{list}[]"), &mut |container| {
                    range.fill(container, noun, &mut said);
                });
            }
        }
        if !said.is_empty() {
            let text = format!("LimitRanger plugin set: {}", said.join("; "));
            visit(pod, "metadata+.annotations+", &mut |annotations| annotations[LIMITED] = json!(text));
        }
    }
}

impl LimitRange {
    fn of(object: &Value, name: String) -> Self {
        let mut object = object.clone();
        super::apply(&mut object);
        let mut range = Self { name, ..Self::default() };
        for limits in object["spec"]["limits"].as_array().into_iter().flatten() {
            if limits["type"] == "Container" {
                let list = |name: &str| limits[name].as_object().cloned().unwrap_or_default();
                range.limits.extend(list("default"));
                range.requests.extend(list("defaultRequest"));
            }
            let bounds = ["min", "max", "maxLimitRequestRatio"];
            range.bounded |= bounds.iter().any(|name| limits.get(name).is_some());
        }
        range
    }

    /// Gives a container what it leaves out, and says so in the words of the annotation.
    fn fill(&self, container: &mut Value, noun: &str, said: &mut Vec<String>) {
        let name = container["name"].as_str().unwrap_or_default().to_owned();
        let lists = [("requests", "request", &self.requests), ("limits", "limit", &self.limits)];
        for (list, word, given) in lists.into_iter().filter(|(.., given)| !given.is_empty()) {
            let mut added = vec![];
            visit(container, &format!("resources+.{list}+"), &mut |found| {
                let Value::Object(found) = found else { return };
                for (resource, amount) in given {
                    if !found.contains_key(resource) {
                        found.insert(resource.clone(), amount.clone());
                        added.push(resource.clone());
                    }
                }
            });
            visit(container, &format!("resources.{list}"), &mut quantity::canonical);
            if !added.is_empty() {
                added.sort();
                said.push(format!("{} {word} for {noun} {name}", added.join(", ")));
            }
        }
    }
}

fn namespace(pod: &Value) -> &str {
    pod["metadata"]["namespace"].as_str().filter(|name| !name.is_empty()).unwrap_or("default")
}

/// The account that a Pod runs as.
pub(super) fn account_name(spec: &Value) -> &str {
    let names =
        ["serviceAccountName", "serviceAccount"].into_iter().filter_map(|name| spec.get(name)?.as_str());
    names.into_iter().find(|name| !name.is_empty()).unwrap_or("default")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::{About, apply_in};
    use super::Cluster;

    fn known(objects: &[Value]) -> Cluster {
        let mut cluster = Cluster::default();
        for object in objects {
            cluster.learn(object, "shop");
        }
        cluster
    }

    fn limit_range(limits: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": {"limits": [limits]}})
    }

    fn account(fields: &Value) -> Value {
        let mut account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app"}});
        account.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        account
    }

    fn pod(namespace: &str, cluster: &Cluster) -> (Value, Vec<About>) {
        let container = json!({"name": "a", "resources": {"requests": {"cpu": "1"}}});
        let spec = json!({"serviceAccountName": "app", "containers": [container], "initContainers": [{"name": "i"}]});
        let metadata = json!({"name": "p", "namespace": namespace});
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
        let assumed = apply_in(&mut pod, cluster);
        (pod, assumed.into_iter().map(|assumption| assumption.about).collect())
    }

    #[test]
    fn a_limit_range_fills_what_containers_of_its_namespace_leave_out() {
        let cluster = known(&[limit_range(
            &json!({"type": "Container", "default": {"cpu": "2", "memory": "1024Mi"}, "max": {"pods": "1"}}),
        )]);
        let (found, assumed) = pod("shop", &cluster);
        let container = &found["spec"]["containers"][0]["resources"];
        assert_eq!(container["limits"], json!({"cpu": "2", "memory": "1Gi", "pods": "1"}));
        assert_eq!(container["requests"], json!({"cpu": "1", "memory": "1Gi", "pods": "1"}));
        assert_eq!(found["spec"]["initContainers"][0]["resources"]["limits"]["cpu"], "2");
        let said = found["metadata"]["annotations"]["kubernetes.io/limit-ranger"].as_str().unwrap();
        assert!(
            said.starts_with("LimitRanger plugin set: memory, pods request for container a; cpu, memory, pods limit for container a; cpu"),
            "{said}"
        );
        assert!(!assumed.contains(&About::Resources), "{assumed:?}");
        let (found, assumed) = pod("elsewhere", &cluster);
        assert_eq!(found["spec"]["containers"][0]["resources"], json!({"requests": {"cpu": "1"}}));
        assert!(assumed.contains(&About::Resources), "{assumed:?}");
    }

    #[test]
    fn a_limit_range_of_pods_fills_nothing() {
        let cluster = known(&[limit_range(&json!({"type": "Pod", "default": {"cpu": "2"}}))]);
        assert_eq!(
            pod("shop", &cluster).0["spec"]["containers"][0]["resources"],
            json!({"requests": {"cpu": "1"}})
        );
    }

    #[test]
    fn the_token_is_mounted_as_pod_account_and_option_say() {
        let mounts = |cluster: &Cluster| {
            let (pod, _) = pod("shop", cluster);
            pod["spec"].get("volumes").is_some()
        };
        let silent = account(&json!({}));
        let without = account(&json!({"automountServiceAccountToken": false}));
        for (cluster, expected) in [
            (known(&[]), true),
            (known(std::slice::from_ref(&silent)), true),
            (known(&[without]), false),
            (known(&[]).without_unknown_tokens(), false),
            (known(&[silent]).without_unknown_tokens(), true),
        ] {
            assert_eq!(mounts(&cluster), expected, "{cluster:?}");
        }
    }

    #[test]
    fn an_account_gives_its_pull_secrets() {
        let cluster = known(&[account(&json!({"imagePullSecrets": [{"name": "s"}]}))]);
        assert_eq!(pod("shop", &cluster).0["spec"]["imagePullSecrets"], json!([{"name": "s"}]));
    }
}
