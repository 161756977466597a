//! `check --fix` in files of all kinds: links, comments that stay, formats, and pipes that nobody reads.

use std::os::unix::fs::{MetadataExt as _, symlink};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Result;
use crate::folder::Folder;

/// A policy of the namespace `shop`, to which no standard applies.
fn policy(fields: &str) -> String {
    format!(
        "apiVersion: deckhouse.io/v1alpha1\nkind: SecurityPolicy\nmetadata: {{name: one}}\nspec:\n  \
         match: {{namespaceSelector: {{matchNames: [shop]}}}}\n  policies: {{{fields}}}\n---\n\
         apiVersion: v1\nkind: Namespace\n\
         metadata: {{name: shop, labels: {{security.deckhouse.io/pod-policy: privileged}}}}\n"
    )
}

/// A Pod with this spec, whose lines are two deeper.
fn pod(spec: &str) -> String {
    let lines: String = spec.lines().flat_map(|line| ["  ", line, "\n"]).collect();
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: shop}}\nspec:\n{lines}")
}

const HOST_PID: &str = "hostPID: true\ncontainers: [{name: a, image: b}]\n";

fn folder(fields: &str, spec: &str) -> Result<Folder> {
    Folder::of(&[("p.yaml", policy(fields).as_bytes()), ("pod.yaml", pod(spec).as_bytes())])
}

fn check(folder: &Folder, more: &[&str]) -> Result<(i32, String, String)> {
    folder.outputs(&[&["check", "-f", "p.yaml", "-f", "pod.yaml"], more].concat())
}

/// What a file becomes.
#[track_caller]
fn becomes(fields: &str, before: &str, after: &str) -> Result {
    let folder = folder(fields, before)?;
    let (code, said, notes) = check(&folder, &["--fix=write"])?;
    assert_eq!(code, 0, "{said}{notes}");
    assert_eq!(std::fs::read_to_string(folder.path().join("pod.yaml"))?, pod(after));
    assert_eq!(check(&folder, &[])?.0, 0);
    Ok(())
}

#[test]
fn the_diff_names_the_object_and_the_file_behind_a_link() -> Result {
    let folder = folder("allowHostPID: false", HOST_PID)?;
    let expected = "--- pod.yaml\n+++ pod.yaml\n@@ -2,5 +2,4 @@ Pod shop/web\n kind: Pod\n";
    assert!(check(&folder, &["--fix"])?.1.starts_with(expected));
    symlink("pod.yaml", folder.path().join("link.yaml"))?;
    for files in [&["-f", "link.yaml"][..], &["-f", "link.yaml", "-f", "pod.yaml"]] {
        let (code, diff, said) = folder.outputs(&[&["check", "-f", "p.yaml", "--fix"], files].concat())?;
        assert_eq!(code, 0, "{said}");
        assert!(diff.starts_with(expected) && diff.matches("+++").count() == 1, "{diff}");
    }
    let all = ["check", "-f", "p.yaml", "-f", "link.yaml", "-f", "pod.yaml", "--fix=write"];
    let (code, said, notes) = folder.outputs(&all)?;
    assert_eq!((code, notes.matches("edited").count()), (0, 1), "{said}{notes}");
    assert!(folder.path().join("link.yaml").is_symlink());
    assert_eq!(check(&folder, &[])?.0, 0);
    Ok(())
}

#[test]
fn a_link_that_leads_outside_is_no_diff() -> Result {
    let outside = folder("allowHostPID: false", HOST_PID)?;
    let inside = folder("allowHostPID: false", HOST_PID)?;
    std::fs::remove_file(inside.path().join("pod.yaml"))?;
    symlink(outside.path().join("pod.yaml"), inside.path().join("pod.yaml"))?;
    let (code, diff, said) = check(&inside, &["--fix"])?;
    assert_eq!((code, diff.as_str()), (1, ""), "{said}");
    assert!(said.contains("a symbolic link to one outside of the current folder"), "{said}");
    Ok(())
}

#[test]
fn a_file_with_two_names_keeps_both() -> Result {
    let folder = folder("allowHostPID: false", HOST_PID)?;
    let [one, two] = ["pod.yaml", "other.txt"].map(|name| folder.path().join(name));
    std::fs::hard_link(&one, &two)?;
    let (code, said, notes) = check(&folder, &["--fix=write"])?;
    assert_eq!(code, 0, "{said}{notes}");
    assert_eq!(std::fs::metadata(&one)?.ino(), std::fs::metadata(&two)?.ino());
    assert!(!std::fs::read_to_string(&two)?.contains("hostPID"));
    Ok(())
}

#[test]
fn a_format_without_room_for_fixes_is_wrong_usage() -> Result {
    let folder = folder("allowHostPID: false", HOST_PID)?;
    for format in ["github", "sarif", "junit"] {
        let (code, out, said) = check(&folder, &["--fix", "-o", format])?;
        let expected = format!(
            "error: --fix: -o {format} has no fixes: use -o json for patches, -o table for a diff, or --fix=write\n"
        );
        assert_eq!((code, out.as_str(), said), (2, "", expected));
        assert_eq!(check(&folder, &["-o", format])?.0, 1);
    }
    assert_eq!(check(&folder, &["--fix=write", "-o", "github"])?.0, 0);
    Ok(())
}

/// Runs the command with an output that nobody reads.
fn unread(folder: &Folder, more: &[&str]) -> Result<Option<i32>> {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin("gatewright"));
    command.current_dir(folder.path()).args(["check", "-f", "p.yaml", "-f", "pod.yaml"]).args(more);
    let mut running = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    drop(running.stdout.take());
    Ok(running.wait()?.code())
}

#[test]
fn an_output_that_nobody_reads_changes_neither_files_nor_exit_code() -> Result {
    let folder = folder("allowHostPID: false", HOST_PID)?;
    for more in [&[][..], &["-o", "json"], &["-o", "sarif"]] {
        assert_eq!(unread(&folder, more)?, Some(1), "{more:?}");
    }
    assert_eq!(unread(&folder, &["--fix"])?, Some(0));
    assert_eq!(unread(&folder, &["--fix=write"])?, Some(0));
    assert_eq!(check(&folder, &[])?.0, 0, "the file is written");
    Ok(())
}

#[test]
fn comments_of_what_stays_stay() -> Result {
    // A map that another fix needs.
    becomes(
        "allowPrivileged: false, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true",
        "containers:\n- name: a\n  securityContext:   # see TICKET-1\n    # audited\n    privileged: true\n  image: x\n",
        "containers:\n- name: a\n  securityContext:   # see TICKET-1\n    # audited\n    allowPrivilegeEscalation: false\n    \
         readOnlyRootFilesystem: true\n  image: x\n",
    )?;
    // The first field of an item.
    becomes(
        "allowedHostPorts: []",
        "containers:\n- name: a\n  ports:\n  - hostPort: 80   # public\n    # http\n    containerPort: 80\n",
        "containers:\n- name: a\n  ports:\n  # http\n  - containerPort: 80\n",
    )?;
    // Items and fields beside the one that is wrong.
    becomes(
        "supplementalGroups: {rule: MayRunAs, ranges: [{min: 10, max: 20}]}, seccompProfiles: {allowedProfiles: [RuntimeDefault]}",
        "securityContext:\n  supplementalGroups:\n  - 5 # five\n  - 12 # twelve\n  seccompProfile:\n    # needs perf\n    \
         type: Localhost   # until 2025\n    localhostProfile: a\ncontainers: [{name: a, image: b}]\n",
        "securityContext:\n  supplementalGroups:\n  - 12 # twelve\n  seccompProfile:\n    # needs perf\n    \
         type: RuntimeDefault   # until 2025\ncontainers: [{name: a, image: b}]\n",
    )?;
    // A key without a value.
    becomes(
        "requiredDropCapabilities: [ALL]",
        "containers: [{name: a, image: b, securityContext: {capabilities}}]\n",
        "containers: [{name: a, image: b, securityContext: {capabilities: {drop: [ALL]}}}]\n",
    )
}

#[test]
fn only_the_fix_that_does_not_fit_into_the_text_is_left_out() -> Result {
    let spec = "hostPID: true\ncontainers:\n- name: a\n  image: b\n  securityContext: {privileged: true, # why\n    runAsUser: 5}\n";
    let folder = folder("allowHostPID: false, allowPrivileged: false", spec)?;
    let (code, diff, said) = check(&folder, &["--fix"])?;
    assert_eq!(code, 1, "{said}");
    assert!(diff.contains("-  hostPID: true\n"), "{diff}");
    let path = "/spec/containers/0/securityContext/privileged";
    let note = format!(
        "note: pod.yaml:1: Pod shop/web: one fix is not made in its text: a comment stands in what would be removed; \
         as a JSON patch the fix is [{{\"op\":\"remove\",\"path\":\"{path}\"}}]\n"
    );
    assert!(said.contains(&note), "{said}");
    assert!(said.contains("with the fixes: 1 object: 1 denied"), "{said}");
    Ok(())
}

#[test]
fn a_fix_that_helps_only_with_others_is_said_with_what_it_breaks() -> Result {
    let spec = "hostNetwork: true\ncontainers:\n- name: a\n  image: b\n  ports:\n  - containerPort: 80\n    hostPort: 80\n";
    let folder = folder("allowHostNetwork: false, allowedHostPorts: []", spec)?;
    let (code, diff, said) = check(&folder, &["--fix"])?;
    assert!(
        code == 0 && diff.contains("-      hostPort: 80\n") && diff.contains("-  hostNetwork: true\n"),
        "{diff}{said}"
    );
    let expected = "fix, with the others: remove spec.containers[0].ports[0].hostPort   may break: clients that reach the port";
    assert!(said.contains(expected) && !said.contains("no fix"), "{said}");
    Ok(())
}

#[test]
fn json_has_one_patch_with_all_fixes() -> Result {
    let spec = "containers:\n- name: a\n  image: b\n";
    let fields = "readOnlyRootFilesystem: true, requiredDropCapabilities: [ALL]";
    let (code, out, said) = check(&folder(fields, spec)?, &["--fix", "-o", "json"])?;
    assert_eq!(code, 0, "{said}");
    let document: Value = serde_json::from_str(&out)?;
    let result = &document["results"][0];
    let paths = |patch: &Value| -> Vec<String> {
        let edits = patch.as_array().cloned().unwrap_or_default();
        edits.iter().map(|edit| edit["path"].as_str().unwrap_or_default().to_owned()).collect()
    };
    let context = "/spec/containers/0/securityContext";
    let each = result["violations"].as_array().ok_or("none")?;
    assert!(each.iter().all(|it| paths(&it["fix"]["patch"]) == [context]), "{out}");
    let all = paths(&result["patch"]);
    assert!(all.len() == 2 && all[0] == context && all[1].starts_with(&format!("{context}/")), "{out}");
    let (_, out, _) = check(&folder(fields, spec)?, &["-o", "json"])?;
    let document: Value = serde_json::from_str(&out)?;
    assert_eq!(document["results"][0]["patch"], Value::Null, "nobody asked");
    Ok(())
}
