//! The cases of the template, as requests to a running Gatekeeper that asks a scripted verifier.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::manifests::{namespace, policy};
use gatewright_e2e::signatures::{Asked, Connection, Reply};
use gatewright_e2e::{Options, Scenario, paths};
use gatewright_rules::cases::answers::Answers;
use gatewright_rules::cases::{Case, Cases, NAMESPACE};
use gatewright_signatures::protocol::API_VERSION;
use serde_json::{Value, json};

use super::Stage;

/// Requests are sent as the API server would send them: it refuses some of the objects by itself, and fills in others.
#[tokio::test(flavor = "multi_thread")]
async fn cases_of_the_template() -> Result<()> {
    // What passes in one case is asked about again in the next.
    let without_cache = "--external-data-provider-response-cache-ttl=0".to_owned();
    let options = Options { gatekeeper_arguments: vec![without_cache], ..Options::new("test-cases") };
    let scenario = Scenario::on(options).without_operator().objects([namespace(NAMESPACE)]);
    Scenario::run(scenario, async |cluster| {
        let stage = Stage::new(cluster).await?;
        let path = paths::repository().join("templates/verify-image-signatures/cases.yaml");
        let Cases { cases, .. } = serde_saphyr::from_str(&std::fs::read_to_string(path)?)?;
        let mut groups: BTreeMap<String, Vec<Case>> = BTreeMap::new();
        for case in cases {
            groups.entry(case.policy_spec(&case.policies).to_string()).or_default().push(case);
        }
        let authority = std::fs::read_to_string(cluster.certificate_authority())?;
        let address = ([127, 0, 0, 1], cluster.port("gatekeeper-0/webhook")?).into();
        let mut gatekeeper = Connection::open(address, &authority, None).await?;
        let mut judged = 0;
        for group in groups.values() {
            let Some(first) = group.first() else { continue };
            let mut policy = policy("SecurityPolicy", "case", &first.r#match, &first.policies);
            policy["spec"] = first.policy_spec(&first.policies);
            cluster.enforces_signatures(&policy, &stage.settings).await?;
            for case in group {
                let requests = judge(&stage, &mut gatekeeper, case).await;
                judged += requests.with_context(|| case.name.clone())?;
            }
        }
        println!("{judged} requests of {} cases", groups.values().map(Vec::len).sum::<usize>());
        ensure!(judged > 100, "{judged} requests");
        Ok(())
    })
    .await
}

/// Sends all requests that a case stands for. Returns how many these are.
async fn judge(stage: &Stage<'_>, gatekeeper: &mut Connection, case: &Case) -> Result<usize> {
    let answers = case.answers.clone();
    stage.provider.script(move |asked| reply(answers.as_ref(), asked));
    let mut expected: Vec<_> = case.violations.iter().map(|message| format!("[case] {message}")).collect();
    expected.sort();
    let inputs = case.inputs();
    let requests = inputs.iter().filter(|input| input.document["kind"] == "AdmissionReview");
    let mut count = 0;
    for input in requests {
        let (status, text) = gatekeeper.post("/v1/admit", &input.document.to_string()).await?;
        ensure!(status == 200, "{}: {status} {text}", input.name);
        let response = serde_json::from_str::<Value>(&text)?["response"].take();
        let message = response["status"]["message"].as_str().unwrap_or_default();
        let mut found: Vec<_> = if response["allowed"] == true { vec![] } else { message.lines().collect() };
        found.sort_unstable();
        ensure!(found == expected, "{}: {found:#?} instead of {expected:#?}", input.name);
        count += 1;
    }
    Ok(count)
}

fn reply(answers: Option<&Answers>, asked: &[Asked]) -> Reply {
    let keys: Vec<_> = asked.iter().map(|one| one.text.clone()).collect();
    match answers.and_then(|answers| answers.response(&keys)) {
        Some(response) => {
            let answer = json!({"apiVersion": API_VERSION, "kind": "ProviderResponse", "response": response});
            Reply::Text(200, answer.to_string())
        }
        None => Reply::Text(503, "down".to_owned()),
    }
}
