//! Makes the verifier's certificates, and keeps the Secret that holds them. Keys are nowhere else, and wiped from memory.

use std::collections::BTreeMap;

use gatewright_compiler::builtin;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::{Api, Client};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tracing::info;
use zeroize::{Zeroize as _, Zeroizing};

use crate::Error;
use crate::error::request;
use crate::judge::certificate::{Coming, LIFETIME, Pair, Rewrite, SKEW};
use crate::judge::verifier::SecretAction;
use crate::names::{FIELD_MANAGER, VERIFIER_SECRET};
use crate::watch::certificate::{Held, NEXT, PAIR, PREVIOUS, wipe};

/// The type of the Secret: the API server sees to it that certificate and key are there.
const TYPE: &str = "kubernetes.io/tls";

/// What stands in the certificates as their subject.
const SUBJECT: &str = "gatewright-verifier";

/// Where the Secret is, and for which host its certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) host: &'a str,
}

/// Does what was decided about the Secret, if it is still as it was seen.
///
/// # Errors
/// A request failed, the Secret has changed in between, or no certificate could be made for the host.
pub(crate) async fn carry_out(
    client: &Client,
    place: Place<'_>,
    seen: Option<&Held>,
    action: &SecretAction,
) -> Result<(), Error> {
    let api = Api::<Secret>::namespaced(client.clone(), place.namespace);
    match (action, seen) {
        (SecretAction::Write(rewrite), None) => create(&api, place, rewrite).await,
        (SecretAction::Write(rewrite), Some(seen)) => update(&api, place, seen, rewrite).await,
        (SecretAction::Delete, Some(seen)) => delete(&api, place, seen).await,
        (SecretAction::Delete, None) => Ok(()),
    }
}

type Data = BTreeMap<String, ByteString>;

async fn create(api: &Api<Secret>, place: Place<'_>, rewrite: &Rewrite) -> Result<(), Error> {
    let metadata = ObjectMeta { name: Some(VERIFIER_SECRET.to_owned()), ..builtin() };
    let data = rewritten(&mut Data::new(), place.host, rewrite)?;
    let mut secret = Secret { metadata, type_: Some(TYPE.to_owned()), data: Some(data), ..Secret::default() };
    let created = request(doing("creating", place), api.create(&parameters(), &secret)).await;
    forget(&mut secret);
    forget(&mut created?);
    info!(kind = "Secret", name = VERIFIER_SECRET, "created, with a certificate of the verifier");
    Ok(())
}

/// The Secret is read again, since its keys are kept nowhere. It fails if it is no longer the one that was seen.
async fn update(api: &Api<Secret>, place: Place<'_>, seen: &Held, rewrite: &Rewrite) -> Result<(), Error> {
    let mut secret = request(doing("reading", place), api.get(VERIFIER_SECRET)).await.map_err(explained)?;
    if secret.metadata.resource_version.as_ref() != Some(&seen.resource_version) {
        forget(&mut secret);
        return Err(gone());
    }
    let mut old = secret.data.take().unwrap_or_default();
    let data = rewritten(&mut old, place.host, rewrite);
    wipe(&mut old);
    secret.data = Some(data?);
    secret.metadata.managed_fields = None;
    secret.metadata.labels.get_or_insert_default().extend(builtin().labels.unwrap_or_default());
    let replaced =
        request(doing("replacing", place), api.replace(VERIFIER_SECRET, &parameters(), &secret)).await;
    forget(&mut secret);
    forget(&mut replaced.map_err(explained)?);
    let (pair, next) = (rewrite.pair, rewrite.next);
    info!(kind = "Secret", name = VERIFIER_SECRET, ?pair, ?next, "the verifier's certificates have changed");
    Ok(())
}

async fn delete(api: &Api<Secret>, place: Place<'_>, seen: &Held) -> Result<(), Error> {
    let preconditions =
        Preconditions { uid: Some(seen.uid.clone()), resource_version: Some(seen.resource_version.clone()) };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    match request(doing("deleting", place), api.delete(VERIFIER_SECRET, &parameters)).await {
        Ok(_) => {
            info!(kind = "Secret", name = VERIFIER_SECRET, "deleted");
            Ok(())
        }
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The values of the Secret as they should be. What is kept is taken out of the old ones.
fn rewritten(old: &mut Data, host: &str, rewrite: &Rewrite) -> Result<Data, Error> {
    let Rewrite { pair, next, previous } = rewrite;
    let mut data = Data::new();
    match pair {
        Pair::Kept => take(old, PAIR, &mut data, PAIR),
        Pair::Next => take(old, NEXT, &mut data, PAIR),
        Pair::New => make(host, &mut data, PAIR)?,
    }
    match next {
        Coming::Kept => take(old, NEXT, &mut data, NEXT),
        Coming::New => make(host, &mut data, NEXT)?,
        Coming::Nothing => {}
    }
    if !previous.is_empty() {
        data.insert(PREVIOUS.to_owned(), ByteString(previous.concat().into_bytes()));
    }
    Ok(data)
}

type Names = (&'static str, &'static str);

fn take(old: &mut Data, from: Names, data: &mut Data, to: Names) {
    for (from, to) in [(from.0, to.0), (from.1, to.1)] {
        if let Some(value) = old.remove(from) {
            data.insert(to.to_owned(), value);
        }
    }
}

fn make(host: &str, data: &mut Data, (certificate, key): Names) -> Result<(), Error> {
    let made = Made::new(host, Timestamp::now())
        .map_err(|error| Error::Certificate { host: host.to_owned(), reason: error.to_string() })?;
    data.insert(certificate.to_owned(), ByteString(made.certificate.into_bytes()));
    data.insert(key.to_owned(), ByteString(made.key.as_bytes().to_vec()));
    Ok(())
}

/// A new certificate with its key, both as PEM.
struct Made {
    certificate: String,
    key: Zeroizing<String>,
}

impl Made {
    /// For a host, from now on: its own authority and nobody else's, for servers alone. Clocks may be a little behind.
    fn new(host: &str, now: Timestamp) -> Result<Self, rcgen::Error> {
        let time = |at: Timestamp| date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(seconds(at));
        let mut parameters = CertificateParams::new(vec![host.to_owned()])?;
        parameters.not_before = time(now - SKEW);
        parameters.not_after = time(now + LIFETIME);
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, SUBJECT);
        parameters.is_ca = IsCa::ExplicitNoCa;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let mut key = KeyPair::generate()?;
        let certificate = parameters.self_signed(&key);
        let text = Zeroizing::new(key.serialize_pem());
        key.zeroize();
        Ok(Self { certificate: certificate?.pem(), key: text })
    }
}

fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or_default()
}

fn forget(secret: &mut Secret) {
    if let Some(data) = &mut secret.data {
        wipe(data);
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn doing(verb: &str, place: Place<'_>) -> String {
    format!("{verb} Secret {}/{VERIFIER_SECRET}", place.namespace)
}

fn gone() -> Error {
    Error::Gone { kind: "Secret".to_owned(), name: VERIFIER_SECRET.to_owned() }
}

/// A Secret that was there and is not any more has only changed.
fn explained(error: Error) -> Error {
    if error.is_not_found() { gone() } else { error }
}

#[cfg(test)]
mod tests;
