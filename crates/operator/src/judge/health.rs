//! How Argo CD and kstatus (Flux, Helm 4) read the conditions of a policy: what docs/gitops.md says of it.

use crate::judge::conditions::Judgement;
use crate::judge::draft::Outcome;
use crate::judge::policy::tests::drafted;
use gatewright_api::{PolicyStatus, Reason, crds};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

/// Reasons of `Ready` for which somebody must do something.
const FINAL: [Reason; 8] = [
    Reason::Invalid,
    Reason::Unsupported,
    Reason::Conflict,
    Reason::Drifted,
    Reason::CrdOutdated,
    Reason::TooOld,
    Reason::TemplateRejected,
    Reason::VerifierDisabled,
];

fn ready(policy: &Value) -> Option<&Value> {
    let conditions = policy["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == "Ready")
}

/// As `GenericStatus` of sigs.k8s.io/cli-utils/pkg/kstatus: the generation, then `Ready`.
fn kstatus(policy: &Value) -> &'static str {
    let observed = &policy["status"]["observedGeneration"];
    if !observed.is_null() && observed != &policy["metadata"]["generation"] {
        return "InProgress";
    }
    match ready(policy).and_then(|ready| ready["status"].as_str()) {
        Some("True") | None => "Current",
        Some(_) => "InProgress",
    }
}

/// As the script of docs/gitops.md.
fn argo(policy: &Value) -> &'static str {
    if policy["status"]["observedGeneration"] != policy["metadata"]["generation"] {
        return "Progressing";
    }
    let Some(ready) = ready(policy) else { return "Progressing" };
    let is_final = FINAL.iter().any(|reason| ready["reason"] == reason.as_str());
    match ready["status"].as_str() {
        Some("True") => "Healthy",
        Some("False") if is_final => "Degraded",
        _ => "Progressing",
    }
}

fn status(valid: Judgement, outcome: Outcome) -> PolicyStatus {
    drafted(valid, outcome).status(&Time(Timestamp::UNIX_EPOCH)).unwrap()
}

/// A policy of the second generation with this status of that generation.
fn policy(status: &PolicyStatus) -> Value {
    json!({"metadata": {"generation": status.observed_generation}, "status": status})
}

#[test]
fn each_state_is_read_as_documented() {
    let compiles = || Judgement::yes(Reason::Compiled, "");
    let not = |reason| Outcome::NotApplied { why: Judgement::no(reason, ""), generation: 1, desired: 1 };
    let crd = json!(crds()[0].spec.versions[0].schema.as_ref().unwrap().open_api_v3_schema);
    let pending = &crd["properties"]["status"]["properties"]["conditions"]["default"];
    assert_eq!(pending[0]["reason"], "Pending");
    let pending = json!({"metadata": {"generation": 1}, "status": {"conditions": pending}});
    let good = policy(&status(compiles(), Outcome::Nothing));
    let mut edited = good.clone();
    edited["metadata"]["generation"] = json!(2);
    let rows = [
        ("nobody has looked", pending, "InProgress", "Progressing"),
        ("ready", good, "Current", "Healthy"),
        ("edited since", edited, "InProgress", "Progressing"),
        (
            "waiting",
            policy(&status(compiles(), not(Reason::WaitingForGatekeeper))),
            "InProgress",
            "Progressing",
        ),
        (
            "not taken in",
            policy(&status(compiles(), not(Reason::NotEnforcedBy))),
            "InProgress",
            "Progressing",
        ),
        ("in the way", policy(&status(compiles(), not(Reason::Conflict))), "InProgress", "Degraded"),
        ("too old", policy(&status(compiles(), not(Reason::TooOld))), "InProgress", "Degraded"),
        ("no verifier", policy(&status(compiles(), not(Reason::VerifierDisabled))), "InProgress", "Degraded"),
        (
            "invalid",
            policy(&status(Judgement::no(Reason::Invalid, ""), not(Reason::NotApplied))),
            "InProgress",
            "Degraded",
        ),
    ];
    for (what, policy, by_kstatus, by_argo) in rows {
        assert_eq!((kstatus(&policy), argo(&policy)), (by_kstatus, by_argo), "{what}: {policy}");
    }
}

#[test]
fn the_script_in_the_documentation_has_these_reasons() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/gitops.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, table) = text.split_once("local final = {").unwrap();
    let (table, _) = table.split_once('}').unwrap();
    let named: Vec<_> = table.split(',').filter_map(|entry| entry.trim().strip_suffix(" = true")).collect();
    assert_eq!(named, FINAL.map(Reason::as_str));
}
