//! `verifyImageSignatures`.

use super::{policy, security};
use crate::{Settings, SettingsProblem, VerifierUrl, compile, provider};
use gatewright_api::SecurityPolicy;
use gatewright_signatures::Parameters;
use rstest::rstest;
use serde_json::{Value, json};

pub(super) const P256: &str = include_str!("../../../signatures/tests/fixtures/keys/p256.pub");
const P384: &str = include_str!("../../../signatures/tests/fixtures/keys/p384.pub");
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n";

fn compiled(entries: &Value) -> crate::Compiled {
    security(&json!({"verifyImageSignatures": entries})).unwrap()
}

fn parameters(entries: &Value) -> Parameters {
    let constraint = compiled(entries).signatures.unwrap().constraint;
    serde_json::from_value(constraint.spec.parameters).unwrap()
}

#[test]
fn entries_become_a_constraint_of_their_own() {
    let spec = json!({
        "enforcementAction": "Warn",
        "helpUrl": "https://wiki.example.com/signatures",
        "match": {"namespaceSelector": {"matchNames": ["shop"]}, "labelSelector": {"matchLabels": {"app": "web"}}},
        "policies": {
            "allowPrivileged": false,
            "verifyImageSignatures": [
                {"reference": "myrepo/*", "publicKeys": [P256], "dockerCfg": "zxc=="},
                {"reference": "R.io:443/app:1", "publicKeys": [P256, P384], "requireDigest": true},
            ],
        },
    });
    let compiled = compile(&policy::<SecurityPolicy>(&spec), &Settings::default()).unwrap();
    let rules = compiled.constraint.unwrap();
    let help = "https://wiki.example.com/signatures";
    assert_eq!(rules.spec.parameters, json!({"allowPrivileged": false, "helpUrl": help}));

    let signatures = compiled.signatures.unwrap();
    assert_eq!(signatures.constraint.spec.parameters["helpUrl"], help);
    insta::assert_yaml_snapshot!(signatures.constraint);
    let routes: Vec<_> =
        signatures.routes.iter().map(|r| format!("{} {}", r.operation, r.resource)).collect();
    assert!(routes.contains(&"UPDATE pods/ephemeralcontainers".to_owned()), "{routes:?}");
    assert!(routes.contains(&"CREATE deployments".to_owned()), "{routes:?}");
}

#[test]
fn who_covers_our_own_image_reads_what_that_does() {
    let spec = |reference: &str| {
        json!({
            "match": {"namespaceSelector": {"matchNames": ["shop"]}},
            "policies": {"verifyImageSignatures": [{"reference": reference, "publicKeys": [P256], "requireDigest": true}]},
        })
    };
    let settings = Settings { own_image: Some("r.io/gatewright:1".to_owned()), ..Settings::default() };
    let notes = |reference: &str, settings: &Settings| {
        compile(&policy::<SecurityPolicy>(&spec(reference)), settings).unwrap().notes
    };
    assert_eq!(
        notes("r.io/*", &settings),
        [
            "verifyImageSignatures[0] covers r.io/gatewright:1, gatewright's own image; its Pods in the namespace \
          gatewright-system are not judged, since no policy reaches that namespace"
        ]
    );
    assert_eq!(notes("r.io/shop/*", &settings), [""; 0]);
    assert_eq!(notes("r.io/*", &Settings::default()), [""; 0]);
}

/// Nothing of it may be guessed at: neither its text nor a digest of it.
#[test]
fn of_docker_cfg_only_whether_it_is_there_leaves_the_policy() {
    let entry =
        |docker_cfg: &str| json!([{"reference": "r.io/*", "publicKeys": [P256], "dockerCfg": docker_cfg}]);
    let [one, other] =
        ["aHVudGVyMg==", "aHVudGVyMw=="].map(|text| compiled(&entry(text)).signatures.unwrap());
    assert_eq!(one, other);
    assert!(parameters(&entry("zxc==")).entries[0].credentials);
    assert!(!parameters(&json!([{"reference": "r.io/*", "publicKeys": [P256]}])).entries[0].credentials);
}

#[rstest]
#[case(json!([]))]
#[case(json!(null))]
fn without_entries_there_is_nothing(#[case] entries: Value) {
    let policies = if entries.is_null() { json!({}) } else { json!({"verifyImageSignatures": entries}) };
    let compiled = security(&policies).unwrap();
    assert_eq!((compiled.constraint, compiled.signatures), (None, None));
}

#[rstest]
#[case(json!({"reference": "nginx*"}), "[0].reference: a * before the first slash")]
#[case(json!({"reference": "r.io/App*"}), "[0].reference: ")]
#[case(json!({"publicKeys": [P256, "key"]}), "[0].publicKeys[1]: there is no PEM block: a key begins with")]
#[case(json!({"publicKeys": [PRIVATE]}), "[0].publicKeys[0]: this is a private key: ")]
#[case(json!({"ca": "certificate"}), "[0].ca: there is no certificate: it begins with")]
fn faults_of_entries_are_named(#[case] changes: Value, #[case] expected: &str) {
    let mut entry = json!({"reference": "r.io/*", "publicKeys": [P256]});
    entry.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let invalid = security(&json!({"verifyImageSignatures": [entry]})).unwrap_err().to_string();
    assert!(invalid.starts_with(&format!("spec.policies.verifyImageSignatures{expected}")), "{invalid}");
    assert!(!invalid.contains("hunter2"), "{invalid}");
}

#[test]
fn all_faults_of_an_entry_are_named_at_once() {
    let entry = json!({"reference": "nginx*", "publicKeys": ["key", P256, PRIVATE], "ca": "certificate"});
    let invalid = security(&json!({"verifyImageSignatures": [entry]})).unwrap_err();
    let paths: Vec<_> = invalid.problems.iter().map(|problem| problem.field.as_str()).collect();
    let field = |name: &str| format!("spec.policies.verifyImageSignatures[0].{name}");
    assert_eq!(paths, ["reference", "publicKeys[2]", "publicKeys[0]", "ca"].map(field));
}

#[test]
fn what_is_not_as_one_may_expect_is_noted() {
    let entry =
        |reference: &str| json!({"reference": reference, "publicKeys": [P256], "requireDigest": true});
    let notes = |entries: &Value| compiled(entries).notes.join("\n");
    assert_eq!(notes(&json!([entry("r.io/a"), entry("r.io/b")])), "");
    let repeated = notes(&json!([entry("nginx"), entry("docker.io/library/nginx")]));
    assert!(repeated.starts_with(
        "verifyImageSignatures[1] has the reference docker.io/library/nginx of an entry before it"
    ));
    let mut unreadable = entry("r.io/a");
    unreadable["dockerCfg"] = json!("zxc==");
    let unreadable = notes(&json!([entry("r.io/b"), unreadable]));
    assert!(
        unreadable.starts_with("verifyImageSignatures[1].dockerCfg cannot be read: it is not base64"),
        "{unreadable}"
    );
    let by_tag = notes(&json!([{"reference": "r.io/a", "publicKeys": [P256]}]));
    assert!(by_tag.contains("the tag may move") && by_tag.contains("requireDigest: true"), "{by_tag}");
}

#[test]
fn a_policy_that_names_kube_system_says_what_may_happen() {
    let spec = json!({
        "match": {"namespaceSelector": {"matchNames": ["kube-system"]}},
        "policies": {"verifyImageSignatures": [{"reference": "*", "publicKeys": [P256]}]},
    });
    let notes = compile(&policy::<SecurityPolicy>(&spec), &Settings::default()).unwrap().notes.join("\n");
    assert!(notes.contains("the policy names kube-system"), "{notes}");
}

#[test]
fn the_public_part_of_a_policy_has_a_limit() {
    let ca = include_str!("../../../signatures/tests/fixtures/refused/certificate.pem");
    assert!(
        security(
            &json!({"verifyImageSignatures": [{"reference": "r.io/*", "publicKeys": [P256], "ca": ca}]})
        )
        .is_ok()
    );
    let many: Vec<_> =
        (0..900).map(|n| json!({"reference": format!("r.io/{n}"), "publicKeys": [P256, P384]})).collect();
    let invalid = security(&json!({"verifyImageSignatures": many})).unwrap_err().to_string();
    assert!(
        invalid.contains("bytes of references, keys and certificates; at most 262144 in a policy"),
        "{invalid}"
    );
}

#[test]
fn the_provider_asks_the_verifier() {
    let settings = Settings::default();
    let object = json!(provider(&settings, "PEM"));
    assert_eq!(
        object,
        json!({
            "apiVersion": "externaldata.gatekeeper.sh/v1beta1",
            "kind": "Provider",
            "metadata": {"name": "gatewright-verifier", "labels": {"gatewright.io/owner": "builtin"}},
            "spec": {
                "url": "https://gatewright-verifier.gatewright-system.svc:8443/v1/verify",
                "timeout": 1,
                "caBundle": "UEVN",
            },
        })
    );
    assert_eq!(VerifierUrl::of_service("x").host(), "gatewright-verifier.x.svc");
}

fn settings(text: &str) -> Result<Settings, Vec<SettingsProblem>> {
    Settings::from_yaml(text, "gatewright-system").map_err(|invalid| invalid.problems)
}

#[test]
fn settings_of_signatures_are_read() {
    let text = "
signatures:
  enabled: true
  url: https://127.0.0.1:8443
  clientAuth: false
  allowedNetworks: [127.0.0.0/8, fd00::/8]
  registries:
  - host: Registry.example.com:443
    mirrors: [mirror.example.com/hub/, docker.io]
    tokenHosts: [auth.example.com]
    insecure: true
";
    let signatures = settings(text).unwrap().signatures;
    assert!(signatures.is_enabled() && !signatures.client_auth);
    let url = signatures.url.unwrap();
    assert_eq!((url.to_string().as_str(), url.host()), ("https://127.0.0.1:8443", "127.0.0.1"));
    let networks: Vec<_> = signatures.allowed_networks.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["127.0.0.0/8", "fd00::/8"]);
    let [registry] = &signatures.registries[..] else { panic!("{:?}", signatures.registries) };
    assert_eq!(registry.host, "registry.example.com");
    assert_eq!(registry.mirrors, ["mirror.example.com/hub", "docker.io"]);
    assert_eq!((&registry.token_hosts[..], registry.insecure), (&["auth.example.com".to_owned()][..], true));
}

/// A reference may have a user and a password, as an address has them.
#[test]
fn no_password_of_a_reference_is_repeated() {
    for reference in
        ["https://u:CANARY@r.io/app", "u:CANARY@r.io/app", "u:CANARY@r.io/app*", "CANARY:x@r.io/App"]
    {
        let said =
            security(&json!({"verifyImageSignatures": [{"reference": reference, "publicKeys": [P256]}]}));
        assert!(!said.unwrap_err().to_string().contains("CANARY"), "{reference}");
    }
}

/// Each field says what is wanted there.
#[test]
fn a_private_key_in_the_place_of_certificates_is_named_so() {
    let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let entry = json!({"reference": "r.io/a", "publicKeys": [P256], "ca": private});
    let of_policy = security(&json!({"verifyImageSignatures": [entry]})).unwrap_err().to_string();
    let registry = json!({"signatures": {"registries": [{"host": "r.io", "ca": private}]}});
    let of_settings = settings(&registry.to_string()).unwrap_err()[0].to_string();
    for said in [of_policy, of_settings] {
        assert!(said.contains("ca: this is a private key: take it out"), "{said}");
        assert!(
            said.ends_with("a certificate is wanted, which begins with -----BEGIN CERTIFICATE-----"),
            "{said}"
        );
    }
}

#[rstest]
#[case("url: https://a:99999", "line 2: signatures.url: \"https://a:99999\" is not a URL such as")]
#[case("url: 'https://a:'", "line 2: signatures.url: \"https://a:\" is not a URL such as")]
#[case("url: http://a", "line 2: signatures.url: \"http://a\" is not a URL such as https://")]
#[case("url: https://a/b", "line 2: signatures.url: \"https://a/b\" is not a URL such as")]
#[case("url: https://user@a", "line 2: signatures.url: a text with @ is not a URL such as")]
#[case(
    "allowedNetworks: [10.0.0.0]",
    "line 2: signatures.allowedNetworks: \"10.0.0.0\" is not a network such as 10.0.0.0/8"
)]
#[case("registries: [{insecure: true}]", "line 2: signatures.registries: host is missing")]
#[case(
    "registries: [{host: 'https://r.io'}]",
    "line 2: signatures.registries: host: \"https://r.io\" is not a host such as"
)]
#[case("registries: [{host: r.io}, {host: R.io}]", "line 2: signatures.registries: r.io is there twice")]
#[case(
    "registries: [{host: r.io, mirror: x}]",
    "line 2: signatures.registries: mirror is unknown; the keys there are host, mirrors"
)]
#[case(
    "registries: [{host: r.io, mirrors: [x y]}]",
    "line 2: signatures.registries: mirrors: \"x y\" is not a host with a path such as"
)]
#[case(
    "registries: [{host: 'token@r.io', mirrors: ['u:p@r.io/a'], tokenHosts: ['token@r.io']}]",
    "line 2: signatures.registries: host: a text with @ is not a host such as"
)]
#[case("registries: [{host: r.io, ca: x}]", "line 2: signatures.registries: ca: there is no certificate")]
#[case("registries: r.io", "line 2: signatures.registries: \"r.io\" is not a list")]
fn faults_of_settings_are_named(#[case] line: &str, #[case] expected: &str) {
    let problems = settings(&format!("signatures:\n  {line}\n")).unwrap_err();
    assert!(problems[0].to_string().starts_with(expected), "{}", problems[0]);
}
