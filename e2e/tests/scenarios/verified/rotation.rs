//! The certificate of the verifier is renewed while it is used.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use gatewright_e2e::{Cluster, until};
use serde_json::{Value, json};

use super::{POLICY, PROVIDER, Stage};

/// At this age a certificate is renewed.
const RENEWED: Duration = Duration::from_hours(60 * 24);
/// How long a certificate lasts.
const LASTS: Duration = Duration::from_hours(90 * 24);
/// How long after the start of the scenario the certificate that it begins with is renewed.
const SOON: Duration = Duration::from_secs(75);

/// The Secret with a certificate that is to be renewed soon.
pub fn aged_secret() -> Result<Value> {
    let mut parameters = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
    parameters.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let begins = std::time::SystemTime::now() + SOON - RENEWED;
    parameters.not_before = begins.into();
    parameters.not_after = (begins + LASTS).into();
    let key = rcgen::KeyPair::generate()?;
    let certificate = parameters.self_signed(&key)?.pem();
    Ok(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {
            "name": "gatewright-verifier-tls", "namespace": "gatewright-system",
            "labels": {"gatewright.io/owner": "builtin"},
        },
        "data": {
            "tls.crt": BASE64_STANDARD.encode(&certificate), "tls.key": BASE64_STANDARD.encode(key.serialize_pem()),
        },
    }))
}

async fn secret(cluster: &Cluster) -> Result<Value> {
    Ok(cluster.get(&["secret/gatewright-verifier-tls", "-n", "gatewright-system"]).await?["data"].take())
}

/// Rotation without a refusal: a signed image is admitted all the time, each one by a call of its own.
pub async fn without_a_refusal(stage: &Stage<'_>, aged: &Value) -> Result<()> {
    let Stage { cluster, .. } = stage;
    let old = aged["data"]["tls.crt"].clone();
    let begun = Instant::now();
    let (mut tried, mut rotated) = (0, None);
    while rotated.is_none_or(|at: Instant| at.elapsed() < Duration::from_secs(15)) {
        ensure!(begun.elapsed() < Duration::from_mins(5), "the certificate was not renewed");
        // A name of its own each time, so that no cache answers.
        let answer = stage.tries(&stage.image("right:1")).await?;
        tried += 1;
        answer.passes()?;
        if rotated.is_none() && tried % 10 == 0 {
            let now = secret(cluster).await?;
            rotated = (now["tls.crt"] != old).then(Instant::now);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let data = secret(cluster).await?;
    ensure!(data["previous.crt"] == old, "the old certificate is not kept");
    let bundle = cluster.get(&[PROVIDER]).await?["spec"]["caBundle"].take();
    let bundle = BASE64_STANDARD.decode(bundle.as_str().unwrap_or_default())?;
    let certificates = String::from_utf8(bundle)?.matches("BEGIN CERTIFICATE").count();
    ensure!(certificates == 2, "{certificates} certificates are trusted");
    println!("the certificate was renewed; {tried} admissions meanwhile, none was refused");
    until("the policy is still ready", Duration::from_mins(1), async || {
        cluster.ready(POLICY).await.map(|()| true)
    })
    .await
}
