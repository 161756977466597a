//! `preview` without a cluster: what a change would refuse of what files hold.

use std::path::Path;

use serde_json::{Value, json};

use crate::Result;
use crate::folder::Folder;

const STRICT: &str = include_str!("../cmd/preview.in/strict.yaml");
const CLUSTER: &str = include_str!("../cmd/preview.in/cluster.yaml");

/// A dump of a cluster in which the standards are enforced, and the policy, if it is.
fn folder(policies: &str, more: &[(&str, &[u8])]) -> Result<Folder> {
    let given = [("strict.yaml", STRICT.as_bytes()), ("dump/cluster.yaml", CLUSTER.as_bytes())];
    let files: Vec<_> = given.into_iter().chain(more.iter().copied()).collect();
    let folder = Folder::of(&files)?;
    let (code, rendered) =
        folder.run(&["render", "-f", policies, "--templates", "--constraints", "--standards"])?;
    assert_eq!(code, 0, "{rendered}");
    folder.write("dump/judging.yaml", &rendered)?;
    Ok(folder)
}

fn document(folder: &Folder, arguments: &[&str]) -> Result<(i32, Value)> {
    let (code, said) = folder.run(&[&["preview", "-o", "json", "--dump", "dump"], arguments].concat())?;
    let json = said.get(said.find('{').ok_or(said.clone())?..).unwrap_or_default();
    Ok((code, serde_json::from_str(json)?))
}

/// Each owner with its answers.
fn owners(document: &Value) -> Vec<String> {
    let owners = document["owners"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> =
        owners.map(|it| [&it["owner"], &it["today"], &it["then"]].map(text).join(" ")).collect();
    all.sort();
    all
}

#[test]
fn each_kind_of_change_has_its_effect() -> Result {
    let folder =
        folder("strict.yaml", &[("warn.yaml", b"podSecurityStandards: {enforcementAction: Warn}\n")])?;
    let today = [
        "CronJob/report refused refused",
        "DaemonSet/agent refused refused",
        "Deployment/checkout refused refused",
        "Pod/one-off refused refused",
        "Rollout/roll refused refused",
    ];
    let freed = [
        "CronJob/report refused passes",
        "DaemonSet/agent refused refused",
        "Deployment/checkout refused passes",
        "Pod/one-off refused passes",
        "Rollout/roll refused passes",
    ];
    let warned = [freed[0], "DaemonSet/agent refused warned", freed[2], freed[3], freed[4]];
    let restricted = [today[0], today[1], today[2], "Deployment/good passes refused", today[3], today[4]];
    let label = "ns=shop,security.deckhouse.io/pod-policy=restricted";
    for (arguments, code, expected) in [
        (&["-f", "strict.yaml"][..], 0, &today[..]),
        (&["--rules", "builtin"], 0, &today),
        (&["--delete", "SecurityPolicy/strict"], 0, &freed),
        (&["--delete", "secpol/strict", "--settings", "warn.yaml"], 0, &warned),
        (&["--label", label], 1, &restricted),
        (&["--label", "ns=shop,tier=db", "--label", "ns=web,x-"], 0, &today),
    ] {
        let (found, document) = document(&folder, arguments)?;
        assert_eq!(
            (found, owners(&document)),
            (code, expected.iter().map(ToString::to_string).collect()),
            "{arguments:?}"
        );
    }
    Ok(())
}

/// Several parts of a change are one: what one of them frees another may still refuse.
#[test]
fn several_changes_are_one() -> Result {
    let folder = folder("strict.yaml", &[])?;
    let label = "ns=shop,security.deckhouse.io/pod-policy=restricted";
    let (code, document) = document(&folder, &["--delete", "secpol/strict", "--label", label, "-n", "shop"])?;
    let expected = [
        "CronJob/report refused refused",
        "Deployment/checkout refused refused",
        "Deployment/good passes refused",
    ];
    assert_eq!((code, owners(&document)), (1, expected.iter().map(ToString::to_string).collect()));
    Ok(())
}

/// Other kinds than workloads, a constraint of others, and one that looks at other objects.
#[test]
fn constraints_of_others_count_and_what_cannot_be_judged_is_named() -> Result {
    let template = |kind: &str, rego: &str| {
        json!({
            "apiVersion": "templates.gatekeeper.sh/v1", "kind": "ConstraintTemplate",
            "metadata": {"name": kind.to_lowercase()},
            "spec": {
                "crd": {"spec": {"names": {"kind": kind}}},
                "targets": [{"target": "admission.k8s.gatekeeper.sh", "rego": rego}],
            },
        })
    };
    let constraint = |kind: &str| {
        json!({
            "apiVersion": "constraints.gatekeeper.sh/v1beta1", "kind": kind, "metadata": {"name": "own"},
            "spec": {"match": {"kinds": [{"apiGroups": [""], "kinds": ["ConfigMap", "Namespace"]}]}},
        })
    };
    let named = template(
        "Named",
        "package named\nviolation[{\"msg\": \"no label\"}] { not input.review.object.metadata.labels.tier }",
    );
    let others = template(
        "Others",
        "package others\nviolation[{\"msg\": \"other\"}] { data.inventory.cluster.v1.Namespace.x }",
    );
    let text = |all: &[&Value]| all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n---\n");
    let (own, looks) = (constraint("Named"), constraint("Others"));
    let files = [("own.yaml", text(&[&named, &own])), ("looks.yaml", text(&[&others, &looks]))];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let folder = folder("strict.yaml", &files)?;
    let (code, found) = document(&folder, &["-f", "own.yaml"])?;
    let new: Vec<_> = owners(&found).into_iter().filter(|it| it.contains("passes refused")).collect();
    let expected = ["ConfigMap/settings", "Namespace/db", "Namespace/logging", "Namespace/web"];
    assert_eq!((code, new), (1, expected.iter().map(|it| format!("{it} passes refused")).collect()));
    // The namespace is judged with the label that it gets.
    let (_, found) =
        document(&folder, &["-f", "own.yaml", "--label", "ns=db,tier=x", "--label", "ns=shop,tier-"])?;
    let new = owners(&found);
    assert!(
        new.contains(&"Namespace/shop passes refused".to_owned())
            && !new.iter().any(|it| it.contains("/db ")),
        "{new:?}"
    );
    let (code, found) = document(&folder, &["-f", "looks.yaml"])?;
    assert_eq!((code, &found["summary"]["unknown"]), (2, &json!(5)), "{found:#}");
    assert_eq!(found["notJudged"][0]["objects"], 5, "{found:#}");
    // What is there today, too, changes nothing and is named.
    folder.write("dump/looks.yaml", &text(&[&others, &looks]))?;
    let (code, found) = document(&folder, &["--label", "ns=db,tier=x"])?;
    assert_eq!((code, &found["summary"]["partlyJudged"]), (0, &json!(5)), "{found:#}");
    assert_eq!(found["notJudged"][0]["constraint"], json!({"kind": "Others", "name": "own"}));
    Ok(())
}

#[test]
fn images_that_a_change_asks_about_are_named() -> Result {
    let policy = r"apiVersion: deckhouse.io/v1alpha1
kind: SecurityPolicy
metadata: {name: signed}
spec:
  match: {namespaceSelector: {matchNames: [shop]}}
  policies:
    verifyImageSignatures:
    - reference: registry.example.com/*
      publicKeys:
      - |
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfqqnQlYYvYQq+8rB3+s8m3XMqWzB
        uh2ryrIZkvXbUU93r1ChEXVuy+UGvSuf9qWzmDDkwGG2bhCurk+aR7kx2w==
        -----END PUBLIC KEY-----
";
    let folder = folder("strict.yaml", &[("signed.yaml", policy.as_bytes())])?;
    let (code, found) = document(&folder, &["-f", "signed.yaml", "-n", "shop"])?;
    assert_eq!((code, &found["notVerified"]), (0, &json!(["registry.example.com/app:1"])), "{found:#}");
    let summary = &found["summary"];
    assert_eq!((&summary["passing"], &summary["unverified"]), (&json!(0), &json!(1)), "{found:#}");
    let (_, said) = folder.run(&["preview", "-f", "signed.yaml", "-n", "shop", "--dump", "dump"])?;
    assert!(said.contains("0 of 3 objects pass, 1 more if their images are signed"), "{said}");
    let note = "signatures of images are not verified here; the change asks about registry.example.com/app:1: gatewright verify IMAGE";
    assert!(said.contains(note), "{said}");
    Ok(())
}

/// A running Pod is judged as it would be made again: with what LimitRanges give to new Pods.
#[test]
fn a_pod_gets_what_limit_ranges_give_a_new_one() -> Result {
    let policy = "apiVersion: deckhouse.io/v1alpha1\nkind: OperationPolicy\nmetadata: {name: limits}\nspec:\n  \
                  match: {namespaceSelector: {matchNames: [shop]}}\n  policies: {requiredResources: {limits: [memory]}}\n";
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: old, namespace: shop, uid: a}\n\
               spec: {containers: [{name: app, image: a}]}\nstatus: {phase: Running}\n";
    let range = "apiVersion: v1\nkind: LimitRange\nmetadata: {name: new, namespace: shop}\n\
                 spec: {limits: [{type: Container, default: {memory: 1Gi}}]}\n";
    for (dump, expected) in [(pod.to_owned(), 1), (format!("{pod}---\n{range}"), 0)] {
        let folder = Folder::of(&[("p.yaml", policy.as_bytes()), ("dump.yaml", dump.as_bytes())])?;
        let (code, said) = folder.run(&["preview", "-f", "p.yaml", "--dump", "dump.yaml"])?;
        assert_eq!(code, expected, "{said}");
    }
    Ok(())
}

#[test]
fn a_change_that_reaches_nothing_is_named() -> Result {
    let folder =
        folder("strict.yaml", &[("empty.yaml", b"apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n")])?;
    for (arguments, code, expected) in [
        (&["-f", "empty.yaml"][..], 2, "there is no change to preview"),
        (&["--label", "ns=web,a=b", "-n", "shop"], 2, "--label: -n shop leaves out namespace web"),
        (
            &["-f", "strict.yaml", "-n", "nowhere"],
            2,
            "the dump holds no namespace nowhere, and no object in it",
        ),
    ] {
        let (found, said) = folder.run(&[&["preview", "--dump", "dump"], arguments].concat())?;
        assert!(found == code && said.contains(expected), "{arguments:?}: {found} {said}");
    }
    Ok(())
}

#[test]
fn formats_for_machines_are_as_their_schemas_say() -> Result {
    let folder = folder("strict.yaml", &[])?;
    let (_, found) = document(&folder, &["--label", "ns=shop,security.deckhouse.io/pod-policy=restricted"])?;
    let schemas = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/json"));
    let schema = std::fs::read_to_string(schemas.join("preview.schema.json"))?;
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema)?)?;
    let wrong: Vec<_> = validator.iter_errors(&found).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let label = "ns=shop,security.deckhouse.io/pod-policy=restricted";
    let (code, said) = folder.run(&["preview", "-o", "sarif", "--dump", "dump", "--label", label])?;
    let json = said.get(said.find('{').ok_or("no JSON")?..).unwrap_or_default();
    let sarif: serde_sarif::sarif::Sarif = serde_json::from_str(json)?;
    let document = serde_json::to_value(&sarif)?;
    let results = document["runs"][0]["results"].as_array().ok_or("no results")?;
    let states = |name: &str| {
        let of = |it: &&Value| {
            it["message"]["text"]
                .as_str()
                .is_some_and(|text| text.starts_with(&format!("Deployment shop/{name}: ")))
        };
        let mut states: Vec<_> = results.iter().filter(of).map(|it| it["baselineState"].clone()).collect();
        states.dedup();
        states
    };
    assert_eq!((code, states("good"), states("checkout")), (1, vec![json!("new")], vec![json!("unchanged")]));
    let location = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(location["artifactLocation"]["uri"], "dump/cluster.yaml");
    assert!(location["region"]["startLine"].as_u64() > Some(1), "{location}");
    Ok(())
}

/// A folder of must-gather: objects twice, and files that are none.
#[test]
fn a_dump_may_hold_objects_twice_and_what_is_none() -> Result {
    let folder = folder(
        "strict.yaml",
        &[
            ("dump/again.yaml", CLUSTER.as_bytes()),
            ("dump/version.yaml", b"version: 4\n"),
            ("dump/notes.txt", b"nothing\n"),
        ],
    )?;
    let (code, found) = document(&folder, &["--delete", "secpol/strict"])?;
    assert_eq!((code, &found["summary"]["objects"]), (0, &json!(6)), "{found:#}");
    let checkout =
        found["owners"].as_array().into_iter().flatten().find(|it| it["owner"] == "Deployment/checkout");
    assert_eq!(checkout.ok_or("no owner")?["pods"], 2);
    let (_, said) = folder.run(&["preview", "--delete", "secpol/strict", "--dump", "dump"])?;
    assert!(
        said.contains("note: 1 document of the dump left out, the first: dump/version.yaml:1: no kind"),
        "{said}"
    );
    folder.write("dump/broken.yaml", "a: [\n")?;
    let (code, said) = folder.run(&["preview", "--delete", "secpol/strict", "--dump", "dump"])?;
    assert!(code == 2 && said.contains("error: dump/broken.yaml:"), "{said}");
    Ok(())
}

const PRIVILEGED: &str = "apiVersion: deckhouse.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {name: np}\nspec:\n  \
                          match: {namespaceSelector: {matchNames: [shop]}}\n  policies: {allowPrivileged: false}\n";

/// No constraint matches ReplicaSets: the Pods that they make are refused.
#[test]
fn a_replica_set_that_nothing_controls_stands_for_its_pods() -> Result {
    let owned = |api_version: &str, kind: &str, name: &str, by: &Value, spec: &Value| {
        json!({"apiVersion": api_version, "kind": kind, "spec": spec,
            "metadata": {"name": name, "namespace": "shop", "labels": {"a": "b"}, "ownerReferences": by}})
    };
    let by = |api_version: &str, kind: &str, name: &str| json!([{"apiVersion": api_version, "kind": kind, "name": name, "uid": "u", "controller": true}]);
    let pod_spec =
        json!({"containers": [{"name": "a", "image": "a", "securityContext": {"privileged": true}}]});
    let set = |name: &str, by: &Value| {
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": &pod_spec});
        let spec = json!({"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "template": template});
        owned("apps/v1", "ReplicaSet", name, by, &spec)
    };
    let pod = |name: &str, set: &str| owned("v1", "Pod", name, &by("apps/v1", "ReplicaSet", set), &pod_spec);
    let rollout = by("argoproj.io/v1alpha1", "Rollout", "roll");
    for (dump, expected) in [
        (vec![set("alone", &Value::Null)], &[("ReplicaSet/alone", 0)][..]),
        (vec![pod("p", "alone"), set("alone", &Value::Null), pod("q", "alone")], &[("ReplicaSet/alone", 2)]),
        // Another owner has a say, and its Pods are judged.
        (vec![set("roll-1", &rollout), pod("p", "roll-1")], &[("Rollout/roll", 1)]),
    ] {
        let text = dump.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n---\n");
        let folder = Folder::of(&[("p.yaml", PRIVILEGED.as_bytes()), ("dump/a.yaml", text.as_bytes())])?;
        let (code, found) = document(&folder, &["-f", "p.yaml"])?;
        let rows = found["owners"].as_array().into_iter().flatten();
        let rows: Vec<_> =
            rows.map(|it| (it["owner"].as_str().unwrap_or_default(), it["pods"].as_i64())).collect();
        let expected: Vec<_> = expected.iter().map(|(owner, pods)| (*owner, Some(*pods))).collect();
        assert_eq!((code, rows), (1, expected), "{found:#}");
        assert_eq!(found["summary"]["objects"], 1, "{found:#}");
    }
    Ok(())
}

/// Most often a path was wrong. A namespace without objects is none of that.
#[test]
fn a_dump_of_which_nothing_is_judged_is_an_error() -> Result {
    let folder = Folder::of(&[
        ("p.yaml", PRIVILEGED.as_bytes()),
        ("empty/README.md", b"nothing\n"),
        ("empty.yaml", b""),
        ("junk.yaml", b"junk\n"),
        ("other.yaml", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: shop}\n"),
        ("namespace.yaml", b"apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n"),
    ])?;
    let error = "error: nothing was judged: the dump holds no running Pod, no controller";
    for dump in ["empty", "empty.yaml", "junk.yaml", "other.yaml", "namespace.yaml"] {
        let (code, said) = folder.run(&["preview", "-f", "p.yaml", "--dump", dump])?;
        assert!(code == 2 && said.contains(error), "{dump}: {code} {said}");
    }
    let (code, said) = folder.run(&["preview", "-f", "p.yaml", "--dump", "namespace.yaml", "-n", "shop"])?;
    assert!(code == 0 && said.contains("no object was judged\n"), "{code} {said}");
    Ok(())
}
