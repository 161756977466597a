//! What a review costs grows as the object does, and no faster. A webhook has seconds; where it runs out of them, with
//! upstream's `failurePolicy: Ignore`, the object passes all policies.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use gatewright_api::{OperationPolicy, SecurityPolicy};
use gatewright_compiler::{Compile, Settings, compile, templates};
use gatewright_engine::{EnforcementPoint, Engine, Options, Request};
use rstest::rstest;
use serde_json::{Value, json};

/// How many things there are in the smaller object.
const FEW: usize = 300;
/// How many times as many there are in the larger one.
const TIMES: u32 = 6;

#[rstest]
#[case::variables(variables)]
#[case::writable_mounts(writable_mounts)]
#[case::path_that_goes_up_and_down(path_that_goes_up_and_down)]
#[case::bad_containers(bad_containers)]
#[case::good_containers(good_containers)]
#[case::capabilities(capabilities)]
#[case::tolerations(tolerations)]
#[case::sysctls(sysctls)]
#[case::image(image)]
fn a_review_takes_as_long_as_the_pod_is_long(#[case] spec: fn(usize) -> Value) -> Result<()> {
    let engine = engine()?;
    let few = cost(&engine, &spec(FEW))?;
    let many = cost(&engine, &spec(FEW * TIMES as usize))?;
    // What grows with the square takes 36 times as long. The first review also pays for what is made once.
    assert!(many < few * TIMES * 2, "{few:?}, then {many:?} for {TIMES} times as much");
    Ok(())
}

/// The least processor time of a few reviews: others may use the machine, too.
fn cost(engine: &Engine, spec: &Value) -> Result<Duration> {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "cases"}, "spec": spec});
    let request = Request::create(pod);
    let cost = || {
        let start = processor_time()?;
        let found = engine.review(&request)?;
        ensure!(!found.iter().any(|found| found.message.contains("time limit")), "{found:#?}");
        Ok(processor_time()?.saturating_sub(start))
    };
    Ok(cost()?.min(cost()?))
}

fn processor_time() -> Result<Duration> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = statistics.split(' ').next().context("it has numbers")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

fn engine() -> Result<Engine> {
    let options =
        Options { point: EnforcementPoint::Gator, time_limit: Duration::from_mins(5), ..Options::default() };
    let mut engine = Engine::new(options);
    for template in templates() {
        engine.add_template(&json!(template)).map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    }
    engine.add_object(&json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": "cases", "labels": {"security.deckhouse.io/pod-policy": "restricted"}},
    }));
    engine.add_constraint(&constraint::<SecurityPolicy>(&security())?)?;
    engine.add_constraint(&constraint::<OperationPolicy>(&operation())?)?;
    for standard in gatewright_compiler::standards(&Settings::default()) {
        engine.add_constraint(&json!(standard))?;
    }
    Ok(engine)
}

fn constraint<P: Compile>(policies: &Value) -> Result<Value> {
    let policy: P = serde_json::from_value(json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": P::KIND.as_ref(), "metadata": {"name": "all"},
        "spec": {"match": {"namespaceSelector": {"matchNames": ["cases"]}}, "policies": policies},
    }))?;
    Ok(json!(compile(&policy, &Settings::default())?.constraint))
}

fn security() -> Value {
    let ids = json!({"rule": "MustRunAs", "ranges": [{"min": 1, "max": 10}]});
    json!({
        "allowPrivileged": false, "allowPrivilegeEscalation": false, "allowHostPID": false, "allowHostIPC": false,
        "allowHostNetwork": false, "allowedHostPorts": [{"min": 1, "max": 10}], "readOnlyRootFilesystem": true,
        "automountServiceAccountToken": false, "allowedFlexVolumes": [], "allowedVolumes": ["emptyDir"],
        "allowedCapabilities": ["CHOWN"], "requiredDropCapabilities": ["MKNOD"], "allowedProcMount": "Default",
        "allowedHostPaths": [{"pathPrefix": "/data", "readOnly": true}], "allowedAppArmor": ["localhost/a*"],
        "seccompProfiles": {"allowedProfiles": ["RuntimeDefault"]}, "seLinux": [{"type": "a"}],
        "allowedUnsafeSysctls": ["a.b"], "forbiddenSysctls": ["kernel.*"],
        "runAsUser": ids, "runAsGroup": ids, "fsGroup": ids, "supplementalGroups": ids,
    })
}

fn operation() -> Value {
    json!({
        "allowedRepos": ["registry.example.com"], "disallowedImageTags": ["latest"], "imagePullPolicy": "Always",
        "requiredResources": {"limits": ["cpu", "memory"], "requests": ["cpu"]}, "requiredProbes": ["livenessProbe"],
        "checkContainerDuplicates": true, "checkHostNetworkDNSPolicy": true, "priorityClassNames": [],
        "disallowedTolerations": [{"key": "a"}, {"effect": "NoExecute"}],
    })
}

fn each<T: Into<Value>>(n: usize, of: impl Fn(usize) -> T) -> Value {
    Value::Array((0..n).map(|i| of(i).into()).collect())
}

fn variables(n: usize) -> Value {
    let env = each(n, |i| json!({"name": format!("V{}", i % (n / 2)), "value": "x"}));
    json!({"containers": [{"name": "app", "image": "a", "env": env}]})
}

fn writable_mounts(n: usize) -> Value {
    let mounts = each(n, |i| json!({"name": format!("v{i}"), "mountPath": format!("/m{i}")}));
    let volumes = each(n, |i| json!({"name": format!("v{i}"), "hostPath": {"path": format!("/data/{i}")}}));
    json!({"containers": [{"name": "app", "image": "a", "volumeMounts": mounts}], "volumes": volumes})
}

fn path_that_goes_up_and_down(n: usize) -> Value {
    let path = format!("/{}{}serviceaccount", "a/b/../".repeat(n * 10), "../".repeat(n * 10));
    json!({"containers": [{"name": "app", "image": "a", "volumeMounts": [{"name": "v", "mountPath": path}]}]})
}

fn bad_containers(n: usize) -> Value {
    let context =
        json!({"privileged": true, "capabilities": {"add": ["SYS_ADMIN"]}, "procMount": "Unmasked"});
    let containers =
        each(n / 6, |i| json!({"name": format!("c{i}"), "image": "a", "securityContext": context}));
    json!({"containers": containers, "hostNetwork": true})
}

fn good_containers(n: usize) -> Value {
    let context = json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true});
    let image = "registry.example.com/app:1";
    json!({"containers": each(n / 6, |i| json!({"name": format!("c{i}"), "image": image, "securityContext": context}))})
}

fn capabilities(n: usize) -> Value {
    let context = json!({"capabilities": {"add": each(n * 10, |i| format!("C{i}")), "drop": each(n * 10, |i| format!("D{i}"))}});
    json!({"containers": [{"name": "app", "image": "a", "securityContext": context}]})
}

fn tolerations(n: usize) -> Value {
    let tolerations = each(n, |i| json!({"key": "a", "value": format!("{i}"), "effect": "NoExecute"}));
    json!({"containers": [{"name": "app", "image": "a"}], "tolerations": tolerations})
}

fn sysctls(n: usize) -> Value {
    let sysctls = each(n, |i| json!({"name": format!("kernel.s{i}"), "value": "1"}));
    json!({"containers": [{"name": "app", "image": "a"}], "securityContext": {"sysctls": sysctls}})
}

fn image(n: usize) -> Value {
    json!({"containers": [{"name": "app", "image": format!("{}:1", "a/".repeat(n * 100))}]})
}
