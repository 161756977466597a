//! `check --fix`: diffs that `patch` applies, files that are edited, and what is left as it is.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Result;
use crate::folder::Folder;

const POLICIES: &str = "apiVersion: deckhouse.io/v1alpha1
kind: SecurityPolicy
metadata: {name: baseline}
spec:
  match: {namespaceSelector: {matchNames: [shop]}}
  policies:
    allowPrivileged: false
    allowPrivilegeEscalation: false
    readOnlyRootFilesystem: true
    requiredDropCapabilities: [ALL]
---
apiVersion: deckhouse.io/v1alpha1
kind: OperationPolicy
metadata: {name: common}
spec:
  enforcementAction: Warn
  match: {namespaceSelector: {matchNames: [shop]}}
  policies: {requiredProbes: [livenessProbe], disallowedTolerations: [{key: gpu}]}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {security.deckhouse.io/pod-policy: restricted}}
";

const SHOP: &str = r#"# The shop.
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, namespace: shop}   # one line
spec:
  selector: {matchLabels: &labels {app: checkout}}
  template:
    metadata:
      labels: *labels
    spec:
      tolerations:
      - {key: gpu, operator: Exists}  # for the cards
      - key: web
        operator: Exists
      containers:
      # The app itself.
      - name: app
        image: registry.example.com/app:1.2
        securityContext:
          privileged: true   # why?
          capabilities: {drop: [NET_RAW]}
      - name: sidecar
        image: registry.example.com/sidecar:1
---
apiVersion: batch/v1
kind: CronJob
metadata:
    name: report
    namespace: shop
spec:
    schedule: "@daily"
    jobTemplate:
        spec:
            template:
                spec:
                    hostPID: true
                    restartPolicy: Never
                    containers:
                        - name: r
                          image: registry.example.com/report:1
"#;

const FIXED: &str = r"# The shop.
apiVersion: apps/v1
kind: Deployment
metadata: {name: checkout, namespace: shop}   # one line
spec:
  selector: {matchLabels: &labels {app: checkout}}
  template:
    metadata:
      labels: *labels
    spec:
      tolerations:
      - key: web
        operator: Exists
      containers:
      # The app itself.
      - name: app
        image: registry.example.com/app:1.2
        securityContext:
          capabilities: {drop: [NET_RAW, ALL]}
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
      - name: sidecar
        image: registry.example.com/sidecar:1
        securityContext:
          allowPrivilegeEscalation: false
          capabilities:
            drop:
            - ALL
          readOnlyRootFilesystem: true
      securityContext:
        runAsNonRoot: true
        seccompProfile:
          type: RuntimeDefault
---
";

fn folder(shop: &str) -> Result<Folder> {
    Folder::of(&[("policies.yaml", POLICIES.as_bytes()), ("shop.yaml", shop.as_bytes())])
}

const CHECK: [&str; 5] = ["check", "-f", "policies.yaml", "-f", "shop.yaml"];

fn check(folder: &Folder, more: &[&str]) -> Result<(i32, String, String)> {
    folder.outputs(&[&CHECK, more].concat())
}

/// Runs the real program; none where it is not installed.
fn patch(folder: &Folder, diff: &str) -> Result<Option<String>> {
    let mut command = Command::new("patch");
    command.arg("-p0").current_dir(folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut patching) = command.spawn() else {
        eprintln!("skipped: patch is not installed");
        return Ok(None);
    };
    patching.stdin.take().ok_or("no stdin")?.write_all(diff.as_bytes())?;
    let output = patching.wait_with_output()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    Ok(Some(String::from_utf8(output.stdout)?))
}

fn text(folder: &Folder, file: &str) -> Result<String> {
    Ok(std::fs::read_to_string(folder.path().join(file))?)
}

#[test]
fn the_diff_makes_the_check_pass_once_patch_has_applied_it() -> Result {
    let windows = SHOP.replace('\n', "\r\n");
    let (unended, (first, _)) = (SHOP.trim_end(), SHOP.split_once("---").unwrap_or_default());
    for shop in [SHOP, &windows, unended, first] {
        let folder = folder(shop)?;
        let (code, diff, report) = check(&folder, &["--fix"])?;
        assert_eq!(code, 0, "{report}");
        assert!(diff.starts_with("--- shop.yaml\n+++ shop.yaml\n@@ "), "{diff}");
        assert!(report.contains("shop.yaml:2: deny Deployment shop/checkout\n"), "{report}");
        if patch(&folder, &diff)?.is_none() {
            return Ok(());
        }
        let (code, said, report) = check(&folder, &[])?;
        assert_eq!(code, 0, "{said}{report}");
        if shop == SHOP {
            let fixed = text(&folder, "shop.yaml")?;
            assert!(fixed.starts_with(FIXED), "{fixed}");
            assert!(!fixed.contains("hostPID"), "{fixed}");
        }
    }
    Ok(())
}

#[test]
fn what_undoes_a_violation_is_said_below_it() -> Result {
    let (_, _, report) = check(&folder(SHOP)?, &["--fix"])?;
    for expected in [
        "      fix: remove spec.template.spec.containers[0].securityContext.privileged   may break: access to devices of the node\n",
        "      fix: add ALL to spec.template.spec.containers[0].securityContext.capabilities.drop   may break: ",
        "      fix: set spec.template.spec.containers[1].securityContext.capabilities.drop to [ALL]   may break: ",
        "      fix: set spec.template.spec.securityContext.runAsNonRoot to true   may break: images that run as root: they do not start\n",
        "      no fix: only you know what shows that the container works\n",
        "note: with the fixes: 2 objects: 0 denied, 1 warned, 0 dryrun, 1 passed\n",
    ] {
        assert!(report.contains(expected), "{expected}\n{report}");
    }
    Ok(())
}

#[test]
fn files_are_edited_in_place() -> Result {
    let folder = folder(SHOP)?;
    let path = folder.path().join("shop.yaml");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640))?;
    std::fs::rename(&path, folder.path().join("real.yaml"))?;
    std::os::unix::fs::symlink("real.yaml", &path)?;
    let (code, said, notes) = check(&folder, &["--fix=write"])?;
    assert_eq!(code, 0, "{said}{notes}");
    assert!(
        said.contains("2 objects: 2 denied") && notes.contains("note: shop.yaml: edited\n"),
        "{said}{notes}"
    );
    assert!(text(&folder, "shop.yaml")?.starts_with(FIXED));
    assert!(path.is_symlink());
    assert_eq!(std::fs::metadata(folder.path().join("real.yaml"))?.permissions().mode() & 0o777, 0o640);
    assert_eq!(check(&folder, &[])?.0, 0);
    let (_, _, notes) = check(&folder, &["--fix=write"])?;
    assert!(!notes.contains("edited"), "a second time there is nothing to do: {notes}");
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 3, "nothing is left beside the files");
    Ok(())
}

#[test]
fn json_has_the_patch_of_each_violation() -> Result {
    let folder = folder(SHOP)?;
    let (code, out, _) = check(&folder, &["--fix", "-o", "json"])?;
    let document: Value = serde_json::from_str(&out)?;
    assert_eq!(code, 0);
    let violations = document["results"][0]["violations"].as_array().ok_or("none")?;
    let of =
        |rule: &str| violations.iter().find(|it| it["details"]["rule"] == rule).cloned().unwrap_or_default();
    let path = "/spec/template/spec/containers/0/securityContext/privileged";
    assert_eq!(of("allowPrivileged")["fix"]["patch"], serde_json::json!([{"op": "remove", "path": path}]));
    assert_eq!(of("requiredProbes")["fix"], Value::Null);
    assert_eq!(of("requiredProbes")["noFix"], "only you know what shows that the container works");
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/json/check.schema.json");
    let validator = jsonschema::validator_for(&serde_json::from_str(&std::fs::read_to_string(schema)?)?)?;
    let wrong: Vec<_> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let (_, out, _) = check(&folder, &["-o", "json"])?;
    let document: Value = serde_json::from_str(&out)?;
    assert_eq!(document["results"][0]["violations"][0]["fix"], Value::Null, "nobody asked");
    Ok(())
}

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec:\n  hostPID: true\n  \
                   automountServiceAccountToken: false\n  containers: [{name: a, image: b}]\n";

/// The policy that only asks for one thing.
const ONE: &str = "apiVersion: deckhouse.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {name: one}\nspec:\n  \
                   match: {namespaceSelector: {matchNames: [shop]}}\n  policies: {allowHostPID: false}\n---\n\
                   apiVersion: v1\nkind: Namespace\n\
                   metadata: {name: shop, labels: {security.deckhouse.io/pod-policy: privileged}}\n";

fn one(file: &str, text: &str, more: &[&str]) -> Result<(i32, String, String)> {
    let folder = Folder::of(&[("p.yaml", ONE.as_bytes()), (file, text.as_bytes())])?;
    folder.outputs(&[&["check", "-f", "p.yaml", "-f", file], more].concat())
}

#[test]
fn what_cannot_be_edited_is_a_patch_in_a_note_and_counts_as_refused() -> Result {
    const PATCH: &str = "as a JSON patch the fix is [{\"op\":\"remove\",\"path\":\"/spec/hostPID\"}]";
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"web\", \"namespace\": \"shop\"}, \
                \"spec\": {\"hostPID\": true, \"containers\": []}}";
    let merged = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: web, namespace: shop}\n  \
                  spec: &spec\n    hostPID: true\n    containers: []\n- apiVersion: v1\n  kind: Pod\n  \
                  metadata: {name: two, namespace: shop}\n  spec:\n    <<: *spec\n";
    let comment = "\u{202e}";
    for (file, text, because) in [
        ("pod.json", json.to_owned(), "it is JSON"),
        ("pod.yaml", merged.to_owned(), "an alias or a merge stands for it"),
        (
            "pod.yaml",
            POD.replace("hostPID: true", &format!("hostPID: true # {comment}")),
            "line 5 holds characters",
        ),
        ("a\u{1b}[2J.yaml", POD.to_owned(), "the name of the file holds characters"),
    ] {
        let (code, diff, said) = one(file, &text, &["--fix"])?;
        assert_eq!((code, diff.as_str()), (1, ""), "{file}: {said}");
        assert!(said.contains(because) && said.contains(PATCH), "{file}: {said}");
        assert!(!said.contains('\u{1b}') && !said.contains(comment), "{file}: {said:?}");
    }
    let folder = Folder::of(&[("p.yaml", ONE.as_bytes())])?;
    let (code, said) = folder.run_with(&["check", "-f", "p.yaml", "-f", "-", "--fix"], POD)?;
    assert!(code == 1 && said.contains("it is standard input") && said.contains(PATCH), "{said}");
    Ok(())
}

#[test]
fn a_file_with_errors_is_not_written() -> Result {
    let text = format!("{POD}---\nkind: Pod\n");
    let (code, _, said) = one("pod.yaml", &text, &["--fix=write", "--keep-going"])?;
    assert!(code == 2 && said.contains("its text is not edited: the file has errors"), "{said}");
    let (code, _, said) = one("pod.yaml", &text, &["--fix"])?;
    assert!(code == 2 && !said.contains("fix"), "{said}");
    Ok(())
}

#[test]
fn names_with_spaces_and_items_of_lists_are_patched() -> Result {
    let list = POD.lines().map(|line| "  ".to_owned() + line + "\n").collect::<String>();
    let list = format!("apiVersion: v1\nkind: List\nitems:\n-{}", &list[1..]);
    let list = format!(
        "{list}{}",
        &list[list.find("\n-").unwrap_or_default() + 1..].replace("name: web", "name: two")
    );
    let folder = Folder::of(&[("p.yaml", ONE.as_bytes()), ("the shop/a b.yaml", list.as_bytes())])?;
    let arguments = ["check", "-f", "p.yaml", "-f", "./the shop", "-f", "the shop/a b.yaml", "--fix"];
    let (code, diff, said) = folder.outputs(&arguments)?;
    assert_eq!(code, 0, "{said}");
    if patch(&folder, &diff)?.is_some() {
        let fixed = text(&folder, "the shop/a b.yaml")?;
        assert_eq!(fixed, list.replace("    hostPID: true\n", ""));
    }
    Ok(())
}
