//! `migrate` without a cluster.

use std::fmt::Write as _;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

use crate::Result;
use crate::folder::Folder;

/// What the pages show is what is printed. In the repository, so that the files of the examples are there.
#[test]
fn the_examples_in_the_documentation_are_true() -> Result {
    let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let mut count = 0;
    for page in ["deckhouse", "from-pod-security-admission", "from-gatekeeper-library", "upgrade"] {
        let text = std::fs::read_to_string(repository.join(format!("docs/{page}.md")))?;
        for block in text.split("```console\n").skip(1) {
            let (block, _) = block.split_once("```").ok_or("no end")?;
            let (command, shown) = block.split_once('\n').ok_or("no command")?;
            let arguments = command.strip_prefix("$ gatewright ").ok_or("no command")?.split(' ');
            let mut program = Command::cargo_bin("gatewright")?;
            let output = program.current_dir(repository).args(arguments).output()?;
            assert_eq!(String::from_utf8(output.stdout)?, shown, "{page}: {command}");
            assert_eq!(output.status.code(), Some(i32::from(page != "upgrade")), "{page}: {command}");
            count += 1;
        }
    }
    assert_eq!(count, 7);
    Ok(())
}

/// What is printed as YAML is accepted here, and has no difference that can be written out.
#[test]
fn what_is_written_out_is_accepted_and_has_nothing_left_to_write() -> Result {
    let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    for source in ["deckhouse", "gatekeeper-library"] {
        let mut program = Command::cargo_bin("gatewright")?;
        let folder = format!("examples/migrate/{source}");
        let output = program
            .current_dir(repository)
            .args(["migrate", "--from", source, "-f", &folder, "-o", "yaml"])
            .output()?;
        let folder = Folder::of(&[("policies.yaml", &output.stdout)])?;
        let (code, said) = folder.run(&["check", "-f", "policies.yaml", "--allow-empty"])?;
        assert_eq!(code, 0, "{said}");
        let (_, said) =
            folder.run(&["migrate", "--from", "deckhouse", "-f", "policies.yaml", "-o", "json"])?;
        let document: Value = serde_json::from_str(&said)?;
        let left = document["objects"].as_array().into_iter().flatten();
        let mut left = left.flat_map(|it| it["differences"].as_array().into_iter().flatten());
        // Constraints of others were never Deckhouse's.
        assert!(source != "deckhouse" || left.all(|it| it["sameMeaning"].is_null()), "{said}");
    }
    Ok(())
}

#[test]
fn the_document_is_as_its_schema_says() -> Result {
    let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let schema = std::fs::read_to_string(repository.join("docs/json/migration.schema.json"))?;
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema)?)?;
    for arguments in [
        &["migrate", "-f", "examples/migrate", "-o", "json"][..],
        &["migrate", "--to", "0.1.0", "-o", "json"],
    ] {
        let mut program = Command::cargo_bin("gatewright")?;
        let output = program.current_dir(repository).args(arguments).output()?;
        let mut document: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!((&document["kind"], &document["version"]), (&"Migration".into(), &1.into()));
        let wrong: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        document["objects"] = "many".into();
        assert!(!validator.is_valid(&document));
    }
    Ok(())
}

const PLAIN: &str = "apiVersion: deckhouse.io/v1alpha1\nkind: OperationPolicy\nmetadata: {name: plain}\n\
                     spec: {match: {namespaceSelector: {matchNames: [shop]}}, policies: {imagePullPolicy: Always}}\n";

#[test]
fn exit_codes_say_whether_somebody_has_to_look() -> Result {
    let folder = Folder::of(&[
        ("plain.yaml", PLAIN.as_bytes()),
        ("differs.yaml", PLAIN.replace("imagePullPolicy: Always", "maxRevisionHistoryLimit: 1").as_bytes()),
        (
            "refused.yaml",
            PLAIN.replace("imagePullPolicy: Always", "allowedRepos: [\"https://a\"]").as_bytes(),
        ),
        ("broken.yaml", b"a: [\n"),
    ])?;
    for (arguments, code, expected) in [
        (&["-f", "plain.yaml"][..], 0, "0 policies change their meaning, 1 does not"),
        (&["-f", "differs.yaml"], 1, "1 policy changes its meaning, 0 do not"),
        (&["-f", "refused.yaml"], 1, "here it is refused: an image reference has no scheme"),
        (&["-f", "plain.yaml", "--from", "psa"], 0, "nothing to migrate was found"),
        (&["-f", "broken.yaml"], 2, "broken.yaml:"),
        (&["-f", "plain.yaml", "-n", "shop"], 2, "cannot be used with"),
        (&["--to", "9.9.9"], 2, "nothing is known of version 9.9.9"),
        (&["--to", "0.1.0", "--from", "psa"], 2, "cannot be used with"),
        (&["--to", "0.1.0", "-o", "yaml"], 2, "--to prints no objects"),
    ] {
        let (found, said) = folder.run(&[&["migrate"], arguments].concat())?;
        assert!(found == code && said.contains(expected), "{arguments:?} {found}: {said}");
    }
    Ok(())
}

/// Who puts the written policies in the place of the old ones deletes those first.
#[test]
fn a_policy_that_is_refused_is_left_out_and_the_others_are_written() -> Result {
    let refused = PLAIN.replace("name: plain", "name: refused").replace("[shop]", "[]");
    let folder = Folder::of(&[("a.yaml", format!("{PLAIN}---\n{refused}").as_bytes())])?;
    let (code, said) = folder.run(&["migrate", "-f", "a.yaml", "-o", "yaml"])?;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("  name: plain\n") && !said.contains("  name: refused\n"), "{said}");
    let reason = "---\n# from OperationPolicy/refused\n# left out: gatewright refuses the policy.";
    assert!(said.contains(reason) && said.contains("matchNames is empty"), "{said}");
    Ok(())
}

/// A dump has Pods beside what made them.
#[test]
fn objects_of_a_dump_count_once() -> Result {
    let policy = "apiVersion: deckhouse.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {name: one}\n\
                  spec: {match: {namespaceSelector: {matchNames: [shop]}}, policies: {allowPrivilegeEscalation: true}}\n";
    let spec = "{containers: [{name: a, image: a, securityContext: {privileged: true}}]}";
    let owner = |kind: &str, name: &str| {
        format!(
            "ownerReferences: [{{apiVersion: apps/v1, kind: {kind}, name: {name}, controller: true, uid: u}}]"
        )
    };
    let dump = format!(
        "{policy}---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: shop, {}}}\nspec: {spec}\n---\n\
         apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {{name: r, namespace: shop, {}}}\n\
         spec: {{selector: {{}}, template: {{spec: {spec}}}}}\n---\n\
         apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d, namespace: shop}}\n\
         spec: {{selector: {{}}, template: {{metadata: {{labels: {{security.deckhouse.io/skip-pss-check: \"true\"}}}}, spec: {spec}}}}}\n---\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: shop}}\n",
        owner("ReplicaSet", "r"),
        owner("Deployment", "d")
    );
    let folder = Folder::of(&[("a.yaml", dump.as_bytes())])?;
    let (code, said) = folder.run(&["migrate", "-f", "a.yaml", "--from", "deckhouse"])?;
    assert_eq!(code, 1, "{said}");
    for expected in [
        "changes the verdict of 1 of your 1 object\n",
        "Deployment/d -n shop   1 difference\n  Δ27 ",
        "1 policy changes its meaning, 0 do not; 1 object has a label that means nothing here\n",
    ] {
        assert!(said.contains(expected), "no {expected}: {said}");
    }
    Ok(())
}

/// Names that lead a terminal astray, and credentials.
#[test]
fn foreign_text_is_written_out_and_credentials_are_never_printed() -> Result {
    let policy = "apiVersion: deckhouse.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {name: \"a\\e[2Jb\\u202e\"}\nspec:\n  \
                  match: {namespaceSelector: {matchNames: [\"shop\\e[31m\"]}}\n  policies:\n    \
                  allowedVolumes: [\"\\e]0;evil\\a\"]\n    verifyImageSignatures:\n    \
                  - {reference: \"r.example.com/a\", dockerCfg: Y2FuYXJ5, publicKeys: [\"x\\e[2J\"]}\n---\n\
                  apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {pod-security.kubernetes.io/enforce: \"\\e[2J\"}}\n---\n\
                  apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sAllowedRepos\nmetadata: {name: \"\\e[2J\"}\n\
                  spec: {enforcementAction: \"\\e[2J\", parameters: {\"\\e[2J\": 1}}\n";
    let folder = Folder::of(&[("a.yaml", policy.as_bytes())])?;
    for format in ["table", "json", "yaml"] {
        let (code, said) = folder.run(&["migrate", "-f", "a.yaml", "-o", format])?;
        assert!(code == 1 && said.contains("shop"), "{format}: {said}");
        assert!(!said.contains(['\u{1b}', '\u{7}']) && !said.contains("Y2FuYXJ5"), "{format}: {said:?}");
        assert!(format == "json" || !said.contains('\u{202e}'), "{format}: {said:?}");
    }
    Ok(())
}

#[test]
fn more_than_ten_thousand_objects_are_refused() -> Result {
    let mut text = PLAIN.to_owned();
    for number in 0..10_001 {
        write!(text, "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p{number}, namespace: shop}}\n")?;
    }
    let folder = Folder::of(&[("a.yaml", text.as_bytes())])?;
    let (code, said) = folder.run(&["migrate", "-f", "a.yaml"])?;
    assert!(code == 2 && said.contains("more than 10000 objects"), "{code} {said}");
    Ok(())
}

/// Our settings on the page about other engines are settings, and do what the page says.
#[test]
fn the_settings_beside_other_engines_are_accepted() -> Result {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/other-engines.md");
    let text = std::fs::read_to_string(page)?;
    let blocks = text.split("```yaml\n").skip(1).filter_map(|block| Some(block.split_once("```")?.0));
    let ours: Vec<_> =
        blocks.filter(|it| it.contains("systemNamespaces") || it.contains("podSecurity")).collect();
    assert_eq!(ours.len(), 2);
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: kyverno}\n\
               spec: {hostPID: true, containers: [{name: a, image: b}]}\n";
    for settings in ours {
        let folder = Folder::of(&[("settings.yaml", settings.as_bytes()), ("pod.yaml", pod.as_bytes())])?;
        let (code, said) = folder.run(&["check", "-f", "pod.yaml", "--config", "settings.yaml"])?;
        assert_eq!(code, 0, "{said}");
    }
    Ok(())
}

/// What was refused is never said to mean the same where it passes afterwards.
#[test]
fn what_is_enforced_today_is_never_lost_in_silence() -> Result {
    let module = |settings: &str| {
        format!(
            "apiVersion: deckhouse.io/v1alpha1\nkind: ModuleConfig\nmetadata: {{name: admission-policy-engine}}\n\
             spec: {{enabled: true, settings: {{{settings}}}}}\n---\n\
             apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n"
        )
    };
    let ignored = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {\
                   pod-security.kubernetes.io/enforce: baseline, admission.gatekeeper.sh/ignore: x}}\n";
    let constraint = "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: K8sDisallowedTags\nmetadata: {name: tags}\n\
                      spec: {match: {kinds: [{apiGroups: [\"\"], kinds: [Pod]}]}, parameters: {tags: [dev]}}\n";
    let folder = Folder::of(&[
        ("known.yaml", module("podSecurityStandards: {defaultPolicy: Restricted}").as_bytes()),
        ("unknown.yaml", module("").as_bytes()),
        ("ignored.yaml", ignored.as_bytes()),
        ("tags.yaml", constraint.as_bytes()),
        ("settings.yaml", b"podSecurityStandards: {enforcementAction: Warn}\n"),
    ])?;
    for (arguments, expected, never) in [
        (&["-f", "known.yaml"][..], "defaultPolicy=Restricted", "Namespace/shop"),
        (&["-f", "known.yaml", "-o", "yaml"], "", "privileged"),
        (
            &["-f", "known.yaml", "--config", "settings.yaml"],
            "same meaning: the labels security.deckhouse.io/pod-policy=restricted, security.deckhouse.io/pod-policy-action=deny",
            "P3",
        ),
        (&["-f", "unknown.yaml"], "Namespace/shop   1 difference\n  P10 ", "same meaning"),
        (&["-f", "unknown.yaml", "-o", "yaml"], "", "privileged"),
        (
            &["-f", "ignored.yaml", "--from", "psa"],
            "namespace shop carries the label admission.gatekeeper.sh/ignore\n",
            "pod-policy=baseline",
        ),
        (&["-f", "ignored.yaml", "--from", "psa"], "1 namespace changes its meaning, 0 do not", "P3"),
        (&["-f", "tags.yaml", "--from", "gatekeeper-library"], "  L12 ", "L2 "),
    ] {
        let (code, said) = folder.run(&[&["migrate"], arguments].concat())?;
        let is_fine = said.contains(expected) && !said.contains(never);
        let nothing = arguments[1] == "known.yaml" && !arguments.contains(&"--config");
        assert!(is_fine && code == i32::from(!nothing), "{arguments:?} {code}: {said}");
    }
    Ok(())
}
