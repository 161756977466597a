//! Passwords in addresses, and keys where they do not belong: no message repeats them, and each says what is wanted.

use serde_json::json;

use crate::Result;
use crate::folder::Folder;

const CANARY: &str = "CANARYpw";
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
const P256: &str = include_str!("../../../signatures/tests/fixtures/keys/p256.pub");

fn folder() -> Result<Folder> {
    let address = format!("https://u:{CANARY}@wiki.example/");
    let policy = |help: &str, policies: serde_json::Value| {
        let spec = json!({
            "helpUrl": help, "match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": policies,
        });
        json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": "p"}, "spec": spec})
            .to_string()
    };
    let asked = policy(&address, json!({"allowPrivileged": false, "allowedVolumes": [address]}));
    let entry = json!({"reference": "r.io/*", "publicKeys": [P256], "ca": PRIVATE});
    let signed = policy("https://wiki.example/", json!({"verifyImageSignatures": [entry]}));
    let settings = json!({
        "podSecurityStandards": {"helpUrl": address, "defaultPolicy": address},
        "signatures": {"url": address, "registries": [
            {"host": address, "mirrors": [address], "tokenHosts": [format!("{CANARY}@r.io")], "ca": PRIVATE},
        ]},
    });
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: shop}\nspec: {containers: [{name: a, image: b}]}\n";
    Folder::of(&[
        ("policy.yaml", asked.as_bytes()),
        ("signed.yaml", signed.as_bytes()),
        ("settings.yaml", settings.to_string().as_bytes()),
        ("pod.yaml", pod.as_bytes()),
        ("private.pem", PRIVATE.as_bytes()),
        ("public.pem", P256.as_bytes()),
    ])
}

#[test]
fn no_password_of_an_address_comes_through() -> Result {
    let folder = folder()?;
    let url = format!("https://u:{CANARY}@verifier.example");
    let with_url = format!("--verifier-url={url}");
    let ca = "--verifier-ca=private.pem";
    for (arguments, code, says) in [
        (
            &["check", "-f", "policy.yaml", "-f", "pod.yaml"][..],
            2,
            "spec.helpUrl: a text with @: a help URL starts",
        ),
        (&["check", "-f", "policy.yaml", "-f", "pod.yaml", "-o", "json"], 2, "spec.helpUrl: a text with @"),
        (&["render", "-f", "policy.yaml"], 2, "spec.helpUrl: a text with @"),
        (&["verify", "r.io/a", "-f", "policy.yaml"], 2, "spec.helpUrl: a text with @"),
        (&["migrate", "-f", "policy.yaml"], 1, "it is refused: a text with @"),
        (
            &["migrate", "-f", "policy.yaml", "-o", "yaml"],
            1,
            "spec.helpUrl: here it is refused: a text with @",
        ),
        (
            &["check", "-f", "pod.yaml", "--config", "settings.yaml"],
            2,
            "tokenHosts: a text with @ is not a host",
        ),
        (
            &["preview", "--settings", "settings.yaml", "--dump", "pod.yaml"],
            2,
            "podSecurityStandards.helpUrl: a text with @",
        ),
        (
            &["render", "--signatures", &with_url, ca],
            2,
            "invalid value 'a text with @' for '--verifier-url <URL>'",
        ),
        (&["render", "--signatures", "--verifier-url", &url, ca], 2, "invalid value 'a text with @' for"),
    ] {
        let (found, said) = folder.run(arguments)?;
        assert!(found == code && said.contains(says), "{arguments:?} {found}: {said}");
        assert!(!said.contains(CANARY), "{arguments:?}: {said}");
    }
    Ok(())
}

#[test]
fn where_a_certificate_is_wanted_no_key_is_asked_for() -> Result {
    let folder = folder()?;
    let verifier =
        ["--signatures", "--verifier-url=https://v.example", "--verifier-ca=private.pem", "-f", "pod.yaml"];
    for arguments in [
        &["check", "-f", "signed.yaml", "-f", "pod.yaml"][..],
        &["check", "-f", "pod.yaml", "--config", "settings.yaml"],
        &[&["render"], &verifier[..]].concat(),
    ] {
        let (code, said) = folder.run(arguments)?;
        assert!(
            code == 2 && said.contains("this is a private key: take it out"),
            "{arguments:?} {code}: {said}"
        );
        assert!(said.contains("a certificate is wanted") && !said.contains("cosign public-key"), "{said}");
    }
    Ok(())
}

/// Each message of several is one of its own.
#[test]
fn arguments_of_others_are_no_lines_of_ours() -> Result {
    let folder = folder()?;
    let forged = "x\n::error::forged\nerror: forged";
    for arguments in [
        &["check", "-f", "pod.yaml", forged][..],
        &["check", "-f", "pod.yaml", "--namespace-labels", forged],
        &["check", "-f", forged],
        &["docs", forged],
        &["status", forged],
        &["verify", "a", "--key", forged],
        &["verify", "a", "--key", "public.pem", "--registry-config", forged],
        &["render", "-f", "pod.yaml", "--config", forged],
        &["migrate", "--to", forged],
        &["test", forged],
        &[forged],
    ] {
        let (code, out, said) = folder.outputs(arguments)?;
        assert!(code == 2 && out.is_empty() && said.starts_with("error: "), "{arguments:?} {code}: {said}");
        let forged = said.lines().skip(1).find(|line| line.contains("forged"));
        assert!(forged.is_none() || !said.lines().any(|line| line.trim_start().starts_with("::")), "{said}");
        assert!(!said.contains("\nerror: forged") && said.contains("forged"), "{arguments:?}: {said}");
    }
    let (code, said) = folder.run(&["check", "-f", "pod.yaml", "--config", "settings.yaml"])?;
    assert!(code == 2 && said.lines().count() > 4, "{said}");
    assert!(said.lines().all(|line| line.starts_with("error: settings.yaml: line ")), "{said}");
    Ok(())
}
