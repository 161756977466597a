//! From the edit of a policy to its constraint being changed.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::stage::{Stage, name};
use crate::say;
use crate::statistics::{Digits, Percentiles};
use crate::table::Table;
use gatewright_e2e::answers::Answer;
use gatewright_e2e::requests::{Form, POLICIES, send};

const EDITS: usize = 300;

/// An edit comes when what the one before caused is over.
const PAUSE: Duration = Duration::from_millis(100);

/// How long after the last edit its constraint is changed at the latest.
const END: Duration = Duration::from_secs(3);

/// Measures and prints.
pub async fn run(stage: &Stage<'_>) -> Result<()> {
    stage.policies(stage.many).await?;
    let edits = EDITS.min(stage.many);
    let mark = stage.answers.mark()?;
    for edit in 0..edits {
        let ranges = json!([{"min": 2000 + edit, "max": 65535}]);
        let patch = json!({"spec": {"policies": {"runAsUser": {"rule": "MustRunAs", "ranges": ranges}}}});
        send(&stage.client, Form::Merge, &format!("{POLICIES}/{}", name(edit)), &patch).await?;
        tokio::time::sleep(PAUSE).await;
    }
    tokio::time::sleep(END).await;
    let answers = stage.answers.since(mark)?;
    let of = |resource: &str, operators: bool| -> HashMap<String, Answer> {
        let them = answers.iter().filter(|answer| answer.verb == "patch" && answer.is_done());
        let them = them.filter(|answer| answer.resource() == resource && answer.is_operators() == operators);
        them.map(|answer| (answer.name().to_owned(), answer.clone())).collect()
    };
    let (policies, constraints) = (of("securitypolicies", false), of("d8securitypolicy", true));
    let measured: Vec<_> = (0..edits)
        .map(|edit| {
            Edit::new(policies.get(&name(edit)), constraints.get(&name(edit))).with_context(|| name(edit))
        })
        .collect::<Result<_>>()?;
    print(&measured);
    Ok(())
}

/// The times of one edit, in seconds.
struct Edit {
    /// How long the API server took for the policy.
    policy: f64,
    /// How long the API server took for the constraint.
    constraint: f64,
    /// From the edit's arrival until the constraint was changed.
    total: f64,
}

impl Edit {
    fn new(policy: Option<&Answer>, constraint: Option<&Answer>) -> Result<Self> {
        let policy = policy.context("was not edited")?;
        let constraint = constraint.context("its constraint was not changed")?;
        Ok(Self {
            policy: policy.answered()? - policy.came()?,
            constraint: constraint.answered()? - constraint.came()?,
            total: constraint.answered()? - policy.came()?,
        })
    }

    fn beyond(&self) -> f64 {
        self.total - self.policy - self.constraint
    }
}

fn print(edits: &[Edit]) {
    let mut table = Table::new(["", "p50, ms", "p99, ms"]);
    let mut row = |title: &str, of: &dyn Fn(&Edit) -> f64| {
        let times = Percentiles::of(edits.iter().map(of).collect());
        let millis = |percent| Digits(times.at(percent) * 1e3).to_string();
        table.row([title.to_owned(), millis(50), millis(99)]);
    };
    row("from the edit's arrival at the API server to its constraint being changed", &|edit| edit.total);
    row("of that, the API server for the edit", &|edit| edit.policy);
    row("of that, the API server for the constraint", &|edit| edit.constraint);
    row("beyond both (aim: 20)", &Edit::beyond);
    table.print("The edit of a policy");
    say(&format!("{} edits, one at a time.", edits.len()));
}
