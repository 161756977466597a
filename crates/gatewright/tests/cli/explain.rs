//! `explain` without a cluster: objects of files by policies of files.

use serde_json::Value;

use crate::Result;
use crate::folder::Folder;

const POLICIES: &str = r#"apiVersion: deckhouse.io/v1alpha1
kind: SecurityPolicy
metadata: {name: baseline}
spec:
  match: {namespaceSelector: {matchNames: [shop, "web-*"], excludeNames: [web-test]}}
  policies:
    allowPrivileged: false
    verifyImageSignatures:
    - reference: registry.example.com/*
      publicKeys:
      - |
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfqqnQlYYvYQq+8rB3+s8m3XMqWzB
        uh2ryrIZkvXbUU93r1ChEXVuy+UGvSuf9qWzmDDkwGG2bhCurk+aR7kx2w==
        -----END PUBLIC KEY-----
---
apiVersion: deckhouse.io/v1alpha1
kind: SecurityPolicy
metadata: {name: payments}
spec:
  match: {namespaceSelector: {labelSelector: {matchLabels: {tier: pci}}}}
  policies: {allowHostPID: false}
---
apiVersion: deckhouse.io/v1alpha1
kind: OperationPolicy
metadata: {name: common}
spec:
  enforcementAction: Warn
  match: {namespaceSelector: {matchNames: [shop]}, labelSelector: {matchLabels: {app: checkout}}}
  policies: {requiredProbes: [livenessProbe]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {tier: web, security.deckhouse.io/pod-policy: privileged}}
"#;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: checkout}}\nspec:\n  \
containers:\n  - name: app\n    image: registry.example.com/app:1\n    securityContext:\n      privileged: true\n";

fn explain(objects: &str, more: &[&str]) -> Result<(i32, String)> {
    let (code, out, notes) = outputs(objects, more)?;
    Ok((code, out + &notes))
}

/// The exit code, the document, and the notes.
fn outputs(objects: &str, more: &[&str]) -> Result<(i32, String, String)> {
    let folder = Folder::of(&[("p.yaml", POLICIES.as_bytes()), ("a.yaml", objects.as_bytes())])?;
    folder.outputs(&[&["explain", "-f", "a.yaml", "--policies", "p.yaml"], more].concat())
}

/// What is said of one policy.
fn row<'a>(said: &'a str, policy: &str) -> Vec<&'a str> {
    let is_row = |line: &&str| line.starts_with(' ') && line.split_whitespace().nth(1) == Some(policy);
    said.lines().filter(is_row).collect()
}

/// Below what is wrong; in JSON a patch; and as YAML the object with all of it.
#[test]
fn what_undoes_it_is_said_and_printed() -> Result {
    let (_, said) = explain(POD, &[])?;
    for expected in [
        "fix: remove spec.containers[0].securityContext   may break: access to devices of the node\n",
        "no fix: only you know what shows that the container works\n",
    ] {
        assert!(said.contains(expected), "{said}");
    }
    let (code, said, _) = outputs(POD, &["-o", "json"])?;
    let document: Value = serde_json::from_str(&said)?;
    let (item, row) = (&document["items"][0], &document["items"][0]["policies"][0]);
    let patch = serde_json::json!([{"op": "remove", "path": "/spec/containers/0/securityContext"}]);
    assert_eq!((code, &row["violations"][0]["fix"]["patch"]), (1, &patch));
    assert_eq!(
        item["withFixes"],
        serde_json::json!({"verdict": "warn", "denied": 0, "warned": 1, "dryrun": 0})
    );
    let noted = POD.replace("labels:", "uid: x, labels:") + "status: {phase: Running}\n";
    let (_, said, _) = outputs(&format!("{noted}---\n{noted}"), &["-o", "yaml"])?;
    let expected = "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    app: checkout\n  name: web\n  namespace: shop\n\
                    spec:\n  containers:\n  - image: registry.example.com/app:1\n    name: app\n";
    assert_eq!(said, format!("{expected}---\n{expected}"));
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: shop}\nstringData: {p: hidden}\n";
    let (code, said) = explain(secret, &["-o", "yaml"])?;
    assert!(code == 2 && said.contains("-o yaml prints no Secret") && !said.contains("hidden"), "{said}");
    Ok(())
}

#[test]
fn each_policy_of_the_files_says_whether_it_applies_and_why_not() -> Result {
    let (code, said) = explain(POD, &[])?;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("Pod shop/web: refused (1 denies, 1 warns, 1 not verified)\n"), "{said}");
    assert!(said.contains("\n2 of 4 apply. With the fix: 1 warning left (evaluated).\n"), "{said}");
    for (policy, at, expected) in [
        (
            "SecurityPolicy/baseline",
            0,
            "deny     line 9: allowPrivileged: container \"app\" sets securityContext.privileged to true; it must be false \
             or unset",
        ),
        ("SecurityPolicy/baseline", 1, "unknown  not verified here: gatewright verify IMAGE"),
        (
            "OperationPolicy/common",
            0,
            "warn     line 6: requiredProbes: container \"app\" has no livenessProbe; it must have one",
        ),
        (
            "SecurityPolicy/payments",
            0,
            "namespaceSelector.labelSelector wants tier=pci, namespace shop has tier=web",
        ),
        (
            "PodSecurityStandard/privileged",
            0,
            "namespace label security.deckhouse.io/pod-policy=privileged demands nothing",
        ),
    ] {
        let rows = row(&said, policy);
        assert!(rows.get(at).is_some_and(|row| row.ends_with(expected)), "{policy} {expected:?}: {said}");
    }
    Ok(())
}

/// Each kind of reason, and what takes it away.
#[test]
fn each_not_turns_into_applies_where_its_reason_is_met() -> Result {
    let pod = POD;
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web, namespace: shop}\n".to_owned();
    let in_namespace = |name: &str| pod.replace("namespace: shop", &format!("namespace: {name}"));
    let of_app = |app: &str| pod.replace("app: checkout", &format!("app: {app}"));
    let pci = format!(
        "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: pci, labels: {{tier: pci}}}}\n---\n{}",
        in_namespace("pci")
    );
    for (policy, left_out, because, judged) in [
        (
            "SecurityPolicy/payments",
            pod.to_owned(),
            "labelSelector wants tier=pci, namespace shop has tier=web",
            pci,
        ),
        (
            "SecurityPolicy/baseline",
            in_namespace("other"),
            "namespaceSelector.matchNames wants shop or web-*, the namespace is other",
            in_namespace("web-a"),
        ),
        (
            "SecurityPolicy/baseline",
            in_namespace("web-test"),
            "namespaceSelector.excludeNames leaves out web-test, the namespace is web-test",
            in_namespace("web-a"),
        ),
        (
            "SecurityPolicy/payments",
            in_namespace("kube-system"),
            "namespace kube-system is a system namespace: a policy reaches it only by an entry of matchNames that names it",
            format!(
                "---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: pci, labels: {{tier: pci}}}}\n---\n{}",
                in_namespace("pci")
            ),
        ),
        (
            "OperationPolicy/common",
            of_app("other"),
            "labelSelector wants app=checkout, the object has app=other",
            of_app("checkout"),
        ),
        ("OperationPolicy/common", config, "judges Pods and controllers, not ConfigMaps", pod.to_owned()),
    ] {
        let (_, said) = explain(&left_out, &[])?;
        let rows = row(&said, policy);
        assert!(!rows.is_empty() && rows.iter().all(|row| row.starts_with(" not ")), "{said}");
        assert!(rows.iter().any(|row| row.ends_with(because)), "{because}: {said}");
        let (_, said) = explain(&judged, &[])?;
        let rows = row(&said, policy);
        assert!(!rows.is_empty() && rows.iter().all(|row| row.starts_with(" applies ")), "{policy}: {said}");
    }
    Ok(())
}

#[test]
fn what_passes_says_what_chose_the_object() -> Result {
    let good = POD.replace("true", "false") + "    livenessProbe: {tcpSocket: {port: 80}}\n";
    let (code, said) = explain(&good, &[])?;
    assert_eq!(code, 0, "{said}");
    let rows = [row(&said, "SecurityPolicy/baseline"), row(&said, "OperationPolicy/common")].concat();
    for chosen in ["passes   namespaceSelector.matchNames shop", "passes   labelSelector app=checkout"] {
        assert!(rows.iter().any(|row| row.ends_with(chosen)), "{chosen}: {said}");
    }
    Ok(())
}

#[test]
fn scripts_get_a_document_with_an_entry_for_each_object() -> Result {
    let two = format!("{POD}---\n{}", POD.replace("name: web,", "name: other,").replace("true", "false"));
    let (code, said, _) = outputs(&two, &["-o", "json"])?;
    let document: Value = serde_json::from_str(&said)?;
    assert_eq!((code, &document["kind"], &document["version"]), (1, &"ExplainList".into(), &1.into()));
    let verdicts: Vec<_> =
        document["items"].as_array().ok_or("no items")?.iter().map(|it| &it["verdict"]).collect();
    assert_eq!(verdicts, ["deny", "warn"]);
    let first = &document["items"][0]["policies"];
    let of_baseline =
        first.as_array().into_iter().flatten().find(|it| it["constraint"]["kind"] == "D8SecurityPolicy");
    let violation = &of_baseline.ok_or("no row")?["violations"][0];
    assert_eq!((&violation["line"], &violation["judged"]), (&9.into(), &"object".into()));
    Ok(())
}

#[test]
fn what_is_not_to_be_explained_is_refused_by_name() -> Result {
    let many = (0..101)
        .map(|at| POD.replace("name: web,", &format!("name: web-{at},")))
        .collect::<Vec<_>>()
        .join("---\n");
    let large = POD.to_owned() + &format!("    args: [\"{}\"]\n", "x".repeat(3 << 20));
    for (objects, more, says) in [
        (many.as_str(), &[][..], "the files of -f hold 101 objects; at most 100 are explained at once"),
        (large.as_str(), &[], "a.yaml:1: the object is larger than 3 MiB"),
        (POLICIES, &["--operation", "update"], "--operation update compares with what is in the cluster"),
        (POD, &["pod/web"], "cannot be used with"),
        (POD, &["--context", "x"], "cannot be used with"),
        ("apiVersion: apps/v1\nkind: Deploymnt\nmetadata: {name: a}\n", &[], "did you mean Deployment?"),
    ] {
        let (code, said) = explain(objects, more)?;
        assert!(code == 2 && said.contains(says), "{says}: {said}");
    }
    let folder = Folder::of(&[("p.yaml", POLICIES.as_bytes())])?;
    let (code, said) = folder.run(&["explain", "--policies", "p.yaml"])?;
    assert!(code == 2 && said.contains("required"), "{said}");
    Ok(())
}

/// A template that asks a provider: nobody here can say what that answers.
#[test]
fn a_template_with_external_data_is_not_judged_and_named() -> Result {
    let rego = "package external\nviolation[{\"msg\": \"m\"}] { external_data({\"provider\": \"p\", \"keys\": [\"k\"]}) }";
    let template = serde_json::json!({
        "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate", "metadata": {"name": "external"},
        "spec": {
            "crd": {"spec": {"names": {"kind": "External"}}},
            "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}],
        },
    });
    let constraint = serde_json::json!({
        "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": "External", "metadata": {"name": "asks"},
        "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["Pod"]}]}},
    });
    let judging = format!("{template}\n---\n{constraint}\n");
    let good = POD.replace("true", "false").replace("namespace: shop", "namespace: other");
    let folder = Folder::of(&[("p.yaml", judging.as_bytes()), ("a.yaml", good.as_bytes())])?;
    let (code, said) = folder.run(&["explain", "-f", "a.yaml", "--policies", "p.yaml"])?;
    assert_eq!(code, 2, "{said}");
    let rows = row(&said, "External/asks");
    assert!(
        rows[0].starts_with(" applies ") && rows[0].contains("cannot be judged here: external_data"),
        "{said}"
    );
    assert!(said.contains("Pod other/web: nobody can say here what becomes of it"), "{said}");
    Ok(())
}

/// Gatekeeper fails to review an object of which an `ExpansionTemplate` can make nothing: no policy says anything of it.
#[test]
fn an_object_that_cannot_be_expanded_passes_nothing() -> Result {
    let expansion = serde_json::json!({
        "apiVersion": "expansion.gatekeeper.sh/v1beta1", "kind": "ExpansionTemplate", "metadata": {"name": "made"},
        "spec": {
            "applyTo": [{"groups": [""], "versions": ["v1"], "kinds": ["Pod"]}], "templateSource": "spec.template",
            "generatedGVK": {"group": "example.com", "version": "v1", "kind": "Made"},
        },
    });
    let judging = format!("{POLICIES}---\n{expansion}\n");
    let folder = Folder::of(&[("p.yaml", judging.as_bytes()), ("a.yaml", POD.as_bytes())])?;
    let (code, said) = folder.run(&["explain", "-f", "a.yaml", "--policies", "p.yaml"])?;
    assert_eq!(code, 2, "{said}");
    let rows = row(&said, "OperationPolicy/common");
    assert!(rows[0].ends_with("unknown  the object was not judged"), "{said}");
    assert!(said.contains("not judged: spec.template: ExpansionTemplate made needs a map there"), "{said}");
    Ok(())
}
