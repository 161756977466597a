//! `verifyImageSignatures` without a cluster.

use std::path::Path;

use serde_json::{Value, json};

use crate::Result;
use crate::folder::Folder;
use crate::registry::Registry;

const P256: &str = include_str!("../../../signatures/tests/fixtures/keys/p256.pub");
const CERTIFICATE: &str = include_str!("../../../signatures/tests/fixtures/refused/certificate.pem");

/// A policy as YAML, which JSON is.
fn policy(entries: &Value) -> String {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": "SecurityPolicy",
        "metadata": {"name": "shop"},
        "spec": {
            "match": {"namespaceSelector": {"matchNames": ["shop"]}},
            "policies": {"verifyImageSignatures": entries},
        },
    })
    .to_string()
}

fn entries(reference: &str) -> Value {
    json!([{"reference": reference, "publicKeys": [P256]}])
}

/// A Pod and a Deployment. The images stand on the lines 5 and 14.
fn objects(pod: &str, deployment: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, namespace: shop}}\nspec:\n  containers: [{{name: app, image: {pod}}}]\n\
         ---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: b, namespace: shop}}\nspec:\n  \
         selector: {{matchLabels: {{a: b}}}}\n  template:\n    metadata: {{labels: {{a: b}}}}\n    \
         spec: {{containers: [{{name: app, image: {deployment}}}]}}\n"
    )
}

fn folder(entries: &Value, objects: &str, more: &[(&str, &str)]) -> Result<Folder> {
    let policy = policy(entries);
    let files = [("policy.yaml", &*policy), ("objects.yaml", objects)];
    let files: Vec<_> = files.iter().chain(more).map(|(name, text)| (*name, text.as_bytes())).collect();
    Folder::of(&files)
}

const CHECK: [&str; 5] = ["check", "-f", "policy.yaml", "-f", "objects.yaml"];

#[test]
fn what_nobody_verified_is_named() -> Result {
    let objects = objects("registry.example.com/app:1", "nginx");
    let folder = folder(
        &entries("registry.example.com/*"),
        &objects,
        &[
            ("settings.yaml", "signatures: {enabled: false}\n"),
            ("silent.yaml", "signatures: {allowedNetworks: [10.0.0.0/8]}\n"),
        ],
    )?;
    let (code, said) = folder.run(&[&CHECK[..], &["-v"]].concat())?;
    let assumed =
        "assumed: the signature of registry.example.com/app:1 is not verified here (SecurityPolicy/shop)\n";
    assert!(code == 0 && said.matches(assumed).count() == 1, "{said}");
    let note = "note: signatures of images are not verified here: registry.example.com/app:1; check --verify-images asks";
    assert!(said.contains(note) && !said.contains("signature of nginx"), "{said}");
    let (code, said) = folder.run(&[&CHECK[..], &["-v", "--config", "settings.yaml"]].concat())?;
    let note =
        "policy.yaml:1: SecurityPolicy/shop: the cluster verifies no signature: signatures.enabled is false";
    assert!(code == 0 && said.contains(note), "{said}");
    assert!(said.contains("is not verified in the cluster: signatures.enabled is false"), "{said}");
    // Settings that do not say whether are no settings that say no.
    let (code, said) = folder.run(&[&CHECK[..], &["-v", "--config", "silent.yaml"]].concat())?;
    assert!(code == 0 && said.contains(assumed) && !said.contains("signatures.enabled"), "{said}");
    for (format, says) in
        [("junit", "<system-out>"), ("sarif", r#""level": "note""#), ("github", "::notice ")]
    {
        let (_, said) = folder.run(&[&CHECK[..], &["-o", format]].concat())?;
        let words = "the signature of registry.example.com/app:1 is not verified here";
        assert!(said.contains(says) && said.contains(words), "{format}: {said}");
    }
    Ok(())
}

#[test]
fn a_name_that_cannot_be_read_is_refused_without_a_registry() -> Result {
    let objects = objects("\"registry.example.com/\\e[2J\\u202e\"", "registry.example.com/app:1");
    let folder = folder(&entries("registry.example.com/*"), &objects, &[])?;
    for format in ["table", "json", "sarif", "junit", "github"] {
        let (code, said) = folder.run(&[&CHECK[..], &["-v", "-o", format]].concat())?;
        assert!(code == 1 && said.contains("its name cannot be read"), "{format}: {said}");
        // No terminal shows JSON, which has such marks as they are.
        let is_json = ["json", "sarif"].contains(&format);
        assert!(!said.contains('\u{1b}') && (is_json || !said.contains('\u{202e}')), "{format}: {said}");
    }
    Ok(())
}

#[test]
fn registries_are_asked_once_for_each_image() -> Result {
    let registry = Registry::start()?;
    let host = registry.host();
    let signed = registry.image("signed");
    registry.sign(&signed);
    registry.image("unsigned");
    let entries = json!([{"reference": format!("{host}/*"), "publicKeys": [registry.public_key()?]}]);
    let settings = json!({"signatures": {"enabled": true, "registries": [{"host": host, "insecure": true}]}});
    let both = [
        objects(&format!("{host}/app:unsigned"), &format!("{host}/app:unsigned")),
        objects(&format!("{host}/app:signed"), &format!("{host}/app:nothing")),
    ];
    let files = [("settings.yaml", &*settings.to_string()), ("docker.json", "{}")];
    let folder = folder(&entries, &both.join("---\n"), &files)?;
    let asking = ["--verify-images", "--config", "settings.yaml", "--registry-config", "docker.json"];
    let (code, said) = folder.run(&[&CHECK[..], &asking, &["-o", "json"]].concat())?;
    let document: Value = serde_json::from_str(&said[said.find("\n{").ok_or(said.clone())?..])?;
    let found: Vec<_> = document["results"]
        .as_array()
        .ok_or("no results")?
        .iter()
        .map(|result| {
            let violations = result["violations"].as_array().into_iter().flatten();
            let violations = violations.map(|it| format!("{}:{}", it["line"], it["details"]["class"]));
            format!("{} {}", result["verdict"], violations.collect::<String>())
        })
        .collect();
    let expected =
        ["\"deny\" 5:\"unsigned\"", "\"deny\" 14:\"unsigned\"", "\"pass\" ", "\"deny\" 29:\"not-found\""];
    assert!(code == 1 && found == expected, "{found:#?} {said}");
    let asked = ["unsigned", "signed", "nothing"].map(|tag| registry.asked(tag));
    assert_eq!(asked, [1, 1, 1], "a controller and its Pods have the same image");
    assert!(!said.contains("not verified here"), "{said}");
    Ok(())
}

/// A registry that cannot be asked refuses, as in the cluster.
#[test]
fn a_registry_that_does_not_answer_refuses() -> Result {
    let folder =
        folder(&entries("*"), &objects("127.0.0.1:1/app", "127.0.0.1:1/app"), &[("docker.json", "{}")])?;
    let asking = ["--verify-images", "--registry-config", "docker.json"];
    let (code, said) = folder.run(&[&CHECK[..], &asking].concat())?;
    assert!(
        code == 1 && said.matches("127.0.0.1:1/app: the registry does not answer (").count() == 2,
        "{said}"
    );
    let (code, said) = folder.run(&[&CHECK[..], &asking[1..]].concat())?;
    assert!(code == 2 && said.contains("--verify-images"), "{said}");
    Ok(())
}

#[test]
fn a_fault_of_a_key_names_its_line() -> Result {
    let yaml = "apiVersion: deckhouse.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {name: shop}\nspec:\n  \
                match: {namespaceSelector: {matchNames: [shop]}}\n  policies:\n    verifyImageSignatures:\n    \
                - reference: r.io/*\n      publicKeys:\n      - hunter2\n      ca: |\n        hunter2 hunter2 hunter2 hunter2\n";
    let folder = Folder::of(&[("policy.yaml", yaml.as_bytes())])?;
    for command in [&["check"][..], &["render", "--signatures"], &["verify", "nginx"]] {
        let (code, said) = folder.run(&[command, &["-f", "policy.yaml"]].concat())?;
        let key =
            "policy.yaml:10: SecurityPolicy/shop: spec.policies.verifyImageSignatures[0].publicKeys[0]: ";
        let ca = "policy.yaml:11: SecurityPolicy/shop: spec.policies.verifyImageSignatures[0].ca: ";
        assert!(code == 2 && said.contains(key) && said.contains(ca), "{command:?}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    Ok(())
}

#[test]
fn signatures_are_rendered_for_who_asks() -> Result {
    let mut entries = entries("registry.example.com/*");
    entries[0]["dockerCfg"] = json!("e30=");
    let folder = folder(&entries, "", &[("ca.pem", CERTIFICATE), ("other.pem", P256)])?;
    let render = |more: &[&str]| folder.run(&[&["render", "-f", "policy.yaml"], more].concat());
    let (code, said) = render(&[])?;
    let refused = "policy.yaml:1: SecurityPolicy/shop: spec.policies.verifyImageSignatures is rendered only with --signatures";
    assert!(code == 2 && said.contains(refused) && !said.contains("kind: "), "{said}");
    let url = ["--verifier-url", "https://verifier.example.com:8443"];
    let ca = ["--verifier-ca", "ca.pem"];
    for wrong in
        [&[&["--signatures"], &url[..]].concat(), &[&["--signatures"], &ca[..]].concat(), &[url, ca].concat()]
    {
        assert_eq!(render(wrong)?.0, 2, "{wrong:?}");
    }
    let (code, said) = render(&["--signatures", url[0], url[1], "--verifier-ca", "other.pem"])?;
    assert!(code == 2 && said.contains("other.pem: "), "{said}");
    let (code, said) = render(&[&["--signatures"], &url[..], &ca].concat())?;
    for part in [
        "name: d8verifyimagesignatures\n",
        "\nkind: D8VerifyImageSignatures\n",
        "\nkind: Provider\n",
        "  url: https://verifier.example.com:8443/v1/verify\n",
        "credentials: false\n",
        "dockerCfg is not rendered: the verifier takes the credentials",
    ] {
        assert!(code == 0 && said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("credentials: true") && !said.contains("e30="), "{said}");
    assert!(!render(&["--signatures"])?.1.contains("kind: Provider"));
    Ok(())
}

/// What was rendered is judged as the policy is: the template asks, and is answered.
#[test]
fn what_was_rendered_can_be_checked() -> Result {
    let objects = objects("registry.example.com/app:1", "Registry.example.com/APP");
    let folder = folder(&entries("registry.example.com/*"), &objects, &[])?;
    let render = ["render", "-f", "policy.yaml", "--signatures", "--output-dir", "rendered"];
    let (code, said) = folder.run(&render)?;
    assert_eq!(code, 0, "{said}");
    let (code, said) = folder.run(&["check", "-f", "rendered", "-f", "objects.yaml", "-v"])?;
    let assumed = "the signature of registry.example.com/app:1 is not verified here (SecurityPolicy/shop)";
    assert!(code == 1 && said.contains(assumed), "{said}");
    assert!(said.contains("objects.yaml:7: deny Deployment shop/b\n  deny SecurityPolicy/shop\n"), "{said}");
    Ok(())
}

#[test]
fn cases_say_what_the_verifier_answers() -> Result {
    let case = |answers: &str| {
        format!(
            "policy: policy.yaml\ncases:\n- name: an image\n  spec: {{containers: [{{name: app, image: \
             registry.example.com/app:1}}]}}\n  violations: []\n{answers}"
        )
    };
    let test = |answers: &str| {
        let folder = folder(&entries("registry.example.com/*"), "", &[("cases.yaml", &case(answers))])?;
        folder.run(&["test", "cases.yaml"])
    };
    assert_eq!(test("  answers: {\"registry.example.com/app:1\": verified}\n")?.0, 0);
    let (code, said) = test("  answers: down\n")?;
    assert!(code == 1 && said.contains("+ [verify-image-signatures] Image signature"), "{said}");
    let (code, said) = test("  answers: {\"registry.example.com/app:1\": signed}\n")?;
    assert!(code == 2 && said.contains("cases.yaml:6: ") && said.contains("unsigned"), "{said}");
    let (code, said) = test("")?;
    let note = "note: cases.yaml:3: the case has no answers of the verifier, so these images pass: registry.example.com/app:1";
    assert!(code == 0 && said.contains(note), "{said}");
    Ok(())
}

#[test]
fn the_json_of_verify_is_as_its_schema_says() -> Result {
    let folder = folder(&entries("*"), "", &[("docker.json", "{}")])?;
    let verify =
        ["verify", "127.0.0.1:1/app", "-f", "policy.yaml", "-o", "json", "--registry-config", "docker.json"];
    let (code, said) = folder.run(&verify)?;
    let document: Value = serde_json::from_str(&said)?;
    assert_eq!((code, &document["kind"], &document["version"]), (1, &json!("Verify"), &json!(1)));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/json/verify.schema.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(&std::fs::read_to_string(path)?)?)?;
    let wrong: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?} {document:#}");
    let mut other = document;
    other["policies"][0]["entries"][0]["class"] = json!("maybe");
    assert!(!validator.is_valid(&other));
    Ok(())
}

/// What is refused is refused, whatever for; no registry is asked here.
#[test]
fn verify_says_what_a_name_alone_decides_and_by_which_policy() -> Result {
    let mut entries = entries("registry.example.com/*");
    entries[0]["requireDigest"] = true.into();
    let folder = folder(&entries, "", &[("docker.json", "{}")])?;
    for (image, code, says) in [
        ("registry.example.com/App", 1, "invalid-name: registry.example.com/App: its name cannot be read"),
        (
            "registry.example.com/app:1",
            1,
            "\nSecurityPolicy/shop, entry registry.example.com/*: digest-required: ",
        ),
        ("r.example/app", 2, "not covered: r.example/app: "),
    ] {
        let arguments = ["verify", image, "-f", "policy.yaml", "--registry-config", "docker.json"];
        let (found, said) = folder.run(&arguments)?;
        assert!(found == code && said.contains(says), "{image} {found}: {said}");
    }
    Ok(())
}
