//! What the documentation gives to tools of GitOps, run by the interpreter that these tools have inside.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use gatewright_api::Reason;
use gatewright_e2e::paths;
use serde_json::{Value, json};

/// The script of docs/gitops.md.
fn documented() -> Result<String> {
    let text = std::fs::read_to_string(paths::repository().join("docs/gitops.md"))?;
    let (_, script) = text.split_once("```lua\n").context("no script")?;
    Ok(script.split_once("```").context("no end of the script")?.0.to_owned())
}

/// A value as Lua writes it.
fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".to_owned(),
        Value::Array(items) => format!("{{{}}}", items.iter().map(lua).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| format!("[{}] = {}", json!(name), lua(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// What Argo CD would show of the object: its status and its message.
fn health(script: &str, object: &Value) -> Result<(String, String)> {
    let program = format!(
        "local obj = {}\nlocal judge = function(obj)\n{script}\nend\nlocal health = judge(obj)\n\
         print(health.status)\nprint(health.message)\n",
        lua(object)
    );
    let path = paths::clusters().join("health.lua");
    std::fs::create_dir_all(paths::clusters())?;
    std::fs::write(&path, program)?;
    let output = Command::new(gatewright_tools::path("glua")).arg(&path).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    let (status, message) = text.split_once('\n').context("no message")?;
    Ok((status.to_owned(), message.trim_end().to_owned()))
}

fn policy(observed: Option<i64>, status: &str, reason: &str) -> Value {
    let condition =
        |r#type: &str| json!({"type": r#type, "status": status, "reason": reason, "message": "because"});
    let mut policy = json!({"metadata": {"name": "a", "generation": 2}});
    if let Some(observed) = observed {
        // Ready is not the first of them.
        policy["status"] =
            json!({"observedGeneration": observed, "conditions": [condition("Valid"), condition("Ready")]});
    }
    policy
}

#[test]
fn argo_cd_sees_the_health_of_a_policy() -> Result<()> {
    let script = documented()?;
    let waits = "no operator has looked at this policy yet";
    let word = Reason::as_str;
    for (object, status, message) in [
        (policy(None, "", ""), "Progressing", waits),
        (json!({"metadata": {"generation": 1}, "status": {}}), "Progressing", waits),
        (policy(Some(1), "True", word(Reason::Ready)), "Progressing", waits),
        (policy(Some(2), "True", word(Reason::Ready)), "Healthy", "because"),
        (policy(Some(2), "Unknown", word(Reason::Pending)), "Progressing", "because"),
        (policy(Some(2), "False", word(Reason::NotEnforcedBy)), "Progressing", "because"),
        (policy(Some(2), "False", word(Reason::WaitingForGatekeeper)), "Progressing", "because"),
        (policy(Some(2), "False", word(Reason::Invalid)), "Degraded", "because"),
        (policy(Some(2), "False", word(Reason::Unsupported)), "Degraded", "because"),
        (policy(Some(2), "False", word(Reason::Conflict)), "Degraded", "because"),
        (policy(Some(2), "False", word(Reason::Drifted)), "Degraded", "because"),
        (policy(Some(2), "False", word(Reason::CrdOutdated)), "Degraded", "because"),
        (policy(Some(2), "False", word(Reason::TooOld)), "Degraded", "because"),
        (policy(Some(2), "False", word(Reason::TemplateRejected)), "Degraded", "because"),
        (policy(Some(2), "False", word(Reason::VerifierDisabled)), "Degraded", "because"),
        (policy(Some(2), "False", word(Reason::NotRouted)), "Progressing", "because"),
    ] {
        let shown = health(&script, &object)?;
        ensure!(shown == (status.to_owned(), message.to_owned()), "{object}: {shown:?}");
    }
    Ok(())
}
