use super::{Held, NEXT, PAIR, PREVIOUS, Slot, certificates};
use crate::watch::cache::Entry as _;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use serde_json::json;

const HOST: &str = "gatewright-verifier.gatewright-system.svc";

/// A certificate with its key.
fn made(hosts: &[&str], change: impl Fn(&mut CertificateParams)) -> (String, String) {
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut parameters = CertificateParams::new(hosts).unwrap();
    parameters.not_before = date_time_ymd(2026, 1, 1);
    parameters.not_after = date_time_ymd(2026, 4, 1);
    change(&mut parameters);
    let key = KeyPair::generate().unwrap();
    (parameters.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn secret(entries: &[(&str, &str)]) -> Secret {
    let metadata = json!({
        "name": "s", "uid": "u", "resourceVersion": "7", "labels": {"gatewright.io/owner": "builtin"},
    });
    let data = entries.iter().map(|(name, text)| ((*name).to_owned(), ByteString(text.as_bytes().to_vec())));
    Secret {
        metadata: serde_json::from_value(metadata).unwrap(),
        data: Some(data.collect()),
        ..Secret::default()
    }
}

#[test]
fn of_a_secret_everything_is_kept_but_its_keys() {
    let (pair, next) = (made(&[HOST, "10.0.0.1", "fd00::1"], |_| {}), made(&[HOST], |_| {}));
    let held = Held::from(secret(&[
        (PAIR.0, &pair.0),
        (PAIR.1, &pair.1),
        (NEXT.0, &next.0),
        (NEXT.1, &next.1),
        (PREVIOUS, &format!("{}{}{}", next.0, pair.0, next.0)),
    ]));
    let certificate = held.pair.certificate().unwrap();
    assert_eq!(certificate.hosts, [HOST, "10.0.0.1", "fd00::1"]);
    assert!(certificate.is_for(&HOST.to_uppercase()) && certificate.is_for("FD00:0::1"));
    assert!(!certificate.is_for("other") && !certificate.is_for("10.0.0.2"));
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    assert!(certificate.is_valid_at(at("2026-01-01T00:00:00Z")));
    assert!(!certificate.is_valid_at(at("2025-12-31T23:59:59Z")));
    assert!(!certificate.is_valid_at(at("2026-04-01T00:00:00Z")));
    assert_eq!(certificates(certificate.pem.as_bytes()), std::slice::from_ref(certificate));
    assert_eq!(certificate.pem.replace('\n', ""), pair.0.replace(['\r', '\n'], ""));
    let next_certificate = held.next.certificate().unwrap();
    assert_eq!(held.previous, [next_certificate.clone(), certificate.clone()]);
    assert_eq!((held.uid.as_str(), held.resource_version.as_str(), held.ours), ("u", "7", true));
    for key in [&pair.1, &next.1] {
        let secret = key.lines().nth(1).unwrap();
        assert!(!format!("{held:?}").contains(secret), "the key is kept");
    }
}

#[test]
fn a_pair_is_held_only_if_it_can_be_served_and_trusted() {
    let (certificate, key) = made(&[HOST], |_| {});
    let (other, other_key) = made(&[HOST], |_| {});
    let (authority, authority_key) = made(&[HOST], |it| it.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    let (nameless, nameless_key) = made(&[], |_| {});
    let (issued, issued_key) = issued();
    for (what, entries, is_held) in [
        ("whole", vec![(PAIR.0, &certificate), (PAIR.1, &key)], true),
        ("key lost", vec![(PAIR.0, &certificate)], false),
        ("certificate lost", vec![(PAIR.1, &key)], false),
        ("another key", vec![(PAIR.0, &certificate), (PAIR.1, &other_key)], false),
        ("two certificates", vec![(PAIR.0, &(certificate.clone() + &other)), (PAIR.1, &key)], false),
        ("an authority", vec![(PAIR.0, &authority), (PAIR.1, &authority_key)], false),
        ("issued by another", vec![(PAIR.0, &issued), (PAIR.1, &issued_key)], false),
        ("for no host", vec![(PAIR.0, &nameless), (PAIR.1, &nameless_key)], false),
        ("nonsense", vec![(PAIR.0, &"x".to_owned()), (PAIR.1, &"y".to_owned())], false),
    ] {
        let entries: Vec<_> = entries.into_iter().map(|(name, text)| (name, text.as_str())).collect();
        let pair = Held::from(secret(&entries)).pair;
        assert_eq!(matches!(pair, Slot::Held(_)), is_held, "{what}");
        assert_ne!(pair, Slot::Nothing, "{what}");
    }
    for empty in [vec![], vec![(PAIR.0, ""), (PAIR.1, "")]] {
        assert_eq!(Held::from(secret(&empty)).pair, Slot::Nothing);
    }
    assert_eq!(certificates(authority.as_bytes()), []);
}

fn issued() -> (String, String) {
    let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let issuer = Issuer::new(CertificateParams::new(vec![]).unwrap(), root_key);
    let mut parameters = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    parameters.distinguished_name.push(rcgen::DnType::OrganizationName, "another");
    (parameters.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
}

#[test]
fn news_of_a_secret_is_what_it_holds_and_whose_it_is() {
    let (certificate, key) = made(&[HOST], |_| {});
    let before = Held::from(secret(&[(PAIR.0, &certificate), (PAIR.1, &key)]));
    assert!(before.same(&Held { resource_version: "8".to_owned(), ..before.clone() }));
    for change in [
        Held { uid: "another".to_owned(), ..before.clone() },
        Held { ours: false, ..before.clone() },
        Held { pair: Slot::Unusable, ..before.clone() },
        Held { next: Slot::Unusable, ..before.clone() },
        Held { previous: certificates(certificate.as_bytes()), ..before.clone() },
    ] {
        assert!(!before.same(&change), "{change:?}");
    }
}
