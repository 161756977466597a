use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::apply;

fn defaulted(mut object: Value) -> Value {
    apply(&mut object);
    object
}

fn pod(spec: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
}

#[test]
fn minimal_pod() {
    insta::assert_yaml_snapshot!(defaulted(pod(&json!({"containers": [{"name": "app", "image": "app"}]}))));
}

#[rstest]
#[case(json!({"apiVersion": "example.com/v1", "kind": "Pod", "spec": {"containers": [{}]}}))]
#[case(json!({"apiVersion": "v1", "kind": "Pod", "spec": "text"}))]
#[case(json!({"apiVersion": "v1", "kind": "Pod"}))]
#[case(json!({"apiVersion": "apps/v1beta1", "kind": "Deployment", "spec": {}}))]
#[case(json!(null))]
#[case(json!([{"kind": "Pod"}]))]
fn left_alone(#[case] object: Value) {
    assert_eq!(defaulted(object.clone()), object);
}

#[test]
fn an_admitted_pod_gets_no_token() {
    let mut object = pod(&json!({"containers": [{"name": "app"}]}));
    object["metadata"]["uid"] = json!("0e9f");
    assert_eq!(apply(&mut object), Vec::<String>::new());
    assert_eq!(object["spec"]["volumes"], Value::Null);
    assert_eq!(object["spec"]["dnsPolicy"], "ClusterFirst");
}

#[test]
fn a_template_gets_no_token() {
    let template = json!({"spec": {"containers": [{"name": "app"}]}});
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"template": template}});
    let spec = defaulted(object)["spec"]["template"]["spec"].clone();
    assert_eq!(spec.get("volumes"), None);
    assert_eq!(spec.get("serviceAccountName"), None);
    assert_eq!(spec["dnsPolicy"], "ClusterFirst");
}

#[rstest]
#[case(pod(&json!({"containers": [{"name": "a"}]})), &[
    "no LimitRange gives containers \"a\" the resources they leave out",
    "service account \"default\" mounts its token and has no image pull secrets",
    "no PriorityClass is the cluster's default",
])]
#[case(pod(&json!({
    "containers": [{"name": "a", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}],
    "automountServiceAccountToken": false,
    "imagePullSecrets": [{"name": "s"}],
    "priorityClassName": "system-node-critical",
})), &[])]
#[case(pod(&json!({"containers": [], "serviceAccountName": "x", "priorityClassName": "high", "runtimeClassName": "r"})), &[
    "service account \"x\" mounts its token and has no image pull secrets",
    "the priority that PriorityClass \"high\" gives is left unset",
    "RuntimeClass \"r\" adds no overhead, node selector or tolerations",
])]
#[case(json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "spec": {}}),
    &["no IngressClass is the cluster's default"])]
#[case(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {}}),
    &["no StorageClass is the cluster's default"])]
#[case(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"storageClassName": ""}}), &[])]
#[case(json!({"apiVersion": "v1", "kind": "ConfigMap"}), &[])]
fn assumptions(#[case] mut object: Value, #[case] expected: &[&str]) {
    assert_eq!(apply(&mut object), expected);
}

/// Names at which the defaults look, so that random documents reach them.
const NAMES: [&str; 40] = [
    "metadata",
    "labels",
    "annotations",
    "name",
    "spec",
    "template",
    "jobTemplate",
    "containers",
    "initContainers",
    "ephemeralContainers",
    "image",
    "resources",
    "limits",
    "requests",
    "cpu",
    "memory",
    "hugepages-2Mi",
    "ports",
    "hostNetwork",
    "containerPort",
    "volumes",
    "volumeMounts",
    "tolerations",
    "affinity",
    "podAffinity",
    "requiredDuringSchedulingIgnoredDuringExecution",
    "matchLabelKeys",
    "labelSelector",
    "matchExpressions",
    "securityContext",
    "strategy",
    "updateStrategy",
    "rollingUpdate",
    "type",
    "selector",
    "finalizers",
    "stringData",
    "data",
    "webhooks",
    "behavior",
];

const KINDS: [(&str, &str); 18] = [
    ("v1", "Pod"),
    ("v1", "Pod"),
    ("v1", "Pod"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("v1", "ReplicationController"),
    ("v1", "Service"),
    ("v1", "Secret"),
    ("v1", "Namespace"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "LimitRange"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "1",
            "500m",
            "1Gi",
            "Always",
            "RollingUpdate",
            "ClientIP",
            "Container",
            "app:v1"
        ])
        .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ]
}

fn anything() -> impl Strategy<Value = Value> {
    let name = prop_oneof![9 => prop::sample::select(NAMES.to_vec()).prop_map(str::to_owned), 1 => ".{0,6}"];
    leaf().prop_recursive(8, 96, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name.clone(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    (prop::sample::select(KINDS.to_vec()), anything(), anything(), anything()).prop_map(
        |((version, kind), metadata, spec, other)| {
            let mut object = json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec});
            if let Value::Object(more) = other {
                object.as_object_mut().unwrap().extend(more);
            }
            object
        },
    )
}

proptest! {
    #[test]
    fn twice_is_once(object in prop_oneof![object(), anything()]) {
        let once = defaulted(object);
        prop_assert_eq!(defaulted(once.clone()), once);
    }
}
