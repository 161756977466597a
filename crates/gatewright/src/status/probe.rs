//! A Pod that every standard but `privileged` refuses, created as a dry run: does admission refuse it?

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::PostParams;
use kube::core::Status;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::cluster::Connection;
use crate::foreign::Foreign;

/// What became of the Pod.
#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// It was refused.
    Refused { by: Foreign, message: Foreign },
    /// It would have been created.
    Passed,
    /// Nobody can say.
    Unknown { because: Foreign },
}

/// Whether admission refused a privileged Pod that was created as a dry run.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Probe")]
pub struct ProbeDocument {
    /// `Probe`.
    pub kind: &'static str,
    /// The version of this document's shape.
    pub version: u32,
    /// The namespace that was tried.
    pub namespace: Foreign,
    /// Whether the Pod was refused; none where nobody can say.
    pub refused: Option<bool>,
    /// Who refused it.
    pub by: Option<Foreign>,
    /// What was said.
    pub message: Option<Foreign>,
}

/// Creates a privileged Pod as a dry run: nothing is stored and nothing runs.
///
/// # Errors
/// The API server does not answer.
pub async fn probe(connection: &Connection, namespace: &str) -> anyhow::Result<Probe> {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"generateName": "gatewright-probe-"},
        "spec": {
            "containers": [{
                "name": "probe", "image": "registry.invalid/gatewright-probe",
                "securityContext": {"privileged": true},
            }],
        },
    }))?;
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), namespace);
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&dry_run, &pod).await {
        Ok(_) => Ok(Probe::Passed),
        Err(kube::Error::Api(status)) => Ok(answer(&status, namespace)),
        Err(error) => Err(error.into()),
    }
}

/// What the API server's refusal means.
fn answer(status: &Status, namespace: &str) -> Probe {
    let message = status.message.as_str();
    let unknown = |because: String| Probe::Unknown { because: because.into() };
    // The words of the API server's own authorizer.
    if status.code == 403 && message.contains(" cannot create resource \"pods\"") {
        return unknown(format!("not shown: whether a Pod is refused in {namespace} (needs create on pods)"));
    }
    if status.code == 404 {
        return unknown(format!("there is no namespace {namespace}"));
    }
    if let Some((name, said)) = message
        .strip_prefix("admission webhook \"")
        .and_then(|rest| rest.split_once("\" denied the request: "))
    {
        return Probe::Refused { by: format!("webhook {name}").into(), message: said.into() };
    }
    let by = [
        ("ValidatingAdmissionPolicy", "a ValidatingAdmissionPolicy"),
        ("violates PodSecurity", "Pod Security admission"),
    ];
    match by.into_iter().find(|(word, _)| message.contains(word)) {
        Some((_, by)) => Probe::Refused { by: by.into(), message: message.into() },
        None => unknown(format!("the API server refused the Pod before policies were asked: {message}")),
    }
}

impl Probe {
    /// What is said to people.
    pub fn text(&self, namespace: &str) -> String {
        match self {
            Self::Refused { by, message } => {
                // Gatekeeper says each violation in a line that begins with its constraint; other line breaks are of others.
                let lines = message.raw().split("\n[").map(|line| Foreign::from(line).to_string());
                let message = lines.collect::<Vec<_>>().join("\n          [");
                format!("refused   a privileged Pod in {namespace}, by {by}: {message}\n")
            }
            Self::Passed => format!(
                "passed    a privileged Pod would be created in {namespace}: no policy refuses it there, or Gatekeeper is not \
                 asked\n"
            ),
            Self::Unknown { .. } => String::new(),
        }
    }

    /// The same for scripts.
    pub fn document(&self, namespace: &str) -> ProbeDocument {
        let (refused, by, message) = match self {
            Self::Refused { by, message } => (Some(true), Some(by.clone()), Some(message.clone())),
            Self::Passed => (Some(false), None, None),
            Self::Unknown { because } => (None, None, Some(because.clone())),
        };
        ProbeDocument { kind: "Probe", version: 1, namespace: namespace.into(), refused, by, message }
    }
}

#[cfg(test)]
mod tests {
    use super::{Probe, answer};
    use kube::core::Status;

    #[test]
    fn several_violations_stand_below_each_other() {
        let message = "[a] one\nerror: x\n[b] two\u{1b}[2J";
        let said = Probe::Refused { by: "webhook w".into(), message: message.into() }.text("shop");
        let expected = "refused   a privileged Pod in shop, by webhook w: [a] one\\u{a}error: x\n          [b] two\\u{1b}[2J\n";
        assert_eq!(said, expected);
    }

    #[test]
    fn who_refused_is_named_and_a_missing_right_proves_nothing() {
        let refused = |by: &str, message: &str| Probe::Refused { by: by.into(), message: message.into() };
        let unknown = |because: &str| Probe::Unknown { because: because.into() };
        for (code, message, expected) in [
            (
                403,
                "admission webhook \"validation.gatekeeper.sh\" denied the request: [baseline] no privileged",
                refused("webhook validation.gatekeeper.sh", "[baseline] no privileged"),
            ),
            (
                403,
                "pods \"x\" is forbidden: violates PodSecurity \"baseline:latest\": privileged",
                refused(
                    "Pod Security admission",
                    "pods \"x\" is forbidden: violates PodSecurity \"baseline:latest\": privileged",
                ),
            ),
            (
                422,
                "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
                refused(
                    "a ValidatingAdmissionPolicy",
                    "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: no",
                ),
            ),
            (
                403,
                "pods is forbidden: User \"jane\" cannot create resource \"pods\" in API group \"\" in the namespace \"shop\"",
                unknown("not shown: whether a Pod is refused in shop (needs create on pods)"),
            ),
            (404, "namespaces \"shop\" not found", unknown("there is no namespace shop")),
            (
                403,
                "pods \"x\" is forbidden: exceeded quota: q",
                unknown(
                    "the API server refused the Pod before policies were asked: pods \"x\" is forbidden: exceeded quota: q",
                ),
            ),
        ] {
            let status = Status::failure(message, "Forbidden").with_code(code);
            assert_eq!(answer(&status, "shop"), expected, "{message}");
        }
    }
}
