//! What a controller creates of its template, as the controllers of kube-controller-manager do.

use serde_json::{Map, Value, json};

use super::table::visit;

/// What stands in the place of what the cluster makes up: the same from run to run.
const HASH: &str = "5d4f8c7b9d";
const SUFFIX: &str = "x2k4z";
const UID: &str = "00000000-0000-0000-0000-000000000000";
/// The most that the API server takes of a name that it completes.
const LONGEST_BASE: usize = 58;
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// What a CronJob's first Job is scheduled for, and the same in minutes.
const SCHEDULED: (&str, &str) = ("2026-01-01T00:00:00Z", "29453760");

/// An object that a controller creates.
#[derive(Clone, Debug, PartialEq)]
pub struct Generated {
    /// The object, without the API server's defaults.
    pub object: Value,
    /// The service account that creates it, in `kube-system`.
    pub account: &'static str,
    /// Whether the API server makes up the end of its name, so that the request has none.
    pub made_up_name: bool,
    source: Source,
}

/// Where the fields of a generated object come from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// The whole object from a template.
    Template(&'static str),
    /// A Pod of a StatefulSet: before the volumes of its template it has one for each claim.
    Claims(usize),
    /// A ReplicaSet: its template is that of the Deployment.
    ReplicaSet,
}

impl Generated {
    /// The field of the controller from which a field of this object comes: paths like `spec.containers[0].image`.
    #[must_use]
    pub fn origin(&self, field: &str) -> String {
        match self.source {
            Source::Template(template) => format!("{template}.{field}"),
            Source::Claims(claims) => of_stateful_set(field, claims),
            Source::ReplicaSet if field.starts_with("metadata.") => format!("spec.template.{field}"),
            Source::ReplicaSet => field.to_owned(),
        }
    }
}

fn of_stateful_set(field: &str, claims: usize) -> String {
    const VOLUMES: &str = "spec.volumes[";
    let index = field.strip_prefix(VOLUMES).and_then(|rest| rest.split_once(']'));
    match index.and_then(|(index, rest)| Some((index.parse::<usize>().ok()?, rest))) {
        Some((index, _)) if index < claims => format!("spec.volumeClaimTemplates[{index}]"),
        Some((index, rest)) => format!("spec.template.{VOLUMES}{}]{rest}", index - claims),
        None => format!("spec.template.{field}"),
    }
}

/// What a controller creates: the Pod of its template, for a Deployment the ReplicaSet, for a CronJob the Job. None
/// for an object that creates nothing, or has no template.
///
/// `controller` must have the API server's defaults.
#[must_use]
pub fn generated(controller: &Value) -> Option<Generated> {
    let api_version = controller["apiVersion"].as_str()?;
    match (api_version, controller["kind"].as_str()?) {
        ("apps/v1", "Deployment") => replica_set(controller),
        ("apps/v1", "ReplicaSet") => pod(controller, "replicaset-controller"),
        ("v1", "ReplicationController") => pod(controller, "replication-controller"),
        ("apps/v1", "DaemonSet") => daemon_pod(controller),
        ("apps/v1", "StatefulSet") => stateful_pod(controller),
        ("batch/v1", "Job") => job_pod(controller),
        ("batch/v1", "CronJob") => job(controller),
        _ => None,
    }
}

/// The name, with what stands for the end that the API server makes up.
fn name(object: &Value) -> String {
    let metadata = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
    if metadata("name").is_empty() {
        completed(metadata("generateName"))
    } else {
        metadata("name").to_owned()
    }
}

fn completed(base: &str) -> String {
    let end = base.floor_char_boundary(LONGEST_BASE);
    format!("{}{SUFFIX}", &base[..end])
}

/// An object of a template, owned by its controller.
fn of_template(controller: &Value, template: &Value, api_version: &str, kind: &str) -> Value {
    let mut metadata = Map::new();
    for field in ["labels", "annotations", "finalizers"] {
        let found = template["metadata"].get(field).filter(|found| !found.is_null());
        metadata.extend(found.map(|found| (field.to_owned(), found.clone())));
    }
    if let Some(namespace) = controller["metadata"].get("namespace") {
        metadata.insert("namespace".to_owned(), namespace.clone());
    }
    let owner = json!({
        "apiVersion": controller["apiVersion"], "kind": controller["kind"], "name": name(controller),
        "uid": UID, "controller": true, "blockOwnerDeletion": true,
    });
    metadata.insert("ownerReferences".to_owned(), json!([owner]));
    json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": template["spec"]})
}

/// The Pod of a template, with a name that the API server completes.
fn pod(controller: &Value, account: &'static str) -> Option<Generated> {
    let template = controller["spec"].get("template").filter(|template| template["spec"].is_object())?;
    let mut object = of_template(controller, template, "v1", "Pod");
    named(&mut object, &format!("{}-", name(controller)));
    Some(Generated { object, account, made_up_name: true, source: Source::Template("spec.template") })
}

fn named(object: &mut Value, base: &str) {
    object["metadata"]["generateName"] = json!(base);
    object["metadata"]["name"] = json!(completed(base));
}

fn label(object: &mut Value, key: &str, value: &str) {
    visit(object, "metadata.labels+", &mut |labels| labels[key] = json!(value));
}

fn replica_set(deployment: &Value) -> Option<Generated> {
    const LABEL: &str = "pod-template-hash";
    let template = deployment["spec"].get("template").filter(|template| template["spec"].is_object())?;
    let mut object = of_template(deployment, template, "apps/v1", "ReplicaSet");
    object["metadata"]["name"] = json!(format!("{}-{HASH}", name(deployment)));
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("finalizers");
        metadata.remove("annotations");
    }
    if let Some(annotations) = deployment["metadata"].get("annotations").filter(|found| found.is_object()) {
        object["metadata"]["annotations"] = annotations.clone();
    }
    visit(&mut object, "metadata.annotations+", &mut |annotations| {
        annotations["deployment.kubernetes.io/revision"] = json!("1");
    });
    let mut selector = deployment["spec"]["selector"].clone();
    visit(&mut selector, "matchLabels+", &mut |labels| labels[LABEL] = json!(HASH));
    let mut template = template.clone();
    label(&mut template, LABEL, HASH);
    label(&mut object, LABEL, HASH);
    let replicas = &deployment["spec"]["replicas"];
    object["spec"] = json!({"replicas": replicas, "selector": selector, "template": template});
    let account = "deployment-controller";
    Some(Generated { object, account, made_up_name: false, source: Source::ReplicaSet })
}

fn daemon_pod(set: &Value) -> Option<Generated> {
    let mut made = pod(set, "daemon-set-controller")?;
    label(&mut made.object, "controller-revision-hash", HASH);
    label(&mut made.object, "pod-template-generation", "1");
    let on_host = made.object["spec"]["hostNetwork"] == true;
    let spec = &mut made.object["spec"];
    let node = json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node"]}]}]);
    visit(spec, "affinity+.nodeAffinity+.requiredDuringSchedulingIgnoredDuringExecution+", &mut |required| {
        required["nodeSelectorTerms"] = node.clone();
    });
    let added = DAEMON_TOLERATIONS.iter().filter(|(name, _)| on_host || *name != "network-unavailable");
    for (name, effect) in added {
        tolerate(spec, &format!("node.kubernetes.io/{name}"), effect);
    }
    Some(made)
}

/// What a DaemonSet's Pods tolerate; the last one only on the network of the host.
const DAEMON_TOLERATIONS: [(&str, &str); 7] = [
    ("not-ready", "NoExecute"),
    ("unreachable", "NoExecute"),
    ("disk-pressure", "NoSchedule"),
    ("memory-pressure", "NoSchedule"),
    ("pid-pressure", "NoSchedule"),
    ("unschedulable", "NoSchedule"),
    ("network-unavailable", "NoSchedule"),
];

/// Adds a toleration, in place of one that differs in its seconds alone.
fn tolerate(spec: &mut Value, key: &str, effect: &str) {
    let added = json!({"key": key, "operator": "Exists", "effect": effect});
    if spec.get("tolerations").is_none_or(Value::is_null) {
        spec["tolerations"] = json!([]);
    }
    let Some(tolerations) = spec["tolerations"].as_array_mut() else { return };
    let same = |found: &Value| {
        let value = found.get("value").and_then(Value::as_str).unwrap_or_default();
        ["key", "operator", "effect"].iter().all(|field| found[*field] == added[*field]) && value.is_empty()
    };
    match tolerations.iter_mut().find(|found| same(found)) {
        Some(found) => *found = added.clone(),
        None => tolerations.push(added),
    }
}

fn stateful_pod(set: &Value) -> Option<Generated> {
    let mut made = pod(set, "statefulset-controller")?;
    let ordinal = set["spec"]["ordinals"]["start"].as_u64().unwrap_or_default();
    let (of_set, pod_name) = (name(set), format!("{}-{ordinal}", name(set)));
    made.object["metadata"]["name"] = json!(pod_name);
    label(&mut made.object, "apps.kubernetes.io/pod-index", &ordinal.to_string());
    label(&mut made.object, "statefulset.kubernetes.io/pod-name", &pod_name);
    label(&mut made.object, "controller-revision-hash", &format!("{of_set}-{HASH}"));
    let spec = &mut made.object["spec"];
    spec["hostname"] = json!(pod_name);
    spec["subdomain"] = json!(set["spec"]["serviceName"].as_str().unwrap_or_default());
    let claims = claims(set, &pod_name);
    let names: Vec<_> = claims.iter().map(|claim| claim["name"].clone()).collect();
    if !claims.is_empty() {
        let own = spec["volumes"].as_array().into_iter().flatten();
        let own = own.filter(|volume| !names.contains(&volume["name"])).cloned();
        spec["volumes"] = claims.iter().cloned().chain(own).collect();
    }
    Some(Generated { made_up_name: false, source: Source::Claims(claims.len()), ..made })
}

/// The volumes of the claims that a StatefulSet makes for one Pod.
fn claims(set: &Value, pod_name: &str) -> Vec<Value> {
    let templates = set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    let named = templates.filter_map(|template| template["metadata"]["name"].as_str());
    let volume = |name: &str| {
        let claim = json!({"claimName": format!("{name}-{pod_name}")});
        json!({"name": name, "persistentVolumeClaim": claim})
    };
    named.map(volume).collect()
}

fn job(cron_job: &Value) -> Option<Generated> {
    let template = cron_job["spec"].get("jobTemplate").filter(|template| template["spec"].is_object())?;
    let mut object = of_template(cron_job, template, "batch/v1", "Job");
    object["metadata"]["name"] = json!(format!("{}-{}", name(cron_job), SCHEDULED.1));
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("finalizers");
    }
    visit(&mut object, "metadata.annotations+", &mut |annotations| {
        annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] = json!(SCHEDULED.0);
    });
    let (account, source) = ("cronjob-controller", Source::Template("spec.jobTemplate"));
    Some(Generated { object, account, made_up_name: false, source })
}

fn job_pod(job: &Value) -> Option<Generated> {
    let mut made = pod(job, "job-controller")?;
    let of_job = name(job);
    if job["spec"]["manualSelector"] != true {
        for prefix in ["", "batch.kubernetes.io/"] {
            label(&mut made.object, &format!("{prefix}controller-uid"), UID);
            label(&mut made.object, &format!("{prefix}job-name"), &of_job);
        }
    }
    made.object["metadata"]["finalizers"] = json!(["batch.kubernetes.io/job-tracking"]);
    if job["spec"]["completionMode"] == "Indexed" {
        indexed(&mut made.object, &of_job);
    }
    Some(made)
}

/// The first Pod of a Job that counts its Pods.
fn indexed(pod: &mut Value, of_job: &str) {
    named(pod, &format!("{of_job}-0-"));
    label(pod, INDEX, "0");
    visit(pod, "metadata.annotations+", &mut |annotations| annotations[INDEX] = json!("0"));
    if pod["spec"].get("hostname").is_none() {
        pod["spec"]["hostname"] = json!(format!("{of_job}-0"));
    }
    let path = format!("metadata.labels['{INDEX}']");
    let from = json!({"fieldRef": {"apiVersion": "v1", "fieldPath": path}});
    let variable = json!({"name": "JOB_COMPLETION_INDEX", "valueFrom": from});
    for list in ["spec.initContainers[]", "spec.containers[]"] {
        visit(pod, list, &mut |container| {
            if container.get("env").is_none_or(Value::is_null) {
                container["env"] = json!([]);
            }
            let Some(env) = container["env"].as_array_mut() else { return };
            if !env.iter().any(|found| found["name"] == variable["name"]) {
                env.push(variable.clone());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::{Generated, HASH, generated};

    fn controller(api_version: &str, kind: &str, spec: &Value) -> Value {
        let metadata = json!({"name": "web", "namespace": "shop"});
        let mut controller =
            json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec});
        super::super::apply(&mut controller);
        controller
    }

    fn template() -> Value {
        let metadata = json!({"labels": {"app": "web"}, "annotations": {"a": "b"}, "name": "unused"});
        json!({"metadata": metadata, "spec": {"containers": [{"name": "app", "image": "app"}]}})
    }

    fn chain(controller: &Value) -> Vec<Generated> {
        let mut all: Vec<Generated> = vec![];
        while let Some(next) = generated(all.last().map_or(controller, |last| &last.object)) {
            all.push(next);
        }
        all
    }

    #[rstest]
    #[case(("apps/v1", "Deployment"), &["deployment-controller", "replicaset-controller"], "ReplicaSet", &format!("web-{HASH}-"))]
    #[case(("apps/v1", "ReplicaSet"), &["replicaset-controller"], "ReplicaSet", "web-")]
    #[case(("v1", "ReplicationController"), &["replication-controller"], "ReplicationController", "web-")]
    #[case(("apps/v1", "DaemonSet"), &["daemon-set-controller"], "DaemonSet", "web-")]
    #[case(("apps/v1", "StatefulSet"), &["statefulset-controller"], "StatefulSet", "web-")]
    #[case(("batch/v1", "Job"), &["job-controller"], "Job", "web-")]
    fn each_controller_ends_in_a_pod(
        #[case] (api_version, kind): (&str, &str),
        #[case] accounts: &[&str],
        #[case] owner: &str,
        #[case] base: &str,
    ) {
        let found = chain(&controller(api_version, kind, &json!({"template": template()})));
        assert_eq!(found.iter().map(|made| made.account).collect::<Vec<_>>(), accounts);
        let made = found.last().unwrap();
        let metadata = &made.object["metadata"];
        assert_eq!((&made.object["apiVersion"], &made.object["kind"]), (&json!("v1"), &json!("Pod")));
        assert_eq!(metadata["generateName"], base);
        assert_eq!(made.made_up_name, kind != "StatefulSet");
        assert_eq!((&metadata["namespace"], &metadata["labels"]["app"]), (&json!("shop"), &json!("web")));
        assert_eq!(metadata["annotations"]["a"], "b");
        assert_eq!(metadata["ownerReferences"][0]["kind"], owner);
        assert_eq!(metadata["ownerReferences"][0]["controller"], true);
        assert_eq!(made.object["spec"]["containers"][0]["image"], "app");
        assert_eq!(made.origin("spec.containers[0].image"), "spec.template.spec.containers[0].image");
    }

    #[test]
    fn a_cron_job_creates_a_job_that_creates_a_pod() {
        let job = json!({"metadata": {"labels": {"of": "job"}}, "spec": {"template": template()}});
        let found = chain(&controller("batch/v1", "CronJob", &json!({"jobTemplate": job})));
        let [job, pod] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((&job.object["kind"], job.account), (&json!("Job"), "cronjob-controller"));
        assert_eq!(job.object["metadata"]["labels"], json!({"of": "job"}));
        assert_eq!(pod.object["metadata"]["labels"]["batch.kubernetes.io/job-name"], "web-29453760");
        assert_eq!(pod.object["metadata"]["finalizers"], json!(["batch.kubernetes.io/job-tracking"]));
        let field = job.origin(&pod.origin("spec.hostPID"));
        assert_eq!(field, "spec.jobTemplate.spec.template.spec.hostPID");
    }

    #[test]
    fn a_daemon_sets_pod_tolerates_what_its_controller_adds() {
        let keys = |on_host: bool| {
            let mut template = template();
            let own = json!({"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": 5});
            template["spec"]["tolerations"] = json!([{"key": "mine", "operator": "Exists"}, own]);
            template["spec"]["hostNetwork"] = json!(on_host);
            let made =
                generated(&controller("apps/v1", "DaemonSet", &json!({"template": template}))).unwrap();
            made.object["spec"]["tolerations"].as_array().unwrap().clone()
        };
        assert_eq!(keys(false).len(), 7);
        assert_eq!(keys(true).len(), 8);
        assert_eq!(keys(false)[1].get("tolerationSeconds"), None);
        assert_eq!(keys(true)[7]["key"], "node.kubernetes.io/network-unavailable");
    }

    #[test]
    fn a_stateful_sets_pod_has_its_name_and_its_claims() {
        let mut template = template();
        template["spec"]["volumes"] =
            json!([{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]);
        let claims = json!([{"metadata": {"name": "data"}, "spec": {}}]);
        let spec = json!({"template": template, "volumeClaimTemplates": claims, "serviceName": "db",
            "ordinals": {"start": 3}});
        let made = generated(&controller("apps/v1", "StatefulSet", &spec)).unwrap();
        let (metadata, spec) = (&made.object["metadata"], &made.object["spec"]);
        assert_eq!(metadata["name"], "web-3");
        assert_eq!(metadata["labels"]["statefulset.kubernetes.io/pod-name"], "web-3");
        assert_eq!((&spec["hostname"], &spec["subdomain"]), (&json!("web-3"), &json!("db")));
        assert_eq!(spec["volumes"][0]["persistentVolumeClaim"]["claimName"], "data-web-3");
        assert_eq!(spec["volumes"].as_array().map(Vec::len), Some(2));
        assert_eq!(made.origin("spec.volumes[0]"), "spec.volumeClaimTemplates[0]");
        assert_eq!(
            made.origin("spec.volumes[2].hostPath.path"),
            "spec.template.spec.volumes[1].hostPath.path"
        );
    }

    #[test]
    fn an_indexed_jobs_pod_knows_its_index() {
        let spec = json!({"template": template(), "completionMode": "Indexed", "completions": 2});
        let made = generated(&controller("batch/v1", "Job", &spec)).unwrap();
        assert_eq!(made.object["metadata"]["generateName"], "web-0-");
        assert_eq!(made.object["metadata"]["annotations"][super::INDEX], "0");
        assert_eq!(made.object["spec"]["hostname"], "web-0");
        assert_eq!(made.object["spec"]["containers"][0]["env"][0]["name"], "JOB_COMPLETION_INDEX");
    }

    #[rstest]
    #[case("v1", "Pod", json!({"containers": []}))]
    #[case("v1", "PodTemplate", json!({"template": {"spec": {}}}))]
    #[case("argoproj.io/v1alpha1", "Rollout", json!({"template": {"spec": {}}}))]
    #[case("apps/v1", "Deployment", json!({"template": {"spec": "text"}}))]
    #[case("apps/v1", "Deployment", json!("text"))]
    #[case("batch/v1", "CronJob", json!({"jobTemplate": []}))]
    fn others_create_nothing(#[case] api_version: &str, #[case] kind: &str, #[case] spec: Value) {
        assert_eq!(generated(&controller(api_version, kind, &spec)), None);
    }
}
