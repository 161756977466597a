//! `check`, `explain`, `preview` and `report` say the same of the same input.

use serde_json::{Value, json};

use crate::Result;
use crate::folder::Folder;

const KEY: &str = include_str!("../../../signatures/tests/fixtures/keys/p256.pub");

/// A policy of namespace shop, as YAML, which JSON is.
fn policy(policies: &Value) -> String {
    let spec = json!({"match": {"namespaceSelector": {"matchNames": ["shop"]}}, "policies": policies});
    json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "SecurityPolicy", "metadata": {"name": "s"}, "spec": spec})
        .to_string()
}

fn signed() -> String {
    let entry = json!({"reference": "registry.example.com/*", "requireDigest": true, "publicKeys": [KEY]});
    policy(&json!({"verifyImageSignatures": [entry]}))
}

fn pod(namespace: &str, image: &str, privileged: bool) -> String {
    let container = json!({"name": "a", "image": image, "securityContext": {"privileged": privileged}});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace},
        "spec": {"containers": [container]}})
    .to_string()
}

/// A template in Rego, and a constraint of it.
fn own(kind: &str, on: &str, body: &str) -> String {
    let rego = format!("package own\n{body}");
    let template = json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
        "metadata": {"name": kind.to_lowercase()},
        "spec": {
            "crd": {"spec": {"names": {"kind": kind}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}],
        },
    });
    let constraint = json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": "b"},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": [on]}]}},
    });
    format!("{template}\n---\n{constraint}\n")
}

fn folder(judging: &str, objects: &str) -> Result<Folder> {
    Folder::of(&[
        ("j.yaml", judging.as_bytes()),
        ("o.yaml", objects.as_bytes()),
        ("off.yaml", b"signatures: {enabled: false}\n"),
    ])
}

const COMMANDS: [&[&str]; 4] = [
    &["check", "-f", "j.yaml", "-f", "o.yaml"],
    &["report", "-f", "j.yaml", "-f", "o.yaml"],
    &["preview", "-f", "j.yaml", "--dump", "o.yaml"],
    &["explain", "-f", "o.yaml", "--policies", "j.yaml"],
];

/// What each command says, with its exit code.
fn all(folder: &Folder, more: &[&str]) -> Result<Vec<(i32, String)>> {
    COMMANDS.iter().map(|command| folder.run(&[command, more].concat())).collect()
}

fn codes(said: &[(i32, String)]) -> Vec<i32> {
    said.iter().map(|(code, _)| *code).collect()
}

/// The name alone decides of an image without a digest, and of one that cannot be read. Only of what is left a registry
/// would have to be asked.
#[test]
fn what_the_name_of_an_image_decides_is_decided_by_all() -> Result {
    let pinned = format!("registry.example.com/x@sha256:{}", "0".repeat(64));
    for (image, code, explained) in [
        ("registry.example.com/x:1", 1, "Pod shop/p: refused (1 denies)\n"),
        ("registry.example.com/X Y", 1, "Pod shop/p: refused (1 denies)\n"),
        ("nginx", 0, "Pod shop/p: passes\n"),
        (&pinned, 0, "Pod shop/p: passes (1 not verified)\n"),
    ] {
        let folder = folder(&signed(), &pod("shop", image, false))?;
        let said = all(&folder, &[])?;
        assert_eq!(codes(&said), [code; 4], "{image}: {said:#?}");
        assert!(said[3].1.contains(explained), "{image}: {}", said[3].1);
        let open = said.iter().filter(|(_, said)| said.contains("not verified")).count();
        assert_eq!(open, if image == pinned { 4 } else { 0 }, "{image}: {said:#?}");
    }
    let images = ["registry.example.com/x:1", &pinned].map(|image| json!({"name": "a", "image": image}));
    let mut two: Value = serde_json::from_str(&pod("shop", "", false))?;
    two["spec"]["containers"] = json!(images);
    let said = all(&folder(&signed(), &two.to_string())?, &[])?;
    assert!(said[3].1.contains("Pod shop/p: refused (1 denies, 1 not verified)\n"), "{}", said[3].1);
    Ok(())
}

#[test]
fn where_the_settings_say_that_the_cluster_verifies_nothing_everything_passes() -> Result {
    let folder = folder(&signed(), &pod("shop", "registry.example.com/x:1", false))?;
    let said = all(&folder, &["--config", "off.yaml"])?;
    assert_eq!(codes(&said), [0; 4], "{said:#?}");
    let note = "the cluster verifies no signature: signatures.enabled is false in the settings";
    for (_, said) in &said {
        assert!(said.contains(note) && !said.contains("not verified here"), "{said}");
    }
    Ok(())
}

/// Of what is in no file nobody knows. What the files have counts.
#[test]
fn a_template_that_looks_at_other_objects_is_named_by_all() -> Result {
    let looks = own(
        "Inv",
        "ConfigMap",
        "violation[{\"msg\": \"taken\"}] { data.inventory.namespace[_][_].ConfigMap.taken }",
    );
    let config = |name: &str| {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: shop}}\n")
    };
    let said = all(&folder(&looks, &config("a"))?, &[])?;
    assert_eq!(codes(&said), [0, 0, 2, 2], "{said:#?}");
    for (_, said) in &said {
        assert!(said.contains("Inv/b") && said.contains("data.inventory"), "{said}");
        assert!(!said.contains("applied to no object"), "{said}");
    }
    let said = all(&folder(&looks, &config("taken"))?, &[])?;
    assert_eq!(codes(&said), [1, 1, 2, 1], "{said:#?}");
    // What matches nothing is judged nowhere.
    let elsewhere = looks.replace("\"match\":{", "\"match\":{\"namespaces\":[\"web\"],");
    let said = all(&folder(&elsewhere, &config("a"))?, &[])?;
    assert_eq!(codes(&said), [0; 4], "{said:#?}");
    assert!(said[2].1.contains("note: Inv/b was applied to no object\n"), "{}", said[2].1);
    Ok(())
}

fn exempt_by_label() -> String {
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {admission.gatekeeper.sh/ignore: x}}\n---\n"
        .to_owned()
}

fn exempt_by_config() -> String {
    let excluded = json!([{"excludedNamespaces": ["sho*"], "processes": ["webhook"]}]);
    let config = json!({"apiVersion": "config.gatekeeper.sh/v1alpha1", "kind": "Config",
        "metadata": {"name": "config", "namespace": "gatekeeper-system"}, "spec": {"match": excluded}});
    format!("{config}\n---\n")
}

#[test]
fn exempt_namespaces_are_named_and_do_not_count_as_passed() -> Result {
    for (exempt, reason) in [
        (exempt_by_label(), "namespace shop carries the label admission.gatekeeper.sh/ignore"),
        (exempt_by_config(), "Gatekeeper's Config exempts namespaces sho* from admission"),
    ] {
        let objects = format!("{exempt}{}\n---\n{}", pod("shop", "a", true), pod("web", "a", false));
        let folder = folder(&policy(&json!({"allowPrivileged": false})), &objects)?;
        let said = all(&folder, &[])?;
        assert_eq!(codes(&said), [0; 4], "{said:#?}");
        for (_, said) in &said[..3] {
            let note = format!("note: 1 object in namespace shop: not judged: {reason}\n");
            assert_eq!(said.matches(&note).count(), 1, "{said}");
        }
        assert!(
            said[0].1.contains("2 objects: 0 denied, 0 warned, 0 dryrun, 1 passed, 1 exempt\n"),
            "{}",
            said[0].1
        );
        assert!(said[2].1.contains("1 of 2 objects pass, 1 more in exempt namespaces\n"), "{}", said[2].1);
        assert!(said[3].1.contains(reason), "{}", said[3].1);
        let json = |command: &[&str]| -> Result<Value> {
            Ok(serde_json::from_str(&folder.outputs(&[command, &["-o", "json"]].concat())?.1)?)
        };
        let (checked, previewed) = (json(COMMANDS[0])?, json(COMMANDS[2])?);
        assert_eq!((&checked["summary"]["passed"], &checked["summary"]["exempt"]), (&json!(1), &json!(1)));
        assert_eq!(previewed["summary"]["exempt"], 1, "{previewed:#}");
        let namespace = json!({"namespace": "shop", "reason": format!("not judged: {reason}"), "objects": 1});
        assert_eq!(previewed["exempt"], json!([namespace]));
        let (_, junit, _) = folder.outputs(&[COMMANDS[0], &["-o", "junit"]].concat())?;
        let skipped = format!("<skipped message=\"not judged: {}\"/>", reason.replace('\'', "&apos;"));
        assert!(junit.matches(&skipped).count() == 1 && junit.contains("skipped=\"1\""), "{junit}");
    }
    let many: Vec<_> = (0..9)
        .map(|at| {
            let namespace = exempt_by_label().replace("shop", &format!("n{at}"));
            format!("{namespace}{}", pod(&format!("n{at}"), "a", true))
        })
        .collect();
    let said = all(&folder(&policy(&json!({"allowPrivileged": false})), &many.join("\n---\n"))?, &[])?;
    for (_, said) in &said[..3] {
        assert!(said.contains("note: 4 objects in 4 more namespaces: not judged"), "{said}");
        assert_eq!(said.matches("note: 1 object in namespace n").count(), 5, "{said}");
    }
    Ok(())
}

/// Gatekeeper refuses the object. `check` says that it fails to judge it, at its line.
#[test]
fn an_object_for_which_a_template_has_no_message_is_named_by_all() -> Result {
    let number = own("Nomsg", "Pod", "violation[{\"msg\": 1}] { true }");
    let folder = folder(&number, &format!("# a comment\n---\n{}", pod("shop", "a", false)))?;
    let said = all(&folder, &[])?;
    assert_eq!(codes(&said), [2, 2, 1, 1], "{said:#?}");
    assert!(said[0].1.contains("error: o.yaml:3: Pod shop/p: template Nomsg"), "{}", said[0].1);
    let note = "note: 1 of 1 objects could not be judged: Pod shop/p (template Nomsg";
    assert!(said[1].1.contains(note), "{}", said[1].1);
    assert!(said[2].1.contains("template Nomsg"), "{}", said[2].1);
    assert!(said[3].1.contains("  deny    line 3: template Nomsg"), "{}", said[3].1);
    Ok(())
}
