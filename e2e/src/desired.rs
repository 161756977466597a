//! Whether everything is as desired: what every fault must end with.
//!
//! What is desired is what `gatewright render` prints for the policies that are in the API. Beside that nothing may
//! carry our label, and what is not ours must be as it was before the fault.

mod live;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_api::names::{BUILTIN, OWNER_LABEL};
use gatewright_gatekeeper::WEBHOOK_CONFIGURATION;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use crate::operator::binary;
use crate::{Cluster, until};

use live::{Live, key, without_noise};

/// Much more than it takes to come back from anything, on a machine under load.
const CONVERGED: Duration = Duration::from_mins(2);

/// What a fault must not change, as it was before: what is not ours, and the requests that ours routes.
#[derive(Clone, Debug)]
pub struct Before {
    foreign: BTreeMap<String, Value>,
    routes: Value,
}

impl Before {
    /// Whether there was a webhook configuration of ours.
    #[must_use]
    pub fn routes_requests(&self) -> bool {
        !self.routes.is_null()
    }
}

impl Cluster {
    /// Puts objects of other people beside ours: a template and its constraint, a constraint of our own kind from
    /// `render`, a SyncSet and a webhook configuration. Waits until all are there.
    ///
    /// # Errors
    ///
    /// The API server does not take one of them in time.
    pub async fn install_foreign_objects(&self) -> Result<()> {
        for object in foreign_objects() {
            // A constraint's kind is not served at once.
            until(&format!("{} is there", key(&object)), CONVERGED, async || {
                let arguments = ["apply", "--server-side", "--field-manager=somebody", "-f", "-"];
                self.kubectl(&arguments, Some(&object.to_string())).await?.success()?;
                Ok(true)
            })
            .await?;
        }
        Ok(())
    }

    /// How everything that no fault may change is now. To be asked before the fault.
    ///
    /// # Errors
    ///
    /// The API server does not answer.
    pub async fn before_the_fault(&self) -> Result<Before> {
        let live = Live::read(&self.client().await?).await?;
        let foreign = live.foreign().map(|object| (key(object), without_noise(object))).collect();
        Ok(Before { foreign, routes: routes(&live) })
    }

    /// Waits until everything is as desired: templates, constraints and SyncSet are those of `render`, none too many;
    /// the webhook configuration routes what it did; every policy is ready, and so is the system; what is
    /// not ours is untouched. Of policies in `invalid`, by name, the constraint may be any.
    ///
    /// # Errors
    ///
    /// It is not so in time; the error says all that is wrong.
    pub async fn becomes_as_desired(&self, before: &Before, invalid: &[&str]) -> Result<()> {
        until("everything is as desired", CONVERGED, async || {
            let wrong = self.not_as_desired(before, invalid).await?;
            ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
            Ok(true)
        })
        .await
    }

    /// All that is not as desired, one sentence each.
    ///
    /// # Errors
    ///
    /// The API server does not answer, or the policies cannot be rendered.
    pub async fn not_as_desired(&self, before: &Before, invalid: &[&str]) -> Result<Vec<String>> {
        let live = Live::read(&self.client().await?).await?;
        let (valid, others): (Vec<_>, Vec<_>) =
            live.policies.iter().partition(|policy| !invalid.contains(&name(policy)));
        let desired = self.render(&valid, &live).await?;
        let spared: BTreeSet<_> = others.iter().map(|policy| constraint_of(policy)).collect();
        let mut wrong = objects(&live, &desired, &spared);
        wrong.extend(webhook(&live, before));
        wrong.extend(valid.iter().copied().chain([&live.status]).filter_map(not_ready));
        wrong.extend(touched(&live, before));
        Ok(wrong)
    }

    /// What `gatewright render` makes of policies, with the operator's settings, by kind and name.
    async fn render(&self, policies: &[&Value], live: &Live) -> Result<BTreeMap<String, Value>> {
        let settings = self.directory().join("desired-settings.yaml");
        std::fs::write(&settings, self.settings(live.platform_pods)?)?;
        let mut render = tokio::process::Command::new(binary()?);
        render.args(["render", "--standards", "-o", "json", "-f", "-", "--config"]).arg(&settings);
        render.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut render = render.spawn()?;
        let mut input = render.stdin.take().context("no input")?;
        let items: Vec<_> = policies.iter().map(|policy| as_written(policy)).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        let write = async {
            // It may end without having read all of it; its exit status says more.
            let _ = input.write_all(list.as_bytes()).await;
            drop(input);
        };
        let ((), output) = tokio::join!(write, render.wait_with_output());
        let output = output?;
        ensure!(output.status.success(), "render: {}", String::from_utf8_lossy(&output.stderr));
        let list: Value = serde_json::from_slice(&output.stdout)?;
        let objects = list["items"].as_array().context("render printed no list")?;
        Ok(objects.iter().map(|object| (key(object), object.clone())).collect())
    }

    /// The operator's settings; whether the exec guard is to stand is decided here, since `render` sees no Pods.
    fn settings(&self, platform_pods: bool) -> Result<String> {
        let text =
            std::fs::read_to_string(self.directory().join("settings/settings.yaml")).unwrap_or_default();
        let settings: Option<Value> = serde_saphyr::from_str(&text)?;
        let mut settings = settings.filter(Value::is_object).unwrap_or_else(|| json!({}));
        let mode = &mut settings["execGuard"]["mode"];
        if mode.is_null() || *mode == "Auto" {
            *mode = json!(if platform_pods { "Always" } else { "Off" });
        }
        Ok(serde_saphyr::to_string(&settings)?)
    }
}

fn foreign_objects() -> [Value; 5] {
    // Only what is about nothing but ConfigMaps never keeps the exec guard from being routed.
    let nowhere = json!({"namespaces": ["nowhere"], "kinds": [{"apiGroups": [""], "kinds": ["ConfigMap"]}]});
    [
        json!({
            "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
            "metadata": {"name": "k8sforeign"},
            "spec": {
                "crd": {"spec": {"names": {"kind": "K8sForeign"}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh",
                             "rego": "package foreign\nviolation[{\"msg\": \"no\"}] { false }"}],
            },
        }),
        json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "K8sForeign",
            "metadata": {"name": "foreign"}, "spec": {"match": nowhere},
        }),
        json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "D8SecurityPolicy",
            "metadata": {"name": "rendered", "labels": {OWNER_LABEL: "render"}},
            "spec": {"enforcementAction": "dryrun", "match": nowhere},
        }),
        json!({
            "apiVersion": "syncset.gatekeeper.sh/v1alpha1", "kind": "SyncSet", "metadata": {"name": "foreign"},
            "spec": {"gvks": [{"group": "", "version": "v1", "kind": "ConfigMap"}]},
        }),
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "foreign"}, "webhooks": [],
        }),
    ]
}

/// A policy as its author wrote it.
fn as_written(policy: &Value) -> Value {
    json!({
        "apiVersion": policy["apiVersion"], "kind": policy["kind"],
        "metadata": {"name": policy["metadata"]["name"]}, "spec": policy["spec"],
    })
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// Where the constraint of a policy stands.
fn constraint_of(policy: &Value) -> String {
    format!("D8{}/{}", policy["kind"].as_str().unwrap_or_default(), name(policy))
}

/// What is missing, different or too many of our own objects.
fn objects(live: &Live, desired: &BTreeMap<String, Value>, spared: &BTreeSet<String>) -> Vec<String> {
    let ours: BTreeMap<_, _> =
        live.ours().map(|object| (key(object), object)).filter(|(key, _)| !spared.contains(key)).collect();
    let owners: BTreeMap<_, _> =
        live.policies.iter().map(|policy| (constraint_of(policy), &policy["metadata"]["uid"])).collect();
    let mut wrong = vec![];
    for (key, desired) in desired {
        match ours.get(key) {
            Some(live) => wrong.extend(difference(key, live, desired, owners.get(key).copied())),
            None => wrong.push(format!("{key} is missing")),
        }
    }
    let orphans = ours.keys().filter(|key| !desired.contains_key(*key) && !is_own_webhook(key));
    wrong.extend(orphans.map(|key| format!("{key} should not be there")));
    wrong
}

/// How one of our objects differs from what `render` prints, but for the marks of its owner, which `render` leaves out.
fn difference(key: &str, live: &Value, desired: &Value, owner: Option<&Value>) -> Option<String> {
    if live["spec"] != desired["spec"] {
        return Some(format!("{key} is {} instead of {}", live["spec"], desired["spec"]));
    }
    let metadata = &live["metadata"];
    let owners = || metadata["ownerReferences"].as_array().into_iter().flatten();
    // What goes with the release is owned by its ClusterRole alone.
    if ["SyncSet/", "D8DenyExecHeritage/"].iter().any(|kind| key.starts_with(kind)) {
        let kinds: Vec<_> = owners().map(|owner| &owner["kind"]).collect();
        return (kinds != ["ClusterRole"]).then(|| format!("{key} belongs to {kinds:?}"));
    }
    let owners: Vec<_> = owners().map(|owner| &owner["uid"]).collect();
    let label = &metadata["labels"][OWNER_LABEL];
    let marked = match owner {
        Some(uid) => label == uid && owners == [uid],
        None => label == BUILTIN && owners.is_empty(),
    };
    (!marked).then(|| format!("{key} belongs to {label} and {owners:?} instead of {owner:?}"))
}

fn is_own_webhook(key: &str) -> bool {
    key == format!("ValidatingWebhookConfiguration/{WEBHOOK_CONFIGURATION}")
}

fn own_webhook(live: &Live) -> Option<&Value> {
    live.ours().find(|object| is_own_webhook(&key(object)))
}

/// The requests that our webhook configuration routes; null where there is none.
fn routes(live: &Live) -> Value {
    own_webhook(live).map_or(Value::Null, |webhook| webhook["webhooks"][0]["rules"].clone())
}

/// Our entry is upstream's but for name and rules, and routes what it did.
fn webhook(live: &Live, before: &Before) -> Vec<String> {
    let mut wrong = vec![];
    let now = routes(live);
    if now != before.routes {
        wrong.push(format!("our webhook configuration routes {now} instead of {}", before.routes));
    }
    let upstream = live.foreign().find(|object| {
        object["metadata"]["labels"]["gatekeeper.sh/system"] == "yes"
            && object["kind"] == "ValidatingWebhookConfiguration"
    });
    let entry = |object: &Value| {
        let mut entry = object["webhooks"][0].clone();
        (entry["name"], entry["rules"]) = (Value::Null, Value::Null);
        entry
    };
    if let Some((ours, upstream)) = own_webhook(live).zip(upstream)
        && entry(ours) != entry(upstream)
    {
        wrong.push(format!("our webhook's entry is {} instead of {}", entry(ours), entry(upstream)));
    }
    wrong
}

/// A policy, or the state of the system, that is not ready as it is now.
fn not_ready(object: &Value) -> Option<String> {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready");
    let is_current = |ready: &&Value| {
        let observed = &ready["observedGeneration"];
        observed.is_null() || *observed == object["metadata"]["generation"]
    };
    let is_ready = ready.filter(is_current).is_some_and(|ready| ready["status"] == "True");
    (!is_ready).then(|| format!("{} is not ready: {}", key(object), json!(ready)))
}

/// What is no longer as it was, of what is not ours, or what we have put our hands on.
fn touched(live: &Live, before: &Before) -> Vec<String> {
    let now: BTreeMap<_, _> = live.foreign().map(|object| (key(object), object)).collect();
    let mut wrong = vec![];
    for (key, before) in &before.foreign {
        match now.get(key) {
            Some(now) if without_noise(now) == *before => {}
            now => wrong.push(format!("{key}, which is not ours, is {} instead of {before}", json!(now))),
        }
    }
    for (key, object) in now {
        let managers = object["metadata"]["managedFields"].as_array().into_iter().flatten();
        if managers.into_iter().any(|entry| entry["manager"] == "gatewright") {
            wrong.push(format!("{key} is not ours, but the operator has written to it"));
        }
    }
    wrong
}
