//! What the real kubectl reads: the table by which our reader is tested, and what `render` writes.

mod compare;
#[path = "../../../crates/input/src/kubectl_reads.rs"]
mod kubectl_reads;
mod manifests;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};
use gatewright_e2e::{operator, paths, tools};
use kubectl_reads::{Row, rows};
use serde_json::Value;

/// Lets kubectl read manifests, without a server, and write them as JSON.
fn kubectl(manifests: &str) -> Result<Output> {
    let mut kubectl = Command::new(tools::path("kubectl"))
        .args(["label", "--local", "-f", "-", "-o", "json", "read-by=kubectl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("kubectl does not run; `make tools` builds it")?;
    kubectl.stdin.take().context("no pipe")?.write_all(manifests.as_bytes())?;
    Ok(kubectl.wait_with_output()?)
}

/// Numbers beyond 63 bits are floating point in Go, whichever way they are written.
fn as_go_has_it(mut value: Value) -> Value {
    fn walk(value: &mut Value) {
        match value {
            Value::Number(number) if !number.is_i64() => *value = number.as_f64().into(),
            Value::Array(items) => items.iter_mut().for_each(walk),
            Value::Object(fields) => fields.values_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    value
}

/// The rows of the oracle about files: what is read, exit code by exit code.
#[test]
fn files_of_the_oracle_are_read() -> Result<()> {
    let Some(oracle) = paths::oracle().filter(|folder| folder.join("field").is_dir()) else {
        println!("skipped: there is no oracle");
        return Ok(());
    };
    for (command, path, code, said) in [
        ("check", "field/quoted-scalar", 1, "2 denied"),
        ("check", "field/encodings", 1, "4 denied"),
        ("check", "field/kustomization", 1, "1 denied"),
        ("check", "field/empty-input/empty.yaml", 2, "nothing was judged"),
        ("check", "field/empty-input/one-comment.yaml", 2, "nothing was judged"),
        ("check", "field/empty-input/comments-only.yaml", 2, "nothing was judged"),
        ("check", "field/empty-input/separators-only.yaml", 2, "nothing was judged"),
        ("check", "field/empty-input/mixed.yaml", 1, "1 denied"),
        ("check", "field/empty-input/folder", 1, "1 denied"),
        // The Pods of the ReplicaSet are judged, the others named.
        ("check", "field/other-workloads", 1, "a Pod template that no rule reads"),
        ("check", "field/system-namespace", 0, "is a system namespace"),
        ("check", "attacks/sync-only.yaml", 1, "1 denied"),
        ("check", "attacks/drop-cap-all.yaml", 1, "does not drop ALL"),
        ("check", "attacks/cel-comment-abort.yaml", 2, "is nested deeper than this engine goes"),
        ("check", "attacks/cel-error-20MB.yaml", 2, "is nested deeper than this engine goes"),
        // As `gator` judges it.
        ("check", "attacks/rego-function-chain-abort.yaml", 1, "1 denied"),
        ("check", "attacks/rego-range-abort.yaml", 2, "needs more memory than 1024 MiB (--template-memory)"),
        (
            "check",
            "attacks/rego-cidr-hang.yaml",
            2,
            "template RCidr: net.cidr_expand: a network of more than 1,048,576 addresses",
        ),
        ("check", "attacks/esc.yaml", 1, "Pod n\\u{1b}[2J"),
        ("check", "attacks/gha.yaml", 1, "Pod default/x\\u{a}::warning::injected"),
        ("check", "attacks/othername.yaml", 1, "1 denied"),
        ("check", "attacks/otherns.yaml", 1, "1 denied"),
        (
            "check",
            "attacks/secret-in-error.yaml",
            2,
            "secret-in-error.yaml:9: the value is not an integer (!!int)",
        ),
        ("test", "field/folder-mentions-suite/...", 0, "1 passed"),
        ("test", "field/suite-objects-without-apiversion/...", 0, "2 passed"),
    ] {
        let mut gatewright = Command::new(operator::binary()?);
        let flag = (command == "check").then_some("-f");
        let output = gatewright.arg(command).args(flag).arg(oracle.join(path)).output()?;
        let text = String::from_utf8([output.stdout, output.stderr].concat())?;
        ensure!(
            output.status.code() == Some(code) && text.contains(said),
            "{path}: {}: {text}",
            output.status
        );
        ensure!(
            !text.contains("hunter2secret") && !text.contains(['\u{1b}', '\u{202e}', '\u{9b}']),
            "{path}: {text}"
        );
    }
    Ok(())
}

#[test]
fn kubectl_reads() -> Result<()> {
    for Row { yaml, error, spec } in rows()? {
        let output = kubectl(&format!("apiVersion: example.com/v1\nkind: W\nmetadata: {{name: a}}\n{yaml}"))?;
        ensure!(output.status.success() != error, "{yaml:?}: {}", String::from_utf8_lossy(&output.stderr));
        if !error {
            let found: Value = serde_json::from_slice(&output.stdout)?;
            let (found, expected) = (as_go_has_it(found["spec"].clone()), as_go_has_it(spec));
            ensure!(found == expected, "{yaml:?}: kubectl reads {found}, the table says {expected}");
        }
    }
    Ok(())
}

/// The YAML that `render` prints is to kubectl what its JSON says.
#[test]
fn kubectl_reads_what_render_writes() -> Result<()> {
    let policies = paths::repository().join("crates/gatewright/tests/cmd/render.in/policies.yaml");
    let render = |format: &str| -> Result<String> {
        let mut command = Command::new(operator::binary()?);
        let output = command.args(["render", "--standards", "-o", format, "-f"]).arg(&policies).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    let objects: Value = serde_json::from_str(&render("json")?)?;
    let yaml = render("yaml")?;
    let documents = yaml.split("---\n").filter(|document| !document.is_empty());
    let mut count = 0;
    for (document, expected) in documents.zip(objects["items"].as_array().context("no items")?) {
        let mut found: Value = serde_json::from_slice(&kubectl(document)?.stdout)?;
        let labels = found["metadata"]["labels"].as_object_mut().context("no labels")?;
        labels.remove("read-by").context("not read")?;
        ensure!(
            as_go_has_it(found) == as_go_has_it(expected.clone()),
            "kubectl reads another object:\n{document}"
        );
        count += 1;
    }
    ensure!(count == 4 + 6 + 2, "{count} objects");
    Ok(())
}
